//! salut and two stacks in JavaScript: ciao, which passes Apple's conformance test and yields
//! or insists to the letter, and bonjour-service, the one that most programs on node use.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::avahi::until;
use crate::harness::cli::{Announce, Browse, News};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Late, Need, Test, dnssd_js, report};

pub const TESTS: &[Test] = &[
    ("dnssd_js::ciao_announces_late", &[Need::DnssdJs], || announces("ciao", Late::Announcer)),
    ("dnssd_js::ciao_announces_first", &[Need::DnssdJs], || announces("ciao", Late::Browser)),
    ("dnssd_js::bonjour_service_announces_late", &[Need::DnssdJs], || {
        announces("bonjour-service", Late::Announcer)
    }),
    ("dnssd_js::bonjour_service_announces_first", &[Need::DnssdJs], || {
        announces("bonjour-service", Late::Browser)
    }),
    ("dnssd_js::bonjour_service_browses_late", &[Need::DnssdJs], || bonjour_service_browses(Late::Browser)),
    ("dnssd_js::bonjour_service_browses_first", &[Need::DnssdJs], || {
        bonjour_service_browses(Late::Announcer)
    }),
    ("dnssd_js::conflict_with_ciao_salut_first", &[Need::DnssdJs], || conflict_with_ciao(true)),
    ("dnssd_js::conflict_with_ciao_ciao_first", &[Need::DnssdJs], || conflict_with_ciao(false)),
];

const FOUND: Duration = Duration::from_secs(4);
const GOODBYE: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(15);
/// bonjour-service takes what is behind a dot for the service type.
const INSTANCE: &str = "Jo's Box No 7 – ☕";

fn hosts() -> [Host; 3] {
    let bridge = Lan::new().bridge();
    let hosts = [("ann", 1), ("joe", 2), ("ben", 3)].map(|(name, number)| {
        Host::on(&bridge, name, &[&format!("10.77.0.{number}/24"), &format!("fd77::{number}/64")])
    });
    // bonjour-service sends wherever the routing table says.
    hosts[1].ip(&["route add default dev eth0"]);
    hosts
}

fn announces(stack: &str, late: Late) {
    let [ann, joe, _ben] = hosts();
    let announce = || dnssd_js::announce(&joe, stack, INSTANCE, 4711, "joes-box", &["id=1"]);
    let (browse, announcer) = match late {
        Late::Announcer => {
            let browse = Browse::start(&ann, &[]);
            thread::sleep(Duration::from_millis(1300));
            let announcer = announce();
            dnssd_js::wait_announced(&announcer);
            (browse, announcer)
        }
        Late::Browser => {
            let announcer = announce();
            dnssd_js::wait_announced(&announcer);
            thread::sleep(Duration::from_secs(4));
            (Browse::start(&ann, &[]), announcer)
        }
    };
    let found = browse.expect_all(FOUND, INSTANCE, &joe.addresses_seen("eth0", "eth0"));
    assert_eq!((found.host.as_str(), found.port), ("joes-box.local", 4711));
    assert_eq!(found.txt, json!({"id": "1"}));

    if stack == "ciao" {
        announcer.signal(Signal::SIGUSR2);
        browse.expect(FOUND, "the new TXT record", |news| news.txt == json!({"updated": "1"}));
    }
    let left = Instant::now();
    announcer.signal(Signal::SIGTERM);
    let lost = browse.expect_lost(GOODBYE, INSTANCE, left);
    report(format!("{stack}'s goodbye seen after {:.3} s", (lost.at - left).as_secs_f32()));
}

fn bonjour_service_browses(late: Late) {
    let [ann, joe, _ben] = hosts();
    let announce = || {
        let announce = Announce::start(&ann, INSTANCE, 52415, &["--txt", "id=12D3Koo", "--host", "anns-mac"]);
        announce.announced(SETTLED);
        announce
    };
    let (browse, mut announce) = match late {
        Late::Announcer => {
            let browse = dnssd_js::browse(&joe);
            thread::sleep(Duration::from_millis(1300));
            (browse, announce())
        }
        Late::Browser => {
            let announced = announce();
            thread::sleep(Duration::from_secs(4));
            (dnssd_js::browse(&joe), announced)
        }
    };
    let (_, found) = browse.wait(FOUND, "found", INSTANCE).expect("bonjour-service finds it");
    assert_eq!((&found["host"], &found["port"]), (&json!("anns-mac.local"), &json!(52415)));
    assert_eq!(found["txt"], json!({"id": "12D3Koo"}));
    // It takes the addresses that stand beside the SRV record, and never asks for others.
    for address in ann.addresses("eth0") {
        assert!(found["addresses"].as_array().unwrap().contains(&json!(address)), "{address} in {found}");
    }

    let left = Instant::now();
    announce.0.stop(Signal::SIGTERM, Duration::from_secs(3));
    let (at, _) = browse.wait(GOODBYE, "lost", INSTANCE).expect("bonjour-service sees the goodbye");
    report(format!("bonjour-service: goodbye seen after {:.3} s", (at - left).as_secs_f32()));
}

/// Both want one instance name and one host name: who has them keeps them.
fn conflict_with_ciao(salut_first: bool) {
    let [ann, joe, ben] = hosts();
    let browse = Browse::start(&ben, &[]);
    let ours = || Announce::start(&ann, "Node", 1, &["--host", "node"]);
    let theirs = || dnssd_js::announce(&joe, "ciao", "Node", 2, "node", &[]);
    let (announce, peer) = if salut_first {
        let announce = ours();
        announce.announced(SETTLED);
        (announce, theirs())
    } else {
        let peer = theirs();
        dnssd_js::wait_announced(&peer);
        (ours(), peer)
    };
    dnssd_js::wait_announced(&peer);
    let (_, line) = announce.announced(SETTLED);
    let names = [line["instance"].as_str().unwrap().to_owned(), dnssd_js::announced(&peer).unwrap()];
    let expected = if salut_first { ["Node", "Node (2)"] } else { ["Node (2)", "Node"] };
    assert_eq!(names, expected, "who has it keeps it");
    let settled = |news: &[Option<News>; 2]| {
        let [Some(one), Some(other)] = news else { return false };
        (one.port, other.port) == (1, 2) && one.host != other.host
    };
    let now = || [0, 1].map(|who: usize| browse.now(&names[who], "eth0"));
    until(|| settled(&now()), "a bystander to see both");
    thread::sleep(Duration::from_secs(5));
    let [one, other] = now().map(Option::unwrap);
    assert!(settled(&[Some(one.clone()), Some(other.clone())]), "it did not last: {one:?} {other:?}");
    assert_eq!(if salut_first { &one.host } else { &other.host }, "node.local");
    report(format!("{names:?} on {} and {}", one.host, other.host));
}
