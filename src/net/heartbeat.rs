//! The regular look at everything, for what nobody told of.
//!
//! Tokio keeps its timers in wheels: one that is a minute away wakes the thread two or three
//! times on its way. A timer of the system wakes it once, and Linux has one that goes on
//! counting while the machine sleeps, so that it has run out when the machine wakes up.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod timer {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::*;

    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
            // Deprecated in favour of one that takes nothing but what has an owned descriptor, as
            // this here; older versions of tokio lack that one.
            #[allow(deprecated, reason = "see above")]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Self(timer))
        }

        pub(super) fn set(&self, wait: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Itimerspec { it_interval: zero, it_value: wait.try_into().unwrap_or(zero) };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &value)?;
            Ok(())
        }

        pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
            // Setting it anew makes it unreadable again; it need not be read.
            match self.0.poll_read_ready(cx) {
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    Poll::Ready(())
                }
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod timer {
    use super::*;

    /// No such timer here.
    #[derive(Debug)]
    pub(super) enum Timer {}

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn set(&self, _: Duration) -> io::Result<()> {
            match *self {}
        }

        pub(super) fn poll(&self, _: &mut Context<'_>) -> Poll<()> {
            match *self {}
        }
    }
}

/// A timer of the system, where there is one.
#[derive(Debug)]
pub(super) struct Heartbeat {
    timer: Option<timer::Timer>,
    /// It has run out, and was not set again.
    beaten: bool,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        let timer = timer::Timer::new();
        if let Err(error) = &timer {
            tracing::debug!(%error, "no timer of the system");
        }
        Self { timer: timer.ok(), beaten: false }
    }

    /// Runs out after `wait` from now, a sleep of the machine included.
    pub(super) fn set(&mut self, wait: Duration) {
        self.beaten = false;
        if self.timer.as_ref().is_some_and(|timer| timer.set(wait).is_err()) {
            self.timer = None;
        }
    }

    /// Whether it runs; else another timer is needed.
    pub(super) fn runs(&self) -> bool {
        self.timer.is_some()
    }

    /// Whether it has run out.
    pub(super) fn has_beaten(&self) -> bool {
        self.beaten
    }

    /// Ready when it runs out.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.timer {
            Some(timer) if !self.beaten => {
                let ran_out = timer.poll(cx);
                self.beaten = ran_out.is_ready();
                ran_out
            }
            _ => Poll::Pending,
        }
    }
}
