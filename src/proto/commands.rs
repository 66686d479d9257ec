//! What the owner of an engine asks of it: to announce, to browse, to resolve, and to stop.

use std::time::Instant;

use tracing::warn;

use super::Engine;
use super::claim::ClaimId;
use super::io::{AnnouncementId, BrowseId, Event, LinkIndex, ResolveId, Search};
use crate::error::{NameError, ServiceError, TxtError};
use crate::name::{HostName, InstanceName, MAX_LABEL_BYTES, Name, ServiceType};
use crate::service::{Interface, Service, instance_full_name, subtype_name};
use crate::txt::{Txt, WISE_TXT_BYTES};
use crate::wire::MAX_SENT_BYTES;

impl Engine {
    /// Claims a name for a service and announces it, on all links there are and will be.
    ///
    /// # Errors
    /// The service is announced already, there are too many, or its TXT record is too long to
    /// be sent under its name.
    pub fn announce(&mut self, now: Instant, service: Service) -> Result<AnnouncementId, ServiceError> {
        if self.claims.services.len() >= self.config.max_services {
            return Err(ServiceError::TooManyServices { count: self.claims.services.len() });
        }
        if self.claims.names.contains(&service.full_name()) {
            return Err(ServiceError::AlreadyAnnounced { name: service.full_name().to_string() });
        }
        check_size(&service, &service.txt)?;
        advise_size(&service.full_name(), &service.txt);
        let id = self.add_service(now, service);
        self.flush(now);
        Ok(id)
    }

    /// Replaces a service's TXT record and announces the new one (RFC 6762 §8.4).
    pub fn set_txt(&mut self, now: Instant, id: AnnouncementId, txt: Txt) {
        let Some(registered) = self.claims.services.get_mut(&id) else { return };
        if let Err(error) = check_size(&registered.service, &txt) {
            warn!(service = %registered.name, %error, "the TXT record stays as it is");
        } else if registered.service.txt != txt {
            advise_size(&registered.name, &txt);
            registered.service.txt = txt;
            self.update_service(now, id);
        }
        self.flush(now);
    }

    /// Replaces a service's port and announces the new one (RFC 6762 §8.4).
    pub fn set_port(&mut self, now: Instant, id: AnnouncementId, port: u16) {
        let Some(registered) = self.claims.services.get_mut(&id) else { return };
        if registered.service.port != port {
            registered.service.port = port;
            self.update_service(now, id);
        }
        self.flush(now);
    }

    /// Takes a service back (RFC 6762 §10.1). [`Event::Withdrawn`] follows.
    pub fn withdraw(&mut self, now: Instant, id: AnnouncementId) {
        self.remove_services(now, &[id]);
        self.flush(now);
    }

    /// Begins to browse. What is known already is told at once.
    ///
    /// # Errors
    /// A subtype that cannot be part of a name.
    pub fn browse(&mut self, now: Instant, search: Search) -> Result<BrowseId, NameError> {
        let (name, service) = match search {
            Search::Service(service) => (service.name().clone(), service),
            Search::Subtype(service, subtype) => (subtype_name(&service, &subtype)?, service),
        };
        let id = BrowseId(self.next_client());
        for (_, link) in &mut self.links {
            link.seek(now, &name, &service, id, false, &mut self.shared);
        }
        self.browses.insert(id, (name, service));
        self.flush(now);
        Ok(id)
    }

    /// Begins to browse for the service types that are offered (RFC 6763 §9). What is known
    /// already is told at once.
    pub fn browse_types(&mut self, now: Instant) -> BrowseId {
        let id = BrowseId(self.next_client());
        for (_, link) in &mut self.links {
            link.seek_types(now, id, false, &mut self.shared);
        }
        self.type_browses.insert(id, ());
        self.flush(now);
        id
    }

    /// Ends a browse, for instances or for types.
    pub fn stop_browse(&mut self, now: Instant, id: BrowseId) {
        if let Some((name, _)) = self.browses.remove(&id) {
            for (_, link) in &mut self.links {
                link.stop_seeking(&name, id, &mut self.shared);
            }
        } else if self.type_browses.remove(&id).is_some() {
            for (_, link) in &mut self.links {
                link.stop_seeking_types(id, &mut self.shared);
            }
        }
        self.flush(now);
    }

