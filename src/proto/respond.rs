//! Answering: which records, to whom, when, and what keeps them back (RFC 6762 §6, §7).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::budget::Budget;
use super::continuation::Continuation;
use super::families::Families;
use super::io::{Family, Packet};
use super::link::{Link, Shared};
use super::own::{DEFENCE_INTERVAL, MULTICAST_INTERVAL, OwnRecord, RecordKey, Telling};
use super::prepared::Unit;
use super::records::{HOST_TTL_SECONDS, OTHER_TTL_SECONDS};
use super::timer::{after, earlier};
use super::unicast::{Reply, ReplyId};
use super::withheld::Withheld;
use crate::name::Name;
use crate::wire::{CLASS_ANY, CLASS_IN, MDNS_PORT, Message, Question, RecordData, RecordType, Section};

/// Answers that others may give as well wait this long (RFC 6762 §6).
pub(super) const SHARED_DELAY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));

/// An answer that has to wait anyway joins one that is scheduled within this time
/// (RFC 6762 §6.4).
const AGGREGATION: Duration = Duration::from_millis(500);

/// Unicast replies on one link.
const REPLIES_IN_ALL: (u32, u32) = (200, 200);

/// What allows a record to be multicast again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// A second since the last time (RFC 6762 §6).
    Second,
    /// A quarter of a second: it answers a probe (RFC 6762 §6).
    Defence,
    /// At once: it takes back somebody's goodbye (RFC 6762 §10.1).
    Rescue,
}

/// A record that is going to be multicast.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) due: Instant,
    /// When it was to go out before others made it wait.
    first_due: Instant,
    /// Where nobody else has given the answer yet.
    pub(super) to: Families,
    pub(super) rule: Rule,
    /// Told unasked: it is not dropped when somebody else says the same.
    pub(super) announced: bool,
    /// The one-second rule has put it off: what belongs to it waits with it.
    pub(super) held: bool,
    /// It has gone out alone, and comes again with what belongs to it.
    whole: bool,
    /// Instead of the record's own, in seconds.
    pub(super) ttl: Option<u32>,
}

impl Pending {
    /// From when on it waits for nothing but itself: what goes with it may be told again and
    /// again, by whoever probes for it.
    pub(super) fn last_due(&self) -> Instant {
        after(self.first_due, MULTICAST_INTERVAL)
    }

    /// Whether it comes once more if it goes out alone.
    pub(super) fn is_followed_up(&self) -> bool {
        self.rule == Rule::Second && !self.announced && !self.whole
    }
}

/// A record that somebody wants.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: RecordKey,
    pub(super) unicast: bool,
    pub(super) ttl: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Answers {
    pub(super) pending: LiteMap<RecordKey, Pending>,
    /// When the first of them is due, or a moment before; none is once that has come …
    pub(super) next: Option<Instant>,
    /// … and some are to go out now.
    pub(super) due: bool,
    pub(super) withheld: Withheld,
    pub(super) replies: LiteMap<ReplyId, Reply>,
    pub(super) replies_due: Vec<ReplyId>,
    pub(super) next_reply: u64,
    pub(super) continuations: LiteMap<SocketAddr, Continuation>,
    pub(super) next_continuation: u32,
    pub(super) by_source: LiteMap<IpAddr, (Instant, Budget)>,
    pub(super) in_all: Budget,
    /// Until when a unicast answer to our last probe is welcome.
    pub(super) probed_until: Option<Instant>,
    /// Somebody else answers for our addresses' reverse names.
    pub(super) reverse_taken: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            pending: LiteMap::new(),
            next: None,
            due: false,
            withheld: Withheld::default(),
            replies: LiteMap::new(),
            replies_due: Vec::new(),
            next_reply: 0,
            continuations: LiteMap::new(),
            next_continuation: 0,
            by_source: LiteMap::new(),
            in_all: Budget::new(REPLIES_IN_ALL),
            probed_until: None,
            reverse_taken: false,
        }
    }
}

impl Answers {
    /// Whether anything is to be sent now.
    pub(super) fn is_due(&self) -> bool {
        self.due || !self.replies_due.is_empty()
    }
}

