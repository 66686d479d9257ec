//! What a packet costs the engine, beside what it costs hickory-proto only to read it.
//!
//! `cargo run --release --bin engine` in `benches/`; `--smoke` only shows that it works.

use std::alloc::System;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use salut::proto::{Config, Engine, LinkIndex, LinkState, Packet, Search};
use salut::wire::{Packer, RecordData, RecordType, Section, Srv};
use salut::{HostName, Name, Service, ServiceType, Txt};
use salut_benches::mix;
use salut_benches::race::{Contender, contender, is_smoke, median, race};
use salut_benches::report;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn heap() -> (usize, usize) {
    let stats = HEAP.stats();
    (stats.allocations + stats.reallocations, stats.bytes_allocated)
}

const LINK: LinkIndex = LinkIndex(2);

/// Between two packets: 20,000 a second.
const STEP: Duration = Duration::from_micros(50);

/// An engine in virtual time, with everything it says thrown away.
struct Host {
    engine: Engine,
    now: Instant,
    sent: usize,
}

impl Host {
    /// Three services of two types, announced; the names of the mix are not among them.
    fn new() -> Self {
        let mut host = Self {
            engine: Engine::new(Config::new(HostName::new("alpha").expect("a name")), 7),
            now: Instant::now(),
            sent: 0,
        };
        let state = LinkState {
            name: "eth0".into(),
            mtu: 1500,
            v4: vec![([192, 168, 1, 2].into(), 24)],
            v6: vec![("fe80::2".parse().expect("an address"), 64)],
            v4_open: true,
            v6_open: true,
            unicast: true,
        };
        host.engine.handle_link(host.now, LINK, Some(state));
        for (name, service) in [("One", "_salut._tcp"), ("Two", "_salut._tcp"), ("Three", "_bench._udp")] {
            let service = Service::new(name, service, 4242).expect("a service");
            host.engine.announce(host.now, service).expect("announced");
        }
        host.run(Duration::from_secs(10));
        host
    }

    fn browsing(service: &str) -> Self {
        let mut host = Self::new();
        let search = Search::Service(ServiceType::new(service).expect("a type"));
        host.engine.browse(host.now, search).expect("browsed");
        host.run(Duration::from_secs(10));
        host
    }

