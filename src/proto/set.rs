//! The records at one name: some, or a thousand pointers.

use std::collections::HashMap;

use super::hash::Seeded;
use super::sought::Sought;
use crate::name::Name;
use crate::spare::tighten;
use crate::wire::{RecordData, RecordRef, RecordType};

/// So many are looked through faster than a name is hashed.
const FEW: usize = 8;

/// The records at one name, by their keys.
#[derive(Debug)]
pub(super) struct Set<K> {
    /// In order of age.
    keys: Vec<K>,
    /// A service type has a thousand pointers: they are found by what they point to.
    #[expect(clippy::box_collection, reason = "most names have none: 8 bytes instead of 40")]
    pointers: Option<Box<HashMap<Name, K, Seeded>>>,
}

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), pointers: None }
    }
}

impl<K: Copy + PartialEq> Set<K> {
    pub(super) fn add(&mut self, key: K, data: &RecordData, seeded: Seeded) {
        if self.keys.is_empty() {
            self.keys.reserve_exact(1);
        }
        self.keys.push(key);
        if let RecordData::Ptr(target) = data {
            let pointers = self.pointers.get_or_insert_with(|| Box::new(HashMap::with_hasher(seeded)));
            pointers.insert(target.clone(), key);
        }
    }

    pub(super) fn remove(&mut self, key: K, data: &RecordData) {
        self.keys.retain(|other| *other != key);
        if let (RecordData::Ptr(target), Some(pointers)) = (data, &mut self.pointers) {
            pointers.remove(target);
            tighten(pointers);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// How many pointers there are.
    pub(super) fn pointers(&self) -> usize {
        self.pointers.as_ref().map_or(0, |pointers| pointers.len())
    }

    fn pointer_to(&self, target: &impl Sought) -> Option<K> {
        target.find_in(self.pointers.as_ref()?).copied()
    }

    /// The one with this data; `data_of` has that of each.
    pub(super) fn find<'d>(
        &self,
        data: &RecordData,
        data_of: impl Fn(K) -> Option<&'d RecordData>,
    ) -> Option<K> {
        match data {
            RecordData::Ptr(target) => self.pointer_to(target),
            _ => self.keys.iter().copied().find(|key| data_of(*key) == Some(data)),
        }
    }

    /// The one that a record in a packet repeats.
    pub(super) fn find_heard<'d>(
        &self,
        heard: &RecordRef<'_>,
        data_of: impl Fn(K) -> Option<&'d RecordData>,
    ) -> Option<K> {
        let many = heard.rtype == RecordType::PTR && self.keys.len() > FEW;
        match heard.target().filter(|_| many) {
            Some(target) => self.pointer_to(&target),
            None => {
                let same = |key: &K| data_of(*key).is_some_and(|data| heard.data_is(data));
                self.keys.iter().copied().find(same)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::wire::{Message, Packer, Section};

    #[test]
    fn one_of_a_thousand_pointers_is_found_without_looking_at_the_others() {
        let all: Vec<RecordData> = (0..1000)
            .map(|number| RecordData::Ptr(format!("node-{number}.local").parse().unwrap()))
            .collect();
        let mut set = Set::default();
        all.iter().enumerate().for_each(|(key, data)| set.add(key, data, Seeded(7)));
        let looked = Cell::new(0);
        let data_of = |key: usize| {
            looked.set(looked.get() + 1);
            all.get(key)
        };
        let mut packer = Packer::query(1440);
        packer.record(Section::Answer, &"_exo._tcp.local".parse().unwrap(), false, 1, &all[900]).unwrap();
        let packet = packer.finish();
        let heard = Message::read(&packet).unwrap().records().next().unwrap();
        assert_eq!((set.find(&all[500], data_of), set.find_heard(&heard, data_of)), (Some(500), Some(900)));
        assert_eq!((looked.get(), set.pointers(), set.keys().len()), (0, 1000, 1000));
        set.remove(900, &all[900]);
        assert_eq!((set.find_heard(&heard, data_of), set.pointers()), (None, 999));
        // Of a few each is looked at.
        (FEW..1000).for_each(|key| set.remove(key, &all[key]));
        assert_eq!((set.find_heard(&heard, data_of), looked.get()), (None, FEW));
    }
}
