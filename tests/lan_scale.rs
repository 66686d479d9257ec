//! Ten, a hundred, a thousand hosts on one segment.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::time::{Duration, Instant};

use lan_support::*;
use salut::Change;
use salut::proto::Event;

/// Peak memory of this process, in MiB; 0 where the system does not say.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or_default() / 1024
}

struct Crowd {
    home: Home,
    /// How many each of them knows. Whom, would need as much memory as the engines.
    known: Vec<usize>,
    lost: usize,
}

impl Crowd {
    fn of(count: usize) -> Self {
        let mut home = Home::of(1, count);
        home.lan.set_recording(false);
        Self { home, known: vec![0; count], lost: 0 }
    }

    fn run(&mut self, time: Duration) {
        let until = self.home.lan.elapsed() + time;
        while self.home.lan.elapsed() < until {
            let step = millis(250).min(until - self.home.lan.elapsed());
            self.home.lan.run_for(step);
            for (host, known) in self.home.hosts.iter().zip(&mut self.known) {
                for (_, event) in self.home.lan.take_events(*host) {
                    match event {
                        Event::Browse { change: Change::Found(_), .. } => *known += 1,
                        Event::Browse { change: Change::Lost(_), .. } => {
                            *known -= 1;
                            self.lost += 1;
                        }
                        Event::Renamed { .. } | Event::HostRenamed { .. } => panic!("{event:?}"),
                        _ => {}
                    }
                }
            }
        }
    }

    fn all_know_all(&self) -> bool {
        self.known.iter().all(|known| *known == self.known.len())
    }

    /// Datagrams sent so far, by one host on average, and by the one that sent most.
    fn sent(&self) -> (f64, u64) {
        let sent: Vec<u64> = self.home.hosts.iter().map(|host| self.home.lan.sent_by(*host)).collect();
        (sent.iter().sum::<u64>() as f64 / sent.len() as f64, *sent.iter().max().unwrap())
    }
}

/// Everybody starts at once and knows everybody within two seconds. Then, in the steady
/// state, what each of them sends does not depend on how many there are: a record is asked
/// for by the first whose time has come, and answered once for all.
#[test]
#[allow(clippy::disallowed_methods)]
fn what_a_host_sends_does_not_grow_with_their_number() {
    let mut rates = Vec::new();
    let counts: &[usize] = if long() { &[10, 100, 1000] } else { &[10, 100] };
    for count in counts {
        let start = Instant::now();
        let mut crowd = Crowd::of(*count);
        crowd.run(seconds(2.0));
        assert!(crowd.all_know_all(), "{count} hosts: {:?} after two seconds", crowd.known.iter().min());
        let found = start.elapsed();
        crowd.run(seconds(178.0));
        let settled = crowd.sent();
        // Two rounds of refreshes, or three.
        let minutes = if long() { 5.0 } else { 3.3 };
        crowd.run(seconds(60.0 * minutes));
        let (mean, most) = crowd.sent();
        let rate = (mean - settled.0) / minutes;
        println!(
            "{count:5} hosts: all known after {found:?} of work; {:.1} datagrams a host in the first 3 minutes, at most {}; then {rate:.2} a minute and host; in all {:?}, peak memory {} MiB",
            settled.0,
            settled.1,
            start.elapsed(),
            peak_mib(),
        );
        assert!(crowd.all_know_all() && crowd.lost == 0, "{} lost", crowd.lost);
        assert!(most > 0);
        rates.push(rate);
    }
    let (least, most) =
        (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
    assert!(most <= least * 1.5, "datagrams a minute and host: {rates:?}");
    assert!(most <= 10.0, "datagrams a minute and host: {rates:?}");
}
