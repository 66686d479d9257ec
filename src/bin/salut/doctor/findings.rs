//! What was found, check by check, in the words of the report.

use std::net::IpAddr;

use super::facts::{Facts, Family, Identity, Interface, Kind, Socket, Ways, With};
use super::stage::{Fault, fault};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    /// Not as hoped for, and not surely a fault.
    Unsure,
    /// To be known, neither good nor bad.
    Note,
}

impl Mark {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unsure => "unsure",
            Self::Note => "note",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) text: String,
}

fn finding(mark: Mark, text: impl Into<String>) -> Finding {
    Finding { mark, text: text.into() }
}

/// What is to be said of an interface.
pub(super) fn of_interface(facts: &Facts, one: &Interface) -> Vec<Finding> {
    let mut all = Vec::new();
    if !one.up {
        all.push(finding(Mark::Bad, "switched off"));
        return all;
    }
    if !one.carrier {
        all.push(finding(Mark::Bad, "no link: no cable, or no wireless network"));
        return all;
    }
    if !one.multicast && one.kind != Kind::Loopback {
        all.push(finding(Mark::Bad, "up, but set to carry no multicast"));
        return all;
    }
    if one.v4.is_empty() && one.v6.is_empty() {
        all.push(finding(Mark::Bad, "up, but without an IP address"));
        return all;
    }
    all.extend(makeshift_addresses(one));
    all.extend(family_findings(one));
    if one.families().iter().all(|(_, family)| family.socket != Socket::Open) {
        return all;
    }
    all.extend(neighbour_findings(facts, one));
    all
}

/// Addresses that an interface gives itself where nobody gives it one.
fn makeshift_addresses(one: &Interface) -> Option<Finding> {
    let given = one.v4.iter().any(|(ip, _)| !ip.is_link_local())
        || one.v6.iter().any(|(ip, _)| !ip.is_unicast_link_local());
    let text = "only link-local addresses: no router and no DHCP server gave it one";
    (!given && one.kind != Kind::Loopback).then(|| finding(Mark::Unsure, text))
}

fn family_findings(one: &Interface) -> Vec<Finding> {
    let tried = one.families().into_iter().filter(|(_, family)| family.socket != Socket::Absent);
    // What is the same with both families is said once.
    let mut groups: Vec<(String, Vec<Finding>)> = Vec::new();
    for (name, family) in tried {
        let said = of_family(family);
        match groups.iter_mut().find(|(_, other)| *other == said) {
            Some((names, _)) => *names = format!("{names} and {name}"),
            None => groups.push((name.to_owned(), said)),
        }
    }
    groups
        .into_iter()
        .flat_map(|(names, said)| {
            said.into_iter().map(move |one| finding(one.mark, format!("{names}: {}", one.text)))
        })
        .collect()
}

fn of_family(family: &Family) -> Vec<Finding> {
    let joined = match family.joined {
        Some(true) => finding(Mark::Good, "the multicast group is joined, and the kernel lists it"),
        Some(false) => finding(Mark::Bad, "joined, but the kernel does not list the multicast group"),
        None => finding(Mark::Good, "the multicast group is joined"),
    };
    match fault(family) {
        Some(Fault::NoPort(trouble)) => vec![finding(Mark::Bad, format!("no port 5353: {}", trouble.text))],
        Some(Fault::NoGroup(trouble)) => {
            vec![finding(Mark::Bad, format!("the multicast group cannot be joined: {}", trouble.text))]
        }
        Some(Fault::Send(trouble)) => {
            vec![joined, finding(Mark::Bad, format!("nothing can be sent: {}", trouble.text))]
        }
        Some(Fault::Deaf) => {
            vec![joined, finding(Mark::Bad, "what is sent is taken, but does not come back to us")]
        }
        None => vec![joined, finding(Mark::Good, "what is sent is taken, and comes back to us")],
    }
}

fn neighbour_findings(facts: &Facts, one: &Interface) -> Vec<Finding> {
    let mut all = Vec::new();
    let answered: Vec<IpAddr> =
        one.heard.iter().filter(|(_, heard)| heard.answered).map(|(ip, _)| *ip).collect();
    let mute: Vec<IpAddr> =
        one.heard.iter().filter(|(_, heard)| !heard.answered).map(|(ip, _)| *ip).collect();
    if answered.is_empty() && mute.is_empty() {
        all.push(finding(Mark::Unsure, "nobody else is heard"));
    }
    if !answered.is_empty() {
        all.push(finding(Mark::Good, format!("heard, and answering us: {}", list(&answered))));
    }
    if !mute.is_empty() {
        let mark = if answered.is_empty() { Mark::Unsure } else { Mark::Note };
        all.push(finding(mark, format!("heard, not answering: {}", list(&mute))));
    }
    let strangers: Vec<IpAddr> =
        one.heard.iter().filter(|(_, heard)| !heard.on_link).map(|(ip, _)| *ip).collect();
    if !strangers.is_empty() {
        all.push(finding(Mark::Unsure, format!("of another subnet: {}", list(&strangers))));
    }
    if let Some(unicast) = &one.unicast {
        let answered: Vec<IpAddr> = unicast.answered.iter().copied().collect();
        all.push(finding(
            Mark::Unsure,
            match (answered.is_empty(), unicast.asked) {
                (false, _) => format!("asked one by one, these answer: {}", list(&answered)),
                (true, 0) => "asked one by one: nobody is there".to_owned(),
                (true, _) => "asked one by one: nobody answers".to_owned(),
            },
        ));
    }
    let with = facts.with.as_ref().filter(|with| with.interface.as_ref() == Some(&one.name));
    let mute = one.unicast.as_ref().is_some_and(|unicast| unicast.answered.is_empty());
    if mute || with.is_some_and(|with| !with.is_met()) {
        all.extend(reached(one));
    }
    for detour in &one.detours {
        let by = detour.by.as_ref().map_or_else(|| "nowhere".to_owned(), |by| format!("to {by}"));
        all.push(finding(Mark::Bad, format!("the route to {} leads {by}", detour.to)));
    }
    all
}

