//! The network interfaces as they are now, and which of them to use.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use if_addrs::IfAddr;

use super::{InterfaceKind, NetError};

/// What is assumed of an interface whose MTU the system does not tell, in bytes.
const USUAL_MTU: u32 = 1500;

/// A network interface as the operating system shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InterfaceInfo {
    /// The interface index, as in `ip link`.
    pub index: u32,
    /// The interface name, such as `eth0`.
    pub name: Arc<str>,
    /// IPv4 addresses with their prefix lengths.
    pub v4: Vec<(Ipv4Addr, u8)>,
    /// IPv6 addresses with their prefix lengths, without those that are not ready for use.
    pub v6: Vec<(Ipv6Addr, u8)>,
    /// The largest IP packet in bytes; 1500 where the system does not tell.
    pub mtu: u32,
    /// What sort of network it leads to.
    pub kind: InterfaceKind,
    /// Whether this is the machine talking to itself.
    pub loopback: bool,
    /// Whether only one peer is behind it, as with most tunnels.
    pub point_to_point: bool,
    /// Whether it carries multicast; true where the system does not tell.
    pub multicast: bool,
    /// Whether it is up and has a carrier.
    pub running: bool,
    /// Whether it is a port of a bridge or a bond, which has its traffic; false where the
    /// system does not tell.
    pub port: bool,
    /// How often the carrier came, where the system counts it: tells a link that went and
    /// came back between two looks.
    pub(crate) carriers: u32,
}

impl InterfaceInfo {
    /// Whether this interface is used unless the caller chooses: it is running, carries
    /// multicast, is no port of a bridge, and neighbours are to be expected behind it: it is
    /// neither the loopback, nor a [tunnel](InterfaceKind::Tunnel), nor
    /// [inside this machine](InterfaceKind::Container), nor one of Apple's
    /// [peer-to-peer](InterfaceKind::PeerToPeer) interfaces.
    pub fn is_usual(&self) -> bool {
        self.why_unused().is_none()
    }

    /// Why it is not used unless the caller chooses it.
    fn why_unused(&self) -> Option<Unused> {
        if !self.running {
            Some(Unused::Down)
        } else if self.port {
            Some(Unused::Port)
        } else if self.point_to_point || !self.kind.is_usual() {
            Some(Unused::Kind)
        } else if !self.multicast {
            Some(Unused::NoMulticast)
        } else {
            None
        }
    }

    /// Whether it would do where there is nothing better, as inside a container.
    fn is_makeshift(&self) -> bool {
        let inside = matches!(self.kind, InterfaceKind::Container | InterfaceKind::Tunnel);
        self.running && self.multicast && inside && !self.port && !self.point_to_point
    }

    fn new(index: u32, name: Arc<str>) -> Self {
        Self {
            index,
            name,
            v4: Vec::new(),
            v6: Vec::new(),
            mtu: USUAL_MTU,
            kind: InterfaceKind::Other,
            loopback: false,
            point_to_point: false,
            multicast: true,
            running: false,
            port: false,
            carriers: 0,
        }
    }
}

/// Why an interface is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unused {
    /// It is down or has no carrier.
    Down,
    /// It is a port of a bridge or a bond: the bridge is used in its place.
    Port,
    /// Its [kind](InterfaceKind) is not used unless the caller chooses it.
    Kind,
    /// It carries no multicast.
    NoMulticast,
    /// The caller chose others.
    NotChosen,
}

impl Unused {
    /// A stable name, for programs: `not-chosen`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Port => "port",
            Self::Kind => "kind",
            Self::NoMulticast => "no-multicast",
            Self::NotChosen => "not-chosen",
        }
    }
}

/// Which interfaces to use.
#[derive(Clone, Default)]
pub(crate) enum Choice {
    /// Those that [`InterfaceInfo::is_usual`] says; without any on this machine the makeshift
    /// ones, or else the loopback.
    #[default]
    Usual,
    /// Those with these names.
    Named(Vec<String>),
    /// Those of these kinds.
    Kinds(Vec<InterfaceKind>),
    /// Those that the caller's predicate takes.
    Where(Arc<dyn Fn(&InterfaceInfo) -> bool + Send + Sync>),
}

/// The interfaces of this machine, to use now and not.
pub(crate) type Picked = (Vec<InterfaceInfo>, Vec<(InterfaceInfo, Unused)>);

impl Choice {
    /// Tells the interfaces of `list` that are to be used now from the others.
    pub(crate) fn pick(&self, list: Vec<InterfaceInfo>) -> Picked {
        let mut why: Vec<Option<Unused>> = list.iter().map(|info| self.why_not(info)).collect();
        if let Self::Usual = self
            && !why.contains(&None)
        {
            // An ordinary interface that is down for a moment is no reason to turn to others.
            let alone = !list.iter().any(|info| info.multicast && info.kind.is_usual());
            let mut makeshift = false;
            for (info, why) in list.iter().zip(&mut why).filter(|(info, _)| alone && info.is_makeshift()) {
                tracing::trace!(interface = %info.name, "used for want of a better one");
                *why = None;
                makeshift = true;
            }
            // Linux does not set the multicast flag on `lo`, which carries it all the same.
            for (info, why) in list.iter().zip(&mut why).filter(|_| !makeshift) {
                if info.running && info.loopback {
                    *why = None;
                }
            }
        }
        let (mut picked, mut unused) = (Vec::new(), Vec::new());
        for (info, why) in list.into_iter().zip(why) {
            match why {
                None => picked.push(info),
                Some(why) => unused.push((info, why)),
            }
        }
        (picked, unused)
    }

