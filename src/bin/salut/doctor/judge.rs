//! From facts to a verdict: a pure function.
//!
//! Whatever works best decides. An interface without a cable beside one that hears everybody is
//! no fault; where nothing works, the one that got furthest is the one the user means. What
//! several causes would explain equally well is called unclear, never guessed.

use std::net::IpAddr;

use super::facts::{Facts, Identity, Interface, Kind, System, Trouble, What};
use super::stage::{Fault, Stage, fault, stage};
use super::verdict::{Cause, Certainty, Verdict};

/// The verdict on everything that was seen.
pub(super) fn judge(facts: &Facts) -> Verdict {
    let Some(best) = best(facts) else {
        return no_interface(facts);
    };
    match stage(best) {
        Stage::Down => with_a_hint(facts, best, down(best)),
        Stage::NoCarrier => with_a_hint(facts, best, no_carrier(best)),
        Stage::NoMulticast => with_a_hint(facts, best, no_multicast(best)),
        Stage::NoAddress => with_a_hint(facts, best, no_address(best)),
        Stage::Blocked => blocked(facts, best),
        Stage::Silent => half_blocked(facts, best)
            .or_else(|| super::judge_with::judge(facts, best))
            .unwrap_or_else(|| silent(facts, best)),
        Stage::Hears => half_blocked(facts, best)
            .or_else(|| super::judge_with::judge(facts, best))
            .unwrap_or_else(|| hears(facts, best)),
    }
}

/// The interface the verdict is about: of those in use the one that gets furthest, or where
/// none is in use, of those that could be.
fn best(facts: &Facts) -> Option<&Interface> {
    let furthest = |takes: &dyn Fn(&Interface) -> bool| {
        let all = facts.interfaces.iter().filter(|interface| takes(interface));
        // Of equals the first one.
        all.rev().max_by_key(|interface| (stage(interface), interface.is_answered()))
    };
    furthest(&|one| one.chosen)
        .or_else(|| furthest(&|one| one.used && one.kind != Kind::Loopback))
        .or_else(|| furthest(&|one| one.kind.is_usual()))
}

/// An interface that was not chosen and hears others.
fn better(facts: &Facts) -> Option<&Interface> {
    let others = facts.interfaces.iter().filter(|one| !one.used && one.kind != Kind::Loopback);
    others.filter(|one| stage(one) == Stage::Hears).max_by_key(|one| one.heard.len())
}

fn with_a_hint(facts: &Facts, best: &Interface, verdict: Verdict) -> Verdict {
    match better(facts) {
        Some(other) if best.chosen => verdict.advise(format!(
            "Or leave {} out: there are others to hear on {} (--interface {}).",
            best.name, other.name, other.name
        )),
        _ => verdict,
    }
}

fn no_interface(facts: &Facts) -> Verdict {
    let tunnel = facts.interfaces.iter().find(|one| one.kind == Kind::Tunnel && one.up);
    let text = match tunnel {
        Some(tunnel) => format!(
            "There is no network interface but {}, a tunnel: nobody is on a local network with this machine.",
            tunnel.name
        ),
        None => "There is no network interface: this machine is on no local network.".to_owned(),
    };
    let verdict = Verdict::new(Cause::NoInterface, Certainty::Sure, None, text);
    match &facts.machine.container {
        Some(container) => verdict.advise(format!(
            "This is a container ({container}): give it a network that reaches the LAN, such as the host's."
        )),
        None => verdict.advise("Plug in a cable or join a wireless network."),
    }
}

fn down(one: &Interface) -> Verdict {
    let text = format!("{} is switched off.", one.name);
    Verdict::on(one, Cause::Down, Certainty::Sure, text)
        .advise(format!("Switch it on: `ip link set {} up`, or in the network settings.", one.name))
}

fn no_carrier(one: &Interface) -> Verdict {
    let (text, advice) = match one.kind {
        Kind::Wifi => (
            format!("{} is not connected to a wireless network.", one.name),
            "Join the wireless network that the others are in.",
        ),
        _ => (
            format!("{} has no link: the cable is out, or nothing is on at its other end.", one.name),
            "Plug the cable in and look at the lights of the port; try another cable.",
        ),
    };
    Verdict::on(one, Cause::NoCarrier, Certainty::Sure, text).advise(advice)
}

