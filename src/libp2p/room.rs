//! Room for peers: how many there are, and who has to give way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::proto::LinkIndex;

/// The most peers on one link …
pub(super) const MAX_PEERS: usize = 1024;

/// … of them from one source address.
pub(super) const MAX_PEERS_PER_SOURCE: usize = 256;

/// The bytes of a PeerId.
type Id = Arc<[u8]>;

/// What of a peer decides about its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) source: IpAddr,
    pub(super) since: Instant,
    /// It was heard again after it had been found: it is no invention.
    pub(super) confirmed: bool,
}

/// Whether another peer may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// When this one has gone.
    InPlaceOf(Id),
    None,
}

/// Peers that are counted together.
#[derive(Debug, Default, PartialEq)]
struct Crowd {
    count: usize,
    /// Those that are not confirmed, the oldest first.
    unconfirmed: BTreeSet<(Instant, Id)>,
}

impl Crowd {
    fn enter(&mut self, id: &Id, standing: &Standing) {
        self.count = self.count.saturating_add(1);
        if !standing.confirmed {
            self.unconfirmed.insert((standing.since, Arc::clone(id)));
        }
    }

    /// True if it was the last one.
    fn leave(&mut self, id: &Id, standing: &Standing) -> bool {
        self.count = self.count.saturating_sub(1);
        self.unconfirmed.remove(&(standing.since, Arc::clone(id)));
        self.count == 0
    }

    /// Room in a crowd that is full.
    fn room(&self, now: Instant) -> Room {
        let oldest = self.unconfirmed.first().filter(|(since, _)| *since < now);
        oldest.map_or(Room::None, |(_, id)| Room::InPlaceOf(Arc::clone(id)))
    }
}

/// The peers of all links, by link and by source: a stranger who invents peers finds his own
/// thrown out first, and each costs as little as the first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rooms {
    links: BTreeMap<LinkIndex, Crowd>,
    sources: BTreeMap<(LinkIndex, IpAddr), Crowd>,
}

impl Rooms {
    pub(super) fn enter(&mut self, link: LinkIndex, id: &Id, standing: &Standing) {
        self.links.entry(link).or_default().enter(id, standing);
        self.sources.entry((link, standing.source)).or_default().enter(id, standing);
    }

    pub(super) fn leave(&mut self, link: LinkIndex, id: &Id, standing: &Standing) {
        if self.links.get_mut(&link).is_some_and(|crowd| crowd.leave(id, standing)) {
            self.links.remove(&link);
        }
        let source = (link, standing.source);
        if self.sources.get_mut(&source).is_some_and(|crowd| crowd.leave(id, standing)) {
            self.sources.remove(&source);
        }
    }

    /// How many there are on a link.
    pub(super) fn on(&self, link: LinkIndex) -> usize {
        self.links.get(&link).map_or(0, |crowd| crowd.count)
    }

    /// Room for one more from this source: the oldest that was found and never heard again
    /// makes it.
    pub(super) fn for_one_from(&self, now: Instant, link: LinkIndex, source: IpAddr) -> Room {
        let source = self.sources.get(&(link, source)).filter(|crowd| crowd.count >= MAX_PEERS_PER_SOURCE);
        let link = self.links.get(&link).filter(|crowd| crowd.count >= MAX_PEERS);
        source.or(link).map_or(Room::Free, |full| full.room(now))
    }
}
