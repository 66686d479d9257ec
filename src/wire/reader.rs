//! Reading a message: header, questions, and records of all sections in order.
//!
//! Nothing is allocated until the caller takes a name or a record's data, and all work is
//! bounded by the constants of [`wire`](super), not by what the header promises. A record
//! with bad data costs only itself; where the framing is lost, iteration ends.

use thiserror::Error;

use super::name_ref::NameRef;
use super::names::Names;
use super::questions::Questions;
use super::rdata::Data;
use super::walk::skip_name;
use super::{HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_RECORDS, RecordData, RecordType, Section, TOP_BIT};

/// The shortest question: the root name, type and class (RFC 1035 §4.1.2).
const SHORTEST_QUESTION: usize = 5;

/// The shortest record: the root name, type, class, TTL and no data (RFC 1035 §4.1.3).
const SHORTEST_RECORD: usize = 11;

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

    /// The questions, each distinct one once and at most
    /// [`MAX_QUESTIONS`](super::MAX_QUESTIONS). Ends at the first that cannot be read.
    pub fn questions(&self) -> Questions<'p> {
        Questions::new(self.packet, self.header.questions)
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
            left: [answers, authorities, additionals],
            names: Names::new(),
            room: MAX_RECORDS,
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
    data: Option<Data<'p>>,
}

impl<'p> RecordRef<'p> {
    /// The name that a PTR record points to, or an SRV record's host.
    pub(crate) fn target(&self) -> Option<NameRef<'p>> {
        match self.data {
            Some(Data::Ptr(target) | Data::Srv { target, .. }) => Some(target.of(self.name.packet())),
            _ => None,
        }
    }

    /// Whether the data is what the type calls for; if not, the record is to be skipped.
    pub fn is_sound(&self) -> bool {
        self.data.is_some()
    }

    /// The data, with all names decompressed; `None` if it is not what the type calls for:
    /// then the record is to be skipped.
    pub fn data(&self) -> Option<RecordData> {
        self.data?.decode(self.name.packet(), self.rtype)
    }

    /// Whether the data is `data`: names compare without case, everything else byte by byte.
    /// Addresses, PTR, SRV, TXT and NSEC data are compared where they stand, without a copy.
    pub fn data_is(&self, data: &RecordData) -> bool {
        self.rtype == data.record_type() && self.data.is_some_and(|own| own.is(self.name.packet(), data))
    }
}

/// The records of a message; see [`Message::records`].
#[derive(Debug, Clone)]
pub struct Records<'p> {
    packet: &'p [u8],
    at: usize,
    /// In each section.
    left: [u16; 3],
    names: Names,
    room: usize,
}

impl<'p> Records<'p> {
    fn read(&mut self, section: Section) -> Option<RecordRef<'p>> {
        let (name, fixed) = self.names.read(self.packet, self.at)?;
        let (fixed, rest) = self.packet.get(fixed..)?.split_first_chunk::<10>()?;
        let [t0, t1, c0, c1, l0, l1, l2, l3, d0, d1] = *fixed;
        let rtype = RecordType(u16::from_be_bytes([t0, t1]));
        let class = u16::from_be_bytes([c0, c1]);
        let bytes = rest.get(..u16::from_be_bytes([d0, d1]).into())?;
        let start = self.packet.len().checked_sub(rest.len())?;
        self.at = start.checked_add(bytes.len())?;
        Some(RecordRef {
            section,
            name: name.of(self.packet),
            rtype,
            class: class & !TOP_BIT,
            cache_flush: class & TOP_BIT != 0,
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            data: Data::read(self.packet, start, bytes, rtype, &mut self.names),
        })
    }
}

impl<'p> Iterator for Records<'p> {
    type Item = RecordRef<'p>;

    fn next(&mut self) -> Option<RecordRef<'p>> {
        let (section, left) = match &mut self.left {
            [left @ 1..=u16::MAX, ..] => (Section::Answer, left),
            [_, left @ 1..=u16::MAX, _] => (Section::Authority, left),
            [.., left @ 1..=u16::MAX] => (Section::Additional, left),
            _ => return None,
        };
        *left = left.saturating_sub(1);
        let record = if self.room > 0 { self.read(section) } else { None };
        self.room = self.room.saturating_sub(1);
        if record.is_none() {
            self.left = [0; 3];
        }
        record
    }
}
