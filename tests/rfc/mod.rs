//! The words in which the tests of the RFCs are written: one engine on one link, strangers
//! who say whatever a test wants, and all that is sent, as text. Time is virtual.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its share")]

mod packet;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use salut::proto::{AnnouncementId, BrowseId, Engine, Event, Family, LinkIndex, LinkState, Search};
use salut::sim::{Conditions, HostId, Lan, SegmentId};
use salut::{Change, Instance, Service, ServiceType};

#[allow(unused_imports, reason = "each test file uses its share")]
pub use packet::{Content, Packet, query, read, response};

/// Names the requirements that a test proves; `tests/conformance.rs` collects them.
#[allow(unused_macros, reason = "each test file uses its share")]
macro_rules! proves {
    ($($id:literal),+ $(,)?) => {};
}
#[allow(unused_imports, reason = "each test file uses its share")]
pub(crate) use proves;

/// Another host of the link, `10.0.0.0/24`.
pub const STRANGER: &str = "10.0.0.9:5353";

/// A second one.
pub const NEIGHBOUR: &str = "10.0.0.8:5353";

/// A program on the stranger's host that is no mDNS participant.
pub const LEGACY: &str = "10.0.0.9:40000";

/// A host of another subnet on the same wire.
pub const OFF_LINK: &str = "192.168.7.9:5353";

/// The stranger, by IPv6.
pub const STRANGER_V6: &str = "[fe80::9]:5353";

pub const GROUP: &str = "224.0.0.251:5353";

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `node._exo._tcp.local`, port 52415, without attributes.
pub fn node() -> Service {
    named("node")
}

pub fn named(instance: &str) -> Service {
    Service::new(instance, "_exo._tcp", 52415).unwrap()
}

pub fn exo() -> Search {
    Search::Service(ServiceType::new("_exo._tcp").unwrap())
}

/// A message that an engine sent.
#[derive(Clone)]
pub struct Sent {
    pub at: Duration,
    pub host: HostId,
    pub segment: SegmentId,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    pub content: Content,
}

/// As a line of a packet trace.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { id, flags, questions, answers, authorities, additionals, .. } = &self.content;
        write!(f, "{:?} host {} to {} id {id} flags {flags:04x}", self.at, self.host.0, self.to)?;
        write!(f, " ?{questions:?} ={answers:?} !{authorities:?} +{additionals:?}")
    }
}

impl Deref for Sent {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

impl Sent {
    pub fn is_query(&self) -> bool {
        self.flags & 0x8000 == 0
    }

    /// A query with proposed records.
    pub fn is_probe(&self) -> bool {
        self.is_query() && !self.authorities.is_empty()
    }

    pub fn is_multicast(&self) -> bool {
        self.to.ip().is_multicast()
    }

    /// All records of a response.
    pub fn records(&self) -> Vec<String> {
        [self.answers.clone(), self.additionals.clone()].concat()
    }

    /// Whether a record whose line begins so is in a section of it.
    pub fn has(&self, beginning: &str) -> bool {
        self.records().iter().any(|line| line.starts_with(beginning))
    }
}

/// One engine, `alpha.local`, and its LAN.
pub struct Scene {
    pub lan: Lan,
    pub segment: SegmentId,
    pub alpha: HostId,
    pub link: LinkIndex,
}

impl Scene {
    /// `alpha` is plugged in at `10.0.0.1` without services, and has heard a stranger, so that
    /// no later one is a reason to announce again (§8).
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u64) -> Self {
        let mut scene = Self::plugged_in(seed, &["10.0.0.1"], &[]);
        scene.hear(&response().answer("stranger.local 120 flush A 10.0.0.9"));
        scene
    }

    /// As [`seeded`](Self::seeded), with IPv6 as well: every multicast is sent twice.
    pub fn dual(seed: u64) -> Self {
        let mut scene = Self::plugged_in(seed, &["10.0.0.1"], &["fe80::1"]);
        scene.hear(&response().answer("stranger.local 120 flush A 10.0.0.9"));
        scene
    }

