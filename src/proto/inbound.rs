//! What comes in: which packets are listened to, and what a response does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use tracing::trace;

use super::age::CacheDue;
use super::cache::{CacheKey, Heard};
use super::claim::ClaimId;
use super::counters::{add, count};
use super::io::{Family, LinkIndex, Packet};
use super::link::{Link, Shared};
use super::own::OwnRecord;
use super::{Engine, KEPT_TYPES};
use crate::name::Name;
use crate::wire::{
    CLASS_IN, MAX_SENT_BYTES, MDNS_PORT, Message, NameRef, Record, RecordData, RecordRef, RecordType, Section,
};

impl Engine {
    /// A datagram came in. A bad one is counted and otherwise ignored.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet<'_>) {
        self.take_in(now, &packet);
        self.settle(now);
    }

    fn take_in(&mut self, now: Instant, packet: &Packet<'_>) {
        count(&mut self.shared.counters.received);
        let Some(link) = self.links.get_mut(&packet.link) else {
            return count(&mut self.shared.counters.unknown_link);
        };
        // RFC 6762 §17: 9000 bytes with the headers, which are longer with IPv6.
        let too_long = packet.source.is_ipv6() && packet.payload.len() > MAX_SENT_BYTES;
        let Some(message) = Message::read(packet.payload).ok().filter(|_| !too_long) else {
            return count(&mut self.shared.counters.malformed);
        };
        let header = message.header();
        // RFC 6762 §18.3, §18.11: silently ignored.
        if header.opcode != 0 || header.rcode != 0 {
            return count(&mut self.shared.counters.malformed);
        }
        // RFC 6762 §11, §5.5: by unicast only from this link.
        if packet.unicast && !link.is_on_link(packet.source.ip()) {
            return count(&mut self.shared.counters.unwelcome_unicast);
        }
        let own = link.is_own_address(packet.source.ip());
        trace!(link = %link.state.name, source = %packet.source, response = header.response, "received");
        if header.response {
            add(&mut self.shared.counters.answers_heard, header.answers.into());
            self.take_in_response(now, packet, &message, own);
        } else {
            add(&mut self.shared.counters.questions_heard, header.questions.into());
            self.take_in_query(now, packet, &message, own);
        }
    }

    /// Whether a query is about a name that is held, claimed or asked for here, or goes on
    /// with one that was. Most are not, and cost nothing more.
    fn concerns(&self, packet: &Packet<'_>, message: &Message<'_>) -> bool {
        let Some(link) = self.links.get(&packet.link) else { return false };
        let claimed = |name: &NameRef<'_>| self.claims.names.contains(name);
        let known = |name: &NameRef<'_>| link.own.holds(name) || link.asks.names(name) || claimed(name);
        let proposed = |record: RecordRef<'_>| record.section == Section::Authority && claimed(&record.name);
        message.questions().any(|question| known(&question.name))
            || link.awaits_more_from(packet.source)
            || (message.header().authorities > 0 && message.records().any(proposed))
    }

    fn take_in_query(&mut self, now: Instant, packet: &Packet<'_>, message: &Message<'_>, own: bool) {
        if !self.concerns(packet, message) {
            return;
        }
        let Some(link) = self.links.get_mut(&packet.link) else { return };
        let family = Family::of(packet.source.ip());
        let participant = packet.source.port() == MDNS_PORT && !packet.unicast;
        // RFC 6762 §7.3 is about participants: a legacy asker's answer goes to it alone.
        if participant && !(own && link.is_echo(now, packet.payload)) {
            link.overhear_more(now, packet.source, message, &mut self.shared);
            for question in message.questions() {
                link.overhear(now, packet.source, &question, message, &mut self.shared);
            }
        }
        let concerns_us = message
            .questions()
            .any(|question| link.own.holds(&question.name) || self.claims.names.contains(&question.name));
        if concerns_us && participant && link.is_twin(now, family, packet.payload, self.shared.seeded) {
            return;
        }
        let defended = self.hear_probe(now, packet, message);
        let Some(link) = self.links.get_mut(&packet.link) else { return };
        link.hear_query(now, packet, message, &defended, &mut self.shared);
    }

    fn take_in_response(&mut self, now: Instant, packet: &Packet<'_>, message: &Message<'_>, own: bool) {
        let echo = own && self.links.get(&packet.link).is_some_and(|link| link.is_echo(now, packet.payload));
        if !echo && (!packet.unicast || self.is_welcome(now, packet.link, message)) {
            self.tell_taps(packet, message);
        }
        // RFC 6762 §6.
        if packet.source.port() != MDNS_PORT {
            return count(&mut self.shared.counters.foreign_port);
        }
        if packet.unicast && !self.is_welcome(now, packet.link, message) {
            return count(&mut self.shared.counters.unwelcome_unicast);
        }
        let mut flushed: Vec<(Name, RecordType)> = Vec::new();
        for record in message.records() {
            if let Some(flush) = self.hear_record(now, packet, &record, echo) {
                flushed.push(flush);
            }
        }
        let Some(link) = self.links.get_mut(&packet.link) else { return };
        flushed.dedup();
        for (name, rtype) in flushed {
            link.cache.flush(now, &name, rtype);
        }
    }

    /// RFC 6762 §6: a unicast response answers a question of the last two seconds that asked
    /// for one, or it is ignored.
    fn is_welcome(&self, now: Instant, index: LinkIndex, message: &Message<'_>) -> bool {
        let Some(link) = self.links.get(&index) else { return false };
        let probed = link.answers.probed_until.is_some_and(|until| now <= until);
        message.records().any(|record| {
            link.asks.welcomes_unicast(now, &record.name, record.rtype)
                || (probed && self.claims.names.contains(&record.name))
        })
    }

    /// One record of a response. Gives the set of records it replaces, if it does.
    fn hear_record(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        record: &RecordRef<'_>,
        echo: bool,
    ) -> Option<(Name, RecordType)> {
        // A TTL with the top bit set is ignored with its record, not read as a goodbye.
        if record.class != CLASS_IN || record.ttl >= 0x8000_0000 {
            return None;
        }
        let claimed = self.claims.names.get(&record.name).copied();
        let link = self.links.get_mut(&packet.link)?;
        let held = link.own.holds(&record.name);
        let kept = KEPT_TYPES.contains(&record.rtype) && record.name.is_local();
        if claimed.is_none() && !held {
            if !kept {
                return None;
            }
            if let Some(known) = link.cache.find_heard(record) {
                return link.renew_cached(now, known, record, packet.source, &mut self.shared);
            }
        }
        let data = record.data()?;
        let name = record.name.to_name();
        if held && !echo {
            self.hear_held(now, packet, &name, &data, record);
        }
        if let Some(id) = claimed.filter(|_| record.ttl > 0) {
            self.hear_claimed(now, packet.link, id, &name, &data);
        }
        let link = self.links.get_mut(&packet.link)?;
        // Nobody here asks for anything: what we said ourselves need not be remembered, and
        // its end wakes nobody up. Whoever asks later hears it then.
        if !kept || (echo && link.asks.asks.is_empty()) {
            return None;
        }
        link.hear_cached(now, &name, &data, record.ttl, packet.source, &mut self.shared);
        flushes(record).then_some((name, record.rtype))
    }

    /// A record at a name that we hold records at, said by somebody else.
    fn hear_held(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        name: &Name,
        data: &RecordData,
        record: &RecordRef<'_>,
    ) {
        let Some(link) = self.links.get_mut(&packet.link) else { return };
        if let Some(key) = link.own.find(name, data) {
            let family = Family::of(packet.source.ip());
            link.hear_own_record(now, family, key, record.ttl, &mut self.shared);
            return;
        }
        if link.is_reverse_conflict(name, data) {
            // Not a name of ours to fight for: the other one may have it.
            link.answers.reverse_taken = true;
            let hosts: Vec<ClaimId> = self.claims.hosts.keys().map(|id| ClaimId::Host(*id)).collect();
            for id in hosts {
                self.update_claim(now, packet.link, id);
            }
            return;
        }
        // RFC 6762 §10.2, §14: our own set of another link arrived here and flushed this
        // link's set from every cache.
        let ours_elsewhere = record.cache_flush && record.ttl > 0 && self.is_ours(now, name, data);
        let Some(link) = self.links.get_mut(&packet.link).filter(|_| ours_elsewhere) else { return };
        let keys: Vec<_> = link
            .own
            .of_type(name, record.rtype)
            .filter(|key| {
                let last = link.own.get(*key).and_then(|own| own.last);
                last.is_none_or(|last| now.saturating_duration_since(last) >= super::own::MULTICAST_INTERVAL)
            })
            .collect();
        if !keys.is_empty() && link.may_repair(now) {
            link.announce(now, &keys);
        }
    }
}