impl Link {
    /// A query: finds what we have, takes off what the asker knows, and schedules the rest.
    /// `defended` names are dealt with already.
    pub(super) fn hear_query(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        message: &Message<'_>,
        defended: &[Name],
        shared: &mut Shared,
    ) {
        let header = message.header();
        self.hear_more_known_answers(now, packet.source, message, shared);
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut questions = 0_usize;
        for question in message.questions() {
            questions = questions.saturating_add(1);
            if defended.iter().any(|name| question.name.is(name)) {
                continue;
            }
            self.find_answers(&question, question.unicast || packet.unicast, &mut wanted);
        }
        if questions > 1 {
            let mut seen: LiteMap<(RecordKey, bool), ()> = LiteMap::new();
            wanted.retain(|want| seen.insert((want.key, want.unicast), ()).is_none());
        }
        if wanted.is_empty() {
            return;
        }
        if packet.source.port() != MDNS_PORT {
            let wait = self.wait_before(&wanted, questions, shared);
            self.reply_legacy(now, packet.source, message, &wanted, wait, shared);
            // rust-libp2p asks from such a port, and never reads what comes back to it.
            wanted.retain(|want| self.is_lead(want.key));
            wanted.iter_mut().for_each(|want| want.unicast = false);
            self.reply_where_it_listens(now, packet.source, &wanted, shared);
        } else {
            self.take_off_known(message, &mut wanted);
        }
        if wanted.is_empty() {
            return;
        }
        if header.truncated && !packet.unicast && self.defer(now, packet.source, &mut wanted, shared) {
            return;
        }
        let wait = self.wait_before(&wanted, questions, shared);
        self.answer(now, packet.source, wanted, wait, shared);
    }

    /// RFC 6762 §6: no delay where nobody else can answer; §6.3: unless several questions stand
    /// together.
    fn wait_before(&self, wanted: &[Wanted], questions: usize, shared: &mut Shared) -> Duration {
        let unique = |want: &Wanted| self.own.get(want.key).is_some_and(|own| own.is_unique());
        if questions == 1 && wanted.iter().all(unique) {
            return Duration::ZERO;
        }
        self.lead_wait(wanted, shared).unwrap_or_else(|| shared.rng.between(SHARED_DELAY.0, SHARED_DELAY.1))
    }

    /// The records that answer a question, or the NSEC record that says there are none
    /// (RFC 6762 §6, §6.1, §6.5).
    fn find_answers(&self, question: &Question<'_>, unicast: bool, wanted: &mut Vec<Wanted>) {
        if question.class != CLASS_IN && question.class != CLASS_ANY {
            return;
        }
        let mut nsec = None;
        let mut found = false;
        for (key, own) in self.own.records_at(&question.name) {
            let rtype = own.record.data.record_type();
            if rtype == RecordType::NSEC && question.rtype != RecordType::NSEC {
                nsec = Some(key);
            } else if rtype == question.rtype || question.rtype == RecordType::ANY {
                found = true;
                wanted.push(Wanted { key, unicast, ttl: None });
            }
        }
        if let Some(key) = nsec.filter(|_| !found) {
            // RFC 6762 §6.1: as long as the record that is missing would have lived (§10).
            let ttl = match question.rtype {
                RecordType::A | RecordType::AAAA | RecordType::SRV | RecordType::HINFO | RecordType::PTR => {
                    HOST_TTL_SECONDS
                }
                _ => OTHER_TTL_SECONDS,
            };
            wanted.push(Wanted { key, unicast, ttl: Some(ttl) });
        }
    }

    /// RFC 6762 §7.1: what the asker knows, with at least half of its time left, is not
    /// repeated.
    pub(super) fn take_off_known(&self, message: &Message<'_>, wanted: &mut Vec<Wanted>) {
        if message.header().answers == 0 {
            return;
        }
        let mut unknown: LiteMap<RecordKey, Option<u32>> =
            wanted.iter().map(|want| (want.key, want.ttl)).collect();
        // One list's records have one name, which stands in one place.
        let mut at: Option<(u16, bool)> = None;
        for record in message.records().filter(|record| record.section == Section::Answer) {
            if unknown.is_empty() {
                break;
            }
            let first = record.name.first();
            let held = at.filter(|(at, _)| *at == first).map(|(_, held)| held);
            let held = held.unwrap_or_else(|| self.own.holds(&record.name));
            at = Some((first, held));
            if held
                && record.class == CLASS_IN
                && let Some(key) = self.own.find_heard(&record)
                && let (Some(ttl), Some(own)) = (unknown.get(&key), self.own.get(key))
                && u64::from(record.ttl).saturating_mul(2) >= ttl.unwrap_or(own.record.ttl).into()
            {
                unknown.remove(&key);
            }
        }
        wanted.retain(|want| unknown.contains_key(&want.key));
    }

