//! What the doctor saw. Nothing in here is an opinion: [`judge`](super::judge) has those.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Everything that was found out in one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) machine: Machine,
    pub(super) interfaces: Vec<Interface>,
    /// Other programs that hold UDP port 5353 on this machine.
    pub(super) holders: Vec<Holder>,
    /// Names and identities of this machine that somebody else uses as well.
    pub(super) duplicates: Vec<Duplicate>,
    /// The other end, with `--with`.
    pub(super) with: Option<With>,
}

/// Where this program runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) system: System,
    /// `docker`, `podman`, `kubernetes`, `lxc`, …
    pub(super) container: Option<String>,
    pub(super) wsl2: bool,
    /// macOS: whether its application firewall is on.
    pub(super) app_firewall: Option<bool>,
    /// The interface by which the routing table would send multicast.
    pub(super) multicast_route: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum System {
    #[default]
    Linux,
    Mac,
    Windows,
    Other,
}

impl System {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Mac => "macos",
            Self::Windows => "windows",
            Self::Other => "other",
        }
    }
}

/// What kind of interface it is, as far as the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Ethernet,
    Wifi,
    Bridge,
    Loopback,
    /// A VPN, or another link with one peer only.
    Tunnel,
    /// A network inside this machine.
    Container,
    /// Apple's direct connections between devices.
    PeerToPeer,
}

impl Kind {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Wifi => "wifi",
            Self::Bridge => "bridge",
            Self::Loopback => "loopback",
            Self::Tunnel => "tunnel",
            Self::Container => "container",
            Self::PeerToPeer => "peer-to-peer",
        }
    }

    /// Whether neighbours are to be expected behind it.
    pub(super) fn is_usual(self) -> bool {
        matches!(self, Self::Ethernet | Self::Wifi | Self::Bridge)
    }
}

impl From<salut::InterfaceKind> for Kind {
    fn from(kind: salut::InterfaceKind) -> Self {
        use salut::InterfaceKind as K;
        match kind {
            K::Wifi => Self::Wifi,
            K::Bridge => Self::Bridge,
            K::Loopback => Self::Loopback,
            K::Tunnel => Self::Tunnel,
            K::Container => Self::Container,
            K::PeerToPeer => Self::PeerToPeer,
            _ => Self::Ethernet,
        }
    }
}

/// One network interface, and what came of trying it.
#[derive(Debug, Clone, Default)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) kind: Kind,
    /// Whether salut uses it: chosen by the user, or one of the usual ones.
    pub(super) used: bool,
    /// Whether the user chose it by name.
    pub(super) chosen: bool,
    /// Switched on.
    pub(super) up: bool,
    /// A cable or a wireless network is there.
    pub(super) carrier: bool,
    /// It can carry multicast.
    pub(super) multicast: bool,
    pub(super) v4: Vec<(Ipv4Addr, u8)>,
    pub(super) v6: Vec<(Ipv6Addr, u8)>,
    pub(super) ipv4: Family,
    pub(super) ipv6: Family,
    /// Who was heard by multicast, other than this machine.
    pub(super) heard: BTreeMap<IpAddr, Heard>,
    /// What came of asking neighbours one by one; `None` if there was no need.
    pub(super) unicast: Option<Unicast>,
    /// The default router on this interface.
    pub(super) gateway: Option<IpAddr>,
    /// Neighbours that the link layer reached.
    pub(super) reached: BTreeSet<IpAddr>,
    /// Neighbours that were heard and to which the routing table leads another way.
    pub(super) detours: Vec<Detour>,
}

impl Interface {
    pub(super) fn families(&self) -> [(&'static str, &Family); 2] {
        [("IPv4", &self.ipv4), ("IPv6", &self.ipv6)]
    }

    /// Somebody answered a question of ours.
    pub(super) fn is_answered(&self) -> bool {
        self.heard.values().any(|heard| heard.answered)
    }

    pub(super) fn is_on_link(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.iter().any(|(own, prefix)| {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub((*prefix).into())).unwrap_or(0);
                own.to_bits() & mask == address.to_bits() & mask
            }),
            IpAddr::V6(address) => {
                address.is_unicast_link_local()
                    || self.v6.iter().any(|(own, prefix)| {
                        let mask =
                            u128::MAX.checked_shl(128_u32.saturating_sub((*prefix).into())).unwrap_or(0);
                        own.to_bits() & mask == address.to_bits() & mask
                    })
            }
        }
    }
}

