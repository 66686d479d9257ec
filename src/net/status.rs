//! How the links fare, for those who want to look.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::NetError;
use crate::service::Interface;

/// How one address family fares on one interface.
#[derive(Debug, Clone)]
pub enum FamilyStatus {
    /// The group is joined and nothing failed lately.
    Open,
    /// Not wanted, or the interface has no address of this family.
    Absent,
    /// Refused by the operating system; it is tried again.
    Failed(NetError),
}

/// How one interface fares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkStatus {
    /// The interface.
    pub interface: Interface,
    /// Its IPv4 addresses with their prefix lengths.
    pub v4: Vec<(Ipv4Addr, u8)>,
    /// Its IPv6 addresses with their prefix lengths.
    pub v6: Vec<(Ipv6Addr, u8)>,
    /// Its MTU, in bytes.
    pub mtu: u32,
    /// IPv4 on it.
    pub ipv4: FamilyStatus,
    /// IPv6 on it.
    pub ipv6: FamilyStatus,
    /// Whether unicast to port 5353 reaches this program. If not, another responder holds the
    /// port: questions ask for multicast replies then (RFC 6762 §15.1), and a question sent to
    /// this machine's own address is answered by that responder or by nobody.
    pub unicast: bool,
}
