#![doc = include_str!("../../docs/LIBP2P.md")]
//!
//! # Files
//!
//! With the feature `libp2p-056` there is `v056`, with `libp2p-057` there is `v057`.
//!
//! | file | what |
//! |---|---|
//! | `version/` | what depends on the version of libp2p, compiled once for each |
//! | `discovery` | one peer beside the engine |
//! | `advertise`, `name`, `quiet` | what it announces, and when |
//! | `heard`, `table`, `lease`, `address` | whom it hears |
//! | `board`, `notes` | what there is to tell the swarm, and beside it |
//! | `static_peers`, `sources`, `ask` | peers that are known beforehand |
//! | `task` | the peers of one [`Mdns`](crate::Mdns) |

mod address;
mod advertise;
mod alive;
mod ask;
mod board;
mod config;
mod discovery;
mod heard;
mod lease;
mod name;
mod notes;
mod quiet;
mod room;
mod sources;
mod start;
mod static_peers;
mod table;
mod task;
#[cfg(all(test, feature = "sim"))]
mod tests;

pub use notes::{CopiedIdentity, PeerStatus, StaticPeersStatus, StatusStream};
pub use static_peers::{StaticPeer, StaticPeerError};
pub(crate) use task::{Discoveries, PeerCommand};

#[doc = include_str!("../../docs/MOVING_FROM_LIBP2P_MDNS.md")]
pub mod moving {}

/// For libp2p 0.56.
#[cfg(feature = "libp2p-056")]
#[path = "version"]
pub mod v056 {
    use libp2p_core_0_43 as libp2p_core;
    use libp2p_identity_0_2 as libp2p_identity;
    use libp2p_swarm_0_47 as libp2p_swarm;

    mod behaviour;
    mod builder;
    mod multiaddr;

    pub use super::StaticPeer;
    pub use super::config::{Config, IPV4_MDNS_MULTICAST_ADDRESS, IPV6_MDNS_MULTICAST_ADDRESS};
    pub use behaviour::{Behaviour, Event, tokio};
    pub use builder::Builder;
}

/// For libp2p 0.57.
#[cfg(feature = "libp2p-057")]
#[path = "version"]
#[cfg_attr(feature = "libp2p-056", expect(clippy::duplicate_mod, reason = "one source, two versions"))]
pub mod v057 {
    use libp2p_core_0_44 as libp2p_core;
    use libp2p_identity_0_3 as libp2p_identity;
    use libp2p_swarm_0_48 as libp2p_swarm;

    mod behaviour;
    mod builder;
    mod multiaddr;

    pub use super::StaticPeer;
    pub use super::config::{Config, IPV4_MDNS_MULTICAST_ADDRESS, IPV6_MDNS_MULTICAST_ADDRESS};
    pub use behaviour::{Behaviour, Event, tokio};
    pub use builder::Builder;
}
