//! RFC 6762 §6.1: a host that denies both its addresses is known to have none.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::HostName;
use salut::proto::{Event, LinkIndex};

/// Denies all that a host could have.
const DENIAL: &str = "beta.local 120 flush NSEC beta.local";

fn resolve(scene: &mut Scene) {
    scene.drive(|engine, now| engine.resolve(now, HostName::new("beta").unwrap()));
}

/// What was told of the host since the last look: where, how many addresses, whether that is
/// all, and by whom.
fn told(scene: &mut Scene) -> Vec<(LinkIndex, usize, bool, Option<String>)> {
    let events = scene.events().into_iter().filter_map(|event| match event {
        Event::Resolved { link, addresses, complete, source, .. } => {
            Some((link, addresses.len(), complete, source.map(|source| source.to_string())))
        }
        _ => None,
    });
    events.collect()
}

fn stranger() -> Option<String> {
    Some("10.0.0.9".to_owned())
}

#[test]
fn a_host_that_denies_both_families_has_no_address_and_is_asked_for_no_longer() {
    proves!("6762-6.1-nsec-heard");
    let mut scene = Scene::new();
    resolve(&mut scene);
    scene.next(secs(1));
    assert!(told(&mut scene).is_empty(), "nothing is known yet");
    scene.hear(&response().answer(DENIAL));
    assert_eq!(told(&mut scene), [(scene.link, 0, true, stranger())]);
    scene.is_quiet(secs(90));
    // Said before anybody asked it is known at once.
    let mut scene = Scene::new();
    scene.hear(&response().answer(DENIAL));
    scene.run(secs(60));
    resolve(&mut scene);
    assert_eq!(told(&mut scene), [(scene.link, 0, true, stranger())]);
    scene.is_quiet(secs(30));
}

#[test]
fn one_family_that_is_denied_says_nothing_of_the_other() {
    proves!("6762-6.1-nsec-heard");
    let mut scene = Scene::new();
    resolve(&mut scene);
    scene.next(secs(1));
    scene.hear(&response().answer("beta.local 120 flush NSEC beta.local A"));
    assert!(told(&mut scene).is_empty());
    assert_eq!(scene.next(secs(2)).questions, ["beta.local A"]);
}

#[test]
fn a_denial_that_has_expired_counts_no_more() {
    proves!("6762-6.1-nsec-heard");
    let mut scene = Scene::new();
    scene.hear(&response().answer(DENIAL));
    let heard = scene.now();
    scene.run(secs(119));
    resolve(&mut scene);
    assert_eq!(told(&mut scene), [(scene.link, 0, true, stranger())]);
    let asked = scene.run_until(heard + secs(121));
    assert_eq!(told(&mut scene), [(scene.link, 0, false, None)]);
    same(&only(asked).questions, &["beta.local A", "beta.local AAAA"]);
    // In the very moment of its end it counts no more either.
    let mut scene = Scene::new();
    scene.hear(&response().answer(DENIAL));
    let heard = scene.now();
    scene.run_until(heard + secs(120));
    resolve(&mut scene);
    assert!(told(&mut scene).is_empty());
    same(&scene.next(ms(120)).questions, &["beta.local A", "beta.local AAAA"]);
}

#[test]
fn a_denial_that_is_taken_back_or_contradicted_counts_no_more() {
    proves!("6762-6.1-nsec-heard");
    let mut scene = Scene::new();
    resolve(&mut scene);
    scene.next(secs(1));
    scene.hear(&response().answer(DENIAL));
    told(&mut scene);
    scene.hear(&response().answer("beta.local 0 flush NSEC beta.local"));
    scene.run(ms(1500));
    assert_eq!(told(&mut scene), [(scene.link, 0, false, None)]);
    // An address that somebody has all the same.
    scene.hear(&response().answer(DENIAL));
    scene.hear_from(NEIGHBOUR, &response().answer("beta.local 120 flush A 10.0.0.8"));
    let now = told(&mut scene);
    assert_eq!(now[now.len() - 1], (scene.link, 1, true, Some("10.0.0.8".to_owned())));
}

#[test]
fn a_denial_on_one_link_is_none_on_another() {
    proves!("6762-6.1-nsec-heard");
    let mut scene = Scene::new();
    let there = quick_segment(&mut scene.lan);
    let link = attach(&mut scene.lan, scene.alpha, there, &["10.1.0.1"], &[]);
    scene.run(secs(5));
    scene.hear(&response().answer(DENIAL));
    resolve(&mut scene);
    let asked = scene.run(secs(2));
    assert!(!asked.is_empty() && asked.iter().all(|sent| sent.segment == there), "{asked:#?}");
    assert_eq!(told(&mut scene), [(scene.link, 0, true, stranger())]);
    let answer = response().answer("beta.local 120 flush A 10.1.0.9").bytes();
    scene.lan.inject(there, "10.1.0.9:5353".parse().unwrap(), None, &answer);
    scene.run(ms(1));
    assert_eq!(told(&mut scene), [(link, 1, false, Some("10.1.0.9".to_owned()))]);
}
