//! Neighbours one by one: who answers by unicast, whom the link layer reaches, and where the
//! routes to them lead.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use salut::proto::Family;
use salut::wire::MDNS_PORT;
use tokio::time::sleep;

use super::super::facts::{Detour, Interface, Kind};
use super::{Run, addresses, is_scoped, scoped, socket, system};

/// Between two questions to neighbours: at most 254 of them take about a second.
const PACE: Duration = Duration::from_millis(4);

/// Subnets with shorter prefixes are not asked through address by address.
const SMALLEST_PREFIX: u8 = 24;

/// The most neighbours asked on an interface.
const MOST_ASKED: usize = 300;

impl Run {
    /// Asks those whom the group did not reach, and whoever may be the other end, by unicast.
    pub(super) async fn ask_neighbours(&mut self) {
        let Some(question) = self.names.direct_question() else { return };
        let known = system::neighbours(&self.facts.interfaces);
        let with = self.with.as_ref().map(|with| with.addresses().clone()).unwrap_or_default();
        for sockets in &self.sockets {
            let Some(one) = self.facts.interfaces.get_mut(sockets.at) else { continue };
            let Some(asker) = sockets.asker.as_ref().filter(|_| one.used && one.kind != Kind::Loopback)
            else {
                continue;
            };
            let mut asked: Vec<IpAddr> = with.iter().copied().filter(|ip| one.is_on_link(*ip)).collect();
            if !one.is_answered() {
                asked
                    .extend(known.iter().filter(|other| other.index == one.index).map(|other| other.address));
                asked.extend(one.gateway);
                asked.extend(everybody(one));
            }
            asked.retain(|ip| Family::of(*ip) == sockets.family && !self.own.contains(ip));
            asked.sort_unstable();
            asked.dedup();
            asked.truncate(MOST_ASKED);
            if one.is_answered() && asked.is_empty() {
                continue;
            }
            one.unicast.get_or_insert_default();
            for ip in asked {
                // What cannot be sent is seen in the table of neighbours.
                let _ = socket::send(asker, &question, scoped(ip, MDNS_PORT, one.index));
                sleep(PACE).await;
            }
        }
    }

    /// What the link layer made of it, and where the routes lead.
    pub(super) fn look_at_neighbours(&mut self) {
        let known = system::neighbours(&self.facts.interfaces);
        for neighbour in &known {
            let interface = self.facts.interfaces.iter_mut().find(|one| one.index == neighbour.index);
            if let Some(one) = interface.filter(|_| neighbour.reached == Some(true)) {
                one.reached.insert(neighbour.address);
            }
        }
        for one in &mut self.facts.interfaces {
            // Who is heard or answers is there.
            let answered = one.unicast.iter().flat_map(|unicast| unicast.answered.iter().copied());
            let there: Vec<IpAddr> = answered.chain(one.heard.keys().copied()).collect();
            one.reached.extend(there.into_iter().filter(|ip| !is_scoped(*ip)));
            if let Some(unicast) = &mut one.unicast {
                unicast.asked = one.reached.len();
            }
        }
        if let Some(with) = &mut self.with {
            with.look_at_neighbours(&known);
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
