//! Messages on the wire, and an asker that is no responder.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use salut::Name;
use salut::wire::{Header, Message, Packer, Record, RecordData, RecordType, Section};
use socket2::{Domain, Socket, Type};

use super::capture::Captured;
use super::lan::Host;

/// A whole message. What a test reads this way must be without fault.
#[derive(Debug)]
pub struct Whole {
    pub header: Header,
    /// Name, type, and whether a unicast reply is wanted.
    pub questions: Vec<(Name, RecordType, bool)>,
    pub records: Vec<(Section, Record)>,
}

impl Captured {
    #[track_caller]
    pub fn message(&self) -> Whole {
        let message = Message::read(&self.payload).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let header = message.header();
        let questions: Vec<_> =
            message.questions().map(|one| (one.name.to_name(), one.rtype, one.unicast)).collect();
        let records: Vec<_> = message
            .records()
            .map(|one| {
                let data = one.data().unwrap_or_else(|| panic!("{self:?}: bad data in {one:?}"));
                let name = one.name.to_name();
                (one.section, Record { name, cache_flush: one.cache_flush, ttl: one.ttl, data })
            })
            .collect();
        let counted = header.answers + header.authorities + header.additionals;
        assert_eq!(questions.len(), usize::from(header.questions), "questions of {self:?}: {questions:?}");
        assert_eq!(records.len(), usize::from(counted), "records of {self:?}: {records:?}");
        Whole { header, questions, records }
    }
}

impl Whole {
    /// The records of a type, in any section.
    pub fn of_type(&self, rtype: RecordType) -> impl Iterator<Item = &Record> {
        self.records.iter().map(|(_, record)| record).filter(move |record| record.data.record_type() == rtype)
    }

    /// All addresses in it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.records.iter().filter_map(|(_, record)| address(record)).collect()
    }

    pub fn is_goodbye(&self) -> bool {
        self.header.response
            && !self.records.is_empty()
            && self.records.iter().any(|(_, record)| record.ttl == 0)
    }
}

pub fn address(record: &Record) -> Option<IpAddr> {
    match record.data {
        RecordData::A(address) => Some(address.into()),
        RecordData::Aaaa(address) => Some(address.into()),
        _ => None,
    }
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A question as a message.
pub fn question(asked: &str, rtype: RecordType, unicast: bool) -> Vec<u8> {
    let mut packer = Packer::query(1440);
    packer.question(&name(asked), rtype, unicast).expect("one question fits");
    packer.finish().to_vec()
}

/// A family and a port to ask from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    V4(u16),
    V6(u16),
}

/// Sends a datagram to the group from an interface of a host, with TTL or hop limit 255, and
/// returns the socket, for replies.
pub fn multicast(host: &Host, interface: &str, from: From, payload: &[u8]) -> UdpSocket {
    send(host, interface, from, None, payload)
}

/// The same, to one address or to the group.
pub fn send(host: &Host, interface: &str, from: From, to: Option<IpAddr>, payload: &[u8]) -> UdpSocket {
    let (interface, payload) = (interface.to_owned(), payload.to_vec());
    host.inside(move || {
        let index = if_nametoindex(interface.as_str()).expect("the interface's index");
        let socket = socket(from, &interface);
        let group: SocketAddr = match from {
            From::V4(_) => (Ipv4Addr::new(224, 0, 0, 251), 5353).into(),
            From::V6(_) => {
                SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb), 5353, 0, index).into()
            }
        };
        let to = to.map_or(group, |address| SocketAddr::new(address, 5353));
        socket.send_to(&payload, to).unwrap_or_else(|error| panic!("to {to}: {error}"));
        socket
    })
}

fn socket(from: From, interface: &str) -> UdpSocket {
    let (domain, address): (_, SocketAddr) = match from {
        From::V4(port) => (Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into()),
        From::V6(port) => (Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind_device(Some(interface.as_bytes())).unwrap();
    if domain == Domain::IPV6 {
        socket.set_only_v6(true).unwrap();
        socket.set_multicast_hops_v6(255).unwrap();
        socket.set_unicast_hops_v6(255).unwrap();
    } else {
        socket.set_multicast_ttl_v4(255).unwrap();
        socket.set_ttl_v4(255).unwrap();
    }
    socket.bind(&address.into()).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.into()
}
