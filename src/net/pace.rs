//! When to try again after a failure, and when to act on a row of changes.

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
}
