//! How soon an instance is found: pairs of hosts, each pair on a bridge of its own, beside what
//! the RFC's delays allow, which the simulator tells.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use salut::proto::{Event, Search};
use salut::sim::{self, Conditions};
use salut::{Change, Service, ServiceType};
use salut_benches::delays::{Delays, HEAD};
use salut_benches::lan::{Lan, Program};
use salut_benches::plot::bars;

use super::{OUT, Peer, TYPE};

/// Who has not been found by then counts as not found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between the first of a pair and the second: until announcements are over, and the second in
/// which none is repeated (RFC 6762 §6); and between two questions of a browse (§5.2).
const SETTLED: Duration = Duration::from_millis(6500);

const CASES: [Case; 4] = [
    Case { browser_first: true, loss: 0 },
    Case { browser_first: true, loss: 30 },
    Case { browser_first: false, loss: 0 },
    Case { browser_first: false, loss: 30 },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    browser_first: bool,
    /// Of what each host should hear, in percent.
    loss: u32,
}

impl Case {
    fn name(self) -> String {
        let order = if self.browser_first { "browser first" } else { "announcer first" };
        format!("{order}, {} %", self.loss)
    }
}

/// How many pairs of a peer run at once, how many runs there are, and how far apart pairs
/// start: a program that takes long to start would hold up the others of its round.
fn effort(peer: Peer, runs: usize) -> (usize, usize, Duration) {
    match peer {
        Peer::Salut | Peer::MdnsSd => (50, runs, Duration::from_millis(37)),
        _ => (20, runs.min(20), Duration::from_millis(350)),
    }
}

/// `lan latency [RUNS] [PEER]`.
pub fn run() -> String {
    let runs: usize = std::env::args().nth(2).and_then(|runs| runs.parse().ok()).unwrap_or(100);
    let only = std::env::args().nth(3);
    let peers: Vec<Peer> = [Peer::Salut, Peer::MdnsSd, Peer::Avahi, Peer::Zeroconf]
        .into_iter()
        .filter(|peer| only.as_ref().is_none_or(|only| peer.name().starts_with(only.as_str())))
        .filter(|peer| peer.is_there())
        .collect();
    let lans: Vec<Lan> = (0..effort(Peer::Salut, runs).0.min(runs)).map(|_| Lan::new(2)).collect();
    let mut text = format!("| who | order, loss | {HEAD}\n");
    let mut plot = Vec::new();
    let mut ratios = String::from(
        "\n| salut by the floor | median | p95 | maximum less the floor's, ms |\n|---|---|---|---|\n",
    );
    for case in CASES {
        let floor = floor(case);
        let line = format!("| floor: the simulator | {} | {} |", case.name(), floor.cells());
        eprintln!("{line}");
        text += &(line + "\n");
        for lan in &lans {
            lan.lose(case.loss);
        }
        for (peer, delays) in of_all(&peers, runs, &lans, case) {
            let line = format!("| {} | {} | {} |", peer.name(), case.name(), delays.cells());
            eprintln!("{line}");
            text += &(line + "\n");
            plot.push((format!("{}, {}", peer.name(), case.name()), delays.at(0.5).unwrap_or(0.0)));
            if peer == Peer::Salut {
                let by = |part| delays.at(part).zip(floor.at(part));
                let ratio = |part| by(part).map_or(f64::NAN, |(own, floor)| own / floor);
                let over = by(1.0).map_or(f64::NAN, |(own, floor)| own - floor);
                let _ = writeln!(
                    ratios,
                    "| {} | {:.2} | {:.2} | {over:+.0} |",
                    case.name(),
                    ratio(0.5),
                    ratio(0.95)
                );
            }
        }
    }
    lans.iter().for_each(|lan| lan.lose(0));
    text += &ratios;
    text += "\n| a second browse in the same program | median, ms | p95, ms | max, ms |\n|---|---|---|---|\n";
    for peer in peers.iter().filter(|peer| matches!(peer, Peer::Salut | Peer::MdnsSd)) {
        let delays = Delays::new(rounds(*peer, runs, &lans, |lan| again(*peer, lan)));
        let at = |part| delays.at(part).map_or("never".to_owned(), |delay| format!("{delay:.3}"));
        let line = format!("| {} | {} | {} | {} |", peer.name(), at(0.5), at(0.95), at(1.0));
        eprintln!("{line}");
        text += &(line + "\n");
    }
    if std::env::args().len() == 2 {
        bars(&format!("{OUT}/latency.svg"), "Found: the median, in milliseconds", &plot);
    }
    text
}