fn no_multicast(one: &Interface) -> Verdict {
    let text = format!("{} is set to carry no multicast, and discovery is made of nothing else.", one.name);
    Verdict::on(one, Cause::NoMulticast, Certainty::Sure, text)
        .advise(format!("Switch it on: `ip link set {} multicast on`.", one.name))
}

fn no_address(one: &Interface) -> Verdict {
    let text = format!("{} has no IP address.", one.name);
    Verdict::on(one, Cause::NoAddress, Certainty::Sure, text)
        .advise("See that the DHCP client runs and is answered, or give it an address by hand.")
}

/// Neither family works.
fn blocked(facts: &Facts, one: &Interface) -> Verdict {
    // What the system says outright first.
    let mut faults: Vec<(&str, Fault)> =
        one.families().iter().filter_map(|(name, family)| Some((*name, fault(family)?))).collect();
    faults.sort_by_key(|(_, fault)| *fault == Fault::Deaf);
    let Some((name, first)) = faults.first() else {
        let text = format!("{} has an address, but could not be tried.", one.name);
        return Verdict::on(one, Cause::Unclear, Certainty::Unclear, text)
            .advise("Run it again; with -vv it tells what it does.");
    };
    let same = faults.len() > 1 && faults.iter().all(|(_, fault)| alike(fault, first));
    of_fault(facts, one, if same { None } else { Some(name) }, first)
}

/// One family works and the other does not.
fn half_blocked(facts: &Facts, one: &Interface) -> Option<Verdict> {
    let (name, fault) = one.families().into_iter().find_map(|(name, family)| Some((name, fault(family)?)))?;
    Some(of_fault(facts, one, Some(name), &fault))
}

fn alike(one: &Fault, other: &Fault) -> bool {
    match (one, other) {
        (Fault::NoPort(one), Fault::NoPort(other))
        | (Fault::NoGroup(one), Fault::NoGroup(other))
        | (Fault::Send(one), Fault::Send(other)) => one.what == other.what,
        _ => one == other,
    }
}

/// `family` is `None` if it is the same with both.
fn of_fault(facts: &Facts, one: &Interface, family: Option<&str>, fault: &Fault) -> Verdict {
    let only = family.map(|family| format!(" {family}")).unwrap_or_default();
    match fault {
        Fault::NoPort(trouble) if trouble.what == What::InUse => port_taken(facts, one),
        Fault::NoPort(trouble) => {
            let text = format!("The system refuses{only} port 5353 on {}: {}.", one.name, trouble.text);
            Verdict::on(one, Cause::Refused, Certainty::Sure, text)
                .advise("Look at the sandbox, container or security profile that this program runs in.")
        }
        Fault::NoGroup(trouble) if trouble.what == What::NoRoom => {
            let text = format!("The system lets nobody join one more{only} multicast group on {}.", one.name);
            Verdict::on(one, Cause::Refused, Certainty::Sure, text)
                .advise("Raise the limit: `sysctl net.ipv4.igmp_max_memberships=100`.")
        }
        Fault::NoGroup(trouble) => {
            let text =
                format!("The{only} multicast group cannot be joined on {}: {}.", one.name, trouble.text);
            Verdict::on(one, Cause::Refused, Certainty::Sure, text)
                .advise("Look at the sandbox, container or security profile that this program runs in.")
        }
        Fault::Send(trouble) => cannot_send(facts, one, &only, trouble),
        Fault::Deaf => {
            let text = format!(
                "A firewall on this machine keeps{only} multicast DNS out of {}: not even our own comes back.",
                one.name
            );
            Verdict::on(one, Cause::InboundBlocked, Certainty::Sure, text)
                .advise("Let UDP port 5353 in. One of these:")
                .command("ufw allow 5353/udp")
                .command("firewall-cmd --permanent --add-service=mdns; firewall-cmd --reload")
                .command("nft list ruleset   # and change the rule that drops it")
        }
    }
}

