//! What exo's users waited minutes for, with exo's constants: a record lives 2500 s, a question
//! is asked every 1500 s. Times are from the later start, or from the moment the cause is gone.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::{Need, Test, at_most, report};
use Stack::{Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_times::cut_off_for_ten_seconds", WITH_NFT, cut_off_for_ten_seconds),
    ("libp2p_times::an_interface_after_forty_seconds", NODES, an_interface_after_forty_seconds),
    ("libp2p_times::a_listen_address_comes_and_goes", NODES, a_listen_address_comes_and_goes),
    ("libp2p_times::all_is_lost_for_twenty_seconds", WITH_NFT, all_is_lost_for_twenty_seconds),
    ("libp2p_times::sends_fail_for_twenty_seconds", WITH_NFT, sends_fail_for_twenty_seconds),
    ("libp2p_times::sigterm_says_goodbye", NODES, sigterm_says_goodbye),
    ("libp2p_times::killed_and_back_on_another_port", NODES, killed_and_back_on_another_port),
];

const NODES: &[Need] = &[Need::Libp2p];
const WITH_NFT: &[Need] = &[Need::Libp2p, Need::Nft];

/// For what is not measured.
const SOON: Duration = Duration::from_secs(5);

fn ann_and_ben() -> (Host, Host) {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, ben)
}

/// Both discover the other, at most this long after `since`, and are connected.
#[track_caller]
fn both_find(what: &str, nodes: [&mut Node; 2], since: Instant, within: Duration) {
    // Room to tell how late it was.
    let patience = at_most(within) + Duration::from_secs(20);
    let [ann, ben] = nodes;
    let found = [ann.discovers(patience, ben, "", since), ben.discovers(patience, ann, "", since)];
    let found = found.map(|said| said.at - since);
    report(format!("{what}: found after {found:.3?}"));
    for took in found {
        assert!(took <= at_most(within), "{what}: {found:?}");
    }
    ann.connects(SOON * 2, ben, since);
    ben.connects(SOON * 2, ann, since);
    ann.is_well();
    ben.is_well();
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

fn cut_off_for_ten_seconds() {
    let bridge = Lan::new().bridge();
    let [ann, ben, cid] = [1, 2, 3].map(|number| {
        let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number}/64"));
        Host::on(&bridge, &format!("host{number}"), &[&v4, &v6])
    });
    for (host, other) in [(&ann, &ben), (&ben, &ann)] {
        let mut rules = "add table inet wall\n\
             add chain inet wall input { type filter hook input priority 0; }\n"
            .to_owned();
        for address in other.addresses("eth0") {
            let family = if address.is_ipv4() { "ip" } else { "ip6" };
            rules += &format!("add rule inet wall input {family} saddr {address} drop\n");
        }
        host.nft(&rules);
    }
    let third = Node::start(&cid, Salut056, 3, &[]);
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let later = b.started;
    for node in [&a, &b] {
        node.discovers(SOON, &third, "", third.spawned);
        third.discovers(SOON, node, "", third.spawned);
    }
    sleep_until(later + Duration::from_secs(10));
    assert!(a.live(&b).is_empty() && b.live(&a).is_empty(), "they hear each other");
    let gone = Instant::now();
    for host in [&ann, &ben] {
        host.nft("delete table inet wall\n");
    }
    both_find("cut off for 10 s", [&mut a, &mut b], gone, Duration::from_secs(7));
}

fn an_interface_after_forty_seconds() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::new("ben");
    ben.plug(&bridge, "eth0");
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    sleep_until(b.started + Duration::from_secs(40));
    let up = Instant::now();
    ben.ip(&["addr add 10.77.0.2/24 dev eth0", "addr add fd77::2/64 dev eth0 nodad", "link set eth0 up"]);
    both_find("interface after 40 s", [&mut a, &mut b], up, Duration::from_secs(3));
}

