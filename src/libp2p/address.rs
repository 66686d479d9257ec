//! Addresses of peers, read once by whichever version of libp2p is in use, and kept as bytes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::proto::LinkState;

/// An address of a peer: equal for both versions of libp2p.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerAddress {
    /// The bytes of the PeerId.
    pub(crate) peer: Arc<[u8]>,
    /// The bytes of the whole multiaddr, which ends in `/p2p/<peer>`.
    pub(crate) bytes: Arc<[u8]>,
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.peer.escape_ascii(), self.bytes.escape_ascii())
    }
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To this host.
    Ip(IpAddr),
    /// By way of a name or a relay.
    Elsewhere,
    /// Nowhere that libp2p could dial: a link-local address of somebody else's interface, the
    /// inside of a process.
    Nowhere,
}

/// An address as it was read from text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadAddress {
    pub(crate) address: PeerAddress,
    pub(crate) reach: Reach,
}

/// Reads a multiaddr that ends in `/p2p/<id>`.
pub(crate) type Reader = fn(&str) -> Option<ReadAddress>;

/// An address that the swarm listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    pub(crate) reach: Reach,
    /// With [`Reach::Ip`] what stands behind the IP address, else the whole; it ends in
    /// `/p2p/<own PeerId>`.
    pub(crate) text: String,
    /// The first TCP or UDP port in it.
    pub(crate) port: u16,
}

/// Whether a stranger's address, heard on a link in this state, is worth being dialled, and if
/// so, whether it is on that link.
///
/// Left out are the loopback of somebody else's machine, link-local IPv6 addresses, which
/// libp2p cannot dial for want of a scope, and IPv4 addresses of private networks other than
/// this link's own: containers and virtual machines behind the peer. What is globally unique
/// is taken as announced.
pub(crate) fn worth_dialling(reach: Reach, link: &LinkState) -> Option<bool> {
    match reach {
        Reach::Nowhere => None,
        Reach::Elsewhere => Some(false),
        Reach::Ip(ip) if ip.is_unspecified() || ip.is_multicast() => None,
        Reach::Ip(ip) => {
            let on_link = link.is_on_link(ip);
            let foreign = match ip {
                IpAddr::V4(v4) => {
                    v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_broadcast()
                }
                IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some(),
            };
            let unscoped = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
            (!unscoped && (on_link || !foreign)).then_some(on_link)
        }
    }
}
