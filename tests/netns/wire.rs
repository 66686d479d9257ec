//! What salut sends, packet by packet, as a neighbour's interface hears it.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::Name;
use salut::wire::{Message, RecordData, RecordType, Section};

use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{self, Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, Whole, address, multicast, name, question};
use crate::harness::{Need, Test, patience, report};

pub const TESTS: &[Test] = &[
    ("wire::every_packet_is_in_order", &[], || every_packet(&["10.77.0.1/24", "fd77::1/64"])),
    ("wire::every_packet_is_in_order_without_ipv6", &[], || every_packet(&["10.77.0.1/24"])),
    ("wire::every_packet_is_in_order_without_ipv4", &[], || every_packet(&["fd77::1/64"])),
    ("wire::one_answer_for_one_question", &[], one_answer_for_one_question),
    ("wire::nothing_on_interfaces_that_were_not_asked_for", &[], nothing_on_other_interfaces),
    ("wire::a_legacy_reply_is_the_exception", &[], a_legacy_reply_is_the_exception),
    ("wire::dig_is_answered", &[Need::Dig], dig_is_answered),
];

const SOON: Duration = Duration::from_secs(3);

fn service() -> Name {
    name(&format!("{SERVICE}.local"))
}

/// A life with all that makes salut send: probes, announcements, questions, answers by
/// multicast and by unicast, several services, goodbyes.
fn every_packet(addresses: &[&str]) {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", addresses);
    let beside: Vec<_> = addresses.iter().map(|address| address.replace("1/", "2/")).collect();
    let ben = Host::on(&bridge, "ben", &beside.iter().map(String::as_str).collect::<Vec<_>>());
    let last: Vec<_> = addresses.iter().map(|address| address.replace("1/", "3/")).collect();
    let asker = Host::on(&bridge, "asker", &last.iter().map(String::as_str).collect::<Vec<_>>());
    let wires = [Capture::start(&ann), Capture::start(&ben)];

    let early = Browse::start(&ben, &[]);
    let more = ["--txt", "id=12D3Koo", "--subtype", "gpu"];
    let mut running =
        vec![Announce::start(&ann, "Ann's № 1", 52415, &more), Announce::start(&ann, "Second", 52416, &[])];
    for one in &running {
        one.announced(Duration::from_secs(5));
    }
    early.expect_all(SOON, "Ann's № 1", &ann.addresses_seen("eth0", "eth0"));
    thread::sleep(Duration::from_millis(4500));
    let late = Browse::start(&ben, &["--subtype", "gpu"]);
    late.expect(SOON, "the subtype's instance", |news| news.instance == "Ann's № 1");
    let (_, line) = running[0].announced(SOON);
    let host = line["host"].as_str().unwrap().to_owned();
    let mut resolve = cli::run(&ben, &["resolve", &host]);
    assert!(resolve.ended(SOON).is_some_and(|status| status.success()));
    // For a unicast reply, and for records that only come when asked for.
    let from = if addresses[0].contains('.') { From::V4(5353) } else { From::V6(5353) };
    let instance = format!("Second.{SERVICE}.local");
    for (asked, rtype, unicast) in [
        (SERVICE.to_owned() + ".local", RecordType::PTR, true),
        (instance.clone(), RecordType::SRV, true),
        (instance.clone(), RecordType::ANY, false),
        (instance, RecordType::HINFO, false),
        ("_services._dns-sd._udp.local".to_owned(), RecordType::PTR, false),
        (host.clone(), RecordType::AAAA, false),
    ] {
        multicast(&asker, "eth0", from, &question(&asked, rtype, unicast));
        thread::sleep(Duration::from_millis(1200));
    }
    for one in &mut running {
        one.0.stop(Signal::SIGTERM, SOON);
    }
    thread::sleep(Duration::from_millis(200));

    let packets: Vec<_> = wires.iter().flat_map(Capture::sent).collect();
    let own = ann.addresses("eth0");
    let (mut answers_with_srv, mut goodbyes, mut probes, mut unicast) = (0, 0, 0, 0);
    for packet in &packets {
        let message = packet.message();
        check_headers(packet, &message);
        check_cache_flush(packet, &message);
        if message.header.response && packet.interface == "eth0" && own.contains(&packet.source.ip()) {
            answers_with_srv += usize::from(check_addresses(packet, &message, &own));
        }
        goodbyes += usize::from(message.is_goodbye());
        probes += usize::from(message.header.authorities > 0);
        unicast += usize::from(!packet.is_multicast());
    }
    report(format!(
        "{} packets: {probes} probes, {answers_with_srv} answers with SRV, {unicast} unicast, {goodbyes} goodbyes",
        packets.len()
    ));
    let families = if addresses.len() == 2 { 2 } else { 1 };
    assert!(probes >= 3 * families && goodbyes >= 2 * families && answers_with_srv >= 3 * families);
}

