//! Owning a name on a link: probe, announce, update, goodbye (RFC 6762 §8, §10.1).
//!
//! ```text
//!            0–250 ms             3 probes, 250 ms apart          host is live
//! Waiting ───────────▶ Probing ─────────────────────────▶ Ready ──────────────▶ Live
//!    ▲                    │ tie-break lost: 1 s                                  │
//!    └────────────────────┴───────── conflict (§9), wake-up, new name ◀──────────┘
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::hash::Seeded;
use super::io::{AnnouncementId, Event, LinkIndex};
use super::link::{Families, Link};
use super::own::{Installed, RecordKey, Telling};
use super::timer::{Timer, after};
use super::{Config, Engine};
use crate::name::{HostName, Name};
use crate::service::Service;
use crate::wire::{MAX_PAYLOAD_BYTES, Nsec, Packer, Record, RecordData, RecordType, Section, Srv};

/// The first probe waits up to this long (RFC 6762 §8.1).
pub(super) const PROBE_DELAY: Duration = Duration::from_millis(250);

/// Probes are this far apart, and the name is ours this long after the last (RFC 6762 §8.1).
pub(super) const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// How many probes (RFC 6762 §8.1).
const PROBES: u8 = 3;

/// How many announcements: at 0, 1 and 3 seconds. RFC 6762 §8.3 wants two to eight.
const ANNOUNCEMENTS: u8 = 3;

/// The wait after the first announcement; it doubles (RFC 6762 §8.3).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);

/// The time to live of records that name a host, in seconds (RFC 6762 §10).
pub(super) const HOST_TTL_SECONDS: u32 = 120;

/// The time to live of all other records, in seconds (RFC 6762 §10).
pub(super) const OTHER_TTL_SECONDS: u32 = 4500;

/// A service is updated no more than ten times … (RFC 6762 §8.4)
const MAX_UPDATES: usize = 10;

/// … a minute.
const UPDATE_WINDOW: Duration = Duration::from_secs(60);

/// How long a record we gave up is still known as ours.
const FORMER_MEMORY: Duration = Duration::from_secs(10);

/// How many of them.
const MAX_FORMER: usize = 1024;

/// Something that owns a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ClaimId {
    /// A host name with its addresses. Sorted before services, which need it.
    Host(u32),
    /// A service instance.
    Service(AnnouncementId),
}

/// How far a claim has come on a link.
#[derive(Debug)]
pub(super) enum Phase {
    /// It will be probed.
    Waiting { at: Instant },
    /// This many probes have been sent.
    Probing { sent: u8 },
    /// The service's name is free, but its host is still being probed.
    Ready,
    /// Its records are ours.
    Live {
        /// Announcements so far.
        announced: u8,
        /// What is announced; all, unless it is a change.
        only: Option<Vec<RecordKey>>,
    },
}

/// What went wrong with a name lately.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) conflicts: VecDeque<Instant>,
    /// How many names were lost.
    pub(super) lost: u32,
    pub(super) since: Option<Instant>,
    pub(super) told: bool,
    /// Every further attempt waits (RFC 6762 §8.1).
    pub(super) slow: bool,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: HostName,
    pub(super) services: usize,
    pub(super) trouble: Trouble,
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) service: Service,
    pub(super) name: Name,
    pub(super) host: u32,
    pub(super) trouble: Trouble,
    told: Option<(Name, HostName, Vec<LinkIndex>)>,
    updates: VecDeque<Instant>,
}

#[derive(Debug)]
pub(super) struct Claims {
    pub(super) hosts: BTreeMap<u32, Host>,
    pub(super) services: BTreeMap<AnnouncementId, Registered>,
    pub(super) names: HashMap<Name, ClaimId, Seeded>,
    /// What we held until lately.
    former: VecDeque<(Instant, Name, RecordData)>,
    next: u64,
}

