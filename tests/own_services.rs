//! What one program announces and looks for: it finds its own services as it finds others.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::proto::Event;
use salut::sim::HostId;
use salut::{Change, Txt};

#[test]
fn what_was_announced_here_a_moment_ago_is_found_here_at_once() {
    let mut scene = Scene::new();
    let id = scene.announce(node().txt("a", "1").unwrap());
    scene.lan.run_while_not(secs(2), |lan| lan.sent_by(HostId(0)) >= 4);
    scene.run(ms(10));
    scene.browse();
    let node = scene.found().unwrap();
    assert_eq!(node.sockets()[0].ip().to_string(), "10.0.0.1");
    assert_eq!(node.txt.get("a"), Some(Some(&b"1"[..])));
    let host = node.host.clone();
    scene.drive(|engine, now| engine.resolve(now, host));
    let addresses = scene.events().into_iter().find_map(|event| match event {
        Event::Resolved { addresses, .. } => Some(addresses),
        _ => None,
    });
    assert_eq!(addresses.unwrap(), node.addresses);
    // It is left out of what others are asked for, and what comes later is told as ever.
    let question = only(scene.run(secs(1)).into_iter().filter(Sent::is_query).collect());
    assert_eq!(question.questions, ["_exo._tcp.local PTR"]);
    assert!(question.has("_exo._tcp.local 4499 PTR node._exo._tcp.local"), "{question:#?}");
    scene.drive(|engine, now| engine.set_txt(now, id, Txt::new().with("a", "2").unwrap()));
    scene.run(secs(3));
    assert_eq!(scene.found().unwrap().txt.get("a"), Some(Some(&b"2"[..])));
    scene.drive(|engine, now| engine.withdraw(now, id));
    scene.run(secs(2));
    assert!(matches!(scene.changes()[..], [Change::Lost(_)]));
}

#[test]
fn a_name_that_is_still_being_probed_for_is_not_found_here() {
    let mut scene = Scene::new();
    scene.announce(node());
    scene.lan.run_while_not(secs(2), |lan| lan.sent_by(HostId(0)) >= 3);
    scene.browse();
    scene.run(ms(10));
    assert!(scene.changes().is_empty());
}

#[test]
fn a_txt_record_that_was_replaced_while_nobody_browsed_is_not_told() {
    let mut scene = Scene::new();
    let id = scene.announce(node().txt("a", "1").unwrap());
    scene.run(secs(5));
    let browse = scene.browse();
    assert_eq!(scene.found().unwrap().txt.get("a"), Some(Some(&b"1"[..])));
    scene.drive(|engine, now| engine.stop_browse(now, browse));
    scene.drive(|engine, now| engine.set_txt(now, id, Txt::new().with("a", "2").unwrap()));
    scene.run(secs(5));
    scene.changes();
    scene.browse();
    assert_eq!(scene.found().unwrap().txt.get("a"), Some(Some(&b"2"[..])));
}
