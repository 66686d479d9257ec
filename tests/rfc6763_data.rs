//! RFC 6763 §5, §6, §7, §9: the records of a service.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::Search;
use salut::{Change, ServiceType, Txt, TxtError};

fn first_announcement(service: salut::Service) -> Sent {
    let mut scene = Scene::new();
    scene.announce(service);
    scene.run(secs(10)).into_iter().find(|sent| !sent.is_query()).unwrap()
}

// ---- the records

#[test]
fn a_service_has_exactly_one_srv_and_one_txt_record() {
    proves!("6763-6-one-of-each", "6763-5-srv");
    for service in
        [node(), node().subtype("_gpu").unwrap(), node().txt("a", "1").unwrap().txt("b", "2").unwrap()]
    {
        let announcement = first_announcement(service);
        let of = |rtype: &str| -> Vec<&String> {
            announcement.answers.iter().filter(|line| line.contains(rtype)).collect()
        };
        assert_eq!(of(" SRV ").len(), 1);
        assert_eq!(of(" TXT ").len(), 1);
        // Priority and weight are zero.
        assert_eq!(*of(" SRV ")[0], "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local");
    }
    // Two services have one each.
    let mut scene = Scene::new();
    scene.announce(named("one"));
    scene.announce(named("two"));
    scene.run(secs(60));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let answer = scene.next(secs(1));
    for name in ["one", "two"] {
        for rtype in ["SRV", "TXT"] {
            let count =
                answer.records().iter().filter(|line| line.starts_with(name) && line.contains(rtype)).count();
            assert_eq!(count, 1, "{name} {rtype}");
        }
    }
}

#[test]
fn a_service_stands_at_its_type_below_local() {
    proves!("6763-7-type-name");
    for (service, name) in [("_exo._tcp", "_exo._tcp.local"), ("_exo._udp", "_exo._udp.local")] {
        let announcement = first_announcement(salut::Service::new("node", service, 7).unwrap());
        assert!(announcement.has(&format!("{name} 4500 PTR node.{name}")));
        assert!(announcement.has(&format!("node.{name} 120 flush SRV 0 0 7 alpha.local")));
    }
}

#[test]
fn a_subtype_points_to_the_plain_instance_name() {
    proves!("6763-7.1-subtype");
    let announcement = first_announcement(node().subtype("_gpu").unwrap().subtype("big one").unwrap());
    assert!(announcement.has("_gpu._sub._exo._tcp.local 4500 PTR node._exo._tcp.local"));
    assert!(announcement.has("big\\032one._sub._exo._tcp.local 4500 PTR node._exo._tcp.local"));
    assert!(announcement.has("_exo._tcp.local 4500 PTR node._exo._tcp.local"));
}

#[test]
fn a_subtype_is_browsed_by_its_own_name() {
    proves!("6763-7.1-subtype");
    let mut scene = Scene::new();
    let search = Search::Subtype(ServiceType::new("_exo._tcp").unwrap(), "_gpu".to_owned());
    let alpha = scene.alpha;
    scene.lan.browse(alpha, search).unwrap();
    assert_eq!(scene.next(secs(1)).questions, ["_gpu._sub._exo._tcp.local PTR"]);
    let rest = [
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 4500 flush TXT \"\"",
        "beta.local 120 flush A 10.0.0.9",
    ];
    scene.hear(&response().answers(rest));
    scene.run(secs(5));
    assert!(scene.changes().is_empty(), "it lacks the subtype");
    scene.hear(&response().answer("_gpu._sub._exo._tcp.local 4500 PTR other._exo._tcp.local"));
    scene.run(secs(5));
    assert!(matches!(only(scene.changes()), Change::Found(node) if node.name.as_str() == "other"));
}

#[test]
fn the_list_of_types_holds_each_type_once_and_is_shared() {
    proves!("6763-9-enumeration", "6762-8.3-flush-bit");
    let mut scene = Scene::new();
    scene.announce(named("one"));
    scene.announce(named("two").subtype("_gpu").unwrap());
    scene.announce(salut::Service::new("node", "_http._tcp", 80).unwrap());
    scene.run(secs(60));
    scene.hear(&query().ask("_services._dns-sd._udp.local PTR"));
    let answer = only(scene.run(secs(1)));
    same(
        &answer.answers,
        &[
            "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
            "_services._dns-sd._udp.local 4500 PTR _http._tcp.local",
        ],
    );
}

// ---- TXT, §6.1, §6.2

