//! The bounds of what is answered, reached: nobody is made to flood anybody, and who asks
//! honestly gets an answer all the same.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::time::Duration;

use rfc::*;
use salut::Service;

fn unicasts(sent: &[Sent]) -> Vec<&Sent> {
    sent.iter().filter(|sent| !sent.is_multicast()).collect()
}

// ---- unicast replies

#[test]
fn one_source_gets_twenty_legacy_replies_and_then_ten_a_second() {
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    let (mut received, mut to_it) = (0, 0);
    for number in 0..3000_u16 {
        let packet = query().id(number).ask("_exo._tcp.local PTR");
        received += packet.bytes().len();
        scene.hear_from(LEGACY, &packet);
        if number % 3 == 0 {
            sent.extend(scene.run(ms(1)));
        }
    }
    sent.extend(scene.run(secs(1)));
    to_it += sent.iter().map(|sent| sent.bytes.len()).sum::<usize>();
    let replies = unicasts(&sent).len();
    assert!((29..=31).contains(&replies), "{replies} replies to 3000 questions of one second");
    assert_eq!(sent.len(), replies, "a legacy question is nothing to the others");
    assert!(to_it * 10 < received, "{to_it} bytes for {received}");
    // Another port of the same address is the same source; another address is another.
    scene.hear_from("10.0.0.9:40001", &query().ask("_exo._tcp.local PTR"));
    scene.hear_from("10.0.0.7:40001", &query().ask("_exo._tcp.local PTR"));
    let replies = scene.run(ms(120));
    assert!(replies.iter().any(|sent| sent.to.to_string() == "10.0.0.7:40001"), "{replies:#?}");
}

#[test]
fn all_together_get_two_hundred_unicast_replies_a_second() {
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    for tick in 0..1000 {
        for number in 0..3 {
            let source = format!("10.0.0.{}:40000", 20 + (tick * 3 + number) % 200);
            scene.hear_from(&source, &query().ask("_exo._tcp.local PTR"));
        }
        sent.extend(scene.run(ms(1)));
    }
    sent.extend(scene.run(ms(120)));
    let replies = unicasts(&sent).len();
    assert!((390..=401).contains(&replies), "{replies}: 200 at once and 200 in the second");
    // A participant hears the answer by multicast, whatever happens to unicast.
    scene.hear_from(NEIGHBOUR, &query().ask("_exo._tcp.local PTR"));
    assert!(only(scene.run(secs(1))).is_multicast());
}

#[test]
fn many_forged_sources_use_up_no_memory_and_only_the_unicast_replies() {
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(10));
    for number in 0..5000 {
        let source = format!("[fe80::{:x}]:40000", 0x100 + number);
        scene.hear_from(&source, &query().ask("alpha.local A"));
    }
    let replies = scene.sent().len();
    assert_eq!(replies, 200);
    scene.hear_from(NEIGHBOUR, &query().ask("alpha.local A"));
    assert!(scene.run(secs(1)).iter().all(Sent::is_multicast));
}

#[test]
fn a_qu_question_beyond_the_budget_is_answered_to_everybody_once_a_second() {
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    for _ in 0..2000 {
        scene.hear(&query().ask("_exo._tcp.local QU PTR"));
        sent.extend(scene.run(ms(1)));
    }
    let replies = unicasts(&sent).len();
    assert!((20..=41).contains(&replies), "{replies} unicast replies in two seconds");
    let multicasts = sent.len() - replies;
    assert!((1..=3).contains(&multicasts), "{multicasts} multicasts in two seconds");
    // The honest one who asks in between hears it within the second.
    scene.run(secs(2));
    for _ in 0..100 {
        scene.hear(&query().ask("_exo._tcp.local QU PTR"));
    }
    scene.hear_from(NEIGHBOUR, &query().ask("_exo._tcp.local QU PTR"));
    let sent = scene.run(secs(1));
    let served = sent.iter().any(|sent| sent.is_multicast() || sent.to.to_string() == NEIGHBOUR);
    assert!(served, "{sent:#?}");
}

#[test]
fn a_long_reply_counts_as_several() {
    let mut service = Service::new("node", "_exo._tcp", 52415).unwrap();
    for number in 0..33 {
        service = service.txt(&format!("k{number:02}"), [b'x'; 250]).unwrap();
    }
    let mut scene = Scene::announced_as(service);
    let mut sent = Vec::new();
    for _ in 0..1000 {
        scene.hear(&query().ask("node._exo._tcp.local QU TXT"));
        sent.extend(scene.run(ms(1)));
    }
    let bytes: usize = unicasts(&sent).iter().map(|sent| sent.bytes.len()).sum();
    assert!(bytes > 8000, "{bytes}");
    assert!(bytes <= 30 * 1440, "{bytes} bytes to one source in a second");
}

