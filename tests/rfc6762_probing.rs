//! RFC 6762 §8.1: probing for the names that are to be unique.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::{Config, Engine, Event};
use salut::{HostName, Service};

/// The three probes of a host that was told to announce something.
#[track_caller]
fn three_probes(scene: &mut Scene) -> Vec<Sent> {
    let sent: Vec<Sent> = (0..3).map(|_| scene.next(secs(1))).collect();
    assert!(sent.iter().all(Sent::is_probe), "{sent:#?}");
    sent
}

// ---- the trace

#[test]
fn a_host_that_starts_probes_three_times_and_then_announces() {
    proves!("6762-8-startup", "6762-8.1-unique-probed");
    let mut scene = Scene::new();
    scene.announce(node());
    for probe in three_probes(&mut scene) {
        assert_eq!(probe.to.to_string(), GROUP);
        same(&probe.questions, &["alpha.local QU ANY", "node._exo._tcp.local QU ANY"]);
        assert!(probe.answers.is_empty() && probe.additionals.is_empty());
    }
    let announcement = scene.next(secs(1));
    assert!(!announcement.is_query());
    same(&announcement.answers, &NODE_RECORDS);
}

#[test]
fn probes_go_out_250_ms_apart() {
    proves!("6762-8.1-probe-interval");
    let mut scene = Scene::new();
    scene.announce(node());
    let probes = three_probes(&mut scene);
    assert_eq!(gaps(&probes), [250, 250]);
    assert_eq!(scene.next(secs(1)).at - probes[2].at, ms(250));
}

#[test]
fn the_first_probe_waits_an_even_draw_of_0_to_250_ms() {
    proves!("6762-8.1-probe-delay");
    let delays: Vec<_> = (0..400)
        .map(|seed| {
            let mut scene = Scene::seeded(seed);
            scene.announce(node());
            scene.next(secs(1)).at
        })
        .collect();
    spread(&delays, 0, 250);
}

#[test]
fn a_probe_asks_for_any_in_with_the_qu_bit() {
    proves!("6762-8.1-question");
    let mut scene = Scene::new();
    scene.announce(node());
    let probe = scene.next(secs(1));
    // Type 255 and class IN with its top bit, behind the first name.
    assert_eq!(probe.bytes[12 + 13..12 + 17], [0, 255, 0x80, 1]);
    assert!(probe.questions.iter().all(|question| question.ends_with(" QU ANY")));
}

#[test]
fn all_names_of_a_host_stand_in_one_probe_with_one_question_each() {
    proves!("6762-8.1-one-message");
    let mut scene = Scene::new();
    for name in ["one", "two", "three"] {
        scene.announce(named(name));
    }
    for probe in three_probes(&mut scene) {
        same(
            &probe.questions,
            &[
                "alpha.local QU ANY",
                "one._exo._tcp.local QU ANY",
                "two._exo._tcp.local QU ANY",
                "three._exo._tcp.local QU ANY",
            ],
        );
    }
}

#[test]
fn the_authority_section_holds_every_record_proposed_without_the_cache_flush_bit() {
    proves!("6762-8.2-authority", "6762-10.2-authority-bit");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &["fe80::1"]);
    scene.announce(node().txt("id", "7").unwrap());
    for probe in scene.run(secs(1)).iter().filter(|sent| sent.is_probe()) {
        same(
            &probe.authorities,
            &[
                "alpha.local 120 A 10.0.0.1",
                "alpha.local 120 A 10.0.0.2",
                "alpha.local 120 AAAA fe80::1",
                "node._exo._tcp.local 120 SRV 0 0 52415 alpha.local",
                "node._exo._tcp.local 4500 TXT id=7",
            ],
        );
    }
}

#[test]
fn shared_records_are_not_probed_for() {
    proves!("6762-8.1-unique-probed");
    let mut scene = Scene::new();
    scene.announce(node().subtype("_gpu").unwrap());
    for probe in three_probes(&mut scene) {
        let all = [probe.questions.clone(), probe.authorities.clone()].concat();
        assert!(all.iter().all(|line| !line.contains("PTR")), "{all:?}");
        assert!(!all.iter().any(|line| line.starts_with("_exo._tcp.local") || line.contains("_sub")));
        assert!(!all.iter().any(|line| line.starts_with("_services")));
    }
}

