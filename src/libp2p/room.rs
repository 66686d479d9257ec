//! Room for peers: how many there are, and who has to give way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::proto::LinkIndex;

/// The most peers on one link …
pub(super) const MAX_PEERS: usize = 1024;

/// … of them from one source address.
pub(super) const MAX_PEERS_PER_SOURCE: usize = 256;

/// A peer that was found and not heard again for so long may be an invention: it gives way to
/// others of its source. By then an announcement has been repeated twice, after 1 and 3 s, and
/// three questions have been asked that those answer who are there.
const UNHEARD: Duration = Duration::from_secs(10);

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

/// Peers that are counted together, the oldest first.
#[derive(Debug, Default, PartialEq)]
struct Crowd {
    confirmed: BTreeSet<(Instant, Id)>,
    unconfirmed: BTreeSet<(Instant, Id)>,
}

impl Crowd {
    fn count(&self) -> usize {
        self.confirmed.len().saturating_add(self.unconfirmed.len())
    }

    fn of(&mut self, standing: &Standing) -> &mut BTreeSet<(Instant, Id)> {
        if standing.confirmed { &mut self.confirmed } else { &mut self.unconfirmed }
    }

    fn enter(&mut self, id: &Id, standing: &Standing) {
        self.of(standing).insert((standing.since, Arc::clone(id)));
    }

    fn leave(&mut self, id: &Id, standing: &Standing) {
        self.of(standing).remove(&(standing.since, Arc::clone(id)));
    }

    /// In place of the oldest that was never heard again, whatever its age.
    fn room(&self) -> Room {
        self.unconfirmed.first().map_or(Room::None, |(_, id)| Room::InPlaceOf(Arc::clone(id)))
    }

    /// The same, or in place of the one that has come last.
    fn share(&self) -> Room {
        let last = self.unconfirmed.first().or_else(|| self.confirmed.last());
        last.map_or(Room::None, |(_, id)| Room::InPlaceOf(Arc::clone(id)))
    }

    /// In place of one that has had its time to be heard again.
    fn patient_room(&self, now: Instant) -> Room {
        let oldest = self.unconfirmed.first();
        let over = oldest.is_some_and(|(since, _)| now.saturating_duration_since(*since) >= UNHEARD);
        if over { self.room() } else { Room::None }
    }
}

/// The peers of one link, and of each source on it.
#[derive(Debug, Default, PartialEq)]
struct Hall {
    all: Crowd,
    sources: BTreeMap<IpAddr, Crowd>,
    /// The sources by how many peers they have …
    sizes: BTreeSet<(usize, IpAddr)>,
    /// … and those that have peers which are not confirmed, by how many these are.
    ranks: BTreeSet<(usize, IpAddr)>,
}

impl Hall {
    /// A peer of this source comes or goes.
    fn change(&mut self, source: IpAddr, change: impl Fn(&mut Crowd)) {
        change(&mut self.all);
        let crowd = self.sources.entry(source).or_default();
        self.sizes.remove(&(crowd.count(), source));
        self.ranks.remove(&(crowd.unconfirmed.len(), source));
        change(crowd);
        if !crowd.unconfirmed.is_empty() {
            self.ranks.insert((crowd.unconfirmed.len(), source));
        }
        if crowd.count() == 0 {
            self.sources.remove(&source);
        } else {
            self.sizes.insert((crowd.count(), source));
        }
    }

    fn for_one_from(&self, now: Instant, source: IpAddr) -> Room {
        let own = self.sources.get(&source);
        if let Some(full) = own.filter(|own| own.count() >= MAX_PEERS_PER_SOURCE) {
            return full.patient_room(now);
        }
        if self.all.count() < MAX_PEERS {
            return Room::Free;
        }
        let own = own.map_or(0, Crowd::count);
        let larger = |ranks: &BTreeSet<(usize, IpAddr)>| {
            let (most, source) = ranks.last()?;
            self.sources.get(source).filter(|_| *most > own.saturating_add(1))
        };
        match (larger(&self.ranks), larger(&self.sizes)) {
            (Some(most), _) => most.room(),
            (None, Some(most)) => most.share(),
            (None, None) if own == 0 => self.all.room(),
            (None, None) => self.all.patient_room(now),
        }
    }
}

/// The peers of all links, by link and by source. Whoever invents peers finds no room for more
/// of them, and pushes nobody out; each costs as little as the first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rooms {
    links: BTreeMap<LinkIndex, Hall>,
}

impl Rooms {
    pub(super) fn enter(&mut self, link: LinkIndex, id: &Id, standing: &Standing) {
        let hall = self.links.entry(link).or_default();
        hall.change(standing.source, |crowd| crowd.enter(id, standing));
    }

    pub(super) fn leave(&mut self, link: LinkIndex, id: &Id, standing: &Standing) {
        let Some(hall) = self.links.get_mut(&link) else { return };
        hall.change(standing.source, |crowd| crowd.leave(id, standing));
        if hall.all.count() == 0 {
            self.links.remove(&link);
        }
    }

    /// How many there are on a link.
    pub(super) fn on(&self, link: LinkIndex) -> usize {
        self.links.get(&link).map_or(0, |hall| hall.all.count())
    }

    /// Room for one more from this source.
    ///
    /// A source that is full waits until one of its own was not heard again for a while: so a
    /// flood of ever new peers brings 256 of them and no coming and going, and a reflector that
    /// repeats more peers than that goes on with those it began with. On a link that is full the
    /// source with the most unconfirmed peers gives way to who has fewer, as long as it still has
    /// more then; if there is none, the one with the most peers does, with the one that came last,
    /// for it costs little to repeat an invention; and somebody gives way to a source that has none
    /// at all, for that may be an honest neighbour.
    pub(super) fn for_one_from(&self, now: Instant, link: LinkIndex, source: IpAddr) -> Room {
        self.links.get(&link).map_or(Room::Free, |hall| hall.for_one_from(now, source))
    }
}
