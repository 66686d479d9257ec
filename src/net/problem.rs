//! What an error of the operating system means for Multicast DNS, and what to do about it.

use std::fmt;
use std::io;

/// The cause of a [`NetError`](crate::NetError), as far as the error tells it.
///
/// ```
/// let problem = salut::Problem::TooManyMemberships;
/// assert_eq!(problem.as_str(), "too-many-memberships");
/// assert!(problem.advice().contains("net.ipv4.igmp_max_memberships"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// The list of interfaces cannot be read.
    NoList,
    /// Another program holds UDP port 5353 and does not share it.
    PortTaken,
    /// A sandbox, container or security profile forbids the socket or the membership.
    Forbidden,
    /// The system has no such address family.
    NoFamily,
    /// More multicast memberships than the system allows.
    TooManyMemberships,
    /// More open files than the system allows.
    TooManyFiles,
    /// macOS or iOS keeps this program from the local network.
    LocalNetworkPermission,
    /// A firewall drops what this program sends.
    Firewall,
    /// No route leads to the destination.
    NoRoute,
    /// The interface is down, or has no carrier.
    InterfaceDown,
    /// The interface is gone.
    InterfaceGone,
    /// The interface has no address of that family that is ready for use.
    NoAddress,
    /// The system's send buffers are full.
    BuffersFull,
    /// Something else; the error itself tells what there is to tell.
    Other,
}

impl Problem {
    /// A stable name, for programs: `port-taken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoList => "no-list",
            Self::PortTaken => "port-taken",
            Self::Forbidden => "forbidden",
            Self::NoFamily => "no-family",
            Self::TooManyMemberships => "too-many-memberships",
            Self::TooManyFiles => "too-many-files",
            Self::LocalNetworkPermission => "local-network-permission",
            Self::Firewall => "firewall",
            Self::NoRoute => "no-route",
            Self::InterfaceDown => "interface-down",
            Self::InterfaceGone => "interface-gone",
            Self::NoAddress => "no-address",
            Self::BuffersFull => "buffers-full",
            Self::Other => "other",
        }
    }

    /// What it means, in half a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NoList => "the system does not say which network interfaces there are",
            Self::PortTaken => "another program holds UDP port 5353 and does not share it",
            Self::Forbidden => "the system forbids this program to use multicast",
            Self::NoFamily => "this system has no such address family",
            Self::TooManyMemberships => "the system allows no more multicast memberships",
            Self::TooManyFiles => "this program has too many files open",
            Self::LocalNetworkPermission => "the system keeps this program from the local network",
            Self::Firewall => "a firewall drops what this program sends",
            Self::NoRoute => "no route leads there",
            Self::InterfaceDown => "the interface is down",
            Self::InterfaceGone => "the interface is gone",
            Self::NoAddress => "the interface has no address of this family that is ready for use",
            Self::BuffersFull => "the system's send buffers are full",
            Self::Other => "the system refuses it",
        }
    }

    /// What to do about it, in half a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoList => "look at the sandbox or security profile of this program",
            Self::PortTaken if cfg!(windows) => {
                "find it with `netstat -abn -p UDP` and stop it or let it share the port"
            }
            Self::PortTaken => {
                "find it with `ss -ulpn sport = :5353` or `lsof -i UDP:5353` and stop it or let it share \
                 (avahi-daemon: disallow-other-stacks=no; other programs: SO_REUSEADDR)"
            }
            Self::Forbidden => "look at the sandbox, container or security profile of this program",
            Self::NoFamily => "nothing, if it is not wanted",
            Self::TooManyMemberships => {
                "raise the limit with `sysctl net.ipv4.igmp_max_memberships=100`, or use fewer interfaces"
            }
            Self::TooManyFiles => "raise the limit (`ulimit -n`)",
            Self::LocalNetworkPermission => {
                "allow it in System Settings > Privacy & Security > Local Network, \
                 or look for a missing route or a packet filter if it is allowed there"
            }
            Self::Firewall => "allow UDP port 5353 in and out, to 224.0.0.251 and ff02::fb",
            Self::NoRoute => "check the interface's addresses and routes",
            Self::InterfaceDown => "check the cable or the wireless link",
            Self::InterfaceGone => "wait for it, or plug it in again",
            Self::NoAddress => "wait for DHCP or duplicate address detection, or give it one",
            Self::BuffersFull => "wait; the interface may hang",
            Self::Other => "it is tried again",
        }
    }
}

/// What was being done when an error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    List,
    Open,
    Join,
    Send,
}

