//! Reading a message: header, questions, and records of all sections in order.
//!
//! Nothing is allocated until the caller takes a name or a record's data, and all work is
//! bounded by the constants of [`wire`](super), not by what the header promises. A record
//! with bad data costs only itself; where the framing is lost, iteration ends.

use thiserror::Error;

use super::name_ref::NameRef;
use super::rdata;
use super::walk::skip_name;
use super::{
    MAX_DECOMPRESSED_BYTES, MAX_PAYLOAD_BYTES, MAX_QUESTIONS, MAX_RECORDS, RecordData, RecordType, Section,
};

/// The bytes of a message header (RFC 1035 §4.1.1).
pub(super) const HEADER_BYTES: usize = 12;

/// The shortest question: the root name, type and class (RFC 1035 §4.1.2).
const SHORTEST_QUESTION: usize = 5;

/// The shortest record: the root name, type, class, TTL and no data (RFC 1035 §4.1.3).
const SHORTEST_RECORD: usize = 11;

/// The bit above a class: "reply by unicast" in a question (RFC 6762 §5.4), "flush the
/// cache" in a record (§10.2).
pub(super) const TOP_BIT: u16 = 0x8000;

/// Why a datagram is no message at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not even a header.
    #[error("{bytes} bytes are too few for a message header of 12")]
    TooShort {
        /// The datagram's length.
        bytes: usize,
    },
    /// RFC 6762 §17.
    #[error("{bytes} bytes are more than the 8972 of the largest message")]
    TooLong {
        /// The datagram's length.
        bytes: usize,
    },
    /// The header promises more than could stand in so few bytes.
    #[error("{questions} questions and {records} records cannot fit {bytes} bytes")]
    Counts {
        /// The questions promised.
        questions: u16,
        /// The records promised, all sections together.
        records: u32,
        /// The datagram's length.
        bytes: usize,
    },
}

/// A message header (RFC 1035 §4.1.1), without the bits that Multicast DNS ignores
/// (RFC 6762 §18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The query identifier; only of use in legacy unicast (RFC 6762 §18.1).
    pub id: u16,
    /// Whether this is a response.
    pub response: bool,
    /// Anything but 0 is to be ignored (RFC 6762 §18.3).
    pub opcode: u8,
    /// In a query: more known answers follow (RFC 6762 §18.5).
    pub truncated: bool,
    /// Anything but 0 is to be ignored (RFC 6762 §18.11).
    pub rcode: u8,
    /// Questions, as the header counts them.
    pub questions: u16,
    /// Records in the answer section, as the header counts them.
    pub answers: u16,
    /// Records in the authority section, as the header counts them.
    pub authorities: u16,
    /// Records in the additional section, as the header counts them.
    pub additionals: u16,
}

/// A datagram whose header has been read.
///
/// ```
/// use salut::wire::{Message, Packer, RecordType};
/// let mut packer = Packer::query(1440);
/// packer.question(&"_exo._tcp.local".parse()?, RecordType::PTR, false)?;
/// let datagram = packer.finish();
///
/// let message = Message::read(&datagram)?;
/// let question = message.questions().next().ok_or("no question")?;
/// assert_eq!(question.name.to_name().to_string(), "_exo._tcp.local");
/// assert_eq!(message.records().count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Message<'p> {
    packet: &'p [u8],
    header: Header,
}

impl<'p> Message<'p> {
    /// Reads the header and checks the counts against the datagram's length. Questions and
    /// records are read as they are asked for.
    ///
    /// # Errors
    /// A datagram that is too short, too long, or promises what cannot fit.
    pub fn read(datagram: &'p [u8]) -> Result<Self, Malformed> {
        let bytes = datagram.len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(Malformed::TooLong { bytes });
        }
        let header = Header::read(datagram).ok_or(Malformed::TooShort { bytes })?;
        let records = [header.answers, header.authorities, header.additionals].map(u32::from).iter().sum();
        let fewest = SHORTEST_QUESTION
            .saturating_mul(usize::from(header.questions))
            .saturating_add(SHORTEST_RECORD.saturating_mul(usize::try_from(records).unwrap_or(usize::MAX)));
        if fewest > bytes.saturating_sub(HEADER_BYTES) {
            return Err(Malformed::Counts { questions: header.questions, records, bytes });
        }
        Ok(Self { packet: datagram, header })
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The questions, each distinct one once and at most [`MAX_QUESTIONS`]. Ends at the
    /// first that cannot be read.
    pub fn questions(&self) -> Questions<'p> {
        Questions {
            packet: self.packet,
            at: HEADER_BYTES,
            left: self.header.questions,
            budget: MAX_DECOMPRESSED_BYTES,
            seen: [(0, 0); MAX_QUESTIONS],
            yielded: 0,
        }
    }

    /// The bytes of the question section as they stand, if it can be read to its end.
    pub fn question_bytes(&self) -> Option<&'p [u8]> {
        self.packet.get(HEADER_BYTES..self.after_questions()?)
    }

    /// Where the questions end.
    fn after_questions(&self) -> Option<usize> {
        let mut at = Some(HEADER_BYTES);
        for _ in 0..self.header.questions {
            at = at
                .and_then(|at| skip_name(self.packet, at))
                .and_then(|at| at.checked_add(4))
                .filter(|at| *at <= self.packet.len());
            if at.is_none() {
                break;
            }
        }
        at
    }

    /// The records of all sections in order, at most [`MAX_RECORDS`]. Ends at the first
    /// whose owner name or length is broken; empty if the questions cannot be passed over.
    pub fn records(&self) -> Records<'p> {
        let at = self.after_questions();
        let Header { answers, authorities, additionals, .. } = self.header;
        Records {
            packet: self.packet,
            at: at.unwrap_or(self.packet.len()),
            left: [
                (Section::Answer, answers),
                (Section::Authority, authorities),
                (Section::Additional, additionals),
            ],
            budget: MAX_DECOMPRESSED_BYTES,
            yielded: 0,
        }
    }
}