fn a_listen_address_comes_and_goes() {
    let (ann, ben) = ann_and_ben();
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let more = "/ip4/10.77.0.2/tcp/4711";
    let arguments =
        ["--listen", "/ip4/10.77.0.2/tcp/4710", "--listen-at", "8", more, "--unlisten-at", "14", more];
    let mut b = Node::start(&ben, Salut057, 2, &arguments);
    a.discovers(SOON, &b, "/ip4/10.77.0.2/tcp/4710", b.spawned);
    let came = b
        .expect(Duration::from_secs(12), "listens", |said| said.event == "listening" && said.address == more);
    let found = a.discovers(SOON, &b, more, b.spawned).at - came.at;
    let went = b.expect(Duration::from_secs(12), "stops listening", |said| said.event == "not listening");
    let gone = a.expires(SOON, &b, more, b.spawned).at - went.at;
    report(format!(
        "a listen address that comes: found after {found:.3?}; that goes: expired after {gone:.3?}"
    ));
    let two = at_most(Duration::from_secs(2));
    assert!(found <= two && gone <= two, "{found:?}, {gone:?}");
    assert_eq!(a.live(&b).into_iter().collect::<Vec<_>>(), ["/ip4/10.77.0.2/tcp/4710"]);
    a.is_well();
    b.is_well();
}

fn all_is_lost_for_twenty_seconds() {
    let (ann, ben) = ann_and_ben();
    for host in [&ann, &ben] {
        host.nft(
            "add table inet wall\n\
             add chain inet wall input { type filter hook input priority 0; }\n\
             add rule inet wall input udp dport 5353 drop\n",
        );
    }
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    sleep_until(b.started + Duration::from_secs(20));
    let gone = Instant::now();
    for host in [&ann, &ben] {
        host.nft("delete table inet wall\n");
    }
    both_find("all lost for 20 s", [&mut a, &mut b], gone, Duration::from_secs(12));
}

fn sends_fail_for_twenty_seconds() {
    let (ann, ben) = ann_and_ben();
    for host in [&ann, &ben] {
        host.refuse_sends();
    }
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let mut b = Node::start(&ben, Salut056, 2, &[]);
    sleep_until(b.started + Duration::from_secs(20));
    let gone = Instant::now();
    for host in [&ann, &ben] {
        host.allow_sends();
    }
    both_find("sends fail for 20 s", [&mut a, &mut b], gone, Duration::from_secs(3));
}

fn sigterm_says_goodbye() {
    for stack in [Salut056, Salut057] {
        let (ann, ben) = ann_and_ben();
        let mut a = Node::start(&ann, stack, 1, &[]);
        let mut b = Node::start(&ben, stack, 2, &[]);
        let address = b.listening("/ip4/");
        let began = b.spawned;
        both_find("SIGTERM", [&mut a, &mut b], began, SOON);
        let left = Instant::now();
        let (status, took) = b.process.stop(Signal::SIGTERM, SOON);
        assert!(status.success(), "{status}");
        let expired = a.expires(SOON, &b, &address, left).at - left;
        report(format!("{stack}: SIGTERM: ended after {took:.3?}, expired after {expired:.3?}"));
        assert!(expired <= at_most(Duration::from_secs(2)), "{expired:?}");
        thread::sleep(Duration::from_secs(2));
        assert!(a.live(&b).is_empty(), "all that is left: {:?}", a.live(&b));
        a.is_well();
    }
}

fn killed_and_back_on_another_port() {
    let (ann, ben) = ann_and_ben();
    let mut a = Node::start(&ann, Salut056, 1, &[]);
    let first = Node::start(&ben, Salut056, 2, &["--listen", "/ip4/0.0.0.0/tcp/4710"]);
    a.discovers(SOON, &first, "/ip4/10.77.0.2/tcp/4710", first.spawned);
    a.connects(SOON, &first, first.spawned);
    // Its announcements are over, its records will live for 41 minutes.
    thread::sleep(Duration::from_secs(4));
    drop(first);
    thread::sleep(Duration::from_secs(1));
    let mut back = Node::start(&ben, Salut056, 2, &["--listen", "/ip4/0.0.0.0/tcp/4711"]);
    let found = a.discovers(SOON, &back, "/ip4/10.77.0.2/tcp/4711", back.spawned).at;
    let gone = a.expires(SOON, &back, "/ip4/10.77.0.2/tcp/4710", back.spawned).at;
    let (after, gone) = (found - back.started, gone.saturating_duration_since(found));
    report(format!("back on another port: found after {after:.3?}, the old one expired {gone:.3?} later"));
    assert!(gone <= at_most(Duration::from_secs(2)), "{gone:?}");
    a.connects(SOON, &back, back.spawned);
    a.is_well();
    back.is_well();
}
