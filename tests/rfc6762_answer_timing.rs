//! RFC 6762 §6: when an answer goes out, how often, and with what it shares a message.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::collections::BTreeMap;
use std::time::Duration;

use rfc::*;
use salut::Service;

/// How long the announced node waits with its answer, for many seeds.
fn delays(packet: &Packet, seeds: u64) -> Vec<Duration> {
    (0..seeds)
        .map(|seed| {
            let mut scene = Scene::seeded(seed);
            scene.announce(node());
            scene.run(secs(60));
            let asked = scene.now();
            scene.hear(packet);
            scene.next(secs(1)).at - asked
        })
        .collect()
}

/// No record is in two multicasts of less than `apart`.
#[track_caller]
fn is_kept_apart(sent: &[Sent], apart: Duration) {
    let mut last: BTreeMap<String, Duration> = BTreeMap::new();
    for message in sent.iter().filter(|sent| sent.is_multicast() && !sent.is_query()) {
        for line in message.records() {
            if let Some(before) = last.insert(line.clone(), message.at) {
                let gap = message.at - before;
                assert!(gap >= apart, "{line} again after {gap:?}");
            }
        }
    }
}

// ---- delays

#[test]
fn unique_answers_go_out_at_once() {
    proves!("6762-6-unique-at-once");
    for question in
        ["alpha.local A", "node._exo._tcp.local SRV", "node._exo._tcp.local ANY", "alpha.local AAAA"]
    {
        assert!(delays(&query().ask(question), 20).iter().all(|delay| *delay <= ms(10)), "{question}");
    }
}

#[test]
fn shared_answers_wait_an_even_draw_of_20_to_120_ms() {
    proves!("6762-6-shared-delay");
    spread(&delays(&query().ask("_exo._tcp.local PTR"), 400), 20, 120);
    spread(&delays(&query().ask("_services._dns-sd._udp.local PTR"), 400), 20, 120);
}

#[test]
fn answers_to_several_questions_wait_20_to_120_ms_unique_ones_too() {
    proves!("6762-6.3-delay");
    let packet = query().ask("alpha.local A").ask("node._exo._tcp.local SRV");
    spread(&delays(&packet, 400), 20, 120);
    // Another host may answer the second question.
    spread(&delays(&query().ask("alpha.local A").ask("beta.local A"), 400), 20, 120);
}

#[test]
fn answers_to_a_truncated_query_wait_400_to_500_ms() {
    proves!("6762-7.2-tc-delay");
    spread(&delays(&query().ask("_exo._tcp.local PTR").truncated(), 400), 400, 500);
    spread(&delays(&query().ask("alpha.local A").truncated(), 400), 400, 500);
}

#[test]
fn each_further_truncated_packet_of_the_source_prolongs_the_wait() {
    proves!("6762-7.2-tc-delay");
    for seed in 0..50 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(60));
        let known = query().answer("_exo._tcp.local 4500 PTR other._exo._tcp.local");
        scene.hear(&query().ask("_exo._tcp.local PTR").truncated());
        scene.is_quiet(ms(300));
        let further = scene.now();
        scene.hear(&known.clone().truncated());
        between(scene.next(secs(2)).at - further, 400, 500);
        // A last packet, without TC, or one of another host, does not.
        scene.run(secs(60));
        let first = scene.now();
        scene.hear(&query().ask("_exo._tcp.local PTR").truncated());
        scene.is_quiet(ms(300));
        scene.hear(&known);
        scene.hear_from(NEIGHBOUR, &known.truncated());
        between(scene.next(secs(2)).at - first, 400, 500);
    }
}

// ---- rates

#[test]
fn a_record_is_multicast_at_most_once_a_second() {
    proves!("6762-6-one-second");
    let questions = [
        "_exo._tcp.local PTR",
        "alpha.local A",
        "alpha.local AAAA",
        "node._exo._tcp.local SRV",
        "node._exo._tcp.local ANY",
        "1.0.0.10.in-addr.arpa PTR",
        "_services._dns-sd._udp.local PTR",
    ];
    for seed in 0..10 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        let mut sent = scene.run(ms(1000));
        for step in 0..400 {
            let question = questions[(step * 7 + usize::try_from(seed).unwrap()) % questions.len()];
            scene.hear(&query().ask(question));
            sent.extend(scene.run(ms(37)));
        }
        sent.extend(scene.run(secs(5)));
        assert!(sent.len() >= 15);
        is_kept_apart(&sent, secs(1));
    }
}

