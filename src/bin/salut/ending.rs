//! What ends a run from outside: a signal, or nobody reading any more.

pub(crate) use system::Ending;

#[cfg(unix)]
mod system {
    use std::io;
    use std::os::fd::AsFd as _;

    use tokio::io::Interest;
    use tokio::net::unix::pipe;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use crate::failure::Failure;

    /// Signals are remembered from the moment this is made.
    pub(crate) struct Ending {
        interrupt: Signal,
        terminate: Signal,
        /// The terminal was closed. `None` under `nohup`, which says to stay.
        hangup: Option<Signal>,
        /// `None` where stdout is a file or the like, which nobody closes. Never written to:
        /// that would need the pipe to be non-blocking, for whoever shares it with us too.
        stdout: Option<pipe::Sender>,
    }

    impl Ending {
        pub(crate) fn watch() -> io::Result<Self> {
            let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup,
                // `salut announce | head -1` perhaps never prints a second line: without
                // this it would not notice that head is gone. (Linux tells; other systems
                // tell at the next line.)
                stdout: io::stdout()
                    .as_fd()
                    .try_clone_to_owned()
                    .and_then(pipe::Sender::from_owned_fd_unchecked)
                    .ok(),
            })
        }

        /// Waits for either. `Unread` when nobody reads stdout any more.
        pub(crate) async fn wait(&mut self) -> Result<(), Failure> {
            let Self { interrupt, terminate, hangup, stdout } = self;
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
                Some(()) = async { hangup.as_mut()?.recv().await } => Ok(()),
                Some(()) = unread(stdout.as_ref()) => Err(Failure::Unread),
            }
        }
    }

    /// Ends when the other end of stdout is closed; with `None` where that cannot be seen.
    async fn unread(stdout: Option<&pipe::Sender>) -> Option<()> {
        stdout?.ready(Interest::ERROR).await.ok().map(|_| ())
    }

    /// Asked of the kernel where that needs no unsafe code; elsewhere SIGHUP always ends us.
    fn hangup_is_ignored() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    use crate::failure::Failure;

    /// Signals are remembered from the moment this is made.
    pub(crate) struct Ending {
        interrupt: CtrlC,
        stop: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Ending {
        pub(crate) fn watch() -> io::Result<Self> {
            Ok(Self {
                interrupt: ctrl_c()?,
                stop: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        }

        /// Waits for one. A closed stdout shows at the next line only.
        pub(crate) async fn wait(&mut self) -> Result<(), Failure> {
            tokio::select! {
                _ = self.interrupt.recv() => Ok(()),
                _ = self.stop.recv() => Ok(()),
                _ = self.close.recv() => Ok(()),
                _ = self.shutdown.recv() => Ok(()),
            }
        }
    }
}
