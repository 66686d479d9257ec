//! RFC 6762 §6.2, §8, §8.4, §10.3, §14: several links, and links that come, change and go.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::{LinkIndex, LinkState};
use salut::sim::SegmentId;

/// `alpha` on two links: `10.0.0.1` here, `10.1.0.1` there; the node is announced on both.
fn two_links() -> (Scene, SegmentId, LinkIndex) {
    let mut scene = Scene::announced();
    let there = quick_segment(&mut scene.lan);
    let link = attach(&mut scene.lan, scene.alpha, there, &["10.1.0.1"], &[]);
    let stranger = response().answer("other.local 120 flush A 10.1.0.9").bytes();
    scene.lan.inject(there, THERE.parse().unwrap(), None, &stranger);
    scene.run(secs(60));
    (scene, there, link)
}

/// A stranger on the second link.
const THERE: &str = "10.1.0.9:5353";

fn hear_there(scene: &mut Scene, there: SegmentId, packet: &Packet) {
    scene.lan.inject(there, THERE.parse().unwrap(), None, &packet.bytes());
    scene.lan.run_for(ms(0));
}

#[test]
fn a_new_link_is_probed_and_announced_on_and_the_others_hear_nothing_of_it() {
    proves!("6762-8-new-link", "6762-8-others-alone", "6762-8-startup");
    for seed in 0..20 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(60));
        let plugged = scene.now();
        let there = quick_segment(&mut scene.lan);
        attach(&mut scene.lan, scene.alpha, there, &["10.1.0.1"], &[]);
        let sent = scene.run(secs(30));
        assert!(sent.iter().all(|sent| sent.segment == there), "{sent:#?}");
        between(sent[0].at - plugged, 0, 250);
        assert_eq!(gaps(&sent), [250, 250, 250, 1000, 2000]);
        assert!(sent[..3].iter().all(Sent::is_probe));
        same(&sent[0].questions, &["alpha.local QU ANY", "node._exo._tcp.local QU ANY"]);
        assert!(sent[3..].iter().all(|sent| sent.has("alpha.local 120 flush A 10.1.0.1")));
        assert!(sent[3..].iter().all(|sent| sent.answers.len() == NODE_RECORDS.len()));
    }
}

#[test]
fn a_link_that_comes_up_again_is_probed_and_announced_on() {
    proves!("6762-8-new-link", "6762-8-startup");
    let (mut scene, ..) = two_links();
    scene.set_link(|state| Some(LinkState { v4_open: false, ..state }));
    scene.is_quiet(secs(60));
    scene.set_link(|state| Some(LinkState { v4_open: true, ..state }));
    let up = scene.now();
    let sent = scene.run(secs(30));
    assert!(sent.iter().all(|sent| sent.segment == scene.segment));
    between(sent[0].at - up, 0, 250);
    assert_eq!(gaps(&sent), [250, 250, 250, 1000, 2000]);
    same(&sent[0].questions, &["alpha.local QU ANY", "node._exo._tcp.local QU ANY"]);
    same(&sent[3].answers, &NODE_RECORDS);
}

#[test]
fn a_family_that_opens_is_probed_and_announced_on() {
    proves!("6762-8-new-link", "6762-8-startup");
    let mut scene = Scene::announced();
    scene.set_link(|state| {
        Some(LinkState { v6: vec![("fe80::1".parse().unwrap(), 64)], v6_open: true, ..state })
    });
    let opened = scene.now();
    let sent = scene.run(secs(30));
    let v6: Vec<Sent> = sent.into_iter().filter(|sent| sent.to.is_ipv6()).collect();
    between(v6[0].at - opened, 0, 250);
    assert_eq!(gaps(&v6), [250, 250, 250, 1000, 2000]);
    let (probes, v6) = v6.split_at(3);
    for probe in probes {
        assert!(probe.is_probe() && probe.authorities.contains(&"alpha.local 120 AAAA fe80::1".to_owned()));
        same(&probe.questions, &["alpha.local QU ANY", "node._exo._tcp.local QU ANY"]);
    }
    for line in NODE_RECORDS.iter().chain(&["alpha.local 120 flush AAAA fe80::1"]) {
        assert!(v6.iter().filter(|sent| sent.has(line)).count() >= 2, "{line}");
    }
}

