//! The report, for people and for programs.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::facts::{Facts, Family, Identity, Interface, Socket, Trouble, Ways};
use super::findings::{self, Finding, Mark};
use super::verdict::{Advice, Cause, Certainty, Verdict};
use crate::style::{Style, painted};
use crate::text::printable;

/// Where texts begin.
const INDENT: usize = 4;

/// The report in columns, at most `width` wide.
pub(super) fn text(facts: &Facts, verdict: &Verdict, width: usize, colour: bool) -> String {
    let mut page = Page { text: String::new(), width, colour };
    for one in shown(facts) {
        page.heading(&heading(one));
        page.findings(&findings::of_interface(facts, one));
    }
    if let Some(with) = &facts.with {
        page.heading(&with.host);
        page.findings(&findings::of_other_end(with));
    }
    page.heading("this machine");
    page.findings(&findings::of_machine(facts));
    page.verdict(verdict);
    page.text
}

/// Those in use, and those that might be meant.
fn shown(facts: &Facts) -> impl Iterator<Item = &Interface> {
    facts.interfaces.iter().filter(|one| one.used || !one.heard.is_empty() || one.kind.is_usual())
}

fn heading(one: &Interface) -> String {
    let v4 = one.v4.iter().map(|(ip, prefix)| format!("{ip}/{prefix}"));
    let v6 = one.v6.iter().map(|(ip, prefix)| format!("{ip}/{prefix}"));
    let mut items = vec![one.name.clone(), one.kind.id().to_owned()];
    items.extend(v4.chain(v6));
    if !one.used {
        items.push("(not in use)".to_owned());
    }
    items.join("  ")
}

struct Page {
    text: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        painted(self.colour, style, text)
    }

    fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.line("");
        }
        for (at, line) in wrap(&printable(heading), self.width).iter().enumerate() {
            let line = if at == 0 { self.paint(Style::Heading, line) } else { format!("  {line}") };
            self.line(&line);
        }
    }

    fn findings(&mut self, all: &[Finding]) {
        for one in all {
            let (sign, style) = match one.mark {
                Mark::Good => ("ok", Style::Good),
                Mark::Bad => ("!!", Style::Bad),
                Mark::Unsure => ("??", Style::Unsure),
                Mark::Note => ("--", Style::Faint),
            };
            let sign = self.paint(style, sign);
            self.paragraph(&format!(" {sign} "), &one.text);
        }
    }

    /// `sign` takes [`INDENT`] cells.
    fn paragraph(&mut self, sign: &str, text: &str) {
        for (at, line) in wrap(&printable(text), self.width.saturating_sub(INDENT)).iter().enumerate() {
            let begin = if at == 0 { sign.to_owned() } else { " ".repeat(INDENT) };
            self.line(&format!("{begin}{line}"));
        }
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.line("");
        let (word, style) = match (verdict.cause, verdict.certainty) {
            (Cause::AllWell, _) => ("", Style::Good),
            (_, Certainty::Sure) => ("", Style::Bad),
            (_, Certainty::Likely) => ("Most likely: ", Style::Bad),
            (_, Certainty::Unclear) => ("Unclear. ", Style::Unsure),
        };
        for line in wrap(&printable(&format!("{word}{}", verdict.text)), self.width) {
            let line = self.paint(style, &line);
            self.line(&line);
        }
        for advice in &verdict.advice {
            match advice {
                Advice::Words(words) => {
                    for line in wrap(&printable(words), self.width.saturating_sub(2)) {
                        self.line(&format!("  {line}"));
                    }
                }
                // Never folded: it is to be copied.
                Advice::Command(command) => {
                    let command = self.paint(Style::Command, &printable(command));
                    self.line(&format!("    {command}"));
                }
            }
        }
    }
}

