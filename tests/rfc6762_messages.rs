//! RFC 6762 §16, §17, §18.14: names, compression, sizes, and what is no message.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::LinkState;
use salut::wire::{Message, Packer, RecordData, RecordType, Section};
use salut::{Name, Txt};

// ---- compression, §18.14

#[test]
fn every_name_that_can_be_compressed_is() {
    proves!("6762-18.14-compressed");
    let mut scene = Scene::announced_as(node().subtype("_gpu").unwrap());
    for question in ["_exo._tcp.local PTR", "node._exo._tcp.local SRV", "alpha.local AAAA"] {
        scene.hear(&query().ask(question));
        let answer = only(scene.run(secs(2)));
        // Each name but the first has a suffix in common with one before it.
        assert!(answer.names.iter().all(|(_, compressed)| *compressed), "{answer:#?}");
        assert!(answer.names.iter().any(|(place, _)| place == "NSEC"));
    }
    let announcement = Scene::new_announcement();
    let places: Vec<&str> = announcement.names.iter().map(|(place, _)| place.as_str()).collect();
    assert!(["owner", "SRV", "PTR"].iter().all(|place| places.contains(place)));
    assert!(announcement.names.iter().all(|(_, compressed)| *compressed));
}

impl Scene {
    fn new_announcement() -> Sent {
        let mut scene = Scene::new();
        scene.announce(node());
        scene.run(secs(10)).into_iter().find(|sent| !sent.is_query()).unwrap()
    }
}

#[test]
fn data_of_other_types_is_written_as_it_is() {
    proves!("6762-18.14-others-plain");
    let owner: Name = "alpha.local".parse().unwrap();
    // A name inside of HINFO, TXT or a type nobody knows could be shortened, and must not be.
    for data in [
        RecordData::Other(RecordType::HINFO, owner.wire().into()),
        RecordData::Other(RecordType(99), owner.wire().into()),
        RecordData::Txt(Txt::from_strings(["\x05alpha\x05local\0"]).unwrap()),
    ] {
        let mut packer = Packer::response(1440);
        packer.record(Section::Answer, &owner, false, 120, &data).unwrap();
        assert!(packer.finish().ends_with(match &data {
            RecordData::Txt(txt) => txt.wire(),
            _ => owner.wire(),
        }));
    }
}

#[test]
fn compressed_names_are_read_in_questions_owners_and_data() {
    proves!("6762-18.14-read");
    // "local" stands at 19, "_exo._tcp.local" at 12 of the question section.
    let mut bytes = response().ask("_exo._tcp.local PTR").bytes();
    bytes[7] = 4;
    let (exo, local) = ([0xc0, 12], [0xc0, 22]);
    let mut record = |owner: &[u8], rtype: u8, data: &[&[u8]]| -> u8 {
        let data = data.concat();
        let at = bytes.len();
        bytes.extend_from_slice(owner);
        bytes.extend_from_slice(&[0, rtype, 0, 1, 0, 0, 0, 120, 0, u8::try_from(data.len()).unwrap()]);
        bytes.extend_from_slice(&data);
        u8::try_from(at).unwrap()
    };
    let ptr = record(&exo, 12, &[b"\x05other", &exo]);
    let other = [0xc0, ptr + 12];
    let srv = record(&other, 33, &[&[0, 0, 0, 0, 0, 1], b"\x04beta", &local]);
    record(&other, 16, &[&[0]]);
    record(&[0xc0, srv + 18], 1, &[&[10, 0, 0, 9]]);
    assert_eq!(read(&bytes).answers[1], "other._exo._tcp.local 120 SRV 0 0 1 beta.local");
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    scene.hear_bytes(STRANGER, &bytes);
    scene.run(secs(1));
    assert_eq!(scene.changes().len(), 1);
    // And in the data of types that are not our own.
    for (rtype, lead, tail) in [(2, 0, 0), (5, 0, 0), (6, 2, 20), (15, 2, 0), (39, 0, 0)] {
        let mut bytes = response().ask("alpha.local A").bytes();
        bytes[7] = 1;
        let (lead, names) = if rtype == 6 { (0, 2) } else { (lead, 1) };
        let data = [vec![7; lead], [0xc0, 12].repeat(names), vec![9; tail]].concat();
        bytes.extend_from_slice(&[
            0xc0,
            12,
            0,
            rtype,
            0,
            1,
            0,
            0,
            0,
            120,
            0,
            u8::try_from(data.len()).unwrap(),
        ]);
        bytes.extend_from_slice(&data);
        let message = Message::read(&bytes).unwrap();
        let written_out = [vec![7; lead], b"\x05alpha\x05local\0".repeat(names), vec![9; tail]].concat();
        let expected = RecordData::Other(RecordType(rtype.into()), written_out.into());
        assert_eq!(message.records().next().unwrap().data(), Some(expected), "type {rtype}");
    }
}

