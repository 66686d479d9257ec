//! What the operating system refuses, said so that somebody can act on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use super::Problem;
use super::problem::Step;
use crate::proto::Family;

/// A socket, a membership or a datagram that the operating system refused.
///
/// None of these ends anything: what failed is tried again, at first after half a second and
/// in the long run every five seconds.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NetError {
    /// The list of network interfaces cannot be read.
    #[error("cannot list the network interfaces: {error}: {}", Step::List.problem(.error))]
    List {
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// No socket, or no use of the port.
    #[error("no {} socket on {interface} at {address}: {error}: {}", family_text(.family), Step::Open.problem(.error))]
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
    #[error("cannot join the {} group {address} on {interface}: {error}: {}", family_text(.family), Step::Join.problem(.error))]
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
    #[error("cannot send {} on {interface} to {address}: {error}: {}", family_text(.family), Step::Send.problem(.error))]
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

    /// What that means here, and what to do about it; part of this error's text as well.
    pub fn problem(&self) -> Problem {
        self.step().problem(self.io())
    }

    fn step(&self) -> Step {
        match self {
            Self::List { .. } => Step::List,
            Self::Open { .. } => Step::Open,
            Self::Join { .. } => Step::Join,
            Self::Send { .. } => Step::Send,
        }
    }

    /// Two errors with the same cause need not both be logged.
    pub(super) fn cause(&self) -> (Step, Option<i32>) {
        (self.step(), self.io().raw_os_error())
    }
}

fn family_text(family: &Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::proto::GROUP_V4;

    const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };

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
            error: Arc::new(io::Error::from_raw_os_error(NO_BUFFERS)),
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
