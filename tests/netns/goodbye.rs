//! Leaving: by signal, at any moment, on all links, and without taking anybody along.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::wire::RecordType;

use crate::harness::avahi::Avahi;
use crate::harness::capture::Capture;
use crate::harness::cli::{self, Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::name;
use crate::harness::{Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("goodbye::on_every_link_and_family", &[], on_every_link_and_family),
    ("goodbye::two_announcers_on_one_host", &[], || two_announcers_on_one_host(&[])),
    ("goodbye::two_announcers_under_one_host_name", &[], || two_announcers_on_one_host(&["--host", "both"])),
    ("goodbye::two_announcers_on_one_host_seen_by_avahi", &[Need::Avahi], two_announcers_seen_by_avahi),
];

const IN_TIME: Duration = Duration::from_secs(1);

/// When the signal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before anything was announced.
    Probing,
    /// Within milliseconds of the first announcement: the goodbye must not wait for the
    /// second that lies between two multicasts of one record.
    JustAnnounced,
    /// Long after.
    Settled,
}

fn on_every_link_and_family() {
    let lan = Lan::new();
    let (left, right) = (lan.bridge(), lan.bridge());
    let ann = Host::new("ann");
    ann.connect(&left, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    ann.connect(&right, "eth1", &["10.78.0.1/24", "fd78::1/64"]);
    let ben = Host::on(&left, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let browse = Browse::start(&ben, &[]);
    let mut worst = Duration::ZERO;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        for moment in [Moment::Probing, Moment::JustAnnounced, Moment::Settled] {
            let instance = format!("{signal} {moment:?}");
            let wire = Capture::start(&ann);
            let mut announce = Announce::start(&ann, &instance, 52415, &[]);
            match moment {
                Moment::Probing => thread::sleep(Duration::from_millis(400)),
                Moment::JustAnnounced => drop(announce.announced(Duration::from_secs(5))),
                Moment::Settled => thread::sleep(Duration::from_millis(5500)),
            }
            let left = Instant::now();
            let (status, took) = announce.0.stop(signal, Duration::from_secs(5));
            assert_eq!(status.code(), Some(0), "{instance}: {status}");
            assert!(took <= at_most(IN_TIME), "{instance}: ended after {took:?}");
            worst = worst.max(took);
            if moment == Moment::Probing {
                assert!(!wire.sent().iter().any(|packet| packet.message().header.response), "{instance}");
                continue;
            }
            check_goodbyes(&wire, &instance);
            browse.expect_lost(Duration::from_secs(2), &instance, left);
        }
    }
    report(format!("signal to exit: at most {:.3} s", worst.as_secs_f32()));
}

fn check_goodbyes(wire: &Capture, instance: &str) {
    let wanted = name(&format!("{SERVICE}.local"));
    for interface in ["eth0", "eth1"] {
        for v6 in [false, true] {
            let goodbyes: Vec<_> = wire
                .sent()
                .into_iter()
                .filter(|packet| packet.interface == interface && packet.source.is_ipv6() == v6)
                .filter(|packet| packet.is_multicast() && packet.message().is_goodbye())
                .map(|packet| packet.message())
                .collect();
            let where_ = format!("{instance}: {interface}, {}", if v6 { "IPv6" } else { "IPv4" });
            assert!(!goodbyes.is_empty(), "{where_}: no goodbye in {:#?}", wire.sent());
            // The browser's record, the instance's and the host's own.
            let ended = |rtype| goodbyes.iter().any(|one| one.of_type(rtype).any(|record| record.ttl == 0));
            for rtype in [RecordType::PTR, RecordType::SRV, RecordType::TXT, RecordType::A, RecordType::AAAA]
            {
                assert!(ended(rtype), "{where_}: no goodbye for {rtype} in {goodbyes:#?}");
            }
            let pointed =
                goodbyes.iter().any(|one| one.of_type(RecordType::PTR).any(|ptr| ptr.name == wanted));
            assert!(pointed, "{where_}: {goodbyes:#?}");
        }
    }
}

fn two_announcers_on_one_host(more: &[&str]) {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let addresses = ann.addresses_seen("eth0", "eth0");
    let (near, far) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let mut leaves = Announce::start(&ann, "Leaves", 1, more);
    let stays = Announce::start(&ann, "Stays", 2, more);
    let (_, line) = stays.announced(Duration::from_secs(5));
    let host = line["host"].as_str().unwrap().to_owned();
    for browse in [&near, &far] {
        for instance in ["Leaves", "Stays"] {
            browse.expect_all(Duration::from_secs(3), instance, &addresses);
        }
    }
    thread::sleep(Duration::from_millis(4500));

    let wire = Capture::start(&ben);
    let left = Instant::now();
    let (status, _) = leaves.0.stop(Signal::SIGTERM, Duration::from_secs(5));
    assert!(status.success(), "{status}");
    for browse in [&near, &far] {
        browse.expect_lost(Duration::from_secs(2), "Leaves", left);
    }
    if !more.is_empty() {
        // The goodbye took the common host's addresses along: who still holds them says so
        // before they are forgotten, which is a second later (RFC 6762 §10.1).
        let packets = wire.packets();
        let goodbye = packets.iter().find(|packet| packet.message().is_goodbye()).expect("a goodbye").at;
        let rescued = packets.iter().any(|packet| {
            packet.at < goodbye + Duration::from_millis(900)
                && packet.message().of_type(RecordType::A).any(|record| record.ttl > 0)
        });
        assert!(rescued, "{packets:#?}");
    }
    // Long enough for a goodbye that takes the other's records along to show.
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(1500));
        for running in [&near, &far] {
            let now = running.now("Stays", "eth0").expect("the other one stays");
            assert_eq!(now.addresses, addresses);
            assert!(!running.news().iter().any(|news| news.is_loss_of("Stays")), "{:#?}", running.news());
        }
        for asker in [&ann, &ben] {
            let fresh = Browse::start(asker, &[]);
            let found = fresh.expect_all(Duration::from_secs(2), "Stays", &addresses);
            assert_eq!((&found.host, found.port), (&host, 2));
            let mut resolve = cli::run(asker, &["resolve", &host]);
            let status = resolve.ended(Duration::from_secs(4)).expect("resolve ends by itself");
            assert!(status.success(), "{host} from {}: {status}", asker.name());
        }
    }
}

