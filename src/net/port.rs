//! Who else holds UDP port 5353 on this machine?
//!
//! A datagram that is sent to one of our addresses goes to a single socket. Beside a
//! responder that holds the port with the wildcard address a second such socket would steal
//! half of what is meant for the first (RFC 6762 §15.1), so ours are only open while nobody
//! else has one. Trying an exclusive bind could tell that before our own sockets are open and
//! never again; the system's list of sockets can be read at any time.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::MDNS_PORT;

/// So many holders are told of, far more than any machine has.
const MAX_HOLDERS: usize = 256;

/// A socket of another program on UDP port 5353.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PortHolder {
    /// The address it is bound to. With an unspecified one it gets the unicast datagrams of
    /// this machine, as a responder does; with a multicast one it only listens to that group.
    pub address: IpAddr,
    /// The user who opened it.
    pub uid: u32,
    /// The socket's inode.
    pub inode: u64,
}

impl PortHolder {
    /// Whether it gets what is sent to this machine's own addresses.
    pub fn is_wildcard(&self) -> bool {
        self.address.is_unspecified()
    }

    /// The program that has this socket, if this user may know it and it is in this process
    /// namespace.
    ///
    /// Looks through all processes, which takes milliseconds: not for an executor's thread
    /// that others wait for.
    pub fn process(&self) -> Option<Process> {
        let wanted = format!("socket:[{}]", self.inode);
        for entry in std::fs::read_dir("/proc").ok()?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(files) = std::fs::read_dir(entry.path().join("fd")) else { continue };
            let has = |file: std::fs::DirEntry| {
                std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == &*wanted)
            };
            if files.flatten().any(has) {
                let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                return Some(Process { pid, name: name.trim_end().to_owned() });
            }
        }
        None
    }
}

/// A program that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, cut to 15 bytes by the system, such as `avahi-daemon`.
    pub name: String,
}

/// Who else holds the port; nothing where the system does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Others {
    pub(super) holders: Option<Vec<PortHolder>>,
}

impl Others {
    /// As the list of sockets says now, without those with the inodes in `own`.
    pub(super) fn look(own: &HashSet<u64>) -> Self {
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            return Self::default();
        }
        let Ok(v4) = std::fs::read_to_string("/proc/thread-self/net/udp") else { return Self::default() };
        // Without IPv6 in the kernel the second list does not exist.
        let v6 = std::fs::read_to_string("/proc/thread-self/net/udp6").unwrap_or_default();
        // The system's order changes from look to look.
        let mut holders = Vec::new();
        for holder in parse(&v4, own).chain(parse(&v6, own)).take(MAX_HOLDERS) {
            let at = holders.partition_point(|other: &PortHolder| other.inode < holder.inode);
            holders.insert(at, holder);
        }
        Self { holders: Some(holders) }
    }

    /// A socket with the wildcard address, to which unicast is left; where the system does not
    /// tell there may always be one.
    pub(super) fn wildcard(&self) -> bool {
        self.holders.as_ref().is_none_or(|holders| holders.iter().any(PortHolder::is_wildcard))
    }

    /// Any socket at all on the port: another responder, or a browser.
    pub(super) fn any(&self) -> bool {
        self.holders.as_ref().is_none_or(|holders| !holders.is_empty())
    }
}

/// Reads `/proc/net/udp` or `/proc/net/udp6`.
fn parse(text: &str, own: &HashSet<u64>) -> impl Iterator<Item = PortHolder> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (address, port) = fields.nth(1)?.split_once(':')?;
        if u16::from_str_radix(port, 16) != Ok(MDNS_PORT) {
            return None;
        }
        // local, then: remote, state, queues, timer, retransmissions, uid, timeout, inode.
        let uid = fields.nth(5)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        (!own.contains(&inode)).then_some(PortHolder { address: read_address(address)?, uid, inode })
    })
}

/// An address as the kernel prints it: in words of 32 bits, each in the machine's byte order.
fn read_address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = digits.get(at..at.checked_add(8)?)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (part, at) in bytes.chunks_exact_mut(4).zip((0..32).step_by(8)) {
                part.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const V4: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  120: FB0000E0:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1111 2 0000000000000000 0
  120: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   112        0 2222 2 0000000000000000 0
  121: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3333 2 0000000000000000 0
";
    const V6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  120: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4444 2 0000000000000000 0
";

    fn holders(text: &str, own: &[u64]) -> Others {
        Others { holders: Some(parse(text, &own.iter().copied().collect()).collect()) }
    }

    #[test]
    fn a_wildcard_holder_is_told_from_a_group_member_and_from_ourselves() {
        let look = |text, own: &[u64]| {
            let others = holders(text, own);
            (others.wildcard(), others.any())
        };
        assert_eq!(look(V4, &[]), (true, true));
        assert_eq!(look(V4, &[2222]), (false, true));
        assert_eq!(look(V4, &[1111, 2222]), (false, false));
        assert_eq!(look(V6, &[]), (true, true));
        assert_eq!(look(V6, &[4444]), (false, false));
        assert_eq!(look("nonsense\n x :::\n", &[]), (false, false));
        assert!(Others::default().wildcard() && Others::default().any(), "unknown");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_holder_is_told_with_address_user_and_inode() {
        let all = holders(V4, &[]).holders.unwrap();
        let group = IpAddr::from([224, 0, 0, 251]);
        assert_eq!(all[0], PortHolder { address: group, uid: 0, inode: 1111 });
        assert_eq!(all[1], PortHolder { address: Ipv4Addr::UNSPECIFIED.into(), uid: 112, inode: 2222 });
        let v6 = read_address("000080FE00000000FF005450B6AD1DFE").unwrap();
        assert_eq!(v6, "fe80::5054:ff:fe1d:adb6".parse::<IpAddr>().unwrap());
        assert_eq!(read_address("00"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_this_program_is_found_as_such() {
        use std::os::fd::AsRawFd as _;
        let pipe = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap();
        let inode = link.to_str().unwrap().strip_prefix("socket:[").unwrap().strip_suffix(']').unwrap();
        let holder = PortHolder { address: [0, 0, 0, 0].into(), uid: 0, inode: inode.parse().unwrap() };
        assert_eq!(holder.process().unwrap().pid, std::process::id());
    }
}
