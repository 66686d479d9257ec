//! What sort of interface it is: by what the system says of it, else by its name.

use std::fmt;

/// What sort of network an interface leads to.
///
/// Linux tells most of it by netlink. Elsewhere the flags and the names have to do: macOS,
/// the BSDs and Windows show Wi-Fi as [`Ethernet`](Self::Ethernet) unless its name says so.
///
/// | kind | such as | used by default |
/// |---|---|---|
/// | `Ethernet` | `eth0`, `en0`, `enp3s0`, VLAN, bond, macvlan, the `eth0` of a container | yes |
/// | `Wifi` | `wlan0`, `wlp2s0`, `Wi-Fi` | yes |
/// | `Bridge` | `br0`, `br-lan`, `vmbr0` | yes; its ports are not |
/// | `Other` | InfiniBand, whatever else carries multicast | yes |
/// | `Loopback` | `lo` | if nothing else can be used |
/// | `Container` | `docker0`, `br-` and twelve hexadecimal digits, `virbr0`, `podman0`, `cni0`, `flannel.1`, `cali…`, `vboxnet0`, `vEthernet (WSL)` | if the machine has nothing but these and tunnels |
/// | `Tunnel` | `tun0`, `tap0`, `wg0`, `tailscale0`, `utun3`, `ppp0`, `wwan0`, ZeroTier, GRE, anything point-to-point | no; one that is not point-to-point as `Container` |
/// | `PeerToPeer` | Apple's `awdl0` and `llw0` | no |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InterfaceKind {
    /// A cable, or what behaves like one.
    Ethernet,
    /// A wireless network.
    Wifi,
    /// A bridge that joins this machine to a network.
    Bridge,
    /// The machine talking to itself.
    Loopback,
    /// A VPN or another tunnel, or a line with only one peer behind it.
    Tunnel,
    /// A network inside this machine, of containers or virtual machines.
    Container,
    /// Apple's direct connections between devices.
    PeerToPeer,
    /// None of these.
    Other,
}

