//! A timed sequence, read and played.

use std::net::SocketAddr;
use std::time::Duration;

use salut::Name;
use salut::wire::{Packer, RecordData, RecordType, Section};

use crate::bench::*;
use crate::lan_support::*;

pub(crate) struct Datagram {
    pub(crate) at: Duration,
    pub(crate) source: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

/// The datagrams of a sequence, floods written out.
pub(crate) fn datagrams(name: &str) -> Vec<Datagram> {
    let sequence = json(&format!("seq/{name}.json"));
    let mut all = Vec::new();
    for step in sequence["steps"].as_array().unwrap() {
        let at = millis(step["t_ms"].as_u64().unwrap());
        let port = u16::try_from(step["sport"].as_u64().unwrap()).unwrap();
        let source = SocketAddr::new(text(&step["src"]).parse().unwrap(), port);
        if let Some(hex) = step["hex"].as_str() {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            all.push(Datagram { at, source, payload: (0..hex.len()).step_by(2).map(byte).collect() });
            continue;
        }
        let flood = &step["flood"];
        let rate = flood["rate_per_s"].as_u64().unwrap();
        for number in 0..flood["n"].as_u64().unwrap() {
            let payload = flooded(text(&flood["kind"]), number);
            let after = Duration::from_micros(number * 1_000_000 / rate);
            all.push(Datagram { at: at + after, source, payload });
        }
    }
    all
}

pub(crate) fn flooded(kind: &str, number: u64) -> Vec<u8> {
    let own: Name = format!("Salut\\032Test.{TYPE}.local").parse().unwrap();
    let mut response = Packer::response(1440);
    let mut query = Packer::query(1440);
    match kind {
        "unique_ptr" => {
            let instance = exo_name().prepend(format!("Flood {number}")).unwrap();
            response.record(Section::Answer, &exo_name(), false, 4500, &RecordData::Ptr(instance)).unwrap();
        }
        "unique_a" => {
            let host = Name::from_labels([&format!("flood-{number}"), "local"]).unwrap();
            response
                .record(Section::Answer, &host, true, 4500, &RecordData::A([10, 77, 9, 9].into()))
                .unwrap();
        }
        "goodbye_all" => return announcement(b"Peer One", 0),
        "unanswered_query" => {
            query.question(&exo_name(), RecordType::PTR, false).unwrap();
            query.question(&exo_name().prepend("Peer One").unwrap(), RecordType::SRV, false).unwrap();
        }
        "tc_query" => {
            query.question(&exo_name(), RecordType::PTR, false).unwrap();
            query.set_truncated(true);
        }
        "qu_query" => query.question(&own, RecordType::SRV, true).unwrap(),
        other => panic!("no flood {other}"),
    }
    if query.is_empty() { response.finish().to_vec() } else { query.finish().to_vec() }
}

/// Plays a sequence; `between` is called a thousand times a second.
pub(crate) fn play(bench: &mut Bench, name: &str, mut between: impl FnMut(&mut Bench, Duration)) {
    let start = bench.lan.elapsed();
    let mut tick = Duration::ZERO;
    for Datagram { at, source, payload } in datagrams(name) {
        while tick <= at {
            let now = bench.lan.elapsed() - start;
            bench.run(tick.saturating_sub(now));
            between(bench, tick);
            tick += millis(1);
        }
        let now = bench.lan.elapsed() - start;
        bench.run(at.saturating_sub(now));
        bench.inject(source, false, &payload);
    }
}
