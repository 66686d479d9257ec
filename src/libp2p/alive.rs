//! Where each address is alive: on which links, and by whose word without one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::address::PeerAddress;
use crate::proto::LinkIndex;

/// A change of what is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) address: PeerAddress,
    /// Whether it is on one of our links; `None` when it is alive no longer.
    pub(crate) live: Option<bool>,
}

/// How an address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Link(LinkIndex),
    Static(u64),
}

#[derive(Debug, Default)]
pub(super) struct Alive {
    /// Whether an address is on a link of ours, by how it is known.
    addresses: BTreeMap<PeerAddress, BTreeMap<Origin, bool>>,
    /// What each source of static peers gave last.
    statics: BTreeMap<u64, BTreeSet<PeerAddress>>,
    changes: VecDeque<Change>,
}

impl Alive {
    /// What became alive, or is no longer.
    pub(super) fn poll(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// It was heard on a link. `on_link`: it belongs to that network.
    pub(super) fn heard(&mut self, link: LinkIndex, address: &PeerAddress, on_link: bool) {
        self.begin(Origin::Link(link), address, on_link);
    }

    /// It is good no longer on a link.
    pub(super) fn ended(&mut self, link: LinkIndex, address: &PeerAddress) {
        self.end(Origin::Link(link), address);
    }

    /// All that a source of static peers gives, in place of what it gave before.
    pub(super) fn set_static(&mut self, source: u64, addresses: BTreeSet<PeerAddress>) {
        let before = self.statics.insert(source, addresses.clone()).unwrap_or_default();
        for address in before.difference(&addresses) {
            self.end(Origin::Static(source), address);
        }
        for address in addresses.difference(&before) {
            self.begin(Origin::Static(source), address, false);
        }
    }

    fn begin(&mut self, origin: Origin, address: &PeerAddress, on_link: bool) {
        self.addresses.entry(address.clone()).or_default().insert(origin, on_link);
        self.tell(address);
    }

    fn end(&mut self, origin: Origin, address: &PeerAddress) {
        if let Some(origins) = self.addresses.get_mut(address) {
            origins.remove(&origin);
        }
        self.tell(address);
    }

    fn tell(&mut self, address: &PeerAddress) {
        let live = self.addresses.get(address).and_then(|origins| origins.values().copied().max());
        if live.is_none() {
            self.addresses.remove(address);
        }
        self.changes.push_back(Change { address: address.clone(), live });
    }
}
