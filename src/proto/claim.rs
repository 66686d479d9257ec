//! Owning a name on a link: probe, announce, update, goodbye (RFC 6762 §8, §10.1).
//!
//! ```text
//!            0–250 ms             3 probes, 250 ms apart          host is live
//! Waiting ───────────▶ Probing ─────────────────────────▶ Ready ──────────────▶ Live
//!    ▲                    │ tie-break lost: 1 s                                  │
//!    └────────────────────┴───────── conflict (§9), wake-up, new name ◀──────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use litemap::LiteMap;

use super::Engine;
use super::hash::Seeded;
use super::io::{AnnouncementId, LinkIndex};
use super::names::NameMap;
use super::own::{Installed, RecordKey};
use super::peer::PeerRecords;
use super::records::proposed;
use super::timer::{Timer, after};
use crate::name::{HostName, Name};
use crate::service::Service;
use crate::wire::{Record, RecordData};

/// The first probe waits up to this long (RFC 6762 §8.1).
pub(super) const PROBE_DELAY: Duration = Duration::from_millis(250);

/// Probes are this far apart, and the name is ours this long after the last (RFC 6762 §8.1).
pub(super) const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// How many probes (RFC 6762 §8.1).
const PROBES: u8 = 3;

/// A host whose services are still being probed is announced with them, or after this: the
/// way through the probes, with one lost tie-break (RFC 6762 §8.2) on it.
const COMPANY_WAIT: Duration = Duration::from_secs(2);

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
    /// A libp2p peer's own host: how long its addresses live, in seconds.
    pub(super) peer_ttl: Option<u32>,
    /// Somebody else has claimed a name that was to be unique.
    pub(super) contested: bool,
    pub(super) trouble: Trouble,
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) service: Service,
    pub(super) name: Name,
    pub(super) host: u32,
    /// As for a host.
    pub(super) contested: bool,
    pub(super) trouble: Trouble,
    pub(super) told: Option<(Name, HostName, Vec<LinkIndex>)>,
    pub(super) updates: VecDeque<Instant>,
}

#[derive(Debug)]
pub(super) struct Claims {
    pub(super) hosts: LiteMap<u32, Host>,
    pub(super) services: BTreeMap<AnnouncementId, Registered>,
    pub(super) names: NameMap<ClaimId>,
    /// The conflicts of late, about whatever name: the host as a whole is to slow down
    /// (RFC 6762 §8.1).
    pub(super) conflicts: VecDeque<Instant>,
    /// What we held until lately.
    former: VecDeque<(Instant, Name, RecordData)>,
    next: u64,
}

