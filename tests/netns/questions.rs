//! Questions of every kind to a running announcer, and how soon, to whom and with what it
//! answers, as the asker's interface sees it.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use salut::Name;
use salut::wire::{Packer, RecordData, RecordType, Section};

use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, Whole, name, question, send};
use crate::harness::{Test, at_most, patience, report};

pub const TESTS: &[Test] = &[
    ("questions::probes_and_announcements_keep_their_times", &[], probes_and_announcements_keep_their_times),
    ("questions::each_is_answered_in_its_way_over_ipv4", &[], || each_is_answered_in_its_way(Ask::V4)),
    ("questions::each_is_answered_in_its_way_over_ipv6", &[], || each_is_answered_in_its_way(Ask::V6)),
    ("questions::from_another_subnet", &[], from_another_subnet),
];

const INSTANCE: &str = "Ann's Node";

/// Longer than an answer may wait (RFC 6762 §6: 120 ms). What is due is waited for longer on a
/// machine with other work, and what comes beside it for so long.
const PATIENCE: Duration = Duration::from_millis(500);

/// No record is multicast twice within a second (RFC 6762 §6).
const APART: Duration = Duration::from_millis(1100);

fn instance() -> String {
    format!("Ann's\\032Node.{SERVICE}.local")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    V4,
    V6,
}

impl Ask {
    fn from(self, port: u16) -> From {
        match self {
            Self::V4 => From::V4(port),
            Self::V6 => From::V6(port),
        }
    }

    fn target(self) -> IpAddr {
        match self {
            Self::V4 => "10.77.0.1".parse().unwrap(),
            Self::V6 => "fd77::1".parse().unwrap(),
        }
    }
}

/// An announcer in its steady state, and somebody who asks.
struct Scene {
    _announce: Announce,
    asker: Host,
    wire: Capture,
    family: Ask,
    host: String,
    _ann: Host,
    _lan: Lan,
}

/// What came back: after which time, where to, and what it says.
#[derive(Debug)]
struct Answer {
    after: Duration,
    packet: Captured,
    message: Whole,
}

impl Answer {
    /// The types in the Answer Section.
    fn types(&self) -> Vec<RecordType> {
        let answers = self.message.records.iter().filter(|(section, _)| *section == Section::Answer);
        answers.map(|(_, record)| record.data.record_type()).collect()
    }
}

impl Scene {
    fn new(family: Ask, asker: &[&str]) -> Self {
        let lan = Lan::new();
        let bridge = lan.bridge();
        let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
        let asker = Host::on(&bridge, "asker", asker);
        let wire = Capture::start(&asker);
        let announce = Announce::start(&ann, INSTANCE, 52415, &[]);
        let (_, line) = announce.announced(Duration::from_secs(5));
        let host = line["host"].as_str().unwrap().to_owned();
        // After the last announcement, and the second in which it must not be repeated.
        thread::sleep(Duration::from_millis(4500));
        Self { _announce: announce, asker, wire, family, host, _ann: ann, _lan: lan }
    }