#[test]
fn addresses_of_a_family_that_closes_as_another_opens_are_taken_back() {
    proves!("6762-10.1-goodbye");
    let mut scene = Scene::announced();
    scene.set_link(|state| {
        let v6 = vec![("fe80::1".parse().unwrap(), 64)];
        Some(LinkState { v4: Vec::new(), v4_open: false, v6, v6_open: true, ..state })
    });
    let sent = scene.run(secs(30));
    assert_eq!(sent[0].answers, ["alpha.local 0 flush A 10.0.0.1"]);
    assert!(sent[1].is_probe() && sent.last().unwrap().has("alpha.local 120 flush AAAA fe80::1"));
}

#[test]
fn a_stranger_who_speaks_is_no_reason_to_announce() {
    proves!("6762-8.3-not-periodic");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &[]);
    scene.announce(node());
    scene.run(secs(600));
    for source in [STRANGER, NEIGHBOUR, OFF_LINK] {
        scene.hear_from(source, &query().ask("_http._tcp.local PTR"));
        scene.hear_from(source, &response().answer("beta.local 120 flush A 10.0.0.9"));
        scene.is_quiet(secs(60));
    }
}

#[test]
fn when_sends_work_again_all_is_announced_again() {
    proves!("6762-8-startup");
    let mut scene = Scene::announced();
    scene.run(secs(600));
    let link = scene.link;
    let recovered = scene.now();
    scene.drive(|engine, now| engine.handle_recovery(now, link));
    let sent = scene.run(secs(30));
    between(sent[0].at - recovered, 20, 120);
    assert!(sent.len() >= 2, "§8.3: at least two, one second apart");
    sent.iter().for_each(|sent| same(&sent.answers, &NODE_RECORDS));
}

#[test]
fn a_query_is_answered_on_the_link_it_came_from() {
    proves!("6762-6-same-link", "6762-14-no-other-address", "6762-6.2-link-addresses");
    let (mut scene, there, _) = two_links();
    let question = query().ask("_exo._tcp.local PTR");
    scene.hear(&question);
    let answer = only(scene.run(secs(2)));
    assert_eq!(answer.segment, scene.segment);
    assert!(answer.has("alpha.local 120 flush A 10.0.0.1"));
    hear_there(&mut scene, there, &question);
    let answer = only(scene.run(secs(2)));
    assert_eq!(answer.segment, there);
    assert!(answer.has("alpha.local 120 flush A 10.1.0.1"));
}

#[test]
fn no_address_of_another_link_is_ever_sent() {
    proves!("6762-14-no-other-address");
    let (mut scene, there, _) = two_links();
    let mut sent = Vec::new();
    for question in ["alpha.local A", "alpha.local ANY", "_exo._tcp.local PTR", "node._exo._tcp.local SRV"] {
        scene.hear(&query().ask(question));
        hear_there(&mut scene, there, &query().ask(question));
        scene.hear_from(LEGACY, &query().ask(question));
        scene.hear_unicast(STRANGER, &query().ask(question));
        sent.extend(scene.run(secs(2)));
    }
    scene.set_link(|mut state| {
        state.v4.push(("10.0.0.77".parse().unwrap(), 24));
        Some(state)
    });
    sent.extend(scene.run(secs(5)));
    scene.drive(|engine, now| engine.handle_wake(now));
    sent.extend(scene.run(secs(10)));
    scene.drive(|engine, now| engine.shutdown(now));
    sent.extend(scene.run(secs(10)));
    assert!(sent.len() > 20);
    for message in sent {
        let other = if message.segment == there { "10.0.0." } else { "10.1.0." };
        let all = [message.records(), message.authorities.clone()].concat();
        assert!(!all.iter().any(|line| line.contains(other)), "{message:?}");
    }
    // Not even the name of its address.
    hear_there(&mut scene, there, &query().ask("1.0.0.10.in-addr.arpa PTR"));
    scene.is_quiet(secs(2));
}

