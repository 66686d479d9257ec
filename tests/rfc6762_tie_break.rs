//! RFC 6762 §8.2, §8.1: two hosts probe for one name at the same time; names that are taken.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::Event;
use salut::wire::{Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};

/// `alpha` at this address has just sent its first probe for its host name and the node.
fn probing_at(address: &str) -> (Scene, Sent) {
    let mut scene = Scene::plugged_in(1, &[address], &[]);
    scene.announce(node());
    let probe = scene.next(secs(1));
    assert!(probe.is_probe());
    (scene, probe)
}

/// The stranger's own probe for the host name, proposing an address.
fn host_probe(line: &str) -> Packet {
    query().ask("alpha.local QU ANY").authority(line)
}

/// When the host name was probed for in the next three seconds, in ms since `since`.
fn host_probes(scene: &mut Scene, since: &Sent) -> Vec<u128> {
    let sent = scene.run(secs(3)).into_iter();
    sent.filter(|sent| sent.is_probe() && sent.questions.contains(&"alpha.local QU ANY".to_owned()))
        .map(|sent| (sent.at - since.at).as_millis())
        .collect()
}

const LOST: [u128; 3] = [1000, 1250, 1500];
const WON: [u128; 2] = [250, 500];

// ---- who wins

#[test]
fn the_loser_waits_one_second_and_probes_for_the_same_name_again() {
    proves!("6762-8.2-loser");
    let (mut scene, probe) = probing_at("10.0.0.1");
    scene.hear(&host_probe("alpha.local 120 A 10.0.0.9"));
    assert_eq!(host_probes(&mut scene, &probe), LOST);
    assert!(!scene.events().iter().any(|event| matches!(event, Event::HostRenamed { .. })));
    scene.run(secs(10));
    scene.hear(&query().ask("alpha.local A"));
    assert_eq!(only(scene.sent()).answers, ["alpha.local 120 flush A 10.0.0.1"]);
}

#[test]
fn the_second_and_the_third_probe_can_lose_as_well() {
    proves!("6762-8.2-loser");
    for wait in [250, 500, 740] {
        let (mut scene, probe) = probing_at("10.0.0.1");
        scene.run(ms(wait));
        scene.hear(&host_probe("alpha.local 120 A 10.0.0.9"));
        let wait = u128::from(wait);
        assert_eq!(host_probes(&mut scene, &probe), LOST.map(|at| at + wait), "{wait}");
    }
}

#[test]
fn the_winner_ignores_the_other_probe() {
    proves!("6762-8.2-winner");
    let (mut scene, probe) = probing_at("10.0.0.9");
    scene.hear_from(NEIGHBOUR, &host_probe("alpha.local 120 A 10.0.0.1"));
    assert_eq!(host_probes(&mut scene, &probe), WON);
    assert!(!scene.events().iter().any(|event| matches!(event, Event::HostRenamed { .. })));
}

#[test]
fn two_hosts_that_start_together_both_get_a_name() {
    proves!("6762-8.2-loser", "6762-8.2-winner", "6762-9-new-name");
    for seed in 0..50 {
        let mut scene = Scene::plugged_in(seed, &["10.0.0.1"], &[]);
        let beta = scene.lan.host("beta").unwrap();
        attach(&mut scene.lan, beta, scene.segment, &["10.0.0.2"], &[]);
        scene.announce(node());
        scene.lan.announce(beta, node()).unwrap();
        scene.run(secs(10));
        let mut names: Vec<String> = [scene.alpha, beta]
            .into_iter()
            .map(|host| {
                let told = scene.lan.take_events(host).into_iter().rev();
                let name = told.filter_map(|(_, event)| match event {
                    Event::Announced { instance, .. } => Some(instance.to_string()),
                    _ => None,
                });
                name.into_iter().next().unwrap()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["node", "node (2)"], "seed {seed}");
    }
}

// ---- the order

#[test]
fn data_is_compared_as_unsigned_bytes() {
    proves!("6762-8.2-order");
    // The RFC's own example: 200 is more than 99, unless it is read as -56.
    let (mut scene, probe) = probing_at("169.254.99.200");
    scene.hear(&host_probe("alpha.local 120 A 169.254.200.50"));
    assert_eq!(host_probes(&mut scene, &probe), LOST);
    let (mut scene, probe) = probing_at("169.254.200.50");
    scene.hear(&host_probe("alpha.local 120 A 169.254.99.200"));
    assert_eq!(host_probes(&mut scene, &probe), WON);
}

#[test]
fn the_higher_type_is_later_whatever_the_data() {
    proves!("6762-8.2-order");
    let (mut scene, probe) = probing_at("10.0.0.200");
    scene.hear(&host_probe("alpha.local 120 AAAA ::1"));
    assert_eq!(host_probes(&mut scene, &probe), LOST);
    let (mut scene, probe) = probing_at("10.0.0.1");
    // Type 0x0000 would be no record at all; 1 is the lowest, so the tie is on the data.
    scene.hear(&host_probe("alpha.local 120 A 9.255.255.255"));
    assert_eq!(host_probes(&mut scene, &probe), WON);
}

#[test]
fn the_cache_flush_bit_is_no_part_of_the_class() {
    proves!("6762-8.2-order");
    let (mut scene, probe) = probing_at("10.0.0.9");
    scene.hear_from(NEIGHBOUR, &host_probe("alpha.local 120 flush A 10.0.0.1"));
    assert_eq!(host_probes(&mut scene, &probe), WON);
}

/// When the node was probed for, if `ours` meets a probe with `theirs`.
fn node_probes(ours: &str, theirs: &[&str]) -> Vec<u128> {
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &[]);
    let strings: Vec<&str> = ours.split(' ').filter(|string| !string.is_empty()).collect();
    scene.announce(node().txt_record(Txt::from_strings(strings).unwrap()));
    let probe = scene.next(secs(1));
    let packet = query().ask("node._exo._tcp.local QU ANY");
    scene.hear(&theirs.iter().fold(packet, |packet, line| packet.authority(line)));
    let sent = scene.run(secs(3)).into_iter();
    sent.filter(|sent| sent.is_probe() && sent.questions.contains(&"node._exo._tcp.local QU ANY".to_owned()))
        .map(|sent| (sent.at - probe.at).as_millis())
        .collect()
}

