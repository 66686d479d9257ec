//! salut on real sockets, beside itself and beside the stacks other people run.
//!
//! Every test builds a LAN of its own out of Linux network namespaces: hosts, bridges between
//! them, addresses, routes, loss. The whole run lives in a sandbox (its own network, mount and
//! process namespaces) and is gone when the run ends, however it ends; the machine's own
//! interfaces are never seen. It works as root and as an ordinary user.
//!
//! ```text
//! cargo test --features cli --test netns                 # all of them
//! cargo test --features cli --test netns -- avahi::      # those with Avahi
//! ```
//!
//! What a machine lacks is not run, said with `not run: <reason>`, and counted as ignored.
//! With `SALUT_REQUIRE_PEERS=1` it is a failure. `SALUT_LONG=1` takes more runs, one test at a
//! time, and holds them to the exact times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, unreachable_pub)]

use std::process::ExitCode;

use libtest_mimic::Arguments;

#[cfg(target_os = "linux")]
mod avahi;
#[cfg(target_os = "linux")]
mod browse_all;
#[cfg(target_os = "linux")]
mod checks;
#[cfg(target_os = "linux")]
mod churn;
#[cfg(target_os = "linux")]
mod conflicts;
#[cfg(target_os = "linux")]
mod corpus;
#[cfg(target_os = "linux")]
mod dnssd_js;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod exo_node;
#[cfg(target_os = "linux")]
mod flap;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod goodbye;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod interfaces;
#[cfg(target_os = "linux")]
mod lan_pairs;
#[cfg(target_os = "linux")]
mod libp2p_avahi;
#[cfg(target_os = "linux")]
mod libp2p_go;
#[cfg(target_os = "linux")]
mod libp2p_links;
#[cfg(target_os = "linux")]
mod libp2p_loss;
#[cfg(target_os = "linux")]
mod libp2p_many;
#[cfg(target_os = "linux")]
mod libp2p_pairs;
#[cfg(target_os = "linux")]
mod libp2p_static;
#[cfg(target_os = "linux")]
mod libp2p_times;
#[cfg(target_os = "linux")]
mod libp2p_walls;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod questions;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod trouble;
#[cfg(target_os = "linux")]
mod updates;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod zeroconf;

/// In the order they are started: those that measure first, then those that take long.
#[cfg(target_os = "linux")]
const TESTS: &[&[harness::Test]] = &[
    lan_pairs::TESTS,
    libp2p_pairs::TESTS,
    libp2p_many::TESTS,
    libp2p_times::TESTS,
    libp2p_loss::TESTS,
    libp2p_walls::TESTS,
    libp2p_links::TESTS,
    libp2p_go::TESTS,
    libp2p_avahi::TESTS,
    libp2p_static::TESTS,
    avahi::TESTS,
    corpus::TESTS,
    doctor::TESTS,
    browse_all::TESTS,
    idle::TESTS,
    flood::TESTS,
    soak::TESTS,
    links::TESTS,
    flap::TESTS,
    interfaces::TESTS,
    trouble::TESTS,
    goodbye::TESTS,
    conflicts::TESTS,
    churn::TESTS,
    updates::TESTS,
    wire::TESTS,
    questions::TESTS,
    zeroconf::TESTS,
    dnssd_js::TESTS,
    exo_node::TESTS,
    checks::TESTS,
];

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let sandbox = if arguments.list { Ok(()) } else { harness::sandbox::enter() };
    let mut trials = Vec::new();
    for (name, needs, test) in TESTS.iter().copied().flatten() {
        trials.push(harness::trial(name, needs, *test, sandbox.clone()));
    }
    harness::run(arguments, trials)
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let reason = "not run: network namespaces exist on Linux only";
    let trial = libtest_mimic::Trial::ignorable_test("netns", move || {
        Ok(libtest_mimic::Completion::ignored_with(reason))
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}