    fn why_not(&self, info: &InterfaceInfo) -> Option<Unused> {
        let chosen = match self {
            Self::Usual => return info.why_unused(),
            _ if !info.running => return Some(Unused::Down),
            Self::Named(names) => names.iter().any(|name| **name == *info.name),
            Self::Kinds(kinds) => {
                if info.port {
                    return Some(Unused::Port);
                }
                kinds.contains(&info.kind)
            }
            Self::Where(predicate) => predicate(info),
        };
        (!chosen).then_some(Unused::NotChosen)
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("Usual"),
            Self::Named(names) => f.debug_tuple("Named").field(names).finish(),
            Self::Kinds(kinds) => f.debug_tuple("Kinds").field(kinds).finish(),
            Self::Where(_) => f.write_str("Where(..)"),
        }
    }
}

/// All interfaces, by index.
pub(crate) fn list() -> Result<Vec<InterfaceInfo>, NetError> {
    let failed = |error| NetError::List { error: Arc::new(error) };
    // Flags and MTU first: these also show an interface that has no address yet.
    #[cfg(target_os = "linux")]
    let (links, flags_known) = match super::netlink::links() {
        Ok(links) => (links.iter().map(InterfaceInfo::from_link).collect(), true),
        Err(error) => {
            tracing::debug!(%error, "interface flags cannot be read");
            (Vec::new(), false)
        }
    };
    #[cfg(not(target_os = "linux"))]
    let (links, flags_known) = (Vec::<InterfaceInfo>::new(), false);
    let mut list = Vec::new();
    links.into_iter().for_each(|info| put(&mut list, info));
    for entry in if_addrs::get_if_addrs().map_err(failed)? {
        let Some(index) = entry.index else { continue };
        // With flags it came between the two looks: the bell rings for it.
        if !flags_known && !list.iter().any(|info| info.index == index) {
            // Linux shows an address with a label under the label: `eth0:1`.
            let name = entry.name.split(':').next().unwrap_or(&entry.name);
            put(&mut list, InterfaceInfo::new(index, name.into()));
        }
        let Some(info) = list.iter_mut().find(|info| info.index == index) else { continue };
        if !flags_known {
            info.running |= entry.is_oper_up();
            info.point_to_point |= entry.is_p2p();
            info.loopback |= entry.is_loopback();
            info.kind = InterfaceKind::by_name(&info.name, info.loopback, info.point_to_point);
        }
        match entry.addr {
            IfAddr::V4(v4) if !v4.ip.is_unspecified() => insert(&mut info.v4, (v4.ip, v4.prefixlen)),
            IfAddr::V6(v6) if !v6.ip.is_unspecified() => insert(&mut info.v6, (v6.ip, v6.prefixlen)),
            _ => {}
        }
    }
    let unready = unready_v6();
    for info in &mut list {
        info.v6.retain(|(address, _)| !unready.contains(&(*address, info.index)));
    }
    Ok(list)
}

/// Keeps a list of interfaces in the order of their indexes, each once.
fn put(list: &mut Vec<InterfaceInfo>, info: InterfaceInfo) {
    // One that is told of twice changed during the look: the bell rings for that.
    if let Err(at) = list.binary_search_by_key(&info.index, |other| other.index) {
        list.insert(at, info);
    }
}

/// Keeps a short list in order, each item once.
fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(at) = list.binary_search(&item) {
        list.insert(at, item);
    }
}

/// IPv6 addresses that are still being checked for duplicates, or turned out to be one, with
/// their interface: nothing can be sent from them, and nobody may be told of them.
fn unready_v6() -> Vec<(Ipv6Addr, u32)> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        std::fs::read_to_string("/proc/thread-self/net/if_inet6")
            .map(|text| parse_if_inet6(&text))
            .unwrap_or_default()
    } else {
        Vec::new()
    }
}

fn parse_if_inet6(text: &str) -> Vec<(Ipv6Addr, u32)> {
    const OPTIMISTIC: u8 = 0x04;
    const FAILED: u8 = 0x08;
    const TENTATIVE: u8 = 0x40;
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let address = u128::from_str_radix(fields.next()?, 16).ok()?;
            let index = u32::from_str_radix(fields.next()?, 16).ok()?;
            let flags = u8::from_str_radix(fields.nth(2)?, 16).ok()?;
            let unready = flags & FAILED != 0 || (flags & TENTATIVE != 0 && flags & OPTIMISTIC == 0);
            unready.then(|| (Ipv6Addr::from(address), index))
        })
        .collect()
}

