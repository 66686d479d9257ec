//! Who is there: the peers heard on each link, and how long their addresses are good for.
//!
//! Peers are known by their PeerId, whatever names they give themselves. No I/O and no clock.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::{PeerAddress, Reach, ReadAddress, Reader, worth_dialling};
use super::alive::{Alive, Change};
use super::heard::{Heard, Told, read_response};
use super::lease::{GRACE, Lease, after};
use super::room::{Room, Rooms, Standing};
use crate::name::Name;
use crate::proto::{LinkIndex, LinkState, Rng};
use crate::wire::Message;

/// Where more peers are known than this, a refresh question waits for another peer to ask it …
const FEW_PEERS: usize = 8;

/// … up to so long for each peer …
const SPREAD_PER_PEER: Duration = Duration::from_millis(100);

/// … and up to this part of a lifetime.
const SPREAD_PART: u32 = 50;

/// The most addresses of a peer.
const MAX_ADDRESSES: usize = 64;

/// What a table has heard that concerns ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Impostor {
    /// Who announces addresses under our own PeerId.
    pub(crate) source: IpAddr,
    pub(crate) link: LinkIndex,
    pub(crate) reach: Reach,
}

/// A peer on a link.
#[derive(Debug)]
struct Peer {
    standing: Standing,
    leases: BTreeMap<Id, Lease>,
}

/// The bytes of a PeerId, or of an address.
type Id = Arc<[u8]>;

type PeerKey = (LinkIndex, Id);

type LeaseKey = (LinkIndex, PeerAddress);

/// The peers on all links.
#[derive(Debug)]
pub(crate) struct PeerTable {
    own: Id,
    service: Name,
    read: Reader,
    rng: Rng,
    peers: BTreeMap<PeerKey, Peer>,
    rooms: Rooms,
    /// Who was heard under a name.
    names: BTreeMap<(LinkIndex, Name), BTreeSet<Id>>,
    /// When each lease is to be refreshed next, or ends.
    wakes: BTreeSet<(Instant, LeaseKey)>,
    alive: Alive,
    /// When to ask on a link, because somebody there gets old.
    planned: BTreeMap<LinkIndex, Instant>,
    asks: BTreeSet<LinkIndex>,
    impostor: Option<Impostor>,
}

impl PeerTable {
    /// An empty table of the peer `own`, for this service type.
    pub(crate) fn new(own: Id, service: Name, read: Reader, seed: u64) -> Self {
        Self {
            own,
            service,
            read,
            rng: Rng::new(seed),
            peers: BTreeMap::new(),
            rooms: Rooms::default(),
            names: BTreeMap::new(),
            wakes: BTreeSet::new(),
            alive: Alive::default(),
            planned: BTreeMap::new(),
            asks: BTreeSet::new(),
            impostor: None,
        }
    }

    // ---- outputs

