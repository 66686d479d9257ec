//! Sequences about whose a name is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use salut::proto::Event;
use salut::sim::Sent;
use salut::wire::{Message, Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};

use crate::bench::*;
use crate::lan_support::*;
use crate::sequence::*;

/// The starts of probe series, by host or service alike.
fn probe_series(sent: &[Sent]) -> Vec<Duration> {
    let probes: Vec<Duration> =
        sent.iter().filter(|sent| is_probe(sent) && sent.destination.is_ipv4()).map(|sent| sent.at).collect();
    let first = |at: usize| at == 0 || probes[at] - probes[at - 1] > millis(251);
    (0..probes.len()).filter(|at| first(*at)).map(|at| probes[at]).collect()
}

#[test]
fn probe_storm_15_conflicts() {
    // As it stands in the file: the first name is denied, another one is taken.
    let mut bench = Bench::cold();
    play(&mut bench, "probe_storm_15_conflicts", |_, _| {});
    bench.run(seconds(5.0));
    assert_eq!(bench.view.announced.values().next().unwrap().0.to_string(), "Salut Test (2)");
    bench.is_alive_as("Salut Test (2)");

    // As it is meant: every name is denied, 20 ms after it is probed for.
    let mut bench = Bench::cold();
    let mut sent = Vec::new();
    while bench.lan.elapsed() < seconds(180.0) {
        bench.run(millis(20));
        let new = bench.sent();
        for probe in new.iter().filter(|sent| is_probe(sent) && sent.destination.is_ipv4()) {
            let message = Message::read(&probe.payload).unwrap();
            for record in message.records().filter(|record| record.rtype == RecordType::SRV) {
                let mut packer = Packer::response(1440);
                let target = "evil.local".parse().unwrap();
                let srv = RecordData::Srv(Srv { priority: 0, weight: 0, port: 1, target });
                packer.record(Section::Answer, &record.name.to_name(), true, 120, &srv).unwrap();
                bench.inject(PEER, false, &packer.finish());
            }
        }
        sent.extend(new);
    }
    assert!(bench.view.announced.is_empty());
    let series = probe_series(&sent);
    let late: Vec<Duration> = series.windows(16).map(|run| run[15] - run[14]).collect();
    assert!(late.len() >= 10, "it gave up");
    let soon =
        series.windows(16).filter(|run| run[14] - run[0] <= seconds(10.0)).map(|run| run[15] - run[14]);
    for wait in soon {
        assert!(wait >= seconds(5.0), "{wait:?} after 15 conflicts in ten seconds");
    }
    let renamed = bench.view.renamed.len();
    assert!((16..=60).contains(&renamed), "{renamed} names in three minutes");
    let disputed =
        bench.view.others.iter().filter(|(_, event)| matches!(event, Event::Disputed { .. })).count();
    assert_eq!(disputed, 1, "the caller is told, once");
}

#[test]
fn conflict_own_host_a() {
    let mut bench = Bench::new();
    play(&mut bench, "conflict_own_host_a", |_, _| {});
    bench.run(seconds(5.0));
    let sent = bench.sent();
    let host: Name = "salut-test.local".parse().unwrap();
    let probed = sent.iter().filter(|sent| is_probe(sent)).any(|sent| {
        Message::read(&sent.payload).unwrap().questions().any(|question| question.name.is(&host))
    });
    assert!(probed, "the host name is not probed again");
    for sent in &sent {
        let ours = |data: &RecordData| !matches!(data, RecordData::A(v4) if v4.octets() == [10, 77, 0, 66]);
        assert!(
            Message::read(&sent.payload).unwrap().records().all(|record| ours(&record.data().unwrap())),
            "{sent}"
        );
    }
    // Nobody defended it, so it is ours again.
    assert!(sent.iter().any(|sent| has(sent, RecordType::A, &host)));
    assert!(bench.view.renamed.is_empty());
    let node = bench.view.find(OWN).unwrap();
    assert!(node.addresses.contains(&IpAddr::from(OWN_V4)));
    bench.is_alive("conflict_own_host_a");
}