impl Claims {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            hosts: BTreeMap::new(),
            services: BTreeMap::new(),
            names: HashMap::with_hasher(seeded),
            former: VecDeque::new(),
            next: 0,
        }
    }

    pub(super) fn remember(&mut self, now: Instant, name: &Name, data: &RecordData) {
        while self.former.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > FORMER_MEMORY)
            || self.former.len() >= MAX_FORMER
        {
            self.former.pop_front();
        }
        self.former.push_back((now, name.clone(), data.clone()));
    }

    pub(super) fn was_ours(&self, now: Instant, name: &Name, data: &RecordData) -> bool {
        self.former.iter().any(|(at, former, held)| {
            now.saturating_duration_since(*at) <= FORMER_MEMORY && former == name && held == data
        })
    }

    /// Whether an address was ours lately, on any host name.
    pub(super) fn was_our_address(&self, now: Instant, data: &RecordData) -> bool {
        self.former
            .iter()
            .any(|(at, _, held)| now.saturating_duration_since(*at) <= FORMER_MEMORY && held == data)
    }
}

impl Engine {
    /// Takes up a service whose names have been checked.
    pub(super) fn add_service(&mut self, now: Instant, service: Service) -> AnnouncementId {
        let id = AnnouncementId(self.claims.next);
        self.claims.next = self.claims.next.wrapping_add(1);
        let wanted = service.host.clone().unwrap_or_else(|| self.config.host.clone());
        let host = self.host_for(&wanted);
        let name = service.full_name();
        self.claims.names.insert(name.clone(), ClaimId::Service(id));
        let registered = Registered {
            service,
            name,
            host,
            trouble: Trouble::default(),
            told: None,
            updates: VecDeque::new(),
        };
        self.claims.services.insert(id, registered);
        let links: Vec<LinkIndex> = self.links.keys().copied().collect();
        for link in links {
            self.start_claim(now, link, ClaimId::Host(host));
            self.start_claim(now, link, ClaimId::Service(id));
        }
        id
    }

    /// The claim of a host name; the first service on it makes it.
    fn host_for(&mut self, wanted: &HostName) -> u32 {
        // A host that had to be renamed is still the one that was asked for.
        let known = self.renamed_hosts.get(wanted).copied().filter(|id| self.claims.hosts.contains_key(id));
        let known = known.or_else(|| match self.claims.names.get(wanted.name()) {
            Some(ClaimId::Host(id)) => Some(*id),
            _ => None,
        });
        let id = known.unwrap_or_else(|| {
            let id = u32::try_from(self.claims.next).unwrap_or_default();
            self.claims.next = self.claims.next.wrapping_add(1);
            self.renamed_hosts.insert(wanted.clone(), id);
            self.claims.names.insert(wanted.name().clone(), ClaimId::Host(id));
            let host = Host { name: wanted.clone(), services: 0, trouble: Trouble::default() };
            self.claims.hosts.insert(id, host);
            id
        });
        if let Some(host) = self.claims.hosts.get_mut(&id) {
            host.services = host.services.saturating_add(1);
        }
        id
    }

    /// Begins to probe for a claim on a link, if it has not begun. What is about to be probed
    /// there goes out in the same message (RFC 6762 §8.1).
    pub(super) fn start_claim(&mut self, now: Instant, link: LinkIndex, id: ClaimId) {
        let Some(link) = self.links.get_mut(&link) else { return };
        if !link.is_open() || link.claims.contains_key(&id) {
            return;
        }
        let joined = link.claims.values().find_map(|phase| match phase {
            Phase::Waiting { at } if *at >= now && *at <= after(now, PROBE_DELAY) => Some(*at),
            _ => None,
        });
        let at = joined.unwrap_or_else(|| after(now, self.shared.rng.between(Duration::ZERO, PROBE_DELAY)));
        link.claims.insert(id, Phase::Waiting { at });
        self.shared.timers.set(Timer::Claim(link.index, id), at);
    }

