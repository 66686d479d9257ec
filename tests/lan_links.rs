//! Hosts with several links, and links that come, change and go.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::net::IpAddr;

use lan_support::*;
use salut::proto::{LinkIndex, LinkState};
use salut::sim::{HostId, Lan, SegmentId};
use salut::wire::{Message, RecordData};

fn state(name: &str, v4: [u8; 4], v6: &str) -> LinkState {
    LinkState {
        name: name.into(),
        mtu: 1500,
        v4: vec![(v4.into(), 24)],
        v6: vec![(v6.parse().unwrap(), 64)],
        v4_open: true,
        v6_open: true,
        unicast: true,
    }
}

/// A watcher on a segment.
fn watcher(lan: &mut Lan, name: &str, segment: SegmentId) -> HostId {
    let host = lan.host(name).unwrap();
    lan.attach(host, segment);
    lan.browse(host, exo()).unwrap();
    host
}

fn view(lan: &mut Lan, host: HostId) -> View {
    let mut view = View::default();
    view.take(lan, host);
    view
}

/// RFC 6762 §6.2, §14.
#[test]
fn addresses_of_one_link_never_appear_on_the_other() {
    with_seeds(10, 100, |seed| {
        let mut lan = Lan::new(seed);
        let (home, office) = (lan.segment(), lan.segment());
        let host = lan.host("alpha").unwrap();
        lan.attach(host, home);
        lan.attach(host, office);
        let at_home = watcher(&mut lan, "beta", home);
        let at_work = watcher(&mut lan, "gamma", office);
        lan.browse(host, exo()).unwrap();
        let id = lan.announce(host, service("Node")).unwrap();
        lan.announce(at_home, service("Home")).unwrap();
        lan.announce(at_work, service("Work")).unwrap();
        lan.run_for(seconds(200.0));
        lan.drive(host, |engine, now| engine.set_port(now, id, 1));
        lan.run_for(seconds(200.0));
        lan.drive(host, |engine, now| engine.withdraw(now, id));
        lan.run_for(seconds(2.0));
        for sent in lan.take_sent().iter().filter(|sent| sent.host == Some(host)) {
            for record in Message::read(&sent.payload).unwrap().records() {
                let right = match record.data().unwrap() {
                    RecordData::A(v4) => usize::from(v4.octets()[1]) == sent.segment.0,
                    RecordData::Aaaa(v6) => usize::from(v6.segments()[6]) == sent.segment.0,
                    _ => true,
                };
                assert!(right, "{sent}");
            }
        }
        for (watcher, neighbour, other) in [(at_home, "Home", "Work"), (at_work, "Work", "Home")] {
            let view = view(&mut lan, watcher);
            assert!(view.knows(neighbour) && !view.knows(other));
            assert_eq!((view.found.len(), view.lost.len()), (2, 1), "found Node and itself, lost Node");
        }
        // On two links: found twice, each time with the interface it was heard on.
        let both = view(&mut lan, host);
        assert_eq!(both.names(), ["Home", "Work"]);
        let nodes: Vec<u32> = both
            .found
            .iter()
            .filter(|(_, n)| n.name.to_string() == "Node")
            .map(|(_, n)| n.interface.index)
            .collect();
        assert_eq!(nodes.len(), 2);
    });
}

/// Wi-Fi and cable in one LAN: all we say comes back on the other link.
#[test]
fn two_links_on_one_segment_are_no_conflict() {
    with_seeds(10, 100, |seed| {
        let mut lan = Lan::new(seed);
        let segment = lan.segment();
        let host = lan.host("alpha").unwrap();
        let (cable, radio) = (LinkIndex(1), LinkIndex(2));
        lan.set_link(host, cable, segment, Some(state("eth0", [10, 0, 0, 50], "fe80::50")));
        lan.set_link(host, radio, segment, Some(state("wlan0", [10, 0, 0, 51], "fe80::51")));
        let other = watcher(&mut lan, "beta", segment);
        let id = lan.announce(host, service("Node")).unwrap();
        lan.browse(host, exo()).unwrap();
        let mut mine = View::default();
        let mut seen = View::default();
        lan.run_for(seconds(30.0));
        mine.take(&mut lan, host);
        seen.take(&mut lan, other);
        assert_eq!(mine.announced[&id].0.to_string(), "Node");
        assert!(seen.knows("Node"));
        let (sent, told) = (lan.sent_by(host), seen.updated.len());
        lan.run_for(seconds(1800.0));
        mine.take(&mut lan, host);
        seen.take(&mut lan, other);
        assert_eq!((mine.renamed.len(), seen.lost.len(), mine.lost.len()), (0, 0, 0));
        assert_eq!(mine.announced[&id].1.to_string(), "alpha.local");
        // Refreshes go on; a quarrel with itself would be thousands of datagrams.
        let each = (lan.sent_by(host) - sent) as f64 / 1800.0;
        assert!(each < 1.0, "{each} datagrams a second");
        let flaps = seen.updated.len() - told;
        assert!(flaps <= 40, "{flaps} updates in half an hour: its addresses flap");
        let addresses = &seen.find("Node").unwrap().addresses;
        assert!(!addresses.is_empty());
    });
}

