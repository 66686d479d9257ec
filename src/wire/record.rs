//! Records and their data, decoded.

use std::cmp::Ordering;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::name::Name;
use crate::txt::Txt;

/// A record type by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

impl RecordType {
    /// IPv4 address (RFC 1035).
    pub const A: Self = Self(1);
    /// Alias (RFC 1035).
    pub const CNAME: Self = Self(5);
    /// Pointer: service type to instance, address to host (RFC 1035).
    pub const PTR: Self = Self(12);
    /// Host information (RFC 1035).
    pub const HINFO: Self = Self(13);
    /// Attributes (RFC 1035, RFC 6763 §6).
    pub const TXT: Self = Self(16);
    /// IPv6 address (RFC 3596).
    pub const AAAA: Self = Self(28);
    /// Host and port of a service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// EDNS(0) pseudo-record (RFC 6891).
    pub const OPT: Self = Self(41);
    /// Which types a name has (RFC 6762 §6.1).
    pub const NSEC: Self = Self(47);
    /// Every type, in questions (RFC 1035 §3.2.3).
    pub const ANY: Self = Self(255);
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::A => "A",
            Self::CNAME => "CNAME",
            Self::PTR => "PTR",
            Self::HINFO => "HINFO",
            Self::TXT => "TXT",
            Self::AAAA => "AAAA",
            Self::SRV => "SRV",
            Self::OPT => "OPT",
            Self::NSEC => "NSEC",
            Self::ANY => "ANY",
            Self(other) => return write!(f, "TYPE{other}"),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The section of a message that a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Answers; in a query, the known answers (RFC 6762 §7.1).
    Answer,
    /// Authority; in a query, the records a prober proposes (RFC 6762 §8.2).
    Authority,
    /// Additional records.
    Additional,
}

/// The data of an SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Srv {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: Name,
}

/// The data of an NSEC record in its multicast form (RFC 6762 §6.1): the types a name has.
/// Only block 0 of the bitmap (types 0 to 255) is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Nsec {
    /// The bits of types 0 to 255, from the top bit of the first byte on, without
    /// trailing zero bytes.
    bitmap: Vec<u8>,
}

impl Nsec {
    /// The types given, as far as they are below 256.
    pub fn new(types: impl IntoIterator<Item = RecordType>) -> Self {
        let mut bitmap = Vec::new();
        for RecordType(number) in types {
            let Ok(number) = u8::try_from(number) else { continue };
            let at = usize::from(number / 8);
            if bitmap.len() <= at {
                bitmap.resize(at.saturating_add(1), 0_u8);
            }
            if let Some(byte) = bitmap.get_mut(at) {
                *byte |= 0x80 >> (number % 8);
            }
        }
        Self { bitmap }
    }

    /// From the bytes of window block 0; `None` if there are more than 32.
    pub fn from_bitmap(bitmap: &[u8]) -> Option<Self> {
        (bitmap.len() <= 32).then(|| Self { bitmap: without_zeros(bitmap).to_vec() })
    }

    /// The bytes of window block 0, without trailing zeros.
    pub fn bitmap(&self) -> &[u8] {
        &self.bitmap
    }

    /// Whether the name has a record of type `rtype`.
    pub fn has(&self, rtype: RecordType) -> bool {
        u8::try_from(rtype.0).is_ok_and(|number| {
            self.bitmap.get(usize::from(number / 8)).is_some_and(|byte| byte & (0x80 >> (number % 8)) != 0)
        })
    }
}

/// A bitmap without the zero bytes at its end.
pub(super) fn without_zeros(bitmap: &[u8]) -> &[u8] {
    let end = bitmap.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
    bitmap.get(..end).unwrap_or_default()
}

/// The data of a record. Names inside compare without case, everything else byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name pointed to.
    Ptr(Name),
    /// Host and port.
    Srv(Srv),
    /// Attributes.
    Txt(Txt),
    /// The types a name has.
    Nsec(Nsec),
    /// Any other type: its number, and its data with all names decompressed.
    Other(RecordType, Arc<[u8]>),
}

impl RecordData {
    /// The type this data belongs to.
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Ptr(_) => RecordType::PTR,
            Self::Srv(_) => RecordType::SRV,
            Self::Txt(_) => RecordType::TXT,
            Self::Nsec(_) => RecordType::NSEC,
            Self::Other(rtype, _) => *rtype,
        }
    }

    /// Appends the data with every name uncompressed, as tie-breaking compares it
    /// (RFC 6762 §8.2). `owner` is the record's name, which NSEC repeats (§6.1).
    pub fn write_uncompressed(&self, owner: &Name, to: &mut Vec<u8>) {
        match self {
            Self::A(address) => to.extend_from_slice(&address.octets()),
            Self::Aaaa(address) => to.extend_from_slice(&address.octets()),
            Self::Ptr(name) => to.extend_from_slice(name.wire()),
            Self::Srv(srv) => {
                to.extend_from_slice(&srv.priority.to_be_bytes());
                to.extend_from_slice(&srv.weight.to_be_bytes());
                to.extend_from_slice(&srv.port.to_be_bytes());
                to.extend_from_slice(srv.target.wire());
            }
            Self::Txt(txt) => to.extend_from_slice(txt.wire()),
            Self::Nsec(nsec) => {
                to.extend_from_slice(owner.wire());
                // RFC 4034 §4.1.2: a block without types is left out.
                if !nsec.bitmap.is_empty() {
                    to.push(0);
                    to.push(u8::try_from(nsec.bitmap.len()).unwrap_or_default());
                    to.extend_from_slice(&nsec.bitmap);
                }
            }
            Self::Other(_, bytes) => to.extend_from_slice(bytes),
        }
    }
}

/// A record of class IN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The owner name.
    pub name: Name,
    /// The cache-flush bit (RFC 6762 §10.2).
    pub cache_flush: bool,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// The data, which tells the type.
    pub data: RecordData,
}

impl Record {
    /// The order of RFC 6762 §8.2: class (always IN here), type, then the uncompressed data
    /// as unsigned bytes, where the longer of two wins over its own beginning.
    pub fn tie_break(&self, other: &Self) -> Ordering {
        let raw = |record: &Self| {
            let mut bytes = Vec::new();
            record.data.write_uncompressed(&record.name, &mut bytes);
            bytes
        };
        (self.data.record_type().cmp(&other.data.record_type())).then_with(|| raw(self).cmp(&raw(other)))
    }
}
