//! RFC 6762 §9, §14: another host says something else about a name that has been announced.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::HostName;
use salut::proto::Event;

const OTHER_SRV: &str = "node._exo._tcp.local 120 flush SRV 0 0 1 beta.local";
const OUR_SRV: &str = "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local";

fn is_renamed(scene: &mut Scene) -> bool {
    let renamed = |event: &Event| matches!(event, Event::Renamed { .. } | Event::HostRenamed { .. });
    scene.events().iter().any(renamed)
}

#[test]
fn other_data_for_an_own_unique_record_leads_back_to_probing_at_once() {
    proves!("6762-9-reprobe", "6762-8.1-probe-interval");
    for (conflict, question) in [
        (OTHER_SRV, "node._exo._tcp.local QU ANY"),
        ("node._exo._tcp.local 4500 flush TXT other", "node._exo._tcp.local QU ANY"),
        ("alpha.local 120 flush A 10.0.0.9", "alpha.local QU ANY"),
        // The other one need not hold it to be unique.
        ("alpha.local 120 A 10.0.0.9", "alpha.local QU ANY"),
    ] {
        for seed in 0..20 {
            let mut scene = Scene::seeded(seed);
            scene.announce(node());
            scene.run(secs(100));
            let heard = scene.now();
            scene.hear(&response().answer(conflict));
            let probe = scene.next(secs(1));
            assert!(probe.is_probe() && probe.questions.contains(&question.to_owned()), "{conflict}");
            between(probe.at - heard, 0, 250);
            let probes: Vec<Sent> = scene.run(ms(600)).into_iter().filter(Sent::is_probe).collect();
            assert_eq!(gaps(&[&[probe][..], &probes[..2]].concat()), [250, 250]);
        }
    }
}

#[test]
fn a_conflict_in_any_record_section_counts() {
    proves!("6762-9-reprobe");
    for packet in [response().additional(OTHER_SRV), response().authority(OTHER_SRV)] {
        let mut scene = Scene::announced();
        scene.hear(&packet);
        assert!(scene.next(secs(1)).is_probe());
    }
}

#[test]
fn who_probes_anew_does_not_answer_for_the_name_in_the_meantime() {
    proves!("6762-9-reprobe");
    let mut scene = Scene::announced();
    scene.hear(&response().answer(OTHER_SRV));
    scene.hear(&query().ask("node._exo._tcp.local SRV"));
    assert!(scene.run(ms(740)).iter().all(Sent::is_probe));
}

#[test]
fn a_conflict_counts_while_the_name_waits_for_its_host() {
    proves!("6762-9-reprobe");
    let mut scene = Scene::new();
    scene.announce(node());
    let first = scene.next(secs(1)).at;
    scene.run_until(first + ms(600));
    // The host name loses a tie-break, and is probed for again in a second; the node's probes
    // are over at 750 ms.
    scene.hear(&query().ask("alpha.local QU ANY").authority("alpha.local 120 A 10.0.0.9"));
    scene.run_until(first + ms(1000));
    scene.hear(&response().answer(OTHER_SRV));
    let sent = scene.run(secs(10));
    let of_node = |sent: &&Sent| {
        let asked = sent.questions.iter().any(|question| question.starts_with("node"));
        asked || sent.has("node")
    };
    let next = sent.iter().find(of_node).unwrap();
    assert!(next.is_probe(), "announced in spite of the conflict: {next:?}");
}

#[test]
fn who_is_not_contradicted_announces_the_name_again() {
    proves!("6762-9-winner");
    let mut scene = Scene::announced();
    scene.hear(&response().answer(OTHER_SRV));
    let sent = scene.run(secs(30));
    let probes = sent.iter().take_while(|sent| sent.is_probe()).count();
    assert_eq!(probes, 3);
    let announcements = &sent[probes..];
    assert_eq!(gaps(announcements), [1000, 2000]);
    announcements.iter().for_each(|sent| assert!(sent.has(OUR_SRV)));
    assert!(!is_renamed(&mut scene));
}

