//! python-zeroconf on a host, through `tests/peers/zeroconf_peer.py`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lan::Host;
use super::process::Process;
use super::sandbox::find_program;

const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/zeroconf_peer.py");

/// The interpreter: `SALUT_ZEROCONF_PYTHON`, or `python3` if it has the module.
fn python() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let look = || {
        let named = env::var_os("SALUT_ZEROCONF_PYTHON").map(PathBuf::from);
        let python = named.or_else(|| find_program("python3")).ok_or("needs the program `python3`")?;
        let tried = Command::new(&python).args(["-c", "import zeroconf"]).stderr(Stdio::null()).status();
        if tried.is_ok_and(|status| status.success()) {
            return Ok(python);
        }
        let place = python.display();
        Err(format!(
            "{place} has no module zeroconf (pip install zeroconf; SALUT_ZEROCONF_PYTHON names another)"
        ))
    };
    FOUND.get_or_init(look).clone()
}

pub fn available() -> Result<(), String> {
    python().map(drop)
}

fn driver(host: &Host, arguments: &[&str]) -> Process {
    let python = python().expect("the test says that it needs python-zeroconf");
    host.spawn(python.to_str().expect("a path in UTF-8"), &[&[DRIVER], arguments].concat())
}

/// Announces, and waits until it is done. Ends with a goodbye at SIGTERM.
#[track_caller]
pub fn announce(
    host: &Host,
    instance: &str,
    service: &str,
    port: u16,
    addresses: &str,
    txt: &[&str],
) -> Process {
    let port = port.to_string();
    let arguments = ["announce", instance, service, &port, host.name(), addresses];
    let process = driver(host, &[&arguments[..], txt].concat());
    process.expect_line(Duration::from_secs(15), "announced");
    process
}

pub struct Browse(pub Process);

/// Browses, and waits until it has begun.
#[track_caller]
pub fn browse(host: &Host, service: &str) -> Browse {
    let process = driver(host, &["browse", service]);
    process.expect_line(Duration::from_secs(15), "browsing");
    Browse(process)
}

impl Browse {
    /// The first line about an instance that `wanted` takes.
    pub fn wait(
        &self,
        within: Duration,
        instance: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<(Instant, Value)> {
        self.0.wait(within, |line| {
            let value = self.0.json(line);
            (value["instance"] == instance && wanted(&value)).then(|| (line.at, value.clone()))
        })
    }
}
