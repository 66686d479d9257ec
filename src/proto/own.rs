//! The records we hold on one link: what is answered, announced, defended and taken back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::claim::ClaimId;
use super::hash::Seeded;
use super::names::NameMap;
use super::numbered::{Number, Numbered, Numbers};
use super::set::Set;
use super::sought::Sought;
use super::timer::after;
use crate::name::Name;
use crate::wire::{Record, RecordData, RecordRef, RecordType};

/// A record is multicast at most once in this time on a link (RFC 6762 §6).
pub(super) const MULTICAST_INTERVAL: Duration = Duration::from_secs(1);

/// … or in this, when it answers a probe (RFC 6762 §6).
pub(super) const DEFENCE_INTERVAL: Duration = Duration::from_millis(250);

/// A record of ours on one link, by number.
pub(super) type RecordKey = Number;

/// Whether a record is told to everybody or only to those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Announced, and taken back by a goodbye.
    Announced,
    /// The same, alone in the answer section of its message: a libp2p peer's pointer.
    Leads,
    /// Announced as an additional record of the pointer that leads it.
    Led,
    /// NSEC records and reverse mappings.
    OnRequest,
}

#[derive(Debug)]
pub(super) struct OwnRecord {
    /// Its cache-flush bit is set if it is unique.
    pub(super) record: Record,
    pub(super) telling: Telling,
    /// Two services of one type share its enumeration record.
    owners: Vec<ClaimId>,
    /// When it was last multicast here.
    pub(super) last: Option<Instant>,
}

impl OwnRecord {
    pub(super) fn is_unique(&self) -> bool {
        self.record.cache_flush
    }

    /// From when on the one-second rule lets it be multicast again.
    pub(super) fn free_at(&self, interval: Duration) -> Option<Instant> {
        self.last.map(|last| after(last, interval))
    }
}

/// What [`Own::install`] changed.
#[derive(Debug, Default)]
pub(super) struct Installed {
    pub(super) added: Vec<RecordKey>,
    /// Records that nobody here holds any longer, if they had been multicast.
    pub(super) removed: Vec<Record>,
    pub(super) removed_keys: Vec<RecordKey>,
}

#[derive(Debug)]
pub(super) struct Own {
    records: Numbered<OwnRecord>,
    seeded: Seeded,
    names: NameMap<Set<RecordKey>>,
    claims: LiteMap<ClaimId, Vec<RecordKey>>,
    /// The records whose telling is [`Telling::Leads`].
    leads: Numbers,
    /// What was held until lately, and when it was last multicast: the one-second rule goes on
    /// when it comes back.
    released: Released,
    /// When any of them was last multicast.
    last: Option<Instant>,
    /// Another number after every change.
    state: u64,
}

/// Records that were multicast, and when.
pub(super) type Released = VecDeque<(Instant, Name, RecordData)>;

/// How many of them.
const MAX_RELEASED: usize = 256;

