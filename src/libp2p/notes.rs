//! What there is to say about a peer beside whom it found.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::static_peers::StaticPeerError;
use crate::api::{Error, StatusWatch, WeakMdns};
use crate::name::InstanceName;
use crate::net::Status;

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
    readers: Vec<Waker>,
}

/// The notes about one peer, for all who watch its status.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    inner: Mutex<Inner>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes something down; `change` says whether it was news.
    fn note(&self, change: impl FnOnce(&mut Inner) -> bool) {
        let mut inner = self.lock();
        if !change(&mut inner) {
            return;
        }
        inner.version = inner.version.wrapping_add(1);
        let readers = std::mem::take(&mut inner.readers);
        drop(inner);
        readers.into_iter().for_each(Waker::wake);
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
    seen: Option<u64>,
    watch: Option<StatusWatch>,
    network: Option<Status>,
}

impl StatusStream {
    pub(crate) fn new(notes: &Arc<Notes>) -> Self {
        Self { notes: Arc::clone(notes), seen: None, watch: None, network: None }
    }

    /// The next status; waits for a change. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<PeerStatus> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Whether the network has something new.
    fn poll_network(&mut self, cx: &mut Context<'_>) -> bool {
        if self.watch.is_none() {
            self.watch = self.notes.lock().mdns.as_ref().and_then(|mdns| mdns.watch_status().ok());
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
        let this = &mut *self;
        let mut inner = this.notes.lock();
        if inner.ended {
            return Poll::Ready(None);
        }
        if !news && this.seen == Some(inner.version) {
            if !inner.readers.iter().any(|reader| reader.will_wake(cx.waker())) {
                inner.readers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        this.seen = Some(inner.version);
        Poll::Ready(Some(PeerStatus {
            network: this.network.clone(),
            error: inner.error.clone(),
            copied: inner.copied.clone(),
            too_long: inner.too_long.clone(),
            static_peers: inner.sources.values().cloned().collect(),
        }))
    }
}
