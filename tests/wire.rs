//! Messages from bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;

use salut::wire::{
    MAX_DECOMPRESSED_BYTES, MAX_PAYLOAD_BYTES, MAX_POINTER_HOPS, MAX_QUESTIONS, MAX_RECORDS, Malformed,
    Message, Packer, RecordData, RecordType, Section,
};
use salut::{Name, Txt};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn a(last: u8) -> RecordData {
    RecordData::A(Ipv4Addr::new(192, 0, 2, last))
}

/// A message by hand: the four counts, then the bytes behind the header.
fn message(response: bool, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, if response { 0x84 } else { 0 }, 0];
    counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_be_bytes()));
    bytes.extend_from_slice(body);
    bytes
}

/// A record by hand: type, class IN, TTL 120, and the data behind its length.
fn record(owner: &[u8], rtype: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend_from_slice(&rtype.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 0, 120]);
    bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A response of these records alone.
fn response(records: &[Vec<u8>]) -> Vec<u8> {
    message(true, [0, u16::try_from(records.len()).unwrap(), 0, 0], &records.concat())
}

/// The data of one record `x.local` of a type, as it is read.
fn read_data(rtype: u16, data: &[u8]) -> Option<RecordData> {
    let packet = response(&[record(b"\x01x\x05local\0", rtype, data)]);
    let message = Message::read(&packet).unwrap();
    let record = message.records().next().expect("the framing is right");
    assert_eq!(record.rtype, RecordType(rtype));
    record.data()
}

// ---- header -------------------------------------------------------------------------

#[test]
fn header_fields() {
    let mut bytes = message(true, [0; 4], &[]);
    bytes[0..4].copy_from_slice(&[0x12, 0x34, 0b1010_1110, 0b1111_0101]);
    let header = Message::read(&bytes).unwrap().header();
    assert_eq!(header.id, 0x1234);
    assert!(header.response);
    assert_eq!(header.opcode, 0b0101);
    assert!(header.truncated);
    assert_eq!(header.rcode, 0b0101);
}

#[test]
fn a_header_that_promises_too_much_is_no_message() {
    assert_eq!(Message::read(&[]).unwrap_err(), Malformed::TooShort { bytes: 0 });
    assert_eq!(Message::read(&[0; 11]).unwrap_err(), Malformed::TooShort { bytes: 11 });
    assert!(Message::read(&[0; 12]).is_ok());
    assert!(Message::read(&[0; MAX_PAYLOAD_BYTES]).is_ok());
    let bytes = MAX_PAYLOAD_BYTES + 1;
    assert_eq!(Message::read(&vec![0; bytes]).unwrap_err(), Malformed::TooLong { bytes });
    assert!(Message::read(&message(false, [1, 0, 0, 1], &[0; 16])).is_ok());
    assert_eq!(
        Message::read(&message(false, [1, 0, 0, 1], &[0; 15])).unwrap_err(),
        Malformed::Counts { questions: 1, records: 1, bytes: 27 }
    );
    assert!(Message::read(&message(false, [u16::MAX; 4], &[0; 8000])).is_err());
}

#[test]
fn what_is_there_is_read_when_the_counts_are_too_high() {
    let good = record(b"\x01x\x05local\0", 1, &[192, 0, 2, 1]);
    let mut packet = message(true, [0, 2, 0, 0], &good);
    assert_eq!(Message::read(&packet).unwrap().records().count(), 1);
    // And no more than the header counts when it is too low.
    packet = message(true, [0, 1, 0, 0], &[good.clone(), good].concat());
    assert_eq!(Message::read(&packet).unwrap().records().count(), 1);
}

// ---- names --------------------------------------------------------------------------

