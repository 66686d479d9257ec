//! From records to instances: PTR, SRV, TXT and addresses become found, updated, lost.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::asks::AskKey;
use super::crowd::{Shares, Standing};
use super::hash::Seeded;
use super::io::{BrowseId, Event};
use super::link::{Link, Shared};
use super::numbered::{Number, Numbered, Numbers};
use super::resolve::Resolving;
use super::shards::Shards;
use super::timer::{Timer, after};
use crate::name::{HostName, InstanceName, Name, ServiceType};
use crate::service::{Change, Instance, Lost};
use crate::txt::Txt;
use crate::wire::{RecordData, RecordType};

/// An instance whose SRV or addresses expired is asked for three times more, after 0, 1 and
/// 3 s, and this leaves time for the last answer, before it is lost: a grace that RFC 6762
/// leaves open.
const RETURN_GRACE: Duration = Duration::from_millis(3250);

/// What is not heard again in this time after a failure was reported is gone
/// (RFC 6762 §10.4).
const RECONFIRM_WAIT: Duration = Duration::from_secs(10);

/// An instance on one link.
pub(super) type InstanceKey = Number;

/// What is browsed for under one name.
#[derive(Debug)]
struct Sought {
    service: ServiceType,
    clients: Vec<BrowseId>,
    instances: Numbers,
    shares: Shares,
}

/// An instance that a PTR record points to.
#[derive(Debug)]
struct Tracked {
    sought: Name,
    name: Name,
    /// Who told of it first.
    source: IpAddr,
    /// The host whose addresses are asked for.
    target: Option<Name>,
    /// As told to the clients.
    told: Option<Instance>,
    /// When a told instance that cannot be resolved any more is lost.
    grace: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Instances {
    sought: LiteMap<Name, Sought>,
    tracked: Numbered<Tracked>,
    names: Shards<Vec<InstanceKey>>,
    hosts: Shards<Numbers>,
    pub(super) resolving: LiteMap<Name, Resolving>,
    touched: Numbers,
    pub(super) touched_hosts: LiteMap<Name, ()>,
}

impl Instances {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            sought: LiteMap::new(),
            tracked: Numbered::default(),
            names: Shards::new(seeded),
            hosts: Shards::new(seeded),
            resolving: LiteMap::new(),
            touched: Numbers::default(),
            touched_hosts: LiteMap::new(),
        }
    }

    /// How many instances pointers lead to.
    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    /// The instances under a name that no client has been told of.
    pub(super) fn untold(&self, sought: &Name) -> impl Iterator<Item = &Name> {
        let keys = self.sought.get(sought).into_iter().flat_map(|sought| sought.instances.iter());
        keys.filter_map(|key| self.tracked.get(key)).filter(|one| one.told.is_none()).map(|one| &one.name)
    }

    /// The instances of a type by who told of them.
    pub(super) fn shares(&self, sought: &Name) -> Option<&Shares> {
        self.sought.get(sought).map(|sought| &sought.shares)
    }

    pub(super) fn name_of(&self, key: InstanceKey) -> Option<&Name> {
        self.tracked.get(key).map(|tracked| &tracked.name)
    }

    /// Whether an instance is followed, and nobody could be told of it yet.
    pub(super) fn is_untold(&self, sought: &Name, name: &Name) -> bool {
        let mut keys = self.names.get(name).into_iter().flatten();
        keys.any(|key| {
            self.tracked.get(*key).is_some_and(|tracked| tracked.sought == *sought && tracked.told.is_none())
        })
    }

    /// Whether anything has to be looked at.
    pub(super) fn is_touched(&self) -> bool {
        !self.touched.is_empty() || !self.touched_hosts.is_empty()
    }

    /// The instance has to be looked at again when the current input has been dealt with.
    pub(super) fn touch(&mut self, key: InstanceKey) {
        self.touched.insert(key);
    }

    /// So have the instances with this name.
    pub(super) fn touch_at(&mut self, name: &Name) {
        self.touched.extend(self.names.get(name).into_iter().flatten().copied());
    }
}

