//! How soon two libp2p nodes discover each other, with salut's behaviour and with libp2p-mdns.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use salut_benches::delays::{Delays, HEAD};
use salut_benches::lan::{Host, Lan, Program};

use super::libp2p_program;

/// Pairs at once, each on a bridge of its own.
const AT_ONCE: usize = 25;

/// Who has not been discovered by then counts as not discovered.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between the first of a pair and the second.
const SETTLED: Duration = Duration::from_secs(4);

const STACKS: [(&str, &str); 2] = [("salut v056", "salut-056"), ("libp2p-mdns 0.48", "libp2p-056")];

/// A node that runs.
struct Node {
    program: Program,
    peer: String,
    /// When its `main` began.
    began: Instant,
}

impl Node {
    fn start(host: &Host, program: &PathBuf, seed: &str) -> Option<Self> {
        let listen = format!("/ip4/{}/tcp/0", host.address);
        let program = host.run(program, &["--seed", seed, "--listen", &listen, "--no-dial"]);
        let (at, line) = program.wait_line("\"started\"", PATIENCE)?;
        let after: f64 = field(&line, "after")?.parse().ok()?;
        let peer = field(&line, "peer")?.to_owned();
        Some(Self { program, peer, began: at.checked_sub(Duration::from_secs_f64(after))? })
    }

    /// Milliseconds from `since` until it discovered the other.
    fn discovers(&self, other: &Node, since: Instant) -> Option<f64> {
        let until = since + PATIENCE;
        loop {
            let (at, line) =
                self.program.wait_line("\"discovered\"", until.saturating_duration_since(Instant::now()))?;
            if field(&line, "peer") == Some(&other.peer) {
                return Some(at.saturating_duration_since(since).as_secs_f64() * 1000.0);
            }
        }
    }
}

/// A member of a flat JSON object.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let end = rest.find([',', '}'])?;
    Some(rest[..end].trim_matches('"'))
}

/// `lan libp2p [RUNS]`.
pub fn run() -> String {
    let runs: usize = std::env::args().nth(2).and_then(|runs| runs.parse().ok()).unwrap_or(100);
    let mut text = format!("| who | case | {HEAD}\n");
    let lans: Vec<Lan> = (0..AT_ONCE.min(runs)).map(|_| Lan::new(2)).collect();
    for loss in [0, 30] {
        lans.iter().for_each(|lan| lan.lose(loss));
        for (who, program) in STACKS {
            let Some(program) = libp2p_program(program) else {
                eprintln!("left out, as it is not here: {who}");
                continue;
            };
            let mut found = Vec::new();
            while found.len() < runs {
                found.extend(round(&lans, &program));
            }
            found.truncate(runs);
            let (newcomer, present): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            for (case, delays) in
                [("the newcomer discovers who is there", newcomer), ("… is discovered", present)]
            {
                let line = format!("| {who} | {case}, {loss} % | {} |", Delays::new(delays).cells());
                eprintln!("{line}");
                text += &(line + "\n");
            }
        }
    }
    text
}

type Found = (Option<f64>, Option<f64>);

fn round(lans: &[Lan], program: &PathBuf) -> Vec<Found> {
    thread::scope(|scope| {
        let tasks: Vec<_> = (0..)
            .zip(lans)
            .map(|(number, lan)| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(83) * number);
                    pair(lan, program).unwrap_or_default()
                })
            })
            .collect();
        tasks.into_iter().map(|task| task.join().expect("a pair")).collect()
    })
}

/// When the newcomer discovers the other, and the other it: from when its `main` began.
fn pair(lan: &Lan, program: &PathBuf) -> Option<Found> {
    let there = Node::start(&lan.hosts[0], program, "1")?;
    thread::sleep(SETTLED);
    let newcomer = Node::start(&lan.hosts[1], program, "2")?;
    let since = newcomer.began;
    Some((newcomer.discovers(&there, since), there.discovers(&newcomer, since)))
}
