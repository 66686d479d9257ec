//! Linux: interface flags, and a bell that hears what if-watch does not: a carrier that comes
//! or goes, `ip link up` with an address that was kept, the end of duplicate address
//! detection.

use std::collections::BTreeMap;
use std::io;
use std::task::{Context, Poll};

use bytes::BufMut as _;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket as _, Socket, SocketAddr, TokioSocket};

use super::interface::InterfaceInfo;

/// What a dump of all links may take: more than any machine has, and an end in any case.
const MAX_DUMP_READS: usize = 1024;

/// The groups to listen to: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// What netlink says of a link.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) mtu: Option<u32>,
    /// The kind of a virtual link, such as `bridge`.
    pub(super) kind: Option<String>,
    /// Whether it has the frames of Ethernet.
    pub(super) ethernet: bool,
    /// Whether it is a port of a bridge or a bond. A member of a VRF is none: it keeps its
    /// traffic.
    pub(super) port: bool,
    pub(super) loopback: bool,
    pub(super) point_to_point: bool,
    pub(super) multicast: bool,
    pub(super) running: bool,
    pub(super) carriers: u32,
}

/// All links of this network namespace, without their addresses. `/sys/class/net` would tell
/// the same, but of the namespace that it was mounted in.
pub(super) fn links() -> io::Result<BTreeMap<u32, InterfaceInfo>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel fills the first part of a dump while it takes the request, and each further
    // one when the part before is read: there is never anything to wait for.
    socket.set_non_blocking(true)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = 1;
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut links = BTreeMap::new();
    let mut buffer = Vec::with_capacity(64 * 1024);
    for _ in 0..MAX_DUMP_READS {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        if read_part(&buffer, &mut links)? {
            return Ok(links);
        }
    }
    Err(io::Error::other("the list of links has no end"))
}

/// Reads one part of a dump; true at its end.
fn read_part(mut rest: &[u8], links: &mut BTreeMap<u32, InterfaceInfo>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                let index = link.header.index;
                if let Some(info) = read_link(&link) {
                    links.insert(index, info);
                }
            }
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(1);
        rest = rest.get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX)..).unwrap_or_default();
    }
    Ok(false)
}

fn read_link(link: &LinkMessage) -> Option<InterfaceInfo> {
    let has = |flag| link.header.flags.contains(flag);
    let mut facts = Facts {
        ethernet: link.header.link_layer_type == LinkLayerType::Ether,
        loopback: has(LinkFlags::Loopback),
        point_to_point: has(LinkFlags::Pointopoint),
        multicast: has(LinkFlags::Multicast),
        running: has(LinkFlags::Up) && has(LinkFlags::Running),
        ..Facts::default()
    };
    let mut name = None;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.as_str()),
            LinkAttribute::Mtu(mtu) => facts.mtu = Some(*mtu),
            LinkAttribute::CarrierUpCount(count) => facts.carriers = *count,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(kind) => facts.kind = Some(kind.to_string()),
                        LinkInfo::PortKind(kind) => facts.port = !matches!(kind, InfoPortKind::Vrf),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(InterfaceInfo::from_link(link.header.index, name?, &facts))
}

/// Rings when a link or an address changes.
pub(super) struct Bell {
    socket: TokioSocket,
}

impl super::watch::Bell for Bell {
    fn hang() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self { socket })
    }

    // What changed is not read: the list is made anew anyway.
    fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0_u8; 4096];
        let mut rang = false;
        // Bounded: a storm of events must not keep the task from its other work.
        for _ in 0..64 {
            // Longer messages are cut off, which is all the same here.
            let mut buffer = (&mut scratch[..]).limit(4096);
            match self.socket.poll_recv(cx, &mut buffer) {
                Poll::Ready(Ok(())) => rang = true,
                // More events than the buffer holds: some were lost, that is what ENOBUFS
                // says, and this is news as well.
                Poll::Ready(Err(error)) if super::problem::is_no_buffers(&error) => rang = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if rang => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_seen_with_its_flags() {
        let links = links().unwrap();
        let lo = links.values().find(|link| &*link.name == "lo").unwrap();
        assert!(lo.loopback && !lo.point_to_point && lo.mtu >= 1280, "{lo:?}");
    }

    #[test]
    fn a_part_that_is_cut_off_is_an_error_and_no_hang() {
        assert!(read_part(&[1, 2, 3], &mut BTreeMap::new()).is_err());
        assert!(!read_part(&[], &mut BTreeMap::new()).unwrap());
    }
}
