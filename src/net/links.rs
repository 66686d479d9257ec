//! All interfaces in use, with their sockets.

use std::collections::{HashSet, VecDeque};
use std::hash::{Hash as _, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info};

use super::interface::{InterfaceInfo, Picked, Unused};
use super::link::{Both, Link, Slot};
use super::port::Others;
use super::sends::Sent;
use super::socket::{Arrival, Role, Socket};
use super::status::LinkStatus;
use crate::proto::{Family, LinkIndex, LinkState, Transmit};
use crate::service::Interface;
use crate::wire::MDNS_PORT;

/// Datagrams that wait for room to be sent. Beyond that the oldest is lost, as it
/// would be on the wire.
const MAX_WAITING: usize = 256;

/// How long to wait for room.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Multicasts of ours that are told from those of other programs when the loop brings them
/// back.
const RECENT: usize = 32;

/// One socket among all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    family: Family,
    role: Role,
}

/// A datagram in the caller's buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) link: LinkIndex,
    pub(super) source: SocketAddr,
    pub(super) unicast: bool,
    pub(super) length: usize,
}

/// What one look at a socket gave.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// A datagram for us.
    Datagram(Received),
    /// A datagram that another socket hears, or an error: look again.
    Nothing,
    /// No more for now.
    Empty,
}

/// What the engine is to be told after something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkNews {
    /// A link came, changed or went.
    Link(LinkIndex, Option<LinkState>),
    /// Sends on a link work again after they failed.
    Recovered(LinkIndex),
    /// It was without carrier for a moment.
    Returned(LinkIndex),
}

#[derive(Debug, Default)]
pub(super) struct Links {
    /// In the order of their indexes.
    links: Vec<Link>,
    unused: Vec<(InterfaceInfo, Unused)>,
    /// Which families the caller wants.
    wanted: Both<bool>,
    /// Whether nobody else holds the port with the wildcard address.
    port_free: bool,
    /// Whether our own sockets cannot be told from those of others: then the port is never
    /// taken to be free.
    blind: bool,
    /// What waits for room to be sent, and until when.
    waiting: VecDeque<Transmit>,
    room_at: Option<Instant>,
    news: VecDeque<LinkNews>,
    /// What was multicast last, newest last.
    recent: VecDeque<Bytes>,
}

impl Links {
    pub(super) fn new(ipv4: bool, ipv6: bool) -> Self {
        let mut this = Self::default();
        *this.wanted.get_mut(Family::V4) = ipv4;
        *this.wanted.get_mut(Family::V6) = ipv6;
        this
    }

    fn link(&self, link: LinkIndex) -> Option<&Link> {
        self.links.iter().find(|other| other.info.index == link.0)
    }

    /// Makes the links those of `picked`. True if these are other than before.
    pub(super) fn update(&mut self, now: Instant, (picked, unused): Picked) -> bool {
        self.unused = unused;
        if self.links.iter().map(|link| &link.info).eq(&picked) {
            self.open(now);
            return false;
        }
        let keep: HashSet<u32> = picked.iter().map(|info| info.index).collect();
        self.links.retain(|link| {
            let index = link.info.index;
            let kept = keep.contains(&index);
            if !kept {
                debug!(interface = %link.info.name, index, "interface is gone");
                if link.told.is_some() {
                    self.news.push_back(LinkNews::Link(LinkIndex(index), None));
                }
            }
            kept
        });
        self.waiting.retain(|transmit| keep.contains(&transmit.link.0));
        for info in picked {
            let index = info.index;
            match find(&mut self.links, index) {
                Some(link) => {
                    // The same index under another name is another interface, or a rename.
                    if link.info.name != info.name {
                        info!(from = %link.info.name, to = %info.name, index, "interface has a new name");
                        link.close();
                    }
                    if link.update(info) && link.told.is_some() {
                        self.news.push_back(LinkNews::Returned(LinkIndex(index)));
                    }
                }
                None => {
                    debug!(interface = %info.name, index, "interface is here");
                    let at = self.links.partition_point(|link| link.info.index < index);
                    self.links.insert(at, Link::new(info));
                }
            }
        }
        self.open(now);
        true
    }

    /// Gives up or opens the sockets for unicast, as others hold the port or not.
    pub(super) fn look_at_port(&mut self, now: Instant) -> Others {
        let others = self.others();
        if self.port_free == others.wildcard() {
            self.port_free = !others.wildcard();
            debug!(free = self.port_free, "unicast to port 5353");
            self.open_sockets(now);
            // Two programs that look at the same moment both find the port free.
            if self.port_free && self.others().wildcard() {
                self.port_free = false;
                self.open_sockets(now);
            }
            self.note_states();
        }
        others
    }

