//! When to try again after a failure, when to act on a row of changes, and when to read
//! datagrams that come thick and fast.

use std::time::{Duration, Instant};

/// A failed join, bind or send is tried again after 0.5 s, 1 s, then every 2 s for five
/// minutes, then every 5 s: a permission given by the user, a program that left the port or
/// a network that came back is noticed at once, and a lasting failure costs next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    since: Instant,
    tries: u32,
    at: Instant,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const SECOND: Duration = Duration::from_secs(1);
    const OFTEN: Duration = Duration::from_secs(2);
    const OFTEN_FOR: Duration = Duration::from_secs(300);
    const SELDOM: Duration = Duration::from_secs(5);

    /// After the first failure.
    pub(crate) fn new(now: Instant) -> Self {
        let mut this = Self { since: now, tries: 0, at: now };
        this.failed(now);
        this
    }

    /// When to try next.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// When the first failure was.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// After one more failure.
    pub(crate) fn failed(&mut self, now: Instant) {
        let wait = match self.tries {
            0 => Self::FIRST,
            1 => Self::SECOND,
            _ if now.saturating_duration_since(self.since) < Self::OFTEN_FOR => Self::OFTEN,
            _ => Self::SELDOM,
        };
        self.tries = self.tries.saturating_add(1);
        self.at = now + wait;
    }
}

/// Gathers a row of changes: acts some time after the first one, and while changes go on not
/// too often.
#[derive(Debug)]
pub(crate) struct Gather {
    settle: Duration,
    apart: Duration,
    due: Option<Instant>,
    acted: Option<Instant>,
}

impl Gather {
    /// Acts `settle` after the first change, and at least `apart` after it acted last.
    pub(crate) fn new(settle: Duration, apart: Duration) -> Self {
        Self { settle, apart, due: None, acted: None }
    }

    /// Something changed.
    pub(crate) fn ring(&mut self, now: Instant) {
        if self.due.is_none() {
            let settled = now + self.settle;
            self.due = Some(self.acted.map_or(settled, |acted| settled.max(acted + self.apart)));
        }
    }

    /// When to act, if anything changed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Acted now. A false alarm does not put off what may really happen next.
    pub(crate) fn acted(&mut self, now: Instant, changed: bool) {
        self.due = None;
        if changed {
            self.acted = Some(now);
        }
    }
}

/// Datagrams that come thick and fast are let gather, so that one waking serves many. Who
/// comes alone is never kept waiting for that.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "no socket gathers")
)]
#[derive(Debug, Default)]
pub(crate) struct Rush {
    since: Option<Instant>,
    datagrams: u32,
    look_at: Option<Instant>,
}

#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "no socket gathers")
)]
impl Rush {
    /// Over this time datagrams are counted before it is decided anew.
    const COUNTED: Duration = Duration::from_millis(10);
    /// So many in that time are a rush: 2,000 in a second.
    const MANY: u32 = 20;
    /// They gather for so long. Tokio's timers run out up to a millisecond late.
    const GATHERS: Duration = Duration::from_millis(1);

    /// Looked now, and this many were there; `all` says that no more are left.
    pub(crate) fn heard(&mut self, now: Instant, datagrams: usize, all: bool) {
        let datagrams = u32::try_from(datagrams).unwrap_or(u32::MAX);
        self.datagrams = self.datagrams.saturating_add(datagrams);
        let mut rushes = self.look_at.is_some();
        let lasts = now.saturating_duration_since(*self.since.get_or_insert(now));
        if lasts >= Self::COUNTED {
            rushes = Self::COUNTED.saturating_mul(self.datagrams) >= lasts.saturating_mul(Self::MANY);
            self.since = Some(now);
            self.datagrams = 0;
        }
        self.look_at = rushes.then(|| if all { now + Self::GATHERS } else { now });
    }

    /// It goes on, whatever was counted.
    pub(crate) fn go_on(&mut self, now: Instant) {
        self.look_at = Some(now + Self::GATHERS);
    }

