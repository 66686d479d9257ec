//! RFC 6763 §9: which service types there are, and who has told of itself only.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(unused_macros, unused_imports, reason = "what these tests show is no requirement of an RFC")]
mod rfc;

use rfc::*;
use salut::TypeChange;
use salut::proto::{BrowseId, Event};

const HTTP: &str = "_services._dns-sd._udp.local 4500 PTR _http._tcp.local";
const IPP: &str = "_services._dns-sd._udp.local 4500 PTR _ipp._tcp.local";
const QUESTION: &str = "_services._dns-sd._udp.local PTR";

fn browsing() -> (Scene, BrowseId) {
    let mut scene = Scene::new();
    let id = scene.drive(|engine, now| engine.browse_types(now));
    assert_eq!(scene.next(secs(1)).questions, [QUESTION]);
    (scene, id)
}

/// `+_http._tcp` for a type that was found, `-_http._tcp` for one that was lost.
fn news(scene: &mut Scene) -> Vec<String> {
    let events = scene.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Types { change: TypeChange::Found(offered), .. } => Some(format!("+{}", offered.service)),
            Event::Types { change: TypeChange::Lost(offered), .. } => Some(format!("-{}", offered.service)),
            _ => None,
        })
        .collect()
}

#[test]
fn types_are_told_once_and_lost_with_their_pointer() {
    let (mut scene, _) = browsing();
    scene.hear(&response().answer(HTTP).answer(IPP));
    assert_eq!(news(&mut scene), ["+_http._tcp", "+_ipp._tcp"]);
    scene.hear(&response().answer(HTTP));
    assert!(news(&mut scene).is_empty());
    scene.hear(&response().answer("_services._dns-sd._udp.local 0 PTR _http._tcp.local"));
    scene.run(secs(2));
    assert_eq!(news(&mut scene), ["-_http._tcp"]);
    scene.run(secs(4600));
    assert_eq!(news(&mut scene), ["-_ipp._tcp"]);
}

#[test]
fn a_later_browse_is_told_what_is_known() {
    let (mut scene, first) = browsing();
    scene.hear(&response().answer(HTTP));
    assert_eq!(news(&mut scene), ["+_http._tcp"]);
    let second = scene.drive(|engine, now| engine.browse_types(now));
    assert_eq!(news(&mut scene), ["+_http._tcp"]);
    scene.drive(|engine, now| engine.stop_browse(now, first));
    scene.hear(&response().answer(IPP));
    assert_eq!(news(&mut scene), ["+_ipp._tcp"]);
    scene.drive(|engine, now| engine.stop_browse(now, second));
    scene.hear(&response().answer("_services._dns-sd._udp.local 4500 PTR _exo._tcp.local"));
    assert!(news(&mut scene).is_empty());
    // And from the cache, when all had gone.
    scene.drive(|engine, now| engine.browse_types(now));
    assert_eq!(news(&mut scene), ["+_exo._tcp", "+_ipp._tcp", "+_http._tcp"]);
}

#[test]
fn our_own_types_are_among_them() {
    let mut scene = Scene::announced();
    scene.drive(|engine, now| engine.browse_types(now));
    scene.run(secs(2));
    assert_eq!(news(&mut scene), ["+_exo._tcp"]);
}

#[test]
fn what_is_no_type_is_left_out_and_liberties_are_taken() {
    let (mut scene, _) = browsing();
    for target in [
        "_tcp.local",
        "exo._tcp.local",
        "_._tcp.local",
        "_exo._sctp.local",
        "_exo._tcp.example",
        "a._exo._tcp.local",
    ] {
        scene.hear(&response().answer(&format!("_services._dns-sd._udp.local 4500 PTR {target}")));
    }
    assert!(news(&mut scene).is_empty());
    scene.hear(&response().answer("_services._dns-sd._udp.local 4500 PTR _nvstream_dbd_of_16._tcp.local"));
    assert_eq!(news(&mut scene), ["+_nvstream_dbd_of_16._tcp"]);
}

#[test]
fn types_are_of_a_link_and_go_with_it() {
    let (mut scene, _) = browsing();
    scene.hear(&response().answer(HTTP));
    assert_eq!(news(&mut scene), ["+_http._tcp"]);
    let state = scene.lan.link_state(scene.alpha, scene.link).unwrap();
    scene.set_link(|_| None);
    assert_eq!(news(&mut scene), ["-_http._tcp"]);
    let (link, segment) = (scene.link, scene.segment);
    scene.lan.set_link(scene.alpha, link, segment, Some(state));
    assert_eq!(scene.next(secs(1)).questions, ["_services._dns-sd._udp.local QU PTR"]);
    scene.hear(&response().answer(HTTP));
    assert_eq!(news(&mut scene), ["+_http._tcp"]);
}

#[test]
fn an_instance_is_unresolved_until_it_is_found() {
    let mut scene = Scene::new();
    let id = scene.browse();
    let unresolved = |scene: &mut Scene| {
        let all = scene.drive(|engine, _| engine.unresolved(id));
        all.into_iter().map(|(interface, name)| format!("{name} {interface}")).collect::<Vec<_>>()
    };
    assert!(unresolved(&mut scene).is_empty());
    scene.hear(&response().answer("_exo._tcp.local 4500 PTR other._exo._tcp.local"));
    assert_eq!(unresolved(&mut scene).len(), 1);
    assert!(unresolved(&mut scene)[0].starts_with("other "));
    scene.hear(
        &response()
            .answer("other._exo._tcp.local 120 flush SRV 0 0 1 beta.local")
            .answer("other._exo._tcp.local 4500 flush TXT a=b")
            .answer("beta.local 120 flush A 10.0.0.9"),
    );
    assert!(unresolved(&mut scene).is_empty());
}
