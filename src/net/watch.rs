//! Bells that ring when the interfaces may have changed. What changed is never taken from
//! them: the list of interfaces is made anew, and that is the truth.
//!
//! On Linux the bell is netlink, which tells of everything. On macOS, iOS and Windows it is
//! if-watch, which is deaf to much (a carrier that comes or goes, an interface set up again
//! with the address it kept): there the interfaces are looked at every few seconds besides, as
//! they are where nothing tells of changes.

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::debug;

use super::heartbeat::Heartbeat;
use super::pace::Gather;

/// Between two looks while netlink tells of every change: only for what nobody foresaw.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Between two looks where changes may pass without a ring.
const POLL: Duration = Duration::from_secs(5);

/// After the first ring others are waited for, for this long.
const SETTLE: Duration = Duration::from_millis(200);

/// While changes go on they are looked at once in this time.
const APART: Duration = Duration::from_secs(2);

/// Before a bell that died is hung up again; doubled with each death, up to the last.
const FIRST_REHANG: Duration = Duration::from_secs(1);
const LAST_REHANG: Duration = Duration::from_secs(300);

/// A bell that rings for this long without dying is a good one again.
const GOOD_AFTER: Duration = Duration::from_secs(600);

/// Something that tells of changes, until it dies.
pub(super) trait Bell: Sized {
    fn hang() -> io::Result<Self>;

    /// Ready when it rang, or with an error when it is dead.
    fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

#[cfg(target_os = "linux")]
mod system {
    use super::*;

    pub(super) type SystemBell = crate::net::netlink::Bell;

    /// It rings for whatever changes.
    pub(super) const HEARS_ALL: bool = true;

    impl Bell for SystemBell {
        fn hang() -> io::Result<Self> {
            Self::hang()
        }

        fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_ring(cx)
        }
    }
}

/// Where if-watch is told of changes; elsewhere it only polls, and not as often as we do.
#[cfg(any(target_os = "macos", target_os = "ios", windows))]
mod system {
    use super::*;

    pub(super) type SystemBell = if_watch::tokio::IfWatcher;

    pub(super) const HEARS_ALL: bool = false;

    impl Bell for SystemBell {
        fn hang() -> io::Result<Self> {
            Self::new()
        }

        fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut rang = Poll::Pending;
            // It tells of one address at a time, of every one at the start. Bounded, as
            // nothing says that it ever ends.
            for _ in 0..256 {
                match self.poll_if_event(cx) {
                    Poll::Ready(Ok(_)) => rang = Poll::Ready(Ok(())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            rang
        }
    }
}

/// Where nothing tells of changes.
#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "ios", windows)))]
mod system {
    use super::*;

    #[derive(Debug)]
    pub(super) struct SystemBell;

    pub(super) const HEARS_ALL: bool = false;

    impl Bell for SystemBell {
        fn hang() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn poll_ring(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
}

use system::{HEARS_ALL, SystemBell};

/// A bell that may die, and is hung up again after a while.
#[derive(Debug)]
struct Hook<B> {
    bell: Option<B>,
    hung: Instant,
    wait: Duration,
    rehang_at: Instant,
}

impl<B: Bell> Hook<B> {
    fn new(now: Instant) -> Self {
        let mut this = Self { bell: None, hung: now, wait: FIRST_REHANG, rehang_at: now };
        this.rehang(now);
        this
    }

    fn rehang(&mut self, now: Instant) {
        if self.bell.is_some() || self.rehang_at > now {
            return;
        }
        match B::hang() {
            Ok(bell) => {
                self.bell = Some(bell);
                self.hung = now;
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
        self.rehang_at = now + self.wait;
        self.wait = self.wait.saturating_mul(2).min(LAST_REHANG);
    }

    /// True if it rang; to die counts as well.
    fn poll_ring(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(bell) = &mut self.bell else { return false };
        match bell.poll_ring(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                debug!(%error, "a bell died");
                self.died(super::clock::now());
                true
            }
        }
    }
}

pub(super) struct Watch {
    bell: Hook<SystemBell>,
    gather: Gather,
    looked: Instant,
    heartbeat: Heartbeat,
}

impl Watch {
    /// Begins to listen; the interfaces are looked at now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bell: Hook::new(now),
            gather: Gather::new(SETTLE, APART),
            looked: now,
            heartbeat: Heartbeat::new(),
        }
    }

    /// Ready at the next ring, or when it is time to look in any case.
    pub(super) fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rang = self.bell.poll_ring(cx);
        if rang {
            self.gather.ring(super::clock::now());
        }
        let beat = self.heartbeat.poll(cx).is_ready();
        if rang || beat { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Something else gives reason to look soon.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.gather.ring(now);
    }

    /// When to look at the interfaces next.
    pub(super) fn due(&self) -> Instant {
        let regular = if self.heartbeat.has_beaten() { self.looked } else { self.looked + self.every() };
        self.gather.due().map_or(regular, |due| due.min(regular))
    }

    /// When to wake up for that, if [`poll_ring`](Self::poll_ring) does not do it.
    pub(super) fn alarm(&self) -> Option<Instant> {
        if self.heartbeat.runs() { self.gather.due() } else { Some(self.due()) }
    }

    fn every(&self) -> Duration {
        if self.is_polling() { POLL } else { HEARTBEAT }
    }

    /// Whether the interfaces are looked at every few seconds, as nothing tells of changes.
    pub(super) fn is_polling(&self) -> bool {
        !HEARS_ALL || self.bell.bell.is_none()
    }

    /// They were looked at now, and were other than before or not. Also hangs up again what
    /// died.
    pub(super) fn looked(&mut self, now: Instant, changed: bool) {
        self.gather.acted(now, changed);
        self.looked = now;
        self.bell.rehang(now);
        self.heartbeat.set(self.every());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local!(static HANGS: Cell<u32> = const { Cell::new(0) });

    #[derive(Debug)]
    struct Cracked;

    impl Bell for Cracked {
        fn hang() -> io::Result<Self> {
            HANGS.set(HANGS.get() + 1);
            Ok(Self)
        }

        fn poll_ring(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
    }

    #[test]
    fn a_bell_that_dies_again_and_again_is_hung_up_ever_more_seldom() {
        let start = crate::net::clock::now();
        let mut now = start;
        let mut hook = Hook::<Cracked>::new(now);
        while now < start + Duration::from_secs(3600) {
            if hook.bell.is_some() {
                hook.died(now);
            }
            now += Duration::from_secs(1);
            hook.rehang(now);
        }
        assert!((5..25).contains(&HANGS.get()), "{}", HANGS.get());
    }
}