#[test]
fn an_answer_that_comes_too_soon_is_given_when_the_second_is_over() {
    proves!("6762-6-one-second");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("alpha.local A"));
    let first = only(scene.run(ms(100)));
    scene.hear_from(NEIGHBOUR, &query().ask("alpha.local A"));
    assert_eq!(scene.next(secs(5)).at - first.at, secs(1));
    scene.is_quiet(secs(5));
}

#[test]
fn a_name_that_is_won_again_within_a_second_keeps_to_the_second() {
    proves!("6762-6-one-second");
    for seed in 0..30 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        let mut sent = scene.run(ms(20));
        while sent.iter().all(Sent::is_query) {
            sent.extend(scene.batch(secs(1)));
        }
        // A conflict right after the first announcement: three probes, and 0 to 250 ms.
        scene.hear(&response().answer("node._exo._tcp.local 120 flush SRV 0 0 1 beta.local"));
        sent.extend(scene.run(secs(10)));
        is_kept_apart(&sent, secs(1));
        // The machine wakes up right after an answer.
        scene.hear(&query().ask("_exo._tcp.local PTR"));
        let mut sent = scene.batch(secs(1));
        scene.drive(|engine, now| engine.handle_wake(now));
        sent.extend(scene.run(secs(10)));
        is_kept_apart(&sent, secs(1));
    }
}

#[test]
fn the_second_is_counted_for_each_link() {
    proves!("6762-6-one-second");
    let mut scene = Scene::announced();
    let other = quick_segment(&mut scene.lan);
    attach(&mut scene.lan, scene.alpha, other, &["10.1.0.1"], &[]);
    scene.run(secs(10));
    let question = query().ask("node._exo._tcp.local TXT").bytes();
    for segment in [scene.segment, other] {
        let source = if segment == other { "10.1.0.9:5353" } else { STRANGER };
        scene.lan.inject(segment, source.parse().unwrap(), None, &question);
        assert_eq!(only(scene.run(ms(10))).segment, segment);
    }
}

/// The node's pointer has gone out alone, and is to go out whole a second later. The address that
/// belongs to it was told again meanwhile, so late, and so it waits with all that goes with it for
/// the end of that second.
fn withheld(seed: u64, told_again: u64, before_it_ends: u64) -> (Scene, Duration) {
    let mut scene = Scene::seeded(seed);
    scene.announce(node());
    scene.run(secs(60));
    scene.hear(&query().ask("node._exo._tcp.local TXT"));
    scene.run(ms(1));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let alone = scene.next(ms(121));
    assert_eq!(alone.records().len(), 1);
    scene.run_until(alone.at + ms(told_again));
    scene.hear(&query().ask("alpha.local A"));
    let end = only(scene.run(ms(1))).at + secs(1);
    scene.run_until(end - ms(before_it_ends));
    scene.is_quiet(ms(130));
    (scene, end)
}

#[test]
fn what_goes_with_an_answer_that_is_withheld_waits_for_it() {
    proves!("6762-6-one-second");
    let service = query().ask("node._exo._tcp.local SRV");
    for seed in 0..10 {
        let (mut scene, end) = withheld(seed, 900, 800);
        scene.hear(&service);
        let both = scene.next(secs(2));
        assert_eq!(both.at, end);
        same(
            &both.answers,
            &[
                "_exo._tcp.local 4500 PTR node._exo._tcp.local",
                "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
            ],
        );
        scene.is_quiet(secs(2));
    }
}

#[test]
fn what_waits_for_an_answer_goes_at_once_when_that_is_given_by_another_host_or_early() {
    proves!("6762-6-one-second", "6762-7.4-duplicate-answer");
    let service = query().ask("node._exo._tcp.local SRV");
    for seed in 0..10 {
        // Another host has told the pointer.
        let (mut scene, _) = withheld(seed, 900, 800);
        scene.hear_from(NEIGHBOUR, &response().answer("_exo._tcp.local 4500 PTR node._exo._tcp.local"));
        scene.hear(&service);
        assert!(scene.next(ms(1)).has("node._exo._tcp.local 120 flush SRV"));
        // Somebody takes it back, so that it is told early (§10.1).
        let (mut scene, _) = withheld(seed, 900, 800);
        scene.hear(&response().answer("_exo._tcp.local 0 PTR node._exo._tcp.local"));
        assert!(scene.next(ms(121)).has("_exo._tcp.local 4500 PTR"));
        scene.hear(&service);
        assert!(scene.next(ms(1)).has("node._exo._tcp.local 120 flush SRV"));
    }
}

