//! Many nodes that start at once on one bridge.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::lan::{Bridge, Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, at_most, report};
use Stack::{Rust048, Salut056};

pub const TESTS: &[Test] = &[
    ("libp2p_many::twenty_at_once", &[Need::Libp2p, Need::Nft], twenty_at_once),
    (
        "libp2p_many::a_hundred_at_once",
        &[Need::Libp2p, Need::Nft, Need::Quiet, Need::Long],
        a_hundred_at_once,
    ),
];

/// Everybody knows everybody.
const FULL_MESH: Duration = Duration::from_secs(5);

/// What came of a run.
struct Run {
    /// From the last start, where it came to that.
    complete: Option<Duration>,
    pairs: usize,
    /// On the bridge: IPv4 and IPv6.
    packets: [u64; 2],
    bytes: [u64; 2],
}

fn at_once(stack: Stack, count: usize, lasts: Duration) -> Run {
    let bridge = Lan::new().bridge();
    let hosts = hosts(&bridge, count);
    bridge.count_packets();
    let nodes: Vec<_> =
        hosts.iter().zip(1..).map(|(host, seed)| Node::start(host, stack, seed, &["--no-dial"])).collect();
    let last = nodes.iter().map(|node| node.started).max().expect("some nodes");
    thread::sleep((last + lasts).saturating_duration_since(Instant::now()));
    let counted = bridge.packets();
    // The first time that each was discovered by each.
    let mut known = BTreeSet::new();
    let mut when = last;
    for (number, node) in nodes.iter().enumerate() {
        for said in node.said().into_iter().filter(|said| said.event == "discovered") {
            if known.insert((number, said.peer)) {
                when = when.max(said.at);
            }
        }
    }
    let (pairs, wanted) = (known.len(), count * (count - 1));
    let complete = (pairs == wanted).then(|| when - last);
    let [packets, bytes] = [0, 1].map(|what| counted.map(|family| family[what]));
    report(format!(
        "{count} times {stack} at once: {pairs} of {wanted} pairs, the last after {:.3?}; in {lasts:?} on the bridge \
         {packets:?} packets, {bytes:?} bytes (IPv4, IPv6)",
        when - last
    ));
    if stack != Rust048 {
        for mut node in nodes {
            node.is_well();
        }
    }
    Run { complete, pairs, packets, bytes }
}

fn hosts(bridge: &Bridge, count: usize) -> Vec<Host> {
    (1..=count)
        .map(|number| {
            let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number:x}/64"));
            Host::on(bridge, &format!("host{number}"), &[&v4, &v6])
        })
        .collect()
}

fn twenty_at_once() {
    let run = at_once(Salut056, 20, Duration::from_secs(10));
    let complete = run.complete.unwrap_or_else(|| panic!("{} pairs", run.pairs));
    assert!(complete <= at_most(FULL_MESH), "{complete:?}");
}

fn a_hundred_at_once() {
    let minute = Duration::from_secs(60);
    let salut = at_once(Salut056, 100, minute);
    let theirs = at_once(Rust048, 100, minute);
    let complete = salut.complete.unwrap_or_else(|| panic!("{} pairs", salut.pairs));
    assert!(complete <= FULL_MESH, "{complete:?}");
    // It speaks one family only, so that is what each of ours is held against.
    for (family, ours) in ["IPv4", "IPv6"].into_iter().zip(salut.packets) {
        assert!(ours * 2 <= theirs.packets[0], "{family}: {ours} packets, theirs {}", theirs.packets[0]);
    }
    assert!(salut.bytes[0] < theirs.bytes[0], "{:?} bytes, theirs {:?}", salut.bytes, theirs.bytes);
}
