//! Floods: twenty thousand datagrams a second, of six kinds.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use salut::Name;
use salut::wire::{Packer, RecordData, RecordType, Section, Srv};
use socket2::{Domain, Socket, Type};

use super::lan::Host;
use super::message::name;

/// What a flood is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Questions and answers about what nobody here has or wants.
    Irrelevant,
    /// Questions for the service that is announced.
    Relevant,
    /// The same, for a unicast reply.
    Qu,
    /// The same, from a port of an ordinary resolver.
    Legacy,
    /// No messages, or broken ones.
    Malformed,
    /// Instances of what is browsed for, each another one: every second with all its records.
    Responses,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Irrelevant, Self::Relevant, Self::Qu, Self::Legacy, Self::Malformed, Self::Responses];

    fn port(self) -> u16 {
        if self == Self::Legacy { 40_000 } else { 5353 }
    }

    /// The payload of one datagram.
    pub fn payload(self, number: u32, service: &Name) -> Vec<u8> {
        let mut query = Packer::query(1440);
        let mut response = Packer::response(1440);
        let mut ask = |rtype, unicast| query.question(service, rtype, unicast).expect("it fits");
        match self {
            Self::Irrelevant if number.is_multiple_of(2) => {
                let other = name(&format!("_other{}._tcp.local", number % 97));
                query.question(&other, RecordType::PTR, false).expect("it fits");
            }
            Self::Irrelevant => {
                let host = name(&format!("other{}.local", number % 97));
                let data = RecordData::A(Ipv4Addr::new(10, 77, 0, 2));
                response.record(Section::Answer, &host, true, 120, &data).expect("it fits");
            }
            Self::Relevant | Self::Legacy => ask(RecordType::PTR, false),
            Self::Qu => ask(RecordType::PTR, true),
            Self::Malformed => {
                let mut noise = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(8);
                noise[2] &= 0x84;
                noise[3] &= 0xf0;
                // Counts that fit: the reader has to look further.
                noise[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
                return noise;
            }
            Self::Responses => {
                let instance = service.prepend(format!("Flood {number}")).expect("a name");
                let host = name(&format!("flood{number}.local"));
                let mut add = |owner: &Name, ttl, data| {
                    response.record(Section::Answer, owner, false, ttl, &data).expect("it fits");
                };
                add(service, 4500, RecordData::Ptr(instance.clone()));
                if number.is_multiple_of(2) {
                    let srv = Srv { priority: 0, weight: 0, port: 4711, target: host.clone() };
                    add(&instance, 120, RecordData::Srv(srv));
                    add(&instance, 4500, RecordData::Txt(salut::Txt::new()));
                    add(&host, 120, RecordData::A(Ipv4Addr::new(10, 77, 0, 66)));
                }
            }
        }
        if query.is_empty() { response.finish().to_vec() } else { query.finish().to_vec() }
    }
}

/// Sends `rate` datagrams a second to the group from `host`, for so long. Says how many left.
pub fn flood(host: &Host, kind: Kind, service: &str, rate: u32, time: Duration) -> u32 {
    let service = name(service);
    host.inside(move || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, kind.port())).into()).unwrap();
        let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353)).into();
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < time {
            let due = u32::try_from(start.elapsed().as_micros() * u128::from(rate) / 1_000_000).unwrap();
            // A flooder that was kept waiting does not make up for all of it.
            for _ in 0..due.saturating_sub(sent).min(500) {
                if socket.send_to(&kind.payload(sent, &service), &group).is_ok() {
                    sent += 1;
                }
            }
            thread::sleep(Duration::from_micros(500));
        }
        sent
    })
}