    /// The instances that a browse heard of and could not resolve yet: their SRV record or
    /// addresses are still being asked for.
    pub fn unresolved(&self, id: BrowseId) -> Vec<(Interface, InstanceName)> {
        let Some((name, _)) = self.browses.get(&id) else { return Vec::new() };
        self.links.values().flat_map(|link| link.unresolved(name)).collect()
    }

    /// An instance that a browse found cannot be reached: its records are asked for anew, and
    /// if nobody repeats them within ten seconds it is lost (RFC 6762 §10.4).
    pub fn reconfirm(&mut self, now: Instant, service: &ServiceType, instance: &InstanceName) {
        let name = instance_full_name(instance, service);
        for (_, link) in &mut self.links {
            link.reconfirm(now, &name, &mut self.shared);
        }
        self.flush(now);
    }

    /// Begins to resolve a host name. [`Event::Resolved`] follows for each link that knows it.
    pub fn resolve(&mut self, now: Instant, host: HostName) -> ResolveId {
        let id = ResolveId(self.next_client());
        for (_, link) in &mut self.links {
            link.resolve(now, host.name(), id, false, &mut self.shared);
        }
        self.resolves.insert(id, host.name().clone());
        self.flush(now);
        id
    }

    /// Ends the resolving of a host name.
    pub fn stop_resolve(&mut self, now: Instant, id: ResolveId) {
        let Some(name) = self.resolves.remove(&id) else { return };
        for (_, link) in &mut self.links {
            link.stop_resolving(&name, id, &mut self.shared);
        }
        self.flush(now);
    }

    /// Takes everything back. [`Event::Stopped`] follows.
    pub fn shutdown(&mut self, now: Instant) {
        if !self.stopping {
            self.stopping = true;
            let ids: Vec<AnnouncementId> = self.claims.services.keys().copied().collect();
            self.remove_services(now, &ids);
            self.shared.tell(Event::Stopped);
        }
        self.flush(now);
    }

    /// Whether another responder runs on this machine.
    pub fn set_shares_host(&mut self, now: Instant, shares_host: bool) {
        if self.config.shares_host != shares_host {
            self.config.shares_host = shares_host;
            let hosts: Vec<ClaimId> = self.claims.hosts.keys().map(|id| ClaimId::Host(*id)).collect();
            let links: Vec<LinkIndex> = self.links.keys().copied().collect();
            for index in links {
                for id in &hosts {
                    self.update_claim(now, index, *id);
                }
            }
        }
        self.flush(now);
    }

    pub(super) fn next_client(&mut self) -> u64 {
        self.next_client = self.next_client.wrapping_add(1);
        self.next_client
    }
}

/// Whether a TXT record fits the largest message together with its owner name.
fn check_size(service: &Service, txt: &Txt) -> Result<(), ServiceError> {
    let room = longest_instance(&service.service, txt);
    if service.instance.as_bytes().len() > room {
        return Err(TxtError::RecordTooLong { bytes: txt.wire().len() }.into());
    }
    Ok(())
}

/// Says of a TXT record that it is longer than is wise (RFC 6763 §6.2).
fn advise_size(name: &Name, txt: &Txt) {
    let bytes = txt.wire().len();
    if bytes > WISE_TXT_BYTES {
        warn!(service = %name, bytes, "a TXT record over {WISE_TXT_BYTES} bytes costs every reader; shorten it");
    }
}

/// The longest instance name, in bytes, under which a TXT record can be sent.
pub(super) fn longest_instance(service: &ServiceType, txt: &Txt) -> usize {
    // A header, what a record has beside name and data, and a label's length, in bytes.
    const OTHER_BYTES: usize = 12 + 10 + 1;
    let taken = service.name().wire().len().saturating_add(txt.wire().len()).saturating_add(OTHER_BYTES);
    MAX_SENT_BYTES.saturating_sub(taken).min(MAX_LABEL_BYTES)
}
