//! salut and its peers on a LAN of network namespaces: how soon they find each other, what a
//! flood costs them, a hundred at once, and what they need while nothing happens.
//!
//! `lan latency|flood|scale|idle|size` after `cargo build --release --bins`, as root. Each
//! part writes its table and a plot to `docs/bench/`. A peer that is not there is left out, and
//! said to be.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use salut_benches::lan::{Host, Lan, Program, Usage, beside, usage};
use salut_benches::plot::bars;

const TYPE: &str = "_salut._tcp";
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bench");

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let text = match part.as_str() {
        "latency" => latency(),
        "flood" => flood(),
        "scale" => scale(),
        "idle" => idle(),
        "size" => size(),
        _ => {
            eprintln!("lan latency|flood|scale|idle|size");
            std::process::exit(2);
        }
    };
    println!("{text}");
    fs::create_dir_all(OUT).expect("a folder");
    fs::write(format!("{OUT}/{part}.md"), text).expect("written");
}

/// Who takes part, and how to start it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Salut,
    MdnsSd,
    Avahi,
    Zeroconf,
    Bare,
    BareHickory,
    Libp2p,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Salut => "salut",
            Self::MdnsSd => "mdns-sd 0.21.7",
            Self::Avahi => "Avahi 0.8",
            Self::Zeroconf => "python-zeroconf 0.154",
            Self::Bare => "tokio, receive only",
            Self::BareHickory => "tokio + hickory-proto",
            Self::Libp2p => "libp2p-mdns 0.48",
        }
    }

    fn is_there(self) -> bool {
        let there = match self {
            Self::Avahi => Path::new("/usr/sbin/avahi-daemon").exists(),
            Self::Zeroconf => python().is_some(),
            Self::Libp2p => libp2p().is_some(),
            _ => true,
        };
        if !there {
            eprintln!("left out, as it is not here: {}", self.name());
        }
        there
    }

    /// Starts announcing or browsing; gives the process that has the protocol in it.
    fn start(self, host: &Host, role: &str, name: &str) -> (Vec<Program>, u32) {
        let run = |program: PathBuf, arguments: &[&str]| {
            let program = host.run(&program, arguments);
            let pid = program.pid();
            (vec![program], pid)
        };
        let arguments = match role {
            "browse" => vec!["browse", TYPE],
            role => vec![role, name, TYPE, "4242"],
        };
        match self {
            Self::Salut => run(beside("node_salut"), &arguments),
            Self::MdnsSd => run(beside("node_mdns_sd"), &arguments),
            Self::Bare => run(beside("bare"), &[&host.address]),
            Self::BareHickory => run(beside("bare"), &["--read", &host.address]),
            Self::Libp2p => run(
                libp2p().expect("it is there"),
                &["--listen", &format!("/ip4/{}/tcp/0", host.address), "--no-dial"],
            ),
            Self::Zeroconf => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/zeroconf_peer.py");
                let python = python().expect("it is there");
                if role == "browse" {
                    run(python, &["-u", script, "browse", TYPE])
                } else {
                    run(
                        python,
                        &["-u", script, "announce", name, TYPE, "4242", &name.to_lowercase(), &host.address],
                    )
                }
            }
            Self::Avahi => {
                host.shell("mkdir -p /run/dbus /run/avahi-daemon; chown avahi /run/avahi-daemon");
                let bus = host.run(Path::new("dbus-daemon"), &["--system", "--nofork", "--nopidfile"]);
                thread::sleep(Duration::from_millis(300));
                let daemon = host.run(Path::new("/usr/sbin/avahi-daemon"), &["--no-rlimits"]);
                thread::sleep(Duration::from_secs(2));
                let pid = daemon.pid();
                let client = if role == "browse" {
                    host.run(Path::new("stdbuf"), &["-oL", "avahi-browse", "-rp", TYPE])
                } else {
                    host.run(Path::new("avahi-publish"), &["-s", name, TYPE, "4242"])
                };
                (vec![client, daemon, bus], pid)
            }
        }
    }
}

