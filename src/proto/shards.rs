//! A map from names in four parts: what a stranger fills it with is never one large table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::hash::Seeded;
use super::quarters::Quarters;
use super::sought::{ByName, Sought};
use crate::name::Name;
use crate::spare::tighten;

#[derive(Debug)]
pub(super) struct Shards<V> {
    parts: Quarters<ByName<V>>,
}

impl<V> Shards<V> {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self { parts: Quarters(std::array::from_fn(|_| HashMap::with_hasher(seeded))) }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashMap::len).sum()
    }

    pub(super) fn get(&self, name: &impl Sought) -> Option<&V> {
        name.find_in(self.parts.of(quarter(name)))
    }

    pub(super) fn get_mut(&mut self, name: &Name) -> Option<&mut V> {
        self.part_mut(name).get_mut(name)
    }

    pub(super) fn entry(&mut self, name: Name) -> Entry<'_, Name, V> {
        self.part_mut(&name).entry(name)
    }

    pub(super) fn insert(&mut self, name: Name, value: V) -> Option<V> {
        self.part_mut(&name).insert(name, value)
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<V> {
        let part = self.part_mut(name);
        let removed = part.remove(name)?;
        tighten(part);
        Some(removed)
    }

    fn part_mut(&mut self, name: &Name) -> &mut ByName<V> {
        self.parts.of_mut(quarter(name))
    }
}

/// The two bits that the other users of the hash care least for.
fn quarter(name: &impl Sought) -> u32 {
    name.folded() >> 30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spread_and_found_whatever_their_case() {
        let name = |number: u32| format!("Node-{number}.local").parse::<Name>().unwrap();
        let mut map = Shards::new(Seeded(7));
        for number in 0..1000 {
            assert_eq!(map.insert(name(number), number), None);
        }
        assert!(map.parts.iter().all(|part| (150..350).contains(&part.len())));
        assert_eq!(map.get(&"NODE-500.local".parse::<Name>().unwrap()), Some(&500));
        *map.entry(name(500)).or_insert(0) += 1;
        map.get_mut(&name(501)).into_iter().for_each(|number| *number += 1);
        assert_eq!((map.remove(&name(500)), map.remove(&name(500)), map.len()), (Some(501), None, 999));
        assert_eq!(map.get(&name(501)), Some(&502));
        (0..1000).map(name).for_each(|name| _ = map.remove(&name));
        assert!(map.len() == 0 && map.parts.iter().all(|part| part.capacity() <= 64));
    }
}
