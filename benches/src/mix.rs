//! The packets: what a living room sends in an evening, and the worst that a stranger can.
//!
//! Shaped after what the stacks send (names, order, compression, OPT, NSEC and TTLs are
//! theirs; identifiers are made up), from 33 to 1353 bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use salut::wire::{Nsec, Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};

/// A packet and what it is.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// A query, whose questions are about nobody here in the engine benches.
    pub query: bool,
}

pub fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub fn ptr(target: &str) -> RecordData {
    RecordData::Ptr(name(target))
}

pub fn srv(port: u16, target: &str) -> RecordData {
    RecordData::Srv(Srv { priority: 0, weight: 0, port, target: name(target) })
}

fn txt(strings: &[&str]) -> RecordData {
    let mut wire = Vec::new();
    for string in strings {
        wire.push(u8::try_from(string.len()).expect("a short string"));
        wire.extend_from_slice(string.as_bytes());
    }
    RecordData::Txt(Txt::from_wire(&wire).expect("TXT data"))
}

fn a(last: u8) -> RecordData {
    RecordData::A(Ipv4Addr::new(192, 168, 1, last))
}

fn aaaa(last: u16) -> RecordData {
    RecordData::Aaaa(Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1c3a, 0x5dff, 0xfe20, last))
}

fn nsec(types: &[RecordType]) -> RecordData {
    RecordData::Nsec(Nsec::new(types.iter().copied()))
}

struct Writer(Packer);

impl Writer {
    fn query() -> Self {
        Self(Packer::query(1472))
    }

    fn response() -> Self {
        Self(Packer::response(1472))
    }

    fn ask(mut self, owner: &str, rtype: RecordType, unicast: bool) -> Self {
        self.0.question(&name(owner), rtype, unicast).expect("room");
        self
    }

    fn answer(self, owner: &str, flush: bool, ttl: u32, data: RecordData) -> Self {
        self.record(Section::Answer, owner, flush, ttl, data)
    }

    fn authority(self, owner: &str, data: RecordData) -> Self {
        self.record(Section::Authority, owner, false, 120, data)
    }

    fn more(self, owner: &str, flush: bool, ttl: u32, data: RecordData) -> Self {
        self.record(Section::Additional, owner, flush, ttl, data)
    }

    fn record(mut self, section: Section, owner: &str, flush: bool, ttl: u32, data: RecordData) -> Self {
        self.0.record(section, &name(owner), flush, ttl, &data).expect("room");
        self
    }

    fn done(self) -> Vec<u8> {
        self.0.finish().to_vec()
    }
}

/// Apple's OPT record with the owner option behind everything else.
fn with_opt(mut bytes: Vec<u8>) -> Vec<u8> {
    let count = u16::from_be_bytes([bytes[10], bytes[11]]) + 1;
    bytes[10..12].copy_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(&[
        0, 0, 41, 0x05, 0xa0, 0, 0, 0x11, 0x94, 0, 18, 0, 4, 0, 14, 0, 0x6a, 0x1c, 0x3a, 0x5d, 0xff, 0x20,
        0x11, 0x1c, 0x3a, 0x5d, 0xff, 0x20, 0x11,
    ]);
    bytes
}

/// The mix, with the OPT records that Apple's have.
pub fn realistic() -> Vec<Sample> {
    plain()
        .into_iter()
        .map(|sample| match sample.name.starts_with("Bonjour") {
            true => Sample { bytes: with_opt(sample.bytes), ..sample },
            false => sample,
        })
        .collect()
}

