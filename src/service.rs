//! A service to announce, and a service that was found.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use crate::error::{NameError, ServiceError};
use crate::name::{HostName, InstanceName, MAX_LABEL_BYTES, Name, ServiceType};
use crate::proto::PeerRecords;
use crate::txt::Txt;

/// The most subtypes of one service.
pub const MAX_SUBTYPES: usize = 16;

/// A service to announce: an instance name, a type, a port, and what goes into its TXT record.
///
/// ```
/// use salut::Service;
/// let service = Service::new("My Node", "_exo._tcp", 52415)?.txt("id", "12D3Koo")?.subtype("_gpu")?;
/// assert_eq!(service.full_name().to_string(), r"My\032Node._exo._tcp.local");
/// # Ok::<(), salut::ServiceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) instance: InstanceName,
    pub(crate) service: ServiceType,
    pub(crate) subtypes: Vec<Name>,
    pub(crate) host: Option<HostName>,
    pub(crate) port: u16,
    pub(crate) txt: Txt,
    /// A libp2p peer's records are told in another shape.
    pub(crate) peer: Option<PeerRecords>,
}

impl Service {
    /// A service with an empty TXT record, on the participant's own host name.
    ///
    /// # Errors
    /// A bad instance name or service type, or port 0.
    pub fn new(instance: &str, service: &str, port: u16) -> Result<Self, ServiceError> {
        if port == 0 {
            return Err(ServiceError::PortZero);
        }
        Ok(Self {
            instance: InstanceName::new(instance)?,
            service: ServiceType::new(service)?,
            subtypes: Vec::new(),
            host: None,
            port,
            txt: Txt::new(),
            peer: None,
        })
    }

    /// Adds `key=value` to the TXT record.
    ///
    /// # Errors
    /// A key that RFC 6763 §6.4 forbids, or more bytes than fit.
    pub fn txt(mut self, key: &str, value: impl AsRef<[u8]>) -> Result<Self, ServiceError> {
        self.txt = self.txt.with(key, value)?;
        Ok(self)
    }

    /// Replaces the whole TXT record.
    #[must_use]
    pub fn txt_record(mut self, txt: Txt) -> Self {
        self.txt = txt;
        self
    }

    /// Adds a subtype, by which browsers may narrow their search (RFC 6763 §7.1).
    ///
    /// # Errors
    /// An empty subtype, one over 63 bytes or with control characters, or a 17th one.
    pub fn subtype(mut self, subtype: &str) -> Result<Self, ServiceError> {
        let name = subtype_name(&self.service, subtype)?;
        if !self.subtypes.contains(&name) {
            self.subtypes.push(name);
        }
        if self.subtypes.len() > MAX_SUBTYPES {
            return Err(ServiceError::TooManySubtypes { count: self.subtypes.len() });
        }
        Ok(self)
    }

    /// Announces the service on a host name of its own instead of the participant's.
    #[must_use]
    pub fn host(mut self, host: HostName) -> Self {
        self.host = Some(host);
        self
    }

    /// The instance name asked for.
    pub fn instance(&self) -> &InstanceName {
        &self.instance
    }

    /// The service type.
    pub fn service_type(&self) -> &ServiceType {
        &self.service
    }

    /// The full name: `My\032Node._exo._tcp.local`.
    pub fn full_name(&self) -> Name {
        instance_full_name(&self.instance, &self.service)
    }
}

/// `<instance>.<service>.local`. A service type is at most 75 bytes and an instance 64, so
/// that together they always fit a name.
pub(crate) fn instance_full_name(instance: &InstanceName, service: &ServiceType) -> Name {
    service.name().prepend(instance.as_bytes()).unwrap_or_else(|_| service.name().clone())
}

/// `<subtype>._sub.<service>.local` (RFC 6763 §7.1).
pub(crate) fn subtype_name(service: &ServiceType, subtype: &str) -> Result<Name, NameError> {
    let bad = || NameError::BadSubtype { text: subtype.to_owned() };
    if subtype.is_empty() || subtype.len() > MAX_LABEL_BYTES || subtype.chars().any(char::is_control) {
        return Err(bad());
    }
    service.name().prepend("_sub")?.prepend(subtype)
}

/// A network interface, as the operating system numbers and calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interface {
    /// The interface index, as in `ip link`.
    pub index: u32,
    /// The interface name, such as `eth0`.
    pub name: Arc<str>,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A service instance that was found on one interface. One that is reachable through two
/// interfaces is found twice, each time with the addresses heard there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The instance name, for people.
    pub name: InstanceName,
    /// The service type browsed for.
    pub service: ServiceType,
    /// The host that offers it.
    pub host: HostName,
    /// The port it listens on.
    pub port: u16,
    /// Addresses of the host as heard on this interface, IPv4 first, each family in order.
    pub addresses: Vec<IpAddr>,
    /// The TXT record; empty if the instance has none.
    pub txt: Txt,
    /// The interface it was heard on.
    pub interface: Interface,
}

impl Instance {
    /// Addresses and port, ready to connect to; link-local IPv6 addresses carry the scope of
    /// the interface they were heard on.
    ///
    /// ```no_run
    /// # fn f(node: &salut::Instance) -> std::io::Result<()> {
    /// let stream = std::net::TcpStream::connect(&*node.sockets())?;
    /// # Ok(()) }
    /// ```
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|address| scoped(*address, self.port, self.interface.index)).collect()
    }
}

pub(crate) fn scoped(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(v4) => SocketAddr::from((v4, port)),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { index } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope))
        }
    }
}

/// An instance that is gone from one interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lost {
    /// The instance name.
    pub name: InstanceName,
    /// Its service type.
    pub service: ServiceType,
    /// The interface it is no longer seen on.
    pub interface: Interface,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// What changed since a browse was last read. Exhaustive on purpose: a match needs no `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new instance, resolved: host, port, at least one address, TXT.
    Found(Instance),
    /// An instance with a new host, port, address set or TXT.
    Updated(Instance),
    /// An instance that said goodbye, expired or became unresolvable.
    Lost(Lost),
}

/// A service type that somebody offers on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferedType {
    /// The service type, such as `_http._tcp`.
    pub service: ServiceType,
    /// The interface it was heard on.
    pub interface: Interface,
}

/// What changed in the service types that are offered. Exhaustive on purpose, like [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeChange {
    /// A type that somebody offers.
    Found(OfferedType),
    /// A type that nobody offers there any more.
    Lost(OfferedType),
}
