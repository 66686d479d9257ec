//! Who else holds UDP port 5353 on this machine?
//!
//! A datagram that is sent to one of our addresses goes to a single socket. Beside a
//! responder that holds the port with the wildcard address a second such socket would steal
//! half of what is meant for the first (RFC 6762 §15.1), so ours are only open while nobody
//! else has one. Trying an exclusive bind could tell that before our own sockets are open and
//! never again; the system's list of sockets can be read at any time.

use std::collections::BTreeSet;

use crate::wire::MDNS_PORT;

/// Who else holds the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Others {
    /// A socket with the wildcard address: unicast is left to it.
    pub(super) wildcard: bool,
    /// Any socket at all on the port: another responder, or a browser.
    pub(super) any: bool,
}

impl Others {
    /// What is assumed where the system does not tell.
    const UNKNOWN: Self = Self { wildcard: true, any: true };

    /// As the list of sockets says now, without those with the inodes in `own`.
    pub(super) fn look(own: &BTreeSet<u64>) -> Self {
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            return Self::UNKNOWN;
        }
        // Without IPv6 in the kernel the second list does not exist.
        let v6 = std::fs::read_to_string("/proc/net/udp6").unwrap_or_default();
        match std::fs::read_to_string("/proc/net/udp") {
            Ok(v4) => parse(&v4, own).and(parse(&v6, own)),
            Err(_) => Self::UNKNOWN,
        }
    }

    fn and(self, other: Self) -> Self {
        Self { wildcard: self.wildcard || other.wildcard, any: self.any || other.any }
    }
}

/// Reads `/proc/net/udp` or `/proc/net/udp6`.
fn parse(text: &str, own: &BTreeSet<u64>) -> Others {
    let mut others = Others::default();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let Some((address, port)) = fields.nth(1).and_then(|local| local.split_once(':')) else { continue };
        if u16::from_str_radix(port, 16) != Ok(MDNS_PORT) {
            continue;
        }
        // local, then: remote, state, queues, timer, retransmissions, uid, timeout, inode.
        let inode = fields.nth(7).and_then(|inode| inode.parse::<u64>().ok());
        if inode.is_some_and(|inode| own.contains(&inode)) {
            continue;
        }
        others.any = true;
        others.wildcard |= address.bytes().all(|digit| digit == b'0');
    }
    others
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const V4: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  120: FB0000E0:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1111 2 0000000000000000 0
  120: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2222 2 0000000000000000 0
  121: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3333 2 0000000000000000 0
";
    const V6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  120: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4444 2 0000000000000000 0
";

    #[test]
    fn a_wildcard_holder_is_told_from_a_group_member_and_from_ourselves() {
        let none = BTreeSet::new();
        assert_eq!(parse(V4, &none), Others { wildcard: true, any: true });
        assert_eq!(parse(V4, &[2222].into()), Others { wildcard: false, any: true });
        assert_eq!(parse(V4, &[1111, 2222].into()), Others::default());
        assert_eq!(parse(V6, &none), Others { wildcard: true, any: true });
        assert_eq!(parse(V6, &[4444].into()), Others::default());
        assert_eq!(parse("nonsense\n x :::\n", &none), Others::default());
    }
}
