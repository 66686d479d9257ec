//! What was heard on one link: which records there are, and under which names.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::age::{Ages, GRACE};
use super::asks::AskKey;
use super::entry::{Entry, life_of};
use super::families::Families;
use super::hash::Seeded;
use super::io::Family;
use super::numbered::{Number, Numbered};
use super::rng::Rng;
use super::room::{Limits, Room};
use super::set::Set;
use super::shards::Shards;
use super::sought::Sought;
use super::timer::after;
use crate::name::Name;
use crate::wire::{RecordData, RecordRef, RecordType};

/// The longest a record is believed, in seconds: what RFC 6762 §10 recommends for all that
/// does not name a host.
pub(super) const MAX_TTL_SECONDS: u32 = 4500;

/// The copies of one message on both families come within this time.
const TWINS: Duration = Duration::from_secs(1);

/// A record of the cache.
pub(super) type CacheKey = Number;

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

#[derive(Debug)]
pub(super) struct Cache {
    pub(super) limits: Limits,
    seeded: Seeded,
    names: Shards<Set<CacheKey>>,
    pub(super) entries: Numbered<Entry>,
    pub(super) ages: Ages,
    pub(super) room: Room,
}

impl Cache {
    pub(super) fn new(limits: Limits, seeded: Seeded) -> Self {
        Self {
            limits,
            seeded,
            names: Shards::new(seeded),
            entries: Numbered::default(),
            ages: Ages::default(),
            room: Room::default(),
        }
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn keys(&self, name: &impl Sought) -> &[CacheKey] {
        self.names.get(name).map(Set::keys).unwrap_or_default()
    }

    pub(super) fn keys_of_type(&self, name: &Name, rtype: RecordType) -> Vec<CacheKey> {
        let of_type = |key: &&CacheKey| self.get(**key).is_some_and(|e| e.data.record_type() == rtype);
        self.keys(name).iter().filter(of_type).copied().collect()
    }

    /// The records at a name, the oldest first.
    pub(super) fn at(&self, name: &impl Sought) -> impl Iterator<Item = &Entry> {
        self.keys(name).iter().filter_map(|key| self.entries.get(*key))
    }

    pub(super) fn of_type(&self, name: &Name, rtype: RecordType) -> impl Iterator<Item = &Entry> {
        self.at(name).filter(move |entry| entry.data.record_type() == rtype)
    }

    /// How many pointers are known at a name.
    pub(super) fn pointers_at(&self, name: &Name) -> usize {
        self.names.get(name).map_or(0, Set::pointers)
    }

    /// The record with this name and data.
    pub(super) fn find(&self, name: &Name, data: &RecordData) -> Option<CacheKey> {
        self.names.get(name)?.find(data, |key| Some(&self.get(key)?.data))
    }

    /// The record that a record in a packet repeats.
    pub(super) fn find_heard(&self, record: &RecordRef<'_>) -> Option<CacheKey> {
        self.names.get(&record.name)?.find_heard(record, |key| Some(&self.get(key)?.data))
    }

    pub(super) fn get(&self, key: CacheKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether an NSEC record at `name` says that it has no `rtype` (RFC 6762 §6.1).
    pub(super) fn denies(&self, name: &Name, rtype: RecordType) -> bool {
        self.at(name).any(|entry| matches!(&entry.data, RecordData::Nsec(nsec) if !nsec.has(rtype)))
    }

    /// Takes up a record, or its goodbye. `wanted`: the question that asks for it.
    #[expect(clippy::too_many_arguments, reason = "a record's six properties and a number")]
    pub(super) fn hear(
        &mut self,
        now: Instant,
        name: &Name,
        data: &RecordData,
        ttl: u32,
        source: IpAddr,
        wanted: Option<AskKey>,
        rng: &mut Rng,
    ) -> Heard {
        if let Some(key) = self.find(name, data) {
            return self.hear_known(now, key, ttl, source, wanted, rng);
        }
        if ttl == 0 {
            return Heard::Nothing;
        }
        let expires = after(now, life_of(ttl));
        if !self.make_room_at(name, data.record_type()) || (wanted.is_none() && !self.make_room(source)) {
            return Heard::Nothing;
        }
        let mut families = Families::NONE;
        families.set(Family::of(source), true);
        let place = self.names.entry(name.clone());
        let key = self.entries.insert(Entry {
            // The name as it stands in the map already: one copy for all records at it.
            name: place.key().clone(),
            data: data.clone(),
            ttl,
            stage: 0,
            wanted,
            families,
            received: now,
            expires,
            due: None,
            source,
            unanswered: None,
        });
        place.or_default().add(key, data, self.seeded);
        self.list(key);
        self.schedule(key, rng);
        if self.list_large(key) { Heard::New } else { Heard::Nothing }
    }

    /// A record that is here was heard again, or said goodbye.
    pub(super) fn hear_known(
        &mut self,
        now: Instant,
        key: CacheKey,
        ttl: u32,
        source: IpAddr,
        wanted: Option<AskKey>,
        rng: &mut Rng,
    ) -> Heard {
        if ttl == 0 {
            // RFC 6762 §10.1: kept one more second, so that another holder can rescue it.
            self.shorten(key, after(now, GRACE));
            return Heard::Nothing;
        }
        // Said again in one breath, and nobody asked: there is nothing to be moved for that.
        if let Some(entry) = self.entries.get_mut(key)
            && wanted.is_none()
            && entry.is_said_again(now, ttl, source)
        {
            entry.families.set(Family::of(source), true);
            return Heard::Renewed;
        }
        self.unlist(key);
        let Some(entry) = self.entries.get_mut(key) else { return Heard::Nothing };
        entry.ttl = ttl;
        entry.stage = 0;
        entry.wanted = wanted.or(entry.wanted);
        if now.saturating_duration_since(entry.received) > TWINS {
            entry.families = Families::NONE;
        }
        entry.families.set(Family::of(source), true);
        entry.received = now;
        entry.expires = after(now, life_of(ttl));
        entry.source = source;
        entry.unanswered = None;
        self.list(key);
        self.schedule(key, rng);
        Heard::Renewed
    }

    /// Drops a record at once. Says whether it was there.
    pub(super) fn forget(&mut self, key: CacheKey) -> bool {
        self.remove(key).is_some()
    }

    pub(super) fn remove(&mut self, key: CacheKey) -> Option<(Name, RecordData)> {
        self.unlist(key);
        let Entry { name, data, .. } = self.entries.remove(key)?;
        self.ages.changed(key, &self.entries);
        self.unlist_large(key, &data);
        let set = self.names.get_mut(&name)?;
        set.remove(key, &data);
        if set.is_empty() {
            self.names.remove(&name);
        }
        Some((name, data))
    }
}
