//! Linux: the neighbour table, by netlink. `/proc/net/arp` has IPv4 only.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::super::facts::Neighbour;

/// What a dump may take: an end in any case.
const MAX_READS: usize = 256;

pub(super) fn list() -> io::Result<Vec<Neighbour>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel answers while it takes the request: there is never anything to wait for.
    socket.set_non_blocking(true)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = 1;
    let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut found = Vec::new();
    let mut buffer = Vec::with_capacity(64 * 1024);
    for _ in 0..MAX_READS {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        if read(&buffer, &mut found)? {
            break;
        }
    }
    Ok(found)
}

/// Reads one part of a dump; true at its end.
fn read(mut rest: &[u8], found: &mut Vec<Neighbour>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(one)) => {
                found.extend(neighbour(&one))
            }
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(1);
        rest = rest.get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX)..).unwrap_or_default();
    }
    Ok(false)
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    let reached = match message.header.state {
        NeighbourState::Reachable | NeighbourState::Permanent => Some(true),
        NeighbourState::Incomplete | NeighbourState::Failed => Some(false),
        // Heard of earlier, and believed until it fails.
        NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe => None,
        _ => return None,
    };
    let plain = !address.is_multicast() && !address.is_unspecified();
    plain.then_some(Neighbour { address, index: message.header.ifindex, reached })
}