    /// Goes back to the beginning on one link after `wait`, or after the usual 0 to 250 ms.
    pub(super) fn restart_claim(
        &mut self,
        now: Instant,
        index: LinkIndex,
        id: ClaimId,
        wait: Option<Duration>,
    ) {
        self.uninstall(now, index, id);
        let Some(link) = self.links.get_mut(&index) else { return };
        let Some(phase) = link.claims.get_mut(&id) else { return };
        let wait = wait.unwrap_or_else(|| self.shared.rng.between(Duration::ZERO, PROBE_DELAY));
        let at = after(now, wait);
        *phase = Phase::Waiting { at };
        self.shared.timers.set(Timer::Claim(index, id), at);
    }

    /// All claims that are not on this link yet begin there.
    pub(super) fn start_claims(&mut self, now: Instant, link: LinkIndex) {
        let hosts = self.claims.hosts.keys().map(|id| ClaimId::Host(*id));
        let ids: Vec<ClaimId> =
            hosts.chain(self.claims.services.keys().map(|id| ClaimId::Service(*id))).collect();
        for id in ids {
            self.start_claim(now, link, id);
        }
    }

    /// A claim's timer fired on a link.
    pub(super) fn claim_due(&mut self, now: Instant, index: LinkIndex, id: ClaimId) {
        let Some(link) = self.links.get_mut(&index) else { return };
        let Some(phase) = link.claims.get_mut(&id) else { return };
        match phase {
            Phase::Waiting { .. } => self.probes_due.push((index, id)),
            Phase::Probing { sent } if *sent < PROBES => self.probes_due.push((index, id)),
            Phase::Probing { .. } => self.won(now, index, id),
            Phase::Ready => {}
            Phase::Live { .. } => self.announce_claim(now, index, id),
        }
    }

    /// Three probes went unanswered.
    fn won(&mut self, now: Instant, index: LinkIndex, id: ClaimId) {
        let host_live = match id {
            ClaimId::Host(_) => true,
            ClaimId::Service(service) => self
                .claims
                .services
                .get(&service)
                .is_some_and(|registered| self.is_live(index, ClaimId::Host(registered.host))),
        };
        let Some(link) = self.links.get_mut(&index) else { return };
        if !host_live {
            link.claims.insert(id, Phase::Ready);
            return;
        }
        link.claims.insert(id, Phase::Live { announced: 0, only: None });
        self.install(now, index, id);
        self.announce_claim(now, index, id);
        if let ClaimId::Host(host) = id {
            let ready: Vec<ClaimId> = self
                .services_on(host)
                .into_iter()
                .filter(|id| {
                    self.links
                        .get(&index)
                        .is_some_and(|link| matches!(link.claims.get(id), Some(Phase::Ready)))
                })
                .collect();
            for id in ready {
                self.won(now, index, id);
            }
        }
    }

    pub(super) fn services_on(&self, host: u32) -> Vec<ClaimId> {
        let on_it = self.claims.services.iter().filter(|(_, registered)| registered.host == host);
        on_it.map(|(id, _)| ClaimId::Service(*id)).collect()
    }

    pub(super) fn is_live(&self, index: LinkIndex, id: ClaimId) -> bool {
        self.links.get(&index).is_some_and(|link| matches!(link.claims.get(&id), Some(Phase::Live { .. })))
    }

    /// One announcement of a claim, and the timer for the next.
    fn announce_claim(&mut self, now: Instant, index: LinkIndex, id: ClaimId) {
        let Some(link) = self.links.get_mut(&index) else { return };
        let Some(Phase::Live { announced, only }) = link.claims.get_mut(&id) else { return };
        if *announced >= ANNOUNCEMENTS {
            return;
        }
        let wait = ANNOUNCE_INTERVAL.saturating_mul(1_u32.checked_shl(u32::from(*announced)).unwrap_or(1));
        *announced = announced.saturating_add(1);
        let more = *announced < ANNOUNCEMENTS;
        let keys = only.clone().unwrap_or_else(|| link.own.of_claim(id).to_vec());
        link.announce(now, &keys, &mut self.shared);
        if more {
            self.shared.timers.set(Timer::Claim(index, id), after(now, wait));
        }
    }

