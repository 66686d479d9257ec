//! An engine with somebody who looks over its shoulder: after every step no timeout in the
//! past, memory within bounds, no record multicast twice within a second, no senseless event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use salut::proto::{
    AnnouncementId, BrowseId, Config, Engine, Event, Family, LinkIndex, LinkState, Packet, ResolveId, Search,
};
use salut::wire::{MDNS_PORT, Message, RecordType, Section};
use salut::{HostName, ServiceType, Txt};

use super::{NAMES, Step, bytes};
use crate::lan_support::*;

/// A record as RFC 6762 §6 tells records apart.
pub type Told = (Vec<u8>, RecordType, Vec<u8>);

pub struct Watched {
    pub engine: Engine,
    pub start: Instant,
    pub now: Instant,
    pub links: BTreeMap<LinkIndex, LinkState>,
    pub services: Vec<AnnouncementId>,
    pub browses: Vec<BrowseId>,
    pub resolves: Vec<ResolveId>,
    pub view: View,
    pub sent: Vec<Vec<u8>>,
    /// When each record was last multicast on each link.
    pub last: BTreeMap<(LinkIndex, Told), Instant>,
    /// Goodbyes of others, and our own, since then (RFC 6762 §10.1).
    pub goodbyes: BTreeMap<(LinkIndex, Told), Instant>,
    /// When somebody last probed for a name.
    pub probed: BTreeMap<(LinkIndex, Vec<u8>), Instant>,
    pub responses: BTreeMap<(LinkIndex, Family), usize>,
}

pub fn told(record: &salut::wire::RecordRef<'_>) -> Option<Told> {
    let owner = record.name.to_name();
    let mut rdata = Vec::new();
    record.data()?.write_uncompressed(&owner, &mut rdata);
    Some((owner.wire().to_ascii_lowercase(), record.rtype, rdata))
}

