//! The questions of a message, each distinct one once.

use super::name_ref::NameRef;
use super::names::Names;
use super::{HEADER_BYTES, MAX_QUESTIONS, RecordType, TOP_BIT};

/// A question (RFC 1035 §4.1.2).
#[derive(Debug, Clone, Copy)]
pub struct Question<'p> {
    /// The name asked for.
    pub name: NameRef<'p>,
    /// The type asked for.
    pub rtype: RecordType,
    /// The class, without its top bit.
    pub class: u16,
    /// Whether a unicast reply is wanted (RFC 6762 §5.4).
    pub unicast: bool,
}

/// The questions of a message; see [`Message::questions`](super::Message::questions).
#[derive(Debug, Clone)]
pub struct Questions<'p> {
    packet: &'p [u8],
    at: usize,
    left: u16,
    names: Names,
    seen: Seen,
}

impl<'p> Questions<'p> {
    /// As many as the header of `packet` counts.
    pub(super) fn new(packet: &'p [u8], count: u16) -> Self {
        Self { packet, at: HEADER_BYTES, left: count, names: Names::new(), seen: Seen::default() }
    }

    fn read(&mut self) -> Option<Question<'p>> {
        let (name, after) = self.names.read(self.packet, self.at)?;
        let [t0, t1, c0, c1] = *self.packet.get(after..)?.first_chunk()?;
        let (rtype, class) = (RecordType(u16::from_be_bytes([t0, t1])), u16::from_be_bytes([c0, c1]));
        self.at = after.checked_add(4)?;
        let name = name.of(self.packet);
        Some(Question { name, rtype, class: class & !TOP_BIT, unicast: class & TOP_BIT != 0 })
    }

    /// Notes the question; `false` if it was given out before. A chance meeting of hashes is
    /// found out by reading the two names, which is done once a question, so that names made
    /// to collide cost nothing.
    fn is_new(&mut self, question: &Question<'p>) -> bool {
        let (key, first) = (Seen::key(question), question.name.first());
        let Some(earlier) = self.seen.find(key, first) else {
            return self.seen.note(key, first, true);
        };
        if earlier == first {
            return false;
        }
        let same = self.names.spend(question.name.length()).is_some() && question.name.is_at(earlier);
        // A copy of the name is known by its place from now on.
        self.seen.note(key, first, !same)
    }
}

/// The questions that were given out.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// What was asked for, by hash, and where its name begins: as many as are usual, …
    few: [(u64, u16); FEW_QUESTIONS],
    /// … and beyond that.
    more: Vec<(u64, u16)>,
    /// A bit for each of them: what has none was not noted.
    marks: [u64; 4],
    noted: usize,
    given: usize,
}

/// More questions than this take memory to be told apart.
const FEW_QUESTIONS: usize = 10;

/// Which word of the marks, and which bit of it.
fn mark(key: u64) -> (usize, u64) {
    let [.., place] = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_be_bytes();
    (usize::from(place / 64), 1 << (place % 64))
}

impl Seen {
    fn key(question: &Question<'_>) -> u64 {
        let class = if question.unicast { question.class | TOP_BIT } else { question.class };
        (u64::from(question.name.folded_hash()) << 32)
            | (u64::from(question.rtype.0) << 16)
            | u64::from(class)
    }

    /// Where the name of an equal question stands, preferably at `first`.
    fn find(&self, key: u64, first: u16) -> Option<u16> {
        let (word, bit) = mark(key);
        if self.marks.get(word).is_none_or(|marks| marks & bit == 0) {
            return None;
        }
        let mut found = None;
        for (seen, at) in self.few.iter().take(self.noted).chain(&self.more) {
            if *seen == key {
                found = Some(*at);
                if *at == first {
                    break;
                }
            }
        }
        found
    }

    /// Notes a question, which is given out if it is `new`; gives that back.
    fn note(&mut self, key: u64, first: u16, new: bool) -> bool {
        if new || self.noted < MAX_QUESTIONS {
            match self.few.get_mut(self.noted) {
                Some(free) => *free = (key, first),
                None => {
                    if self.more.is_empty() {
                        self.more.reserve_exact(MAX_QUESTIONS);
                    }
                    self.more.push((key, first));
                }
            }
            self.noted = self.noted.saturating_add(1);
            let (word, bit) = mark(key);
            if let Some(marks) = self.marks.get_mut(word) {
                *marks |= bit;
            }
        }
        if new {
            self.given = self.given.saturating_add(1);
        }
        new
    }
}

impl<'p> Iterator for Questions<'p> {
    type Item = Question<'p>;

    fn next(&mut self) -> Option<Question<'p>> {
        while self.left > 0 && self.seen.given < MAX_QUESTIONS {
            let Some(question) = self.read() else {
                self.left = 0;
                return None;
            };
            self.left = self.left.saturating_sub(1);
            if self.is_new(&question) {
                return Some(question);
            }
        }
        None
    }
}
