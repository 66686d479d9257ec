//! Whatever happens to an engine: no panic, no timeout in the past, memory within bounds, no
//! record multicast twice within a second, and no event that makes no sense. And whatever
//! happens to a LAN: in the end every name has one holder.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "lan_support/mod.rs"]
mod lan_support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use lan_support::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use salut::proto::{
    AnnouncementId, BrowseId, Config, Engine, Event, Family, LinkIndex, LinkState, Packet, ResolveId, Search,
};
use salut::sim::Conditions;
use salut::wire::{MDNS_PORT, Message, Nsec, Packer, RecordData, RecordType, Section, Srv};
use salut::{HostName, Name, ServiceType, Txt};

fn config(cases: u32, more: u32) -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/proptest-regressions/engine_props.txt");
    ProptestConfig {
        cases: if long() { more } else { cases },
        failure_persistence: Some(Box::new(file)),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

// ---- what can happen to one engine

#[derive(Debug, Clone)]
enum Step {
    /// A datagram comes in.
    Hear {
        link: u8,
        who: u8,
        v6: bool,
        unicast: bool,
        port: u16,
        payload: Payload,
    },
    /// Something the engine sent comes in again, from itself or by way of a reflector.
    Echo {
        back: u8,
        link: u8,
        who: u8,
    },
    Link {
        link: u8,
        state: u8,
    },
    Announce {
        service: u8,
    },
    Withdraw {
        which: u8,
    },
    SetTxt {
        which: u8,
        value: u8,
    },
    SetPort {
        which: u8,
        port: u16,
    },
    Browse {
        search: u8,
    },
    StopBrowse {
        which: u8,
    },
    Resolve {
        host: u8,
    },
    StopResolve {
        which: u8,
    },
    Wake,
    Recovery {
        link: u8,
    },
    SharesHost(bool),
    Shutdown,
    Pass {
        millis: u32,
    },
}

#[derive(Debug, Clone)]
enum Payload {
    Message(Msg),
    Broken {
        message: Msg,
        bytes: Vec<(u16, u8)>,
        cut: Option<u16>,
    },
    Corpus {
        number: u16,
    },
    Noise(Vec<u8>),
    /// Records that nobody asked for, or many instances of what is browsed for.
    Flood {
        kind: u8,
        from: u16,
        count: u16,
    },
}

#[derive(Debug, Clone)]
struct Msg {
    response: bool,
    truncated: bool,
    questions: Vec<(u8, u8, bool)>,
    records: Vec<(u8, u8, Data, u32, bool)>,
}

#[derive(Debug, Clone)]
enum Data {
    A(u8),
    Aaaa(u8),
    Ptr(u8),
    Srv(u8, u16),
    Txt(u8),
    Nsec(u8),
    Other(u8),
}

const NAMES: [&str; 14] = [
    "_exo._tcp.local",
    r"Node._exo._tcp.local",
    "alpha.local",
    r"Peer._exo._tcp.local",
    "peer.local",
    r"Node\032(2)._exo._tcp.local",
    "alpha-2.local",
    "_services._dns-sd._udp.local",
    "_gpu._sub._exo._tcp.local",
    "_ipp._tcp.local",
    r"Printer._ipp._tcp.local",
    "1.0.0.10.in-addr.arpa",
    "www.example.com",
    "local",
];

fn name(number: u8) -> Name {
    NAMES[usize::from(number) % NAMES.len()].parse().unwrap()
}

fn record_type(number: u8) -> RecordType {
    use RecordType as T;
    [T::PTR, T::SRV, T::TXT, T::A, T::AAAA, T::ANY, T::NSEC, T::HINFO][usize::from(number) % 8]
}

fn data(data: &Data) -> RecordData {
    match data {
        Data::A(last) => RecordData::A([10, 0, 0, *last].into()),
        Data::Aaaa(last) => RecordData::Aaaa(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, (*last).into())),
        Data::Ptr(target) => RecordData::Ptr(name(*target)),
        Data::Srv(target, port) => {
            RecordData::Srv(Srv { priority: 0, weight: 0, port: *port, target: name(*target) })
        }
        Data::Txt(value) => RecordData::Txt(Txt::new().with("id", [*value]).unwrap()),
        Data::Nsec(types) => {
            RecordData::Nsec(Nsec::new((0..8).filter(|bit| types & (1 << bit) != 0).map(record_type)))
        }
        Data::Other(byte) => RecordData::Other(RecordType(65_280), vec![*byte; 3].into()),
    }
}

