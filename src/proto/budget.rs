//! How much in how much time: token buckets, and windows that never hold more than their most.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::timer::after;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Budget {
    /// In which one is earned.
    step: Duration,
    /// In which a burst is earned.
    burst: Duration,
    /// When all that was taken has been earned again.
    full: Option<Instant>,
}

impl Budget {
    pub(super) fn new((burst, per_second): (u32, u32)) -> Self {
        let step = Duration::from_secs(1).checked_div(per_second).unwrap_or(Duration::from_secs(1));
        Self { step, burst: step.saturating_mul(burst), full: None }
    }

    /// Takes one, or says when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.take_many(now, 1)
    }

    /// Takes so many together, or says when there will be as many.
    pub(super) fn take_many(&mut self, now: Instant, cost: u32) -> Result<(), Instant> {
        self.full = Some(self.full_after(now, cost)?);
        Ok(())
    }

    /// Whether there are so many.
    pub(super) fn has(&self, now: Instant, cost: u32) -> bool {
        self.full_after(now, cost).is_ok()
    }

    /// When it is full again once so many are taken, or from when on they can be.
    fn full_after(&self, now: Instant, cost: u32) -> Result<Instant, Instant> {
        let start = self.full.map_or(now, |full| full.max(now));
        let full = after(start, self.step.saturating_mul(cost));
        let owed = full.saturating_duration_since(now);
        if owed <= self.burst { Ok(full) } else { Err(after(now, owed.saturating_sub(self.burst))) }
    }
}

/// At most so many in any span of time.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    span: Duration,
    at: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(most: usize, span: Duration) -> Self {
        Self { most, span, at: VecDeque::new() }
    }

    /// Whether there is room for one more, or when there will be.
    pub(super) fn has_room(&mut self, now: Instant) -> Result<(), Instant> {
        while self.at.front().is_some_and(|first| after(*first, self.span) <= now) {
            self.at.pop_front();
        }
        let excess = self.at.len().saturating_sub(self.most);
        match self.at.get(excess).filter(|_| self.at.len() >= self.most) {
            Some(first) => Err(after(*first, self.span)),
            None => Ok(()),
        }
    }

    /// One more, whether there is room or not.
    pub(super) fn count(&mut self, now: Instant) {
        self.at.push_back(now);
    }

    /// Takes one if there is room.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let room = self.has_room(now).is_ok();
        if room {
            self.count(now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without a clock")]
    fn budget_allows_a_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut budget = Budget::new((3, 10));
        assert_eq!((0..5).filter(|_| budget.take(start).is_ok()).count(), 3);
        let at = budget.take(start).expect_err("spent");
        assert_eq!(at, after(start, Duration::from_millis(100)));
        assert!(budget.take(at).is_ok());
        assert!(budget.take(at).is_err());
        let later = after(at, Duration::from_secs(60));
        assert_eq!((0..5).filter(|_| budget.take(later).is_ok()).count(), 3);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without a clock")]
    fn a_window_never_holds_more_than_its_most() {
        let start = Instant::now();
        let mut window = Window::new(3, Duration::from_secs(1));
        assert_eq!((0..5).filter(|_| window.take(start)).count(), 3);
        let half = after(start, Duration::from_millis(500));
        assert_eq!(window.has_room(half), Err(after(start, Duration::from_secs(1))));
        // More than there is room for, because they belong together: the rest waits for it.
        let later = after(start, Duration::from_secs(1));
        (0..5).for_each(|_| window.count(later));
        assert_eq!(window.has_room(later), Err(after(later, Duration::from_secs(1))));
        assert!(window.take(after(later, Duration::from_secs(1))));
    }
}
