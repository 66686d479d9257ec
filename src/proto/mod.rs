//! The protocol engine: no socket, no clock, no global randomness.
//!
//! One [`Engine`] is one participant on all its links. It is driven by inputs
//! ([`handle_packet`](Engine::handle_packet), [`handle_timeout`](Engine::handle_timeout),
//! [`handle_link`](Engine::handle_link) and the commands), each with the present instant,
//! and after every input its outputs are drained until `None`, datagrams first:
//! [`poll_transmit`](Engine::poll_transmit), [`poll_event`](Engine::poll_event), and then
//! [`poll_timeout`](Engine::poll_timeout) says when it wants to be called next. The same
//! inputs with the same seed give the same outputs.
//!
//! | file | what | RFC 6762 |
//! |---|---|---|
//! | `config`, `commands` | settings; announce, browse, resolve, stop | |
//! | `claim`, `probe`, `announce` | owning a name; update, goodbye | §8, §10.1 |
//! | `conflict` | tie-break, defend, rename | §8.2, §9 |
//! | `records`, `own`, `set` | what we hold | §6.1, §10 |
//! | `respond`, `continuation`, `unicast` | who gets it | §5.4, §6, §7 |
//! | `pending`, `withheld`, `send`, `prepared` | when, and in which datagrams | §6, §7.4 |
//! | `query`, `overhear` | asking, known answers, duplicate questions | §5, §7, §10.5 |
//! | `cache`, `entry`, `age` | time to live, cache flush, refresh | §5.2, §10 |
//! | `room` | how much is cached, and what gives way | |
//! | `timer` | when what is due | |
//! | `numbered`, `names`, `shards`, `sought`, `quarters` | things by number and by name | |
//! | `browse`, `resolve`, `types` | records to instances; which types there are | RFC 6763 §4, §9 |
//! | `peer` | libp2p's peers: told in another shape, heard in any | libp2p mDNS |
//! | `crowd` | more instances than are kept: who gives way | |
//! | `links` | links that come, change and go | §8, §10.3 |
//! | `link`, `families` | one interface: addresses, on-link check, what may be sent | §11, §14 |
//! | `budget` | how much in how much time | |

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod age;
mod announce;
mod asks;
mod browse;
mod budget;
mod cache;
mod claim;
mod commands;
mod config;
mod conflict;
mod continuation;
mod counters;
mod crowd;
mod entry;
mod families;
mod hash;
mod inbound;
mod io;
mod link;
mod links;
mod names;
mod numbered;
mod overhear;
mod own;
mod peer;
mod pending;
mod prepared;
mod probe;
mod quarters;
mod query;
mod records;
mod resolve;
mod respond;
mod rng;
mod room;
mod send;
mod set;
mod shards;
mod sought;
mod timer;
mod types;
mod unicast;
mod withheld;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use litemap::LiteMap;

use crate::name::{HostName, Name, ServiceType};
use crate::wire::RecordType;
use budget::Window;
use claim::{ClaimId, Claims};
use hash::Seeded;
use link::{Link, Shared};
use timer::{Timer, Timers, earlier};

pub use config::Config;
pub use counters::Counters;
pub use io::{
    AnnouncementId, BrowseId, Cause, Event, Family, GROUP_V4, GROUP_V6, LinkIndex, LinkState, Packet,
    ResolveId, Search, TapId, Timeout, Transmit,
};
pub(crate) use peer::PeerRecords;
pub use peer::{Peer, PeerContent, PeerSays};
pub(crate) use rng::Rng;

/// One participant on all its links. See the [module](self) for how it is driven.
///
/// ```
/// use std::time::{Duration, Instant};
/// use salut::{HostName, Service, proto::{Config, Engine, LinkIndex, LinkState}};
///
/// let mut now = Instant::now();
/// let mut engine = Engine::new(Config::new(HostName::new("alpha")?), 42);
/// let state = LinkState {
///     name: "eth0".into(), mtu: 1500,
///     v4: vec![([10, 0, 0, 1].into(), 24)], v6: vec![],
///     v4_open: true, v6_open: false, unicast: false,
/// };
/// engine.handle_link(now, LinkIndex(2), Some(state));
/// engine.announce(now, Service::new("My Node", "_exo._tcp", 52415)?)?;
/// let mut sent = 0;
/// while sent < 4 {                                   // three probes, one announcement
///     while let Some(_datagram) = engine.poll_transmit() { sent += 1; }
///     while let Some(_event) = engine.poll_event() {}
///     now = engine.poll_timeout().ok_or("nothing to do")?.at;
///     engine.handle_timeout(now);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    config: Config,
    shared: Shared,
    links: LiteMap<LinkIndex, Link>,
    claims: Claims,
    /// Under which claim a host name that was asked for is held.
    renamed_hosts: LiteMap<HostName, u32>,
    browses: LiteMap<BrowseId, (Name, ServiceType)>,
    type_browses: LiteMap<BrowseId, ()>,
    resolves: LiteMap<ResolveId, Name>,
    /// What each tap listens for, and its longest interval.
    taps: LiteMap<TapId, (Name, Duration)>,
    probes_due: Vec<(LinkIndex, ClaimId)>,
    /// What was multicast on links that are gone: the one-second rule outlives a flap.
    gone: LiteMap<LinkIndex, own::Released>,
    next_client: u64,
    /// A claim has taken a step: it is to be seen whether a service is announced by it.
    stirred: bool,
    /// Lines about names and links that were logged at INFO.
    lines: Window,
    /// Everything has been taken back.
    stopping: bool,
}

