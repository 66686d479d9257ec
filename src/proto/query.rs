//! Asking: when a question is sent, what goes with it, and when it need not be sent at all.

use std::time::{Duration, Instant};

use bytes::Bytes;
use litemap::LiteMap;

use super::asks::{Ask, AskKey, FIRST_INTERVAL};
use super::families::Families;
use super::link::{Link, Shared};
use super::timer::{Timer, after};
use crate::name::Name;
use crate::wire::{MAX_SENT_BYTES, Packer, RecordData, RecordType, Section};

/// The first question waits this long (RFC 6762 §5.2), so that hosts that woke together do
/// not ask together.
const FIRST_DELAY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));

/// How long after a question that asked for it a unicast reply is welcome (RFC 6762 §6).
pub(super) const UNICAST_WINDOW: Duration = Duration::from_secs(2);

/// Known answers of which nothing but an instance's name is known open a further packet up to
/// this many, some three hundred names; the rest is not listed (RFC 6762 §7.1 makes that no
/// duty).
const RUMOUR_PACKETS: usize = 6;

impl Link {
    /// One more client wants this question asked here.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        name: &Name,
        rtype: RecordType,
        waited: bool,
        shared: &mut Shared,
    ) {
        if let Some(ask) = self.asks.find(name, rtype).and_then(|key| self.asks.asks.get_mut(key)) {
            ask.clients = ask.clients.saturating_add(1);
            return;
        }
        let key = self.asks.begin(now, name, rtype, waited);
        self.cache.attend(name, rtype, Some(key), &mut shared.rng);
        self.hear_ourselves(now, name, rtype, shared);
        let unique = self.asks.asks.get(key).is_some_and(Ask::is_unique);
        if !(unique && self.has_answer(name, rtype)) {
            self.start_asking(now, key, shared);
        }
    }

    /// One client fewer wants it.
    pub(super) fn stop_asking(&mut self, name: &Name, rtype: RecordType, shared: &mut Shared) {
        let Some(key) = self.asks.find(name, rtype) else { return };
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        ask.clients = ask.clients.saturating_sub(1);
        if ask.clients > 0 {
            return;
        }
        self.asks.end(key);
        shared.timers.cancel(&Timer::Question(self.index, key));
        self.cache.attend(name, rtype, None, &mut shared.rng);
    }

    /// A tap asks this question: at once (a deliberate departure from RFC 6762 §5.2, for peers
    /// that find each other in milliseconds), alone in its message, which is how js-libp2p
    /// hears it, and never less often than every `most`.
    pub(super) fn ask_promptly(&mut self, now: Instant, name: &Name, most: Duration, shared: &mut Shared) {
        let Some(key) = self.asks.find(name, RecordType::PTR) else { return };
        if let Some(ask) = self.asks.asks.get_mut(key) {
            ask.prompt = true;
            ask.most = ask.most.min(most).max(FIRST_INTERVAL);
        }
        self.start_asking(now, key, shared);
    }

    /// The first of a series of questions, 20 to 120 ms from now; one that is scheduled
    /// already takes it along.
    fn start_asking(&mut self, now: Instant, key: AskKey, shared: &mut Shared) {
        let (low, high) = FIRST_DELAY;
        if let Some(ask) = self.asks.asks.get_mut(key).filter(|ask| ask.prompt) {
            let at = ask.restart(now);
            shared.timers.set(Timer::Question(self.index, key), at);
            return;
        }
        let at = match self.asks.first_at {
            Some(at) if at >= after(now, low) && at <= after(now, high) => at,
            _ => after(now, shared.rng.between(low, high)),
        };
        self.asks.first_at = Some(at);
        if let Some(ask) = self.asks.asks.get_mut(key) {
            let at = ask.restart(at);
            shared.timers.set(Timer::Question(self.index, key), at);
        }
    }

    /// Asks everything anew: the link came up or came back, or the machine woke. `doubted`:
    /// also what seemed to be answered.
    pub(super) fn ask_again(&mut self, now: Instant, waited: bool, doubted: bool, shared: &mut Shared) {
        for key in self.asks.asks.numbers() {
            let Some(ask) = self.asks.asks.get_mut(key) else { continue };
            if ask.is_unique() && ask.next.is_none() && !doubted {
                continue;
            }
            // Nothing is asked twice within a second (RFC 6762 §5.2).
            if ask.last.is_some_and(|last| now.saturating_duration_since(last) < FIRST_INTERVAL) {
                continue;
            }
            ask.waited = waited;
            self.start_asking(now, key, shared);
        }
    }

    /// Asks this question from the beginning, whatever seems to be known.
    pub(super) fn ask_anew(&mut self, now: Instant, name: &Name, rtype: RecordType, shared: &mut Shared) {
        if let Some(key) = self.asks.find(name, rtype) {
            self.start_asking(now, key, shared);
        }
    }

    /// Whether the cache holds the answer to a question that has one, or its denial.
    pub(super) fn has_answer(&self, name: &Name, rtype: RecordType) -> bool {
        self.cache.of_type(name, rtype).next().is_some() || self.cache.denies(name, rtype)
    }

    /// A record was heard: a question with one answer is content.
    pub(super) fn answer_heard(&mut self, name: &Name, rtype: RecordType, shared: &mut Shared) {
        if let Some(key) = self.asks.find(name, rtype) {
            self.content(key, shared);
        }
    }

    /// This question has an answer.
    pub(super) fn content(&mut self, key: AskKey, shared: &mut Shared) {
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        let planned = ask.next.is_some() || ask.refresh;
        ask.refresh = false;
        if ask.is_unique() && planned {
            ask.next = None;
            shared.timers.cancel(&Timer::Question(self.index, key));
        }
    }

    /// The answer expired: the question is asked from the beginning.
    pub(super) fn answer_gone(&mut self, now: Instant, name: &Name, rtype: RecordType, shared: &mut Shared) {
        let Some(key) = self.asks.find(name, rtype) else { return };
        let idle = self.asks.asks.get(key).is_some_and(|ask| ask.is_unique() && ask.next.is_none());
        if idle && !self.has_answer(name, rtype) {
            self.start_asking(now, key, shared);
        }
    }

    /// A cached record is getting old: asks for it now, once a second at most. Says whether it
    /// does.
    pub(super) fn refresh(&mut self, now: Instant, name: &Name, rtype: RecordType) -> bool {
        let Some(key) = self.asks.find(name, rtype) else { return false };
        let Some(ask) = self.asks.asks.get_mut(key) else { return false };
        let recent = ask.last.is_some_and(|last| now.saturating_duration_since(last) < FIRST_INTERVAL);
        let asks = !recent && !ask.refresh;
        if asks {
            ask.refresh = true;
            self.asks.due.push(key);
        }
        asks
    }

    pub(super) fn question_due(&mut self, now: Instant, key: AskKey, shared: &mut Shared) {
        let Some(ask) = self.asks.asks.get(key) else { return };
        let wait = if ask.prompt && !ask.spread { self.spread(&ask.name, shared) } else { Duration::ZERO };
        let Some(ask) = self.asks.asks.get_mut(key).filter(|_| !wait.is_zero()) else {
            self.asks.due.push(key);
            return;
        };
        let at = after(now, wait);
        ask.spread = true;
        ask.next = Some(at);
        shared.timers.set(Timer::Question(self.index, key), at);
    }

    /// The question counts as asked: the next one follows after the interval.
    pub(super) fn asked(&mut self, now: Instant, key: AskKey, shared: &mut Shared) {
        let Some(ask) = self.asks.asks.get_mut(key) else { return };
        let by_schedule = ask.next.is_some_and(|next| next <= now) || ask.heard != Families::NONE;
        let by_others = ask.heard != Families::NONE;
        ask.sent = ask.sent.saturating_add(1);
        ask.last = Some(now);
        ask.heard = Families::NONE;
        ask.refresh = false;
        ask.waited = false;
        ask.spread = false;
        ask.unsure.clear();
        let Some(next) = ask.next else { return };
        let next = if by_schedule {
            if by_others {
                // All who heard it would else ask at one and the same instant next time.
                let apart = shared.rng.between(FIRST_DELAY.0, FIRST_DELAY.1);
                ask.interval = ask.interval.saturating_add(apart);
            }
            let next = after(now, ask.interval);
            ask.interval = ask.interval.saturating_mul(2).min(ask.most);
            next
        } else {
            next.max(after(now, FIRST_INTERVAL))
        };
        ask.next = Some(next);
        shared.timers.set(Timer::Question(self.index, key), next);
    }

    /// Sends what is due: one datagram a family, or a few if it does not fit.
    pub(super) fn flush_questions(&mut self, now: Instant, shared: &mut Shared) {
        if self.asks.due.is_empty() {
            return;
        }
        let mut due = std::mem::take(&mut self.asks.due);
        due.sort_unstable();
        due.dedup();
        due.retain(|key| self.asks.asks.contains(*key));
        if !self.is_open() {
            // They start anew when the link opens.
            return;
        }
        let open = self.open();
        let mut groups: LiteMap<(Option<AskKey>, Families), Vec<AskKey>> = LiteMap::new();
        for key in due {
            let Some(ask) = self.asks.asks.get(key) else { continue };
            let alone = ask.prompt.then_some(key);
            groups.entry((alone, open.without(ask.heard))).or_default().push(key);
        }
        for ((_, families), keys) in groups {
            let mut rest = keys.as_slice();
            while !rest.is_empty() {
                if let Err(at) = self.may_query(now) {
                    for key in rest {
                        shared.timers.set(Timer::Question(self.index, *key), at);
                    }
                    break;
                }
                let taken = self.send_questions(now, rest, families, shared);
                for key in rest.get(..taken).unwrap_or_default() {
                    self.asked(now, *key, shared);
                }
                rest = rest.get(taken.max(1)..).unwrap_or_default();
            }
        }
    }

    /// One message with as many of the questions as fit, and with their known answers, in
    /// further packets if need be (RFC 6762 §7.1, §7.2). Says how many questions went out.
    fn send_questions(
        &mut self,
        now: Instant,
        keys: &[AskKey],
        families: Families,
        shared: &mut Shared,
    ) -> usize {
        let limit = self.limit();
        let unicast = self.state.unicast;
        let mut packer = Packer::query(limit);
        let mut taken = 0_usize;
        let mut asked = Vec::new();
        for key in keys {
            let Some(ask) = self.asks.asks.get_mut(*key) else {
                taken = taken.saturating_add(1);
                continue;
            };
            let qu = unicast && ask.waited;
            if packer.question(&ask.name, ask.rtype, qu).is_err() {
                break;
            }
            if qu {
                ask.unicast_until = Some(after(now, UNICAST_WINDOW));
            }
            taken = taken.saturating_add(1);
            asked.push(*key);
        }
        let mut packets: Vec<Packer> = Vec::new();
        let asks = || asked.iter().filter_map(|key| self.asks.asks.get(*key));
        // Rumours come last, and open few packets of their own: who made them up would decide
        // how many packets a question has.
        for (rumours, ask) in asks().map(|ask| (false, ask)).chain(asks().map(|ask| (true, ask))) {
            for entry in self.cache.of_type(&ask.name, ask.rtype) {
                if self.is_rumour(&ask.name, &entry.data) != rumours
                    || (ask.prompt && self.is_own_lead(&entry.name, &entry.data))
                    || matches!(&entry.data, RecordData::Ptr(target) if ask.unsure.contains(target))
                {
                    continue;
                }
                let Some(ttl) = entry.known_ttl(now) else { continue };
                // RFC 6762 §10.2: no cache-flush bit in known answers.
                let added = packer.record(Section::Answer, &ask.name, false, ttl, &entry.data);
                if added.is_err() && (!rumours || packets.len() < RUMOUR_PACKETS) {
                    let mut full = std::mem::replace(&mut packer, Packer::query(limit));
                    full.set_truncated(true);
                    packets.push(full);
                    // One that does not fit alone is not worth a jumbo packet: it is only a hint.
                    let _ = packer.record(Section::Answer, &ask.name, false, ttl, &entry.data);
                }
            }
        }
        if packer.is_empty() {
            // A last packet without content would only say that nothing follows.
            if let Some(last) = packets.last_mut() {
                last.set_truncated(false);
            }
        } else {
            packets.push(packer);
        }
        for packer in packets {
            let payload: Bytes = packer.finish();
            debug_assert!(payload.len() <= MAX_SENT_BYTES);
            self.multicast_query(now, &payload, families, shared);
        }
        taken
    }
}
