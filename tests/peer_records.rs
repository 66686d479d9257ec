//! How libp2p's peers are told of and heard: one engine on one link, in virtual time.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(unused_macros, unused_imports, reason = "no requirement of the RFCs is shown here")]
mod rfc;

use std::sync::Arc;
use std::time::Duration;

use rfc::*;
use salut::proto::{AnnouncementId, Event, LinkState, Peer, PeerContent, TapId};
use salut::{HostName, InstanceName, ServiceType};

const P2P: &str = "_p2p._udp.local";
const RUST: &str = "10.0.0.9:41000";

fn peer_on(name: &str, ports: &'static [u16]) -> Peer {
    Peer {
        service: ServiceType::new("_p2p._udp").unwrap(),
        name: InstanceName::new(name).unwrap(),
        host: HostName::new(&format!("{name}.p2p.local")).unwrap(),
        ttl: 360,
        says: says(ports),
    }
}

fn says(ports: &'static [u16]) -> Arc<salut::proto::PeerSays> {
    Arc::new(move |link: &LinkState| {
        let (v4, _) = link.v4.first()?;
        let strings = ports.iter().map(|port| format!("dnsaddr=/ip4/{v4}/tcp/{port}/p2p/Qm").into_bytes());
        Some(PeerContent { port: *ports.first()?, strings: strings.collect() })
    })
}

fn announce(scene: &mut Scene, ports: &'static [u16]) -> AnnouncementId {
    scene.drive(|engine, now| engine.announce_peer(now, peer_on("alpha0", ports)).unwrap())
}

fn listen(scene: &mut Scene) -> TapId {
    let service = ServiceType::new("_p2p._udp").unwrap();
    scene.drive(|engine, now| engine.listen(now, &service, secs(1500)))
}

/// The one shape that rust, go and js all read.
#[track_caller]
fn is_in_shape(sent: &Sent) {
    assert_eq!((sent.id, sent.flags), (0, 0x8400));
    assert_eq!(sent.questions, [""; 0]);
    assert_eq!(sent.answers, ["_p2p._udp.local 360 PTR alpha0._p2p._udp.local"]);
    let kinds: Vec<&str> = sent.additionals.iter().map(|line| line.split(' ').nth(3).unwrap()).collect();
    assert_eq!(kinds, ["TXT", "SRV", "A"], "{sent:?}");
}

#[test]
fn a_peer_is_announced_at_once_without_probes() {
    let mut scene = Scene::new();
    scene.run(secs(1));
    let start = scene.now();
    announce(&mut scene, &[4001, 4002]);
    let sent = scene.run(secs(10));
    let at: Vec<u128> = sent.iter().map(|sent| (sent.at - start).as_millis()).collect();
    assert_eq!(at, [0, 1000, 3000]);
    for sent in &sent {
        is_in_shape(sent);
        assert_eq!(
            sent.additionals[0],
            "alpha0._p2p._udp.local 360 flush TXT dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/Qm \
             dnsaddr=/ip4/10.0.0.1/tcp/4002/p2p/Qm"
        );
        assert_eq!(sent.additionals[1], "alpha0._p2p._udp.local 120 flush SRV 0 0 4001 alpha0.p2p.local");
        assert_eq!(sent.additionals[2], "alpha0.p2p.local 120 flush A 10.0.0.1");
    }
}

#[test]
fn a_question_is_answered_at_once_among_few() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    scene.run(secs(10));
    scene.hear(&query().ask("_p2p._udp.local PTR"));
    is_in_shape(&scene.next(ms(0)));
    scene.hear(&query().ask("_p2p._udp.local PTR"));
    let again = scene.next(secs(2));
    assert!(again.at >= secs(11), "the one-second rule: {again:?}");
}

#[test]
fn one_who_asks_from_another_port_is_answered_by_unicast_and_by_multicast() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    scene.run(secs(10));
    scene.hear_from(RUST, &query().id(7).ask("_p2p._udp.local PTR"));
    let sent = scene.batch(ms(0));
    let [unicast, multicast] = sent.as_slice() else { panic!("{sent:#?}") };
    assert_eq!((unicast.to, unicast.id), (RUST.parse().unwrap(), 7));
    assert!(multicast.is_multicast());
    is_in_shape(multicast);
}

/// rust-libp2p reads what comes to its port 5353, by whichever way, and asks again only while it
/// has heard nobody.
#[test]
fn what_the_one_second_rule_withholds_goes_to_where_the_asker_listens() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    // The second announcement goes out after a second.
    scene.run(ms(1200));
    scene.hear_from(RUST, &query().id(7).ask("_p2p._udp.local PTR"));
    let sent = scene.batch(ms(0));
    let [legacy, there] = sent.as_slice() else { panic!("{sent:#?}") };
    assert_eq!((legacy.to, legacy.id), (RUST.parse().unwrap(), 7));
    assert_eq!(there.to, "10.0.0.9:5353".parse().unwrap());
    is_in_shape(there);
    let multicast = scene.next(secs(1));
    assert!(multicast.is_multicast() && multicast.at == secs(2), "{multicast:?}");
    is_in_shape(&multicast);
}

#[test]
fn a_known_answer_silences_the_peer() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    scene.run(secs(10));
    let known = "_p2p._udp.local 200 PTR alpha0._p2p._udp.local";
    scene.hear(&query().ask("_p2p._udp.local PTR").answer(known));
    scene.is_quiet(secs(5));
}