#[test]
fn the_reverse_mapping_is_not_probed_for_and_yet_answered() {
    proves!("6762-8.1-known-unique");
    let mut scene = Scene::new();
    scene.announce(node());
    for probe in three_probes(&mut scene) {
        assert!(!probe.questions.iter().any(|line| line.contains("in-addr.arpa")));
        assert!(!probe.authorities.iter().any(|line| line.contains("in-addr.arpa")));
    }
    scene.run(secs(5));
    scene.hear(&query().ask("1.0.0.10.in-addr.arpa PTR"));
    let answer = only(scene.sent());
    same(&answer.answers, &["1.0.0.10.in-addr.arpa 120 flush PTR alpha.local"]);
}

#[test]
fn nothing_is_answered_or_announced_before_the_probes_are_over() {
    proves!("6762-8.1-unique-probed");
    let mut scene = Scene::new();
    scene.announce(node());
    three_probes(&mut scene);
    scene.hear(&query().ask("alpha.local A"));
    scene.hear(&query().ask("node._exo._tcp.local SRV"));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    scene.is_quiet(ms(249));
}

// ---- what counts, and what does not

/// Says in one response to the probing node that the name is in use.
const TAKEN: &str = "node._exo._tcp.local 120 flush SRV 0 0 1 beta.local";

fn renamed(scene: &mut Scene) -> Vec<String> {
    let renamed = scene.events().into_iter().filter_map(|event| match event {
        Event::Renamed { to, .. } => Some(to.to_string()),
        Event::HostRenamed { to, .. } => Some(to.to_string()),
        _ => None,
    });
    renamed.collect()
}

#[test]
fn a_conflicting_response_counts_from_the_first_probe_to_250_ms_after_the_third() {
    proves!("6762-8.1-conflict");
    for wait in [0, 1, 250, 500, 749] {
        let mut scene = Scene::new();
        scene.announce(node());
        scene.next(secs(1));
        scene.run(ms(wait));
        scene.hear(&response().answer(TAKEN));
        assert_eq!(renamed(&mut scene), ["node (2)"], "{wait} ms after the first probe");
        // The new name is probed for from the beginning.
        let probes: Vec<Sent> = scene.run(secs(2)).into_iter().filter(Sent::is_probe).collect();
        let new = "node\\032(2)._exo._tcp.local QU ANY".to_owned();
        let of_new: Vec<&Sent> = probes.iter().filter(|probe| probe.questions.contains(&new)).collect();
        assert_eq!(of_new.len(), 3);
    }
}

#[test]
fn a_record_of_any_type_is_a_conflict() {
    proves!("6762-8.1-conflict");
    for record in [
        "node._exo._tcp.local 4500 flush TXT other",
        "node._exo._tcp.local 120 flush A 10.0.0.9",
        "node._exo._tcp.local 120 flush HINFO \\# 0161 0162",
        "node._exo._tcp.local 4500 PTR other.local",
        "node._exo._tcp.local 120 flush NSEC node._exo._tcp.local SRV",
        "NODE._exo._TCP.local 120 SRV 0 0 52416 alpha.local",
    ] {
        let mut scene = Scene::new();
        scene.announce(node());
        scene.next(secs(1));
        scene.hear(&response().answer(record));
        assert_eq!(renamed(&mut scene), ["node (2)"], "{record}");
    }
}

#[test]
fn a_conflict_in_any_record_section_counts() {
    proves!("6762-8.1-conflict");
    for packet in [response().additional(TAKEN), response().authority(TAKEN)] {
        let mut scene = Scene::new();
        scene.announce(node());
        scene.next(secs(1));
        scene.hear(&packet);
        assert_eq!(renamed(&mut scene), ["node (2)"]);
    }
}

#[test]
fn a_unicast_answer_to_the_probe_is_a_conflict_too() {
    proves!("6762-8.1-conflict");
    let mut scene = Scene::new();
    scene.announce(node());
    scene.next(secs(1));
    scene.hear_unicast(STRANGER, &response().answer(TAKEN));
    assert_eq!(renamed(&mut scene), ["node (2)"]);
}

