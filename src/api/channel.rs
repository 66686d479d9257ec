//! How a handle and the task hold on to each other: each learns of the other's end.

use std::sync::Arc;

use tokio::sync::mpsc::{self, OwnedPermit, error::TrySendError};
use tokio::sync::oneshot;

use super::Error;
use crate::net::{Command, Key};

/// How many handles may be open and commands waiting, together. Far beyond any use; it keeps
/// a caller's runaway loop from eating the memory.
pub(super) const COMMANDS: usize = 16 * 1024;

/// What a handle reads from: can be told that nothing more will come.
pub(crate) trait Close {
    fn close(&self);
}

/// The task's side of what a handle reads from. Wherever it is dropped, in a command that
/// nobody took or with the task and its runtime, the reader learns that this was all.
#[derive(Debug)]
pub(crate) struct Writer<T: Close>(Arc<T>);

impl<T: Close> Writer<T> {
    pub(crate) fn new(read: &Arc<T>) -> Self {
        Self(Arc::clone(read))
    }
}

impl<T: Close> std::ops::Deref for Writer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Close> Drop for Writer<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

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
