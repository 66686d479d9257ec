//! An interface that comes and goes all the time.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, Browse};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Test, long, report};

pub const TESTS: &[Test] = &[
    ("flap::the_link_goes_down_and_up_every_300_ms", &[], || flaps("down", "set eth0 down", "set eth0 up")),
    ("flap::the_address_goes_and_comes_every_300_ms", &[], || {
        flaps("address", "addr del 10.77.0.1/24 dev eth0", "addr add 10.77.0.1/24 dev eth0");
    }),
];

/// Multicasts a second while it flaps.
const MOST: usize = 20;

fn flaps(what: &str, away: &str, back: &str) {
    let lasts = Duration::from_secs(if long() { 60 } else { 15 });
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    // It must outlive the link's going down, as one that is configured does.
    ann.write("/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down", "1");
    let mut announce = Announce::start(&ann, "Ann", 52415, &[]);
    let browses = [Browse::start(&ann, &[]), Browse::start(&ben, &[])];
    announce.announced(Duration::from_secs(5));
    browses[1].expect_all(Duration::from_secs(5), "Ann", &ann.addresses_seen("eth0", "eth0"));
    thread::sleep(Duration::from_secs(4));
    let (files, memory) = (announce.0.open_files(), announce.0.memory_kib());

    let sent = Capture::start(&ann);
    let began = Instant::now();
    let command = |line: &str| if line.starts_with("set") { format!("link {line}") } else { line.to_owned() };
    let mut flaps = 0;
    while began.elapsed() < lasts {
        ann.ip(&[command(if flaps % 2 == 0 { away } else { back })]);
        flaps += 1;
        thread::sleep((began + Duration::from_millis(300) * flaps).saturating_duration_since(Instant::now()));
    }
    if flaps % 2 == 1 {
        ann.ip(&[command(back)]);
    }
    let over = Instant::now();
    let most = most_in_a_second(&sent.sent());
    assert!(most <= MOST, "{most} multicasts in one second");
    let wanted = ann.addresses_seen("eth0", "eth0");
    let late = Browse::start(&ben, &[]);
    let found = late.expect_all(Duration::from_secs(6), "Ann", &wanted);
    browses[1].expect_all(Duration::from_secs(6), "Ann", &wanted);
    report(format!(
        "{what}: {flaps} flaps, at most {most} multicasts a second, found {:.3} s after the last",
        (found.at - over).as_secs_f32()
    ));
    thread::sleep(Duration::from_secs(3));
    // One of the two programs on the host has the sockets for unicast, of either family.
    let (most, now) = (files + 2, announce.0.open_files());
    assert!(now <= most, "sockets leak: {files} were open before, {now} are after {flaps} flaps");
    let grown = announce.0.memory_kib().saturating_sub(memory);
    assert!(grown < 2048, "{grown} KiB more after {flaps} flaps");
    assert!(announce.0.ended_by_itself().is_none(), "it still runs");
}

/// Of both programs on the host together.
fn most_in_a_second(sent: &[Captured]) -> usize {
    let times: Vec<_> = sent.iter().filter(|packet| packet.is_multicast()).map(|packet| packet.at).collect();
    let within = |from: &Instant| {
        times.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}
