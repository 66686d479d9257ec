//! A standing question for the service types that anybody offers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Farewell;
use crate::net::Catalogue;
use crate::service::TypeChange;

/// The service types that are offered, as they come and go, until this is dropped.
///
/// Like a [`Browse`](super::Browse) it holds the net change since it was last read: a type
/// that came and went meanwhile is not told at all. It ends (`None`) when the
/// [`Mdns`](super::Mdns) was shut down, and is a [`Stream`] as well.
#[derive(Debug)]
pub struct BrowseTypes {
    pub(super) catalogue: Arc<Catalogue>,
    /// Ends the browse when it is dropped.
    pub(super) _farewell: Farewell,
}

impl BrowseTypes {
    /// The next change; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TypeChange> {
        poll_fn(|cx| self.catalogue.poll(cx)).await
    }
}

impl Stream for BrowseTypes {
    type Item = TypeChange;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TypeChange>> {
        self.catalogue.poll(cx)
    }
}
