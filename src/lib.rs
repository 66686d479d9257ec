//! Multicast DNS and DNS-SD.

#[cfg(feature = "tokio")]
mod api;
pub mod error;
pub mod name;
#[cfg(feature = "tokio")]
mod net;
pub mod proto;
pub mod service;
#[cfg(feature = "sim")]
pub mod sim;
pub mod txt;
pub mod wire;

#[cfg(feature = "tokio")]
pub use api::{Announcement, AnnouncementEvent, AsServiceType, Browse, Builder, Error, Mdns, Resolved};
pub use error::{NameError, ServiceError, TxtError};
pub use name::{HostName, InstanceName, Name, ServiceType};
#[cfg(feature = "tokio")]
pub use net::{FamilyStatus, InterfaceInfo, LinkStatus, NetError};
pub use service::{Change, Instance, Interface, Lost, Service};
pub use txt::Txt;
