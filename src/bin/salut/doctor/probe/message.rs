//! What the doctor asks, and what it reads in what it hears.

use std::collections::BTreeSet;
use std::net::IpAddr;

use salut::wire::{Message, Packer, Record, RecordData, RecordType, Section};
use salut::{HostName, Name, Txt};

use super::super::facts::{Told, Ways};

/// Room in what is sent, in bytes.
const LIMIT: usize = 1400;

/// How long what the doctor says of itself may be kept, in seconds.
const TTL_SECONDS: u32 = 10;

/// How many others are told what was heard of them.
const MOST_PEERS: usize = 8;

/// The names that the doctor asks for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// By this it knows its own messages.
    pub(super) marker: Name,
    /// All service types (RFC 6763 §9): whoever offers anything answers.
    types: Name,
    /// Everybody in a libp2p network answers.
    peers: Name,
    /// This machine's own name, for others who have it, too.
    pub(super) host: Option<HostName>,
}

impl Names {
    pub(super) fn new(id: &str, machine: &str) -> Option<Self> {
        let usual = ["localhost", ""].contains(&machine);
        Some(Self {
            marker: name(&[id, "_salut-doctor", "_udp", "local"])?,
            types: name(&["_services", "_dns-sd", "_udp", "local"])?,
            peers: name(&["_p2p", "_udp", "local"])?,
            host: if usual { None } else { HostName::new(machine).ok() },
        })
    }

    /// To the group.
    pub(super) fn question(&self) -> Option<Vec<u8>> {
        let mut packer = Packer::query(LIMIT);
        packer.question(&self.types, RecordType::PTR, false).ok()?;
        packer.question(&self.peers, RecordType::PTR, false).ok()?;
        if let Some(host) = &self.host {
            packer.question(host.name(), RecordType::A, false).ok()?;
            packer.question(host.name(), RecordType::AAAA, false).ok()?;
        }
        packer.question(&self.marker, RecordType::TXT, false).ok()?;
        Some(packer.finish().to_vec())
    }

    /// To a neighbour (RFC 6762 §5.5, §6.7).
    pub(super) fn direct_question(&self) -> Option<Vec<u8>> {
        let mut packer = Packer::query(LIMIT);
        packer.question(&self.types, RecordType::PTR, false).ok()?;
        Some(packer.finish().to_vec())
    }

    pub(super) fn read(&self, payload: &[u8]) -> Option<Read> {
        let message = Message::read(payload).ok()?;
        let mut read = Read { response: message.header().response, ..Read::default() };
        read.marked = message.questions().any(|asked| asked.name.is(&self.marker));
        for record in message.records().filter(|record| record.ttl > 0) {
            let Some(data) = record.data() else { continue };
            match data {
                RecordData::Ptr(_) if record.name.is(&self.types) || record.name.is(&self.peers) => {
                    read.answers = true;
                }
                RecordData::A(address) if self.is_host(&record.name.to_name()) => {
                    read.answers = true;
                    read.hosts.insert(address.into());
                }
                RecordData::Aaaa(address) if self.is_host(&record.name.to_name()) => {
                    read.answers = true;
                    read.hosts.insert(address.into());
                }
                RecordData::Txt(txt) => {
                    read.peers.extend(txt.strings().filter_map(peer));
                    read.hello = read.hello.take().or_else(|| hello(&record.name.to_name(), &txt));
                }
                _ => {}
            }
        }
        Some(read)
    }

    fn is_host(&self, name: &Name) -> bool {
        self.host.as_ref().is_some_and(|host| host.name() == name)
    }
}

fn name(labels: &[&str]) -> Option<Name> {
    Name::from_labels(labels).ok()
}

/// What stands in a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) response: bool,
    /// It is one of our own questions.
    pub(super) marked: bool,
    /// It answers one of our questions.
    pub(super) answers: bool,
    /// Addresses that it gives this machine's name.
    pub(super) hosts: BTreeSet<IpAddr>,
    /// libp2p identities, each with the address that it is said to be at.
    pub(super) peers: Vec<(String, Option<IpAddr>)>,
    /// What another doctor says.
    pub(super) hello: Option<Hello>,
}

/// `dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/12D3Koo…`: the PeerId and the address.
fn peer(string: &[u8]) -> Option<(String, Option<IpAddr>)> {
    let address = str::from_utf8(string).ok()?.strip_prefix("dnsaddr=")?;
    let mut parts = address.split('/').skip(1);
    let (mut id, mut ip) = (None, None);
    while let (Some(protocol), Some(value)) = (parts.next(), parts.next()) {
        match protocol {
            "ip4" | "ip6" => ip = value.parse().ok(),
            "p2p" => id = Some(value.to_owned()),
            _ => {}
        }
    }
    Some((id?, ip))
}

