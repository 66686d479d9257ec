//! The example `exo_node`, twice on one machine.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::cli::{Browse, exo_node};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("exo_node::twice_on_one_machine", &[Need::ExoNode], || {
        let lan = Lan::new();
        twice("veth", &Host::on(&lan.bridge(), "ann", &["10.77.0.1/24", "fd77::1/64"]));
    }),
    ("exo_node::twice_on_a_machine_without_network", &[Need::ExoNode], || {
        twice("loopback", &Host::new("ann"))
    }),
];

const IN_TIME: Duration = Duration::from_secs(2);

fn twice(what: &str, host: &Host) {
    let program = exo_node().expect("the test says that it needs it");
    let program = program.to_str().expect("a path in UTF-8");
    // As in the README: no name, no port.
    for arguments in [["--json"].as_slice(), &["--json", "--instance", "One", "--port", "52415"]] {
        let first = Browse(host.spawn(program, arguments));
        thread::sleep(Duration::from_millis(2300));
        assert!(first.news().is_empty(), "nobody else is there yet: {:#?}", first.news());
        let mut second = Browse(host.spawn(program, &["--json"]));
        let by_first = first.expect(IN_TIME * 2, "the other", |news| news.event == "found");
        let by_second = second.expect(IN_TIME * 2, "the other", |news| news.event == "found");
        let took = [by_first.at, by_second.at].map(|at| at - second.0.started);
        report(format!("{what}: each found the other {took:.3?} after the second's start"));
        assert!(took.iter().all(|took| *took <= at_most(IN_TIME)), "{took:?}");
        assert_ne!(by_first.instance, by_second.instance, "its own is left out");
        assert!(!by_first.addresses.is_empty() && by_first.port != 0, "{by_first:?}");

        let left = std::time::Instant::now();
        let (status, _) = second.0.stop(Signal::SIGINT, IN_TIME);
        assert_eq!(status.code(), Some(0), "{status}");
        let lost = first.expect_lost(IN_TIME, &by_first.instance, left);
        report(format!("{what}: leaving told after {:.3} s", (lost.at - left).as_secs_f32()));
        let own: Vec<_> =
            first.news().into_iter().filter(|news| news.instance == by_second.instance).collect();
        assert!(own.is_empty(), "its own is left out: {own:#?}");
    }
}