#[test]
fn what_was_found_on_a_link_goes_with_it_and_comes_back_with_it() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 4);
        home.run(seconds(20.0));
        let (host, link) = (home.hosts[0], LinkIndex(1));
        let state = home.lan.link_state(host, link).unwrap();
        home.lan.set_link(host, link, home.segment, None);
        home.run(millis(1));
        assert!(home.views[0].known.is_empty());
        assert_eq!(home.views[0].lost.len(), 4);
        home.run(seconds(300.0));
        assert_eq!(home.views[1].names(), ["Node 1", "Node 2", "Node 3"]);
        let up = home.lan.elapsed();
        home.lan.set_link(host, link, home.segment, Some(state));
        let all = home.run_until(millis(10), seconds(5.0), Home::all_know_all);
        assert!(all.is_some_and(|after| after <= millis(1050)), "{all:?}");
        // The others were asked by unicast (RFC 6762 §5.4) and answered within 240 ms.
        let first =
            home.views[0].found.iter().filter(|(at, node)| *at >= up && node.name.to_string() != "Node 0");
        assert!(first.map(|(at, _)| *at - up).max().unwrap() <= millis(260));
        home.run(seconds(300.0));
        assert!(home.all_know_all() && home.views.iter().all(|view| view.renamed.is_empty()));
    });
}

#[test]
fn the_cable_is_out_for_a_while() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(20.0));
        let (host, link) = (home.hosts[0], LinkIndex(1));
        for away in [0.3, 5.0, 60.0, 600.0] {
            let mut state = home.lan.link_state(host, link).unwrap();
            (state.v4_open, state.v6_open) = (false, false);
            home.lan.set_link(host, link, home.segment, Some(state.clone()));
            home.run(seconds(away));
            (state.v4_open, state.v6_open) = (true, true);
            home.lan.set_link(host, link, home.segment, Some(state));
            let known = home.run_until(millis(10), seconds(10.0), Home::all_know_all);
            assert!(known.is_some_and(|after| after <= millis(1300)), "away {away} s: {known:?}");
            home.run(seconds(30.0));
            assert!(home.all_know_all());
        }
        assert!(home.views.iter().all(|view| view.renamed.is_empty()));
    });
}

#[test]
fn a_link_that_comes_ten_seconds_after_the_start() {
    with_seeds(10, 100, |seed| {
        let mut lan = Lan::new(seed);
        let (home, office) = (lan.segment(), lan.segment());
        let host = lan.host("alpha").unwrap();
        lan.announce(host, service("Node")).unwrap();
        lan.browse(host, exo()).unwrap();
        let there = watcher(&mut lan, "beta", home);
        lan.announce(there, service("There")).unwrap();
        let late = watcher(&mut lan, "gamma", office);
        lan.announce(late, service("Late")).unwrap();
        lan.run_for(seconds(10.0));
        assert_eq!(lan.sent_by(host), 0, "without a link nothing is sent");
        lan.attach(host, home);
        lan.run_for(millis(1050));
        assert_eq!(view(&mut lan, host).names(), ["Node", "There"]);
        assert!(view(&mut lan, there).knows("Node"));
        lan.run_for(seconds(10.0));
        lan.take_sent();
        lan.attach(host, office);
        lan.run_for(millis(1050));
        assert!(view(&mut lan, late).knows("Node"));
        assert!(view(&mut lan, host).knows("Late"));
        // RFC 6762 §8: the link that was there is left alone.
        let disturbed = lan.take_sent().iter().any(|sent| {
            sent.host == Some(host)
                && sent.segment == home
                && Message::read(&sent.payload).unwrap().header().authorities > 0
        });
        assert!(!disturbed, "probed again on a link that did not change");
    });
}

