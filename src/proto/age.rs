//! How cached records age: refresh, cache flush, goodbye, end (RFC 6762 §5.2, §10).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::asks::AskKey;
use super::cache::{Cache, CacheKey};
use super::entry::Entry;
use super::numbered::Numbered;
use super::quarters::Quarters;
use super::rng::Rng;
use super::timer::after;
use crate::name::Name;
use crate::wire::{RecordData, RecordType};

/// Shorter-lived records are left to expire: refreshing them would be a flood.
const MIN_REFRESHED_TTL_SECONDS: u32 = 5;

/// How long a record lives on after a goodbye or a cache flush (RFC 6762 §10.1, §10.2).
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The parts of a lifetime, in percent, at which a wanted record is asked for (RFC 6762 §5.2).
const REFRESH_PERCENT: [u32; 4] = [80, 85, 90, 95];

/// Up to this many thousandths of the lifetime are added to each (RFC 6762 §5.2: 0 to 2 %).
const REFRESH_JITTER: u32 = 20;

/// What a record's time has come for.
#[derive(Debug)]
pub(super) enum CacheDue {
    /// The record wants to be asked for.
    Refresh(Name, RecordType),
    /// The record is gone.
    Expired(Name, RecordData),
}

/// When each record is due: for its next refresh, or for its end.
///
/// Mostly a record is heard again before it is due, and due later then. So what was said of it
/// before stays in the heap, and counts for nothing when its time comes: [`Entry::due`] says
/// what counts. The first in each heap always does.
///
/// There are four heaps, so that none is large.
#[derive(Debug, Default)]
pub(super) struct Ages {
    heaps: Quarters<BinaryHeap<Due>>,
}

type Due = Reverse<(Instant, CacheKey)>;

/// So many more than twice the records may stand in the heaps before they are cleared up.
const MORE: usize = 64;

impl Ages {
    /// The first record that is due, and when.
    pub(super) fn first(&self) -> Option<(Instant, CacheKey)> {
        self.heaps.iter().filter_map(first_of).min()
    }

    fn heap(&mut self, key: CacheKey) -> &mut BinaryHeap<Due> {
        self.heaps.of_mut(key.place())
    }

    fn set(&mut self, key: CacheKey, at: Instant, entries: &mut Numbered<Entry>) {
        let Some(entry) = entries.get_mut(key) else { return };
        if entry.due.replace(at) == Some(at) {
            return;
        }
        self.heap(key).push(Reverse((at, key)));
        self.changed(key, entries);
        let said: usize = self.heaps.iter().map(BinaryHeap::len).sum();
        if said > entries.len().saturating_mul(2).saturating_add(MORE) {
            *self = Self::default();
            for key in entries.numbers() {
                if let Some(at) = entries.get(key).and_then(|entry| entry.due) {
                    self.heap(key).push(Reverse((at, key)));
                }
            }
        }
    }

    /// A record is due at another time, or no longer there.
    pub(super) fn changed(&mut self, key: CacheKey, entries: &Numbered<Entry>) {
        let heap = self.heap(key);
        if first_of(heap).is_none_or(|(_, first)| first != key) {
            return;
        }
        let counts = |(at, key)| entries.get(key).is_some_and(|entry: &Entry| entry.due == Some(at));
        while first_of(heap).is_some_and(|first| !counts(first)) {
            heap.pop();
        }
    }
}

fn first_of(heap: &BinaryHeap<Due>) -> Option<(Instant, CacheKey)> {
    heap.peek().map(|Reverse(first)| *first)
}

