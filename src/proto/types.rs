//! Which service types are offered on a link (RFC 6763 §9).

use std::time::Instant;

use litemap::LiteMap;

use super::io::{BrowseId, Event};
use super::link::{Link, Shared};
use super::records::enumeration_name;
use crate::name::{InstanceName, Name, ServiceType};
use crate::service::{Interface, OfferedType, TypeChange};
use crate::wire::{RecordData, RecordType};

/// The types at `_services._dns-sd._udp.local`. As many as the cache holds pointers there.
#[derive(Debug, Default)]
pub(super) struct Types {
    clients: Vec<BrowseId>,
    told: LiteMap<ServiceType, ()>,
}

impl Types {
    /// Whether a pointer at `name` is of interest. Cheap where nobody asked.
    pub(super) fn are_at(&self, name: &Name) -> bool {
        !self.clients.is_empty() && enumeration_name().is_some_and(|all| all == *name)
    }
}

impl Link {
    /// The types are browsed for: those that are known are told at once.
    pub(super) fn seek_types(&mut self, now: Instant, id: BrowseId, waited: bool, shared: &mut Shared) {
        let Some(all) = enumeration_name() else { return };
        let interface = self.interface();
        if self.types.clients.is_empty() {
            self.ask(now, &all, RecordType::PTR, waited, shared);
            let known: Vec<RecordData> =
                self.cache.of_type(&all, RecordType::PTR).map(|entry| entry.data.clone()).collect();
            self.types.told = known.iter().filter_map(type_of).map(|service| (service, ())).collect();
        }
        self.types.clients.push(id);
        let told = self.types.told.keys();
        shared.tell_all(told.map(|service| event(id, service, &interface, TypeChange::Found)));
    }

    /// A browse for types ends.
    pub(super) fn stop_seeking_types(&mut self, id: BrowseId, shared: &mut Shared) {
        let before = self.types.clients.len();
        self.types.clients.retain(|client| *client != id);
        if before > 0 && self.types.clients.is_empty() {
            self.types.told.clear();
            if let Some(all) = enumeration_name() {
                self.stop_asking(&all, RecordType::PTR, shared);
            }
        }
    }

    /// A pointer at the types came or went.
    pub(super) fn touch_types(&mut self, data: &RecordData, shared: &mut Shared) {
        let (Some(all), Some(service)) = (enumeration_name(), type_of(data)) else { return };
        let there = self.cache.find(&all, data).is_some();
        let (changed, change): (_, fn(OfferedType) -> TypeChange) = if there {
            (self.types.told.insert(service.clone(), ()).is_none(), TypeChange::Found)
        } else {
            (self.types.told.remove(&service).is_some(), TypeChange::Lost)
        };
        if changed {
            let interface = self.interface();
            let clients = self.types.clients.iter();
            shared.tell_all(clients.map(|id| event(*id, &service, &interface, change)));
        }
    }

    /// The link is gone, and the types offered there with it.
    pub(super) fn lose_types(&mut self, shared: &mut Shared) {
        let interface = self.interface();
        for (service, ()) in std::mem::take(&mut self.types.told) {
            let clients = self.types.clients.iter();
            shared.tell_all(clients.map(|id| event(*id, &service, &interface, TypeChange::Lost)));
        }
    }

    /// The instances of a browse that were heard of but have not been found yet.
    pub(super) fn unresolved(&self, sought: &Name) -> impl Iterator<Item = (Interface, InstanceName)> {
        let interface = self.interface();
        self.instances.untold(sought).map(move |name| {
            (interface.clone(), InstanceName::from_label(name.labels().next().unwrap_or_default()))
        })
    }
}

fn event(
    id: BrowseId,
    service: &ServiceType,
    interface: &Interface,
    change: fn(OfferedType) -> TypeChange,
) -> Event {
    let offered = OfferedType { service: service.clone(), interface: interface.clone() };
    Event::Types { id, change: change(offered) }
}

fn type_of(data: &RecordData) -> Option<ServiceType> {
    match data {
        RecordData::Ptr(target) => ServiceType::heard(target),
        _ => None,
    }
}
