//! One peer on the network: what it announces and whom it hears, beside the engine. No I/O and
//! no clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::address::{ListenAddress, PeerAddress, Reach, Reader};
use super::advertise::{content, is_too_long};
use super::alive::Change;
use super::name::names;
use super::notes::Notes;
use super::table::PeerTable;
use crate::error::ServiceError;
use crate::name::{InstanceName, ServiceType};
use crate::proto::{AnnouncementId, Engine, Event, Peer, PeerSays, TapId};
use crate::wire::Message;

/// A burst of listen addresses that does not end is announced after so long all the same.
const GATHER: Duration = Duration::from_millis(100);

/// What a peer is, and how it wants to be found.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The bytes of our own PeerId.
    pub(crate) peer: Arc<[u8]>,
    pub(crate) service: ServiceType,
    /// The time to live of what we announce.
    pub(crate) ttl: Duration,
    /// The longest time between two questions.
    pub(crate) query_interval: Duration,
    pub(crate) read: Reader,
}

/// One peer beside the engine.
#[derive(Debug)]
pub(crate) struct Discovery {
    announcement: AnnouncementId,
    tap: TapId,
    table: PeerTable,
    listens: Vec<ListenAddress>,
    /// Since when listen addresses come that are not announced yet.
    burst: Option<Instant>,
    notes: Arc<Notes>,
}

impl Discovery {
    /// Begins to ask and to listen; nothing is announced before there is an address.
    pub(crate) fn new(
        engine: &mut Engine,
        now: Instant,
        settings: &Settings,
        notes: Arc<Notes>,
        seed: u64,
    ) -> Result<Self, ServiceError> {
        let Settings { peer, service, ttl, query_interval, read } = settings;
        let (name, host) = names(peer)?;
        let ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).clamp(1, i32::MAX.unsigned_abs());
        let announced = Peer { service: service.clone(), name, host, ttl, says: Arc::new(|_| None) };
        let announcement = engine.announce_peer(now, announced)?;
        Ok(Self {
            announcement,
            tap: engine.listen(now, service, *query_interval),
            table: PeerTable::new(Arc::clone(peer), service.name().clone(), *read, seed),
            listens: Vec::new(),
            burst: None,
            notes,
        })
    }

    /// The swarm listens on these addresses now, and on no others; more may follow at once. They
    /// are announced by [`settle`](Self::settle).
    pub(crate) fn set_listens(&mut self, now: Instant, listens: Vec<ListenAddress>) {
        if self.listens != listens {
            let too_long = listens.iter().filter(|listen| is_too_long(listen));
            self.notes.set_too_long(too_long.map(|listen| listen.text.clone()).collect());
            self.listens = listens;
            self.burst.get_or_insert(now);
        }
    }

    /// All addresses of a burst are there: they go out in one announcement.
    pub(crate) fn settle(&mut self, engine: &mut Engine, now: Instant) {
        if self.burst.take().is_some() {
            debug!(addresses = self.listens.len(), "announcing the listen addresses");
            let listens = self.listens.clone();
            let says: Arc<PeerSays> = Arc::new(move |link| content(&listens, link));
            engine.set_peer(now, self.announcement, says);
        }
    }

    /// A peer is taken to be gone until it is heard again.
    pub(crate) fn expire(&mut self, peer: &[u8]) {
        self.table.expire(peer);
    }

    /// An event of the engine; `true` if it was for this peer.
    pub(crate) fn handle_event(&mut self, engine: &Engine, now: Instant, event: &Event) -> bool {
        match event {
            Event::Heard { tap, link, source, payload } if *tap == self.tap => {
                if let (Some(state), Ok(message)) = (engine.link_state(*link), Message::read(payload)) {
                    self.table.hear(now, *link, state, source.ip(), &message);
                }
                self.look_for_impostor(engine);
                true
            }
            Event::Deaf { tap, link } if *tap == self.tap => {
                self.table.forget_link(*link);
                true
            }
            Event::Renamed { id, from, to } if *id == self.announcement => {
                info!(%from, %to, "this peer has another name now");
                self.copied(None, Some(to.clone()));
                true
            }
            Event::Announced { id, .. } | Event::Disputed { id, .. } | Event::Withdrawn { id } => {
                *id == self.announcement
            }
            _ => false,
        }
    }

    fn look_for_impostor(&mut self, engine: &Engine) {
        let Some(impostor) = self.table.poll_impostor() else { return };
        let ours = engine.is_own_address(impostor.source)
            || matches!(impostor.reach, Reach::Ip(ip) if engine.is_own_address(ip));
        if !ours {
            self.copied(Some(impostor.source), None);
        }
    }

    fn copied(&self, source: Option<IpAddr>, renamed_to: Option<InstanceName>) {
        if self.notes.copied(source, renamed_to) {
            warn!(
                ?source,
                "another host on this network has this peer's identity: give each its own key pair"
            );
        }
    }

    /// All that a source of static peers gives, in place of what it gave before.
    pub(crate) fn set_static(&mut self, origin: u64, peers: Vec<PeerAddress>) {
        self.table.set_static(origin, peers);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let gathered = self.burst.map(|since| since + GATHER);
        [gathered, self.table.poll_timeout()].into_iter().flatten().min()
    }

    /// Time has come to `now`.
    pub(crate) fn handle_timeout(&mut self, engine: &mut Engine, now: Instant) {
        if self.burst.is_some_and(|since| since + GATHER <= now) {
            self.settle(engine, now);
        }
        self.table.handle_timeout(now);
        while let Some(link) = self.table.poll_ask() {
            engine.ask_now(now, self.tap, link, self.table.unsure(link));
        }
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &PeerTable {
        &self.table
    }

    /// What became known, or is no longer.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.table.poll_change()
    }

    /// Says goodbye and hears no more.
    pub(crate) fn end(self, engine: &mut Engine, now: Instant) -> AnnouncementId {
        engine.stop_listening(now, self.tap);
        engine.withdraw(now, self.announcement);
        self.announcement
    }
}