/// The name at the front of a question behind `lead`, which stands in a first question.
fn question_name(lead: &[u8], asked: &[u8]) -> Option<Name> {
    let body = [lead, &[0, 12, 0, 1], asked, &[0, 12, 0, 1]].concat();
    let packet = message(false, [2, 0, 0, 0], &body);
    let message = Message::read(&packet).unwrap();
    message.questions().nth(1).map(|question| question.name.to_name())
}

#[test]
fn pointers_lead_backwards() {
    let lead = b"\x03foo\x05local\0";
    assert_eq!(question_name(lead, b"\x01x\xc0\x0c"), Some(name("x.foo.local")));
    assert_eq!(question_name(lead, b"\xc0\x10"), Some(name("local")));
    // Into the middle of a label it reads as what stands there.
    assert_eq!(question_name(b"\x03\x01aa\0", b"\xc0\x0d"), None, "a length that runs on");
    let own = 12 + 11 + 4;
    assert_eq!(question_name(lead, &[0xc0, own]), None, "to itself");
    assert_eq!(question_name(lead, &[1, b'x', 0xc0, own]), None, "to the start of its own labels");
    assert_eq!(question_name(lead, &[1, b'x', 0xc0, own + 2]), None, "to itself behind a label");
    assert_eq!(question_name(lead, &[0xc0, own + 2]), None, "forwards");
    assert_eq!(question_name(lead, &[0xff, 0xff]), None, "past the end");
    for header in 0..12 {
        assert_eq!(question_name(lead, &[0xc0, header]), None, "into the header");
    }
}

#[test]
fn a_name_follows_no_more_pointers_than_allowed() {
    // The data of a first record: a name, and pointers each to the one before.
    let first_pointer = 12 + 1 + 10 + 3;
    let chained = |hops: usize| {
        let mut chain = b"\x01x\0".to_vec();
        chain.extend_from_slice(&[0xc0, 23]);
        for hop in 1..hops - 1 {
            let at = u16::try_from(first_pointer + 2 * (hop - 1)).unwrap();
            chain.extend_from_slice(&(0xc000 | at).to_be_bytes());
        }
        let last = u16::try_from(first_pointer + 2 * (hops - 2)).unwrap();
        let records = [record(b"\0", 0xff00, &chain), record(&(0xc000 | last).to_be_bytes(), 1, &[0; 4])];
        let packet = response(&records);
        Message::read(&packet).unwrap().records().nth(1).map(|record| record.name.to_name())
    };
    assert_eq!(chained(2), Some(name("x")));
    assert_eq!(chained(MAX_POINTER_HOPS), Some(name("x")));
    assert_eq!(chained(MAX_POINTER_HOPS + 1), None);
}

#[test]
fn label_types_and_lengths() {
    let lead = b"\x05local\0";
    assert_eq!(question_name(lead, b"\x40x\0"), None);
    assert_eq!(question_name(lead, b"\x80x\0"), None);
    let label = |length: u8| [&[length][..], &vec![b'x'; usize::from(length)]].concat();
    let long = |last: u8| [label(63), label(63), label(63), label(last), vec![0]].concat();
    assert_eq!(long(61).len(), 255);
    assert!(question_name(lead, &long(61)).is_some());
    assert_eq!(question_name(lead, &long(62)), None, "256 bytes");
    let labels = |count: usize| [b"\x01x".repeat(count), vec![0]].concat();
    assert_eq!(question_name(lead, &labels(127)).unwrap().labels().count(), 127);
    assert_eq!(question_name(lead, &labels(128)), None);
    // 255 bytes is the bound of the whole name, not of its last run of labels.
    assert!(question_name(&labels(126), b"\x01x\xc0\x0c").is_some());
    assert_eq!(question_name(&labels(126), b"\x02xx\xc0\x0c"), None);
}

