//! Following a name through a packet (RFC 1035 §4.1.4).

use super::MAX_POINTER_HOPS;
use super::reader::HEADER_BYTES;
use crate::name::{MAX_NAME_BYTES, fold_into, folded_hash};

/// The two top bits of a length byte tell a label from a pointer.
const KIND: u8 = 0xc0;
const LABEL: u8 = 0x00;
const POINTER: u8 = 0xc0;

/// A walk along one name. A pointer must lead to before the run of labels it stands in, so
/// that every walk ends; it may not lead into the header.
pub(super) struct Walk<'p> {
    packet: &'p [u8],
    at: usize,
    /// Where the present run of labels began.
    run: usize,
    hops: usize,
    /// Where the bytes behind the name begin: known at the first pointer or at the end.
    after: Option<usize>,
}

impl<'p> Walk<'p> {
    pub(super) fn new(packet: &'p [u8], at: usize) -> Self {
        Self { packet, at, run: at, hops: 0, after: None }
    }

    /// The next label with its length byte; at the end of the name, the single zero byte of
    /// the root. `None` if the name is broken here.
    pub(super) fn next_label(&mut self) -> Option<&'p [u8]> {
        loop {
            let rest = self.packet.get(self.at..)?;
            let length = *rest.first()?;
            match length & KIND {
                LABEL => {
                    let label = rest.get(..usize::from(length).checked_add(1)?)?;
                    self.at = self.at.checked_add(label.len())?;
                    return Some(label);
                }
                POINTER => {
                    let target = pointer_target(rest, self.run)?;
                    self.hops = self.hops.checked_add(1).filter(|hops| *hops <= MAX_POINTER_HOPS)?;
                    self.after = self.after.or(self.at.checked_add(2));
                    self.at = target;
                    self.run = target;
                }
                // 0x40 and 0x80 are label types that nobody may use (RFC 6891 §5).
                _ => return None,
            }
        }
    }

    /// Walks to the end: the uncompressed length with the final zero byte, and the folded
    /// hash. 255 bytes hold at most 127 labels, so that these need no count of their own.
    pub(super) fn measure(&mut self) -> Option<(u8, u32)> {
        let mut length = 0_usize;
        let mut hash = folded_hash(&[]);
        loop {
            let label = self.next_label()?;
            length = length.checked_add(label.len()).filter(|length| *length <= MAX_NAME_BYTES)?;
            hash = label.iter().fold(hash, |hash, byte| fold_into(hash, *byte));
            if label == [0] {
                return Some((u8::try_from(length).ok()?, hash));
            }
        }
    }

    /// Where the bytes behind the name begin; right after the whole name was walked.
    pub(super) fn after(&self) -> usize {
        self.after.unwrap_or(self.at)
    }

    /// Pointers followed so far.
    pub(super) fn hops(&self) -> usize {
        self.hops
    }
}

fn pointer_target(pointer: &[u8], run: usize) -> Option<usize> {
    let target = usize::from(u16::from_be_bytes(*pointer.first_chunk()?) & 0x3fff);
    (HEADER_BYTES..run).contains(&target).then_some(target)
}

/// Passes over a name without following its pointer, in time of the bytes passed over.
pub(super) fn skip_name(packet: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let rest = packet.get(at..)?;
        let length = *rest.first()?;
        match length & KIND {
            LABEL => at = at.checked_add(usize::from(length))?.checked_add(1)?,
            POINTER => return pointer_target(rest, start).and_then(|_| at.checked_add(2)),
            _ => return None,
        }
        if at.saturating_sub(start) > MAX_NAME_BYTES {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}
