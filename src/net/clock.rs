//! The only place where clocks are read and timers are set.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// A jump of this much is a sleep of the machine or a stop of the process: what waits in the
/// socket buffers is out of date then, and so may be the network.
pub(super) const GAP: Duration = Duration::from_secs(30);

/// The time. Tokio's, so that a paused clock in a caller's tests is one for us as well.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// One timer that is set again and again. It rings in time or early, for what was put off
/// meanwhile: to set it anew costs more than to look once in vain.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    set: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), set: None }
    }

    pub(super) fn set(&mut self, at: Option<Instant>) {
        if let Some(at) = at
            && self.set.is_none_or(|set| at < set)
        {
            self.sleep.as_mut().reset(at.into());
            self.set = Some(at);
        }
    }

    /// Ready when it rings.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.set.is_some() && self.sleep.as_mut().poll(cx).is_ready() {
            self.set = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Compares the clock that stops while the machine sleeps with one that goes on.
#[derive(Debug)]
pub(super) struct SleepWatch {
    at: Instant,
    boot: Option<Duration>,
}

impl SleepWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self { at: now, boot: since_boot() }
    }

    /// Whether the machine slept since the last call.
    pub(super) fn slept(&mut self, now: Instant) -> bool {
        let before = std::mem::replace(self, Self::new(now));
        match (before.boot, self.boot) {
            (Some(from), Some(to)) => {
                to.saturating_sub(from) > now.saturating_duration_since(before.at).saturating_add(GAP)
            }
            _ => false,
        }
    }
}

/// A clock that goes on while the machine sleeps, where the monotonic one does not.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn since_boot() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    // Apple's `CLOCK_MONOTONIC` counts sleep, which Rust's `Instant` there does not.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;
    clock_gettime(CLOCK).try_into().ok()
}

/// Here the monotonic clock itself goes on (Windows, FreeBSD): whoever sleeps wakes up late.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn since_boot() -> Option<Duration> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_what_only_the_boot_clock_saw() {
        let now = now();
        let mut watch = SleepWatch::new(now);
        assert!(!watch.slept(now + Duration::from_secs(60)));
        watch.boot = watch.boot.map(|boot| boot.saturating_sub(Duration::from_secs(60)));
        assert!(watch.slept(watch.at));
    }
}