fn reached(one: &Interface) -> Option<Finding> {
    let others: Vec<IpAddr> = one.reached.iter().copied().filter(|ip| Some(*ip) != one.gateway).collect();
    let router = match one.gateway {
        Some(gateway) if one.reached.contains(&gateway) => format!("the router {gateway}"),
        Some(gateway) if others.is_empty() => {
            return Some(finding(Mark::Bad, format!("not even the router {gateway} is reached")));
        }
        _ => String::new(),
    };
    let others = list(&others);
    let text = match (router.is_empty(), others.is_empty()) {
        (true, true) => "the link reaches nobody".to_owned(),
        (false, true) => format!("the link reaches {router} and nobody else"),
        (true, false) => format!("the link reaches {others}"),
        (false, false) => format!("the link reaches {router}, {others}"),
    };
    Some(finding(Mark::Note, text))
}

/// At most four, and how many more.
fn list(all: &[IpAddr]) -> String {
    const SHOWN: usize = 4;
    let shown = all.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// What is to be said of this machine as a whole.
pub(super) fn of_machine(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    let refused = facts
        .interfaces
        .iter()
        .flat_map(|one| one.families())
        .any(|(_, family)| matches!(family.socket, Socket::NoPort(_)));
    let holders = facts.holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    all.push(match (refused, holders.is_empty()) {
        (true, true) => finding(Mark::Bad, "UDP port 5353 is held by somebody who does not share it"),
        (true, false) => finding(Mark::Bad, format!("UDP port 5353 is held and not shared: {holders}")),
        (false, true) => finding(Mark::Good, "UDP port 5353 is free"),
        (false, false) => finding(Mark::Good, format!("UDP port 5353 is shared with {holders}")),
    });
    for duplicate in &facts.duplicates {
        let others: Vec<IpAddr> = duplicate.others.iter().copied().collect();
        let what = match &duplicate.what {
            Identity::Host(name) => format!("the name {name}"),
            Identity::Peer(id) => format!("the libp2p identity {id}"),
        };
        all.push(finding(Mark::Bad, format!("{what} is also used by {}", list(&others))));
    }
    if facts.duplicates.is_empty() && facts.interfaces.iter().any(|one| !one.heard.is_empty()) {
        all.push(finding(Mark::Good, format!("nobody else calls itself {}.local", facts.machine.name)));
    }
    if let Some(container) = &facts.machine.container {
        all.push(finding(Mark::Note, format!("this is a container ({container})")));
    }
    if facts.machine.wsl2 {
        all.push(finding(Mark::Note, "this is WSL2"));
    }
    if facts.machine.app_firewall == Some(true) {
        all.push(finding(Mark::Note, "macOS's application firewall is on"));
    }
    let used: Vec<&Interface> = facts.interfaces.iter().filter(|one| one.used).collect();
    if let Some(route) = &facts.machine.multicast_route
        && let [used] = used[..]
        && used.name != *route
    {
        let text =
            format!("the routing table sends multicast to {route}: salut is not misled, others may be");
        all.push(finding(Mark::Note, text));
    }
    all
}

/// What is to be said of the other end.
pub(super) fn of_other_end(with: &With) -> Vec<Finding> {
    let mut all = Vec::new();
    if with.addresses.is_empty() && !with.is_met() {
        all.push(finding(Mark::Bad, "its name is not known"));
        return all;
    }
    match &with.interface {
        Some(interface) => all.push(finding(Mark::Good, format!("in the same subnet, by {interface}"))),
        None => all.push(finding(Mark::Bad, "in another subnet")),
    }
    if !with.is_met() {
        match with.reached {
            Some(true) => all.push(finding(Mark::Good, "the link reaches it")),
            Some(false) => all.push(finding(Mark::Bad, "the link does not reach it")),
            None => {}
        }
        let text =
            if with.refused { "no salut doctor runs there" } else { "nothing from a salut doctor there" };
        all.push(finding(Mark::Unsure, text));
        return all;
    }
    let nothing = Ways::default();
    let told = with.told.map_or(nothing, |told| told.heard);
    for (what, here, there) in [
        ("multicast by IPv4", with.heard.multicast_v4, told.multicast_v4),
        ("multicast by IPv6", with.heard.multicast_v6, told.multicast_v6),
        ("unicast", with.heard.unicast, told.unicast),
    ] {
        let (mark, text) = match (here > 0, there > 0) {
            (true, true) => (Mark::Good, "arrives both ways"),
            (true, false) => (Mark::Bad, "arrives here, not there"),
            (false, true) => (Mark::Bad, "arrives there, not here"),
            (false, false) => (Mark::Bad, "arrives neither here nor there"),
        };
        // One family is enough, and a machine may have one only.
        let other_family = with.heard.multicast() && told.multicast() && here == 0 && there == 0;
        let mark = if other_family || (what == "unicast" && mark == Mark::Bad) { Mark::Note } else { mark };
        all.push(finding(mark, format!("{what} {text}")));
    }
    if let Some(told) = with.told
        && !told.hears_itself
    {
        all.push(finding(Mark::Bad, "it does not hear itself"));
    }
    all
}
