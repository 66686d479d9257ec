//! How the LAN runs: one event after the other, datagrams and timers.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::air::{Arrival, Segment};
use super::{HostId, Lan, SegmentId, Sent};
use crate::proto::{Family, LinkIndex, LinkState, Packet, Transmit};
use crate::wire::MDNS_PORT;

impl Lan {
    /// The next datagram to arrive or timer to fire, if there is one until then.
    pub(super) fn step(&mut self, until: Instant) -> bool {
        let timer = self.wakes.first().copied();
        let arrival = self.air.next();
        match (arrival, timer) {
            (Some(at), timer) if at <= until && timer.is_none_or(|(wake, _)| at <= wake) => {
                self.now = self.now.max(at);
                if let Some(arrival) = self.air.land() {
                    self.deliver(&arrival);
                }
                true
            }
            (_, Some((wake, host))) if wake <= until => {
                self.now = self.now.max(wake);
                self.wakes.pop_first();
                if let Some(at) = self.hosts.get_mut(host) {
                    at.armed = None;
                    if at.up {
                        self.drive(HostId(host), |engine, now| engine.handle_timeout(now));
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// Takes in what an engine has to send and to tell.
    pub(super) fn drain(&mut self, host: HostId) {
        let elapsed = self.elapsed();
        loop {
            let Some(at) = self.hosts.get_mut(host.0) else { return };
            let Some(Transmit { link, destination, payload }) = at.engine.poll_transmit() else { break };
            let Some((segment, state)) = at.links.get(&link).filter(|_| at.up) else { continue };
            let Some(source) = source_for(state, destination, link) else { continue };
            at.sent = at.sent.saturating_add(1);
            let segment = *segment;
            self.carry(Some((host, link)), segment, source, destination, payload);
        }
        let Some(at) = self.hosts.get_mut(host.0) else { return };
        while let Some(event) = at.engine.poll_event() {
            if at.up {
                at.events.push((elapsed, event));
            }
        }
    }

    /// Notes when an engine wants to be woken.
    pub(super) fn arm(&mut self, host: usize) {
        let Some(at) = self.hosts.get_mut(host) else { return };
        let due = at.engine.poll_timeout().map(|timeout| timeout.at).filter(|_| at.up);
        if due == at.armed.map(|(due, _)| due) {
            return;
        }
        if let Some((_, wake)) = at.armed.take() {
            self.wakes.remove(&(wake, host));
        }
        if let Some(due) = due {
            let late = self.chance.between((Duration::ZERO, at.lateness));
            let wake = due.checked_add(at.behind.saturating_add(late)).unwrap_or(due);
            at.armed = Some((due, wake));
            self.wakes.insert((wake, host));
        }
    }

    pub(super) fn carry(
        &mut self,
        from: Option<(HostId, LinkIndex)>,
        segment: SegmentId,
        source: SocketAddr,
        destination: SocketAddr,
        payload: Bytes,
    ) {
        let host = from.map(|(host, _)| host);
        let sender = host.and_then(|host| self.hosts.get(host.0));
        if self.recording {
            let name = sender.map_or_else(|| self.stranger.clone(), |sender| sender.name.clone());
            let (at, payload) = (self.elapsed(), payload.clone());
            self.sent.push_back(Sent { at, host, name, segment, source, destination, payload });
        }
        let Some(Segment { conditions, members }) = self.segments.get(segment.0) else { return };
        let group = sender.map(|sender| sender.group);
        let multicast = destination.ip().is_multicast();
        let family = Family::of(destination.ip());
        let sender = host;
        let receivers = members.iter().copied().filter(|(host, link)| {
            let cut = sender.is_some_and(|sender| self.cuts.contains(&(sender, *host)));
            !cut && self.hosts.get(host.0).is_some_and(|host| {
                host.up
                    && group.is_none_or(|group| host.group == group)
                    && destination.port() == MDNS_PORT
                    && host.links.get(link).is_some_and(|(_, state)| {
                        state.is_open(family)
                            && (multicast || (state.unicast && has_address(state, destination.ip())))
                    })
            })
        });
        self.air.carry(self.now, &mut self.chance, conditions, from, source, !multicast, payload, receivers);
    }

    fn deliver(&mut self, arrival: &Arrival) {
        let Arrival { host, link, source, unicast, payload } = arrival;
        if self.hosts.get(host.0).is_some_and(|host| host.up && host.links.contains_key(link)) {
            let packet = Packet { link: *link, source: scope_to(*source, *link), unicast: *unicast, payload };
            self.drive(*host, |engine, now| engine.handle_packet(now, packet));
        }
    }
}

fn has_address(state: &LinkState, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => state.v4.iter().any(|(own, _)| *own == v4),
        IpAddr::V6(v6) => state.v6.iter().any(|(own, _)| *own == v6),
    }
}

fn source_for(state: &LinkState, destination: SocketAddr, link: LinkIndex) -> Option<SocketAddr> {
    match destination {
        SocketAddr::V4(_) => state.v4.first().map(|(own, _)| SocketAddr::from((*own, MDNS_PORT))),
        SocketAddr::V6(_) => {
            let own = state.v6.first()?.0;
            Some(scope_to(SocketAddr::from((own, MDNS_PORT)), link))
        }
    }
}

/// A link-local address as the receiver sees it: with the number of its own link.
fn scope_to(address: SocketAddr, link: LinkIndex) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, link.0))
        }
        other => other,
    }
}
