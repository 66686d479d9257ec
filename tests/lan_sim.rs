//! The simulator itself: it repeats itself, and it is as bad as it is told to be.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::net::SocketAddr;

use lan_support::*;
use salut::sim::{Conditions, Lan};
use salut::wire::{Packer, RecordData, Section, Srv};
use salut::{Name, Txt};

fn rough() -> Conditions {
    Conditions { delay: (millis(1), millis(80)), loss: 0.2, duplication: 0.1 }
}

/// A day in the life of a LAN with everything that can happen to it.
fn busy_trace(seed: u64) -> String {
    let mut home = Home::of(seed, 5);
    home.lan.set_conditions(home.segment, rough());
    home.lan.set_lateness(home.hosts[3], millis(30));
    home.run(seconds(20.0));
    home.lan.kill(home.hosts[0]);
    home.lan.set_group(home.hosts[1], 1);
    home.run(seconds(150.0));
    home.lan.reboot(home.hosts[0]);
    home.lan.announce(home.hosts[0], service("Node 1")).unwrap();
    home.lan.set_group(home.hosts[1], 0);
    home.lan.suspend(home.hosts[2]);
    home.run(seconds(100.0));
    home.lan.resume(home.hosts[2]);
    home.run(seconds(100.0));
    home.lan.trace()
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = busy_trace(11);
    assert!(trace.lines().count() > 300, "{}", trace.lines().count());
    assert!(trace == busy_trace(11), "two runs with one seed differ");
    assert!(trace != busy_trace(12), "another seed gives another run");
}

#[test]
fn a_trace_can_be_read() {
    let mut home = Home::of(1, 1);
    home.run(seconds(1.2));
    let trace = home.lan.trace();
    let lines: Vec<&str> = trace.lines().map(str::trim_start).collect();
    let probe = lines.iter().find(|line| line.contains("ANY?")).unwrap();
    assert!(probe.contains("host-a0"), "{probe}");
    assert!(
        probe.ends_with(
            r#"#0 v4 Q ANY? host-a0.local QU, ANY? Node\0320._exo._tcp.local QU · proposed: A host-a0.local 120 10.0.0.1, AAAA host-a0.local 120 fe80::1, SRV Node\0320._exo._tcp.local 120 host-a0.local:52415, TXT Node\0320._exo._tcp.local 4500 ["id=Node 0"]"#
        ),
        "{probe}"
    );
    let announcement = lines.iter().find(|line| line.contains(" v6 R ")).unwrap();
    assert!(
        announcement.contains("A! host-a0.local 120 10.0.0.1, AAAA! host-a0.local 120 fe80::1"),
        "{announcement}"
    );
}

/// A response with all the records of an instance called "Far", or its goodbye.
fn response(ttl: u32) -> Vec<u8> {
    let mut packer = Packer::response(1440);
    let ty: Name = "_exo._tcp.local".parse().unwrap();
    let instance = ty.prepend("Far").unwrap();
    let target: Name = "far.local".parse().unwrap();
    packer.record(Section::Answer, &ty, false, ttl, &RecordData::Ptr(instance.clone())).unwrap();
    let srv = Srv { priority: 0, weight: 0, port: 1, target: target.clone() };
    packer.record(Section::Answer, &instance, true, ttl, &RecordData::Srv(srv)).unwrap();
    packer.record(Section::Answer, &instance, true, ttl, &RecordData::Txt(Txt::new())).unwrap();
    packer.record(Section::Answer, &target, true, ttl, &RecordData::A([10, 0, 0, 99].into())).unwrap();
    packer.finish().to_vec()
}

/// How many of 1,000 injected datagrams a silent host got.
fn received(conditions: Conditions) -> u64 {
    let mut lan = Lan::new(5);
    let segment = lan.segment();
    let host = lan.host("alpha").unwrap();
    lan.attach(host, segment);
    lan.set_conditions(segment, conditions);
    for _ in 0..1000 {
        lan.inject(segment, SocketAddr::from(([10, 0, 0, 99], 5353)), None, &response(120));
        lan.run_for(millis(20));
    }
    lan.engine(host).unwrap().counters().received
}

#[test]
fn what_is_lost_and_what_comes_twice() {
    assert_eq!(received(Conditions::default()), 1000);
    let lost = received(Conditions { loss: 0.3, ..Conditions::default() });
    assert!((650..=750).contains(&lost), "{lost}");
    let doubled = received(Conditions { duplication: 0.3, ..Conditions::default() });
    assert!((1250..=1350).contains(&doubled), "{doubled}");
    assert_eq!(received(Conditions { loss: 1.0, ..Conditions::default() }), 0);
}

/// A goodbye that overtakes the announcement sent before it does not count.
#[test]
fn jitter_reorders() {
    let swapped = |conditions: Conditions| {
        let mut lan = Lan::new(9);
        let segment = lan.segment();
        lan.set_conditions(segment, conditions);
        let host = lan.host("alpha").unwrap();
        lan.attach(host, segment);
        lan.browse(host, exo()).unwrap();
        let mut view = View::default();
        let mut swapped = 0;
        for _ in 0..50 {
            for ttl in [120, 0] {
                lan.inject(segment, SocketAddr::from(([10, 0, 0, 99], 5353)), None, &response(ttl));
                lan.run_for(millis(10));
            }
            lan.run_for(seconds(2.0));
            view.take(&mut lan, host);
            swapped += u32::from(view.knows("Far"));
            lan.inject(segment, SocketAddr::from(([10, 0, 0, 99], 5353)), None, &response(0));
            lan.run_for(seconds(2.0));
            view.take(&mut lan, host);
            assert!(!view.knows("Far"));
        }
        swapped
    };
    assert_eq!(swapped(Conditions::default()), 0);
    let swapped = swapped(Conditions { delay: (millis(1), millis(50)), ..Conditions::default() });
    assert!((5..45).contains(&swapped), "{swapped}");
}

#[test]
fn groups_do_not_hear_each_other() {
    let mut home = Home::of(3, 4);
    for host in [2, 3] {
        home.lan.set_group(home.hosts[host], 1);
    }
    home.run(seconds(30.0));
    for (number, view) in home.views.iter().enumerate() {
        let expected = if number < 2 { ["Node 0", "Node 1"] } else { ["Node 2", "Node 3"] };
        assert_eq!(view.names(), expected);
    }
}

#[test]
fn who_is_down_says_and_hears_nothing() {
    let mut home = Home::of(4, 3);
    home.run(seconds(5.0));
    home.lan.kill(home.hosts[0]);
    home.lan.suspend(home.hosts[1]);
    let sent: Vec<u64> = home.hosts.iter().map(|host| home.lan.sent_by(*host)).collect();
    let heard = |home: &Home, host: usize| home.lan.engine(home.hosts[host]).unwrap().counters().received;
    let before = [heard(&home, 0), heard(&home, 1)];
    home.run(seconds(600.0));
    assert_eq!([heard(&home, 0), heard(&home, 1)], before);
    for host in [0, 1] {
        assert_eq!(home.lan.sent_by(home.hosts[host]), sent[host]);
    }
    assert!(home.lan.sent_by(home.hosts[2]) > sent[2]);
    assert_eq!(home.views[2].names(), ["Node 2"]);
}
