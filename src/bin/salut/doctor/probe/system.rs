//! What the operating system tells of interfaces, groups, neighbours and routes.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use salut::proto::Family;
use salut::{InterfaceInfo, PortHolder, Status};

use super::super::facts::{Holder, Interface, Machine, Neighbour, System};

/// The interfaces, those in use first.
pub(super) fn interfaces(status: &Status, chosen: &[String]) -> Vec<Interface> {
    let used = status.links.iter().map(|link| (&link.interface, true));
    let unused = status.unused.iter().map(|(info, _)| (info, false));
    let mut all: Vec<Interface> =
        used.chain(unused).map(|(info, used)| interface(info, used, chosen)).collect();
    all.sort_by_key(|one| (!one.used, one.index));
    all
}

fn interface(info: &InterfaceInfo, used: bool, chosen: &[String]) -> Interface {
    let up = info.running || is_up(info).unwrap_or(true);
    Interface {
        name: info.name.to_string(),
        index: info.index,
        kind: info.kind.into(),
        used: used || chosen.iter().any(|name| **name == *info.name),
        chosen: chosen.iter().any(|name| **name == *info.name),
        up,
        carrier: info.running,
        multicast: info.multicast,
        v4: info.v4.clone(),
        v6: info.v6.clone(),
        ..Interface::default()
    }
}

/// Whether an interface that does not run is switched on all the same: only Linux tells that
/// apart from a cable that is out. Nothing is said where that is not known.
fn is_up(info: &InterfaceInfo) -> Option<bool> {
    const IFF_UP: u32 = 1;
    let read = |file: &str| fs::read_to_string(format!("/sys/class/net/{}/{file}", info.name)).ok();
    // What is mounted at /sys may belong to another network namespace.
    let index: u32 = read("ifindex")?.trim().parse().ok()?;
    let flags = u32::from_str_radix(read("flags")?.trim().trim_start_matches("0x"), 16).ok()?;
    (index == info.index).then_some(flags & IFF_UP != 0)
}

/// Who else holds the port, each program once. Looks through all processes.
pub(super) fn holders(all: &[PortHolder]) -> Vec<Holder> {
    let found: BTreeSet<Holder> = all
        .iter()
        .map(|holder| match holder.process() {
            Some(process) => Holder { pid: Some(process.pid), program: Some(process.name) },
            None => Holder::default(),
        })
        .filter(|holder| holder.pid != Some(std::process::id()))
        .collect();
    // A program that could not be named may be one of those that could.
    let named = found.iter().any(|holder| holder.pid.is_some());
    found.into_iter().filter(|holder| holder.pid.is_some() || !named).collect()
}

/// Whether the kernel lists the group as joined on an interface; `None` where it does not tell.
pub(super) fn is_joined(interface: &Interface, family: Family) -> Option<bool> {
    match family {
        Family::V4 => Some(has_igmp(&fs::read_to_string("/proc/net/igmp").ok()?, &interface.name)),
        Family::V6 => Some(has_igmp6(&fs::read_to_string("/proc/net/igmp6").ok()?, interface.index)),
    }
}

/// `/proc/net/igmp`: a line for each interface, below it one for each of its groups, as the
/// machine holds the address in memory.
fn has_igmp(text: &str, name: &str) -> bool {
    let wanted = format!("{:08X}", u32::from_ne_bytes([224, 0, 0, 251]));
    let mut here = false;
    for line in text.lines() {
        if !line.starts_with(['\t', ' ']) {
            let heading = line.split_once('\t').map_or(line, |(_, rest)| rest);
            here = heading.split([':', ' ', '\t']).next() == Some(name);
        } else if here && line.split_whitespace().next() == Some(&wanted) {
            return true;
        }
    }
    false
}

/// `/proc/net/igmp6`: index, name and group on each line.
fn has_igmp6(text: &str, index: u32) -> bool {
    text.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next().and_then(|text| text.parse().ok()) == Some(index)
            && fields.nth(1) == Some("ff0200000000000000000000000000fb")
    })
}

/// The default router of an interface (IPv4).
pub(super) fn gateway(interface: &Interface) -> Option<IpAddr> {
    read_gateway(&fs::read_to_string("/proc/net/route").ok()?, &interface.name)
}