#[test]
fn the_loser_gives_the_name_up_and_announces_another() {
    proves!("6762-9-loser");
    let mut scene = Scene::announced();
    scene.hear(&response().answer(OTHER_SRV));
    scene.next(secs(1));
    // The other host defends the name against the probe.
    scene.hear(&response().answer(OTHER_SRV));
    let sent = scene.run(secs(30));
    assert!(is_renamed(&mut scene));
    let new = "node\\032(2)._exo._tcp.local";
    assert_eq!(sent.iter().filter(|sent| sent.questions.contains(&format!("{new} QU ANY"))).count(), 3);
    let announced: Vec<&Sent> = sent.iter().filter(|sent| !sent.is_query()).collect();
    assert!(announced.len() >= 2);
    for announcement in announced {
        assert!(announcement.has(&format!("{new} 120 flush SRV 0 0 52415 alpha.local")));
        assert!(announcement.has(&format!("_exo._tcp.local 4500 PTR {new}")));
    }
    // The old name is not answered for any longer, not even denied.
    for question in ["node._exo._tcp.local SRV", "node._exo._tcp.local A", "node._exo._tcp.local ANY"] {
        scene.hear(&query().ask(question));
        scene.is_quiet(secs(2));
    }
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    assert_eq!(only(scene.run(secs(1))).answers, [format!("_exo._tcp.local 4500 PTR {new}")]);
}

#[test]
fn a_host_that_loses_its_name_points_its_services_to_the_new_one() {
    proves!("6762-9-loser", "6762-14-host");
    let mut scene = Scene::announced();
    let conflict = response().answer("alpha.local 120 flush A 10.0.0.9");
    scene.hear(&conflict);
    scene.next(secs(1));
    scene.hear(&conflict);
    let sent = scene.run(secs(30));
    let srv = "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha-2.local";
    let announced: Vec<&Sent> = sent.iter().filter(|sent| sent.has(srv)).collect();
    assert!(announced.len() >= 2);
    assert!(announced.iter().all(|sent| sent.has("alpha-2.local 120 flush A 10.0.0.1")));
    // The instance keeps its name and is not announced on a host that it may not have.
    assert!(!sent.iter().any(|sent| sent.has("node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local")));
    assert!(!sent.iter().any(|sent| sent.has("alpha.local ")));
}

#[test]
fn two_hosts_that_meet_with_one_name_end_with_two() {
    proves!("6762-9-loser", "6762-9-winner", "6762-9-reprobe");
    for seed in 0..30 {
        let mut scene = Scene::plugged_in(seed, &["10.0.0.1"], &[]);
        let beta = scene.lan.host("beta").unwrap();
        attach(&mut scene.lan, beta, scene.segment, &["10.0.0.2"], &[]);
        // Both announce the name while they do not hear each other, and a common host name.
        scene.lan.set_group(beta, 1);
        let both = || node().host(HostName::new("common").unwrap());
        scene.announce(both());
        scene.lan.announce(beta, both()).unwrap();
        scene.run(secs(20));
        scene.lan.set_group(beta, 0);
        // One of them is asked, and the other hears the answer.
        scene.hear(&query().ask("common.local A").ask("node._exo._tcp.local SRV"));
        scene.run(secs(15));
        scene.sent();
        scene.hear(&query().ask("_exo._tcp.local PTR"));
        let answers: Vec<String> = scene.run(secs(2)).iter().flat_map(Sent::records).collect();
        let count = |beginning: &str, part: &str| {
            answers.iter().filter(|line| line.starts_with(beginning) && line.contains(part)).count()
        };
        assert_eq!(count("_exo._tcp.local", " PTR "), 2, "seed {seed}: {answers:#?}");
        assert_eq!(count("node._exo._tcp.local", " SRV "), 1, "seed {seed}: {answers:#?}");
        assert_eq!(count("node\\032(2)._exo._tcp.local", " SRV "), 1, "seed {seed}: {answers:#?}");
        assert_eq!(count("common.local", " A "), 1, "seed {seed}: {answers:#?}");
        assert_eq!(count("common-2.local", " A "), 1, "seed {seed}: {answers:#?}");
    }
}

