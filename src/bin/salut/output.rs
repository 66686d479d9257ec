//! Lines on stdout, each out at once, also into a pipe.

use std::io;
use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::failure::Failure;

/// How long the last line may wait for a reader that is slow.
const MOST_FOR_LAST_LINE: Duration = Duration::from_millis(200);

/// Stdout. Writing is waited for, not blocked on: whoever reads slowly delays neither the
/// network nor the answer to a signal.
pub(crate) struct Output {
    stdout: tokio::io::Stdout,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { stdout: tokio::io::stdout() }
    }

    /// Prints a line and flushes it.
    pub(crate) async fn line(&mut self, line: &str) -> Result<(), Failure> {
        let line = format!("{line}\n");
        let written = async {
            self.stdout.write_all(line.as_bytes()).await?;
            self.stdout.flush().await
        };
        written.await.map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Run(format!("cannot write to standard output: {error}")),
        })
    }

    /// Prints a line that nobody may be there to read.
    pub(crate) async fn last_line(&mut self, line: &str) {
        let _ = tokio::time::timeout(MOST_FOR_LAST_LINE, self.line(line)).await;
    }
}

/// Whether a person looks at stdout.
pub(crate) fn is_watched() -> bool {
    io::stdout().is_terminal()
}
