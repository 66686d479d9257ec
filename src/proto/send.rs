//! From records that are due to datagrams: additionals, sections, sizes.

use std::time::Instant;

use litemap::LiteMap;

use bytes::Bytes;
use tracing::trace;

use super::claim::ClaimId;
use super::families::Families;
use super::link::{Link, Shared};
use super::numbered::Numbers;
use super::own::RecordKey;
use super::pending::{Pending, Rule};
use super::prepared::{Packed, Unit};
use super::timer::earlier;
use super::unicast::Asked;
use super::withheld::Withheld;
use crate::wire::{MAX_SENT_BYTES, Packer, Record, Section};

/// The time to live in legacy replies is at most this, in seconds (RFC 6762 §6.7).
const LEGACY_TTL_SECONDS: u32 = 10;

impl Link {
    /// Sends the multicast answers that are due, those that belong together in one message,
    /// and the unicast replies.
    pub(super) fn flush_answers(&mut self, now: Instant, shared: &mut Shared) {
        self.flush_replies(now, shared);
        if std::mem::take(&mut self.answers.due) && !self.send_again(now, shared) {
            self.send_due(now, shared);
        }
    }

    fn send_due(&mut self, now: Instant, shared: &mut Shared) {
        let (due, mut as_usual) = self.take_due(now);
        if due.is_empty() {
            return;
        }
        let mut groups: LiteMap<Families, Vec<Unit>> = LiteMap::new();
        let mut rules: LiteMap<RecordKey, Rule> = LiteMap::new();
        let mut alone: Vec<(Unit, Families)> = Vec::new();
        for (key, mut additionals) in due {
            let Some(pending) = self.answers.pending.get(&key) else { continue };
            if pending.rule != Rule::Second {
                as_usual = false;
                rules.insert(key, pending.rule);
            }
            let to = pending.to.and(self.open());
            if to.is_empty() {
                continue;
            }
            if pending.rule != Rule::Second && !self.own.are_free(now, &additionals) {
                self.leave_out(now, key, &mut additionals);
            }
            let unit = Unit { answer: key, ttl: pending.ttl, additionals };
            if pending.is_followed_up()
                && unit.additionals.is_empty()
                && !self.own.additionals(key).is_empty()
            {
                alone.push((unit.clone(), to));
            }
            groups.entry(to).or_default().push(unit);
        }
        self.answers.pending.retain(|_, pending| pending.due > now);
        // Each record is told once in all these messages (RFC 6762 §6): it is no additional of
        // another where it is an answer itself, …
        let answers: Numbers = groups.values().flatten().map(|unit| unit.answer).collect();
        for unit in groups.iter_mut().flat_map(|(_, units)| units) {
            unit.additionals.retain(|key| !answers.contains(*key));
        }
        // … nor of a second one. What goes to both families comes first.
        let mut told: LiteMap<RecordKey, Families> = LiteMap::new();
        // What the budget has no room for stands under its rule nevertheless.
        let rule_of = |unit: &Unit| rules.get(&unit.answer).copied().unwrap_or(Rule::Second);
        as_usual &= groups.len() == 1;
        for (to, mut units) in groups.into_iter().rev() {
            units.retain(|unit| {
                let leads = self.is_lead(unit.answer);
                if leads && let Err(at) = self.may_multicast(now) {
                    self.schedule(unit.answer, at, rule_of(unit), true, unit.ttl);
                } else if leads {
                    self.send_lead(now, unit.answer, to, shared);
                }
                !leads
            });
            let mut rest = units.as_mut_slice();
            while !rest.is_empty() {
                for unit in rest.iter_mut().filter(|_| !told.is_empty()) {
                    unit.additionals.retain(|key| told.get(key).is_none_or(|on| on.and(to).is_empty()));
                }
                if let Err(at) = self.may_multicast(now) {
                    // Never silently dropped: it waits until the budget has room.
                    for unit in rest {
                        self.schedule(unit.answer, at, rule_of(unit), true, unit.ttl);
                    }
                    break;
                }
                let (count, packed) = self.pack_most(rest);
                if let Some(packed) = packed {
                    trace!(link = %self.state.name, bytes = packed.payload.len(), "multicast answer");
                    self.multicast(now, &packed.payload, to, shared);
                    for key in &*packed.records {
                        self.own.told(now, *key);
                        let on = told.entry(*key).or_insert(Families::NONE);
                        *on = on.with(to);
                    }
                    if as_usual && count == answers.len() {
                        self.prepared.mark_whole(rest);
                    }
                } else {
                    trace!(link = %self.state.name, record = ?rest.first(), "a record too large to send");
                }
                rest = rest.get_mut(count..).unwrap_or_default();
            }
        }
        for (unit, to) in alone {
            self.follow_up(now, &unit, to);
        }
    }