// ---- sizes, §17

fn with_txt(instance: &str, bytes: usize) -> salut::Service {
    let strings = vec![vec![b'x'; 249]; bytes / 250];
    named(instance).txt_record(Txt::from_strings(strings).unwrap())
}

/// The bytes of an IPv6 and a UDP header.
const HEADERS: usize = 48;

#[test]
fn a_message_larger_than_the_mtu_holds_one_single_record() {
    proves!("6762-17-mtu");
    for mtu in [1280, 1500, 9000] {
        let mut scene = Scene::new();
        scene.set_link(|state| Some(LinkState { mtu, ..state }));
        let big = scene.announce(with_txt("big", 2000));
        for number in 0..30 {
            scene.announce(with_txt(&format!("node {number}"), 500));
        }
        let mut sent = scene.run(secs(10));
        for question in ["_exo._tcp.local PTR", "big._exo._tcp.local ANY", "big._exo._tcp.local TXT"] {
            scene.hear(&query().ask(question));
            scene.hear_unicast(STRANGER, &query().ask(question));
            sent.extend(scene.run(secs(5)));
        }
        scene.drive(|engine, now| engine.withdraw(now, big));
        sent.extend(scene.run(secs(5)));
        assert!(sent.iter().any(|sent| sent.has("big._exo._tcp.local 4500 flush TXT")));
        for message in
            sent.iter().filter(|sent| sent.bytes.len() + HEADERS > mtu as usize && !sent.is_query())
        {
            assert_eq!(message.records().len(), 1, "{mtu}: {} bytes", message.bytes.len());
        }
    }
}

#[test]
fn additionals_hold_a_set_of_addresses_whole_or_not_at_all() {
    proves!("6762-10.2-whole-set", "6762-6.2-link-addresses");
    // Larger and larger TXT records leave less and less room beside them; of sixty addresses
    // no packet holds all.
    for (number, sizes) in [(12, 900..1450), (60, 10..40)] {
        let v6: Vec<String> = (1..=number).map(|number| format!("fe80::{number:x}")).collect();
        let v6: Vec<&str> = v6.iter().map(String::as_str).collect();
        for bytes in sizes.step_by(10) {
            let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &v6);
            scene.announce(node().txt_record(Txt::from_strings(vec![b'x'; bytes].chunks(200)).unwrap()));
            scene.run(secs(60));
            let mut sent = Vec::new();
            for question in ["_exo._tcp.local PTR", "_exo._tcp.local QU PTR", "node._exo._tcp.local ANY"] {
                scene.hear(&query().ask(question));
                sent.extend(scene.run(secs(2)));
            }
            assert!(!sent.is_empty());
            for message in sent {
                let addresses = message.records().iter().filter(|line| line.contains(" AAAA ")).count();
                assert!(addresses == 0 || addresses == v6.len(), "TXT of {bytes}: {addresses} of {number}");
            }
        }
    }
}

#[test]
fn a_probe_larger_than_the_mtu_holds_one_single_record() {
    proves!("6762-17-mtu");
    let mut scene = Scene::new();
    scene.announce(with_txt("big", 2000));
    let probes: Vec<Sent> = scene.run(secs(2)).into_iter().filter(Sent::is_query).collect();
    assert!(probes.len() >= 3);
    for probe in probes.iter().filter(|sent| sent.bytes.len() + HEADERS > 1500) {
        assert_eq!(probe.authorities.len(), 1, "{} bytes", probe.bytes.len());
    }
}

/// A TXT record of so many bytes.
fn txt_of(bytes: usize) -> Txt {
    let mut strings = vec![vec![b'x'; 255]; bytes / 256];
    strings.extend((bytes % 256).checked_sub(1).map(|rest| vec![b'x'; rest]));
    let txt = Txt::from_strings(strings).unwrap();
    assert_eq!(txt.wire().len(), bytes);
    txt
}

