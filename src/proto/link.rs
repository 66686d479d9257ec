//! One interface with both its families: state, on-link check, sending.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use litemap::LiteMap;

use bytes::Bytes;

use super::asks::Asks;
use super::browse::Instances;
use super::budget::{Budget, Window};
use super::cache::Cache;
use super::claim::{ClaimId, Phase};
use super::counters::{Counters, count};
use super::families::Families;
use super::hash::Seeded;
use super::io::{Event, Family, GROUP_V4, GROUP_V6, LinkIndex, LinkState, Transmit};
use super::own::Own;
use super::prepared::Prepared;
use super::respond::Answers;
use super::rng::Rng;
use super::room::Limits;
use super::timer::Timers;
use super::types::Types;
use crate::service::Interface;
use crate::wire::MDNS_PORT;

/// The largest UDP payload sent, in bytes, unless one record alone is larger. Apple's figure:
/// it fits every link and tunnel in use.
pub(super) const USUAL_BYTES: usize = 1440;

/// The bytes of an IPv6 and a UDP header; the copies of both families share their payload.
const HEADER_BYTES: usize = 48;

/// IPv6 links carry at least this (RFC 8200 §5); no smaller MTU is believed.
const MIN_MTU_BYTES: usize = 1280;

/// How long what we sent is remembered, to know it again when it comes back.
const ECHO_MEMORY: Duration = Duration::from_secs(2);

/// How much of what we sent is remembered on a link.
const MAX_ECHOES: usize = 64;

/// Two copies of one question, one on each family, come closer together than this.
const TWIN_WINDOW: Duration = Duration::from_millis(200);

/// The most multicast datagrams in a burst on a link, and how many a second after that.
const MULTICAST_BUDGET: (u32, u32) = (100, 50);

/// The most datagrams with questions in any second on a link, both families' copies and the
/// packets with more known answers counted.
const MAX_QUERIES_PER_SECOND: usize = 20;

/// How often in a minute a link's own set of records is announced anew because another link's
/// set arrived here (RFC 6762 §14). A reflector that brings everything back late would else
/// keep it up for ever.
const MAX_REPAIRS_PER_MINUTE: usize = 6;

/// What all links share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) timers: Timers,
    pub(super) rng: Rng,
    pub(super) seeded: Seeded,
    pub(super) transmits: VecDeque<Transmit>,
    /// In boxes: when a link goes, there are as many as it had instances.
    pub(super) events: VecDeque<Box<Event>>,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(Box::new(event));
    }

    pub(super) fn tell_all(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events.into_iter().map(Box::new));
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) index: LinkIndex,
    pub(super) state: LinkState,
    pub(super) own: Own,
    pub(super) claims: LiteMap<ClaimId, Phase>,
    pub(super) answers: Answers,
    pub(super) prepared: Prepared,
    pub(super) asks: Asks,
    pub(super) cache: Cache,
    pub(super) instances: Instances,
    pub(super) types: Types,
    multicasts: Budget,
    queries: Window,
    repairs: Window,
    /// What was sent here lately.
    echoes: VecDeque<(Instant, Bytes)>,
    /// Questions heard lately on one family, by hash, whose copy on the other is awaited.
    twins: VecDeque<(Instant, Family, u64)>,
}

impl Link {
    pub(super) fn new(index: LinkIndex, state: LinkState, limits: Limits, seeded: Seeded) -> Self {
        Self {
            index,
            state,
            own: Own::new(seeded),
            claims: LiteMap::new(),
            answers: Answers::default(),
            prepared: Prepared::default(),
            asks: Asks::new(seeded),
            cache: Cache::new(limits, seeded),
            instances: Instances::new(seeded),
            types: Types::default(),
            multicasts: Budget::new(MULTICAST_BUDGET),
            queries: Window::new(MAX_QUERIES_PER_SECOND, Duration::from_secs(1)),
            repairs: Window::new(MAX_REPAIRS_PER_MINUTE, Duration::from_secs(60)),
            echoes: VecDeque::new(),
            twins: VecDeque::new(),
        }
    }

    pub(super) fn open(&self) -> Families {
        Families { v4: self.state.v4_open, v6: self.state.v6_open }
    }

    /// Whether anything waits to be sent or told here.
    pub(super) fn is_due(&self) -> bool {
        self.instances.is_touched() || self.answers.is_due() || self.asks.is_due()
    }

    pub(super) fn is_open(&self) -> bool {
        !self.open().is_empty()
    }

    pub(super) fn interface(&self) -> Interface {
        Interface { index: self.index.0, name: self.state.name.clone() }
    }

    /// The most bytes of payload that go into one datagram here.
    pub(super) fn limit(&self) -> usize {
        let mtu = usize::try_from(self.state.mtu).unwrap_or(usize::MAX).max(MIN_MTU_BYTES);
        mtu.saturating_sub(HEADER_BYTES).min(USUAL_BYTES)
    }

