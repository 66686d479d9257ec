//! libp2p nodes on a host: with libp2p's own mdns, with salut in its place, and in JavaScript.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::lan::Host;
use super::process::{Line, Process};
use super::sandbox::find_program;

/// What a node discovers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// libp2p-mdns 0.48 in libp2p 0.56.
    Rust048,
    /// libp2p-mdns 0.49 in libp2p 0.57.
    Rust049,
    /// `salut::libp2p::v056`.
    Salut056,
    /// `salut::libp2p::v057`.
    Salut057,
    /// salut under libp2p 0.56 through `[patch]`.
    Shim048,
    /// salut under libp2p 0.57 through `[patch]`.
    Shim049,
    /// `@libp2p/mdns` on node.
    Js,
}

impl Stack {
    fn program(self) -> &'static str {
        match self {
            Self::Rust048 => "libp2p-056",
            Self::Rust049 => "libp2p-057",
            Self::Salut056 => "salut-056",
            Self::Salut057 => "salut-057",
            Self::Shim048 => "shim-056",
            Self::Shim049 => "shim-057",
            Self::Js => "node",
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust048 => "libp2p-mdns 0.48",
            Self::Rust049 => "libp2p-mdns 0.49",
            Self::Salut056 => "salut v056",
            Self::Salut057 => "salut v057",
            Self::Shim048 => "salut as libp2p-mdns 0.48",
            Self::Shim049 => "salut as libp2p-mdns 0.49",
            Self::Js => "js",
        })
    }
}

/// Where `tests/peers/build` puts what it builds; `SALUT_PEERS` names another place.
fn folder() -> PathBuf {
    match env::var_os("SALUT_PEERS") {
        Some(named) => PathBuf::from(named),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers")),
    }
}

/// A program that `tests/peers/build` makes.
pub fn built(name: &str) -> PathBuf {
    folder().join("debug").join(name)
}

/// What it makes of Rust.
const PROGRAMS: [&str; 9] = [
    "libp2p-056",
    "libp2p-057",
    "salut-056",
    "salut-057",
    "shim-056",
    "shim-057",
    "built-056",
    "plain-056",
    "static_peers_over_http",
];

/// The nodes in Rust are there.
pub fn available() -> Result<(), String> {
    let missing = PROGRAMS.iter().map(|name| built(name)).find(|path| !path.is_file());
    missing.map_or(Ok(()), |path| Err(format!("needs {} (tests/peers/build makes it)", path.display())))
}

/// The node in JavaScript is there.
pub fn js_available() -> Result<(), String> {
    js_package("@libp2p/mdns")
}

/// What runs in JavaScript, with the packages it needs.
pub fn js_folder() -> PathBuf {
    folder().join("js")
}

/// A package of JavaScript is there, and what runs it.
pub fn js_package(name: &str) -> Result<(), String> {
    if find_program("node").is_none() {
        return Err("needs the program `node` (package nodejs)".to_owned());
    }
    let installed = js_folder().join("node_modules").join(name);
    if installed.is_dir() {
        Ok(())
    } else {
        Err(format!("needs {} (tests/peers/build makes it)", installed.display()))
    }
}

/// A line that a node printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub at: Instant,
    pub event: String,
    pub peer: String,
    pub address: String,
}

/// A running node.
pub struct Node {
    pub process: Process,
    pub peer: String,
    /// When its `main` began, or a little later if its first line was read late.
    pub started: Instant,
    /// Just before it was started: what is said of it is said after that.
    pub spawned: Instant,
}

impl Node {
    /// Starts a node; its identity follows from `seed`. Returns when it runs, which is before
    /// it listens.
    #[track_caller]
    pub fn start(host: &Host, stack: Stack, seed: u32, more: &[&str]) -> Self {
        let seed = seed.to_string();
        let process = if stack == Stack::Js {
            let script = folder().join("js/peer.js");
            host.spawn("node", &[&[script.to_str().expect("a path in UTF-8")], more].concat())
        } else {
            let program = built(stack.program());
            let program = program.to_str().expect("a path in UTF-8");
            host.spawn(program, &[&["--seed", &seed], more].concat())
        };
        Self::running(process)
    }

