//! An hour of bad radio: three datagrams of ten lost, on each family by itself. A hundred
//! hosts are given the whole hour with `SALUT_LONG=1` only, else three minutes.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::cell::RefCell;

use lan_support::*;
use salut::sim::Conditions;

/// So many minutes with `count` hosts. Says who lost whom, and when.
fn listen(seed: u64, count: usize, minutes: f64) -> Vec<String> {
    let mut home = Home::of(seed, count);
    home.lan.set_recording(false);
    home.lan.set_conditions(home.segment, Conditions { loss: 0.3, ..Conditions::default() });
    home.run(seconds(60.0));
    assert!(home.all_know_all(), "not everybody is known after a minute");
    home.run(seconds(60.0 * (minutes - 1.0)));
    assert!(home.all_know_all(), "not everybody is known at the end");
    let mut lost = Vec::new();
    for (host, view) in home.views.iter().enumerate() {
        lost.extend(
            view.lost.iter().map(|(at, name)| format!("seed {seed}, {at:?}: host {host} lost {name}")),
        );
        assert!(view.renamed.is_empty(), "{:?}", view.renamed);
    }
    lost
}

/// At most one false loss in all of twenty hours with `SALUT_LONG=1`; none in the short run.
fn hours(count: usize, few: u64, minutes: f64) {
    let lost = RefCell::new(Vec::new());
    with_seeds(few, 20, |seed| {
        let here = listen(seed, count, if long() { 60.0 } else { minutes });
        println!("{count} hosts, seed {seed}: {} false losses", here.len());
        lost.borrow_mut().extend(here);
    });
    let lost = lost.into_inner();
    assert!(lost.len() <= usize::from(long()), "{lost:#?}");
}

#[test]
fn two_hosts_lose_nobody() {
    hours(2, 2, 60.0);
}

#[test]
fn four_hosts_lose_nobody() {
    hours(4, 2, 60.0);
}

#[test]
fn a_hundred_hosts_lose_nobody() {
    hours(100, 1, 3.0);
}
