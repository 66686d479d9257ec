//! Record data as it stands in a packet, where names may be compressed (RFC 6762 §18.14).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::checked::End;
use super::names::Names;
use super::record::without_zeros;
use super::{Nsec, RecordData, RecordType, Srv};
use crate::name::MAX_NAME_BYTES;
use crate::txt::Txt;

/// The data of one record, checked: names in it may point to what came before. Small, since
/// every record carries one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Data<'p> {
    A(&'p [u8; 4]),
    Aaaa(&'p [u8; 16]),
    Ptr(End),
    Srv {
        fixed: &'p [u8; 6],
        target: End,
    },
    Txt(&'p [u8]),
    /// The bitmap of block 0.
    Nsec(&'p [u8]),
    /// Of a type that is not ours to understand: where it stands, and the names in it.
    Other {
        start: u16,
        length: u16,
        names: [Option<End>; 2],
    },
}

impl<'p> Data<'p> {
    /// Reads the `bytes` at `start`; `None` if they are not what the type calls for.
    pub(super) fn read(
        packet: &'p [u8],
        start: usize,
        bytes: &'p [u8],
        rtype: RecordType,
        names: &mut Names,
    ) -> Option<Self> {
        let mut frame = Frame { packet, start, bytes, names };
        Some(match rtype {
            RecordType::A => Self::A(bytes.try_into().ok()?),
            RecordType::AAAA => Self::Aaaa(bytes.try_into().ok()?),
            RecordType::PTR => Self::Ptr(frame.last_name(0)?),
            // RFC 2782.
            RecordType::SRV => Self::Srv { fixed: bytes.first_chunk()?, target: frame.last_name(6)? },
            RecordType::TXT => Self::Txt(crate::txt::is_sound(bytes).then_some(bytes)?),
            RecordType::NSEC => Self::Nsec(frame.nsec()?),
            // Nothing that could be a record's type: RFC 6895 §3.1 keeps 0 and 128 to 255
            // for questions and for what stands only in messages of other protocols.
            RecordType(0 | 128..=255) => return None,
            other => frame.other(other)?,
        })
    }

    /// The data of a record of type `rtype` in this packet.
    pub(super) fn decode(self, packet: &[u8], rtype: RecordType) -> Option<RecordData> {
        Some(match self {
            Self::A(octets) => RecordData::A(Ipv4Addr::from(*octets)),
            Self::Aaaa(octets) => RecordData::Aaaa(Ipv6Addr::from(*octets)),
            Self::Ptr(name) => RecordData::Ptr(name.of(packet).to_name()),
            Self::Srv { fixed, target } => {
                let [priority, weight, port] = srv_numbers(*fixed);
                RecordData::Srv(Srv { priority, weight, port, target: target.of(packet).to_name() })
            }
            Self::Txt(bytes) => RecordData::Txt(Txt::from_wire(bytes)?),
            Self::Nsec(bitmap) => RecordData::Nsec(Nsec::from_bitmap(bitmap)?),
            Self::Other { start, length, names } => {
                let bytes = packet.get(start.into()..)?.get(..length.into())?;
                let Layout { lead, tail, .. } = Layout::of(rtype, bytes);
                let mut whole = bytes.get(..lead)?.to_vec();
                for name in names.into_iter().flatten() {
                    whole.extend_from_slice(name.of(packet).decode(&mut [0; MAX_NAME_BYTES]));
                }
                whole.extend_from_slice(bytes.get(bytes.len().checked_sub(tail)?..)?);
                RecordData::Other(rtype, whole.into())
            }
        })
    }

    pub(super) fn is(self, packet: &[u8], data: &RecordData) -> bool {
        match (self, data) {
            (Self::A(octets), RecordData::A(address)) => *octets == address.octets(),
            (Self::Aaaa(octets), RecordData::Aaaa(address)) => *octets == address.octets(),
            (Self::Ptr(name), RecordData::Ptr(other)) => name.of(packet).is(other),
            (Self::Srv { fixed, target }, RecordData::Srv(srv)) => {
                srv_numbers(*fixed) == [srv.priority, srv.weight, srv.port]
                    && target.of(packet).is(&srv.target)
            }
            // No bytes and any row of empty strings mean the same (RFC 6763 §6.1).
            (Self::Txt(bytes), RecordData::Txt(txt)) => {
                bytes == txt.wire() || (txt.is_empty() && bytes.iter().all(|byte| *byte == 0))
            }
            (Self::Nsec(bitmap), RecordData::Nsec(nsec)) => without_zeros(bitmap) == nsec.bitmap(),
            (Self::Other { .. }, RecordData::Other(rtype, _)) => {
                self.decode(packet, *rtype).is_some_and(|own| own == *data)
            }
            _ => false,
        }
    }
}

fn srv_numbers([p0, p1, w0, w1, o0, o1]: [u8; 6]) -> [u16; 3] {
    [[p0, p1], [w0, w1], [o0, o1]].map(u16::from_be_bytes)
}

/// Where a record's data stands.
struct Frame<'p, 'n> {
    packet: &'p [u8],
    start: usize,
    bytes: &'p [u8],
    names: &'n mut Names,
}

impl<'p> Frame<'p, '_> {
    /// The name `offset` bytes into the data, and the offset behind it.
    fn name(&mut self, offset: usize) -> Option<(End, usize)> {
        let (name, after) = self.names.read(self.packet, self.start.checked_add(offset)?)?;
        let after = after.checked_sub(self.start)?;
        (after <= self.bytes.len()).then_some((name, after))
    }

    /// The name `offset` bytes into the data, with which the data must end.
    fn last_name(&mut self, offset: usize) -> Option<End> {
        let (name, after) = self.name(offset)?;
        (after == self.bytes.len()).then_some(name)
    }

    /// RFC 4034 §4.1: a name and blocks of a number, a length of 1 to 32 and as many bytes,
    /// the numbers rising. Only block 0 says something here (RFC 6762 §6.1); the next name
    /// says nothing.
    fn nsec(&mut self) -> Option<&'p [u8]> {
        let (_, after) = self.name(0)?;
        let mut rest = self.bytes.get(after..)?;
        let mut least = 0_u16;
        let mut types: &[u8] = &[];
        while !rest.is_empty() {
            let ([number, length], tail) = rest.split_first_chunk()?;
            let (bitmap, next) = tail.split_at_checked(usize::from(*length))?;
            if bitmap.is_empty() || bitmap.len() > 32 || u16::from(*number) < least {
                return None;
            }
            if *number == 0 {
                types = bitmap;
            }
            least = u16::from(*number).saturating_add(1);
            rest = next;
        }
        Some(types)
    }

    fn other(&mut self, rtype: RecordType) -> Option<Data<'p>> {
        let Layout { lead, names: count, tail, .. } = Layout::of(rtype, self.bytes);
        let mut at = lead;
        let mut names = [None; 2];
        for name in names.iter_mut().take(count) {
            let (read, after) = self.name(at)?;
            *name = Some(read);
            at = after;
        }
        if self.bytes.len().checked_sub(at)? != tail {
            return None;
        }
        let (start, length) = (u16::try_from(self.start).ok()?, u16::try_from(self.bytes.len()).ok()?);
        Some(Data::Other { start, length, names })
    }
}

