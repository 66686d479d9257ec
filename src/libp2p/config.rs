//! The settings that `libp2p-mdns` has.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The multicast group of IPv4 (RFC 6762 §3).
pub const IPV4_MDNS_MULTICAST_ADDRESS: Ipv4Addr = crate::proto::GROUP_V4;

/// The multicast group of IPv6 (RFC 6762 §3).
pub const IPV6_MDNS_MULTICAST_ADDRESS: Ipv6Addr = crate::proto::GROUP_V6;

/// Settings, with the fields and defaults of `libp2p-mdns`.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long others believe what we announce, in whole seconds on the wire. A goodbye ends it
    /// earlier. 6 minutes by default.
    pub ttl: Duration,
    /// The longest time between two questions; 5 minutes by default. It is an upper bound:
    /// questions go out at once, after 1, 2, 4 … seconds, and whenever what is known of a peer
    /// gets old.
    pub query_interval: Duration,
    /// Without meaning here: both families are always in use. In `libp2p-mdns` it stands for
    /// IPv6 *instead of* IPv4.
    pub enable_ipv6: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(6 * 60),
            query_interval: Duration::from_secs(5 * 60),
            enable_ipv6: false,
        }
    }
}
