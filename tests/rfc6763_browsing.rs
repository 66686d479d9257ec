//! RFC 6763 §4, §5, §6.1, §12 and RFC 6762 §6.1: from records to instances.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::Search;
use salut::{Service, ServiceType};

const PTR: &str = "_exo._tcp.local 4500 PTR other._exo._tcp.local";
const SRV: &str = "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local";
const TXT: &str = "other._exo._tcp.local 4500 flush TXT a=b";
const A: &str = "beta.local 120 flush A 10.0.0.9";

/// A browse has asked its first question.
fn browsing() -> Scene {
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    scene
}

fn asks(sent: &[Sent], question: &str) -> usize {
    sent.iter().filter(|sent| sent.questions.iter().any(|asked| asked == question)).count()
}

// ---- what is asked for

#[test]
fn a_browse_asks_for_the_pointers_at_its_type() {
    proves!("6763-7-type-name");
    for (text, question) in [
        ("_exo._tcp", "_exo._tcp.local PTR"),
        ("_EXO._udp", "_EXO._udp.local PTR"),
        ("_exo._tcp.local.", "_exo._tcp.local PTR"),
    ] {
        let mut scene = Scene::new();
        let search = Search::Service(ServiceType::new(text).unwrap());
        let alpha = scene.alpha;
        scene.lan.browse(alpha, search).unwrap();
        assert_eq!(scene.next(secs(1)).questions, [question]);
    }
    for text in
        ["exo._tcp", "_exo", "_exo._sctp", "_exo.tcp", "_exo._tcp._tcp", "_exo._tcp.example.com", "_._tcp"]
    {
        assert!(ServiceType::new(text).is_err(), "{text}");
        assert!(Service::new("node", text, 1).is_err(), "{text}");
    }
}

#[test]
fn what_the_additionals_leave_out_is_asked_for() {
    proves!("6763-12-missing");
    let mut scene = browsing();
    let heard = scene.now();
    scene.hear(&response().answer(PTR));
    let question = scene.next(secs(1));
    between(question.at - heard, 20, 120);
    same(&question.questions, &["other._exo._tcp.local SRV", "other._exo._tcp.local TXT"]);
    let heard = scene.now();
    scene.hear(&response().answer(SRV).answer(TXT));
    let question = scene.next(secs(1));
    between(question.at - heard, 20, 120);
    same(&question.questions, &["beta.local A", "beta.local AAAA"]);
    assert!(scene.found().is_none());
    scene.hear(&response().answer(A));
    let node = scene.found().unwrap();
    assert_eq!((node.port, node.sockets()[0].to_string()), (1, "10.0.0.9:1".to_owned()));
    assert_eq!(node.host.to_string(), "beta.local");
}

#[test]
fn each_missing_record_is_asked_for_alone() {
    proves!("6763-12-missing");
    let all = [PTR, SRV, TXT, A, "beta.local 120 flush AAAA fe80::9"];
    for (missing, question) in [
        (1, "other._exo._tcp.local SRV"),
        (2, "other._exo._tcp.local TXT"),
        (3, "beta.local A"),
        (4, "beta.local AAAA"),
    ] {
        let mut scene = browsing();
        let packet =
            response().answers(all.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, l)| l));
        scene.hear(&packet);
        let sent = scene.run(ms(130));
        assert_eq!(asks(&sent, question), 1, "{question}");
        let others = sent.iter().flat_map(|sent| &sent.questions).filter(|asked| *asked != question);
        // Without the SRV nobody knows yet whose addresses are wanted.
        assert_eq!(others.count(), 0, "{question}");
    }
}

#[test]
fn all_in_one_message_is_enough() {
    proves!("6763-12-missing", "6762-5.2-unique-in-hand");
    let mut scene = browsing();
    scene.hear(&response().answer(PTR).additional(SRV).additional(TXT).additional(A));
    let node = scene.found().unwrap();
    assert_eq!(node.txt.get("a"), Some(Some(&b"b"[..])));
    let sent = scene.run(secs(60));
    assert_eq!(asks(&sent, "other._exo._tcp.local SRV") + asks(&sent, "beta.local A"), 0);
}

#[test]
fn records_are_put_together_in_whatever_order_they_come() {
    proves!("6763-12-missing");
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut scene = browsing();
        for line in order.map(|at| [PTR, SRV, TXT, A][at]) {
            scene.hear(&response().answer(line));
            scene.run(secs(2));
        }
        assert_eq!(scene.found().unwrap().txt.get("a"), Some(Some(&b"b"[..])), "{order:?}");
    }
}

// ---- NSEC, RFC 6762 §6.1

#[test]
fn what_nsec_denies_is_not_asked_for_whatever_its_next_name() {
    proves!("6762-6.1-nsec-read");
    for (nsec, denied) in [
        ("beta.local 120 flush NSEC beta.local A", true),
        ("beta.local 120 flush NSEC elsewhere.example A", true),
        ("beta.local 120 flush NSEC beta.local A AAAA", false),
        ("gamma.local 120 flush NSEC gamma.local A", false),
    ] {
        let mut scene = browsing();
        scene.hear(&response().answers([PTR, SRV, TXT, A, nsec]));
        let sent = scene.run(secs(60));
        assert_eq!(asks(&sent, "beta.local AAAA") == 0, denied, "{nsec}");
    }
}

