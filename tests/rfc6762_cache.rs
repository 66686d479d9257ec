//! RFC 6762 §5.2, §6.1, §10: what is kept of what was heard, and for how long.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::net::IpAddr;

use rfc::*;
use salut::{Change, HostName, InstanceName, ServiceType};

const PTR: &str = "_exo._tcp.local PTR";

/// Another node, with this TTL for all of its records.
fn other(ttl: u32) -> Packet {
    response().answers([
        format!("_exo._tcp.local {ttl} PTR other._exo._tcp.local"),
        format!("other._exo._tcp.local {ttl} flush SRV 0 0 1 beta.local"),
        format!("other._exo._tcp.local {ttl} flush TXT \"\""),
        format!("beta.local {ttl} flush A 10.0.0.9"),
        format!("beta.local {ttl} flush NSEC beta.local A"),
    ])
}

/// A browse has found the other node, and been told so.
fn browsing(ttl: u32) -> Scene {
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    scene.hear(&other(ttl));
    assert!(matches!(only(scene.changes()), Change::Found(_)));
    scene
}

fn is_lost(scene: &mut Scene) -> bool {
    scene.changes().iter().any(|change| matches!(change, Change::Lost(_)))
}

/// The addresses told last.
fn addresses(scene: &mut Scene) -> Option<Vec<String>> {
    let told = scene.changes().into_iter().rev().find_map(|change| match change {
        Change::Found(node) | Change::Updated(node) => Some(node.addresses),
        Change::Lost(_) => None,
    });
    told.map(|addresses| addresses.iter().map(IpAddr::to_string).collect())
}

// ---- §5.2

#[test]
fn wanted_records_are_asked_for_at_80_85_90_and_95_percent_and_expire() {
    proves!("6762-5.2-refresh");
    let mut first = Vec::new();
    for seed in 0..300 {
        let mut scene = Scene::seeded(seed);
        scene.browse();
        scene.next(secs(1));
        // Only the SRV is short-lived.
        scene.hear(&other(4500));
        scene.run(secs(10));
        let heard = scene.now();
        scene.hear(&response().answer("other._exo._tcp.local 1000 flush SRV 0 0 1 beta.local"));
        let asked = scene.run(secs(1000)).into_iter();
        let asked: Vec<f64> = asked
            .filter(|sent| sent.questions.contains(&"other._exo._tcp.local SRV".to_owned()))
            .map(|sent| (sent.at - heard).as_secs_f64() / 10.0)
            .collect();
        assert_eq!(asked.len(), 4, "{asked:?}");
        for (percent, at) in [80.0, 85.0, 90.0, 95.0].into_iter().zip(&asked) {
            assert!((percent..=percent + 2.0).contains(at), "seed {seed}: {asked:?}");
        }
        first.push(std::time::Duration::from_secs_f64(asked[0] * 10.0));
    }
    spread(&first, 800_000, 820_000);
}

#[test]
fn at_100_percent_a_record_is_gone() {
    proves!("6762-5.2-refresh");
    let mut scene = Scene::new();
    scene.hear(&response().answer("beta.local 60 flush A 10.0.0.9"));
    let before = scene.cached();
    scene.run(ms(59_999));
    assert_eq!(scene.cached(), before);
    scene.run(ms(2));
    assert_eq!(scene.cached(), before - 1);
    // A node whose records all end is lost, and not before.
    let mut scene = browsing(600);
    scene.run(secs(599));
    assert!(!is_lost(&mut scene));
    scene.run(secs(5));
    assert!(is_lost(&mut scene));
}

#[test]
fn an_answer_to_the_refresh_begins_the_lifetime_anew() {
    proves!("6762-5.2-refresh");
    let mut scene = browsing(1000);
    for _ in 0..5 {
        let refresh = scene.run(secs(830));
        assert!(refresh.iter().any(|sent| sent.questions.contains(&"other._exo._tcp.local SRV".to_owned())));
        scene.hear(&other(1000));
        scene.run(secs(20));
    }
    assert!(!is_lost(&mut scene));
}

