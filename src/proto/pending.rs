//! What is going to be multicast: when, and what keeps it back (RFC 6762 §6, §7.4).

use std::time::{Duration, Instant};

use super::families::Families;
use super::io::Family;
use super::link::{Link, Shared};
use super::own::{DEFENCE_INTERVAL, MULTICAST_INTERVAL, OwnRecord, RecordKey, Telling};
use super::prepared::Unit;
use super::timer::{after, earlier};
use crate::wire::RecordData;

/// Answers that others may give as well wait this long (RFC 6762 §6).
pub(super) const SHARED_DELAY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));

/// An answer that has to wait anyway joins one that is scheduled within this time
/// (RFC 6762 §6.4).
const AGGREGATION: Duration = Duration::from_millis(500);

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

impl Link {
    /// When an answer that waits `wait` goes out: with one that is scheduled already, if that
    /// is soon (RFC 6762 §6.4).
    pub(super) fn aggregated(&self, now: Instant, wait: Duration) -> Instant {
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
    pub(super) fn gather(&mut self, now: Instant, at: Instant) {
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
}
