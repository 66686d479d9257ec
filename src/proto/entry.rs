//! One cached record, and how old it is.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::asks::AskKey;
use super::cache::MAX_TTL_SECONDS;
use super::families::Families;
use super::timer::after;
use crate::name::Name;
use crate::wire::RecordData;

/// Copies of one record closer together than this are one.
const BREATH: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) data: RecordData,
    /// As it was sent; see [`life_of`].
    pub(super) ttl: u32,
    /// How many refreshes have been asked for; past the last one while it is leaving.
    pub(super) stage: u8,
    /// The question that wants it: then it is refreshed, and never evicted.
    pub(super) wanted: Option<AskKey>,
    /// On which families it was heard last.
    pub(super) families: Families,
    pub(super) received: Instant,
    pub(super) expires: Instant,
    /// When it will be looked at.
    pub(super) due: Option<Instant>,
    pub(super) source: IpAddr,
    pub(super) unanswered: Option<Box<Unanswered>>,
}

/// Questions of other hosts that should have been answered with a record and were not
/// (RFC 6762 §10.5).
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) first: Instant,
    pub(super) last: Instant,
    pub(super) count: u32,
}

/// How long a record with this TTL is believed.
pub(super) fn life_of(ttl: u32) -> Duration {
    Duration::from_secs(ttl.min(MAX_TTL_SECONDS).into())
}

impl Entry {
    /// The remaining time to live in whole seconds, if the record is in the first half of its
    /// life: what may stand in a known-answer list (RFC 6762 §7.1). The holder compares it with
    /// the TTL that it sent, however long that is.
    pub(super) fn known_ttl(&self, now: Instant) -> Option<u32> {
        let left = self.expires.saturating_duration_since(now);
        let life = self.life();
        let beyond = Duration::from_secs(self.ttl.into()).saturating_sub(life);
        (left >= life.checked_div(2)?)
            .then(|| u32::try_from(left.saturating_add(beyond).as_secs()).unwrap_or(self.ttl))
    }

    pub(super) fn life(&self) -> Duration {
        life_of(self.ttl)
    }

    /// Whether the very same was heard from the same source a moment ago.
    pub(super) fn is_said_again(&self, now: Instant, ttl: u32, source: IpAddr) -> bool {
        let just_now = now.saturating_duration_since(self.received) < BREATH;
        just_now && self.wanted.is_none() && self.stage == 0 && self.ttl == ttl && self.source == source
    }

    /// What to prefer of several records of which only one can be true: one that is not on its
    /// last second, then the one heard last.
    pub(super) fn freshness(&self) -> (bool, Instant) {
        (self.stage != u8::MAX, self.received)
    }

    pub(super) fn part(&self, thousandths: u32) -> Instant {
        let whole = self.life();
        let part = whole.checked_mul(thousandths).and_then(|d| d.checked_div(1000)).unwrap_or(whole);
        after(self.received, part)
    }

    /// No refresh any more: it will be gone when it expires.
    pub(super) fn stop_refreshing(&mut self) {
        self.stage = u8::MAX;
    }
}
