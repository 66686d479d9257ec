//! What a map of names is searched for.

use std::collections::HashMap;

use super::hash::Seeded;
use crate::name::{Name, WireName};
use crate::wire::NameRef;

/// A map of names in one piece.
pub(super) type ByName<V> = HashMap<Name, V, Seeded>;

/// A name to look up: a whole one, or one that still stands in its packet.
pub(super) trait Sought {
    /// Equal for equal names.
    fn folded(&self) -> u32;

    fn find_in<'m, V>(&self, map: &'m ByName<V>) -> Option<&'m V>;
}

impl Sought for Name {
    fn folded(&self) -> u32 {
        self.folded_hash()
    }

    fn find_in<'m, V>(&self, map: &'m ByName<V>) -> Option<&'m V> {
        map.get(self)
    }
}

impl Sought for NameRef<'_> {
    fn folded(&self) -> u32 {
        self.folded_hash()
    }

    fn find_in<'m, V>(&self, map: &'m ByName<V>) -> Option<&'m V> {
        map.get(&self.decoded() as &dyn WireName)
    }
}
