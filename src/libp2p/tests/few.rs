//! A few peers: how fast they find each other, and keep and lose each other.

use super::*;

/// exo's settings: TTL and query interval, in seconds.
const EXO: (u64, u64) = (2500, 1500);

#[test]
fn two_find_each_other_in_milliseconds_whoever_starts_first() {
    for pause in [0, 300, 700, 1500, 20_000] {
        let mut net = Net::new(pause);
        let first = net.node(EXO.0, EXO.1);
        net.run(ms(pause));
        let second = net.node(EXO.0, EXO.1);
        let start = net.now();
        net.run(secs(5));
        for (at, of) in [(first, second), (second, first)] {
            let took = net.found(at, of).unwrap() - start;
            assert!(took <= ms(15), "{at} found {of} after {took:?}, {pause} ms apart");
        }
        assert_eq!(net.expired(), 0);
        assert_eq!(net.nodes[first].live.len(), 2, "{:?}", net.nodes[first].live);
    }
}

#[test]
fn a_peer_that_stops_is_gone_within_two_seconds() {
    let mut net = Net::new(1);
    let (one, other) = (net.node(EXO.0, EXO.1), net.node(EXO.0, EXO.1));
    net.run(secs(10));
    net.stop(other);
    net.run(secs(2));
    assert!(net.nodes[one].live.is_empty(), "{:?}", net.nodes[one].told);
}

#[test]
fn a_restart_on_another_port_replaces_the_former_life() {
    let mut net = Net::new(1);
    let (one, other) = (net.node(EXO.0, EXO.1), net.node(EXO.0, EXO.1));
    net.run(secs(30));
    net.kill(other);
    net.run(secs(5));
    net.reboot(other);
    net.start(other, EXO.0, EXO.1);
    net.listen(other, &[5001]);
    let start = net.now();
    net.run(secs(3));
    let told = &net.nodes[one].told;
    let gone = told.iter().filter(|told| !told.live && told.address.contains("/tcp/4001/"));
    let gone: Vec<Duration> = gone.map(|told| told.at - start).collect();
    assert!(gone.len() == 2 && gone.iter().all(|at| *at <= secs(2)), "{told:#?}");
    assert!(net.nodes[one].live.keys().all(|address| address.contains("/tcp/5001/")));
}

#[test]
fn a_listen_address_that_comes_or_goes_is_told_at_once() {
    let mut net = Net::new(1);
    let (one, other) = (net.node(EXO.0, EXO.1), net.node(EXO.0, EXO.1));
    net.run(secs(10));
    net.listen(other, &[4001, 4002]);
    net.run(secs(2));
    assert_eq!(net.nodes[one].live.len(), 4, "{:?}", net.nodes[one].live);
    net.run(secs(10));
    net.listen(other, &[4002]);
    net.run(secs(2));
    assert_eq!(net.nodes[one].live.len(), 2, "{:?}", net.nodes[one].live);
}

/// The ports that a datagram of ours tells of.
fn told_ports(payload: &[u8]) -> Vec<u16> {
    let message = crate::wire::Message::read(payload).unwrap();
    let texts = message.records().filter_map(|record| match record.data() {
        Some(crate::wire::RecordData::Txt(txt)) => Some(txt),
        _ => None,
    });
    let strings: Vec<String> = texts
        .flat_map(|txt| txt.strings().map(String::from_utf8_lossy).map(Into::into).collect::<Vec<_>>())
        .collect();
    let v4 = strings.iter().filter(|string| string.contains("/ip4/"));
    v4.filter_map(|string| string.split('/').nth(4)?.parse().ok()).collect()
}

#[test]
fn a_burst_of_listen_addresses_makes_one_announcement() {
    // The last of them is known to be the last, or it is not.
    for (settles, within) in [(true, Duration::ZERO), (false, ms(100 - 12))] {
        let mut net = Net::new(1);
        let one = net.host();
        net.start(one, EXO.0, EXO.1);
        net.run(ms(1));
        net.lan.take_sent();
        for ports in [&[1][..], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]] {
            net.listen_for_now(one, ports);
            net.run(ms(3));
        }
        assert!(net.lan.take_sent().is_empty(), "not before they are all there");
        if settles {
            net.listen(one, &[1, 2, 3, 4]);
        }
        net.run(within);
        let sent = net.lan.take_sent();
        assert_eq!(sent.len(), 2, "one datagram a family: {sent:#?}");
        assert!(sent.iter().all(|sent| told_ports(&sent.payload) == [1, 2, 3, 4]), "{sent:#?}");
        net.run(ms(500));
        assert!(net.lan.take_sent().is_empty());
    }
}

