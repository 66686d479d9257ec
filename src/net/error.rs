//! What the operating system refuses, said so that somebody can act on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::proto::Family;

/// A socket, a membership or a datagram that the operating system refused.
///
/// None of these ends anything: what failed is tried again, at first after half a second and
/// in the long run every five seconds.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NetError {
    /// The list of network interfaces cannot be read.
    #[error("cannot list the network interfaces: {error}")]
    List {
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// No socket, or no use of the port.
    #[error("no {} socket on {interface} at {address}: {error}: {}", family_text(.family), opening(.error))]
    Open {
        /// The interface it was for.
        interface: Arc<str>,
        /// Its address family.
        family: Family,
        /// The address to bind to.
        address: SocketAddr,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// No membership of the multicast group.
    #[error("cannot join the {} group {address} on {interface}: {error}: {}", family_text(.family), joining(.error))]
    Join {
        /// The interface it was for.
        interface: Arc<str>,
        /// Its address family.
        family: Family,
        /// The group and the port.
        address: SocketAddr,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// A datagram was not taken.
    #[error("cannot send {} on {interface} to {address}: {error}: {}", family_text(.family), sending(.error))]
    Send {
        /// The interface it was to leave by.
        interface: Arc<str>,
        /// Its address family.
        family: Family,
        /// Where it was to go.
        address: SocketAddr,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
}

impl NetError {
    /// What the operating system said.
    pub fn io(&self) -> &io::Error {
        match self {
            Self::List { error }
            | Self::Open { error, .. }
            | Self::Join { error, .. }
            | Self::Send { error, .. } => error,
        }
    }

    /// One number for each cause: two errors with the same one need not both be logged.
    pub(crate) fn cause(&self) -> (u8, i32) {
        let step = match self {
            Self::List { .. } => 0,
            Self::Open { .. } => 1,
            Self::Join { .. } => 2,
            Self::Send { .. } => 3,
        };
        (step, self.io().raw_os_error().unwrap_or(-1))
    }
}

fn family_text(family: &Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// The error numbers that [`io::ErrorKind`] has no name for.
mod number {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) const ENOBUFS: i32 = 105;
    #[cfg(windows)]
    pub(super) const ENOBUFS: i32 = 10055;
    #[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
    pub(super) const ENOBUFS: i32 = 55;

    #[cfg(windows)]
    pub(super) const EMFILE: i32 = 10024;
    #[cfg(not(windows))]
    pub(super) const EMFILE: i32 = 24;
}

pub(crate) fn is_no_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(number::ENOBUFS)
}

fn opening(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program holds UDP port 5353 and does not share it (such as avahi-daemon with \
             disallow-other-stacks=yes, or a program without SO_REUSEADDR); \
             find it with `ss -ulpn sport = :5353` or `lsof -i UDP:5353` and stop it or let it share"
        }
        io::ErrorKind::PermissionDenied => {
            "the system forbids it; look at the sandbox, container or security profile of this program"
        }
        io::ErrorKind::AddrNotAvailable => "the interface has no address of this family yet",
        io::ErrorKind::Unsupported => "this system has no such address family",
        _ if error.raw_os_error() == Some(number::EMFILE) => {
            "this program has too many files open; raise the limit (`ulimit -n`)"
        }
        _ => "it is tried again",
    }
}

fn joining(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_no_buffers(error) => {
            "too many multicast memberships; raise the limit with \
             `sysctl net.ipv4.igmp_max_memberships=100`"
        }
        io::ErrorKind::PermissionDenied => {
            "the system forbids multicast; look at the sandbox or security profile of this program"
        }
        _ => "it is tried again",
    }
}

fn sending(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::HostUnreachable if cfg!(target_vendor = "apple") => {
            "macOS keeps this program from the local network; allow it in System Settings > \
             Privacy & Security > Local Network"
        }
        io::ErrorKind::PermissionDenied => {
            "a firewall drops it; allow UDP port 5353 in and out, to 224.0.0.251 and ff02::fb"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "no route leads there; check the interface's addresses and routes"
        }
        io::ErrorKind::NetworkDown => "the interface is down; check the cable or the wireless link",
        io::ErrorKind::AddrNotAvailable => "the interface has no address that is ready for use",
        _ if is_no_buffers(error) => "the system's send buffers are full; the interface may hang",
        _ => "it is tried again",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::proto::GROUP_V4;

    #[test]
    fn messages_name_interface_family_address_and_remedy() {
        let text = NetError::Open {
            interface: "eth0".into(),
            family: Family::V4,
            address: (GROUP_V4, 5353).into(),
            error: Arc::new(io::ErrorKind::AddrInUse.into()),
        }
        .to_string();
        for part in ["eth0", "IPv4", "224.0.0.251:5353", "ss -ulpn"] {
            assert!(text.contains(part), "{text}");
        }
        let text = NetError::Join {
            interface: "eth1".into(),
            family: Family::V4,
            address: (GROUP_V4, 5353).into(),
            error: Arc::new(io::Error::from_raw_os_error(number::ENOBUFS)),
        }
        .to_string();
        assert!(text.contains("net.ipv4.igmp_max_memberships"), "{text}");
        let text = NetError::Send {
            interface: "eth1".into(),
            family: Family::V4,
            address: (GROUP_V4, 5353).into(),
            error: Arc::new(io::ErrorKind::PermissionDenied.into()),
        }
        .to_string();
        assert!(text.contains("firewall"), "{text}");
    }
}
