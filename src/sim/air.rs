//! What is between the hosts: segments, their condition, and the datagrams under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::HostId;
use super::chance::Chance;
use crate::proto::LinkIndex;

/// A host hears what it multicast itself after this, whatever the segment is like.
const LOOPBACK: Duration = Duration::from_micros(20);

/// How well a segment carries datagrams. Each copy to each receiver has its own luck, on
/// each family; a host always hears its own multicasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The shortest and the longest way of a datagram, drawn evenly. A wide range reorders.
    pub delay: (Duration, Duration),
    /// The part that is lost, 0 to 1.
    pub loss: f64,
    /// The part that arrives twice, 0 to 1.
    pub duplication: f64,
}

impl Default for Conditions {
    /// A good switch: 100 to 300 µs, nothing lost, nothing twice.
    fn default() -> Self {
        Self { delay: (Duration::from_micros(100), Duration::from_micros(300)), loss: 0.0, duplication: 0.0 }
    }
}

#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) conditions: Conditions,
    /// The links plugged into it, in the order in which they came.
    pub(super) members: Vec<(HostId, LinkIndex)>,
}

/// One datagram's way to one link.
#[derive(Debug, Clone, Copy)]
struct Hop {
    after: Duration,
    host: HostId,
    link: LinkIndex,
}

/// One datagram under way to all who will hear it, the last one first.
#[derive(Debug)]
struct Flight {
    sent: Instant,
    source: SocketAddr,
    unicast: bool,
    payload: Bytes,
    hops: Vec<Hop>,
}

/// A copy that has arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) host: HostId,
    pub(super) link: LinkIndex,
    pub(super) source: SocketAddr,
    pub(super) unicast: bool,
    pub(super) payload: Bytes,
}

/// All that is under way: one entry for each datagram, however many hear it, so that a
/// multicast to a thousand hosts costs one allocation.
#[derive(Debug, Default)]
pub(super) struct Air {
    flights: Vec<Flight>,
    landed: Vec<usize>,
    /// When the next copy of each flight arrives, the order of sending, and the flight.
    next: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    sequence: u64,
}

impl Air {
    /// When the next copy arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.peek().map(|Reverse((at, ..))| *at)
    }

    /// A datagram takes off to `receivers`; one of them may be its own sender.
    #[expect(clippy::too_many_arguments, reason = "a datagram and what it flies through")]
    pub(super) fn carry(
        &mut self,
        now: Instant,
        chance: &mut Chance,
        conditions: &Conditions,
        from: Option<(HostId, LinkIndex)>,
        source: SocketAddr,
        unicast: bool,
        payload: Bytes,
        receivers: impl Iterator<Item = (HostId, LinkIndex)>,
    ) {
        let slot = self.landed.pop().unwrap_or(self.flights.len());
        let mut hops =
            self.flights.get_mut(slot).map(|flight| std::mem::take(&mut flight.hops)).unwrap_or_default();
        for (host, link) in receivers {
            if from == Some((host, link)) {
                hops.push(Hop { after: LOOPBACK, host, link });
                continue;
            }
            if !chance.happens(conditions.loss) {
                hops.push(Hop { after: chance.between(conditions.delay), host, link });
            }
            if chance.happens(conditions.duplication) {
                hops.push(Hop { after: chance.between(conditions.delay), host, link });
            }
        }
        hops.sort_by_key(|hop| Reverse(hop.after));
        let flight = Flight { sent: now, source, unicast, payload, hops };
        match self.flights.get_mut(slot) {
            Some(free) => *free = flight,
            None => self.flights.push(flight),
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.await_next(slot, self.sequence);
    }

    fn await_next(&mut self, slot: usize, sequence: u64) {
        let Some(flight) = self.flights.get_mut(slot) else { return };
        match flight.hops.last() {
            Some(hop) => {
                let at = flight.sent.checked_add(hop.after).unwrap_or(flight.sent);
                self.next.push(Reverse((at, sequence, slot)));
            }
            None => {
                flight.payload = Bytes::new();
                self.landed.push(slot);
            }
        }
    }

    /// The next copy to arrive.
    pub(super) fn land(&mut self) -> Option<Arrival> {
        let Reverse((_, sequence, slot)) = self.next.pop()?;
        let flight = self.flights.get_mut(slot)?;
        let Hop { host, link, .. } = flight.hops.pop()?;
        let (source, unicast, payload) = (flight.source, flight.unicast, flight.payload.clone());
        self.await_next(slot, sequence);
        Some(Arrival { host, link, source, unicast, payload })
    }
}
