//! The addresses of a host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;

use super::{Error, Mdns};
use crate::name::HostName;
use crate::net::{Command, Found};
use crate::service::{Interface, scoped};

/// After the first address the other family, and other interfaces, get this long.
const GRACE: Duration = Duration::from_millis(500);

/// The addresses of a host on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The host.
    pub host: HostName,
    /// Its addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// The interface they were heard on.
    pub interface: Interface,
}

impl Resolved {
    /// Addresses and a port, ready to connect to; link-local IPv6 addresses carry the scope of
    /// the interface they were heard on.
    pub fn sockets(&self, port: u16) -> Vec<SocketAddr> {
        self.addresses.iter().map(|address| scoped(*address, port, self.interface.index)).collect()
    }
}

pub(super) async fn resolve(mdns: &Mdns, host: &str, timeout: Duration) -> Result<Vec<Resolved>, Error> {
    let host = HostName::new(host)?;
    let (sender, found) = watch::channel(Found::new());
    let asked = host.clone();
    let _farewell = mdns.begin(|key| Command::Resolve { key, host: asked, found: sender })?;
    let (mut all, mut any) = (found.clone(), found.clone());
    let enough = async {
        tokio::select! {
            all = all.wait_for(is_complete) => all.map(drop),
            any = async {
                any.wait_for(|found| addresses(found) > 0).await?;
                tokio::time::sleep(GRACE).await;
                Ok(())
            } => any,
        }
    };
    if let Ok(Err(_)) = tokio::time::timeout(timeout, enough).await {
        return Err(Error::Stopped);
    }
    let resolved: Vec<_> = found
        .borrow()
        .values()
        .filter(|(_, addresses, _)| !addresses.is_empty())
        .map(|(interface, addresses, _)| Resolved {
            host: host.clone(),
            addresses: addresses.clone(),
            interface: interface.clone(),
        })
        .collect();
    if resolved.is_empty() {
        let links = mdns.status().await?.links;
        let interfaces = links.into_iter().map(|link| link.interface.name.to_string()).collect();
        return Err(Error::NoAnswer { host, timeout, interfaces });
    }
    Ok(resolved)
}

fn addresses(found: &Found) -> usize {
    found.values().map(|(_, addresses, _)| addresses.len()).sum()
}

/// Some interface gave an address, and none that did still waits for a family.
fn is_complete(found: &Found) -> bool {
    addresses(found) > 0 && found.values().all(|(_, addresses, complete)| addresses.is_empty() || *complete)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::proto::LinkIndex;

    fn found(links: &[(u32, &[&str], bool)]) -> Found {
        links
            .iter()
            .map(|(index, addresses, complete)| {
                let interface = Interface { index: *index, name: format!("eth{index}").into() };
                let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
                (LinkIndex(*index), (interface, addresses, *complete))
            })
            .collect()
    }

    #[test]
    fn complete_is_when_nobody_who_answered_owes_a_family() {
        assert!(!is_complete(&found(&[])));
        assert!(!is_complete(&found(&[(1, &[], true)])));
        assert!(!is_complete(&found(&[(1, &["192.0.2.1"], false)])));
        assert!(is_complete(&found(&[(1, &["192.0.2.1"], true), (2, &[], false)])));
        assert!(!is_complete(&found(&[(1, &["192.0.2.1"], true), (2, &["2001:db8::1"], false)])));
    }

    #[test]
    fn link_local_addresses_carry_the_scope() {
        let resolved = Resolved {
            host: HostName::new("alpha").unwrap(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "fe80::1".parse().unwrap()],
            interface: Interface { index: 7, name: "eth0".into() },
        };
        assert_eq!(resolved.sockets(80).len(), 2);
        assert!(resolved.sockets(80).contains(&"[fe80::1%7]:80".parse().unwrap()));
    }
}
