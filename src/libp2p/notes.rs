//! What there is to say about a peer beside whom it found.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::static_peers::StaticPeerError;
use crate::api::{Error, StatusWatch, WeakMdns};
use crate::name::InstanceName;
use crate::net::{Reader, Status, Watched};

/// Another host announces itself under this peer's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedIdentity {
    /// An address it was heard from, if it was heard itself.
    pub source: Option<IpAddr>,
    /// The name that this peer had to take instead of its own, if it did.
    pub renamed_to: Option<InstanceName>,
}

/// How one source of static peers fares.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticPeersStatus {
    /// The file, or what else it is.
    pub source: String,
    /// How many addresses of peers it has given.
    pub addresses: usize,
    /// What is wrong with the rest.
    pub errors: Vec<StaticPeerError>,
}

/// How a peer fares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Interfaces and families: what works, and what the operating system refused. Nothing
    /// before the peer has started and after it has ended.
    pub network: Option<Status>,
    /// Why it could not be started, if so.
    pub error: Option<Error>,
    /// Another host has this peer's identity. Each needs a key pair of its own.
    pub copied: Option<CopiedIdentity>,
    /// Listen addresses that are too long to be announced: over 255 bytes with `dnsaddr=`.
    pub too_long: Vec<String>,
    /// The sources of static peers.
    pub static_peers: Vec<StaticPeersStatus>,
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    mdns: Option<WeakMdns>,
    error: Option<Error>,
    copied: Option<CopiedIdentity>,
    too_long: Vec<String>,
    sources: BTreeMap<u64, StaticPeersStatus>,
    ended: bool,
    /// How many readers there have been.
    readers: u64,
}

/// The notes about one peer, for all who watch its status.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    inner: Watched<Inner>,
}

impl Notes {
    /// Writes something down; `change` says whether it was news.
    fn note(&self, change: impl FnOnce(&mut Inner) -> bool) {
        self.inner.change_if(|inner| {
            let news = change(inner);
            inner.version = inner.version.wrapping_add(news.into());
            news
        });
    }

    pub(crate) fn started(&self, mdns: WeakMdns) {
        self.note(|inner| {
            inner.mdns = Some(mdns);
            true
        });
    }

    pub(crate) fn failed(&self, error: Error) {
        self.note(|inner| {
            inner.error = Some(error);
            true
        });
    }

    pub(crate) fn ended(&self) {
        self.note(|inner| !std::mem::replace(&mut inner.ended, true));
    }

    /// Another host has our identity. True if that is news.
    pub(crate) fn copied(&self, source: Option<IpAddr>, renamed_to: Option<InstanceName>) -> bool {
        let mut first = false;
        self.note(|inner| {
            first = inner.copied.is_none();
            let before = inner.copied.clone();
            let copied = inner.copied.get_or_insert(CopiedIdentity { source: None, renamed_to: None });
            copied.source = copied.source.or(source);
            copied.renamed_to = renamed_to.or(copied.renamed_to.take());
            inner.copied != before
        });
        first
    }

    pub(crate) fn set_too_long(&self, too_long: Vec<String>) {
        self.note(|inner| {
            let news = inner.too_long != too_long;
            inner.too_long = too_long;
            news
        });
    }

    pub(crate) fn set_source(
        &self,
        origin: u64,
        source: &str,
        addresses: usize,
        errors: Vec<StaticPeerError>,
    ) {
        let status = StaticPeersStatus { source: source.to_owned(), addresses, errors };
        self.note(|inner| inner.sources.insert(origin, status.clone()).as_ref() != Some(&status));
    }
}

/// The [`PeerStatus`] of a behaviour, now and whenever it changes. A
/// [`Stream`](futures_core::Stream); it ends when the behaviour was dropped or shut down.
/// Reading is never urgent: it holds the newest status and nothing else.
///
/// ```no_run
/// # async fn f(mut status: salut::libp2p::StatusStream) {
/// while let Some(status) = status.next().await {
///     for error in status.network.iter().flat_map(|network| network.errors()) {
///         eprintln!("{error}");
///     }
///     if status.copied.is_some() {
///         eprintln!("another host has this peer's key pair");
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct StatusStream {
    notes: Arc<Notes>,
    reader: Reader,
    seen: Option<u64>,
    watch: Option<StatusWatch>,
    network: Option<Status>,
}

impl StatusStream {
    pub(crate) fn new(notes: &Arc<Notes>) -> Self {
        let reader = notes.inner.with(|inner| {
            inner.readers = inner.readers.wrapping_add(1);
            Reader(inner.readers)
        });
        Self { notes: Arc::clone(notes), reader, seen: None, watch: None, network: None }
    }

    /// The next status; waits for a change. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<PeerStatus> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Whether the network has something new.
    fn poll_network(&mut self, cx: &mut Context<'_>) -> bool {
        if self.watch.is_none() {
            let watch = |inner: &mut Inner| inner.mdns.as_ref()?.watch_status().ok();
            self.watch = self.notes.inner.with(watch);
        }
        let mut news = false;
        while let Some(watch) = &mut self.watch {
            match Pin::new(watch).poll_next(cx) {
                Poll::Ready(Some(status)) => self.network = Some(status),
                Poll::Ready(None) => {
                    self.network = None;
                    return false;
                }
                Poll::Pending => break,
            }
            news = true;
        }
        news
    }
}

impl Stream for StatusStream {
    type Item = PeerStatus;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerStatus>> {
        let news = self.poll_network(cx);
        let Self { notes, reader, seen, network, .. } = &mut *self;
        notes.inner.poll_as(*reader, cx, |inner| {
            if inner.ended {
                return Poll::Ready(None);
            }
            if !news && *seen == Some(inner.version) {
                return Poll::Pending;
            }
            *seen = Some(inner.version);
            Poll::Ready(Some(PeerStatus {
                network: network.clone(),
                error: inner.error.clone(),
                copied: inner.copied.clone(),
                too_long: inner.too_long.clone(),
                static_peers: inner.sources.values().cloned().collect(),
            }))
        })
    }
}

impl Drop for StatusStream {
    fn drop(&mut self) {
        self.notes.inner.leave(self.reader);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::net::Count;

    #[test]
    fn each_reader_is_woken_by_news_and_learns_of_the_end() {
        let notes = Arc::new(Notes::default());
        let mut readers: Vec<_> = (0..2).map(|_| (StatusStream::new(&notes), Count::task())).collect();
        let mut read = |reader: usize| {
            let (stream, (_, waker)) = &mut readers[reader];
            Pin::new(stream).poll_next(&mut Context::from_waker(waker))
        };
        for reader in [0, 1] {
            assert!(matches!(read(reader), Poll::Ready(Some(status)) if status.too_long.is_empty()));
            assert!(read(reader).is_pending());
        }
        notes.set_too_long(Vec::new());
        notes.set_too_long(vec!["/dns4/long".to_owned()]);
        assert!(matches!(read(0), Poll::Ready(Some(status)) if status.too_long.len() == 1));
        assert!(read(0).is_pending());
        notes.ended();
        notes.ended();
        assert!(matches!((read(0), read(1)), (Poll::Ready(None), Poll::Ready(None))));
        let woken: Vec<usize> = readers.iter().map(|(_, (count, _))| count.woken()).collect();
        assert_eq!(woken, [2, 1]);
    }
}
