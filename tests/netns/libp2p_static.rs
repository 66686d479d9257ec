//! Peers that are known beforehand, where Multicast DNS does not get through.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::lan::{Host, Lan};
use crate::harness::libp2p::{Node, Said, Stack, built};
use crate::harness::process::Process;
use crate::harness::{Need, Test, report};
use Stack::{Salut056, Salut057};

pub const TESTS: &[Test] = &[
    ("libp2p_static::from_the_command_line_without_multicast", WITH_NFT, from_the_command_line),
    ("libp2p_static::from_a_file_that_is_edited", WITH_NFT, from_a_file_that_is_edited),
    ("libp2p_static::a_host_without_its_peer_id", WITH_NFT, a_host_without_its_peer_id),
    ("libp2p_static::a_node_that_has_no_mdns", NODES, a_node_that_has_no_mdns),
    ("libp2p_static::a_list_over_http", WITH_NFT, a_list_over_http),
];

const NODES: &[Need] = &[Need::Libp2p];
const WITH_NFT: &[Need] = &[Need::Libp2p, Need::Nft];
const SOON: Duration = Duration::from_secs(8);
const FILE: &str = "/run/peers.json";

/// Two hosts on one link that lets no multicast through.
fn without_multicast() -> (Host, Host) {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24"]);
    for host in [&ann, &ben] {
        host.nft(
            "add table inet wall\n\
             add chain inet wall input { type filter hook input priority 0; }\n\
             add rule inet wall input meta pkttype multicast drop\n\
             add rule inet wall input ip daddr 224.0.0.0/4 drop\n",
        );
    }
    (ann, ben)
}

/// A node made by the builder.
fn built_node(host: &Host, seed: &str, more: &[&str]) -> Node {
    let program = built("built-056");
    let arguments = [&["--seed", seed], more].concat();
    Node::running(host.spawn(program.to_str().expect("a path in UTF-8"), &arguments))
}

fn with_peer_id(node: &Node) -> String {
    format!("{}/p2p/{}", node.listening("/ip4/"), node.peer)
}

#[track_caller]
fn connected(nodes: [&mut Node; 2], since: Instant) {
    let [a, b] = nodes;
    a.connects(SOON, b, since);
    b.connects(SOON, a, since);
    a.is_well();
    b.is_well();
}

fn from_the_command_line() {
    let (ann, ben) = without_multicast();
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let address = with_peer_id(&b);
    let mut a = built_node(&ann, "1", &["--static-peer", &address]);
    let found = a.discovers(SOON, &b, "/ip4/10.77.0.2/", a.spawned).at - a.started;
    report(format!("static, no multicast: found after {found:.3?}"));
    let since = a.spawned;
    connected([&mut a, &mut b], since);
    thread::sleep(Duration::from_secs(3));
    assert!(b.live(&a).is_empty(), "nothing else tells of it: {:?}", b.live(&a));
}

fn peers_file(entries: &[(&str, &str)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, address)| serde_json::json!({"name": name, "multiaddr": address}))
        .collect();
    serde_json::json!({ "static_peers": entries }).to_string()
}

fn from_a_file_that_is_edited() {
    let (ann, ben) = without_multicast();
    let first = Node::start(&ben, Salut056, 2, &[]);
    let mut second = Node::start(&ben, Salut057, 3, &[]);
    let (at_first, at_second) = (with_peer_id(&first), with_peer_id(&second));
    ann.write(FILE, &peers_file(&[("bad", "/ip4/10.77.0.300/tcp/1"), ("first", &at_first)]));
    let mut a = built_node(&ann, "1", &["--static-file", FILE]);
    a.discovers(SOON, &first, "/ip4/10.77.0.2/", a.spawned);
    a.connects(SOON, &first, a.spawned);
    // The bad one is told, with the file, the entry and the reason.
    let told = |said: &Said| said.event == "status" && said.address == FILE;
    a.expect(SOON, "a status", told);
    let line = a.process.wait(SOON, |line| line.text.contains("10.77.0.300").then(|| line.text.clone()));
    let line = line.expect("the bad entry is told");
    assert!(line.contains(FILE) && line.contains("bad"), "{line}");

    // Another one instead, and a file cut short in between: what is known stays.
    ann.write(FILE, "{\"static_peers\":[{\"na");
    thread::sleep(Duration::from_secs(3));
    assert!(!a.live(&first).is_empty(), "a file that is being written takes nothing away");
    let edited = Instant::now();
    ann.write(FILE, &peers_file(&[("second", &at_second)]));
    let found = a.discovers(SOON, &second, "/ip4/10.77.0.2/", edited).at - edited;
    let gone = a.expires(SOON, &first, "/ip4/10.77.0.2/", edited).at - edited;
    report(format!("file edited: the new one found after {found:.3?}, the old one expired after {gone:.3?}"));
    connected([&mut a, &mut second], edited);
}

/// It is asked by unicast, until it answers.
fn a_host_without_its_peer_id() {
    let (ann, ben) = without_multicast();
    let mut a = built_node(&ann, "1", &["--static-peer", "/ip4/10.77.0.2"]);
    thread::sleep(Duration::from_secs(4));
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let began = b.spawned;
    let found = a.discovers(SOON * 3, &b, "/ip4/10.77.0.2/", began).at - b.started;
    report(format!("a host without its PeerId: found {found:.3?} after it started"));
    a.connects(SOON, &b, began);
    connected([&mut a, &mut b], began);
}

fn a_node_that_has_no_mdns() {
    let bridge = Lan::new().bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24"]);
    let program = built("plain-056");
    let program = program.to_str().expect("a path in UTF-8");
    let mut b = Node::running(ben.spawn(program, &["/ip4/10.77.0.2/tcp/4001"]));
    let address = with_peer_id(&b);
    let mut a = built_node(&ann, "1", &["--static-peer", &address]);
    a.discovers(SOON, &b, "/ip4/10.77.0.2/", a.spawned);
    let since = a.spawned;
    connected([&mut a, &mut b], since);
}

/// The example, with a server of its own on the loopback.
fn a_list_over_http() {
    let (ann, ben) = without_multicast();
    let mut b = Node::start(&ben, Salut057, 2, &[]);
    let list = peers_file(&[("ben", &with_peer_id(&b))]);
    let served = ann.inside(move || {
        let server = TcpListener::bind("127.0.0.1:8080").expect("a port of a host of its own");
        thread::spawn(move || serve(&server, &list))
    });
    let program = built("static_peers_over_http");
    let arguments = ["http://127.0.0.1:8080/peers.json", "2"];
    let example: Process = ann.spawn(program.to_str().expect("a path in UTF-8"), &arguments);
    let line = example.expect_line(SOON, "ConnectionEstablished");
    assert!(line.text.contains(&b.peer), "{}", line.text);
    report(format!("a list over HTTP: connected after {:.3?}", line.at - example.started));
    b.is_well();
    // It asks again.
    served.join().expect("asked twice");
}

/// Two requests, each answered with the list.
fn serve(server: &TcpListener, list: &str) {
    for _ in 0..2 {
        let (mut stream, _) = server.accept().expect("a client");
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut part).expect("a request");
            request.extend_from_slice(&part[..read]);
            assert!(read > 0 && request.len() < 8192, "no request");
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{list}",
            list.len()
        );
        stream.write_all(answer.as_bytes()).expect("an answer");
    }
}
