//! salut and Avahi.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use salut::wire::{RecordData, RecordType};

use crate::harness::avahi::{self, Avahi};
use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, multicast, name, question};
use crate::harness::process::Process;
use crate::harness::{Late, Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("avahi::beside_salut_on_one_host_for_a_minute", &[Need::Avahi], beside_salut_on_one_host_for_a_minute),
    ("avahi::browses_first_salut_announces", &[Need::Avahi], || avahi_browses(Late::Announcer)),
    ("avahi::browses_late_salut_announces", &[Need::Avahi], || avahi_browses(Late::Browser)),
    ("avahi::announces_late_salut_browses", &[Need::Avahi], || avahi_announces(Late::Announcer)),
    ("avahi::announces_first_salut_browses", &[Need::Avahi], || avahi_announces(Late::Browser)),
];

/// Avahi swallows a question asked within a second of its own announcement: a browser then
/// learns at its next question, a second later.
const FOUND: Duration = Duration::from_secs(4);
const GOODBYE: Duration = Duration::from_secs(2);
/// Names with what DNS-SD allows.
const INSTANCE: &str = "Ann's Mac. No\\2 – ☕";

fn hosts() -> (Host, Host) {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let avi = Host::on(&bridge, "avi", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, avi)
}

fn avahi_browses(late: Late) {
    let (ann, avi) = hosts();
    let avahi = Avahi::start(&avi);
    let announce = || {
        let announce = Announce::start(&ann, INSTANCE, 52415, &["--txt", "id=12D3Koo", "--txt", "flag"]);
        let (_, line) = announce.announced(Duration::from_secs(5));
        (announce, line["host"].as_str().unwrap().to_owned())
    };
    let (browse, (mut announce, host)) = match late {
        Late::Announcer => (avahi.browse(SERVICE), announce()),
        Late::Browser => {
            let announced = announce();
            thread::sleep(Duration::from_secs(5));
            (avahi.browse(SERVICE), announced)
        }
    };
    let from = if late == Late::Announcer { announce.0.started } else { browse.0.started };
    for protocol in ["IPv4", "IPv6"] {
        let (at, found) = browse
            .resolved(FOUND, |found| found.instance == INSTANCE && found.protocol == protocol)
            .unwrap_or_else(|| panic!("Avahi resolves {INSTANCE} over {protocol} within {FOUND:?}"));
        report(format!("Avahi, {}: {protocol} after {:.3} s", late, (at - from).as_secs_f32()));
        assert_eq!((&found.host, found.port), (&host, 52415));
        assert!(found.txt.contains("\"id=12D3Koo\"") && found.txt.contains("\"flag\""), "{}", found.txt);
        let address = found.address.parse().expect("an address");
        assert!(ann.addresses("eth0").contains(&address), "{address} is not Ann's");
    }
    assert_eq!(avahi.resolve("-4", &host).as_deref(), Some("10.77.0.1"));
    let v6 = avahi.resolve("-6", &host).expect("an IPv6 address");
    assert!(ann.addresses("eth0").iter().any(|own| own.to_string() == v6), "{v6} is not Ann's");

    let left = Instant::now();
    let (status, _) = announce.0.stop(Signal::SIGTERM, Duration::from_secs(3));
    assert!(status.success(), "{status}");
    for protocol in ["IPv4", "IPv6"] {
        let at = browse.gone(GOODBYE, INSTANCE, protocol).expect("Avahi sees the goodbye");
        report(format!("Avahi: {protocol} goodbye seen after {:.3} s", (at - left).as_secs_f32()));
        assert!(at - left <= at_most(GOODBYE));
    }
}

fn avahi_announces(late: Late) {
    let (ben, avi) = hosts();
    let avahi = Avahi::start(&avi);
    let publish = || avahi.publish(INSTANCE, SERVICE, 4711, &["id=12D3Koo", "flag"]);
    let (browse, mut publisher) = match late {
        Late::Announcer => {
            let browse = Browse::start(&ben, &[]);
            thread::sleep(Duration::from_millis(1300));
            (browse, publish())
        }
        Late::Browser => {
            let publisher = publish();
            thread::sleep(Duration::from_secs(5));
            (Browse::start(&ben, &[]), publisher)
        }
    };
    let from = if late == Late::Announcer { publisher.started } else { browse.0.started };
    // Avahi publishes no link-local address where there is another.
    let addresses = ["10.77.0.2", "fd77::2"].map(str::to_owned);
    let found = browse.expect_all(FOUND, INSTANCE, &addresses);
    report(format!("Avahi announces, {}: after {:.3} s", late, (found.at - from).as_secs_f32()));
    assert_eq!((found.host.as_str(), found.port, found.interface.as_str()), ("avi.local", 4711, "eth0"));
    assert_eq!(found.txt, json!({"id": "12D3Koo", "flag": null}));

    let left = Instant::now();
    publisher.stop(Signal::SIGTERM, Duration::from_secs(3));
    let lost = browse.expect_lost(GOODBYE, INSTANCE, left);
    report(format!("Avahi's goodbye seen after {:.3} s", (lost.at - left).as_secs_f32()));
}

