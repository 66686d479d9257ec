//! What was heard on one link: time to live, cache flush, refresh, goodbye, and the bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::hash::Seeded;
use super::io::LinkIndex;
use super::rng::Rng;
use super::timer::{Timer, Timers, after};
use crate::name::{Name, WireName};
use crate::wire::{RecordData, RecordType};

/// The longest a record is believed, in seconds: what RFC 6762 §10 recommends for all that
/// does not name a host.
pub(super) const MAX_TTL_SECONDS: u32 = 4500;

/// Shorter-lived records are left to expire: refreshing them would be a flood.
const MIN_REFRESHED_TTL_SECONDS: u32 = 5;

/// How long a record lives on after a goodbye or a cache flush (RFC 6762 §10.1, §10.2).
const GRACE: Duration = Duration::from_secs(1);

/// The parts of a lifetime, in percent, at which a wanted record is asked for (RFC 6762 §5.2).
const REFRESH_PERCENT: [u32; 4] = [80, 85, 90, 95];

/// Up to this many thousandths of the lifetime are added to each (RFC 6762 §5.2: 0 to 2 %).
const REFRESH_JITTER: u32 = 20;

/// After two unanswered questions of others a record is dropped this long after the first
/// (RFC 6762 §10.5).
const POOF_WAIT: Duration = Duration::from_secs(10);

/// Questions of others closer together than this count as one: several askers, one answer.
const POOF_APART: Duration = Duration::from_millis(900);

/// The most records on one link that nobody asked for.
pub(super) const MAX_IDLE: usize = 4096;

/// The most of them from one source address.
pub(super) const MAX_IDLE_PER_SOURCE: usize = 1024;

/// The most instances of one service type.
pub(super) const MAX_INSTANCES: usize = 1024;

/// The most addresses of one family of one host.
pub(super) const MAX_ADDRESSES: usize = 32;

/// The most records of any other type at one name.
pub(super) const MAX_RRSET: usize = 16;

/// A record of the cache, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CacheKey(u64);

#[derive(Debug)]
pub(super) struct Entry {
    key: CacheKey,
    pub(super) data: RecordData,
    ttl: u32,
    received: Instant,
    expires: Instant,
    source: IpAddr,
    /// How many refreshes have been asked for; past the last one while it is leaving.
    stage: usize,
    /// Whether an active question wants it: then it is refreshed, and never evicted.
    wanted: bool,
    /// The first unanswered question of another host, and how many came (RFC 6762 §10.5).
    unanswered: Option<(Instant, u32, Instant)>,
}

impl Entry {
    /// The remaining time to live in whole seconds, if it is at least half of the full one:
    /// what may stand in a known-answer list (RFC 6762 §7.1).
    pub(super) fn known_ttl(&self, now: Instant) -> Option<u32> {
        let left = self.expires.saturating_duration_since(now);
        (left >= Duration::from_secs(self.ttl.into()).checked_div(2)?)
            .then(|| u32::try_from(left.as_secs()).unwrap_or(self.ttl))
    }

    fn part(&self, thousandths: u32) -> Instant {
        let whole = Duration::from_secs(self.ttl.into());
        let part = whole.checked_mul(thousandths).and_then(|d| d.checked_div(1000)).unwrap_or(whole);
        after(self.received, part)
    }
}

/// What hearing a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was not known.
    New,
    /// It was known, and lives on.
    Renewed,
    /// It says goodbye, or there is no room for it.
    Nothing,
}

/// What a cache timer was for.
#[derive(Debug)]
pub(super) enum CacheDue {
    /// The record wants to be asked for.
    Refresh(Name, RecordType),
    /// The record is gone.
    Expired(Name, RecordData),
}

