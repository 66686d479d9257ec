//! RFC 6762 §6.6, §7.1, §7.2, §7.4: what keeps an answer back, and what calls for one.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;

const PTR: &str = "_exo._tcp.local 4500 PTR node._exo._tcp.local";

/// Our pointer, as somebody else gives it.
fn ptr(ttl: u32) -> String {
    format!("_exo._tcp.local {ttl} PTR node._exo._tcp.local")
}

fn browse() -> Packet {
    query().ask("_exo._tcp.local PTR")
}

// ---- §7.1

#[test]
fn a_known_answer_with_half_of_its_ttl_or_more_is_not_sent() {
    proves!("6762-7.1-known");
    for ttl in [2250, 2251, 4500, 100_000] {
        let mut scene = Scene::announced();
        scene.hear(&browse().answer(&ptr(ttl)));
        scene.is_quiet(secs(5));
    }
    let mut scene = Scene::announced();
    scene.hear(&query().ask("alpha.local A").answer("ALPHA.local 60 A 10.0.0.1"));
    scene.is_quiet(secs(5));
}

#[test]
fn a_known_answer_with_less_than_half_of_its_ttl_is_sent() {
    proves!("6762-7.1-known-old");
    for ttl in [0, 1, 2249] {
        let mut scene = Scene::announced();
        scene.hear(&browse().answer(&ptr(ttl)));
        assert_eq!(only(scene.run(secs(5))).answers, [PTR]);
    }
    let mut scene = Scene::announced();
    scene.hear(&query().ask("alpha.local A").answer("alpha.local 59 A 10.0.0.1"));
    assert_eq!(only(scene.run(secs(5))).answers, ["alpha.local 120 flush A 10.0.0.1"]);
    // What is missing lives as long as it would have lived.
    let denial = |ttl| format!("alpha.local {ttl} flush NSEC alpha.local A");
    for (ttl, sent) in [(2249, 1), (2250, 0)] {
        let mut scene = Scene::announced();
        scene.hear(&query().ask("alpha.local TXT").answer(&denial(ttl)));
        let answers: Vec<String> = scene.run(secs(5)).iter().flat_map(Sent::records).collect();
        assert_eq!(answers, vec![denial(4500); sent], "{ttl}");
    }
}

#[test]
fn only_the_record_that_is_known_is_held_back() {
    proves!("6762-7.1-known");
    let mut scene = Scene::new();
    scene.announce(named("one"));
    scene.announce(named("two"));
    scene.run(secs(60));
    scene.hear(&browse().answer("_exo._tcp.local 4500 PTR one._exo._tcp.local"));
    assert_eq!(only(scene.run(secs(5))).answers, ["_exo._tcp.local 4500 PTR two._exo._tcp.local"]);
}

#[test]
fn only_the_very_same_record_in_the_answer_section_is_a_known_answer() {
    proves!("6762-7.1-known");
    for packet in [
        browse().answer("_exo._tcp.local 4500 PTR other._exo._tcp.local"),
        browse().answer("_http._tcp.local 4500 PTR node._exo._tcp.local"),
        browse().answer("_exo._tcp.local 4500 CLASS3 PTR node._exo._tcp.local"),
        browse().additional(&ptr(4500)),
    ] {
        let mut scene = Scene::announced();
        scene.hear(&packet);
        assert_eq!(only(scene.run(secs(5))).answers, [PTR]);
    }
}

// ---- §7.2

#[test]
fn known_answers_in_further_packets_of_the_source_count() {
    proves!("6762-7.2-continued");
    let mut scene = Scene::announced();
    scene.hear(&browse().truncated());
    scene.run(ms(10));
    scene.hear(&query().answer("_exo._tcp.local 4500 PTR other._exo._tcp.local").truncated());
    scene.run(ms(10));
    scene.hear(&query().answer(&ptr(4000)));
    scene.is_quiet(secs(5));
}

#[test]
fn known_answers_in_packets_of_another_source_do_not_count() {
    proves!("6762-7.2-continued");
    // Alone, as further packets are, and behind a question about something of ours.
    for (packet, answered) in [(query(), false), (query().ask("1.0.0.10.in-addr.arpa PTR"), true)] {
        let mut scene = Scene::announced();
        let asked = scene.now();
        scene.hear(&browse().truncated());
        scene.run(ms(10));
        scene.hear_from(NEIGHBOUR, &packet.answer(&ptr(4000)));
        assert_eq!(scene.run(ms(10)).len(), usize::from(answered));
        let answer = only(scene.run(secs(5)));
        assert_eq!(answer.answers, [PTR]);
        between(answer.at - asked, 400, 500);
    }
}

#[test]
fn further_known_answers_do_not_take_the_answer_from_another_asker() {
    proves!("6762-7.2-continued");
    let mut scene = Scene::announced();
    scene.hear(&browse().truncated());
    scene.run(ms(10));
    let asked = scene.now();
    scene.hear_from(NEIGHBOUR, &browse());
    scene.run(ms(5));
    scene.hear(&query().answer(&ptr(4000)));
    let answer = only(scene.run(secs(5)));
    assert_eq!(answer.answers, [PTR]);
    between(answer.at - asked, 20, 120);
}

#[test]
fn what_is_left_after_the_last_packet_is_answered() {
    proves!("6762-7.2-continued");
    let mut scene = Scene::new();
    scene.announce(named("one"));
    scene.announce(named("two"));
    scene.run(secs(60));
    let asked = scene.now();
    scene.hear(&browse().truncated());
    scene.run(ms(10));
    scene.hear(&query().answer("_exo._tcp.local 4500 PTR one._exo._tcp.local"));
    let answer = only(scene.run(secs(5)));
    assert_eq!(answer.answers, ["_exo._tcp.local 4500 PTR two._exo._tcp.local"]);
    between(answer.at - asked, 400, 500);
}

