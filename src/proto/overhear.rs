//! Questions of other hosts: what they spare us, and what their silence tells
//! (RFC 6762 §7.3, §10.5).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asks::{AskKey, Asks, FIRST_INTERVAL};
use super::cache::{Cache, CacheKey};
use super::entry::Unanswered;
use super::families::Families;
use super::io::Family;
use super::link::{Link, Shared};
use super::rng::Rng;
use super::timer::{Timer, after};
use crate::name::Name;
use crate::wire::{CLASS_ANY, CLASS_IN, Message, Question, RecordData, RecordType, Section};

/// So many questions of others that a record leaves unanswered speak against it
/// (RFC 6762 §10.5) …
const UNANSWERED: u32 = 2;

/// … or so many, where more instances are known than this.
const MANY_UNANSWERED: u32 = 6;

/// Up to so many instances on a link an unanswered question is rarely a lost answer.
const FEW_INSTANCES: usize = 8;

/// After that many unanswered questions a record is dropped when it was not heard for so long
/// (RFC 6762 §10.5).
const POOF_WAIT: Duration = Duration::from_secs(10);

/// Questions of others closer together than this count as one: several askers, one answer.
const POOF_APART: Duration = Duration::from_millis(900);

/// The further packets of a truncated query come within this time (RFC 6762 §7.2).
const TRUST: Duration = Duration::from_millis(500);

/// The most hosts whose truncated queries are followed at one time.
const MAX_TRUSTED: usize = 512;

/// A question that a truncated query of another host counted for, as it stood before.
#[derive(Debug)]
pub(super) struct Trusted {
    at: Instant,
    key: AskKey,
    next: Instant,
    interval: Duration,
    sent: u32,
    last: Option<Instant>,
}

impl Asks {
    fn trust(&mut self, now: Instant, source: SocketAddr, before: Trusted) {
        if self.trusted.len() >= MAX_TRUSTED {
            self.trusted.retain(|_, before| now.saturating_duration_since(before.at) <= TRUST);
        }
        if self.trusted.len() < MAX_TRUSTED {
            self.trusted.insert(source, before);
        }
    }
}