    /// Sends what was sent before, if just that is due: nothing else is pending that it might
    /// wait for, no record in it is withheld, and it goes to all.
    fn send_again(&mut self, now: Instant, shared: &mut Shared) -> bool {
        let open = self.open();
        let pending = &self.answers.pending;
        let is_usual = |pending: &Pending| {
            pending.due <= now && pending.rule == Rule::Second && pending.to.and(open) == open
        };
        if open.is_empty() || !pending.values().all(is_usual) {
            return false;
        }
        let made_of = (self.own.state(), self.limit());
        let answers = pending.iter().map(|(key, pending)| (*key, pending.ttl));
        let Some(packed) = self.prepared.whole(made_of, answers) else { return false };
        if !self.own.are_free(now, &packed.records) || self.may_multicast(now).is_err() {
            return false;
        }
        self.answers.pending.clear();
        self.answers.next = None;
        trace!(link = %self.state.name, bytes = packed.payload.len(), "multicast answer, as before");
        self.multicast(now, &packed.payload, open, shared);
        for key in &*packed.records {
            self.own.told(now, *key);
        }
        true
    }

    /// The answers that may go out now, with their additionals, or without them where only
    /// these are withheld. One that the one-second rule withholds waits for the end of that
    /// second, and so does everything that is to go out with it: sent alone, that would hold it
    /// up for another second, and so on. Longer than a second nothing waits but for itself: a
    /// stranger's probes would else keep it waiting for as long as they come. Says whether all
    /// have what belongs to them.
    fn take_due(&mut self, now: Instant) -> (LiteMap<RecordKey, Vec<RecordKey>>, bool) {
        let mut due: LiteMap<RecordKey, Vec<RecordKey>> = LiteMap::new();
        self.answers.next = None;
        for (key, pending) in self.answers.pending.iter() {
            if pending.due <= now {
                due.insert(*key, self.own.additionals(*key));
            } else {
                self.answers.next = earlier(self.answers.next, Some(pending.due));
            }
        }
        // What a claim announces goes out together (RFC 6762 §8.3).
        let mut claims: LiteMap<ClaimId, Instant> = LiteMap::new();
        if !self.answers.withheld.is_of(self.own.state(), now) {
            let held = |pending: &Pending| pending.held && pending.due > now;
            for (key, pending) in self.answers.pending.iter().filter(|(_, pending)| held(pending)) {
                self.answers.withheld.hold(self.own.additionals(*key).into_iter().chain([*key]), pending.due);
            }
        }
        let is_held = |withheld: &Withheld, key: &RecordKey| withheld.until([key]).is_some_and(|at| at > now);
        loop {
            let withheld = due.iter().find_map(|(key, with)| {
                let pending = self.answers.pending.get(key)?;
                let (rule, announced) = (pending.rule, pending.announced);
                let held = self.answers.withheld.until(with.iter().chain([key]));
                let owners = self.own.owners(*key).iter().filter(|_| announced);
                let with_claim = owners.filter_map(|owner| claims.get(owner).copied()).max();
                let held = held.max(with_claim).filter(|_| rule == Rule::Second);
                let with_all = self.free_at(*key, rule, with);
                let least = if self.is_lead(*key) { with_all } else { self.free_at(*key, rule, &[]) };
                let at = with_all.max(held).map(|at| at.min(pending.last_due())).max(least);
                let at = at.filter(|at| *at > now)?;
                let goes = self.goes_alone(now, *key) && !is_held(&self.answers.withheld, key);
                (!goes).then_some((*key, at))
            });
            let Some((key, at)) = withheld else { break };
            self.answers.withheld.hold(due.remove(&key).unwrap_or_default().into_iter().chain([key]), at);
            if let Some(pending) = self.answers.pending.get_mut(&key) {
                for owner in self.own.owners(key).iter().filter(|_| pending.announced) {
                    let until = claims.entry(*owner).or_insert(at);
                    *until = at.max(*until);
                }
                pending.due = at;
                pending.held = true;
                self.answers.next = earlier(self.answers.next, Some(at));
            }
        }
        let mut whole = true;
        for (key, with) in &mut due {
            let by_second = self.answers.pending.get(key).is_some_and(|pending| pending.rule == Rule::Second);
            let with_all =
                self.free_at(*key, Rule::Second, with).max(self.answers.withheld.until(with.iter()));
            if by_second && with_all.is_some_and(|at| at > now) && !self.is_lead(*key) {
                whole = false;
                self.leave_out(now, *key, with);
            }
        }
        (due, whole)
    }

