//! Telling everybody: announcement, update, goodbye (RFC 6762 §8.3, §8.4, §10.1).

use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::Engine;
use super::claim::{ClaimId, Phase, Trouble};
use super::io::{AnnouncementId, Event, LinkIndex};
use super::own::{Installed, RecordKey, Telling};
use super::timer::{Timer, after};
use crate::wire::Record;

/// How many announcements: at 0, 1 and 3 seconds. RFC 6762 §8.3 wants two to eight.
const ANNOUNCEMENTS: u8 = 3;

/// The wait after the first announcement; it doubles (RFC 6762 §8.3).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);

/// A service is updated no more than ten times … (RFC 6762 §8.4)
const MAX_UPDATES: usize = 10;

/// … a minute.
const UPDATE_WINDOW: Duration = Duration::from_secs(60);

impl Engine {
    /// One announcement of a claim, and the timer for the next.
    pub(super) fn announce_claim(&mut self, now: Instant, index: LinkIndex, id: ClaimId) {
        self.shared.timers.cancel(&Timer::Claim(index, id));
        let Some(link) = self.links.get_mut(&index) else { return };
        let Some(Phase::Live { announced, only }) = link.claims.get_mut(&id) else { return };
        if *announced >= ANNOUNCEMENTS {
            return;
        }
        let wait = ANNOUNCE_INTERVAL.saturating_mul(1_u32.checked_shl(u32::from(*announced)).unwrap_or(1));
        *announced = announced.saturating_add(1);
        let more = *announced < ANNOUNCEMENTS;
        let keys = only.clone().unwrap_or_else(|| link.own.of_claim(id).to_vec());
        link.announce(now, &keys);
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
                link.claims.insert(id, Phase::Live { announced: 0, only: None });
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
            added.iter().filter_map(|key| link.own.get(*key)).filter(|own| own.telling != Telling::OnRequest)
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
        link.announce(now, &changed);
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
            self.shared.tell(Event::Withdrawn { id: *id });
        }
    }

    /// Tells of services that are now visible on every open link, if that is news.
    pub(super) fn tell_announced(&mut self, now: Instant) {
        for (id, registered) in &mut self.claims.services {
            let claim = ClaimId::Service(*id);
            let open = || self.links.values().filter(|link| link.is_open());
            let waiting = !open().all(|link| matches!(link.claims.get(&claim), Some(Phase::Live { .. })));
            let links: Vec<LinkIndex> = open().map(|link| link.index).collect();
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
            let service = &registered.service.service;
            // Once for each service; again, as after a conflict, as often as may be said.
            if registered.told.is_none() || self.lines.take(now) {
                info!(%instance, %service, %host, links = links.len(), "announced");
            } else {
                debug!(%instance, %service, %host, links = links.len(), "announced again");
            }
            registered.told = Some(told);
            self.shared.tell(Event::Announced { id: *id, instance, host, links });
        }
    }
}