impl Claims {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            hosts: LiteMap::new(),
            services: BTreeMap::new(),
            names: NameMap::new(seeded),
            conflicts: VecDeque::new(),
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
        let host = self.host_for(&wanted, service.peer.as_ref().map(PeerRecords::host_ttl));
        let name = service.full_name();
        self.claims.names.insert(name.clone(), ClaimId::Service(id));
        let registered = Registered {
            service,
            name,
            host,
            contested: false,
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
    fn host_for(&mut self, wanted: &HostName, peer_ttl: Option<u32>) -> u32 {
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
            let host = Host {
                name: wanted.clone(),
                services: 0,
                peer_ttl,
                contested: false,
                trouble: Trouble::default(),
            };
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
        if self.claims.is_unique(id) {
            link.claims.insert(id, Phase::Waiting { at: now });
            self.shared.timers.set(Timer::Claim(link.index, id), now);
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
        let wait = match wait {
            _ if self.claims.is_unique(id) => Duration::ZERO,
            Some(wait) => wait,
            None => self.shared.rng.between(Duration::ZERO, PROBE_DELAY),
        };
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
            // RFC 6762 §8.1: what is known to be unique need not be probed.
            Phase::Waiting { .. } if self.claims.is_unique(id) => self.won(now, index, id),
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
        match id {
            ClaimId::Host(host) => self.host_won(now, index, host),
            ClaimId::Service(service) => {
                let host =
                    self.claims.services.get(&service).map(|registered| ClaimId::Host(registered.host));
                if let Some(host) = host.filter(|host| self.is_unannounced(index, *host)) {
                    self.announce_claim(now, index, host);
                }
                self.announce_claim(now, index, id);
            }
        }
    }

    /// A host name is ours: services that waited for it are live as well. While others are
    /// still being probed the host waits for them, so that their SRV records and its
    /// addresses make one message and not two a second apart (RFC 6762 §6).
    fn host_won(&mut self, now: Instant, index: LinkIndex, host: u32) {
        let Some(link) = self.links.get(&index) else { return };
        let (mut ready, mut probing) = (Vec::new(), false);
        for id in self.services_on(host) {
            match link.claims.get(&id) {
                Some(Phase::Ready) => ready.push(id),
                Some(Phase::Waiting { .. } | Phase::Probing { .. }) => probing = true,
                _ => {}
            }
        }
        if ready.is_empty() && probing {
            self.shared.timers.set(Timer::Claim(index, ClaimId::Host(host)), after(now, COMPANY_WAIT));
            return;
        }
        self.announce_claim(now, index, ClaimId::Host(host));
        for id in ready {
            self.won(now, index, id);
        }
    }

    fn is_unannounced(&self, index: LinkIndex, id: ClaimId) -> bool {
        let phase = self.links.get(&index).and_then(|link| link.claims.get(&id));
        matches!(phase, Some(Phase::Live { announced: 0, .. }))
    }

    pub(super) fn services_on(&self, host: u32) -> Vec<ClaimId> {
        let on_it = self.claims.services.iter().filter(|(_, registered)| registered.host == host);
        on_it.map(|(id, _)| ClaimId::Service(*id)).collect()
    }

    pub(super) fn is_live(&self, index: LinkIndex, id: ClaimId) -> bool {
        self.links.get(&index).is_some_and(|link| matches!(link.claims.get(&id), Some(Phase::Live { .. })))
    }

    pub(super) fn install(&mut self, now: Instant, index: LinkIndex, id: ClaimId) -> Installed {
        self.stirred = true;
        let Some(link) = self.links.get_mut(&index) else { return Installed::default() };
        let wanted = proposed(&self.claims, &self.config, link, id);
        let installed = link.own.install(id, wanted);
        for key in &installed.removed_keys {
            link.drop_answer(*key);
        }
        for record in &installed.removed {
            self.claims.remember(now, &record.name, &record.data);
        }
        installed
    }

    /// Takes a claim's records out of a link; the return value is what would have to be
    /// taken back from others.
    pub(super) fn uninstall(&mut self, now: Instant, index: LinkIndex, id: ClaimId) -> Vec<Record> {
        self.stirred = true;
        let Some(link) = self.links.get_mut(&index) else { return Vec::new() };
        let installed = link.own.install(id, Vec::new());
        for key in &installed.removed_keys {
            link.drop_answer(*key);
        }
        for record in &installed.removed {
            self.claims.remember(now, &record.name, &record.data);
        }
        installed.removed
    }
}

impl Claims {
    /// Whether a name is unique by construction, and nobody has denied it so far.
    pub(super) fn is_unique(&self, id: ClaimId) -> bool {
        match id {
            ClaimId::Host(id) => {
                self.hosts.get(&id).is_some_and(|host| host.peer_ttl.is_some() && !host.contested)
            }
            ClaimId::Service(id) => {
                self.services.get(&id).is_some_and(|it| it.service.peer.is_some() && !it.contested)
            }
        }
    }

    /// Somebody else has a name that was to be unique: from now on it is probed.
    pub(super) fn contest(&mut self, id: ClaimId) {
        match id {
            ClaimId::Host(id) => self.hosts.get_mut(&id).map(|host| host.contested = true),
            ClaimId::Service(id) => self.services.get_mut(&id).map(|service| service.contested = true),
        };
    }

    pub(super) fn name_of(&self, id: ClaimId) -> Option<&Name> {
        match id {
            ClaimId::Host(id) => self.hosts.get(&id).map(|host| host.name.name()),
            ClaimId::Service(id) => self.services.get(&id).map(|registered| &registered.name),
        }
    }
}
