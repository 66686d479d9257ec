//! Two hosts, one name: tie-break, defence, conflict, rename (RFC 6762 §8.2, §9).

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::claim::{ClaimId, Phase, Trouble};
use super::commands::longest_instance;
use super::counters::count;
use super::io::{AnnouncementId, Event, LinkIndex, Packet};
use super::probe::probed;
use super::records::proposed;
use super::timer::{Timer, after};
use super::{Engine, say};
use crate::name::Name;
use crate::service::instance_full_name;
use crate::wire::{CLASS_IN, MDNS_PORT, Message, Record, RecordData, RecordType, Section};

/// Who loses a simultaneous probe tries the same name again after this (RFC 6762 §8.2).
const TIE_BREAK_WAIT: Duration = Duration::from_secs(1);

/// So many conflicts … (RFC 6762 §8.1)
const MAX_CONFLICTS: usize = 15;

/// … in this time slow every further attempt …
const CONFLICT_WINDOW: Duration = Duration::from_secs(10);

/// … by at least this.
const CONFLICT_WAIT: Duration = Duration::from_secs(5);

/// After this many lost names the next number is drawn, not counted: fifty hosts with one
/// name would else move up in step.
const COUNTED_NAMES: u32 = 3;

/// Without a name for this long the caller is told.
const DISPUTE_TOLD: Duration = Duration::from_secs(60);

impl Engine {
    /// A query with records in its Authority Section is a probe. Says which of our names
    /// have been defended.
    pub(super) fn hear_probe(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        message: &Message<'_>,
    ) -> Vec<Name> {
        let mut defended = Vec::new();
        if message.header().authorities == 0 {
            return defended;
        }
        let mut proposals: Vec<(ClaimId, Vec<Record>)> = Vec::new();
        for record in message.records().filter(|record| record.section == Section::Authority) {
            let Some(id) = self.claims.names.get(&record.name) else { continue };
            let Some(data) = record.data().filter(|_| record.class == CLASS_IN) else { continue };
            let record = Record { name: record.name.to_name(), cache_flush: false, ttl: record.ttl, data };
            match proposals.iter_mut().find(|(other, _)| other == id) {
                Some((_, records)) => records.push(record),
                None => proposals.push((*id, vec![record])),
            }
        }
        for (id, theirs) in proposals {
            let Some(name) = self.claims.name_of(id).cloned() else { continue };
            // Ourselves, on another link or by way of a reflector, or a program beside us that
            // says the very same.
            if theirs.iter().all(|record| self.is_ours(now, &record.name, &record.data)) {
                continue;
            }
            let Some(link) = self.links.get_mut(&packet.link) else { continue };
            match link.claims.get(&id) {
                Some(Phase::Live { .. }) => {
                    // RFC 6762 §6.7: who asks from another port gets an ordinary reply as well.
                    let participant = packet.source.port() == MDNS_PORT;
                    let qu = participant && message.questions().any(|q| q.unicast && q.name.is(&name));
                    debug!(link = %link.state.name, %name, source = %packet.source, "defend against a probe");
                    link.defend(now, &name, packet.source, qu, &mut self.shared);
                    if participant {
                        defended.push(name);
                    }
                }
                Some(Phase::Probing { .. } | Phase::Ready) => self.tie_break(now, packet.link, id, theirs),
                Some(Phase::Waiting { .. }) | None => {}
            }
        }
        defended
    }

    /// RFC 6762 §8.2: both probe for one name; the lexicographically later records win.
    fn tie_break(&mut self, now: Instant, index: LinkIndex, id: ClaimId, mut theirs: Vec<Record>) {
        let Some(link) = self.links.get_mut(&index) else { return };
        let mut ours = probed(&self.claims, &self.config, link, id);
        if compare(&mut ours, &mut theirs) != Ordering::Less {
            return;
        }
        debug!(link = %link.state.name, "tie-break lost: the same name again in a second");
        let at = after(now, TIE_BREAK_WAIT);
        link.claims.insert(id, Phase::Waiting { at });
        self.shared.timers.set(Timer::Claim(index, id), at);
    }

