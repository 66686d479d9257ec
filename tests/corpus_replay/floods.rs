//! Sequences that want more memory, more packets or more patience than they are given.

use std::time::Duration;

use salut::HostName;
use salut::Service;
use salut::proto::{Config, Engine, Packet};
use salut::sim::HostId;
use salut::wire::{Message, Packer, RecordType};

use crate::bench::*;
use crate::lan_support::*;
use crate::sequence::*;

/// Resident memory of this process in MiB, where the system says.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default() * 4096.0
        / 1_048_576.0
}

#[test]
fn cache_flood_unique_ptr() {
    let mut bench = Bench::new();
    bench.inject(PEER, false, &announcement(b"Peer One", 4500));
    bench.run(seconds(2.0));
    assert!(bench.view.knows("Peer One"));
    bench.sent();
    let (before, mut peak) = (resident_mib(), 0);
    play(&mut bench, "cache_flood_unique_ptr", |bench, _| peak = peak.max(bench.cached()));
    bench.run(seconds(1.0));
    assert!(peak <= 4096 + 1024 + 100, "{peak} records in the cache");
    let sent = bench.sent();
    let asked = sent.iter().filter(|sent| !is_response(sent) && sent.destination.is_ipv4()).count();
    // Twenty datagrams a second with questions, after a burst of forty.
    assert!(asked <= 40 + 20 * 7, "{asked} questions in six seconds");
    let grown = resident_mib() - before;
    assert!(grown < 32.0, "{grown} MiB");
    assert!(bench.view.knows("Peer One") && bench.view.lost.is_empty());
    assert_eq!(bench.view.find("Peer One").unwrap().port, 4001);
    bench.is_alive("cache_flood_unique_ptr");
}

#[test]
fn cache_flood_unique_a() {
    let mut bench = Bench::new();
    let (before, mut peak) = (resident_mib(), 0);
    play(&mut bench, "cache_flood_unique_a", |bench, _| peak = peak.max(bench.cached()));
    assert!(peak <= 1024 + 100, "{peak} records of one source in the cache");
    let grown = resident_mib() - before;
    assert!(grown < 32.0, "{grown} MiB");
    assert_eq!(replies(&bench.sent()), 0);
    bench.is_alive("cache_flood_unique_a");
}

#[test]
fn tc_defer_flood_one_src() {
    let mut bench = Bench::new();
    let before = resident_mib();
    play(&mut bench, "tc_defer_flood_one_src", |_, _| {});
    bench.run(seconds(2.0));
    // One answer a second at most, and every answer within 950 ms of the first question.
    let count = replies(&bench.sent());
    assert!((1..=3).contains(&count), "{count} answers to one second of unfinished questions");
    assert!(resident_mib() - before < 16.0);
    bench.is_alive("tc_defer_flood_one_src");
}

#[test]
fn tc_extend_forever() {
    let mut bench = Bench::new();
    let start = bench.lan.elapsed();
    play(&mut bench, "tc_extend_forever", |_, _| {});
    let first = bench.sent().into_iter().find(own_pointer).expect("an answer").at;
    assert!(first - start <= seconds(1.0), "{:?}", first - start);
    bench.run(seconds(2.0));
    bench.is_alive("tc_extend_forever");
}

#[test]
fn ka_only_packet_other_src() {
    let mut bench = Bench::new();
    play(&mut bench, "ka_only_packet_other_src", |_, _| {});
    bench.run(seconds(1.0));
    assert_eq!(bench.sent().iter().filter(|sent| own_pointer(sent) && sent.destination.is_ipv4()).count(), 1);
}

#[test]
fn qu_flood_own_name() {
    let mut bench = Bench::new();
    let received: usize = datagrams("qu_flood_own_name").iter().map(|datagram| datagram.payload.len()).sum();
    play(&mut bench, "qu_flood_own_name", |_, _| {});
    bench.run(seconds(1.0));
    let sent = bench.sent();
    let bytes: usize = sent.iter().map(|sent| sent.payload.len()).sum();
    assert!(bytes <= received, "{bytes} bytes for {received}");
    assert!(sent.len() <= 50, "{} datagrams in one second", sent.len());
    bench.is_alive("qu_flood_own_name");
}