#[test]
fn a_conflicting_response_before_the_first_probe_is_ignored() {
    proves!("6762-8.1-before-first");
    // The draw of this seed leaves time before the first probe.
    let mut scene = Scene::seeded(3);
    scene.announce(node());
    scene.hear(&response().answer(TAKEN).answer("alpha.local 120 flush A 10.0.0.7"));
    scene.is_quiet(ms(10));
    let sent = scene.run(secs(2));
    assert!(renamed(&mut scene).is_empty());
    assert_eq!(sent.iter().filter(|sent| sent.is_probe()).count(), 3);
    assert!(sent.iter().any(|sent| sent.has("node._exo._tcp.local 120 flush SRV 0 0 52415")));
}

#[test]
fn what_the_cache_holds_is_no_answer_to_a_probe() {
    proves!("6762-8.1-live");
    let mut scene = Scene::new();
    scene.browse();
    scene.hear(
        &response()
            .answer("_exo._tcp.local 4500 PTR node._exo._tcp.local")
            .answer("node._exo._tcp.local 120 flush SRV 0 0 1 beta.local")
            .answer("node._exo._tcp.local 4500 flush TXT a=b")
            .answer("beta.local 120 flush A 10.0.0.7")
            .answer("alpha.local 120 flush A 10.0.0.9"),
    );
    scene.run(secs(5));
    assert!(!scene.changes().is_empty(), "the node of another host is in the cache");
    scene.announce(node());
    let sent = scene.run(secs(2));
    let probes: Vec<&Sent> = sent.iter().filter(|sent| sent.is_probe()).collect();
    assert_eq!(probes.len(), 3);
    assert!(probes.iter().all(|probe| probe.questions.contains(&"node._exo._tcp.local QU ANY".to_owned())));
    assert!(renamed(&mut scene).is_empty());
    assert!(sent.iter().any(|sent| sent.has("node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local")));
}

#[test]
fn a_program_without_unicast_datagrams_probes_with_qm() {
    proves!("6762-15.1-no-unicast");
    let mut scene = Scene::new();
    scene.set_link(|state| Some(salut::proto::LinkState { unicast: false, ..state }));
    scene.announce(node());
    for probe in three_probes(&mut scene) {
        same(&probe.questions, &["alpha.local ANY", "node._exo._tcp.local ANY"]);
    }
}

#[test]
fn after_wake_up_all_is_probed_and_announced_anew() {
    proves!("6762-8-startup");
    let mut scene = Scene::announced();
    scene.run(secs(3600));
    scene.drive(|engine, now| engine.handle_wake(now));
    let woke = scene.now();
    let probes = three_probes(&mut scene);
    between(probes[0].at - woke, 0, 250);
    assert_eq!(gaps(&probes), [250, 250]);
    same(&probes[0].questions, &["alpha.local QU ANY", "node._exo._tcp.local QU ANY"]);
    same(&scene.next(secs(1)).answers, &NODE_RECORDS);
}

#[test]
fn a_service_that_comes_later_is_probed_alone() {
    proves!("6762-8.1-unique-probed");
    let mut scene = Scene::announced();
    scene.announce(named("late"));
    for probe in three_probes(&mut scene) {
        same(&probe.questions, &["late._exo._tcp.local QU ANY"]);
    }
}

#[test]
fn two_engines_of_one_seed_probe_alike_and_others_do_not() {
    proves!("6762-8.1-probe-delay");
    let first = |seed| {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.next(secs(1)).at
    };
    assert_eq!(first(5), first(5));
    assert!((0..20).any(|seed| first(seed) != first(5)));
}

#[test]
fn a_service_on_a_host_name_of_its_own_probes_for_that_name() {
    proves!("6762-8.1-unique-probed");
    let mut scene = Scene::new();
    let service: Service = node().host(HostName::new("gamma").unwrap());
    scene.announce(service);
    let probes = three_probes(&mut scene);
    same(&probes[0].questions, &["gamma.local QU ANY", "node._exo._tcp.local QU ANY"]);
    // The engine's own name stays unclaimed: nobody uses it.
    let engine = Engine::new(Config::new(HostName::new("alpha").unwrap()), 1);
    assert_eq!(engine.host().to_string(), "alpha.local");
    scene.run(secs(5));
    scene.hear(&query().ask("alpha.local A"));
    scene.is_quiet(secs(1));
}
