//! The only place where clocks are read.

use std::time::{Duration, Instant};

/// A jump of this much is a sleep of the machine or a stop of the process: what waits in the
/// socket buffers is out of date then, and so may be the network.
pub(super) const GAP: Duration = Duration::from_secs(30);

/// The time. Tokio's, so that a paused clock in a caller's tests is one for us as well.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
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

/// How long the machine is up, its sleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_ascii_whitespace().next()?.parse().ok()?).ok()
}

/// No such clock can be read without a call of our own into the system: the time of day does
/// instead. When somebody sets it by more than half a minute, that looks like a sleep, and
/// costs a round of probes and questions.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
fn since_boot() -> Option<Duration> {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()
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
