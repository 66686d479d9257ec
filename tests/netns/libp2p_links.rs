//! Where a node can be reached: families, several links, many addresses.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use salut::wire::RecordType;

use crate::harness::capture::Capture;
use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::message::{From, multicast, question};
use crate::harness::{Need, Test, report};
use Stack::{Rust048, Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_links::ipv6_only", NODES, ipv6_only),
    ("libp2p_links::both_families", NODES, both_families),
    ("libp2p_links::the_common_link_is_the_second", NODES, the_common_link_is_the_second),
    ("libp2p_links::link_local_addresses_are_not_reported", NODES, link_local_addresses_are_not_reported),
    (
        "libp2p_links::four_interfaces_with_a_hundred_addresses",
        NODES,
        four_interfaces_with_a_hundred_addresses,
    ),
    (
        "libp2p_links::the_first_announcement_has_all_addresses",
        NODES,
        the_first_announcement_has_all_addresses,
    ),
    ("libp2p_links::two_hosts_have_one_identity", NODES, two_hosts_have_one_identity),
    ("libp2p_links::forty_listen_addresses", NODES, forty_listen_addresses),
];

const NODES: &[Need] = &[Need::Libp2p];
const SOON: Duration = Duration::from_secs(5);
const CONNECTED: Duration = Duration::from_secs(12);
const EVERYWHERE: &[&str] = &["--listen", "/ip4/0.0.0.0/tcp/0", "--listen", "/ip6/::/tcp/0"];

fn connected(nodes: [&mut Node; 2]) {
    let [a, b] = nodes;
    a.connects(CONNECTED, b, a.spawned);
    b.connects(CONNECTED, a, a.spawned);
    a.is_well();
    b.is_well();
}

fn ipv6_only() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["fd77::2/64"]);
    let mut a = Node::start(&ann, Salut056, 1, &["--listen", "/ip6/::/tcp/0"]);
    let mut b = Node::start(&ben, Salut057, 2, &["--listen", "/ip6/::/tcp/0"]);
    let found = a.discovers(SOON, &b, "/ip6/fd77::2/", b.spawned).at - b.started;
    b.discovers(SOON, &a, "/ip6/fd77::1/", b.spawned);
    report(format!("IPv6 only: found after {found:.3?}"));
    connected([&mut a, &mut b]);
}

fn both_families() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let mut a = Node::start(&ann, Salut056, 1, EVERYWHERE);
    let mut b = Node::start(&ben, Salut057, 2, EVERYWHERE);
    for (of, other, number) in [(&a, &b, 2), (&b, &a, 1)] {
        of.discovers(SOON, other, &format!("/ip4/10.77.0.{number}/"), b.spawned);
        of.discovers(SOON, other, &format!("/ip6/fd77::{number}/"), b.spawned);
        assert_eq!(of.live(other).len(), 2, "one of each family: {:?}", of.live(other));
    }
    connected([&mut a, &mut b]);
    // A host without IPv6 finds it as well.
    let cid = Host::on(&bridge, "cid", &["10.77.0.3/24"]);
    let mut c = Node::start(&cid, Salut056, 3, &[]);
    c.discovers(SOON, &a, "/ip4/10.77.0.1/", c.spawned);
    connected([&mut a, &mut c]);
}

fn the_common_link_is_the_second() {
    let lan = Lan::new();
    let (own, other, common) = (lan.bridge(), lan.bridge(), lan.bridge());
    let (ann, ben) = (Host::new("ann"), Host::new("ben"));
    ann.connect(&own, "eth0", &["10.78.0.1/24", "fd78::1/64"]);
    ann.connect(&common, "eth1", &["10.77.0.1/24", "fd77::1/64"]);
    ben.connect(&other, "eth0", &["10.79.0.2/24", "fd79::2/64"]);
    ben.connect(&common, "eth1", &["10.77.0.2/24", "fd77::2/64"]);
    let mut a = Node::start(&ann, Salut056, 1, EVERYWHERE);
    let mut b = Node::start(&ben, Salut057, 2, EVERYWHERE);
    a.discovers(SOON, &b, "/ip4/10.77.0.2/", b.spawned);
    b.discovers(SOON, &a, "/ip6/fd77::1/", b.spawned);
    connected([&mut a, &mut b]);
    thread::sleep(Duration::from_secs(2));
    for live in [a.live(&b), b.live(&a)] {
        let foreign = live.iter().find(|one| !(one.contains("/10.77.0.") || one.contains("/fd77::")));
        assert_eq!(foreign, None, "only what is reachable: {live:?}");
    }
}

