//! RFC 6762 §5.4, §5.5, §6, §6.7, §11: what is sent and taken by unicast.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;

const PTR: &str = "_exo._tcp.local 4500 PTR node._exo._tcp.local";
const A: &str = "alpha.local 120 flush A 10.0.0.1";

// ---- §5.4, QU questions

#[test]
fn a_qu_question_is_answered_by_unicast_if_the_record_was_multicast_lately() {
    proves!("6762-5.4-qu");
    // The last announcement of `announced` is about 6 s old; a quarter of 120 s is 30 s.
    for (question, answer) in [("alpha.local QU A", A), ("_exo._tcp.local QU PTR", PTR)] {
        let mut scene = Scene::announced();
        scene.hear(&query().ask(question));
        let reply = only(scene.run(secs(5)));
        assert_eq!(reply.to.to_string(), STRANGER);
        assert_eq!(reply.answers, [answer]);
    }
}

#[test]
fn a_qu_question_about_a_record_that_was_not_multicast_lately_is_answered_by_multicast() {
    proves!("6762-5.4-qu");
    for (question, quarter) in [("alpha.local QU A", 30), ("_exo._tcp.local QU PTR", 1125)] {
        for (wait, expected) in [(quarter - 1, STRANGER), (quarter + 1, GROUP)] {
            let mut scene = Scene::new();
            scene.announce(node());
            let last = scene.run(secs(10)).last().unwrap().at;
            scene.run_until(last + secs(wait));
            scene.hear(&query().ask(question));
            assert_eq!(only(scene.run(secs(5))).to.to_string(), expected, "{question} after {wait} s");
            if expected == GROUP {
                // Now everybody has heard it.
                scene.hear(&query().ask(question));
                assert_eq!(only(scene.run(secs(5))).to.to_string(), STRANGER);
            }
        }
    }
}

#[test]
fn qu_and_qm_questions_of_one_message_are_answered_each_in_its_way() {
    proves!("6762-5.4-qu", "6762-6-multicast");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("alpha.local QU A").ask("_exo._tcp.local PTR"));
    let mut sent = scene.run(secs(5));
    sent.sort_by_key(|sent| !sent.is_multicast());
    assert_eq!(sent.len(), 2);
    assert_eq!((sent[0].to.to_string(), &sent[0].answers[..]), (GROUP.to_owned(), &[PTR.to_owned()][..]));
    assert_eq!((sent[1].to.to_string(), &sent[1].answers[..]), (STRANGER.to_owned(), &[A.to_owned()][..]));
}

#[test]
fn a_qu_probe_for_an_own_name_always_gets_the_unicast_reply_at_once() {
    proves!("6762-5.4-qu-probe", "6762-6-defence");
    for age in [10, 100, 10_000] {
        let mut scene = Scene::announced();
        scene.run(secs(age));
        let asked = scene.now();
        let probe = query()
            .ask("node._exo._tcp.local QU ANY")
            .authority("node._exo._tcp.local 120 SRV 0 0 1 beta.local");
        scene.hear(&probe);
        let replies: Vec<Sent> = scene.run(secs(1)).into_iter().filter(|sent| !sent.is_multicast()).collect();
        let reply = only(replies);
        assert_eq!((reply.at, reply.to.to_string()), (asked, STRANGER.to_owned()), "after {age} s");
        assert!(reply.has("node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local"));
        assert!(reply.has("node._exo._tcp.local 4500 flush TXT \"\""));
    }
}

#[test]
fn a_unicast_answer_obeys_the_rules_of_multicast_ones() {
    proves!("6762-5.4-unicast-form", "6762-18.1-id");
    let mut delays = Vec::new();
    for seed in 0..400 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(10));
        let asked = scene.now();
        scene.hear(&query().ask("_exo._tcp.local QU PTR").id(4711));
        let reply = only(scene.run(secs(1)));
        assert_eq!((reply.to.to_string(), reply.id, reply.flags), (STRANGER.to_owned(), 0, 0x8400));
        assert!(reply.questions.is_empty() && reply.authorities.is_empty());
        assert_eq!(reply.answers, [PTR]);
        assert!(reply.additionals.iter().all(|line| line.contains(" flush ")));
        assert!(reply.has("node._exo._tcp.local 120 flush SRV") && reply.has(A));
        delays.push(reply.at - asked);
    }
    spread(&delays, 20, 120);
}

#[test]
fn known_answers_hold_back_unicast_answers_as_well() {
    proves!("6762-5.4-unicast-form", "6762-7.1-known");
    let mut scene = Scene::announced();
    scene.hear(&query().ask("_exo._tcp.local QU PTR").answer(PTR));
    scene.is_quiet(secs(5));
}

