//! The status as it changes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::net::{Newest, Status};

/// The [`Status`] of an [`Mdns`](super::Mdns), now and whenever it changes, until this is
/// dropped.
///
/// The first item is the status as it is. After that one comes when an interface came, went or
/// changed, when something failed or works again, or when another program took or left the
/// port; not when only the numbers grew. Reading is never urgent: an unread watch holds the
/// newest status and nothing else.
///
/// Ends (`None`) when the [`Mdns`](super::Mdns) was shut down or its runtime was. It is a
/// [`Stream`] as well. It does not keep the `Mdns` alive.
///
/// ```no_run
/// # async fn f(mdns: salut::Mdns) -> Result<(), salut::Error> {
/// let mut watch = mdns.watch_status()?;
/// while let Some(status) = watch.next().await {
///     for error in status.errors() {
///         eprintln!("{error}");
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StatusWatch {
    pub(super) newest: Arc<Newest>,
}

impl StatusWatch {
    /// The next status; waits for a change. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Status> {
        poll_fn(|cx| self.newest.poll(cx)).await
    }
}

impl Stream for StatusWatch {
    type Item = Status;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        self.newest.poll(cx)
    }
}

impl Drop for StatusWatch {
    fn drop(&mut self) {
        self.newest.leave();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::net::Close as _;
    use crate::proto::Counters;

    fn status(polling: bool) -> Status {
        Status {
            links: Vec::new(),
            unused: Vec::new(),
            list_error: None,
            polling,
            holders: None,
            counters: Counters::default(),
        }
    }

    #[test]
    fn an_unread_watch_holds_the_newest_alone_and_ends_after_it() {
        let newest = Arc::new(Newest::default());
        let mut watch = StatusWatch { newest: Arc::clone(&newest) };
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut watch).poll_next(&mut cx).is_pending());
        newest.put(status(false));
        newest.put(status(true));
        let Poll::Ready(Some(told)) = Pin::new(&mut watch).poll_next(&mut cx) else { panic!() };
        assert!(told.polling);
        assert!(Pin::new(&mut watch).poll_next(&mut cx).is_pending());
        newest.put(status(false));
        newest.close();
        assert!(matches!(Pin::new(&mut watch).poll_next(&mut cx), Poll::Ready(Some(_))));
        assert!(matches!(Pin::new(&mut watch).poll_next(&mut cx), Poll::Ready(None)));
        assert!(!newest.is_left());
        drop(watch);
        assert!(newest.is_left());
    }
}