#[test]
fn what_waits_for_an_answer_waits_longer_when_that_joins_a_later_one() {
    proves!("6762-6-one-second", "6762-6.4-aggregation");
    for seed in 0..10 {
        let (mut scene, end) = withheld(seed, 300, 150);
        scene.run_until(end - ms(10));
        scene.hear_from(NEIGHBOUR, &query().ask("_services._dns-sd._udp.local PTR"));
        scene.run_until(end + ms(1));
        scene.hear(&query().ask("node._exo._tcp.local SRV"));
        let all = scene.next(secs(1));
        between(all.at - end, 10, 110);
        assert_eq!(all.answers.len(), 3, "{all:?}");
        scene.is_quiet(secs(2));
    }
}

/// The records of what goes to one address, none of them twice.
fn told_once(sent: &[Sent], to: &str) -> Vec<String> {
    let mut all: Vec<String> =
        sent.iter().filter(|sent| sent.to.to_string() == to).flat_map(Sent::records).collect();
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "{sent:#?}");
    all
}

#[test]
fn what_needs_several_messages_is_told_once_in_all_of_them() {
    proves!("6762-6-one-second");
    const SERVICES: usize = 60;
    let mut scene = Scene::new();
    for number in 0..SERVICES {
        scene.announce(named(&format!("node {number}")));
    }
    scene.run(secs(10));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let sent = scene.batch(secs(1));
    assert!(sent.len() > 1);
    // Each with SRV and TXT; the host's A, and NSEC in the place of AAAA.
    assert_eq!(told_once(&sent, GROUP).len(), 3 * SERVICES + 2);
}

#[test]
fn what_one_family_has_heard_from_another_host_is_told_once_on_the_other() {
    proves!("6762-6-one-second", "6762-7.4-duplicate-answer");
    for other in ["alpha.local 120 flush A 10.0.0.1", "alpha.local 120 flush AAAA fe80::1"] {
        for seed in 0..10 {
            let mut scene = Scene::dual(seed);
            scene.announce(node());
            scene.run(secs(10));
            scene.hear(&query().ask("alpha.local A").ask("alpha.local AAAA"));
            scene.run(ms(5));
            scene.hear_from(NEIGHBOUR, &response().answer(other));
            let sent = scene.run(secs(1));
            told_once(&sent, GROUP);
            assert_eq!(told_once(&sent, "[ff02::fb%1]:5353").len(), 2);
        }
    }
}

#[test]
fn an_answer_that_was_packed_before_keeps_to_the_same_rules() {
    proves!("6762-6-one-second", "6762-7.4-duplicate-answer");
    let pointer = query().ask("_exo._tcp.local PTR");
    let over = |sent: &[Sent], to: &str| -> Vec<Sent> {
        sent.iter().filter(|sent| sent.to.to_string() == to).cloned().collect()
    };
    for seed in 0..20 {
        let mut scene = Scene::dual(seed);
        scene.announce(node());
        scene.run(secs(10));
        scene.hear(&pointer);
        let first = scene.batch(secs(1));
        assert_eq!(first.len(), 2);
        for _ in 0..3 {
            scene.run(secs(2));
            let asked = scene.now();
            scene.hear(&pointer);
            let again = scene.batch(secs(1));
            between(again[0].at - asked, 20, 120);
            for (one, other) in again.iter().zip(&first) {
                assert_eq!((one.to, &one.bytes), (other.to, &other.bytes));
            }
        }
        // What goes with it has just been told: it goes alone, and whole a second later.
        scene.run(secs(2));
        scene.hear(&query().ask("alpha.local A"));
        let mut sent = scene.batch(ms(10));
        scene.hear(&pointer);
        sent.extend(scene.run(secs(3)));
        assert_eq!(sent.len(), 6, "{sent:#?}");
        is_kept_apart(&over(&sent, GROUP), secs(1));
        for (one, other) in sent[4..].iter().zip(&first) {
            assert_eq!((one.to, &one.bytes), (other.to, &other.bytes));
        }
        // A second answer is due as well: both are told, each record once.
        scene.hear(&pointer.clone().ask("node._exo._tcp.local TXT"));
        let both = scene.run(secs(1));
        assert_eq!(told_once(&both, GROUP).len(), first[0].records().len());
        // Another host answers on one family: it goes to the other alone.
        scene.run(secs(2));
        scene.hear(&pointer);
        scene.run(ms(5));
        scene.hear_from(NEIGHBOUR, &response().answer("_exo._tcp.local 4500 PTR node._exo._tcp.local"));
        let sent = scene.run(secs(1));
        assert_eq!((sent.len(), over(&sent, GROUP).len()), (1, 0), "{sent:#?}");
        // Somebody takes it back: it is told at once, whenever that was last done (§10.1).
        scene.hear(&response().answer("_exo._tcp.local 0 PTR node._exo._tcp.local"));
        assert!(
            scene.run(secs(1)).iter().any(|sent| sent.has("_exo._tcp.local 4500 PTR")),
            "rescued at once"
        );
    }
}