/// The instance that a PTR record at a service type or subtype points to, if its target is
/// one label below the service type (RFC 6763 §4.1).
fn instance_of(service: &ServiceType, data: &RecordData) -> Option<Name> {
    let RecordData::Ptr(target) = data else { return None };
    (target.parent().as_ref() == Some(service.name())).then(|| target.clone())
}

impl Link {
    /// A browse begins: what the cache holds is told at once, the rest is asked for.
    pub(super) fn seek(
        &mut self,
        now: Instant,
        name: &Name,
        service: &ServiceType,
        id: BrowseId,
        waited: bool,
        shared: &mut Shared,
    ) {
        if let Some(sought) = self.instances.sought.get_mut(name) {
            sought.clients.push(id);
            let known =
                sought.instances.iter().filter_map(|key| self.instances.tracked.get(key)?.told.clone());
            shared.tell_all(known.map(|found| Event::Browse { id, change: Change::Found(found) }));
            return;
        }
        let sought = Sought {
            service: service.clone(),
            clients: vec![id],
            instances: Numbers::default(),
            shares: Shares::default(),
        };
        self.instances.sought.insert(name.clone(), sought);
        self.ask(now, name, RecordType::PTR, waited, shared);
        let known: Vec<Name> = self
            .cache
            .of_type(name, RecordType::PTR)
            .filter_map(|entry| instance_of(service, &entry.data))
            .collect();
        for instance in known {
            self.track(now, name, instance, shared);
        }
    }

    /// A browse ends.
    pub(super) fn stop_seeking(&mut self, name: &Name, id: BrowseId, shared: &mut Shared) {
        let Some(sought) = self.instances.sought.get_mut(name) else { return };
        sought.clients.retain(|client| *client != id);
        if !sought.clients.is_empty() {
            return;
        }
        let gone = self.instances.sought.remove(name).map(|sought| sought.instances).unwrap_or_default();
        for key in gone.into_row() {
            self.untrack(key, shared);
        }
        self.stop_asking(name, RecordType::PTR, shared);
    }

    /// The cache changed at `name`.
    pub(super) fn touch(&mut self, now: Instant, name: &Name, data: &RecordData, shared: &mut Shared) {
        if let RecordData::Ptr(_) = data {
            if self.types.are_at(name) {
                self.touch_types(data, shared);
            }
            let instance =
                self.instances.sought.get(name).and_then(|sought| instance_of(&sought.service, data));
            if let Some(instance) = instance {
                self.track(now, name, instance, shared);
            }
            return;
        }
        self.instances.touch_at(name);
        if let Some(keys) = self.instances.hosts.get(name) {
            self.instances.touched.extend(keys.iter());
        }
        if self.instances.resolving.contains_key(name) {
            self.instances.touched_hosts.insert(name.clone(), ());
        }
    }

    /// The question that a record answers: then it is refreshed, and never evicted for what
    /// nobody asked for.
    pub(super) fn wants(&self, name: &Name, rtype: RecordType) -> Option<AskKey> {
        if rtype == RecordType::NSEC { self.asks.any_at(name) } else { self.asks.find(name, rtype) }
    }

