//! An answer that was packed once is given again, until what it says changes.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::Txt;

/// The records of the answer to one and the same question, whatever is announced meanwhile.
fn answer(scene: &mut Scene) -> Vec<String> {
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
    let mut scene = Scene::new();
    let id = scene.announce(node());
    let first = answer(&mut scene);
    assert!(says(&first, "SRV") && says(&first, "52415") && says(&first, "10.0.0.1"), "{first:?}");
    assert_eq!(answer(&mut scene), first);

    scene.drive(|engine, now| engine.set_port(now, id, 4242));
    let moved = answer(&mut scene);
    assert!(says(&moved, "4242") && !says(&moved, "52415"), "{moved:?}");
    assert_eq!(answer(&mut scene), moved);

    scene.drive(|engine, now| engine.set_txt(now, id, Txt::new().with("id", "7").unwrap()));
    let described = answer(&mut scene);
    assert!(says(&described, "id=7"), "{described:?}");

    scene.set_link(|mut state| {
        state.v4 = vec![([10, 0, 0, 2].into(), 24)];
        Some(state)
    });
    let elsewhere = answer(&mut scene);
    assert!(says(&elsewhere, "10.0.0.2") && !says(&elsewhere, "10.0.0.1"), "{elsewhere:?}");

    scene.announce(named("other"));
    let both = answer(&mut scene);
    assert!(says(&both, "PTR node.") && says(&both, "PTR other."), "{both:?}");

    scene.drive(|engine, now| engine.withdraw(now, id));
    let one = answer(&mut scene);
    assert!(!says(&one, "node.") && says(&one, "PTR other."), "{one:?}");
}

#[test]
fn a_repeated_answer_fits_the_link_as_it_is_now() {
    let mut scene = Scene::new();
    let long = Txt::new().with("k", [b'v'; 240]).unwrap();
    let long = (0..4).fold(long, |txt, n| txt.with(&format!("k{n}"), [b'v'; 240]).unwrap());
    scene.set_link(|mut state| {
        state.mtu = 9000;
        Some(state)
    });
    let id = scene.announce(node());
    scene.drive(|engine, now| engine.set_txt(now, id, long));
    let whole = answer(&mut scene);
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
