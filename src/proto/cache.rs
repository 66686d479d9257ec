//! What was heard on one link: time to live, cache flush, refresh, goodbye, and the bounds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::entry::{Entry, Unanswered};
use super::hash::Seeded;
use super::io::{Family, LinkIndex};
use super::link::Families;
use super::names::Sought as _;
use super::rng::Rng;
use super::timer::{Timer, Timers, after};
use crate::name::{Name, WireName};
use crate::wire::{RecordData, RecordRef, RecordType};

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

/// The copies of one message on both families come within this time.
const TWINS: Duration = Duration::from_secs(1);

/// After two unanswered questions of others a record is dropped when it was not heard for so
/// long (RFC 6762 §10.5).
const POOF_WAIT: Duration = Duration::from_secs(10);

/// Questions of others closer together than this count as one: several askers, one answer.
const POOF_APART: Duration = Duration::from_millis(900);

/// The most addresses of one family of one host.
const MAX_ADDRESSES: usize = 32;

/// The most records of any other type at one name, pointers excepted.
const MAX_RRSET: usize = 16;

/// Data over so many bytes counts as large …
const LARGE_BYTES: usize = 256;

/// … and all large data of a link may have so many; the largest gives way first.
const MAX_LARGE_BYTES: usize = 4 << 20;

/// How much one link caches; see the fields of the same names in [`Config`](super::Config).
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) instances: usize,
    pub(super) idle: usize,
    pub(super) idle_per_source: usize,
}

/// A record of the cache, by number. Numbers grow, so that order is age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CacheKey(u64);

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

/// The records at one name.
#[derive(Debug, Default)]
struct Set {
    /// In order of age.
    keys: Vec<CacheKey>,
    /// A service type has a thousand pointers: they are found by what they point to.
    #[expect(clippy::box_collection, reason = "most names have none: 8 bytes instead of 40")]
    pointers: Option<Box<HashMap<Name, CacheKey, Seeded>>>,
}

#[derive(Debug)]
pub(super) struct Cache {
    link: LinkIndex,
    limits: Limits,
    seeded: Seeded,
    names: HashMap<Name, Set, Seeded>,
    entries: BTreeMap<CacheKey, Entry>,
    next: u64,
    /// Records nobody asked for, the one that expires first in front.
    idle: BTreeSet<(Instant, CacheKey)>,
    idle_by_source: BTreeMap<IpAddr, BTreeSet<(Instant, CacheKey)>>,
    /// Records with large data by its length, and all their bytes.
    large: BTreeSet<(usize, CacheKey)>,
    large_bytes: usize,
}

