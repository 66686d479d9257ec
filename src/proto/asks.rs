//! What is asked on a link, by name and type.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::families::Families;
use super::hash::Seeded;
use super::names::NameMap;
use super::numbered::{Number, Numbered};
use super::overhear::Trusted;
use super::sought::Sought;
use super::timer::after;
use crate::name::Name;
use crate::wire::RecordType;

/// The second question follows after this; every further interval doubles (RFC 6762 §5.2).
pub(super) const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// Intervals stop growing here (RFC 6762 §5.2).
pub(super) const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// So many questions that ended are remembered for a second.
const MAX_ENDED: usize = 128;

/// A question on one link.
pub(super) type AskKey = Number;

#[derive(Debug)]
pub(super) struct Ask {
    pub(super) name: Name,
    pub(super) rtype: RecordType,
    /// How many browses, instances and resolves want it.
    pub(super) clients: u32,
    /// How often it was asked, by us or by somebody else in our place.
    pub(super) sent: u32,
    pub(super) last: Option<Instant>,
    /// The wait after the next one.
    pub(super) interval: Duration,
    /// The next one by back-off; none while a unique answer is in hand.
    pub(super) next: Option<Instant>,
    /// A cached answer wants to be refreshed with the next one.
    pub(super) refresh: bool,
    /// Families on which another host just asked it (RFC 6762 §7.3).
    pub(super) heard: Families,
    /// When that was, for a question with its answer in hand.
    pub(super) heard_at: Option<Instant>,
    /// It waited for the link to come up: it may ask for a unicast reply (RFC 6762 §5.4).
    pub(super) waited: bool,
    /// Until when a unicast reply is welcome.
    pub(super) unicast_until: Option<Instant>,
    /// Intervals stop growing here.
    pub(super) most: Duration,
    /// Asked for a tap: at once, and alone in its message.
    pub(super) prompt: bool,
    /// It waits a little for one of many to ask first.
    pub(super) spread: bool,
    /// What pointers to these names say is asked for although they are known.
    pub(super) unsure: Vec<Name>,
}

impl Ask {
    /// A question for its first client, to be asked for the first time.
    fn new(name: Name, rtype: RecordType, waited: bool, last: Option<Instant>) -> Self {
        Self {
            name,
            rtype,
            clients: 1,
            sent: 0,
            last,
            interval: FIRST_INTERVAL,
            next: None,
            refresh: false,
            heard: Families::NONE,
            heard_at: None,
            waited,
            unicast_until: None,
            most: MAX_INTERVAL,
            prompt: false,
            spread: false,
            unsure: Vec::new(),
        }
    }

    /// A new series of questions begins at `at`, or a little later: nothing is asked twice
    /// within a second (RFC 6762 §5.2).
    pub(super) fn restart(&mut self, at: Instant) -> Instant {
        let at = self.last.map_or(at, |last| at.max(after(last, FIRST_INTERVAL)));
        self.sent = 0;
        self.interval = FIRST_INTERVAL;
        self.next = Some(at);
        self.heard = Families::NONE;
        at
    }

    /// Whether one answer is all there can be.
    pub(super) fn is_unique(&self) -> bool {
        self.rtype != RecordType::PTR
    }
}

#[derive(Debug)]
pub(super) struct Asks {
    pub(super) asks: Numbered<Ask>,
    names: NameMap<Vec<AskKey>>,
    /// The instant of the first question scheduled last: the next one joins it.
    pub(super) first_at: Option<Instant>,
    /// What is to be sent when the current input has been dealt with.
    pub(super) due: Vec<AskKey>,
    pub(super) trusted: LiteMap<SocketAddr, Trusted>,
    /// What ended within a second of being asked, and when that was.
    ended: VecDeque<(Instant, Name, RecordType)>,
}

impl Asks {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            asks: Numbered::default(),
            names: NameMap::new(seeded),
            first_at: None,
            due: Vec::new(),
            trusted: LiteMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// A question that nobody asks yet.
    pub(super) fn begin(&mut self, now: Instant, name: &Name, rtype: RecordType, waited: bool) -> AskKey {
        self.ended.retain(|(last, ..)| now.saturating_duration_since(*last) < FIRST_INTERVAL);
        let last = self.ended.iter().rev().find(|(_, other, of)| *of == rtype && other == name);
        let last = last.map(|(last, ..)| *last);
        let key = self.asks.insert(Ask::new(name.clone(), rtype, waited, last));
        self.names.at(name).push(key);
        key
    }

    /// Nobody wants this question asked any longer.
    pub(super) fn end(&mut self, key: AskKey) {
        let Some(ask) = self.asks.remove(key) else { return };
        if let Some(keys) = self.names.get_mut(&ask.name) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.names.remove(&ask.name);
            }
        }
        if let Some(last) = ask.last {
            if self.ended.len() >= MAX_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back((last, ask.name, ask.rtype));
        }
    }

    pub(super) fn find(&self, name: &impl Sought, rtype: RecordType) -> Option<AskKey> {
        self.names
            .get(name)?
            .iter()
            .find(|key| self.asks.get(**key).is_some_and(|ask| ask.rtype == rtype))
            .copied()
    }

    pub(super) fn get(&self, name: &Name, rtype: RecordType) -> Option<&Ask> {
        self.asks.get(self.find(name, rtype)?)
    }

    /// Any question about this name.
    pub(super) fn any_at(&self, name: &impl Sought) -> Option<AskKey> {
        self.names.get(name)?.first().copied()
    }

    /// Whether any question is to be sent now.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether any question about this name is active.
    pub(super) fn names(&self, name: &impl Sought) -> bool {
        self.names.contains(name)
    }

    /// Whether a question of the last two seconds asked for a unicast reply with this record.
    pub(super) fn welcomes_unicast(&self, now: Instant, name: &impl Sought, rtype: RecordType) -> bool {
        self.find(name, rtype)
            .and_then(|key| self.asks.get(key)?.unicast_until)
            .is_some_and(|until| now <= until)
    }
}