#[test]
fn no_reply_goes_where_none_makes_sense() {
    for source in ["10.0.0.9:0", "10.0.0.255:40000", "255.255.255.255:40000", "224.0.0.251:5353", OFF_LINK] {
        let mut scene = Scene::announced();
        scene.hear_from(source, &query().ask("alpha.local QU A"));
        let sent = scene.run(secs(2));
        assert!(unicasts(&sent).is_empty(), "{source}: {sent:#?}");
    }
    // Another program on this very host: from port 5353 it hears the group, from another port
    // it is an asker like any other.
    for (source, unicast) in [("10.0.0.1:5353", false), ("10.0.0.1:40000", true)] {
        let mut scene = Scene::announced();
        scene.hear_from(source, &query().ask("alpha.local QU A"));
        assert_eq!(only(scene.run(secs(2))).is_multicast(), !unicast, "{source}");
    }
}

// ---- multicast

#[test]
fn a_record_is_multicast_once_a_second_whoever_asks_and_how() {
    let mut scene = Scene::announced();
    let mut sent = Vec::new();
    for tick in 0..3000 {
        let source = format!("10.0.0.{}:5353", 20 + tick % 200);
        scene.hear_from(&source, &query().ask("_exo._tcp.local PTR").ask("alpha.local A"));
        sent.extend(scene.run(ms(1)));
    }
    assert!(sent.iter().all(Sent::is_multicast));
    let mut last: std::collections::BTreeMap<String, Duration> = std::collections::BTreeMap::new();
    for sent in &sent {
        for line in sent.records() {
            let before = last.insert(line.clone(), sent.at);
            assert!(before.is_none_or(|before| sent.at - before >= secs(1)), "{line} again");
        }
    }
    assert!(last.len() >= 4 && sent.len() <= 8, "{} multicasts", sent.len());
}

#[test]
fn a_link_gets_a_hundred_multicasts_at_once_and_then_fifty_a_second() {
    let mut scene = Scene::new();
    for number in 0..700 {
        // One answer fills a datagram.
        let mut service = named(&format!("node-{number}"));
        for part in 0..5 {
            service = service.txt(&format!("k{part}"), [b'x'; 240]).unwrap();
        }
        scene.announce(service);
    }
    let sent = scene.run(secs(8));
    let responses: Vec<Duration> = sent.iter().filter(|sent| !sent.is_query()).map(|sent| sent.at).collect();
    let first = responses[0];
    let most = responses
        .iter()
        .enumerate()
        .map(|(number, at)| (number + 1).saturating_sub(100) as f64 / ((*at - first).as_secs_f64() + 0.03))
        .fold(0.0, f64::max);
    assert!(most <= 51.0, "{most} a second beyond the first hundred");
    // What has to wait is not dropped: all of them are told in the end.
    let later = scene.run(secs(60));
    let told: std::collections::BTreeSet<String> =
        sent.iter().chain(&later).flat_map(Sent::records).filter(|line| line.contains(" SRV ")).collect();
    assert_eq!(told.len(), 700);
}

// ---- truncated queries

#[test]
fn an_unfinished_query_is_answered_within_a_second_however_long_it_goes_on() {
    let mut scene = Scene::announced();
    let start = scene.now();
    let mut answered = None;
    for tick in 0..300 {
        let packet = if tick == 0 { query().ask("_exo._tcp.local PTR") } else { query() };
        scene.hear(&packet.truncated());
        if let Some(sent) = scene.run(ms(10)).first()
            && answered.is_none()
        {
            answered = Some(sent.at - start);
        }
    }
    between(answered.unwrap(), 400, 950);
}

#[test]
fn after_sixteen_packets_known_answers_are_not_read_any_more() {
    let pointer = "_exo._tcp.local 4500 PTR node._exo._tcp.local";
    for (packet, answered) in [(15, false), (20, true)] {
        let mut scene = Scene::announced();
        scene.hear(&query().ask("_exo._tcp.local PTR").truncated());
        for number in 1..=packet {
            let more = query().truncated();
            scene.hear(&if number == packet { query().answer(pointer) } else { more });
            scene.run(ms(1));
        }
        assert_eq!(!scene.run(secs(2)).is_empty(), answered, "known in packet {packet}");
    }
}

#[test]
fn when_512_unfinished_queries_wait_the_next_one_is_not_waited_for() {
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(10));
    for number in 0..600 {
        let source = format!("[fe80::{:x}]:5353", 0x100 + number);
        scene.hear_from(&source, &query().ask("alpha.local AAAA").truncated());
    }
    let asked = scene.now();
    scene.hear_from(NEIGHBOUR, &query().ask("_exo._tcp.local PTR").truncated());
    // Its address was told just now, to those who found no room either: the pointer waits for
    // the end of that second, and for no more.
    let sent = scene.run(secs(2));
    let answer = sent.iter().find(|sent| sent.has("_exo._tcp.local")).expect("an answer");
    assert!(answer.at - asked <= secs(1), "{:?}", answer.at - asked);
}
