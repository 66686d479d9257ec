//! Names, instances, service types, hosts and TXT records as a caller gives them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::collections::HashSet;

use proptest::prelude::*;
use salut::{HostName, InstanceName, Name, NameError, Service, ServiceError, ServiceType, Txt, TxtError};
use serde_json::Value;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

// ---- text form of names -------------------------------------------------------------

#[test]
fn escapes() {
    let labels = |text: &str| name(text).labels().map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(labels(r"a\.b.local"), [b"a.b".to_vec(), b"local".to_vec()]);
    assert_eq!(labels(r"a\\b.local."), [br"a\b".to_vec(), b"local".to_vec()]);
    assert_eq!(labels(r"a\032b"), labels("a b"));
    assert_eq!(labels(r"\000\255\x"), [vec![0, 255, b'x']]);
    assert_eq!(labels("."), Vec::<Vec<u8>>::new());
    for (text, printed) in [
        ("a b.local", r"a\032b.local"),
        (r"a\.b\\c", r"a\.b\\c"),
        (r"\027[2J", r"\027[2J"),
        (r"\255\192x", r"\255\192x"),
        ("Büro.local.", "Büro.local"),
        ("x\u{202e}y\u{2066}", r"x\226\128\174y\226\129\166"),
        ("x\u{85}\u{61c}", r"x\194\133\216\156"),
        (".", "."),
    ] {
        assert_eq!(name(text).to_string(), printed);
        assert_eq!(name(printed), name(text));
    }
}

#[test]
fn what_is_no_name() {
    let error = |text: &str| text.parse::<Name>().unwrap_err();
    for text in ["", "..", "a..b", ".a", "a.."] {
        assert_eq!(error(text), NameError::EmptyLabel, "{text:?}");
    }
    for text in ["\\", r"a\", r"\25", r"\2x5", r"\256", r"\999"] {
        assert_eq!(error(text), NameError::BadEscape, "{text:?}");
    }
    assert_eq!(error(&"x".repeat(64)), NameError::LabelTooLong { bytes: 64 });
    assert!("x".repeat(63).parse::<Name>().is_ok());
    let long = vec!["xxx"; 64].join(".");
    assert_eq!(error(&long), NameError::NameTooLong { bytes: 257 });
    assert_eq!(name(&long[4..]).wire().len(), 253);
    assert_eq!(name("a.b").prepend("").unwrap_err(), NameError::EmptyLabel);
    assert!(matches!(name(&long[4..]).prepend("xxx").unwrap_err(), NameError::NameTooLong { bytes: 257 }));
}

#[test]
fn wire_form() {
    for bad in [&b""[..], b"\x01", b"\x01x", b"\0\0", b"\x01x\0\0", b"\x40x\0", b"\xc0\x0c"] {
        assert_eq!(Name::from_wire(bad), None, "{bad:?}");
    }
    assert_eq!(Name::from_wire(b"\x01x\0"), Some(name("x")));
    assert_eq!(Name::from_wire(b"\0"), Some(name(".")));
}

#[test]
fn names_compare_without_the_case_of_ascii() {
    assert_eq!(name("ALPHA.Local"), name("alpha.local"));
    assert_ne!(name("BÜRO.local"), name("büro.local"));
    assert_eq!(name("Alpha.local").cmp(&name("aLPHA.local")), Ordering::Equal);
    // The length byte of a label is no letter.
    assert_ne!(Name::from_labels([[b'x'; 10]]).unwrap(), Name::from_labels([[b'x'; 11]]).unwrap());
    let set = HashSet::from([name("Alpha.local"), name("alpha.LOCAL"), name("beta.local")]);
    assert_eq!(set.len(), 2);
    assert_eq!(name("Alpha.local").to_string(), "Alpha.local", "the case is kept");
}