#[test]
fn what_changes_is_told_at_once_and_replaces_the_former() {
    let mut scene = Scene::new();
    let id = announce(&mut scene, &[4001]);
    scene.run(secs(10));
    scene.drive(|engine, now| engine.set_peer(now, id, says(&[4001, 5001])));
    let sent = scene.next(ms(0));
    is_in_shape(&sent);
    assert!(sent.additionals[0].ends_with("tcp/4001/p2p/Qm dnsaddr=/ip4/10.0.0.1/tcp/5001/p2p/Qm"));
    scene.run(secs(10));
    scene.set_link(|link| Some(LinkState { v4: vec![("10.0.0.5".parse().unwrap(), 24)], ..link }));
    let sent = scene.next(ms(0));
    is_in_shape(&sent);
    assert!(sent.additionals[0].contains("dnsaddr=/ip4/10.0.0.5/tcp/4001/p2p/Qm"), "{sent:?}");
    assert!(sent.additionals[2].ends_with("A 10.0.0.5"), "{sent:?}");
}

#[test]
fn nothing_is_told_where_there_is_nothing_to_tell_and_the_rest_is_taken_back() {
    let mut scene = Scene::new();
    let id = announce(&mut scene, &[]);
    scene.is_quiet(secs(5));
    scene.drive(|engine, now| engine.set_peer(now, id, says(&[4001])));
    is_in_shape(&scene.next(ms(0)));
    scene.run(secs(10));
    scene.drive(|engine, now| engine.set_peer(now, id, says(&[])));
    let sent = scene.next(ms(0));
    assert!(sent.has("_p2p._udp.local 0 PTR alpha0._p2p._udp.local"), "{sent:?}");
    assert!(sent.has("alpha0._p2p._udp.local 0 flush TXT"), "{sent:?}");
}

#[test]
fn forty_addresses_make_several_whole_datagrams() {
    static PORTS: [u16; 40] = {
        let mut ports = [10_001; 40];
        let mut at = 0;
        while at < 40 {
            ports[at] += at as u16;
            at += 1;
        }
        ports
    };
    let mut scene = Scene::new();
    announce(&mut scene, &PORTS);
    let sent = scene.batch(ms(1));
    let mut strings = 0;
    for sent in &sent {
        is_in_shape(sent);
        assert!(sent.bytes.len() <= 1440);
        strings += sent.additionals[0].split(' ').filter(|word| word.starts_with("dnsaddr=")).count();
    }
    assert_eq!(strings, 40);
    assert!((2..=4).contains(&sent.len()), "{}", sent.len());
}

#[test]
fn a_tap_asks_at_once_alone_and_ever_less_often() {
    let mut scene = Scene::new();
    scene.run(secs(1));
    let start = scene.now();
    listen(&mut scene);
    scene.browse();
    let sent = scene.run(secs(40));
    let asked: Vec<&Sent> = sent.iter().filter(|sent| sent.questions[0].starts_with(P2P)).collect();
    let at: Vec<u64> = asked.iter().map(|sent| (sent.at - start).as_secs()).collect();
    assert_eq!(at, [0, 1, 3, 7, 15, 31]);
    assert_eq!((asked[0].at - start).as_millis(), 0);
    assert!(asked.iter().all(|sent| sent.questions.len() == 1));
}

#[test]
fn our_own_question_is_answered_by_us() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    scene.run(secs(10));
    listen(&mut scene);
    let sent = scene.run(ms(10));
    let [question, answer] = sent.as_slice() else { panic!("{sent:#?}") };
    assert!(question.is_query() && question.answers.is_empty());
    is_in_shape(answer);
}

#[test]
fn a_tap_hears_what_the_cache_must_not_take() {
    let mut scene = Scene::new();
    let tap = listen(&mut scene);
    scene.run(secs(1));
    let before = scene.lan.engine(scene.alpha).unwrap().cached(scene.link);
    let odd = response()
        .id(99)
        .answer("_p2p._udp.local 360 flush PTR oddname")
        .additional("oddname 360 flush TXT dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/Qm");
    scene.hear_from(RUST, &odd);
    let heard = scene.events().into_iter().any(|event| {
        matches!(&event, Event::Heard { tap: heard, payload, .. } if *heard == tap && **payload == odd.bytes())
    });
    assert!(heard);
    assert_eq!(scene.lan.engine(scene.alpha).unwrap().cached(scene.link), before);
    scene.hear_from("192.168.7.9:41000", &odd);
    scene.hear_from(RUST, &response().answer("_exo._tcp.local 360 PTR a._exo._tcp.local"));
    assert!(!scene.events().iter().any(|event| matches!(event, Event::Heard { .. })));
}

#[test]
fn a_copied_identity_is_a_conflict() {
    let mut scene = Scene::new();
    announce(&mut scene, &[4001]);
    scene.run(secs(10));
    scene.events();
    let theirs = response()
        .answer("_p2p._udp.local 360 PTR alpha0._p2p._udp.local")
        .additional("alpha0._p2p._udp.local 360 flush TXT dnsaddr=/ip4/10.0.0.9/tcp/4001/p2p/Qm");
    scene.hear(&theirs);
    let sent = scene.run(ms(300));
    assert!(
        sent.iter().any(|sent| sent.is_probe() && sent.questions[0].starts_with("alpha0._p2p._udp.local"))
    );
    scene.hear(&theirs);
    let sent = scene.run(Duration::from_secs(10));
    let renamed = scene
        .events()
        .into_iter()
        .any(|event| matches!(event, Event::Renamed { to, .. } if to.to_string() == "alpha0 (2)"));
    assert!(renamed);
    assert!(sent.iter().any(|sent| sent.has(r"_p2p._udp.local 360 PTR alpha0\032(2)._p2p._udp.local")));
}