/// libp2p's TCP cannot dial `/ip6zone/…`, and a link-local address without its zone is no
/// address: such a peer is heard, and not reported.
fn link_local_addresses_are_not_reported() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["fe80::1/64"]);
    let ben = Host::on(&bridge, "ben", &["fe80::2/64"]);
    let mut a = Node::start(&ann, Salut056, 1, EVERYWHERE);
    let mut b = Node::start(&ben, Salut057, 2, EVERYWHERE);
    thread::sleep(SOON);
    assert!(a.live(&b).is_empty() && b.live(&a).is_empty(), "{:?} {:?}", a.live(&b), b.live(&a));
    // With an address that can be dialled both are there at once, link-local ones still not.
    let changed = Instant::now();
    for (host, number) in [(&ann, 1), (&ben, 2)] {
        host.ip(&[format!("addr add fd77::{number}/64 dev eth0 nodad")]);
    }
    a.discovers(SOON, &b, "/ip6/fd77::2/", changed);
    b.discovers(SOON, &a, "/ip6/fd77::1/", changed);
    connected([&mut a, &mut b]);
    let local = a.live(&b).into_iter().find(|one| one.contains("/fe80:"));
    assert_eq!(local, None);
}

fn four_interfaces_with_a_hundred_addresses() {
    let lan = Lan::new();
    let bridges = [(); 4].map(|()| lan.bridge());
    let ann = Host::new("ann");
    for (number, bridge) in bridges.iter().enumerate() {
        let addresses: Vec<_> = (1..=25).map(|last| format!("10.{}.0.{last}/24", 80 + number)).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        ann.connect(bridge, &format!("eth{number}"), &addresses);
    }
    let askers: Vec<_> = bridges
        .iter()
        .enumerate()
        .map(|(number, bridge)| Host::on(bridge, "asker", &[&format!("10.{}.0.99/24", 80 + number)]))
        .collect();
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    a.listening("/ip4/10.83.");
    // Its announcements at 0, 1 and 3 s are over, its next question comes at 7 s.
    thread::sleep(Duration::from_millis(4600));
    let wire = Capture::start(&ann);
    let asked = Instant::now();
    let query = question("_p2p._udp.local", RecordType::PTR, false);
    for asker in &askers {
        multicast(asker, "eth0", From::V4(5353), &query);
    }
    thread::sleep(Duration::from_millis(900));
    for (number, asker) in askers.iter().enumerate() {
        let interface = format!("eth{number}");
        let sent: Vec<_> =
            wire.sent().into_iter().filter(|one| one.interface == interface && one.at > asked).collect();
        let own = format!("/ip4/10.{}.0.", 80 + number);
        let told: BTreeSet<String> = sent.iter().flat_map(|packet| dnsaddrs(&packet.payload)).collect();
        assert_eq!(told.len(), 25, "on {interface}: {told:?}");
        assert!(told.iter().all(|one| one.starts_with(&own)), "on {interface}: {told:?}");
        // Twenty-five addresses do not fit one packet of 1440 bytes; none is told twice.
        let bytes: usize = sent.iter().map(|packet| packet.payload.len()).sum();
        assert!(sent.len() <= 3, "{} packets, {bytes} bytes on {interface}", sent.len());
        let mut all: Vec<_> = sent.iter().flat_map(|packet| dnsaddrs(&packet.payload)).collect();
        all.sort();
        all.dedup();
        let count: usize = sent.iter().map(|packet| dnsaddrs(&packet.payload).len()).sum();
        assert_eq!(all.len(), count, "an address was told twice on {interface}");
        report(format!("{}: one answer in {} packets, {bytes} bytes", asker.name(), sent.len()));
    }
    a.is_well();
}

