//! The two-ended test: two doctors, each of which tells the other what it heard from it.
//!
//! Each multicasts who it is and what it heard so far, and sends the same to the other one's
//! address. Whichever way works carries the news of all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use salut::Mdns;
use salut::proto::Family;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::super::facts::{Facts, Interface, Neighbour, Told, Ways, With};
use super::message::{Hello, Names};
use super::system;
use super::{Datagram, Sockets, Way, is_scoped, scoped, socket};

/// Where doctors listen for each other: a port that no responder holds.
pub(super) const PORT: u16 = 25353;

/// A record is multicast at most once a second (RFC 6762 §6).
const EVERY: Duration = Duration::from_secs(1);

/// So long it goes on after the other end was heard first, for both to hear enough.
const TALK: Duration = Duration::from_millis(4500);

/// To look up the other end's name.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The most doctors that are listened to.
const MOST: usize = 64;

#[derive(Debug, Clone, Default)]
struct Peer {
    addresses: BTreeSet<IpAddr>,
    heard: Ways,
    told: Told,
}

pub(super) struct OtherEnd {
    with: With,
    /// The scope of its link-local addresses.
    scope: u32,
    id: String,
    peers: BTreeMap<String, Peer>,
    /// To its addresses.
    lines: Vec<UdpSocket>,
    next: Option<Instant>,
    met: Option<Instant>,
}

impl OtherEnd {
    /// Finds its addresses: those given, or those of a name.
    pub(super) async fn look_up(host: &str, mdns: &Mdns, interfaces: &[Interface]) -> Self {
        let (text, scope) = host.split_once('%').unwrap_or((host, ""));
        let addresses = match text.parse() {
            Ok(ip) => BTreeSet::from([ip]),
            Err(_) => resolve(host, mdns).await,
        };
        let named = |one: &&Interface| one.name == scope || one.index.to_string() == scope;
        let scope = interfaces.iter().find(named).map(|one| one.index);
        let on_link = |one: &&Interface| {
            addresses
                .iter()
                .any(|ip| if is_scoped(*ip) { scope == Some(one.index) } else { one.is_on_link(*ip) })
        };
        let interface = interfaces.iter().filter(|one| one.used).find(on_link).map(|one| one.name.clone());
        Self {
            with: With { host: host.to_owned(), addresses, interface, ..With::default() },
            scope: scope.unwrap_or(0),
            id: String::new(),
            peers: BTreeMap::new(),
            lines: Vec::new(),
            next: None,
            met: None,
        }
    }

    pub(super) fn addresses(&self) -> &BTreeSet<IpAddr> {
        &self.with.addresses
    }

    /// Opens what it listens on and speaks by.
    pub(super) fn open(&mut self, id: &str, mut listen: impl FnMut(&Arc<UdpSocket>, Family)) {
        self.id = id.to_owned();
        for family in Family::BOTH {
            match socket::listener(family, PORT) {
                Ok(listener) => listen(&Arc::new(listener), family),
                Err(error) => tracing::debug!(%error, ?family, "no port for the other doctor"),
            }
        }
        let lines = self.with.addresses.iter().map(|ip| socket::connected(scoped(*ip, PORT, self.scope)));
        self.lines = lines.filter_map(Result::ok).collect();
    }

    /// Says once a second who is here and what was heard.
    pub(super) fn speak(
        &mut self,
        facts: &Facts,
        sockets: &[Sockets],
        names: &Names,
        now: Instant,
        tell: &(dyn Fn(&str) + Send + Sync),
    ) {
        if self.next.is_some_and(|next| next > now) {
            return;
        }
        self.next = Some(now + EVERY);
        if self.with.reached != Some(true) {
            self.note_reached(&system::neighbours(&facts.interfaces));
        }
        tell(&match self.met {
            None => format!(
                "waiting for the other end; there: salut doctor --with {}",
                if facts.machine.name.is_empty() { "THIS-MACHINE" } else { &facts.machine.name }
            ),
            Some(_) => format!("talking with {}", self.with.host),
        });
        let used: Vec<&Interface> = facts.interfaces.iter().filter(|one| one.used).collect();
        let families = || used.iter().flat_map(|one| one.families()).map(|(_, family)| family);
        let hello = Hello {
            id: self.id.clone(),
            hears_itself: families().any(|family| family.hears_itself),
            sends: families().any(|family| matches!(family.sent, Some(Ok(())))),
            heard: self.peers.iter().map(|(id, peer)| (id.clone(), peer.heard)).collect(),
        };
        let Some(message) = hello.message(&names.marker) else { return };
        for sockets in sockets {
            if let Some(one) = facts.interfaces.get(sockets.at).filter(|one| one.used) {
                // Whether it can be sent is told by the questions.
                let _ = socket::send(&sockets.group, &message, socket::group(one, sockets.family));
            }
        }
        for line in &self.lines {
            // The refusal of the one before comes with the next.
            let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
            self.with.refused |= line.try_send(&message).is_err_and(|error| refused(&error));
            self.with.refused |= line.try_recv(&mut [0; 16]).is_err_and(|error| refused(&error));
        }
    }

