//! RFC 6762 §3, §6, §11, §18: headers, ports, groups. (What only a socket can show, ports,
//! TTLs and memberships, is shown in network namespaces.)
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;

const A: &str = "alpha.local 120 flush A 10.0.0.1";

/// All that a browse wants to know about another node.
fn other_node() -> Packet {
    response().answers([
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 4500 flush TXT \"\"",
        "beta.local 120 flush A 10.0.0.9",
    ])
}

/// Whether a browse that hears this finds something.
fn finds(source: &str, packet: &Packet) -> bool {
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    scene.hear_from(source, packet);
    scene.run(secs(10));
    !scene.changes().is_empty()
}

/// Whether the announced host answers this.
fn answers(packet: &Packet) -> bool {
    let mut scene = Scene::announced();
    scene.hear(packet);
    !scene.run(secs(1)).is_empty()
}

/// A bit of everything that an engine sends.
fn everything() -> Vec<Sent> {
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.browse();
    let mut sent = scene.run(secs(10));
    for question in
        ["_exo._tcp.local PTR", "alpha.local AAAA", "alpha.local QU A", "node._exo._tcp.local ANY"]
    {
        scene.hear(&query().id(4711).ask(question));
        sent.extend(scene.run(secs(2)));
    }
    scene.hear(&other_node());
    sent.extend(scene.run(secs(200)));
    scene.drive(|engine, now| engine.withdraw(now, id));
    sent.extend(scene.run(secs(4000)));
    assert!(sent.len() > 15);
    sent
}

// ---- where it goes, and what is listened to

#[test]
fn multicasts_go_to_the_two_groups_on_port_5353() {
    proves!("6762-6-group");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.browse();
    let sent = scene.run(secs(10));
    let to = |address: &str| sent.iter().filter(|sent| sent.to.to_string() == address).count();
    assert_eq!(to(GROUP) + to("[ff02::fb%1]:5353"), sent.len());
    assert_eq!(to(GROUP), to("[ff02::fb%1]:5353"));
    // A link of one family.
    for (v4, v6, group) in
        [(&["10.0.0.1"][..], &[][..], GROUP), (&[][..], &["fe80::1"][..], "[ff02::fb%1]:5353")]
    {
        let mut scene = Scene::plugged_in(1, v4, v6);
        scene.announce(node());
        let sent = scene.run(secs(10));
        assert!(sent.len() == 6 && sent.iter().all(|sent| sent.to.to_string() == group));
    }
}

#[test]
fn ipv6_alone_probes_announces_answers_and_finds() {
    proves!("6762-6-group");
    let mut scene = Scene::plugged_in(1, &[], &["fe80::1"]);
    scene.announce(node());
    scene.browse();
    assert_eq!(scene.run(secs(10)).iter().filter(|sent| sent.is_probe()).count(), 3);
    scene.hear_from(STRANGER_V6, &query().ask("alpha.local AAAA"));
    assert_eq!(only(scene.run(secs(1))).answers, ["alpha.local 120 flush AAAA fe80::1"]);
    scene.changes();
    scene.hear_from(STRANGER_V6, &other_node());
    scene.run(secs(1));
    assert_eq!(scene.changes().len(), 1);
}

#[test]
fn a_response_from_another_port_is_ignored() {
    proves!("6762-6-response-port");
    assert!(finds(STRANGER, &other_node()));
    for source in [LEGACY, "10.0.0.9:53", "10.0.0.9:5354", "[fe80::9]:1024"] {
        assert!(!finds(source, &other_node()), "{source}");
    }
}

#[test]
fn a_response_from_another_port_is_no_conflict() {
    proves!("6762-6-response-port");
    let mut scene = Scene::new();
    scene.announce(node());
    scene.next(secs(1));
    let taken = response().answer("alpha.local 120 flush A 10.0.0.9");
    scene.hear_from(LEGACY, &taken);
    scene.run(secs(10));
    scene.hear_from(LEGACY, &taken);
    // Nor is it a reason to repeat a record.
    scene.hear_from(LEGACY, &response().answer("alpha.local 0 flush A 10.0.0.1"));
    scene.is_quiet(secs(5));
    assert_eq!(scene.lan.engine(scene.alpha).unwrap().host().to_string(), "alpha.local");
}

#[test]
fn the_ttl_of_what_comes_in_plays_no_part() {
    proves!("6762-11-ttl-received");
    // There is no way to tell it to the engine: these are all the fields of a packet.
    let salut::proto::Packet { link: _, source, unicast: _, payload: _ } = salut::proto::Packet {
        link: salut::proto::LinkIndex(1),
        source: STRANGER.parse().unwrap(),
        unicast: false,
        payload: &[],
    };
    assert_eq!(source.port(), 5353);
    // And what comes in without one is taken.
    assert!(finds(STRANGER, &other_node()));
}

