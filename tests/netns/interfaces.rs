//! Which interfaces are used: many, of every kind, twice on one LAN, none.

use std::thread;
use std::time::{Duration, Instant};

use salut::wire::{Nsec, Packer, RecordData, RecordType, Section};
use salut::{FamilyStatus, InterfaceKind, Unused};

use crate::harness::capture::Capture;
use crate::harness::cli::{Announce, Browse, run};
use crate::harness::lan::{Host, Lan};
use crate::harness::local::{Local, in_use};
use crate::harness::message::{From, multicast, name};
use crate::harness::{Test, patience, report};

pub const TESTS: &[Test] = &[
    ("interfaces::twenty_five_are_all_served", &[], twenty_five_are_all_served),
    ("interfaces::tunnels_and_containers_are_left_alone", &[], tunnels_and_containers_are_left_alone),
    ("interfaces::inside_a_container_what_is_there_is_used", &[], inside_a_container_what_is_there_is_used),
    ("interfaces::two_on_one_lan_are_no_conflict", &[], two_on_one_lan_are_no_conflict),
    ("interfaces::a_host_on_two_lans_is_resolved_on_both", &[], a_host_on_two_lans_is_resolved_on_both),
    ("interfaces::a_host_without_an_address_is_told_at_once", &[], a_host_without_an_address_is_told_at_once),
    ("interfaces::all_of_them_vanish_and_come_back", &[], all_of_them_vanish_and_come_back),
];

const SOON: Duration = Duration::from_secs(5);

/// Linux allows a socket 20 memberships.
fn twenty_five_are_all_served() {
    const LINKS: usize = 25;
    let lan = Lan::new();
    let mid = Host::new("mid");
    // Every neighbour is alone with `mid` on its link; one of them has a browser of its own.
    let bridges: Vec<_> = (0..LINKS).map(|_| lan.bridge()).collect();
    for (number, bridge) in bridges.iter().enumerate() {
        mid.connect(bridge, &format!("eth{number}"), &[&format!("10.77.{number}.1/24"), "fd77::1/64"]);
    }
    let far: Vec<_> = (0..LINKS)
        .map(|number| {
            let own = format!("10.77.{number}.2/24");
            Host::on(&bridges[number], &format!("far{number}"), &[&own, "fd77::2/64"])
        })
        .collect();
    let local = Local::start(&mid, |builder| builder);
    let status = local.expect_status(SOON, "all joined", |status| {
        status.links.len() == LINKS && status.links.iter().all(|link| link.is_joined())
    });
    for link in &status.links {
        assert!(matches!(link.ipv4, FamilyStatus::Joined) && matches!(link.ipv6, FamilyStatus::Joined));
        assert_eq!(link.interface.kind, InterfaceKind::Ethernet);
    }
    let service = salut::Service::new("Mid", "_exo._tcp", 52415).unwrap();
    let _announced = local.run(local.mdns.announce(service)).expect("announced");
    // All of them at once would be a load of their own.
    for chunk in far.chunks(5) {
        let browses: Vec<_> = chunk.iter().map(|host| Browse::start(host, &[])).collect();
        for browse in &browses {
            browse.expect(SOON, "it is found on each link", |news| {
                news.instance == "Mid" && news.event == "found"
            });
        }
    }
    report(format!("{LINKS} interfaces, both families joined, found on each"));
}