/// What the data of a type is made of: bytes, names that may be compressed, bytes.
#[derive(Debug, Clone, Copy)]
struct Layout {
    rtype: RecordType,
    lead: usize,
    names: usize,
    tail: usize,
}

impl Layout {
    const fn new(rtype: RecordType, lead: usize, names: usize, tail: usize) -> Self {
        Self { rtype, lead, names, tail }
    }

    /// That of the type, or of nothing but these bytes.
    fn of(rtype: RecordType, bytes: &[u8]) -> Self {
        let known = LAYOUTS.iter().find(|layout| layout.rtype == rtype);
        known.copied().unwrap_or(Self::new(rtype, bytes.len(), 0, 0))
    }
}

/// The other types whose names may be compressed (RFC 6762 §18.14).
const LAYOUTS: [Layout; 10] = [
    Layout::new(RecordType(2), 0, 1, 0), // NS, RFC 1035
    Layout::new(RecordType::CNAME, 0, 1, 0),
    Layout::new(RecordType(6), 0, 2, 20), // SOA, RFC 1035
    Layout::new(RecordType(15), 2, 1, 0), // MX, RFC 1035
    Layout::new(RecordType(17), 0, 2, 0), // RP, RFC 1183
    Layout::new(RecordType(18), 2, 1, 0), // AFSDB, RFC 1183
    Layout::new(RecordType(21), 2, 1, 0), // RT, RFC 1183
    Layout::new(RecordType(26), 2, 2, 0), // PX, RFC 2163
    Layout::new(RecordType(36), 2, 1, 0), // KX, RFC 2230
    Layout::new(RecordType(39), 0, 1, 0), // DNAME, RFC 6672
];
