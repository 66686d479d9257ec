//! What can go wrong between the caller and the network.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::error::{NameError, ServiceError, TxtError};
use crate::name::{HostName, InstanceName};
use crate::net::NetError;
use crate::service::Interface;

/// What an [`Mdns`](super::Mdns) and its handles refuse or fail to do.
///
/// A network that is down, a port that is taken or a firewall is no such error: these are
/// states to wait in, which [`Mdns::status`](super::Mdns::status) tells of.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// A name is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A service is wrong, or one too many.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A TXT record is wrong.
    #[error(transparent)]
    Txt(#[from] TxtError),
    /// The operating system does not say which interfaces there are.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Sockets need tokio.
    #[error(
        "there is no tokio runtime here; call this inside one, such as in a function marked #[tokio::main], \
         built with its time and network drivers enabled"
    )]
    NoRuntime,
    /// There is nothing to send by.
    #[error("both IPv4 and IPv6 are turned off; leave one of them on")]
    NoFamily,
    /// An interface that was asked for by name is not there.
    #[error("there is no network interface {name:?}; there are: {}", known.join(", "))]
    UnknownInterface {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The task has ended.
    #[error("this Mdns was shut down, or its tokio runtime was; make a new one")]
    Stopped,
    /// The task did not keep up with the caller.
    #[error(
        "{limit} handles and commands are open or waiting already; drop some, or give the runtime time to work"
    )]
    Busy {
        /// The bound.
        limit: usize,
    },
    /// A name could not be claimed for a minute.
    #[error(
        "{name} could not be claimed for a minute: something on this network answers for every name tried; \
         look for a second program with the same settings, or a reflector"
    )]
    Disputed {
        /// The name that was lost last.
        name: InstanceName,
    },
    /// Nobody knows the host, or nobody that can be heard.
    #[error(
        "no answer for {host} within {timeout:?} {}; check that it is on and on the same network",
        on(interfaces)
    )]
    NoAnswer {
        /// The host that was asked for.
        host: HostName,
        /// How long the answer was waited for.
        timeout: Duration,
        /// The interfaces on which it was asked for.
        interfaces: Vec<String>,
    },
    /// The host is there, and says that it has no address (RFC 6762 §6.1), or none that anybody
    /// could connect to.
    #[error(
        "{host} is there, but has neither an IPv4 nor an IPv6 address to connect to: so says {}; \
         look at the network settings of that host",
        so_says(denials)
    )]
    NoAddress {
        /// The host that was asked for.
        host: HostName,
        /// Who said so, on each interface that it was said on.
        denials: Vec<Denial>,
    },
}

/// Who said that a host has no address, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// The interface on which it was said.
    pub interface: Interface,
    /// Who said it, where that is known.
    pub source: Option<IpAddr>,
}

fn so_says(denials: &[Denial]) -> String {
    let one = |Denial { interface, source }: &Denial| match source {
        Some(source) => format!("{source} on {}", interface.name),
        None => format!("somebody on {}", interface.name),
    };
    denials.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn on(interfaces: &[String]) -> String {
    if interfaces.is_empty() {
        "because no network interface is up".to_owned()
    } else {
        format!("on {}", interfaces.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let error = Error::UnknownInterface { name: "eth9".into(), known: vec!["eth0".into(), "lo".into()] };
        assert_eq!(error.to_string(), "there is no network interface \"eth9\"; there are: eth0, lo");
        let error = |interfaces| Error::NoAnswer {
            host: HostName::new("alpha").unwrap(),
            timeout: Duration::from_secs(3),
            interfaces,
        };
        assert!(error(vec!["eth0".into()]).to_string().contains("alpha.local within 3s on eth0"));
        assert!(error(vec![]).to_string().contains("no network interface is up"));
        let denied = |index, name: &str, source: &str| Denial {
            interface: Interface { index, name: name.into() },
            source: source.parse().ok(),
        };
        let error = Error::NoAddress {
            host: HostName::new("alpha").unwrap(),
            denials: vec![denied(1, "eth0", "10.0.0.9"), denied(2, "eth1", "")],
        };
        assert!(error.to_string().contains("alpha.local is there, but has neither"), "{error}");
        assert!(error.to_string().contains("10.0.0.9 on eth0, somebody on eth1"), "{error}");
    }
}
