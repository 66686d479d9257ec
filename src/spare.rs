//! Room that a flood took is given back after it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Room for so many is not given back: it is little.
const SPARE: usize = 64;

/// Gives back the room that a flood took, once most of what it brought is gone.
pub(crate) fn tighten<K: Hash + Eq, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > map.len().saturating_mul(8).max(SPARE) {
        map.shrink_to(map.len().saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_was_large_once_becomes_small_again() {
        let mut map: HashMap<u32, u32> = HashMap::new();
        map.extend((0..4096).map(|number| (number, number)));
        for number in 3..4096 {
            map.remove(&number);
            tighten(&mut map);
        }
        assert!(map.capacity() <= SPARE && map.len() == 3, "{}", map.capacity());
        assert_eq!((map.get(&1), map.get(&2), map.get(&3)), (Some(&1), Some(&2), None));
    }
}
