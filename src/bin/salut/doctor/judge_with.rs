//! The verdict on a two-ended test: what each side heard from the other.

use super::facts::{Facts, Interface, Told, With};
use super::stage::{Stage, stage};
use super::verdict::{Cause, Certainty, Verdict};

/// The verdict on the two ends; `None` if it leaves the one on this end alone as it is.
pub(super) fn judge(facts: &Facts, best: &Interface) -> Option<Verdict> {
    let with = facts.with.as_ref()?;
    if with.addresses.is_empty() && !with.is_met() {
        return Some(unknown(with, best));
    }
    if !with.is_met() {
        return Some(not_met(facts, with, best));
    }
    met(with, best)
}

fn unknown(with: &With, best: &Interface) -> Verdict {
    let text =
        format!("Nobody knows the name {}, neither by multicast DNS nor by the name server.", with.host);
    Verdict::on(best, Cause::UnknownHost, Certainty::Sure, text)
        .advise("Give its IP address instead: `salut doctor --with 192.168.1.20`.")
}

/// The two doctors know of each other.
fn met(with: &With, best: &Interface) -> Option<Verdict> {
    let host = &with.host;
    let hears = with.heard.multicast();
    // Without a word on what it heard, by whichever way, nothing of ours arrived there: it
    // tells in every message.
    let told = with.told.unwrap_or_default();
    let heard = told.heard.multicast();
    let verdict = match (hears, heard) {
        (true, true) => return None,
        (false, false) if with.interface.is_none() => {
            let text = format!(
                "{host} is in another subnet: it answers by unicast, and multicast ends at the router."
            );
            Verdict::on(best, Cause::OtherSubnet, Certainty::Sure, text)
                .advise("Put both into one network, or name each other: static peers, unicast DNS-SD.")
        }
        (false, false) => {
            let text = format!(
                "The network drops multicast between here and {host}: unicast arrives at both ends, multicast \
                 at neither."
            );
            Verdict::on(best, Cause::MulticastDropped, certainty(told), text)
                .advise("In the switch or access point: switch IGMP snooping or multicast filtering off,")
                .advise("or an IGMP querier on. Guest networks do this on purpose.")
        }
        (true, false) if !told.hears_itself && told != Told::default() => {
            let text = format!("{host} does not hear even itself: a firewall there keeps multicast DNS out.");
            Verdict::on(best, Cause::TheirFirewall, Certainty::Sure, text)
                .advise(format!("On {host}: let UDP port 5353 in. `salut doctor` there says more."))
        }
        (true, false) => {
            let text = format!("One way only: we hear {host}, but what we multicast does not arrive there.");
            Verdict::on(best, Cause::OneWay, Certainty::Likely, text)
                .advise("Look at what lies between the two: a switch or access point drops it.")
                .advise(format!("Or a firewall on {host} that lets only its own packets in."))
        }
        (false, true) if !told.sends => {
            let text = format!("{host} cannot send multicast: its own system refuses it.");
            Verdict::on(best, Cause::TheirFirewall, Certainty::Sure, text)
                .advise(format!("`salut doctor` on {host} says why."))
        }
        (false, true) => {
            let text = format!("One way only: {host} hears us, but what it multicasts does not arrive here.");
            Verdict::on(best, Cause::OneWay, Certainty::Likely, text)
                .advise("Look at what lies between the two: a switch or access point drops it.")
                .advise("Or a firewall on this machine that lets only its own packets in.")
        }
    };
    Some(verdict)
}

fn certainty(told: Told) -> Certainty {
    if told.hears_itself && told.sends { Certainty::Sure } else { Certainty::Likely }
}

/// Nothing came from a doctor there.
fn not_met(facts: &Facts, with: &With, best: &Interface) -> Verdict {
    let host = &with.host;
    let speaks =
        facts.interfaces.iter().any(|one| with.addresses.iter().any(|ip| one.heard.contains_key(ip)));
    let answers = facts
        .interfaces
        .iter()
        .filter_map(|one| one.unicast.as_ref())
        .any(|unicast| with.addresses.iter().any(|ip| unicast.answered.contains(ip)));
    if with.interface.is_none() {
        let text = format!("{host} is in another subnet, and multicast ends at the router.");
        return Verdict::on(best, Cause::OtherSubnet, Certainty::Sure, text)
            .advise("Put both into one network (not one of them into a guest network),")
            .advise("or name each other: static peers, unicast DNS-SD.");
    }
    if answers && !speaks && stage(best) == Stage::Silent {
        // The one-ended verdict: multicast is dropped.
        let text =
            format!("The network drops multicast: {host} answers when asked directly, and is never heard.");
        return Verdict::on(best, Cause::MulticastDropped, Certainty::Likely, text)
            .advise("In the switch or access point: switch IGMP snooping or multicast filtering off,")
            .advise("or an IGMP querier on. `salut doctor` on both ends at once makes sure.");
    }
    if speaks {
        let text =
            format!("{host} speaks multicast DNS and is heard here; whether it hears us is not known.");
        return Verdict::on(best, Cause::Unclear, Certainty::Unclear, text).advise(format!(
            "Start `salut doctor --with {}` on {host} at the same time.",
            facts.machine.name
        ));
    }
    if with.reached == Some(false) {
        let others = best.reached.iter().any(|ip| !with.addresses.contains(ip));
        if others {
            let text = format!(
                "The network keeps its clients apart: the link reaches others, but not {host} (or it is off)."
            );
            return Verdict::on(best, Cause::Isolated, Certainty::Likely, text)
                .advise("In the access point: switch off \"client isolation\" or \"AP isolation\".")
                .advise("In a managed switch: private VLAN, port isolation, protected port.")
                .advise("Guest networks do this on purpose: use another one.");
        }
        let text =
            format!("Nothing on this network answers, {host} neither: it may be off, or we are elsewhere.");
        return Verdict::on(best, Cause::Unclear, Certainty::Unclear, text)
            .advise("See that both are on and in the same network; compare their addresses.");
    }
    let text = if with.refused {
        format!("{host} is there, but no `salut doctor` runs on it.")
    } else {
        format!("{host} is silent: no `salut doctor` runs there, or a firewall keeps everything from it.")
    };
    Verdict::on(best, Cause::Unclear, Certainty::Unclear, text)
        .advise(format!("Start `salut doctor --with {}` on {host} at the same time.", facts.machine.name))
}