#[test]
fn goodbye_then_back() {
    let mut bench = Bench::new();
    play(&mut bench, "goodbye_then_back", |_, _| {});
    bench.run(seconds(10.0));
    assert!(bench.view.knows("Bounce"));
    assert!(bench.view.lost.is_empty(), "it was back within the second of grace");
    bench.is_alive("goodbye_then_back");
}

#[test]
fn spoofed_goodbye_all() {
    let mut bench = Bench::new();
    play(&mut bench, "spoofed_goodbye_all", |_, _| {});
    bench.run(seconds(5.0));
    bench.inject(PEER, false, &announcement(b"Peer One", 120));
    let back = bench.lan.elapsed();
    bench.run(seconds(3.0));
    let found: Vec<Duration> = bench
        .view
        .found
        .iter()
        .filter(|(_, node)| node.name.to_string() == "Peer One")
        .map(|(at, _)| *at)
        .collect();
    assert!(bench.view.knows("Peer One") && *found.last().unwrap() <= back + seconds(3.0));
    let events = found.len() + bench.view.lost.len() + bench.view.updated.len();
    assert!(events <= 3, "{events} events: found, lost, found");
    bench.is_alive("spoofed_goodbye_all");
}

#[test]
fn poof_flood() {
    let mut bench = Bench::new();
    // The peer answers once a second, as the one-second rule allows.
    let answers = |bench: &mut Bench, at: Duration| {
        if at.as_millis() % 1000 == 500 {
            bench.inject(PEER, false, &announcement(b"Peer One", 120));
        }
    };
    play(&mut bench, "poof_flood", answers);
    bench.run(seconds(60.0));
    assert!(bench.view.knows("Peer One") && bench.view.lost.is_empty());

    // And when it does not, it is soon gone.
    let mut bench = Bench::new();
    play(&mut bench, "poof_flood", |_, _| {});
    bench.run(seconds(15.0));
    assert!(!bench.view.knows("Peer One"));
    bench.is_alive("poof_flood");
}

/// Events that nobody takes: the protocol goes on.
#[test]
#[allow(clippy::disallowed_methods)]
fn slow_consumer() {
    let mut now = std::time::Instant::now();
    let mut engine = Engine::new(Config::new(HostName::new("salut-test").unwrap()), 1);
    let state = Bench::cold().lan.link_state(HostId(0), LINK);
    engine.handle_link(now, LINK, state);
    engine.announce(now, Service::new(OWN, TYPE, PORT).unwrap()).unwrap();
    engine.browse(now, exo()).unwrap();
    let mut run = |engine: &mut Engine, time: Duration| {
        let until = now + time;
        let mut sent = Vec::new();
        while let Some(timeout) = engine.poll_timeout().filter(|timeout| timeout.at <= until) {
            now = now.max(timeout.at);
            engine.handle_timeout(now);
            sent.extend(std::iter::from_fn(|| engine.poll_transmit()));
        }
        now = until;
        (now, sent)
    };
    run(&mut engine, seconds(20.0));
    for datagram in datagrams("slow_consumer") {
        let (now, _) = run(&mut engine, Duration::from_micros(200));
        let packet =
            Packet { link: LINK, source: datagram.source, unicast: false, payload: &datagram.payload };
        engine.handle_packet(now, packet);
    }
    let mut packer = Packer::query(1440);
    packer.question(&exo_name().prepend(OWN).unwrap(), RecordType::SRV, false).unwrap();
    let (now, _) = run(&mut engine, seconds(1.0));
    engine.handle_packet(
        now,
        Packet { link: LINK, source: PEER.into(), unicast: false, payload: &packer.finish() },
    );
    let mut sent: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
    sent.extend(run(&mut engine, seconds(1.0)).1);
    let own = exo_name().prepend(OWN).unwrap();
    assert!(sent.iter().any(|transmit| {
        Message::read(&transmit.payload).unwrap().records().any(|record| record.name.is(&own))
    }));
}