fn pack(message: &Msg) -> Vec<u8> {
    let mut packer = if message.response { Packer::response(8900) } else { Packer::query(8900) };
    packer.set_truncated(message.truncated);
    for (at, rtype, unicast) in &message.questions {
        packer.question(&name(*at), record_type(*rtype), *unicast).unwrap();
    }
    let section = |number: u8| match (message.response, number % 8) {
        (_, 0..=4) => Section::Answer,
        (_, 5 | 6) => Section::Authority,
        _ => Section::Additional,
    };
    let mut records: Vec<_> = message.records.iter().collect();
    records.sort_by_key(|record| section(record.0));
    for (number, at, what, ttl, flush) in records {
        packer.record(section(*number), &name(*at), *flush, *ttl, &data(what)).unwrap();
    }
    packer.finish().to_vec()
}

fn corpus() -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir("tests/corpus/pkt").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn flood(kind: u8, from: u16, count: u16) -> Vec<u8> {
    let mut packer = Packer::response(8900);
    for number in (from..from.saturating_add(count)).map(|number| number % 6000) {
        let (at, what) = match kind % 3 {
            0 => (name(0), RecordData::Ptr(name(0).prepend(format!("F{number}")).unwrap())),
            1 => (Name::from_labels([&format!("h{number}"), "local"]).unwrap(), data(&Data::A(1))),
            _ => (name(9), RecordData::Ptr(name(9).prepend(format!("F{number}")).unwrap())),
        };
        if packer.record(Section::Answer, &at, false, 4500, &what).is_err() {
            break;
        }
    }
    packer.finish().to_vec()
}

fn bytes(payload: &Payload, corpus: &[Vec<u8>]) -> Vec<u8> {
    match payload {
        Payload::Message(message) => pack(message),
        Payload::Broken { message, bytes, cut } => {
            let mut packed = pack(message);
            for (at, byte) in bytes {
                let at = usize::from(*at) % packed.len();
                packed[at] = *byte;
            }
            packed.truncate(cut.map_or(packed.len(), |cut| usize::from(cut) % packed.len()));
            packed
        }
        Payload::Corpus { number } => corpus[usize::from(*number) % corpus.len()].clone(),
        Payload::Noise(bytes) => bytes.clone(),
        Payload::Flood { kind, from, count } => flood(*kind, *from, *count),
    }
}

fn any_data() -> impl Strategy<Value = Data> {
    prop_oneof![
        (0..6_u8).prop_map(Data::A),
        (0..6_u8).prop_map(Data::Aaaa),
        (0..14_u8).prop_map(Data::Ptr),
        (0..14_u8, prop_oneof![Just(PORT), Just(1), Just(0)]).prop_map(|(at, port)| Data::Srv(at, port)),
        (0..4_u8).prop_map(Data::Txt),
        any::<u8>().prop_map(Data::Nsec),
        any::<u8>().prop_map(Data::Other),
    ]
}