    /// A node of a program that prints the same lines.
    #[track_caller]
    pub fn running(process: Process) -> Self {
        let line = process.expect_line(Duration::from_secs(15), "\"started\"");
        let said = process.json(&line);
        let peer = said["peer"].as_str().expect("a peer").to_owned();
        let after = said["after"].as_f64().expect("seconds since it began");
        let (started, spawned) = (line.at - Duration::from_secs_f64(after), process.started);
        Self { started, spawned, process, peer }
    }

    #[track_caller]
    fn read(&self, line: &Line) -> Said {
        let value = self.process.json(line);
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let address = text("address");
        let address = address.split("/p2p/").next().unwrap_or_default().to_owned();
        Said { at: line.at, event: text("event"), peer: text("peer"), address }
    }

    /// Everything it said so far. Addresses are without `/p2p/…`.
    pub fn said(&self) -> Vec<Said> {
        self.process.lines().iter().map(|line| self.read(line)).collect()
    }

    /// The first line that `wanted` takes, printed already or within `within` from now.
    pub fn find(&self, within: Duration, wanted: impl Fn(&Said) -> bool) -> Option<Said> {
        self.process.wait(within, |line| Some(self.read(line)).filter(&wanted))
    }

    #[track_caller]
    pub fn expect(&self, within: Duration, what: &str, wanted: impl Fn(&Said) -> bool) -> Said {
        self.find(within, wanted).unwrap_or_else(|| panic!("not within {within:?}: {what}"))
    }

    /// The first address it listens on that `wanted` takes and that is not the loopback's.
    #[track_caller]
    pub fn listening(&self, wanted: &str) -> String {
        let said = self.expect(Duration::from_secs(10), &format!("listening on {wanted}"), |said| {
            let lo = said.address.starts_with("/ip4/127.") || said.address.starts_with("/ip6/::1/");
            said.event == "listening" && !lo && said.address.starts_with(wanted)
        });
        said.address
    }

    /// When it first discovered an address of `other` that begins with `address`, after `since`.
    #[track_caller]
    pub fn discovers(&self, within: Duration, other: &Node, address: &str, since: Instant) -> Said {
        self.about(within, "discovered", other, address, since)
    }

    /// When an address of `other` that begins with `address` expired, after `since`.
    #[track_caller]
    pub fn expires(&self, within: Duration, other: &Node, address: &str, since: Instant) -> Said {
        self.about(within, "expired", other, address, since)
    }

    /// When it was connected to `other`, whoever dialled.
    #[track_caller]
    pub fn connects(&self, within: Duration, other: &Node, since: Instant) -> Said {
        self.about(within, "connected", other, "", since)
    }

    #[track_caller]
    fn about(&self, within: Duration, event: &str, other: &Node, address: &str, since: Instant) -> Said {
        self.expect(within, &format!("{event} {} at {address}*", other.peer), |said| {
            said.event == event
                && said.peer == other.peer
                && said.at >= since
                && said.address.starts_with(address)
        })
    }

    /// The addresses of `other` that are discovered and not expired.
    pub fn live(&self, other: &Node) -> BTreeSet<String> {
        let mut live = BTreeSet::new();
        for said in self.said().into_iter().filter(|said| said.peer == other.peer) {
            match said.event.as_str() {
                "discovered" => live.insert(said.address),
                "expired" => live.remove(&said.address),
                _ => false,
            };
        }
        live
    }

    /// How many pairs expired so far.
    pub fn expiries(&self) -> usize {
        self.said().iter().filter(|said| said.event == "expired").count()
    }

    /// It runs, so it has not seen the contract of discovery broken.
    #[track_caller]
    pub fn is_well(&mut self) {
        let ended = self.process.ended(Duration::ZERO);
        assert!(ended.is_none(), "{} ended: {ended:?}: {}", self.peer, self.process.errors());
    }
}
