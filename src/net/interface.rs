//! The network interfaces as they are now, and which of them to use.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use if_addrs::IfAddr;

use super::NetError;

/// What is assumed of an interface whose MTU the system does not tell, in bytes.
const USUAL_MTU: u32 = 1500;

/// A network interface as the operating system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whether this is the machine talking to itself.
    pub loopback: bool,
    /// Whether only one peer is behind it, as with most tunnels.
    pub point_to_point: bool,
    /// Whether it carries multicast; true where the system does not tell.
    pub multicast: bool,
    /// Whether it is up and has a carrier.
    pub running: bool,
    /// How often the carrier came, where the system counts it: tells a link that went and
    /// came back between two looks.
    pub(crate) carriers: u32,
}

impl InterfaceInfo {
    /// Whether this interface is used unless the caller chooses: it is running and carries
    /// multicast, and is neither the loopback nor a tunnel nor one of Apple's peer-to-peer
    /// interfaces (`awdl`, `llw`, `utun`).
    pub fn is_usual(&self) -> bool {
        let private = ["awdl", "llw", "utun"].iter().any(|prefix| self.name.starts_with(prefix));
        self.running && self.multicast && !self.loopback && !self.point_to_point && !private
    }

    fn new(index: u32, name: Arc<str>) -> Self {
        Self {
            index,
            name,
            v4: Vec::new(),
            v6: Vec::new(),
            mtu: USUAL_MTU,
            loopback: false,
            point_to_point: false,
            multicast: true,
            running: false,
            carriers: 0,
        }
    }
}

/// Which interfaces to use.
#[derive(Clone, Default)]
pub(crate) enum Choice {
    /// Those that [`InterfaceInfo::is_usual`] says, or else the loopback.
    #[default]
    Usual,
    /// Those with these names.
    Named(Vec<String>),
    /// Those that the caller's predicate takes.
    Where(Arc<dyn Fn(&InterfaceInfo) -> bool + Send + Sync>),
}

impl Choice {
    /// The interfaces of `list` to use now.
    pub(crate) fn pick(&self, list: Vec<InterfaceInfo>) -> Vec<InterfaceInfo> {
        let running = list.into_iter().filter(|info| info.running);
        match self {
            Self::Named(names) => {
                running.filter(|info| names.iter().any(|name| **name == *info.name)).collect()
            }
            Self::Where(predicate) => running.filter(|info| predicate(info)).collect(),
            Self::Usual => {
                let (usual, other): (Vec<_>, Vec<_>) = running.partition(InterfaceInfo::is_usual);
                if usual.is_empty() {
                    // Linux does not set the multicast flag on `lo`, which carries it all the same.
                    other.into_iter().filter(|info| info.loopback).collect()
                } else {
                    usual
                }
            }
        }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("Usual"),
            Self::Named(names) => f.debug_tuple("Named").field(names).finish(),
            Self::Where(_) => f.write_str("Where(..)"),
        }
    }
}

/// All interfaces, by index.
pub(crate) fn list() -> Result<Vec<InterfaceInfo>, NetError> {
    let failed = |error| NetError::List { error: Arc::new(error) };
    // Flags and MTU first: these also show an interface that has no address yet.
    #[cfg(target_os = "linux")]
    let (mut found, flags_known) = match super::netlink::links() {
        Ok(links) => (links, true),
        Err(error) => {
            tracing::debug!(%error, "interface flags cannot be read");
            (BTreeMap::new(), false)
        }
    };
    #[cfg(not(target_os = "linux"))]
    let (mut found, flags_known) = (BTreeMap::<u32, InterfaceInfo>::new(), false);
    for entry in if_addrs::get_if_addrs().map_err(failed)? {
        let Some(index) = entry.index else { continue };
        if flags_known && !found.contains_key(&index) {
            // Came between the two looks: the bell rings for it.
            continue;
        }
        let info = found.entry(index).or_insert_with(|| {
            // Linux shows an address with a label under the label: `eth0:1`.
            let name = entry.name.split(':').next().unwrap_or(&entry.name);
            InterfaceInfo::new(index, name.into())
        });
        if !flags_known {
            info.running |= entry.is_oper_up();
            info.point_to_point |= entry.is_p2p();
            info.loopback |= entry.is_loopback();
        }
        match entry.addr {
            IfAddr::V4(v4) if !v4.ip.is_unspecified() => info.v4.push((v4.ip, v4.prefixlen)),
            IfAddr::V6(v6) if !v6.ip.is_unspecified() => info.v6.push((v6.ip, v6.prefixlen)),
            _ => {}
        }
    }
    let unready = unready_v6();
    let mut list: Vec<_> = found.into_values().collect();
    for info in &mut list {
        info.v6.retain(|(address, _)| !unready.contains(&(*address, info.index)));
        info.v4.sort_unstable();
        info.v4.dedup();
        info.v6.sort_unstable();
        info.v6.dedup();
    }
    Ok(list)
}

/// IPv6 addresses that are still being checked for duplicates, or turned out to be one, with
/// their interface: nothing can be sent from them, and nobody may be told of them.
fn unready_v6() -> Vec<(Ipv6Addr, u32)> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        std::fs::read_to_string("/proc/net/if_inet6").map(|text| parse_if_inet6(&text)).unwrap_or_default()
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
    pub(super) fn from_link(index: u32, name: &str, flags: super::netlink::Flags) -> Self {
        let mut info = Self::new(index, name.into());
        info.mtu = flags.mtu.unwrap_or(USUAL_MTU);
        info.loopback = flags.loopback;
        info.point_to_point = flags.point_to_point;
        info.multicast = flags.multicast;
        info.running = flags.running;
        info.carriers = flags.carriers;
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
        info
    }

    fn names(list: &[InterfaceInfo]) -> Vec<&str> {
        list.iter().map(|info| &*info.name).collect()
    }

    #[test]
    fn the_usual_choice_leaves_out_what_no_neighbour_is_behind() {
        let mut lo = info("lo");
        (lo.loopback, lo.multicast) = (true, false);
        let mut tun = info("tun0");
        tun.point_to_point = true;
        let mut dull = info("eth1");
        dull.multicast = false;
        let mut down = info("eth2");
        down.running = false;
        let list = vec![
            lo.clone(),
            tun.clone(),
            dull.clone(),
            down.clone(),
            info("awdl0"),
            info("utun3"),
            info("eth0"),
        ];
        assert_eq!(names(&Choice::Usual.pick(list)), ["eth0"]);
        // The loopback is for when there is nothing else.
        assert_eq!(names(&Choice::Usual.pick(vec![lo, tun, dull, down])), ["lo"]);
    }

    #[test]
    fn named_interfaces_are_used_whatever_they_are() {
        let mut lo = info("lo");
        (lo.loopback, lo.multicast) = (true, false);
        let mut tun = info("tun0");
        tun.point_to_point = true;
        let choice = Choice::Named(vec!["lo".into(), "tun0".into(), "later0".into()]);
        assert_eq!(names(&choice.pick(vec![lo, tun, info("eth0")])), ["lo", "tun0"]);
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
