//! Links that come, change, go and come back (RFC 6762 §8, §10.3).

use std::time::{Duration, Instant};

use tracing::debug;

use super::claim::{ClaimId, PROBE_DELAY};
use super::io::{Event, LinkIndex, LinkState};
use super::link::Link;
use super::pending::SHARED_DELAY;
use super::room::Limits;
use super::timer::{Timer, after};
use super::{Engine, say};
use crate::wire::{Record, RecordData};

/// What was cached before a sleep is believed so long after it: time for three questions.
const WAKE_DOUBT: Duration = Duration::from_secs(4);

/// How many links that are gone are remembered.
const MAX_GONE: usize = 64;

impl Engine {
    /// The state of a link, or `None` when it is gone. Given an unchanged state it does
    /// nothing.
    pub fn handle_link(&mut self, now: Instant, index: LinkIndex, state: Option<LinkState>) {
        match state {
            None => self.remove_link(now, index),
            Some(state) if self.links.contains_key(&index) => self.change_link(now, index, state),
            Some(state) => self.add_link(now, index, state),
        }
        self.flush(now);
    }

    /// The machine slept or the process stood still: everything is probed, announced and
    /// asked again (RFC 6762 §8). `now` may not show how long that was: what is cached is
    /// believed for a few seconds more, unless it is heard again.
    pub fn handle_wake(&mut self, now: Instant) {
        let links: Vec<LinkIndex> = self.links.keys().copied().collect();
        for index in links {
            let until = after(now, WAKE_DOUBT);
            self.on(index, |link, _| link.cache.doubt(until));
            self.come_back(now, index);
        }
        self.flush(now);
    }

    /// The link was gone for a moment, as when a cable is pulled and plugged in again, perhaps
    /// elsewhere: names are probed and announced there as on a new link, and everything is
    /// asked again (RFC 6762 §8).
    pub fn handle_return(&mut self, now: Instant, link: LinkIndex) {
        self.come_back(now, link);
        self.flush(now);
    }

    /// Sends on this link work again after they failed.
    pub fn handle_recovery(&mut self, now: Instant, link: LinkIndex) {
        if let Some(link) = self.links.get_mut(&link) {
            let wait = self.shared.rng.between(SHARED_DELAY.0, SHARED_DELAY.1);
            self.shared.timers.set(Timer::Connectivity(link.index), after(now, wait));
        }
        self.flush(now);
    }

    fn add_link(&mut self, now: Instant, index: LinkIndex, state: LinkState) {
        say!(self, now, link = %state.name, v4 = state.v4_open, v6 = state.v6_open, "link added");
        let limits = Limits {
            instances: self.config.max_instances,
            idle: self.config.max_idle,
            idle_per_source: self.config.max_idle_per_source,
        };
        let mut link = Link::new(index, state, limits, self.shared.seeded);
        link.own.recall(self.gone.remove(&index).unwrap_or_default());
        for (id, (name, service)) in &self.browses {
            link.seek(now, name, service, *id, true, &mut self.shared);
        }
        for id in self.type_browses.keys() {
            link.seek_types(now, *id, true, &mut self.shared);
        }
        for (id, name) in &self.resolves {
            link.resolve(now, name, *id, true, &mut self.shared);
        }
        for (name, most) in self.taps.values() {
            link.listen(now, name, *most, &mut self.shared);
        }
        self.links.insert(index, link);
        self.start_claims(now, index);
    }

    /// RFC 6762 §10.3: what was heard on a link that is gone is forgotten with it.
    fn remove_link(&mut self, now: Instant, index: LinkIndex) {
        if let Some(mut link) = self.links.remove(&index) {
            say!(self, now, link = %link.state.name, "link removed");
            link.lose_all(&mut self.shared);
            link.lose_types(&mut self.shared);
            let deaf = self.taps.keys().map(|tap| Event::Deaf { tap: *tap, link: index });
            self.shared.tell_all(deaf);
            let first = self.gone.keys().next().copied();
            if let Some(first) = first.filter(|_| self.gone.len() >= MAX_GONE) {
                self.gone.remove(&first);
            }
            self.gone.insert(index, link.own.memory());
            self.shared.timers.forget_link(index);
        }
    }

    fn change_link(&mut self, now: Instant, index: LinkIndex, state: LinkState) {
        let Some(link) = self.links.get_mut(&index) else { return };
        if link.state == state {
            return;
        }
        let before = std::mem::replace(&mut link.state, state);
        let was_open = before.v4_open || before.v6_open;
        let opened = (link.state.v4_open && !before.v4_open) || (link.state.v6_open && !before.v6_open);
        let addresses = before.v4 != link.state.v4 || before.v6 != link.state.v6;
        debug!(link = %link.state.name, opened, addresses, "link changed");
        if !was_open && opened {
            self.come_back(now, index);
            return;
        }
        if was_open && !link.is_open() {
            let state = link.state.clone();
            self.remove_link(now, index);
            self.add_link(now, index, state);
            return;
        }
        if opened {
            // RFC 6762 §8: who speaks only this family was never asked for the names.
            self.probe_again(now, index);
            self.on(index, |link, shared| link.ask_again(now, true, false, shared));
            return;
        }
        if addresses {
            // RFC 6762 §8.4: the new set is announced; it need not be probed.
            let hosts = self.claims.hosts.keys().map(|id| ClaimId::Host(*id));
            let peers = self.claims.services.iter().filter(|(_, it)| it.service.peer.is_some());
            let ids: Vec<ClaimId> = hosts.chain(peers.map(|(id, _)| ClaimId::Service(*id))).collect();
            for id in ids {
                self.update_claim(now, index, id);
            }
        }
    }

    /// A link is usable again, or the machine woke: probe, announce, ask (RFC 6762 §8).
    fn come_back(&mut self, now: Instant, index: LinkIndex) {
        let Some(link) = self.links.get_mut(&index) else { return };
        link.ask_again(now, true, true, &mut self.shared);
        self.probe_again(now, index);
    }

    /// All names are probed for on a link, in one message, and then announced.
    fn probe_again(&mut self, now: Instant, index: LinkIndex) {
        let Some(link) = self.links.get(&index) else { return };
        let claims: Vec<ClaimId> = link.claims.keys().copied().collect();
        let (v4, v6) = (!link.state.v4.is_empty(), !link.state.v6.is_empty());
        let mut gone: Vec<Record> = claims.iter().flat_map(|id| self.uninstall(now, index, *id)).collect();
        // Addresses without a successor, whose cache-flush bit would take them back (§8.4).
        gone.retain(|record| match record.data {
            RecordData::A(_) => !v4,
            RecordData::Aaaa(_) => !v6,
            _ => false,
        });
        self.on(index, |link, shared| link.goodbye(now, &gone, shared));
        let wait = self.shared.rng.between(Duration::ZERO, PROBE_DELAY);
        for id in claims {
            self.restart_claim(now, index, id, Some(wait));
        }
        self.start_claims(now, index);
    }

    /// Sends work again: what was said and asked into the void is said and asked once more.
    pub(super) fn speak_up(&mut self, now: Instant, index: LinkIndex) {
        self.announce_again(now, index);
        self.on(index, |link, shared| link.ask_again(now, false, false, shared));
    }
}
