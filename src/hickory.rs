//! Names and records as [hickory-proto](hickory_proto) has them: for programs that live with
//! it, and for a typed view of what salut itself reads only as bytes, such as HTTPS or CAA.
//!
//! Each record is read on its own, out of bytes that [`wire`](crate::wire) has checked and
//! decompressed: a bad one costs none of its neighbours, and no count in a header makes hickory
//! reserve memory.
//!
//! ```
//! use hickory_proto::rr::{RData, Record};
//! use salut::wire::Message;
//!
//! # let packet = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x05alpha\x05local\0\0\x0d\0\x01\0\0\0\x78\0\x0a\x03ARM\x05LINUX";
//! let message = Message::read(packet)?;
//! for record in message.records() {
//!     if let RData::HINFO(host) = Record::try_from(&record)?.data {
//!         println!("{:?} runs {:?}", record.name, host);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use hickory_proto::rr;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError};

use crate::error::NameError;
use crate::name::Name;
use crate::wire::{CLASS_IN, Record, RecordData, RecordRef};

/// The cache-flush bit in a record's class (RFC 6762 §10.2).
const CACHE_FLUSH: u16 = 0x8000;

impl TryFrom<&Name> for rr::Name {
    type Error = DecodeError;

    /// Absolute, byte by byte as it is.
    fn try_from(name: &Name) -> Result<Self, DecodeError> {
        Self::read(&mut BinDecoder::new(name.wire()))
    }
}

impl TryFrom<&rr::Name> for Name {
    type Error = NameError;

    /// Relative or absolute, it is taken as absolute.
    fn try_from(name: &rr::Name) -> Result<Self, NameError> {
        Self::from_labels(name.iter())
    }
}

impl TryFrom<&Record> for rr::Record {
    type Error = DecodeError;

    fn try_from(record: &Record) -> Result<Self, DecodeError> {
        view(&record.name, CLASS_IN, record.cache_flush, record.ttl, &record.data)
    }
}

impl TryFrom<&RecordRef<'_>> for rr::Record {
    type Error = DecodeError;

    /// Fails for a record that is not [sound](RecordRef::is_sound) as well.
    fn try_from(record: &RecordRef<'_>) -> Result<Self, DecodeError> {
        let data = record.data().ok_or(DecodeError::InsufficientBytes)?;
        view(&record.name.to_name(), record.class, record.cache_flush, record.ttl, &data)
    }
}

/// The record of RFC 1035 §4.1.3 with nothing in it compressed, as hickory reads it.
fn view(
    name: &Name,
    class: u16,
    cache_flush: bool,
    ttl: u32,
    data: &RecordData,
) -> Result<rr::Record, DecodeError> {
    let mut rdata = Vec::new();
    data.write_uncompressed(name, &mut rdata);
    let length = u16::try_from(rdata.len()).map_err(|_| DecodeError::InsufficientBytes)?;
    let mut bytes = name.wire().to_vec();
    bytes.extend(data.record_type().0.to_be_bytes());
    bytes.extend((class | if cache_flush { CACHE_FLUSH } else { 0 }).to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(rdata);
    rr::Record::read(&mut BinDecoder::new(&bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use hickory_proto::rr::RData;

    use super::*;
    use crate::txt::Txt;
    use crate::wire::{Message, Nsec, Packer, RecordType, Section, Srv};

    const INSTANCE: &str = r"Anna\.s\032Büro._exo._tcp.local";

    fn records() -> Vec<Record> {
        let instance: Name = INSTANCE.parse().unwrap();
        let host: Name = "Alpha.local".parse().unwrap();
        let srv = Srv { priority: 1, weight: 2, port: 52415, target: host.clone() };
        let record = |name: &Name, ttl, data| Record { name: name.clone(), cache_flush: true, ttl, data };
        vec![
            record(&host, 120, RecordData::A([10, 0, 0, 1].into())),
            record(&host, 120, RecordData::Aaaa("fe80::1".parse().unwrap())),
            record(&instance, 120, RecordData::Srv(srv)),
            record(&instance, 4500, RecordData::Txt(Txt::new().with("k", b"\xff=\0").unwrap())),
            record(&instance, 4500, RecordData::Ptr(host.clone())),
            record(&host, 120, RecordData::Nsec(Nsec::new([RecordType::A]))),
            record(&host, 9, RecordData::Other(RecordType(13), b"\x03ARM\x05LINUX".as_slice().into())),
        ]
    }

    #[test]
    fn a_name_keeps_its_bytes_both_ways() {
        for text in [INSTANCE, "Alpha.local", "."] {
            let name: Name = text.parse().unwrap();
            let there = rr::Name::try_from(&name).unwrap();
            assert!(there.is_fqdn());
            assert_eq!(Name::try_from(&there).unwrap().wire(), name.wire(), "{text}");
        }
        let relative = rr::Name::from_labels(["alpha", "local"]).unwrap();
        assert_eq!(Name::try_from(&relative).unwrap().wire(), b"\x05alpha\x05local\0");
    }

    #[test]
    fn a_record_says_there_what_it_says_here_kept_or_in_its_packet() {
        let mut packer = Packer::response(1440);
        for Record { name, cache_flush, ttl, data } in &records() {
            packer.record(Section::Answer, name, *cache_flush, *ttl, data).unwrap();
        }
        let packet = packer.finish();
        let message = Message::read(&packet).unwrap();
        for (read, kept) in message.records().zip(&records()) {
            let there = rr::Record::try_from(kept).unwrap();
            assert_eq!(rr::Record::try_from(&read).unwrap(), there);
            assert_eq!(Name::try_from(&there.name).unwrap(), kept.name);
            assert_eq!((there.ttl, there.mdns_cache_flush), (kept.ttl, true));
            assert_eq!(u16::from(there.record_type()), kept.data.record_type().0);
        }
        assert_eq!(message.records().count(), records().len());
    }

    #[test]
    fn other_types_are_seen_by_their_fields() {
        let there = rr::Record::try_from(records().last().unwrap()).unwrap();
        let RData::HINFO(host) = &there.data else { panic!("{there:?}") };
        assert_eq!((&*host.cpu, &*host.os), (b"ARM".as_slice(), b"LINUX".as_slice()));
        let broken = RecordData::Other(RecordType(13), b"\x09ARM".as_slice().into());
        let broken = Record { data: broken, ..records().pop().unwrap() };
        assert!(rr::Record::try_from(&broken).is_err());
    }
}