#[test]
fn when_a_link_is_removed_the_others_go_on() {
    proves!("6762-r-link-removed");
    let (mut scene, there, link) = two_links();
    let alpha = scene.alpha;
    scene.lan.set_link(alpha, link, there, None);
    scene.is_quiet(secs(60));
    scene.hear(&query().ask("alpha.local A"));
    assert_eq!(only(scene.run(secs(1))).answers, ["alpha.local 120 flush A 10.0.0.1"]);
    // Even in the middle of probing.
    let link = attach(&mut scene.lan, alpha, there, &["10.1.0.1"], &[]);
    assert!(scene.next(secs(1)).is_probe());
    scene.lan.set_link(alpha, link, there, None);
    scene.is_quiet(secs(60));
    scene.announce(named("late"));
    assert_eq!(scene.run(secs(10)).iter().filter(|sent| sent.is_probe()).count(), 3);
}

#[test]
fn addresses_that_change_on_one_link_are_announced_there_alone() {
    proves!("6762-8.4-addresses", "6762-8-others-alone");
    let (mut scene, ..) = two_links();
    scene.set_link(|state| Some(LinkState { v4: vec![("10.0.0.55".parse().unwrap(), 24)], ..state }));
    let sent = scene.run(secs(30));
    assert!(sent.iter().all(|sent| sent.segment == scene.segment));
    assert_eq!(gaps(&sent), [1000, 2000]);
    sent.iter().for_each(|sent| same(&sent.answers, &["alpha.local 120 flush A 10.0.0.55"]));
}

#[test]
fn an_own_record_of_another_link_that_is_bridged_here_is_no_conflict_but_answered_by_our_set() {
    proves!("6762-9-identical", "6762-10.2-whole-set", "6762-14-host");
    let (mut scene, ..) = two_links();
    // A bridge carries what `alpha` says there to this link, where it flushes our address.
    scene.hear_from("10.1.0.1:5353", &response().answer("alpha.local 120 flush A 10.1.0.1"));
    let again = only(scene.run(secs(30)));
    assert_eq!(again.segment, scene.segment);
    assert_eq!(again.answers, ["alpha.local 120 flush A 10.0.0.1"]);
    assert_eq!(scene.lan.engine(scene.alpha).unwrap().host().to_string(), "alpha.local");
}

// ---- §10.3

fn other_node() -> Packet {
    response().answers([
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 4500 flush TXT \"\"",
        "beta.local 120 flush A 10.0.0.9",
    ])
}

#[test]
fn what_was_heard_on_a_link_that_went_away_is_forgotten() {
    proves!("6762-10.3-link-down");
    let mut scene = Scene::new();
    scene.browse();
    scene.hear(&other_node());
    scene.run(secs(1));
    assert!(matches!(only(scene.changes()), salut::Change::Found(_)));
    scene.set_link(|_| None);
    assert!(matches!(only(scene.changes()), salut::Change::Lost(_)));
    assert_eq!(scene.cached(), 0);
}

#[test]
fn what_was_heard_on_a_link_that_closed_is_forgotten_within_seconds() {
    proves!("6762-10.3-link-down");
    let mut scene = Scene::new();
    scene.browse();
    scene.hear(&other_node());
    scene.run(secs(1));
    scene.changes();
    scene.set_link(|state| Some(LinkState { v4_open: false, v4: Vec::new(), ..state }));
    scene.run(secs(10));
    assert!(matches!(only(scene.changes()), salut::Change::Lost(_)));
}
