//! Hosts with several links, links that come late and change, routes that lie.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, Browse, News};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::address;
use crate::harness::{Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("links::an_interface_comes_up_after_ten_seconds", &[], an_interface_comes_up_after_ten_seconds),
    ("links::an_address_changes", &[], an_address_changes),
    ("links::addresses_of_one_link_stay_on_it", &[], addresses_of_one_link_stay_on_it),
    ("links::both_links_have_the_same_addresses", &[], both_links_have_the_same_addresses),
    ("links::wrong_ipv4_routes_change_nothing", &[], || wrong_routes_change_nothing(V4)),
    ("links::wrong_ipv6_routes_change_nothing", &[], || wrong_routes_change_nothing(V6)),
    ("links::who_hears_nothing_is_still_heard", &[Need::Nft], who_hears_nothing_is_still_heard),
];

const SOON: Duration = Duration::from_secs(3);

fn addresses_of_one_link_stay_on_it() {
    let lan = Lan::new();
    let (left, right) = (lan.bridge(), lan.bridge());
    let mid = Host::new("mid");
    mid.connect(&left, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    mid.connect(&right, "eth1", &["10.78.0.1/24", "fd78::1/64"]);
    let ann = Host::on(&left, "ann", &["10.77.0.2/24", "fd77::2/64"]);
    let ben = Host::on(&right, "ben", &["10.78.0.2/24", "fd78::2/64"]);
    let sent = Capture::start(&mid);

    let (from_left, from_right) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let from_mid = Browse::start(&mid, &[]);
    let announce = [(&mid, "Mid"), (&ann, "Ann"), (&ben, "Ben")]
        .map(|(host, instance)| Announce::start(host, instance, 52415, &[]));
    for one in &announce {
        one.announced(Duration::from_secs(5));
    }
    from_left.expect_all(SOON, "Mid", &mid.addresses_seen("eth0", "eth0"));
    from_right.expect_all(SOON, "Mid", &mid.addresses_seen("eth1", "eth0"));
    for (instance, host, interface) in [("Ann", &ann, "eth0"), ("Ben", &ben, "eth1")] {
        let found = from_mid.expect_all(SOON, instance, &host.addresses_seen("eth0", interface));
        assert_eq!(found.interface, interface);
    }
    // Its own service is seen on each link, with that link's addresses.
    for interface in ["eth0", "eth1"] {
        let wanted = mid.addresses_seen(interface, interface);
        from_mid.expect(SOON, "its own service on each link", |news| {
            news.shows("Mid", &wanted) && news.interface == interface
        });
    }
    // Somebody asks late, too.
    thread::sleep(Duration::from_secs(4));
    let late = Browse::start(&ben, &[]);
    late.expect_all(SOON, "Mid", &mid.addresses_seen("eth1", "eth0"));

    let mids = [mid.addresses("eth0"), mid.addresses("eth1")];
    for (browse, other, foreign) in [(&from_left, 1, "Ben"), (&from_right, 0, "Ann"), (&late, 0, "Ann")] {
        for news in browse.news() {
            assert_ne!(news.instance, foreign, "a service from the other link");
            assert_none_of(&news, &mids[other]);
        }
    }
    for packet in sent.sent() {
        let (here, there) = if packet.interface == "eth0" { (0, 1) } else { (1, 0) };
        for address in packet.message().addresses() {
            assert!(!mids[there].contains(&address), "{address} in {packet:?}");
        }
        assert!(mids[here].contains(&packet.source.ip()), "{packet:?}");
    }
}

fn assert_none_of(news: &News, addresses: &[std::net::IpAddr]) {
    for address in addresses {
        let text = address.to_string();
        assert!(
            !news.addresses.iter().any(|one| one.split('%').next() == Some(text.as_str())),
            "{address} is on the other link: {news:?}"
        );
    }
}

/// Two LANs behind two routers of one make: 192.168.1.1 and fe80::1 are on both.
fn both_links_have_the_same_addresses() {
    let lan = Lan::new();
    let (left, right) = (lan.bridge(), lan.bridge());
    let mid = Host::new("mid");
    mid.connect(&left, "eth0", &["192.168.1.7/24", "fe80::7/64"]);
    mid.connect(&right, "eth1", &["192.168.1.8/24", "fe80::8/64"]);
    let ann = Host::on(&left, "ann", &["192.168.1.1/24", "fe80::1/64"]);
    let ben = Host::on(&right, "ben", &["192.168.1.1/24", "fe80::1/64"]);
    let browse = Browse::start(&mid, &[]);
    let running = [(&ann, "Ann", 1), (&ben, "Ben", 2)]
        .map(|(host, instance, port)| Announce::start(host, instance, port, &["--host", "router"]));
    for (instance, host, interface, port) in [("Ann", &ann, "eth0", 1), ("Ben", &ben, "eth1", 2)] {
        let found =
            browse.expect_all(Duration::from_secs(5), instance, &host.addresses_seen("eth0", interface));
        assert_eq!((found.interface.as_str(), found.port), (interface, port));
        assert_eq!(found.host, "router.local", "links are worlds of their own, so this is no conflict");
        assert!(found.addresses.contains(&format!("fe80::1%{interface}")), "{found:?}");
    }
    drop(running);
}

/// What lies about the way, in a family.
struct Routes {
    addresses: [&'static str; 3],
    wrong: [&'static str; 2],
    unreachable: [&'static str; 2],
}

// One family at a time: else the other one, which tells the same, would cover for it.
const V4: Routes = Routes {
    addresses: ["10.77.0.1/24", "10.78.0.1/24", "10.77.0.2/24"],
    wrong: ["route add default via 10.78.0.254", "route add 224.0.0.0/4 dev eth1"],
    unreachable: ["route add unreachable default", "route add unreachable 224.0.0.0/4"],
};
const V6: Routes = Routes {
    addresses: ["fd77::1/64", "fd78::1/64", "fd77::2/64"],
    wrong: ["route add default via fd78::fe", "route add multicast ff00::/8 dev eth1 table local metric 1"],
    unreachable: [
        "route add unreachable default metric 1",
        "route add unreachable ff00::/8 table local metric 1",
    ],
};

fn wrong_routes_change_nothing(routes: Routes) {
    let lan = Lan::new();
    let (good, wrong) = (lan.bridge(), lan.bridge());
    let ann = Host::new("ann");
    let [first, second, other] = routes.addresses;
    ann.connect(&good, "eth0", &[first]);
    ann.connect(&wrong, "eth1", &[second]);
    ann.ip(&routes.wrong);
    let ben = Host::on(&good, "ben", &[other]);
    ben.ip(&routes.unreachable);
    let (from_ann, from_ben) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let running = [Announce::start(&ann, "Ann", 1, &[]), Announce::start(&ben, "Ben", 2, &[])];
    for one in &running {
        one.announced(Duration::from_secs(5));
    }
    from_ben.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    from_ann.expect_all(SOON, "Ben", &ben.addresses_seen("eth0", "eth0"));
    // And by question and answer.
    thread::sleep(Duration::from_millis(4500));
    let (from_ann, from_ben) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    from_ben.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    from_ann.expect_all(SOON, "Ben", &ben.addresses_seen("eth0", "eth0"));
}

/// A firewall that lets 5353 out and not in.
fn who_hears_nothing_is_still_heard() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    ann.nft(
        "add table inet wall\n\
         add chain inet wall input { type filter hook input priority 0; }\n\
         add rule inet wall input udp dport 5353 drop\n",
    );
    let (from_ann, from_ben) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let running = [Announce::start(&ann, "Ann", 1, &[]), Announce::start(&ben, "Ben", 2, &[])];
    for one in &running {
        one.announced(Duration::from_secs(5));
    }
    from_ben.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    assert!(!from_ann.news().iter().any(|news| news.instance == "Ben"), "nothing gets in there");
}

fn an_interface_comes_up_after_ten_seconds() {
    let lan = Lan::new();
    let (first, second) = (lan.bridge(), lan.bridge());
    let ann = Host::on(&first, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&second, "ben", &["10.78.0.2/24", "fd78::2/64"]);
    // And one that has nothing but loopback when it starts.
    let cid = Host::new("cid");
    let all = [(&ann, "Ann"), (&ben, "Ben"), (&cid, "Cid")];
    let running = all.map(|(host, instance)| Announce::start(host, instance, 52415, &[]));
    let [from_ann, from_ben, from_cid] = all.map(|(host, _)| Browse::start(host, &[]));
    thread::sleep(Duration::from_secs(10));

    // As a machine does it: duplicate address detection is on, IPv6 comes later than IPv4.
    let mut up = Vec::new();
    for (host, interface, addresses) in
        [(&ann, "eth1", ["10.78.0.1/24", "fd78::1/64"]), (&cid, "eth0", ["10.78.0.3/24", "fd78::3/64"])]
    {
        host.plug(&second, interface);
        host.write(&format!("/proc/sys/net/ipv6/conf/{interface}/accept_dad"), "1");
        host.write(&format!("/proc/sys/net/ipv6/conf/{interface}/dad_transmits"), "1");
        up.push(Instant::now());
        let [v4, v6] = addresses.map(|address| format!("addr add {address} dev {interface}"));
        host.ip(&[format!("link set {interface} up"), v4, v6]);
    }
    let on = |instance: &'static str, interface: &'static str| {
        move |news: &News| news.instance == instance && news.interface == interface && news.event != "lost"
    };
    for (browse, up, instance, interface) in [
        (&from_ben, up[0], "Ann", "eth0"),
        (&from_ben, up[1], "Cid", "eth0"),
        (&from_ann, up[0], "Ben", "eth1"),
        (&from_cid, up[1], "Ben", "eth0"),
    ] {
        let found = browse.expect(
            Duration::from_secs(6),
            &format!("{instance} on {interface}"),
            on(instance, interface),
        );
        let took = found.at - up;
        report(format!("interface up: {instance} found on {interface} after {:.3} s", took.as_secs_f32()));
        assert!(took <= at_most(SOON), "{instance} on {interface} after {took:?}");
    }
    // With the addresses that became usable meanwhile.
    for (browse, host, instance, seen_on, own) in [
        (&from_ben, &ann, "Ann", "eth0", "eth1"),
        (&from_ben, &cid, "Cid", "eth0", "eth0"),
        (&from_ann, &ben, "Ben", "eth1", "eth0"),
        (&from_cid, &ben, "Ben", "eth0", "eth0"),
    ] {
        browse.expect_all(Duration::from_secs(5), instance, &host.addresses_seen(own, seen_on));
    }
    assert!(running.iter().all(|one| !one.0.errors().contains("panic")));
    assert!(from_ben.news().iter().all(|news| news.event != "lost"), "{:#?}", from_ben.news());
}

fn an_address_changes() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let sent = Capture::start(&ann);
    let announce = Announce::start(&ann, "Ann", 52415, &[]);
    let browse = Browse::start(&ben, &[]);
    announce.announced(Duration::from_secs(5));
    browse.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    thread::sleep(Duration::from_secs(5));

    for (what, commands) in [
        ("IPv4", ["addr del 10.77.0.1/24 dev eth0", "addr add 10.77.0.9/24 dev eth0"]),
        ("IPv6", ["addr del fd77::1/64 dev eth0", "addr add fd77::9/64 dev eth0 nodad"]),
    ] {
        let old = ann.addresses("eth0");
        let changed = Instant::now();
        ann.ip(&commands);
        let wanted = ann.addresses_seen("eth0", "eth0");
        let found = browse.expect_all(SOON, "Ann", &wanted);
        let took = found.at - changed;
        report(format!("{what} address changed: new one in, old one gone after {:.3} s", took.as_secs_f32()));
        assert!(took <= at_most(SOON), "{took:?}");
        // No word of the old one any more.
        thread::sleep(Duration::from_secs(2));
        assert_eq!(browse.now("Ann", "eth0").expect("still there").addresses, wanted);
        let new = ann.addresses("eth0");
        let gone: Vec<_> = old.into_iter().filter(|address| !new.contains(address)).collect();
        let settled = changed + SOON;
        let speaks_of_old = |packet: &Captured| {
            packet.at > settled
                && packet.message().records.iter().any(|(_, record)| {
                    record.ttl > 0 && address(record).is_some_and(|address| gone.contains(&address))
                })
        };
        assert!(!sent.sent().iter().any(speaks_of_old), "{gone:?} is still told");
        // One-second rule, budgets and the rest of the announcements.
        thread::sleep(Duration::from_secs(3));
    }
    let late = Browse::start(&ben, &[]);
    late.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    assert!(browse.news().iter().all(|news| news.event != "lost"), "{:#?}", browse.news());
}
