//! One UDP socket: for one interface and one address family.
//!
//! How a socket is kept to its interface differs. Linux binds to the multicast group and to
//! the device ([`group_bound`]); elsewhere the bound address is used as the source of what is
//! sent, so that sockets bind to the wildcard address and are told with each datagram where it
//! came in and whom it was sent to ([`wildcard`]).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use socket2::{Domain, InterfaceIndexOrAddress, SockRef};

use super::NetError;
use super::interface::InterfaceInfo;
use crate::proto::{Family, GROUP_V4, GROUP_V6};
use crate::wire::MDNS_PORT;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod group_bound;
#[cfg(any(target_os = "linux", target_os = "android"))]
use group_bound as platform;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod wildcard;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use wildcard as platform;

/// The TTL and hop limit of everything that is sent, by unicast too (RFC 6762 §11).
const TTL: u32 = 255;

/// Room for what arrives while this program does not run, in bytes: a hundred hosts that are
/// switched on together announce within a quarter of a second, on both families. What the system
/// gives unasked holds less than two hundred datagrams.
const RECEIVE_BYTES: usize = 512 * 1024;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// A member of the group; sends everything.
    Group,
    /// Hears what is sent to our own addresses. Linux only; elsewhere the group's sockets do.
    Unicast,
}

/// Where a datagram came from and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Length in bytes.
    pub(super) length: usize,
    /// Who sent it.
    pub(super) source: SocketAddr,
    /// The interface index it came in on, where the datagram itself tells.
    pub(super) index: Option<u32>,
    /// Whether it was sent to one of our addresses instead of the group.
    pub(super) unicast: bool,
}

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket {
    ear: platform::Ear,
    /// The IPv4 address that the outgoing interface was named by, where its index or the
    /// device cannot be given: when the interface loses that address the socket is of no use.
    pinned: Option<Ipv4Addr>,
}

impl Socket {
    /// Opens the socket of an interface for a family.
    pub(super) fn open(info: &InterfaceInfo, family: Family, role: Role) -> Result<Self, NetError> {
        let address = platform::bind_address(info, family, role);
        let failed = |error| NetError::Open {
            interface: Arc::clone(&info.name),
            family,
            address,
            error: Arc::new(error),
        };
        let (socket, inner) = platform::new(domain(family)).map_err(failed)?;
        let sock = SockRef::from(&socket);
        prepare(&sock, family).map_err(failed)?;
        let tied = platform::before_bind(&sock, info, family, role).map_err(failed)?;
        sock.bind(&address.into()).map_err(failed)?;
        let mut pinned = None;
        if role == Role::Group {
            join(&sock, info, family).map_err(|error| NetError::Join {
                interface: Arc::clone(&info.name),
                family,
                address: group(info.index, family),
                error: Arc::new(error),
            })?;
            pinned = choose_outgoing(&sock, info, family, tied).map_err(failed)?;
        }
        // Without a runtime's reactor there is nothing to register with: this panics then.
        // `Builder::build` has looked before.
        let ear = platform::Ear::new(socket, inner).map_err(failed)?;
        Ok(Self { ear, pinned })
    }

    /// Whether the interface still is the one the socket was opened for.
    pub(super) fn fits(&self, info: &InterfaceInfo) -> bool {
        self.pinned.is_none_or(|pinned| info.v4.iter().any(|(address, _)| *address == pinned))
    }

    /// Ready when there may be something to receive.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.ear.poll_readable(cx)
    }

    /// Receives one datagram, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8], role: Role) -> io::Result<Arrival> {
        self.ear.receive(buffer, role)
    }

    /// Notes how many datagrams were there at a look, and whether these were all.
    pub(super) fn heard(&mut self, now: Instant, datagrams: usize, all: bool) {
        self.ear.heard(now, datagrams, all);
    }

    /// When to look at it by oneself, while it does not tell that it is readable.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.ear.look_at()
    }

    /// Sends one datagram. The system call itself, not tokio's: that one would not send before
    /// the reactor has seen the socket for the first time.
    pub(super) fn send(&self, payload: &[u8], destination: SocketAddr) -> io::Result<()> {
        self.ear.sock().send_to(payload, &destination.into()).map(|_| ())
    }

    /// What the system's list of sockets calls this one.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn inode(&self) -> Option<u64> {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", self.ear.number())).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn inode(&self) -> Option<u64> {
        None
    }
}

fn domain(family: Family) -> Domain {
    match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    }
}

