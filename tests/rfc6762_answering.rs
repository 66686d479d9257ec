//! RFC 6762 §6: which questions are answered, with which records, and to whom.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::Txt;

/// Asks, and gives the one answer.
#[track_caller]
fn answer_to(scene: &mut Scene, questions: &[&str]) -> Sent {
    let packet = questions.iter().fold(query(), |packet, question| packet.ask(question));
    scene.hear(&packet);
    only(scene.run(ms(150)))
}

const SRV: &str = "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local";
const TXT: &str = "node._exo._tcp.local 4500 flush TXT \"\"";
const PTR: &str = "_exo._tcp.local 4500 PTR node._exo._tcp.local";
const A: &str = "alpha.local 120 flush A 10.0.0.1";
const NO_AAAA: &str = "alpha.local 120 flush NSEC alpha.local A";

// ---- what answers

#[test]
fn a_record_answers_when_name_type_and_class_match() {
    proves!("6762-6-match");
    for (question, record) in [
        ("alpha.local A", A),
        ("node._exo._tcp.local SRV", SRV),
        ("node._exo._tcp.local TXT", TXT),
        ("_exo._tcp.local PTR", PTR),
        ("_services._dns-sd._udp.local PTR", "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local"),
        ("1.0.0.10.in-addr.arpa PTR", "1.0.0.10.in-addr.arpa 120 flush PTR alpha.local"),
        ("alpha.local CLASS255 A", A),
    ] {
        let mut scene = Scene::announced();
        assert_eq!(answer_to(&mut scene, &[question]).answers, [record], "{question}");
    }
}

#[test]
fn type_any_and_class_any_get_all_matching_records() {
    proves!("6762-6.5-any", "6762-6-match");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear(&query().ask("node._exo._tcp.local CLASS255 ANY"));
    let sent = scene.run(secs(1));
    same(&sent[0].answers, &[SRV, TXT]);
    scene.run(secs(10));
    scene.hear(&query().ask("alpha.local ANY"));
    let addresses = [
        "alpha.local 120 flush A 10.0.0.1",
        "alpha.local 120 flush A 10.0.0.2",
        "alpha.local 120 flush AAAA fe80::1",
    ];
    same(&scene.run(secs(1))[0].answers, &addresses);
}

#[test]
fn a_question_of_another_class_is_not_answered() {
    proves!("6762-6-class");
    for class in [2, 3, 4, 254] {
        let mut scene = Scene::announced();
        for question in ["alpha.local CLASSn A", "_exo._tcp.local CLASSn PTR", "alpha.local CLASSn AAAA"] {
            scene.hear(&query().ask(&question.replace("CLASSn", &format!("CLASS{class}"))));
        }
        scene.is_quiet(secs(2));
    }
}

#[test]
fn who_has_nothing_to_say_says_nothing() {
    proves!("6762-6-silence", "6762-6.1-shared");
    let mut scene = Scene::announced();
    for question in [
        "beta.local A",
        "other._exo._tcp.local SRV",
        "other._exo._tcp.local ANY",
        "_http._tcp.local PTR",
        "_gpu._sub._exo._tcp.local PTR",
        "2.0.0.10.in-addr.arpa PTR",
        "local ANY",
        ". ANY",
        // Names that are shared: what one host lacks another may have.
        "_exo._tcp.local TXT",
        "_exo._tcp.local A",
        "_services._dns-sd._udp.local SRV",
    ] {
        scene.hear(&query().ask(question));
        scene.hear_from(LEGACY, &query().ask(question).id(7));
        scene.hear_unicast(NEIGHBOUR, &query().ask(question));
        scene.is_quiet(secs(2));
    }
    scene.hear(&query());
    scene.is_quiet(secs(2));
}

