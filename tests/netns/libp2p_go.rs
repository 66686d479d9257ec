//! go-libp2p by its packets: what libp2p/zeroconf 2.2 sends, and what it needs to be sent.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use salut::Txt;
use salut::wire::{Packer, RecordData, RecordType, Section, Srv};

use crate::harness::capture::Capture;
use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Stack};
use crate::harness::message::{From, multicast, name, question};
use crate::harness::{Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("libp2p_go::is_heard_announcing_and_leaving", &[Need::Libp2p], is_heard_announcing_and_leaving),
    ("libp2p_go::is_heard_answering", &[Need::Libp2p], is_heard_answering),
    ("libp2p_go::is_answered_as_it_needs", &[Need::Libp2p], is_answered_as_it_needs),
];

const SOON: Duration = Duration::from_secs(2);
const SERVICE: &str = "_p2p._udp.local";
const PEER: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
const LABEL: &str = "k2v9nq0cs7yh4x1lmz8dp3wbt6gfjr5ae";
const FIRST: &str = "/ip4/10.77.0.9/tcp/4001";
const SECOND: &str = "/ip4/10.77.0.9/udp/4001/quic-v1";
/// What libp2p/zeroconf gives all its records.
const TTL: u32 = 3200;

fn gopher_and_ben() -> (Host, Host) {
    let bridge = Lan::new().bridge();
    let gopher = Host::on(&bridge, "gopher", &["10.77.0.9/24"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    (gopher, ben)
}

/// SRV, TXT, PTR, the PTR of the type list and the address: an announcement has all as answers,
/// an answer all but the PTR as additionals.
fn packet(as_answer: bool, ttl: u32) -> Vec<u8> {
    let instance = name(&format!("{LABEL}.{SERVICE}"));
    let host = name(&format!("{LABEL}.local"));
    let strings = [FIRST, SECOND].map(|address| format!("dnsaddr={address}/p2p/{PEER}"));
    let txt = strings.iter().fold(Txt::new(), |txt, string| {
        let (key, value) = string.split_once('=').expect("a pair");
        txt.with(key, value).expect("a short pair")
    });
    let srv = RecordData::Srv(Srv { priority: 0, weight: 0, port: 4001, target: host.clone() });
    let ptr = (name(SERVICE), false, RecordData::Ptr(instance.clone()));
    let list = (name("_services._dns-sd._udp.local"), false, RecordData::Ptr(name(SERVICE)));
    let srv = (instance.clone(), true, srv);
    let txt = (instance, true, RecordData::Txt(txt));
    let a = (host, true, RecordData::A(Ipv4Addr::new(10, 77, 0, 9)));
    let (first, others) =
        if as_answer { (vec![ptr], vec![srv, txt, a]) } else { (vec![srv, txt, ptr, list, a], Vec::new()) };
    let mut packer = Packer::response(1440);
    for (section, records) in [(Section::Answer, first), (Section::Additional, others)] {
        for (owner, flush, data) in records {
            packer.record(section, &owner, flush && !as_answer, ttl, &data).expect("it fits");
        }
    }
    packer.finish().to_vec()
}

fn send(gopher: &Host, payload: &[u8]) -> UdpSocket {
    multicast(gopher, "eth0", From::V4(5353), payload)
}

#[track_caller]
fn expect(node: &Node, event: &str, address: &str, since: Instant) -> Duration {
    let said = node.expect(SOON, &format!("{event} {address}"), |said| {
        said.event == event && said.peer == PEER && said.address == address && said.at >= since
    });
    said.at - since
}

fn is_heard_announcing_and_leaving() {
    let (gopher, ben) = gopher_and_ben();
    let mut b = Node::start(&ben, Stack::Salut056, 2, &["--no-dial"]);
    b.listening("/ip4/");
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    send(&gopher, &packet(false, TTL));
    for address in [FIRST, SECOND] {
        expect(&b, "discovered", address, since);
    }
    thread::sleep(Duration::from_secs(1));
    let since = Instant::now();
    send(&gopher, &packet(false, 0));
    let gone = [FIRST, SECOND].map(|address| expect(&b, "expired", address, since));
    report(format!("go's goodbye: expired after {gone:.3?}"));
    assert!(gone.iter().all(|took| *took <= at_most(SOON)), "{gone:?}");
    b.is_well();
}

fn is_heard_answering() {
    let (gopher, ben) = gopher_and_ben();
    let mut b = Node::start(&ben, Stack::Salut057, 2, &["--no-dial"]);
    b.listening("/ip4/");
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    for _ in 0..3 {
        send(&gopher, &packet(true, TTL));
        thread::sleep(Duration::from_millis(200));
    }
    for address in [FIRST, SECOND] {
        expect(&b, "discovered", address, since);
    }
    b.is_well();
}

/// One PTR as the answer, everything else beside it in the same packet.
fn is_answered_as_it_needs() {
    let (gopher, ben) = gopher_and_ben();
    let wire = Capture::start(&gopher);
    let mut b = Node::start(&ben, Stack::Salut056, 2, &[]);
    let listening = b.listening("/ip4/");
    // Its announcements are over.
    thread::sleep(Duration::from_millis(4300));
    let asked = Instant::now();
    let mut query = question(SERVICE, RecordType::PTR, false);
    // It asks with a random ID.
    query[..2].copy_from_slice(&[0x2a, 0x17]);
    send(&gopher, &query);
    let answer = wire
        .wait(SOON, |packet| !packet.sent && packet.at > asked && packet.payload[2] & 0x80 != 0)
        .unwrap_or_else(|| panic!("no answer: {:?}", wire.packets()));
    assert!(answer.is_multicast() && answer.source.port() == 5353 && answer.hops == 255, "{answer:?}");
    assert_eq!(answer.payload[..4], [0, 0, 0x84, 0], "ID and flags");
    let message = answer.message();
    assert_eq!(message.questions, []);
    let answers: Vec<_> = message.records.iter().filter(|(section, _)| *section == Section::Answer).collect();
    let [(_, ptr)] = answers[..] else { panic!("one PTR is the answer: {message:#?}") };
    assert_eq!((&ptr.name, ptr.cache_flush, ptr.ttl), (&name(SERVICE), false, 2500));
    let RecordData::Ptr(instance) = &ptr.data else { panic!("{ptr:?}") };
    let label = instance.to_string();
    let label = label.strip_suffix(&format!(".{SERVICE}.")).or(label.strip_suffix(&format!(".{SERVICE}")));
    let label = label.unwrap_or_else(|| panic!("{instance}"));
    assert!(
        label.len() == 40 && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "{label}"
    );
    let of = |rtype| message.of_type(rtype).collect::<Vec<_>>();
    let [txt] = of(RecordType::TXT)[..] else { panic!("one TXT: {message:#?}") };
    let text = format!("{:?}", txt.data);
    assert!(txt.name == *instance && text.contains(&format!("{listening}/p2p/{}", b.peer)), "{text}");
    let [srv] = of(RecordType::SRV)[..] else { panic!("one SRV: {message:#?}") };
    let RecordData::Srv(srv) = &srv.data else { panic!("{srv:?}") };
    assert!(listening.ends_with(&format!("/tcp/{}", srv.port)), "{srv:?} {listening}");
    assert_eq!(srv.target, name(&format!("{label}.p2p.local")));
    let mut addresses = message.addresses();
    addresses.sort();
    let mut own = ben.addresses("eth0");
    own.sort();
    assert_eq!(addresses, own);
    b.is_well();
}