fn port_taken(facts: &Facts, one: &Interface) -> Verdict {
    let who = facts.holders.first().map_or_else(|| "Another program".to_owned(), ToString::to_string);
    let text = format!("{who} holds UDP port 5353 for itself and shares it with nobody.");
    let verdict = Verdict::on(one, Cause::PortTaken, Certainty::Sure, text);
    match facts.holders.first().and_then(|holder| holder.program.as_deref()) {
        Some("avahi-daemon") => {
            verdict.advise("Set disallow-other-stacks=no in /etc/avahi/avahi-daemon.conf and restart it.")
        }
        Some(_) => verdict.advise("Stop it, or have it open the port with SO_REUSEADDR."),
        None => verdict
            .advise("Find it and stop it, or have it open the port with SO_REUSEADDR:")
            .command("sudo ss -ulpn 'sport = :5353'"),
    }
}

fn cannot_send(facts: &Facts, one: &Interface, only: &str, trouble: &Trouble) -> Verdict {
    match trouble.what {
        What::HostUnreachable if facts.machine.system == System::Mac => {
            let text = "macOS keeps this program from the local network.".to_owned();
            Verdict::on(one, Cause::Permission, Certainty::Sure, text)
                .advise("Allow it: System Settings > Privacy & Security > Local Network.")
                .advise("It is the terminal or app that this runs in that is listed there.")
        }
        What::Forbidden => {
            let text = format!(
                "A firewall on this machine drops the{only} multicast DNS that leaves by {}.",
                one.name
            );
            Verdict::on(one, Cause::OutboundBlocked, Certainty::Sure, text)
                .advise("Let UDP port 5353 out, to 224.0.0.251 and ff02::fb. To find the rule:")
                .command("sudo nft list ruleset")
        }
        _ => {
            let text = format!("The system does not send{only} multicast by {}: {}.", one.name, trouble.text);
            Verdict::on(one, Cause::SendFailed, Certainty::Sure, text)
                .advise(format!("Look at its addresses and routes: `ip addr show {0}; ip route`.", one.name))
        }
    }
}

/// Everything works up to the cable, and nobody is heard.
fn silent(facts: &Facts, one: &Interface) -> Verdict {
    if let Some(other) = better(facts).filter(|_| one.chosen) {
        let (cause, text) = if one.kind == Kind::Tunnel {
            let text = format!(
                "{} is a tunnel and was chosen, but those who can be discovered are on {}.",
                one.name, other.name
            );
            (Cause::VpnChosen, text)
        } else {
            let text = format!("Nobody is on {}, which was chosen; they are on {}.", one.name, other.name);
            (Cause::WrongInterface, text)
        };
        return Verdict::on(one, cause, Certainty::Sure, text)
            .advise(format!("Use --interface {}, or no --interface at all.", other.name));
    }
    if let Some(unicast) = one.unicast.as_ref().filter(|unicast| !unicast.answered.is_empty()) {
        let count = unicast.answered.len();
        let text = format!(
            "The network drops multicast on {}: {} when asked directly, and nobody is heard by multicast.",
            one.name,
            if count == 1 { "a neighbour answers".to_owned() } else { format!("{count} neighbours answer") },
        );
        let verdict = Verdict::on(one, Cause::MulticastDropped, Certainty::Sure, text);
        return if one.kind == Kind::Wifi {
            verdict
                .advise("In the access point: switch off \"multicast filter\" or \"IGMP snooping\".")
                .advise("Guest networks often do this on purpose: use another one.")
        } else {
            verdict
                .advise("In the switch: switch IGMP snooping off, or an IGMP querier on.")
                .advise("A switch or access point between the two may do this as well.")
        };
    }
    if let Some(container) = &facts.machine.container {
        let text = format!(
            "This runs in a container ({container}) whose network multicast does not leave: nobody is heard."
        );
        return Verdict::on(one, Cause::Container, Certainty::Likely, text)
            .advise("Give it the host's network (`--network host`) or a macvlan on the LAN.");
    }
    if facts.machine.wsl2 {
        let text = "This runs in WSL2 behind Windows' address translation, which multicast does not pass.";
        return Verdict::on(one, Cause::Wsl2, Certainty::Likely, text.to_owned())
            .advise("Put networkingMode=mirrored under [wsl2] in %UserProfile%\\.wslconfig,")
            .advise("then `wsl --shutdown`. Or run it in Windows itself.");
    }
    if facts.machine.app_firewall == Some(true) {
        let text = format!(
            "Nobody is heard on {}, and macOS's application firewall is on: it may keep them from this program.",
            one.name
        );
        return Verdict::on(one, Cause::AppFirewall, Certainty::Likely, text)
            .advise("Allow incoming connections: System Settings > Network > Firewall > Options.");
    }
    nobody(one)
}