impl Engine {
    /// A participant without links. `seed` decides every random delay and suffix.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let seeded = Seeded(rng.next());
        let shared = Shared {
            timers: Timers::default(),
            rng,
            seeded,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        };
        Self {
            config,
            shared,
            links: LiteMap::new(),
            claims: Claims::new(seeded),
            renamed_hosts: LiteMap::new(),
            browses: LiteMap::new(),
            type_browses: LiteMap::new(),
            resolves: LiteMap::new(),
            taps: LiteMap::new(),
            probes_due: Vec::new(),
            gone: LiteMap::new(),
            next_client: 0,
            stirred: false,
            lines: Window::new(MAX_LINES_PER_MINUTE, Duration::from_secs(60)),
            stopping: false,
        }
    }

    /// The host name of services that bring none of their own; another one after a conflict.
    pub fn host(&self) -> &HostName {
        &self.config.host
    }

    /// How much came in, went out and was refused.
    pub fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// How many records are cached on a link.
    pub fn cached(&self, link: LinkIndex) -> usize {
        self.links.get(&link).map_or(0, |link| link.cache.len())
    }

    // ---- inputs

    /// Time has come to `now`. Called early it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    // ---- outputs

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<io::Transmit> {
        self.shared.transmits.pop_front()
    }

    /// The next event to deliver, when all datagrams have been sent.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front().map(|event| *event)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, and why. Never in
    /// the past once the outputs have been drained.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        self.next_timer().map(|(at, timer)| Timeout { at, cause: timer.cause() })
    }

    // ---- inside

    /// The first of all timers: those of the table, and those of each link's answers and cache.
    fn next_timer(&self) -> Option<(Instant, Timer)> {
        let mut first = self.shared.timers.first();
        for link in self.links.values() {
            if let Some(at) = link.answers.next {
                first = earlier(first, Some((at, Timer::Answer(link.index))));
            }
            if let Some((at, key)) = link.cache.ages.first() {
                first = earlier(first, Some((at, Timer::Cache(link.index, key))));
            }
        }
        first
    }

    /// The first timer, if it is due: it is no longer set.
    fn pop_timer(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.next_timer().filter(|(at, _)| *at <= now)?;
        match timer {
            Timer::Cache(index, _) => self.on(index, |link, _| link.cache.pop_due()),
            Timer::Answer(index) => self.on(index, |link, _| link.answers.next = None),
            _ => self.shared.timers.cancel(&timer),
        }
        Some(timer)
    }

    fn timer_due(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Claim(link, id) => {
                self.stirred = true;
                self.claim_due(now, link, id);
            }
            Timer::Update(id) => self.update_service(now, id),
            Timer::Connectivity(index) => self.speak_up(now, index),
            Timer::Answer(index) => self.on(index, |link, _| link.answers.due = true),
            Timer::Reply(index, id) => self.on(index, |link, _| link.answers.replies_due.push(id)),
            Timer::Continuation(index, id) => {
                self.on(index, |link, shared| link.continuation_due(now, id, shared));
            }
            Timer::Question(index, key) => {
                self.on(index, |link, shared| link.question_due(now, key, shared));
            }
            Timer::Cache(index, key) => self.on(index, |link, shared| link.cache_due(now, key, shared)),
            Timer::Instance(index, key) => self.on(index, |link, _| link.instances.touch(key)),
        }
    }

    fn on(&mut self, index: LinkIndex, act: impl FnOnce(&mut Link, &mut Shared)) {
        if let Some(link) = self.links.get_mut(&index) {
            act(link, &mut self.shared);
        }
    }

    /// Everything that the present input made due goes out together.
    fn flush(&mut self, now: Instant) {
        self.stirred = true;
        self.settle(now);
    }

    /// The same after an input that rarely concerns a claim.
    fn settle(&mut self, now: Instant) {
        if self.is_due(now) {
            self.send_due(now);
        }
        if std::mem::take(&mut self.stirred) {
            self.tell_announced(now);
        }
    }

    /// Whether anything waits to be sent or told: mostly nothing does.
    fn is_due(&self, now: Instant) -> bool {
        !self.probes_due.is_empty()
            || self.links.values().any(Link::is_due)
            || self.next_timer().is_some_and(|(at, _)| at <= now)
    }

    fn send_due(&mut self, now: Instant) {
        for _ in 0..MAX_ROUNDS {
            self.flush_probes(now);
            // What is due at once was scheduled as a timer like the rest.
            while let Some(timer) = self.pop_timer(now) {
                self.timer_due(now, timer);
            }
            self.flush_probes(now);
            for (_, link) in &mut self.links {
                link.flush_instances(now, &mut self.shared);
                link.flush_answers(now, &mut self.shared);
                link.flush_questions(now, &mut self.shared);
            }
            if self.next_timer().is_none_or(|(at, _)| at > now) {
                break;
            }
        }
    }

    /// Whether one more line may be logged at INFO for what a stranger can bring about.
    fn may_say(&mut self, now: Instant) -> bool {
        self.lines.take(now)
    }
}

/// Logs at INFO, or at DEBUG when enough has been said lately.
macro_rules! say {
    ($engine:expr, $now:expr, $($line:tt)+) => {
        if $engine.may_say($now) { tracing::info!($($line)+) } else { tracing::debug!($($line)+) }
    };
}
use say;

/// The most lines a minute at INFO about names and links; the rest is told at DEBUG. A stranger
/// can bring about a conflict a second, and a bad cable a new link.
const MAX_LINES_PER_MINUTE: usize = 8;

/// One thing that is due makes another due, but not for ever: what is found makes a question,
/// an old answer its refresh.
const MAX_ROUNDS: usize = 16;

/// The types of records that are cached: what instances and hosts are made of.
const KEPT_TYPES: [RecordType; 6] =
    [RecordType::PTR, RecordType::SRV, RecordType::TXT, RecordType::A, RecordType::AAAA, RecordType::NSEC];
