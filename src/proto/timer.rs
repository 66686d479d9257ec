//! The one table of timers. State machines say when they want to be woken; none holds a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::asks::AskKey;
use super::cache::CacheKey;
use super::claim::ClaimId;
use super::continuation::ContinuationId;
use super::io::{AnnouncementId, Cause, LinkIndex};
use super::unicast::ReplyId;

/// What a state machine wants to be woken for. One instant each: setting it again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next step of a claim.
    Claim(LinkIndex, ClaimId),
    /// The first multicast answer that is due. It stands with the answers, not in the table.
    Answer(LinkIndex),
    /// A unicast reply that is due.
    Reply(LinkIndex, ReplyId),
    /// The end of waiting for more known answers.
    Continuation(LinkIndex, ContinuationId),
    /// A question that is due.
    Question(LinkIndex, AskKey),
    /// A cached record's next refresh, or its end. These stand in the cache, not in the table.
    Cache(LinkIndex, CacheKey),
    /// The end of an instance's patience: for its TXT record, or for its return.
    Instance(LinkIndex, super::browse::InstanceKey),
    /// The moment to speak up after connectivity changed.
    Connectivity(LinkIndex),
    /// A change of a service that came too soon after others.
    Update(AnnouncementId),
}

impl Timer {
    fn link(&self) -> Option<LinkIndex> {
        match self {
            Self::Claim(link, _)
            | Self::Answer(link)
            | Self::Reply(link, _)
            | Self::Continuation(link, _)
            | Self::Question(link, _)
            | Self::Cache(link, _)
            | Self::Instance(link, _)
            | Self::Connectivity(link) => Some(*link),
            Self::Update(_) => None,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Claim(..) | Self::Connectivity(_) | Self::Update(_) => Cause::Claim,
            Self::Answer(_) | Self::Reply(..) => Cause::Respond,
            Self::Continuation(..) => Cause::Continuation,
            Self::Question(..) => Cause::Query,
            Self::Cache(..) => Cause::Cache,
            Self::Instance(..) => Cause::Browse,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    at: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Wakes `timer` at `at`, and no longer at any other instant.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.at.insert(timer, at) {
            if before == at {
                return;
            }
            self.due.remove(&(before, timer));
        }
        self.due.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.at.remove_entry(timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// The first timer of the table.
    pub(super) fn first(&self) -> Option<(Instant, Timer)> {
        self.due.first().copied()
    }

    /// Forgets everything about a link that is gone.
    pub(super) fn forget_link(&mut self, link: LinkIndex) {
        self.at.retain(|timer, _| timer.link() != Some(link));
        self.due.retain(|(_, timer)| timer.link() != Some(link));
    }
}

/// `at + wait`; an instant past the end of time stays where it is.
pub(super) fn after(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).unwrap_or(at)
}

/// The one that comes first, of those that there are.
pub(super) fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