const OUR_SRV: &str = "node._exo._tcp.local 120 SRV 0 0 52415 alpha.local";

#[test]
fn longer_data_wins_over_its_own_beginning() {
    proves!("6762-8.2-order");
    assert_eq!(node_probes("a", &["node._exo._tcp.local 4500 TXT a b", OUR_SRV]), LOST);
    assert_eq!(node_probes("a b", &["node._exo._tcp.local 4500 TXT a", OUR_SRV]), WON);
}

#[test]
fn sets_are_sorted_before_they_are_compared() {
    proves!("6762-8.2.1-sets");
    // TXT (16) comes before SRV (33), in whatever order they stand: the TXT decides.
    let (low, high) = ("node._exo._tcp.local 4500 TXT a", "node._exo._tcp.local 4500 TXT c");
    let (low_srv, high_srv) = (
        "node._exo._tcp.local 120 SRV 0 0 1 alpha.local",
        "node._exo._tcp.local 120 SRV 0 0 65535 alpha.local",
    );
    assert_eq!(node_probes("b", &[high_srv, low]), WON);
    assert_eq!(node_probes("b", &[low, high_srv]), WON);
    assert_eq!(node_probes("b", &[low_srv, high]), LOST);
    assert_eq!(node_probes("b", &[high, low_srv]), LOST);
}

#[test]
fn of_equal_first_records_the_second_ones_decide() {
    proves!("6762-8.2.1-sets");
    let txt = "node._exo._tcp.local 4500 TXT b";
    assert_eq!(node_probes("b", &[txt, "node._exo._tcp.local 120 SRV 0 0 52416 alpha.local"]), LOST);
    assert_eq!(node_probes("b", &[txt, "node._exo._tcp.local 120 SRV 0 0 52414 alpha.local"]), WON);
}

#[test]
fn the_set_with_records_left_over_wins() {
    proves!("6762-8.2.1-sets");
    let txt = "node._exo._tcp.local 4500 TXT b";
    let more = "node._exo._tcp.local 120 TYPE99 \\# 00";
    assert_eq!(node_probes("b", &[txt, OUR_SRV, more]), LOST);
    assert_eq!(node_probes("b", &[txt]), WON);
}

#[test]
fn identical_sets_are_no_conflict() {
    proves!("6762-8.2.1-sets", "6762-9-identical");
    assert_eq!(node_probes("b", &[OUR_SRV, "node._exo._tcp.local 4500 TXT b"]), WON);
}

#[test]
fn an_old_probe_of_ones_own_that_comes_back_does_no_harm() {
    proves!("6762-8.2-winner");
    let (mut scene, probe) = probing_at("10.0.0.1");
    scene.run(ms(100));
    scene.hear_bytes("10.0.0.1:5353", &probe.bytes);
    scene.hear_bytes(STRANGER, &probe.bytes);
    assert_eq!(host_probes(&mut scene, &probe), WON);
}

#[test]
fn compressed_names_are_compared_as_if_written_out() {
    proves!("6762-8.2-order");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &[]);
    scene.announce(node());
    let probe = scene.next(secs(1));
    // The target, "a.local", is earlier than "alpha.local"; as a pointer, 0xc0.., it would be
    // later than everything.
    let name = |text: &str| text.parse::<Name>().unwrap();
    let node = name("node._exo._tcp.local");
    let mut packer = Packer::query(1440);
    packer.question(&name("a.local"), RecordType::ANY, true).unwrap();
    packer.question(&node, RecordType::ANY, true).unwrap();
    let target = name("a.local");
    let srv = RecordData::Srv(Srv { priority: 0, weight: 0, port: 52415, target });
    packer.record(Section::Authority, &node, false, 120, &srv).unwrap();
    packer.record(Section::Authority, &node, false, 4500, &RecordData::Txt(Txt::new())).unwrap();
    let bytes = packer.finish();
    assert!(read(&bytes).names.contains(&("SRV".to_owned(), true)), "the target is compressed");
    scene.hear_bytes(STRANGER, &bytes);
    let probes: Vec<Sent> = scene.run(secs(3)).into_iter().filter(Sent::is_probe).collect();
    assert_eq!(probes.iter().map(|sent| (sent.at - probe.at).as_millis()).collect::<Vec<_>>(), WON);
}
