//! Unicast replies: to whom, how many, and in which form (RFC 6762 §5.4, §6.7, §11).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::link::{Link, Shared, USUAL_BYTES};
use super::own::RecordKey;
use super::respond::Wanted;
use super::timer::{Timer, after};
use crate::wire::{MDNS_PORT, Message};

/// The most unicast replies that wait on one link.
const MAX_REPLIES: usize = 512;

/// Unicast replies to one source: a burst, and then so many a second. One that is longer than
/// [`USUAL_BYTES`] counts as several.
const REPLIES_PER_SOURCE: (u32, u32) = (20, 10);

/// The most sources whose unicast replies are counted apart.
const MAX_SOURCES: usize = 512;

/// A unicast reply, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReplyId(pub(super) u64);

/// A unicast reply that waits.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) to: SocketAddr,
    pub(super) records: Vec<(RecordKey, Option<u32>)>,
    /// What an asker from another port than 5353 wants repeated. Its reply is taken out of the
    /// budgets when it is asked for, so that one asker's do not crowd out another's.
    pub(super) legacy: Option<Asked>,
}

/// A legacy query, as its reply repeats it (RFC 6762 §6.7).
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: u16,
    pub(super) questions: u16,
    /// The question section.
    pub(super) bytes: Box<[u8]>,
}

impl Link {
    pub(super) fn schedule_reply(
        &mut self,
        to: SocketAddr,
        records: Vec<(RecordKey, Option<u32>)>,
        at: Instant,
        shared: &mut Shared,
    ) {
        if !records.is_empty() && self.answers.replies.len() < MAX_REPLIES {
            self.delay_reply(Reply { to, records, legacy: None }, at, shared);
        }
    }

    fn delay_reply(&mut self, reply: Reply, at: Instant, shared: &mut Shared) {
        let id = ReplyId(self.answers.next_reply);
        self.answers.next_reply = self.answers.next_reply.wrapping_add(1);
        self.answers.replies.insert(id, reply);
        shared.timers.set(Timer::Reply(self.index, id), at);
    }

    /// Whether a unicast reply to this source makes sense: it is a host on this link, and not
    /// one of our own addresses, whose port 5353 another program may hold.
    pub(super) fn may_reply_to(&self, source: SocketAddr) -> bool {
        let broadcast = match source.ip() {
            IpAddr::V4(v4) => {
                v4.is_broadcast()
                    || v4.is_unspecified()
                    || self.state.v4.iter().any(|(own, prefix)| {
                        let hosts = u32::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
                        *prefix < 31 && *own != v4 && own.to_bits() | hosts == v4.to_bits()
                    })
            }
            IpAddr::V6(v6) => v6.is_unspecified(),
        };
        let own = self.is_own_address(source.ip()) && source.port() == MDNS_PORT;
        source.port() != 0
            && !source.ip().is_multicast()
            && !broadcast
            && !own
            && self.is_on_link(source.ip())
    }

    /// One unicast datagram, out of its receiver's budget and the link's.
    pub(super) fn may_unicast(&mut self, now: Instant, to: IpAddr, bytes: usize) -> bool {
        let cost = u32::try_from(bytes.div_ceil(USUAL_BYTES).max(1)).unwrap_or(u32::MAX);
        if !self.answers.in_all.has(now, cost) {
            return false;
        }
        let sources = &mut self.answers.by_source;
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&to) {
            // Who was not answered for two seconds has its burst back, and may be forgotten.
            sources.retain(|_, (last, _)| now.saturating_duration_since(*last) < Duration::from_secs(2));
            if sources.len() >= MAX_SOURCES {
                return false;
            }
        }
        let (last, budget) = sources.entry(to).or_insert_with(|| (now, Budget::new(REPLIES_PER_SOURCE)));
        *last = now;
        budget.take_many(now, cost).is_ok() && self.answers.in_all.take_many(now, cost).is_ok()
    }

    /// Whether a unicast reply to this source could leave now.
    pub(super) fn has_reply_for(&self, now: Instant, to: IpAddr) -> bool {
        self.answers.replies.len() < MAX_REPLIES
            && self.answers.in_all.has(now, 1)
            && self.answers.by_source.get(&to).is_none_or(|(_, budget)| budget.has(now, 1))
    }

    /// RFC 6762 §6.7: an asker that is no mDNS participant gets an ordinary DNS reply, after
    /// the wait that any answer has (§6).
    pub(super) fn reply_legacy(
        &mut self,
        now: Instant,
        to: SocketAddr,
        query: &Message<'_>,
        wanted: &[Wanted],
        wait: Duration,
        shared: &mut Shared,
    ) {
        let Some(bytes) = query.question_bytes().filter(|bytes| bytes.len() < self.limit()) else { return };
        // What is within its limit counts as one, whatever will stand in it.
        if !self.may_reply_to(to) || !self.may_unicast(now, to.ip(), 0) {
            return;
        }
        let header = query.header();
        let asked = Asked { id: header.id, questions: header.questions, bytes: bytes.into() };
        let records = wanted.iter().map(|want| (want.key, want.ttl)).collect();
        let reply = Reply { to, records, legacy: Some(asked) };
        if wait.is_zero() || self.answers.replies.len() >= MAX_REPLIES {
            self.send_legacy(&reply, shared);
        } else {
            self.delay_reply(reply, after(now, wait), shared);
        }
    }

    pub(super) fn send_legacy(&mut self, reply: &Reply, shared: &mut Shared) {
        let Some(asked) = &reply.legacy else { return };
        if let Some(payload) = self.pack_legacy(asked, &reply.records) {
            self.unicast(payload, reply.to, shared);
        }
    }
}