    fn track(&mut self, now: Instant, sought_name: &Name, name: Name, shared: &mut Shared) {
        let pointer = self.cache.find(sought_name, &RecordData::Ptr(name.clone()));
        let heard_from = pointer.and_then(|key| self.cache.get(key)).map(|entry| entry.source);
        let source = heard_from.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let instances = &mut self.instances;
        let known = instances.names.get(&name).into_iter().flatten().copied();
        let known = known
            .into_iter()
            .find(|key| instances.tracked.get(*key).is_some_and(|t| t.sought == *sought_name));
        let key = match known {
            Some(key) => key,
            None => {
                let Some(sought) = instances.sought.get_mut(sought_name) else { return };
                let tracked = Tracked {
                    sought: sought_name.clone(),
                    name: name.clone(),
                    source,
                    target: None,
                    told: None,
                    grace: None,
                };
                let key = instances.tracked.insert(tracked);
                sought.instances.insert(key);
                sought.shares.add(Standing::Rumour, source, key);
                instances.names.entry(name.clone()).or_default().push(key);
                self.ask(now, &name, RecordType::SRV, false, shared);
                self.ask(now, &name, RecordType::TXT, false, shared);
                key
            }
        };
        self.instances.touched.insert(key);
    }

    pub(super) fn untrack(&mut self, key: InstanceKey, shared: &mut Shared) {
        let Some(tracked) = self.instances.tracked.remove(key) else { return };
        shared.timers.cancel(&Timer::Instance(self.index, key));
        if let Some(sought) = self.instances.sought.get_mut(&tracked.sought) {
            sought.instances.remove(key);
            let standing = if tracked.told.is_some() { Standing::Told } else { Standing::Rumour };
            sought.shares.remove(standing, tracked.source, key);
        }
        if let Some(keys) = self.instances.names.get_mut(&tracked.name) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.instances.names.remove(&tracked.name);
            }
        }
        self.stop_asking(&tracked.name, RecordType::SRV, shared);
        self.stop_asking(&tracked.name, RecordType::TXT, shared);
        if let Some(target) = tracked.target {
            self.leave_host(&target, key, shared);
        }
    }

    fn leave_host(&mut self, host: &Name, key: InstanceKey, shared: &mut Shared) {
        if let Some(keys) = self.instances.hosts.get_mut(host) {
            keys.remove(key);
            if keys.is_empty() {
                self.instances.hosts.remove(host);
            }
        }
        self.stop_asking(host, RecordType::A, shared);
        self.stop_asking(host, RecordType::AAAA, shared);
    }

    /// Looks at every instance and host that changed, and tells what became of it.
    pub(super) fn flush_instances(&mut self, now: Instant, shared: &mut Shared) {
        while let Some(key) = self.instances.touched.pop_first() {
            self.look_at(now, key, shared);
        }
        self.flush_hosts(shared);
    }

    fn look_at(&mut self, now: Instant, key: InstanceKey, shared: &mut Shared) {
        let Some(tracked) = self.instances.tracked.get(key) else { return };
        let (sought, name) = (tracked.sought.clone(), tracked.name.clone());
        if self.cache.find(&sought, &RecordData::Ptr(name.clone())).is_none() {
            self.tell_lost(key, shared);
            self.untrack(key, shared);
            return;
        }
        let srv = self.best_srv(&name);
        if let Some(srv) = &srv {
            self.follow(now, key, &srv.target, shared);
        }
        let Some(tracked) = self.instances.tracked.get(key) else { return };
        let addresses = srv.as_ref().map(|srv| self.addresses(&srv.target)).unwrap_or_default();
        let Some(srv) = srv.filter(|_| !addresses.is_empty()) else {
            self.await_return(now, key, shared);
            return;
        };
        let txt = self.txt_of(&name).or_else(|| tracked.told.as_ref().map(|told| told.txt.clone()));
        let txt = match txt {
            Some(txt) => txt,
            None => match self.txt_given_up_at(now, &name) {
                None => Txt::new(),
                Some(at) => {
                    shared.timers.set(Timer::Instance(self.index, key), at);
                    return;
                }
            },
        };
        let interface = self.interface();
        let Some(sought) = self.instances.sought.get_mut(&sought) else { return };
        let found = Instance {
            name: InstanceName::from_label(name.labels().next().unwrap_or_default()),
            service: sought.service.clone(),
            host: HostName::from_name(&srv.target),
            port: srv.port,
            addresses,
            txt,
            interface,
        };
        shared.timers.cancel(&Timer::Instance(self.index, key));
        let Some(tracked) = self.instances.tracked.get_mut(key) else { return };
        tracked.grace = None;
        let change = match tracked.told.replace(found.clone()) {
            None => {
                sought.shares.remove(Standing::Rumour, tracked.source, key);
                sought.shares.add(Standing::Told, tracked.source, key);
                Change::Found(found)
            }
            Some(told) if told != found => Change::Updated(found),
            Some(_) => return,
        };
        for id in &sought.clients {
            shared.tell(Event::Browse { id: *id, change: change.clone() });
        }
    }

    /// What was told cannot be resolved any more: it is lost, unless it comes back in time.
    fn await_return(&mut self, now: Instant, key: InstanceKey, shared: &mut Shared) {
        let Some(tracked) = self.instances.tracked.get_mut(key) else { return };
        if tracked.told.is_none() {
            return;
        }
        let until = *tracked.grace.get_or_insert_with(|| after(now, RETURN_GRACE));
        if until <= now {
            tracked.grace = None;
            self.tell_lost(key, shared);
        } else {
            shared.timers.set(Timer::Instance(self.index, key), until);
        }
    }

    pub(super) fn tell_lost(&mut self, key: InstanceKey, shared: &mut Shared) {
        let Some(tracked) = self.instances.tracked.get_mut(key) else { return };
        let Some(told) = tracked.told.take() else { return };
        let lost = Lost { name: told.name, service: told.service, interface: told.interface };
        let Some(sought) = self.instances.sought.get_mut(&tracked.sought) else { return };
        sought.shares.remove(Standing::Told, tracked.source, key);
        sought.shares.add(Standing::Rumour, tracked.source, key);
        for id in &sought.clients {
            shared.tell(Event::Browse { id: *id, change: Change::Lost(lost.clone()) });
        }
    }

    /// All that was found here is lost: the link is gone.
    pub(super) fn lose_all(&mut self, shared: &mut Shared) {
        for key in self.instances.tracked.numbers() {
            self.tell_lost(key, shared);
        }
    }

    /// Asks for the addresses of the host an instance is on now, and no longer for those of
    /// the one it was on.
    fn follow(&mut self, now: Instant, key: InstanceKey, target: &Name, shared: &mut Shared) {
        let Some(tracked) = self.instances.tracked.get_mut(key) else { return };
        if tracked.target.as_ref() == Some(target) {
            return;
        }
        let before = tracked.target.replace(target.clone());
        self.instances.hosts.entry(target.clone()).or_default().insert(key);
        self.ask(now, target, RecordType::A, false, shared);
        self.ask(now, target, RecordType::AAAA, false, shared);
        if let Some(before) = before {
            self.leave_host(&before, key, shared);
        }
    }

    /// Told that an instance cannot be reached (RFC 6762 §10.4): its records are asked for,
    /// and those that nobody repeats in time are gone.
    pub(super) fn reconfirm(&mut self, now: Instant, name: &Name, shared: &mut Shared) {
        let keys = self.instances.names.get(name).cloned().unwrap_or_default();
        let until = after(now, RECONFIRM_WAIT);
        for key in keys {
            let Some(tracked) = self.instances.tracked.get(key) else { continue };
            let (sought, target) = (tracked.sought.clone(), tracked.target.clone());
            if let Some(pointer) = self.cache.find(&sought, &RecordData::Ptr(name.clone())) {
                self.cache.shorten(pointer, until);
            }
            self.ask_anew(now, &sought, RecordType::PTR, shared);
            let srv = [(name.clone(), RecordType::SRV)].into_iter();
            let hosts = target.into_iter().flat_map(|t| [(t.clone(), RecordType::A), (t, RecordType::AAAA)]);
            for (name, rtype) in srv.chain(hosts) {
                self.cache.shorten_type(&name, rtype, until);
                self.ask_anew(now, &name, rtype, shared);
            }
        }
    }
}
