//! How much one link caches, and what gives way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use litemap::LiteMap;

use super::cache::{Cache, CacheKey};
use crate::name::Name;
use crate::wire::{RecordData, RecordType};

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

/// What is counted because there may be only so much of it.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Records nobody asked for, the one that expires first in front.
    idle: BTreeSet<(Instant, CacheKey)>,
    idle_by_source: BTreeMap<IpAddr, BTreeSet<(Instant, CacheKey)>>,
    /// Records with large data by its length, and all their bytes.
    large: BTreeSet<(usize, CacheKey)>,
    large_bytes: usize,
}

impl Cache {
    /// Whether there are as many pointers at a name as are kept.
    pub(super) fn is_full(&self, name: &Name) -> bool {
        self.pointers_at(name) >= self.limits.instances
    }

    /// Room for one more record of a type at a name: of the source that said most of them, the
    /// one that was heard longest ago goes. Of pointers there are too many to look through:
    /// who browses has made room for those he wants.
    pub(super) fn make_room_at(&mut self, name: &Name, rtype: RecordType) -> bool {
        let most = match rtype {
            RecordType::PTR => return !self.is_full(name),
            RecordType::A | RecordType::AAAA => MAX_ADDRESSES,
            _ => MAX_RRSET,
        };
        if self.keys(name).len() < most {
            return true;
        }
        let set = self.keys_of_type(name, rtype);
        if set.len() < most {
            return true;
        }
        let mut sources: LiteMap<IpAddr, (usize, Instant, CacheKey)> = LiteMap::new();
        for key in set {
            let Some(entry) = self.entries.get(key) else { continue };
            let share = sources.entry(entry.source).or_insert((0, entry.received, key));
            share.0 = share.0.saturating_add(1);
            if entry.received < share.1 {
                (share.1, share.2) = (entry.received, key);
            }
        }
        let most_said = sources
            .into_iter()
            .map(|(_, share)| share)
            .max_by_key(|(count, heard, _)| (*count, Reverse(*heard)));
        most_said.is_some_and(|(.., key)| self.forget(key))
    }

    /// Room for one more record that nobody asked for: the one that would expire first goes,
    /// of the same source if that one has its share already.
    pub(super) fn make_room(&mut self, source: IpAddr) -> bool {
        let Room { idle, idle_by_source, .. } = &self.room;
        let of_source = idle_by_source.get(&source).filter(|idle| idle.len() >= self.limits.idle_per_source);
        let evicted = match of_source {
            Some(idle) => idle.first(),
            None if idle.len() >= self.limits.idle => idle.first(),
            None => return true,
        };
        let Some((_, key)) = evicted.copied() else { return false };
        self.forget(key)
    }

    /// Counts a record among those nobody asked for, if it is one.
    pub(super) fn list(&mut self, key: CacheKey) {
        if let Some(entry) = self.entries.get(key).filter(|entry| entry.wanted.is_none()) {
            let of_source = self.room.idle_by_source.entry(entry.source).or_default();
            of_source.insert((entry.expires, key));
            self.room.idle.insert((entry.expires, key));
        }
    }

    /// The contrary of [`list`](Self::list), before the record changes.
    pub(super) fn unlist(&mut self, key: CacheKey) {
        let Some(entry) = self.entries.get(key).filter(|entry| entry.wanted.is_none()) else { return };
        self.room.idle.remove(&(entry.expires, key));
        if let Some(idle) = self.room.idle_by_source.get_mut(&entry.source) {
            idle.remove(&(entry.expires, key));
            if idle.is_empty() {
                self.room.idle_by_source.remove(&entry.source);
            }
        }
    }

    /// A new record is here: makes room for its data if that is large. Says whether the record
    /// is still here.
    pub(super) fn list_large(&mut self, key: CacheKey) -> bool {
        let bytes = self.get(key).map_or(0, |entry| heap_bytes(&entry.data));
        if bytes > LARGE_BYTES {
            self.room.large.insert((bytes, key));
            self.room.large_bytes = self.room.large_bytes.saturating_add(bytes);
            while self.room.large_bytes > MAX_LARGE_BYTES {
                let Some((_, largest)) = self.room.large.last().copied() else { break };
                self.forget(largest);
                if largest == key {
                    return false;
                }
            }
        }
        true
    }

    /// The record's data is gone.
    pub(super) fn unlist_large(&mut self, key: CacheKey, data: &RecordData) {
        let bytes = heap_bytes(data);
        if bytes > LARGE_BYTES && self.room.large.remove(&(bytes, key)) {
            self.room.large_bytes = self.room.large_bytes.saturating_sub(bytes);
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