#[test]
fn names_compare_as_they_should() {
    let packet = message(false, [1, 0, 0, 0], b"\x05B\xc3\xbcRo\x05LOCAL\0\0\x0c\x00\x01");
    let message = Message::read(&packet).unwrap();
    let read = message.questions().next().unwrap().name;
    assert!(read.is(&name("büro.local")));
    assert!(!read.is(&name("bÜro.local")), "other bytes than ASCII compare exactly");
    assert!(!read.is(&name("büro.loca1")));
    assert!(!read.is(&name("büro.local.local")));
    assert!(!read.is(&name("local")));
    assert!(read.is_local());
    assert_eq!(read.to_string(), "BüRo.LOCAL");
}

// ---- questions ----------------------------------------------------------------------

#[test]
fn a_question_is_given_out_once() {
    let foo = b"\x03foo\x05local\0";
    let body = [
        &foo[..],
        &[0, 12, 0, 1],
        b"\x03FOO\xc0\x10",
        &[0, 12, 0, 1],
        &[0xc0, 12, 0, 12, 0x80, 1],
        &[0xc0, 12, 0, 16, 0, 1],
        &[0xc0, 12, 0, 12, 0, 255],
        &[0xc0, 12, 0, 12, 0, 1],
    ]
    .concat();
    let packet = message(false, [6, 0, 0, 0], &body);
    let message = Message::read(&packet).unwrap();
    let read: Vec<_> = message.questions().map(|q| (q.rtype.0, q.class, q.unicast)).collect();
    assert_eq!(read, [(12, 1, false), (12, 1, true), (16, 1, false), (12, 255, false)]);
}