fn beside_salut_on_one_host_for_a_minute() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let avi = Host::on(&bridge, "avi", &["10.77.0.3/24", "fd77::3/64"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.4/24", "fd77::4/64"]);
    let wire = Capture::start(&asker);
    let (beside, afar) = (Avahi::start(&ann), Avahi::start(&avi));
    let began = Instant::now();
    let published = beside.publish("By Avahi", SERVICE, 1, &["by=avahi"]);
    let announce = Announce::start(&ann, "By salut", 2, &["--txt", "by=salut"]);
    let (_, line) = announce.announced(Duration::from_secs(5));
    let host = line["host"].as_str().unwrap().to_owned();
    assert_ne!(host, "ann.local", "the machine's own name is left to Avahi");
    let (salut_near, salut_far) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let (avahi_near, avahi_far) = (beside.browse(SERVICE), afar.browse(SERVICE));

    let everybody_sees_both = |salut: [&Browse; 2], avahi: [&avahi::Browse; 2]| {
        let wanted = ann.addresses_seen("eth0", "eth0");
        for browse in salut {
            let by_salut = browse.expect_all(FOUND, "By salut", &wanted);
            assert_eq!((&by_salut.host, by_salut.port, &by_salut.txt), (&host, 2, &json!({"by": "salut"})));
            let by_avahi = browse.expect_all(FOUND, "By Avahi", &["10.77.0.1", "fd77::1"].map(str::to_owned));
            assert_eq!((by_avahi.host.as_str(), by_avahi.port), ("ann.local", 1));
        }
        for browse in avahi {
            for (instance, host, port) in [("By salut", host.as_str(), 2), ("By Avahi", "ann.local", 1)] {
                for protocol in ["IPv4", "IPv6"] {
                    let found = browse
                        .resolved(FOUND, |one| one.instance == instance && one.protocol == protocol)
                        .unwrap_or_else(|| panic!("Avahi resolves {instance} over {protocol}"));
                    assert_eq!((found.1.host.as_str(), found.1.port), (host, port));
                }
            }
        }
    };
    everybody_sees_both([&salut_near, &salut_far], [&avahi_near, &avahi_far]);

    while began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_secs(5));
        assert_eq!(beside.host_name(), "ann.local", "after {:?}", began.elapsed());
    }
    for browse in [&salut_near, &salut_far] {
        for instance in ["By salut", "By Avahi"] {
            assert!(
                !browse.news().iter().any(|news| news.is_loss_of(instance)),
                "{instance} was lost meanwhile"
            );
        }
    }
    // And for those who come only now.
    everybody_sees_both(
        [&Browse::start(&ann, &[]), &Browse::start(&ben, &[])],
        [&beside.browse(SERVICE), &afar.browse(SERVICE)],
    );
    only_avahi_answers_for_the_addresses(&asker, &wire);
    assert_eq!(beside.host_name(), "ann.local");
    let log = beside.log();
    assert!(!log.to_lowercase().contains("conflict"), "{log}");
    report(format!(
        "Avahi beside salut on one host: still ann.local after {:.0} s",
        began.elapsed().as_secs_f32()
    ));

    let far = [&avahi_near, &avahi_far];
    leave(announce.0, "By salut", [&salut_near, &salut_far], far);
    leave(published, "By Avahi", [&salut_near, &salut_far], far);
    assert_eq!(beside.host_name(), "ann.local");
}

/// The reverse mapping of the machine's addresses leads to the machine's own name, asked for
/// on either family, and nobody has said anything else in the whole minute.
fn only_avahi_answers_for_the_addresses(asker: &Host, wire: &Capture) {
    let nibbles = format!("1.{}7.7.d.f", "0.".repeat(27));
    for asked in ["1.0.77.10.in-addr.arpa".to_owned(), format!("{nibbles}.ip6.arpa")] {
        for from in [From::V4(5353), From::V6(5353)] {
            let before = wire.packets().len();
            multicast(asker, "eth0", from, &question(&asked, RecordType::PTR, false));
            let answered = |packet: &Captured| {
                let message = packet.message();
                message.header.response
                    && message.of_type(RecordType::PTR).any(|record| record.name == name(&asked))
            };
            thread::sleep(Duration::from_millis(1500));
            let answers = wire.packets().split_off(before).into_iter().filter(answered).count();
            // Avahi keeps each family's addresses to that family.
            let due = asked.contains("ip6") == matches!(from, From::V6(_));
            assert!(answers >= usize::from(due), "{asked} asked from {from:?}");
        }
    }
    let told: Vec<_> = wire.packets().iter().map(Captured::message).collect();
    let mut reverse = 0;
    for record in told.iter().filter(|message| message.header.response).flat_map(|message| &message.records) {
        if let RecordData::Ptr(target) = &record.1.data
            && ["1.0.77.10.in-addr.arpa", &format!("{nibbles}.ip6.arpa")]
                .contains(&record.1.name.to_string().as_str())
        {
            assert_eq!(target.to_string(), "ann.local", "{record:?}");
            reverse += 1;
        }
    }
    report(format!("the reverse mapping was told {reverse} times, by Avahi alone"));
}

fn leave(mut who: Process, instance: &str, salut: [&Browse; 2], avahi: [&avahi::Browse; 2]) {
    let left = Instant::now();
    who.stop(Signal::SIGTERM, Duration::from_secs(3));
    for browse in salut {
        browse.expect_lost(GOODBYE, instance, left);
    }
    for browse in avahi {
        for protocol in ["IPv4", "IPv6"] {
            browse.gone(GOODBYE, instance, protocol).expect("Avahi sees the goodbye");
        }
    }
}
