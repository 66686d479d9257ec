//! Linux and Android: sockets are bound to the group's own address and to the device.
//!
//! To be woken for a datagram costs ten times what it costs to read one. So while they come
//! thick and fast a socket is taken out of the reactor and read once in a while: one waking
//! then serves all that came meanwhile.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::debug;

use super::{Arrival, Role};
use crate::net::interface::InterfaceInfo;
use crate::net::pace::Rush;
use crate::proto::Family;
use crate::wire::MDNS_PORT;

/// `IP_MULTICAST_IF` takes an address here (or an index, by a call socket2 does not have).
pub(super) const OUTGOING_BY_INDEX: bool = false;

/// Nothing more than the socket is needed: what it hears follows from how it is bound.
pub(super) fn new(domain: Domain) -> io::Result<(UdpSocket, ())> {
    Ok((socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?.into(), ()))
}

/// A socket that is bound to the group takes no unicast away from anybody. The scope is what
/// tells the interfaces apart for IPv6.
pub(super) fn bind_address(info: &InterfaceInfo, family: Family, role: Role) -> SocketAddr {
    match (role, family) {
        (Role::Group, _) => super::group(info.index, family),
        (Role::Unicast, Family::V4) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, MDNS_PORT)),
        (Role::Unicast, Family::V6) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, MDNS_PORT)),
    }
}

/// Says whether the socket is bound to the device.
pub(super) fn before_bind(
    sock: &SockRef<'_>,
    info: &InterfaceInfo,
    family: Family,
    role: Role,
) -> io::Result<bool> {
    // Needs no privilege since Linux 5.7.
    let tied = sock
        .bind_device_by_index_v4(NonZeroU32::new(info.index))
        .or_else(|_| sock.bind_device(Some(info.name.as_bytes())));
    match (&tied, role) {
        // With SO_REUSEPORT and without a device the kernel deals multicast out among our own
        // sockets regardless of the interface.
        (Ok(()), _) => sock.set_reuse_port(true)?,
        // Without a device it would hear all interfaces.
        (Err(error), Role::Unicast) => return Err(io::Error::from(error.kind())),
        (Err(_), Role::Group) => {}
    }
    // Otherwise a socket hears every group that anybody on this machine joined. A device does
    // as well for members, but a socket for unicast must not hear the group a second time.
    match (only_own_groups(sock, family), role) {
        (Err(error), Role::Unicast) => Err(error),
        _ => Ok(tied.is_ok()),
    }
}

#[cfg(target_os = "linux")]
fn only_own_groups(sock: &SockRef<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => sock.set_multicast_all_v4(false),
        Family::V6 => sock.set_multicast_all_v6(false),
    }
}

#[cfg(not(target_os = "linux"))]
fn only_own_groups(_: &SockRef<'_>, _: Family) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A socket that is listened to.
#[derive(Debug)]
pub(super) struct Ear {
    socket: Arc<UdpSocket>,
    /// Its place in the reactor; without one it is read when the rush says.
    place: Option<AsyncFd<Arc<UdpSocket>>>,
    rush: Rush,
}

impl Ear {
    pub(super) fn new(socket: UdpSocket, (): ()) -> io::Result<Self> {
        let socket = Arc::new(socket);
        Ok(Self { place: Some(place(&socket)?), socket, rush: Rush::default() })
    }

    pub(super) fn sock(&self) -> SockRef<'_> {
        SockRef::from(&*self.socket)
    }

    pub(super) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.place {
            Some(place) => place.poll_read_ready(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8], role: Role) -> io::Result<Arrival> {
        let (length, source) = match &self.place {
            Some(place) => place.try_io(Interest::READABLE, |socket| socket.recv_from(buffer))?,
            None => self.socket.recv_from(buffer)?,
        };
        Ok(Arrival { length, source, index: None, unicast: role == Role::Unicast })
    }

    pub(super) fn heard(&mut self, now: Instant, datagrams: usize, all: bool) {
        self.rush.heard(now, datagrams, all);
        match (self.rush.look_at(), &self.place) {
            (Some(_), Some(_)) => self.place = None,
            (None, None) => match place(&self.socket) {
                Ok(place) => self.place = Some(place),
                Err(error) => {
                    debug!(%error, "no place in the reactor");
                    self.rush.go_on(now);
                }
            },
            _ => {}
        }
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.rush.look_at()
    }
}

fn place(socket: &Arc<UdpSocket>) -> io::Result<AsyncFd<Arc<UdpSocket>>> {
    // Deprecated in favour of one that older versions of tokio lack.
    #[allow(deprecated, reason = "see above")]
    AsyncFd::with_interest(Arc::clone(socket), Interest::READABLE)
}