#[test]
fn no_attributes_are_one_zero_byte() {
    proves!("6763-6.1-empty");
    let nothing: [&[u8]; 0] = [];
    for txt in [Txt::new(), Txt::from_strings(nothing).unwrap(), Txt::from_wire(&[]).unwrap(), Txt::default()]
    {
        assert_eq!(txt.wire(), [0]);
        let announcement = first_announcement(node().txt_record(txt));
        assert!(announcement.has("node._exo._tcp.local 4500 flush TXT \"\""));
        // Data of length 1, and that byte is 0: not of length 0.
        assert!(announcement.bytes.windows(7).any(|w| w == [0x11, 0x94, 0, 1, 0, w[5], w[6]]));
    }
}

#[test]
fn an_attribute_takes_the_place_of_the_zero_byte() {
    proves!("6763-6.1-empty");
    let txt = Txt::new().with("a", "1").unwrap();
    assert_eq!(txt.wire(), b"\x03a=1");
    assert!(Txt::from_wire(&[0, 0]).unwrap().is_empty());
}

#[test]
fn a_txt_record_below_1300_bytes_goes_out_in_one_packet_with_the_rest() {
    proves!("6763-6.2-size");
    for bytes in [200, 1000, 1200] {
        let strings = vec![vec![b'x'; 99]; bytes / 100];
        let announcement = first_announcement(node().txt_record(Txt::from_strings(strings).unwrap()));
        assert!(announcement.bytes.len() <= 1440);
        assert_eq!(announcement.answers.len(), NODE_RECORDS.len());
    }
    // Above what is wise the caller can tell.
    const { assert!(salut::txt::WISE_TXT_BYTES <= 1300) };
}

// ---- TXT, §6.4, §6.5

#[test]
fn a_key_is_printable_ascii_without_an_equals_sign() {
    proves!("6763-6.4-key");
    for key in ["", "=", "a=b", "=a", "ü", "a\tb", "a\0", "a\u{7f}", "\u{20ac}"] {
        let error = Txt::new().with(key, "1").unwrap_err();
        assert!(matches!(error, TxtError::BadKey { .. }), "{key:?}");
        assert!(Txt::new().with_flag(key).is_err(), "{key:?}");
    }
    for key in ["a", " ", "~", "A key of more than nine", "a.b-c_d"] {
        assert!(Txt::new().with(key, "1").is_ok(), "{key:?}");
    }
}

#[test]
fn strings_without_a_key_are_ignored() {
    proves!("6763-6.4-key");
    let txt = Txt::from_wire(b"\x02=x\x01=\x00\x03a=1\x04=b=2").unwrap();
    let attributes: Vec<_> = txt.attributes().collect();
    assert_eq!(attributes, [(&b"a"[..], Some(&b"1"[..]))]);
    assert_eq!(txt.get(""), None);
}

#[test]
fn keys_compare_without_case_and_the_first_of_equal_ones_counts() {
    proves!("6763-6.4-compare");
    let txt = Txt::from_strings(["Id=1", "ID=2", "id", "other=3", "iD="]).unwrap();
    for key in ["id", "ID", "Id", "iD"] {
        assert_eq!(txt.get(key), Some(Some(&b"1"[..])), "{key}");
    }
    let attributes: Vec<_> = txt.attributes().collect();
    assert_eq!(attributes, [(&b"Id"[..], Some(&b"1"[..])), (&b"other"[..], Some(&b"3"[..]))]);
}

#[test]
fn no_value_an_empty_value_and_a_value_are_three_things() {
    proves!("6763-6.5-value");
    let txt = Txt::new().with_flag("flag").unwrap().with("empty", "").unwrap().with("full", "x").unwrap();
    assert_eq!(txt.wire(), b"\x04flag\x06empty=\x06full=x");
    assert_eq!(txt.get("flag"), Some(None));
    assert_eq!(txt.get("empty"), Some(Some(&b""[..])));
    assert_eq!(txt.get("full"), Some(Some(&b"x"[..])));
    assert_eq!(txt.get("none"), None);
}

#[test]
fn a_value_is_binary_and_may_hold_equals_signs() {
    proves!("6763-6.5-value");
    let all: Vec<u8> = (0..=250).collect();
    let txt = Txt::new().with("k", &all).unwrap().with("eq", "a=b=c").unwrap();
    assert_eq!(txt.get("k"), Some(Some(&all[..])));
    assert_eq!(txt.get("eq"), Some(Some(&b"a=b=c"[..])));
    // Unchanged over the wire, to one who browses.
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &[]);
    let beta = scene.lan.host("beta").unwrap();
    attach(&mut scene.lan, beta, scene.segment, &["10.0.0.2"], &[]);
    scene.lan.announce(beta, node().txt_record(txt.clone())).unwrap();
    scene.browse();
    scene.run(secs(3));
    assert!(matches!(only(scene.changes()), Change::Found(node) if node.txt.wire() == txt.wire()));
}
