//! Linux: interface flags, and the bell. It hears every address that comes or goes, and what
//! matters besides: a carrier, `ip link up` with an address that was kept, the end of
//! duplicate address detection.

use std::ffi::CStr;
use std::io::{self, Read as _};
use std::task::{Context, Poll};

use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, NlaBuffer, NlasIterator,
};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, bind};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel makes no part of a dump longer, in bytes.
const DUMP_PART: usize = 32 * 1024;

/// What a dump of all links may take: more than any machine has, and an end in any case.
const MAX_DUMP_READS: usize = 1024;

/// The groups to listen to: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// `RTM_NEWLINK`, `RTM_GETLINK`.
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;

/// Bytes of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;

/// `IFF_UP`, `IFF_LOOPBACK`, `IFF_POINTOPOINT`, `IFF_RUNNING`, `IFF_MULTICAST`.
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const POINT_TO_POINT: u32 = 0x10;
const RUNNING: u32 = 0x40;
const MULTICAST: u32 = 0x1000;

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

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
    pub(super) index: u32,
    pub(super) name: String,
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

/// A socket for `rtnetlink(7)` that never waits and hears these groups.
fn open(groups: u32) -> io::Result<Socket> {
    let family = Domain::from(i32::from(AddressFamily::NETLINK.as_raw()));
    let socket = Socket::new(family, Type::RAW, None)?;
    socket.set_nonblocking(true)?;
    // The kernel chooses the address, and is whom everything is sent to.
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// All links of this network namespace, without their addresses. `/sys/class/net` would tell
/// the same, but of the namespace that it was mounted in.
pub(super) fn links() -> io::Result<Vec<Facts>> {
    // The kernel fills the first part of a dump while it takes the request, and each further
    // one when the part before is read: there is never anything to wait for.
    let mut socket = open(0)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = 1;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(GetLinks));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes)?;

    let mut links = Vec::new();
    let mut buffer = vec![0; DUMP_PART];
    for _ in 0..MAX_DUMP_READS {
        let length = socket.read(&mut buffer)?;
        if read_part(buffer.get(..length).unwrap_or_default(), &mut links)? {
            return Ok(links);
        }
    }
    Err(io::Error::other("the list of links has no end"))
}

/// Reads one part of a dump; true at its end.
fn read_part(mut rest: &[u8], links: &mut Vec<Facts>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<NewLink>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(NewLink(link)) => links.extend(link),
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(1);
        rest = rest.get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX)..).unwrap_or_default();
    }
    Ok(false)
}

/// The request for all links: a header that says nothing.
#[derive(Debug)]
struct GetLinks;

impl NetlinkSerializable for GetLinks {
    fn message_type(&self) -> u16 {
        GET_LINK
    }

    fn buffer_len(&self) -> usize {
        LINK_HEADER
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// A link, or nothing that is of interest. Read here, not by `netlink-packet-route`: that
/// reads every attribute there is, which alone would make a small program larger by half, and
/// warns, link by link and through `log`, of each that the kernel has made longer meanwhile.
#[derive(Debug)]
struct NewLink(Option<Facts>);

impl NetlinkDeserializable for NewLink {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(if header.message_type == NEW_LINK { read_link(payload) } else { None }))
    }
}

/// The header of `rtnetlink(7)`, `struct ifinfomsg`, and the attributes behind it.
fn read_link(payload: &[u8]) -> Option<Facts> {
    let (header, attributes) = payload.split_at_checked(LINK_HEADER)?;
    let layer = u16::from_ne_bytes(*header.get(2..)?.first_chunk()?);
    let flags = u32_at(header, 8)?;
    let mut facts = Facts {
        index: u32_at(header, 4)?,
        ethernet: layer == ETHERNET,
        loopback: flags & LOOPBACK != 0,
        point_to_point: flags & POINT_TO_POINT != 0,
        multicast: flags & MULTICAST != 0,
        running: flags & UP != 0 && flags & RUNNING != 0,
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
    facts.name = name?;
    Some(facts)
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
#[derive(Debug)]
pub(super) struct Bell {
    socket: AsyncFd<Socket>,
}

impl Bell {
    pub(super) fn hang() -> io::Result<Self> {
        // Deprecated in favour of one that older versions of tokio lack.
        #[allow(deprecated, reason = "see above")]
        let socket = AsyncFd::with_interest(open(GROUPS)?, Interest::READABLE)?;
        Ok(Self { socket })
    }

    /// Ready when it rang, or with an error when it is dead. What changed is not read: the list
    /// is made anew anyway.
    pub(super) fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Longer messages are cut off, which is all the same here.
        let mut scratch = [0; 64];
        let mut rang = false;
        // Bounded: a storm of events must not keep the task from its other work.
        for _ in 0..64 {
            let Poll::Ready(ready) = self.socket.poll_read_ready(cx) else {
                return if rang { Poll::Ready(Ok(())) } else { Poll::Pending };
            };
            match ready?.try_io(|socket| socket.get_ref().read(&mut scratch)) {
                Ok(Ok(_)) => rang = true,
                // More events than the buffer holds: some were lost, that is what ENOBUFS
                // says, and this is news as well.
                Ok(Err(error)) if super::problem::is_no_buffers(&error) => rang = true,
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                // It was read until nothing was left.
                Err(_) => {}
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
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert!(lo.loopback && !lo.point_to_point && lo.mtu >= Some(1280), "{lo:?}");
    }

    #[test]
    fn links_are_read() {
        for info in links().unwrap() {
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
            assert_eq!((&*info.name, info.index, info.mtu), ("eth7", 7, Some(1400)));
            assert_eq!(info.kind.as_deref(), Some("bridge"));
            assert!(info.running && info.multicast && !info.loopback && !info.port, "{info:?}");
        }
        assert!(read_link(&link[..12]).is_none());
        assert!(read_link(&link[..16]).is_none(), "without a name");
    }

    #[test]
    fn a_part_that_is_cut_off_is_an_error_and_no_hang() {
        assert!(read_part(&[1, 2, 3], &mut Vec::new()).is_err());
        assert!(!read_part(&[], &mut Vec::new()).unwrap());
    }
}
