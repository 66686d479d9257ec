//! A hundred nodes at once on one bridge, all of which announce and browse.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use salut_benches::lan::{Lan, Program, usage};

use super::Peer;

const NODES: usize = 100;

/// How long they are watched.
const WATCHED: Duration = Duration::from_secs(60);

/// `lan scale [PEER]`.
pub fn run() -> String {
    let mut text = String::from(
        "| 100 nodes at once | the last started after, s | 99 % of all pairs known, s after that | all known \
         | pairs known after 60 s | datagrams sent in 60 s | lost in full buffers | CPU in 60 s, s |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let only = std::env::args().nth(2);
    for peer in [Peer::Salut, Peer::MdnsSd] {
        if only.as_ref().is_none_or(|only| peer.name().starts_with(only.as_str())) {
            let line = crowd(peer);
            eprintln!("{line}");
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn crowd(peer: Peer) -> String {
    let lan = Lan::new(NODES);
    lan.count_sent();
    let start = Instant::now();
    let nodes: Vec<Program> = (0..)
        .zip(&lan.hosts)
        .map(|(number, host)| peer.start(host, "both", &format!("Node {number}")).0.remove(0))
        .collect();
    thread::sleep(WATCHED.saturating_sub(start.elapsed()));
    let cpu: f64 =
        nodes.iter().filter_map(|node| usage(node.pid())).map(|usage| usage.cpu.as_secs_f64()).sum();
    let sent = lan.sent();
    let mut found = Vec::new();
    let mut born = start;
    for node in &nodes {
        let mut known = BTreeSet::new();
        for (at, line) in node.take() {
            if line.contains("start") {
                born = born.max(at);
            }
            if let Some(name) = line.strip_prefix("found ")
                && known.insert(name.to_owned())
            {
                found.push(at);
            }
        }
    }
    found.sort_unstable();
    let all = NODES * NODES;
    let within = |pairs: usize| match found.get(pairs - 1) {
        Some(at) => format!("{:.2}", at.saturating_duration_since(born).as_secs_f64()),
        None => "never".to_owned(),
    };
    format!(
        "| {} | {:.2} | {} | {} | {} of {all} | {sent} | {} | {cpu:.1} |",
        peer.name(),
        (born - start).as_secs_f64(),
        within(all * 99 / 100),
        within(all),
        found.len(),
        lan.overruns()
    )
}
