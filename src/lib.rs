//! Multicast DNS and DNS-SD.

pub mod error;
pub mod name;
pub mod service;
pub mod txt;
pub mod wire;

pub use error::{NameError, ServiceError, TxtError};
pub use name::{HostName, InstanceName, Name, ServiceType};
pub use service::{Change, Instance, Interface, Lost, Service};
pub use txt::Txt;