    /// Sends a question and waits for so many replies, and for what comes beside them. Every
    /// answer comes once on each family, if by multicast.
    fn ask(&self, due: usize, port: u16, to: Option<IpAddr>, payload: &[u8]) -> Vec<Answer> {
        thread::sleep(APART);
        let before = self.wire.packets().len();
        let packets = || self.wire.packets().split_off(before);
        let _open = send(&self.asker, "eth0", self.family.from(port), to, payload);
        let deadline = Instant::now() + patience(PATIENCE);
        while Instant::now() < deadline && packets().iter().filter(|packet| !packet.sent).count() < due {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(PATIENCE);
        let packets = packets();
        let asked = packets.iter().find(|packet| packet.sent).expect("the question").at;
        let replies = packets.into_iter().filter(|packet| !packet.sent);
        replies.map(|packet| Answer { after: packet.at - asked, message: packet.message(), packet }).collect()
    }

    /// The one answer, which went to the group of both families.
    #[track_caller]
    fn multicast(&self, what: &str, payload: &[u8]) -> Answer {
        let mut answers = self.ask(2, 5353, None, payload);
        assert_eq!(answers.len(), 2, "{what}: {answers:#?}");
        assert!(answers.iter().all(|answer| answer.packet.is_multicast()), "{what}: {answers:#?}");
        assert_ne!(answers[0].packet.source.is_ipv4(), answers[1].packet.source.is_ipv4(), "{what}");
        answers.remove(0)
    }

    /// The one answer, which went to the asker alone and obeys the rules of multicast ones
    /// (RFC 6762 §5.4).
    #[track_caller]
    fn unicast(&self, what: &str, to: Option<IpAddr>, payload: &[u8]) -> Answer {
        let mut answers = self.ask(1, 5353, to, payload);
        assert_eq!(answers.len(), 1, "{what}: {answers:#?}");
        let answer = answers.remove(0);
        assert!(!answer.packet.is_multicast(), "{what}: {answer:#?}");
        assert_eq!((answer.packet.source.port(), answer.packet.destination.port()), (5353, 5353), "{what}");
        assert_eq!((answer.message.header.id, answer.message.questions.len()), (0, 0), "{what}");
        assert_eq!(answer.packet.hops, 255, "{what}");
        let unique = |rtype| rtype != RecordType::PTR;
        for (_, record) in &answer.message.records {
            assert_eq!(record.cache_flush, unique(record.data.record_type()), "{what}: {record:?}");
        }
        answer
    }

    #[track_caller]
    fn silence(&self, what: &str, payload: &[u8]) {
        let answers = self.ask(0, 5353, None, payload);
        assert!(answers.is_empty(), "{what}: {answers:#?}");
    }
}

/// RFC 6762 §6: nobody else can answer, so there is nothing to wait for.
#[track_caller]
fn at_once(what: &str, answer: &Answer) {
    assert!(answer.after <= at_most(Duration::from_millis(10)), "{what}: after {:?}", answer.after);
}

/// RFC 6762 §6, §6.3: 20 to 120 ms.
#[track_caller]
fn after_a_while(what: &str, answer: &Answer) {
    let (low, high) = (Duration::from_millis(20), at_most(Duration::from_millis(125)));
    assert!((low..=high).contains(&answer.after), "{what}: after {:?}", answer.after);
}

/// A question in another class, with or without the top bit.
fn in_class(mut payload: Vec<u8>, class: u16) -> Vec<u8> {
    let at = payload.len() - 2;
    payload[at..].copy_from_slice(&class.to_be_bytes());
    payload
}

fn asking(questions: &[(&str, RecordType)], known: &[(&Name, u32, RecordData)]) -> Vec<u8> {
    let mut packer = Packer::query(1440);
    for (asked, rtype) in questions {
        packer.question(&name(asked), *rtype, false).unwrap();
    }
    for (owner, ttl, data) in known {
        packer.record(Section::Answer, owner, false, *ttl, data).unwrap();
    }
    packer.finish().to_vec()
}

fn each_is_answered_in_its_way(family: Ask) {
    use RecordType as T;
    let scene = Scene::new(family, &["10.77.0.2/24", "fd77::2/64"]);
    let (service, instance) = (format!("{SERVICE}.local"), instance());
    let host = scene.host.clone();

    for (asked, rtype) in [(&instance, T::SRV), (&instance, T::TXT), (&host, T::A), (&host, T::AAAA)] {
        let what = format!("{rtype} {asked}");
        let answer = scene.multicast(&what, &question(asked, rtype, false));
        at_once(&what, &answer);
        assert!(answer.types().iter().all(|one| *one == rtype), "{what}: {answer:#?}");
    }
    let answer = scene.multicast("PTR", &question(&service, T::PTR, false));
    after_a_while("PTR", &answer);
    for rtype in [T::PTR, T::SRV, T::TXT, T::A, T::AAAA] {
        assert!(answer.message.of_type(rtype).next().is_some(), "PTR brings {rtype}: {answer:#?}");
    }
    let both = asking(&[(&instance, T::SRV), (&instance, T::TXT)], &[]);
    let answer = scene.multicast("two questions", &both);
    after_a_while("two questions", &answer);
    assert_eq!(answer.types(), [T::SRV, T::TXT]);

    // RFC 6762 §6.5, §6: type and class ANY; another class than IN has no records.
    let answer = scene.multicast("ANY", &question(&instance, T::ANY, false));
    at_once("ANY", &answer);
    assert!(answer.types().contains(&T::SRV) && answer.types().contains(&T::TXT), "{answer:#?}");
    scene.multicast("class ANY", &in_class(question(&instance, T::SRV, false), 255));
    scene.silence("class CH", &in_class(question(&instance, T::SRV, false), 3));
    scene.silence("a name of nobody", &question("nobody-has-this.local", T::A, false));

    // RFC 6762 §6.1: what there is not is denied.
    let answer = scene.multicast("HINFO", &question(&instance, T::HINFO, false));
    at_once("HINFO", &answer);
    assert_eq!(answer.types(), [T::NSEC]);

    // RFC 6762 §16: letters are compared without case, and told as they were registered.
    let answer = scene.multicast("other case", &question(&instance.to_uppercase(), T::SRV, false));
    let srv = answer.message.of_type(T::SRV).next().unwrap();
    assert_eq!(srv.name.to_string(), name(&instance).to_string());

    // RFC 6762 §7.1: half of the lifetime makes the difference.
    let pointer = RecordData::Ptr(name(&instance));
    let known = |ttl| asking(&[(&service, T::PTR)], &[(&name(&service), ttl, pointer.clone())]);
    scene.silence("known", &known(2250));
    scene.multicast("known, but old", &known(2249));

    // RFC 6762 §5.4, §5.5: it was multicast a moment ago, so the asker alone gets it.
    let answer = scene.unicast("QU", None, &question(&instance, T::SRV, true));
    at_once("QU", &answer);
    after_a_while("QU PTR", &scene.unicast("QU PTR", None, &question(&service, T::PTR, true)));
    let direct = scene.unicast("direct", Some(family.target()), &question(&instance, T::SRV, false));
    at_once("direct", &direct);
    // From any other port: RFC 6762 §6.7, to that port.
    let legacy = scene.ask(1, 0, Some(family.target()), &question(&instance, T::SRV, false));
    assert_eq!(legacy.len(), 1, "{legacy:#?}");
    assert_eq!(legacy[0].message.questions.len(), 1, "{legacy:#?}");
    assert!(legacy[0].message.records.iter().all(|(_, record)| record.ttl <= 10 && !record.cache_flush));
}

/// RFC 6762 §11: a host of another subnet on the same wire is answered by multicast, even if
/// it asks for unicast; what it sends directly is ignored.
fn from_another_subnet() {
    let scene = Scene::new(Ask::V4, &["192.168.55.2/24"]);
    scene.asker.ip(&["route add 10.77.0.1/32 dev eth0".to_owned()]);
    for unicast in [false, true] {
        let answers = scene.ask(2, 5353, None, &question(&instance(), RecordType::SRV, unicast));
        // One on each family, though the asker has IPv4 alone.
        assert_eq!(answers.len(), 2, "QU: {unicast}, {answers:#?}");
        assert!(answers.iter().all(|answer| answer.packet.is_multicast()), "{answers:#?}");
    }
    for port in [5353, 0] {
        let to = Some(Ask::V4.target());
        let answers = scene.ask(0, port, to, &question(&instance(), RecordType::SRV, false));
        assert!(answers.is_empty(), "port {port}: {answers:#?}");
    }
}

/// RFC 6762 §8.1, §8.3, on each family.
fn probes_and_announcements_keep_their_times() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let beside = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let wire = Capture::start(&beside);
    let announce = Announce::start(&ann, INSTANCE, 52415, &[]);
    announce.announced(Duration::from_secs(5));
    thread::sleep(Duration::from_millis(3500));
    for v4 in [true, false] {
        let of = |packet: &&Captured| packet.source.is_ipv4() == v4 && !packet.sent;
        let all = wire.packets();
        let (probes, told): (Vec<_>, Vec<_>) =
            all.iter().filter(of).partition(|packet| !packet.message().header.response);
        assert!(probes.iter().all(|packet| packet.message().header.authorities > 0), "{probes:#?}");
        let gaps = |packets: &[&Captured]| -> Vec<Duration> {
            packets.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
        };
        let near = |gap: Duration, wanted: u64| {
            let wanted = Duration::from_millis(wanted);
            // Never early but for the time that the first of two packets waited in a queue.
            gap + Duration::from_millis(5) >= wanted && gap <= wanted + at_most(Duration::from_millis(10))
        };
        let (between, after) = (gaps(&probes), told[0].at - probes[2].at);
        report(format!("probes after {between:?}, announced after {after:?} and {:?}", gaps(&told)));
        assert_eq!((probes.len(), told.len()), (3, 3), "{all:#?}");
        assert!(between.iter().all(|gap| near(*gap, 250)) && near(after, 250), "{between:?} {after:?}");
        assert!(near(gaps(&told)[0], 1000) && near(gaps(&told)[1], 2000), "{:?}", gaps(&told));
        for probe in &probes {
            let message = probe.message();
            assert!(message.questions.iter().all(|(_, rtype, qu)| *rtype == RecordType::ANY && *qu));
            assert_eq!(message.questions.len(), 2, "host and instance in one message: {message:#?}");
            let source: SocketAddr = probe.source;
            assert_eq!(source.port(), 5353);
        }
    }
}