/// A VPN, Docker's bridge with a container behind it, a bridge of the administrator's with a
/// port, and an ordinary interface.
fn tunnels_and_containers_are_left_alone() {
    let lan = Lan::new();
    let (office, vpn, inside, other) = (lan.bridge(), lan.bridge(), lan.bridge(), lan.bridge());
    let ann = Host::on(&office, "ann", &["10.77.0.1/24"]);
    ann.connect(&vpn, "tailscale0", &["100.64.0.1/24"]);
    ann.connect(&other, "port0", &[]);
    ann.connect(&inside, "vethc0ffee1", &[]);
    ann.ip(&[
        "link add docker0 type bridge",
        "link set vethc0ffee1 master docker0",
        "addr add 172.17.0.1/16 dev docker0",
        "link set docker0 up",
        "link add br0 type bridge",
        "link set port0 master br0",
        "addr add 10.78.0.1/24 dev br0",
        "link set br0 up",
    ]);
    let sent = Capture::start(&ann);
    let local = Local::start(&ann, |builder| builder);
    let status = local.expect_status(SOON, "two in use", |status| {
        status.links.iter().filter(|link| link.is_joined()).count() == 2
    });
    assert_eq!(in_use(&status), ["eth0", "br0"]);
    let why = |name: &str| {
        status.unused.iter().find(|(info, _)| &*info.name == name).map(|(info, why)| (info.kind, *why))
    };
    assert_eq!(why("tailscale0"), Some((InterfaceKind::Tunnel, Unused::Kind)));
    assert_eq!(why("docker0"), Some((InterfaceKind::Container, Unused::Kind)));
    assert_eq!(why("port0"), Some((InterfaceKind::Ethernet, Unused::Port)));
    assert_eq!(why("vethc0ffee1").map(|(_, why)| why), Some(Unused::Port));
    assert_eq!(why("lo"), Some((InterfaceKind::Loopback, Unused::Kind)));
    let service = salut::Service::new("Ann", "_exo._tcp", 52415).unwrap();
    let _announced = local.run(local.mdns.announce(service.clone())).expect("announced");
    thread::sleep(Duration::from_secs(1));
    let quiet = ["tailscale0", "docker0", "vethc0ffee1", "lo"];
    let heard: Vec<_> = sent.sent().into_iter().filter(|one| quiet.contains(&&*one.interface)).collect();
    assert!(heard.is_empty(), "{heard:#?}");
    drop(local);

    // By kind and by name they are used.
    let kinds = Local::start(&ann, |builder| {
        builder.interface_kinds([InterfaceKind::Tunnel, InterfaceKind::Container])
    });
    let status = kinds.expect_status(SOON, "two in use", |status| status.links.len() == 2);
    assert_eq!(in_use(&status), ["tailscale0", "docker0"]);
    let named = Local::start(&ann, |builder| builder.interface("tailscale0"));
    let _announced = named.run(named.mdns.announce(service)).expect("announced");
    assert_eq!(in_use(&named.status()), ["tailscale0"]);
}

fn inside_a_container_what_is_there_is_used() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    // What a rootless container has, what Docker gives one, and somebody's laboratory.
    for (name, kind) in [
        ("tap0", InterfaceKind::Tunnel),
        ("eth0", InterfaceKind::Ethernet),
        ("veth1a2b3c4", InterfaceKind::Container),
    ] {
        let host = Host::new("box");
        host.connect(&bridge, name, &["10.77.0.1/24"]);
        let local = Local::start(&host, |builder| builder);
        // Until its carrier is up there is only the loopback.
        let status = local.expect_status(SOON, name, |status| {
            in_use(status) == [name] && status.links.iter().all(|link| link.is_joined())
        });
        assert_eq!(status.links[0].interface.kind, kind);
    }
}