    /// A record in a response has a name that we claim. Says whether it speaks against us.
    pub(super) fn hear_claimed(
        &mut self,
        now: Instant,
        index: LinkIndex,
        id: ClaimId,
        name: &Name,
        data: &RecordData,
    ) {
        let rtype = data.record_type();
        if rtype == RecordType::OPT || self.is_ours(now, name, data) {
            return;
        }
        let Some(link) = self.links.get_mut(&index) else { return };
        match link.claims.get(&id) {
            // RFC 6762 §8.1: probed with type ANY, a record of any type says no.
            // Who says what it has not got (NSEC) owns the name as well.
            Some(Phase::Probing { .. } | Phase::Ready) => self.lose(now, index, id),
            // RFC 6762 §9: only a record of a type that we hold as well.
            Some(Phase::Live { .. })
                if rtype != RecordType::NSEC && link.own.of_type(name, rtype).next().is_some() =>
            {
                let link = link.state.name.clone();
                say!(self, now, %link, %name, "conflict: the name is probed again");
                let slow = self.count_conflict(now, id);
                self.restart_claim(now, index, id, slow.then_some(CONFLICT_WAIT));
            }
            _ => {}
        }
    }

    fn trouble(&mut self, id: ClaimId) -> Option<&mut Trouble> {
        match id {
            ClaimId::Host(id) => self.claims.hosts.get_mut(&id).map(|host| &mut host.trouble),
            ClaimId::Service(id) => {
                self.claims.services.get_mut(&id).map(|registered| &mut registered.trouble)
            }
        }
    }

    /// Notes a conflict. Says whether the next attempt has to wait (RFC 6762 §8.1).
    fn count_conflict(&mut self, now: Instant, id: ClaimId) -> bool {
        self.claims.contest(id);
        let conflicts = &mut self.claims.conflicts;
        while conflicts.front().is_some_and(|at| now.saturating_duration_since(*at) > CONFLICT_WINDOW)
            || conflicts.len() >= MAX_CONFLICTS
        {
            conflicts.pop_front();
        }
        conflicts.push_back(now);
        let many = conflicts.len() >= MAX_CONFLICTS;
        let Some(trouble) = self.trouble(id) else { return false };
        trouble.since.get_or_insert(now);
        trouble.slow |= many;
        let slow = trouble.slow;
        count(&mut self.shared.counters.conflicts);
        slow
    }

    /// The name belongs to somebody else: another one is chosen and probed for, on all links
    /// (RFC 6762 §9).
    fn lose(&mut self, now: Instant, lost_on: LinkIndex, id: ClaimId) {
        let slow = self.count_conflict(now, id);
        let Some(trouble) = self.trouble(id) else { return };
        trouble.lost = trouble.lost.saturating_add(1);
        let lost = trouble.lost;
        let disputed = !trouble.told
            && trouble.since.is_some_and(|since| now.saturating_duration_since(since) >= DISPUTE_TOLD);
        trouble.told |= disputed;
        count(&mut self.shared.counters.renames);
        let step = if lost <= COUNTED_NAMES {
            1
        } else {
            let range = 1_u32.checked_shl(lost.saturating_add(2).min(10)).unwrap_or(1024);
            self.shared.rng.up_to(range)
        };
        if let Some(name) = self.claims.name_of(id).cloned() {
            self.claims.names.remove(&name);
        }
        match id {
            ClaimId::Service(service) => self.rename_service(now, lost_on, service, step),
            ClaimId::Host(host) => self.rename_host(now, host, step),
        }
        if disputed {
            self.tell_disputed(id);
        }
        let links: Vec<LinkIndex> = self.links.keys().copied().collect();
        for index in links {
            let was_live = self.is_live(index, id);
            // On other links nobody has taken our place: what was said there is taken back.
            let gone = self.uninstall(now, index, id);
            if was_live
                && index != lost_on
                && let Some(link) = self.links.get_mut(&index)
            {
                link.goodbye(now, &gone, &mut self.shared);
            }
            self.restart_claim(now, index, id, slow.then_some(CONFLICT_WAIT));
            if let ClaimId::Host(host) = id {
                self.hold_services(now, index, host);
            }
        }
    }

    fn tell_disputed(&mut self, id: ClaimId) {
        warn!("no name could be claimed for a minute: another host answers every one");
        let ids = match id {
            ClaimId::Service(_) => vec![id],
            ClaimId::Host(host) => self.services_on(host),
        };
        for id in ids {
            let ClaimId::Service(id) = id else { continue };
            let Some(registered) = self.claims.services.get(&id) else { continue };
            let instance = registered.service.instance.clone();
            self.shared.tell(Event::Disputed { id, instance });
        }
    }