    fn others(&mut self) -> Others {
        let mut own = HashSet::new();
        let mut add = |socket: &Socket| match socket.inode() {
            Some(inode) => {
                own.insert(inode);
            }
            None => self.blind = true,
        };
        for link in &self.links {
            for family in Family::BOTH {
                if let Slot::Open(port) = link.group.get(family) {
                    add(&port.socket);
                }
                if let Some(socket) = link.unicast.get(family) {
                    add(socket);
                }
            }
        }
        if self.blind { Others::default() } else { Others::look(&own) }
    }

    /// Opens what is due, and notes what the engine is to know.
    fn open(&mut self, now: Instant) {
        self.open_sockets(now);
        self.note_states();
    }

    fn open_sockets(&mut self, now: Instant) {
        for link in &mut self.links {
            link.open(now, &self.wanted, self.port_free);
        }
    }

    fn note_states(&mut self) {
        for link in &mut self.links {
            let state = link.state();
            if state != link.told {
                link.told.clone_from(&state);
                self.news.push_back(LinkNews::Link(link.index(), state));
            }
        }
    }

    /// Leaves and joins every group again, with empty receive buffers: for after a sleep.
    pub(super) fn reopen(&mut self, now: Instant) {
        for link in &mut self.links {
            link.close();
        }
        self.waiting.clear();
        self.open(now);
    }

    /// Tries again what is due. True if a link changed by it: whoever was in the way may have
    /// left.
    pub(super) fn retry(&mut self, now: Instant) -> bool {
        if self.room_at.is_some_and(|at| at <= now) {
            self.room_at = None;
            for transmit in std::mem::take(&mut self.waiting) {
                self.send(now, transmit);
            }
        }
        for link in &mut self.links {
            if link.due().is_some_and(|due| due <= now) && link.try_sends(now) {
                self.news.push_back(LinkNews::Recovered(link.index()));
            }
        }
        let before = self.news.len();
        self.open(now);
        self.news.len() > before
    }