// ---- defence

/// The stranger probes for the node's name with a lesser proposal.
fn probe(qu: &str) -> Packet {
    query()
        .ask(&format!("node._exo._tcp.local {qu}ANY"))
        .authority("node._exo._tcp.local 120 SRV 0 0 1 beta.local")
}

#[test]
fn a_probe_for_an_own_name_is_answered_at_once() {
    proves!("6762-6-defence");
    for seed in 0..20 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(60));
        // Neither a second question nor a truncated list delays it.
        for packet in [probe(""), probe("").ask("beta.local ANY"), probe("").ask("_exo._tcp.local PTR")] {
            scene.run(secs(5));
            let asked = scene.now();
            scene.hear(&packet);
            let answer = scene.next(secs(1));
            assert_eq!((answer.at - asked, answer.to.to_string()), (ms(0), GROUP.to_owned()));
            assert!(answer.has("node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local"));
            assert!(answer.has("node._exo._tcp.local 4500 flush TXT"));
        }
    }
}

#[test]
fn each_of_three_probes_is_answered_250_ms_apart() {
    proves!("6762-6-defence-interval", "6762-6-defence");
    let mut scene = Scene::announced();
    let start = scene.now();
    let mut sent = Vec::new();
    for _ in 0..3 {
        scene.hear(&probe(""));
        sent.extend(scene.run(ms(250)));
    }
    let defended: Vec<Duration> = sent
        .iter()
        .filter(|sent| sent.has("node._exo._tcp.local 120 flush SRV"))
        .map(|sent| sent.at - start)
        .collect();
    assert_eq!(defended, [ms(0), ms(250), ms(500)]);
}

#[test]
fn probes_that_come_faster_are_answered_every_250_ms() {
    proves!("6762-6-defence-interval");
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    for _ in 0..100 {
        scene.hear(&probe(""));
        sent.extend(scene.run(ms(20)));
    }
    let srv: Vec<Sent> =
        sent.iter().filter(|sent| sent.has("node._exo._tcp.local 120 flush SRV")).cloned().collect();
    assert!(srv.len() >= 8);
    is_kept_apart(&srv.clone(), ms(250));
}

#[test]
fn what_was_not_probed_for_keeps_to_the_second_in_a_defence() {
    proves!("6762-6-defence-interval", "6762-6-one-second");
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    for _ in 0..12 {
        scene.hear(&probe(""));
        sent.extend(scene.run(ms(250)));
    }
    let addresses: Vec<Sent> =
        sent.iter().filter(|sent| sent.has("alpha.local 120 flush A")).cloned().collect();
    for pair in addresses.windows(2) {
        assert!(pair[1].at - pair[0].at >= secs(1), "the address again after {:?}", pair[1].at - pair[0].at);
    }
}

// ---- aggregation

#[test]
fn answers_that_are_due_one_after_the_other_share_a_message() {
    proves!("6762-6.4-aggregation");
    for seed in 0..50 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(60));
        scene.hear(&query().ask("_exo._tcp.local PTR"));
        scene.run(ms(10));
        scene.hear_from(NEIGHBOUR, &query().ask("_services._dns-sd._udp.local PTR"));
        let answer = scene.next(secs(1));
        same(
            &answer.answers,
            &[
                "_exo._tcp.local 4500 PTR node._exo._tcp.local",
                "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
            ],
        );
        scene.is_quiet(secs(1));
    }
}