fn check_headers(packet: &Captured, message: &Whole) {
    assert_eq!((packet.source.port(), packet.destination.port()), (5353, 5353), "{packet:?}");
    assert_eq!(packet.hops, 255, "TTL or hop limit: {packet:?}");
    assert!(!packet.fragmented, "{packet:?}");
    assert!(packet.payload.len() <= 1440, "{packet:?}");
    let group: IpAddr = if packet.source.is_ipv4() { "224.0.0.251" } else { "ff02::fb" }.parse().unwrap();
    assert!(packet.destination.ip() == group || !packet.is_multicast(), "{packet:?}");
    let header = message.header;
    assert_eq!(header.id, 0, "ID: {packet:?}");
    assert_eq!((header.opcode, header.rcode), (0, 0), "{packet:?}");
    // RFC 6762 §6: no questions in a response; §18.4: AA is set, which byte 2 shows; §18.5.
    let authoritative = packet.payload[2] & 0x04 != 0;
    assert_eq!(authoritative, header.response, "AA: {packet:?}");
    if header.response {
        assert!(header.questions == 0 && !header.truncated && !message.records.is_empty(), "{packet:?}");
    } else {
        assert!(!message.questions.is_empty() || header.answers > 0, "{packet:?}");
    }
}

/// Unique records carry the bit, shared ones do not, and none in a query (RFC 6762 §10.2).
fn check_cache_flush(packet: &Captured, message: &Whole) {
    for (section, record) in &message.records {
        let reverse = record.name.ends_with(&name("arpa"));
        let unique = record.data.record_type() != RecordType::PTR || reverse;
        let wanted = unique && message.header.response;
        assert_eq!(record.cache_flush, wanted, "cache flush of {record:?} ({section:?}) in {packet:?}");
    }
}

/// Whoever hears where a service is also hears how to get there: all addresses of both
/// families, and NSEC for a family that the host lacks. Returns whether there was an SRV.
fn check_addresses(packet: &Captured, message: &Whole, own: &[IpAddr]) -> bool {
    let mut any = false;
    for srv in message.of_type(RecordType::SRV).filter(|srv| srv.ttl > 0) {
        let RecordData::Srv(data) = &srv.data else { continue };
        any = true;
        let of_host = |rtype| message.of_type(rtype).filter(|record| record.name == data.target);
        let told: Vec<_> =
            of_host(RecordType::A).chain(of_host(RecordType::AAAA)).filter_map(address).collect();
        for address in own {
            assert!(told.contains(address), "{address} is missing beside {srv:?}: {packet:?} {message:#?}");
        }
        assert_eq!(told.len(), own.len(), "{told:?} {packet:?}");
        for (rtype, lacks) in [
            (RecordType::A, !own.iter().any(IpAddr::is_ipv4)),
            (RecordType::AAAA, !own.iter().any(IpAddr::is_ipv6)),
        ] {
            let denied = of_host(RecordType::NSEC)
                .any(|nsec| matches!(&nsec.data, RecordData::Nsec(types) if !types.has(rtype)));
            assert_eq!(denied, lacks, "NSEC for {rtype} beside {srv:?}: {packet:?} {message:#?}");
        }
    }
    any
}