/// One address family on one interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    pub(super) socket: Socket,
    /// Whether the kernel's own list has the group on this interface; `None` where it is not
    /// told.
    pub(super) joined: Option<bool>,
    /// What became of the last datagram that was multicast.
    pub(super) sent: Option<Result<(), Trouble>>,
    /// Whether what we multicast came back to us.
    pub(super) hears_itself: bool,
}

/// A socket on port 5353 that is a member of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Socket {
    /// There is no address of this family, or the interface was not tried.
    #[default]
    Absent,
    Open,
    /// The port could not be had.
    NoPort(Trouble),
    /// The group could not be joined.
    NoGroup(Trouble),
}

/// What the operating system said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) what: What,
    pub(super) text: String,
}

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    InUse,
    Forbidden,
    HostUnreachable,
    NetworkUnreachable,
    NoAddress,
    NoRoom,
    Other,
}

/// Somebody who was heard by multicast.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// With an answer to a question of ours.
    pub(super) answered: bool,
    /// Its address belongs to a subnet of the interface.
    pub(super) on_link: bool,
}

/// Neighbours that were asked one by one, by unicast.
#[derive(Debug, Clone, Default)]
pub(super) struct Unicast {
    pub(super) asked: usize,
    pub(super) answered: BTreeSet<IpAddr>,
}

/// A neighbour, and where packets to it would go.
#[derive(Debug, Clone)]
pub(super) struct Detour {
    pub(super) to: IpAddr,
    /// The interface, or `None` if there is no way at all.
    pub(super) by: Option<String>,
}

/// A neighbour of the link layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) address: IpAddr,
    pub(super) index: u32,
    /// Whether it was reached; `None` while that is being tried.
    pub(super) reached: Option<bool>,
}

/// A program that holds the port.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    /// Known where this program may look.
    pub(super) pid: Option<u32>,
    pub(super) program: Option<String>,
}

/// `avahi-daemon (pid 812)`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.program, self.pid) {
            (Some(program), Some(pid)) => write!(f, "{program} (pid {pid})"),
            (Some(program), None) => f.write_str(program),
            (None, Some(pid)) => write!(f, "The program with pid {pid}"),
            (None, None) => f.write_str("Another program"),
        }
    }
}

/// An identity of this machine that somebody else has, too.
#[derive(Debug, Clone)]
pub(super) struct Duplicate {
    pub(super) what: Identity,
    /// Who else has it.
    pub(super) others: BTreeSet<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// Such as `alpha.local`.
    Host(String),
    /// A libp2p PeerId.
    Peer(String),
}

/// The other end of a two-ended test.
#[derive(Debug, Clone, Default)]
pub(super) struct With {
    /// As given by the user.
    pub(super) host: String,
    /// Empty if the name is not known.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// The interface whose subnet it is in.
    pub(super) interface: Option<String>,
    /// Whether the link layer reached it; `None` where that is not told.
    pub(super) reached: Option<bool>,
    /// It is there but refuses the doctor's port: no doctor runs there.
    pub(super) refused: bool,
    /// What we heard from the doctor there.
    pub(super) heard: Ways,
    /// What the doctor there heard from us, by its own word.
    pub(super) told: Option<Told>,
}

impl With {
    /// Multicast arrives at both ends.
    pub(super) fn is_heard_both_ways(&self) -> bool {
        self.heard.multicast() && self.told.is_some_and(|told| told.heard.multicast())
    }

    /// Whether anything came from the doctor there.
    pub(super) fn is_met(&self) -> bool {
        self.heard != Ways::default()
    }
}

/// How many of its messages came by which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ways {
    pub(super) multicast_v4: u32,
    pub(super) multicast_v6: u32,
    pub(super) unicast: u32,
}

impl Ways {
    pub(super) fn multicast(self) -> bool {
        self.multicast_v4 > 0 || self.multicast_v6 > 0
    }
}

/// What the other doctor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// What it heard from us.
    pub(super) heard: Ways,
    /// It hears its own multicast.
    pub(super) hears_itself: bool,
    /// Its operating system takes its multicast.
    pub(super) sends: bool,
}