#[derive(Debug)]
pub(super) struct Cache {
    link: LinkIndex,
    names: HashMap<Name, Vec<Entry>, Seeded>,
    owners: BTreeMap<CacheKey, Name>,
    next: u64,
    /// Records nobody asked for, the one that expires first in front.
    idle: BTreeSet<(Instant, CacheKey)>,
    idle_by_source: BTreeSet<(IpAddr, Instant, CacheKey)>,
    idle_counts: BTreeMap<IpAddr, usize>,
}

impl Cache {
    pub(super) fn new(link: LinkIndex, seeded: Seeded) -> Self {
        Self {
            link,
            names: HashMap::with_hasher(seeded),
            owners: BTreeMap::new(),
            next: 0,
            idle: BTreeSet::new(),
            idle_by_source: BTreeSet::new(),
            idle_counts: BTreeMap::new(),
        }
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// The records at a name that have not expired.
    pub(super) fn at(&self, name: &dyn WireName) -> impl Iterator<Item = &Entry> {
        self.names.get(name).map(Vec::as_slice).unwrap_or_default().iter()
    }

    pub(super) fn of_type(&self, name: &Name, rtype: RecordType) -> impl Iterator<Item = &Entry> {
        self.at(name).filter(move |entry| entry.data.record_type() == rtype)
    }

    /// Whether an NSEC record at `name` says that it has no `rtype` (RFC 6762 §6.1).
    pub(super) fn denies(&self, name: &Name, rtype: RecordType) -> bool {
        self.at(name).any(|entry| matches!(&entry.data, RecordData::Nsec(nsec) if !nsec.has(rtype)))
    }

    /// Takes up a record, or its goodbye. `wanted`: an active question asks for it.
    #[expect(clippy::too_many_arguments, reason = "a record's six properties and two tables")]
    pub(super) fn hear(
        &mut self,
        now: Instant,
        name: &Name,
        data: &RecordData,
        ttl: u32,
        source: IpAddr,
        wanted: bool,
        timers: &mut Timers,
        rng: &mut Rng,
    ) -> Heard {
        let ttl = ttl.min(MAX_TTL_SECONDS);
        let known = self.names.get(name).and_then(|set| set.iter().position(|entry| entry.data == *data));
        if ttl == 0 {
            // RFC 6762 §10.1: kept one more second, so that another holder can rescue it.
            if known.is_some() {
                self.leave(now, name, timers, |entry| entry.data == *data);
            }
            return Heard::Nothing;
        }
        let fresh = |key| Entry {
            key,
            data: data.clone(),
            ttl,
            received: now,
            expires: after(now, Duration::from_secs(ttl.into())),
            source,
            stage: 0,
            wanted,
            unanswered: None,
        };
        if let Some(at) = known {
            let Some(entry) = self.names.get_mut(name).and_then(|set| set.get_mut(at)) else {
                return Heard::Nothing;
            };
            let before = std::mem::replace(entry, fresh(entry.key));
            let (key, wanted) = (entry.key, before.wanted || wanted);
            entry.wanted = wanted;
            let expires = entry.expires;
            self.unlist(&before);
            self.list(key, expires, source, wanted);
            self.schedule(name, key, timers, rng);
            return Heard::Renewed;
        }
        if !self.has_room(name, data.record_type()) || (!wanted && !self.make_room(source, timers)) {
            return Heard::Nothing;
        }
        let key = CacheKey(self.next);
        self.next = self.next.wrapping_add(1);
        let entry = fresh(key);
        let expires = entry.expires;
        self.names.entry(name.clone()).or_default().push(entry);
        self.owners.insert(key, name.clone());
        self.list(key, expires, source, wanted);
        self.schedule(name, key, timers, rng);
        Heard::New
    }

    fn has_room(&self, name: &Name, rtype: RecordType) -> bool {
        let most = match rtype {
            RecordType::PTR => MAX_INSTANCES,
            RecordType::A | RecordType::AAAA => MAX_ADDRESSES,
            _ => MAX_RRSET,
        };
        self.of_type(name, rtype).count() < most
    }

    /// Room for one more record that nobody asked for: the one that would expire first goes,
    /// of the same source if that one has its share already.
    fn make_room(&mut self, source: IpAddr, timers: &mut Timers) -> bool {
        let evicted = if self.idle_counts.get(&source).is_some_and(|count| *count >= MAX_IDLE_PER_SOURCE) {
            let from = (source, self.idle.first().map(|first| first.0), CacheKey(0));
            let Some(start) = from.1 else { return true };
            self.idle_by_source.range((source, start, from.2)..).next().map(|(_, _, key)| *key)
        } else if self.idle.len() >= MAX_IDLE {
            self.idle.first().map(|(_, key)| *key)
        } else {
            return true;
        };
        match evicted {
            Some(key) => {
                timers.cancel(&Timer::Cache(self.link, key));
                self.remove(key).is_some()
            }
            None => false,
        }
    }

    fn list(&mut self, key: CacheKey, expires: Instant, source: IpAddr, wanted: bool) {
        if !wanted {
            self.idle.insert((expires, key));
            self.idle_by_source.insert((source, expires, key));
            let count = self.idle_counts.entry(source).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn unlist(&mut self, entry: &Entry) {
        if entry.wanted || !self.idle.remove(&(entry.expires, entry.key)) {
            return;
        }
        self.idle_by_source.remove(&(entry.source, entry.expires, entry.key));
        if let Some(count) = self.idle_counts.get_mut(&entry.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.idle_counts.remove(&entry.source);
            }
        }
    }

    fn remove(&mut self, key: CacheKey) -> Option<(Name, RecordData)> {
        let name = self.owners.remove(&key)?;
        let set = self.names.get_mut(&name)?;
        let at = set.iter().position(|entry| entry.key == key)?;
        let entry = set.swap_remove(at);
        if set.is_empty() {
            self.names.remove(&name);
        }
        self.unlist(&entry);
        Some((name, entry.data))
    }

    /// Sets the record's timer: its next refresh if it is wanted, else its end.
    fn schedule(&mut self, name: &Name, key: CacheKey, timers: &mut Timers, rng: &mut Rng) {
        let Some(entry) = self.names.get(name).and_then(|set| set.iter().find(|entry| entry.key == key))
        else {
            return;
        };
        let refresh = (entry.wanted && entry.ttl >= MIN_REFRESHED_TTL_SECONDS)
            .then(|| REFRESH_PERCENT.get(entry.stage))
            .flatten()
            .map(|percent| {
                entry.part(
                    percent.saturating_mul(10).saturating_add(rng.up_to(REFRESH_JITTER).saturating_sub(1)),
                )
            });
        let at = refresh.map_or(entry.expires, |at| at.min(entry.expires));
        timers.set(Timer::Cache(self.link, key), at);
    }

    /// A cache timer fired.
    pub(super) fn handle_timer(
        &mut self,
        now: Instant,
        key: CacheKey,
        timers: &mut Timers,
        rng: &mut Rng,
    ) -> Option<CacheDue> {
        let name = self.owners.get(&key)?.clone();
        let entry = self.names.get_mut(&name)?.iter_mut().find(|entry| entry.key == key)?;
        if entry.expires <= now {
            return self.remove(key).map(|(name, data)| CacheDue::Expired(name, data));
        }
        // One refresh for each part of the lifetime, not one for each that was slept through.
        let rtype = entry.data.record_type();
        while REFRESH_PERCENT
            .get(entry.stage)
            .is_some_and(|percent| entry.part(percent.saturating_mul(10)) <= now)
        {
            entry.stage = entry.stage.saturating_add(1);
        }
        self.schedule(&name, key, timers, rng);
        Some(CacheDue::Refresh(name, rtype))
    }

    /// An active question wants these records from now on, or no longer.
    pub(super) fn attend(
        &mut self,
        name: &Name,
        rtype: RecordType,
        wanted: bool,
        timers: &mut Timers,
        rng: &mut Rng,
    ) {
        let Some(set) = self.names.get_mut(name) else { return };
        let mut changed = Vec::new();
        for entry in
            set.iter_mut().filter(|entry| entry.data.record_type() == rtype && entry.wanted != wanted)
        {
            entry.wanted = wanted;
            changed.push((entry.key, entry.expires, entry.source));
        }
        for (key, expires, source) in changed {
            if wanted {
                self.idle.remove(&(expires, key));
                self.idle_by_source.remove(&(source, expires, key));
                if let Some(count) = self.idle_counts.get_mut(&source) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.idle_counts.remove(&source);
                    }
                }
            } else if self.make_room(source, timers) {
                self.list(key, expires, source, false);
            } else {
                timers.cancel(&Timer::Cache(self.link, key));
                self.remove(key);
                continue;
            }
            self.schedule(name, key, timers, rng);
        }
    }