    fn rename_service(&mut self, now: Instant, lost_on: LinkIndex, id: AnnouncementId, step: u32) {
        let Some(registered) = self.claims.services.get(&id) else { return };
        // The winner holds the same pointer at the service type, but not those at the subtypes.
        let target = RecordData::Ptr(registered.name.clone());
        let stale: Vec<Record> = (registered.service.subtypes.iter())
            .filter(|subtype| self.claims.was_ours(now, subtype, &target))
            .map(|subtype| Record { name: subtype.clone(), cache_flush: false, ttl: 0, data: target.clone() })
            .collect();
        if let Some(link) = self.links.get_mut(&lost_on) {
            link.goodbye(now, &stale, &mut self.shared);
        }
        let Some(registered) = self.claims.services.get_mut(&id) else { return };
        let from = registered.service.instance.clone();
        let longest = longest_instance(&registered.service.service, &registered.service.txt);
        let mut to = from.next(step, longest);
        let mut name = instance_full_name(&to, &registered.service.service);
        // A number more than there are claims of ours is free among them.
        for _ in 0..=self.claims.names.len() {
            if !self.claims.names.contains(&name) {
                break;
            }
            to = to.next(1, longest);
            name = instance_full_name(&to, &registered.service.service);
        }
        registered.service.instance = to.clone();
        registered.name = name.clone();
        let service = registered.service.service.clone();
        say!(self, now, %from, %to, %service, "renamed");
        self.claims.names.insert(name, ClaimId::Service(id));
        self.shared.tell(Event::Renamed { id, from, to });
    }

    fn rename_host(&mut self, now: Instant, id: u32, step: u32) {
        let Some(host) = self.claims.hosts.get_mut(&id) else { return };
        let from = host.name.clone();
        let mut to = from.next(step);
        for _ in 0..=self.claims.names.len() {
            if !self.claims.names.contains(to.name()) {
                break;
            }
            to = to.next(1);
        }
        host.name = to.clone();
        say!(self, now, %from, %to, "host renamed");
        self.claims.names.insert(to.name().clone(), ClaimId::Host(id));
        if self.config.host == from {
            self.config.host = to.clone();
        }
        self.shared.tell(Event::HostRenamed { from, to });
    }

    /// Services on a host that lost its name wait until it has another: their SRV records
    /// would point to somebody else.
    fn hold_services(&mut self, now: Instant, index: LinkIndex, host: u32) {
        for id in self.services_on(host) {
            if self.is_live(index, id) {
                self.uninstall(now, index, id);
                self.shared.timers.cancel(&Timer::Claim(index, id));
                if let Some(link) = self.links.get_mut(&index) {
                    link.claims.insert(id, Phase::Ready);
                }
            }
        }
    }

    /// A record equal to what we hold or propose on any link, or held until lately, is ours;
    /// and so is every address of this machine, under whatever program's name.
    pub(super) fn is_ours(&self, now: Instant, name: &Name, data: &RecordData) -> bool {
        if self.links.values().any(|link| link.own.find(name, data).is_some())
            || self.claims.was_ours(now, name, data)
        {
            return true;
        }
        let address = match data {
            RecordData::A(v4) => Some((*v4).into()),
            RecordData::Aaaa(v6) => Some((*v6).into()),
            _ => None,
        };
        if let Some(address) = address {
            return self.links.values().any(|link| link.is_own_address(address))
                || self.claims.was_our_address(now, data);
        }
        let Some(id) = self.claims.names.get(name) else { return false };
        self.links.values().any(|link| {
            let mut records = proposed(&self.claims, &self.config, link, *id).into_iter();
            records.any(|(record, _)| record.name == *name && record.data == *data)
        })
    }
}

/// RFC 6762 §8.2.1: both sets in order, pair by pair; who has records left over wins.
fn compare(ours: &mut [Record], theirs: &mut [Record]) -> Ordering {
    ours.sort_unstable_by(Record::tie_break);
    theirs.sort_unstable_by(Record::tie_break);
    for (our, their) in ours.iter().zip(theirs.iter()) {
        match our.tie_break(their) {
            Ordering::Equal => {}
            decided => return decided,
        }
    }
    ours.len().cmp(&theirs.len())
}
