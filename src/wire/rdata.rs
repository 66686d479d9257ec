//! Record data as it stands in a packet, where names may be compressed (RFC 6762 §18.14).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name_ref::NameRef;
use super::{Nsec, RecordData, RecordType, Srv};
use crate::name::MAX_NAME_BYTES;
use crate::txt::Txt;

/// The data of one record in its packet: names in it may point to what came before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'p> {
    packet: &'p [u8],
    start: usize,
    bytes: &'p [u8],
}

impl<'p> Frame<'p> {
    pub(super) fn new(packet: &'p [u8], start: usize, length: usize) -> Option<Self> {
        let bytes = packet.get(start..)?.get(..length)?;
        Some(Self { packet, start, bytes })
    }

    pub(super) fn end(&self) -> usize {
        self.start.saturating_add(self.bytes.len())
    }

    pub(super) fn decode(&self, rtype: RecordType) -> Option<RecordData> {
        Some(match rtype {
            RecordType::A => RecordData::A(Ipv4Addr::from(<[u8; 4]>::try_from(self.bytes).ok()?)),
            RecordType::AAAA => RecordData::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(self.bytes).ok()?)),
            RecordType::PTR => RecordData::Ptr(self.last_name(0)?.to_name()),
            RecordType::SRV => {
                let (priority, weight, port, target) = self.srv()?;
                RecordData::Srv(Srv { priority, weight, port, target: target.to_name() })
            }
            RecordType::TXT => RecordData::Txt(Txt::from_wire(self.bytes)?),
            RecordType::NSEC => RecordData::Nsec(self.nsec()?),
            // Nothing that could be a record's type: RFC 6895 §3.1 keeps 0 and 128 to 255
            // for questions and for what stands only in messages of other protocols.
            RecordType(0 | 128..=255) => return None,
            other => RecordData::Other(other, self.uncompressed(other)?.into()),
        })
    }

    pub(super) fn is(&self, data: &RecordData) -> bool {
        match data {
            RecordData::A(address) => self.bytes == address.octets(),
            RecordData::Aaaa(address) => self.bytes == address.octets(),
            RecordData::Ptr(name) => self.last_name(0).is_some_and(|other| other.is(name)),
            RecordData::Srv(srv) => self.srv().is_some_and(|(priority, weight, port, target)| {
                (priority, weight, port) == (srv.priority, srv.weight, srv.port) && target.is(&srv.target)
            }),
            // No bytes and any row of empty strings mean the same (RFC 6763 §6.1).
            RecordData::Txt(txt) => {
                self.bytes == txt.wire() || (txt.is_empty() && self.bytes.iter().all(|byte| *byte == 0))
            }
            RecordData::Nsec(_) | RecordData::Other(..) => {
                self.decode(data.record_type()).is_some_and(|other| other == *data)
            }
        }
    }

    /// The name `offset` bytes into the data, and the offset behind it.
    fn name(&self, offset: usize) -> Option<(NameRef<'p>, usize)> {
        let (name, after, _) = NameRef::read(self.packet, self.start.checked_add(offset)?)?;
        (after <= self.end()).then_some((name, after.checked_sub(self.start)?))
    }

    /// The name `offset` bytes into the data, with which the data must end.
    fn last_name(&self, offset: usize) -> Option<NameRef<'p>> {
        let (name, after) = self.name(offset)?;
        (after == self.bytes.len()).then_some(name)
    }

    /// RFC 2782.
    fn srv(&self) -> Option<(u16, u16, u16, NameRef<'p>)> {
        let [p0, p1, w0, w1, o0, o1] = *self.bytes.first_chunk()?;
        let [priority, weight, port] = [[p0, p1], [w0, w1], [o0, o1]].map(u16::from_be_bytes);
        Some((priority, weight, port, self.last_name(6)?))
    }

    /// RFC 4034 §4.1: a name and blocks of a number, a length of 1 to 32 and as many bytes,
    /// the numbers rising. Only block 0 says something here (RFC 6762 §6.1); the next name
    /// says nothing.
    fn nsec(&self) -> Option<Nsec> {
        let (_, after) = self.name(0)?;
        let mut rest = self.bytes.get(after..)?;
        let mut least = 0_u16;
        let mut types = Nsec::default();
        while !rest.is_empty() {
            let ([number, length], tail) = rest.split_first_chunk()?;
            let (bitmap, next) = tail.split_at_checked(usize::from(*length))?;
            if bitmap.is_empty() || bitmap.len() > 32 || u16::from(*number) < least {
                return None;
            }
            if *number == 0 {
                types = Nsec::from_bitmap(bitmap)?;
            }
            least = u16::from(*number).saturating_add(1);
            rest = next;
        }
        Some(types)
    }

    /// The data with its names written out, for types that are not ours to understand.
    fn uncompressed(&self, rtype: RecordType) -> Option<Vec<u8>> {
        let Some(&(_, lead, names, tail)) = LAYOUTS.iter().find(|(layout, ..)| *layout == rtype) else {
            return Some(self.bytes.to_vec());
        };
        let mut bytes = self.bytes.get(..lead)?.to_vec();
        let mut at = lead;
        for _ in 0..names {
            let (name, after) = self.name(at)?;
            bytes.extend_from_slice(name.decode(&mut [0; MAX_NAME_BYTES]));
            at = after;
        }
        let rest = self.bytes.get(at..)?;
        (rest.len() == tail).then(|| {
            bytes.extend_from_slice(rest);
            bytes
        })
    }
}

/// The other types whose names may be compressed (RFC 6762 §18.14): bytes before the names,
/// the number of names, bytes behind them.
const LAYOUTS: [(RecordType, usize, usize, usize); 10] = [
    (RecordType(2), 0, 1, 0), // NS, RFC 1035
    (RecordType::CNAME, 0, 1, 0),
    (RecordType(6), 0, 2, 20), // SOA, RFC 1035
    (RecordType(15), 2, 1, 0), // MX, RFC 1035
    (RecordType(17), 0, 2, 0), // RP, RFC 1183
    (RecordType(18), 2, 1, 0), // AFSDB, RFC 1183
    (RecordType(21), 2, 1, 0), // RT, RFC 1183
    (RecordType(26), 2, 2, 0), // PX, RFC 2163
    (RecordType(36), 2, 1, 0), // KX, RFC 2230
    (RecordType(39), 0, 1, 0), // DNAME, RFC 6672
];
