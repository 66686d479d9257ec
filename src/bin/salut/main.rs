//! `salut`: announce, browse, resolve and diagnose services on the local network from a terminal.

mod announce;
mod args;
mod browse;
mod doctor;
mod ending;
mod everything;
mod failure;
mod json;
mod live;
mod log;
mod manual;
mod output;
mod resolve;
mod static_peers;
mod stderr;
mod style;
mod text;

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
use salut::Mdns;

use ending::Ending;
use failure::Failure;
use stderr::note;

/// The goodbyes leave within a few milliseconds. A link that blocks them must not keep the
/// program from ending within a second.
const MOST_FOR_GOODBYE: Duration = Duration::from_millis(700);

/// Interfaces that are coming up may take this long before it is worth a word.
const TIME_FOR_INTERFACES: Duration = Duration::from_secs(2);

/// Announce, browse and resolve services on the local network
#[derive(Parser)]
#[command(
    name = "salut",
    version,
    help_template = HELP,
    after_help = MORE,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_flag = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log to stderr; -vv and -vvv say more
    #[arg(short, long, global = true, display_order = 900, action = ArgAction::Count)]
    verbose: u8,

    /// Print help
    #[arg(short, long, global = true, display_order = 901, action = ArgAction::HelpShort)]
    help: (),
}

const HELP: &str = "\
{about}.

It speaks multicast DNS and DNS-SD, also known as Bonjour, Zeroconf and Avahi.
Nothing has to be set up, and no server is needed.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
Examples:
  salut announce --instance \"My Node\" --service _exo._tcp --port 52415
  salut browse --service _exo._tcp
  salut resolve alpha.local
  salut doctor

'salut <COMMAND> --help' says more.

Logs: -v names and links, -vv decisions, -vvv packets; or a filter in SALUT_LOG,
such as SALUT_LOG=debug.
Exit status: 0 done, 1 nothing found or could not run, 2 wrong usage.";

#[derive(Subcommand)]
enum Command {
    Announce(announce::Args),
    Browse(browse::Args),
    Resolve(resolve::Args),
    Doctor(doctor::Args),
    Completions(manual::Completions),
    Man(manual::Manual),
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start() -> Result<(), Failure> {
    let cli = Cli::try_parse()?;
    log::start(cli.verbose)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One for the network, so that it goes on while a reader of our output is slow.
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(run(cli.command));
    // Not waited for: a write that nobody reads would never end.
    runtime.shutdown_background();
    result
}

async fn run(command: Command) -> Result<(), Failure> {
    // Before anything is sent: from here on a signal means goodbye.
    let ending = Ending::watch()
        .map_err(|error| Failure::Run(format!("cannot wait for the signals that end it: {error}")))?;
    match command {
        Command::Announce(args) => announce::run(args, ending).await,
        Command::Browse(args) => browse::run(args, ending).await,
        Command::Resolve(args) => resolve::run(args, ending).await,
        Command::Doctor(args) => doctor::run(args, ending).await,
        Command::Completions(args) => manual::completions(args).await,
        Command::Man(args) => manual::manual(args).await,
    }
}

/// Says so if there is no interface to work on: nothing else would be heard of it.
async fn look_for_interfaces(mdns: &Mdns) -> Infallible {
    tokio::time::sleep(TIME_FOR_INTERFACES).await;
    if mdns.status().await.is_ok_and(|status| status.links.is_empty()) {
        note("no network interface is up; waiting for one");
    }
    std::future::pending().await
}

/// Says goodbye for everything that was announced.
async fn goodbye(mdns: Mdns) {
    if tokio::time::timeout(MOST_FOR_GOODBYE, mdns.shutdown()).await.is_err() {
        tracing::warn!("the goodbyes could not be sent in time; others will see the service for a while");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