#[test]
fn a_unicast_answer_of_several_datagrams_says_everything_once() {
    proves!("6762-5.4-unicast-form", "6762-6.4-aggregation");
    let v6: Vec<String> = (1..=70).map(|host| format!("fd00::{host:x}")).collect();
    let v6: Vec<&str> = v6.iter().map(String::as_str).collect();
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &v6);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear(&query().ask("alpha.local QU AAAA"));
    let replies = scene.run(secs(1));
    assert!(replies.len() <= 3 && replies.iter().all(|sent| sent.to.to_string() == STRANGER));
    let mut told: Vec<String> = replies.iter().flat_map(Sent::records).collect();
    told.retain(|line| line.contains(" AAAA "));
    same(&told, &v6.iter().map(|it| format!("alpha.local 120 flush AAAA {it}")).collect::<Vec<_>>());
}

#[test]
fn a_qu_question_from_another_subnet_is_answered_by_multicast() {
    proves!("6762-11-qu-off-link");
    let mut scene = Scene::announced();
    scene.hear_from(OFF_LINK, &query().ask("alpha.local QU A"));
    assert_eq!(only(scene.run(secs(5))).to.to_string(), GROUP);
}

#[test]
fn a_unicast_answer_to_an_ipv6_asker_goes_to_that_asker() {
    proves!("6762-5.4-qu", "6762-6-group");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear_from(STRANGER_V6, &query().ask("alpha.local QU A"));
    assert_eq!(only(scene.run(secs(5))).to.to_string(), "[fe80::9%1]:5353");
}

// ---- §5.5, direct queries

#[test]
fn a_query_that_came_by_unicast_is_answered_as_qu() {
    proves!("6762-5.5-direct");
    let mut scene = Scene::announced();
    scene.hear_unicast(STRANGER, &query().ask("alpha.local A"));
    let reply = only(scene.run(secs(5)));
    assert_eq!((reply.to.to_string(), reply.id), (STRANGER.to_owned(), 0));
    assert_eq!(reply.answers, [A]);
    scene.run(secs(60));
    scene.hear_unicast(STRANGER, &query().ask("alpha.local A"));
    assert_eq!(only(scene.run(secs(5))).to.to_string(), GROUP);
}

#[test]
fn a_query_that_came_by_unicast_from_another_subnet_is_ignored() {
    proves!("6762-5.5-off-link");
    let mut scene = Scene::announced();
    for source in [OFF_LINK, "10.0.1.9:5353", "192.168.7.9:40000"] {
        scene.hear_unicast(source, &query().ask("alpha.local A").ask("_exo._tcp.local QU PTR"));
        let probe = query().ask("alpha.local QU ANY").authority("alpha.local 120 A 10.0.0.9");
        scene.hear_unicast(source, &probe);
        scene.is_quiet(secs(5));
    }
}

// ---- §6, §11, unicast responses

/// A scene whose browse waited for the link, and has just asked with QU.
fn asked_with_qu() -> Scene {
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &["fe80::1", "fd00::1"]);
    scene.browse();
    scene.set_link(|_| None);
    let link = scene.link;
    let state = salut::proto::LinkState {
        name: "eth0".into(),
        mtu: 1500,
        v4: vec![("10.0.0.1".parse().unwrap(), 24)],
        v6: vec![("fe80::1".parse().unwrap(), 64), ("fd00::1".parse().unwrap(), 64)],
        v4_open: true,
        v6_open: true,
        unicast: true,
    };
    let (alpha, segment) = (scene.alpha, scene.segment);
    scene.lan.set_link(alpha, link, segment, Some(state));
    let question = scene.batch(secs(1)).remove(0);
    assert_eq!(question.questions, ["_exo._tcp.local QU PTR"]);
    scene
}

fn found(scene: &mut Scene) -> bool {
    scene.run(secs(10));
    !scene.changes().is_empty()
}

/// All that a browse wants to know about another node.
fn other_node() -> Packet {
    response().answers([
        "_exo._tcp.local 4500 PTR other._exo._tcp.local",
        "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
        "other._exo._tcp.local 4500 flush TXT \"\"",
        "beta.local 120 flush A 10.0.0.9",
    ])
}

