//! Nothing to do, and nothing done for a long time.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::cli::{Announce, Browse};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Test, at_most, long, report};

pub const TESTS: &[Test] = &[
    ("idle::an_announcer_sleeps", &[], an_announcer_sleeps),
    ("idle::stopped_and_continued", &[], stopped_and_continued),
];

/// One service, nobody else: a wake-up in a minute, for the regular look.
fn an_announcer_sleeps() {
    let lasts = Duration::from_secs(if long() { 120 } else { 60 });
    let lan = Lan::new();
    let ann = Host::on(&lan.bridge(), "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let announce = Announce::start(&ann, "Ann", 52415, &[]);
    announce.announced(Duration::from_secs(5));
    // Until the last announcement has left and tokio's helpers for the start have ended.
    thread::sleep(Duration::from_secs(15));
    let names = announce.0.threads();
    assert!(
        names.iter().all(|name| name == "salut" || name.starts_with("tokio-rt")),
        "a thread of our own: {names:?}"
    );
    let (switches, ticks) = (announce.0.switches(), announce.0.cpu_ticks());
    thread::sleep(lasts);
    let (switches, ticks) = (announce.0.switches() - switches, announce.0.cpu_ticks() - ticks);
    let rate = switches as f32 / lasts.as_secs_f32();
    report(format!("idle for {lasts:?}: {switches} wake-ups ({rate:.4}/s), {ticks} ticks of CPU"));
    // Looks a minute apart can be two in a minute that lasted a little longer, as on a machine
    // with other work.
    let most = if long() { 0.02 } else { 2.0 / lasts.as_secs_f32() };
    assert!(rate <= most, "{switches} wake-ups in {lasts:?}");
    assert!(ticks <= 1, "{ticks} ticks");
}

/// SIGSTOP is what a debugger, a container's freezer or a phone does; much happens meanwhile.
fn stopped_and_continued() {
    let lasts = Duration::from_secs(if long() { 200 } else { 40 });
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let soon = Duration::from_secs(5);
    let mut leaves = Announce::start(&ann, "Leaves", 1, &[]);
    let stopped = Announce::start(&ann, "Stopped", 2, &[]);
    let browses = [Browse::start(&ben, &[]), Browse::start(&ben, &[])];
    for name in ["Leaves", "Stopped"] {
        for browse in &browses {
            browse.expect(soon, name, |news| news.instance == name && news.event == "found");
        }
    }
    thread::sleep(Duration::from_secs(4));
    let [sleeps, wakes] = &browses;
    sleeps.0.signal(Signal::SIGSTOP);
    stopped.0.signal(Signal::SIGSTOP);
    let began = Instant::now();
    leaves.0.stop(Signal::SIGTERM, soon);
    let comes = Announce::start(&ann, "Comes", 3, &[]);
    comes.announced(soon);
    thread::sleep(lasts.saturating_sub(began.elapsed()));
    if long() {
        assert!(wakes.now("Stopped", "eth0").is_none(), "its records ran out");
    }
    let continued = Instant::now();
    sleeps.0.signal(Signal::SIGCONT);
    stopped.0.signal(Signal::SIGCONT);
    let found = sleeps.expect(soon, "the new one", |news| news.instance == "Comes" && news.event == "found");
    let lost = sleeps.expect_lost(soon, "Leaves", began);
    let wait = continued + at_most(soon);
    while Instant::now() < wait && !browses.iter().all(|browse| browse.now("Stopped", "eth0").is_some()) {
        thread::sleep(Duration::from_millis(50));
    }
    for browse in &browses {
        assert!(browse.now("Stopped", "eth0").is_some(), "{:#?}", browse.news());
        assert!(browse.now("Leaves", "eth0").is_none() && browse.now("Comes", "eth0").is_some());
    }
    report(format!(
        "stopped for {lasts:?}: the new one found {:.3} s after that, the old one lost after {:.3} s",
        found.at.saturating_duration_since(continued).as_secs_f32(),
        lost.at.saturating_duration_since(continued).as_secs_f32()
    ));
}