fn any_message() -> impl Strategy<Value = Msg> {
    let ttl = prop_oneof![
        3 => Just(120_u32), 2 => Just(4500), 3 => Just(0), 1 => Just(1), 1 => Just(30), 1 => Just(2000),
        1 => any::<u32>(),
    ];
    let record = (any::<u8>(), 0..14_u8, any_data(), ttl, any::<bool>());
    let question = (0..14_u8, 0..8_u8, any::<bool>());
    (any::<bool>(), prop::bool::weighted(0.1), vec(question, 0..4), vec(record, 0..6))
        .prop_map(|(response, truncated, questions, records)| Msg { response, truncated, questions, records })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        12 => any_message().prop_map(Payload::Message),
        3 => (any_message(), vec((any::<u16>(), any::<u8>()), 0..4), option::of(any::<u16>()))
            .prop_map(|(message, bytes, cut)| Payload::Broken { message, bytes, cut }),
        3 => any::<u16>().prop_map(|number| Payload::Corpus { number }),
        1 => vec(any::<u8>(), 0..40).prop_map(Payload::Noise),
        1 => (0..3_u8, 0..6000_u16, 1..600_u16)
            .prop_map(|(kind, from, count)| Payload::Flood { kind, from, count }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let port = prop_oneof![8 => Just(MDNS_PORT), 1 => Just(40_000_u16), 1 => Just(0)];
    let pass = prop_oneof![
        3 => 0..30_u32, 4 => 100..300_u32, 3 => 300..1500_u32, 1 => 1500..20_000_u32, 1 => 20_000..200_000_u32,
    ];
    prop_oneof![
        16 => (0..3_u8, 0..5_u8, any::<bool>(), prop::bool::weighted(0.15), port, any_payload()).prop_map(
            |(link, who, v6, unicast, port, payload)| Step::Hear { link, who, v6, unicast, port, payload }
        ),
        3 => (any::<u8>(), 0..3_u8, 0..5_u8).prop_map(|(back, link, who)| Step::Echo { back, link, who }),
        2 => (0..3_u8, 0..6_u8).prop_map(|(link, state)| Step::Link { link, state }),
        2 => (0..5_u8).prop_map(|service| Step::Announce { service }),
        1 => any::<u8>().prop_map(|which| Step::Withdraw { which }),
        1 => (any::<u8>(), 0..4_u8).prop_map(|(which, value)| Step::SetTxt { which, value }),
        1 => (any::<u8>(), 1..4_u16).prop_map(|(which, port)| Step::SetPort { which, port }),
        2 => (0..4_u8).prop_map(|search| Step::Browse { search }),
        1 => any::<u8>().prop_map(|which| Step::StopBrowse { which }),
        1 => (0..14_u8).prop_map(|host| Step::Resolve { host }),
        1 => any::<u8>().prop_map(|which| Step::StopResolve { which }),
        1 => Just(Step::Wake),
        1 => (0..3_u8).prop_map(|link| Step::Recovery { link }),
        1 => any::<bool>().prop_map(Step::SharesHost),
        1 => prop::bool::weighted(0.1).prop_map(|really| if really { Step::Shutdown } else { Step::Wake }),
        12 => pass.prop_map(|millis| Step::Pass { millis }),
    ]
}

// ---- the engine with somebody who looks over its shoulder

/// A record as RFC 6762 §6 tells records apart.
type Told = (Vec<u8>, RecordType, Vec<u8>);

struct Watched {
    engine: Engine,
    start: Instant,
    now: Instant,
    corpus: Vec<Vec<u8>>,
    links: BTreeMap<LinkIndex, LinkState>,
    services: Vec<AnnouncementId>,
    browses: Vec<BrowseId>,
    resolves: Vec<ResolveId>,
    view: View,
    sent: Vec<Vec<u8>>,
    /// When each record was last multicast on each link.
    last: BTreeMap<(LinkIndex, Told), Instant>,
    /// Goodbyes of others, and our own, since then (RFC 6762 §10.1).
    goodbyes: BTreeMap<(LinkIndex, Told), Instant>,
    /// When somebody last probed for a name.
    probed: BTreeMap<(LinkIndex, Vec<u8>), Instant>,
    responses: BTreeMap<(LinkIndex, Family), usize>,
}

fn told(record: &salut::wire::RecordRef<'_>) -> Option<Told> {
    let owner = record.name.to_name();
    let mut rdata = Vec::new();
    record.data()?.write_uncompressed(&owner, &mut rdata);
    Some((owner.wire().to_ascii_lowercase(), record.rtype, rdata))
}

impl Watched {
    #[allow(clippy::disallowed_methods)]
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut this = Self {
            engine: Engine::new(Config::new(HostName::new("alpha").unwrap()), seed),
            start: now,
            now,
            corpus: corpus(),
            links: BTreeMap::new(),
            services: Vec::new(),
            browses: Vec::new(),
            resolves: Vec::new(),
            view: View::default(),
            sent: Vec::new(),
            last: BTreeMap::new(),
            goodbyes: BTreeMap::new(),
            probed: BTreeMap::new(),
            responses: BTreeMap::new(),
        };
        this.set_link(0, 3);
        this
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Engine, Instant) -> T) -> T {
        let result = act(&mut self.engine, self.now);
        self.drain();
        result
    }

    fn set_link(&mut self, link: u8, state: u8) {
        let index = LinkIndex(u32::from(link) + 1);
        let v4 = |last| vec![([10, 0, link, last].into(), 24)];
        let v6 = vec![(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, link.into(), 1), 64)];
        let (v4, v6, unicast) = match state {
            0 => {
                self.links.remove(&index);
                self.act(|engine, now| engine.handle_link(now, index, None));
                // It is another link when it comes back, and nothing is known of the old one.
                self.last.retain(|(link, _), _| *link != index);
                return;
            }
            1 => (v4(1), vec![], true),
            2 => (vec![], v6, true),
            3 => (v4(1), v6, true),
            4 => (v4(2), v6, false),
            _ => (vec![], vec![], true),
        };
        let (v4_open, v6_open) = (!v4.is_empty(), !v6.is_empty());
        let state =
            LinkState { name: format!("eth{link}").into(), mtu: 1500, v4, v6, v4_open, v6_open, unicast };
        self.links.insert(index, state.clone());
        self.act(|engine, now| engine.handle_link(now, index, Some(state)));
    }

    fn hear(&mut self, link: u8, who: u8, v6: bool, unicast: bool, port: u16, payload: &[u8]) {
        let index = LinkIndex(u32::from(link) + 1);
        let source: IpAddr = match (v6, who) {
            (true, _) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, link.into(), u16::from(who) + 1).into(),
            (false, 4) => [203, 0, 113, 9].into(),
            (false, _) => [10, 0, link, who + 1].into(),
        };
        let source = match source {
            IpAddr::V4(_) => SocketAddr::new(source, port),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, index.0)),
        };
        if let Ok(message) = Message::read(payload) {
            for record in message.records() {
                if record.ttl == 0 && message.header().response {
                    if let Some(told) = told(&record) {
                        self.goodbyes.insert((index, told), self.now);
                    }
                } else if record.section == Section::Authority {
                    let name = record.name.to_name().wire().to_ascii_lowercase();
                    self.probed.insert((index, name), self.now);
                }
            }
        }
        self.act(|engine, now| engine.handle_packet(now, Packet { link: index, source, unicast, payload }));
    }

    fn drain(&mut self) {
        let mut now_told: BTreeSet<(LinkIndex, Family, Told)> = BTreeSet::new();
        let mut count = 0;
        while let Some(transmit) = self.engine.poll_transmit() {
            count += 1;
            assert!(count <= 2000, "one input, {count} datagrams");
            let state = self.links.get(&transmit.link).expect("a datagram for a link that is not there");
            let family = Family::of(transmit.destination.ip());
            let message = Message::read(&transmit.payload).expect("we send messages only");
            if transmit.destination.ip().is_multicast() {
                assert!(state.is_open(family), "{family:?} is closed on {:?}", transmit.link);
                self.look_at(transmit.link, family, &message, &mut now_told);
                self.sent.push(transmit.payload.to_vec());
            }
        }
        while let Some(event) = self.engine.poll_event() {
            if let Event::Browse { id, .. } = &event {
                assert!(
                    self.browses.is_empty()
                        || self.browses.contains(id)
                        || id.0 > self.browses.last().unwrap().0
                );
            }
            let at = self.now - self.start;
            self.view.hear(at, event);
        }
        if let Some(timeout) = self.engine.poll_timeout() {
            assert!(
                timeout.at >= self.now,
                "{:?} wants to be called {:?} ago",
                timeout.cause,
                self.now - timeout.at
            );
        }
        for link in 1..=3 {
            // What nobody asked for, and the instances of what is browsed for (two types and a
            // subtype) with what the names above bring.
            let cached = self.engine.cached(LinkIndex(link));
            assert!(cached <= 4096 + 3 * 1024 + 500, "{cached} records in the cache");
        }
    }

    /// RFC 6762 §6: a record is multicast once a second on a link.
    fn look_at(
        &mut self,
        link: LinkIndex,
        family: Family,
        message: &Message<'_>,
        now_told: &mut BTreeSet<(LinkIndex, Family, Told)>,
    ) {
        if !message.header().response {
            return;
        }
        *self.responses.entry((link, family)).or_default() += 1;
        for record in message.records() {
            let told = told(&record).expect("what we send can be read");
            if record.ttl == 0 {
                self.goodbyes.insert((link, told), self.now);
                continue;
            }
            assert!(
                now_told.insert((link, family, told.clone())),
                "twice in one go: {} {:?}",
                record.name.to_name(),
                record.rtype
            );
            let key = (link, told);
            if let Some(last) = self.last.insert(key.clone(), self.now).filter(|last| *last < self.now) {
                let (_, told) = &key;
                let passed = self.now - last;
                let rescued = self.goodbyes.get(&key).is_some_and(|at| *at >= last);
                let defended = passed >= millis(250)
                    && self.probed.get(&(link, told.0.clone())).is_some_and(|at| *at + seconds(1.0) >= last);
                assert!(
                    passed >= seconds(1.0) || rescued || defended,
                    "{} {:?} again after {passed:?}",
                    record.name.to_name(),
                    record.rtype
                );
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut at_once = 0;
        while let Some(timeout) = self.engine.poll_timeout().filter(|timeout| timeout.at <= until) {
            at_once = if timeout.at == self.now { at_once + 1 } else { 0 };
            assert!(at_once < 100, "{:?} again and again at the same instant", timeout.cause);
            self.now = timeout.at;
            self.act(Engine::handle_timeout);
        }
        self.now = until;
        // Called early it does nothing but what is due.
        self.act(Engine::handle_timeout);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Hear { link, who, v6, unicast, port, payload } => {
                let payload = bytes(payload, &self.corpus);
                self.hear(*link, *who, *v6, *unicast, *port, &payload);
            }
            Step::Echo { back, link, who } => {
                let Some(payload) =
                    self.sent.len().checked_sub(1 + usize::from(*back)).map(|at| self.sent[at].clone())
                else {
                    return;
                };
                self.hear(*link, *who, who % 2 == 1, false, MDNS_PORT, &payload);
            }
            Step::Link { link, state } => self.set_link(*link, *state),
            Step::Announce { service: number } => {
                let service = match number {
                    0 => service("Node"),
                    1 => service("Node (2)"),
                    2 => service("Other").subtype("_gpu").unwrap(),
                    3 => salut::Service::new("Printer", "_ipp._tcp", 631).unwrap(),
                    _ => service("Elsewhere").host(HostName::new("beta").unwrap()),
                };
                if let Ok(id) = self.act(|engine, now| engine.announce(now, service)) {
                    self.services.push(id);
                }
            }
            Step::Withdraw { which } => {
                if let Some(id) = pick(&mut self.services, *which) {
                    self.act(|engine, now| engine.withdraw(now, id));
                }
            }
            Step::SetTxt { which, value } => {
                let Some(id) = look(&self.services, *which) else { return };
                let txt = Txt::new().with("id", [*value]).unwrap();
                self.act(|engine, now| engine.set_txt(now, id, txt));
            }
            Step::SetPort { which, port } => {
                let Some(id) = look(&self.services, *which) else { return };
                self.act(|engine, now| engine.set_port(now, id, *port));
            }
            Step::Browse { search } => {
                let search = match search {
                    0 | 1 => exo(),
                    2 => Search::Subtype(ServiceType::new(TYPE).unwrap(), "_gpu".into()),
                    _ => Search::Service(ServiceType::new("_ipp._tcp").unwrap()),
                };
                let id = self.act(|engine, now| engine.browse(now, search)).unwrap();
                self.browses.push(id);
            }
            Step::StopBrowse { which } => {
                if let Some(id) = pick(&mut self.browses, *which) {
                    self.act(|engine, now| engine.stop_browse(now, id));
                    self.view.known.retain(|(browse, ..), _| *browse != id);
                }
            }
            Step::Resolve { host } => {
                let Ok(host) = HostName::new(NAMES[usize::from(*host)]) else { return };
                let id = self.act(|engine, now| engine.resolve(now, host));
                self.resolves.push(id);
            }
            Step::StopResolve { which } => {
                if let Some(id) = pick(&mut self.resolves, *which) {
                    self.act(|engine, now| engine.stop_resolve(now, id));
                }
            }
            Step::Wake => self.act(Engine::handle_wake),
            Step::Recovery { link } => {
                self.act(|engine, now| engine.handle_recovery(now, LinkIndex(u32::from(*link) + 1)));
            }
            Step::SharesHost(shares) => self.act(|engine, now| engine.set_shares_host(now, *shares)),
            Step::Shutdown => {
                self.act(Engine::shutdown);
                self.services.clear();
            }
            Step::Pass { millis: time } => self.pass(millis((*time).into())),
        }
        // 100 at once and 50 a second; goodbyes are not counted among them.
        let most = 150 + 50 * (self.now - self.start).as_secs() as usize;
        for ((link, family), count) in &self.responses {
            assert!(*count <= most + self.goodbyes.len(), "{count} responses on {link:?} {family:?}");
        }
    }
}