#[test]
fn a_unicast_response_is_taken_if_a_question_of_the_last_two_seconds_asked_for_it() {
    proves!("6762-6-unicast-asked");
    for (wait, taken) in [(1, true), (1999, true), (2001, false), (5000, false)] {
        let mut scene = asked_with_qu();
        scene.run(ms(wait));
        scene.hear_unicast(STRANGER, &other_node());
        assert_eq!(found(&mut scene), taken, "{wait} ms after the question");
    }
}

#[test]
fn a_unicast_response_nobody_asked_for_is_ignored() {
    proves!("6762-6-unicast-asked");
    let mut scene = Scene::new();
    scene.browse();
    // The question was QM.
    assert_eq!(scene.next(secs(1)).questions, ["_exo._tcp.local PTR"]);
    let before = scene.cached();
    scene.hear_unicast(STRANGER, &other_node());
    assert_eq!(scene.cached(), before);
    assert!(!found(&mut scene));
    // Nor does one contradict an announced name.
    let mut scene = Scene::announced();
    scene.hear_unicast(STRANGER, &response().answer("alpha.local 120 flush A 10.0.0.9"));
    scene.is_quiet(secs(5));
}

#[test]
fn a_unicast_response_about_something_else_than_was_asked_for_is_ignored() {
    proves!("6762-6-unicast-asked");
    let mut scene = asked_with_qu();
    let before = scene.cached();
    scene.hear_unicast(STRANGER, &response().answer("beta.local 120 flush A 10.0.0.9"));
    scene.hear_unicast(STRANGER, &response().answer("_http._tcp.local 120 PTR x._http._tcp.local"));
    assert_eq!(scene.cached(), before);
}

#[test]
fn a_unicast_response_is_taken_only_from_a_subnet_of_the_link() {
    proves!("6762-11-unicast-source");
    for (source, taken) in [
        (STRANGER, true),
        ("10.0.0.254:5353", true),
        ("10.0.1.9:5353", false),
        (OFF_LINK, false),
        (STRANGER_V6, true),
        ("[fd00::77]:5353", true),
        ("[fd00:0:0:1::77]:5353", false),
        ("[2001:db8::1]:5353", false),
    ] {
        let mut scene = asked_with_qu();
        scene.hear_unicast(source, &other_node());
        assert_eq!(found(&mut scene), taken, "from {source}");
    }
}

#[test]
fn a_response_to_the_group_is_taken_whatever_its_source_address() {
    proves!("6762-11-group-source");
    for source in [STRANGER, OFF_LINK, "8.8.8.8:5353", "[2001:db8::1]:5353"] {
        let mut scene = asked_with_qu();
        scene.hear_from(source, &other_node());
        assert!(found(&mut scene), "from {source}");
    }
}

// ---- §6.7, legacy queries

#[test]
fn a_query_from_another_port_gets_a_conventional_reply() {
    proves!("6762-6.7-legacy", "6762-6.7-legacy-ttl");
    for (question, answer) in [
        ("alpha.local A", "alpha.local 10 A 10.0.0.1"),
        ("_exo._tcp.local PTR", "_exo._tcp.local 10 PTR node._exo._tcp.local"),
        ("node._exo._tcp.local SRV", "node._exo._tcp.local 10 SRV 0 0 52415 alpha.local"),
        ("node._exo._tcp.local TXT", "node._exo._tcp.local 10 TXT \"\""),
        ("alpha.local AAAA", "alpha.local 10 NSEC alpha.local A"),
        ("1.0.0.10.in-addr.arpa PTR", "1.0.0.10.in-addr.arpa 10 PTR alpha.local"),
    ] {
        let mut scene = Scene::announced();
        let asked = scene.now();
        scene.hear_from(LEGACY, &query().id(4711).ask(question));
        let reply = only(scene.run(secs(5)));
        assert_eq!(reply.to.to_string(), LEGACY);
        assert_eq!((reply.id, reply.flags & 0x8000), (4711, 0x8000));
        assert_eq!(reply.questions, [question]);
        assert_eq!(reply.answers, [answer]);
        assert!(!reply.records().iter().any(|line| line.contains(" flush ")), "{reply:#?}");
        for line in reply.records() {
            assert!(line.split(' ').nth(1).unwrap().parse::<u32>().unwrap() <= 10, "{line}");
        }
        assert!(reply.at - asked <= ms(120));
    }
}

#[test]
fn a_legacy_reply_repeats_each_question_in_the_case_in_which_it_was_asked() {
    proves!("6762-6.7-legacy");
    let mut scene = Scene::announced();
    scene.hear_from(LEGACY, &query().id(1).ask("ALPHA.local A").ask("node._exo._tcp.local SRV"));
    let reply = only(scene.run(secs(5)));
    assert_eq!(reply.questions, ["ALPHA.local A", "node._exo._tcp.local SRV"]);
    assert_eq!(reply.answers.len(), 2);
}

