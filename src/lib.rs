//! mDNS and DNS-SD (Bonjour, Avahi, zeroconf) in pure Rust: announce a service, find every
//! other one on the LAN.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use salut::{Mdns, Service};
//!
//! let mdns = Mdns::new()?;
//! let node = mdns.announce(Service::new("My Node", "_exo._tcp", 52415)?.txt("id", "12D3Koo")?).await?;
//! println!("visible as {}", node.name());            // "My Node (2)" after a conflict
//! mdns.shutdown().await;                             // goodbyes have left
//! # Ok(()) }
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use salut::{Change, Mdns};
//!
//! let mut nodes = Mdns::new()?.browse("_exo._tcp")?;
//! while let Some(change) = nodes.next().await {
//!     match change {                                 // exhaustive on purpose: no `_` arm
//!         Change::Found(node) => println!("+ {} {:?}", node.name, node.sockets()),
//!         Change::Updated(node) => println!("~ {} {:?}", node.name, node.sockets()),
//!         Change::Lost(name) => println!("- {name}"),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! | feature | what | default |
//! |---|---|---|
//! | `tokio` | the API with sockets: `Mdns`, `Announcement`, `Browse` | yes |
//! | `cli` | the `salut` program | no |
//! | `metrics` | counters through the `metrics` facade, see [`networks`] | no |
//! | `hickory` | names and records as hickory-proto has them | no |
//! | `sim` | `sim::Lan`, a LAN in virtual time | no |
//! | `libp2p-056`, `libp2p-057` | `libp2p`, in the place of `libp2p-mdns` | no |
//! | `log` | what `tracing` is told goes to `log` as well | no |
//!
//! Without `tokio` there remain [`proto`], the engine without I/O, and [`wire`], its messages.

#[cfg(feature = "tokio")]
mod api;
pub mod error;
#[cfg(feature = "hickory")]
pub mod hickory;
#[cfg(feature = "_libp2p")]
pub mod libp2p;
pub mod name;
#[cfg(feature = "tokio")]
mod net;
pub mod proto;
pub mod service;
#[doc = include_str!("../docs/STANDARDS.md")]
pub mod standards {}
#[doc = include_str!("../docs/CONFORMANCE.md")]
pub mod conformance {}
#[doc = include_str!("../docs/NETWORKS.md")]
pub mod networks {}
#[doc = include_str!("../docs/PEERS.md")]
pub mod peers {}
#[doc = include_str!("../docs/SECURITY.md")]
pub mod security {}
#[cfg(feature = "sim")]
pub mod sim;
mod spare;
pub mod txt;
pub mod wire;

#[cfg(feature = "tokio")]
pub use api::{
    Announcement, AsServiceType, Browse, BrowseTypes, Builder, Denial, Error, Mdns, Resolved, StatusWatch,
};
pub use error::{NameError, ServiceError, TxtError};
pub use name::{HostName, InstanceName, Name, ServiceType};
#[cfg(feature = "tokio")]
pub use net::{
    AnnouncementEvent, FamilyStatus, InterfaceInfo, InterfaceKind, LinkStatus, NetError, PortHolder, Problem,
    Process, Status, Unused,
};
pub use service::{Change, Instance, Interface, Lost, OfferedType, Service, TypeChange};
pub use txt::Txt;
