//! A map from names that says no to a name in a packet without copying it out: most packets
//! are about names of others.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use super::hash::Seeded;
use super::shards::Shards;
use super::sought::Sought;
use crate::name::Name;
use crate::spare::tighten;

#[derive(Debug)]
pub(super) struct NameMap<V> {
    map: Shards<V>,
    /// How many of the names have a folded hash. That hash is no secret: names that were made
    /// to have the same one share an entry here, and stay apart in the map.
    folded: HashMap<u32, u32, Spread>,
}

impl<V> NameMap<V> {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self { map: Shards::new(seeded), folded: HashMap::with_hasher(Spread(seeded.0 | 1)) }
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn get(&self, name: &impl Sought) -> Option<&V> {
        if !self.folded.contains_key(&name.folded()) {
            return None;
        }
        self.map.get(name)
    }

    pub(super) fn contains(&self, name: &impl Sought) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn get_mut(&mut self, name: &Name) -> Option<&mut V> {
        self.map.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: Name, value: V) {
        let folded = name.folded_hash();
        if self.map.insert(name, value).is_none() {
            self.count(folded);
        }
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<V> {
        let removed = self.map.remove(name)?;
        let folded = name.folded_hash();
        let left = self.folded.get_mut(&folded).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.folded.remove(&folded);
            tighten(&mut self.folded);
        }
        Some(removed)
    }

    fn count(&mut self, folded: u32) {
        let count = self.folded.entry(folded).or_default();
        *count = count.saturating_add(1);
    }
}

impl<V: Default> NameMap<V> {
    /// What is at a name, which gets an entry if it has none.
    pub(super) fn at(&mut self, name: &Name) -> &mut V {
        if self.map.get(name).is_none() {
            self.count(name.folded_hash());
        }
        self.map.entry(name.clone()).or_default()
    }
}

/// Spreads hashes over a table by a secret odd number.
#[derive(Debug, Clone, Copy)]
struct Spread(u64);

impl BuildHasher for Spread {
    type Hasher = Spreading;

    fn build_hasher(&self) -> Spreading {
        Spreading { odd: self.0, state: 0 }
    }
}

struct Spreading {
    odd: u64,
    state: u64,
}

impl Hasher for Spreading {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write_u32(&mut self, word: u32) {
        let product = (u64::from(word) | 1 << 32).wrapping_mul(self.odd);
        self.state = product ^ (product >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte) ^ (self.state as u32).rotate_left(8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_and_go_whatever_their_hashes() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let mut map = NameMap::new(Seeded(7));
        map.insert(name("alpha.local"), 1);
        map.insert(name("ALPHA.local"), 2);
        *map.at(&name("beta.local")) += 3;
        *map.at(&name("Beta.local")) += 4;
        assert_eq!(
            (map.len(), map.get(&name("Alpha.LOCAL")), map.get(&name("beta.local"))),
            (2, Some(&2), Some(&7))
        );
        // As if another name had the same hash.
        map.count(name("alpha.local").folded_hash());
        assert_eq!(map.remove(&name("alpha.local")), Some(2));
        assert!(!map.contains(&name("alpha.local")));
        assert_eq!(map.folded.len(), 2);
        assert_eq!(map.remove(&name("beta.local")), Some(7));
        assert_eq!(map.remove(&name("beta.local")), None);
        assert_eq!((map.folded.len(), map.len()), (1, 0));
    }
}