    /// Nobody has been heard yet.
    pub fn plugged_in(seed: u64, v4: &[&str], v6: &[&str]) -> Self {
        let mut lan = Lan::new(seed);
        let segment = quick_segment(&mut lan);
        let alpha = lan.host("alpha").unwrap();
        let link = attach(&mut lan, alpha, segment, v4, v6);
        Self { lan, segment, alpha, link }
    }

    /// The node has been announced and all announcements are over.
    pub fn announced() -> Self {
        Self::announced_as(node())
    }

    pub fn announced_as(service: Service) -> Self {
        let mut scene = Self::new();
        scene.announce(service);
        scene.run(secs(10));
        scene.events();
        scene
    }

    pub fn announce(&mut self, service: Service) -> AnnouncementId {
        self.lan.announce(self.alpha, service).unwrap()
    }

    pub fn browse(&mut self) -> BrowseId {
        self.lan.browse(self.alpha, exo()).unwrap()
    }

    pub fn drive<T>(&mut self, act: impl FnOnce(&mut Engine, std::time::Instant) -> T) -> T {
        self.lan.drive(self.alpha, act)
    }

    /// The state of the link is changed, or the link is taken away.
    pub fn set_link(&mut self, change: impl FnOnce(LinkState) -> Option<LinkState>) {
        let state = self.lan.link_state(self.alpha, self.link).unwrap();
        self.lan.set_link(self.alpha, self.link, self.segment, change(state));
    }

    // ---- what strangers say

    /// The stranger multicasts.
    pub fn hear(&mut self, packet: &Packet) {
        self.hear_from(STRANGER, packet);
    }

    pub fn hear_from(&mut self, source: &str, packet: &Packet) {
        self.hear_bytes(source, &packet.bytes());
    }

    pub fn hear_bytes(&mut self, source: &str, bytes: &[u8]) {
        self.lan.inject(self.segment, source.parse().unwrap(), None, bytes);
        self.lan.run_for(Duration::ZERO);
    }

    /// Somebody sends to `alpha` alone.
    pub fn hear_unicast(&mut self, source: &str, packet: &Packet) {
        let source: SocketAddr = source.parse().unwrap();
        let state = self.lan.link_state(self.alpha, self.link).unwrap();
        let to = match Family::of(source.ip()) {
            Family::V4 => state.v4[0].0.into(),
            Family::V6 => state.v6[0].0.into(),
        };
        self.lan.inject(self.segment, source, Some(to), &packet.bytes());
        self.lan.run_for(Duration::ZERO);
    }

    // ---- time and what is sent in it

    pub fn now(&self) -> Duration {
        self.lan.elapsed()
    }

    /// Lets time pass; gives all that was sent since the last look, in order.
    pub fn run(&mut self, time: Duration) -> Vec<Sent> {
        self.lan.run_for(time);
        self.sent()
    }

    pub fn run_until(&mut self, at: Duration) -> Vec<Sent> {
        let time = at.checked_sub(self.now()).unwrap();
        self.run(time)
    }

    /// What was sent since the last look.
    pub fn sent(&mut self) -> Vec<Sent> {
        let all = self.lan.take_sent().into_iter();
        all.filter_map(|sent| {
            let host = sent.host?;
            let bytes = sent.payload.to_vec();
            let content = read(&bytes);
            let (at, segment, to) = (sent.at, sent.segment, sent.destination);
            Some(Sent { at, host, segment, to, bytes, content })
        })
        .collect()
    }

    /// The next message, which must come within `limit`; time stops when it is sent.
    #[track_caller]
    pub fn next(&mut self, limit: Duration) -> Sent {
        only(self.batch(limit))
    }

    /// All messages of the instant at which the next one is sent.
    pub fn batch(&mut self, limit: Duration) -> Vec<Sent> {
        let before = self.sent();
        if !before.is_empty() {
            return before;
        }
        let hosts = 0..self.lan_hosts();
        let count = |lan: &Lan| hosts.clone().map(|host| lan.sent_by(HostId(host))).sum::<u64>();
        let so_far = count(&self.lan);
        self.lan.run_while_not(limit, |lan| count(lan) > so_far);
        self.sent()
    }