    pub(super) fn answer(
        &mut self,
        now: Instant,
        source: SocketAddr,
        wanted: Vec<Wanted>,
        wait: Duration,
        shared: &mut Shared,
    ) {
        // Where no more unicast replies may go, everybody is told: that is once a second at most,
        // however often it is asked for.
        let reachable = self.may_reply_to(source) && self.has_reply_for(now, source.ip());
        let mut reply = Vec::new();
        let at = self.aggregated(now, wait);
        if !wait.is_zero() {
            self.gather(now, at);
        }
        for want in wanted {
            let Some(own) = self.own.get(want.key) else { continue };
            // RFC 6762 §5.4: by unicast only if everybody has heard it lately.
            let quarter = Duration::from_secs(own.record.ttl.into()).checked_div(4).unwrap_or_default();
            let fresh = own.last.is_some_and(|last| now.saturating_duration_since(last) <= quarter);
            if want.unicast && fresh && reachable && self.may_tell_one(want.key) {
                reply.push((want.key, want.ttl));
            } else {
                self.schedule(want.key, at, Rule::Second, false, want.ttl);
            }
        }
        self.schedule_reply(source, reply, after(now, wait), shared);
    }

    /// When an answer that waits `wait` goes out: with one that is scheduled already, if that
    /// is soon (RFC 6762 §6.4).
    fn aggregated(&self, now: Instant, wait: Duration) -> Instant {
        let own = after(now, wait);
        if wait.is_zero() {
            return own;
        }
        let (low, high) = (after(now, SHARED_DELAY.0), after(now, AGGREGATION));
        let joined =
            self.answers.pending.values().map(|pending| pending.due).filter(|due| (low..=high).contains(due));
        joined.min().unwrap_or(own)
    }

    /// An answer that would go out a moment before this one waits for it (RFC 6762 §6.4).
    fn gather(&mut self, now: Instant, at: Instant) {
        let soon = after(now, SHARED_DELAY.0);
        let mut moved = false;
        for pending in self.answers.pending.iter_mut().map(|(_, pending)| pending) {
            let may_wait = pending.rule == Rule::Second && !pending.announced && pending.due > now;
            if may_wait && pending.due < soon && at <= after(pending.first_due, AGGREGATION) {
                if pending.held {
                    self.answers.withheld.forget();
                }
                pending.due = at;
                moved = true;
            }
        }
        if moved {
            self.answers.next = self.answers.pending.values().map(|pending| pending.due).min();
        }
    }

    /// A record goes out by multicast at `at`, or earlier if it was to already.
    pub(super) fn schedule(
        &mut self,
        key: RecordKey,
        at: Instant,
        rule: Rule,
        announced: bool,
        ttl: Option<u32>,
    ) {
        // A rescue waits for the end of no second.
        if let Some(held) = self.answers.pending.get_mut(&key).filter(|pending| pending.held || pending.whole)
            && held.rule >= rule
            && held.rule != Rule::Rescue
        {
            // It waits for the end of its second already, and would only be put off again.
            held.to = Families::BOTH;
            held.announced |= announced;
            held.first_due = held.first_due.min(at);
            return;
        }
        let pending = self.answers.pending.entry(key).or_insert(Pending {
            due: at,
            first_due: at,
            to: Families::BOTH,
            rule,
            announced,
            held: false,
            whole: false,
            ttl,
        });
        if pending.held {
            self.answers.withheld.forget();
        }
        pending.due = pending.due.min(at);
        pending.to = Families::BOTH;
        pending.rule = pending.rule.max(rule);
        pending.announced |= announced;
        self.answers.next = earlier(self.answers.next, Some(pending.due));
    }

    /// Tells everybody, unasked (RFC 6762 §8.3).
    pub(super) fn announce(&mut self, now: Instant, keys: &[RecordKey]) {
        for key in keys {
            match self.own.get(*key).map(|own| own.telling) {
                Some(Telling::Announced | Telling::Leads) => {
                    self.schedule(*key, now, Rule::Second, true, None);
                }
                Some(Telling::Led) => {
                    for lead in self.leads_of(*key) {
                        self.schedule(lead, now, Rule::Second, true, None);
                    }
                }
                Some(Telling::OnRequest) | None => {}
            }
        }
    }

    /// Somebody multicast a record equal to one of ours.
    pub(super) fn hear_own_record(
        &mut self,
        now: Instant,
        family: Family,
        key: RecordKey,
        ttl: u32,
        shared: &mut Shared,
    ) {
        let Some(own) = self.own.get(key) else { return };
        let (full, unique) = (own.record.ttl, own.is_unique());
        if u64::from(ttl).saturating_mul(2) < full.into() {
            // RFC 6762 §6.6, §10.1: others will forget what we still hold. A goodbye comes on
            // both families, and other holders have heard it too: one answer is enough.
            let goodbye = ttl == 0;
            let wait = if unique && !goodbye {
                Duration::ZERO
            } else {
                shared.rng.between(SHARED_DELAY.0, SHARED_DELAY.1)
            };
            let rule = if goodbye { Rule::Rescue } else { Rule::Second };
            self.schedule(key, self.aggregated(now, wait), rule, false, None);
            return;
        }
        // RFC 6762 §7.4: it has just been answered, on that family.
        if ttl >= full
            && let Some(pending) = self.answers.pending.get_mut(&key)
            && !pending.announced
            && pending.rule != Rule::Defence
        {
            pending.to.set(family, false);
            if pending.to.and(self.open()).is_empty() {
                self.drop_answer(key);
            }
        }
    }

