//! More instances of one type than are kept: who gives way to whom.
//!
//! A flood of made-up names must not keep out the one real service that appears meanwhile,
//! nor push out those that are known. So first those go of which nothing but the name is
//! known, then those of who holds the most, and nobody who holds no more than the newcomer.

use std::net::IpAddr;

use litemap::LiteMap;

use super::browse::InstanceKey;
use super::link::{Link, Shared};
use super::numbered::Numbers;
use crate::name::Name;
use crate::wire::RecordData;

/// The instances of one type by how much is known of them and by who told of them.
#[derive(Debug, Default)]
pub(super) struct Shares {
    shares: LiteMap<(Standing, IpAddr), Numbers>,
}

/// What is known of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A name that somebody said.
    Rumour,
    /// Host, port and address: its browsers were told of it.
    Told,
}

impl Shares {
    pub(super) fn add(&mut self, standing: Standing, source: IpAddr, key: InstanceKey) {
        self.shares.entry((standing, source)).or_default().insert(key);
    }

    pub(super) fn remove(&mut self, standing: Standing, source: IpAddr, key: InstanceKey) {
        if let Some(keys) = self.shares.get_mut(&(standing, source)) {
            keys.remove(key);
            if keys.is_empty() {
                self.shares.remove(&(standing, source));
            }
        }
    }

    /// The one that gives way to a newcomer from `source`: the oldest of the source with most
    /// rumours, whoever that is. Where there are none, the oldest of the source with the most
    /// instances, if these are more than the newcomer's source would then have.
    fn gives_way(&self, source: IpAddr) -> Option<InstanceKey> {
        let largest = |standing| {
            let of_it = self.shares.iter().filter(move |((other, _), _)| *other == standing);
            of_it.max_by_key(|(_, keys)| keys.len()).map(|(_, keys)| keys)
        };
        if let Some(rumours) = largest(Standing::Rumour) {
            return rumours.first();
        }
        let own = self.shares.get(&(Standing::Told, source)).map_or(0, |keys| keys.len());
        let told = largest(Standing::Told).filter(|keys| keys.len() > own.saturating_add(1))?;
        told.first()
    }
}

impl Link {
    /// Makes room for one more instance of a type that is browsed for. `false` if there is
    /// none to be had.
    pub(super) fn make_way(
        &mut self,
        name: &Name,
        data: &RecordData,
        source: IpAddr,
        shared: &mut Shared,
    ) -> bool {
        let RecordData::Ptr(_) = data else { return true };
        if !self.cache.is_full(name) || self.cache.find(name, data).is_some() {
            return true;
        }
        let Some(key) = self.instances.shares(name).and_then(|shares| shares.gives_way(source)) else {
            return false;
        };
        let Some(instance) = self.instances.name_of(key).cloned() else { return false };
        self.tell_lost(key, shared);
        self.untrack(key, shared);
        if let Some(pointer) = self.cache.find(name, &RecordData::Ptr(instance)) {
            self.cache.forget(pointer);
        }
        true
    }

    /// Whether a pointer leads to an instance of which nothing but the name is known.
    pub(super) fn is_rumour(&self, name: &Name, data: &RecordData) -> bool {
        matches!(data, RecordData::Ptr(target) if self.instances.is_untold(name, target))
    }
}