    fn drain(&mut self) {
        while self.engine.poll_transmit().is_some() {
            self.sent += 1;
        }
        while self.engine.poll_event().is_some() {}
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain();
        while let Some(timeout) = self.engine.poll_timeout().filter(|timeout| timeout.at <= until) {
            self.now = self.now.max(timeout.at);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// One packet of the flood, and the timers that are due.
    fn hear(&mut self, payload: &[u8], source: SocketAddr) -> usize {
        self.now += STEP;
        self.engine.handle_packet(self.now, Packet { link: LINK, source, unicast: false, payload });
        self.drain();
        if self.engine.poll_timeout().is_some_and(|timeout| timeout.at <= self.now) {
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.sent
    }
}

fn neighbour() -> SocketAddr {
    "192.168.1.77:5353".parse().expect("an address")
}

/// hickory-proto reads the packet, and nobody does anything with it.
fn only_read<'a>(packets: &'a [Vec<u8>]) -> Contender<'a> {
    contender("hickory-proto, only reading", || {
        packets
            .iter()
            .map(|bytes| {
                hickory_proto::op::Message::from_vec(black_box(bytes))
                    .map_or(0, |message| message.answers.len())
            })
            .sum()
    })
}

fn compare(title: &str, packets: &[Vec<u8>], hosts: Vec<(&'static str, Host)>) {
    let mut contenders = vec![only_read(packets)];
    for (name, mut host) in hosts {
        contenders.push(contender(name, move || {
            packets.iter().map(|bytes| host.hear(black_box(bytes), neighbour())).sum()
        }));
    }
    report::race(title, "packet", packets.len(), &race(contenders, heap));
}

fn main() {
    println!("# Engine: one packet through `handle_packet`, its outputs drained");
    let queries: Vec<Vec<u8>> =
        mix::realistic().into_iter().filter(|sample| sample.query).map(|sample| sample.bytes).collect();
    compare(
        "Queries of the mix, about nobody here",
        &queries,
        vec![
            ("salut, announcing", Host::new()),
            ("salut, announcing and browsing", Host::browsing("_salut._tcp")),
        ],
    );
    compare("One question about nobody here", &queries[..1], vec![("salut", Host::new())]);
    known_answers();
    compare(
        "A question for a record that the one-second rule withholds",
        &[question("alpha.local", RecordType::A)],
        vec![("salut", Host::new())],
    );
    compare(
        "A question for two instances that the one-second rule withholds",
        &[question("_salut._tcp.local", RecordType::PTR)],
        vec![("salut", Host::new())],
    );
    repeated_answer();
    prepared_answer();
    own_services();
    responses();
    timers();
    worst();
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn question(owner: &str, rtype: RecordType) -> Vec<u8> {
    let mut packer = Packer::query(1440);
    packer.question(&name(owner), rtype, false).expect("room");
    packer.finish().to_vec()
}

/// Twenty known answers: ours among them, or only others.
fn known_answers() {
    let packet = |owner: &str, first: &[&str]| {
        let mut packer = Packer::query(1440);
        packer.question(&name(owner), RecordType::PTR, false).expect("room");
        let others = (first.len()..20).map(|number| format!("Node-{number:04}.{owner}"));
        for target in first.iter().map(|one| format!("{one}.{owner}")).chain(others) {
            let data = RecordData::Ptr(name(&target));
            packer.record(Section::Answer, &name(owner), false, 4400, &data).expect("room");
        }
        vec![packer.finish().to_vec()]
    };
    let ours = "_salut._tcp.local";
    compare(
        "Twenty known answers, ours among them",
        &packet(ours, &["One", "Two"]),
        vec![("salut", Host::new())],
    );
    compare("Twenty known answers, not ours", &packet(ours, &[]), vec![("salut", Host::new())]);
    compare(
        "Twenty known answers about nobody here",
        &packet("_exo._tcp.local", &[]),
        vec![("salut", Host::new())],
    );
}

/// A question whose answer goes out, every second: from the packet to the datagram.
fn repeated_answer() {
    let packets =
        vec![question("alpha.local", RecordType::A), question("_salut._tcp.local", RecordType::PTR)];
    let mut datagrams = Vec::new();
    for packet in &packets {
        let mut host = Host::new();
        let source = neighbour();
        host.engine.handle_packet(host.now, Packet { link: LINK, source, unicast: false, payload: packet });
        for _ in 0..50 {
            datagrams.extend(host.engine.poll_transmit().map(|transmit| transmit.payload));
            host.now += Duration::from_millis(10);
            host.engine.handle_timeout(host.now);
        }
    }
    let messages: Vec<_> = datagrams
        .iter()
        .map(|bytes| hickory_proto::op::Message::from_vec(bytes).expect("read by hickory-proto"))
        .collect();
    let mut contenders = vec![contender("hickory-proto, only writing", || {
        messages.iter().step_by(2).map(|message| message.to_vec().map_or(0, |bytes| bytes.len())).sum()
    })];
    for (title, which) in [("salut, a host's address", 0), ("salut, two instances", 1)] {
        let mut host = Host::new();
        let packet = packets[which].clone();
        contenders.push(contender(title, move || {
            host.hear(&packet, neighbour());
            host.run(Duration::from_millis(1100));
            host.sent
        }));
    }
    report::race("A question and its answer, from packet to datagram", "answer", 1, &race(contenders, heap));
}

/// The answer alone, from the timer that it waited for to the datagram: nothing but
/// `handle_timeout` and `poll_transmit` is timed, on several hosts one after the other, so that
/// looking at the clock does not count.
fn prepared_answer() {
    const HOSTS: usize = 32;
    let packet = question("_salut._tcp.local", RecordType::PTR);
    let mut hosts: Vec<Host> = (0..HOSTS).map(|_| Host::new()).collect();
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut message = None;
    let rounds = if is_smoke() { 2 } else { 400 };
    let mut counted = 0;
    for _ in 0..rounds {
        for host in &mut hosts {
            host.run(Duration::from_secs(2));
            host.hear(&packet, neighbour());
        }
        let start = Instant::now();
        let allocated = heap();
        for host in &mut hosts {
            let due = host.engine.poll_timeout().expect("an answer waits").at;
            host.now = host.now.max(due);
            host.engine.handle_timeout(host.now);
            let transmit = host.engine.poll_transmit().expect("an answer goes out");
            message.get_or_insert(transmit);
        }
        counted += heap().0 - allocated.0;
        times[1].push(start.elapsed().as_nanos() as f64 / HOSTS as f64);
        let sent = message.as_ref().expect("sent");
        let written = hickory_proto::op::Message::from_vec(&sent.payload).expect("read by hickory-proto");
        let start = Instant::now();
        for _ in 0..HOSTS {
            black_box(black_box(&written).to_vec().map_or(0, |bytes| bytes.len()));
        }
        times[0].push(start.elapsed().as_nanos() as f64 / HOSTS as f64);
    }
    let ratio = median(times[1].iter().zip(&times[0]).map(|(own, other)| own / other).collect());
    let [other, own] = times.map(median);
    println!("\n### An answer with two instances that was packed before, from its timer to the datagram\n");
    println!("| who | ns an answer | ratio | allocations an answer |\n|---|---|---|---|");
    println!("| hickory-proto, only writing | {other:.1} | 1.000 | |");
    println!("| salut | {own:.1} | {ratio:.3} | {:.1} |", counted as f64 / (rounds * HOSTS) as f64);
}

/// What announces one instance, as stacks do: PTR, SRV, TXT and address together.
fn announcement(service: &str, number: usize) -> Vec<u8> {
    let (service, host) = (name(service), name(&format!("host-{number:05}.local")));
    let instance = service.prepend(format!("Node {number:05}")).expect("a name");
    let address =
        RecordData::A(std::net::Ipv4Addr::from_bits(0xc0a8_0000 | u32::try_from(number).expect("small")));
    let srv = Srv { priority: 0, weight: 0, port: 4242, target: host.clone() };
    let mut packer = Packer::response(1440);
    packer.record(Section::Answer, &service, false, 4500, &RecordData::Ptr(instance.clone())).expect("room");
    packer.record(Section::Additional, &instance, true, 120, &RecordData::Srv(srv)).expect("room");
    let txt = RecordData::Txt(Txt::new().with("id", format!("{number:05}")).expect("short"));
    packer.record(Section::Additional, &instance, true, 4500, &txt).expect("room");
    packer.record(Section::Additional, &host, true, 120, &address).expect("room");
    packer.finish().to_vec()
}

/// A flood of responses, each about another instance, while browsing.
fn responses() {
    let wanted: Vec<Vec<u8>> = (0..256).map(|number| announcement("_salut._tcp.local", number)).collect();
    compare(
        "Responses about 256 instances that are browsed for, again and again",
        &wanted,
        vec![("salut", Host::browsing("_salut._tcp"))],
    );
    let idle: Vec<Vec<u8>> = (0..8192).map(|number| announcement("_exo._tcp.local", number)).collect();
    for (title, count) in [("64", 64), ("512", 512), ("8,192 (more than the cache holds)", 8192)] {
        let packets = &idle[..count];
        let title = format!("Responses about {title} instances that nobody browses for");
        compare(&title, packets, vec![("salut", Host::new())]);
    }
}

/// A table of many timers, most of which never fire: one is moved for each packet.
fn timers() {
    let few: Vec<Vec<u8>> = (0..4).map(|number| announcement("_exo._tcp.local", number)).collect();
    let mut full = Host::new();
    for number in 0..1000 {
        let source = SocketAddr::from(([192, 168, 1, 80 + u8::try_from(number / 250).expect("small")], 5353));
        full.hear(&announcement("_exo._tcp.local", 10_000 + number), source);
    }
    let cached = full.engine.cached(LINK);
    println!("\n{cached} records, each with its timer:");
    compare(
        "Responses already known: four records renewed",
        &few,
        vec![("salut, few timers", Host::new()), ("salut, 4,000 timers", full)],
    );
}

/// A question that all own services of a type answer, one of which the asker knows them all, and
/// a question for each of them in turn: they share a host, so that the one-second rule withholds
/// its addresses from all answers but the first.
fn own_services() {
    let service = name("_many._tcp.local");
    for count in [64_u16, 256, 1021] {
        let instance = |number| service.prepend(format!("Node {number:04}")).expect("a name");
        let mut known = Packer::query(8900);
        known.question(&service, RecordType::PTR, false).expect("room");
        let listed = (0..count).take_while(|number| {
            known.record(Section::Answer, &service, false, 4400, &RecordData::Ptr(instance(*number))).is_ok()
        });
        let listed = listed.count();
        let announced = || {
            let mut host = Host::new();
            for number in 0..count {
                let service =
                    Service::new(&format!("Node {number:04}"), "_many._tcp", 4242).expect("a service");
                host.engine.announce(host.now, service).expect("announced");
            }
            host.run(Duration::from_secs(60));
            host
        };
        let each: Vec<Vec<u8>> = (0..count)
            .map(|number| {
                let mut packer = Packer::query(1440);
                packer.question(&instance(number), RecordType::SRV, false).expect("room");
                packer.finish().to_vec()
            })
            .collect();
        let (mut asked, mut told, mut in_turn) = (announced(), announced(), announced());
        let (question, known) = (question("_many._tcp.local", RecordType::PTR), known.finish());
        let contenders = vec![
            contender("salut, a question, withheld by the one-second rule", || {
                asked.hear(black_box(&question), neighbour())
            }),
            contender("salut, a question with known answers", || told.hear(black_box(&known), neighbour())),
            contender("salut, a question for each in turn, to their answers", || {
                each.iter().for_each(|question| {
                    in_turn.hear(black_box(question), neighbour());
                });
                in_turn.run(Duration::from_secs(3));
                in_turn.sent
            }),
        ];
        let title =
            format!("A question about {count} own services, of which the asker knows {listed} or none");
        report::race(&title, "own service", count.into(), &race(contenders, heap));
    }
}

fn worst() {
    println!(
        "\n### The worst packets through the engine, nanoseconds a byte\n\n| packet | bytes | salut |\n|---|---|---|"
    );
    for sample in mix::worst() {
        let mut host = Host::browsing("_salut._tcp");
        let bytes = sample.bytes;
        let results = race(vec![contender("salut", || host.hear(black_box(&bytes), neighbour()))], heap);
        println!(
            "| {} | {} | {:.2} |",
            sample.name,
            bytes.len(),
            results[0].nanoseconds / bytes.len() as f64
        );
    }
}
