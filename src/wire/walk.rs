//! Following a name through a packet (RFC 1035 §4.1.4).

use super::checked::{Checked, End};
use super::{HEADER_BYTES, MAX_POINTER_HOPS};
use crate::name::{Folded, MAX_NAME_BYTES, behind};

/// The two top bits of a length byte tell a label from a pointer.
const KIND: u8 = 0xc0;
const LABEL: u8 = 0x00;
const POINTER: u8 = 0xc0;

/// What stands at one place of a name.
enum Step<'p> {
    /// A label with its length byte; the single zero byte of the root at the end.
    Label(&'p [u8]),
    /// A pointer that leads to before `run`, where the labels it ends began, so that every
    /// walk ends; it may not lead into the header.
    Pointer(usize),
}

/// `None` if the name is broken here.
fn step(packet: &[u8], at: usize, run: usize) -> Option<Step<'_>> {
    let rest = packet.get(at..)?;
    let length = *rest.first()?;
    match length & KIND {
        LABEL => rest.get(..=usize::from(length)).map(Step::Label),
        POINTER => pointer_target(rest, run).map(Step::Pointer),
        // 0x40 and 0x80 are label types that nobody may use (RFC 6891 §5).
        _ => None,
    }
}

/// A walk along a name that has been measured, or was written by ourselves.
pub(super) struct Walk<'p> {
    packet: &'p [u8],
    at: usize,
    /// Where the present run of labels began.
    run: usize,
}

impl<'p> Walk<'p> {
    pub(super) fn new(packet: &'p [u8], at: usize) -> Self {
        Self { packet, at, run: at }
    }

    /// The next label with its length byte; at the end of the name, the single zero byte of
    /// the root. `None` if the name is broken here.
    pub(super) fn next_label(&mut self) -> Option<&'p [u8]> {
        loop {
            match step(self.packet, self.at, self.run)? {
                Step::Label(label) => {
                    self.at = self.at.checked_add(label.len())?;
                    return Some(label);
                }
                Step::Pointer(target) => (self.at, self.run) = (target, target),
            }
        }
    }
}

/// Walks to the end of a name, or to where `checked` knows how it goes on, and says how it
/// goes on from `start` and where the bytes behind it begin.
pub(super) fn measure(packet: &[u8], start: usize, checked: &mut Checked) -> Option<(End, usize)> {
    let name = packet.get(start..)?;
    let mut rest = name;
    let mut folded = Folded::START;
    // Labels up to where the name ends or goes on elsewhere. 255 bytes hold at most 127 of them,
    // so that they need no count of their own.
    loop {
        let kind = *rest.first()?;
        if kind & KIND != LABEL || kind == 0 {
            break;
        }
        let (label, tail) = rest.split_at_checked(usize::from(kind).checked_add(1)?)?;
        folded.push(label);
        rest = tail;
        if name.len().saturating_sub(rest.len()) >= MAX_NAME_BYTES {
            return None;
        }
    }
    let own = name.len().saturating_sub(rest.len());
    let at = start.checked_add(own)?;
    let mut hops = 0;
    let (end, after) = match *rest.first()? & KIND {
        LABEL => (End::root(at)?, at.checked_add(1)?),
        POINTER => {
            let target = pointer_target(rest, start)?;
            let end = match checked.get(target) {
                Some(end) => end,
                None => measure_behind(packet, target, checked)?,
            };
            hops = end.hops().checked_add(1).filter(|hops| usize::from(*hops) <= MAX_POINTER_HOPS)?;
            (end, at.checked_add(2)?)
        }
        // 0x40 and 0x80 are label types that nobody may use (RFC 6891 §5).
        _ => return None,
    };
    let first = if own == 0 { end.first().into() } else { start };
    let end = End::new(first, own.checked_add(end.length().into())?, hops, folded.with(end.hash()))?;
    // Nobody points to what is a mere pointer, but for those who mean harm.
    if own > 0 || checked.knows_all() {
        checked.put(packet, start, end);
    }
    Some((end, after))
}

/// The same from where a pointer leads to, of which nothing is known yet.
#[cold]
fn measure_behind(packet: &[u8], start: usize, checked: &mut Checked) -> Option<End> {
    let (mut at, mut run) = (start, start);
    let mut part = Part::EMPTY;
    let end = loop {
        match step(packet, at, run)? {
            Step::Label([0]) => break End::root(at)?,
            Step::Label(label) => {
                part.push(label, at)?;
                at = at.checked_add(label.len())?;
                // What is known of this place is of no use here: it is of names that begin with
                // it, and a pointer that they may follow can lead back into this run of labels.
                checked.passed_label();
            }
            Step::Pointer(target) => {
                part.hop()?;
                if let Some(end) = checked.get(target) {
                    break end;
                }
                (at, run) = (target, target);
            }
        }
    };
    let end = part.with(end)?;
    checked.put(packet, start, end);
    Some(end)
}

/// The beginning of a name.
#[derive(Debug, Clone, Copy)]
struct Part {
    folded: Folded,
    length: usize,
    hops: usize,
    /// Where its first label stands.
    first: Option<usize>,
}

impl Part {
    const EMPTY: Self = Self { folded: Folded::START, length: 0, hops: 0, first: None };

    fn push(&mut self, label: &[u8], at: usize) -> Option<()> {
        self.length = self.length.checked_add(label.len()).filter(|length| *length < MAX_NAME_BYTES)?;
        self.folded.push(label);
        self.first = self.first.or(Some(at));
        Some(())
    }

    fn hop(&mut self) -> Option<()> {
        self.hops = self.hops.checked_add(1).filter(|hops| *hops <= MAX_POINTER_HOPS)?;
        Some(())
    }

    /// The whole that begins like this and goes on with `end`, if that is not too much.
    fn with(self, end: End) -> Option<End> {
        let length = self.length.checked_add(end.length().into())?;
        let hops = self.hops.checked_add(end.hops().into()).filter(|hops| *hops <= MAX_POINTER_HOPS)?;
        let first = self.first.unwrap_or(end.first().into());
        End::new(first, length, u8::try_from(hops).ok()?, self.folded.with(end.hash()))
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
        match step(packet, at, start)? {
            Step::Label(label) => {
                at = at.checked_add(label.len())?;
                if at.saturating_sub(start) > MAX_NAME_BYTES {
                    return None;
                }
                if label == [0] {
                    return Some(at);
                }
            }
            Step::Pointer(_) => return at.checked_add(2),
        }
    }
}

/// Visits the labels of a measured name one after the other, until the root or until `visit`
/// says no: where each stands, and how the name goes on from there. If there is a pointer at
/// `start`, that is visited first.
pub(super) fn ends(packet: &[u8], start: usize, whole: End, mut visit: impl FnMut(usize, End) -> bool) {
    let (mut at, mut run) = (start, start);
    let (mut length, mut hops, mut hash) = (usize::from(whole.length()), whole.hops(), whole.hash());
    if usize::from(whole.first()) != start {
        visit(start, whole);
    }
    while let Some(step) = step(packet, at, run) {
        match step {
            Step::Label(label) => {
                let Some(end) = End::new(at, length, hops, hash) else { return };
                if !visit(at, end) || label == [0] {
                    return;
                }
                at = at.saturating_add(label.len());
                length = length.saturating_sub(label.len());
                hash = behind(hash, label);
            }
            Step::Pointer(target) => {
                hops = hops.saturating_sub(1);
                (at, run) = (target, target);
            }
        }
    }
}