#[test]
fn identical_data_is_no_conflict() {
    proves!("6762-9-identical");
    let mut scene = Scene::announced();
    for packet in [
        response().answers(NODE_RECORDS),
        response().answer("NODE._exo._tcp.local 120 flush SRV 0 0 52415 ALPHA.local"),
        response().answer("node._exo._tcp.local 4500 flush TXT \\#"),
    ] {
        scene.hear(&packet);
        scene.is_quiet(secs(30));
    }
    // While probing as well.
    let mut scene = Scene::new();
    scene.announce(node());
    scene.next(secs(1));
    scene.hear(&response().answers(NODE_RECORDS));
    scene.run(secs(5));
    assert!(!is_renamed(&mut scene));
}

#[test]
fn shared_records_never_conflict() {
    proves!("6762-9-shared");
    let mut scene = Scene::announced_as(node().subtype("_gpu").unwrap());
    for shared in [
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "_exo._tcp.local 4500 flush PTR other._exo._tcp.local",
        "_gpu._sub._exo._tcp.local 4500 PTR other._exo._tcp.local",
        "_services._dns-sd._udp.local 4500 PTR _http._tcp.local",
    ] {
        scene.hear(&response().answer(shared));
        scene.is_quiet(secs(30));
    }
    assert!(!is_renamed(&mut scene));
}

#[test]
fn records_of_a_type_that_we_do_not_hold_are_no_conflict_after_announcing() {
    proves!("6762-9-reprobe");
    let mut scene = Scene::announced();
    scene.hear(&response().answer("alpha.local 120 flush HINFO \\# 0161 0162"));
    scene.hear(&response().answer("node._exo._tcp.local 120 flush NSEC node._exo._tcp.local TXT"));
    scene.hear(&response().answer("alpha.local 120 flush CLASS3 A 10.0.0.9"));
    scene.is_quiet(secs(30));
}

#[test]
fn a_known_answer_in_a_query_is_no_conflict() {
    proves!("6762-9-reprobe", "6762-7.1-not-cached");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("beta.local A").answer("alpha.local 120 A 10.0.0.9"));
    scene.is_quiet(secs(30));
}

#[test]
fn a_conflict_about_the_host_name_on_any_link_counts_on_all() {
    proves!("6762-14-host");
    let mut scene = Scene::announced();
    let other = quick_segment(&mut scene.lan);
    attach(&mut scene.lan, scene.alpha, other, &["10.1.0.1"], &[]);
    scene.run(secs(20));
    let conflict = response().answer("alpha.local 120 flush A 10.1.0.9").bytes();
    let stranger = "10.1.0.9:5353".parse().unwrap();
    scene.lan.inject(other, stranger, None, &conflict);
    let probe = scene.next(secs(1));
    assert_eq!((probe.is_probe(), probe.segment), (true, other));
    scene.lan.inject(other, stranger, None, &conflict);
    let sent = scene.run(secs(30));
    for (segment, address) in [(scene.segment, "10.0.0.1"), (other, "10.1.0.1")] {
        let here: Vec<&Sent> = sent.iter().filter(|sent| sent.segment == segment).collect();
        let question = "alpha-2.local QU ANY".to_owned();
        assert_eq!(here.iter().filter(|sent| sent.questions.contains(&question)).count(), 3);
        assert!(here.iter().any(|sent| sent.has(&format!("alpha-2.local 120 flush A {address}"))));
        assert!(
            here.iter().any(|sent| sent.has("node._exo._tcp.local 120 flush SRV 0 0 52415 alpha-2.local"))
        );
    }
    // Where nobody else has taken the old name it is taken back.
    let here = sent.iter().filter(|sent| sent.segment == scene.segment);
    assert!(here.clone().any(|sent| sent.has("alpha.local 0 flush A 10.0.0.1")));
}