    /// When to call [`retry`](Self::retry).
    pub(super) fn due(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::due).chain(self.room_at).min()
    }

    /// Sends a datagram, or keeps it for a moment.
    pub(super) fn send(&mut self, now: Instant, transmit: Transmit) {
        let Some(link) = find(&mut self.links, transmit.link.0) else { return };
        // What waits goes first, in its family.
        let family = |one: &Transmit| Family::of(one.destination.ip());
        let first = |one: &Transmit| one.link == transmit.link && family(one) == family(&transmit);
        let sent = if self.waiting.iter().any(first) {
            Sent::Later
        } else {
            link.send(now, &transmit.payload, transmit.destination)
        };
        match sent {
            Sent::Yes => self.remember(transmit.payload),
            Sent::Again => self.news.push_back(LinkNews::Recovered(transmit.link)),
            Sent::Later => {
                if self.waiting.len() >= MAX_WAITING {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(transmit);
                self.room_at.get_or_insert(now + ROOM_WAIT);
            }
            Sent::No => {
                // The loopback may have lost a family by it.
                let state = link.state();
                if state != link.told {
                    link.told.clone_from(&state);
                    self.news.push_back(LinkNews::Link(transmit.link, state));
                }
            }
        }
    }

    fn remember(&mut self, payload: Bytes) {
        // Both families' copies share their buffer.
        if self.recent.back().is_some_and(|last| *last == payload) {
            return;
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(payload);
    }

    /// Whether a datagram shows that another program on this machine speaks on the port.
    pub(super) fn is_of_another_program(&self, received: &Received, payload: &[u8]) -> bool {
        let Some(link) = self.link(received.link) else { return false };
        let ours = match received.source.ip() {
            IpAddr::V4(source) => link.info.v4.iter().any(|(address, _)| *address == source),
            IpAddr::V6(source) => link.info.v6.iter().any(|(address, _)| *address == source),
        };
        ours && received.source.port() == MDNS_PORT && !self.recent.iter().any(|sent| **sent == *payload)
    }

    /// Whether something waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What the engine has not been told yet.
    pub(super) fn news(&mut self) -> Option<LinkNews> {
        self.news.pop_front()
    }

    /// Ready when some socket may have something.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        // All of them are asked each time, so that each of them wakes the task later.
        self.each(|_, socket| {
            if socket.poll_readable(cx).is_ready() {
                ready = Poll::Ready(());
            }
        });
        ready
    }

    fn each(&self, mut visit: impl FnMut(Key, &Socket)) {
        for link in &self.links {
            let index = link.info.index;
            for family in Family::BOTH {
                if let Slot::Open(port) = link.group.get(family) {
                    visit(Key { index, family, role: Role::Group }, &port.socket);
                }
                if let Some(socket) = link.unicast.get(family) {
                    visit(Key { index, family, role: Role::Unicast }, socket);
                }
            }
        }
    }

    /// The sockets that may have something now, for [`look`](Self::look).
    pub(super) fn keys(&self, now: Instant, keys: &mut Vec<Key>) {
        keys.clear();
        self.each(|key, socket| {
            if socket.look_at().is_none_or(|at| at <= now) {
                keys.push(key);
            }
        });
    }

    /// When to look at a socket that does not tell by itself.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let mut look_at: Option<Instant> = None;
        self.each(|_, socket| look_at = look_at.into_iter().chain(socket.look_at()).min());
        look_at
    }

    /// Notes how many datagrams one socket had, and whether these were all.
    pub(super) fn heard(&mut self, now: Instant, key: Key, datagrams: usize, all: bool) {
        let Some(link) = find(&mut self.links, key.index) else { return };
        let socket = match (key.role, link.group.get_mut(key.family)) {
            (Role::Unicast, _) => link.unicast.get_mut(key.family).as_mut(),
            (Role::Group, Slot::Open(port)) => Some(&mut port.socket),
            (Role::Group, _) => None,
        };
        if let Some(socket) = socket {
            socket.heard(now, datagrams, all);
        }
    }

    /// Receives one datagram from one socket.
    pub(super) fn look(&mut self, now: Instant, key: Key, buffer: &mut [u8]) -> Look {
        let Some(link) = find(&mut self.links, key.index) else { return Look::Empty };
        let socket = match key.role {
            Role::Unicast => link.unicast.get(key.family).as_ref(),
            Role::Group => match link.group.get(key.family) {
                Slot::Open(port) => Some(&port.socket),
                _ => None,
            },
        };
        let Some(socket) = socket else { return Look::Empty };
        match socket.receive(buffer, key.role) {
            Ok(arrival) => {
                link.received(now, key.family, key.role, Ok(()));
                self.sort(key, arrival)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Look::Empty,
            // A datagram we sent came back as unreachable (Windows), or one was longer than
            // the buffer: neither says anything of the socket.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
                    || error.raw_os_error() == Some(10040) =>
            {
                Look::Nothing
            }
            Err(error) => {
                debug!(%error, ?key, "receiving failed");
                link.received(now, key.family, key.role, Err(error));
                Look::Nothing
            }
        }
    }

    /// Whose datagram is it? Where the datagram tells its interface, that counts.
    fn sort(&mut self, key: Key, arrival: Arrival) -> Look {
        let index = arrival.index.unwrap_or(key.index);
        // By multicast the socket of that interface hears it as well, by unicast only one
        // socket does.
        let Some(link) = find(&mut self.links, index).filter(|_| index == key.index || arrival.unicast)
        else {
            return Look::Nothing;
        };
        link.received = link.received.saturating_add(1);
        Look::Datagram(Received {
            link: LinkIndex(index),
            source: arrival.source,
            unicast: arrival.unicast,
            length: arrival.length,
        })
    }

    /// The interface of a link.
    pub(super) fn interface(&self, link: LinkIndex) -> Option<Interface> {
        let info = &self.link(link)?.info;
        Some(Interface { index: info.index, name: Arc::clone(&info.name) })
    }

    /// How each link fares; `cached` tells how many records are cached there.
    pub(super) fn status(&self, cached: impl Fn(LinkIndex) -> usize) -> Vec<LinkStatus> {
        self.links.iter().map(|link| link.status(cached(link.index()))).collect()
    }

    /// What makes the status another one.
    pub(super) fn hash_status(&self, hasher: &mut impl Hasher) {
        for link in &self.links {
            link.hash_status(hasher);
        }
        self.unused.hash(hasher);
    }

    #[cfg(feature = "metrics")]
    pub(super) fn reading(&self, engine: &crate::proto::Engine) -> super::metrics::Reading {
        super::metrics::Reading {
            counters: engine.counters(),
            failed: self.links.iter().map(|link| link.failed).sum(),
            cached: self.links.iter().map(|link| engine.cached(link.index())).sum(),
            joined: self.links.iter().filter(|link| link.is_joined()).count(),
        }
    }

    /// The interfaces that are not used, and why.
    pub(super) fn unused(&self) -> &[(InterfaceInfo, Unused)] {
        &self.unused
    }
}

fn find(links: &mut [Link], index: u32) -> Option<&mut Link> {
    links.iter_mut().find(|link| link.info.index == index)
}