/// Whether a record takes the place of the others of its set (RFC 6762 §10.2). A goodbye takes
/// back itself alone: who loses one of several addresses may say so with the bit set. And a
/// pointer is one of a set that many hosts share (RFC 6763 §4.1), whatever its sender claims.
fn flushes(record: &RecordRef<'_>) -> bool {
    record.cache_flush && record.ttl > 0 && record.rtype != RecordType::PTR
}

impl Link {
    /// A record that is in the cache already was heard again. Gives the set of records it
    /// replaces, if it does.
    fn renew_cached(
        &mut self,
        now: Instant,
        key: CacheKey,
        record: &RecordRef<'_>,
        source: SocketAddr,
        shared: &mut Shared,
    ) -> Option<(Name, RecordType)> {
        let entry = self.cache.get(key)?;
        let (name, nsec) = (entry.name.clone(), matches!(entry.data, RecordData::Nsec(_)));
        let wanted = if nsec { self.asks.any_at(&name) } else { entry.wanted };
        let heard = self.cache.hear_known(now, key, record.ttl, source.ip(), wanted, &mut shared.rng);
        if heard == Heard::Renewed {
            if nsec && let Some(data) = record.data() {
                self.deny_heard(&name, &data, shared);
            } else if let Some(ask) = wanted {
                self.content(ask, shared);
            }
            self.recall(&name, record.rtype);
        }
        flushes(record).then_some((name, record.rtype))
    }

