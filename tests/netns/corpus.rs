//! Bad input, thrown at running programs from a neighbour's port 5353.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::wire::{Message, RecordType};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, multicast, name, question};
use crate::harness::{Test, at_most, report};

pub const TESTS: &[Test] = &[("corpus::announce_and_browse_survive_every_packet", &[], every_packet)];

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const IN_TIME: Duration = Duration::from_secs(1);

/// The hosts and the service that the corpus speaks of, see its README.
fn every_packet() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let own = Host::on(&bridge, "own", &["10.77.0.1/24", "fe80::1/64"]);
    let peer = Host::on(&bridge, "peer", &["10.77.0.2/24", "fd77::2/64"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.3/24", "fd77::3/64"]);
    let arguments = ["--txt", "k=v", "--host", "salut-test"];
    let mut announce = Announce::start(&own, "Salut Test", 52415, &arguments);
    let mut browse = Browse::start(&own, &[]);
    announce.announced(Duration::from_secs(5));

    let manifest = fs::read_to_string(Path::new(CORPUS).join("manifest.json")).expect("the corpus' manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let packets: Vec<_> =
        manifest["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "packet").collect();
    assert!(packets.len() >= 101, "{} packets", packets.len());
    let mut slowest = (Duration::ZERO, "");
    for case in &packets {
        let which = case["file"].as_str().unwrap();
        let payload =
            fs::read(Path::new(CORPUS).join(which)).unwrap_or_else(|error| panic!("{which}: {error}"));
        deliver(&peer, &case["delivery"], payload);
        let took =
            answer_time(&asker).unwrap_or_else(|| panic!("no answer within {IN_TIME:?} after {which}"));
        if took > slowest.0 {
            slowest = (took, which);
        }
        for (what, process) in [("announce", &mut announce.0), ("browse", &mut browse.0)] {
            let status = process.ended(Duration::ZERO);
            assert!(status.is_none(), "{what} ended ({status:?}) after {which}");
        }
    }
    let (took, which) = slowest;
    report(format!(
        "{} packets; slowest answer after {:.3} s, after {which}",
        packets.len(),
        took.as_secs_f32()
    ));

    // The browser still finds who comes now, and printed nothing that moves a terminal.
    let newcomer = Announce::start(&asker, "Newcomer", 4711, &[]);
    browse.expect_all(Duration::from_secs(5), "Newcomer", &asker.addresses_seen("eth0", "eth0"));
    drop(newcomer);
    for process in [&announce.0, &browse.0] {
        let said: String = process.lines().into_iter().map(|line| line.text + "\n").collect();
        for text in [said, process.errors()] {
            let control = text.chars().find(|one| one.is_control() && *one != '\n');
            assert_eq!(control, None, "a control character was printed");
            assert!(text.lines().all(|line| line.len() <= 16 * 1024), "a line over 16 KiB was printed");
            assert!(!text.contains("panicked"), "{text}");
        }
        assert!(process.errors().lines().all(|line| line.len() <= 1024), "a log line over 1 KiB");
    }
    for process in [&mut announce.0, &mut browse.0] {
        let (status, took) = process.stop(Signal::SIGTERM, Duration::from_secs(3));
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(took <= at_most(IN_TIME), "{took:?}");
    }
}

/// Sends a packet as its case says: from where, to the group or to the one address.
fn deliver(peer: &Host, delivery: &Value, payload: Vec<u8>) {
    let source: Ipv4Addr = delivery["src"].as_str().unwrap().parse().unwrap();
    let port = u16::try_from(delivery["sport"].as_u64().unwrap()).unwrap();
    let group = delivery["dst"] == "mcast";
    let to = if group { Ipv4Addr::new(224, 0, 0, 251) } else { Ipv4Addr::new(10, 77, 0, 1) };
    peer.inside(move || {
        let forged = source != PEER;
        let (kind, protocol) =
            if forged { (Type::RAW, Some(Protocol::from(IPPROTO_RAW))) } else { (Type::DGRAM, None) };
        let socket = Socket::new(Domain::IPV4, kind, protocol).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        socket.set_ttl_v4(255).unwrap();
        let payload = if forged {
            with_headers(source, port, to, &payload)
        } else {
            socket.bind(&SocketAddr::from((source, port)).into()).unwrap();
            payload
        };
        socket.send_to(&payload, &SocketAddr::from((to, 5353)).into()).unwrap();
    });
}

/// With this protocol a raw socket takes whole packets (raw(7)).
const IPPROTO_RAW: i32 = 255;

/// IP and UDP headers for a source that is not the sender's. The kernel fills in what is
/// zero, and a UDP checksum of zero is none.
fn with_headers(source: Ipv4Addr, port: u16, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 255, 17, 0, 0];
    packet.extend(source.octets());
    packet.extend(to.octets());
    let length = u16::try_from(8 + payload.len()).expect("a short one");
    for field in [port, 5353, length, 0] {
        packet.extend(field.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

/// How long a normal question for the own service waits for its answer. It comes from a
/// port of its own each time, so that no rule about multicasts holds the answer back.
fn answer_time(asker: &Host) -> Option<Duration> {
    let service = format!("{SERVICE}.local");
    let asked = Instant::now();
    let socket = multicast(asker, "eth0", From::V4(0), &question(&service, RecordType::PTR, false));
    let wanted = name(&service);
    let mut buffer = [0; 9000];
    while asked.elapsed() < at_most(IN_TIME) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(message) = Message::read(&buffer[..length]) else { continue };
        if from.ip().to_string() == "10.77.0.1" && message.records().any(|record| record.name.is(&wanted)) {
            let took = asked.elapsed();
            // Ten unicast replies a second are the most that one asker gets.
            thread::sleep(Duration::from_millis(110).saturating_sub(took));
            return Some(took);
        }
    }
    None
}