fn pick<T: Copy>(from: &mut Vec<T>, which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(usize::from(which) % from.len()))
}

fn look<T: Copy>(from: &[T], which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(which) % from.len()])
}

proptest! {
    #![proptest_config(config(400, 20_000))]

    #[test]
    fn an_engine_takes_anything(seed in any::<u64>(), steps in vec(any_step(), 1..80)) {
        let mut watched = Watched::new(seed);
        for step in &steps {
            watched.step(step);
        }
        // It is alive, and comes to rest.
        watched.pass(seconds(20_000.0));
    }
}

// ---- what can happen to a LAN

#[derive(Debug, Clone)]
enum Turn {
    Join { name: u8, own_host: bool },
    Leave { which: u8 },
    Kill { which: u8 },
    Reboot { which: u8 },
    Sleep { which: u8 },
    Group { which: u8, group: u8 },
    Loss { percent: u8, jitter: u8 },
    SetTxt { which: u8, value: u8 },
    Flap { which: u8, up: bool },
    Pass { millis: u32 },
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let pass = prop_oneof![3 => 0..800_u32, 3 => 800..3000_u32, 1 => 3000..30_000_u32];
    prop_oneof![
        4 => (0..3_u8, any::<bool>()).prop_map(|(name, own_host)| Turn::Join { name, own_host }),
        1 => any::<u8>().prop_map(|which| Turn::Leave { which }),
        1 => any::<u8>().prop_map(|which| Turn::Kill { which }),
        1 => any::<u8>().prop_map(|which| Turn::Reboot { which }),
        1 => any::<u8>().prop_map(|which| Turn::Sleep { which }),
        1 => (any::<u8>(), 0..2_u8).prop_map(|(which, group)| Turn::Group { which, group }),
        1 => (0..60_u8, 0..100_u8).prop_map(|(percent, jitter)| Turn::Loss { percent, jitter }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(which, value)| Turn::SetTxt { which, value }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(which, up)| Turn::Flap { which, up }),
        8 => pass.prop_map(|millis| Turn::Pass { millis }),
    ]
}