#[test]
fn two_that_were_cut_off_while_both_see_a_third_find_each_other_after_the_healing() {
    for seed in 0..20 {
        let mut net = Net::new(seed);
        let [one, other, third] = [(); 3].map(|()| net.host());
        let hosts = (net.nodes[one].host, net.nodes[other].host);
        net.lan.set_cut(hosts.0, hosts.1, true);
        for at in [one, other, third] {
            net.start(at, EXO.0, EXO.1);
            net.listen(at, &[4001]);
        }
        net.run(secs(10));
        assert!(net.found(one, other).is_none() && net.found(one, third).is_some());
        net.lan.set_cut(hosts.0, hosts.1, false);
        net.run(secs(7));
        assert!(net.found(one, other).is_some() && net.found(other, one).is_some(), "seed {seed}");
    }
}

#[test]
fn an_interface_that_comes_up_later_is_used_at_once() {
    let mut net = Net::new(1);
    let (one, other) = (net.node(EXO.0, EXO.1), net.host());
    let link = crate::proto::LinkIndex(1);
    let state = net.lan.link_state(net.nodes[other].host, link);
    let (host, home) = (net.nodes[other].host, net.home);
    net.lan.set_link(host, link, home, None);
    net.start(other, EXO.0, EXO.1);
    net.listen(other, &[4001]);
    net.run(secs(40));
    net.lan.set_link(host, link, home, state);
    net.run(ms(50));
    assert!(net.found(one, other).is_some() && net.found(other, one).is_some());
    // And when it goes, so do the peers on it.
    net.lan.set_link(host, link, home, None);
    net.run(ms(1));
    assert!(net.nodes[other].live.is_empty());
}

#[test]
fn after_twenty_seconds_in_the_void_the_next_question_finds_them() {
    let mut net = Net::new(1);
    net.lose(1.0);
    let (one, other) = (net.node(EXO.0, EXO.1), net.node(EXO.0, EXO.1));
    net.run(secs(20));
    net.lose(0.0);
    net.run(secs(12));
    assert!(net.found(one, other).is_some() && net.found(other, one).is_some());
}

/// The families have their own luck each.
fn false_expiries(loss: f64, seed: u64) -> usize {
    let mut net = Net::new(seed);
    net.lose(loss);
    for _ in 0..4 {
        net.node(12, 300);
    }
    net.run(secs(120));
    let known: usize = net.nodes.iter().map(|node| node.live.len()).sum();
    assert_eq!(known + net.expired() % 2, 4 * 3 * 2, "{loss} {seed}");
    net.expired()
}

#[test]
fn living_peers_do_not_expire_on_a_bad_network() {
    let expired = |loss: f64| (0..20).map(|seed| false_expiries(loss, seed)).collect::<Vec<_>>();
    let (tenth, third) = (expired(0.1), expired(0.3));
    println!("false expiries in 120 s, 10 %: {tenth:?}, 30 %: {third:?}");
    assert!(tenth.iter().all(|count| *count == 0), "{tenth:?}");
    // Two addresses a peer go together.
    assert!(third.iter().all(|count| *count <= 2), "{third:?}");
}

#[test]
fn a_copied_identity_leaves_both_usable() {
    let mut net = Net::new(1);
    let (one, other, third) = (net.node(EXO.0, EXO.1), net.host(), net.node(EXO.0, EXO.1));
    net.nodes[other].id = net.nodes[one].id.clone();
    net.run(secs(5));
    net.start(other, EXO.0, EXO.1);
    net.listen(other, &[4001]);
    net.run(secs(20));
    let known: Vec<&String> = net.nodes[third].live.keys().collect();
    assert_eq!(known.len(), 4, "the addresses of both: {known:?}");
    for node in &net.nodes[..2] {
        assert!(node.live.keys().all(|address| address.ends_with("/p2p/peer2")), "{:?}", node.live);
    }
}

/// Ours says more than fits in one datagram in several as well, each with its own TXT record.
#[test]
fn a_peer_with_many_addresses_keeps_them_all_on_a_bad_network() {
    for seed in 0..10 {
        let mut net = Net::new(seed);
        let (one, other) = (net.node(120, 60), net.host());
        net.start(other, 120, 60);
        let ports: Vec<u16> = (4001..4021).collect();
        net.listen(other, &ports);
        net.run(secs(5));
        assert_eq!(net.nodes[one].live.len(), 40, "seed {seed}");
        net.lose(0.1);
        net.run(secs(600));
        assert_eq!(net.nodes[one].expired(), 0, "seed {seed}");
        // What is dropped goes within two announcements and a second.
        net.lose(0.0);
        net.listen(other, &ports[..15]);
        net.run(ms(2500));
        assert_eq!(net.nodes[one].live.len(), 30, "seed {seed}");
    }
}
