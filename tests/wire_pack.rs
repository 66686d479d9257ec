//! Messages to bytes, and back again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use salut::wire::{
    CLASS_IN, Full, MAX_PAYLOAD_BYTES, MAX_QUESTIONS, MAX_RECORDS, Message, Nsec, Packer, Record, RecordData,
    RecordType, Section, Srv,
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

// ---- NSEC, RFC 6762 §6.1 ------------------------------------------------------------

#[test]
fn nsec_is_written_in_its_restricted_form() {
    let types = Nsec::new([RecordType::A, RecordType::AAAA]);
    let mut packer = Packer::response(1440);
    let owner = name("alpha.local");
    packer.record(Section::Additional, &owner, true, 120, &RecordData::Nsec(types.clone())).unwrap();
    let packet = packer.finish();
    // The next name is the owner, here a pointer to it; block 0; four bytes of bits.
    assert!(packet.ends_with(&[0, 8, 0xc0, 12, 0, 4, 0x40, 0, 0, 0x08]));
    let record = Message::read(&packet).unwrap().records().next().unwrap();
    assert!(record.data_is(&RecordData::Nsec(types)));

    let mut packer = Packer::response(1440);
    packer.record(Section::Answer, &owner, true, 120, &RecordData::Nsec(Nsec::default())).unwrap();
    let packet = packer.finish();
    assert!(packet.ends_with(&[0, 2, 0xc0, 12]), "a block without types is left out");
    let record = Message::read(&packet).unwrap().records().next().unwrap();
    assert_eq!(record.data(), Some(RecordData::Nsec(Nsec::default())));
}

// ---- packer -------------------------------------------------------------------------

#[test]
fn flags_and_ids() {
    let header = |packer: Packer| Message::read(&packer.finish()).unwrap().header();
    let query = header(Packer::query(512));
    assert!(!query.response && !query.truncated && query.id == 0);
    let response = Packer::response(512).finish();
    assert_eq!(response[..4], [0, 0, 0x84, 0]);
    let legacy = Packer::legacy(512, 0xbeef).finish();
    assert_eq!(legacy[..4], [0xbe, 0xef, 0x84, 0]);
    let mut packer = Packer::query(512);
    packer.set_truncated(true);
    assert!(header(packer.clone()).truncated);
    packer.set_truncated(false);
    assert!(!header(packer).truncated);
}

#[test]
fn a_query_byte_by_byte() {
    let mut packer = Packer::query(512);
    assert!(packer.is_empty());
    packer.question(&name("_exo._tcp.local"), RecordType::PTR, true).unwrap();
    packer.question(&name("_ipp._tcp.local"), RecordType::PTR, false).unwrap();
    let known = RecordData::Ptr(name("a._exo._tcp.local"));
    packer.record(Section::Answer, &name("_exo._tcp.local"), false, 4500, &known).unwrap();
    assert_eq!((packer.is_empty(), packer.record_count(), packer.len()), (false, 1, 60));
    let expected = [
        &[0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0][..],
        b"\x04_exo\x04_tcp\x05local\0\0\x0c\x80\x01",
        b"\x04_ipp\xc0\x11\0\x0c\0\x01",
        b"\xc0\x0c\0\x0c\0\x01\0\0\x11\x94\0\x04\x01a\xc0\x0c",
    ]
    .concat();
    assert_eq!(packer.finish(), expected);
}

#[test]
fn names_keep_their_case() {
    let mut packer = Packer::response(1440);
    packer.record(Section::Answer, &name("Alpha.local"), true, 120, &a(1)).unwrap();
    packer.record(Section::Answer, &name("alpha.local"), true, 120, &a(2)).unwrap();
    packer.record(Section::Answer, &name("alpha.LOCAL"), true, 120, &a(3)).unwrap();
    let packet = packer.finish();
    let read: Vec<_> = Message::read(&packet).unwrap().records().map(|r| r.name.to_string()).collect();
    assert_eq!(read, ["Alpha.local", "alpha.local", "alpha.LOCAL"]);
}

#[test]
fn a_record_that_does_not_fit_leaves_no_trace() {
    let (long, host) = (name("a-rather-long-name.elsewhere.local"), name("alpha.local"));
    let data = RecordData::Ptr(name("another.name.to.point.at.local"));
    for limit in 0..90 {
        let mut packer = Packer::response(limit);
        let first = packer.record(Section::Answer, &host, true, 120, &a(1));
        let before = packer.clone();
        if packer.record(Section::Additional, &long, false, 4500, &data) == Err(Full) {
            assert_eq!((packer.len(), packer.record_count()), (before.len(), before.record_count()));
            // Neither the section nor a name of the failed record is remembered.
            let (mut with, mut without) = (packer.clone(), before);
            for packer in [&mut with, &mut without] {
                let _ = packer.record(Section::Answer, &name("elsewhere.local"), true, 120, &a(2));
                let _ = packer.record(Section::Answer, &name("b.local"), true, 120, &a(3));
            }
            assert_eq!(with.finish(), without.finish());
        }
        let packet = packer.finish();
        assert!(packet.len() <= limit.max(12));
        assert_eq!(Message::read(&packet).unwrap().records().next().is_some(), first.is_ok());
    }
}