/// What a doctor tells another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hello {
    /// Drawn anew for each run.
    pub(super) id: String,
    pub(super) hears_itself: bool,
    pub(super) sends: bool,
    /// What it heard of others, by their id.
    pub(super) heard: Vec<(String, Ways)>,
}

impl Hello {
    pub(super) fn told(&self, id: &str) -> Told {
        let heard = self.heard.iter().find(|(of, _)| of == id).map(|(_, ways)| *ways).unwrap_or_default();
        Told { heard, hears_itself: self.hears_itself, sends: self.sends }
    }

    /// As a record nobody else has a use for: a response, so that no responder answers it.
    pub(super) fn message(&self, marker: &Name) -> Option<Vec<u8>> {
        let flag = |on| if on { "1" } else { "0" };
        let mut strings = vec![
            "v=1".to_owned(),
            format!("id={}", self.id),
            format!("self={}", flag(self.hears_itself)),
            format!("sends={}", flag(self.sends)),
        ];
        strings.extend(self.heard.iter().take(MOST_PEERS).map(|(id, ways)| {
            format!("heard={id}:{}:{}:{}", ways.multicast_v4, ways.multicast_v6, ways.unicast)
        }));
        let data = RecordData::Txt(Txt::from_strings(strings).ok()?);
        let record = Record { name: marker.clone(), cache_flush: true, ttl: TTL_SECONDS, data };
        let mut packer = Packer::response(LIMIT);
        packer.record(Section::Answer, &record.name, record.cache_flush, record.ttl, &record.data).ok()?;
        Some(packer.finish().to_vec())
    }
}

fn hello(owner: &Name, txt: &Txt) -> Option<Hello> {
    let doctor = owner.labels().nth(1).is_some_and(|label| label.eq_ignore_ascii_case(b"_salut-doctor"));
    if !doctor {
        return None;
    }
    let mut hello = Hello::default();
    for string in txt.strings() {
        let (key, value) = str::from_utf8(string).ok()?.split_once('=')?;
        match key {
            "id" => hello.id = value.chars().take(32).collect(),
            "self" => hello.hears_itself = value == "1",
            "sends" => hello.sends = value == "1",
            "heard" if hello.heard.len() < MOST_PEERS => hello.heard.extend(ways(value)),
            _ => {}
        }
    }
    (!hello.id.is_empty()).then_some(hello)
}

fn ways(text: &str) -> Option<(String, Ways)> {
    let mut fields = text.split(':');
    let id = fields.next()?.to_owned();
    let mut count = || fields.next()?.parse().ok();
    Some((id, Ways { multicast_v4: count()?, multicast_v6: count()?, unicast: count()? }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_doctor_understands_another() {
        let names = Names::new("abc", "alpha").unwrap();
        let ways = Ways { multicast_v4: 1, multicast_v6: 0, unicast: 7 };
        let hello =
            Hello { id: "abc".into(), hears_itself: true, sends: false, heard: vec![("xyz".into(), ways)] };
        let read = names.read(&hello.message(&names.marker).unwrap()).unwrap();
        assert!(read.response && !read.marked && !read.answers);
        let read = read.hello.unwrap();
        assert_eq!(read, hello);
        assert_eq!(read.told("xyz"), Told { heard: ways, hears_itself: true, sends: false });
        assert_eq!(read.told("other").heard, Ways::default());
    }

    #[test]
    fn its_own_question_is_known_by_the_marker() {
        let (names, others) = (Names::new("abc", "alpha").unwrap(), Names::new("xyz", "alpha").unwrap());
        assert!(names.read(&names.question().unwrap()).unwrap().marked);
        assert!(!names.read(&others.question().unwrap()).unwrap().marked);
        assert!(names.read(b"nonsense").is_none());
    }

    #[test]
    fn identities_of_libp2p_are_read() {
        let read = |text: &str| peer(text.as_bytes());
        let ip = "10.0.0.1".parse().unwrap();
        assert_eq!(read("dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/12D3Koo"), Some(("12D3Koo".into(), Some(ip))));
        assert_eq!(read("dnsaddr=/dns/host/tcp/1/p2p/Q"), Some(("Q".into(), None)));
        assert_eq!(read("dnsaddr=/ip4/10.0.0.1/tcp/4001"), None);
        assert_eq!(read("k=v"), None);
    }
}