    /// RFC 6762 §10.2: a unique RRset was heard; what has the same name and type and is older
    /// than one second is gone in one second.
    pub(super) fn flush(&mut self, now: Instant, name: &Name, rtype: RecordType, timers: &mut Timers) {
        self.leave(now, name, timers, |entry| {
            entry.data.record_type() == rtype && now.saturating_duration_since(entry.received) > GRACE
        });
    }

    /// Records that `leaving` picks live on for the second of grace.
    fn leave(&mut self, now: Instant, name: &Name, timers: &mut Timers, leaving: impl Fn(&Entry) -> bool) {
        let until = after(now, GRACE);
        let mut moved = Vec::new();
        let Some(set) = self.names.get_mut(name) else { return };
        for entry in set.iter_mut().filter(|entry| leaving(entry)) {
            if entry.expires > until {
                moved.push((entry.key, entry.expires, entry.source, entry.wanted));
                entry.expires = until;
            }
            entry.stage = REFRESH_PERCENT.len();
            timers.set(Timer::Cache(self.link, entry.key), entry.expires);
        }
        for (key, before, source, wanted) in moved {
            if !wanted && self.idle.remove(&(before, key)) {
                self.idle_by_source.remove(&(source, before, key));
                self.idle.insert((until, key));
                self.idle_by_source.insert((source, until, key));
            }
        }
    }

