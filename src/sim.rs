//! A LAN in virtual time: many engines, segments with loss and delay, partitions, and a
//! trace. The same seed gives the same trace; an hour takes milliseconds.
//!
//! ```
//! use std::time::Duration;
//! use salut::{Change, Service, proto::{Event, Search}, sim::Lan, ServiceType};
//!
//! let mut lan = Lan::new(7);
//! let home = lan.segment();
//! let (alpha, beta) = (lan.host("alpha")?, lan.host("beta")?);
//! lan.attach(alpha, home);
//! lan.attach(beta, home);
//! lan.announce(alpha, Service::new("My Node", "_exo._tcp", 52415)?)?;
//! lan.browse(beta, Search::Service(ServiceType::new("_exo._tcp")?))?;
//! lan.run_for(Duration::from_secs(2));
//! let found = lan.take_events(beta).into_iter().find_map(|(_, event)| match event {
//!     Event::Browse { change: Change::Found(node), .. } => Some(node),
//!     _ => None,
//! });
//! assert_eq!(found.ok_or("not found")?.port, 52415);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::error::{NameError, ServiceError};
use crate::name::HostName;
use crate::proto::{
    AnnouncementId, BrowseId, Config, Engine, Event, Family, LinkIndex, LinkState, Packet, Search, Transmit,
};
use crate::service::Service;
use crate::wire::{MDNS_PORT, Message};

/// A host of the LAN, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub usize);

/// A segment of the LAN, by number: what one host multicasts on it all others hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(pub usize);

/// How badly a segment carries datagrams. Each copy to each receiver has its own luck; a
/// host always hears its own multicasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The shortest and the longest way of a datagram. Drawn evenly, so that a wide range
    /// reorders.
    pub delay: (Duration, Duration),
    /// The part that is lost, 0 to 1.
    pub loss: f64,
    /// The part that arrives twice, 0 to 1.
    pub duplication: f64,
}

impl Default for Conditions {
    /// A good switch: 100 to 300 µs, nothing lost, nothing twice.
    fn default() -> Self {
        Self { delay: (Duration::from_micros(100), Duration::from_micros(300)), loss: 0.0, duplication: 0.0 }
    }
}

/// A datagram that was sent, for assertions and traces.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When, since the LAN began.
    pub at: Duration,
    /// By whom; `None` for one that was injected.
    pub host: Option<HostId>,
    /// On which segment.
    pub segment: SegmentId,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// The UDP payload.
    pub payload: Bytes,
}

