//! Bells that ring when the interfaces may have changed. What changed is never taken from
//! them: the list of interfaces is made anew, and that is the truth.
//!
//! if-watch is deaf to much (a carrier that comes or goes, an interface set up again with the
//! address it kept), stays dead once its socket died, and only polls on some systems. So it
//! is one bell of two on Linux, where netlink is the other, and elsewhere the interfaces are
//! looked at every few seconds besides.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::debug;

use super::pace::Gather;

/// Between two looks while netlink tells of every change: only for what nobody foresaw.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Between two looks where changes may pass without a ring.
const POLL: Duration = Duration::from_secs(5);

/// Before a bell that died is hung up again; doubled with each death, up to the last.
const FIRST_REHANG: Duration = Duration::from_secs(1);
const LAST_REHANG: Duration = Duration::from_secs(300);

/// A bell that rings for this long without dying is a good one again.
const GOOD_AFTER: Duration = Duration::from_secs(600);

/// A bell that may die, and is hung up again after a while.
struct Hook<B> {
    bell: Option<B>,
    hung: Instant,
    wait: Duration,
    rehang_at: Option<Instant>,
}

impl<B> Hook<B> {
    fn new(now: Instant, hang: impl FnOnce() -> std::io::Result<B>) -> Self {
        let mut this = Self { bell: None, hung: now, wait: FIRST_REHANG, rehang_at: Some(now) };
        this.rehang(now, hang);
        this
    }

    fn rehang(&mut self, now: Instant, hang: impl FnOnce() -> std::io::Result<B>) {
        if self.bell.is_some() || self.rehang_at.is_none_or(|at| at > now) {
            return;
        }
        match hang() {
            Ok(bell) => {
                self.bell = Some(bell);
                self.hung = now;
                self.rehang_at = None;
            }
            Err(error) => {
                debug!(%error, "no news of interface changes by this way");
                self.died(now);
            }
        }
    }

    fn died(&mut self, now: Instant) {
        if self.bell.take().is_some() && now.saturating_duration_since(self.hung) > GOOD_AFTER {
            self.wait = FIRST_REHANG;
        }
        self.rehang_at = Some(now + self.wait);
        self.wait = self.wait.saturating_mul(2).min(LAST_REHANG);
    }
}

/// Which bell died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rang {
    Changed,
    AddressesDied,
    #[cfg(target_os = "linux")]
    LinksDied,
}

pub(super) struct Watch {
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios", windows))]
    addresses: Hook<if_watch::tokio::IfWatcher>,
    #[cfg(target_os = "linux")]
    links: Hook<super::netlink::Bell>,
    gather: Gather,
    looked: Instant,
}

impl Watch {
    /// Begins to listen; the interfaces are looked at now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios", windows))]
            addresses: Hook::new(now, if_watch::tokio::IfWatcher::new),
            #[cfg(target_os = "linux")]
            links: Hook::new(now, super::netlink::Bell::new),
            gather: Gather::default(),
            looked: now,
        }
    }

    /// Waits for the next ring. May be dropped and called again.
    pub(super) async fn ring(&mut self, now: impl Fn() -> Instant) {
        let rang = poll_fn(|cx| self.poll_ring(cx)).await;
        let now = now();
        match rang {
            Rang::Changed => {}
            Rang::AddressesDied => {
                #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios", windows))]
                self.addresses.died(now);
            }
            #[cfg(target_os = "linux")]
            Rang::LinksDied => self.links.died(now),
        }
        self.gather.ring(now);
    }

    fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<Rang> {
        let mut rang = Poll::Pending;
        #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios", windows))]
        if let Some(bell) = &mut self.addresses.bell {
            // It tells of one address at a time, of every one at the start. Bounded, as
            // nothing says that it ever ends.
            for _ in 0..256 {
                match bell.poll_if_event(cx) {
                    Poll::Ready(Ok(_)) => rang = Poll::Ready(Rang::Changed),
                    Poll::Ready(Err(error)) => {
                        debug!(%error, "if-watch died");
                        return Poll::Ready(Rang::AddressesDied);
                    }
                    Poll::Pending => break,
                }
            }
        }
        #[cfg(target_os = "linux")]
        if let Some(bell) = &mut self.links.bell {
            match bell.poll_ring(cx) {
                Poll::Ready(Ok(())) => rang = Poll::Ready(Rang::Changed),
                Poll::Ready(Err(error)) => {
                    debug!(%error, "netlink died");
                    return Poll::Ready(Rang::LinksDied);
                }
                Poll::Pending => {}
            }
        }
        let _ = cx;
        rang
    }

    /// Something else gives reason to look soon.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.gather.ring(now);
    }

    /// When to look at the interfaces next.
    pub(super) fn due(&self) -> Instant {
        #[cfg(target_os = "linux")]
        let every = if self.links.bell.is_some() { HEARTBEAT } else { POLL };
        #[cfg(not(target_os = "linux"))]
        let every = POLL;
        let regular = self.looked + every;
        self.gather.due().map_or(regular, |due| due.min(regular))
    }

    /// They were looked at now. Also hangs up again what died.
    pub(super) fn looked(&mut self, now: Instant) {
        self.gather.acted(now);
        self.looked = now;
        #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios", windows))]
        self.addresses.rehang(now, if_watch::tokio::IfWatcher::new);
        #[cfg(target_os = "linux")]
        self.links.rehang(now, super::netlink::Bell::new);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_that_dies_again_and_again_is_hung_up_ever_more_seldom() {
        let start = crate::net::clock::now();
        let mut now = start;
        let mut hangs = 0;
        let mut hook = Hook::new(now, || Ok(()));
        while now < start + Duration::from_secs(3600) {
            if hook.bell.is_some() {
                hook.died(now);
            }
            now += Duration::from_secs(1);
            hook.rehang(now, || {
                hangs += 1;
                Ok(())
            });
        }
        assert!((5..25).contains(&hangs), "{hangs}");
    }
}
