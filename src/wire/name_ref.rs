//! A name that still stands in its packet.

use std::fmt;

use super::checked::End;
use super::walk::Walk;
use crate::name::{MAX_NAME_BYTES, Name, WireName};

/// A name in a packet, checked: it ends, and is at most 255 bytes long.
#[derive(Clone, Copy)]
pub struct NameRef<'p> {
    packet: &'p [u8],
    end: End,
}

impl End {
    /// The name that goes on like this in this packet.
    pub(super) fn of(self, packet: &[u8]) -> NameRef<'_> {
        NameRef { packet, end: self }
    }
}

impl<'p> NameRef<'p> {
    /// Whether this is `name`, without regard to the case of ASCII letters.
    pub fn is(&self, name: &Name) -> bool {
        self.end.hash() == name.folded_hash() && self.matches(name.wire())
    }

    /// Whether the checked name at `first` is the same, without regard to the case of ASCII
    /// letters.
    pub(super) fn is_at(&self, first: u16) -> bool {
        let (mut own, mut other) = (self.walk(), Walk::new(self.packet, first.into()));
        while let (Some(one), Some(two)) = (own.next_label(), other.next_label()) {
            if !one.eq_ignore_ascii_case(two) {
                return false;
            }
            if one == [0] {
                return true;
            }
        }
        false
    }

    pub(super) fn packet(&self) -> &'p [u8] {
        self.packet
    }

    /// Where in the packet its first label stands: the same for two names that point there.
    pub(crate) fn first(&self) -> u16 {
        self.end.first()
    }

    /// The bytes it has uncompressed.
    pub(super) fn length(&self) -> usize {
        self.end.length().into()
    }

    fn walk(&self) -> Walk<'p> {
        Walk::new(self.packet, usize::from(self.end.first()))
    }

    fn matches(&self, wire: &[u8]) -> bool {
        let mut rest = wire;
        let mut walk = self.walk();
        while let Some(chunk) = walk.next_label() {
            let Some((head, tail)) = rest.split_at_checked(chunk.len()) else { return false };
            if !head.eq_ignore_ascii_case(chunk) {
                return false;
            }
            if tail.is_empty() {
                return true;
            }
            rest = tail;
        }
        false
    }

    /// The name on its own.
    pub fn to_name(&self) -> Name {
        let mut buffer = [0; MAX_NAME_BYTES];
        Name::from_checked(self.decode(&mut buffer), self.end.hash())
    }

    /// Whether the last label is `local` and at least one stands before it.
    pub fn is_local(&self) -> bool {
        let mut before: &[u8] = &[];
        let mut last: &[u8] = &[];
        let mut walk = self.walk();
        while let Some(chunk) = walk.next_label().filter(|chunk| *chunk != [0]) {
            before = last;
            last = chunk;
        }
        !before.is_empty() && last.eq_ignore_ascii_case(b"\x05local")
    }

    /// The same hash as that of an equal [`Name`].
    pub(crate) fn folded_hash(&self) -> u32 {
        self.end.hash()
    }

    /// The uncompressed wire form, in the case it was sent in.
    pub(crate) fn decode<'b>(&self, buffer: &'b mut [u8; MAX_NAME_BYTES]) -> &'b [u8] {
        let mut walk = self.walk();
        let mut rest = &mut buffer[..];
        while let Some(chunk) = walk.next_label() {
            let Some((head, tail)) = rest.split_at_mut_checked(chunk.len()) else { break };
            head.copy_from_slice(chunk);
            rest = tail;
            if chunk == [0] {
                break;
            }
        }
        buffer.get(..usize::from(self.end.length())).unwrap_or_default()
    }

    /// The uncompressed wire form, for a look-up in a map keyed by [`Name`].
    pub(crate) fn decoded(&self) -> DecodedName {
        let mut bytes = [0; MAX_NAME_BYTES];
        self.decode(&mut bytes);
        DecodedName { bytes, len: self.end.length() }
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_name().fmt(f)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_name().fmt(f)
    }
}

/// A name from a packet, on the stack: `map.get(&decoded as &dyn WireName)`.
pub(crate) struct DecodedName {
    bytes: [u8; MAX_NAME_BYTES],
    len: u8,
}

impl WireName for DecodedName {
    fn wire_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::checked::Checked;
    use super::super::walk::measure;
    use super::*;
    use crate::error::NameError;

    #[test]
    fn a_map_of_names_is_asked_with_a_name_from_a_packet() -> Result<(), NameError> {
        let map = HashMap::from([("alpha._exo._tcp.local".parse::<Name>()?, 1), (".".parse()?, 2)]);
        let look_up = |packet: &[u8], at| {
            let (name, after) = measure(packet, at, &mut Checked::new())?;
            Some((*map.get(&name.of(packet).decoded() as &dyn WireName)?, after))
        };
        let packet = b"____________\x04_TCP\x05local\0\x05ALPHA\x04_exo\xc0\x0c\0";
        assert_eq!(look_up(packet, 24), Some((1, 37)));
        assert_eq!(look_up(packet, 37), Some((2, 38)));
        assert_eq!(look_up(packet, 30), None);
        assert_eq!(look_up(packet, 38), None);
        Ok(())
    }
}