/// One line: instant, host, destination, and the message in short.
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.map_or_else(|| "stranger".to_owned(), |host| format!("host {}", host.0));
        write!(f, "{:>12.6} {host:<9} {} ", self.at.as_secs_f64(), self.destination.ip())?;
        let Ok(message) = Message::read(&self.payload) else { return write!(f, "malformed") };
        write!(f, "{}", if message.header().response { "R" } else { "Q" })?;
        for question in message.questions() {
            write!(f, " {}?{}{}", question.rtype, question.name, if question.unicast { " QU" } else { "" })?;
        }
        for record in message.records() {
            write!(f, " {}={}/{}", record.rtype, record.name, record.ttl)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimHost {
    engine: Engine,
    links: BTreeMap<LinkIndex, (SegmentId, LinkState)>,
    events: Vec<(Duration, Event)>,
    /// Partition: only hosts of the same group hear each other.
    group: usize,
    up: bool,
}

#[derive(Debug)]
struct Delivery {
    to: HostId,
    link: LinkIndex,
    source: SocketAddr,
    unicast: bool,
    payload: Bytes,
}

/// A LAN in virtual time. See the [module](self).
#[derive(Debug)]
pub struct Lan {
    start: Instant,
    now: Instant,
    seed: u64,
    chance: u64,
    hosts: Vec<SimHost>,
    segments: Vec<Conditions>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    sent: VecDeque<Sent>,
    sent_by: Vec<u64>,
    recording: bool,
}

impl Lan {
    /// An empty LAN.
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made without a clock; only differences count"
    )]
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            seed,
            chance: seed ^ 0x5eed,
            hosts: Vec::new(),
            segments: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            sent: VecDeque::new(),
            sent_by: Vec::new(),
            recording: true,
        }
    }

    // ---- building

    /// A new segment in perfect condition.
    pub fn segment(&mut self) -> SegmentId {
        self.segments.push(Conditions::default());
        SegmentId(self.segments.len().saturating_sub(1))
    }

    /// Makes a segment better or worse from now on.
    pub fn set_conditions(&mut self, segment: SegmentId, conditions: Conditions) {
        if let Some(current) = self.segments.get_mut(segment.0) {
            *current = conditions;
        }
    }

    /// A new host without links.
    ///
    /// # Errors
    /// A bad host name.
    pub fn host(&mut self, name: &str) -> Result<HostId, NameError> {
        let id = HostId(self.hosts.len());
        let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(id.0 as u64);
        let engine = Engine::new(Config::new(HostName::new(name)?), seed);
        self.hosts.push(SimHost { engine, links: BTreeMap::new(), events: Vec::new(), group: 0, up: true });
        self.sent_by.push(0);
        Ok(id)
    }

    /// Plugs a host into a segment, with an address of each family made from its number.
    pub fn attach(&mut self, host: HostId, segment: SegmentId) -> LinkIndex {
        let [.., high, low] = (host.0 as u64).to_be_bytes();
        let net = u8::try_from(segment.0).unwrap_or(u8::MAX);
        let v4 = Ipv4Addr::new(10, net, high, low.wrapping_add(1));
        let v6 =
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, net.into(), u16::from_be_bytes([high, low]).wrapping_add(1));
        self.attach_with(host, segment, vec![(v4, 16)], vec![(v6, 64)])
    }

    /// Plugs a host into a segment with these addresses. A family without addresses is off.
    pub fn attach_with(
        &mut self,
        host: HostId,
        segment: SegmentId,
        v4: Vec<(Ipv4Addr, u8)>,
        v6: Vec<(Ipv6Addr, u8)>,
    ) -> LinkIndex {
        let index = LinkIndex(u32::try_from(segment.0).unwrap_or_default().saturating_add(1));
        let state = LinkState {
            name: format!("eth{}", segment.0).into(),
            mtu: 1500,
            v4_open: !v4.is_empty(),
            v6_open: !v6.is_empty(),
            v4,
            v6,
            unicast: true,
        };
        self.set_link(host, index, segment, Some(state));
        index
    }

    /// Changes the state of a link, or unplugs it.
    pub fn set_link(&mut self, host: HostId, index: LinkIndex, segment: SegmentId, state: Option<LinkState>) {
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        match &state {
            Some(state) => at.links.insert(index, (segment, state.clone())),
            None => at.links.remove(&index),
        };
        self.drive(host, |engine, now| engine.handle_link(now, index, state));
    }

    /// The present state of a link.
    pub fn link_state(&self, host: HostId, index: LinkIndex) -> Option<LinkState> {
        self.hosts.get(host.0)?.links.get(&index).map(|(_, state)| state.clone())
    }

    /// Takes a host off the LAN without a word, as a power cut does.
    pub fn kill(&mut self, host: HostId) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.up = false;
        }
    }

    /// Puts hosts into a group: only hosts of one group hear each other. All begin in group 0.
    pub fn set_group(&mut self, host: HostId, group: usize) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.group = group;
        }
    }

    // ---- commands

    /// See [`Engine::announce`].
    ///
    /// # Errors
    /// As there.
    pub fn announce(&mut self, host: HostId, service: Service) -> Result<AnnouncementId, ServiceError> {
        self.drive(host, |engine, now| engine.announce(now, service))
    }

    /// See [`Engine::browse`].
    ///
    /// # Errors
    /// As there.
    pub fn browse(&mut self, host: HostId, search: Search) -> Result<BrowseId, NameError> {
        self.drive(host, |engine, now| engine.browse(now, search))
    }

    /// Any input or command of a host's engine, at the present instant; what it sends goes
    /// onto the LAN.
    ///
    /// # Panics
    /// If there is no such host.
    #[expect(clippy::panic, reason = "a simulation without that host is a mistake of its author")]
    pub fn drive<T>(&mut self, host: HostId, act: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let now = self.now;
        let Some(at) = self.hosts.get_mut(host.0) else { panic!("no host {}", host.0) };
        let result = act(&mut at.engine, now);
        self.drain(host);
        result
    }

    /// A datagram from an address that no engine has: strangers and attackers. It is heard by
    /// every host on the segment, or by the one it is sent to.
    pub fn inject(
        &mut self,
        segment: SegmentId,
        source: SocketAddr,
        destination: Option<IpAddr>,
        payload: &[u8],
    ) {
        let group = match source.ip() {
            IpAddr::V4(_) => IpAddr::V4(crate::proto::GROUP_V4),
            IpAddr::V6(_) => IpAddr::V6(crate::proto::GROUP_V6),
        };
        let destination = SocketAddr::new(destination.unwrap_or(group), MDNS_PORT);
        let payload = Bytes::copy_from_slice(payload);
        self.record(None, segment, source, destination, &payload);
        self.carry(None, segment, source, destination, &payload);
    }

    // ---- time

    /// How long the LAN has been running.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    /// The present instant, for inputs given to engines directly.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now.checked_add(time).unwrap_or(self.now);
        self.run_until(until, |_| false);
    }

    /// Lets time pass until `done` says so after some event, or until `limit` is over. Says
    /// whether it did.
    pub fn run_while_not(&mut self, limit: Duration, done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now.checked_add(limit).unwrap_or(self.now);
        self.run_until(until, done)
    }

    fn run_until(&mut self, until: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        if done(self) {
            return true;
        }
        let mut timeouts: BTreeMap<(Instant, usize), ()> = BTreeMap::new();
        let mut armed: Vec<Option<Instant>> = vec![None; self.hosts.len()];
        for host in 0..self.hosts.len() {
            self.arm(host, &mut timeouts, &mut armed);
        }
        loop {
            let timer = timeouts.first_key_value().map(|((at, host), ())| (*at, *host));
            let packet = self.queue.first_key_value().map(|((at, _), _)| *at);
            let touched = match (packet, timer) {
                (Some(at), timer) if timer.is_none_or(|(due, _)| at <= due) && at <= until => {
                    self.now = self.now.max(at);
                    let Some((_, delivery)) = self.queue.pop_first() else { break };
                    self.deliver(&delivery);
                    delivery.to.0
                }
                (_, Some((due, host))) if due <= until => {
                    self.now = self.now.max(due);
                    timeouts.remove(&(due, host));
                    if let Some(slot) = armed.get_mut(host) {
                        *slot = None;
                    }
                    if self.hosts.get(host).is_some_and(|host| host.up) {
                        self.drive(HostId(host), |engine, now| engine.handle_timeout(now));
                    }
                    host
                }
                _ => break,
            };
            self.arm(touched, &mut timeouts, &mut armed);
            if done(self) {
                return true;
            }
        }
        self.now = self.now.max(until);
        false
    }

    fn arm(&self, host: usize, timeouts: &mut BTreeMap<(Instant, usize), ()>, armed: &mut [Option<Instant>]) {
        let (Some(at), Some(slot)) = (self.hosts.get(host), armed.get_mut(host)) else { return };
        let due = at.engine.poll_timeout().map(|timeout| timeout.at).filter(|_| at.up);
        if *slot == due {
            return;
        }
        if let Some(before) = slot.take() {
            timeouts.remove(&(before, host));
        }
        if let Some(due) = due {
            timeouts.insert((due, host), ());
            *slot = Some(due);
        }
    }

    // ---- looking

    /// A host's engine.
    pub fn engine(&self, host: HostId) -> Option<&Engine> {
        self.hosts.get(host.0).map(|host| &host.engine)
    }

    /// The events of a host since they were last taken, with the time since the LAN began.
    pub fn take_events(&mut self, host: HostId) -> Vec<(Duration, Event)> {
        self.hosts.get_mut(host.0).map(|host| std::mem::take(&mut host.events)).unwrap_or_default()
    }

    /// The datagrams sent since they were last taken.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent).into()
    }

    /// How many datagrams a host has sent in all.
    pub fn sent_by(&self, host: HostId) -> u64 {
        self.sent_by.get(host.0).copied().unwrap_or_default()
    }

    /// Stops or resumes keeping what is sent: hours of a thousand hosts need much memory.
    pub fn set_recording(&mut self, recording: bool) {
        self.recording = recording;
        if !recording {
            self.sent.clear();
        }
    }

    /// What was sent since it was last taken, as text: a line for each datagram.
    pub fn trace(&self) -> String {
        self.sent.iter().map(|sent| format!("{sent}\n")).collect()
    }

    // ---- inside

    fn drain(&mut self, host: HostId) {
        let elapsed = self.elapsed();
        loop {
            let Some(at) = self.hosts.get_mut(host.0) else { return };
            let Some(Transmit { link, destination, payload }) = at.engine.poll_transmit() else { break };
            let Some((segment, state)) = at.links.get(&link) else { continue };
            let (segment, source) = (*segment, source_for(state, destination, link));
            if !at.up {
                continue;
            }
            let Some(source) = source else { continue };
            if let Some(count) = self.sent_by.get_mut(host.0) {
                *count = count.saturating_add(1);
            }
            self.record(Some(host), segment, source, destination, &payload);
            self.carry(Some(host), segment, source, destination, &payload);
        }
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        while let Some(event) = at.engine.poll_event() {
            at.events.push((elapsed, event));
        }
    }

    fn record(
        &mut self,
        host: Option<HostId>,
        segment: SegmentId,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &Bytes,
    ) {
        if self.recording {
            let at = self.elapsed();
            self.sent.push_back(Sent { at, host, segment, source, destination, payload: payload.clone() });
        }
    }

    fn carry(
        &mut self,
        from: Option<HostId>,
        segment: SegmentId,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &Bytes,
    ) {
        let conditions = self.segments.get(segment.0).cloned().unwrap_or_default();
        let group = from.and_then(|host| self.hosts.get(host.0)).map(|host| host.group);
        let multicast = destination.ip().is_multicast();
        let family = Family::of(destination.ip());
        let mut receivers = Vec::new();
        for (number, host) in self.hosts.iter().enumerate() {
            for (index, (on, state)) in &host.links {
                let hears = *on == segment
                    && host.up
                    && group.is_none_or(|group| host.group == group)
                    && destination.port() == MDNS_PORT
                    && state.is_open(family)
                    && (multicast || has_address(state, destination.ip()));
                if hears {
                    receivers.push((HostId(number), *index));
                }
            }
        }
        for (to, link) in receivers {
            let own = from == Some(to);
            let copies = if own {
                1
            } else {
                u32::from(!self.happens(conditions.loss)) + u32::from(self.happens(conditions.duplication))
            };
            for _ in 0..copies {
                let (low, high) = conditions.delay;
                let delay = if own { low } else { low + high.saturating_sub(low).mul_f64(self.draw()) };
                let at = self.now.checked_add(delay).unwrap_or(self.now);
                self.sequence = self.sequence.wrapping_add(1);
                let source = scope_to(source, link);
                let delivery = Delivery { to, link, source, unicast: !multicast, payload: payload.clone() };
                self.queue.insert((at, self.sequence), delivery);
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
        let Delivery { to, link, source, unicast, payload } = delivery;
        let plugged = self.hosts.get(to.0).is_some_and(|host| host.up && host.links.contains_key(link));
        if plugged {
            let packet = Packet { link: *link, source: *source, unicast: *unicast, payload };
            self.drive(*to, |engine, now| engine.handle_packet(now, packet));
        }
    }

    /// A number from 0 to 1, the next of this LAN's own series.
    fn draw(&mut self) -> f64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.chance ^ (self.chance >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, part: f64) -> bool {
        part > 0.0 && self.draw() < part
    }
}

fn has_address(state: &LinkState, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => state.v4.iter().any(|(own, _)| *own == v4),
        IpAddr::V6(v6) => state.v6.iter().any(|(own, _)| *own == v6),
    }
}

fn source_for(state: &LinkState, destination: SocketAddr, link: LinkIndex) -> Option<SocketAddr> {
    match destination {
        SocketAddr::V4(_) => state.v4.first().map(|(own, _)| SocketAddr::from((*own, MDNS_PORT))),
        SocketAddr::V6(_) => state
            .v6
            .first()
            .map(|(own, _)| scope_to(SocketAddr::V6(SocketAddrV6::new(*own, MDNS_PORT, 0, 0)), link)),
    }
}

fn scope_to(address: SocketAddr, link: LinkIndex) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, link.0))
        }
        other => other,
    }
}