    /// RFC 6762 §10.5: another host asked for these records without knowing them. Whoever
    /// holds them should have answered; who stays silent twice is gone.
    pub(super) fn overhear_question(
        &mut self,
        now: Instant,
        name: &dyn WireName,
        rtype: RecordType,
        knows: impl Fn(&RecordData) -> bool,
        timers: &mut Timers,
    ) {
        let Some(set) = self.names.get_mut(name) else { return };
        for entry in set.iter_mut() {
            if (rtype != RecordType::ANY && entry.data.record_type() != rtype)
                || !entry.wanted
                || matches!(entry.data, RecordData::Nsec(_))
                || knows(&entry.data)
            {
                continue;
            }
            match &mut entry.unanswered {
                // An answer given in the last second need not be repeated (§6).
                None if now.saturating_duration_since(entry.received) < Duration::from_secs(1) => {}
                None => entry.unanswered = Some((now, 1, now)),
                // RFC 6762 §10.5: two within ten seconds.
                Some((first, ..)) if now.saturating_duration_since(*first) > POOF_WAIT => {
                    entry.unanswered = Some((now, 1, now));
                }
                Some((first, count, last)) if now.saturating_duration_since(*last) >= POOF_APART => {
                    *count = count.saturating_add(1);
                    *last = now;
                    let gone = after(*first, POOF_WAIT).max(after(now, GRACE));
                    if *count >= 2 && gone < entry.expires {
                        entry.expires = gone;
                        entry.stage = REFRESH_PERCENT.len();
                        timers.set(Timer::Cache(self.link, entry.key), gone);
                    }
                }
                Some(_) => {}
            }
        }
    }
}