    /// A record is no longer ours to tell.
    pub(super) fn drop_answer(&mut self, key: RecordKey) {
        if let Some(dropped) = self.answers.pending.remove(&key) {
            if dropped.held {
                self.answers.withheld.forget();
            }
            if self.answers.pending.is_empty() {
                self.answers.next = None;
            }
        }
    }

    /// Answers a probe for a name that is ours: by unicast and by multicast, since the prober
    /// may not get the one and must not miss both (RFC 6762 §6, §8.2).
    pub(super) fn defend(
        &mut self,
        now: Instant,
        name: &Name,
        source: SocketAddr,
        qu: bool,
        shared: &mut Shared,
    ) {
        let unique = self.own.records_at(name).filter(|(_, own)| own.is_unique());
        let held = unique.filter(|(_, own)| own.telling != Telling::OnRequest);
        let keys: Vec<RecordKey> = held.map(|(key, _)| key).collect();
        if qu && self.may_reply_to(source) {
            let records = keys.iter().map(|key| (*key, None)).collect();
            self.schedule_reply(source, records, now, shared);
        }
        for key in keys {
            self.schedule(key, now, Rule::Defence, false, None);
        }
    }

    /// Whether an answer that is due goes out on time although what belongs to it may not go
    /// along yet: additional records are a courtesy, the answer is not (RFC 6762 §6). Addresses
    /// have those of the other family with them, and are told with them or not at all.
    pub(super) fn goes_alone(&self, now: Instant, key: RecordKey) -> bool {
        let may = self.answers.pending.get(&key).is_some_and(|pending| {
            pending.rule == Rule::Second && !pending.announced && !pending.held && !pending.whole
        });
        let is_free = self.free_at(key, Rule::Second, &[]).is_none_or(|at| at <= now);
        let of = |own: &OwnRecord| {
            own.telling != Telling::Leads
                && matches!(own.record.data, RecordData::Ptr(_) | RecordData::Srv(_))
        };
        may && is_free && self.own.get(key).is_some_and(of)
    }

    /// A pointer has gone out alone: it comes once more, with all that belongs to it, for those
    /// who ask no further and take only what stands in one message with it.
    pub(super) fn follow_up(&mut self, now: Instant, unit: &Unit, to: Families) {
        let is_pointer = |own: &OwnRecord| matches!(own.record.data, RecordData::Ptr(_));
        if !self.own.get(unit.answer).is_some_and(is_pointer) {
            return;
        }
        let with = self.own.additionals(unit.answer);
        let Some(due) = self.free_at(unit.answer, Rule::Second, &with).filter(|at| *at > now) else { return };
        if self.answers.pending.contains_key(&unit.answer) {
            // It has not gone out after all.
            return;
        }
        self.schedule(unit.answer, due, Rule::Second, false, unit.ttl);
        if let Some(pending) = self.answers.pending.get_mut(&unit.answer) {
            pending.to = to;
            pending.whole = true;
        }
    }

    /// From when on the rule that a pending record stands under lets it go out with all that
    /// belongs to it.
    pub(super) fn free_at(&self, key: RecordKey, rule: Rule, with: &[RecordKey]) -> Option<Instant> {
        let of = |key: RecordKey, interval| self.own.get(key).and_then(|own| own.free_at(interval));
        match rule {
            Rule::Rescue => None,
            Rule::Defence => of(key, DEFENCE_INTERVAL),
            // An SRV without its addresses, or half a set of addresses, is worth little: all
            // or nothing.
            Rule::Second => with.iter().chain([&key]).filter_map(|key| of(*key, MULTICAST_INTERVAL)).max(),
        }
    }

    /// Whether another host's record at one of our reverse names denies ours.
    pub(super) fn is_reverse_conflict(&self, name: &Name, data: &RecordData) -> bool {
        matches!(data, RecordData::Ptr(_))
            && self.own.records_at(name).any(|(_, own)| {
                own.telling == Telling::OnRequest
                    && matches!(own.record.data, RecordData::Ptr(_))
                    && own.record.data != *data
            })
    }
}
