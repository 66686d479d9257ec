//! The doctor's own sockets: members of the group, and askers on a port of their own.
//!
//! They are set up like those of the library, but one at a time, so that each refusal can be
//! told.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use salut::proto::{Family, GROUP_V4, GROUP_V6};
use salut::wire::MDNS_PORT;
use socket2::{Domain, InterfaceIndexOrAddress, SockRef, Socket as System, Type};
use tokio::net::UdpSocket;

use super::super::facts::{Interface, Socket, Trouble, What};

/// The TTL and hop limit of everything that is sent (RFC 6762 §11).
const TTL: u32 = 255;

/// Where multicast of a family goes by an interface.
pub(super) fn group(interface: &Interface, family: Family) -> SocketAddr {
    match family {
        Family::V4 => (GROUP_V4, MDNS_PORT).into(),
        Family::V6 => SocketAddrV6::new(GROUP_V6, MDNS_PORT, 0, interface.index).into(),
    }
}

/// A member of the group on port 5353.
pub(super) fn member(interface: &Interface, family: Family) -> Result<UdpSocket, Socket> {
    let opened = |error: io::Error| Socket::NoPort(trouble(&error));
    let socket = new(family).map_err(opened)?;
    socket.set_reuse_address(true).map_err(opened)?;
    let tied = tie(&socket, interface);
    if cfg!(unix) && (tied || !cfg!(any(target_os = "linux", target_os = "android"))) {
        share(&socket).map_err(opened)?;
    }
    only_own_groups(&socket, family);
    let address = if cfg!(any(target_os = "linux", target_os = "android")) {
        group(interface, family)
    } else {
        wildcard(family, MDNS_PORT)
    };
    socket.bind(&address.into()).map_err(opened)?;
    join(&socket, interface, family).map_err(|error| Socket::NoGroup(trouble(&error)))?;
    leave_by(&socket, interface, family, tied).map_err(opened)?;
    UdpSocket::from_std(socket.into()).map_err(opened)
}

/// A socket on a port of its own that sends by this interface, whatever the routes say.
pub(super) fn asker(interface: &Interface, family: Family) -> io::Result<UdpSocket> {
    let socket = new(family)?;
    tie(&socket, interface);
    socket.bind(&wildcard(family, 0).into())?;
    UdpSocket::from_std(socket.into())
}

/// A socket for what another doctor sends.
pub(super) fn listener(family: Family, port: u16) -> io::Result<UdpSocket> {
    let socket = new(family)?;
    socket.bind(&wildcard(family, port).into())?;
    UdpSocket::from_std(socket.into())
}

/// A socket that is connected, so that it hears when its datagrams are refused.
pub(super) fn connected(to: SocketAddr) -> io::Result<UdpSocket> {
    let family = Family::of(to.ip());
    let socket = new(family)?;
    socket.connect(&to.into())?;
    UdpSocket::from_std(socket.into())
}

fn new(family: Family) -> io::Result<System> {
    let domain = if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = System::new(domain, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    match family {
        Family::V4 => {
            socket.set_multicast_ttl_v4(TTL)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_ttl_v4(TTL)?;
        }
        Family::V6 => {
            socket.set_only_v6(true)?;
            socket.set_multicast_hops_v6(TTL)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_unicast_hops_v6(TTL)?;
        }
    }
    Ok(socket)
}

fn wildcard(family: Family, port: u16) -> SocketAddr {
    match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED, port).into(),
        Family::V6 => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

/// Ties the socket to the interface where the system can do that.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn tie(socket: &System, interface: &Interface) -> bool {
    socket.bind_device(Some(interface.name.as_bytes())).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn tie(_: &System, _: &Interface) -> bool {
    false
}

#[cfg(unix)]
fn share(socket: &System) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share(_: &System) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn only_own_groups(socket: &System, family: Family) {
    // Best effort: where the socket is tied to the device it hears nothing else anyway.
    let _ = match family {
        Family::V4 => socket.set_multicast_all_v4(false),
        Family::V6 => socket.set_multicast_all_v6(false),
    };
}

#[cfg(not(target_os = "linux"))]
fn only_own_groups(_: &System, _: Family) {}

fn join(socket: &System, interface: &Interface, family: Family) -> io::Result<()> {
    match family {
        Family::V6 => socket.join_multicast_v6(&GROUP_V6, interface.index),
        Family::V4 => {
            let joined =
                socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface.index));
            match (joined, interface.v4.first()) {
                (Err(error), Some((address, _))) if trouble(&error).what != What::NoRoom => {
                    socket.join_multicast_v4(&GROUP_V4, address).map_err(|_| error)
                }
                (joined, _) => joined,
            }
        }
    }
}

fn leave_by(socket: &System, interface: &Interface, family: Family, tied: bool) -> io::Result<()> {
    match (family, interface.v4.first()) {
        (Family::V4, _) if tied => Ok(()),
        (Family::V4, Some((address, _))) => socket.set_multicast_if_v4(address),
        (Family::V4, None) => Err(io::ErrorKind::AddrNotAvailable.into()),
        (Family::V6, _) => socket.set_multicast_if_v6(interface.index).or(if tied {
            Ok(())
        } else {
            Err(io::ErrorKind::AddrNotAvailable.into())
        }),
    }
}

/// Sends with the system call itself: tokio's would wait for a socket that is full.
pub(super) fn send(socket: &UdpSocket, payload: &[u8], to: SocketAddr) -> Result<(), Trouble> {
    SockRef::from(socket).send_to(payload, &to.into()).map(drop).map_err(|error| trouble(&error))
}

/// What an error of the system means.
pub(super) fn trouble(error: &io::Error) -> Trouble {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => What::InUse,
        io::ErrorKind::PermissionDenied => What::Forbidden,
        io::ErrorKind::HostUnreachable => What::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => What::NetworkUnreachable,
        io::ErrorKind::AddrNotAvailable => What::NoAddress,
        _ if is_no_room(error) => What::NoRoom,
        _ => What::Other,
    };
    // "Address already in use (os error 98)": the number helps nobody.
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    Trouble { what, text }
}

/// ENOBUFS: on joining it says that there are too many memberships.
fn is_no_room(error: &io::Error) -> bool {
    let number = match () {
        () if cfg!(any(target_os = "linux", target_os = "android")) => 105,
        () if cfg!(windows) => 10055,
        () => 55,
    };
    error.raw_os_error() == Some(number)
}
