//! Peers on a simulated LAN, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod contract;
mod few;
mod foreign;
mod many;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::address::{ListenAddress, PeerAddress, Reach, ReadAddress};
use super::board::Board;
use super::discovery::{Discovery, Settings};
use crate::name::ServiceType;
use crate::sim::{Conditions, HostId, Lan, SegmentId};

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Reads `/ip4/<address>/tcp/<port>/p2p/<peer>` and the like, without libp2p.
pub(super) fn read(text: &str) -> Option<ReadAddress> {
    let mut parts = text.split('/').skip(1);
    let reach = match parts.next()? {
        "ip4" | "ip6" => Reach::Ip(parts.next()?.parse().ok()?),
        "dns" => Reach::Elsewhere,
        _ => Reach::Nowhere,
    };
    let (_, peer) = text.rsplit_once("/p2p/")?;
    Some(ReadAddress {
        address: PeerAddress { peer: peer.as_bytes().into(), bytes: text.as_bytes().into() },
        reach,
    })
}

/// What happened to a pair, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at: Duration,
    pub(super) address: String,
    pub(super) live: bool,
}

pub(super) struct Node {
    pub(super) host: HostId,
    pub(super) id: String,
    discovery: Option<Discovery>,
    pub(super) told: Vec<Told>,
    pub(super) live: BTreeMap<String, bool>,
    pub(super) board: Board,
}

/// Peers and their LAN.
pub(super) struct Net {
    pub(super) lan: Lan,
    pub(super) home: SegmentId,
    pub(super) nodes: Vec<Node>,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let mut lan = Lan::new(seed);
        let home = lan.segment();
        Self { lan, home, nodes: Vec::new() }
    }

    /// A host on the home segment, with both families and one global address of each.
    pub(super) fn host(&mut self) -> usize {
        let at = self.nodes.len();
        let host = self.lan.host(&format!("host{at}")).unwrap();
        let [high, low] = u16::try_from(at + 1).unwrap().to_be_bytes();
        let v6 = [format!("fe80::{:x}", at + 1), format!("2001:db8::{:x}", at + 1)];
        let v6 = v6.iter().map(|v6| (v6.parse().unwrap(), 64)).collect();
        self.lan.attach_with(host, self.home, vec![([10, 0, high, low].into(), 16)], v6);
        let id = format!("peer{at}");
        self.nodes.push(Node {
            host,
            id,
            discovery: None,
            told: Vec::new(),
            live: BTreeMap::new(),
            board: Board::default(),
        });
        at
    }

    /// A host whose peer has started with exo's or the default settings.
    pub(super) fn node(&mut self, ttl: u64, interval: u64) -> usize {
        let at = self.host();
        self.start(at, ttl, interval);
        self.listen(at, &[4001]);
        at
    }

    pub(super) fn start(&mut self, at: usize, ttl: u64, interval: u64) {
        let node = &self.nodes[at];
        let settings = Settings {
            peer: Arc::from(node.id.as_bytes()),
            service: ServiceType::new("_p2p._udp").unwrap(),
            ttl: secs(ttl),
            query_interval: secs(interval),
            read,
        };
        let seed = at as u64;
        let discovery = self.lan.drive(node.host, |engine, now| {
            Discovery::new(engine, now, &settings, Arc::default(), seed).unwrap()
        });
        self.nodes[at].discovery = Some(discovery);
    }

    /// Listens on the wildcard of both families, on these ports.
    pub(super) fn listen(&mut self, at: usize, ports: &[u16]) {
        self.listen_for_now(at, ports);
        let node = &mut self.nodes[at];
        let discovery = node.discovery.as_mut().unwrap();
        self.lan.drive(node.host, |engine, now| discovery.settle(engine, now));
    }

    /// The same, and the swarm may have more.
    pub(super) fn listen_for_now(&mut self, at: usize, ports: &[u16]) {
        let id = self.nodes[at].id.clone();
        let address = |ip: &str, port: u16| ListenAddress {
            reach: Reach::Ip(ip.parse().unwrap()),
            text: format!("/tcp/{port}/p2p/{id}"),
            port,
        };
        let listens =
            ports.iter().flat_map(|port| [address("0.0.0.0", *port), address("::", *port)]).collect();
        let now = self.lan.now();
        self.nodes[at].discovery.as_mut().unwrap().set_listens(now, listens);
    }

    pub(super) fn is_running(&self, at: usize) -> bool {
        self.nodes[at].discovery.is_some()
    }

    /// The swarm takes a peer to be gone.
    pub(super) fn expire(&mut self, at: usize, peer: &str) {
        if let Some(discovery) = &mut self.nodes[at].discovery {
            discovery.expire(peer.as_bytes());
            self.nodes[at].take(&self.lan);
        }
    }

    pub(super) fn set_static(&mut self, at: usize, origin: u64, peers: Vec<PeerAddress>) {
        self.nodes[at].discovery.as_mut().unwrap().set_static(origin, peers);
        self.nodes[at].take(&self.lan);
    }

    /// The peer says goodbye.
    pub(super) fn stop(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let discovery = node.discovery.take().unwrap();
        self.lan.drive(node.host, |engine, now| discovery.end(engine, now));
    }

    /// The peer is gone without a word, and so is its engine.
    pub(super) fn kill(&mut self, at: usize) {
        self.nodes[at].discovery = None;
        self.nodes[at].live.clear();
        self.lan.kill(self.nodes[at].host);
    }

    /// Its host is there again.
    pub(super) fn reboot(&mut self, at: usize) {
        self.lan.reboot(self.nodes[at].host);
    }

    pub(super) fn lose(&mut self, loss: f64) {
        self.lan.set_conditions(self.home, Conditions { loss, ..Conditions::default() });
    }

    pub(super) fn now(&self) -> Duration {
        self.lan.elapsed()
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.run_while_not(time, |_| false);
    }

    /// Lets time pass until `done` says so; says whether it did.
    pub(super) fn run_while_not(&mut self, limit: Duration, done: impl Fn(&[Node]) -> bool) -> bool {
        let until = self.now() + limit;
        loop {
            let now = self.lan.now();
            let Self { lan, nodes, .. } = self;
            for node in nodes.iter_mut() {
                node.timers(lan);
            }
            if done(nodes) {
                return true;
            }
            if lan.elapsed() >= until {
                return false;
            }
            let left = until - lan.elapsed();
            let due = nodes.iter().filter_map(Node::due).min();
            let wait = due.map_or(left, |due| due.saturating_duration_since(now).min(left));
            lan.run_while_not(wait, |lan| {
                nodes.iter_mut().filter_map(|node| node.events(lan).then_some(())).count() > 0
            });
        }
    }

    /// When `at` came to know an address of `of`; the last time it did.
    pub(super) fn found(&self, at: usize, of: usize) -> Option<Duration> {
        let end = format!("/p2p/{}", self.nodes[of].id);
        let told = &self.nodes[at].told;
        told.iter().rev().find(|told| told.live && told.address.ends_with(&end)).map(|told| told.at)
    }

    pub(super) fn expired(&self) -> usize {
        self.nodes.iter().map(Node::expired).sum()
    }
}