impl Header {
    fn read(datagram: &[u8]) -> Option<Self> {
        let flags = read_u16(datagram, 2)?;
        let [high, low] = flags.to_be_bytes();
        Some(Self {
            id: read_u16(datagram, 0)?,
            response: high & 0x80 != 0,
            opcode: (high >> 3) & 0x0f,
            truncated: high & 0x02 != 0,
            rcode: low & 0x0f,
            questions: read_u16(datagram, 4)?,
            answers: read_u16(datagram, 6)?,
            authorities: read_u16(datagram, 8)?,
            additionals: read_u16(datagram, 10)?,
        })
    }
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

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

/// The questions of a message; see [`Message::questions`].
#[derive(Debug, Clone)]
pub struct Questions<'p> {
    packet: &'p [u8],
    at: usize,
    left: u16,
    budget: usize,
    /// Name hash, type and class of each question given out, and where its name stands.
    seen: [(u64, u16); MAX_QUESTIONS],
    yielded: usize,
}

impl<'p> Questions<'p> {
    fn read(&mut self) -> Option<Question<'p>> {
        let (name, after, cost) = NameRef::read(self.packet, self.at)?;
        self.budget = self.budget.checked_sub(cost)?;
        let rtype = RecordType(read_u16(self.packet, after)?);
        let class = read_u16(self.packet, after.checked_add(2)?)?;
        self.at = after.checked_add(4)?;
        Some(Question { name, rtype, class: class & !TOP_BIT, unicast: class & TOP_BIT != 0 })
    }

    /// Notes the question; `false` if it was given out before. A chance meeting of hashes is
    /// found out by reading the two names, which is done once a question, so that names made
    /// to collide cost nothing.
    fn is_new(&mut self, question: &Question<'p>) -> bool {
        let key = (u64::from(question.name.folded_hash()) << 32)
            | (u64::from(question.rtype.0) << 16)
            | u64::from(if question.unicast { question.class | TOP_BIT } else { question.class });
        let earlier = self.seen.iter().take(self.yielded).find(|(seen, _)| *seen == key);
        if let Some((_, at)) = earlier
            && NameRef::read(self.packet, usize::from(*at))
                .is_some_and(|(name, ..)| name.is_same(&question.name))
        {
            return false;
        }
        if let Some(free) = self.seen.get_mut(self.yielded) {
            *free = (key, question.name.at());
        }
        self.yielded = self.yielded.saturating_add(1);
        true
    }
}

impl<'p> Iterator for Questions<'p> {
    type Item = Question<'p>;

    fn next(&mut self) -> Option<Question<'p>> {
        while self.left > 0 && self.yielded < MAX_QUESTIONS {
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

/// A record as it stands in a packet (RFC 1035 §4.1.3).
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'p> {
    /// The section it stands in.
    pub section: Section,
    /// The owner name.
    pub name: NameRef<'p>,
    /// The type.
    pub rtype: RecordType,
    /// The class, without its top bit.
    pub class: u16,
    /// The cache-flush bit (RFC 6762 §10.2).
    pub cache_flush: bool,
    /// Time to live, in seconds, as sent.
    pub ttl: u32,
    data: rdata::Frame<'p>,
}

impl RecordRef<'_> {
    /// The data, with all names decompressed; `None` if it is not what the type calls for:
    /// then the record is to be skipped.
    ///
    /// At most two names of 255 bytes are decompressed.
    pub fn data(&self) -> Option<RecordData> {
        self.data.decode(self.rtype)
    }

    /// Whether the data is `data`: names compare without case, everything else byte by byte.
    /// Addresses, PTR, SRV and TXT data are compared where they stand, without a copy.
    pub fn data_is(&self, data: &RecordData) -> bool {
        self.rtype == data.record_type() && self.data.is(data)
    }
}

/// The records of a message; see [`Message::records`].
#[derive(Debug, Clone)]
pub struct Records<'p> {
    packet: &'p [u8],
    at: usize,
    left: [(Section, u16); 3],
    budget: usize,
    yielded: usize,
}

impl<'p> Records<'p> {
    fn read(&mut self, section: Section) -> Option<RecordRef<'p>> {
        let (name, fixed, cost) = NameRef::read(self.packet, self.at)?;
        self.budget = self.budget.checked_sub(cost)?;
        let rtype = RecordType(read_u16(self.packet, fixed)?);
        let class = read_u16(self.packet, fixed.checked_add(2)?)?;
        let ttl = read_u32(self.packet, fixed.checked_add(4)?)?;
        let length = read_u16(self.packet, fixed.checked_add(8)?)?;
        let data = rdata::Frame::new(self.packet, fixed.checked_add(10)?, usize::from(length))?;
        self.at = data.end();
        Some(RecordRef {
            section,
            name,
            rtype,
            class: class & !TOP_BIT,
            cache_flush: class & TOP_BIT != 0,
            ttl,
            data,
        })
    }
}

impl<'p> Iterator for Records<'p> {
    type Item = RecordRef<'p>;

    fn next(&mut self) -> Option<RecordRef<'p>> {
        let (section, left) = self.left.iter_mut().find(|(_, left)| *left > 0)?;
        *left = left.saturating_sub(1);
        let section = *section;
        let record = if self.yielded < MAX_RECORDS { self.read(section) } else { None };
        match record {
            Some(_) => self.yielded = self.yielded.saturating_add(1),
            None => self.left.iter_mut().for_each(|(_, left)| *left = 0),
        }
        record
    }
}
