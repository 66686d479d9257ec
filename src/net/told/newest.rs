//! The status as it is now.

use std::task::{Context, Poll};

use super::Close;
use super::watched::Watched;
use crate::net::Status;

/// The newest status, between the task and its reader.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    inner: Watched<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    unread: Option<Status>,
    /// Nothing more will come.
    closed: bool,
    /// Nobody will read it.
    left: bool,
}

impl Newest {
    /// Takes the place of what was not read.
    pub(crate) fn put(&self, status: Status) {
        self.inner.change(|inner| inner.unread = Some(status));
    }

    /// The reader goes.
    pub(crate) fn leave(&self) {
        self.inner.with(|inner| inner.left = true);
    }

    /// Whether the reader has gone.
    pub(crate) fn is_left(&self) -> bool {
        self.inner.with(|inner| inner.left)
    }

    /// The status, if it was not read yet; `None` at the end.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        self.inner.poll(cx, |inner| match inner.unread.take() {
            None if !inner.closed => Poll::Pending,
            unread => Poll::Ready(unread),
        })
    }
}

impl Close for Newest {
    fn close(&self) {
        self.inner.change(|inner| inner.closed = true);
    }
}