    pub(super) fn hear(&mut self, hello: &Hello, datagram: &Datagram, interface: Option<&Interface>) {
        if hello.id == self.id || (self.peers.len() >= MOST && !self.peers.contains_key(&hello.id)) {
            return;
        }
        let peer = self.peers.entry(hello.id.clone()).or_default();
        peer.addresses.insert(datagram.source);
        let heard = &mut peer.heard;
        match (datagram.way, datagram.family) {
            (Way::Group, _) if interface.is_none_or(|one| !one.used) => return,
            (Way::Group, Family::V4) => heard.multicast_v4 = heard.multicast_v4.saturating_add(1),
            (Way::Group, Family::V6) => heard.multicast_v6 = heard.multicast_v6.saturating_add(1),
            (Way::Doctor | Way::Asker, _) => heard.unicast = heard.unicast.saturating_add(1),
        }
        peer.told = hello.told(&self.id);
        if self.met.is_none() && self.peer().is_some() {
            self.met = Some(Instant::now());
            // At once: the other end may be about to give up.
            self.next = None;
        }
    }

    /// The doctor at the address that was given, or the one that has heard us at its own.
    fn peer(&self) -> Option<&Peer> {
        let there = |peer: &&Peer| peer.addresses.iter().any(|ip| self.with.addresses.contains(ip));
        let heard_us = |peer: &&Peer| peer.told.heard.unicast > 0;
        self.peers.values().find(there).or_else(|| self.peers.values().find(heard_us))
    }

    /// Both had time to hear each other.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.met.is_some_and(|met| now.saturating_duration_since(met) >= TALK)
    }

    /// Remembers what the table said once: where it is full the kernel forgets those first whom
    /// it could not reach.
    pub(super) fn note_reached(&mut self, known: &[Neighbour]) {
        if self.peer().is_some() {
            self.with.reached = Some(true);
        }
        let ours = known.iter().filter(|one| self.with.addresses.contains(&one.address));
        for reached in ours.filter_map(|one| one.reached) {
            self.with.reached = Some(reached || self.with.reached == Some(true));
        }
    }

    pub(super) fn finish(self) -> With {
        let (heard, told) = match self.peer() {
            Some(peer) => (peer.heard, Some(peer.told)),
            None => (Ways::default(), None),
        };
        With { heard, told, ..self.with }
    }
}

/// By multicast DNS if it ends in `.local`, else by the name server first.
async fn resolve(host: &str, mdns: &Mdns) -> BTreeSet<IpAddr> {
    let local = host.trim_end_matches('.').to_ascii_lowercase().ends_with(".local");
    let mut found = if local { by_multicast(host, mdns).await } else { by_server(host).await };
    if found.is_empty() {
        found = if local { by_server(host).await } else { by_multicast(host, mdns).await };
    }
    if found.iter().any(|ip| !is_scoped(*ip)) {
        // Without their scope they lead nowhere.
        found.retain(|ip| !is_scoped(*ip));
    }
    found.retain(|ip| !ip.is_loopback());
    found
}

async fn by_multicast(host: &str, mdns: &Mdns) -> BTreeSet<IpAddr> {
    let found = mdns.resolve(host, LOOK_UP).await.unwrap_or_default();
    found.into_iter().flat_map(|link| link.addresses).collect()
}

async fn by_server(host: &str) -> BTreeSet<IpAddr> {
    let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host, 0))).await;
    found.ok().and_then(Result::ok).into_iter().flatten().map(|address| address.ip()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Of what each look at the table found of it, in turn.
    fn reached(looks: &[Option<Option<bool>>]) -> Option<bool> {
        let address = "10.0.0.2".parse().unwrap();
        let with = With { addresses: BTreeSet::from([address]), ..With::default() };
        let mut end = OtherEnd {
            with,
            scope: 0,
            id: String::new(),
            peers: BTreeMap::new(),
            lines: Vec::new(),
            next: None,
            met: None,
        };
        for look in looks {
            let known: Vec<_> =
                look.map(|reached| Neighbour { address, index: 2, reached }).into_iter().collect();
            end.note_reached(&known);
        }
        end.with.reached
    }

    #[test]
    fn what_the_table_of_neighbours_said_outlives_its_entry() {
        assert_eq!(reached(&[Some(Some(false)), None]), Some(false));
        assert_eq!(reached(&[Some(Some(false)), Some(Some(true)), Some(None), None]), Some(true));
        assert_eq!(reached(&[Some(Some(true)), Some(Some(false))]), Some(true));
        assert_eq!(reached(&[None, Some(None)]), None);
    }
}