impl Own {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            records: Numbered::default(),
            seeded,
            names: NameMap::new(seeded),
            claims: LiteMap::new(),
            leads: Numbers::default(),
            released: VecDeque::new(),
            last: None,
            state: 0,
        }
    }

    /// What was multicast here and when, for a link that goes and may come back.
    pub(super) fn memory(&mut self) -> Released {
        let held: Vec<_> = self
            .records
            .numbers()
            .into_iter()
            .filter_map(|key| self.records.get(key))
            .filter_map(|own| Some((own.last?, own.record.name.clone(), own.record.data.clone())))
            .collect();
        self.released.extend(held);
        let excess = self.released.len().saturating_sub(MAX_RELEASED);
        self.released.drain(..excess);
        std::mem::take(&mut self.released)
    }

    /// The link is back.
    pub(super) fn recall(&mut self, memory: Released) {
        self.released = memory;
    }

    /// A number that stays as long as the records do.
    pub(super) fn state(&self) -> u64 {
        self.state
    }

    pub(super) fn get(&self, key: RecordKey) -> Option<&OwnRecord> {
        self.records.get(key)
    }

    /// Whether a record is an address.
    pub(super) fn is_address(&self, key: RecordKey) -> bool {
        self.data(key).is_some_and(|data| matches!(data, RecordData::A(_) | RecordData::Aaaa(_)))
    }

    /// The claims that a record belongs to.
    pub(super) fn owners(&self, key: RecordKey) -> &[ClaimId] {
        self.get(key).map(|own| own.owners.as_slice()).unwrap_or_default()
    }

    /// It has just been multicast.
    pub(super) fn told(&mut self, now: Instant, key: RecordKey) {
        if let Some(own) = self.records.get_mut(key) {
            own.last = Some(now);
            self.last = Some(now);
        }
    }

    /// Whether the one-second rule lets all of these be multicast. Where nothing was for a
    /// second, none of them is looked at.
    pub(super) fn are_free(&self, now: Instant, keys: &[RecordKey]) -> bool {
        let free = |last: Option<Instant>| last.is_none_or(|last| after(last, MULTICAST_INTERVAL) <= now);
        free(self.last) || keys.iter().filter_map(|key| self.get(*key)).all(|own| free(own.last))
    }

    /// Whether there are records at a name.
    pub(super) fn holds(&self, name: &impl Sought) -> bool {
        self.names.contains(name)
    }

    /// The records at a name.
    pub(super) fn at(&self, name: &impl Sought) -> &[RecordKey] {
        self.names.get(name).map(Set::keys).unwrap_or_default()
    }

    /// The records at a name, with their keys.
    pub(super) fn records_at<'o>(
        &'o self,
        name: &impl Sought,
    ) -> impl Iterator<Item = (RecordKey, &'o OwnRecord)> {
        self.at(name).iter().filter_map(|key| Some((*key, self.records.get(*key)?)))
    }

    pub(super) fn of_type(&self, name: &Name, rtype: RecordType) -> impl Iterator<Item = RecordKey> {
        self.records_at(name)
            .filter(move |(_, own)| own.record.data.record_type() == rtype)
            .map(|(key, _)| key)
    }

    /// The pointers that lead.
    pub(super) fn leads(&self) -> impl Iterator<Item = RecordKey> {
        self.leads.iter()
    }

    /// The record equal to this one.
    pub(super) fn find(&self, name: &Name, data: &RecordData) -> Option<RecordKey> {
        self.names.get(name)?.find(data, |key| self.data(key))
    }

    /// The record that a record in a packet repeats.
    pub(super) fn find_heard(&self, heard: &RecordRef<'_>) -> Option<RecordKey> {
        self.names.get(&heard.name)?.find_heard(heard, |key| self.data(key))
    }

    fn data(&self, key: RecordKey) -> Option<&RecordData> {
        self.records.get(key).map(|own| &own.record.data)
    }

    /// The records of a claim.
    pub(super) fn of_claim(&self, claim: ClaimId) -> &[RecordKey] {
        self.claims.get(&claim).map(Vec::as_slice).unwrap_or_default()
    }

    /// Replaces the records of a claim. One that stays keeps its key and its clock.
    pub(super) fn install(&mut self, claim: ClaimId, wanted: Vec<(Record, Telling)>) -> Installed {
        self.state = self.state.wrapping_add(1);
        let mut installed = Installed::default();
        let before = self.claims.remove(&claim).unwrap_or_default();
        let mut keys = Vec::with_capacity(wanted.len());
        for (record, telling) in wanted {
            let key = match self.find(&record.name, &record.data) {
                Some(key) => {
                    if let Some(own) = self.records.get_mut(key) {
                        own.record.ttl = record.ttl;
                        if !own.owners.contains(&claim) {
                            own.owners.push(claim);
                        }
                    }
                    key
                }
                None => {
                    let same = |(_, name, data): &&(Instant, Name, RecordData)| {
                        *name == record.name && *data == record.data
                    };
                    let last = self.released.iter().rev().find(same).map(|(last, ..)| *last);
                    self.last = self.last.max(last);
                    let own = OwnRecord { record, telling, owners: vec![claim], last };
                    let key = self.records.insert(own);
                    if let Some(own) = self.records.get(key) {
                        self.names.at(&own.record.name).add(key, &own.record.data, self.seeded);
                    }
                    if telling == Telling::Leads {
                        self.leads.insert(key);
                    }
                    installed.added.push(key);
                    key
                }
            };
            keys.push(key);
        }
        for key in before {
            if !keys.contains(&key) {
                self.release(claim, key, &mut installed);
            }
        }
        if !keys.is_empty() {
            self.claims.insert(claim, keys);
        }
        installed
    }

    fn release(&mut self, claim: ClaimId, key: RecordKey, installed: &mut Installed) {
        let Some(own) = self.records.get_mut(key) else { return };
        own.owners.retain(|owner| *owner != claim);
        if !own.owners.is_empty() {
            return;
        }
        let Some(own) = self.records.remove(key) else { return };
        if let Some(keys) = self.names.get_mut(&own.record.name) {
            keys.remove(key, &own.record.data);
            if keys.is_empty() {
                self.names.remove(&own.record.name);
            }
        }
        self.leads.remove(key);
        installed.removed_keys.push(key);
        if let Some(last) = own.last {
            if self.released.len() >= MAX_RELEASED {
                self.released.pop_front();
            }
            self.released.push_back((last, own.record.name.clone(), own.record.data.clone()));
        }
        if own.telling != Telling::OnRequest && own.last.is_some() {
            installed.removed.push(own.record);
        }
    }

    /// What goes with a record as additional records: for a pointer to an instance its SRV,
    /// TXT and addresses (RFC 6763 §12.1), for an SRV the addresses of its host (§12.2), for
    /// an address the other ones of its host (RFC 6762 §6.2). A host without one of the
    /// families brings the NSEC record that says so.
    pub(super) fn additionals(&self, key: RecordKey) -> Vec<RecordKey> {
        let mut found = Vec::new();
        let Some(own) = self.get(key) else { return found };
        match &own.record.data {
            RecordData::Ptr(instance) => {
                for srv in self.of_type(instance, RecordType::SRV) {
                    found.push(srv);
                    self.host_of(srv, &mut found);
                }
                found.extend(self.of_type(instance, RecordType::TXT));
            }
            RecordData::Srv(_) => self.host_of(key, &mut found),
            RecordData::A(_) | RecordData::Aaaa(_) => self.addresses(&own.record.name, &mut found),
            RecordData::Txt(_) | RecordData::Nsec(_) | RecordData::Other(..) => {}
        }
        found.retain(|other| *other != key);
        found
    }

    fn host_of(&self, srv: RecordKey, found: &mut Vec<RecordKey>) {
        if let Some(OwnRecord { record: Record { data: RecordData::Srv(srv), .. }, .. }) = self.get(srv) {
            self.addresses(&srv.target, found);
        }
    }

    fn addresses(&self, host: &Name, found: &mut Vec<RecordKey>) {
        let (mut v4, mut v6, mut nsec) = (false, false, None);
        for (key, own) in self.records_at(host) {
            match own.record.data {
                RecordData::A(_) => v4 = true,
                RecordData::Aaaa(_) => v6 = true,
                RecordData::Nsec(_) => {
                    nsec = Some(key);
                    continue;
                }
                _ => continue,
            }
            found.push(key);
        }
        if v4 != v6 {
            found.extend(nsec);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without a clock")]
    fn a_second_after_the_last_was_told_all_are_free() {
        let start = Instant::now();
        let at = |milliseconds| after(start, Duration::from_millis(milliseconds));
        let install = |own: &mut Own| {
            let record = |name: &str| {
                let data = RecordData::A([10, 0, 0, 1].into());
                (
                    Record { name: name.parse().unwrap(), cache_flush: true, ttl: 120, data },
                    Telling::Announced,
                )
            };
            own.install(ClaimId::Host(1), vec![record("one.local"), record("two.local")]).added
        };
        let mut own = Own::new(Seeded(7));
        let keys = install(&mut own);
        assert!(own.are_free(start, &keys));
        own.told(start, keys[0]);
        assert!(!own.are_free(at(999), &keys) && own.are_free(at(999), &keys[1..]));
        assert!(own.are_free(at(1000), &keys));
        // The link goes, and comes back.
        let mut back = Own::new(Seeded(7));
        back.recall(own.memory());
        let keys = install(&mut back);
        assert!(!back.are_free(at(999), &keys) && back.are_free(at(1000), &keys));
    }
}
