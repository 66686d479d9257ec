//! Four nodes on a LAN that loses packets: whoever lives does not expire.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, long, report};
use Stack::{Rust048, Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_loss::a_tenth_is_lost", WITH_NFT, || lossy("salut", [Salut056, Salut057], 10, Some(0))),
    ("libp2p_loss::three_tenths_are_lost", WITH_NFT, || lossy("salut", [Salut056, Salut057], 30, Some(1))),
    ("libp2p_loss::as_libp2p_mdns_does", &[Need::Libp2p, Need::Nft, Need::Long], as_libp2p_mdns_does),
];

const WITH_NFT: &[Need] = &[Need::Libp2p, Need::Nft];

/// How long a record lives: it has to be refreshed ten times in two minutes.
const TTL: &str = "12";

fn lossy(what: &str, stacks: [Stack; 2], percent: u8, allowed: Option<usize>) {
    let bridge = Lan::new().bridge();
    let hosts: Vec<_> = (1..=4)
        .map(|number| {
            let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number}/64"));
            let host = Host::on(&bridge, &format!("host{number}"), &[&v4, &v6]);
            // Each copy on its own, whichever family it came by.
            host.lose_percent(percent);
            host
        })
        .collect();
    let arguments = ["--ttl", TTL, "--query-interval", "6", "--no-dial"];
    let mut nodes: Vec<_> = hosts
        .iter()
        .zip(stacks.into_iter().cycle())
        .zip(1..)
        .map(|((host, stack), seed)| Node::start(host, stack, seed, &arguments))
        .collect();
    let last = nodes.last().expect("four nodes").started;
    let found = nodes
        .iter()
        .flat_map(|node| nodes.iter().map(move |other| (node, other)))
        .filter(|(node, other)| node.peer != other.peer)
        .map(|(node, other)| node.discovers(Duration::from_secs(40), other, "", node.spawned).at)
        .max()
        .expect("four nodes");
    let lasts = Duration::from_secs(if long() { 120 } else { 40 });
    thread::sleep((last + lasts).saturating_duration_since(Instant::now()));
    let expiries: usize = nodes.iter().map(Node::expiries).sum();
    let took = found.saturating_duration_since(last);
    report(format!(
        "{what}, {percent} % lost: all found after {took:.3?}, {expiries} false expiries in {lasts:?}"
    ));
    if let Some(allowed) = allowed {
        assert!(expiries <= allowed, "{expiries} expired and were alive");
        for node in &mut nodes {
            node.is_well();
        }
    }
}

/// For comparison.
fn as_libp2p_mdns_does() {
    thread::scope(|scope| {
        for percent in [10, 30] {
            scope.spawn(move || lossy("libp2p-mdns", [Rust048, Rust048], percent, None));
        }
    });
}