    /// Announces everything on a link once more: there is reason to believe that nobody
    /// there has heard of us (RFC 6762 §8).
    pub(super) fn announce_again(&mut self, now: Instant, index: LinkIndex) {
        let Some(link) = self.links.get_mut(&index) else { return };
        let live: Vec<ClaimId> = link
            .claims
            .iter()
            .filter(|(_, phase)| matches!(phase, Phase::Live { .. }))
            .map(|(id, _)| *id)
            .collect();
        for id in live {
            if let Some(link) = self.links.get_mut(&index) {
                link.claims
                    .insert(id, Phase::Live { announced: ANNOUNCEMENTS.saturating_sub(1), only: None });
            }
            self.announce_claim(now, index, id);
        }
    }

    /// Brings the records of a live claim on a link up to date. What is new is announced;
    /// what is gone is taken back, unless the cache-flush bit of its successor does that
    /// (RFC 6762 §8.4).
    pub(super) fn update_claim(&mut self, now: Instant, index: LinkIndex, id: ClaimId) {
        if !self.is_live(index, id) {
            return;
        }
        let Installed { added, removed, .. } = self.install(now, index, id);
        let Some(link) = self.links.get_mut(&index) else { return };
        let has_successor = |record: &Record| {
            record.cache_flush && link.own.of_type(&record.name, record.data.record_type()).next().is_some()
        };
        let mut changed: Vec<RecordKey> = Vec::new();
        for record in removed.iter().filter(|record| has_successor(record)) {
            changed.extend(link.own.of_type(&record.name, record.data.record_type()));
        }
        for record in
            added.iter().filter_map(|key| link.own.get(*key)).filter(|own| own.telling == Telling::Announced)
        {
            // RFC 6762 §10.2: a unique set of records is sent whole.
            changed.extend(link.own.of_type(&record.record.name, record.record.data.record_type()).filter(
                |key| {
                    record.is_unique()
                        || link.own.get(*key).is_some_and(|own| own.record.data == record.record.data)
                },
            ));
        }
        changed.sort_unstable();
        changed.dedup();
        let gone: Vec<Record> = removed.iter().filter(|record| !has_successor(record)).cloned().collect();
        link.goodbye(now, &gone, &mut self.shared);
        if changed.is_empty() {
            return;
        }
        link.announce(now, &changed, &mut self.shared);
        let Some(Phase::Live { announced, only }) = link.claims.get_mut(&id) else { return };
        if *announced < ANNOUNCEMENTS && only.is_none() {
            // The series that is under way takes it along.
            return;
        }
        let mut all = only.take().filter(|_| *announced < ANNOUNCEMENTS).unwrap_or_default();
        all.extend(changed);
        all.sort_unstable();
        all.dedup();
        *only = Some(all);
        *announced = 1;
        self.shared.timers.set(Timer::Claim(index, id), after(now, ANNOUNCE_INTERVAL));
    }

    fn install(&mut self, now: Instant, index: LinkIndex, id: ClaimId) -> Installed {
        let Some(link) = self.links.get_mut(&index) else { return Installed::default() };
        let wanted = proposed(&self.claims, &self.config, link, id);
        let installed = link.own.install(id, wanted);
        for key in &installed.removed_keys {
            link.drop_answer(*key, &mut self.shared);
        }
        for record in &installed.removed {
            self.claims.remember(now, &record.name, &record.data);
        }
        installed
    }

    /// Takes a claim's records out of a link; the return value is what would have to be
    /// taken back from others.
    pub(super) fn uninstall(&mut self, now: Instant, index: LinkIndex, id: ClaimId) -> Vec<Record> {
        let Some(link) = self.links.get_mut(&index) else { return Vec::new() };
        let installed = link.own.install(id, Vec::new());
        for key in &installed.removed_keys {
            link.drop_answer(*key, &mut self.shared);
        }
        for record in &installed.removed {
            self.claims.remember(now, &record.name, &record.data);
        }
        installed.removed
    }