#[test]
fn records_that_nobody_wants_are_not_refreshed() {
    proves!("6762-5.2-no-client");
    let mut scene = Scene::new();
    scene.hear(&other(1000));
    scene.is_quiet(secs(2000));
    // Nor those that nobody wants any longer.
    let mut scene = Scene::new();
    let id = scene.browse();
    scene.hear(&other(1000));
    scene.run(secs(500));
    scene.drive(|engine, now| engine.stop_browse(now, id));
    scene.is_quiet(secs(2000));
}

#[test]
fn with_a_unique_answer_in_hand_there_are_no_questions_but_the_refresh() {
    proves!("6762-5.2-unique-in-hand");
    let mut scene = Scene::new();
    scene.drive(|engine, now| engine.resolve(now, HostName::new("beta").unwrap()));
    scene.next(secs(1));
    scene.hear(
        &response()
            .answer("beta.local 1000 flush A 10.0.0.9")
            .answer("beta.local 1000 flush NSEC beta.local A"),
    );
    scene.is_quiet(secs(799));
    let refresh = scene.next(secs(22));
    assert_eq!(refresh.questions, ["beta.local A"]);
}

// ---- what is taken up

#[test]
fn unsolicited_responses_are_taken_up() {
    proves!("6762-18.1-unsolicited");
    let mut scene = Scene::new();
    scene.hear(&other(4500));
    scene.run(secs(5));
    // A browse that begins later is told at once.
    scene.browse();
    assert!(matches!(only(scene.changes()), Change::Found(_)));
    // One that is waiting, too.
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(30));
    scene.hear(&other(4500));
    assert!(matches!(only(scene.changes()), Change::Found(_)));
}

#[test]
fn known_answers_in_queries_of_others_are_not_cached() {
    proves!("6762-7.1-not-cached");
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(10));
    let before = scene.cached();
    let mut told = query().ask(PTR);
    for line in [
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "beta.local 120 flush A 10.0.0.9",
    ] {
        told = told.answer(line).authority(line).additional(line);
    }
    scene.hear(&told);
    scene.run(secs(10));
    assert_eq!(scene.cached(), before);
    assert!(scene.changes().is_empty());
}

#[test]
fn records_of_another_class_are_not_cached() {
    proves!("6762-18.1-unsolicited");
    let mut scene = Scene::new();
    let before = scene.cached();
    scene.hear(&response().answer("beta.local 120 CLASS3 A 10.0.0.9"));
    assert_eq!(scene.cached(), before);
}

// ---- §10.1

#[test]
fn after_a_goodbye_a_record_lives_for_one_more_second() {
    proves!("6762-10.1-one-second");
    let mut scene = browsing(4500);
    scene.run(secs(60));
    let before = scene.cached();
    scene.hear(&other(0));
    scene.run(ms(999));
    assert!(!is_lost(&mut scene));
    assert_eq!(scene.cached(), before);
    scene.run(ms(1));
    assert!(is_lost(&mut scene));
    assert_eq!(scene.cached(), before - 5);
}

#[test]
fn a_record_that_is_announced_again_in_that_second_stays() {
    proves!("6762-10.1-one-second");
    let mut scene = browsing(4500);
    scene.run(secs(60));
    scene.hear(&other(0));
    scene.run(ms(950));
    scene.hear(&other(4500));
    scene.run(secs(600));
    assert!(!is_lost(&mut scene));
}

#[test]
fn a_goodbye_for_one_of_two_shared_records_leaves_the_other() {
    proves!("6762-10.1-one-second");
    let mut scene = browsing(4500);
    scene.hear(&response().answer("_exo._tcp.local 4500 PTR third._exo._tcp.local"));
    scene.run(secs(5));
    let before = scene.cached();
    scene.hear(&response().answer("_exo._tcp.local 0 PTR third._exo._tcp.local"));
    scene.run(secs(2));
    assert_eq!(scene.cached(), before - 1);
    assert!(!is_lost(&mut scene));
}

// ---- §10.2

#[test]
fn the_cache_flush_bit_ends_older_records_of_the_set_in_one_second() {
    proves!("6762-10.2-flush");
    let mut scene = browsing(4500);
    scene.run(ms(1001));
    scene.hear(&response().answer("beta.local 120 flush A 10.0.0.10"));
    scene.run(ms(999));
    assert_eq!(addresses(&mut scene).unwrap(), ["10.0.0.9", "10.0.0.10"]);
    scene.run(ms(2));
    assert_eq!(addresses(&mut scene).unwrap(), ["10.0.0.10"]);
}