/// The mix without OPT, which not every packer can write.
pub fn plain() -> Vec<Sample> {
    use RecordType as T;
    let query = |name, bytes| Sample { name, bytes, query: true };
    let response = |name, bytes| Sample { name, bytes, query: false };
    let mac = "Anna\u{2019}s\\032MacBook\\032Pro";
    let printer = "Brother\\032HL-L2350DW\\032series";
    vec![
        query("one question", Writer::query().ask("_exo._tcp.local", T::PTR, false).done()),
        query(
            "host A and AAAA",
            Writer::query().ask("studio.local", T::A, false).ask("studio.local", T::AAAA, false).done(),
        ),
        query(
            "Avahi browse",
            Writer::query()
                .ask("_workstation._tcp.local", T::PTR, false)
                .ask("_ssh._tcp.local", T::PTR, false)
                .ask("_sftp-ssh._tcp.local", T::PTR, false)
                .ask("_nfs._tcp.local", T::PTR, false)
                .ask("_smb._tcp.local", T::PTR, false)
                .answer("_ssh._tcp.local", false, 3377, ptr("nas._ssh._tcp.local"))
                .answer("_sftp-ssh._tcp.local", false, 3377, ptr("nas._sftp-ssh._tcp.local"))
                .answer("_smb._tcp.local", false, 3377, ptr("nas._smb._tcp.local"))
                .done(),
        ),
        query("Bonjour browse", {
            let types = ["_airplay", "_raop", "_companion-link", "_homekit", "_rdlink", "_hap"];
            let mut writer = Writer::query();
            for service in types {
                writer = writer.ask(&format!("{service}._tcp.local"), T::PTR, false);
            }
            writer
                .ask("_sleep-proxy._udp.local", T::PTR, false)
                .answer("_airplay._tcp.local", false, 4483, ptr("Living\\032Room._airplay._tcp.local"))
                .answer("_airplay._tcp.local", false, 4483, ptr("Kitchen._airplay._tcp.local"))
                .answer("_raop._tcp.local", false, 4483, ptr("3A5DFF201C3A@Living\\032Room._raop._tcp.local"))
                .answer("_companion-link._tcp.local", false, 4483, ptr("Kitchen._companion-link._tcp.local"))
                .done()
        }),
        query("Bonjour probe", {
            let instance = format!("{mac}._companion-link._tcp.local");
            Writer::query()
                .ask(&instance, T::ANY, true)
                .ask("Annas-MacBook-Pro.local", T::ANY, true)
                .authority(&instance, srv(49152, "Annas-MacBook-Pro.local"))
                .authority("Annas-MacBook-Pro.local", a(23))
                .authority("Annas-MacBook-Pro.local", aaaa(0x11))
                .done()
        }),
        query("thirty-three known answers", {
            let mut writer = Writer::query().ask("_hap._tcp.local", T::PTR, false);
            for number in 0..33 {
                let target =
                    format!("Eve\\032Energy\\032Steckdose\\032{:04X}._hap._tcp.local", 7919 * (number + 1));
                writer = writer.answer("_hap._tcp.local", false, 4211, ptr(&target));
            }
            writer.done()
        }),
        response("Avahi announcement", {
            let mut writer = Writer::response()
                .answer("nas.local", true, 120, a(9))
                .answer("nas.local", true, 120, aaaa(9))
                .answer("9.1.168.192.in-addr.arpa", true, 120, ptr("nas.local"));
            for service in ["_ssh._tcp.local", "_sftp-ssh._tcp.local", "_smb._tcp.local"] {
                let instance = format!("nas.{service}");
                writer = writer
                    .answer("_services._dns-sd._udp.local", false, 4500, ptr(service))
                    .answer(service, false, 4500, ptr(&instance))
                    .answer(&instance, true, 120, srv(22, "nas.local"))
                    .answer(&instance, true, 4500, txt(&[""]));
            }
            writer.done()
        }),
        response("Bonjour AirPlay", {
            let instance = "Living\\032Room._airplay._tcp.local";
            Writer::response()
                .answer("_airplay._tcp.local", false, 4500, ptr(instance))
                .more(
                    instance,
                    true,
                    4500,
                    txt(&[
                        "acl=0",
                        "btaddr=3A:5D:FF:20:1C:3A",
                        "deviceid=3A:5D:FF:20:1C:3B",
                        "fex=1c9/St5PFbgmHQ",
                        "features=0x4A7FDFD5,0xBC157FDE",
                        "rsf=0x0",
                        "flags=0x18644",
                        "gid=6E2F1B54-0C5B-4C9A-9E63-0F2A1F4B8C11",
                        "igl=1",
                        "gcgl=1",
                        "model=AppleTV14,1",
                        "protovers=1.1",
                        "pi=f1b2d9a1-21c4-4b0a-9a53-b3f2b1a4c9d7",
                        "psi=9A53B3F2-B1A4-C9D7-F1B2-D9A121C44B0A",
                        "pk=8d0c3e2f4a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9011223344556",
                        "srcvers=870.14.1",
                        "osvers=26.1",
                        "vv=1",
                    ]),
                )
                .more(instance, true, 4500, srv(7000, "Living-Room.local"))
                .more("Living-Room.local", true, 4500, a(31))
                .more("Living-Room.local", true, 4500, aaaa(0x31))
                .more(instance, true, 4500, nsec(&[T::TXT, T::SRV]))
                .more("Living-Room.local", true, 4500, nsec(&[T::A, T::AAAA]))
                .done()
        }),
        response("Chromecast", {
            let instance = "Chromecast-Ultra-4f1c9b1a2d3e4f5061728394a5b6c7d8._googlecast._tcp.local";
            let host = "4f1c9b1a-2d3e-4f50-6172-8394a5b6c7d8.local";
            Writer::response()
                .answer("_googlecast._tcp.local", false, 120, ptr(instance))
                .more(
                    instance,
                    true,
                    4500,
                    txt(&[
                        "id=4f1c9b1a2d3e4f5061728394a5b6c7d8",
                        "cd=6D1B2C3D4E5F60718293A4B5C6D7E8F9",
                        "rm=0123456789ABCDEF",
                        "ve=05",
                        "md=Chromecast Ultra",
                        "ic=/setup/icon.png",
                        "fn=Wohnzimmer",
                        "a=0",
                        "st=0",
                        "bs=FA8FCA9E1D2C",
                        "nf=1",
                        "rs=",
                    ]),
                )
                .more(instance, true, 120, srv(8009, host))
                .more(host, true, 120, a(44))
                .done()
        }),
        response("IPP printer", {
            let instance = format!("{printer}._ipp._tcp.local");
            Writer::response()
                .answer("_ipp._tcp.local", false, 4500, ptr(&instance))
                .answer("_universal._sub._ipp._tcp.local", false, 4500, ptr(&instance))
                .answer("_print._sub._ipp._tcp.local", false, 4500, ptr(&instance))
                .answer(&instance, true, 120, srv(631, "BRW3C5DFF201C3A.local"))
                .answer(
                    &instance,
                    true,
                    4500,
                    txt(&[
                        "txtvers=1",
                        "qtotal=1",
                        "pdl=application/octet-stream,image/urf,image/jpeg,image/pwg-raster",
                        "rp=ipp/print",
                        "note=Arbeitszimmer",
                        "ty=Brother HL-L2350DW series",
                        "product=(Brother HL-L2350DW series)",
                        "adminurl=http://BRW3C5DFF201C3A.local./net/net/airprint.html",
                        "priority=25",
                        "usb_MFG=Brother",
                        "usb_MDL=HL-L2350DW series",
                        "usb_CMD=PJL,HBP,URF",
                        "Color=F",
                        "Copies=T",
                        "Duplex=T",
                        "Fax=F",
                        "Scan=F",
                        "PaperCustom=T",
                        "Binary=T",
                        "Transparent=T",
                        "TBCP=F",
                        "URF=SRGB24,W8,CP1,IS4-1,MT1-3-4-5-8-11,OB10,PQ4,RS300-600,V1.4,DM1",
                        "kind=document,envelope,label",
                        "PaperMax=legal-A4",
                        "UUID=e3248000-80ce-11db-8000-3c5dff201c3a",
                        "print_wfds=T",
                        "mopria-certified=1.3",
                    ]),
                )
                .more("BRW3C5DFF201C3A.local", true, 120, a(55))
                .more("BRW3C5DFF201C3A.local", true, 120, aaaa(0x55))
                .done()
        }),
        response("libp2p", {
            let peer = "jyd7hsv6cb4bzbdlkfn1q6qzsnvqhkmvfkztj2cc.";
            let instance = format!("{peer}_p2p._udp.local");
            let id = "12D3KooWQnwEGNqcM2nAcPtRR9rAX8Hrg4k9kJLCHoTR5chJfz6d";
            let addresses: Vec<String> = ["/tcp/52415", "/udp/52415/quic-v1"]
                .iter()
                .flat_map(|tail| {
                    ["/ip4/192.168.1.77", "/ip4/10.0.0.77", "/ip6/2001:db8:1::77"]
                        .map(|address| format!("dnsaddr={address}{tail}/p2p/{id}"))
                })
                .collect();
            let strings: Vec<&str> = addresses.iter().map(String::as_str).collect();
            Writer::response()
                .answer("_p2p._udp.local", false, 360, ptr(&instance))
                .more(&instance, true, 360, txt(&strings))
                .more(&instance, true, 120, srv(52415, &format!("{peer}p2p.local")))
                .more(&format!("{peer}p2p.local"), true, 120, a(77))
                .more(&format!("{peer}p2p.local"), true, 120, aaaa(0x77))
                .done()
        }),
        response("goodbye", {
            Writer::response()
                .answer("_exo._tcp.local", false, 0, ptr("My\\032Node._exo._tcp.local"))
                .answer("My\\032Node._exo._tcp.local", true, 0, srv(52415, "studio.local"))
                .answer("My\\032Node._exo._tcp.local", true, 0, txt(&["id=12D3Koo"]))
                .done()
        }),
    ]
}