/// Alone, kept apart, or among people who have nothing to say: it all looks the same from here.
fn nobody(one: &Interface) -> Verdict {
    let others = one.reached.iter().filter(|address| Some(**address) != one.gateway).count();
    let router = one.gateway.is_some_and(|gateway| one.reached.contains(&gateway));
    let text = match (others, router) {
        (0, true) => format!(
            "Nobody but the router is there on {}: we are alone, or the network keeps its clients apart.",
            one.name
        ),
        (0, false) => format!(
            "Nothing comes from {} at all: nobody is there, or it is not the network you think it is.",
            one.name
        ),
        _ => format!(
            "Machines are there on {}, but none speaks multicast DNS: they offer nothing, or a firewall \
             keeps them quiet.",
            one.name
        ),
    };
    Verdict::on(one, Cause::Unclear, Certainty::Unclear, text)
        .advise("Start `salut announce` or `salut doctor` on another machine of this network, then run")
        .advise("`salut doctor --with THAT-MACHINE` here and `salut doctor --with THIS-MACHINE` there.")
}

/// Others are heard.
fn hears(facts: &Facts, one: &Interface) -> Verdict {
    if let Some(duplicate) = facts.duplicates.first() {
        return duplicated(duplicate.what.clone(), duplicate.others.iter().copied().collect());
    }
    if let Some(detour) = one.detours.first() {
        let text = match &detour.by {
            Some(by) => format!(
                "{} is heard on {}, but connections to it leave by {}: a route leads the wrong way.",
                detour.to, one.name, by
            ),
            None => format!("{} is heard on {}, but no route leads to it.", detour.to, one.name),
        };
        return Verdict::on(one, Cause::WrongRoute, Certainty::Sure, text)
            .advise("Look for the route; a VPN that takes the local network is the usual reason:")
            .command(format!("ip route get {}", detour.to));
    }
    let both = facts.with.as_ref().filter(|with| with.is_heard_both_ways());
    if let Some(with) = both {
        let text = format!("All is well: {} and this machine hear each other by multicast.", with.host);
        return Verdict::on(one, Cause::AllWell, Certainty::Sure, text);
    }
    if !one.is_answered() {
        let text = format!(
            "Others are heard on {}, but nobody answers: they have nothing to say, or do not hear us.",
            one.name
        );
        return Verdict::on(one, Cause::Unclear, Certainty::Unclear, text)
            .advise("Run `salut doctor --with THEM` here and `salut doctor --with THIS-MACHINE` there.");
    }
    if one.heard.values().all(|heard| !heard.on_link) {
        let text = format!("All who are heard on {} have addresses of another subnet.", one.name);
        return Verdict::on(one, Cause::OtherSubnet, Certainty::Likely, text)
            .advise("Two networks share one cable, or DHCP failed here: compare the addresses.");
    }
    let text = format!("All is well: others are heard on {}, and they answer.", one.name);
    Verdict::on(one, Cause::AllWell, Certainty::Sure, text)
}

fn duplicated(what: Identity, others: Vec<IpAddr>) -> Verdict {
    let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (text, advice) = match what {
        Identity::Host(name) => (
            format!("Another machine ({others}) calls itself {name}, too: a clone, or named alike."),
            "Give one of them another name: `hostnamectl set-hostname NEW-NAME`.",
        ),
        Identity::Peer(id) => (
            format!("Another machine ({others}) uses this machine's libp2p identity {id}."),
            "Delete the key file of the copy, so that it makes one of its own.",
        ),
    };
    Verdict::new(Cause::DuplicateIdentity, Certainty::Sure, None, text).advise(advice)
}
