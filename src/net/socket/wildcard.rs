//! Everything but Linux: sockets are bound to the wildcard address. Where the system tells
//! the interface and the destination of a datagram (`IP_PKTINFO`) it is asked for both.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use socket2::{Domain, SockRef};
use tokio::net::UdpSocket;

use super::{Arrival, Role};
use crate::net::interface::InterfaceInfo;
use crate::proto::Family;
use crate::wire::MDNS_PORT;

/// macOS and Windows read an address `0.x.y.z` as an interface index.
pub(super) const OUTGOING_BY_INDEX: bool = cfg!(any(target_vendor = "apple", windows));

pub(super) fn bind_address(_: &InterfaceInfo, family: Family, _: Role) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, MDNS_PORT)),
        Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, MDNS_PORT)),
    }
}

/// Says whether the socket is bound to the device.
pub(super) fn before_bind(
    sock: &SockRef<'_>,
    info: &InterfaceInfo,
    family: Family,
    _: Role,
) -> io::Result<bool> {
    #[cfg(unix)]
    sock.set_reuse_port(true)?;
    tie(sock, info, family);
    Ok(false)
}

/// Makes everything leave by this interface; best effort beside the multicast option.
#[cfg(target_vendor = "apple")]
fn tie(sock: &SockRef<'_>, info: &InterfaceInfo, family: Family) {
    let index = std::num::NonZeroU32::new(info.index);
    let tied = match family {
        Family::V4 => sock.bind_device_by_index_v4(index),
        Family::V6 => sock.bind_device_by_index_v6(index),
    };
    if let Err(error) = tied {
        tracing::debug!(interface = %info.name, %error, "the socket cannot be bound to the interface");
    }
}

#[cfg(not(target_vendor = "apple"))]
fn tie(_: &SockRef<'_>, _: &InterfaceInfo, _: Family) {}

#[cfg(any(target_vendor = "apple", target_os = "freebsd", windows))]
mod told {
    use socket_pktinfo::PktInfoUdpSocket;

    use super::*;

    /// The same socket once more, for the call that tells interface and destination.
    pub(in super::super) struct Inner(PktInfoUdpSocket);

    impl std::fmt::Debug for Inner {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Inner")
        }
    }

    pub(in super::super) fn new(domain: Domain) -> io::Result<(std::net::UdpSocket, Inner)> {
        let socket = PktInfoUdpSocket::new(domain)?;
        Ok((socket.try_clone_std()?, Inner(socket)))
    }

    impl Inner {
        pub(in super::super) fn receive(
            &self,
            udp: &UdpSocket,
            buffer: &mut [u8],
            _: Role,
        ) -> io::Result<Arrival> {
            let (length, told) = udp.try_io(tokio::io::Interest::READABLE, || self.0.recv(buffer))?;
            Ok(Arrival {
                length,
                source: told.addr_src,
                index: u32::try_from(told.if_index).ok().filter(|index| *index != 0),
                unicast: !told.addr_dst.is_multicast(),
            })
        }
    }
}

#[cfg(not(any(target_vendor = "apple", target_os = "freebsd", windows)))]
mod told {
    use socket2::{Protocol, Type};

    use super::*;

    #[derive(Debug)]
    pub(in super::super) struct Inner;

    pub(in super::super) fn new(domain: Domain) -> io::Result<(std::net::UdpSocket, Inner)> {
        Ok((socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?.into(), Inner))
    }

    impl Inner {
        /// Nothing tells whom the datagram was sent to: the stricter rules of unicast hold.
        pub(in super::super) fn receive(
            &self,
            udp: &UdpSocket,
            buffer: &mut [u8],
            _: Role,
        ) -> io::Result<Arrival> {
            let (length, source) = udp.try_recv_from(buffer)?;
            Ok(Arrival { length, source, index: None, unicast: true })
        }
    }
}

use told::Inner;
pub(super) use told::new;

/// A socket that is listened to.
#[derive(Debug)]
pub(super) struct Ear {
    udp: UdpSocket,
    inner: Inner,
}

impl Ear {
    pub(super) fn new(socket: std::net::UdpSocket, inner: Inner) -> io::Result<Self> {
        Ok(Self { udp: UdpSocket::from_std(socket)?, inner })
    }

    pub(super) fn sock(&self) -> SockRef<'_> {
        SockRef::from(&self.udp)
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.udp.poll_recv_ready(cx).map(|_| ())
    }

    pub(super) fn receive(&self, buffer: &mut [u8], role: Role) -> io::Result<Arrival> {
        self.inner.receive(&self.udp, buffer, role)
    }

    /// Here the reactor wakes for each datagram.
    pub(super) fn heard(&mut self, _: Instant, _: usize, _: bool) {}

    pub(super) fn look_at(&self) -> Option<Instant> {
        None
    }
}