impl Link {
    /// Another host asked. If we were about to ask the same, it has done so for us, on that
    /// family (RFC 6762 §7.3); and cached records that it does not know of should now be
    /// answered (§10.5).
    pub(super) fn overhear(
        &mut self,
        now: Instant,
        source: SocketAddr,
        question: &Question<'_>,
        message: &Message<'_>,
        shared: &mut Shared,
    ) {
        if question.unicast || (question.class != CLASS_IN && question.class != CLASS_ANY) {
            return;
        }
        if !self.asks.names(&question.name) {
            return;
        }
        let name = question.name.to_name();
        // What is cached and wanted is what is asked for: a question about anything else there
        // says nothing, and a message may hold a hundred of them.
        if question.rtype != RecordType::ANY && self.asks.find(&name, question.rtype).is_none() {
            return;
        }
        let (known, all_known) = self.known_to_both(now, &name, message);
        let truncated = message.header().truncated;
        if !truncated {
            let family = Family::of(source.ip());
            // Where many ask, some do so only because the answer was lost on its way to them.
            let needed = if self.instances.len() > FEW_INSTANCES { MANY_UNANSWERED } else { UNANSWERED };
            self.cache.overhear_question(now, &name, question.rtype, &known, family, needed, &mut shared.rng);
        }
        let Some(key) = self.asks.find(&name, question.rtype).filter(|_| all_known) else { return };
        let open = self.open();
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        let Some(next) = ask.next else {
            // Nothing but a refresh could be planned: it is spared that as well.
            if ask.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= FIRST_INTERVAL) {
                ask.heard = Families::NONE;
            }
            ask.heard.set(Family::of(source.ip()), true);
            ask.heard_at = Some(now);
            if open.without(ask.heard).is_empty() {
                ask.last = Some(now);
                ask.heard = Families::NONE;
            }
            return;
        };
        if ask.waited {
            return;
        }
        let planned = match ask.last {
            None => true,
            Some(last) => {
                let waited = now.saturating_duration_since(last);
                waited >= next.saturating_duration_since(last).checked_div(2).unwrap_or_default()
            }
        };
        if !planned {
            return;
        }
        if truncated {
            // More of its known answers follow at once, and may show that it asks for less
            // than we do.
            let before =
                Trusted { at: now, key, next, interval: ask.interval, sent: ask.sent, last: ask.last };
            self.asks.trust(now, source, before);
        }
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        ask.heard.set(Family::of(source.ip()), true);
        if open.without(ask.heard).is_empty() {
            self.asked(now, key, shared);
        }
    }

    /// A further packet of a truncated query: if it holds an answer that we don't know, that
    /// host keeps somebody silent whom we want to hear, and has not asked for us after all
    /// (RFC 6762 §7.3).
    pub(super) fn overhear_more(
        &mut self,
        now: Instant,
        source: SocketAddr,
        message: &Message<'_>,
        shared: &mut Shared,
    ) {
        if message.header().questions != 0 {
            return;
        }
        let Some(before) = self.asks.trusted.get(&source) else { return };
        let (key, next) = (before.key, before.next);
        let Some(name) = self.asks.asks.get(key).map(|ask| ask.name.clone()) else { return };
        if self.known_to_both(now, &name, message).1 {
            return;
        }
        let Some(before) = self.asks.trusted.remove(&source) else { return };
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        (ask.next, ask.interval, ask.sent, ask.last) =
            (Some(next), before.interval, before.sent, before.last);
        ask.heard = Families::NONE;
        shared.timers.set(Timer::Question(self.index, key), next.max(now));
    }

    /// The cached records at `name` that stand in the known answers of a query, in order, and
    /// whether we would list all of those too: else that asker keeps silent somebody whom we
    /// want to hear.
    fn known_to_both(&self, now: Instant, name: &Name, message: &Message<'_>) -> (Vec<CacheKey>, bool) {
        let mut known = Vec::new();
        let mut all = true;
        for record in message.records().filter(|r| r.section == Section::Answer && r.name.is(name)) {
            let key = self.cache.find_heard(&record);
            all &= key.and_then(|key| self.cache.get(key)?.known_ttl(now)).is_some();
            known.extend(key);
        }
        known.sort_unstable();
        (known, all)
    }
}

impl Cache {
    /// RFC 6762 §10.5: another host asked for these records without knowing them; `known`
    /// are those it does know, in order. Whoever holds the others should have answered; who
    /// stays silent `needed` times is gone.
    #[expect(clippy::too_many_arguments, reason = "a question's six properties and a number")]
    fn overhear_question(
        &mut self,
        now: Instant,
        name: &Name,
        rtype: RecordType,
        known: &[CacheKey],
        family: Family,
        needed: u32,
        rng: &mut Rng,
    ) {
        let mut gone = Vec::new();
        let keys: Vec<CacheKey> = self.keys(name).to_vec();
        for key in keys.into_iter().filter(|key| known.binary_search(key).is_err()) {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let asked_for = rtype == RecordType::ANY || entry.data.record_type() == rtype;
            // Who speaks only the other family has not heard the question.
            let heard = entry.families.has(family);
            if !asked_for || !heard || entry.wanted.is_none() || matches!(entry.data, RecordData::Nsec(_)) {
                continue;
            }
            match &mut entry.unanswered {
                // An answer given in the last second need not be repeated (§6).
                None if now.saturating_duration_since(entry.received) < Duration::from_secs(1) => {}
                Some(unanswered) if now.saturating_duration_since(unanswered.first) <= POOF_WAIT => {
                    if now.saturating_duration_since(unanswered.last) >= POOF_APART {
                        unanswered.count = unanswered.count.saturating_add(1);
                        unanswered.last = now;
                        if unanswered.count >= needed {
                            gone.push(key);
                        }
                    }
                }
                _ => entry.unanswered = Some(Box::new(Unanswered { first: now, last: now, count: 1 })),
            }
        }
        for key in gone {
            self.unlist(key);
            if let Some(entry) = self.entries.get_mut(key) {
                // Our own refreshes that fall into these ten seconds are asked all the same.
                entry.expires = entry.expires.min(after(now, POOF_WAIT));
            }
            self.list(key);
            self.schedule(key, rng);
        }
    }
}
