//! What the tests are built from: a LAN of namespaces, processes on its hosts, what went over
//! the wire, and the peers.

pub mod avahi;
pub mod capture;
pub mod cli;
pub mod dnssd_js;
pub mod flood;
pub mod lan;
pub mod libp2p;
pub mod local;
pub mod message;
pub mod process;

pub mod sandbox;
pub mod zeroconf;

use std::env;
use std::fmt;
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What a test needs from the machine beside namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// avahi-daemon, its tools and a message bus.
    Avahi,
    /// python-zeroconf.
    Zeroconf,
    /// `dig`, which knows DNS and no mDNS.
    Dig,
    /// `nft`, for loss and blocked directions.
    Nft,
    /// Python 3, for a program that is in the way.
    Python,
    /// A C compiler, for a library that refuses what another system would.
    Cc,
    /// The example `exo_node`, built.
    ExoNode,
    /// Nodes of libp2p in Rust, with its own mdns and with salut.
    Libp2p,
    /// A node of libp2p in JavaScript.
    Js,
    /// ciao and bonjour-service, in JavaScript.
    DnssdJs,
    /// Minutes: with `SALUT_LONG=1` only.
    Long,
    /// All the room there is: what is measured must not compete with other tests. Only where
    /// times are held exactly.
    Quiet,
}

impl Need {
    fn check(self) -> Result<(), String> {
        match self {
            Self::Avahi => avahi::available(),
            Self::Zeroconf => zeroconf::available(),
            Self::Nft if sandbox::find_program("nft").is_none() => {
                Err("needs the program `nft` (package nftables)".to_owned())
            }
            Self::Python if sandbox::find_program("python3").is_none() => {
                Err("needs the program `python3` (package python3)".to_owned())
            }
            Self::Dig if sandbox::find_program("dig").is_none() => {
                Err("needs the program `dig` (package bind9-dnsutils)".to_owned())
            }
            Self::Cc if sandbox::find_program("cc").is_none() => {
                Err("needs the program `cc` (package gcc)".to_owned())
            }
            Self::ExoNode => cli::exo_node().map(drop),
            Self::Libp2p => libp2p::available(),
            Self::Js => libp2p::js_available(),
            Self::DnssdJs => dnssd_js::available(),
            Self::Nft | Self::Cc | Self::Python | Self::Dig | Self::Long | Self::Quiet => Ok(()),
        }
    }
}

/// A test: its name, what it needs, what it does.
pub type Test = (&'static str, &'static [Need], fn());

/// Who of two starts second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Announcer,
    Browser,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Announcer { "announcer second" } else { "browser second" })
    }
}

/// Whether times are held exactly, with more runs.
pub fn long() -> bool {
    env::var_os("SALUT_LONG").is_some_and(|value| value == "1")
}

/// `exact` where times are held exactly, else with room for a machine that does other work too.
pub fn at_most(exact: Duration) -> Duration {
    if long() { exact } else { exact * 3 + Duration::from_secs(1) }
}

/// How long to wait for what must come within `within`. It is only ever waited for as long as it
/// takes, so patience costs nothing; nothing at all stays nothing.
pub fn patience(within: Duration) -> Duration {
    if within.is_zero() { within } else { at_most(within) }
}

/// A line for the reader of the test run, whether the test passes or not.
pub fn report(line: impl AsRef<str>) {
    eprintln!("     {}", line.as_ref());
}

pub fn trial(name: &str, needs: &'static [Need], test: fn(), sandbox: Result<(), String>) -> Trial {
    Trial::ignorable_test(name, move || {
        for checked in std::iter::once(sandbox).chain(needs.iter().map(|need| need.check())) {
            if let Err(reason) = checked {
                return not_run(reason);
            }
        }
        if needs.contains(&Need::Long) && !long() {
            return Ok(Completion::ignored_with("not run: takes minutes, with SALUT_LONG=1 only"));
        }
        let _room = Room::enter(if long() && needs.contains(&Need::Quiet) { ROOMS } else { 1 });
        test();
        Ok(Completion::Completed)
    })
}

fn not_run(reason: String) -> Result<Completion, Failed> {
    let line = format!("not run: {reason}");
    if env::var_os("SALUT_REQUIRE_PEERS").is_some_and(|value| value == "1") {
        return Err(line.into());
    }
    Ok(Completion::ignored_with(line))
}

/// How many tests run at once. They mostly wait.
const ROOMS: usize = 5;

/// Runs the tests and prints the summary.
pub fn run(mut arguments: Arguments, trials: Vec<Trial>) -> ExitCode {
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(ROOMS).clamp(1, ROOMS));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.num_ignored > 0 {
        println!("not run: {} tests, for the reasons told above\n", conclusion.num_ignored);
    }
    conclusion.exit_code()
}

static FREE: Mutex<usize> = Mutex::new(ROOMS);
static CHANGED: Condvar = Condvar::new();

/// Room for a test on this machine.
struct Room(usize);

impl Room {
    fn enter(wanted: usize) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            CHANGED.wait_while(free, |free| *free < wanted).unwrap_or_else(PoisonError::into_inner);
        *free -= wanted;
        Self(wanted)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        CHANGED.notify_all();
    }
}