#[test]
fn no_answer_waits_for_one_that_is_not_scheduled() {
    proves!("6762-6.4-aggregation");
    let mut scene = Scene::announced();
    let asked = scene.now();
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    between(scene.next(secs(1)).at - asked, 20, 120);
}

#[test]
fn answers_of_several_services_share_a_message() {
    proves!("6762-6.4-aggregation");
    let mut scene = Scene::new();
    for name in ["one", "two", "three"] {
        scene.announce(named(name));
    }
    scene.run(secs(60));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    assert_eq!(scene.next(secs(1)).answers.len(), 3);
    scene.is_quiet(secs(2));
}

// ---- what belongs to an answer and may not go along yet

#[test]
fn a_pointer_goes_out_on_time_and_comes_once_more_with_what_was_withheld() {
    proves!("6762-6-shared-delay", "6762-6-one-second");
    for seed in 0..30 {
        for before in ["alpha.local A", "node._exo._tcp.local SRV", "node._exo._tcp.local TXT"] {
            let mut scene = Scene::seeded(seed);
            scene.announce(node());
            scene.run(secs(10));
            scene.hear(&query().ask(before));
            let mut sent = vec![scene.next(ms(10))];
            scene.run(ms(200));
            let asked = scene.now();
            scene.hear(&query().ask("_exo._tcp.local PTR"));
            sent.push(scene.next(secs(1)));
            between(sent[1].at - asked, 20, 120);
            assert_eq!(sent[1].records(), ["_exo._tcp.local 4500 PTR node._exo._tcp.local"]);
            // Who asks again meanwhile is answered by the same.
            scene.hear_from(NEIGHBOUR, &query().ask("_exo._tcp.local PTR"));
            let whole = scene.next(secs(2));
            assert_eq!(whole.at - sent[1].at, secs(1));
            same(&whole.answers, &["_exo._tcp.local 4500 PTR node._exo._tcp.local"]);
            assert_eq!(whole.additionals.len(), 4, "SRV, TXT, A and NSEC: {whole:#?}");
            sent.push(whole);
            is_kept_apart(&sent, secs(1));
            scene.is_quiet(secs(5));
        }
    }
}

#[test]
fn what_is_asked_for_between_a_pointer_and_what_follows_it_is_answered() {
    proves!("6762-6-one-second", "6762-6-unique-at-once");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("alpha.local A"));
    let mut sent = vec![scene.next(ms(10))];
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    sent.push(scene.next(ms(120)));
    // An address of the host is known from a moment ago.
    let asked = scene.now();
    scene.hear(&query().ask("node._exo._tcp.local SRV"));
    let srv = scene.next(ms(10));
    assert_eq!((srv.at - asked, srv.records().len()), (ms(0), 1));
    sent.push(srv);
    // Once a second somebody asks for it: what follows the pointer comes all the same.
    for _ in 0..40 {
        scene.hear_from(NEIGHBOUR, &query().ask("node._exo._tcp.local SRV"));
        sent.extend(scene.run(ms(100)));
    }
    sent.extend(scene.run(secs(2)));
    is_kept_apart(&sent, secs(1));
    let whole = sent.iter().find(|sent| {
        sent.has("_exo._tcp.local 4500 PTR")
            && sent.has("node._exo._tcp.local 120 flush SRV")
            && sent.has("node._exo._tcp.local 4500 flush TXT")
            && sent.has("alpha.local 120 flush A")
    });
    assert!(whole.unwrap().at - sent[1].at <= secs(2), "{sent:#?}");
}

#[test]
fn two_types_asked_for_one_after_the_other_are_both_answered_on_time() {
    proves!("6762-6-shared-delay", "6762-6-one-second");
    for seed in 0..30 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.announce(Service::new("web", "_http._tcp", 80).unwrap());
        scene.run(secs(10));
        scene.hear(&query().ask("_exo._tcp.local PTR"));
        let mut sent = vec![scene.next(secs(1))];
        scene.run(ms(300));
        let asked = scene.now();
        scene.hear(&query().ask("_http._tcp.local PTR"));
        sent.push(scene.next(secs(1)));
        between(sent[1].at - asked, 20, 120);
        sent.extend(scene.run(secs(10)));
        is_kept_apart(&sent, secs(1));
        let last = sent.last().unwrap();
        assert_eq!(sent.len(), 3);
        assert!(last.has("web._http._tcp.local 120 flush SRV") && last.has("alpha.local 120 flush A"));
        assert_eq!(last.at - sent[1].at, secs(1));
    }
}