#[test]
fn sections_are_written_in_order() {
    let host = name("alpha.local");
    let mut packer = Packer::query(512);
    packer.question(&host, RecordType::ANY, true).unwrap();
    packer.record(Section::Authority, &host, false, 120, &a(1)).unwrap();
    assert_eq!(packer.record(Section::Answer, &host, false, 120, &a(2)), Err(Full));
    assert_eq!(packer.question(&host, RecordType::ANY, true), Err(Full));
    packer.record(Section::Additional, &host, false, 120, &a(3)).unwrap();
    let packet = packer.finish();
    let header = Message::read(&packet).unwrap().header();
    assert_eq!((header.questions, header.answers, header.authorities, header.additionals), (1, 0, 1, 1));
}

#[test]
fn a_legacy_response_compresses_no_srv_target() {
    let (instance, host) = (name("x._exo._tcp.local"), name("alpha.local"));
    let data = RecordData::Srv(Srv { priority: 0, weight: 0, port: 80, target: host.clone() });
    let mut legacy = Packer::legacy(512, 7);
    legacy.question(&instance, RecordType::SRV, false).unwrap();
    legacy.record(Section::Answer, &instance, true, 10, &data).unwrap();
    let mut multicast = Packer::response(512);
    multicast.record(Section::Answer, &instance, true, 120, &data).unwrap();
    let (legacy, multicast) = (legacy.finish(), multicast.finish());
    assert!(legacy.ends_with(host.wire()));
    assert!(multicast.ends_with(&[5, b'a', b'l', b'p', b'h', b'a', 0xc0, 12 + 2 + 5 + 5]));
    for (packet, flush) in [(legacy, false), (multicast, true)] {
        let message = Message::read(&packet).unwrap();
        let record = message.records().next().unwrap();
        assert_eq!((record.data(), record.cache_flush), (Some(data.clone()), flush));
    }
}

#[test]
fn one_oversized_record_has_its_way_up_to_9000() {
    let txt = Txt::from_strings(vec![vec![b'x'; 255]; 34]).unwrap();
    let data = RecordData::Txt(txt);
    let host = name("x._exo._tcp.local");
    assert_eq!(Packer::response(1440).record(Section::Answer, &host, true, 4500, &data), Err(Full));
    let mut packer = Packer::response(usize::MAX);
    packer.record(Section::Answer, &host, true, 4500, &data).unwrap();
    assert_eq!(packer.record(Section::Answer, &host, true, 4500, &data), Err(Full));
    let packet = packer.finish();
    assert!(packet.len() <= MAX_PAYLOAD_BYTES);
    assert!(Message::read(&packet).unwrap().records().next().unwrap().data_is(&data));
}

// ---- properties ---------------------------------------------------------------------

fn any_label() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec![&b"local"[..], b"LOCAL", b"_tcp", b"_exo", b"alpha", b"Alpha"])
            .prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 1..8),
        1 => prop::collection::vec(any::<u8>(), 1..=63),
    ]
}

fn any_name() -> impl Strategy<Value = Name> {
    prop::collection::vec(any_label(), 0..7)
        .prop_filter_map("at most 255 bytes", |labels| Name::from_labels(labels).ok())
}

fn any_data() -> impl Strategy<Value = RecordData> {
    let txt = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5);
    prop_oneof![
        any::<u32>().prop_map(|bits| RecordData::A(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| RecordData::Aaaa(Ipv6Addr::from_bits(bits))),
        any_name().prop_map(RecordData::Ptr),
        (any::<[u16; 3]>(), any_name()).prop_map(|([priority, weight, port], target)| {
            RecordData::Srv(Srv { priority, weight, port, target })
        }),
        txt.prop_map(|strings| RecordData::Txt(Txt::from_strings(strings).unwrap())),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|types| RecordData::Nsec(Nsec::new(types.into_iter().map(|t| RecordType(t.into()))))),
        (256_u16.., prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(rtype, bytes)| RecordData::Other(RecordType(rtype), bytes.into())),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    (any_name(), any::<bool>(), any::<u32>(), any_data()).prop_map(|(name, cache_flush, ttl, data)| Record {
        name,
        cache_flush,
        ttl,
        data,
    })
}