/// Words in lines of at most `width` cells; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The same as an object; docs/DOCTOR.md describes it.
pub(super) fn json(facts: &Facts, verdict: &Verdict) -> Value {
    let advice: Vec<&String> = verdict
        .advice
        .iter()
        .map(|advice| match advice {
            Advice::Words(text) | Advice::Command(text) => text,
        })
        .collect();
    json!({
        "verdict": {
            "cause": verdict.cause.id(),
            "certainty": verdict.certainty.id(),
            "interface": verdict.interface,
            "text": verdict.text,
            "advice": advice,
        },
        "machine": {
            "name": facts.machine.name,
            "system": facts.machine.system.id(),
            "container": facts.machine.container,
            "wsl2": facts.machine.wsl2,
            "app_firewall": facts.machine.app_firewall,
            "multicast_route": facts.machine.multicast_route,
        },
        "interfaces": facts.interfaces.iter().map(|one| interface(facts, one)).collect::<Vec<_>>(),
        "port_holders": facts.holders.iter().map(|holder| json!({
            "pid": holder.pid,
            "program": holder.program,
        })).collect::<Vec<_>>(),
        "duplicates": facts.duplicates.iter().map(|duplicate| {
            let (kind, name) = match &duplicate.what {
                Identity::Host(name) => ("host", name),
                Identity::Peer(id) => ("peer", id),
            };
            json!({ "kind": kind, "name": name, "others": duplicate.others })
        }).collect::<Vec<_>>(),
        "with": facts.with.as_ref().map(|with| json!({
            "host": with.host,
            "addresses": with.addresses,
            "interface": with.interface,
            "reached": with.reached,
            "refused": with.refused,
            "heard": ways(with.heard),
            "told": with.told.map(|told| json!({
                "heard": ways(told.heard),
                "hears_itself": told.hears_itself,
                "sends": told.sends,
            })),
        })),
    })
}

fn interface(facts: &Facts, one: &Interface) -> Value {
    let addresses = one.v4.iter().map(|(ip, prefix)| format!("{ip}/{prefix}"));
    let addresses = addresses.chain(one.v6.iter().map(|(ip, prefix)| format!("{ip}/{prefix}")));
    json!({
        "name": one.name,
        "index": one.index,
        "kind": one.kind.id(),
        "used": one.used,
        "chosen": one.chosen,
        "up": one.up,
        "carrier": one.carrier,
        "multicast": one.multicast,
        "addresses": addresses.collect::<Vec<_>>(),
        "ipv4": family(&one.ipv4),
        "ipv6": family(&one.ipv6),
        "heard": one.heard.iter().map(|(ip, heard)| json!({
            "address": ip,
            "answered": heard.answered,
            "on_link": heard.on_link,
        })).collect::<Vec<_>>(),
        "unicast": one.unicast.as_ref().map(|unicast| json!({
            "asked": unicast.asked,
            "answered": unicast.answered,
        })),
        "gateway": one.gateway,
        "reached": one.reached,
        "detours": one.detours.iter().map(|detour| json!({
            "to": detour.to,
            "by": detour.by,
        })).collect::<Vec<_>>(),
        "findings": findings::of_interface(facts, one).iter().map(|finding| json!({
            "mark": finding.mark.id(),
            "text": finding.text,
        })).collect::<Vec<_>>(),
    })
}

fn family(family: &Family) -> Value {
    let (socket, refused) = match &family.socket {
        Socket::Absent => ("absent", None),
        Socket::Open => ("open", None),
        Socket::NoPort(trouble) => ("no-port", Some(trouble)),
        Socket::NoGroup(trouble) => ("no-group", Some(trouble)),
    };
    let sent: Option<Result<(), &Trouble>> = family.sent.as_ref().map(|sent| sent.as_ref().copied());
    let error = refused.or(sent.and_then(Result::err)).map(|trouble| trouble.text.clone());
    json!({
        "socket": socket,
        "joined": family.joined,
        "sent": sent.map(|sent| sent.is_ok()),
        "hears_itself": family.hears_itself,
        "error": error,
    })
}

fn ways(ways: Ways) -> Value {
    json!({ "multicast_v4": ways.multicast_v4, "multicast_v6": ways.multicast_v6, "unicast": ways.unicast })
}
