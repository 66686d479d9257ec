//! ciao and bonjour-service on a host, through `tests/peers/js/dnssd.js`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::cli::SERVICE;
use super::lan::Host;
use super::libp2p;
use super::process::Process;

/// Node starts slowly on a machine that does other work too.
const STARTED: Duration = Duration::from_secs(15);

pub fn available() -> Result<(), String> {
    ["@homebridge/ciao", "bonjour-service"].into_iter().try_for_each(libp2p::js_package)
}

fn driver(host: &Host, arguments: &[&str]) -> Process {
    let program = libp2p::js_folder().join("dnssd.js");
    host.spawn("node", &[&[program.to_str().expect("a path in UTF-8")], arguments].concat())
}

/// Begins to announce with `ciao` or `bonjour-service`. Ends with a goodbye at SIGTERM.
#[track_caller]
pub fn announce(host: &Host, stack: &str, instance: &str, port: u16, name: &str, txt: &[&str]) -> Process {
    let port = port.to_string();
    driver(host, &[&[stack, "announce", instance, SERVICE, &port, name], txt].concat())
}

/// The name that it has at last, when it is done.
pub fn announced(process: &Process) -> Option<String> {
    process.wait(Duration::ZERO, |line| {
        let line = process.json(line);
        (line["event"] == "announced").then(|| line["instance"].as_str().unwrap_or_default().to_owned())
    })
}

#[track_caller]
pub fn wait_announced(process: &Process) {
    process.expect_line(STARTED, "announced");
}

pub struct Browse(pub Process);

/// Browses with bonjour-service, and waits until it has begun.
#[track_caller]
pub fn browse(host: &Host) -> Browse {
    let process = driver(host, &["bonjour-service", "browse", SERVICE]);
    process.expect_line(STARTED, "browsing");
    Browse(process)
}

impl Browse {
    /// The first event of this kind about an instance.
    pub fn wait(&self, within: Duration, event: &str, instance: &str) -> Option<(Instant, Value)> {
        self.0.wait(within, |line| {
            let value = self.0.json(line);
            (value["event"] == event && value["instance"] == instance).then(|| (line.at, value.clone()))
        })
    }
}