/// A node of this name with the largest TXT record that is accepted.
fn largest(instance: &str) -> Scene {
    let mut scene = Scene::dual(1);
    let alpha = scene.alpha;
    let service = |bytes| named(instance).txt_record(txt_of(bytes));
    let fits = |bytes: &usize| scene.lan.announce(alpha, service(*bytes)).is_ok();
    let bytes = (8000..=salut::txt::MAX_TXT_BYTES).rev().find(fits).unwrap();
    assert!(bytes > 8500);
    scene
}

#[test]
fn no_message_is_larger_than_9000_bytes_with_its_headers() {
    proves!("6762-17-9000");
    for instance in [1, 20, 40, 63].map(|length| "b".repeat(length)) {
        for sent in largest(&instance).run(secs(10)) {
            assert!(
                sent.bytes.len() + HEADERS <= 9000,
                "{} bytes of payload to {}",
                sent.bytes.len(),
                sent.to
            );
        }
    }
}

#[test]
fn the_largest_txt_record_that_is_accepted_is_announced() {
    proves!("6762-17-mtu", "6762-17-9000");
    for instance in [1, 20, 40, 63].map(|length| "b".repeat(length)) {
        let mut scene = largest(&instance);
        let txt = format!("{instance}._exo._tcp.local 4500 flush TXT");
        assert!(scene.run(secs(10)).iter().any(|sent| sent.has(&txt)), "{} bytes of name", instance.len());
    }
}

#[test]
fn the_largest_txt_record_is_announced_under_a_new_name_too() {
    proves!("6762-17-mtu", "6762-17-9000");
    // A longer name would leave too little room: it is cut.
    let mut scene = largest("bbbbbbbbbb");
    scene.next_query();
    scene.hear(&response().answer("bbbbbbbbbb._exo._tcp.local 4500 flush TXT other"));
    let sent = scene.run(secs(10));
    let announced =
        |line: &String| line.starts_with('b') && line.contains("\\032(2)._exo._tcp.local 4500 flush TXT");
    assert!(sent.iter().any(|sent| sent.answers.iter().any(announced)));
}

impl Scene {
    fn next_query(&mut self) {
        assert!(self.batch(secs(1)).iter().all(Sent::is_query));
    }
}

// ---- names, §16

#[test]
fn ascii_letters_compare_without_case_and_all_other_bytes_exactly() {
    proves!("6762-16-names");
    let mut scene = Scene::announced_as(named("Büro Café"));
    for (question, answered) in [
        ("Büro\\032Café._exo._tcp.local TXT", true),
        ("BüRO\\032cAFé._EXO._TCP.LOCAL TXT", true),
        ("BÜRO\\032Café._exo._tcp.local TXT", false),
        // é as e and a combining accent; Punycode; a byte order mark.
        ("Büro\\032Cafe\u{301}._exo._tcp.local TXT", false),
        ("xn--Bro\\032Caf-3ya93a._exo._tcp.local TXT", false),
        ("\u{feff}Büro\\032Café._exo._tcp.local TXT", false),
        ("B\u{fc}ro\\032Caf\\233._exo._tcp.local TXT", false),
    ] {
        scene.hear(&query().ask(question));
        assert_eq!(!scene.run(secs(2)).is_empty(), answered, "{question}");
    }
    scene.hear(&query().ask("ALPHA.Local A"));
    assert_eq!(scene.run(secs(2)).len(), 1);
}

#[test]
fn names_are_sent_as_the_utf_8_that_was_given() {
    proves!("6762-16-names");
    let mut scene = Scene::new();
    scene.announce(named("Büro Café"));
    let sent = scene.run(secs(2));
    for message in &sent {
        let bytes: &[u8] = "\u{b}Büro Café".as_bytes();
        assert!(message.bytes.windows(bytes.len()).any(|window| window == bytes));
    }
}

#[test]
fn a_conflict_is_seen_in_whatever_case_it_is_written() {
    proves!("6762-16-names");
    let mut scene = Scene::new();
    scene.announce(node());
    scene.next(secs(1));
    scene.hear(&response().answer("ALPHA.LOCAL 120 flush A 10.0.0.9"));
    scene.run(secs(3));
    assert_eq!(scene.lan.engine(scene.alpha).unwrap().host().to_string(), "alpha-2.local");
}

// ---- what is no message

/// The announced host is as it was, and still answers.
#[track_caller]
fn is_well(scene: &mut Scene) {
    scene.run(secs(30));
    scene.hear(&query().ask("alpha.local A"));
    let answers: Vec<Sent> = scene.run(secs(2)).into_iter().filter(|sent| !sent.is_query()).collect();
    assert_eq!(only(answers).answers, ["alpha.local 120 flush A 10.0.0.1"]);
}

