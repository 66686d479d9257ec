//! The same bytes to hickory-proto: where both accept a message they agree on what it says.
//!
//! Differences that are meant, and looked past here:
//!
//! - hickory refuses a whole message for one bad record; only messages it accepts count.
//! - We stop at 128 distinct questions, 512 records, 64 KiB of decompressed names and 128
//!   pointers in one name, and take no pointer into the header: what we read may end early
//!   for these reasons and no other.
//! - Equal questions are one to us.
//! - hickory takes OPT records out of the additional section, and calls any record without
//!   data "Update0": no data, of any type. NSEC we read ourselves.
//! - An empty TXT record and one of empty strings mean the same to us (RFC 6763 §6.1).
//! - Types 0 and 128 to 255 are no types of records to us.

use hickory_proto::op::Message as Theirs;
use hickory_proto::rr::{DNSClass, Name as TheirName, RData, Record as TheirRecord};
use salut::wire::{
    MAX_DECOMPRESSED_BYTES, MAX_POINTER_HOPS, MAX_QUESTIONS, MAX_RECORDS, Message, RecordData, RecordType,
    Section,
};

const OPT: u16 = 41;

pub fn run(bytes: &[u8]) {
    let (Ok(ours), Ok(theirs)) = (Message::read(bytes), Theirs::from_vec(bytes)) else { return };
    let header = ours.header();
    assert_eq!(header.id, theirs.metadata.id);
    assert_eq!(header.truncated, theirs.metadata.truncation);
    assert_eq!(header.opcode, u8::from(theirs.metadata.op_code));
    assert_eq!(header.rcode, theirs.metadata.response_code.low());

    let early = Bounds::of(bytes, header.questions).are_met();
    let mut distinct: Vec<(Vec<u8>, u16, u16)> = Vec::new();
    for query in &theirs.queries {
        let key = (wire(&query.name), u16::from(query.query_type), u16::from(query.query_class));
        let same = |seen: &&(Vec<u8>, u16, u16)| {
            seen.0.eq_ignore_ascii_case(&key.0) && (seen.1, seen.2) == (key.1, key.2)
        };
        if distinct.iter().find(same).is_none() {
            distinct.push(key);
        }
    }
    let questions: Vec<_> = ours
        .questions()
        .map(|question| {
            let class = if question.unicast { question.class | 0x8000 } else { question.class };
            (question.name.to_name().wire().to_vec(), question.rtype.0, class)
        })
        .collect();
    assert!(questions.len() == distinct.len() || early || questions.len() == MAX_QUESTIONS);
    assert_eq!(questions, distinct[..questions.len()]);

    let sections = [
        (Section::Answer, &theirs.answers),
        (Section::Authority, &theirs.authorities),
        (Section::Additional, &theirs.additionals),
    ];
    let mut wanted =
        sections.iter().flat_map(|(section, records)| records.iter().map(|record| (*section, record)));
    let mut count = 0;
    for record in ours.records() {
        count += 1;
        if record.section == Section::Additional && record.rtype.0 == OPT {
            continue;
        }
        let (section, their) = wanted.next().expect("a record that hickory has not");
        assert_eq!((record.section, record.rtype.0), (section, u16::from(their.record_type())));
        assert_eq!(record.name.to_name().wire(), wire(&their.name));
        assert_eq!(record.ttl, their.ttl);
        if !matches!(their.dns_class, DNSClass::OPT(_)) {
            let class = if record.cache_flush { record.class | 0x8000 } else { record.class };
            assert_eq!(class, u16::from(their.dns_class));
        }
        check_data(record.data(), their, early);
    }
    assert!(wanted.next().is_none() || early || count == MAX_RECORDS, "records are missing");
}