    fn lan_hosts(&self) -> usize {
        (0..).take_while(|host| self.lan.engine(HostId(*host)).is_some()).count()
    }

    /// Nothing is sent for so long.
    #[track_caller]
    pub fn is_quiet(&mut self, time: Duration) {
        let sent = self.run(time);
        assert!(sent.is_empty(), "expected silence, got {sent:#?}");
    }

    pub fn events(&mut self) -> Vec<Event> {
        self.lan.take_events(self.alpha).into_iter().map(|(_, event)| event).collect()
    }

    /// Changes of browses since the last look.
    pub fn changes(&mut self) -> Vec<Change> {
        let changes = self.events().into_iter().filter_map(|event| match event {
            Event::Browse { change, .. } => Some(change),
            _ => None,
        });
        changes.collect()
    }

    /// The instance that was found or updated last, since the last look.
    pub fn found(&mut self) -> Option<Instance> {
        let changes = self.changes().into_iter().rev();
        changes
            .filter_map(|change| match change {
                Change::Found(node) | Change::Updated(node) => Some(node),
                Change::Lost(_) => None,
            })
            .next()
    }

    /// How many records are in the cache.
    pub fn cached(&self) -> usize {
        self.lan.engine(self.alpha).unwrap().cached(self.link)
    }
}

/// A segment on which a datagram arrives in the instant in which it is sent.
pub fn quick_segment(lan: &mut Lan) -> SegmentId {
    let segment = lan.segment();
    let quick = Conditions { delay: (Duration::ZERO, Duration::ZERO), ..Conditions::default() };
    lan.set_conditions(segment, quick);
    segment
}

/// Plugs a host in; prefixes are /24 and /64.
pub fn attach(lan: &mut Lan, host: HostId, segment: SegmentId, v4: &[&str], v6: &[&str]) -> LinkIndex {
    let v4 = v4.iter().map(|address| (address.parse().unwrap(), 24)).collect();
    let v6 = v6.iter().map(|address| (address.parse().unwrap(), 64)).collect();
    lan.attach_with(host, segment, v4, v6)
}

// ---- assertions

#[track_caller]
pub fn only<T: fmt::Debug>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1, "expected one, got {all:#?}");
    all.pop().unwrap()
}

/// The same lines, in any order.
#[track_caller]
pub fn same<L: AsRef<str>>(got: &[String], wanted: &[L]) {
    let mut got: Vec<&str> = got.iter().map(String::as_str).collect();
    let mut wanted: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    got.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
}

/// `low <= time <= high`, both in milliseconds.
#[track_caller]
pub fn between(time: Duration, low: u64, high: u64) {
    assert!((ms(low)..=ms(high)).contains(&time), "{time:?} is not in {low} to {high} ms");
}

/// The times between messages, in milliseconds.
pub fn gaps(sent: &[Sent]) -> Vec<u128> {
    sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect()
}

/// Draws over many seeds that should be spread evenly over a range: all are in it, and both
/// its ends and its middle are reached.
#[track_caller]
pub fn spread(draws: &[Duration], low: u64, high: u64) {
    let (low_ms, span) = (ms(low), ms(high - low));
    draws.iter().for_each(|draw| between(*draw, low, high));
    for tenth in 0..10 {
        let (from, to) = (low_ms + span * tenth / 10, low_ms + span * (tenth + 1) / 10);
        let here = draws.iter().filter(|draw| (from..=to).contains(draw)).count();
        assert!(here * 30 >= draws.len(), "only {here} of {} draws in {from:?} to {to:?}", draws.len());
    }
}

/// The records of the node on `10.0.0.1`, as they are announced.
pub const NODE_RECORDS: [&str; 5] = [
    "_exo._tcp.local 4500 PTR node._exo._tcp.local",
    "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
    "alpha.local 120 flush A 10.0.0.1",
    "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
    "node._exo._tcp.local 4500 flush TXT \"\"",
];
