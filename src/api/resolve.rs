//! The addresses of a host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Error, Mdns};
use crate::name::HostName;
use crate::net::{Command, Found};
use crate::service::{Interface, scoped};

/// After the first address the other family of an interface gets this long.
const GRACE: Duration = Duration::from_millis(500);

/// … and other interfaces this: there the question leaves up to 100 ms later (RFC 6762 §5.2).
const OTHER_LINKS: Duration = Duration::from_millis(200);

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
    let (sender, mut found) = watch::channel(Found::new());
    let asked = host.clone();
    let _farewell = mdns.begin(|key| Command::Resolve { key, host: asked, found: sender })?;
    if let Ok(stopped @ Err(_)) = tokio::time::timeout(timeout, enough(mdns, &mut found)).await {
        return stopped.map(|()| Vec::new());
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

/// Waits until nothing more is to be expected.
async fn enough(mdns: &Mdns, found: &mut watch::Receiver<Found>) -> Result<(), Error> {
    let mut first = None;
    loop {
        // Of a program that has just begun the links come one by one.
        let links = mdns.status().await?.links.len();
        let wait = patience(&found.borrow_and_update(), links);
        let until = wait.map(|wait| *first.get_or_insert_with(Instant::now) + wait);
        tokio::select! {
            changed = found.changed() => changed.map_err(|_| Error::Stopped)?,
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return Ok(()),
        }
    }
}

/// How long after the first address others are waited for; `None` before there is one.
fn patience(found: &Found, links: usize) -> Option<Duration> {
    let mut answered = found.values().filter(|(_, addresses, _)| !addresses.is_empty()).peekable();
    answered.peek()?;
    let complete = answered.try_fold(0_usize, |count, (.., complete)| complete.then_some(count + 1));
    Some(match complete {
        None => GRACE,
        Some(count) if count < links => OTHER_LINKS,
        Some(_) => Duration::ZERO,
    })
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
    fn families_and_other_links_are_waited_for() {
        assert_eq!(patience(&found(&[]), 2), None);
        assert_eq!(patience(&found(&[(1, &[], true)]), 2), None);
        assert_eq!(patience(&found(&[(1, &["192.0.2.1"], false)]), 1), Some(GRACE));
        assert_eq!(patience(&found(&[(1, &["192.0.2.1"], true)]), 1), Some(Duration::ZERO));
        let other = |addresses: &'static [&str], complete| {
            patience(&found(&[(1, &["192.0.2.1"], true), (2, addresses, complete)]), 2)
        };
        assert_eq!(other(&[], false), Some(OTHER_LINKS));
        assert_eq!(other(&[], true), Some(OTHER_LINKS));
        assert_eq!(other(&["2001:db8::1"], false), Some(GRACE));
        assert_eq!(other(&["2001:db8::1"], true), Some(Duration::ZERO));
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
