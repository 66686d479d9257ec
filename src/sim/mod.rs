//! A LAN in virtual time: many engines, segments with loss, delay and duplication,
//! partitions, hosts that die, sleep and come back, and a trace. The same seed gives the
//! same trace; an hour takes milliseconds.
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

mod air;
mod chance;
mod run;
mod trace;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::error::{NameError, ServiceError};
use crate::name::HostName;
use crate::proto::{
    AnnouncementId, BrowseId, Config, Engine, Event, GROUP_V4, GROUP_V6, LinkIndex, LinkState, Search,
};
use crate::service::Service;
use crate::wire::MDNS_PORT;
use air::{Air, Segment};
use chance::Chance;

pub use air::Conditions;
pub use trace::Sent;

/// A host of the LAN, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub usize);

/// A segment of the LAN, by number: what one host multicasts on it all others hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(pub usize);

#[derive(Debug)]
struct SimHost {
    name: Arc<str>,
    config: Config,
    engine: Engine,
    links: BTreeMap<LinkIndex, (SegmentId, LinkState)>,
    events: Vec<(Duration, Event)>,
    /// Partition: only hosts of the same group hear each other.
    group: usize,
    up: bool,
    /// How far its clock is behind the LAN's: it stood still while the host slept.
    behind: Duration,
    asleep_since: Option<Instant>,
    /// Its timers fire up to so much late.
    lateness: Duration,
    /// What it wants to be woken for, and when it will be.
    armed: Option<(Instant, Instant)>,
    sent: u64,
}

/// A LAN in virtual time. See the [module](self).
#[derive(Debug)]
pub struct Lan {
    start: Instant,
    now: Instant,
    seed: Chance,
    chance: Chance,
    hosts: Vec<SimHost>,
    segments: Vec<Segment>,
    air: Air,
    /// Pairs of hosts that do not hear each other.
    cuts: BTreeSet<(HostId, HostId)>,
    wakes: BTreeSet<(Instant, usize)>,
    sent: VecDeque<Sent>,
    recording: bool,
    stranger: Arc<str>,
}

