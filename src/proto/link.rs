//! One interface with both its families: state, on-link check, sending, budgets.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::browse::Instances;
use super::cache::Cache;
use super::claim::{ClaimId, Phase};
use super::counters::{Counters, count};
use super::hash::Seeded;
use super::io::{Event, Family, GROUP_V4, GROUP_V6, LinkIndex, LinkState, Transmit};
use super::own::Own;
use super::query::Asks;
use super::respond::Answers;
use super::rng::Rng;
use super::timer::{Timers, after};
use super::types::Types;
use crate::service::Interface;
use crate::wire::MDNS_PORT;

/// The largest UDP payload sent, in bytes, unless one record alone is larger. Apple's figure:
/// it fits every link and tunnel in use.
const USUAL_BYTES: usize = 1440;

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

/// The same for datagrams with questions.
const QUERY_BUDGET: (u32, u32) = (40, 20);

/// What all links share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) timers: Timers,
    pub(super) rng: Rng,
    pub(super) seeded: Seeded,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
}

/// A token bucket.
#[derive(Debug)]
pub(super) struct Budget {
    burst: u32,
    per_second: u32,
    left: u32,
    filled: Option<Instant>,
}

impl Budget {
    pub(super) fn new((burst, per_second): (u32, u32)) -> Self {
        Self { burst, per_second, left: burst, filled: None }
    }

    /// Takes one, or says when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let step = Duration::from_secs(1).checked_div(self.per_second).unwrap_or(Duration::from_secs(1));
        let since = self.filled.map_or(Duration::MAX, |filled| now.saturating_duration_since(filled));
        let earned = since.as_nanos().checked_div(step.as_nanos()).unwrap_or_default();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(self.burst);
            self.filled = match self.filled {
                Some(filled) if self.left < self.burst => {
                    Some(step.checked_mul(earned).map_or(now, |passed| after(filled, passed)))
                }
                _ => Some(now),
            };
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(after(self.filled.unwrap_or(now), step)),
        }
    }
}

/// Which families a datagram goes to, or has been silenced on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Families {
    pub(super) const BOTH: Self = Self { v4: true, v6: true };
    pub(super) const NONE: Self = Self { v4: false, v6: false };

    pub(super) fn set(&mut self, family: Family, on: bool) {
        match family {
            Family::V4 => self.v4 = on,
            Family::V6 => self.v6 = on,
        }
    }

    pub(super) fn has(self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { v4: self.v4 && other.v4, v6: self.v6 && other.v6 }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self { v4: self.v4 && !other.v4, v6: self.v6 && !other.v6 }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) index: LinkIndex,
    pub(super) state: LinkState,
    pub(super) own: Own,
    pub(super) claims: BTreeMap<ClaimId, Phase>,
    pub(super) answers: Answers,
    pub(super) asks: Asks,
    pub(super) cache: Cache,
    pub(super) instances: Instances,
    pub(super) types: Types,
    multicasts: Budget,
    queries: Budget,
    /// What was sent here lately, by hash.
    echoes: VecDeque<(Instant, u64)>,
    /// Questions heard lately on one family, by hash, whose copy on the other is awaited.
    twins: VecDeque<(Instant, Family, u64)>,
}

impl Link {
    pub(super) fn new(index: LinkIndex, state: LinkState, seeded: Seeded) -> Self {
        Self {
            index,
            state,
            own: Own::new(seeded),
            claims: BTreeMap::new(),
            answers: Answers::default(),
            asks: Asks::new(seeded),
            cache: Cache::new(index, seeded),
            instances: Instances::new(seeded),
            types: Types::default(),
            multicasts: Budget::new(MULTICAST_BUDGET),
            queries: Budget::new(QUERY_BUDGET),
            echoes: VecDeque::new(),
            twins: VecDeque::new(),
        }
    }

    pub(super) fn open(&self) -> Families {
        Families { v4: self.state.v4_open, v6: self.state.v6_open }
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
        self.remember(now, payload, shared);
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

    /// One datagram with questions, out of the link's budget.
    pub(super) fn may_query(&mut self, now: Instant) -> Result<(), Instant> {
        self.queries.take(now)
    }

    fn remember(&mut self, now: Instant, payload: &Bytes, shared: &Shared) {
        forget_before(&mut self.echoes, now, ECHO_MEMORY, |echo| echo.0);
        if self.echoes.len() >= MAX_ECHOES {
            self.echoes.pop_front();
        }
        self.echoes.push_back((now, shared.seeded.hash_one(&payload[..])));
    }

    /// Whether this payload was sent by us on this link a moment ago.
    pub(super) fn is_echo(&self, now: Instant, payload: &[u8], seeded: Seeded) -> bool {
        if self.echoes.is_empty() {
            return false;
        }
        let hash = seeded.hash_one(payload);
        self.echoes
            .iter()
            .any(|(at, echo)| *echo == hash && now.saturating_duration_since(*at) <= ECHO_MEMORY)
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
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without a clock")]
    fn budget_allows_a_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut budget = Budget::new((3, 10));
        assert_eq!((0..5).filter(|_| budget.take(start).is_ok()).count(), 3);
        let at = budget.take(start).expect_err("spent");
        assert_eq!(at, after(start, Duration::from_millis(100)));
        assert!(budget.take(at).is_ok());
        assert!(budget.take(at).is_err());
        let later = after(at, Duration::from_secs(60));
        assert_eq!((0..5).filter(|_| budget.take(later).is_ok()).count(), 3);
    }

    #[test]
    fn subnets() {
        let v4 = |text: &str| text.parse::<Ipv4Addr>().expect("address");
        assert!(same_subnet_v4(v4("10.0.0.1"), v4("10.0.0.254"), 24));
        assert!(!same_subnet_v4(v4("10.0.0.1"), v4("10.0.1.1"), 24));
        assert!(same_subnet_v4(v4("10.0.0.1"), v4("99.0.0.1"), 0));
        assert!(!same_subnet_v4(v4("10.0.0.1"), v4("10.0.0.2"), 32));
    }
}