fn one_answer_for_one_question() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let addresses = ["10.77.0.1/24", "10.77.0.11/24", "10.79.0.1/24", "fd77::1/64", "fd77::11/64"];
    let ann = Host::on(&bridge, "ann", &addresses);
    let asker = Host::on(&bridge, "asker", &["10.77.0.2/24", "fd77::2/64"]);
    let announce = Announce::start(&ann, "Ann", 52415, &[]);
    let (announced, line) = announce.announced(Duration::from_secs(5));
    // The first packet from somebody else may be met with a new round of announcements (RFC
    // 6762 §8: a change of connectivity); it must not be the question.
    multicast(&asker, "eth0", From::V4(5353), &question("somebody.local", RecordType::A, false));
    let instance = format!("Ann.{SERVICE}.local");
    let host = line["host"].as_str().unwrap().to_owned();
    thread::sleep((announced + Duration::from_millis(4500)).saturating_duration_since(Instant::now()));
    let wire = Capture::start(&asker);
    let (v4, v6) = (From::V4(5353), From::V6(5353));
    for (asked, rtype) in [
        (format!("{SERVICE}.local"), RecordType::PTR),
        (instance.clone(), RecordType::SRV),
        (instance, RecordType::TXT),
        (host, RecordType::A),
    ] {
        for families in [&[v4][..], &[v6], &[v4, v6]] {
            let payload = question(&asked, rtype, false);
            let since = Instant::now();
            for from in families {
                multicast(&asker, "eth0", *from, &payload);
            }
            thread::sleep(Duration::from_millis(1300));
            let answers: Vec<_> =
                wire.packets().into_iter().filter(|packet| !packet.sent && packet.at > since).collect();
            let told: Vec<_> = answers.iter().map(|one| (one, one.message())).collect();
            for v6 in [false, true] {
                let count = answers.iter().filter(|packet| packet.source.is_ipv6() == v6).count();
                assert_eq!(count, 1, "IPv6: {v6}, {rtype} {asked}, asked by {families:?}: {told:#?}");
            }
            let answers = |message: &Whole| {
                message.records.iter().any(|(section, record)| {
                    *section == Section::Answer
                        && record.data.record_type() == rtype
                        && record.name == name(&asked)
                })
            };
            assert!(told.iter().all(|(_, message)| answers(message)), "{told:#?}");
        }
    }
}