    /// Sends the probes that are due on all links: all names of a link in one message, with
    /// the records proposed for them in the Authority Section (RFC 6762 §8.1, §8.2).
    pub(super) fn flush_probes(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.probes_due);
        due.sort_unstable();
        due.dedup();
        let mut rest = due.as_slice();
        while let Some((index, _)) = rest.first().copied() {
            let here = rest.iter().take_while(|(link, _)| *link == index).count();
            let (mine, others) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            rest = others;
            let ids: Vec<ClaimId> = mine.iter().map(|(_, id)| *id).collect();
            self.send_probes(now, index, &ids);
            for id in ids {
                let Some(link) = self.links.get_mut(&index) else { break };
                let sent = match link.claims.get(&id) {
                    Some(Phase::Probing { sent }) => *sent,
                    _ => 0,
                };
                link.claims.insert(id, Phase::Probing { sent: sent.saturating_add(1) });
                self.shared.timers.set(Timer::Claim(index, id), after(now, PROBE_INTERVAL));
            }
        }
    }

    fn send_probes(&mut self, now: Instant, index: LinkIndex, ids: &[ClaimId]) {
        let Some(link) = self.links.get_mut(&index) else { return };
        // RFC 6762 §15.1: no unicast reply is asked for that another program would get.
        let unicast = link.state.unicast;
        let mut rest = ids;
        while !rest.is_empty() {
            // As many names as fit with all their records; one alone always goes.
            let mut count = rest.len();
            let packer = loop {
                let some = rest.get(..count).unwrap_or(rest);
                let limit = if count > 1 { link.limit() } else { MAX_PAYLOAD_BYTES };
                match pack_probe(&self.claims, &self.config, link, some, unicast, limit) {
                    Some(packer) => break Some(packer),
                    None if count > 1 => count = count.div_ceil(2),
                    None => break None,
                }
            };
            rest = rest.get(count..).unwrap_or_default();
            if let Some(packer) = packer {
                debug!(link = %link.state.name, names = count, "probe");
                link.multicast(now, &packer.finish(), Families::BOTH, &mut self.shared);
            }
        }
        if unicast {
            link.answers.probed_until = Some(after(now, super::query::UNICAST_WINDOW));
        }
    }

    /// The service's TXT record or port changed.
    pub(super) fn update_service(&mut self, now: Instant, id: AnnouncementId) {
        let Some(registered) = self.claims.services.get_mut(&id) else { return };
        while registered.updates.front().is_some_and(|at| now.saturating_duration_since(*at) >= UPDATE_WINDOW)
        {
            registered.updates.pop_front();
        }
        // RFC 6762 §8.4: no more than ten updates a minute; the last one of a burst counts.
        if let Some(first) = registered.updates.front().filter(|_| registered.updates.len() >= MAX_UPDATES) {
            self.shared.timers.set(Timer::Update(id), after(*first, UPDATE_WINDOW));
            return;
        }
        registered.updates.push_back(now);
        let links: Vec<LinkIndex> = self.links.keys().copied().collect();
        for link in links {
            self.update_claim(now, link, ClaimId::Service(id));
        }
    }

    /// Takes services back everywhere, and their hosts with the last service on them.
    pub(super) fn remove_services(&mut self, now: Instant, ids: &[AnnouncementId]) {
        let mut leaving: Vec<ClaimId> = Vec::new();
        for id in ids {
            let Some(registered) = self.claims.services.remove(id) else { continue };
            self.shared.timers.cancel(&Timer::Update(*id));
            self.claims.names.remove(&registered.name);
            leaving.push(ClaimId::Service(*id));
            let Some(host) = self.claims.hosts.get_mut(&registered.host) else { continue };
            host.services = host.services.saturating_sub(1);
            if host.services == 0 {
                leaving.push(ClaimId::Host(registered.host));
                if let Some(host) = self.claims.hosts.remove(&registered.host) {
                    self.claims.names.remove(host.name.name());
                    self.renamed_hosts.retain(|_, id| *id != registered.host);
                }
            }
        }
        let links: Vec<LinkIndex> = self.links.keys().copied().collect();
        for index in links {
            let mut gone = Vec::new();
            for id in &leaving {
                gone.extend(self.uninstall(now, index, *id));
                self.shared.timers.cancel(&Timer::Claim(index, *id));
            }
            let Some(link) = self.links.get_mut(&index) else { continue };
            link.claims.retain(|id, _| !leaving.contains(id));
            link.goodbye(now, &gone, &mut self.shared);
        }
        for id in ids {
            self.shared.events.push_back(Event::Withdrawn { id: *id });
        }
    }

    /// Tells of services that are now visible on every open link, if that is news.
    pub(super) fn tell_announced(&mut self) {
        for (id, registered) in &mut self.claims.services {
            let claim = ClaimId::Service(*id);
            let mut links = Vec::new();
            let mut waiting = false;
            for link in self.links.values().filter(|link| link.is_open()) {
                match link.claims.get(&claim) {
                    Some(Phase::Live { .. }) => links.push(link.index),
                    _ => waiting = true,
                }
            }
            let Some(host) = self.claims.hosts.get_mut(&registered.host) else { continue };
            if waiting || links.is_empty() {
                continue;
            }
            registered.trouble = Trouble { lost: registered.trouble.lost, ..Trouble::default() };
            host.trouble = Trouble { lost: host.trouble.lost, ..Trouble::default() };
            let told = (registered.name.clone(), host.name.clone(), links.clone());
            if registered.told.as_ref() == Some(&told) {
                continue;
            }
            let (instance, host) = (registered.service.instance.clone(), host.name.clone());
            info!(%instance, service = %registered.service.service, %host, links = links.len(), "announced");
            registered.told = Some(told);
            self.shared.events.push_back(Event::Announced { id: *id, instance, host, links });
        }
    }
}

