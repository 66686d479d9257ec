//! A hash of names without case, which can be put together from the hashes of their parts: a
//! name's is known from its labels and from where its last part was hashed before.

/// What a label counts for one place further to the right. Odd, so that no label ever counts
/// for nothing.
const STEP: u32 = 0x9e37_79b1;

/// What undoes a multiplication by [`STEP`], by Newton's method: each step doubles the number of
/// right bits, of which three are right at the start.
const STEP_BACK: u32 = {
    let mut inverse = STEP;
    let mut bits = 3;
    while bits < 32 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(STEP.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
};

/// The hash of the root, and so of an end of which nothing is left.
pub(crate) const ROOT: u32 = 0;

/// The hash of some labels at the beginning of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folded {
    sum: u32,
    weight: u32,
}

impl Folded {
    /// No label yet.
    pub(crate) const START: Self = Self { sum: 0, weight: 1 };

    /// One more label, with its length byte.
    #[inline]
    pub(crate) fn push(&mut self, label: &[u8]) {
        self.sum = self.sum.wrapping_add(self.weight.wrapping_mul(label_hash(label)));
        self.weight = self.weight.wrapping_mul(STEP);
    }

    /// The hash of the name that goes on with a name whose hash is `rest`.
    pub(crate) fn with(self, rest: u32) -> u32 {
        self.sum.wrapping_add(self.weight.wrapping_mul(rest))
    }
}

/// The other way round: the hash of what follows the first label of a name whose hash is `whole`.
pub(crate) fn behind(whole: u32, first: &[u8]) -> u32 {
    whole.wrapping_sub(label_hash(first)).wrapping_mul(STEP_BACK)
}

/// The hash of a whole name in wire form.
pub(crate) fn folded_hash(wire: &[u8]) -> u32 {
    let mut folded = Folded::START;
    let mut rest = wire;
    while let Some(&length) = rest.first().filter(|length| **length != 0) {
        let Some((label, tail)) = rest.split_at_checked(usize::from(length).wrapping_add(1)) else { break };
        folded.push(label);
        rest = tail;
    }
    folded.with(ROOT)
}

/// Eight bytes at a time, the last eight once more as far as need be: most labels are hashed
/// without a loop. A length byte is at most 63 and so never a letter: the fold leaves it alone.
fn label_hash(label: &[u8]) -> u32 {
    let state = mix(label.len() as u64);
    let state = if let (Some(first), Some(last)) = (label.first_chunk::<8>(), label.last_chunk::<8>()) {
        let mut state = mix(state ^ fold(u64::from_le_bytes(*first)));
        let mut rest = label.get(8..).unwrap_or_default();
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>().filter(|(_, tail)| !tail.is_empty()) {
            state = mix(state ^ fold(u64::from_le_bytes(*chunk)));
            rest = tail;
        }
        mix(state ^ fold(u64::from_le_bytes(*last)))
    } else if let (Some(first), Some(last)) = (label.first_chunk::<4>(), label.last_chunk::<4>()) {
        let both = u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
        mix(state ^ fold(both))
    } else if let [first, middle @ .., last] = label {
        let middle = middle.first().copied().unwrap_or_default();
        mix(state ^ fold(u64::from_le_bytes([*first, middle, *last, 0, 0, 0, 0, 0])))
    } else {
        state
    };
    (state >> 32) as u32
}

fn mix(word: u64) -> u64 {
    let product = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

/// Makes the ASCII capitals among eight bytes small.
fn fold(word: u64) -> u64 {
    const ALL: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * ALL;
    let low = word & !TOP;
    // The top bit of each byte: whether it is at least `A`, whether it is beyond `Z`.
    let from_a = low.wrapping_add((0x80 - b'A' as u64) * ALL);
    let beyond_z = low.wrapping_add((0x7f - b'Z' as u64) * ALL);
    let capital = from_a & !beyond_z & !word & TOP;
    word | (capital >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_fold_and_nothing_else_does() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = *b"A_z@[`{\xc1";
                bytes[place] = byte;
                let folded = fold(u64::from_le_bytes(bytes)).to_le_bytes();
                assert_eq!(folded, bytes.map(|byte| byte.to_ascii_lowercase()), "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn labels_of_every_length_differ_in_every_byte_but_not_in_case() {
        for length in 0..=63_u8 {
            let label: Vec<u8> =
                std::iter::once(length).chain((0..length).map(|at| b'a' + at % 26)).collect();
            assert_eq!(label_hash(&label), label_hash(&label.to_ascii_uppercase()));
            for place in 1..label.len() {
                let mut other = label.clone();
                other[place] = b'-';
                assert_ne!(label_hash(&label), label_hash(&other), "{length} {place}");
            }
        }
    }

    #[test]
    fn a_name_is_the_sum_of_its_parts() {
        let whole = folded_hash(b"\x05Alpha\x04_exo\x04_tcp\x05local\0");
        let rest = folded_hash(b"\x04_tcp\x05local\0");
        let mut head = Folded::START;
        head.push(b"\x05alpha");
        head.push(b"\x04_EXO");
        assert_eq!(head.with(rest), whole);
        assert_eq!(behind(behind(whole, b"\x05ALPHA"), b"\x04_exo"), rest);
        assert_eq!(folded_hash(b"\0"), ROOT);
        // The order counts.
        assert_ne!(folded_hash(b"\x01a\x01b\0"), folded_hash(b"\x01b\x01a\0"));
    }
}
