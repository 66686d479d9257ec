//! What is known of the names of one packet, so that a pointer to one need not be followed again.

use std::num::NonZeroU64;

use super::walk::ends;

/// How a name goes on from a place in the packet. One word, so that it moves in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End(NonZeroU64);

impl End {
    /// `None` if it is longer than a name may be ([`MAX_NAME_BYTES`](crate::name::MAX_NAME_BYTES)
    /// is what a byte holds), or goes on further on than any packet.
    pub(super) fn new(first: usize, length: usize, hops: u8, hash: u32) -> Option<Self> {
        let (first, length) = (u16::try_from(first).ok()?, u8::try_from(length).ok()?);
        let place = u64::from(first) << 16 | u64::from(length) << 8 | u64::from(hops);
        NonZeroU64::new(u64::from(hash) << 32 | place).map(Self)
    }

    pub(super) fn root(at: usize) -> Option<Self> {
        Self::new(at, 1, 0, crate::name::ROOT)
    }

    /// Where the first label stands; further to the front if there is a pointer.
    pub(super) fn first(self) -> u16 {
        (self.0.get() >> 16) as u16
    }

    /// Its bytes uncompressed, with the final zero byte.
    pub(super) fn length(self) -> u8 {
        (self.0.get() >> 8) as u8
    }

    /// Pointers on the way.
    pub(super) fn hops(self) -> u8 {
        self.0.get() as u8
    }

    /// Of the folded labels.
    pub(super) fn hash(self) -> u32 {
        (self.0.get() >> 32) as u32
    }
}

/// Places remembered without asking for memory.
const FEW: usize = 16;

/// More labels than this are found behind pointers to places that are not remembered only
/// where somebody means it: from then on every label of the packet is remembered.
const MANY_LABELS: u16 = 192;

/// The places where a name, or the end of one, is known to be sound.
///
/// A packet as it is usually written points to a handful of places: those are kept in a small
/// table, the newer in place of the older. A packet made to be slow gets a table of all its
/// places, 8 bytes for each of its own. What is walked along all the same is bounded by the bytes
/// that names may have uncompressed ([`MAX_DECOMPRESSED_BYTES`](super::MAX_DECOMPRESSED_BYTES)).
#[derive(Debug, Clone)]
pub(super) struct Checked {
    few: [(u16, Option<End>); FEW],
    all: Option<Box<[Option<End>]>>,
    labels: u16,
}

impl Checked {
    pub(super) fn new() -> Self {
        Self { few: [(0, None); FEW], all: None, labels: 0 }
    }

    /// How a name goes on from `at`, if that is known.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<End> {
        if let Some(all) = &self.all {
            return all.get(at).copied().flatten();
        }
        let (place, end) = self.few.get(slot(at))?;
        end.filter(|_| usize::from(*place) == at)
    }

    /// One more label behind a pointer was walked along.
    pub(super) fn passed_label(&mut self) {
        self.labels = self.labels.saturating_add(1);
    }

    /// Whether every label of the packet is remembered.
    pub(super) fn knows_all(&self) -> bool {
        self.all.is_some()
    }

    /// A name goes on like this from `at`.
    pub(super) fn put(&mut self, packet: &[u8], at: usize, end: End) {
        if self.labels > MANY_LABELS {
            self.put_labels(packet, at, end);
        } else if let (Some(few), Ok(at)) = (self.few.get_mut(slot(at)), u16::try_from(at)) {
            *few = (at, Some(end));
        }
    }

    #[cold]
    fn put_labels(&mut self, packet: &[u8], at: usize, end: End) {
        let all = self.all.get_or_insert_with(|| vec![None; packet.len()].into());
        ends(packet, at, end, |at, end| match all.get_mut(at) {
            Some(known @ None) => {
                *known = Some(end);
                true
            }
            _ => false,
        });
    }
}

fn slot(at: usize) -> usize {
    (at ^ (at >> 4)) % FEW
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::walk::measure;
    use super::*;

    /// Bytes that look like names: short labels, ends, and pointers to anywhere before.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => (0..4_u8, any::<[u8; 3]>()).prop_map(|(length, bytes)| {
                std::iter::once(length).chain(bytes.into_iter().take(length.into())).collect::<Vec<u8>>()
            }),
            4 => (0..600_u16).prop_map(|target| (0xc000 | target).to_be_bytes().to_vec()),
            1 => Just(vec![0]),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..300).prop_map(|pieces| {
            let mut packet = vec![0; 12];
            packet.extend(pieces.into_iter().flatten());
            packet
        })
    }

    proptest! {
        #[test]
        fn a_name_reads_the_same_whatever_was_read_before(packet in packets()) {
            let mut known = Checked::new();
            let mut every_label = Checked { labels: MANY_LABELS + 1, ..Checked::new() };
            for start in 0..packet.len() {
                let fresh = measure(&packet, start, &mut Checked::new());
                prop_assert_eq!(measure(&packet, start, &mut known), fresh, "at {}", start);
                prop_assert_eq!(measure(&packet, start, &mut every_label), fresh, "at {}", start);
            }
        }
    }

    #[test]
    fn no_label_is_walked_along_twice_for_long() {
        // One name of 126 labels, and 4,000 pointers to its labels in no order that a small
        // table likes.
        let mut packet = vec![0; 12];
        packet.extend([1, b'x'].repeat(126));
        packet.push(0);
        let mut known = Checked::new();
        let mut read = 0;
        for number in 0..4000_usize {
            let start = packet.len();
            packet.extend((0xc000_u16 | (12 + 2 * u16::try_from(number * 53 % 126).unwrap())).to_be_bytes());
            read += usize::from(measure(&packet, start, &mut known).is_some());
        }
        assert_eq!(read, 4000);
        // Once every label is remembered only names that begin further in front are walked along.
        assert!(usize::from(known.labels) < usize::from(MANY_LABELS) + 12 * 126, "{}", known.labels);
    }
}