fn python() -> Option<PathBuf> {
    let place = std::env::var_os("SALUT_ZEROCONF_PYTHON").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/zeroconf/bin/python")),
        PathBuf::from,
    );
    let tried = Command::new(&place).args(["-c", "import zeroconf"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success()).then_some(place)
}

/// Built in release by `cargo build --release` in `tests/peers/libp2p/v056`.
fn libp2p() -> Option<PathBuf> {
    let place = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/release/libp2p-056"));
    place.exists().then_some(place)
}

// ---- latency

/// The delays of one way to find somebody; `None`: not within ten seconds.
#[derive(Debug, Default)]
struct Delays(Vec<Option<f64>>);

impl Delays {
    fn at(&self, part: f64) -> String {
        let mut sorted: Vec<f64> = self.0.iter().map(|delay| delay.unwrap_or(f64::INFINITY)).collect();
        sorted.sort_by(f64::total_cmp);
        let at = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        match sorted.get(at) {
            Some(delay) if delay.is_finite() => format!("{delay:.0}"),
            _ => "never".to_owned(),
        }
    }

    fn missed(&self) -> usize {
        self.0.iter().filter(|delay| delay.is_none()).count()
    }

    fn median(&self) -> f64 {
        self.at(0.5).parse().unwrap_or(0.0)
    }
}