impl Step {
    /// What an error means at this step.
    pub(super) fn problem(self, error: &io::Error) -> Problem {
        use io::ErrorKind::{
            AddrInUse, AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable, PermissionDenied,
        };
        match (self, error.kind()) {
            (Self::List, _) => Problem::NoList,
            _ if number::is(error, number::NO_FILES) => Problem::TooManyFiles,
            _ if number::is(error, number::GONE) => Problem::InterfaceGone,
            (Self::Open | Self::Join, _) if number::is(error, number::NO_FAMILY) => Problem::NoFamily,
            (Self::Open, AddrInUse) => Problem::PortTaken,
            // Windows says so of a port that is held with SO_EXCLUSIVEADDRUSE.
            (Self::Open, PermissionDenied) if cfg!(windows) => Problem::PortTaken,
            (Self::Open | Self::Join, PermissionDenied) => Problem::Forbidden,
            (Self::Join, _) if is_no_buffers(error) => Problem::TooManyMemberships,
            (Self::Send, PermissionDenied) => Problem::Firewall,
            (Self::Send, HostUnreachable) if cfg!(target_vendor = "apple") => Problem::LocalNetworkPermission,
            (_, HostUnreachable | NetworkUnreachable) => Problem::NoRoute,
            (_, NetworkDown) => Problem::InterfaceDown,
            (_, AddrNotAvailable) => Problem::NoAddress,
            (Self::Send, _) if is_no_buffers(error) => Problem::BuffersFull,
            _ => Problem::Other,
        }
    }
}

/// What it means and what to do about it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.meaning(), self.advice())
    }
}

/// The error numbers that [`io::ErrorKind`] has no name for.
pub(super) mod number {
    use std::io;

    /// By system: Linux and Android; Windows; macOS and the BSDs.
    type Numbers = (&'static [i32], &'static [i32], &'static [i32]);

    pub(crate) const NO_BUFFERS: Numbers = (&[105], &[10055], &[55]);
    pub(crate) const TOO_LONG: Numbers = (&[90], &[10040], &[40]);
    /// Of this process, of the system.
    pub(super) const NO_FILES: Numbers = (&[24, 23], &[10024], &[24, 23]);
    /// ENODEV, ENXIO.
    pub(super) const GONE: Numbers = (&[19, 6], &[], &[19, 6]);
    /// EAFNOSUPPORT, EPROTONOSUPPORT, EPFNOSUPPORT.
    pub(super) const NO_FAMILY: Numbers = (&[97, 93, 96], &[10047, 10043, 10046], &[47, 43, 46]);

    pub(crate) fn is(error: &io::Error, (linux, windows, bsd): Numbers) -> bool {
        let numbers = if cfg!(any(target_os = "linux", target_os = "android")) {
            linux
        } else if cfg!(windows) {
            windows
        } else {
            bsd
        };
        error.raw_os_error().is_some_and(|number| numbers.contains(&number))
    }
}

pub(super) fn is_no_buffers(error: &io::Error) -> bool {
    number::is(error, number::NO_BUFFERS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_same_error_means_another_thing_at_another_step() {
        let permission = || io::Error::from(io::ErrorKind::PermissionDenied);
        let expected = if cfg!(windows) { Problem::PortTaken } else { Problem::Forbidden };
        assert_eq!(Step::Open.problem(&permission()), expected);
        assert_eq!(Step::Send.problem(&permission()), Problem::Firewall);
        assert_eq!(Step::Open.problem(&io::ErrorKind::AddrInUse.into()), Problem::PortTaken);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_error_numbers_are_told_apart() {
        let error = io::Error::from_raw_os_error;
        assert_eq!(Step::Join.problem(&error(105)), Problem::TooManyMemberships);
        assert_eq!(Step::Send.problem(&error(105)), Problem::BuffersFull);
        assert_eq!(Step::Open.problem(&error(24)), Problem::TooManyFiles);
        assert_eq!(Step::Open.problem(&error(97)), Problem::NoFamily);
        assert_eq!(Step::Send.problem(&error(19)), Problem::InterfaceGone);
        assert_eq!(Step::Send.problem(&error(1)), Problem::Firewall);
        assert_eq!(Step::Send.problem(&error(113)), Problem::NoRoute);
        assert_eq!(Step::Send.problem(&error(101)), Problem::NoRoute);
        assert_eq!(Step::Send.problem(&error(100)), Problem::InterfaceDown);
        assert_eq!(Step::Send.problem(&error(99)), Problem::NoAddress);
        assert_eq!(Step::Send.problem(&error(5)), Problem::Other);
    }
}
