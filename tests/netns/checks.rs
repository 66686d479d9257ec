//! Without salut: the LAN carries what it should, and the peers find each other. When one of
//! these fails, the fault is not salut's.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::wire::RecordType;

use crate::harness::avahi::Avahi;
use crate::harness::capture::Capture;
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, multicast, question};
use crate::harness::{Need, Test, zeroconf};

pub const TESTS: &[Test] = &[
    ("checks::a_capture_sees_both_families_and_both_ways", &[], a_capture_sees_both_families_and_both_ways),
    ("checks::what_is_to_be_lost_is_lost", &[Need::Nft], what_is_to_be_lost_is_lost),
    ("checks::an_asker_is_answered_by_avahi", &[Need::Avahi], an_asker_is_answered_by_avahi),
    (
        "checks::avahi_and_zeroconf_find_each_other",
        &[Need::Avahi, Need::Zeroconf],
        avahi_and_zeroconf_find_each_other,
    ),
];

fn a_capture_sees_both_families_and_both_ways() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let (sending, receiving) = (Capture::start(&ann), Capture::start(&ben));
    ann.inside(|| {
        for (from, to) in [("10.77.0.1:5353", "10.77.0.2:5353"), ("[fd77::1]:5353", "[fd77::2]:5353")] {
            std::net::UdpSocket::bind(from).unwrap().send_to(b"salut", to).unwrap();
        }
    });
    for v6 in [false, true] {
        let wanted = |packet: &_| {
            let packet: &crate::harness::capture::Captured = packet;
            packet.source.is_ipv6() == v6 && packet.payload == b"salut" && packet.hops == 64
        };
        let sent = sending.wait(Duration::from_secs(2), wanted).expect("sent");
        let received = receiving.wait(Duration::from_secs(2), wanted).expect("received");
        assert!(sent.sent && !received.sent, "{sent:?} {received:?}");
        assert_eq!((sent.interface.as_str(), received.interface.as_str()), ("eth0", "eth0"));
    }
    assert_eq!(ben.addresses_seen("eth0", "wlan0").len(), 3);
}

fn what_is_to_be_lost_is_lost() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let listener = ben.inside(|| std::net::UdpSocket::bind("10.77.0.2:5353").unwrap());
    listener.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    ben.lose_percent(30);
    ann.inside(|| {
        let socket = std::net::UdpSocket::bind("10.77.0.1:5353").unwrap();
        for _ in 0..200 {
            socket.send_to(b"salut", "10.77.0.2:5353").unwrap();
        }
    });
    let arrived = std::iter::from_fn(|| listener.recv_from(&mut [0; 64]).ok()).count();
    assert!((100..180).contains(&arrived), "{arrived} of 200 arrived");
}

fn an_asker_is_answered_by_avahi() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let avi = Host::on(&bridge, "avi", &["10.77.0.1/24", "fd77::1/64"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.2/24", "fd77::2/64"]);
    let avahi = Avahi::start(&avi);
    let _publisher = avahi.publish("Avi", "_exo._tcp", 52415, &["id=1"]);
    // After its announcements, each of which swallows the questions of the next second.
    thread::sleep(Duration::from_millis(4500));
    let wire = Capture::start(&asker);
    for from in [From::V4(5353), From::V6(5353), From::V4(0), From::V6(0)] {
        let asked = Instant::now();
        multicast(&asker, "eth0", from, &question("_exo._tcp.local", RecordType::PTR, false));
        let v6 = matches!(from, From::V6(_));
        let answer = wire
            .wait(Duration::from_secs(1), |one| !one.sent && one.at > asked && one.source.is_ipv6() == v6)
            .unwrap_or_else(|| panic!("{from:?}: {:#?}", wire.packets()));
        let question = wire.sent().pop().expect("captured");
        assert_eq!((question.hops, question.destination.port()), (255, 5353), "{question:?}");
        let message = answer.message();
        assert!(message.header.response && message.of_type(RecordType::PTR).count() == 1, "{message:#?}");
        // The rule of one multicast a second.
        thread::sleep(Duration::from_millis(1100));
    }
}

fn avahi_and_zeroconf_find_each_other() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let pia = Host::on(&bridge, "pia", &["10.77.0.2/24", "fd77::2/64"]);
    let avahi = Avahi::start(&ann);
    assert_eq!(avahi.host_name(), "ann.local");
    let (seen_by_avahi, seen_by_zeroconf) = (avahi.browse("_exo._tcp"), zeroconf::browse(&pia, "_exo._tcp"));

    let mut publisher = avahi.publish("Ann's No. 1", "_exo._tcp", 52415, &["id=1", "b=zwei drei"]);
    let (_, found) = seen_by_zeroconf
        .wait(Duration::from_secs(10), "Ann's No. 1", |line| line["event"] == "found")
        .expect("python-zeroconf finds what Avahi published");
    assert_eq!((&found["host"], &found["port"]), (&"ann.local".into(), &52415.into()));
    assert_eq!(found["txt"], serde_json::json!({"id": "1", "b": "zwei drei"}));

    let announcer = zeroconf::announce(&pia, "Pia", "_exo._tcp", 4711, "10.77.0.2,fd77::2", &["id=2"]);
    let (_, found) = seen_by_avahi
        .resolved(Duration::from_secs(10), |found| found.instance == "Pia")
        .expect("Avahi finds what python-zeroconf announced");
    assert_eq!((found.host.as_str(), found.port, found.txt.as_str()), ("pia.local", 4711, "\"id=2\""));
    assert_eq!(avahi.resolve("-4", "pia.local").as_deref(), Some("10.77.0.2"));
    assert_eq!(avahi.resolve("-6", "pia.local").as_deref(), Some("fd77::2"));

    publisher.stop(Signal::SIGTERM, Duration::from_secs(5));
    let lost = |line: &serde_json::Value| line["event"] == "lost";
    seen_by_zeroconf.wait(Duration::from_secs(2), "Ann's No. 1", lost).expect("goodbye seen");
    announcer.signal(Signal::SIGTERM);
    seen_by_avahi.gone(Duration::from_secs(2), "Pia", "IPv4").expect("goodbye seen");
}