impl Cache {
    pub(super) fn new(link: LinkIndex, limits: Limits, seeded: Seeded) -> Self {
        Self {
            link,
            limits,
            seeded,
            names: HashMap::with_hasher(seeded),
            entries: BTreeMap::new(),
            next: 0,
            idle: BTreeSet::new(),
            idle_by_source: BTreeMap::new(),
            large: BTreeSet::new(),
            large_bytes: 0,
        }
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn keys(&self, name: &dyn WireName) -> &[CacheKey] {
        self.names.get(name).map(|set| set.keys.as_slice()).unwrap_or_default()
    }

    fn keys_of_type(&self, name: &Name, rtype: RecordType) -> Vec<CacheKey> {
        let of_type = |key: &&CacheKey| self.entries.get(key).is_some_and(|e| e.data.record_type() == rtype);
        self.keys(name).iter().filter(of_type).copied().collect()
    }

    /// The records at a name, the oldest first.
    pub(super) fn at(&self, name: &dyn WireName) -> impl Iterator<Item = &Entry> {
        self.keys(name).iter().filter_map(|key| self.entries.get(key))
    }

    pub(super) fn of_type(&self, name: &Name, rtype: RecordType) -> impl Iterator<Item = &Entry> {
        self.at(name).filter(move |entry| entry.data.record_type() == rtype)
    }

    /// How many pointers are known at a name.
    pub(super) fn pointers_at(&self, name: &Name) -> usize {
        self.names.get(name).and_then(|set| set.pointers.as_ref()).map_or(0, |pointers| pointers.len())
    }

    /// The record with this name and data.
    pub(super) fn find(&self, name: &Name, data: &RecordData) -> Option<CacheKey> {
        let set = self.names.get(name)?;
        match data {
            RecordData::Ptr(target) => set.pointers.as_ref()?.get(target).copied(),
            _ => set.keys.iter().find(|key| self.entries.get(key).is_some_and(|e| e.data == *data)).copied(),
        }
    }

    /// The record that a record in a packet repeats.
    pub(super) fn find_heard(&self, record: &RecordRef<'_>) -> Option<CacheKey> {
        let set = record.name.find_in(&self.names)?;
        match record.target() {
            Some(target) if record.rtype == RecordType::PTR => {
                target.find_in(set.pointers.as_ref()?).copied()
            }
            _ => {
                let same = |key: &&CacheKey| self.entries.get(key).is_some_and(|e| record.data_is(&e.data));
                set.keys.iter().find(same).copied()
            }
        }
    }

    pub(super) fn get(&self, key: CacheKey) -> Option<&Entry> {
        self.entries.get(&key)
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
        if let Some(key) = self.find(name, data) {
            return self.hear_known(now, key, ttl, source, wanted, timers, rng);
        }
        let ttl = ttl.min(MAX_TTL_SECONDS);
        if ttl == 0 {
            return Heard::Nothing;
        }
        let expires = after(now, Duration::from_secs(ttl.into()));
        if !self.make_room_at(name, data.record_type(), timers)
            || (!wanted && !self.make_room(source, timers))
        {
            return Heard::Nothing;
        }
        let key = CacheKey(self.next);
        self.next = self.next.wrapping_add(1);
        if !self.names.contains_key(name) {
            self.names.insert(name.clone(), Set { keys: Vec::with_capacity(1), pointers: None });
        }
        // The name as it stands in the map already: one copy for all records at it.
        let name = self.names.get_key_value(name).map_or_else(|| name.clone(), |(name, _)| name.clone());
        if let Some(set) = self.names.get_mut(&name) {
            set.keys.push(key);
            if let RecordData::Ptr(target) = data {
                let seeded = self.seeded;
                let pointers = set.pointers.get_or_insert_with(|| Box::new(HashMap::with_hasher(seeded)));
                pointers.insert(target.clone(), key);
            }
        }
        let mut families = Families::NONE;
        families.set(Family::of(source), true);
        let entry = Entry {
            name,
            data: data.clone(),
            ttl,
            stage: 0,
            wanted,
            families,
            received: now,
            expires,
            source,
            unanswered: None,
        };
        let bytes = heap_bytes(&entry.data);
        self.entries.insert(key, entry);
        self.list(key);
        self.schedule(key, timers, rng);
        if bytes > LARGE_BYTES {
            self.large.insert((bytes, key));
            self.large_bytes = self.large_bytes.saturating_add(bytes);
            while self.large_bytes > MAX_LARGE_BYTES {
                let Some((_, largest)) = self.large.last().copied() else { break };
                self.forget(largest, timers);
                if largest == key {
                    return Heard::Nothing;
                }
            }
        }
        Heard::New
    }

    /// A record that is here was heard again, or said goodbye.
    #[expect(clippy::too_many_arguments, reason = "a record's five properties and two tables")]
    pub(super) fn hear_known(
        &mut self,
        now: Instant,
        key: CacheKey,
        ttl: u32,
        source: IpAddr,
        wanted: bool,
        timers: &mut Timers,
        rng: &mut Rng,
    ) -> Heard {
        let ttl = ttl.min(MAX_TTL_SECONDS);
        if ttl == 0 {
            // RFC 6762 §10.1: kept one more second, so that another holder can rescue it.
            self.shorten(key, after(now, GRACE), timers);
            return Heard::Nothing;
        }
        // Said again in one breath, and nobody asked: there is nothing to be moved for that.
        if let Some(entry) = self.entries.get_mut(&key)
            && !wanted
            && entry.is_said_again(now, ttl, source)
        {
            entry.families.set(Family::of(source), true);
            return Heard::Renewed;
        }
        self.unlist(key);
        let Some(entry) = self.entries.get_mut(&key) else { return Heard::Nothing };
        entry.ttl = ttl;
        entry.stage = 0;
        entry.wanted |= wanted;
        if now.saturating_duration_since(entry.received) > TWINS {
            entry.families = Families::NONE;
        }
        entry.families.set(Family::of(source), true);
        entry.received = now;
        entry.expires = after(now, Duration::from_secs(ttl.into()));
        entry.source = source;
        entry.unanswered = None;
        self.list(key);
        self.schedule(key, timers, rng);
        Heard::Renewed
    }

    /// Whether there are as many pointers at a name as are kept.
    pub(super) fn is_full(&self, name: &Name) -> bool {
        let pointers = self.names.get(name).and_then(|set| set.pointers.as_ref());
        pointers.is_some_and(|pointers| pointers.len() >= self.limits.instances)
    }

    /// Room for one more record of a type at a name: of the source that said most of them, the
    /// one that was heard longest ago goes. Of pointers there are too many to look through:
    /// who browses has made room for those he wants.
    fn make_room_at(&mut self, name: &Name, rtype: RecordType, timers: &mut Timers) -> bool {
        let most = match rtype {
            RecordType::PTR => return !self.is_full(name),
            RecordType::A | RecordType::AAAA => MAX_ADDRESSES,
            _ => MAX_RRSET,
        };
        let set = self.keys_of_type(name, rtype);
        if set.len() < most {
            return true;
        }
        let mut sources: BTreeMap<IpAddr, (usize, Instant, CacheKey)> = BTreeMap::new();
        for key in set {
            let Some(entry) = self.entries.get(&key) else { continue };
            let share = sources.entry(entry.source).or_insert((0, entry.received, key));
            share.0 = share.0.saturating_add(1);
            if entry.received < share.1 {
                (share.1, share.2) = (entry.received, key);
            }
        }
        let most_said = sources.into_values().max_by_key(|(count, heard, _)| (*count, Reverse(*heard)));
        most_said.is_some_and(|(.., key)| self.forget(key, timers))
    }

    /// Drops a record at once. Says whether it was there.
    pub(super) fn forget(&mut self, key: CacheKey, timers: &mut Timers) -> bool {
        timers.cancel(&Timer::Cache(self.link, key));
        self.remove(key).is_some()
    }

    /// Room for one more record that nobody asked for: the one that would expire first goes,
    /// of the same source if that one has its share already.
    fn make_room(&mut self, source: IpAddr, timers: &mut Timers) -> bool {
        let of_source =
            self.idle_by_source.get(&source).filter(|idle| idle.len() >= self.limits.idle_per_source);
        let evicted = match of_source {
            Some(idle) => idle.first(),
            None if self.idle.len() >= self.limits.idle => self.idle.first(),
            None => return true,
        };
        let Some((_, key)) = evicted.copied() else { return false };
        self.forget(key, timers)
    }

    fn list(&mut self, key: CacheKey) {
        if let Some(entry) = self.entries.get(&key).filter(|entry| !entry.wanted) {
            self.idle.insert((entry.expires, key));
            self.idle_by_source.entry(entry.source).or_default().insert((entry.expires, key));
        }
    }

    fn unlist(&mut self, key: CacheKey) {
        let Some(entry) = self.entries.get(&key).filter(|entry| !entry.wanted) else { return };
        self.idle.remove(&(entry.expires, key));
        if let Some(idle) = self.idle_by_source.get_mut(&entry.source) {
            idle.remove(&(entry.expires, key));
            if idle.is_empty() {
                self.idle_by_source.remove(&entry.source);
            }
        }
    }

    fn remove(&mut self, key: CacheKey) -> Option<(Name, RecordData)> {
        self.unlist(key);
        let Entry { name, data, .. } = self.entries.remove(&key)?;
        let bytes = heap_bytes(&data);
        if bytes > LARGE_BYTES && self.large.remove(&(bytes, key)) {
            self.large_bytes = self.large_bytes.saturating_sub(bytes);
        }
        let set = self.names.get_mut(&name)?;
        if let Ok(at) = set.keys.binary_search(&key) {
            set.keys.remove(at);
        }
        if let (RecordData::Ptr(target), Some(pointers)) = (&data, &mut set.pointers) {
            pointers.remove(target);
        }
        if set.keys.is_empty() {
            self.names.remove(&name);
        }
        Some((name, data))
    }

    /// Sets the record's timer: its next refresh if it is wanted, else its end.
    fn schedule(&mut self, key: CacheKey, timers: &mut Timers, rng: &mut Rng) {
        let Some(entry) = self.entries.get(&key) else { return };
        let refresh = (entry.wanted && entry.ttl >= MIN_REFRESHED_TTL_SECONDS)
            .then(|| REFRESH_PERCENT.get(usize::from(entry.stage)))
            .flatten()
            .map(|percent| {
                // To the microsecond: of all who wait for the same part of the same lifetime one
                // asks first, and is heard by the others before they do.
                let thousandth = Duration::from_secs(entry.ttl.into()).checked_div(1000).unwrap_or_default();
                let spread = thousandth.saturating_mul(REFRESH_JITTER);
                after(entry.part(percent.saturating_mul(10)), rng.between(Duration::ZERO, spread))
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
        let entry = self.entries.get_mut(&key)?;
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
        self.schedule(key, timers, rng);
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
        for key in self.keys_of_type(name, rtype) {
            let Some(entry) = self.entries.get(&key).filter(|entry| entry.wanted != wanted) else { continue };
            let source = entry.source;
            if !wanted && !self.make_room(source, timers) {
                self.forget(key, timers);
                continue;
            }
            self.unlist(key);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.wanted = wanted;
            }
            self.list(key);
            self.schedule(key, timers, rng);
        }
    }

    /// RFC 6762 §10.2: a unique RRset was heard; what has the same name and type and is older
    /// than one second is gone in one second.
    pub(super) fn flush(&mut self, now: Instant, name: &Name, rtype: RecordType, timers: &mut Timers) {
        for key in self.keys_of_type(name, rtype) {
            let old = |entry: &Entry| now.saturating_duration_since(entry.received) > GRACE;
            if self.entries.get(&key).is_some_and(old) {
                self.shorten(key, after(now, GRACE), timers);
            }
        }
    }

    /// The record is gone at `until`, unless it is heard again.
    pub(super) fn shorten(&mut self, key: CacheKey, until: Instant, timers: &mut Timers) {
        self.unlist(key);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.expires = entry.expires.min(until);
            entry.stop_refreshing();
            timers.set(Timer::Cache(self.link, key), entry.expires);
        }
        self.list(key);
    }

    /// The records of a type are gone at `until`, unless they are heard again.
    pub(super) fn shorten_type(
        &mut self,
        name: &Name,
        rtype: RecordType,
        until: Instant,
        timers: &mut Timers,
    ) {
        for key in self.keys_of_type(name, rtype) {
            self.shorten(key, until, timers);
        }
    }

    /// Doubts everything: what nobody wants is forgotten, the rest is gone at `until` unless
    /// it is heard again.
    pub(super) fn doubt(&mut self, until: Instant, timers: &mut Timers) {
        let keys: Vec<(CacheKey, bool)> =
            self.entries.iter().map(|(key, entry)| (*key, entry.wanted)).collect();
        for (key, wanted) in keys {
            if wanted {
                self.shorten(key, until, timers);
            } else {
                self.forget(key, timers);
            }
        }
    }

    /// RFC 6762 §10.5: another host asked for these records without knowing them; `known`
    /// are those it does know, in order. Whoever holds the others should have answered; who
    /// stays silent `needed` times is gone.
    #[expect(clippy::too_many_arguments, reason = "a question's five properties and two tables")]
    pub(super) fn overhear_question(
        &mut self,
        now: Instant,
        name: &Name,
        rtype: RecordType,
        known: &BTreeSet<CacheKey>,
        family: Family,
        needed: u32,
        timers: &mut Timers,
        rng: &mut Rng,
    ) {
        let Some(set) = self.names.get(name) else { return };
        let mut gone = Vec::new();
        for key in set.keys.iter().filter(|key| !known.contains(key)) {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let asked_for = rtype == RecordType::ANY || entry.data.record_type() == rtype;
            // Who speaks only the other family has not heard the question.
            let heard = entry.families.has(family);
            if !asked_for || !heard || !entry.wanted || matches!(entry.data, RecordData::Nsec(_)) {
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
                            gone.push(*key);
                        }
                    }
                }
                _ => entry.unanswered = Some(Box::new(Unanswered { first: now, last: now, count: 1 })),
            }
        }
        for key in gone {
            self.unlist(key);
            if let Some(entry) = self.entries.get_mut(&key) {
                // Our own refreshes that fall into these ten seconds are asked all the same.
                entry.expires = entry.expires.min(after(now, POOF_WAIT));
            }
            self.list(key);
            self.schedule(key, timers, rng);
        }
    }
}

/// The bytes that data holds which may be long.
fn heap_bytes(data: &RecordData) -> usize {
    match data {
        RecordData::Txt(txt) => txt.wire().len(),
        RecordData::Other(_, bytes) => bytes.len(),
        _ => 0,
    }
}