fn check_data(ours: Option<RecordData>, their: &TheirRecord, early: bool) {
    let name = |name: &TheirName| wire(name);
    let strings = |txt: &hickory_proto::rr::rdata::TXT| -> Vec<Vec<u8>> {
        txt.txt_data.iter().filter(|one| !one.is_empty()).map(|one| one.to_vec()).collect()
    };
    match (&their.data, ours) {
        (RData::A(v4), Some(RecordData::A(ours))) => assert_eq!(v4.0, ours),
        (RData::AAAA(v6), Some(RecordData::Aaaa(ours))) => assert_eq!(v6.0, ours),
        (RData::PTR(ptr), Some(RecordData::Ptr(ours))) => assert_eq!(name(&ptr.0), ours.wire()),
        (RData::SRV(srv), Some(RecordData::Srv(ours))) => {
            assert_eq!((srv.priority, srv.weight, srv.port), (ours.priority, ours.weight, ours.port));
            assert_eq!(name(&srv.target), ours.target.wire());
        }
        (RData::TXT(txt), Some(RecordData::Txt(ours))) => {
            assert_eq!(strings(txt), ours.strings().map(<[u8]>::to_vec).collect::<Vec<_>>());
        }
        (RData::CNAME(cname), Some(RecordData::Other(RecordType::CNAME, ours))) => {
            assert_eq!(name(&cname.0), *ours);
        }
        (RData::NS(ns), Some(RecordData::Other(_, ours))) => assert_eq!(name(&ns.0), *ours),
        (RData::MX(mx), Some(RecordData::Other(_, ours))) => {
            let wanted = [&mx.preference.to_be_bytes()[..], &name(&mx.exchange)].concat();
            assert_eq!(wanted, *ours);
        }
        (RData::SOA(soa), Some(RecordData::Other(_, ours))) => {
            let names = [name(&soa.mname), name(&soa.rname)].concat();
            assert_eq!(names, ours[..ours.len() - 20]);
        }
        (RData::Unknown { code, rdata }, Some(RecordData::Other(rtype, ours))) => {
            assert_eq!(u16::from(*code), rtype.0);
            // What we decompress, they leave as it is.
            let decompressed = [17, 18, 21, 26, 36, 39].contains(&rtype.0);
            assert!(decompressed || *rdata.anything == *ours);
        }
        (
            RData::A(_)
            | RData::AAAA(_)
            | RData::PTR(_)
            | RData::SRV(_)
            | RData::TXT(_)
            | RData::CNAME(_)
            | RData::NS(_)
            | RData::MX(_)
            | RData::SOA(_),
            None,
        ) => assert!(early, "{their:?} is nothing to us"),
        _ => {}
    }
}

/// The uncompressed wire form, in the case it was sent in.
fn wire(name: &TheirName) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.iter() {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    bytes
}

/// How far a message goes to the bounds that only we have. Read without any of them, which a
/// message allows that hickory has accepted.
#[derive(Debug, Default)]
struct Bounds {
    hops: usize,
    into_header: bool,
    names: usize,
}

impl Bounds {
    fn of(bytes: &[u8], questions: u16) -> Self {
        let mut bounds = Self::default();
        let mut at = 12;
        for _ in 0..questions {
            at = bounds.pass_name(bytes, at) + 4;
        }
        while at < bytes.len() {
            at = bounds.pass_name(bytes, at);
            let Some(fixed) = bytes.get(at..at + 10) else { break };
            let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            // Names in the data, wherever they begin.
            for lead in [0, 2, 6] {
                let end = bytes.len().min(at + 10 + length);
                if at + 10 + lead < end {
                    bounds.pass_name(&bytes[..end], at + 10 + lead);
                }
            }
            at += 10 + length;
        }
        bounds
    }

    fn pass_name(&mut self, bytes: &[u8], start: usize) -> usize {
        let (mut at, mut run, mut after, mut hops) = (start, start, None, 0);
        while let Some(&length) = bytes.get(at) {
            match length {
                0 => return after.unwrap_or(at + 1),
                1..=63 => {
                    at += 1 + usize::from(length);
                    self.names += 1 + usize::from(length);
                }
                _ => {
                    let Some(&low) = bytes.get(at + 1) else { break };
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    after = after.or(Some(at + 2));
                    hops += 1;
                    self.hops = self.hops.max(hops);
                    self.names += 1;
                    self.into_header |= target < 12;
                    if target >= run {
                        break;
                    }
                    (at, run) = (target, target);
                }
            }
        }
        after.unwrap_or(bytes.len())
    }

    fn are_met(&self) -> bool {
        self.hops > MAX_POINTER_HOPS || self.into_header || self.names + 2048 > MAX_DECOMPRESSED_BYTES
    }
}
