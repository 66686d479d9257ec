//! The addresses of a host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Denial, Error, Mdns};
use crate::name::HostName;
use crate::net::{Command, Found, Known};
use crate::service::{Interface, scoped};

/// After the first address the other family of an interface gets this long.
const GRACE: Duration = Duration::from_millis(500);

/// … and other interfaces this: there the question leaves up to 100 ms later (RFC 6762 §5.2).
const OTHER_LINKS: Duration = Duration::from_millis(200);

/// Anybody on the network can say that a host has no address. After that on every interface the
/// host itself gets this long to say otherwise: it answers at once (RFC 6762 §6).
const DENIED: Duration = Duration::from_millis(250);

/// Where all that is known is that a host has no address on one interface, the others get this
/// long: time for two questions, after up to 120 ms and a second later (RFC 6762 §5.2), and for
/// an answer to either of them (§6).
const DENIED_ELSEWHERE: Duration = Duration::from_millis(1300);

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
    let interfaces = interfaces(mdns).await?;
    let found = found.borrow();
    let resolved: Vec<_> = found
        .values()
        .filter(|known| !known.addresses.is_empty())
        .map(|known| Resolved {
            host: host.clone(),
            addresses: known.addresses.clone(),
            interface: known.interface.clone(),
        })
        .collect();
    if !resolved.is_empty() {
        return Ok(resolved);
    }
    let denials: Vec<_> = on(&found, &interfaces)
        .filter(|known| known.complete)
        .map(|known| Denial { interface: known.interface.clone(), source: known.source })
        .collect();
    if !denials.is_empty() {
        return Err(Error::NoAddress { host, denials });
    }
    let interfaces = interfaces.into_iter().map(|interface| interface.name.to_string()).collect();
    Err(Error::NoAnswer { host, timeout, interfaces })
}

async fn interfaces(mdns: &Mdns) -> Result<Vec<Interface>, Error> {
    let links = mdns.status().await?.links.into_iter().map(|link| link.interface);
    Ok(links.map(|info| Interface { index: info.index, name: info.name }).collect())
}

/// What was found on interfaces that are still there.
fn on<'f>(found: &'f Found, interfaces: &'f [Interface]) -> impl Iterator<Item = &'f Known> {
    found.values().filter(|known| interfaces.contains(&known.interface))
}

/// Waits until nothing more is to be expected.
async fn enough(mdns: &Mdns, found: &mut watch::Receiver<Found>) -> Result<(), Error> {
    let mut since = None;
    loop {
        // Of a program that has just begun the links come one by one.
        let interfaces = interfaces(mdns).await?;
        let wait = patience(&found.borrow_and_update(), &interfaces);
        since = since.filter(|(known, _)| Some(*known) == wait.map(|(known, _)| known));
        let until = wait.map(|(known, wait)| since.get_or_insert_with(|| (known, Instant::now())).1 + wait);
        tokio::select! {
            changed = found.changed() => changed.map_err(|_| Error::Stopped)?,
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return Ok(()),
        }
    }
}

/// What is known at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Least {
    /// That the host has no address on an interface.
    Denial,
    /// An address.
    Address,
}

/// How long after the first address or denial more is waited for; `None` before there is one.
fn patience(found: &Found, interfaces: &[Interface]) -> Option<(Least, Duration)> {
    let is_silent = |interface: &Interface| {
        let of = found.values().find(|known| known.interface == *interface);
        of.is_none_or(|known| known.addresses.is_empty() && !known.complete)
    };
    let silent = interfaces.iter().any(is_silent);
    let mut answered = found.values().filter(|known| !known.addresses.is_empty()).peekable();
    if answered.peek().is_some() {
        let halves = answered.any(|known| !known.complete);
        let wait = if halves { GRACE } else { OTHER_LINKS };
        return Some((Least::Address, if halves || silent { wait } else { Duration::ZERO }));
    }
    let denied = on(found, interfaces).any(|known| known.complete);
    denied.then_some((Least::Denial, if silent { DENIED_ELSEWHERE } else { DENIED }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::proto::LinkIndex;

    fn eth(index: u32) -> Interface {
        Interface { index, name: format!("eth{index}").into() }
    }

    fn found(links: &[(u32, &[&str], bool)]) -> Found {
        let known = |(index, addresses, complete): &(u32, &[&str], bool)| Known {
            interface: eth(*index),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            complete: *complete,
            source: Some([192, 0, 2, 9].into()),
        };
        links.iter().map(|link| (LinkIndex(link.0), known(link))).collect()
    }

    #[test]
    fn families_and_other_links_are_waited_for() {
        let wait = |links: &[(u32, &[&str], bool)], there: u32| {
            let interfaces: Vec<Interface> = (1..=there).map(eth).collect();
            let (least, wait) = patience(&found(links), &interfaces)?;
            assert_eq!(least, Least::Address);
            Some(wait)
        };
        assert_eq!(wait(&[], 2), None);
        assert_eq!(wait(&[(1, &["192.0.2.1"], false)], 1), Some(GRACE));
        assert_eq!(wait(&[(1, &["192.0.2.1"], true)], 1), Some(Duration::ZERO));
        let other = |addresses: &'static [&str], complete| {
            wait(&[(1, &["192.0.2.1"], true), (2, addresses, complete)], 2)
        };
        assert_eq!(other(&[], false), Some(OTHER_LINKS));
        assert_eq!(other(&[], true), Some(Duration::ZERO), "there it is denied");
        assert_eq!(other(&["2001:db8::1"], false), Some(GRACE));
        assert_eq!(other(&["2001:db8::1"], true), Some(Duration::ZERO));
    }

    #[test]
    fn a_denial_on_every_link_is_the_end_and_on_one_of_them_the_others_are_waited_for() {
        let denied = |links: &[(u32, &[&str], bool)], there: &[u32]| {
            patience(&found(links), &there.iter().copied().map(eth).collect::<Vec<_>>())
        };
        assert_eq!(denied(&[(1, &[], true)], &[1]), Some((Least::Denial, DENIED)));
        assert_eq!(denied(&[(1, &[], true)], &[1, 2]), Some((Least::Denial, DENIED_ELSEWHERE)));
        let both = [(1, &[][..], true), (2, &[][..], true)];
        assert_eq!(denied(&both, &[1, 2]), Some((Least::Denial, DENIED)));
        // It has expired.
        assert_eq!(denied(&[(1, &[], false)], &[1]), None);
        // Its link is gone.
        assert_eq!(denied(&[(1, &[], true)], &[2]), None);
        assert_eq!(denied(&[(1, &[], true)], &[]), None);
        // Another link has an address all the same, and gets its own time from then on.
        let answered = [(1, &[][..], true), (2, &["192.0.2.1"][..], false)];
        assert_eq!(denied(&answered, &[1, 2]), Some((Least::Address, GRACE)));
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