// ---- the header, sent

#[test]
fn the_id_is_zero_in_all_that_is_sent_to_port_5353() {
    proves!("6762-18.1-id");
    assert!(everything().iter().all(|sent| sent.id == 0));
}

#[test]
fn of_the_flags_a_query_sets_none_and_a_response_qr_and_aa() {
    proves!("6762-18.2-qr", "6762-18.3-opcode", "6762-18.4-aa", "6762-18.5-tc", "6762-18.6-other-bits");
    proves!("6762-18.11-rcode");
    for sent in everything() {
        let is_response = sent.questions.is_empty();
        assert_eq!(sent.flags, if is_response { 0x8400 } else { 0 }, "{sent:#?}");
        assert!(!is_response || (!sent.answers.is_empty() && sent.authorities.is_empty()), "{sent:#?}");
    }
}

#[test]
fn a_response_holds_no_question() {
    proves!("6762-6-no-questions");
    let responses: Vec<Sent> = everything().into_iter().filter(|sent| !sent.is_query()).collect();
    assert!(responses.len() > 8);
    assert!(responses.iter().all(|sent| sent.questions.is_empty()));
}

#[test]
fn a_full_response_is_split_and_does_not_set_tc() {
    proves!("6762-18.5-tc");
    let mut scene = Scene::new();
    for number in 0..60 {
        scene.announce(named(&format!("node {number}")).txt("id", [b'x'; 200]).unwrap());
    }
    scene.run(secs(60));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let sent = scene.run(secs(5));
    assert!(sent.len() > 5 && sent.iter().all(|sent| sent.flags == 0x8400));
}

// ---- the header, received

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const Z: u16 = 0x0040;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;

#[test]
fn the_id_is_ignored_on_reception() {
    proves!("6762-18.1-id");
    assert!(finds(STRANGER, &other_node().id(4711)));
    assert!(answers(&query().id(4711).ask("alpha.local A")));
}

#[test]
fn other_opcodes_are_ignored() {
    proves!("6762-18.3-opcode");
    for opcode in 1..16_u16 {
        assert!(!finds(STRANGER, &other_node().flags(opcode << 11)), "{opcode}");
        assert!(!answers(&query().ask("alpha.local A").flags(opcode << 11)), "{opcode}");
    }
}

#[test]
fn other_response_codes_are_ignored() {
    proves!("6762-18.11-rcode");
    for rcode in 1..16 {
        assert!(!finds(STRANGER, &other_node().flags(rcode)), "{rcode}");
        assert!(!answers(&query().ask("alpha.local A").flags(rcode)), "{rcode}");
    }
}

#[test]
fn aa_rd_ra_z_ad_and_cd_are_ignored_on_reception() {
    proves!("6762-18.4-aa", "6762-18.6-other-bits");
    for bits in [AA, RD, RA, Z, AD, CD, AA | RD | RA | Z | AD | CD] {
        assert!(answers(&query().ask("alpha.local A").flags(bits)), "{bits:04x}");
        assert!(finds(STRANGER, &other_node().flags(bits)), "{bits:04x}");
    }
    // A response without AA: QR alone.
    let mut bytes = other_node().bytes();
    bytes[2] = 0x80;
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    scene.hear_bytes(STRANGER, &bytes);
    scene.run(secs(1));
    assert_eq!(scene.changes().len(), 1);
}

#[test]
fn tc_is_ignored_in_responses_that_come_in() {
    proves!("6762-18.5-tc");
    assert!(finds(STRANGER, &other_node().flags(TC)));
}

#[test]
fn a_question_in_a_response_is_ignored_and_the_records_are_used() {
    proves!("6762-6-no-questions");
    assert!(finds(STRANGER, &other_node().ask("alpha.local A")));
    let mut scene = Scene::announced();
    scene.hear(&response().ask("alpha.local A").answer("beta.local 120 flush A 10.0.0.9"));
    scene.is_quiet(secs(5));
}

#[test]
fn a_response_answers_no_question_and_a_query_tells_nothing() {
    proves!("6762-18.2-qr");
    // The very same content with the other QR bit.
    assert!(!finds(STRANGER, &query().answers(["_exo._tcp.local 4500 PTR other._exo._tcp.local"])));
    assert!(!answers(&response().ask("alpha.local A")));
}

#[test]
fn an_answer_to_a_numbered_query_from_port_5353_is_not_numbered() {
    proves!("6762-18.1-id");
    let mut scene = Scene::announced();
    scene.hear(&query().id(4711).ask("alpha.local A"));
    let answer = only(scene.run(secs(1)));
    assert_eq!((answer.id, &answer.answers[..]), (0, &[A.to_owned()][..]));
}