    pub(super) fn is_own_address(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.state.v4.iter().any(|(own, _)| *own == v4),
            IpAddr::V6(v6) => self.state.v6.iter().any(|(own, _)| *own == v6),
        }
    }

    /// See [`LinkState::is_on_link`].
    pub(super) fn is_on_link(&self, address: IpAddr) -> bool {
        self.state.is_on_link(address)
    }

    /// Sends to the groups of `families`, as far as they are open here.
    pub(super) fn multicast(
        &mut self,
        now: Instant,
        payload: &Bytes,
        families: Families,
        shared: &mut Shared,
    ) {
        self.remember(now, payload);
        let open = self.open().and(families);
        if !open.is_empty() {
            shared.counters.sent(payload);
        }
        for family in Family::BOTH.into_iter().filter(|family| open.has(*family)) {
            let destination = match family {
                Family::V4 => SocketAddr::from((GROUP_V4, MDNS_PORT)),
                Family::V6 => SocketAddr::V6(SocketAddrV6::new(GROUP_V6, MDNS_PORT, 0, self.index.0)),
            };
            count(&mut shared.counters.multicasts);
            shared.transmits.push_back(Transmit { link: self.index, destination, payload: payload.clone() });
        }
    }

    pub(super) fn unicast(&self, payload: Bytes, destination: SocketAddr, shared: &mut Shared) {
        shared.counters.sent(&payload);
        count(&mut shared.counters.unicasts);
        shared.transmits.push_back(Transmit { link: self.index, destination, payload });
    }

    /// One multicast datagram with answers, out of the link's budget.
    pub(super) fn may_multicast(&mut self, now: Instant) -> Result<(), Instant> {
        self.multicasts.take(now)
    }

    /// Whether the link's budget has room for questions, or when it will have.
    pub(super) fn may_query(&mut self, now: Instant) -> Result<(), Instant> {
        self.queries.has_room(now)
    }

    /// As [`multicast`](Self::multicast), out of the budget for questions.
    pub(super) fn multicast_query(
        &mut self,
        now: Instant,
        payload: &Bytes,
        families: Families,
        shared: &mut Shared,
    ) {
        let open = self.open().and(families);
        for _ in Family::BOTH.into_iter().filter(|family| open.has(*family)) {
            self.queries.count(now);
        }
        self.multicast(now, payload, families, shared);
    }

    /// Whether to announce our set anew after another link's set arrived here.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        self.repairs.take(now)
    }

    fn remember(&mut self, now: Instant, payload: &Bytes) {
        forget_before(&mut self.echoes, now, ECHO_MEMORY, |echo| echo.0);
        if self.echoes.len() >= MAX_ECHOES {
            self.echoes.pop_front();
        }
        self.echoes.push_back((now, payload.clone()));
    }

    /// Whether this payload was sent by us on this link a moment ago.
    pub(super) fn is_echo(&self, now: Instant, payload: &[u8]) -> bool {
        self.echoes
            .iter()
            .any(|(at, echo)| echo == payload && now.saturating_duration_since(*at) <= ECHO_MEMORY)
    }

    /// Whether this question was heard a moment ago on the other family: one asker, who sent
    /// it on both, gets one answer.
    pub(super) fn is_twin(&mut self, now: Instant, family: Family, payload: &[u8], seeded: Seeded) -> bool {
        forget_before(&mut self.twins, now, TWIN_WINDOW, |twin| twin.0);
        let hash = seeded.hash_one(payload);
        if let Some(at) = self.twins.iter().position(|(_, other, twin)| *other != family && *twin == hash) {
            self.twins.remove(at);
            return true;
        }
        if self.twins.len() >= MAX_ECHOES {
            self.twins.pop_front();
        }
        self.twins.push_back((now, family, hash));
        false
    }
}

impl LinkState {
    /// RFC 6762 §11: whether an address belongs to one of this link's subnets.
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.v4.iter().any(|(own, prefix)| same_subnet_v4(*own, v4, *prefix)),
            IpAddr::V6(v6) => {
                v6.is_unicast_link_local()
                    || self.v6.iter().any(|(own, prefix)| same_subnet_v6(*own, v6, *prefix))
            }
        }
    }
}

fn forget_before<T>(queue: &mut VecDeque<T>, now: Instant, memory: Duration, at: impl Fn(&T) -> Instant) {
    while queue.front().is_some_and(|first| now.saturating_duration_since(at(first)) > memory) {
        queue.pop_front();
    }
}

fn same_subnet_v4(own: Ipv4Addr, other: Ipv4Addr, prefix: u8) -> bool {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
    (own.to_bits() ^ other.to_bits()) & mask == 0
}

fn same_subnet_v6(own: Ipv6Addr, other: Ipv6Addr, prefix: u8) -> bool {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
    (own.to_bits() ^ other.to_bits()) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets() {
        let v4 = |text: &str| text.parse::<Ipv4Addr>().expect("address");
        assert!(same_subnet_v4(v4("10.0.0.1"), v4("10.0.0.254"), 24));
        assert!(!same_subnet_v4(v4("10.0.0.1"), v4("10.0.1.1"), 24));
        assert!(same_subnet_v4(v4("10.0.0.1"), v4("99.0.0.1"), 0));
        assert!(!same_subnet_v4(v4("10.0.0.1"), v4("10.0.0.2"), 32));
    }
}
