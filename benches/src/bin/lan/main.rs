//! salut and its peers on a LAN of network namespaces: how soon they find each other, what a
//! flood costs them, a hundred at once, and what they need while nothing happens.
//!
//! `lan latency|libp2p|scale|flood|idle|size` after `cargo build --release --bins`, as root. Each
//! part writes its table and a plot to `docs/bench/`. A peer that is not there is left out, and
//! said to be. `lan flood irrelevant salut` takes one flood and one peer, each by a part of its
//! name. Whatever is told more than the part writes nothing.

mod flood;
mod latency;
mod libp2p;
mod scale;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use salut_benches::lan::{Host, Lan, Program, Usage, beside, usage};

const TYPE: &str = "_salut._tcp";
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bench");

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let text = match part.as_str() {
        "latency" => latency::run(),
        "libp2p" => libp2p::run(),
        "scale" => scale::run(),
        "flood" => flood::run(),
        "idle" => idle(),
        "size" => size(),
        _ => {
            eprintln!("lan latency|libp2p|scale|flood|idle|size");
            std::process::exit(2);
        }
    };
    println!("{text}");
    // A part of a part, or a shorter one, is for a quick look.
    if std::env::args().len() > 2 {
        return;
    }
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
    SalutLibp2p,
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
            Self::SalutLibp2p => "salut, libp2p behaviour",
        }
    }

    fn is_there(self) -> bool {
        let there = match self {
            Self::Avahi => Path::new("/usr/sbin/avahi-daemon").exists(),
            Self::Zeroconf => python().is_some(),
            Self::Libp2p => libp2p_program("libp2p-056").is_some(),
            Self::SalutLibp2p => libp2p_program("salut-056").is_some(),
            _ => true,
        };
        if !there {
            eprintln!("left out, as it is not here: {}", self.name());
        }
        there
    }

    /// The program of this package that plays it.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Salut => Some(beside("node_salut")),
            Self::MdnsSd => Some(beside("node_mdns_sd")),
            _ => None,
        }
    }

    /// Starts announcing or browsing; gives the process that has the protocol in it.
    fn start(self, host: &Host, role: &str, name: &str) -> (Vec<Program>, u32) {
        self.start_for(host, role, name, TYPE)
    }

    fn start_for(self, host: &Host, role: &str, name: &str, service: &str) -> (Vec<Program>, u32) {
        let run = |program: PathBuf, arguments: &[&str]| {
            let program = host.run(&program, arguments);
            let pid = program.pid();
            (vec![program], pid)
        };
        let arguments = match role {
            "browse" => vec!["browse", service],
            role => vec![role, name, service, "4242"],
        };
        match self {
            Self::Salut | Self::MdnsSd => run(self.program().expect("it is ours"), &arguments),
            Self::Bare => run(beside("bare"), &[&host.address]),
            Self::BareHickory => run(beside("bare"), &["--read", &host.address]),
            Self::Libp2p | Self::SalutLibp2p => {
                let program = if self == Self::Libp2p { "libp2p-056" } else { "salut-056" };
                let listen = format!("/ip4/{}/tcp/0", host.address);
                run(libp2p_program(program).expect("it is there"), &["--listen", &listen, "--no-dial"])
            }
            Self::Zeroconf => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node_zeroconf.py");
                let mut all = vec!["-u", script];
                all.extend(&arguments);
                if role != "browse" {
                    all.push(&host.address);
                }
                run(python().expect("it is there"), &all)
            }
            Self::Avahi => {
                host.shell("mkdir -p /run/dbus /run/avahi-daemon; chown avahi /run/avahi-daemon");
                let bus = host.run(Path::new("dbus-daemon"), &["--system", "--nofork", "--nopidfile"]);
                thread::sleep(Duration::from_millis(300));
                let daemon = host.run(Path::new("/usr/sbin/avahi-daemon"), &["--no-rlimits"]);
                thread::sleep(Duration::from_secs(2));
                let pid = daemon.pid();
                let client = if role == "browse" {
                    host.run(Path::new("stdbuf"), &["-oL", "avahi-browse", "-rp", service])
                } else {
                    host.run(Path::new("avahi-publish"), &["-s", name, service, "4242"])
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

/// Built in release by `cargo build --release` in `tests/peers/libp2p/v056`, below the folder that
/// `SALUT_PEERS` names or `target/peers`.
fn libp2p_program(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SALUT_PEERS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers")),
        PathBuf::from,
    );
    let place = folder.join("release").join(name);
    place.exists().then_some(place)
}

fn memory(before: Usage, after: Usage) -> (f64, f64) {
    let mb = |kib: f64| kib * 1024.0 / 1e6;
    (mb(after.resident_kib as f64), mb(after.resident_kib as f64 - before.resident_kib as f64))
}

// ---- idle

fn idle() -> String {
    const WATCHED: Duration = Duration::from_secs(100);
    let mut text = String::from(
        "| one service, nothing happens | wakeups/s | CPU ms in 100 s | resident, MB | of this private, MB |\n|---|---|---|---|---|\n",
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
            let private = after.private_kib as f64 * 1024.0 / 1e6;
            let _ = writeln!(
                text,
                "| {} | {wakeups:.3} | {cpu:.1} | {resident:.1} | {private:.2} |",
                peer.name()
            );
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