#[test]
fn garbage_is_not_answered_and_nothing_of_it_is_kept() {
    proves!("6762-r-malformed");
    let message = |counts: [u8; 4], body: &[u8]| {
        let mut bytes = vec![0, 0, 0x84, 0];
        counts.iter().for_each(|count| bytes.extend_from_slice(&[0, *count]));
        [bytes, body.to_vec()].concat()
    };
    let long_name = [[b"\x3f".to_vec(), vec![b'x'; 63]].concat().repeat(4), vec![0]].concat();
    let tail = [0, 1, 0, 1, 0, 0, 0, 120, 0, 4, 10, 0, 0, 9];
    let mut scene = Scene::announced();
    scene.browse();
    scene.run(secs(10));
    let before = scene.cached();
    for bytes in [
        vec![],
        vec![0; 11],
        vec![0xff; 8972],
        vec![0; 9000],
        message([0, 255, 0, 0], &[]),
        // A pointer to itself, to the header, forward; two that lead to each other.
        message([0, 1, 0, 0], &[&[0xc0, 12][..], &tail].concat()),
        message([0, 1, 0, 0], &[&[0xc0, 0][..], &tail].concat()),
        message([0, 1, 0, 0], &[&[0xc0, 40][..], &tail].concat()),
        message([0, 1, 0, 0], &[&[1, b'a', 0xc0, 16, 0xc0, 12][..], &tail].concat()),
        // Label types 01 and 10.
        message([0, 1, 0, 0], &[&[0x41, b'a', 0][..], &tail].concat()),
        message([0, 1, 0, 0], &[&[0x81, b'a', 0][..], &tail].concat()),
        // More than 255 bytes of name; data that leads past the end; an address of five bytes.
        message([0, 1, 0, 0], &[&long_name[..], &tail].concat()),
        message([0, 1, 0, 0], b"\x04beta\x05local\0\0\x01\0\x01\0\0\0\x78\0\x05\x0a\0\0\x09"),
        message([0, 1, 0, 0], b"\x04beta\x05local\0\0\x01\0\x01\0\0\0\x78\0\x05\x0a\0\0\x09\0"),
        // TXT strings that lead past their record, an SRV of six bytes, a PTR without end.
        message([0, 1, 0, 0], b"\x04beta\x05local\0\0\x10\0\x01\0\0\0\x78\0\x02\x05a"),
        message([0, 1, 0, 0], b"\x04beta\x05local\0\0\x21\0\x01\0\0\0\x78\0\x06\0\0\0\0\0\x01"),
        message([0, 1, 0, 0], b"\x04beta\x05local\0\0\x0c\0\x01\0\0\0\x78\0\x02\x05a"),
    ] {
        scene.hear_bytes(STRANGER, &bytes);
        assert_eq!(scene.cached(), before, "{bytes:02x?}");
    }
    is_well(&mut scene);
}

#[test]
fn a_bad_record_costs_only_itself() {
    proves!("6762-r-malformed");
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    scene.hear(&response().answers([
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 A \\# 0a0000",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 120 TXT \\# 09",
        "beta.local 120 AAAA \\# 00",
        "beta.local 120 flush A 10.0.0.9",
        "other._exo._tcp.local 4500 flush TXT a=b",
    ]));
    scene.run(secs(1));
    assert_eq!(scene.changes().len(), 1);
}

#[test]
fn every_truncation_and_every_flipped_byte_is_survived() {
    proves!("6762-r-malformed");
    let mut scene = Scene::announced();
    scene.browse();
    let valid = [
        query()
            .ask("_exo._tcp.local PTR")
            .ask("beta.local QU ANY")
            .answer("_exo._tcp.local 9 PTR x._exo._tcp.local"),
        query().ask("beta.local QU ANY").authority("beta.local 120 A 10.0.0.9"),
        response()
            .answer("beta.local 120 flush NSEC beta.local A")
            .additional("x._exo._tcp.local 9 TXT a=b c"),
    ];
    for bytes in valid.iter().map(Packet::bytes) {
        for length in 0..bytes.len() {
            scene.hear_bytes(STRANGER, &bytes[..length]);
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x40, 0x80, 0xc0, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                scene.hear_bytes(STRANGER, &bytes);
                scene.run(ms(1));
            }
        }
    }
    assert!(scene.cached() < 3000);
    scene.run(secs(200));
    is_well(&mut scene);
}