/// Packets that cost as much as a stranger can make them.
pub fn worst() -> Vec<Sample> {
    let sample = |name, bytes: Vec<u8>| {
        let query = bytes[2] & 0x80 == 0;
        Sample { name, bytes, query }
    };
    vec![
        sample("chained pointers", chained_pointers()),
        sample("511 records whose names end 105 to 127 pointers further on", pointer_run()),
        sample("one long name, pointed to by 512 records", long_name(0, 0, 512)),
        sample("one long name, asked for 1,400 times", long_name(1400, 0, 0)),
        sample("127 questions for different ends of one name", many_ends()),
        sample("names of 127 labels, each grown by one", growing_names()),
        sample("128 questions and 480 known answers for one name", long_name(128, 480, 0)),
        sample("a TXT record of 8,800 one-byte strings", text_bomb()),
        sample("NSEC records that point to one long name", nested(47)),
        sample("SOA records with two long names each", nested(6)),
    ]
}

const LIMIT: usize = 8972;

fn header(response: bool, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![0, 0, if response { 0x84 } else { 0 }, 0];
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes
}

/// A run of pointers in the data of a record, each to the one before, and records whose names
/// lead to its end in an order that no small table likes.
fn pointer_run() -> Vec<u8> {
    const RUN: u16 = 127;
    let mut bytes = header(true, [0, 512, 0, 0]);
    bytes.extend([0, 0xff, 0, 0, 1, 0, 0, 0, 9]);
    bytes.extend((1 + 2 * RUN).to_be_bytes());
    let root = u16::try_from(bytes.len()).expect("a short packet");
    let place = |number: u16| if number == 0 { root } else { root + 2 * number - 1 };
    bytes.push(0);
    for number in 0..RUN {
        bytes.extend((0xc000 | place(number)).to_be_bytes());
    }
    for number in 0..511 {
        bytes.extend((0xc000 | place(RUN - number * 7 % 23)).to_be_bytes());
        bytes.extend([0xff, 0, 0, 1, 0, 0, 0, 9, 0, 0]);
    }
    bytes
}

