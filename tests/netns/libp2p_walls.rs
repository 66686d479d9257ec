//! Hosts that hear little and networks that lie: what a Mac does to a stack that is not quite
//! Multicast DNS, played on Linux.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, at_most, report};
use Stack::{Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_walls::only_port_5353_is_heard", WITH_NFT, || {
        both_sides_filter("other ports are dropped", "udp dport 5353 udp sport != 5353 drop");
    }),
    ("libp2p_walls::only_hop_limit_255_is_heard", WITH_NFT, || {
        both_sides_filter(
            "other hop limits are dropped",
            "udp dport 5353 ip ttl != 255 drop\n\
             add rule inet wall input udp dport 5353 ip6 hoplimit != 255 drop",
        );
    }),
    ("libp2p_walls::one_side_hears_nothing", WITH_NFT, one_side_hears_nothing),
    ("libp2p_walls::wrong_routes", NODES, wrong_routes),
    ("libp2p_walls::sends_fail_for_ten_seconds", WITH_NFT, sends_fail_for_ten_seconds),
];

const NODES: &[Need] = &[Need::Libp2p];
const WITH_NFT: &[Need] = &[Need::Libp2p, Need::Nft];
const SOON: Duration = Duration::from_secs(5);
const RECOVERED: Duration = Duration::from_secs(5);
const CONNECTED: Duration = Duration::from_secs(12);

fn ann_and_ben() -> (Host, Host) {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, ben)
}

fn wall(host: &Host, rule: &str) {
    host.nft(&format!(
        "add table inet wall\n\
         add chain inet wall input {{ type filter hook input priority 0; }}\n\
         add rule inet wall input {rule}\n"
    ));
}

fn both_find(a: &mut Node, b: &mut Node, since: Instant) -> [Duration; 2] {
    let found = [a.discovers(SOON, b, "", since), b.discovers(SOON, a, "", since)];
    a.connects(CONNECTED, b, since);
    b.connects(CONNECTED, a, since);
    a.is_well();
    b.is_well();
    found.map(|said| said.at - since)
}

fn both_sides_filter(what: &str, rule: &str) {
    let (ann, ben) = ann_and_ben();
    for host in [&ann, &ben] {
        wall(host, rule);
    }
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    thread::sleep(Duration::from_secs(5));
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let began = b.spawned;
    let found = both_find(&mut a, &mut b, began);
    report(format!("{what}: found after {found:.3?}"));
}

/// It is learnt from what it announces unasked, and connected to.
fn one_side_hears_nothing() {
    let (ann, ben) = ann_and_ben();
    wall(&ann, "udp dport 5353 drop");
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    thread::sleep(Duration::from_secs(2));
    let mut a = Node::start(&ann, Salut057, 1, &[]);
    let found = b.discovers(SOON, &a, "", a.spawned).at - a.started;
    report(format!("one that hears nothing: found after {found:.3?}"));
    a.connects(CONNECTED, &b, a.spawned);
    assert!(a.live(&b).is_empty(), "nothing gets in there");
    a.is_well();
    b.is_well();
}

/// Both multicast ranges and the default routes lead out of the other interface.
fn wrong_routes() {
    let lan = Lan::new();
    let (good, wrong) = (lan.bridge(), lan.bridge());
    let ann = Host::new("ann");
    ann.connect(&good, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    ann.connect(&wrong, "eth1", &["10.78.0.1/24", "fd78::1/64"]);
    ann.ip(&[
        "route add default via 10.78.0.254",
        "route add 224.0.0.0/4 dev eth1",
        "route add default via fd78::fe",
        "route add multicast ff00::/8 dev eth1 table local metric 1",
    ]);
    let ben = Host::on(&good, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    ben.ip(&["route add unreachable 224.0.0.0/4", "route add unreachable ff00::/8 table local metric 1"]);
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    let began = b.spawned;
    let found = both_find(&mut a, &mut b, began);
    report(format!("wrong routes: found after {found:.3?}"));
    let elsewhere =
        b.live(&a).into_iter().find(|address| address.contains("10.78.") || address.contains("fd78:"));
    assert_eq!(elsewhere, None, "an address of the other link");
}

fn sends_fail_for_ten_seconds() {
    let (ann, ben) = ann_and_ben();
    ann.refuse_sends();
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    thread::sleep(Duration::from_secs(10));
    let healed = Instant::now();
    ann.allow_sends();
    // The one that could send all the time has been heard meanwhile.
    a.discovers(SOON, &b, "", a.spawned);
    let found = b.discovers(SOON * 4, &a, "", healed).at - healed;
    a.connects(CONNECTED, &b, a.spawned);
    let log = a.process.errors();
    report(format!("sends failed for 10 s: found {found:.3?} after that; it logged:\n{}", log.trim_end()));
    assert!(found <= at_most(RECOVERED), "{found:?}");
    assert!((1..=2).contains(&log.lines().count()), "a user is told once, not for each packet: {log}");
    a.is_well();
    b.is_well();
}
