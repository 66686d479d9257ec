//! RFC 6762 §8.1, §9: names that are taken, and how another one is found.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::time::Duration;

use rfc::*;
use salut::proto::Event;

/// Runs on, and answers every probe for an instance, or for a host, with a contradiction.
/// Gives when each contradiction came.
fn contradict(scene: &mut Scene, until: Duration, is_ours: impl Fn(&str) -> bool) -> Vec<Duration> {
    let mut conflicts = Vec::new();
    while scene.now() < until {
        let left = until - scene.now();
        let probes: Vec<Sent> = scene.batch(left).into_iter().filter(Sent::is_probe).collect();
        for question in probes.iter().flat_map(|probe| &probe.questions) {
            let name = question.split(' ').next().unwrap();
            if is_ours(name) {
                scene.hear(&response().answer(&format!("{name} 120 flush HINFO \\# 0161 0162")));
                conflicts.push(scene.now());
            }
        }
    }
    conflicts
}

#[test]
fn an_instance_gets_a_number_in_brackets_and_a_host_one_behind_a_hyphen() {
    proves!("6762-9-new-name", "6762-8.1-conflict");
    let mut scene = Scene::new();
    scene.announce(named("My Node"));
    scene.next(secs(1));
    scene.hear(
        &response()
            .answer("My\\032Node._exo._tcp.local 4500 flush TXT other")
            .answer("alpha.local 120 flush A 10.0.0.9"),
    );
    let sent = scene.run(secs(3));
    let announcement = sent.iter().find(|sent| !sent.is_query()).unwrap();
    same(
        &announcement.answers,
        &[
            "alpha-2.local 120 flush A 10.0.0.1",
            "My\\032Node\\032(2)._exo._tcp.local 120 flush SRV 0 0 52415 alpha-2.local",
            "My\\032Node\\032(2)._exo._tcp.local 4500 flush TXT \"\"",
            "_exo._tcp.local 4500 PTR My\\032Node\\032(2)._exo._tcp.local",
            "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
        ],
    );
}

#[test]
fn a_number_that_is_there_already_is_raised() {
    proves!("6762-9-new-name");
    let mut scene = Scene::new();
    scene.announce(named("My Node (7)"));
    scene.next(secs(1));
    scene.hear(&response().answer("My\\032Node\\032(7)._exo._tcp.local 4500 flush TXT other"));
    let renamed: Vec<Event> = scene.events();
    assert!(renamed.iter().any(
        |event| matches!(event, Event::Renamed { from, to, .. } if from.to_string() == "My Node (7)" && to.to_string() == "My Node (8)")
    ));
}

#[test]
fn the_user_is_told_of_a_new_name_and_the_host_keeps_it() {
    proves!("6762-9-new-name");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.next(secs(1));
    scene.hear(&response().answer("alpha.local 120 flush A 10.0.0.9"));
    scene.run(secs(3));
    let events = scene.events();
    assert!(events.iter().any(|event| matches!(event, Event::HostRenamed { from, to }
        if from.to_string() == "alpha.local" && to.to_string() == "alpha-2.local")));
    assert!(events.iter().any(|event| matches!(event, Event::Announced { id: of, instance, host, .. }
        if *of == id && instance.to_string() == "node" && host.to_string() == "alpha-2.local")));
    assert_eq!(scene.lan.engine(scene.alpha).unwrap().host().to_string(), "alpha-2.local");
    // It is remembered: after wake-up, and for the next service.
    scene.drive(|engine, now| engine.handle_wake(now));
    scene.announce(named("late"));
    let sent = scene.run(secs(5));
    assert!(sent.iter().any(|sent| sent.has("late._exo._tcp.local 120 flush SRV 0 0 52415 alpha-2.local")));
    let old = |line: &String| line.starts_with("alpha.local ");
    assert!(!sent.iter().any(|sent| sent.questions.iter().any(old) || sent.records().iter().any(old)));
}

#[test]
fn after_fifteen_conflicts_in_ten_seconds_each_attempt_waits_five() {
    proves!("6762-8.1-fifteen");
    for name in ["node", "alpha"] {
        let mut scene = Scene::new();
        scene.announce(node());
        let until = scene.now() + secs(60);
        let conflicts = contradict(&mut scene, until, |asked| asked.starts_with(name));
        let waits: Vec<Duration> = conflicts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Fourteen attempts follow each other quickly; from the fifteenth conflict on none does.
        assert!(conflicts[14] - conflicts[0] < secs(10));
        waits[..14].iter().for_each(|wait| between(*wait, 0, 250));
        assert!(waits.len() > 20, "{waits:?}");
        waits[14..].iter().for_each(|wait| assert!(*wait >= secs(5), "{name}: {waits:?}"));
    }
}

#[test]
fn conflicts_about_several_names_are_counted_together() {
    proves!("6762-8.1-fifteen");
    let mut scene = Scene::new();
    for number in 0..8 {
        scene.announce(named(&format!("node {number}")));
    }
    let start = scene.now();
    let conflicts = contradict(&mut scene, start + secs(5), |asked| asked.starts_with("node"));
    // The first try of each of the eight, and one after each of the first fourteen conflicts.
    assert_eq!(conflicts.len(), 8 + 14, "{conflicts:?}");
    assert!(conflicts[21] - conflicts[0] < secs(1));
}

#[test]
fn conflicts_that_are_far_apart_do_not_slow_anybody_down() {
    proves!("6762-8.1-fifteen");
    let mut scene = Scene::announced();
    for _ in 0..20 {
        let start = scene.now();
        let name = scene.run(ms(0)).len();
        assert_eq!(name, 0);
        let id = scene.announce(named("late"));
        let probe = scene.next(secs(1));
        between(probe.at - start, 0, 250);
        scene.hear(&response().answer("late._exo._tcp.local 4500 flush TXT other"));
        between(scene.next(secs(10)).at - probe.at, 0, 250);
        scene.run(secs(2));
        scene.drive(|engine, now| engine.withdraw(now, id));
        scene.run(secs(2));
    }
}

#[test]
fn after_a_minute_without_a_name_the_user_is_told_once_and_it_goes_on() {
    proves!("6762-9-one-minute");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    let disputed = |scene: &mut Scene| {
        let events = scene.events().into_iter();
        events.filter(|event| matches!(event, Event::Disputed { id: of, .. } if *of == id)).count()
    };
    contradict(&mut scene, secs(55), |asked| asked.starts_with("node"));
    assert_eq!(disputed(&mut scene), 0);
    let attempts = contradict(&mut scene, secs(180), |asked| asked.starts_with("node"));
    assert_eq!(disputed(&mut scene), 1);
    assert!(attempts.len() > 20);
    // Peace: the next attempt gets its name.
    scene.run(secs(10));
    assert!(scene.events().iter().any(|event| matches!(event, Event::Announced { .. })));
}

#[test]
fn a_disputed_host_name_is_told_too() {
    proves!("6762-9-one-minute");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    contradict(&mut scene, secs(180), |asked| asked.starts_with("alpha"));
    let told = |event: &Event| matches!(event, Event::Disputed { id: of, .. } if *of == id);
    assert_eq!(scene.events().iter().filter(|event| told(event)).count(), 1);
}