fn latency() -> String {
    let runs: usize = std::env::args().nth(2).and_then(|runs| runs.parse().ok()).unwrap_or(100);
    let only = std::env::args().nth(3);
    let mut text = String::from(
        "| who | order | loss | runs | median ms | p95 ms | max ms | not within 10 s |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut plot = Vec::new();
    for peer in [Peer::Salut, Peer::MdnsSd] {
        if !peer.is_there() || only.as_ref().is_some_and(|only| !peer.name().starts_with(only.as_str())) {
            continue;
        }
        for (order, loss) in
            [("browser first", 0), ("browser first", 30), ("announcer first", 0), ("announcer first", 30)]
        {
            let delays = Delays(find_each_other(peer, order == "browser first", loss, runs));
            let (median, p95, max, missed) =
                (delays.at(0.5), delays.at(0.95), delays.at(1.0), delays.missed());
            let who = peer.name();
            let _ = writeln!(
                text,
                "| {who} | {order} | {loss} % | {runs} | {median} | {p95} | {max} | {missed} |"
            );
            plot.push((format!("{who}, {order}, {loss} %"), delays.median()));
        }
    }
    bars(&format!("{OUT}/latency.svg"), "Found: the median, in milliseconds", &plot);
    text
}

/// Pairs on bridges of their own, twenty at a time; milliseconds from the call to the result.
fn find_each_other(peer: Peer, browser_first: bool, loss: u32, runs: usize) -> Vec<Option<f64>> {
    const AT_ONCE: usize = 20;
    let mut delays = Vec::new();
    let lans: Vec<Lan> = (0..AT_ONCE.min(runs))
        .map(|_| {
            let lan = Lan::new(2);
            lan.lose(loss);
            lan
        })
        .collect();
    while delays.len() < runs {
        let round: Vec<Option<f64>> = thread::scope(|scope| {
            let tasks: Vec<_> = lans
                .iter()
                .enumerate()
                .map(|(number, lan)| scope.spawn(move || one_pair(peer, browser_first, lan, number)))
                .collect();
            tasks.into_iter().map(|task| task.join().expect("a pair")).collect()
        });
        delays.extend(round);
    }
    delays.truncate(runs);
    delays
}

fn one_pair(peer: Peer, browser_first: bool, lan: &Lan, number: usize) -> Option<f64> {
    const PATIENCE: Duration = Duration::from_secs(10);
    // Not all at one instant.
    thread::sleep(Duration::from_millis(37 * number as u64));
    let (first, second) = if browser_first { ("browse", "announce") } else { ("announce", "browse") };
    let (mut early, _) = peer.start(&lan.hosts[0], first, "Node");
    early[0].wait("start", PATIENCE)?;
    // Until its announcements are over, and the second in which none is repeated (RFC 6762 §6).
    thread::sleep(Duration::from_millis(6500));
    let (mut late, _) = peer.start(&lan.hosts[1], second, "Node");
    let started = late[0].wait("start", PATIENCE)?;
    let browser = if browser_first { &early[0] } else { &late[0] };
    let found = browser.wait("found Node", PATIENCE);
    late[0].end();
    early[0].end();
    found.map(|found| found.saturating_duration_since(started).as_secs_f64() * 1000.0)
}

// ---- floods

fn flood() -> String {
    let mut text = String::from(
        "| flood of 20,000/s for 2.5 s | who | µs of CPU a packet | resident after, MB | growth, MB |\n|---|---|---|---|---|\n",
    );
    let mut plot = Vec::new();
    let floods: [(&str, &str, &str, &[Peer]); 4] = [
        (
            "irrelevant queries",
            "irrelevant",
            "announce",
            &[
                Peer::Salut,
                Peer::MdnsSd,
                Peer::Bare,
                Peer::BareHickory,
                Peer::Avahi,
                Peer::Zeroconf,
                Peer::Libp2p,
            ],
        ),
        (
            "queries with 20 known answers",
            "known",
            "announce",
            &[Peer::Salut, Peer::MdnsSd, Peer::Avahi, Peer::Libp2p],
        ),
        ("relevant queries", "relevant", "announce", &[Peer::Salut, Peer::MdnsSd, Peer::Avahi, Peer::Libp2p]),
        (
            "responses while browsing",
            "responses",
            "browse",
            &[Peer::Salut, Peer::MdnsSd, Peer::Avahi, Peer::Zeroconf, Peer::Libp2p],
        ),
    ];
    for (title, kind, role, peers) in floods {
        for peer in peers.iter().filter(|peer| peer.is_there()) {
            let lan = Lan::new(2);
            let (mut programs, pid) = peer.start(&lan.hosts[0], role, "Node");
            thread::sleep(Duration::from_secs(4));
            let Some(before) = usage(pid) else { continue };
            let kind = if *peer == Peer::Libp2p && kind != "irrelevant" {
                if kind == "relevant" { "libp2p".to_owned() } else { format!("{kind}-libp2p") }
            } else {
                kind.to_owned()
            };
            let sender = lan.hosts[1].run(&beside("flood"), &[&lan.hosts[1].address, &kind, "20000", "2.5"]);
            let _ = sender.wait("sent", Duration::from_secs(15));
            thread::sleep(Duration::from_millis(500));
            let Some(after) = usage(pid) else { continue };
            let cost = (after.cpu - before.cpu).as_secs_f64() * 1e6 / 50_000.0;
            let (resident, growth) = memory(before, after);
            let _ = writeln!(text, "| {title} | {} | {cost:.2} | {resident:.1} | {growth:.1} |", peer.name());
            eprintln!("{title} {} {cost:.2}", peer.name());
            plot.push((format!("{title}: {}", peer.name()), cost));
            programs.iter_mut().for_each(Program::end);
        }
    }
    bars(&format!("{OUT}/flood.svg"), "CPU a packet, in microseconds", &plot);
    text
}

fn memory(before: Usage, after: Usage) -> (f64, f64) {
    let mb = |kib: f64| kib * 1024.0 / 1e6;
    (mb(after.resident_kib as f64), mb(after.resident_kib as f64 - before.resident_kib as f64))
}

// ---- a hundred at once

fn scale() -> String {
    const NODES: usize = 100;
    let mut text = String::from(
        "| 100 nodes at once | all know all after, s | pairs known after 60 s | datagrams sent in 60 s | CPU in 60 s, s |\n|---|---|---|---|---|\n",
    );
    let only = std::env::args().nth(2);
    for peer in [Peer::Salut, Peer::MdnsSd] {
        if only.as_ref().is_some_and(|only| !peer.name().starts_with(only.as_str())) {
            continue;
        }
        let lan = Lan::new(NODES);
        lan.count_sent();
        let start = Instant::now();
        let nodes: Vec<Program> = lan
            .hosts
            .iter()
            .enumerate()
            .map(|(number, host)| peer.start(host, "both", &format!("Node {number}")).0.remove(0))
            .collect();
        let started = start.elapsed();
        thread::sleep(Duration::from_secs(60).saturating_sub(started));
        let cpu: f64 =
            nodes.iter().filter_map(|node| usage(node.pid())).map(|usage| usage.cpu.as_secs_f64()).sum();
        let sent = lan.sent();
        let mut pairs = 0;
        let mut last = start;
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
                    last = last.max(at);
                }
            }
            pairs += known.len();
        }
        let complete = if pairs >= NODES * NODES {
            format!("{:.2}", last.saturating_duration_since(born).as_secs_f64())
        } else {
            "never".to_owned()
        };
        let _ = writeln!(
            text,
            "| {} | {complete} | {pairs} of {} | {sent} | {cpu:.1} |",
            peer.name(),
            NODES * NODES
        );
        eprintln!("{text}");
    }
    text
}

