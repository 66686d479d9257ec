//! Many hosts, one name.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::collections::BTreeSet;

use lan_support::*;
use salut::proto::{Config, LinkIndex};
use salut::sim::Conditions;
use salut::{HostName, InstanceName};

/// The names that all hosts of a household say they have, checked to be distinct.
fn distinct(home: &Home) -> Option<BTreeSet<(InstanceName, HostName)>> {
    let mut instances = BTreeSet::new();
    let mut hosts = BTreeSet::new();
    let mut all = BTreeSet::new();
    for view in &home.views {
        let (instance, host) = view.announced.values().next()?.clone();
        if !instances.insert(instance.clone()) || !hosts.insert(host.clone()) {
            return None;
        }
        all.insert((instance, host));
    }
    Some(all)
}

/// All have names of their own within `limit`, and keep them for ten minutes; a hundred of
/// them for two rounds of refreshes, without `SALUT_LONG=1`.
fn settle(home: &mut Home, limit: f64) {
    let settled =
        home.run_until(millis(100), seconds(limit), |home| distinct(home).is_some() && home.all_know_all());
    assert!(
        settled.is_some(),
        "not settled after {limit} s: {} of {} have a name",
        home.views.iter().filter(|view| !view.announced.is_empty()).count(),
        home.hosts.len()
    );
    let names = distinct(home).unwrap();
    home.run(seconds(2.0));
    let renamed: Vec<usize> = home.views.iter().map(|view| view.renamed.len()).collect();
    let lost: Vec<usize> = home.views.iter().map(|view| view.lost.len()).collect();
    home.run(seconds(if long() || home.hosts.len() < 100 { 600.0 } else { 220.0 }));
    assert_eq!(distinct(home).as_ref(), Some(&names), "a name changed after all was settled");
    assert_eq!(home.views.iter().map(|view| view.renamed.len()).collect::<Vec<_>>(), renamed);
    assert_eq!(home.views.iter().map(|view| view.lost.len()).collect::<Vec<_>>(), lost);
    assert!(home.all_know_all());
    // What the others know is what each of them says of itself.
    let told: BTreeSet<(InstanceName, HostName)> = names;
    for view in &home.views {
        let known = view.known.values().map(|node| (node.name.clone(), node.host.clone())).collect();
        assert_eq!(told, known);
        // Nobody's address stands under another's name.
        for node in view.known.values() {
            assert_eq!(node.addresses.len(), 2, "{node:?}");
        }
    }
}

#[test]
fn a_hundred_hosts_of_which_half_have_one_name() {
    with_seeds(1, 20, |seed| {
        let mut home = Home::new(seed);
        for number in 0..100 {
            match number % 2 {
                0 => home.join("alpha", "Node"),
                _ => home.join(&format!("host-a{number}"), &format!("Other {number}")),
            };
        }
        settle(&mut home, 30.0);
    });
}

#[test]
fn hosts_of_which_half_have_one_name_and_not_all_at_once() {
    with_seeds(1, 20, |seed| {
        let mut home = Home::new(seed);
        for number in 0..if long() { 100 } else { 30 } {
            match number % 2 {
                0 => home.join("alpha", "Node"),
                _ => home.join(&format!("host-a{number}"), &format!("Other {number}")),
            };
            home.run(millis(seed * 7919 * (number + 1) % 60));
        }
        settle(&mut home, 30.0);
    });
}

#[test]
fn two_with_one_name_at_once_and_one_after_the_other() {
    with_seeds(30, 300, |seed| {
        for wait in [0, 1, 100, 250, 500, 749, 751, 1000, 5000, 60_000] {
            let mut home = Home::new(seed);
            home.join("alpha", "Node");
            home.run(millis(wait));
            home.join("alpha", "Node");
            settle(&mut home, 15.0);
            if wait >= 1000 {
                let (instance, host) = home.views[0].announced.values().next().unwrap();
                assert_eq!((instance.to_string(), host.to_string()), ("Node".into(), "alpha.local".into()));
            }
            let mut names = home.views[0].names();
            names.sort();
            assert_eq!(names, ["Node", "Node (2)"], "the first free name is taken");
        }
    });
}

#[test]
fn one_name_and_a_third_of_all_datagrams_lost() {
    with_seeds(5, 50, |seed| {
        let mut home = Home::new(seed);
        home.lan.set_conditions(home.segment, Conditions { loss: 0.3, ..Conditions::default() });
        for _ in 0..8 {
            home.join("alpha", "Node");
        }
        let settled = home
            .run_until(millis(100), seconds(60.0), |home| distinct(home).is_some() && home.all_know_all());
        assert!(settled.is_some());
        home.run(seconds(600.0));
        assert!(distinct(&home).is_some());
    });
}

/// A cut hides a conflict; when it heals one of the two renames, and all know all.
#[test]
fn two_with_one_name_on_both_sides_of_a_cut() {
    with_seeds(20, 200, |seed| {
        let mut home = Home::new(seed);
        for (number, name) in ["alpha", "alpha", "beta"].into_iter().enumerate() {
            home.join(name, if number < 2 { "Node" } else { "Other" });
        }
        home.lan.set_group(home.hosts[1], 1);
        home.run(seconds(20.0));
        home.lan.set_group(home.hosts[1], 0);
        // Nobody sees it before one of them is heard: when its records are refreshed at 80 %.
        settle(&mut home, 120.0);
    });
}

/// Two programs on one machine: one host name, the same addresses, two services. It is no
/// conflict, and when one of them leaves the other is still there.
#[test]
fn two_programs_on_one_host_with_one_host_name() {
    with_seeds(20, 200, |seed| {
        let mut home = Home::new(seed);
        home.join("beta", "Watcher");
        let address = (vec![([10, 0, 0, 77].into(), 16)], vec![("fe80::77".parse().unwrap(), 64)]);
        for number in 0..2 {
            let host = home.lan.host_with(Config::new(HostName::new("alpha").unwrap()));
            let link = home.lan.attach_with(host, home.segment, address.0.clone(), address.1.clone());
            // Unicast datagrams to the machine reach only one of them.
            let mut state = home.lan.link_state(host, link).unwrap();
            state.unicast = number == 0;
            home.lan.set_link(host, LinkIndex(1), home.segment, Some(state));
            home.ids.push(home.lan.announce(host, service(&format!("Program {number}"))).unwrap());
            home.lan.browse(host, exo()).unwrap();
            home.hosts.push(host);
            home.views.push(View::default());
        }
        home.run(seconds(20.0));
        assert!(home.all_know_all());
        assert!(home.views.iter().all(|view| view.renamed.is_empty()));
        let leaves = if seed % 2 == 0 { 1 } else { 2 };
        let (host, id) = (home.hosts[leaves], home.ids[leaves]);
        home.lan.drive(host, |engine, now| engine.withdraw(now, id));
        home.run(seconds(1.1));
        let stays = format!("Program {}", 2 - leaves);
        assert_eq!(home.views[0].names(), [stays.clone(), "Watcher".into()]);
        home.lan.kill(host);
        home.run(seconds(600.0));
        assert_eq!(home.views[0].names(), [stays.clone(), "Watcher".into()]);
        assert_eq!(home.views[0].lost.len(), 1, "the one that stayed was lost for a while");
        assert_eq!(home.views[0].find(&stays).unwrap().addresses.len(), 2);
        assert!(home.views[0].updated.is_empty(), "{:?}", home.views[0].updated);
    });
}
