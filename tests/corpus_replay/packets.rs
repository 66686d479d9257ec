//! One packet at a time.

use std::net::IpAddr;

use salut::Name;
use salut::sim::Sent;
use salut::wire::{Message, Section};
use serde_json::Value;

use crate::bench::*;
use crate::lan_support::*;

#[test]
fn every_packet_does_what_it_may_and_no_more() {
    let manifest = json("manifest.json");
    let mut played = 0;
    for case in manifest["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "packet") {
        let name = text(&case["name"]);
        let mut bench = Bench::new();
        let cached = bench.cached();
        let events = (bench.view.found.len(), bench.view.updated.len(), bench.view.lost.len());
        let delivery = &case["delivery"];
        let source: IpAddr = text(&delivery["src"]).parse().unwrap();
        let port = u16::try_from(delivery["sport"].as_u64().unwrap()).unwrap();
        let payload = corpus(text(&case["file"]));
        bench.inject((source, port), delivery["dst"] == "unicast", &payload);
        bench.run(millis(1));
        let kept = bench.cached();
        check_content(name, &mut bench);
        bench.run(seconds(3.0));
        let sent = bench.sent();
        check_replies(name, &case["expect"], &sent);
        let expect = &case["expect"];
        if expect["parse"] == "reject" {
            assert_eq!(kept, cached, "{name}: something of it is in the cache");
            let now = (bench.view.found.len(), bench.view.updated.len(), bench.view.lost.len());
            assert_eq!(now, events, "{name}: it caused an event");
        }
        let keeps_peer = expect["keep"].as_array().unwrap().iter().any(|keep| keep == "Peer One found");
        assert_eq!(bench.view.knows("Peer One"), keeps_peer, "{name}");
        assert!(bench.view.renamed.is_empty(), "{name}: it took our name");
        bench.is_alive(name);
        check_end(name, &mut bench);
        played += 1;
    }
    assert!(played >= 90, "{played} packets");
}

fn check_replies(name: &str, expect: &Value, sent: &[Sent]) {
    let count = replies(sent);
    let trace = || sent.iter().map(|sent| format!("{sent}\n")).collect::<String>();
    match text(&expect["reply"]) {
        "none" => assert_eq!(count, 0, "{name}\n{}", trace()),
        "normal" => assert_eq!(count, 1, "{name}\n{}", trace()),
        "bounded" => {
            let limits = &expect["limits"];
            let most = limits["max_replies"].as_u64().expect("a limit");
            assert!(count as u64 <= most, "{name}: {count} replies\n{}", trace());
            for sent in sent.iter().filter(|sent| is_response(sent)) {
                let message = Message::read(&sent.payload).unwrap();
                let copies =
                    message.records().filter(|record| record.section == Section::Answer).count() as u64;
                assert!(limits["max_answer_copies"].as_u64().is_none_or(|most| copies <= most), "{name}");
                let bytes = sent.payload.len() as u64;
                assert!(
                    limits["max_reply_bytes"].as_u64().is_none_or(|most| bytes <= most),
                    "{name}: {bytes} bytes"
                );
            }
        }
        "either" => assert!(count <= 1, "{name}: {count} replies\n{}", trace()),
        other => panic!("{name}: reply {other}"),
    }
    // Questions about what a packet promised are no replies, but there is a limit to them.
    let questions = sent.iter().filter(|sent| !is_response(sent) && sent.destination.is_ipv4()).count();
    assert!(questions <= 60, "{name}: {questions} questions in three seconds");
}

/// What the manifest wants kept, and what it forbids, right after the packet.
fn check_content(name: &str, bench: &mut Bench) {
    let addresses = |bench: &mut Bench, host: &str| bench.cached_addresses(host);
    let never_cached = match name {
        "count_less_than_present" => "hidden",
        "second_rr_cut_first_good"
        | "a_rdlen_0"
        | "a_rdlen_5"
        | "aaaa_rdlen_4"
        | "aaaa_rdlen_17"
        | "class_none_254"
        | "type_any_in_answer"
        | "response_dname_local" => "x",
        _ => "nobody-says-this",
    };
    assert!(addresses(bench, never_cached).is_empty(), "{name}: {never_cached}.local is cached");
    if matches!(
        name,
        "txt_rdlen_0"
            | "unknown_type_65280"
            | "a_rdlen_0"
            | "a_rdlen_5"
            | "aaaa_rdlen_4"
            | "srv_rdlen_5"
            | "mx_cut"
            | "nsec_bitmap_overrun"
    ) {
        assert_eq!(addresses(bench, "good"), [IpAddr::from([10, 77, 0, 2])], "{name}");
        assert_eq!(addresses(bench, "good2"), [IpAddr::from([10, 77, 0, 3])], "{name}");
    }
    if name == "second_rr_cut_first_good" {
        assert_eq!(addresses(bench, "good").len(), 1);
    }
}

/// What the manifest forbids, after all questions were asked and what the packet was about
/// has been completed by the one who sent it.
fn check_end(name: &str, bench: &mut Bench) {
    for node in bench.view.known.values() {
        let shown = node.name.to_string();
        assert!(!shown.is_empty(), "{name}: an empty instance is reported");
        assert!(!shown.chars().any(char::is_control), "{name}: {shown:?}");
        assert_ne!(shown, "Odd", "{name}");
        for address in &node.addresses {
            let bad = address.is_loopback() || address.is_unspecified() || *address == IpAddr::from([255; 4]);
            assert!(!bad, "{name}: {address} is offered to the dialler");
        }
    }
    match name {
        "ttl_max" => {
            bench.run(seconds(4500.0));
            assert_eq!(bench.cached_addresses("x").len() + bench.cached_addresses("good").len(), 0);
        }
        "ttl_1_flap" => {
            bench.sent();
            bench.inject(PEER, false, &corpus("pkt/semantics-ttl_1_flap.bin"));
            bench.run(seconds(60.0));
            let flap: Name = format!("Flap.{TYPE}.local").parse().unwrap();
            let asked = bench
                .sent()
                .iter()
                .filter(|sent| {
                    let message = Message::read(&sent.payload).unwrap();
                    sent.destination.is_ipv4() && message.questions().any(|question| question.name.is(&flap))
                })
                .count();
            assert!(asked <= 7, "{asked} questions about a record of one second");
        }
        // A name of one label with a dot, with format characters, of emoji only: found as it
        // is once its host is known.
        "label_dot_inside" | "label_format_string" | "label_emoji_63" => {
            let expected: &[u8] = match name {
                "label_dot_inside" => b"A.B",
                "label_format_string" => b"%s%n%x{}{0}",
                _ => "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀".as_bytes(),
            };
            bench.inject(PEER, false, &corpus(text(&file_of(name))));
            bench.inject(PEER, false, &announcement(expected, 120));
            bench.run(seconds(1.0));
            assert!(
                bench.view.known.values().any(|node| node.name.as_bytes() == expected),
                "{name}: {:?}",
                bench.view.names()
            );
        }
        _ => {}
    }
}

fn file_of(name: &str) -> Value {
    let manifest = json("manifest.json");
    manifest["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()["file"].clone()
}