fn pack_probe(
    claims: &Claims,
    config: &Config,
    link: &Link,
    ids: &[ClaimId],
    unicast: bool,
    limit: usize,
) -> Option<Packer> {
    let mut packer = Packer::query(limit);
    for id in ids {
        packer.question(claims.name_of(*id)?, RecordType::ANY, unicast).ok()?;
    }
    for id in ids {
        for record in proposed_unique(claims, config, link, *id) {
            // RFC 6762 §10.2: no cache-flush bit here.
            packer.record(Section::Authority, &record.name, false, record.ttl, &record.data).ok()?;
        }
    }
    Some(packer)
}

impl Claims {
    pub(super) fn name_of(&self, id: ClaimId) -> Option<&Name> {
        match id {
            ClaimId::Host(id) => self.hosts.get(&id).map(|host| host.name.name()),
            ClaimId::Service(id) => self.services.get(&id).map(|registered| &registered.name),
        }
    }
}

/// The records a claim is about, if it is won: those that stand in a probe.
pub(super) fn proposed_unique(claims: &Claims, config: &Config, link: &Link, id: ClaimId) -> Vec<Record> {
    let all = proposed(claims, config, link, id).into_iter();
    all.filter(|(record, telling)| record.cache_flush && *telling == Telling::Announced)
        .map(|(record, _)| record)
        .collect()
}

/// All records of a claim on a link.
fn proposed(claims: &Claims, config: &Config, link: &Link, id: ClaimId) -> Vec<(Record, Telling)> {
    match id {
        ClaimId::Host(id) => claims.hosts.get(&id).map(|host| host_records(host, config, link)),
        ClaimId::Service(id) => {
            claims.services.get(&id).map(|registered| service_records(claims, registered))
        }
    }
    .unwrap_or_default()
}