// ---- idle

fn idle() -> String {
    const WATCHED: Duration = Duration::from_secs(100);
    let mut text = String::from(
        "| one service, nothing happens | wakeups/s | CPU ms in 100 s | resident, MB |\n|---|---|---|---|\n",
    );
    let peers: Vec<Peer> = [Peer::Salut, Peer::Bare, Peer::MdnsSd, Peer::Avahi, Peer::Zeroconf, Peer::Libp2p]
        .into_iter()
        .filter(|peer| peer.is_there())
        .collect();
    let lans: Vec<Lan> = peers.iter().map(|_| Lan::new(1)).collect();
    let mut running: Vec<(Vec<Program>, u32)> =
        peers.iter().zip(&lans).map(|(peer, lan)| peer.start(&lan.hosts[0], "announce", "Node")).collect();
    thread::sleep(Duration::from_secs(20));
    let before: Vec<Option<Usage>> = running.iter().map(|(_, pid)| usage(*pid)).collect();
    thread::sleep(WATCHED);
    for ((peer, before), (programs, pid)) in peers.iter().zip(before).zip(&mut running) {
        if let (Some(before), Some(after)) = (before, usage(*pid)) {
            let wakeups = (after.wakeups - before.wakeups) as f64 / WATCHED.as_secs_f64();
            let cpu = (after.cpu - before.cpu).as_secs_f64() * 1000.0;
            let (resident, _) = memory(before, after);
            let _ = writeln!(text, "| {} | {wakeups:.3} | {cpu:.1} | {resident:.1} |", peer.name());
        }
        programs.iter_mut().for_each(Program::end);
    }
    text
}

// ---- size

/// The minimal programs, stripped. They are built with the profile `small`.
fn size() -> String {
    let mut text = String::from("| announces one service | bytes, stripped |\n|---|---|\n");
    for (who, program) in [("salut", "minimal_salut"), ("mdns-sd 0.21.7", "minimal_mdns_sd")] {
        let from = beside(program);
        let to = std::env::temp_dir().join(format!("{program}.stripped"));
        let stripped = Command::new("strip").arg("-o").arg(&to).arg(&from).status();
        let bytes = fs::metadata(if stripped.is_ok_and(|status| status.success()) { &to } else { &from });
        let _ = writeln!(text, "| {who} | {} |", bytes.map_or(0, |meta| meta.len()));
        let _ = fs::remove_file(to);
    }
    text
}