/// A name of 127 labels of one byte, 255 bytes in all, that ends in `local` as far as that goes.
fn longest() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..124_u8 {
        bytes.extend_from_slice(&[1, b'a' + number % 26]);
    }
    bytes.extend_from_slice(b"\x05local\0");
    bytes
}

fn fixed(rtype: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = rtype.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0x80, 1, 0, 0, 0, 120]);
    bytes.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// Every name is a pointer to the pointer before it.
fn chained_pointers() -> Vec<u8> {
    let mut bytes = header(true, [0, 512, 0, 0]);
    bytes.extend_from_slice(b"\x05local\0");
    bytes.extend(fixed(1, &[1, 2, 3, 4]));
    let mut last = 12_u16;
    for _ in 1..512 {
        let here = u16::try_from(bytes.len()).expect("short");
        bytes.extend_from_slice(&[0xc0 | (last >> 8) as u8, last as u8]);
        bytes.extend(fixed(1, &[1, 2, 3, 4]));
        last = here;
    }
    bytes
}

fn long_name(questions: u16, answers: u16, additionals: u16) -> Vec<u8> {
    let mut bytes = header(questions == 0, [questions.max(1), answers, 0, additionals]);
    bytes.extend(longest());
    bytes.extend_from_slice(&[0, 12, 0, 1]);
    for _ in 1..questions {
        bytes.extend_from_slice(&[0xc0, 12, 0, 12, 0, 1]);
    }
    for _ in 0..answers.saturating_add(additionals) {
        bytes.extend_from_slice(&[0xc0, 12]);
        bytes.extend(fixed(12, &[0xc0, 12]));
    }
    bytes.truncate(LIMIT);
    bytes
}