#[cfg(target_os = "linux")]
impl InterfaceInfo {
    /// From what netlink says of a link.
    fn from_link(facts: &super::netlink::Facts) -> Self {
        let mut info = Self::new(facts.index, facts.name.as_str().into());
        let by_name = InterfaceKind::by_name(&facts.name, facts.loopback, facts.point_to_point);
        info.kind = by_name.by_link(facts.kind.as_deref(), facts.ethernet);
        info.mtu = facts.mtu.unwrap_or(USUAL_MTU);
        info.loopback = facts.loopback;
        info.point_to_point = facts.point_to_point;
        info.multicast = facts.multicast;
        info.running = facts.running;
        info.port = facts.port;
        info.carriers = facts.carriers;
        info
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn info(name: &str) -> InterfaceInfo {
        let mut info = InterfaceInfo::new(1, name.into());
        info.running = true;
        info.kind = InterfaceKind::by_name(name, name == "lo", false);
        info.loopback = name == "lo";
        info
    }

    fn tun() -> InterfaceInfo {
        InterfaceInfo { point_to_point: true, ..info("tun0") }
    }

    fn lo() -> InterfaceInfo {
        InterfaceInfo { multicast: false, ..info("lo") }
    }

    fn names(choice: &Choice, list: Vec<InterfaceInfo>) -> Vec<String> {
        choice.pick(list).0.iter().map(|info| info.name.to_string()).collect()
    }

    #[test]
    fn the_usual_choice_leaves_out_what_no_neighbour_is_behind() {
        let dull = InterfaceInfo { multicast: false, ..info("eth1") };
        let down = InterfaceInfo { running: false, ..info("eth2") };
        let port = InterfaceInfo { port: true, ..info("eth3") };
        let others = [info("awdl0"), info("utun3"), info("docker0"), info("br-0123456789ab")];
        let mut list = vec![lo(), tun(), dull, down, port, info("eth0"), info("br0"), info("wlan0")];
        list.extend(others);
        let (picked, unused) = Choice::Usual.pick(list);
        assert_eq!(names(&Choice::Usual, picked), ["eth0", "br0", "wlan0"]);
        let why: Vec<_> = unused.iter().map(|(info, why)| (&*info.name, why.as_str())).collect();
        let expected = [
            ("lo", "kind"),
            ("tun0", "kind"),
            ("eth1", "no-multicast"),
            ("eth2", "down"),
            ("eth3", "port"),
            ("awdl0", "kind"),
            ("utun3", "kind"),
            ("docker0", "kind"),
            ("br-0123456789ab", "kind"),
        ];
        assert_eq!(why, expected);
    }

    #[test]
    fn without_an_ordinary_interface_what_is_there_is_used() {
        let usual = |list| names(&Choice::Usual, list);
        let down = InterfaceInfo { running: false, ..info("eth0") };
        // A rootless container, a machine of virtual machines only, a VPN only, nothing at all.
        assert_eq!(usual(vec![lo(), info("tap0")]), ["tap0"]);
        assert_eq!(usual(vec![lo(), info("virbr0"), tun()]), ["virbr0"]);
        assert_eq!(usual(vec![lo(), tun()]), ["lo"]);
        assert_eq!(usual(vec![lo()]), ["lo"]);
        // The network is away for a moment.
        assert_eq!(usual(vec![lo(), down, info("docker0")]), ["lo"]);
    }

    #[test]
    fn what_is_chosen_is_used_whatever_it_is() {
        let choice = Choice::Named(vec!["lo".into(), "tun0".into(), "later0".into()]);
        assert_eq!(names(&choice, vec![lo(), tun(), info("eth0")]), ["lo", "tun0"]);
        let choice = Choice::Kinds(vec![InterfaceKind::Tunnel, InterfaceKind::Wifi]);
        assert_eq!(names(&choice, vec![lo(), tun(), info("eth0"), info("wlan0")]), ["tun0", "wlan0"]);
        let choice = Choice::Where(Arc::new(|info| info.is_usual() || info.name.starts_with("docker")));
        assert_eq!(names(&choice, vec![lo(), tun(), info("eth0"), info("docker0")]), ["eth0", "docker0"]);
        assert_eq!(names(&choice, vec![lo(), tun()]), [""; 0]);
    }

    #[test]
    fn tentative_and_duplicate_addresses_are_left_out() {
        let text = "\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000001 02 40 20 40     eth0
fe800000000000000000000000000002 02 40 20 44     eth0
fe800000000000000000000000000003 02 40 20 08     eth0
fe800000000000000000000000000004 0a 40 20 80     eth1
garbage
";
        let expected = ["fe80::1", "fe80::3"].map(|text| (text.parse().unwrap(), 2));
        assert_eq!(parse_if_inet6(text), expected);
    }

    #[test]
    fn this_machine_has_interfaces_with_indexes() {
        for info in list().unwrap() {
            assert!(info.index > 0 && !info.name.is_empty() && info.mtu > 0, "{info:?}");
        }
    }
}