#[test]
fn a_legacy_reply_repeats_the_question_section_as_it_was() {
    proves!("6762-6.7-legacy");
    for questions in [
        &["alpha.local A", "alpha.local TXT"][..],
        &["unknown.local A", "alpha.local A"],
        &["alpha.local CLASS255 A"],
    ] {
        let mut scene = Scene::announced();
        scene.hear_from(LEGACY, &questions.iter().fold(query().id(1), |packet, line| packet.ask(line)));
        assert_eq!(only(scene.run(secs(5))).questions, questions);
    }
}

#[test]
fn a_legacy_reply_is_given_whatever_was_multicast_and_is_no_multicast() {
    proves!("6762-6.7-legacy");
    let mut scene = Scene::announced();
    for port in 40_000..40_005 {
        let source = format!("10.0.0.9:{port}");
        scene.hear_from(&source, &query().id(1).ask("alpha.local A"));
        assert_eq!(only(scene.run(ms(150))).to.to_string(), source);
    }
    // None of them counts for the one-second rule.
    let asked = scene.now();
    scene.hear(&query().ask("alpha.local A"));
    assert_eq!(only(scene.run(ms(10))).at, asked);
}

#[test]
fn a_legacy_reply_that_others_may_give_as_well_waits_like_any_other() {
    proves!("6762-6-shared-delay", "6762-6.7-legacy");
    let mut delays = Vec::new();
    for seed in 0..400 {
        let mut scene = Scene::seeded(seed);
        scene.announce(node());
        scene.run(secs(10));
        let asked = scene.now();
        scene.hear_from(LEGACY, &query().id(1).ask("_exo._tcp.local PTR"));
        delays.push(only(scene.run(secs(1))).at - asked);
        // Nobody else can give this one.
        let asked = scene.now();
        scene.hear_from(LEGACY, &query().id(2).ask("node._exo._tcp.local SRV"));
        assert_eq!(only(scene.run(secs(1))).at, asked);
    }
    spread(&delays, 20, 120);
}

#[test]
fn a_legacy_reply_that_waits_does_not_tell_what_was_withdrawn_meanwhile() {
    proves!("6762-6.7-legacy", "6762-10.1-goodbye");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.run(secs(10));
    scene.hear_from(LEGACY, &query().id(1).ask("_exo._tcp.local PTR"));
    scene.drive(|engine, now| engine.withdraw(now, id));
    assert!(scene.run(secs(5)).iter().all(Sent::is_multicast));
}

#[test]
fn a_legacy_reply_does_not_compress_srv_targets() {
    proves!("6762-18.14-others-plain");
    let mut scene = Scene::announced();
    scene.hear_from(LEGACY, &query().id(1).ask("node._exo._tcp.local SRV"));
    let reply = only(scene.run(secs(5)));
    assert!(reply.names.contains(&("SRV".to_owned(), false)));
    assert!(!reply.names.contains(&("SRV".to_owned(), true)));
}

#[test]
fn a_legacy_query_of_an_ipv6_host_is_answered_there() {
    proves!("6762-6.7-legacy", "6762-6-group");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear_from("[fe80::9]:40000", &query().id(9).ask("alpha.local A"));
    assert_eq!(only(scene.run(secs(5))).to.to_string(), "[fe80::9%1]:40000");
}

#[test]
fn a_probe_from_another_port_is_answered_as_a_legacy_query_and_by_multicast() {
    proves!("6762-6.7-legacy", "6762-6-defence");
    for question in ["node._exo._tcp.local QU ANY", "node._exo._tcp.local ANY"] {
        let mut scene = Scene::announced();
        let asked = scene.now();
        let probe = query().id(4711).ask(question);
        scene.hear_from(LEGACY, &probe.authority("node._exo._tcp.local 120 SRV 0 0 1 beta.local"));
        let (defence, replies): (Vec<Sent>, Vec<Sent>) =
            scene.run(secs(1)).into_iter().partition(Sent::is_multicast);
        assert_eq!(only(defence).at, asked);
        let reply = only(replies);
        assert_eq!((reply.at, reply.to.to_string(), reply.id), (asked, LEGACY.to_owned(), 4711));
        assert_eq!(reply.questions, [question]);
        same(
            &reply.answers,
            &["node._exo._tcp.local 10 SRV 0 0 52415 alpha.local", "node._exo._tcp.local 10 TXT \"\""],
        );
    }
}