fn many_ends() -> Vec<u8> {
    let mut bytes = header(false, [125, 0, 0, 0]);
    bytes.extend(longest());
    bytes.extend_from_slice(&[0, 12, 0, 1]);
    for number in 1..125_u16 {
        bytes.extend_from_slice(&[0xc0, 12 + 2 * (number as u8 % 62), 0, 12, 0, 1]);
    }
    bytes
}

/// Each name is a label and a pointer to the name before it.
fn growing_names() -> Vec<u8> {
    let mut bytes = header(true, [0, 490, 0, 0]);
    bytes.extend_from_slice(b"\x05local\0");
    bytes.extend(fixed(1, &[1, 2, 3, 4]));
    let mut last = 12_u16;
    for number in 1..490_u16 {
        let here = u16::try_from(bytes.len()).expect("short");
        let target = if number % 120 == 0 { 12 } else { last };
        bytes.extend_from_slice(&[1, b'x', 0xc0 | (target >> 8) as u8, target as u8]);
        bytes.extend(fixed(1, &[1, 2, 3, 4]));
        last = here;
    }
    bytes
}

fn text_bomb() -> Vec<u8> {
    let mut bytes = header(true, [0, 1, 0, 0]);
    bytes.extend_from_slice(b"\x01t\x05local\0");
    let strings: Vec<u8> = [1, b'k'].into_iter().cycle().take(8800).collect();
    bytes.extend(fixed(16, &strings));
    bytes
}

/// Records of a type whose data has names, all of them pointers to the longest name.
fn nested(rtype: u16) -> Vec<u8> {
    let mut bytes = header(true, [1, 440, 0, 0]);
    bytes.extend(longest());
    bytes.extend_from_slice(&[0, 12, 0, 1]);
    for _ in 0..440 {
        bytes.extend_from_slice(&[0xc0, 12]);
        let mut data = vec![0xc0, 12];
        match rtype {
            47 => data.extend_from_slice(&[0, 1, 0x40]),
            _ => {
                data.extend_from_slice(&[0xc0, 12]);
                data.extend_from_slice(&[0; 20]);
            }
        }
        if bytes.len() + 12 + data.len() > LIMIT {
            let count = (bytes.len() - longest().len() - 18) / (12 + data.len());
            bytes.truncate(bytes.len() - 2);
            bytes[6..8].copy_from_slice(&u16::try_from(count).expect("short").to_be_bytes());
            break;
        }
        bytes.extend(fixed(rtype, &data));
    }
    bytes
}

/// The corpus of bad packets, where it lies beside the tests.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/pkt");
    let mut packets: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.to_owned(), std::fs::read(entry.path()).ok()?)))
        .collect();
    packets.sort();
    packets
}
