//! What can happen to one engine, as values that proptest draws and a fuzzer reads from bytes.

#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod watched;

use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::OnceLock;

use salut::wire::{Nsec, Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};

pub use watched::Watched;

#[derive(Debug, Clone)]
pub enum Step {
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
pub enum Payload {
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
pub struct Msg {
    pub response: bool,
    pub truncated: bool,
    pub questions: Vec<(u8, u8, bool)>,
    pub records: Vec<(u8, u8, Data, u32, bool)>,
}

#[derive(Debug, Clone)]
pub enum Data {
    A(u8),
    Aaaa(u8),
    Ptr(u8),
    Srv(u8, u16),
    Txt(u8),
    Nsec(u8),
    Other(u8),
}

pub const NAMES: [&str; 14] = [
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

pub fn name(number: u8) -> Name {
    NAMES[usize::from(number) % NAMES.len()].parse().unwrap()
}

pub fn record_type(number: u8) -> RecordType {
    use RecordType as T;
    [T::PTR, T::SRV, T::TXT, T::A, T::AAAA, T::ANY, T::NSEC, T::HINFO][usize::from(number) % 8]
}

pub fn data(data: &Data) -> RecordData {
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

pub fn pack(message: &Msg) -> Vec<u8> {
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

/// The packets of the bad-input corpus, in order of their names.
pub fn corpus() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = ["tests/corpus/pkt", "../tests/corpus/pkt"].map(|path| root.join(path));
        let folder = folder.into_iter().find(|path| path.is_dir()).expect("the bad-input corpus");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
    })
}

pub fn flood(kind: u8, from: u16, count: u16) -> Vec<u8> {
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

pub fn bytes(payload: &Payload) -> Vec<u8> {
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
        Payload::Corpus { number } => {
            let packets = corpus();
            packets[usize::from(*number) % packets.len()].clone()
        }
        Payload::Noise(bytes) => bytes.clone(),
        Payload::Flood { kind, from, count } => flood(*kind, *from, *count),
    }
}