impl Cache {
    /// The first record that is due is being looked at.
    pub(super) fn pop_due(&mut self) {
        let Some((_, key)) = self.ages.first() else { return };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.due = None;
        }
        self.ages.changed(key, &self.entries);
    }

    /// The record's next refresh if it is wanted, else its end.
    pub(super) fn schedule(&mut self, key: CacheKey, rng: &mut Rng) {
        let Some(entry) = self.entries.get(key) else { return };
        let refresh = (entry.wanted.is_some() && entry.ttl >= MIN_REFRESHED_TTL_SECONDS)
            .then(|| REFRESH_PERCENT.get(usize::from(entry.stage)))
            .flatten()
            .map(|percent| {
                // To the microsecond: of all who wait for the same part of the same lifetime one
                // asks first, and is heard by the others before they do.
                let thousandth = entry.life().checked_div(1000).unwrap_or_default();
                let spread = thousandth.saturating_mul(REFRESH_JITTER);
                after(entry.part(percent.saturating_mul(10)), rng.between(Duration::ZERO, spread))
            });
        let at = refresh.map_or(entry.expires, |at| at.min(entry.expires));
        self.ages.set(key, at, &mut self.entries);
    }

    /// A record is due.
    pub(super) fn handle_due(&mut self, now: Instant, key: CacheKey, rng: &mut Rng) -> Option<CacheDue> {
        let entry = self.entries.get_mut(key)?;
        if entry.expires <= now {
            return self.remove(key).map(|(name, data)| CacheDue::Expired(name, data));
        }
        // One refresh for each part of the lifetime, not one for each that was slept through.
        let due = |entry: &Entry| {
            REFRESH_PERCENT
                .get(usize::from(entry.stage))
                .is_some_and(|percent| entry.part(percent.saturating_mul(10)) <= now)
        };
        while due(entry) {
            entry.stage = entry.stage.saturating_add(1);
        }
        let (name, rtype) = (entry.name.clone(), entry.data.record_type());
        self.schedule(key, rng);
        Some(CacheDue::Refresh(name, rtype))
    }

    /// A question wants these records from now on, or none does any longer.
    pub(super) fn attend(&mut self, name: &Name, rtype: RecordType, wanted: Option<AskKey>, rng: &mut Rng) {
        for key in self.keys_of_type(name, rtype) {
            let Some(entry) = self.entries.get(key).filter(|entry| entry.wanted != wanted) else { continue };
            let source = entry.source;
            if wanted.is_none() && !self.make_room(source) {
                self.forget(key);
                continue;
            }
            self.unlist(key);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.wanted = wanted;
            }
            self.list(key);
            self.schedule(key, rng);
        }
    }

    /// RFC 6762 §10.2: a unique RRset was heard; what has the same name and type and is older
    /// than one second is gone in one second.
    pub(super) fn flush(&mut self, now: Instant, name: &Name, rtype: RecordType) {
        let keys = self.keys(name).iter().filter(|key| {
            self.entries.get(**key).is_some_and(|entry| {
                entry.data.record_type() == rtype && now.saturating_duration_since(entry.received) > GRACE
            })
        });
        let old: Vec<CacheKey> = keys.copied().collect();
        for key in old {
            self.shorten(key, after(now, GRACE));
        }
    }

    /// The record is gone at `until`, unless it is heard again.
    pub(super) fn shorten(&mut self, key: CacheKey, until: Instant) {
        self.unlist(key);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.expires = entry.expires.min(until);
            entry.stop_refreshing();
            let expires = entry.expires;
            self.ages.set(key, expires, &mut self.entries);
        }
        self.list(key);
    }

    /// The records of a type are gone at `until`, unless they are heard again.
    pub(super) fn shorten_type(&mut self, name: &Name, rtype: RecordType, until: Instant) {
        for key in self.keys_of_type(name, rtype) {
            self.shorten(key, until);
        }
    }

    /// Doubts everything: what nobody wants is forgotten, the rest is gone at `until` unless
    /// it is heard again.
    pub(super) fn doubt(&mut self, until: Instant) {
        for key in self.entries.numbers() {
            if self.get(key).is_some_and(|entry| entry.wanted.is_some()) {
                self.shorten(key, until);
            } else {
                self.forget(key);
            }
        }
    }
}
