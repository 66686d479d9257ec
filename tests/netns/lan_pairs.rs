//! salut and salut on one LAN: how fast one finds the other, in either order.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::cli::{self, Announce, Browse};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Need, Test, at_most, long, report};

pub const TESTS: &[Test] = &[
    ("lan_pairs::ipv4_and_ipv6", &[Need::Quiet], || pairs("IPv4+IPv6", &["10.77.0.1/24", "fd77::1/64"])),
    ("lan_pairs::ipv4_only", &[Need::Quiet], || pairs("IPv4 only", &["10.77.0.1/24"])),
    ("lan_pairs::ipv6_only", &[Need::Quiet], || pairs("IPv6 only", &["fd77::1/64"])),
    (
        "lan_pairs::six_hosts_that_lose_every_third_packet",
        &[Need::Nft],
        six_hosts_that_lose_every_third_packet,
    ),
    ("lan_pairs::a_host_is_resolved", &[], a_host_is_resolved),
];

/// LANs that are measured side by side.
const LANES: usize = 5;

/// An announcer needs 0.75 s to probe, and up to 0.25 s before it begins (RFC 6762 §8.1).
const ANNOUNCER_SECOND_MEDIAN: Duration = Duration::from_millis(1000);
/// The browser asks after 20 to 120 ms (§5.2), the answer is unique and comes at once or,
/// the PTR being shared, after 20 to 120 ms (§6).
const BROWSER_SECOND_MEDIAN: Duration = Duration::from_millis(200);
const BROWSER_SECOND_WORST: Duration = Duration::from_millis(350);

/// What one run took.
struct Run {
    announcer_second: Duration,
    browser_second: Duration,
    goodbye: Duration,
}

fn pairs(families: &str, addresses: &[&str]) {
    let runs = if long() { 20 } else { 5 };
    let runs: Vec<Run> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || measure(addresses, (lane..runs).step_by(LANES))))
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("every run finds everything")).collect()
    });
    let announcer = Times::of(&runs, |run| run.announcer_second);
    let browser = Times::of(&runs, |run| run.browser_second);
    let goodbye = Times::of(&runs, |run| run.goodbye);
    let count = runs.len();
    report(format!("{families}, {count} runs, none lost"));
    report(format!("  announcer second: found after {announcer}"));
    report(format!("  browser second:   found after {browser}"));
    report(format!("  goodbye:          lost after {goodbye}"));
    assert!(announcer.median <= at_most(ANNOUNCER_SECOND_MEDIAN), "announcer second: {announcer}");
    assert!(browser.median <= at_most(BROWSER_SECOND_MEDIAN), "browser second: {browser}");
    assert!(browser.worst <= at_most(BROWSER_SECOND_WORST), "browser second: {browser}");
}

