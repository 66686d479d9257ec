//! What there is to tell the swarm: the difference between what it knows and what is true.
//!
//! As with a browse, nothing is queued. A pair of a peer and an address that was discovered
//! and expired since the last look is not told at all, so that every pair is discovered once,
//! then expired once, in turn, and memory is bounded by what is alive and what the swarm still
//! takes to be alive.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};

use super::address::PeerAddress;
use crate::net::{Close, Watched};

/// Where the swarm stands with one pair.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    told: bool,
    live: bool,
    on_link: bool,
}

/// What became of pairs since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// On-link addresses first.
    pub(crate) discovered: Vec<(PeerAddress, bool)>,
    pub(crate) expired: Vec<PeerAddress>,
}

#[derive(Debug, Default)]
struct Inner {
    pairs: BTreeMap<PeerAddress, Pair>,
    changed: BTreeSet<PeerAddress>,
}

/// The board between the task and one behaviour.
#[derive(Debug, Default)]
pub(crate) struct Board {
    inner: Watched<Inner>,
}

impl Board {
    /// A pair is alive, or is no longer.
    pub(crate) fn put(&self, address: PeerAddress, live: Option<bool>) {
        self.inner.change_if(|inner| {
            inner.put(address, live);
            !inner.changed.is_empty()
        });
    }

    /// What is new, when there is something.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<News> {
        self.inner.poll(cx, Inner::take)
    }
}

impl Close for Board {
    /// Nothing more will be heard: all that was told expires.
    fn close(&self) {
        self.inner.change_if(|inner| {
            let live: Vec<PeerAddress> = inner.pairs.keys().cloned().collect();
            live.into_iter().for_each(|address| inner.put(address, None));
            !inner.changed.is_empty()
        });
    }
}

impl Inner {
    fn put(&mut self, address: PeerAddress, live: Option<bool>) {
        let pair = self.pairs.entry(address.clone()).or_default();
        pair.live = live.is_some();
        pair.on_link = live.unwrap_or(pair.on_link);
        if pair.told == pair.live {
            self.changed.remove(&address);
            if !pair.live {
                self.pairs.remove(&address);
            }
        } else {
            self.changed.insert(address);
        }
    }

    fn take(&mut self) -> Poll<News> {
        if self.changed.is_empty() {
            return Poll::Pending;
        }
        let mut news = News::default();
        for address in std::mem::take(&mut self.changed) {
            let Some(pair) = self.pairs.get_mut(&address) else { continue };
            pair.told = pair.live;
            if pair.live {
                news.discovered.push((address, pair.on_link));
            } else {
                self.pairs.remove(&address);
                news.expired.push(address);
            }
        }
        news.discovered.sort_by_key(|(_, on_link)| !on_link);
        Poll::Ready(news)
    }
}