fn read_gateway(text: &str, name: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        if fields.next() != Some(name) || fields.next() != Some("00000000") {
            return None;
        }
        let address = u32::from_str_radix(fields.next()?, 16).ok()?;
        (address != 0).then(|| Ipv4Addr::from(address.to_ne_bytes()).into())
    })
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
pub(super) fn neighbours(interfaces: &[Interface]) -> Vec<Neighbour> {
    let Ok(output) = std::process::Command::new("arp").arg("-an").output() else { return Vec::new() };
    read_arp(&String::from_utf8_lossy(&output.stdout), interfaces)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
pub(super) fn neighbours(_: &[Interface]) -> Vec<Neighbour> {
    Vec::new()
}

#[cfg(target_os = "linux")]
pub(super) fn neighbours(_: &[Interface]) -> Vec<Neighbour> {
    super::neighbours::list().unwrap_or_default()
}

/// `? (10.0.0.2) at 8:0:27:1:2:3 on en0 ifscope [ethernet]`.
#[cfg(any(target_os = "macos", target_os = "freebsd", test))]
fn read_arp(text: &str, interfaces: &[Interface]) -> Vec<Neighbour> {
    let line = |line: &str| {
        let address = line.split_once('(')?.1.split_once(')')?.0.parse().ok()?;
        let (at, on) = line.split_once(" at ")?.1.split_once(" on ")?;
        let name = on.split_whitespace().next()?;
        let index = interfaces.iter().find(|one| one.name == name)?.index;
        Some(Neighbour { address, index, reached: Some(!at.contains("incomplete")) })
    };
    text.lines().filter_map(line).collect()
}

/// The address that the routing table would send from, to reach `to`.
pub(super) fn source_for(to: IpAddr) -> Option<IpAddr> {
    const DISCARD: u16 = 9;
    let any: SocketAddr = match to {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // Connecting sends nothing.
    socket.connect((to, DISCARD)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// Where this program runs.
pub(super) fn machine() -> Machine {
    let system = match std::env::consts::OS {
        "linux" | "android" => System::Linux,
        "macos" | "ios" => System::Mac,
        "windows" => System::Windows,
        _ => System::Other,
    };
    let full = gethostname::gethostname().to_string_lossy().into_owned();
    Machine {
        name: full.split('.').next().unwrap_or_default().to_owned(),
        system,
        container: container(),
        wsl2: fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|release| release.to_ascii_lowercase().contains("microsoft")),
        app_firewall: if system == System::Mac { app_firewall() } else { None },
        multicast_route: None,
    }
}

fn container() -> Option<String> {
    if !has_network_of_first_process() {
        return None;
    }
    // What podman and docker leave in the root of a container.
    for (path, engine) in [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")] {
        if fs::metadata(path).is_ok() {
            return Some(engine.to_owned());
        }
    }
    // systemd's convention, which lxc and nspawn keep.
    let environment = std::env::var("container").ok().filter(|name| !name.is_empty());
    environment.or_else(|| std::env::var_os("KUBERNETES_SERVICE_HOST").map(|_| "kubernetes".to_owned()))
}

/// Whether the network namespace is the one that the container began with. What a container
/// leaves in its root says nothing of a network that was made inside it.
fn has_network_of_first_process() -> bool {
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net"));
    match (network("1"), network("self")) {
        (Ok(first), Ok(own)) => first == own,
        // An ordinary user may not look.
        _ => true,
    }
}

/// macOS tells the state of its application firewall to everybody.
fn app_firewall() -> Option<bool> {
    let tool = "/usr/libexec/ApplicationFirewall/socketfilterfw";
    let output = std::process::Command::new(tool).arg("--getglobalstate").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("enabled") {
        Some(true)
    } else if text.contains("disabled") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn memberships_are_read_of_the_interface_meant() {
        let text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
                    1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
                    2\teth0      :     2      V3\n\t\t\t\tFB0000E0     1 0:00000000\t\t0\n\
                    \t\t\t\t010000E0     1 0:00000000\t\t0\n";
        assert!(has_igmp(text, "eth0"));
        assert!(!has_igmp(text, "lo"));
        assert!(!has_igmp(text, "eth"));
        let text = "2    eth0            ff0200000000000000000000000000fb     1 0000000C 0\n\
                    3    eth1            ff020000000000000000000000000001     1 0000000C 0\n";
        assert!(has_igmp6(text, 2));
        assert!(!has_igmp6(text, 3));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_router_is_that_of_the_default_route() {
        let text = "Iface\tDestination\tGateway \tFlags\n\
                    eth0\t00000000\tFE004D0A\t0003\n\
                    eth1\t00004D0A\t00000000\t0001\n";
        assert_eq!(read_gateway(text, "eth0"), Some("10.77.0.254".parse().unwrap()));
        assert_eq!(read_gateway(text, "eth1"), None);
    }

    #[test]
    fn the_neighbour_table_of_bsd_is_read() {
        let en0 = Interface { name: "en0".into(), index: 4, ..Interface::default() };
        let text = "? (10.0.0.2) at 8:0:27:1:2:3 on en0 ifscope [ethernet]\n\
                    ? (10.0.0.3) at (incomplete) on en0 ifscope [ethernet]\n\
                    ? (224.0.0.251) at 1:0:5e:0:0:fb on en7 ifscope permanent [ethernet]\n";
        let all: Vec<_> = read_arp(text, &[en0])
            .iter()
            .map(|one| (one.address.to_string(), one.index, one.reached))
            .collect();
        assert_eq!(all, [("10.0.0.2".to_owned(), 4, Some(true)), ("10.0.0.3".to_owned(), 4, Some(false))]);
    }
}