// ---- what others bring about

/// The stranger probes for the host's name with a lesser proposal.
fn probe_for_host() -> Packet {
    query().ask("alpha.local ANY").authority("alpha.local 120 A 10.0.0.0")
}

#[test]
fn an_answer_waits_no_longer_for_what_is_probed_for_again_and_again() {
    proves!("6762-6-one-second");
    for seed in 0..10 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(60));
        scene.hear(&probe_for_host());
        scene.hear(&query().ask("_exo._tcp.local PTR"));
        scene.run(ms(500));
        for _ in 0..20 {
            scene.hear(&probe_for_host());
            scene.run(ms(5));
            let asked = scene.now();
            scene.hear(&query().ask("node._exo._tcp.local SRV"));
            let mut sent = scene.run(ms(495));
            for _ in 0..3 {
                scene.hear(&probe_for_host());
                sent.extend(scene.run(ms(500)));
            }
            let srv = sent.iter().find(|sent| sent.has("node._exo._tcp.local 120 flush SRV"));
            let waited = srv.map(|sent| sent.at - asked);
            assert!(waited.is_some_and(|waited| waited <= secs(1)), "{waited:?}");
        }
    }
}

#[test]
fn what_is_new_is_announced_although_its_host_is_probed_for_again_and_again() {
    proves!("6762-8.3-series");
    for seed in 0..10 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(10));
        scene.announce(named("other"));
        let mut sent = Vec::new();
        for _ in 0..10 {
            scene.hear(&probe_for_host());
            sent.extend(scene.run(ms(500)));
        }
        let pointer = "_exo._tcp.local 4500 PTR other._exo._tcp.local";
        let told = sent.iter().filter(|sent| !sent.is_query() && sent.has(pointer)).count();
        assert!(told >= 2, "{sent:#?}");
    }
}

#[test]
fn a_probe_is_answered_at_once_although_a_rescue_waits() {
    proves!("6762-6-defence", "6762-6.6-rescue");
    for seed in 0..10 {
        let mut scene = Scene::dual(seed);
        scene.announce(node());
        scene.run(secs(10));
        scene.hear(&query().ask("alpha.local A"));
        scene.hear(&query().ask("alpha.local AAAA"));
        scene.run(ms(500));
        scene.hear(&response().answer("alpha.local 0 flush A 10.0.0.1"));
        scene.hear(&probe_for_host());
        let sent = scene.batch(ms(1));
        assert!(sent.iter().all(|sent| sent.has("alpha.local 120 flush A 10.0.0.1")), "{sent:#?}");
        assert!(sent.iter().all(|sent| sent.has("alpha.local 120 flush AAAA fe80::1")), "{sent:#?}");
    }
}

#[test]
fn a_probe_that_the_budget_makes_wait_is_answered_under_its_own_rule() {
    proves!("6762-6-defence-interval");
    let mut scene = Scene::new();
    for number in 0..130 {
        scene.announce(named(&format!("node{number}")));
    }
    scene.run(secs(30));
    let probe =
        query().ask("node0._exo._tcp.local ANY").authority("node0._exo._tcp.local 120 SRV 0 0 1 beta.local");
    scene.hear(&probe);
    scene.run(ms(300));
    for number in 1..130 {
        scene.hear(&query().ask(&format!("node{number}._exo._tcp.local TXT")));
    }
    assert!(scene.sent().len() < 129, "the budget is spent");
    scene.hear(&probe);
    let sent = scene.run(ms(100));
    assert!(sent.iter().any(|sent| sent.has("node0._exo._tcp.local 120 flush SRV")), "{sent:#?}");
}

#[test]
fn of_two_truncated_questions_one_may_want_everybody_to_be_told() {
    proves!("6762-5.4-qu", "6762-7.2-tc-delay");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("_exo._tcp.local QU PTR").truncated());
    scene.hear(&query().ask("_exo._tcp.local PTR").truncated());
    assert!(scene.next(secs(1)).is_multicast());
}
