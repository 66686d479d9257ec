//! Linux and Android: sockets are bound to the group's own address and to the device.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::net::UdpSocket;

use super::{Arrival, Role};
use crate::net::interface::InterfaceInfo;
use crate::proto::Family;
use crate::wire::MDNS_PORT;

/// `IP_MULTICAST_IF` takes an address here (or an index, by a call socket2 does not have).
pub(super) const OUTGOING_BY_INDEX: bool = false;

/// Nothing more than the socket is needed: what it hears follows from how it is bound.
#[derive(Debug)]
pub(super) struct Inner;

pub(super) fn new(domain: Domain) -> io::Result<(std::net::UdpSocket, Inner)> {
    Ok((socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?.into(), Inner))
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

impl Inner {
    pub(super) fn receive(&self, udp: &UdpSocket, buffer: &mut [u8], role: Role) -> io::Result<Arrival> {
        let (length, source) = udp.try_recv_from(buffer)?;
        Ok(Arrival { length, source, index: None, unicast: role == Role::Unicast })
    }
}