impl InterfaceKind {
    /// A stable name, for programs: `ethernet`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Wifi => "wifi",
            Self::Bridge => "bridge",
            Self::Loopback => "loopback",
            Self::Tunnel => "tunnel",
            Self::Container => "container",
            Self::PeerToPeer => "peer-to-peer",
            Self::Other => "other",
        }
    }

    /// Whether neighbours are to be expected behind it.
    pub(super) fn is_usual(self) -> bool {
        matches!(self, Self::Ethernet | Self::Wifi | Self::Bridge | Self::Other)
    }

    /// By the name alone, and whether only one peer is behind it.
    pub(super) fn by_name(name: &str, loopback: bool, point_to_point: bool) -> Self {
        if loopback {
            Self::Loopback
        } else if ["awdl", "llw"].iter().any(|prefix| is_numbered(name, prefix)) {
            Self::PeerToPeer
        } else if point_to_point || is_tunnel(name) {
            Self::Tunnel
        } else if is_container(name) {
            Self::Container
        } else if is_wifi(name) {
            Self::Wifi
        } else {
            Self::Ethernet
        }
    }

    /// By what Linux says: `link` is the kind that `ip -details link` shows, if it is not a
    /// piece of hardware.
    #[cfg(any(target_os = "linux", test))]
    pub(super) fn by_link(self, link: Option<&str>, ethernet: bool) -> Self {
        const TUNNELS: [&str; 15] = [
            "tun",
            "wireguard",
            "ipip",
            "ip6tnl",
            "sit",
            "gre",
            "ip6gre",
            "gretap",
            "ip6gretap",
            "erspan",
            "ip6erspan",
            "vti",
            "vti6",
            "xfrm",
            "ppp",
        ];
        match (self, link) {
            (Self::Loopback | Self::PeerToPeer | Self::Tunnel | Self::Container, _) => self,
            (_, Some(link)) if TUNNELS.contains(&link) => Self::Tunnel,
            (_, Some("bridge")) => Self::Bridge,
            (_, Some("dummy")) => Self::Other,
            _ if ethernet => self,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `prefix` and a number.
fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `prefix` and at least `digits` hexadecimal digits.
fn is_hexed(name: &str, prefix: &str, digits: usize) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() >= digits && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_tunnel(name: &str) -> bool {
    // The last five are lines to a mobile network: Linux, Android, iOS.
    const NUMBERED: [&str; 15] = [
        "tun",
        "tap",
        "utun",
        "wg",
        "ppp",
        "ipsec",
        "tailscale",
        "gif",
        "stf",
        "nebula",
        "wwan",
        "rmnet",
        "rmnet_data",
        "ccmni",
        "pdp_ip",
    ];
    const BEGINNINGS: [&str; 8] =
        ["ZeroTier", "Tailscale", "WireGuard", "OpenVPN", "NordLynx", "nordlynx", "CloudflareWARP", "proton"];
    NUMBERED.iter().any(|prefix| is_numbered(name, prefix))
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        // ZeroTier: ten letters and digits in all.
        || (name.len() == 10 && name.starts_with("zt"))
}

fn is_container(name: &str) -> bool {
    // Docker, libvirt, LXC, LXD and Incus, Podman, CNI plugins, Kubernetes, VirtualBox, VMware,
    // and the VM networks of macOS, which begin at 100.
    const NUMBERED: [&str; 14] = [
        "docker",
        "virbr",
        "lxcbr",
        "lxdbr",
        "incusbr",
        "podman",
        "cni",
        "cni-podman",
        "nerdctl",
        "cbr",
        "vboxnet",
        "vmnet",
        "bridge10",
        "vmenet",
    ];
    const BEGINNINGS: [&str; 14] = [
        "docker_gwbridge",
        "flannel",
        "cilium_",
        "kube-",
        "nodelocaldns",
        "vxlan.calico",
        "weave",
        "antrea-",
        "ovn-k8s-",
        "vEthernet (WSL",
        "vEthernet (Default Switch",
        "vEthernet (nat",
        "VirtualBox Host-Only",
        "VMware Network Adapter",
    ];
    NUMBERED.iter().any(|prefix| is_numbered(name, prefix))
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        // Docker's own networks; Docker's and Podman's ends, Calico's, Cilium's of a container.
        || is_hexed(name, "br-", 12)
        || is_hexed(name, "veth", 7)
        || is_hexed(name, "cali", 8)
        || is_hexed(name, "lxc", 8)
}

fn is_wifi(name: &str) -> bool {
    name.starts_with("wl") || name.starts_with("Wi-Fi") || name.starts_with("WLAN")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::InterfaceKind::*;
    use super::*;

    #[test]
    fn names_tell_what_is_behind_them() {
        for (kind, names) in [
            (
                Ethernet,
                &[
                    "eth0",
                    "en0",
                    "enp3s0",
                    "eno1",
                    "enx00e04c680123",
                    "bond0",
                    "eth0.7",
                    "usb0",
                    "veth0",
                    "veth-a",
                    "h1-eth0",
                    "Ethernet",
                    "vEthernet (Bridged)",
                    "br0",
                    "br-lan",
                    "vmbr0",
                    "bridge0",
                    "dockerlan",
                ][..],
            ),
            (Wifi, &["wlan0", "wlp2s0", "wlx00e04c680123", "Wi-Fi", "Wi-Fi 2"]),
            (
                Tunnel,
                &[
                    "tun0",
                    "tap0",
                    "utun3",
                    "wg0",
                    "tailscale0",
                    "ppp0",
                    "rmnet_data0",
                    "pdp_ip0",
                    "ztabcdefgh",
                    "Tailscale",
                ],
            ),
            (
                Container,
                &[
                    "docker0",
                    "docker_gwbridge",
                    "br-0123456789ab",
                    "virbr0",
                    "virbr1",
                    "lxcbr0",
                    "podman1",
                    "cni0",
                    "cni-podman0",
                    "flannel.1",
                    "cali0123456789a",
                    "veth1a2b3c4",
                    "vboxnet0",
                    "vmnet8",
                    "bridge100",
                    "vEthernet (WSL (Hyper-V firewall))",
                    "vEthernet (Default Switch)",
                ],
            ),
            (PeerToPeer, &["awdl0", "llw0"]),
        ] {
            for name in names {
                assert_eq!(InterfaceKind::by_name(name, false, false), kind, "{name}");
            }
        }
        assert_eq!(InterfaceKind::by_name("lo", true, false), Loopback);
        assert_eq!(InterfaceKind::by_name("eth0", false, true), Tunnel);
    }

    #[test]
    fn what_linux_says_counts_for_more_than_an_ordinary_name() {
        let by =
            |name: &str, link, ethernet| InterfaceKind::by_name(name, false, false).by_link(link, ethernet);
        assert_eq!(by("br0", Some("bridge"), true), Bridge);
        assert_eq!(by("docker0", Some("bridge"), true), Container);
        assert_eq!(by("office", Some("wireguard"), false), Tunnel);
        assert_eq!(by("office", Some("tun"), true), Tunnel);
        assert_eq!(by("erspan0", Some("erspan"), true), Tunnel);
        assert_eq!(by("eth0", Some("veth"), true), Ethernet);
        assert_eq!(by("eth0.7", Some("vlan"), true), Ethernet);
        assert_eq!(by("wlan0", None, true), Wifi);
        assert_eq!(by("ib0", None, false), Other);
        assert_eq!(by("eth0", None, true), Ethernet);
    }
}
