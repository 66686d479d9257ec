//! The bad-input corpus, as far as reading a packet goes: what must be rejected yields
//! nothing, what must be honoured is there, and none costs more than it may.

#![allow(clippy::disallowed_methods, reason = "the clock shows that nothing hangs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use salut::wire::{MAX_QUESTIONS, MAX_RECORDS, Message, Record, RecordData, RecordType};
use salut::{Name, Txt};
use serde_json::Value;

/// What reading one datagram may take in a release build; unoptimized, ten times as much.
const MOST_TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 5 });

/// What all decoded names and data of one datagram may hold, in bytes.
const MOST_HEAP: usize = 1024 * 1024;

struct Case {
    name: String,
    class: String,
    parse: String,
    payload: Vec<u8>,
}

fn corpus(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cases() -> Vec<Case> {
    let manifest: Value = serde_json::from_slice(&corpus("manifest.json")).unwrap();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let cases = manifest["cases"].as_array().unwrap();
    cases
        .iter()
        .filter(|case| case["kind"] == "packet")
        .map(|case| Case {
            name: text(&case["name"]),
            class: text(&case["cls"]),
            parse: text(&case["expect"]["parse"]),
            payload: corpus(case["file"].as_str().unwrap()),
        })
        .collect()
}

fn payload(name: &str) -> Vec<u8> {
    cases().into_iter().find(|case| case.name == name).expect("a case of that name").payload
}

/// What a packet yields when everything in it is decoded: questions, and records with good
/// data.
fn read(payload: &[u8]) -> (Vec<(Name, RecordType)>, Vec<Record>) {
    let Ok(message) = Message::read(payload) else { return Default::default() };
    let questions = message.questions().map(|question| (question.name.to_name(), question.rtype)).collect();
    let records = message
        .records()
        .filter_map(|record| {
            let data = record.data()?;
            assert!(record.data_is(&data));
            let (name, cache_flush, ttl) = (record.name.to_name(), record.cache_flush, record.ttl);
            Some(Record { name, cache_flush, ttl, data })
        })
        .collect();
    (questions, records)
}

fn records(case: &str) -> Vec<Record> {
    read(&payload(case)).1
}

fn owners(case: &str) -> Vec<String> {
    records(case).iter().map(|record| record.name.to_string()).collect()
}

fn check_bounds(name: &str, payload: &[u8]) {
    let mut least = Duration::MAX;
    // Again where another process had the processor meanwhile.
    for _ in 0..20 {
        let start = Instant::now();
        let (questions, records) = read(payload);
        least = least.min(start.elapsed());
        assert!(questions.len() <= MAX_QUESTIONS && records.len() <= MAX_RECORDS, "{name}");
        let mut heap: usize = questions.iter().map(|(name, _)| name.wire().len()).sum();
        for record in &records {
            let mut data = Vec::new();
            record.data.write_uncompressed(&record.name, &mut data);
            heap += size_of::<Record>() + record.name.wire().len() + data.len();
        }
        assert!(heap <= MOST_HEAP, "{name}: {heap} bytes");
        if least <= MOST_TIME {
            break;
        }
    }
    assert!(least <= MOST_TIME, "{name}: {least:?}");
}

#[test]
fn every_packet_is_read_within_bounds() {
    let cases = cases();
    assert!(cases.len() >= 90, "{} packets", cases.len());
    for Case { name, payload, .. } in &cases {
        check_bounds(name, payload);
        // And cut anywhere, as far as that takes another path.
        for end in (0..payload.len().min(600)).chain([payload.len().saturating_sub(1)]) {
            read(&payload[..end]);
        }
    }
}

#[test]
fn every_datagram_of_the_sequences_is_read_within_bounds() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/seq");
    let mut sequences = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().path();
        let sequence: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for step in sequence["steps"].as_array().unwrap() {
            let Some(hex) = step["hex"].as_str() else { continue };
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let payload: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            check_bounds(sequence["name"].as_str().unwrap(), &payload);
            assert!(Message::read(&payload).is_ok());
        }
        sequences += 1;
    }
    assert!(sequences >= 15);
}

/// Opcode, rcode, source and domain are judged by the engine; here are the bytes themselves.
#[test]
fn malformed_packets_yield_nothing() {
    let mut rejected = 0;
    for Case { name, class, parse, payload } in cases() {
        if parse != "reject" || !matches!(&*class, "header" | "name" | "rdata") {
            continue;
        }
        let (questions, records) = read(&payload);
        assert_eq!(records, [], "{name}");
        // The fourth question is the first with a name over 255 bytes.
        let good = if name == "name_grows_by_pointer" { 3 } else { 0 };
        assert_eq!(questions.len(), good, "{name}");
        rejected += 1;
    }
    assert!(rejected >= 15, "{rejected}");
}

