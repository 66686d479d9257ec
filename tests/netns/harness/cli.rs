//! salut's own programs on a host.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lan::Host;
use super::process::{Line, Process};

pub const SALUT: &str = env!("CARGO_BIN_EXE_salut");

/// The service type that the tests announce and browse.
pub const SERVICE: &str = "_exo._tcp";

/// The example, which `cargo test` builds beside the tests.
pub fn exo_node() -> Result<PathBuf, String> {
    let mut path = env::current_exe().map_err(|error| format!("current_exe: {error}"))?;
    path.pop();
    path.pop();
    path.push("examples/exo_node");
    if path.is_file() {
        Ok(path)
    } else {
        Err("needs the example exo_node (cargo build --examples)".to_owned())
    }
}

/// Starts `salut` with these arguments.
#[track_caller]
pub fn run(host: &Host, arguments: &[&str]) -> Process {
    host.spawn(SALUT, arguments)
}

/// One line of `salut browse --json` or of `exo_node --json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub at: Instant,
    pub event: String,
    pub instance: String,
    pub host: String,
    pub port: u16,
    /// Sorted.
    pub addresses: Vec<String>,
    pub txt: Value,
    pub interface: String,
}

impl News {
    #[track_caller]
    fn read(process: &Process, line: &Line) -> Self {
        let value = process.json(line);
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(value["service"], SERVICE, "{}", line.text);
        let mut addresses: Vec<_> = value["addresses"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|address| address.as_str().expect("an address is a string").to_owned())
            .collect();
        addresses.sort();
        Self {
            at: line.at,
            event: text("event"),
            instance: text("instance"),
            host: text("host"),
            port: value["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_default(),
            addresses,
            txt: value["txt"].clone(),
            interface: text("interface"),
        }
    }

    /// Whether it tells that `instance` is there, with exactly these addresses (sorted).
    pub fn shows(&self, instance: &str, addresses: &[String]) -> bool {
        self.instance == instance && self.event != "lost" && self.addresses == addresses
    }

    /// Whether it tells that `instance` is gone.
    pub fn is_loss_of(&self, instance: &str) -> bool {
        self.instance == instance && self.event == "lost"
    }
}

/// A running `salut browse --json`, or a program that prints the same.
pub struct Browse(pub Process);

impl Browse {
    #[track_caller]
    pub fn start(host: &Host, more: &[&str]) -> Self {
        Self(run(host, &[&["browse", "--service", SERVICE, "--json"], more].concat()))
    }

    /// Everything told so far.
    pub fn news(&self) -> Vec<News> {
        self.0.lines().iter().map(|line| News::read(&self.0, line)).collect()
    }

    /// The first news that `wanted` takes, told already or within `within` from now.
    pub fn find(&self, within: Duration, wanted: impl Fn(&News) -> bool) -> Option<News> {
        self.0.wait(within, |line| Some(News::read(&self.0, line)).filter(&wanted))
    }

    /// The same, and the test fails where there is none.
    #[track_caller]
    pub fn expect(&self, within: Duration, what: &str, wanted: impl Fn(&News) -> bool) -> News {
        self.find(within, wanted)
            .unwrap_or_else(|| panic!("not within {within:?}: {what}; told was {:#?}", self.news()))
    }

    /// The news that tells of `instance` with exactly these addresses.
    #[track_caller]
    pub fn expect_all(&self, within: Duration, instance: &str, addresses: &[String]) -> News {
        self.expect(within, &format!("{instance} with {addresses:?}"), |news| news.shows(instance, addresses))
    }

    /// The loss of `instance`, told after `since`.
    #[track_caller]
    pub fn expect_lost(&self, within: Duration, instance: &str, since: Instant) -> News {
        self.expect(within, &format!("the loss of {instance}"), |news| {
            news.is_loss_of(instance) && news.at >= since
        })
    }

    /// What is there now on an interface, by what has been told.
    pub fn now(&self, instance: &str, interface: &str) -> Option<News> {
        let about = |news: &News| news.instance == instance && news.interface == interface;
        self.news().into_iter().rfind(about).filter(|news| news.event != "lost")
    }
}

/// A running `salut announce --json`.
pub struct Announce(pub Process);

impl Announce {
    #[track_caller]
    pub fn start(host: &Host, instance: &str, port: u16, more: &[&str]) -> Self {
        let port = port.to_string();
        let arguments = ["announce", "--json", "--instance", instance, "--service", SERVICE, "--port", &port];
        Self(run(host, &[&arguments[..], more].concat()))
    }

    /// When it became visible, with the line that says so.
    #[track_caller]
    pub fn announced(&self, within: Duration) -> (Instant, Value) {
        self.0
            .wait(within, |line| {
                let value = self.0.json(line);
                (value["event"] == "announced").then_some((line.at, value))
            })
            .unwrap_or_else(|| panic!("not announced within {within:?}"))
    }
}
