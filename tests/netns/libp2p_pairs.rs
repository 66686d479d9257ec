//! Two libp2p nodes on one LAN, each with a stack of its own: both find the other and are
//! connected, whoever starts first.

use std::thread;
use std::time::Duration;

use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, at_most, long, report};
use Stack::{Js, Rust048, Rust049, Salut056, Salut057, Shim048, Shim049};

pub const TESTS: &[Test] = &[
    ("libp2p_pairs::rust_and_rust", &[Need::Libp2p, Need::Quiet, Need::Long], || {
        pairs(Rust048, Rust048, AS_RUST)
    }),
    ("libp2p_pairs::salut_056_and_salut_056", MEASURED, || pairs(Salut056, Salut056, FOUND)),
    ("libp2p_pairs::salut_057_and_salut_057", MEASURED, || pairs(Salut057, Salut057, FOUND)),
    ("libp2p_pairs::rust_048_then_salut", MEASURED, || pairs(Rust048, Salut056, FOUND)),
    ("libp2p_pairs::salut_then_rust_048", MEASURED, || pairs(Salut056, Rust048, FOUND)),
    ("libp2p_pairs::rust_049_then_salut", MEASURED, || pairs(Rust049, Salut057, FOUND)),
    ("libp2p_pairs::salut_then_rust_049", MEASURED, || pairs(Salut057, Rust049, FOUND)),
    ("libp2p_pairs::rust_049_then_salut_056", MEASURED, || pairs(Rust049, Salut056, FOUND)),
    ("libp2p_pairs::salut_057_then_rust_048", MEASURED, || pairs(Salut057, Rust048, FOUND)),
    ("libp2p_pairs::rust_048_then_shim_048", MEASURED, || pairs(Rust048, Shim048, FOUND)),
    ("libp2p_pairs::shim_049_then_rust_049", MEASURED, || pairs(Shim049, Rust049, FOUND)),
    ("libp2p_pairs::shim_048_and_shim_049", MEASURED, || pairs(Shim048, Shim049, FOUND)),
    ("libp2p_pairs::js_then_salut", WITH_JS, || pairs(Js, Salut056, LIKE_JS)),
    ("libp2p_pairs::salut_then_js", WITH_JS, || pairs(Salut057, Js, LIKE_JS)),
];

const MEASURED: &[Need] = &[Need::Libp2p, Need::Quiet];
const WITH_JS: &[Need] = &[Need::Libp2p, Need::Js];

/// LANs that are measured side by side.
const LANES: usize = 2;

/// The median, in each direction.
const FOUND: Duration = Duration::from_millis(50);
/// What libp2p-mdns does itself, for comparison.
const AS_RUST: Duration = Duration::from_millis(200);
/// It asks every ten seconds.
const LIKE_JS: Duration = Duration::from_secs(11);
const CONNECTED: Duration = Duration::from_secs(15);

/// When each of two found the other, from the second's start.
struct Run {
    by_first: Duration,
    by_second: Duration,
}

fn pairs(first: Stack, second: Stack, median: Duration) {
    let runs = if long() { 10 } else { 4 };
    let runs: Vec<Run> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || measure(first, second, (lane..runs).step_by(LANES))))
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("every run connects")).collect()
    });
    let (by_first, by_second) = (times(&runs, |run| run.by_first), times(&runs, |run| run.by_second));
    report(format!("{first}, then {second}, {} runs, all connected", runs.len()));
    for (who, [median, worst]) in [("first", by_first), ("second", by_second)] {
        report(format!("  found by the {who}: {median:.3?} in the median, {worst:.3?} at worst"));
    }
    for [found, _] in [by_first, by_second] {
        assert!(found <= at_most(median), "{found:?} in the median");
    }
}

fn measure(first: Stack, second: Stack, numbers: impl Iterator<Item = usize>) -> Vec<Run> {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    for (host, stack) in [(&ann, first), (&ben, second)] {
        if stack == Js {
            // It sends where the default route leads.
            host.ip(&["route add default via 10.77.0.254"]);
        }
    }
    numbers.map(|number| one_run(&ann, first, &ben, second, number)).collect()
}

fn one_run(ann: &Host, first: Stack, ben: &Host, second: Stack, number: usize) -> Run {
    let number = u32::try_from(number).expect("few runs");
    let mut first = Node::start(ann, first, number * 2 + 1, &[]);
    let at_first = first.listening("/ip4/");
    // Not in step with the first one's questions.
    thread::sleep(Duration::from_millis(1200 + 137 * u64::from(number % 7)));
    let mut second = Node::start(ben, second, number * 2 + 2, &[]);
    let at_second = second.listening("/ip4/");
    let (since, began) = (second.spawned, second.started);
    let by_second = second.discovers(CONNECTED, &first, &at_first, since).at - began;
    let by_first = first.discovers(CONNECTED, &second, &at_second, since).at - began;
    first.connects(CONNECTED, &second, since);
    second.connects(CONNECTED, &first, since);
    first.is_well();
    second.is_well();
    Run { by_first, by_second }
}

/// The median and the worst.
fn times(runs: &[Run], time: impl Fn(&Run) -> Duration) -> [Duration; 2] {
    let mut times: Vec<_> = runs.iter().map(time).collect();
    times.sort();
    let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    [(low + high) / 2, times[times.len() - 1]]
}