#[test]
fn records_of_others_are_never_sent() {
    proves!("6762-6-own-only");
    let mut scene = Scene::announced();
    scene.browse();
    let theirs = [
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 4500 flush TXT \"\"",
        "beta.local 120 flush A 10.0.0.9",
    ];
    scene.hear(&response().answers(theirs));
    scene.run(secs(10));
    assert_eq!(scene.changes().len(), 2, "the other node is in the cache, and our own");
    for question in ["_exo._tcp.local PTR", "other._exo._tcp.local SRV", "beta.local A"] {
        scene.hear(&query().ask(question));
        scene.hear_from(LEGACY, &query().ask(question));
    }
    let sent: Vec<Sent> = scene.run(secs(2)).into_iter().filter(|sent| !sent.is_query()).collect();
    assert_eq!(sent.len(), 2);
    for line in sent.iter().flat_map(Sent::records) {
        assert!(!line.contains("other") && !line.contains("beta"), "{line}");
    }
}

#[test]
fn all_questions_of_a_message_are_answered() {
    proves!("6762-6.3-all-questions");
    let mut scene = Scene::announced();
    let answer = answer_to(
        &mut scene,
        &["alpha.local A", "unknown.local A", "node._exo._tcp.local TXT", "_exo._tcp.local PTR"],
    );
    same(&answer.answers, &[A, TXT, PTR]);
}

// ---- to whom

#[test]
fn answers_go_to_the_group_on_both_families_whichever_asked() {
    proves!("6762-6-multicast", "6762-6-group");
    for source in [STRANGER, STRANGER_V6] {
        let mut scene = Scene::dual(1);
        scene.announce(node());
        scene.run(secs(10));
        for question in ["alpha.local A", "_exo._tcp.local PTR", "alpha.local HINFO"] {
            scene.hear_from(source, &query().ask(question));
            let to: Vec<String> = scene.run(secs(2)).iter().map(|sent| sent.to.to_string()).collect();
            assert_eq!(to, [GROUP, "[ff02::fb%1]:5353"], "{question} from {source}");
        }
    }
}

#[test]
fn a_question_that_came_on_both_families_is_answered_once() {
    proves!("6762-6-one-second");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.run(secs(10));
    let question = query().ask("alpha.local A").ask("node._exo._tcp.local TXT");
    scene.hear(&question);
    scene.run(ms(5));
    scene.hear_from(STRANGER_V6, &question);
    assert_eq!(scene.run(secs(5)).len(), 2, "one copy a family");
}

#[test]
fn a_qm_question_is_never_answered_by_unicast() {
    proves!("6762-6-multicast");
    let mut scene = Scene::announced();
    for source in [STRANGER, NEIGHBOUR, OFF_LINK] {
        for question in
            ["alpha.local A", "_exo._tcp.local PTR", "node._exo._tcp.local ANY", "alpha.local AAAA"]
        {
            scene.hear_from(source, &query().ask(question));
            let sent = scene.run(secs(2));
            assert!(!sent.is_empty() && sent.iter().all(Sent::is_multicast), "{question}");
        }
    }
}

// ---- NSEC

#[test]
fn a_type_that_an_own_name_lacks_is_denied_by_nsec() {
    proves!("6762-6.1-nsec");
    for (question, nsec) in [
        ("alpha.local AAAA", NO_AAAA),
        ("node._exo._tcp.local A", "node._exo._tcp.local 120 flush NSEC node._exo._tcp.local TXT SRV"),
        ("1.0.0.10.in-addr.arpa SRV", "1.0.0.10.in-addr.arpa 120 flush NSEC 1.0.0.10.in-addr.arpa PTR"),
    ] {
        let mut scene = Scene::announced();
        let asked = scene.now();
        let answer = answer_to(&mut scene, &[question]);
        assert_eq!(answer.answers, [nsec]);
        assert_eq!(answer.at, asked, "a unique answer is not delayed");
        // The next name is the owner's own and so takes two bytes; one block, number 0.
        assert!(answer.names.contains(&("NSEC".to_owned(), true)));
    }
}

#[test]
fn nsec_lives_as_long_as_the_missing_record_would() {
    proves!("6762-6.1-nsec-ttl");
    for (rtype, ttl) in [("A", 120), ("AAAA", 120), ("HINFO", 120), ("NS", 4500), ("TYPE99", 4500)] {
        let mut scene = Scene::announced();
        let answer = answer_to(&mut scene, &[&format!("node._exo._tcp.local {rtype}")]);
        assert!(answer.has(&format!("node._exo._tcp.local {ttl} flush NSEC ")), "{rtype}: {answer:#?}");
    }
    let mut scene = Scene::announced();
    assert!(answer_to(&mut scene, &["alpha.local TXT"]).has("alpha.local 4500 flush NSEC "));
}