fn two_announcers_seen_by_avahi() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let avi = Host::on(&bridge, "avi", &["10.77.0.2/24", "fd77::2/64"]);
    let avahi = Avahi::start(&avi);
    let browse = avahi.browse(SERVICE);
    let mut leaves = Announce::start(&ann, "Leaves", 1, &[]);
    let stays = Announce::start(&ann, "Stays", 2, &[]);
    let (_, line) = stays.announced(Duration::from_secs(5));
    let host = line["host"].as_str().unwrap().to_owned();
    for instance in ["Leaves", "Stays"] {
        let found = browse.resolved(Duration::from_secs(5), |found| found.instance == instance);
        assert!(found.is_some(), "Avahi resolves {instance}");
    }
    thread::sleep(Duration::from_millis(4500));
    leaves.0.stop(Signal::SIGTERM, Duration::from_secs(5));
    for protocol in ["IPv4", "IPv6"] {
        assert!(
            browse.gone(Duration::from_secs(2), "Leaves", protocol).is_some(),
            "{protocol}: goodbye seen"
        );
    }
    thread::sleep(Duration::from_secs(3));
    assert!(
        browse
            .gone(Duration::ZERO, "Stays", "IPv4")
            .or(browse.gone(Duration::ZERO, "Stays", "IPv6"))
            .is_none()
    );
    let fresh = avahi.browse(SERVICE);
    let found = fresh.resolved(Duration::from_secs(5), |found| found.instance == "Stays");
    assert_eq!(found.expect("Avahi resolves it afresh").1.host, host);
    assert_eq!(avahi.resolve("-4", &host).as_deref(), Some("10.77.0.1"));
    assert!(avahi.resolve("-6", &host).is_some());
}