fn nothing_on_other_interfaces() {
    let lan = Lan::new();
    let (wanted, other) = (lan.bridge(), lan.bridge());
    let ann = Host::new("ann");
    ann.connect(&wanted, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
    ann.connect(&other, "eth1", &["10.78.0.1/24", "fd78::1/64"]);
    let ben = Host::on(&wanted, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let out = Host::on(&other, "out", &["10.78.0.2/24", "fd78::2/64"]);
    let wire = Capture::start(&ann);
    let only = ["--interface", "eth0"];
    let mut announce = Announce::start(&ann, "Ann", 52415, &only);
    let here = Browse::start(&ann, &only);
    let (_, line) = announce.announced(Duration::from_secs(5));
    assert_eq!(line["interfaces"], serde_json::json!(["eth0"]));
    let others = [Announce::start(&ben, "Ben", 1, &[]), Announce::start(&out, "Out", 2, &[])];
    for one in &others {
        one.announced(Duration::from_secs(5));
    }
    let (there, outside) = (Browse::start(&ben, &[]), Browse::start(&out, &[]));
    here.expect_all(SOON, "Ben", &ben.addresses_seen("eth0", "eth0"));
    there.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    // Asked directly, too.
    multicast(&out, "eth0", From::V4(0), &question(&service().to_string(), RecordType::PTR, false));
    thread::sleep(Duration::from_millis(4500));
    announce.0.stop(Signal::SIGTERM, SOON);
    thread::sleep(Duration::from_millis(200));
    let strays: Vec<_> = wire.sent().into_iter().filter(|packet| packet.interface != "eth0").collect();
    assert!(strays.is_empty(), "{strays:#?}");
    for browse in [&here, &outside] {
        let wrong = if std::ptr::eq(browse, &here) { "Out" } else { "Ann" };
        assert!(!browse.news().iter().any(|news| news.instance == wrong), "{:#?}", browse.news());
    }
}

fn a_legacy_reply_is_the_exception() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.2/24", "fd77::2/64"]);
    let wire = Capture::start(&asker);
    let announce = Announce::start(&ann, "Ann", 52415, &[]);
    announce.announced(Duration::from_secs(5));
    for from in [From::V4(0), From::V6(0)] {
        let mut payload = question(&format!("Ann.{SERVICE}.local"), RecordType::SRV, false);
        payload[..2].copy_from_slice(&[0xab, 0xcd]);
        let socket = multicast(&asker, "eth0", from, &payload);
        let mut buffer = [0; 9000];
        socket.set_read_timeout(Some(patience(Duration::from_secs(1)))).unwrap();
        let (length, source) = socket.recv_from(&mut buffer).expect("a reply to the port that asked");
        assert_eq!(source.port(), 5353);
        // RFC 6762 §6.7: the question's ID, the question, no cache-flush bit, a short life.
        let message = Message::read(&buffer[..length]).expect("a message");
        assert_eq!(message.header().id, 0xabcd);
        let repeated: Vec<_> = message.questions().map(|one| (one.name.to_name(), one.rtype)).collect();
        assert_eq!(repeated, [(name(&format!("Ann.{SERVICE}.local")), RecordType::SRV)]);
        assert!(message.records().any(|record| record.rtype == RecordType::SRV));
        for record in message.records() {
            assert!(!record.cache_flush && record.ttl <= 10, "{record:?}");
        }
        let port = socket.local_addr().unwrap().port();
        let reply = wire.wait(SOON, |packet| packet.destination.port() == port).expect("captured");
        assert_eq!(reply.hops, 255, "{reply:?}");
    }
}

/// `dig` at the host's address prints the answer. At the group's it hears nothing but what
/// comes from the group's address, since its socket is connected; the reply is proper all the
/// same.
fn dig_is_answered() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.2/24"]);
    asker.ip(&["route add 224.0.0.0/4 dev eth0".to_owned()]);
    let wire = Capture::start(&asker);
    let announce = Announce::start(&ann, "Ann", 52415, &[]);
    let (_, line) = announce.announced(Duration::from_secs(5));
    let host = line["host"].as_str().unwrap();
    let instance = format!("Ann.{SERVICE}.local");
    let dig = |server: &str| {
        let options = ["-p", "5353", "+time=5", "+tries=1", "+noall", "+comments", "+answer"];
        asker.output("dig", &[&options[..], &[server, &instance, "SRV"]].concat())
    };
    let (success, printed) = dig("@10.77.0.1");
    assert!(success && printed.contains("status: NOERROR"), "{printed}");
    let srv = printed.lines().find(|line| line.starts_with(&instance)).expect(&printed);
    let fields: Vec<_> = srv.split_whitespace().collect();
    assert_eq!(fields[1..], ["10", "IN", "SRV", "0", "0", "52415", &format!("{host}.")]);

    let before = wire.packets().len();
    dig("@224.0.0.251");
    let packets = wire.packets().split_off(before);
    let asked = packets.iter().find(|packet| packet.sent).expect("the question");
    let to_asker = |packet: &&Captured| !packet.sent && packet.destination == asked.source;
    let reply = packets.iter().find(to_asker).expect("a reply to the port that asked");
    let (question, reply) = (asked.message(), reply.message());
    assert_eq!((reply.header.id, &reply.questions), (question.header.id, &question.questions));
    assert!(reply.of_type(RecordType::SRV).next().is_some(), "{reply:#?}");
    assert!(reply.records.iter().all(|(_, record)| record.ttl <= 10 && !record.cache_flush), "{reply:#?}");
}
