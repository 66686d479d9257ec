//! What the cache knows of an instance and of a host.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::asks::FIRST_INTERVAL;
use super::io::{Event, ResolveId};
use super::link::{Link, Shared};
use super::timer::after;
use crate::name::Name;
use crate::txt::Txt;
use crate::wire::{RecordData, RecordType, Srv};

/// How often an instance that lacks only its TXT record is looked at.
const TXT_CHECK: Duration = Duration::from_millis(250);

/// After this many questions without an answer an instance has no TXT record.
const TXT_QUESTIONS: u32 = 2;

/// Who wants to know the addresses of a host.
#[derive(Debug, Default)]
pub(super) struct Resolving {
    clients: Vec<ResolveId>,
    /// They were told of an address, or that there is none.
    told: bool,
}

impl Link {
    /// A host is to be resolved.
    pub(super) fn resolve(
        &mut self,
        now: Instant,
        host: &Name,
        id: ResolveId,
        waited: bool,
        shared: &mut Shared,
    ) {
        self.instances.resolving.entry(host.clone()).or_default().clients.push(id);
        self.ask(now, host, RecordType::A, waited, shared);
        self.ask(now, host, RecordType::AAAA, waited, shared);
        self.instances.touched_hosts.insert(host.clone(), ());
    }

    /// A host need not be resolved any longer.
    pub(super) fn stop_resolving(&mut self, host: &Name, id: ResolveId, shared: &mut Shared) {
        let Some(Resolving { clients, .. }) = self.instances.resolving.get_mut(host) else { return };
        let before = clients.len();
        clients.retain(|client| *client != id);
        let left = clients.len();
        if left == 0 {
            self.instances.resolving.remove(host);
        }
        if left < before {
            self.stop_asking(host, RecordType::A, shared);
            self.stop_asking(host, RecordType::AAAA, shared);
        }
    }

    /// Tells what is known now of the hosts that changed.
    pub(super) fn flush_hosts(&mut self, shared: &mut Shared) {
        for (host, ()) in std::mem::take(&mut self.instances.touched_hosts) {
            let addresses = self.addresses(&host);
            let complete =
                [RecordType::A, RecordType::AAAA].iter().all(|rtype| self.has_answer(&host, *rtype));
            let answers = self.cache.at(&host).filter(|entry| {
                matches!(entry.data, RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Nsec(_))
            });
            let source = answers.max_by_key(|entry| entry.received).map(|entry| entry.source);
            let known = complete || !addresses.is_empty();
            let Some(resolving) = self.instances.resolving.get_mut(&host) else { continue };
            if !std::mem::replace(&mut resolving.told, known) && !known {
                continue;
            }
            for id in &resolving.clients {
                let (id, link, addresses) = (*id, self.index, addresses.clone());
                shared.tell(Event::Resolved { id, link, addresses, complete, source });
            }
        }
    }

    /// RFC 2782: the lowest priority, then the highest weight; of what replaced each other the
    /// last.
    pub(super) fn best_srv(&self, name: &Name) -> Option<Srv> {
        let all = self.cache.of_type(name, RecordType::SRV).filter_map(|entry| match &entry.data {
            RecordData::Srv(srv) if srv.target.is_local() => Some((entry.freshness(), srv)),
            _ => None,
        });
        let best = all.min_by_key(|((stays, heard), srv)| {
            (!*stays, srv.priority, Reverse(srv.weight), Reverse(*heard), srv.port, srv.target.clone())
        });
        best.map(|(_, srv)| srv.clone())
    }

    pub(super) fn txt_of(&self, name: &Name) -> Option<Txt> {
        let known = self.cache.of_type(name, RecordType::TXT).filter_map(|entry| match &entry.data {
            RecordData::Txt(txt) => Some((entry.freshness(), txt)),
            _ => None,
        });
        let known = known.max_by_key(|(freshness, _)| *freshness).map(|(_, txt)| txt.clone());
        known.or_else(|| self.cache.denies(name, RecordType::TXT).then(Txt::new))
    }

    /// When an instance without a TXT record has been waited for long enough; `None` if that
    /// is now (RFC 6763 §6.1: then it has no attributes).
    pub(super) fn txt_given_up_at(&self, now: Instant, name: &Name) -> Option<Instant> {
        let ask = self.asks.get(name, RecordType::TXT)?;
        let at = after(ask.last.unwrap_or(now), FIRST_INTERVAL);
        if ask.sent >= TXT_QUESTIONS && at <= now { None } else { Some(at.max(after(now, TXT_CHECK))) }
    }

    /// The addresses heard of a host, IPv4 first, link-local ones last. What nobody can
    /// connect to is left out.
    pub(super) fn addresses(&self, host: &Name) -> Vec<IpAddr> {
        let here_is_loopback = self.state.v4.iter().any(|(v4, _)| v4.is_loopback())
            || self.state.v6.iter().any(|(v6, _)| v6.is_loopback());
        let mut found: Vec<IpAddr> = self
            .cache
            .at(host)
            .filter_map(|entry| match entry.data {
                RecordData::A(v4) => Some(IpAddr::V4(v4)),
                RecordData::Aaaa(v6) => Some(IpAddr::V6(v6)),
                _ => None,
            })
            .filter(|address| match address {
                IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
                IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && v6.to_ipv4_mapped().is_none(),
            })
            .filter(|address| here_is_loopback || !address.is_loopback())
            .collect();
        let link_local = |address: &IpAddr| match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        found.sort_unstable_by_key(|address| (address.is_ipv6(), link_local(address), *address));
        found.dedup();
        found
    }
}