    /// Leaves out what belongs to an answer and may not go along. Of a set of addresses those
    /// that may still do: what is left out was told less than a second ago, and so no cache
    /// drops it (RFC 6762 §10.2).
    fn leave_out(&self, now: Instant, answer: RecordKey, additionals: &mut Vec<RecordKey>) {
        let address = self.own.is_address(answer);
        additionals.retain(|other| address && self.own.are_free(now, &[*other]));
    }

    fn flush_replies(&mut self, now: Instant, shared: &mut Shared) {
        for id in std::mem::take(&mut self.answers.replies_due) {
            let Some(reply) = self.answers.replies.remove(&id) else { continue };
            if reply.legacy.is_some() {
                self.send_legacy(&reply, shared);
                continue;
            }
            let (leads, others): (Vec<_>, Vec<_>) =
                reply.records.iter().partition(|(key, _)| self.is_lead(*key));
            for (key, ttl) in leads {
                for (payload, _) in self.pack_lead(key) {
                    if self.may_unicast(now, reply.to.ip(), payload.len()) {
                        self.unicast(payload, reply.to, shared);
                    } else {
                        self.schedule(key, now, Rule::Second, false, ttl);
                    }
                }
            }
            let answers: Numbers = others.iter().map(|(key, _)| *key).collect();
            let units: Vec<Unit> = others
                .into_iter()
                .map(|(key, ttl)| {
                    let mut additionals = self.own.additionals(key);
                    additionals.retain(|key| !answers.contains(*key));
                    Unit { answer: key, ttl, additionals }
                })
                .collect();
            let mut rest = units.as_slice();
            while !rest.is_empty() {
                let (count, packed) = self.pack_most(rest);
                if let Some(packed) = packed {
                    if !self.may_unicast(now, reply.to.ip(), packed.payload.len()) {
                        break;
                    }
                    self.unicast(packed.payload, reply.to, shared);
                }
                rest = rest.get(count..).unwrap_or_default();
            }
            // What the budget has no room for is told to everybody instead.
            for unit in rest {
                self.schedule(unit.answer, now, Rule::Second, false, unit.ttl);
            }
        }
    }

    /// One message with as many of the units as fit. Of a single unit that does not fit as a
    /// whole the answer goes with what additionals there is room for, or, if it is too large
    /// for the link all by itself, alone (RFC 6762 §17).
    fn pack_most(&mut self, units: &[Unit]) -> (usize, Option<Packed>) {
        let made_of = (self.own.state(), self.limit());
        if let Some(packed) = self.prepared.find(made_of, units) {
            return (units.len(), Some(packed));
        }
        let (count, packed) = self.pack_anew(units);
        if let (Some(units), Some(packed)) = (units.get(..count), &packed) {
            self.prepared.keep(made_of, units, packed);
        }
        (count, packed)
    }

    fn pack_anew(&self, units: &[Unit]) -> (usize, Option<Packed>) {
        let mut count = units.len();
        while count > 1 {
            let some = units.get(..count).unwrap_or_default();
            if let Some(packed) = self.pack(some, self.limit(), true) {
                return (count, Some(packed));
            }
            count = count.div_ceil(2);
        }
        let one = units.get(..1).unwrap_or_default();
        let packed = self
            .pack(one, self.limit(), true)
            .or_else(|| self.pack(one, self.limit(), false))
            .or_else(|| {
                let alone: Vec<Unit> =
                    one.iter().map(|unit| Unit { additionals: Vec::new(), ..unit.clone() }).collect();
                self.pack(&alone, MAX_SENT_BYTES, true)
            });
        (1, packed)
    }