/// What a host is at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It announces and browses.
    Here,
    /// It took its service back, and browses.
    Left,
    Dead,
    Asleep,
    /// Its link is gone.
    Unplugged,
}

struct Town {
    home: Home,
    fates: Vec<Fate>,
    names: Vec<String>,
    txts: Vec<Txt>,
    states: Vec<LinkState>,
    /// Nobody was ever cut off, asleep or hard to hear. Who was may have missed a change of a
    /// TXT record, which nobody repeats before it is 75 minutes old.
    calm: bool,
}

const LINK: LinkIndex = LinkIndex(1);

impl Town {
    fn new(seed: u64) -> Self {
        Self { home: Home::new(seed), fates: vec![], names: vec![], txts: vec![], states: vec![], calm: true }
    }

    fn pick(&self, which: u8) -> Option<usize> {
        (!self.fates.is_empty()).then(|| usize::from(which) % self.fates.len())
    }

    fn turn(&mut self, turn: &Turn) {
        self.calm &= !matches!(turn, Turn::Sleep { .. } | Turn::Group { .. } | Turn::Loss { .. });
        match *turn {
            Turn::Join { name, own_host } => {
                if self.fates.len() >= 8 {
                    return;
                }
                let host = if own_host { format!("host-a{}", self.fates.len()) } else { "alpha".to_owned() };
                let name = ["Node", "Node (2)", "Other"][usize::from(name)];
                let at = self.home.join(&host, name);
                self.fates.push(Fate::Here);
                self.names.push(name.to_owned());
                self.txts.push(Txt::new().with("id", name).unwrap());
                self.states.push(self.home.lan.link_state(self.home.hosts[at], LINK).unwrap());
            }
            Turn::Leave { which } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Here) else { return };
                let (host, id) = (self.home.hosts[at], self.home.ids[at]);
                self.home.lan.drive(host, |engine, now| engine.withdraw(now, id));
                self.home.views[at].announced.clear();
                self.fates[at] = Fate::Left;
            }
            Turn::Kill { which } => {
                let Some(at) = self.pick(which) else { return };
                self.home.lan.kill(self.home.hosts[at]);
                self.fates[at] = Fate::Dead;
            }
            Turn::Reboot { which } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Dead) else { return };
                let host = self.home.hosts[at];
                self.home.listen();
                self.home.lan.set_link(host, LINK, self.home.segment, Some(self.states[at].clone()));
                self.home.lan.reboot(host);
                self.home.views[at] = View::default();
                self.home.ids[at] = self.home.lan.announce(host, service(&self.names[at])).unwrap();
                self.txts[at] = Txt::new().with("id", &self.names[at]).unwrap();
                self.home.lan.browse(host, exo()).unwrap();
                self.fates[at] = Fate::Here;
            }
            Turn::Sleep { which } => {
                let Some(at) = self.pick(which) else { return };
                match self.fates[at] {
                    Fate::Here => {
                        self.home.lan.suspend(self.home.hosts[at]);
                        self.fates[at] = Fate::Asleep;
                    }
                    Fate::Asleep => {
                        self.home.lan.resume(self.home.hosts[at]);
                        self.fates[at] = Fate::Here;
                    }
                    _ => {}
                }
            }
            Turn::Group { which, group } => {
                let Some(at) = self.pick(which) else { return };
                self.home.lan.set_group(self.home.hosts[at], group.into());
            }
            Turn::Loss { percent, jitter } => {
                let conditions = Conditions {
                    delay: (millis(0), millis(jitter.into())),
                    loss: f64::from(percent) / 100.0,
                    duplication: f64::from(jitter) / 500.0,
                };
                self.home.lan.set_conditions(self.home.segment, conditions);
            }
            Turn::SetTxt { which, value } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Here) else { return };
                let (host, id) = (self.home.hosts[at], self.home.ids[at]);
                self.txts[at] = Txt::new().with("id", [value]).unwrap();
                let txt = self.txts[at].clone();
                self.home.lan.drive(host, |engine, now| engine.set_txt(now, id, txt));
            }
            Turn::Flap { which, up } => {
                let Some(at) = self.pick(which) else { return };
                let state = up.then(|| self.states[at].clone());
                match self.fates[at] {
                    Fate::Here if !up => self.fates[at] = Fate::Unplugged,
                    Fate::Unplugged if up => self.fates[at] = Fate::Here,
                    _ => return,
                }
                self.home.lan.set_link(self.home.hosts[at], LINK, self.home.segment, state);
            }
            Turn::Pass { millis: time } => self.home.run(millis(time.into())),
        }
    }

    /// Everything is mended, and time heals the rest.
    fn settle(&mut self) {
        for host in &self.home.hosts {
            self.home.lan.set_group(*host, 0);
        }
        self.home.lan.set_conditions(self.home.segment, Conditions::default());
        self.home.run(seconds(400.0));
        let told = |town: &Self| -> Vec<_> {
            let here = town.fates.iter().zip(&town.home.views).filter(|(fate, _)| **fate == Fate::Here);
            here.map(|(_, view)| view.announced.values().next().cloned().expect("it has a name")).collect()
        };
        let holders = told(self);
        let instances: BTreeSet<_> = holders.iter().map(|(instance, _)| instance.clone()).collect();
        let hosts: BTreeSet<_> = holders.iter().map(|(_, host)| host.clone()).collect();
        assert_eq!((instances.len(), hosts.len()), (holders.len(), holders.len()), "held twice: {holders:?}");
        let expected: BTreeMap<String, Txt> = self
            .fates
            .iter()
            .zip(self.home.views.iter().zip(&self.txts))
            .filter(|(fate, _)| **fate == Fate::Here)
            .map(|(_, (view, txt))| (view.announced.values().next().unwrap().0.to_string(), txt.clone()))
            .collect();
        for (at, view) in self.home.views.iter().enumerate() {
            if !matches!(self.fates[at], Fate::Here | Fate::Left) {
                continue;
            }
            let known: BTreeMap<String, Txt> =
                view.known.values().map(|node| (node.name.to_string(), node.txt.clone())).collect();
            assert!(known.keys().eq(expected.keys()), "host {at} knows {known:?} instead of {expected:?}");
            assert!(!self.calm || known == expected, "host {at} knows {known:?} instead of {expected:?}");
            assert!(view.known.values().all(|node| node.addresses.len() == 2), "{:?}", view.known);
        }
        let events = |town: &Self| -> usize {
            town.home
                .views
                .iter()
                .map(|v| v.found.len() + v.updated.len() + v.lost.len() + v.renamed.len())
                .sum()
        };
        let before = events(self);
        self.home.run(seconds(300.0));
        assert_eq!((events(self), told(self)), (before, holders), "it does not come to rest");
    }
}

proptest! {
    #![proptest_config(config(150, 5_000))]

    #[test]
    fn a_lan_comes_to_rest(seed in any::<u64>(), turns in vec(any_turn(), 1..40)) {
        let mut town = Town::new(seed);
        town.home.lan.set_recording(false);
        for turn in &turns {
            town.turn(turn);
        }
        town.settle();
    }
}