fn measure(addresses: &[&str], numbers: impl Iterator<Item = usize>) -> Vec<Run> {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let beside = |host: &str| addresses.iter().map(|one| one.replace("1/", host)).collect::<Vec<_>>();
    let [ann, ben, cid] = [("ann", "1/"), ("ben", "2/"), ("cid", "3/")].map(|(name, number)| {
        let own = beside(number);
        Host::on(&bridge, name, &own.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let wanted = ann.addresses_seen("eth0", "eth0");
    assert!(!wanted.is_empty());
    numbers.map(|number| one_run(&ann, &ben, &cid, &wanted, number)).collect()
}

fn one_run(ann: &Host, ben: &Host, cid: &Host, wanted: &[String], number: usize) -> Run {
    let instance = format!("Run № {number}");
    let first = Browse::start(ben, &[]);
    // Not in step with the browser's questions at 0, 1, 3 s.
    thread::sleep(Duration::from_millis(1200 + 137 * (number as u64 % 7)));
    let mut announce = Announce::start(ann, &instance, 52415, &["--txt", "id=12D3Koo", "--txt", "flag"]);
    let found = first.expect_all(Duration::from_secs(10), &instance, wanted);
    let announcer_second = found.at - announce.0.started;

    let (announced, line) = announce.announced(Duration::from_secs(5));
    assert_eq!(line["instance"], *instance);
    assert_eq!((found.port, found.interface.as_str()), (52415, "eth0"));
    assert_eq!(found.txt, json!({"id": "12D3Koo", "flag": null}));
    assert_eq!(line["host"], *found.host, "the host as announced");

    // The last announcement leaves 3 s after the first.
    thread::sleep((announced + Duration::from_millis(4600)).saturating_duration_since(Instant::now()));
    let second = Browse::start(cid, &[]);
    let late = second.expect_all(Duration::from_secs(10), &instance, wanted);
    assert_eq!((&late.host, late.port, &late.txt), (&found.host, 52415, &found.txt));

    let left = Instant::now();
    let (status, _) = announce.0.stop(Signal::SIGTERM, Duration::from_secs(3));
    assert!(status.success(), "{status}");
    let lost = [&first, &second].map(|browse| browse.expect_lost(Duration::from_secs(3), &instance, left).at);
    Run {
        announcer_second,
        browser_second: late.at - second.0.started,
        goodbye: *lost.iter().max().unwrap() - left,
    }
}

/// Median and worst of some runs.
struct Times {
    median: Duration,
    worst: Duration,
    best: Duration,
}

impl Times {
    fn of(runs: &[Run], time: impl Fn(&Run) -> Duration) -> Self {
        let mut times: Vec<_> = runs.iter().map(time).collect();
        times.sort();
        let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
        Self { median: (low + high) / 2, worst: times[times.len() - 1], best: times[0] }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, worst, best] = [self.median, self.worst, self.best].map(|time| time.as_secs_f32());
        write!(f, "{median:.3} s in the median, {best:.3} to {worst:.3} s")
    }
}

fn six_hosts_that_lose_every_third_packet() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let hosts: Vec<_> = (1..=6)
        .map(|number| {
            let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number}/64"));
            let host = Host::on(&bridge, &format!("host{number}"), &[&v4, &v6]);
            host.lose_percent(33);
            host
        })
        .collect();
    let began = Instant::now();
    let running: Vec<_> = hosts
        .iter()
        .map(|host| (Announce::start(host, host.name(), 52415, &[]), Browse::start(host, &[])))
        .collect();
    let mut last = began;
    for host in &hosts {
        let wanted = host.addresses_seen("eth0", "eth0");
        for (_, browse) in &running {
            last = last.max(browse.expect_all(Duration::from_secs(20), host.name(), &wanted).at);
        }
    }
    report(format!("six hosts, a third lost: all know all after {:.3} s", (last - began).as_secs_f32()));
}

fn a_host_is_resolved() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let announce = Announce::start(&ann, "Ann", 52415, &["--host", "ann-here"]);
    let (_, line) = announce.announced(Duration::from_secs(5));
    assert_eq!(line["host"], "ann-here.local");
    // An announcement holds back answers with the same records for a second (RFC 6762 §6).
    thread::sleep(Duration::from_millis(4500));

    let mut resolve = cli::run(&ben, &["resolve", "ann-here.local", "--json"]);
    let status = resolve.ended(Duration::from_secs(5)).expect("resolve ends by itself");
    assert!(status.success(), "{status}");
    let line = resolve.lines().first().cloned().expect("a line");
    let value = resolve.json(&line);
    let mut addresses: Vec<_> =
        value["addresses"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ann.addresses_seen("eth0", "eth0"));
    assert_eq!((&value["host"], &value["interface"]), (&json!("ann-here.local"), &json!("eth0")));
    let took = line.at - resolve.started;
    assert!(took <= at_most(Duration::from_millis(350)), "{took:?}");

    let mut nobody = cli::run(&ben, &["resolve", "nobody.local", "--timeout", "1s"]);
    let status = nobody.ended(Duration::from_secs(4)).expect("ends at its timeout");
    assert_eq!(status.code(), Some(1));
    assert!(nobody.errors().contains("nobody.local"), "says who did not answer: {}", nobody.errors());
}
