//! What other implementations send, and what must not be believed.

use super::*;
use crate::wire::{Packer, RecordData, RecordType, Section};
use crate::{Name, Txt};

const SERVICE: &str = "_p2p._udp.local";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A response as its maker would send it.
pub(super) struct Answer {
    pointer: String,
    owner: String,
    texts: Vec<Vec<String>>,
    section: Section,
    ttl: u32,
    flush: bool,
}

impl Answer {
    /// rust-libp2p: a random name without a suffix, one TXT record an address.
    fn rust(random: &str, addresses: &[&str]) -> Self {
        let texts = addresses.iter().map(|address| vec![format!("dnsaddr={address}")]).collect();
        Self {
            pointer: random.to_owned(),
            owner: random.to_owned(),
            texts,
            section: Section::Additional,
            ttl: 360,
            flush: true,
        }
    }

    /// Whatever a stranger may say: labels with and without the service type, addresses that
    /// are good, bad and ours.
    pub(super) fn odd(label: u8, ttl: u32, flush: bool, told: &[(u8, u16)]) -> Self {
        let owner =
            if label.is_multiple_of(2) { format!("odd{label}") } else { format!("odd{label}.{SERVICE}") };
        let address = |(kind, port): &(u8, u16)| {
            let host = ["/ip4/10.0.7.1", "/ip4/127.0.0.1", "/ip6/fe80::1", "/ip6/fd00::1", "/dns/a.example"];
            let host = host.get(usize::from(*kind)).copied().unwrap_or("/memory/1");
            let peer =
                if *kind == 0 && *port == 4000 { "peer0".to_owned() } else { format!("odd{}", label % 3) };
            vec![format!("dnsaddr={host}/tcp/{port}/p2p/{peer}")]
        };
        Self {
            pointer: owner.clone(),
            owner,
            texts: told.iter().map(address).collect(),
            section: if flush { Section::Additional } else { Section::Answer },
            ttl,
            flush,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut packer = Packer::response(4096);
        let pointer = RecordData::Ptr(name(&self.pointer));
        packer.record(Section::Answer, &name(SERVICE), self.flush, self.ttl, &pointer).unwrap();
        for text in &self.texts {
            let txt = RecordData::Txt(Txt::from_strings(text).unwrap());
            packer.record(self.section, &name(&self.owner), self.flush, self.ttl, &txt).unwrap();
        }
        packer.finish().to_vec()
    }
}

/// One node and strangers.
fn net() -> (Net, usize) {
    let mut net = Net::new(1);
    let at = net.node(360, 300);
    net.run(secs(5));
    (net, at)
}

fn hear(net: &mut Net, source: &str, answer: &Answer) {
    let home = net.home;
    net.lan.inject(home, source.parse().unwrap(), None, &answer.bytes());
    net.run(ms(1));
}

const RUST: &str = "10.0.0.9:41234";

#[test]
fn an_answer_in_any_shape_is_read() {
    let shapes = [
        (
            RUST,
            Answer::rust("randomname1", &["/ip4/10.0.0.9/tcp/1/p2p/rust", "/ip4/10.0.0.9/udp/2/p2p/rust"]),
        ),
        (
            "10.0.0.9:5353",
            Answer {
                pointer: format!("random.{SERVICE}"),
                owner: format!("random.{SERVICE}"),
                texts: vec![vec![
                    "dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/go".into(),
                    "dnsaddr=/ip4/10.0.0.9/udp/2/p2p/go".into(),
                ]],
                section: Section::Answer,
                ttl: 120,
                flush: false,
            },
        ),
    ];
    for (source, answer) in shapes {
        let (mut net, at) = net();
        hear(&mut net, source, &answer);
        assert_eq!(net.nodes[at].live.len(), 2, "{:?}", net.nodes[at].live);
    }
}

#[test]
fn a_new_name_of_a_known_peer_replaces_what_the_old_one_said() {
    let (mut net, at) = net();
    hear(&mut net, RUST, &Answer::rust("one", &["/ip4/10.0.0.9/tcp/1/p2p/rust"]));
    net.run(secs(5));
    hear(&mut net, RUST, &Answer::rust("two", &["/ip4/10.0.0.9/tcp/2/p2p/rust"]));
    net.run(secs(1));
    let live: Vec<&String> = net.nodes[at].live.keys().collect();
    assert_eq!(live, ["/ip4/10.0.0.9/tcp/2/p2p/rust"]);
    // From another address of the peer nothing is replaced.
    hear(&mut net, "10.0.0.8:41234", &Answer::rust("three", &["/ip4/10.0.0.8/tcp/2/p2p/rust"]));
    net.run(secs(2));
    assert_eq!(net.nodes[at].live.len(), 2);
}

/// rust-libp2p: a response with more addresses than one datagram takes, 33 of them, makes several
/// under one name, and the next response has another name.
fn in_parts(number: u32, ports: std::ops::Range<u16>) -> [Answer; 2] {
    let addresses: Vec<String> = ports.map(|port| format!("/ip4/10.0.0.9/tcp/{port}/p2p/rust")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let (one, other) = addresses.split_at(33);
    [one, other].map(|part| Answer::rust(&format!("answer{number}"), part))
}

#[test]
fn addresses_told_in_several_datagrams_survive_the_loss_of_one() {
    let (mut net, at) = net();
    for number in 0..12 {
        let [one, other] = in_parts(number, 1..41);
        // Now the one is lost, now the other, and now none.
        if number % 4 != 1 {
            hear(&mut net, RUST, &one);
        }
        if number % 4 != 3 {
            hear(&mut net, RUST, &other);
        }
        net.run(secs(20));
        assert_eq!(net.nodes[at].live.len(), 40, "after {number}");
    }
    assert_eq!(net.nodes[at].expired(), 0);
    // Each of them until its own end.
    net.run(secs(360 - 1));
    assert_eq!(net.nodes[at].live.len(), 0);
}

#[test]
fn an_address_that_is_missing_in_two_responses_of_several_datagrams_is_gone() {
    let (mut net, at) = net();
    for (number, live) in [(0, 40), (1, 40), (2, 38), (3, 38)] {
        let [one, other] = in_parts(number, if number == 0 { 1..41 } else { 1..39 });
        hear(&mut net, RUST, &one);
        hear(&mut net, RUST, &other);
        net.run(secs(20));
        assert_eq!(net.nodes[at].live.len(), live, "after {number}");
    }
    // When it has fewer addresses two responses tell so, and when all stand in one datagram one.
    for (port, live) in [(51, 39), (51, 1), (52, 1)] {
        let address = format!("/ip4/10.0.0.9/tcp/{port}/p2p/rust");
        hear(&mut net, RUST, &Answer::rust(&format!("few{port}"), &[&address]));
        net.run(secs(2));
        assert_eq!(net.nodes[at].live.len(), live, "{:?}", net.nodes[at].live);
        assert!(net.nodes[at].live.contains_key(&address));
    }
}

#[test]
fn goodbyes_are_honoured() {
    let (mut net, at) = net();
    let mut answer = Answer::rust("one", &["/ip4/10.0.0.9/tcp/1/p2p/rust"]);
    hear(&mut net, RUST, &answer);
    net.run(secs(3));
    answer.ttl = 0;
    hear(&mut net, RUST, &answer);
    assert_eq!(net.nodes[at].live.len(), 1);
    net.run(secs(1));
    assert_eq!(net.nodes[at].live.len(), 0);
}

#[test]
fn what_cannot_be_dialled_is_not_reported() {
    let (mut net, at) = net();
    let addresses = [
        "/ip4/127.0.0.1/tcp/1/p2p/rust",
        "/ip4/172.17.0.1/tcp/1/p2p/rust",
        "/ip4/0.0.0.0/tcp/1/p2p/rust",
        "/ip4/224.0.0.1/tcp/1/p2p/rust",
        "/ip6/fe80::9/tcp/1/p2p/rust",
        "/ip6/::1/tcp/1/p2p/rust",
        "/memory/1/p2p/rust",
        "/ip4/10.0.0.9/tcp/1",
        "/ip4/10.0.0.1/tcp/1/p2p/peer0",
        "nonsense",
        "/ip4/100.64.0.9/tcp/1/p2p/rust",
        "/ip6/fd00::9/tcp/1/p2p/rust",
        "/dns/example.org/tcp/1/p2p/rust",
        "/ip4/10.0.0.9/tcp/1/p2p/rust",
    ];
    hear(&mut net, RUST, &Answer::rust("one", &addresses));
    let live: Vec<&String> = net.nodes[at].live.keys().collect();
    assert_eq!(live, [addresses[12], addresses[13], addresses[10], addresses[11]]);
    assert!(net.nodes[at].live[addresses[13]] && !net.nodes[at].live[addresses[10]]);
}

#[test]
fn a_stranger_cannot_grow_the_table_without_end_and_what_answers_stays() {
    let (mut net, at) = net();
    let friend = Answer::rust("friend", &["/ip4/10.0.0.8/tcp/1/p2p/friend"]);
    hear(&mut net, "10.0.0.8:41234", &friend);
    net.run(secs(2));
    hear(&mut net, "10.0.0.8:41234", &friend);
    for i in 0..3000_u32 {
        let source = format!("10.0.{}.{}:4444", 1 + i % 7, 1 + i % 250);
        let address = format!("/ip4/10.0.0.9/tcp/1/p2p/forged{i}");
        let home = net.home;
        let forged = Answer::rust(&format!("forged{i}"), &[&address]);
        net.lan.inject(home, source.parse().unwrap(), None, &forged.bytes());
        net.run(ms(5));
    }
    let node = &net.nodes[at];
    assert!(node.live.len() <= 1024, "{}", node.live.len());
    assert!(node.live.contains_key("/ip4/10.0.0.8/tcp/1/p2p/friend"));
    assert!(node.discovery.as_ref().unwrap().table().counts_right());
}

/// Tells of a peer that nobody heard of before, at a port of its own.
fn forge(net: &mut Net, source: &str, number: u32) {
    let address = format!("/ip4/10.0.0.9/tcp/1/p2p/forged{number}");
    let forged = Answer::rust(&format!("forged{number}"), &[&address]);
    net.lan.inject(net.home, format!("{source}:4444").parse().unwrap(), None, &forged.bytes());
    net.run(ms(1));
}

fn befriend(net: &mut Net, host: u8) -> String {
    let address = format!("/ip4/10.0.0.{host}/tcp/1/p2p/friend{host}");
    hear(net, &format!("10.0.0.{host}:41234"), &Answer::rust(&format!("friend{host}"), &[&address]));
    address
}

#[test]
fn who_invents_peers_finds_no_room_for_more_and_pushes_nobody_out() {
    let (mut net, at) = net();
    let early = befriend(&mut net, 7);
    (0..500).for_each(|number| forge(&mut net, "10.0.0.9", number));
    let late = befriend(&mut net, 8);
    (500..1000).for_each(|number| forge(&mut net, "10.0.0.9", number));
    let node = &net.nodes[at];
    assert_eq!(node.live.len(), 256 + 2);
    assert!(node.live.contains_key(&early) && node.live.contains_key(&late));
    assert_eq!(node.told.len(), node.live.len(), "the swarm sees no coming and going");
    assert!(node.discovery.as_ref().unwrap().table().counts_right());
    // When it is over a real peer of that host is found: it takes the place of an invention.
    net.run(secs(10));
    forge(&mut net, "10.0.0.9", 1000);
    let node = &net.nodes[at];
    assert!(node.live.contains_key("/ip4/10.0.0.9/tcp/1/p2p/forged1000"));
    assert!(!node.live.contains_key("/ip4/10.0.0.9/tcp/1/p2p/forged0"));
    assert_eq!(node.live.len(), 256 + 2);
}

#[test]
fn a_goodbye_makes_room_at_a_source_that_is_full() {
    let (mut net, at) = net();
    (0..300).for_each(|number| forge(&mut net, "10.0.0.9", number));
    let mut answer = Answer::rust("forged0", &["/ip4/10.0.0.9/tcp/1/p2p/forged0"]);
    answer.ttl = 0;
    hear(&mut net, RUST, &answer);
    net.run(secs(1));
    forge(&mut net, "10.0.0.9", 300);
    assert!(net.nodes[at].live.contains_key("/ip4/10.0.0.9/tcp/1/p2p/forged300"));
    assert_eq!(net.nodes[at].live.len(), 256);
}

/// Its peers are real, and all come from one address.
#[test]
fn a_reflector_of_more_peers_than_there_is_room_for_does_not_make_them_flap() {
    let (mut net, at) = net();
    for _ in 0..20 {
        (0..300).for_each(|number| forge(&mut net, "10.0.0.9", number));
        net.run(secs(2));
    }
    let node = &net.nodes[at];
    assert_eq!(node.live.len(), 256);
    assert_eq!(node.expired(), 0);
}

#[test]
fn many_who_invent_peers_share_a_link_and_leave_room_for_an_honest_one() {
    let (mut net, at) = net();
    let flood = |net: &mut Net, numbers: std::ops::Range<u32>| {
        for number in numbers {
            forge(net, &format!("10.0.1.{}", 1 + number % 8), number);
        }
    };
    flood(&mut net, 0..2000);
    assert_eq!((net.nodes[at].live.len(), net.nodes[at].expired()), (1024, 0));
    let friend = befriend(&mut net, 8);
    assert!(net.nodes[at].live.contains_key(&friend), "found at once");
    flood(&mut net, 2000..4000);
    let node = &net.nodes[at];
    assert!(node.live.contains_key(&friend), "and not pushed out");
    // Equal shares: who has less than another gets one, and that is all that goes.
    assert_eq!(node.live.len(), 1024);
    assert!(node.expired() <= 8, "{}", node.expired());
    assert!(node.discovery.as_ref().unwrap().table().counts_right());
}

#[test]
fn one_who_comes_late_to_a_full_link_gets_his_share() {
    let (mut net, at) = net();
    for number in 0..1100 {
        forge(&mut net, &format!("10.0.1.{}", 1 + number % 5), number);
    }
    (2000..2300).for_each(|number| forge(&mut net, "10.0.2.1", number));
    let node = &net.nodes[at];
    let late = (2000..2300)
        .filter(|number| node.live.contains_key(&format!("/ip4/10.0.0.9/tcp/1/p2p/forged{number}")));
    // A sixth of 1024.
    assert_eq!(late.count(), 170);
    assert_eq!(node.live.len(), 1024);
}

#[test]
fn a_foreign_peer_that_is_asked_stays() {
    let (mut net, at) = net();
    let answer = Answer::rust("one", &["/ip4/10.0.0.9/tcp/1/p2p/rust"]);
    hear(&mut net, RUST, &answer);
    net.lan.take_sent();
    // Asked for in time and again, and when nobody answers it expires on time.
    net.run(secs(361));
    let asked = net.lan.take_sent().into_iter().filter(|sent| {
        let message = crate::wire::Message::read(&sent.payload).unwrap();
        sent.at > secs(5 + 175)
            && sent.destination.is_ipv4()
            && message.questions().any(|question| question.rtype == RecordType::PTR)
    });
    let asked: Vec<u64> = asked.map(|sent| sent.at.as_secs()).collect();
    assert!(asked.len() >= 7, "{asked:?}");
    assert_eq!(net.nodes[at].live.len(), 0);
    assert_eq!(net.nodes[at].told.last().unwrap().at.as_secs(), 5 + 360);
}

#[test]
fn a_known_peer_with_ever_new_names_and_addresses_does_not_grow_either() {
    let (mut net, at) = net();
    for i in 0..500_u16 {
        let address = format!("/ip4/10.0.0.9/tcp/{}/p2p/rust", 1000 + i);
        let home = net.home;
        let answer = Answer::rust(&format!("name{i}"), &[&address]);
        net.lan.inject(home, RUST.parse().unwrap(), None, &answer.bytes());
        net.run(ms(1));
    }
    let table = net.nodes[at].discovery.as_ref().unwrap().table();
    assert_eq!((net.nodes[at].live.len(), table.names()), (64, 64));
}

/// Each source tells of its peers again and again, as if they were there.
#[test]
fn an_honest_one_is_found_where_a_few_hold_the_link_with_peers_that_they_repeat() {
    for (sources, peers) in [(4, 256), (8, 128), (8, 256)] {
        let (mut net, at) = net();
        let early = befriend(&mut net, 7);
        let flood = |net: &mut Net| {
            for number in 0..sources * peers {
                forge(net, &format!("10.0.1.{}", 1 + number % sources), number);
            }
        };
        (0..4).for_each(|_| flood(&mut net));
        assert_eq!(net.nodes[at].live.len(), 1024);
        let expired = net.nodes[at].expired();
        let friends = [8, 9, 10].map(|host| befriend(&mut net, host));
        let known = |net: &Net, addresses: &[String]| {
            addresses.iter().all(|address| net.nodes[at].live.contains_key(address))
        };
        assert!(known(&net, &friends), "found at once");
        for _ in 0..4 {
            flood(&mut net);
            for host in [7, 8, 9, 10] {
                befriend(&mut net, host);
            }
        }
        assert!(known(&net, &friends) && known(&net, &[early]), "and not pushed out");
        assert_eq!(net.nodes[at].live.len(), 1024);
        // One for each, and that is all that comes and goes.
        assert!(net.nodes[at].expired() - expired <= friends.len() + sources as usize);
        assert!(net.nodes[at].discovery.as_ref().unwrap().table().counts_right());
    }
}