#[test]
fn an_nsec_that_cannot_be_read_does_not_spoil_its_message() {
    proves!("6762-6.1-nsec-read");
    for bad in [
        "beta.local 120 flush NSEC \\#",
        "beta.local 120 flush NSEC \\# 05",
        // No length byte; a block of 33 bytes; blocks in falling order; a block of nothing.
        "beta.local 120 flush NSEC \\# 0000",
        "beta.local 120 flush NSEC \\# 000021000000000000000000000000000000000000000000000000000000000000000000",
        "beta.local 120 flush NSEC \\# 00010140000140",
        "beta.local 120 flush NSEC \\# 000000",
    ] {
        let mut scene = browsing();
        scene.hear(&response().answers([PTR, bad, SRV, TXT, A]));
        assert!(scene.found().is_some(), "{bad}");
    }
}

// ---- instances

#[test]
fn an_instance_is_one_label_of_any_utf_8() {
    proves!("6763-4.1-instance");
    for (label, name) in [
        ("Ann's\\032Mac\\.\\032No\\\\2\\032–\\032☕", "Ann's Mac. No\\2 – ☕"),
        ("a\\.b\\.c", "a.b.c"),
        ("\\032", " "),
        ("_exo", "_exo"),
    ] {
        let mut scene = browsing();
        scene.hear(&response().answers([PTR, SRV, TXT, A].map(|line| line.replace("other", label))));
        assert_eq!(scene.found().expect(label).name.as_str(), name);
        // And announced as such.
        let mut scene = Scene::new();
        scene.announce(named(name));
        let sent = scene.run(secs(3));
        assert!(sent.last().unwrap().has(&format!("{label}._exo._tcp.local 120 flush SRV")), "{sent:#?}");
    }
}

#[test]
fn an_instance_holds_no_control_characters_and_is_1_to_63_bytes_long() {
    proves!("6763-4.1-instance");
    for code in (0..0x20_u32).chain([0x7f]) {
        let name = format!("a{}b", char::from_u32(code).unwrap());
        assert!(Service::new(&name, "_exo._tcp", 1).is_err(), "{code:#x}");
    }
    assert!(Service::new("", "_exo._tcp", 1).is_err());
    assert!(Service::new(&"ü".repeat(32), "_exo._tcp", 1).is_err());
    assert!(Service::new(&"ü".repeat(31), "_exo._tcp", 1).is_ok());
}

#[test]
fn a_pointer_that_leads_elsewhere_is_no_instance() {
    proves!("6763-4.1-instance");
    for target in ["x.other._exo._tcp.local", "other._http._tcp.local", "_exo._tcp.local", "other.local", "."]
    {
        let mut scene = browsing();
        scene.hear(&response().answer(&format!("_exo._tcp.local 4500 PTR {target}")));
        let sent = scene.run(secs(10));
        assert!(sent.iter().all(|sent| sent.questions == ["_exo._tcp.local PTR"]), "{target}");
    }
}

// ---- SRV and TXT

#[test]
fn of_several_srv_records_the_lowest_priority_and_then_the_highest_weight_counts() {
    proves!("6763-5-srv");
    for (records, port) in [
        (["10 0 1", "5 0 2", "20 0 3"], 2),
        (["5 0 1", "5 0 2", "4 0 3"], 3),
        (["5 1 1", "5 9 2", "9 99 3"], 2),
    ] {
        for turn in 0..3 {
            let mut scene = browsing();
            let mut records = records;
            records.rotate_left(turn);
            let srv = records.map(|numbers| format!("other._exo._tcp.local 120 SRV {numbers} beta.local"));
            scene.hear(&response().answers([PTR, TXT, A]).answers(srv));
            scene.run(secs(1));
            assert_eq!(scene.found().unwrap().port, port, "{records:?}");
        }
    }
}

#[test]
fn no_txt_empty_txt_and_one_zero_byte_are_alike() {
    proves!("6763-6.1-empty");
    for txt in [
        Some("other._exo._tcp.local 4500 flush TXT \"\""),
        Some("other._exo._tcp.local 4500 flush TXT \\#"),
        Some("other._exo._tcp.local 4500 flush NSEC other._exo._tcp.local SRV"),
        None,
    ] {
        let mut scene = browsing();
        scene.hear(&response().answers([PTR, SRV, A]).answers(txt));
        scene.run(secs(10));
        let node = scene.found().unwrap_or_else(|| panic!("{txt:?}"));
        assert!(node.txt.is_empty() && node.txt.attributes().count() == 0, "{txt:?}");
    }
}

#[test]
fn a_change_of_port_txt_or_host_is_told() {
    proves!("6762-18.1-unsolicited", "6762-10.2-flush");
    let mut scene = browsing();
    scene.hear(&response().answers([PTR, SRV, TXT, A]));
    scene.run(secs(10));
    assert!(scene.found().is_some());
    scene.hear(&response().answer("other._exo._tcp.local 4500 flush TXT a=c"));
    scene.run(secs(2));
    assert_eq!(scene.found().unwrap().txt.get("a"), Some(Some(&b"c"[..])));
    for port in [7, 65535, 1] {
        scene.hear(&response().answer(&format!("other._exo._tcp.local 120 flush SRV 0 0 {port} beta.local")));
        scene.run(secs(2));
        assert_eq!(scene.found().unwrap().port, port);
    }
    scene.hear(
        &response()
            .answer("other._exo._tcp.local 120 flush SRV 0 0 1 gamma.local")
            .answer("gamma.local 120 flush A 10.0.0.8"),
    );
    scene.run(secs(2));
    assert_eq!(scene.found().unwrap().sockets()[0].to_string(), "10.0.0.8:1");
}