#[test]
fn reflected_probe_delayed() {
    let mut bench = Bench::cold();
    let mut waiting: Vec<(Duration, SocketAddr, Vec<u8>)> = Vec::new();
    let mut sent = 0;
    while bench.lan.elapsed() < seconds(60.0) {
        bench.run(millis(1));
        let now = bench.lan.elapsed();
        for datagram in bench.sent().into_iter().filter(|sent| sent.destination.ip().is_multicast()) {
            let from: IpAddr =
                if datagram.source.is_ipv4() { [10, 77, 0, 2].into() } else { "fe80::2".parse().unwrap() };
            waiting.push((datagram.at + millis(30), SocketAddr::new(from, 5353), datagram.payload.to_vec()));
            sent += 1;
        }
        for (_, source, payload) in waiting.extract_if(.., |(due, ..)| *due <= now).collect::<Vec<_>>() {
            bench.inject(source, false, &payload);
        }
    }
    assert!(bench.view.renamed.is_empty(), "{:?}", bench.view.renamed);
    assert_eq!(bench.view.names(), [OWN]);
    assert!(bench.view.lost.is_empty() && bench.view.updated.is_empty());
    assert!(sent < 100, "{sent} datagrams in a quiet minute: it talks to its own echo");
    bench.is_alive("reflected_probe_delayed");
}

#[test]
fn srv_points_at_us() {
    let mut bench = Bench::new();
    play(&mut bench, "srv_points_at_us", |_, _| {});
    bench.run(seconds(10.0));
    assert_eq!(replies(&bench.sent()), 0, "answering a foreign instance's host as if it had been asked for");
    assert!(bench.view.renamed.is_empty());
    bench.is_alive("srv_points_at_us");
}

/// Plays a rival's probe 100 ms after our first one. Gives the instants of our probes for the
/// service, and of the first response about it.
fn contested(bench: &mut Bench, rival: impl Fn(&mut Bench)) -> (Vec<Duration>, Duration) {
    let own = exo_name().prepend(OWN).unwrap();
    let mut sent = Vec::new();
    while sent.is_empty() {
        bench.run(millis(1));
        sent.extend(bench.sent().into_iter().filter(is_probe));
    }
    bench.run(millis(100));
    rival(bench);
    bench.run(seconds(5.0));
    sent.extend(bench.sent());
    sent.retain(|sent| sent.destination.is_ipv4());
    let asks = |sent: &&Sent| Message::read(&sent.payload).unwrap().questions().any(|q| q.name.is(&own));
    let probes = sent.iter().filter(|sent| is_probe(sent)).filter(asks).map(|sent| sent.at).collect();
    let told = sent.iter().find(|sent| has(sent, RecordType::TXT, &own)).expect("an announcement").at;
    (probes, told)
}

/// The rival's probe of the corpus proposes an SRV record alone, with smaller data than ours.
/// We propose SRV and TXT; RFC 6762 §8.2.1 compares both sets in order, so that our TXT
/// (type 16) meets its SRV (type 33) and loses: the same name is probed again a second later,
/// and since the rival is not heard of again it is ours. Against a whole set with smaller data
/// we win, and go on undelayed.
#[test]
fn tie_break_we_win() {
    let mut bench = Bench::cold();
    let (probes, told) = contested(&mut bench, |bench| play(bench, "tie_break_we_win", |_, _| {}));
    let waits: Vec<Duration> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[1..], [millis(250); 2]);
    assert!(waits[0] >= seconds(1.0) + millis(100) && waits[0] <= seconds(1.0) + millis(102), "{waits:?}");
    // The host was announced meanwhile, and its addresses may be withheld for a second.
    assert!(told >= probes[3] + millis(250) && told <= probes[3] + millis(1250), "{told:?} {probes:?}");
    assert!(bench.view.renamed.is_empty());
    bench.is_alive("tie_break_we_win");

    let mut bench = Bench::cold();
    let (probes, told) = contested(&mut bench, |bench| {
        let own = exo_name().prepend(OWN).unwrap();
        let mut packer = Packer::query(1440);
        packer.question(&own, RecordType::ANY, true).unwrap();
        let srv = Srv { priority: 0, weight: 0, port: 0, target: "a.local".parse().unwrap() };
        packer.record(Section::Authority, &own, false, 120, &RecordData::Srv(srv)).unwrap();
        packer.record(Section::Authority, &own, false, 4500, &RecordData::Txt(Txt::new())).unwrap();
        bench.inject(PEER, false, &packer.finish());
    });
    assert_eq!(probes.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [millis(250); 2]);
    assert_eq!(told, probes[2] + millis(250));
    assert!(bench.view.renamed.is_empty());
    bench.is_alive("tie_break_we_win");
}
