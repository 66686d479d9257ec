//! Linux: interface flags, and a bell that hears what if-watch does not: a carrier that comes
//! or goes, `ip link up` with an address that was kept, the end of duplicate address
//! detection.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::task::{Context, Poll};

use bytes::BufMut as _;
use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NlaBuffer, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkLayerType, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket as _, Socket, SocketAddr, TokioSocket};

use super::interface::InterfaceInfo;

/// What a dump of all links may take: more than any machine has, and an end in any case.
const MAX_DUMP_READS: usize = 1024;

/// The groups to listen to: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// `RTM_NEWLINK`.
const NEW_LINK: u16 = 16;

/// `IFLA_IFNAME`, `IFLA_MTU`, `IFLA_LINKINFO`, `IFLA_CARRIER_UP_COUNT`.
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK_INFO: u16 = 18;
const CARRIER_UP_COUNT: u16 = 47;

/// `IFLA_INFO_KIND`, `IFLA_INFO_SLAVE_KIND`.
const KIND: u16 = 1;
const PORT_KIND: u16 = 4;

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
        let message = NetlinkMessage::<NewLink>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(NewLink(Some(info))) => {
                links.insert(info.index, info);
            }
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(1);
        rest = rest.get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX)..).unwrap_or_default();
    }
    Ok(false)
}

/// A link, or nothing that is of interest. Read here, not by `LinkMessage`: that reads every
/// attribute there is, and warns, link by link and through `log`, of each that the kernel has
/// made longer meanwhile.
#[derive(Debug)]
struct NewLink(Option<InterfaceInfo>);

impl NetlinkDeserializable for NewLink {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(if header.message_type == NEW_LINK { read_link(payload) } else { None }))
    }
}

/// The header of `rtnetlink(7)`, `struct ifinfomsg`, and the attributes behind it.
fn read_link(payload: &[u8]) -> Option<InterfaceInfo> {
    let (header, attributes) = payload.split_at_checked(16)?;
    let layer = u16::from_ne_bytes(*header.get(2..)?.first_chunk()?);
    let index = u32_at(header, 4)?;
    let flags = LinkFlags::from_bits_truncate(u32_at(header, 8)?);
    let mut facts = Facts {
        ethernet: LinkLayerType::from(layer) == LinkLayerType::Ether,
        loopback: flags.contains(LinkFlags::Loopback),
        point_to_point: flags.contains(LinkFlags::Pointopoint),
        multicast: flags.contains(LinkFlags::Multicast),
        running: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::Running),
        ..Facts::default()
    };
    let mut name = None;
    for attribute in read_attributes(attributes) {
        match attribute.kind() {
            NAME => name = read_text(attribute.value()),
            MTU => facts.mtu = u32_at(attribute.value(), 0),
            CARRIER_UP_COUNT => facts.carriers = u32_at(attribute.value(), 0).unwrap_or_default(),
            LINK_INFO => {
                for info in read_attributes(attribute.value()) {
                    match info.kind() {
                        KIND => facts.kind = read_text(info.value()),
                        PORT_KIND => facts.port = read_text(info.value()).as_deref() != Some("vrf"),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(InterfaceInfo::from_link(index, &name?, &facts))
}

fn read_attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// A text that ends in a zero byte.
fn read_text(bytes: &[u8]) -> Option<String> {
    CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok().map(str::to_owned)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
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
    fn links_are_read() {
        for info in links().unwrap().values() {
            assert!(!info.name.is_empty() && info.index > 0, "{info:?}");
        }
        // `struct ifinfomsg` of an Ethernet link that is up, with a name, an MTU, and more
        // than is known of IPv6.
        let mut link = vec![0, 0, 1, 0];
        link.extend(7_u32.to_ne_bytes());
        link.extend((0x1_u32 | 0x40 | 0x1000).to_ne_bytes());
        link.extend([0; 4]);
        link.extend([9, 0, 3, 0]);
        link.extend(b"eth7\0\0\0\0");
        link.extend([8, 0, 4, 0]);
        link.extend(1400_u32.to_ne_bytes());
        link.extend([18_u8, 0, 18, 0x80, 11, 0, 1, 0]);
        link.extend(b"bridge\0\0\0\0\0");
        if cfg!(target_endian = "little") {
            let info = read_link(&link).unwrap();
            assert_eq!((&*info.name, info.index, info.mtu), ("eth7", 7, 1400));
            assert!(info.running && info.multicast && !info.loopback && !info.port, "{info:?}");
        }
        assert!(read_link(&link[..12]).is_none());
        assert!(read_link(&link[..16]).is_none(), "without a name");
    }

    #[test]
    fn a_part_that_is_cut_off_is_an_error_and_no_hang() {
        assert!(read_part(&[1, 2, 3], &mut BTreeMap::new()).is_err());
        assert!(!read_part(&[], &mut BTreeMap::new()).unwrap());
    }
}