    fn hear_cached(
        &mut self,
        now: Instant,
        name: &Name,
        data: &RecordData,
        ttl: u32,
        source: SocketAddr,
        shared: &mut Shared,
    ) {
        let rtype = data.record_type();
        let wanted = self.wants(name, rtype);
        if ttl > 0 && wanted.is_some() && !self.make_way(name, data, source.ip(), shared) {
            return;
        }
        let heard = self.cache.hear(now, name, data, ttl, source.ip(), wanted, &mut shared.rng);
        match heard {
            Heard::New => {
                self.answer_heard(name, rtype, shared);
                self.deny_heard(name, data, shared);
                self.touch(now, name, data, shared);
            }
            Heard::Renewed => {
                self.answer_heard(name, rtype, shared);
                self.deny_heard(name, data, shared);
                self.recall(name, rtype);
            }
            Heard::Nothing => {}
        }
    }

    /// What we told everybody here is known to who asks on this machine as well. The one-second
    /// rule would keep us from saying it again so soon.
    pub(super) fn hear_ourselves(
        &mut self,
        now: Instant,
        name: &Name,
        rtype: RecordType,
        shared: &mut Shared,
    ) {
        let held = || self.own.records_at(name).map(|(_, own)| own);
        if !held().any(|own| own.last.is_some()) {
            return;
        }
        let answers = |own: &&OwnRecord| match own.record.data.record_type() {
            RecordType::NSEC => true,
            held => held == rtype && own.last.is_some(),
        };
        let told: Vec<Record> = held().filter(answers).map(|own| own.record.clone()).collect();
        let v4 = self.state.v4.first().map(|(ip, _)| IpAddr::V4(*ip));
        let v6 = self.state.v6.first().map(|(ip, _)| IpAddr::V6(*ip));
        let source = SocketAddr::new(v4.or(v6).unwrap_or(Ipv4Addr::UNSPECIFIED.into()), MDNS_PORT);
        for record in told {
            self.hear_cached(now, name, &record.data, record.ttl, source, shared);
            if record.cache_flush {
                self.cache.flush(now, name, record.data.record_type());
            }
        }
    }

    /// A record was heard again. Of several SRV or TXT records that replaced each other the one
    /// heard last counts, and that may now be another one.
    fn recall(&mut self, name: &Name, rtype: RecordType) {
        let replaced = matches!(rtype, RecordType::SRV | RecordType::TXT)
            && self.cache.of_type(name, rtype).nth(1).is_some();
        if replaced {
            self.instances.touch_at(name);
        }
    }

    /// NSEC answers every question about a type that it leaves out (RFC 6762 §6.1).
    fn deny_heard(&mut self, name: &Name, data: &RecordData, shared: &mut Shared) {
        let RecordData::Nsec(nsec) = data else { return };
        for rtype in KEPT_TYPES {
            if !nsec.has(rtype) {
                self.answer_heard(name, rtype, shared);
            }
        }
    }

    /// A cached record wants to be refreshed, or has expired.
    pub(super) fn cache_due(&mut self, now: Instant, key: CacheKey, shared: &mut Shared) {
        match self.cache.handle_due(now, key, &mut shared.rng) {
            Some(CacheDue::Refresh(name, rtype)) => {
                self.refresh(now, &name, rtype);
            }
            Some(CacheDue::Expired(name, data)) => {
                self.touch(now, &name, &data, shared);
                if let RecordData::Nsec(_) = data {
                    for rtype in KEPT_TYPES {
                        self.answer_gone(now, &name, rtype, shared);
                    }
                } else {
                    self.answer_gone(now, &name, data.record_type(), shared);
                }
            }
            None => {}
        }
    }
}
