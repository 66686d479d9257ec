//! What goes into the engine and what comes out of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::name::{HostName, InstanceName, ServiceType};
use crate::service::{Change, TypeChange};

/// The multicast group of IPv4 (RFC 6762 §3).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// The multicast group of IPv6 (RFC 6762 §3).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both, in the order in which copies are sent.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// The index of a network interface, which is a link to the engine: both families together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkIndex(pub u32);

/// All there is to know about a link at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// The interface name, for people.
    pub name: Arc<str>,
    /// The largest IP packet in bytes, headers included.
    pub mtu: u32,
    /// IPv4 addresses with their prefix lengths.
    pub v4: Vec<(Ipv4Addr, u8)>,
    /// IPv6 addresses with their prefix lengths.
    pub v6: Vec<(Ipv6Addr, u8)>,
    /// Whether the IPv4 group is joined and a socket is there to send on.
    pub v4_open: bool,
    /// Whether the IPv6 group is joined and a socket is there to send on.
    pub v6_open: bool,
    /// Whether unicast datagrams to port 5353 reach us. Without that no question asks for a
    /// unicast reply (RFC 6762 §15.1).
    pub unicast: bool,
}

impl LinkState {
    /// Whether `family` can be sent on.
    pub fn is_open(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4_open,
            Family::V6 => self.v6_open,
        }
    }
}

/// A datagram that came in.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'p> {
    /// The link it came in on.
    pub link: LinkIndex,
    /// Who sent it, from which port.
    pub source: SocketAddr,
    /// Whether it was sent to one of our addresses instead of the group.
    pub unicast: bool,
    /// The UDP payload.
    pub payload: &'p [u8],
}

/// A datagram to send, with IP TTL or hop limit 255 (RFC 6762 §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The link to send it out on, whatever the routing table says.
    pub link: LinkIndex,
    /// A group and port 5353, or the one who asked. Link-local IPv6 addresses carry the scope.
    pub destination: SocketAddr,
    /// The UDP payload. Both families' copies of one multicast share their buffer.
    pub payload: Bytes,
}

/// A service that was given to [`Engine::announce`](super::Engine::announce).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnnouncementId(pub u64);

/// A browse that was started by [`Engine::browse`](super::Engine::browse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrowseId(pub u64);

/// A host that is being resolved by [`Engine::resolve`](super::Engine::resolve).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub u64);

/// A tap that was opened by [`Engine::listen`](super::Engine::listen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TapId(pub u64);

/// What to browse for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// All instances of a service type.
    Service(ServiceType),
    /// The instances of a service type that carry a subtype (RFC 6763 §7.1).
    Subtype(ServiceType, String),
}

/// What the engine has to tell. Bounded by what the caller asked for: drain it after every
/// input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Probing is over on all links that are up, and the service is visible: under this
    /// name and host, on these links. Told again when a link is added or the set changes.
    Announced {
        /// Which service.
        id: AnnouncementId,
        /// The name it has now.
        instance: InstanceName,
        /// The host it points to.
        host: HostName,
        /// Where it is visible.
        links: Vec<LinkIndex>,
    },
    /// The name was taken: the service is now claiming another one (RFC 6762 §9). Store it,
    /// and give it next time. `Announced` follows when it has been claimed.
    Renamed {
        /// Which service.
        id: AnnouncementId,
        /// The name that was lost.
        from: InstanceName,
        /// The name that is being claimed.
        to: InstanceName,
    },
    /// A host name was taken: services on it point to another one.
    HostRenamed {
        /// The name that was lost.
        from: HostName,
        /// The name that is being claimed.
        to: HostName,
    },
    /// No name could be claimed for a minute: somebody answers every one. It goes on trying.
    Disputed {
        /// Which service.
        id: AnnouncementId,
        /// The name that is being claimed now.
        instance: InstanceName,
    },
    /// The goodbyes of a service have been handed out by
    /// [`Engine::poll_transmit`](super::Engine::poll_transmit).
    Withdrawn {
        /// Which service.
        id: AnnouncementId,
    },
    /// A browse has something new.
    Browse {
        /// Which browse.
        id: BrowseId,
        /// What is new.
        change: Change,
    },
    /// A browse for service types has something new.
    Types {
        /// Which browse.
        id: BrowseId,
        /// What is new.
        change: TypeChange,
    },
    /// What is known of a host changed on one link.
    Resolved {
        /// Which resolve.
        id: ResolveId,
        /// On which link.
        link: LinkIndex,
        /// All its addresses heard on that link, IPv4 first; none if what was known has expired,
        /// or if it is said to have none.
        addresses: Vec<IpAddr>,
        /// Whether each family has an answer, or was denied by NSEC (RFC 6762 §6.1). With no
        /// address: the host is there, and has none to connect to.
        complete: bool,
        /// Who said the last of this.
        source: Option<IpAddr>,
    },
    /// A tap heard a response that has to do with its service type.
    Heard {
        /// Which tap.
        tap: TapId,
        /// On which link.
        link: LinkIndex,
        /// Who sent it, from which port: a host on that link.
        source: SocketAddr,
        /// The UDP payload, a message that can be read.
        payload: Bytes,
    },
    /// A link is gone, and with it what a tap heard there.
    Deaf {
        /// Which tap.
        tap: TapId,
        /// Which link.
        link: LinkIndex,
    },
    /// All goodbyes of a shutdown have been handed out.
    Stopped,
}

/// What a timeout is for: for logs and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Something waits to be sent or told: drain the outputs.
    Output,
    /// A probe, an announcement or the end of probing.
    Claim,
    /// An answer that was delayed.
    Respond,
    /// A known-answer list that may still be continued (RFC 6762 §7.2).
    Continuation,
    /// A question.
    Query,
    /// A record that expires or wants to be refreshed.
    Cache,
    /// An instance that waits for its TXT record, or a lost one in its grace.
    Browse,
}

/// When [`Engine::handle_timeout`](super::Engine::handle_timeout) wants to be called next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout {
    /// Not before this.
    pub at: Instant,
    /// And why.
    pub cause: Cause,
}