#[test]
fn family_of_names() {
    let instance = name("x._exo._tcp.local");
    assert!(instance.ends_with(&name("_EXO._tcp.local")) && instance.ends_with(&instance));
    assert!(instance.ends_with(&name(".")));
    assert!(!instance.ends_with(&name("exo._tcp.local")), "only whole labels");
    assert!(!name("local").ends_with(&instance));
    assert_eq!(instance.parent(), Some(name("_exo._tcp.local")));
    assert_eq!(name(".").parent(), None);
    assert!(name("x.LOCAL").is_local() && instance.is_local());
    assert!(!name("local").is_local() && !name("x.notlocal").is_local() && !name(".").is_local());
    assert!(!name(r"x\.local").is_local());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_and_back(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..8)) {
        let name = Name::from_labels(&labels).unwrap();
        let text = name.to_string();
        prop_assert!(!text.chars().any(|c| c.is_control() || c == ' '));
        let back: Name = text.parse().unwrap();
        prop_assert_eq!(back.wire(), name.wire());
        prop_assert_eq!(name.labels().map(<[u8]>::to_vec).collect::<Vec<_>>(), labels);
        prop_assert_eq!(Name::from_wire(name.wire()), Some(name));
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
        }
        let _ = (InstanceName::new(&text), ServiceType::new(&text), HostName::new(&text));
        let _ = Service::new(&text, "_exo._tcp", 1).unwrap_or_else(|_| Service::new("x", "_exo._tcp", 1).unwrap())
            .subtype(&text);
    }

    #[test]
    fn order_agrees_with_equality(left in "[aAbB]{1,2}(\\.[aA])?", right in "[aAbB]{1,2}(\\.[aA])?") {
        let (left, right) = (name(&left), name(&right));
        prop_assert_eq!(left.cmp(&right) == Ordering::Equal, left == right);
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    }
}

// ---- instances, types, hosts --------------------------------------------------------

#[test]
fn instance_names() {
    assert_eq!(InstanceName::new("").unwrap_err(), NameError::EmptyInstance);
    for good in ["A.B", r"a\b", "a b", "😀", "(2)", &"x".repeat(63), &"é".repeat(31)] {
        let instance = InstanceName::new(good).unwrap();
        assert_eq!((instance.as_bytes(), &*instance.as_str()), (good.as_bytes(), good));
        assert_eq!(instance.to_string(), good);
    }
    for long in ["x".repeat(64), "é".repeat(32), "😀".repeat(16)] {
        let error = InstanceName::new(&long).unwrap_err();
        assert_eq!(error, NameError::InstanceTooLong { bytes: long.len(), name: long });
    }
    for control in ["a\0", "\u{7}", "a\nb", "\u{7f}", "\u{85}"] {
        assert_eq!(InstanceName::new(control).unwrap_err(), NameError::ControlCharacter);
    }
    assert_eq!(InstanceName::new("Node").unwrap(), InstanceName::new("nODE").unwrap());
}

#[test]
fn service_types() {
    for good in ["_exo._tcp", "_exo._udp.local", "_a-b1._TCP.", "_exo._tcp.local.", "_abcdefghijklmno._tcp"] {
        assert!(ServiceType::new(good).is_ok(), "{good}");
    }
    assert_eq!(ServiceType::new("_exo._tcp.local").unwrap().to_string(), "_exo._tcp");
    for bad in [
        "",
        "_exo",
        "exo._tcp",
        "_exo._sctp",
        "_exo._tcp.example.com",
        "_._tcp",
        "_1._tcp",
        "_-a._tcp",
        "_a-._tcp",
        "_a--b._tcp",
        "_a_b._tcp",
        "_x.y._tcp",
        "_é._tcp",
    ] {
        assert!(matches!(ServiceType::new(bad), Err(NameError::BadServiceType { .. })), "{bad}");
    }
    let long = "_abcdefghijklmnop._tcp";
    assert!(matches!(ServiceType::new(long), Err(NameError::ServiceTooLong { bytes: 16, .. })));
    assert!(ServiceType::new_long(long).is_ok());
    assert!(ServiceType::new_long(&format!("_{}._udp", "x".repeat(62))).is_ok());
    assert!(ServiceType::new_long(&format!("_{}._udp", "x".repeat(63))).is_err());
}

#[test]
fn host_names() {
    for (text, full) in [
        ("alpha", "alpha.local"),
        ("alpha.local", "alpha.local"),
        ("alpha.LOCAL.", "alpha.local"),
        ("a.b.local", "a.b.local"),
        ("büro", "büro.local"),
        ("node-2147483647", "node-2147483647.local"),
    ] {
        assert_eq!(HostName::new(text).unwrap().name(), &name(full));
    }
    for bad in [
        "",
        ".",
        "..",
        ".local",
        "a..local",
        "a.b",
        "alpha.example.com",
        "10.77.0.2",
        "fe80::1",
        "::1",
        "a b",
        "a\0b.local",
        "a/b",
        ").",
        "\u{85}",
    ] {
        assert!(HostName::new(bad).is_err(), "{bad:?}");
    }
    assert!(HostName::new(&"x".repeat(63)).is_ok());
    assert_eq!(HostName::new(&"x".repeat(64)).unwrap_err(), NameError::LabelTooLong { bytes: 64 });
}

