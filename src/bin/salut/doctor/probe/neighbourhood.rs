//! Neighbours one by one: who answers by unicast, whom the link layer reaches, and where the
//! routes to them lead.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use salut::proto::Family;
use salut::wire::MDNS_PORT;
use tokio::time::sleep;

use super::super::facts::{Detour, Interface, Kind, Neighbour};
use super::system;
use super::{Run, Sockets, addresses, is_scoped, scoped, socket};

/// Between two questions to neighbours: at most 254 of them take about a second.
const PACE: Duration = Duration::from_millis(4);

/// Subnets with shorter prefixes are not asked through address by address.
const SMALLEST_PREFIX: u8 = 24;

/// The most neighbours asked: half of those that the kernel keeps in mind by default.
const MOST_ASKED: usize = 512;

/// How often somebody is asked for whom the kernel had no room.
const ROUNDS: usize = 3;

/// So long it may take until the kernel gives up on some that it does not reach.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// Somebody to ask, and on which of the interfaces.
type Asked = (usize, IpAddr);

impl Run {
    /// Asks those whom the group did not reach, and whoever may be the other end, by unicast.
    pub(super) async fn ask_neighbours(&mut self) {
        let known = system::neighbours(&self.facts.interfaces);
        let mut left = self.whom_to_ask(&known);
        for round in 0..ROUNDS {
            if round > 0 {
                sleep(ROOM_WAIT).await;
            }
            self.ask_each(&left).await;
            let known = system::neighbours(&self.facts.interfaces);
            self.note_reached(&known);
            left.retain(|(at, ip)| {
                // Only IPv4 subnets are asked through.
                let index = self.facts.interfaces.get(*at).map(|one| one.index);
                ip.is_ipv4() && !known.iter().any(|one| one.address == *ip && Some(one.index) == index)
            });
            // Not every system tells.
            if left.is_empty() || known.is_empty() {
                break;
            }
        }
    }

    /// The likeliest first.
    fn whom_to_ask(&mut self, known: &[Neighbour]) -> Vec<Asked> {
        let with = self.with.as_ref().map(|with| with.addresses().clone()).unwrap_or_default();
        let (mut likely, mut rest) = (Vec::new(), Vec::new());
        for (at, one) in self.facts.interfaces.iter_mut().enumerate() {
            if !one.used || one.kind == Kind::Loopback {
                continue;
            }
            let other_end = with.iter().copied().filter(|ip| one.is_on_link(*ip)).map(|ip| (at, ip));
            likely.extend(other_end);
            if one.is_answered() {
                continue;
            }
            if self.sockets.iter().any(|sockets| sockets.at == at && sockets.asker.is_some()) {
                one.unicast.get_or_insert_default();
            }
            let there = known.iter().filter(|other| other.index == one.index).map(|other| other.address);
            likely.extend(there.chain(one.gateway).map(|ip| (at, ip)));
            rest.extend(everybody(one).map(|ip| (at, ip)));
        }
        let mut seen = BTreeSet::new();
        let new = |asked: &Asked| !self.own.contains(&asked.1) && seen.insert(*asked);
        likely.into_iter().chain(rest).filter(new).take(MOST_ASKED).collect()
    }

    async fn ask_each(&mut self, asked: &[Asked]) {
        let Some(question) = self.names.direct_question() else { return };
        for (at, ip) in asked {
            let by = |sockets: &&Sockets| sockets.at == *at && sockets.family == Family::of(*ip);
            let asker = self.sockets.iter().find(by).and_then(|sockets| sockets.asker.as_ref());
            let (Some(asker), Some(one)) = (asker, self.facts.interfaces.get_mut(*at)) else { continue };
            one.unicast.get_or_insert_default();
            // What cannot be sent is seen in the table of neighbours.
            let _ = socket::send(asker, &question, scoped(*ip, MDNS_PORT, one.index));
            sleep(PACE).await;
        }
    }

    /// Keeps what the table said once: where it is full the kernel forgets.
    fn note_reached(&mut self, known: &[Neighbour]) {
        for neighbour in known.iter().filter(|one| one.reached == Some(true)) {
            let interface = self.facts.interfaces.iter_mut().find(|one| one.index == neighbour.index);
            if let Some(one) = interface {
                one.reached.insert(neighbour.address);
            }
        }
        if let Some(with) = &mut self.with {
            with.note_reached(known);
        }
    }

    /// What the link layer made of it, and where the routes lead.
    pub(super) fn look_at_neighbours(&mut self) {
        let known = system::neighbours(&self.facts.interfaces);
        self.note_reached(&known);
        for one in &mut self.facts.interfaces {
            // Who is heard or answers is there.
            let answered = one.unicast.iter().flat_map(|unicast| unicast.answered.iter().copied());
            let there: Vec<IpAddr> = answered.chain(one.heard.keys().copied()).collect();
            one.reached.extend(there.into_iter().filter(|ip| !is_scoped(*ip)));
            if let Some(unicast) = &mut one.unicast {
                unicast.asked = one.reached.len();
            }
        }
        self.look_at_routes();
    }

    fn look_at_routes(&mut self) {
        /// More say nothing more.
        const LOOKED_AT: usize = 16;
        let all = self.facts.interfaces.clone();
        let by = |to: IpAddr| {
            let source = system::source_for(to)?;
            all.iter().find(|one| addresses(one).any(|ip| ip == source))
        };
        for one in self.facts.interfaces.iter_mut().filter(|one| one.used) {
            let heard = one.heard.iter().filter(|(ip, heard)| heard.on_link && !is_scoped(**ip));
            let mut detours = Vec::new();
            for (to, _) in heard.take(LOOKED_AT) {
                match by(*to) {
                    // Two interfaces in one subnet are as good as one.
                    Some(other) if other.index == one.index || other.is_on_link(*to) => {}
                    other => detours.push(Detour { to: *to, by: other.map(|other| other.name.clone()) }),
                }
            }
            one.detours = detours;
        }
        let group = IpAddr::V4(salut::proto::GROUP_V4);
        self.facts.machine.multicast_route = by(group).map(|one| one.name.clone());
    }
}

/// All addresses of small IPv4 subnets.
fn everybody(one: &Interface) -> impl Iterator<Item = IpAddr> {
    let small = one.v4.iter().filter(|(_, prefix)| (SMALLEST_PREFIX..31).contains(prefix));
    small.flat_map(|(own, prefix)| {
        let size = 1_u32.checked_shl(32_u32.saturating_sub((*prefix).into())).unwrap_or(0);
        let first = own.to_bits() & !size.saturating_sub(1);
        (1..size.saturating_sub(1)).map(move |host| Ipv4Addr::from_bits(first | host).into())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn small_subnets_are_asked_through() {
        let mut one = Interface { v4: vec![("10.0.0.77".parse().unwrap(), 30)], ..Interface::default() };
        let all: Vec<String> = everybody(&one).map(|ip| ip.to_string()).collect();
        assert_eq!(all, ["10.0.0.77", "10.0.0.78"]);
        one.v4 = vec![("10.0.0.77".parse().unwrap(), 24)];
        assert_eq!(everybody(&one).count(), 254);
        one.v4 = vec![("10.0.0.77".parse().unwrap(), 16)];
        assert_eq!(everybody(&one).count(), 0);
    }
}