#[test]
fn the_rejected_by_header_are_told_apart() {
    for case in cases().iter().filter(|case| case.class == "semantics") {
        let Ok(message) = Message::read(&case.payload) else { panic!("{}", case.name) };
        let header = message.header();
        assert_eq!(header.opcode != 0, case.name.starts_with("opcode_"), "{}", case.name);
        assert_eq!(header.rcode != 0, case.name.starts_with("rcode_"), "{}", case.name);
    }
    for case in ["off_local_name", "suffix_trick_notlocal"] {
        let payload = payload(case);
        let mut records = Message::read(&payload).unwrap().records();
        assert!(records.all(|record| !record.name.is_local()), "{case}");
    }
}

#[test]
fn accepted_packets_are_read_whole() {
    let mut accepted = 0;
    for Case { name, parse, payload, .. } in cases() {
        if parse != "accept" {
            continue;
        }
        let header = Message::read(&payload).unwrap().header();
        let (questions, records) = read(&payload);
        assert_eq!(questions.len(), usize::from(header.questions), "{name}");
        let promised = [header.answers, header.authorities, header.additionals].map(usize::from);
        assert_eq!(records.len(), promised.iter().sum::<usize>(), "{name}");
        accepted += 1;
    }
    assert!(accepted >= 14, "{accepted}");
}

#[test]
fn records_to_keep_are_kept() {
    let instance_of = |record: &Record| match &record.data {
        RecordData::Ptr(name) => name.labels().next().unwrap().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(instance_of(&records("label_dot_inside")[0]), b"A.B");
    assert_eq!(instance_of(&records("label_format_string")[0]), b"%s%n%x{}{0}");
    assert_eq!(instance_of(&records("label_emoji_63")[0]), "😀".repeat(15).as_bytes());

    let empty = records("txt_rdlen_0");
    assert_eq!(empty[1].data, RecordData::Txt(Txt::new()));
    assert_eq!(owners("unknown_type_65280"), ["good.local", "x.local", "good2.local"]);

    for case in ["aa_clear_response", "rd_ra_z_ad_cd_set_response", "tc_in_response"] {
        let records = records(case);
        assert_eq!(instance_of(&records[0]), b"Peer One", "{case}");
        let types: Vec<_> = records.iter().map(|record| record.data.record_type()).collect();
        assert_eq!(types, [RecordType::PTR, RecordType::SRV, RecordType::TXT, RecordType::A], "{case}");
    }

    let (questions, known) = read(&payload("known_answer_half_ttl_less"));
    assert_eq!((questions.len(), known.len(), known[0].ttl), (1, 1, 100));
}

/// Bad data in the middle record: its neighbours count, it does not.
#[test]
fn a_bad_record_costs_only_itself() {
    let bad = [
        "a_rdlen_0",
        "a_rdlen_5",
        "aaaa_rdlen_4",
        "aaaa_rdlen_17",
        "srv_rdlen_5",
        "ptr_rdlen_0",
        "ptr_shorter_than_rdlen",
        "txt_255_len_only",
        "nsec_bitmap_len_0",
        "nsec_bitmap_overrun",
        "type_any_in_answer",
        "tsig_in_answer",
        "soa_short",
        "mx_cut",
    ];
    for case in bad {
        assert_eq!(owners(case), ["good.local", "good2.local"], "{case}");
        let addresses: Vec<_> = records(case).into_iter().map(|record| record.data).collect();
        let expected = [2, 3].map(|last| RecordData::A(Ipv4Addr::new(10, 77, 0, last)));
        assert_eq!(addresses, expected, "{case}");
    }
    assert_eq!(owners("second_rr_cut_first_good"), ["good.local"]);
    assert_eq!(owners("count_less_than_present"), ["good.local"], "nothing behind the counted ones");
}

#[test]
fn nothing_printed_is_a_command_to_the_terminal() {
    for Case { name, payload, .. } in cases() {
        let (questions, records) = read(&payload);
        let mut texts: Vec<String> = questions.iter().map(|(name, _)| name.to_string()).collect();
        texts.extend(records.iter().map(|record| format!("{record:?}")));
        assert!(texts.iter().all(|text| !text.chars().any(char::is_control)), "{name}");
    }
}

#[test]
fn many_equal_questions_are_one() {
    for case in ["questions_own_name_dup_700", "qr0_all_ff_counts_root_names", "bomb_questions_long_name"] {
        assert_eq!(read(&payload(case)).0.len(), 1, "{case}");
    }
}