impl Lan {
    /// An empty LAN.
    #[expect(clippy::disallowed_methods, reason = "no Instant comes without a clock; only differences count")]
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            seed: Chance::new(seed),
            chance: Chance::new(!seed),
            hosts: Vec::new(),
            segments: Vec::new(),
            air: Air::default(),
            cuts: BTreeSet::new(),
            wakes: BTreeSet::new(),
            sent: VecDeque::new(),
            recording: true,
            stranger: "stranger".into(),
        }
    }

    // ---- building

    /// A new segment in perfect condition.
    pub fn segment(&mut self) -> SegmentId {
        self.segments.push(Segment::default());
        SegmentId(self.segments.len().saturating_sub(1))
    }

    /// Makes a segment better or worse from now on.
    pub fn set_conditions(&mut self, segment: SegmentId, conditions: Conditions) {
        if let Some(segment) = self.segments.get_mut(segment.0) {
            segment.conditions = conditions;
        }
    }

    /// A new host without links.
    ///
    /// # Errors
    /// A bad host name.
    pub fn host(&mut self, name: &str) -> Result<HostId, NameError> {
        Ok(self.host_with(Config::new(HostName::new(name)?)))
    }

    /// A new host without links, with these settings.
    pub fn host_with(&mut self, config: Config) -> HostId {
        let name = config.host.to_string();
        self.hosts.push(SimHost {
            name: name.strip_suffix(".local").unwrap_or(&name).into(),
            engine: Engine::new(config.clone(), self.seed.next()),
            config,
            links: BTreeMap::new(),
            events: Vec::new(),
            group: 0,
            up: true,
            behind: Duration::ZERO,
            asleep_since: None,
            lateness: Duration::ZERO,
            armed: None,
            sent: 0,
        });
        HostId(self.hosts.len().saturating_sub(1))
    }

    /// Plugs a host into a segment, with an address of each family made from its number.
    pub fn attach(&mut self, host: HostId, segment: SegmentId) -> LinkIndex {
        let [.., high, low] = (host.0 as u64).saturating_add(1).to_be_bytes();
        let net = u8::try_from(segment.0).unwrap_or(u8::MAX);
        let v4 = Ipv4Addr::new(10, net, high, low);
        let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, net.into(), u16::from_be_bytes([high, low]));
        self.attach_with(host, segment, vec![(v4, 16)], vec![(v6, 64)])
    }

    /// Plugs a host into a segment with these addresses. A family without addresses is off.
    /// The link's index is the segment's number and one.
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

    /// Changes the state of a link, or unplugs it. Two links of a host may be plugged into
    /// one segment.
    pub fn set_link(&mut self, host: HostId, index: LinkIndex, segment: SegmentId, state: Option<LinkState>) {
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        let before = match &state {
            Some(state) => at.links.insert(index, (segment, state.clone())),
            None => at.links.remove(&index),
        };
        let before = before.map(|(segment, _)| segment);
        let after = state.is_some().then_some(segment);
        if before != after {
            if let Some(left) = before.and_then(|segment| self.segments.get_mut(segment.0)) {
                left.members.retain(|member| *member != (host, index));
            }
            if let Some(joined) = after.and_then(|segment| self.segments.get_mut(segment.0)) {
                joined.members.push((host, index));
            }
        }
        if self.hosts.get(host.0).is_some_and(|host| host.up) {
            self.drive(host, |engine, now| engine.handle_link(now, index, state));
        }
    }

    /// The present state of a link.
    pub fn link_state(&self, host: HostId, index: LinkIndex) -> Option<LinkState> {
        self.hosts.get(host.0)?.links.get(&index).map(|(_, state)| state.clone())
    }

    // ---- misfortunes

    /// Takes a host off the LAN without a word, as a power cut does.
    pub fn kill(&mut self, host: HostId) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.up = false;
            host.asleep_since = None;
        }
    }

    /// Starts a host anew, with nothing but its settings and its links as they are set now:
    /// the services and browses of its former life are gone.
    pub fn reboot(&mut self, host: HostId) {
        let seed = self.seed.next();
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        at.engine = Engine::new(at.config.clone(), seed);
        at.up = true;
        at.asleep_since = None;
        at.behind = Duration::ZERO;
        let links: Vec<(LinkIndex, LinkState)> =
            at.links.iter().map(|(index, (_, state))| (*index, state.clone())).collect();
        for (index, state) in links {
            self.drive(host, |engine, now| engine.handle_link(now, index, Some(state)));
        }
    }

    /// A host falls asleep: it hears nothing, and its clock stands still.
    pub fn suspend(&mut self, host: HostId) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(host.0).filter(|host| host.up) {
            host.up = false;
            host.asleep_since = Some(now);
        }
    }

    /// A host that slept wakes up, and is told so ([`Engine::handle_wake`]).
    pub fn resume(&mut self, host: HostId) {
        let now = self.now;
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        let Some(since) = at.asleep_since.take() else { return };
        at.up = true;
        at.behind = at.behind.saturating_add(now.saturating_duration_since(since));
        self.drive(host, |engine, now| engine.handle_wake(now));
    }

    /// Puts hosts into a group: only hosts of one group hear each other. All begin in group 0.
    pub fn set_group(&mut self, host: HostId, group: usize) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.group = group;
        }
    }

    /// Cuts two hosts off from each other, whatever else they hear, or heals that.
    pub fn set_cut(&mut self, one: HostId, other: HostId, cut: bool) {
        for pair in [(one, other), (other, one)] {
            if cut {
                self.cuts.insert(pair);
            } else {
                self.cuts.remove(&pair);
            }
        }
    }

    /// A busy host: its timers fire up to so much too late.
    pub fn set_lateness(&mut self, host: HostId, lateness: Duration) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.lateness = lateness;
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

    /// Any input or command of a host's engine, at the present instant of its clock; what it
    /// sends goes onto the LAN. Of a host that is down nothing is heard.
    ///
    /// # Panics
    /// If there is no such host.
    #[expect(clippy::panic, reason = "a simulation without that host is a mistake of its author")]
    pub fn drive<T>(&mut self, host: HostId, act: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let now = self.now;
        let Some(at) = self.hosts.get_mut(host.0) else { panic!("no host {}", host.0) };
        let result = act(&mut at.engine, now.checked_sub(at.behind).unwrap_or(now));
        self.drain(host);
        self.arm(host.0);
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
            IpAddr::V4(_) => IpAddr::V4(GROUP_V4),
            IpAddr::V6(_) => IpAddr::V6(GROUP_V6),
        };
        let destination = SocketAddr::new(destination.unwrap_or(group), MDNS_PORT);
        self.carry(None, segment, source, destination, Bytes::copy_from_slice(payload));
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
        self.run_while_not(time, |_| false);
    }

    /// Lets time pass until `done` says so after some event, or until `limit` is over. Says
    /// whether it did.
    pub fn run_while_not(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now.checked_add(limit).unwrap_or(self.now);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                self.now = self.now.max(until);
                return false;
            }
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
        self.hosts.get(host.0).map_or(0, |host| host.sent)
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
}
