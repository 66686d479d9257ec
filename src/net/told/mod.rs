//! What the task tells each handle. Nothing is queued: the task notes what is true, and the
//! handle reads what is new of it. Each learns of the other's end.

mod catalogue;
mod mailbox;
mod newest;
mod news;
mod watched;

pub use news::AnnouncementEvent;

pub(crate) use catalogue::Catalogue;
pub(crate) use mailbox::Mailbox;
pub(crate) use newest::Newest;
pub(crate) use news::{News, Unseen};
#[cfg(test)]
pub(crate) use watched::tests::Count;
#[cfg(feature = "_libp2p")]
pub(crate) use watched::{Reader, Watched};

use std::sync::Arc;

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