#[test]
fn nsec_has_no_nsec_bit_and_no_block_but_the_first() {
    proves!("6762-6.1-nsec");
    let mut scene = Scene::announced();
    let answer = answer_to(&mut scene, &["node._exo._tcp.local AAAA"]);
    // Two bytes of next name, block 0 of 5 bytes: TXT is bit 16, SRV bit 33; NSEC would be 47.
    assert!(answer.bytes.ends_with(&[0, 5, 0, 0, 0x80, 0, 0x40]), "{:?}", answer.bytes);
    assert_eq!(answer.bytes[answer.bytes.len() - 9] & 0xc0, 0xc0);
}

#[test]
fn a_question_about_a_type_that_is_there_gets_no_denial() {
    proves!("6762-6.1-nsec");
    let mut scene = Scene::announced();
    let answer = answer_to(&mut scene, &["node._exo._tcp.local SRV"]);
    assert!(!answer.has("node._exo._tcp.local 120 flush NSEC"));
    let mut scene = Scene::announced();
    let answer = answer_to(&mut scene, &["node._exo._tcp.local ANY"]);
    same(&answer.answers, &[SRV, TXT]);
}

// ---- addresses and additionals

#[test]
fn an_address_answer_holds_all_addresses_of_the_link() {
    proves!("6762-6.2-link-addresses", "6762-6.2-other-family", "6762-10.2-whole-set");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &["fe80::1", "fd00::1"]);
    scene.announce(node());
    let (v4, v6) = (
        ["alpha.local 120 flush A 10.0.0.1", "alpha.local 120 flush A 10.0.0.2"],
        ["alpha.local 120 flush AAAA fe80::1", "alpha.local 120 flush AAAA fd00::1"],
    );
    for (question, answers, additionals) in [("alpha.local A", v4, v6), ("alpha.local AAAA", v6, v4)] {
        scene.run(secs(60));
        scene.hear(&query().ask(question));
        let sent = scene.run(secs(1));
        same(&sent[0].answers, &answers);
        same(&sent[0].additionals, &additionals);
    }
}

#[test]
fn a_set_of_which_one_is_known_is_sent_whole_or_not_at_all() {
    proves!("6762-10.2-whole-set");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &[]);
    scene.announce(node());
    scene.run(secs(60));
    scene.hear(&query().ask("alpha.local A").answer("alpha.local 120 A 10.0.0.1"));
    let answer = only(scene.run(secs(1)));
    assert!(answer.has("alpha.local 120 flush A 10.0.0.2"));
    assert!(answer.has("alpha.local 120 flush A 10.0.0.1"), "the other one would be flushed");
}

#[test]
fn a_family_that_is_missing_is_denied_along_with_an_address_answer() {
    proves!("6762-6.2-missing-family");
    let mut scene = Scene::announced();
    let answer = answer_to(&mut scene, &["alpha.local A"]);
    assert_eq!(answer.answers, [A]);
    assert_eq!(answer.additionals, [NO_AAAA]);

    let mut scene = Scene::plugged_in(1, &[], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear_from(STRANGER_V6, &query().ask("alpha.local AAAA"));
    let answer = only(scene.run(secs(1)));
    assert_eq!(answer.additionals, ["alpha.local 120 flush NSEC alpha.local AAAA"]);
}

#[test]
fn a_ptr_answer_brings_srv_txt_and_all_addresses() {
    proves!("6763-12.1-ptr");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &["fe80::1"]);
    scene.announce(node().subtype("_gpu").unwrap());
    for (question, pointer) in [
        ("_exo._tcp.local PTR", PTR),
        ("_gpu._sub._exo._tcp.local PTR", "_gpu._sub._exo._tcp.local 4500 PTR node._exo._tcp.local"),
    ] {
        scene.run(secs(60));
        scene.hear(&query().ask(question));
        let answer = scene.run(secs(1)).remove(0);
        assert_eq!(answer.answers, [pointer]);
        let addresses = [A, "alpha.local 120 flush A 10.0.0.2", "alpha.local 120 flush AAAA fe80::1"];
        same(&answer.additionals, &[&[SRV, TXT][..], &addresses].concat());
    }
}