/// Each of four wildcards asks the system for its addresses by itself, and each address comes to
/// the behaviour alone.
fn the_first_announcement_has_all_addresses() {
    let lan = Lan::new();
    let ann = Host::new("ann");
    for number in 0..3 {
        let (v4, v6) = (format!("10.8{number}.0.1/24"), format!("fd8{number}::1/64"));
        ann.connect(&lan.bridge(), &format!("eth{number}"), &[&v4, &v6]);
    }
    for stack in [Salut056, Salut057] {
        let wire = Capture::start(&ann);
        let mut a = Node::start(&ann, stack, 1, &[EVERYWHERE, EVERYWHERE].concat());
        thread::sleep(Duration::from_secs(1));
        for number in 0..3 {
            let interface = format!("eth{number}");
            let sent = wire.sent().into_iter().filter(|one| one.interface == interface);
            let told: Vec<_> =
                sent.map(|packet| dnsaddrs(&packet.payload)).filter(|told| !told.is_empty()).collect();
            let first = told.first().expect("an announcement");
            let of = |start: &str| first.iter().filter(|one| one.starts_with(start)).count();
            let both = [of(&format!("/ip4/10.8{number}.")), of(&format!("/ip6/fd8{number}:"))];
            assert_eq!((both, first.len()), ([2, 2], 4), "{stack} on {interface}: {told:?}");
        }
        a.is_well();
    }
}

/// The addresses in the TXT records of a message, without `/p2p/…`.
fn dnsaddrs(payload: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(payload).into_owned();
    text.split("dnsaddr=").skip(1).filter_map(|rest| Some(rest.split_once("/p2p/")?.0.to_owned())).collect()
}

/// A copied key: both are told, neither discovers itself, and others find both.
fn two_hosts_have_one_identity() {
    let bridge = Lan::new().bridge();
    let [ann, ben, cid] = [1, 2, 3].map(|number| {
        let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number}/64"));
        Host::on(&bridge, &format!("host{number}"), &[&v4, &v6])
    });
    let mut c = Node::start(&cid, Salut057, 3, &["--no-dial"]);
    let mut a = Node::start(&ann, Salut056, 1, &["--no-dial"]);
    thread::sleep(Duration::from_secs(2));
    let mut b = Node::start(&ben, Salut056, 1, &["--no-dial"]);
    assert_eq!(a.peer, b.peer);
    thread::sleep(Duration::from_secs(8));
    for node in [&a, &b] {
        let log = node.process.errors();
        let told = log.lines().filter(|line| line.contains("identity")).count();
        assert!((1..=2).contains(&told), "told once: {log}");
    }
    let live = c.live(&a);
    report(format!("two hosts with one identity: others know {live:?}"));
    for address in ["/ip4/10.77.0.1/", "/ip4/10.77.0.2/"] {
        assert!(live.iter().any(|one| one.starts_with(address)), "{address}* is missing in {live:?}");
    }
    for node in [&mut a, &mut b, &mut c] {
        node.is_well();
    }
}

/// Forty ports of one address: libp2p-mdns believes of an address nothing but its port, and
/// takes the address from where it came.
fn forty_listen_addresses() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24"]);
    let cid = Host::on(&bridge, "cid", &["10.77.0.3/24"]);
    let wire = Capture::start(&ann);
    let mut b = Node::start(&ben, Salut057, 2, &["--no-dial"]);
    let mut c = Node::start(&cid, Rust048, 3, &["--no-dial"]);
    let wanted: BTreeSet<_> = (4711..4751).map(|port| format!("/ip4/10.77.0.1/tcp/{port}")).collect();
    let listens: Vec<_> = wanted.iter().flat_map(|address| ["--listen", address]).collect();
    let mut a = Node::start(&ann, Salut056, 1, &listens);
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && (b.live(&a) != wanted || c.live(&a) != wanted) {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(b.live(&a), wanted, "salut learns all");
    assert_eq!(c.live(&a), wanted, "libp2p-mdns learns all");
    let largest = wire.sent().iter().map(|packet| packet.payload.len()).max().unwrap_or_default();
    report(format!("forty addresses: the largest datagram has {largest} bytes"));
    let fragment = wire.sent().into_iter().find(|packet| packet.fragmented);
    assert!(fragment.is_none() && largest <= 1440, "{fragment:?}");
    for node in [&mut a, &mut b, &mut c] {
        node.is_well();
    }
}