impl Watched {
    #[allow(clippy::disallowed_methods)]
    pub fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut this = Self {
            engine: Engine::new(Config::new(HostName::new("alpha").unwrap()), seed),
            start: now,
            now,
            links: BTreeMap::new(),
            services: Vec::new(),
            browses: Vec::new(),
            resolves: Vec::new(),
            view: View::default(),
            sent: Vec::new(),
            last: BTreeMap::new(),
            goodbyes: BTreeMap::new(),
            probed: BTreeMap::new(),
            responses: BTreeMap::new(),
        };
        this.set_link(0, 3);
        this
    }

    pub fn act<T>(&mut self, act: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let result = act(&mut self.engine, self.now);
        self.drain();
        result
    }

    pub fn set_link(&mut self, link: u8, state: u8) {
        let index = LinkIndex(u32::from(link) + 1);
        let v4 = |last| vec![([10, 0, link, last].into(), 24)];
        let v6 = vec![(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, link.into(), 1), 64)];
        let (v4, v6, unicast) = match state {
            0 => {
                self.links.remove(&index);
                self.act(|engine, now| engine.handle_link(now, index, None));
                // It is another link when it comes back, and nothing is known of the old one.
                self.last.retain(|(link, _), _| *link != index);
                return;
            }
            1 => (v4(1), vec![], true),
            2 => (vec![], v6, true),
            3 => (v4(1), v6, true),
            4 => (v4(2), v6, false),
            _ => (vec![], vec![], true),
        };
        let (v4_open, v6_open) = (!v4.is_empty(), !v6.is_empty());
        let state =
            LinkState { name: format!("eth{link}").into(), mtu: 1500, v4, v6, v4_open, v6_open, unicast };
        self.links.insert(index, state.clone());
        self.act(|engine, now| engine.handle_link(now, index, Some(state)));
    }

    pub fn hear(&mut self, link: u8, who: u8, v6: bool, unicast: bool, port: u16, payload: &[u8]) {
        let index = LinkIndex(u32::from(link) + 1);
        let source: IpAddr = match (v6, who) {
            (true, _) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, link.into(), u16::from(who) + 1).into(),
            (false, 4) => [203, 0, 113, 9].into(),
            (false, _) => [10, 0, link, who + 1].into(),
        };
        let source = match source {
            IpAddr::V4(_) => SocketAddr::new(source, port),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, index.0)),
        };
        if let Ok(message) = Message::read(payload) {
            for record in message.records() {
                if record.ttl == 0 && message.header().response {
                    if let Some(told) = told(&record) {
                        self.goodbyes.insert((index, told), self.now);
                    }
                } else if record.section == Section::Authority {
                    let name = record.name.to_name().wire().to_ascii_lowercase();
                    self.probed.insert((index, name), self.now);
                }
            }
        }
        self.act(|engine, now| engine.handle_packet(now, Packet { link: index, source, unicast, payload }));
    }

    pub fn drain(&mut self) {
        let mut now_told: BTreeSet<(LinkIndex, Family, Told)> = BTreeSet::new();
        let mut count = 0;
        while let Some(transmit) = self.engine.poll_transmit() {
            count += 1;
            assert!(count <= 2000, "one input, {count} datagrams");
            let state = self.links.get(&transmit.link).expect("a datagram for a link that is not there");
            let family = Family::of(transmit.destination.ip());
            let message = Message::read(&transmit.payload).expect("we send messages only");
            if transmit.destination.ip().is_multicast() {
                assert!(state.is_open(family), "{family:?} is closed on {:?}", transmit.link);
                self.look_at(transmit.link, family, &message, &mut now_told);
                self.sent.push(transmit.payload.to_vec());
            }
        }
        while let Some(event) = self.engine.poll_event() {
            if let Event::Browse { id, .. } = &event {
                assert!(
                    self.browses.is_empty()
                        || self.browses.contains(id)
                        || id.0 > self.browses.last().unwrap().0
                );
            }
            let at = self.now - self.start;
            self.view.hear(at, event);
        }
        if let Some(timeout) = self.engine.poll_timeout() {
            assert!(
                timeout.at >= self.now,
                "{:?} wants to be called {:?} ago",
                timeout.cause,
                self.now - timeout.at
            );
        }
        for link in 1..=3 {
            // What nobody asked for, and the instances of what is browsed for (two types and a
            // subtype) with what the names above bring.
            let cached = self.engine.cached(LinkIndex(link));
            assert!(cached <= 4096 + 3 * 1024 + 500, "{cached} records in the cache");
        }
    }

    /// RFC 6762 §6: a record is multicast once a second on a link.
    pub fn look_at(
        &mut self,
        link: LinkIndex,
        family: Family,
        message: &Message<'_>,
        now_told: &mut BTreeSet<(LinkIndex, Family, Told)>,
    ) {
        if !message.header().response {
            return;
        }
        *self.responses.entry((link, family)).or_default() += 1;
        for record in message.records() {
            let told = told(&record).expect("what we send can be read");
            if record.ttl == 0 {
                self.goodbyes.insert((link, told), self.now);
                continue;
            }
            assert!(
                now_told.insert((link, family, told.clone())),
                "twice in one go: {} {:?}",
                record.name.to_name(),
                record.rtype
            );
            let key = (link, told);
            if let Some(last) = self.last.insert(key.clone(), self.now).filter(|last| *last < self.now) {
                let (_, told) = &key;
                let passed = self.now - last;
                let rescued = self.goodbyes.get(&key).is_some_and(|at| *at >= last);
                let defended = passed >= millis(250)
                    && self.probed.get(&(link, told.0.clone())).is_some_and(|at| *at + seconds(1.0) >= last);
                assert!(
                    passed >= seconds(1.0) || rescued || defended,
                    "{} {:?} again after {passed:?}",
                    record.name.to_name(),
                    record.rtype
                );
            }
        }
    }

    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut at_once = 0;
        while let Some(timeout) = self.engine.poll_timeout().filter(|timeout| timeout.at <= until) {
            at_once = if timeout.at == self.now { at_once + 1 } else { 0 };
            assert!(at_once < 100, "{:?} again and again at the same instant", timeout.cause);
            self.now = timeout.at;
            self.act(Engine::handle_timeout);
        }
        self.now = until;
        // Called early it does nothing but what is due.
        self.act(Engine::handle_timeout);
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Hear { link, who, v6, unicast, port, payload } => {
                let payload = bytes(payload);
                self.hear(*link, *who, *v6, *unicast, *port, &payload);
            }
            Step::Echo { back, link, who } => {
                let Some(payload) =
                    self.sent.len().checked_sub(1 + usize::from(*back)).map(|at| self.sent[at].clone())
                else {
                    return;
                };
                self.hear(*link, *who, who % 2 == 1, false, MDNS_PORT, &payload);
            }
            Step::Link { link, state } => self.set_link(*link, *state),
            Step::Announce { service: number } => {
                let service = match number {
                    0 => service("Node"),
                    1 => service("Node (2)"),
                    2 => service("Other").subtype("_gpu").unwrap(),
                    3 => salut::Service::new("Printer", "_ipp._tcp", 631).unwrap(),
                    _ => service("Elsewhere").host(HostName::new("beta").unwrap()),
                };
                if let Ok(id) = self.act(|engine, now| engine.announce(now, service)) {
                    self.services.push(id);
                }
            }
            Step::Withdraw { which } => {
                if let Some(id) = pick(&mut self.services, *which) {
                    self.act(|engine, now| engine.withdraw(now, id));
                }
            }
            Step::SetTxt { which, value } => {
                let Some(id) = look(&self.services, *which) else { return };
                let txt = Txt::new().with("id", [*value]).unwrap();
                self.act(|engine, now| engine.set_txt(now, id, txt));
            }
            Step::SetPort { which, port } => {
                let Some(id) = look(&self.services, *which) else { return };
                self.act(|engine, now| engine.set_port(now, id, *port));
            }
            Step::Browse { search } => {
                let search = match search {
                    0 | 1 => exo(),
                    2 => Search::Subtype(ServiceType::new(TYPE).unwrap(), "_gpu".into()),
                    _ => Search::Service(ServiceType::new("_ipp._tcp").unwrap()),
                };
                let id = self.act(|engine, now| engine.browse(now, search)).unwrap();
                self.browses.push(id);
            }
            Step::StopBrowse { which } => {
                if let Some(id) = pick(&mut self.browses, *which) {
                    self.act(|engine, now| engine.stop_browse(now, id));
                    self.view.known.retain(|(browse, ..), _| *browse != id);
                }
            }
            Step::Resolve { host } => {
                let Ok(host) = HostName::new(NAMES[usize::from(*host)]) else { return };
                let id = self.act(|engine, now| engine.resolve(now, host));
                self.resolves.push(id);
            }
            Step::StopResolve { which } => {
                if let Some(id) = pick(&mut self.resolves, *which) {
                    self.act(|engine, now| engine.stop_resolve(now, id));
                }
            }
            Step::Wake => self.act(Engine::handle_wake),
            Step::Recovery { link } => {
                self.act(|engine, now| engine.handle_recovery(now, LinkIndex(u32::from(*link) + 1)));
            }
            Step::SharesHost(shares) => self.act(|engine, now| engine.set_shares_host(now, *shares)),
            Step::Shutdown => {
                self.act(Engine::shutdown);
                self.services.clear();
            }
            Step::Pass { millis: time } => self.pass(millis((*time).into())),
        }
        // 100 at once and 50 a second; goodbyes are not counted among them.
        let most = 150 + 50 * (self.now - self.start).as_secs() as usize;
        for ((link, family), count) in &self.responses {
            assert!(*count <= most + self.goodbyes.len(), "{count} responses on {link:?} {family:?}");
        }
    }
}

pub fn pick<T: Copy>(from: &mut Vec<T>, which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(usize::from(which) % from.len()))
}

pub fn look<T: Copy>(from: &[T], which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(which) % from.len()])
}