fn any_section() -> impl Strategy<Value = Section> {
    prop::sample::select(vec![Section::Answer, Section::Authority, Section::Additional])
}

/// All that a reader can do with a packet; the records it can decode.
fn read_everything(packet: &[u8]) -> Vec<(Section, Record)> {
    let Ok(message) = Message::read(packet) else { return Vec::new() };
    let mut questions = 0;
    for question in message.questions() {
        let name = question.name.to_name();
        assert!(question.name.is(&name) && question.name.is_local() == name.is_local());
        assert!(name.wire().len() <= 255 && Name::from_wire(name.wire()).as_ref() == Some(&name));
        questions += 1;
    }
    assert!(questions <= MAX_QUESTIONS);
    let mut decoded = Vec::new();
    let mut records = 0;
    for record in message.records() {
        let name = record.name.to_name();
        assert!(record.name.is(&name) && record.name.is_local() == name.is_local());
        records += 1;
        if let Some(data) = record.data() {
            assert_eq!(data.record_type(), record.rtype);
            assert!(record.data_is(&data));
            let (cache_flush, ttl) = (record.cache_flush, record.ttl);
            decoded.push((record.section, Record { name, cache_flush, ttl, data }));
        }
    }
    assert!(records <= MAX_RECORDS);
    decoded
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What was packed is read again, to the byte and the case of every name; what did not
    /// fit has left no trace.
    #[test]
    fn packed_is_read(
        limit in 0..2000_usize,
        questions in prop::collection::vec((any_name(), any::<u16>(), any::<bool>()), 0..6),
        records in prop::collection::vec((any_section(), any_record()), 0..24),
    ) {
        let mut records = records;
        records.sort_by_key(|(section, _)| *section);
        let mut packer = Packer::response(limit);
        let mut asked: Vec<(Name, u16, bool)> = Vec::new();
        for question in questions {
            if packer.question(&question.0, RecordType(question.1), question.2).is_ok() && !asked.contains(&question) {
                asked.push(question);
            }
        }
        records.retain(|(section, r)| packer.record(*section, &r.name, r.cache_flush, r.ttl, &r.data).is_ok());
        prop_assert_eq!(packer.record_count(), records.len());
        let length = packer.len();
        let packet = packer.finish();
        prop_assert_eq!(packet.len(), length);
        prop_assert!(packet.len() <= limit.max(12));

        let message = Message::read(&packet).unwrap();
        let read: Vec<_> = message
            .questions()
            .map(|q| { assert_eq!(q.class, CLASS_IN); (q.name.to_name(), q.rtype.0, q.unicast) })
            .collect();
        prop_assert_eq!(&read, &asked);
        let decoded = read_everything(&packet);
        prop_assert_eq!(&decoded, &records);
        for ((_, read), (_, written)) in decoded.iter().zip(&records) {
            prop_assert_eq!(read.name.wire(), written.name.wire());
            let (mut left, mut right) = (Vec::new(), Vec::new());
            read.data.write_uncompressed(&read.name, &mut left);
            written.data.write_uncompressed(&written.name, &mut right);
            prop_assert_eq!(left, right);
        }
    }

    /// `data_is` agrees with decoding and comparing.
    #[test]
    fn comparing_agrees_with_decoding(left in any_data(), right in any_data()) {
        let mut packer = Packer::response(1440);
        packer.record(Section::Answer, &name("alpha.local"), false, 1, &left).unwrap();
        let packet = packer.finish();
        let record = Message::read(&packet).unwrap().records().next().unwrap();
        prop_assert!(record.data_is(&left));
        prop_assert_eq!(record.data_is(&right), record.data() == Some(right));
    }

    /// Any bytes behind a plausible header.
    #[test]
    fn any_bytes_are_survived(counts in any::<[u8; 4]>(), body in prop::collection::vec(any::<u8>(), 0..600)) {
        read_everything(&message(false, counts.map(|count| u16::from(count % 8)), &body));
    }

    /// A good message with some bytes changed, cut anywhere.
    #[test]
    fn damaged_messages_are_survived(
        records in prop::collection::vec(any_record(), 1..12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut packer = Packer::response(4000);
        for record in &records {
            let _ = packer.record(Section::Answer, &record.name, false, 1, &record.data);
        }
        let mut packet = packer.finish().to_vec();
        let whole = read_everything(&packet).len();
        for (at, byte) in damage {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        read_everything(&packet);
        packet.truncate(cut.index(packet.len()));
        prop_assert!(read_everything(&packet).len() <= whole.max(MAX_RECORDS));
    }
}