/// RFC 6762 §8.4: the new set is announced with the cache-flush bit.
#[test]
fn an_address_changes() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(30.0));
        let (host, link) = (home.hosts[0], LinkIndex(1));
        let mut state = home.lan.link_state(host, link).unwrap();
        state.v4 = vec![([10, 0, 9, 9].into(), 16)];
        let v6 = state.v6[0].0;
        let changed = home.lan.elapsed();
        home.lan.set_link(host, link, home.segment, Some(state.clone()));
        home.run(seconds(30.0));
        for view in &home.views[1..] {
            let new = IpAddr::from([10, 0, 9, 9]);
            let known =
                view.updated.iter().find(|(_, node)| node.addresses.contains(&new)).expect("told of it");
            assert!(known.0 - changed <= millis(100), "{:?}", known.0 - changed);
            let clean = view
                .updated
                .iter()
                .find(|(_, node)| node.addresses == [new, v6.into()])
                .expect("the old one goes");
            assert!(clean.0 - changed <= millis(1100), "{:?}", clean.0 - changed);
            assert_eq!(view.find("Node 0").unwrap().addresses, [new, IpAddr::from(v6)]);
            assert!(view.lost.is_empty());
        }
        // One address more, then one less.
        state.v4.push(([10, 0, 9, 10].into(), 16));
        home.lan.set_link(host, link, home.segment, Some(state.clone()));
        home.run(seconds(5.0));
        assert_eq!(home.views[1].find("Node 0").unwrap().addresses.len(), 3);
        state.v4.remove(0);
        home.lan.set_link(host, link, home.segment, Some(state.clone()));
        home.run(millis(1100));
        assert_eq!(
            home.views[1].find("Node 0").unwrap().addresses,
            [IpAddr::from([10, 0, 9, 10]), v6.into()]
        );
        // A whole family less: nobody would announce its successor, so it is taken back.
        state.v4.clear();
        state.v4_open = false;
        home.lan.set_link(host, link, home.segment, Some(state));
        home.run(millis(1100));
        assert_eq!(home.views[1].find("Node 0").unwrap().addresses, [IpAddr::from(v6)]);
        home.run(seconds(600.0));
        assert!(home.all_know_all() && home.views.iter().all(|view| view.lost.is_empty()));
    });
}

/// RFC 6762 §8.4, and LIMITS of our own: whatever a link does, no storm of multicasts.
#[test]
fn a_link_that_flaps_causes_no_storm() {
    with_seeds(5, 50, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(20.0));
        let (host, link) = (home.hosts[0], LinkIndex(1));
        let state = home.lan.link_state(host, link).unwrap();
        home.lan.take_sent();
        for flap in 0..100 {
            home.lan.set_link(host, link, home.segment, (flap % 2 == 1).then(|| state.clone()));
            home.run(millis(300));
        }
        let sent = home.lan.take_sent();
        let mine = sent.iter().filter(|sent| {
            sent.host == Some(host) && sent.destination.is_ipv4() && sent.destination.ip().is_multicast()
        });
        let each = mine.count() as f64 / 30.0;
        assert!(each <= 20.0, "{each} multicasts a second");
        home.run(seconds(5.0));
        assert!(home.all_know_all());
    });
}

/// One host speaks only IPv4, one only IPv6, one both.
#[test]
fn families_meet_in_who_speaks_both() {
    with_seeds(10, 100, |seed| {
        let mut lan = Lan::new(seed);
        let segment = lan.segment();
        let hosts: Vec<HostId> = ["four", "six", "both"].iter().map(|name| lan.host(name).unwrap()).collect();
        let v4 = |last| vec![([10, 0, 0, last].into(), 24)];
        let v6 = |last: u16| vec![(format!("fe80::{last}").parse().unwrap(), 64)];
        lan.attach_with(hosts[0], segment, v4(1), vec![]);
        lan.attach_with(hosts[1], segment, vec![], v6(2));
        lan.attach_with(hosts[2], segment, v4(3), v6(3));
        for (number, host) in hosts.iter().enumerate() {
            lan.announce(*host, service(&format!("Node {number}"))).unwrap();
            lan.browse(*host, exo()).unwrap();
        }
        let mut views: Vec<View> = (0..3).map(|_| View::default()).collect();
        lan.run_for(seconds(400.0));
        for (view, host) in views.iter_mut().zip(&hosts) {
            view.take(&mut lan, *host);
            assert!(view.lost.is_empty() && view.renamed.is_empty());
        }
        assert_eq!(views[0].names(), ["Node 0", "Node 2"]);
        assert_eq!(views[1].names(), ["Node 1", "Node 2"]);
        assert_eq!(views[2].names(), ["Node 0", "Node 1", "Node 2"]);
    });
}