/// The group to send to by an interface.
pub(super) fn group(index: u32, family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((GROUP_V4, MDNS_PORT)),
        Family::V6 => SocketAddr::V6(SocketAddrV6::new(GROUP_V6, MDNS_PORT, 0, index)),
    }
}

/// `destination` with the scope of the interface, where an address needs one.
pub(super) fn with_scope(destination: SocketAddr, index: u32) -> SocketAddr {
    match destination {
        SocketAddr::V6(v6) if v6.scope_id() == 0 && needs_scope(*v6.ip()) => {
            SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, index))
        }
        other => other,
    }
}

fn needs_scope(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local()
        || address.segments().first().is_some_and(|first| first & 0xff0f == 0xff02)
}

/// Whether `destination` is one of the groups.
pub(super) fn is_group(destination: SocketAddr) -> bool {
    match destination.ip() {
        IpAddr::V4(v4) => v4 == GROUP_V4,
        IpAddr::V6(v6) => v6 == GROUP_V6,
    }
}

/// What is the same for every socket, before it is bound.
fn prepare(sock: &SockRef<'_>, family: Family) -> io::Result<()> {
    sock.set_nonblocking(true)?;
    sock.set_reuse_address(true)?;
    // As much of it as the system allows; with less it works as well.
    if sock.recv_buffer_size().is_ok_and(|bytes| bytes < RECEIVE_BYTES) {
        let _ = sock.set_recv_buffer_size(RECEIVE_BYTES);
    }
    match family {
        Family::V4 => {
            sock.set_multicast_ttl_v4(TTL)?;
            sock.set_ttl_v4(TTL)?;
            // Other programs on this machine hear us only by the loop. Windows asks the
            // receiver for it, everybody else the sender: every socket here is both.
            sock.set_multicast_loop_v4(true)
        }
        Family::V6 => {
            sock.set_only_v6(true)?;
            sock.set_multicast_hops_v6(TTL)?;
            sock.set_unicast_hops_v6(TTL)?;
            sock.set_multicast_loop_v6(true)
        }
    }
}

/// Joins the group by the interface's index, or by its address where that is refused (wine,
/// qemu-user) or not known (OpenBSD, NetBSD).
fn join(sock: &SockRef<'_>, info: &InterfaceInfo, family: Family) -> io::Result<()> {
    let joined = match family {
        Family::V6 => sock.join_multicast_v6(&GROUP_V6, info.index),
        Family::V4 => match (join_by_index(sock, info.index), info.v4.first()) {
            (Err(error), Some((address, _))) if !super::problem::is_no_buffers(&error) => {
                sock.join_multicast_v4(&GROUP_V4, address).map_err(|_| error)
            }
            (joined, _) => joined,
        },
    };
    match joined {
        // A membership that is there already.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
        joined => joined,
    }
}

#[cfg(not(any(target_os = "netbsd", target_os = "openbsd", target_os = "illumos", target_os = "solaris")))]
fn join_by_index(sock: &SockRef<'_>, index: u32) -> io::Result<()> {
    sock.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
}

#[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "illumos", target_os = "solaris"))]
fn join_by_index(_: &SockRef<'_>, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes multicast leave by this interface whatever the routing table says. `tied` says that
/// the socket is bound to the device, which alone does that. Gives back the address that
/// stands for the interface, if it took one.
fn choose_outgoing(
    sock: &SockRef<'_>,
    info: &InterfaceInfo,
    family: Family,
    tied: bool,
) -> io::Result<Option<Ipv4Addr>> {
    match family {
        Family::V6 => match sock.set_multicast_if_v6(info.index) {
            Err(error) if !tied => Err(error),
            _ => Ok(None),
        },
        // On Linux this would fix the source address for good as well, which then outlives
        // a change of the interface's addresses.
        Family::V4 if tied => Ok(None),
        Family::V4 => {
            if platform::OUTGOING_BY_INDEX
                && sock.set_multicast_if_v4(&Ipv4Addr::from_bits(info.index & 0x00ff_ffff)).is_ok()
            {
                return Ok(None);
            }
            let Some((address, _)) = info.v4.first() else {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            };
            sock.set_multicast_if_v4(address)?;
            Ok(Some(*address))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn link_local_destinations_get_the_scope_of_the_link() {
        let scope = |text: &str| match with_scope(text.parse().unwrap(), 7) {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        assert_eq!(scope("[ff02::fb]:5353"), 7);
        assert_eq!(scope("[fe80::1]:5353"), 7);
        assert_eq!(scope("[fe80::1%3]:5353"), 3);
        assert_eq!(scope("[2001:db8::1]:5353"), 0);
        assert_eq!(scope("224.0.0.251:5353"), 0);
    }
}