#[test]
fn records_younger_than_a_second_are_not_flushed() {
    proves!("6762-10.2-flush");
    let mut scene = browsing(4500);
    scene.run(ms(990));
    scene.hear(&response().answer("beta.local 120 flush A 10.0.0.10"));
    scene.run(secs(60));
    assert_eq!(addresses(&mut scene).unwrap(), ["10.0.0.9", "10.0.0.10"]);
}

#[test]
fn a_set_that_comes_in_several_packets_or_again_stays_whole() {
    proves!("6762-10.2-flush");
    let mut scene = browsing(4500);
    for _ in 0..5 {
        scene.run(secs(20));
        scene.hear(&response().answer("beta.local 120 flush A 10.0.0.9"));
        scene.run(ms(1));
        scene.hear(&response().answer("beta.local 120 flush A 10.0.0.10"));
    }
    scene.run(secs(20));
    assert_eq!(addresses(&mut scene).unwrap(), ["10.0.0.9", "10.0.0.10"]);
    // Both in one message: neither flushes the other.
    scene.hear(
        &response().answer("beta.local 120 flush A 10.0.0.9").answer("beta.local 120 flush A 10.0.0.10"),
    );
    scene.run(secs(20));
    assert!(addresses(&mut scene).is_none());
}

#[test]
fn only_the_same_name_type_and_class_is_flushed_and_only_with_the_bit() {
    proves!("6762-10.2-flush");
    for (harmless, more) in [
        ("beta.local 120 A 10.0.0.10", 1),
        ("gamma.local 120 flush A 10.0.0.10", 1),
        ("beta.local 120 flush AAAA fe80::9", 1),
        ("beta.local 120 flush CLASS3 A 10.0.0.10", 0),
        ("beta.local 120 flush A 10.0.0.9", 0),
    ] {
        let mut scene = browsing(4500);
        scene.run(secs(30));
        let before = scene.cached();
        scene.hear(&response().answer(harmless));
        scene.run(secs(5));
        assert_eq!(scene.cached(), before + more, "{harmless}");
        assert!(!is_lost(&mut scene));
    }
}

#[test]
fn a_goodbye_with_the_cache_flush_bit_ends_nothing_but_itself() {
    proves!("6762-10.2-flush");
    let mut scene = browsing(4500);
    scene.hear(
        &response().answer("beta.local 120 flush A 10.0.0.9").answer("beta.local 120 flush A 10.0.0.10"),
    );
    scene.run(secs(20));
    scene.hear(&response().answer("beta.local 0 flush A 10.0.0.10"));
    scene.run(ms(1001));
    assert_eq!(addresses(&mut scene).unwrap(), ["10.0.0.9"]);
    // Nor one that was never heard before.
    scene.hear(&response().answer("beta.local 0 flush A 10.0.0.11"));
    scene.run(secs(20));
    assert!(scene.changes().is_empty());
}

#[test]
fn pointers_of_others_are_not_flushed_whatever_the_bit_says() {
    proves!("6762-10.2-flush");
    let mut scene = browsing(4500);
    let known = "_exo._tcp.local 4500 flush PTR third._exo._tcp.local";
    for _ in 0..2 {
        scene.run(secs(30));
        scene.hear(&response().answer(known));
        scene.run(secs(5));
        assert!(!is_lost(&mut scene));
    }
}

#[test]
fn of_records_that_replaced_each_other_within_a_second_the_last_heard_counts() {
    proves!("6762-10.2-flush");
    let set = |port: u32, txt: &str| {
        response()
            .answer(&format!("other._exo._tcp.local 4500 flush SRV 0 0 {port} beta.local"))
            .answer(&format!("other._exo._tcp.local 4500 flush TXT {txt}"))
    };
    for age in [500, 5000] {
        let mut scene = browsing(4500);
        scene.run(ms(age));
        for (port, txt, has) in [(2, "v=2", true), (1, "\"\"", false)] {
            scene.hear(&set(port, txt));
            let changes = scene.changes();
            let Some(Change::Updated(node)) = changes.last() else { panic!("{changes:?}") };
            assert_eq!((u32::from(node.port), node.txt.get("v").is_some()), (port, has), "after {age} ms");
            scene.run(ms(400));
        }
    }
}