#[test]
fn services() {
    assert!(matches!(Service::new("x", "_exo._tcp", 0), Err(ServiceError::PortZero)));
    let mut service = Service::new("A.B", "_exo._tcp", 1).unwrap();
    assert_eq!(service.full_name().to_string(), r"A\.B._exo._tcp.local");
    for number in 0..16 {
        service = service.subtype(&format!("_s{number}")).unwrap();
    }
    service = service.subtype("_S3").unwrap();
    assert!(matches!(service.clone().subtype("_s16"), Err(ServiceError::TooManySubtypes { count: 17 })));
    assert!(service.subtype("").is_err());
}

// ---- TXT ----------------------------------------------------------------------------

#[test]
fn txt_attributes() {
    let txt = Txt::from_strings(["Key=1", "key=2", "=lost", "flag", "", "empty=", "eq=a=b"]).unwrap();
    let read: Vec<_> = txt.attributes().collect();
    let expected: [(&[u8], Option<&[u8]>); 4] =
        [(b"Key", Some(b"1")), (b"flag", None), (b"empty", Some(b"")), (b"eq", Some(b"a=b"))];
    assert_eq!(read, expected);
    assert_eq!(txt.get("KEY"), Some(Some(&b"1"[..])));
    assert_eq!(txt.get("none"), None);
}

#[test]
fn txt_bounds() {
    assert_eq!(Txt::new().wire(), [0]);
    assert_eq!(Txt::new().with("a", "").unwrap().wire(), b"\x02a=");
    assert_eq!(Txt::from_wire(b"").unwrap().wire(), [0]);
    assert_eq!(Txt::from_wire(b"\x02a"), None);
    assert!(Txt::from_wire(b"\0\0").unwrap().is_empty());
    for bad in ["", "a=b", "é", "a\n"] {
        assert_eq!(Txt::new().with(bad, "x").unwrap_err(), TxtError::BadKey { key: bad.to_owned() });
        assert!(Txt::new().with_flag(bad).is_err());
    }
    assert!(Txt::new().with("k", vec![0xff; 253]).is_ok());
    let error = Txt::new().with("k", vec![0xff; 254]).unwrap_err();
    assert_eq!(error, TxtError::StringTooLong { key: "k".to_owned(), bytes: 256 });
    let strings = |count| Txt::from_strings(vec![[b'x'; 99]; count]);
    assert_eq!(strings(89).unwrap().wire().len(), 8900);
    assert_eq!(strings(90).unwrap_err(), TxtError::RecordTooLong { bytes: 9000 });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn txt_wire_and_back(strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=255), 0..20)) {
        let txt = Txt::from_strings(&strings).unwrap();
        prop_assert_eq!(Txt::from_wire(txt.wire()), Some(txt.clone()));
        let filled = strings.iter().filter(|string| !string.is_empty());
        prop_assert!(txt.strings().eq(filled));
        for (key, value) in txt.attributes() {
            if let Ok(key) = std::str::from_utf8(key) {
                prop_assert_eq!(txt.get(key), Some(value));
            }
        }
    }

    #[test]
    fn any_txt_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(txt) = Txt::from_wire(&bytes) {
            prop_assert!(txt.attributes().count() <= txt.strings().count());
        }
    }
}

// ---- strings that broke other stacks ------------------------------------------------

#[test]
fn strings_from_the_corpus() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/api.json");
    let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut checked = 0;
    for case in cases.as_array().unwrap() {
        let (call, want) = (case["call"].as_str().unwrap(), case["want"].as_str().unwrap());
        let arg = case["arg"].as_str().unwrap();
        let result = match call {
            "announce.instance" => Service::new(arg, "_exo._tcp", 1).map(drop).map_err(|e| e.to_string()),
            "announce.service" => Service::new("x", arg, 1).map(drop).map_err(|e| e.to_string()),
            "announce.host" | "resolve" => HostName::new(arg).map(drop).map_err(|e| e.to_string()),
            "announce.txt" => {
                let (key, value) = arg.split_once('=').unwrap_or(("k", arg));
                Txt::new().with(key, value).map(drop).map_err(|e| e.to_string())
            }
            "announce.port" => {
                Service::new("x", "_exo._tcp", arg.parse().unwrap()).map(drop).map_err(|e| e.to_string())
            }
            other => panic!("{other}"),
        };
        checked += 1;
        assert_eq!(result.is_err(), want.starts_with("typed error"), "{}: {result:?}", case["name"]);
        if let Err(text) = result {
            assert!(text.len() <= 1024 && !text.chars().any(char::is_control), "{}: {text}", case["name"]);
        }
    }
    assert!(checked >= 18, "{checked}");
}