/// The addresses of this link and no others (RFC 6762 §6.2), which types there are (§6.1),
/// and the reverse mapping.
fn host_records(host: &Host, config: &Config, link: &Link) -> Vec<(Record, Telling)> {
    let name = host.name.name();
    let unique =
        |name: &Name, data| Record { name: name.clone(), cache_flush: true, ttl: HOST_TTL_SECONDS, data };
    let v4 = link.state.v4.iter().map(|(address, _)| *address);
    let v6 = link.state.v6.iter().map(|(address, _)| *address);
    let mut types = Vec::new();
    let mut records = Vec::new();
    for address in v4.clone() {
        types.push(RecordType::A);
        records.push((unique(name, RecordData::A(address)), Telling::Announced));
    }
    for address in v6.clone() {
        types.push(RecordType::AAAA);
        records.push((unique(name, RecordData::Aaaa(address)), Telling::Announced));
    }
    records.push((unique(name, RecordData::Nsec(Nsec::new(types))), Telling::OnRequest));
    if config.shares_host || host.name != config.host || link.answers.reverse_taken {
        return records;
    }
    let reverse = v4.map(IpAddr::V4).chain(v6.map(IpAddr::V6)).filter_map(reverse_name);
    for reverse in reverse {
        records.push((unique(&reverse, RecordData::Ptr(name.clone())), Telling::OnRequest));
        records.push((unique(&reverse, RecordData::Nsec(Nsec::new([RecordType::PTR]))), Telling::OnRequest));
    }
    records
}

/// `4.3.2.1.in-addr.arpa`, or the 32 nibbles below `ip6.arpa` (RFC 6762 §4).
pub(super) fn reverse_name(address: IpAddr) -> Option<Name> {
    let mut labels: Vec<String> = Vec::new();
    match address {
        IpAddr::V4(v4) => {
            labels.extend(v4.octets().iter().rev().map(u8::to_string));
            labels.extend(["in-addr".to_owned(), "arpa".to_owned()]);
        }
        IpAddr::V6(v6) => {
            for byte in v6.octets().iter().rev() {
                labels.extend([format!("{:x}", byte & 0x0f), format!("{:x}", byte >> 4)]);
            }
            labels.extend(["ip6".to_owned(), "arpa".to_owned()]);
        }
    }
    Name::from_labels(labels).ok()
}

/// PTR records at the type, its subtypes and the list of all types; SRV and TXT (RFC 6763).
fn service_records(claims: &Claims, registered: &Registered) -> Vec<(Record, Telling)> {
    let Some(host) = claims.hosts.get(&registered.host) else { return Vec::new() };
    let Registered { service, name, .. } = registered;
    let shared = |at: &Name, to: &Name| Record {
        name: at.clone(),
        cache_flush: false,
        ttl: OTHER_TTL_SECONDS,
        data: RecordData::Ptr(to.clone()),
    };
    let unique = |ttl, data| Record { name: name.clone(), cache_flush: true, ttl, data };
    let srv = Srv { priority: 0, weight: 0, port: service.port, target: host.name.name().clone() };
    let mut records = vec![shared(service.service.name(), name)];
    records.extend(service.subtypes.iter().map(|subtype| shared(subtype, name)));
    records.push(unique(HOST_TTL_SECONDS, RecordData::Srv(srv)));
    records.push(unique(OTHER_TTL_SECONDS, RecordData::Txt(service.txt.clone())));
    records.extend(enumeration_name().map(|all| shared(&all, service.service.name())));
    let mut records: Vec<_> = records.into_iter().map(|record| (record, Telling::Announced)).collect();
    let types = RecordData::Nsec(Nsec::new([RecordType::SRV, RecordType::TXT]));
    records.push((unique(HOST_TTL_SECONDS, types), Telling::OnRequest));
    records
}

/// `_services._dns-sd._udp.local` (RFC 6763 §9).
pub(super) fn enumeration_name() -> Option<Name> {
    Name::from_labels(["_services", "_dns-sd", "_udp", "local"]).ok()
}