// ---- §10.4

fn reconfirm(scene: &mut Scene) {
    let (service, instance) = (ServiceType::new("_exo._tcp").unwrap(), InstanceName::new("other").unwrap());
    scene.drive(|engine, now| engine.reconfirm(now, &service, &instance));
}

#[test]
fn told_of_a_failure_two_queries_are_sent_and_the_record_is_dropped_within_ten_seconds() {
    proves!("6762-10.4-asks-twice", "6762-10.4-drops");
    let mut scene = browsing(4500);
    scene.run(secs(100));
    reconfirm(&mut scene);
    let told = scene.now();
    let asked = scene.run(secs(9));
    for question in [PTR, "other._exo._tcp.local SRV", "beta.local A"] {
        let times = asked.iter().filter(|sent| sent.questions.contains(&question.to_owned())).count();
        assert!(times >= 2, "{question} was asked {times} times");
    }
    // Nobody is silenced by our own known answers.
    assert!(asked.iter().all(|sent| sent.answers.is_empty()), "{asked:#?}");
    scene.run_until(told + secs(10) + ms(1));
    assert!(is_lost(&mut scene));
}

#[test]
fn who_answers_is_not_dropped() {
    proves!("6762-10.4-drops");
    let mut scene = browsing(4500);
    scene.run(secs(100));
    reconfirm(&mut scene);
    scene.run(secs(5));
    scene.hear(&other(4500));
    scene.run(secs(600));
    assert!(!is_lost(&mut scene));
}

// ---- §10.5

/// A minute in which no question of our own is due.
fn quiet_minute() -> Scene {
    let mut scene = browsing(4500);
    scene.run(secs(2200));
    scene
}

#[test]
fn a_record_that_others_asked_for_twice_in_vain_is_dropped_after_ten_seconds() {
    proves!("6762-10.5-poof");
    let mut scene = quiet_minute();
    scene.hear(&query().ask(PTR));
    scene.run(secs(1));
    scene.hear(&query().ask(PTR));
    // We do not ask ourselves.
    scene.is_quiet(ms(9999));
    assert!(!is_lost(&mut scene));
    scene.run(ms(2));
    assert!(is_lost(&mut scene));
}

#[test]
fn an_answer_in_those_ten_seconds_keeps_the_record() {
    proves!("6762-10.5-poof");
    let mut scene = quiet_minute();
    scene.hear(&query().ask(PTR));
    scene.run(secs(1));
    scene.hear(&query().ask(PTR));
    scene.run(secs(8));
    scene.hear(&other(4500));
    scene.run(secs(60));
    assert!(!is_lost(&mut scene));
}

#[test]
fn questions_that_the_holder_need_not_answer_by_multicast_do_not_count() {
    proves!("6762-10.5-poof");
    for question in [
        query().ask("_exo._tcp.local QU PTR"),
        query().ask(PTR).truncated(),
        query().ask(PTR).answer("_exo._tcp.local 4000 PTR other._exo._tcp.local"),
        query().ask("_http._tcp.local PTR"),
        query().ask("_exo._tcp.local CLASS3 PTR"),
    ] {
        let mut scene = quiet_minute();
        for _ in 0..5 {
            scene.hear(&question);
            scene.run(secs(1));
        }
        scene.run(secs(30));
        assert!(!is_lost(&mut scene), "{question:?}");
    }
    let mut scene = quiet_minute();
    for _ in 0..5 {
        scene.hear_from(LEGACY, &query().ask(PTR));
        scene.run(secs(1));
    }
    scene.run(secs(30));
    assert!(!is_lost(&mut scene), "a legacy question is answered by unicast");
    // One question is not enough.
    let mut scene = quiet_minute();
    scene.hear(&query().ask(PTR));
    scene.run(secs(30));
    assert!(!is_lost(&mut scene));
}