/// A cable and a wireless card of one machine on the same LAN.
fn two_on_one_lan_are_no_conflict() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::new("ann");
    ann.connect(&bridge, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    ann.connect(&bridge, "wlan0", &["10.77.0.11/24", "fd77::11/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let from_ben = Browse::start(&ben, &[]);
    let from_ann = Browse::start(&ann, &[]);
    let by_ben = Announce::start(&ben, "Ben", 2, &[]);
    let local = Local::start(&ann, |builder| builder);
    let service = salut::Service::new("Ann", "_exo._tcp", 1).unwrap();
    let announced = local.run(local.mdns.announce(service)).expect("announced");
    by_ben.announced(SOON);
    // Either set alone is right, both are better.
    from_ben.expect(SOON, "it is found", |news| news.instance == "Ann" && news.event == "found");
    for interface in ["eth0", "wlan0"] {
        let wanted = ben.addresses_seen("eth0", interface);
        from_ann.expect(SOON, "found by each card", |news| {
            news.shows("Ben", &wanted) && news.interface == interface
        });
    }
    thread::sleep(Duration::from_secs(8));
    let counters = local.status().counters;
    assert_eq!((counters.conflicts, counters.renames), (0, 0), "{counters:?}");
    assert_eq!(announced.name().to_string(), "Ann");
    let reachable = from_ben.now("Ann", "eth0").expect("it stays").addresses;
    let mine = [ann.addresses_seen("eth0", "eth0"), ann.addresses_seen("wlan0", "eth0")].concat();
    assert!(!reachable.is_empty() && reachable.iter().all(|one| mine.contains(one)), "{reachable:?}");
    assert!(!from_ben.news().iter().any(|news| news.is_loss_of("Ann")), "{:#?}", from_ben.news());
}

/// The question leaves by each interface at a time of its own: who answers first is not all.
fn a_host_on_two_lans_is_resolved_on_both() {
    let lan = Lan::new();
    let (ann, ben) = (Host::new("ann"), Host::new("ben"));
    for (number, bridge) in [lan.bridge(), lan.bridge()].iter().enumerate() {
        let name = format!("eth{number}");
        ann.connect(bridge, &name, &[&format!("10.77.{number}.1/24")]);
        ben.connect(bridge, &name, &[&format!("10.77.{number}.2/24")]);
    }
    let by_ben = Announce::start(&ben, "Ben", 2, &["--host", "ben"]);
    by_ben.announced(SOON);
    for _ in 0..5 {
        let mut resolve = run(&ann, &["resolve", "ben.local", "--json"]);
        assert!(resolve.ended(SOON).is_some_and(|status| status.success()), "{}", resolve.errors());
        let text: String = resolve.lines().into_iter().map(|line| line.text + "\n").collect();
        assert!(text.contains("10.77.0.2") && text.contains("10.77.1.2"), "{text}");
    }
}

/// It denies both families (RFC 6762 §6.1), on the one interface that there is and on one of two.
fn a_host_without_an_address_is_told_at_once() {
    let lan = Lan::new();
    let (ann, ben) = (Host::new("ann"), Host::new("ben"));
    let host = name("carl.local");
    let mut packer = Packer::response(1440);
    let denial = RecordData::Nsec(Nsec::new([RecordType::TXT]));
    packer.record(Section::Answer, &host, true, 120, &denial).expect("one record fits");
    let denial = packer.finish();
    for number in 0..2 {
        let bridge = lan.bridge();
        ann.connect(&bridge, &format!("eth{number}"), &[&format!("10.77.{number}.1/24")]);
        ben.connect(&bridge, &format!("eth{number}"), &[&format!("10.77.{number}.2/24")]);
        let mut resolve = run(&ann, &["resolve", "carl.local", "--timeout", "60s"]);
        let began = Instant::now();
        while resolve.ended_by_itself().is_none() && began.elapsed() < patience(SOON) {
            drop(multicast(&ben, "eth0", From::V4(5353), &denial));
            thread::sleep(Duration::from_millis(200));
        }
        let status = resolve.ended(SOON).expect("it does not wait for a minute");
        assert_eq!(status.code(), Some(1), "{}", resolve.errors());
        let errors = resolve.errors();
        assert!(errors.contains("carl.local is there, but has neither"), "{errors}");
        assert!(errors.contains("so says 10.77.0.2 on eth0"), "{errors}");
    }
}

/// The namespace that has the other ends is gone, and all cables with it.
fn all_of_them_vanish_and_come_back() {
    let lan = Lan::new();
    let ann = Host::on(&lan.bridge(), "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let local = Local::start(&ann, |builder| builder);
    let service = salut::Service::new("Ann", "_exo._tcp", 52415).unwrap();
    let announced = local.run(local.mdns.announce(service)).expect("announced");
    ann.ip(&["link del eth0"]);
    drop(lan);
    let status = local.expect_status(SOON, "the loopback is left", |status| in_use(status) == ["lo"]);
    assert!(status.errors().next().is_none(), "{status:#?}");

    let lan = Lan::new();
    let bridge = lan.bridge();
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let browse = Browse::start(&ben, &[]);
    ann.connect(&bridge, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    browse.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    assert_eq!(announced.name().to_string(), "Ann");
    assert_eq!(in_use(&local.status()), ["eth0"]);
}