// ---- §7.4

#[test]
fn an_answer_that_another_host_just_gave_is_not_repeated() {
    proves!("6762-7.4-duplicate-answer");
    for ttl in [4500, 5000] {
        let mut scene = Scene::announced();
        scene.hear(&browse());
        scene.run(ms(10));
        scene.hear_from(NEIGHBOUR, &response().answer(&ptr(ttl)));
        scene.is_quiet(secs(5));
    }
}

#[test]
fn an_answer_with_a_smaller_ttl_or_other_data_does_not_count() {
    proves!("6762-7.4-duplicate-answer");
    for other in [ptr(4499), "_exo._tcp.local 4500 PTR other._exo._tcp.local".to_owned()] {
        let mut scene = Scene::announced();
        scene.hear(&browse());
        scene.run(ms(10));
        scene.hear_from(NEIGHBOUR, &response().answer(&other));
        assert_eq!(only(scene.run(secs(5))).answers, [PTR]);
    }
}

#[test]
fn an_answer_heard_on_one_family_silences_that_family_alone() {
    proves!("6762-7.4-duplicate-answer");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.run(secs(60));
    scene.hear(&browse());
    scene.run(ms(10));
    scene.hear_from(NEIGHBOUR, &response().answer(&ptr(4500)));
    assert_eq!(only(scene.run(secs(5))).to.to_string(), "[ff02::fb%1]:5353");
}

#[test]
fn an_announcement_is_not_silenced_by_what_others_say() {
    proves!("6762-8.3-series");
    let mut scene = Scene::new();
    scene.announce(node());
    let first = loop {
        let sent = scene.next(secs(1));
        if !sent.is_query() {
            break sent;
        }
    };
    scene.run(ms(500));
    scene.hear(&response().answers(NODE_RECORDS));
    let second = scene.next(secs(1));
    assert_eq!(second.at - first.at, secs(1));
    same(&second.answers, &NODE_RECORDS);
}

// ---- §6.6

#[test]
fn an_own_record_heard_with_less_than_half_of_its_ttl_is_announced() {
    proves!("6762-6.6-half-ttl");
    for (heard, own) in [
        (ptr(2249), PTR),
        ("alpha.local 59 flush A 10.0.0.1".to_owned(), "alpha.local 120 flush A 10.0.0.1"),
        (
            "node._exo._tcp.local 10 flush SRV 0 0 52415 alpha.local".to_owned(),
            "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
        ),
    ] {
        let mut scene = Scene::announced();
        let when = scene.now();
        scene.hear(&response().answer(&heard));
        let answer = only(scene.run(secs(5)));
        assert_eq!(answer.answers, [own]);
        assert!(answer.at - when < secs(1));
    }
}

#[test]
fn an_own_record_heard_with_half_of_its_ttl_or_more_calls_for_nothing() {
    proves!("6762-6.6-half-ttl", "6762-9-identical");
    for heard in [ptr(2250), ptr(4500), "alpha.local 60 flush A 10.0.0.1".to_owned()] {
        let mut scene = Scene::announced();
        scene.hear(&response().answer(&heard));
        scene.is_quiet(secs(60));
    }
}

#[test]
fn somebody_elses_goodbye_for_an_own_record_is_taken_back_within_the_second() {
    proves!("6762-6.6-rescue");
    for (heard, own) in [
        (ptr(0), PTR),
        ("alpha.local 0 flush A 10.0.0.1".to_owned(), "alpha.local 120 flush A 10.0.0.1"),
        (
            "node._exo._tcp.local 0 flush SRV 0 0 52415 alpha.local".to_owned(),
            "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
        ),
    ] {
        let mut scene = Scene::announced();
        // Even if the record was sent a moment ago: caches forget it in one second.
        for wait in [0, 10, 300, 900] {
            scene.run(ms(wait));
            let when = scene.now();
            scene.hear(&response().answer(&heard));
            let answer = scene.next(secs(1));
            assert!(answer.has(own) && answer.at - when < ms(900), "{heard}: {answer:#?}");
            scene.run(secs(5));
            scene.hear(
                &query().ask("alpha.local A").ask("node._exo._tcp.local SRV").ask("_exo._tcp.local PTR"),
            );
            scene.run(ms(130));
        }
    }
}

#[test]
fn a_goodbye_on_both_families_is_taken_back_once() {
    proves!("6762-6.6-rescue", "6762-6-one-second");
    for heard in ["alpha.local 0 flush A 10.0.0.1", "node._exo._tcp.local 0 flush SRV 0 0 52415 alpha.local"]
    {
        let mut scene = Scene::dual(1);
        scene.announce(node());
        scene.run(secs(10));
        scene.hear(&response().answer(heard));
        let mut sent = scene.run(ms(5));
        scene.hear_from(STRANGER_V6, &response().answer(heard));
        sent.extend(scene.run(secs(3)));
        assert_eq!(sent.len(), 2, "one message on each family: {sent:#?}");
    }
}

#[test]
fn who_else_takes_a_goodbye_back_spares_us_the_trouble() {
    proves!("6762-7.4-duplicate-answer");
    let mut scene = Scene::announced();
    scene.hear(&response().answer("alpha.local 0 flush A 10.0.0.1"));
    scene.hear_from(NEIGHBOUR, &response().answer("alpha.local 120 flush A 10.0.0.1"));
    scene.is_quiet(secs(3));
}