/// Two labels of twelve bytes whose names have the same hash.
fn colliding_labels() -> (Vec<u8>, Vec<u8>) {
    let mut seen = std::collections::HashMap::new();
    for number in 0..1_000_000_u64 {
        let label = format!("{:012x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
        let fnv = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let hash = [&[12], label.as_bytes(), b"\x05local\0"].concat().iter().fold(0x811c_9dc5, fnv);
        if let Some(other) = seen.insert(hash, label.clone()) {
            return (other.into_bytes(), label.into_bytes());
        }
    }
    panic!("no collision among a million");
}

#[test]
fn questions_whose_hashes_meet_are_both_given_out() {
    let (one, two) = colliding_labels();
    let local = b"\x05local\0\0\x0c\0\x01";
    let body = [&[12][..], &one, local, &[12], &two, local, &[12], &one, local].concat();
    let packet = message(false, [3, 0, 0, 0], &body);
    let message = Message::read(&packet).unwrap();
    let read: Vec<_> =
        message.questions().map(|q| q.name.to_name().labels().next().unwrap().to_vec()).collect();
    assert_eq!(read, [one, two]);
}

#[test]
fn further_questions_are_passed_over_and_records_reached() {
    let mut body = Vec::new();
    for number in 0..300_u16 {
        body.extend_from_slice(&[2]);
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(&[0, 0, 12, 0, 1]);
    }
    body.extend(record(b"\x01x\x05local\0", 1, &[192, 0, 2, 1]));
    let packet = message(false, [300, 0, 1, 0], &body);
    let message = Message::read(&packet).unwrap();
    assert_eq!(message.questions().count(), MAX_QUESTIONS);
    let record = message.records().next().unwrap();
    assert_eq!(record.section, Section::Authority);
    assert!(record.data_is(&a(1)));
}

#[test]
fn no_records_behind_questions_that_cannot_be_framed() {
    let good = record(b"\x01x\x05local\0", 1, &[192, 0, 2, 1]);
    for bad in [&b"\x01x\x40\0"[..], b"\xc0\x0c", b"\xc0\x20", b"\xc0\x02"] {
        let body = [bad, &[0, 12, 0, 1], &good].concat();
        let packet = message(false, [1, 1, 0, 0], &body);
        let message = Message::read(&packet).unwrap();
        assert_eq!(message.questions().count(), 0);
        assert_eq!(message.records().count(), 0);
    }
}

// ---- records ------------------------------------------------------------------------

#[test]
fn bad_data_costs_only_its_own_record() {
    let x = b"\x01x\x05local\0";
    let bad: [(u16, &[u8]); 12] = [
        (1, &[1, 2, 3]),
        (28, &[0; 17]),
        (12, &[]),
        (12, b"\x01y\0\0"),
        (12, b"\x01y"),
        (12, b"\x05y"),
        (33, &[0, 0, 0, 0, 0, 80]),
        (33, &[0, 0, 0, 0, 0, 80, 0xc0, 0xff]),
        (16, &[5, b'a']),
        (47, &[0xc0, 12, 0, 33]),
        (6, b"\0\0\0\0"),
        (255, &[192, 0, 2, 9]),
    ];
    for (rtype, data) in bad {
        let records = [
            record(b"\x04good\x05local\0", 1, &[192, 0, 2, 1]),
            record(x, rtype, data),
            record(b"\x05good2\x05local\0", 1, &[192, 0, 2, 2]),
        ];
        let packet = response(&records);
        let read: Vec<_> = Message::read(&packet).unwrap().records().map(|record| record.data()).collect();
        assert_eq!(read, [Some(a(1)), None, Some(a(2))], "type {rtype}");
    }
}

#[test]
fn a_name_in_data_ends_with_the_data() {
    // The name would end at the root of the next record's owner.
    let records = [record(b"\0", 12, b"\x01y"), record(b"\0", 1, &[192, 0, 2, 1])];
    let packet = response(&records);
    let read: Vec<_> = Message::read(&packet).unwrap().records().map(|record| record.data()).collect();
    assert_eq!(read, [None, Some(a(1))]);
}

#[test]
fn lost_framing_ends_the_message() {
    let good = record(b"\x04good\x05local\0", 1, &[192, 0, 2, 1]);
    let bad_owner = record(b"\x01x\x80\0", 1, &[192, 0, 2, 1]);
    let packet = response(&[good.clone(), bad_owner, good.clone()]);
    assert_eq!(Message::read(&packet).unwrap().records().count(), 1);

    let mut past_end = record(b"\x01x\x05local\0", 1, &[192, 0, 2, 1]);
    let length = past_end.len() - 5;
    past_end[length] = 200;
    let packet = response(&[good.clone(), past_end, good]);
    let mut records = Message::read(&packet).unwrap().records();
    assert!(records.next().is_some());
    assert!(records.next().is_none());
    assert!(records.next().is_none(), "and stays so");
}

#[test]
fn a_huge_ttl_is_told_as_it_is() {
    let mut packet = response(&[record(b"\x01x\x05local\0", 1, &[192, 0, 2, 1])]);
    let ttl = packet.len() - 10;
    packet[ttl..ttl + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Message::read(&packet).unwrap().records().next().unwrap().ttl, u32::MAX);
}

#[test]
fn work_is_bounded_whatever_the_packet_holds() {
    // As many records as fit.
    let tiny = response(&vec![record(b"\0", 0xff00, &[]); 800]);
    assert_eq!(Message::read(&tiny).unwrap().records().count(), MAX_RECORDS);

    // Two bytes a name that stand for 255.
    let long = [b"\x01x".repeat(127), vec![0]].concat();
    let mut records = vec![record(&long, 0xff00, &[])];
    records.resize(700, record(&[0xc0, 12], 0xff00, &[]));
    let packet = response(&records);
    let read = Message::read(&packet).unwrap().records().count();
    assert!((200..=MAX_DECOMPRESSED_BYTES / 255).contains(&read), "{read}");

    let mut body = [&long[..], &[0, 12, 0, 1]].concat();
    for rtype in 0..1000_u16 {
        body.extend_from_slice(&[0xc0, 12, rtype.to_be_bytes()[0], rtype.to_be_bytes()[1], 0, 2]);
    }
    let packet = message(false, [1001, 0, 0, 0], &body);
    assert!(Message::read(&packet).unwrap().questions().count() <= MAX_QUESTIONS);
}

#[test]
fn unknown_types_keep_their_bytes_and_known_ones_their_names() {
    let raw = |rtype, bytes: &[u8]| Some(RecordData::Other(RecordType(rtype), bytes.into()));
    // Not a type whose names may be compressed: 0xc00c means nothing in it.
    assert_eq!(read_data(65280, &[1, 2, 0xc0, 12]), raw(65280, &[1, 2, 0xc0, 12]));
    assert_eq!(read_data(41, &[0, 4, 0, 0]), raw(41, &[0, 4, 0, 0]));
    assert_eq!(read_data(13, &[]), raw(13, &[]));
    // RFC 6762 §18.14; 0xc00c is x.local.
    let x = b"\x01x\x05local\0";
    for rtype in [2, 5, 39] {
        assert_eq!(read_data(rtype, &[0xc0, 12]), raw(rtype, x));
        assert_eq!(read_data(rtype, &[0xc0, 12, 0]), None);
    }
    for rtype in [15, 18, 21, 36] {
        assert_eq!(read_data(rtype, &[0, 5, 0xc0, 12]), raw(rtype, &[&[0, 5], &x[..]].concat()));
        assert_eq!(read_data(rtype, &[0]), None);
    }
    assert_eq!(read_data(17, &[0xc0, 12, 0xc0, 14]), raw(17, &[&x[..], b"\x05local\0"].concat()));
    assert_eq!(read_data(26, &[0, 5, 0xc0, 12, 0]), raw(26, &[&[0, 5], &x[..], b"\0"].concat()));
    let soa = [&[0xc0, 12, 0xc0, 12][..], &[7; 20]].concat();
    assert_eq!(read_data(6, &soa), raw(6, &[&x[..], x, &[7; 20]].concat()));
    assert_eq!(read_data(6, &soa[..23]), None);
}

#[test]
fn an_empty_txt_is_one_zero_byte() {
    for (data, same) in [(&[][..], true), (&[0], true), (&[0, 0, 0], true), (&[1, b'a'], false)] {
        let packet = response(&[record(b"\x01x\x05local\0", 16, data)]);
        let record = Message::read(&packet).unwrap().records().next().unwrap();
        assert_eq!(record.data_is(&RecordData::Txt(Txt::new())), same);
        assert_eq!(record.data().unwrap() == RecordData::Txt(Txt::new()), same);
    }
    let mut packer = Packer::response(1440);
    packer.record(Section::Answer, &name("x.local"), true, 120, &RecordData::Txt(Txt::new())).unwrap();
    assert!(packer.finish().ends_with(&[0, 0, 0, 120, 0, 1, 0]));
}

#[test]
fn nsec_bitmaps() {
    let types = |data: &[u8]| match read_data(47, &[&[0xc0, 12], data].concat())? {
        RecordData::Nsec(nsec) => Some((nsec.has(RecordType::A), nsec.has(RecordType::SRV))),
        other => panic!("{other:?}"),
    };
    assert_eq!(types(&[0, 1, 0x40]), Some((true, false)));
    assert_eq!(types(&[0, 5, 0, 0, 0, 0, 0x40]), Some((false, true)));
    assert_eq!(types(&[0, 1, 0x40, 1, 2, 0xff, 0xff]), Some((true, false)), "other blocks say nothing");
    assert_eq!(types(&[1, 1, 0x40]), Some((false, false)));
    assert_eq!(types(&[0, 0]), None);
    assert_eq!(types(&[0]), None);
    assert_eq!(types(&[0, 2, 0x40]), None);
    assert_eq!(types(&[&[0, 33][..], &[0; 33]].concat()), None);
    assert_eq!(types(&[0, 1, 0x40, 0, 1, 0x40]), None, "a block twice");
    assert_eq!(types(&[1, 1, 0x40, 0, 1, 0x40]), None, "blocks out of order");
}