    /// Packs all of the units; `whole`: with every additional, or not at all.
    fn pack(&self, units: &[Unit], limit: usize, whole: bool) -> Option<Packed> {
        let mut packer = Packer::response(limit);
        let mut records = Numbers::default();
        for unit in units {
            let Some(own) = self.own.get(unit.answer) else { continue };
            let Record { name, cache_flush, ttl, data } = &own.record;
            packer.record(Section::Answer, name, *cache_flush, unit.ttl.unwrap_or(*ttl), data).ok()?;
            records.insert(unit.answer);
        }
        let mut additionals: Vec<RecordKey> =
            units.iter().flat_map(|unit| unit.additionals.clone()).collect();
        additionals.retain(|key| records.insert(*key));
        let kind = |key: &RecordKey| {
            self.own.get(*key).map(|own| (own.record.name.clone(), own.record.data.record_type()))
        };
        for set in additionals.chunk_by(|one, other| kind(one) == kind(other)) {
            let before = packer.clone();
            let fits = set.iter().filter_map(|key| self.own.get(*key)).all(|own| {
                let Record { name, cache_flush, ttl, data } = &own.record;
                packer.record(Section::Additional, name, *cache_flush, *ttl, data).is_ok()
            });
            if fits {
                continue;
            }
            if whole {
                return None;
            }
            // RFC 6762 §10.2: a unique set of records is sent whole, or not at all.
            packer = before;
            set.iter().for_each(|key| records.remove(*key));
        }
        (!records.is_empty()).then(|| Packed { payload: packer.finish(), records: records.into_row().into() })
    }

    /// A reply in ordinary DNS form: ID and question repeated, no cache-flush bit, short
    /// lives (RFC 6762 §6.7).
    pub(super) fn pack_legacy(&self, asked: &Asked, records: &[(RecordKey, Option<u32>)]) -> Option<Bytes> {
        let mut packer = Packer::legacy(self.limit(), asked.id);
        packer.repeat_questions(&asked.bytes, asked.questions).ok()?;
        let mut packed = Numbers::default();
        for (key, ttl) in records {
            let Some(own) = self.own.get(*key) else { continue };
            let Record { name, ttl: full, data, .. } = &own.record;
            let ttl = ttl.unwrap_or(*full).min(LEGACY_TTL_SECONDS);
            if packer.record(Section::Answer, name, false, ttl, data).is_err() {
                break;
            }
            packed.insert(*key);
        }
        for key in records.iter().flat_map(|(key, _)| self.own.additionals(*key)) {
            if packed.contains(key) {
                continue;
            }
            let Some(own) = self.own.get(key) else { continue };
            let Record { name, ttl, data, .. } = &own.record;
            if packer.record(Section::Additional, name, false, (*ttl).min(LEGACY_TTL_SECONDS), data).is_ok() {
                packed.insert(key);
            }
        }
        (!packed.is_empty()).then(|| packer.finish())
    }

    /// Takes records back: the same once more, with no time to live (RFC 6762 §10.1). Always
    /// at once, on every family.
    pub(super) fn goodbye(&mut self, now: Instant, records: &[Record], shared: &mut Shared) {
        let mut packer = Packer::response(self.limit());
        for Record { name, cache_flush, data, .. } in records {
            if packer.record(Section::Answer, name, *cache_flush, 0, data).is_err() {
                let full = std::mem::replace(&mut packer, Packer::response(self.limit()));
                self.send_goodbye(now, full, shared);
                // One that is larger than a datagram of this link goes alone (RFC 6762 §17).
                if packer.record(Section::Answer, name, *cache_flush, 0, data).is_err() {
                    let mut alone = Packer::response(MAX_SENT_BYTES);
                    if alone.record(Section::Answer, name, *cache_flush, 0, data).is_ok() {
                        self.send_goodbye(now, alone, shared);
                    }
                }
            }
        }
        self.send_goodbye(now, packer, shared);
    }

    fn send_goodbye(&mut self, now: Instant, packer: Packer, shared: &mut Shared) {
        if !packer.is_empty() {
            self.multicast(now, &packer.finish(), Families::BOTH, shared);
        }
    }
}