    /// When to look next, in a rush.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn backs_off_as_the_limits_say() {
        let start = crate::net::clock::now();
        let mut backoff = Backoff::new(start);
        let mut waits = Vec::new();
        let mut now = start;
        while now < start + Duration::from_secs(330) {
            waits.push(backoff.at() - now);
            now = backoff.at();
            backoff.failed(now);
        }
        assert_eq!(waits[..4], [ms(500), ms(1000), ms(2000), ms(2000)]);
        assert_eq!(waits.last(), Some(&ms(5000)));
        assert!(waits.iter().filter(|wait| **wait == ms(2000)).count() >= 149);
    }

    #[test]
    fn acts_soon_after_the_first_change_and_then_every_two_seconds() {
        let start = crate::net::clock::now();
        let mut gather = Gather::new(ms(200), ms(2000));
        let mut acts = Vec::new();
        for step in 0..100_u64 {
            let now = start + ms(step * 50);
            if gather.due().is_some_and(|due| due <= now) {
                gather.acted(now, true);
                acts.push(step * 50);
            }
            gather.ring(now);
        }
        assert_eq!(acts, [200, 2200, 4200]);
    }

    #[test]
    fn a_false_alarm_does_not_put_off_the_next_one() {
        let start = crate::net::clock::now();
        let mut gather = Gather::new(ms(200), ms(2000));
        gather.ring(start);
        gather.acted(start + ms(200), false);
        gather.ring(start + ms(300));
        assert_eq!(gather.due(), Some(start + ms(500)));
    }

    /// Datagrams at these times, in µs; gives the greatest delay, and how often somebody looked.
    fn listen(arrivals: &[u64], until: u64) -> (u64, usize) {
        let start = crate::net::clock::now();
        let mut rush = Rush::default();
        let (mut delay, mut looks, mut heard) = (0, 0, 0);
        for at in (0..until).step_by(50) {
            let now = start + Duration::from_micros(at);
            let waiting = arrivals[heard..].iter().take_while(|arrival| **arrival <= at).count();
            if rush.look_at().map_or(waiting > 0, |look_at| look_at <= now) {
                delay = delay.max(arrivals.get(heard).map_or(0, |arrival| at.saturating_sub(*arrival)));
                heard += waiting;
                looks += 1;
                rush.heard(now, waiting, true);
            }
        }
        assert_eq!(heard, arrivals.len());
        assert_eq!(rush.look_at(), None, "still gathers in silence");
        (delay, looks)
    }

    #[test]
    fn who_comes_alone_is_read_at_once() {
        let often: Vec<_> = (0..1000).map(|n| n * 650).collect();
        assert_eq!(listen(&often, 2_000_000), (0, 1000), "1,500 in a second");
        assert_eq!(listen(&[50, 50, 50, 50, 900_000, 2_000_000], 3_000_000), (0, 3));
        let burst = vec![50; 500];
        assert_eq!(listen(&burst, 3_000_000), (0, 1));
    }

    #[test]
    fn in_a_rush_one_look_serves_many() {
        let mut arrivals: Vec<_> = (0..20_000).map(|n| n * 50).collect();
        let (delay, looks) = listen(&arrivals, 1_100_000);
        assert!(delay <= 1000 && (1000..1250).contains(&looks), "{delay} µs, {looks}");
        arrivals.extend([1_100_000, 1_200_000]);
        assert_eq!(listen(&arrivals, 1_300_000).1, looks + 2);
    }

    #[test]
    fn what_is_left_is_read_before_anything_gathers() {
        let now = crate::net::clock::now();
        let mut rush = Rush::default();
        rush.heard(now, 1, true);
        assert_eq!(rush.look_at(), None);
        rush.heard(now + ms(10), 64, false);
        assert_eq!(rush.look_at(), Some(now + ms(10)));
        rush.heard(now + ms(10), 3, true);
        assert_eq!(rush.look_at(), Some(now + ms(11)));
    }
}
