//! Answering: which records, to whom and how fast (RFC 6762 §6, §7).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::budget::Budget;
use super::continuation::Continuation;
use super::io::Packet;
use super::link::{Link, Shared};
use super::own::{RecordKey, Telling};
use super::pending::{Pending, Rule, SHARED_DELAY};
use super::records::{HOST_TTL_SECONDS, OTHER_TTL_SECONDS};
use super::timer::after;
use super::unicast::{Reply, ReplyId};
use super::withheld::Withheld;
use crate::name::Name;
use crate::wire::{CLASS_ANY, CLASS_IN, MDNS_PORT, Message, Question, RecordData, RecordType, Section};

/// Unicast replies on one link.
const REPLIES_IN_ALL: (u32, u32) = (200, 200);

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
