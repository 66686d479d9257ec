//! salut under libp2p, and Avahi: seen by it, beside it on one host, and shut out by it.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::avahi::Avahi;
use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, report};
use Stack::{Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_avahi::sees_a_service", WITH_AVAHI, sees_a_service),
    ("libp2p_avahi::beside_a_node", WITH_AVAHI, beside_a_node),
    ("libp2p_avahi::that_allows_no_other", WITH_AVAHI, that_allows_no_other),
];

const WITH_AVAHI: &[Need] = &[Need::Libp2p, Need::Avahi];
const SOON: Duration = Duration::from_secs(5);
const CONNECTED: Duration = Duration::from_secs(12);

fn ann_and_ben() -> (Host, Host) {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, ben)
}

/// `avahi-browse -r _p2p._udp` shows host, port and TXT.
fn sees_a_service() {
    let (ann, ben) = ann_and_ben();
    let avahi = Avahi::start(&ben);
    let browse = avahi.browse("_p2p._udp");
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let address = a.listening("/ip4/");
    for protocol in ["IPv4", "IPv6"] {
        let (at, found) = browse
            .resolved(SOON, |found| found.protocol == protocol)
            .unwrap_or_else(|| panic!("Avahi resolves it over {protocol}"));
        report(format!("avahi-browse: {protocol} after {:.3?}: {found:?}", at - a.started));
        assert_eq!(found.host, format!("{}.p2p.local", found.instance));
        assert!(address.ends_with(&format!("/tcp/{}", found.port)), "{address}");
        assert!(found.txt.contains(&format!("\"dnsaddr={address}/p2p/{}\"", a.peer)), "{}", found.txt);
        assert!(["10.77.0.1", "fd77::1"].contains(&found.address.as_str()), "{}", found.address);
    }
    a.is_well();
}

fn beside_a_node() {
    let (ann, ben) = ann_and_ben();
    let avahi = Avahi::start(&ann);
    let publisher = avahi.publish("By Avahi", "_exo._tcp", 1, &["by=avahi"]);
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let since = b.spawned;
    let found = [a.discovers(SOON, &b, "", since), b.discovers(SOON, &a, "", since)];
    report(format!("beside Avahi: found after {:.3?}", found.map(|said| said.at - b.started)));
    a.connects(CONNECTED, &b, since);
    thread::sleep(SOON);
    assert_eq!(avahi.host_name(), "ann.local", "Avahi keeps its name");
    a.is_well();
    b.is_well();
    drop(publisher);
}

/// Nothing works while it is there; that is told once, tried again, and over when it leaves.
fn that_allows_no_other() {
    let (ann, ben) = ann_and_ben();
    let avahi = Avahi::start_with(&ann, "disallow-other-stacks=yes");
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    let mut a = Node::start(&ann, Salut057, 1, &[]);
    thread::sleep(Duration::from_secs(8));
    assert!(a.live(&b).is_empty(), "Avahi allows no other and is obeyed: {:?}", a.live(&b));
    let log = a.process.errors();
    assert!(log.contains("5353"), "what is wrong is told: {log}");
    let left = Instant::now();
    drop(avahi);
    let found = [a.discovers(SOON * 3, &b, "", left), b.discovers(SOON * 3, &a, "", left)];
    let log = a.process.errors();
    report(format!(
        "Avahi left: found after {:.3?}; told was:\n{}",
        found.map(|said| said.at - left),
        log.trim_end()
    ));
    assert!((1..=4).contains(&log.lines().count()), "once a family: {log}");
    a.connects(CONNECTED, &b, left);
    a.is_well();
    b.is_well();
}