/// The delays of each peer: one after the other those of which many run at once, then the others
/// side by side, each on bridges of its own.
fn of_all(peers: &[Peer], runs: usize, lans: &[Lan], case: Case) -> Vec<(Peer, Delays)> {
    let one =
        |peer, lans: &[Lan]| (peer, Delays::new(rounds(peer, runs, lans, |lan| one_pair(peer, case, lan))));
    let (many, few): (Vec<Peer>, Vec<Peer>) =
        peers.iter().partition(|peer| matches!(peer, Peer::Salut | Peer::MdnsSd));
    let mut delays: Vec<_> = many.into_iter().map(|peer| one(peer, lans)).collect();
    let share = lans.len().div_ceil(few.len().max(1)).max(1);
    delays.extend(thread::scope(|scope| {
        let tasks: Vec<_> = few
            .into_iter()
            .zip(lans.chunks(share))
            .map(|(peer, lans)| scope.spawn(move || one(peer, lans)))
            .collect();
        tasks.into_iter().map(|task| task.join().expect("a peer")).collect::<Vec<_>>()
    }));
    delays
}

/// As many rounds of pairs as there have to be.
fn rounds(
    peer: Peer,
    runs: usize,
    lans: &[Lan],
    one: impl Fn(&Lan) -> Option<f64> + Sync,
) -> Vec<Option<f64>> {
    let (at_once, runs, apart) = effort(peer, runs);
    let lans = &lans[..at_once.min(lans.len())];
    let mut delays = Vec::new();
    while delays.len() < runs {
        let round: Vec<Option<f64>> = thread::scope(|scope| {
            let one = &one;
            let tasks: Vec<_> = (0..)
                .zip(lans)
                .map(|(number, lan)| {
                    scope.spawn(move || {
                        thread::sleep(apart * number);
                        one(lan)
                    })
                })
                .collect();
            tasks.into_iter().map(|task| task.join().expect("a pair")).collect()
        });
        delays.extend(round);
    }
    delays.truncate(runs);
    delays
}

/// When the call was made that counts.
fn called(peer: Peer, program: &Program) -> Option<Instant> {
    match peer {
        Peer::Avahi => Some(program.started),
        _ => program.wait("start", PATIENCE),
    }
}

/// Milliseconds from the second one's call to the browser's result.
fn one_pair(peer: Peer, case: Case, lan: &Lan) -> Option<f64> {
    let (first, second) = if case.browser_first { ("browse", "announce") } else { ("announce", "browse") };
    let (mut early, _) = peer.start(&lan.hosts[0], first, "Node");
    called(peer, &early[0])?;
    thread::sleep(SETTLED);
    let (mut late, _) = peer.start(&lan.hosts[1], second, "Node");
    let called = called(peer, &late[0])?;
    let browser = if case.browser_first { &early[0] } else { &late[0] };
    // What `avahi-browse` prints for what it has resolved goes on with the address.
    let found = match peer {
        Peer::Avahi => browser.wait("=;eth0;", PATIENCE),
        _ => browser.wait("found Node", PATIENCE),
    };
    for program in late.iter_mut().chain(&mut early) {
        program.end();
    }
    found.map(|found| found.saturating_duration_since(called).as_secs_f64() * 1000.0)
}

/// Milliseconds from the second browse in a program to its result.
fn again(peer: Peer, lan: &Lan) -> Option<f64> {
    let (mut early, _) = peer.start(&lan.hosts[0], "announce", "Node");
    early[0].wait("start", PATIENCE)?;
    thread::sleep(SETTLED);
    let program: PathBuf = peer.program()?;
    let mut late = lan.hosts[1].run(&program, &["again", TYPE]);
    let line = late.wait_line("again ", PATIENCE);
    late.end();
    early[0].end();
    line?.1.strip_prefix("again ")?.parse().ok()
}

/// The same pair on the simulator, a thousand times: what the delays of the RFC allow, with
/// nothing but 100 to 300 µs on the way.
fn floor(case: Case) -> Delays {
    let one = |seed| {
        let mut lan = sim::Lan::new(seed);
        let segment = lan.segment();
        let loss = f64::from(case.loss) / 100.0;
        lan.set_conditions(segment, Conditions { loss, ..Conditions::default() });
        let (browser, announcer) = (lan.host("browser").ok()?, lan.host("announcer").ok()?);
        let service = Service::new("Node", TYPE, 4242).ok()?;
        let search = || ServiceType::new(TYPE).map(Search::Service).ok();
        if case.browser_first {
            lan.attach(browser, segment);
            lan.browse(browser, search()?).ok()?;
            lan.run_for(SETTLED);
            lan.attach(announcer, segment);
            lan.announce(announcer, service).ok()?;
        } else {
            lan.attach(announcer, segment);
            lan.announce(announcer, service).ok()?;
            lan.run_for(SETTLED);
            lan.attach(browser, segment);
            lan.browse(browser, search()?).ok()?;
        }
        let called = lan.elapsed();
        let mut found = None;
        lan.run_while_not(PATIENCE, |lan| {
            let events = lan.take_events(browser);
            found = events.into_iter().find_map(|(at, event)| match event {
                Event::Browse { change: Change::Found(_), .. } => Some(at),
                _ => None,
            });
            found.is_some()
        });
        found.map(|found| found.saturating_sub(called).as_secs_f64() * 1000.0)
    };
    Delays::new((0..1000).map(one).collect())
}
