//! What 20,000 packets in a second cost each of them.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use salut_benches::lan::{Host, Lan, Program, Usage, beside, usage};
use salut_benches::plot::bars;

use super::Peer::{Avahi, Bare, BareHickory, Libp2p, MdnsSd, Salut, SalutLibp2p, Zeroconf};
use super::{OUT, Peer, TYPE, memory};

/// Packets in a flood; they come in 2.5 s.
const PACKETS: f64 = 50_000.0;

/// One kind of flood.
struct Flood {
    title: &'static str,
    /// As the sender calls it.
    kind: &'static str,
    /// What those do who are flooded. A libp2p node always does both, for its own type.
    role: &'static str,
    peers: &'static [Peer],
}

/// Those that answer questions.
const ANSWER: &[Peer] = &[Salut, SalutLibp2p, MdnsSd, Avahi, Libp2p];

/// A question is for `_salut._tcp`, and for `_p2p._udp` where libp2p nodes are asked.
const FLOODS: [Flood; 8] = [
    Flood {
        title: "irrelevant queries",
        kind: "irrelevant",
        role: "announce",
        peers: &[Salut, SalutLibp2p, MdnsSd, Bare, BareHickory, Avahi, Zeroconf, Libp2p],
    },
    Flood { title: "queries with 20 known answers", kind: "known", role: "announce", peers: ANSWER },
    Flood { title: "relevant queries", kind: "relevant", role: "announce", peers: ANSWER },
    Flood { title: "… for a unicast reply", kind: "qu", role: "announce", peers: ANSWER },
    Flood { title: "… of ordinary resolvers", kind: "legacy", role: "announce", peers: ANSWER },
    Flood { title: "malformed packets", kind: "malformed", role: "announce", peers: ANSWER },
    Flood {
        title: "unique responses while browsing",
        kind: "responses",
        role: "browse",
        peers: &[Salut, MdnsSd, Avahi, Zeroconf],
    },
    Flood {
        title: "unique libp2p peers",
        kind: "peers",
        role: "browse",
        peers: &[SalutLibp2p, Libp2p, Salut, MdnsSd],
    },
];

/// Somebody who is about to be flooded, on a LAN of his own.
struct Victim {
    peer: Peer,
    lan: Lan,
    programs: Vec<Program>,
    pid: u32,
}

/// `lan flood [PART-OF-A-TITLE [PART-OF-A-PEER'S-NAME]]`.
pub fn run() -> String {
    let chosen = |at: usize, text: &str| std::env::args().nth(at).is_none_or(|part| text.contains(&part));
    let mut text = String::from(
        "| flood of 20,000/s for 2.5 s | who | µs of CPU a packet | lost to a full buffer, % | resident after, MB | growth, MB |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut plot = Vec::new();
    for flood in FLOODS.iter().filter(|flood| chosen(2, flood.title)) {
        let peers = flood.peers.iter().filter(|peer| chosen(3, peer.name()) && peer.is_there());
        let victims: Vec<Victim> = peers.map(|peer| Victim::new(*peer, flood)).collect();
        // Until their announcements are over.
        thread::sleep(Duration::from_secs(5));
        for mut victim in victims {
            let Some((cost, line)) = victim.flood(flood) else { continue };
            let line = format!("| {} | {} | {line} |", flood.title, victim.peer.name());
            eprintln!("{line}");
            let _ = writeln!(text, "{line}");
            plot.push((format!("{}: {}", flood.title, victim.peer.name()), cost));
            victim.programs.iter_mut().for_each(Program::end);
        }
    }
    if std::env::args().len() <= 2 {
        bars(&format!("{OUT}/flood.svg"), "CPU a packet, in microseconds", &plot);
    }
    text
}

impl Victim {
    fn new(peer: Peer, flood: &Flood) -> Self {
        let lan = Lan::new(2);
        let service = if flood.kind == "peers" { "_p2p._udp" } else { TYPE };
        let (programs, pid) = peer.start_for(&lan.hosts[0], flood.role, "Node", service);
        Self { peer, lan, programs, pid }
    }

    fn flood(&self, flood: &Flood) -> Option<(f64, String)> {
        let [host, sender] = self.lan.hosts.as_slice() else { return None };
        let libp2p = matches!(self.peer, Libp2p | SalutLibp2p);
        let service = if libp2p { "_p2p._udp.local" } else { "_salut._tcp.local" };
        let (before, unread) = (usage(self.pid)?, unread(host));
        let sends = sender.run(&beside("flood"), &[&sender.address, flood.kind, "20000", "2.5", service]);
        sends.wait("sent", Duration::from_secs(15))?;
        let after = self.at_rest()?;
        let cost = (after.cpu - before.cpu).as_secs_f64() * 1e6 / PACKETS;
        let lost = (self::unread(host) - unread) * 100.0 / PACKETS;
        let (resident, growth) = memory(before, after);
        Some((cost, format!("{cost:.2} | {lost:.1} | {resident:.1} | {growth:.1}")))
    }

    /// What was used when all that came has been worked off, or after ten seconds.
    fn at_rest(&self) -> Option<Usage> {
        const STEP: Duration = Duration::from_millis(500);
        let mut before = usage(self.pid)?;
        for _ in 0..20 {
            thread::sleep(STEP);
            let after = usage(self.pid)?;
            if after.cpu - before.cpu < STEP / 20 {
                return Some(after);
            }
            before = after;
        }
        Some(before)
    }
}

/// Datagrams that found the buffer full: of the socket on port 5353 that lost most.
fn unread(host: &Host) -> f64 {
    let list = host.shell("cat /proc/net/udp");
    let on_port = list.lines().filter(|line| line.contains(":14E9 "));
    on_port.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).fold(0.0, f64::max)
}
