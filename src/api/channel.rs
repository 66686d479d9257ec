//! How a handle speaks to the task, and how the task learns of its end.

use tokio::sync::mpsc::{self, OwnedPermit, error::TrySendError};
use tokio::sync::oneshot;

use super::Error;
use crate::net::{Command, Key};

/// How many handles may be open and commands waiting, together. Far beyond any use; it keeps
/// a caller's runaway loop from eating the memory.
pub(super) const COMMANDS: usize = 16 * 1024;

/// The end of a handle: tells the task when it is dropped. Its place in the channel was
/// reserved at the beginning, so that it neither waits nor fails nor overtakes.
#[derive(Debug)]
pub(crate) struct Farewell {
    key: Key,
    permit: Option<OwnedPermit<Command>>,
}

impl Farewell {
    pub(super) fn new(key: Key, permit: OwnedPermit<Command>) -> Self {
        Self { key, permit: Some(permit) }
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Says it in other words than [`Command::End`].
    pub(crate) fn say(mut self, command: impl FnOnce(Key) -> Command) {
        if let Some(permit) = self.permit.take() {
            permit.send(command(self.key));
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.send(Command::End { key: self.key });
        }
    }
}

/// What the task answers; nothing if it ended before. A command that comes to a channel whose
/// reader is gone stays there unread, so that the end of the reader has to be looked at too.
pub(super) async fn answer<T>(commands: &mpsc::Sender<Command>, answer: oneshot::Receiver<T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = answer => answer.ok(),
        () = commands.closed() => None,
    }
}

pub(super) fn send(commands: &mpsc::Sender<Command>, command: Command) -> Result<(), Error> {
    commands.try_send(command).map_err(|error| refused(&error))
}

pub(super) fn refused<T>(error: &TrySendError<T>) -> Error {
    match error {
        TrySendError::Full(_) => Error::Busy { limit: COMMANDS },
        TrySendError::Closed(_) => Error::Stopped,
    }
}
