//! `salut doctor`: why nobody is found.
//!
//! [`probe`] finds out, [`judge`] decides, [`report`] tells. What passes between them is a
//! value, [`Facts`](facts::Facts), so that the judging is tested without a network, by the
//! table of faults in `table.rs`.

mod facts;
mod findings;
mod judge;
mod judge_with;
mod probe;
mod report;
mod stage;
#[cfg(test)]
mod table;
mod verdict;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::args::{Network, duration};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::output::Output;
pub(crate) use probe::Listener;
use probe::Plan;
use verdict::Cause;

/// Find out why nobody is found, and what to do
#[derive(clap::Args)]
#[command(help_template = HELP, after_help = MORE)]
pub(crate) struct Args {
    /// Test the way to another machine that runs it, too
    #[arg(long, value_name = "HOST")]
    with: Option<String>,

    /// How long to listen [default: 5s, with --with 30s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    network: Network,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
{about}.

Looks at each network interface: is it up, can it multicast, is the group
joined, can we send, do we hear ourselves and others, do neighbours answer when
asked directly, do routes and firewalls stand in the way. Ends with a verdict in
one sentence and what to do.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
With --with, run it on both machines at the same time, each with the other's
name or address. Each tells the other what arrived, by multicast and by unicast,
and so both can tell which way is blocked.

Where nobody answers by multicast, up to 512 neighbours are asked one by one, by
unicast to port 5353. An interface that was not chosen is asked as well, to see
whether others are there.

With --json there is one object with verdict, machine, interfaces, port_holders,
duplicates and with; docs/DOCTOR.md describes them.

Signs: ok good, !! bad, ?? not clear, -- to be known.

Examples:
  salut doctor
  salut doctor --with 192.168.1.20
  salut doctor --interface eth0 --json

Exit status 0 if all is well, 1 if it is not or cannot be told.";

const USUAL_TIME: Duration = Duration::from_secs(5);
const TIME_FOR_TWO: Duration = Duration::from_secs(30);

/// Reports are as wide as the terminal, and this wide at least and elsewhere.
const WIDTH: usize = 80;

pub(crate) async fn run(args: Args, mut ending: Ending) -> Result<(), Failure> {
    let usual = if args.with.is_some() { TIME_FOR_TWO } else { USUAL_TIME };
    let plan = Plan {
        interfaces: args.network.interfaces().to_vec(),
        time: args.timeout.unwrap_or(usual),
        with: args.with,
    };
    let mdns = args.network.builder().build()?;
    let progress = Progress::new();
    let tell = |what: &str| progress.tell(what);
    let examined = tokio::select! {
        biased;
        ended = ending.wait() => {
            return ended.and(Err(Failure::Run("stopped before there was a verdict".to_owned())));
        }
        facts = probe::examine(&plan, mdns, &tell) => facts,
    };
    drop(progress);
    let facts = examined?;
    let verdict = judge::judge(&facts);
    let mut out = Output::new();
    if args.json {
        out.line(&crate::json::line(&report::json(&facts, &verdict))).await?;
    } else {
        let text = report::text(&facts, &verdict, WIDTH, crate::style::is_wanted());
        out.line(text.trim_end()).await?;
    }
    if verdict.cause == Cause::AllWell { Ok(()) } else { Err(Failure::Told) }
}

/// What is being done, on one line of the terminal that is gone afterwards.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        // On stderr, so that the report can be piped.
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { shown: std::io::stderr().is_terminal() && !dumb }
    }

    fn tell(&self, what: &str) {
        if self.shown {
            let text = crate::text::printable(what);
            let text: String = text.chars().take(WIDTH.saturating_sub(4)).collect();
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K{text} ...");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
        }
    }
}