impl Node {
    /// Whether any address of this peer is known.
    pub(super) fn knows(&self, id: &str) -> bool {
        let end = format!("/p2p/{id}");
        self.live.keys().any(|address| address.ends_with(&end))
    }

    /// How many addresses were lost so far.
    pub(super) fn expired(&self) -> usize {
        self.told.iter().filter(|told| !told.live).count()
    }

    fn due(&self) -> Option<std::time::Instant> {
        self.discovery.as_ref()?.poll_timeout()
    }

    fn timers(&mut self, lan: &mut Lan) {
        let Some(discovery) = &mut self.discovery else { return };
        if discovery.poll_timeout().is_some_and(|due| due <= lan.now()) {
            lan.drive(self.host, |engine, now| discovery.handle_timeout(engine, now));
            self.take(lan);
        }
    }

    /// Takes in what the engine told; whether the peer has something to do earlier by it.
    fn events(&mut self, lan: &mut Lan) -> bool {
        let events = lan.take_events(self.host);
        let Some(discovery) = self.discovery.as_mut().filter(|_| !events.is_empty()) else { return false };
        let due = discovery.poll_timeout();
        lan.drive(self.host, |engine, now| {
            for (_, event) in &events {
                discovery.handle_event(engine, now, event);
            }
        });
        let earlier = discovery.poll_timeout() != due;
        self.take(lan) || earlier
    }

    fn take(&mut self, lan: &Lan) -> bool {
        let Some(discovery) = &mut self.discovery else { return false };
        let mut any = false;
        while let Some(change) = discovery.poll_change() {
            any = true;
            self.board.put(change.address.clone(), change.live);
            let address = String::from_utf8(change.address.bytes.to_vec()).unwrap();
            let live = change.live.is_some();
            let was = match change.live {
                Some(on_link) => self.live.insert(address.clone(), on_link).is_some(),
                None => self.live.remove(&address).is_some(),
            };
            if was != live {
                self.told.push(Told { at: lan.elapsed(), address, live });
            }
        }
        any
    }
}