    /// What became known, or is no longer.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.alive.poll()
    }

    /// A link on which to ask.
    pub(crate) fn poll_ask(&mut self) -> Option<LinkIndex> {
        self.asks.pop_first()
    }

    /// The names on a link of whose addresses some are older than the others: of a response in
    /// several datagrams one was lost, and the pointer, which is in each of them, is not old.
    pub(crate) fn unsure(&self, link: LinkIndex) -> Vec<Name> {
        let leases = self.on(link).flat_map(|(_, peer)| peer.leases.values());
        let old = leases.filter(|lease| lease.in_parts && lease.is_old());
        old.map(|lease| lease.instance.clone()).collect::<BTreeSet<Name>>().into_iter().collect()
    }

    /// Somebody else with our PeerId.
    pub(crate) fn poll_impostor(&mut self) -> Option<Impostor> {
        self.impostor.take()
    }

    /// How many names peers are known by, for tests of the bounds.
    #[cfg(test)]
    pub(crate) fn names(&self) -> usize {
        self.names.len()
    }

    /// Whether those who are counted are those who are there, for tests of the bounds.
    #[cfg(test)]
    pub(crate) fn counts_right(&self) -> bool {
        let mut rooms = Rooms::default();
        for ((link, id), peer) in &self.peers {
            rooms.enter(*link, id, &peer.standing);
        }
        rooms == self.rooms
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at).into_iter().chain(self.planned.values().copied()).min()
    }

    // ---- inputs

    /// Time has come to `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.wakes.pop_first() else { return };
            let (link, address) = &key;
            let lease = self
                .peers
                .get_mut(&(*link, Arc::clone(&address.peer)))
                .and_then(|peer| peer.leases.get_mut(&address.bytes));
            let Some(lease) = lease else { continue };
            if lease.is_over(now) {
                self.end(&key);
                continue;
            }
            lease.grow_old(&mut self.rng);
            let (link, ttl) = (*link, lease.ttl);
            self.wakes.insert((lease.wake(), key));
            self.plan(now, link, ttl);
        }
        let due = self.planned.iter().filter(|(_, at)| **at <= now).map(|(link, _)| *link);
        for link in due.collect::<Vec<LinkIndex>>() {
            self.planned.remove(&link);
            // Another peer may have asked, and so for us.
            if self.on(link).any(|(_, peer)| peer.leases.values().any(Lease::is_old)) {
                self.asks.insert(link);
            }
        }
    }

    /// Plans a question, at once among a few. All who know the same peers would else ask for
    /// them in the same moment.
    fn plan(&mut self, now: Instant, link: LinkIndex, ttl: Duration) {
        if self.planned.contains_key(&link) {
            return;
        }
        let peers = self.rooms.on(link);
        let most = SPREAD_PER_PEER.saturating_mul(u32::try_from(peers).unwrap_or(u32::MAX));
        let most = if peers <= FEW_PEERS { Duration::ZERO } else { most.min(ttl / SPREAD_PART) };
        self.planned.insert(link, after(now, self.rng.between(Duration::ZERO, most)));
    }

    /// A link is gone, and with it who was there (RFC 6762 §10.3).
    pub(crate) fn forget_link(&mut self, link: LinkIndex) {
        let gone: Vec<Id> = self.on(link).map(|(peer, _)| Arc::clone(peer)).collect();
        for peer in gone {
            self.forget_peer(link, &peer);
        }
    }

    /// A peer is taken to be gone until it is heard again.
    pub(crate) fn expire(&mut self, peer: &[u8]) {
        let gone: Vec<PeerKey> = self.peers.keys().filter(|(_, known)| **known == *peer).cloned().collect();
        for (link, peer) in gone {
            self.forget_peer(link, &peer);
        }
    }

    /// All that a source of static peers gives, in place of what it gave before.
    pub(crate) fn set_static(&mut self, origin: u64, peers: Vec<PeerAddress>) {
        self.alive.set_static(origin, peers.into_iter().filter(|it| it.peer != self.own).collect());
    }

    /// A response from a host on a link in this state.
    pub(crate) fn hear(
        &mut self,
        now: Instant,
        link: LinkIndex,
        state: &LinkState,
        source: IpAddr,
        message: &Message<'_>,
    ) {
        let Heard { told, goodbyes } = read_response(message, &self.service, self.read);
        for instance in goodbyes {
            self.goodbye(now, link, &instance);
        }
        for told in told {
            self.take_in(now, link, state, source, told);
        }
    }

    // ---- inside

    fn on(&self, link: LinkIndex) -> impl Iterator<Item = (&Id, &Peer)> {
        let from: PeerKey = (link, Arc::from([]));
        self.peers.range(from..).take_while(move |((at, _), _)| *at == link).map(|((_, id), peer)| (id, peer))
    }

    /// RFC 6762 §10.1.
    fn goodbye(&mut self, now: Instant, link: LinkIndex, instance: &Name) {
        let until = after(now, GRACE);
        let peers = self.names.get(&(link, instance.clone())).cloned().unwrap_or_default();
        for peer in peers {
            self.shorten(link, &peer, until, |_, lease| lease.instance == *instance);
        }
    }

    fn take_in(&mut self, now: Instant, link: LinkIndex, state: &LinkState, source: IpAddr, told: Told) {
        let Told { instance, flush, ttl, addresses } = told;
        let mut by_peer: BTreeMap<Id, Vec<(Id, bool)>> = BTreeMap::new();
        for ReadAddress { address, reach } in addresses {
            if address.peer == self.own {
                self.impostor.get_or_insert(Impostor { source, link, reach });
                continue;
            }
            let Some(on_link) = worth_dialling(reach, state) else { continue };
            by_peer.entry(address.peer).or_default().push((address.bytes, on_link));
        }
        for (peer, addresses) in by_peer {
            if !self.has_room(now, link, source, &peer) {
                continue;
            }
            self.stand(now, link, source, &peer);
            self.names.entry((link, instance.clone())).or_default().insert(Arc::clone(&peer));
            for (bytes, on_link) in &addresses {
                let address = PeerAddress { peer: Arc::clone(&peer), bytes: Arc::clone(bytes) };
                self.renew(now, link, address, *on_link, &instance, source, ttl);
            }
            // There may have been no room for any of them.
            self.forget_name(link, &instance, &peer);
            let is_told = |bytes: &Id| addresses.iter().any(|(told, _)| told == bytes);
            self.put_together(now, link, &peer, &is_told, |lease| {
                lease.instance == instance || lease.source == source
            });
            // RFC 6762 §10.2; and a new name of a peer from where it was heard before takes the
            // place of the old one: some make a new one for every answer.
            let until = after(now, GRACE);
            self.shorten(link, &peer, until, |bytes, lease| {
                now.saturating_duration_since(lease.received) > GRACE
                    && !is_told(bytes)
                    && ((lease.instance == instance && flush) || lease.source == source)
                    && lease.is_replaced(now)
            });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an address and all that was heard of it")]
    fn renew(
        &mut self,
        now: Instant,
        link: LinkIndex,
        address: PeerAddress,
        on_link: bool,
        instance: &Name,
        source: IpAddr,
        ttl: u32,
    ) {
        let Some(peer) = self.peers.get_mut(&(link, Arc::clone(&address.peer))) else { return };
        let mut lease = Lease::new(now, ttl, on_link, instance.clone(), source, &mut self.rng);
        let before = peer.leases.get(&address.bytes);
        lease.in_parts = before.is_some_and(|before| before.in_parts);
        if before.is_none() && peer.leases.len() >= MAX_ADDRESSES {
            return;
        }
        let is_new = before.is_none_or(|before| before.on_link != on_link);
        let former = before.map(|before| before.instance.clone()).filter(|former| former != instance);
        let key = (link, address);
        let wake = lease.wake();
        if let Some(before) = peer.leases.insert(Arc::clone(&key.1.bytes), lease) {
            self.wakes.remove(&(before.wake(), key.clone()));
        }
        if let Some(former) = former {
            self.forget_name(link, &former, &key.1.peer);
        }
        if is_new {
            self.alive.heard(link, &key.1, on_link);
        }
        self.wakes.insert((wake, key));
    }

    /// More addresses than one datagram has room for come in several. What was told just now and
    /// what came in a moment before from the same peer are parts of one response.
    fn put_together(
        &mut self,
        now: Instant,
        link: LinkIndex,
        peer: &Id,
        is_told: &impl Fn(&Id) -> bool,
        is_of: impl Fn(&Lease) -> bool,
    ) {
        let Some(known) = self.peers.get_mut(&(link, Arc::clone(peer))) else { return };
        let others = || known.leases.iter().filter(|(bytes, lease)| is_of(lease) && !is_told(bytes));
        let alone = others().next().is_none();
        if alone || others().any(|(_, lease)| lease.is_coming_in(now)) {
            let now = known.leases.values_mut().filter(|lease| lease.is_coming_in(now) && is_of(lease));
            now.for_each(|lease| lease.in_parts = !alone);
        }
    }

    /// Those addresses of a peer that `which` picks live until then at most.
    fn shorten(
        &mut self,
        link: LinkIndex,
        peer: &Id,
        until: Instant,
        mut which: impl FnMut(&Id, &mut Lease) -> bool,
    ) {
        let Some(known) = self.peers.get_mut(&(link, Arc::clone(peer))) else { return };
        for (bytes, lease) in &mut known.leases {
            let before = lease.wake();
            if which(bytes, lease) && lease.shorten(until) {
                let address = PeerAddress { peer: Arc::clone(peer), bytes: Arc::clone(bytes) };
                let mut entry = (before, (link, address));
                self.wakes.remove(&entry);
                entry.0 = until;
                self.wakes.insert(entry);
            }
        }
    }

    /// A peer was heard from this source.
    fn stand(&mut self, now: Instant, link: LinkIndex, source: IpAddr, peer: &Id) {
        let mut standing = Standing { source, since: now, confirmed: false };
        let known = self.peers.entry((link, Arc::clone(peer)));
        let known = match known {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                let (since, confirmed) = (known.standing.since, known.standing.confirmed);
                standing.since = since;
                standing.confirmed = confirmed || now.saturating_duration_since(since) >= GRACE;
                if known.standing == standing {
                    return;
                }
                self.rooms.leave(link, peer, &known.standing);
                known
            }
            Entry::Vacant(place) => place.insert(Peer { standing, leases: BTreeMap::new() }),
        };
        known.standing = standing;
        self.rooms.enter(link, peer, &standing);
    }

    /// Whether there is room for a peer, or it was made.
    fn has_room(&mut self, now: Instant, link: LinkIndex, source: IpAddr, peer: &Id) -> bool {
        if self.peers.contains_key(&(link, Arc::clone(peer))) {
            return true;
        }
        match self.rooms.for_one_from(now, link, source) {
            Room::Free => true,
            Room::InPlaceOf(other) => {
                self.forget_peer(link, &other);
                true
            }
            Room::None => false,
        }
    }

    fn forget_peer(&mut self, link: LinkIndex, peer: &Id) {
        let Some(known) = self.peers.get(&(link, Arc::clone(peer))) else { return };
        let bytes: Vec<Id> = known.leases.keys().cloned().collect();
        for bytes in bytes {
            let key = (link, PeerAddress { peer: Arc::clone(peer), bytes });
            self.end(&key);
        }
    }

    /// One address is good no longer.
    fn end(&mut self, key: &LeaseKey) {
        let (link, address) = key;
        let at = (*link, Arc::clone(&address.peer));
        let Some(peer) = self.peers.get_mut(&at) else { return };
        let Some(lease) = peer.leases.remove(&address.bytes) else { return };
        self.wakes.remove(&(lease.wake(), key.clone()));
        if peer.leases.is_empty() {
            self.rooms.leave(*link, &address.peer, &peer.standing);
            self.peers.remove(&at);
        }
        self.forget_name(*link, &lease.instance, &address.peer);
        self.alive.ended(*link, address);
    }

    /// A name stands for a peer as long as one of its addresses was heard under it.
    fn forget_name(&mut self, link: LinkIndex, name: &Name, peer: &Id) {
        let still = self.peers.get(&(link, Arc::clone(peer)));
        if still.is_some_and(|peer| peer.leases.values().any(|lease| lease.instance == *name)) {
            return;
        }
        let key = (link, name.clone());
        if let Some(peers) = self.names.get_mut(&key) {
            peers.remove(peer);
            if peers.is_empty() {
                self.names.remove(&key);
            }
        }
    }
}
