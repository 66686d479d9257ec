//! Multiaddrs of this version, to what both versions share and back.

use std::net::{IpAddr, SocketAddr};

use super::libp2p_core::Multiaddr;
use super::libp2p_core::multiaddr::Protocol;
use super::libp2p_identity::PeerId;
use crate::libp2p::address::{ListenAddress, PeerAddress, Reach, ReadAddress};
use crate::libp2p::static_peers::StaticEntry;

/// Reads a multiaddr that ends in `/p2p/<id>`.
pub(super) fn read(text: &str) -> Option<ReadAddress> {
    let address: Multiaddr = text.parse().ok()?;
    let Some(Protocol::P2p(peer)) = address.iter().last() else { return None };
    Some(ReadAddress { reach: reach(&address), address: pair(&peer, &address) })
}

/// Reads the address of a static peer: a multiaddr with or without a PeerId, an IP address or a
/// host name.
pub(super) fn read_static(text: &str) -> Result<StaticEntry, String> {
    if !text.starts_with('/') {
        let host =
            text.parse().map_or_else(|_| text.to_owned(), |socket: SocketAddr| socket.ip().to_string());
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
        let is_name = |host: &str| {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        };
        if host.parse::<IpAddr>().is_ok() || is_name(&host) {
            return Ok(StaticEntry::Host(host));
        }
        return Err(
            "it is neither a multiaddr, which begins with '/', nor an IP address or a host name".into()
        );
    }
    let address: Multiaddr = text.parse().map_err(|error| format!("it is not a multiaddr: {error}"))?;
    if let Some(Protocol::P2p(peer)) = address.iter().last() {
        return Ok(StaticEntry::Known(pair(&peer, &address)));
    }
    match address.iter().next() {
        Some(Protocol::Ip4(v4)) => Ok(StaticEntry::Host(v4.to_string())),
        Some(Protocol::Ip6(v6)) => Ok(StaticEntry::Host(v6.to_string())),
        Some(Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host)) => {
            Ok(StaticEntry::Host(host.into_owned()))
        }
        _ => {
            Err("it has neither a PeerId (/p2p/…) at its end nor a host at its beginning to ask for one"
                .into())
        }
    }
}

pub(super) fn pair(peer: &PeerId, address: &Multiaddr) -> PeerAddress {
    PeerAddress { peer: peer.to_bytes().into(), bytes: address.to_vec().into() }
}

/// What was read by [`read`] before.
pub(super) fn unpair(pair: &PeerAddress) -> Option<(PeerId, Multiaddr)> {
    Some((PeerId::from_bytes(&pair.peer).ok()?, Multiaddr::try_from(pair.bytes.to_vec()).ok()?))
}

/// An address the swarm listens on, if others could dial it.
pub(super) fn listen(address: &Multiaddr, own: &PeerId) -> Option<ListenAddress> {
    let whole = address.clone().with_p2p(*own).ok()?;
    let port = whole.iter().find_map(|protocol| match protocol {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    });
    let reach = reach(&whole);
    let text = match reach {
        Reach::Nowhere => return None,
        Reach::Elsewhere => whole.to_string(),
        Reach::Ip(_) => whole.iter().skip(1).fold(Multiaddr::empty(), Multiaddr::with).to_string(),
    };
    Some(ListenAddress { reach, text, port: port.unwrap_or_default() })
}

fn reach(address: &Multiaddr) -> Reach {
    if address.iter().any(|protocol| protocol == Protocol::P2pCircuit) {
        return Reach::Elsewhere;
    }
    match address.iter().next() {
        Some(Protocol::Ip4(v4)) => Reach::Ip(IpAddr::V4(v4)),
        Some(Protocol::Ip6(v6)) => Reach::Ip(IpAddr::V6(v6)),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)) => {
            Reach::Elsewhere
        }
        _ => Reach::Nowhere,
    }
}