#[test]
fn an_srv_answer_brings_all_addresses() {
    proves!("6763-12.2-srv");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(60));
    scene.hear(&query().ask("node._exo._tcp.local SRV"));
    let answer = scene.run(secs(1)).remove(0);
    assert_eq!(answer.answers, [SRV]);
    same(&answer.additionals, &[A, "alpha.local 120 flush A 10.0.0.2", "alpha.local 120 flush AAAA fe80::1"]);
}

#[test]
fn the_cache_flush_bit_is_set_on_every_unique_record_of_an_answer_and_on_no_other() {
    proves!("6762-8.3-flush-bit");
    let mut scene = Scene::announced_as(node().subtype("_gpu").unwrap());
    let answer = answer_to(
        &mut scene,
        &["_exo._tcp.local PTR", "_gpu._sub._exo._tcp.local PTR", "_services._dns-sd._udp.local PTR"],
    );
    assert_eq!(answer.answers.len(), 3);
    assert!(answer.answers.iter().all(|line| !line.contains(" flush ")), "{answer:#?}");
    assert!(!answer.additionals.is_empty());
    assert!(answer.additionals.iter().all(|line| line.contains(" flush ")), "{answer:#?}");
}

// ---- an answer that was packed once is given again, until what it says changes

/// The records of the answer to one and the same question, whatever is announced meanwhile.
fn repeated(scene: &mut Scene) -> Vec<String> {
    scene.run(secs(10));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let sent = scene.next(secs(1));
    assert!(sent.is_multicast());
    sent.records()
}

fn says(records: &[String], part: &str) -> bool {
    records.iter().any(|line| line.contains(part))
}

#[test]
fn a_repeated_answer_says_what_is_true_now() {
    proves!("6762-6-match", "6762-6.2-link-addresses");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    let first = repeated(&mut scene);
    assert!(says(&first, "SRV") && says(&first, "52415") && says(&first, "10.0.0.1"), "{first:?}");
    assert_eq!(repeated(&mut scene), first);

    scene.drive(|engine, now| engine.set_port(now, id, 4242));
    let moved = repeated(&mut scene);
    assert!(says(&moved, "4242") && !says(&moved, "52415"), "{moved:?}");
    assert_eq!(repeated(&mut scene), moved);

    scene.drive(|engine, now| engine.set_txt(now, id, Txt::new().with("id", "7").unwrap()));
    let described = repeated(&mut scene);
    assert!(says(&described, "id=7"), "{described:?}");

    scene.set_link(|mut state| {
        state.v4 = vec![([10, 0, 0, 2].into(), 24)];
        Some(state)
    });
    let elsewhere = repeated(&mut scene);
    assert!(says(&elsewhere, "10.0.0.2") && !says(&elsewhere, "10.0.0.1"), "{elsewhere:?}");

    scene.announce(named("other"));
    let both = repeated(&mut scene);
    assert!(says(&both, "PTR node.") && says(&both, "PTR other."), "{both:?}");

    scene.drive(|engine, now| engine.withdraw(now, id));
    let one = repeated(&mut scene);
    assert!(!says(&one, "node.") && says(&one, "PTR other."), "{one:?}");
}

#[test]
fn a_repeated_answer_fits_the_link_as_it_is_now() {
    proves!("6762-17-mtu");
    let mut scene = Scene::new();
    let long = Txt::new().with("k", [b'v'; 240]).unwrap();
    let long = (0..4).fold(long, |txt, n| txt.with(&format!("k{n}"), [b'v'; 240]).unwrap());
    scene.set_link(|mut state| {
        state.mtu = 9000;
        Some(state)
    });
    let id = scene.announce(node());
    scene.drive(|engine, now| engine.set_txt(now, id, long));
    let whole = repeated(&mut scene);
    assert!(says(&whole, "TXT") && says(&whole, "SRV"), "{whole:?}");
    scene.set_link(|mut state| {
        state.mtu = 1280;
        Some(state)
    });
    scene.run(secs(10));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    let sent = scene.next(secs(1));
    assert!(sent.bytes.len() <= 1280 - 48, "{}", sent.bytes.len());
}
