//! `salut browse`: services as they come and go.

use std::time::Duration;

use salut::{Mdns, ServiceType};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::args::{Network, duration, subtype};
use crate::ending::Ending;
use crate::everything::Everything;
use crate::failure::Failure;
use crate::live::{Key, Screen, State};
use crate::output::{Output, is_watched};
use crate::stderr::note;
use crate::text::Table;

/// Watch services come and go
#[derive(clap::Args)]
#[command(help_template = HELP, after_help = MORE)]
pub(crate) struct Args {
    /// Service type, such as _exo._tcp [default: all there are]
    #[arg(long, value_name = "TYPE", value_parser = ServiceType::new)]
    service: Option<ServiceType>,

    /// Only those with this subtype, such as _gpu
    #[arg(long, value_name = "NAME", value_parser = subtype, requires = "service")]
    subtype: Option<String>,

    /// End after this time: 5s, 500ms, 2m, or 5
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    network: Network,

    /// Print JSON lines
    #[arg(long)]
    json: bool,

    /// Print libp2p peers as a static-peers file, then end
    #[arg(long, conflicts_with_all = ["service", "subtype", "json"])]
    static_peers: bool,
}

pub(crate) const HELP: &str = "\
{about}.

In a terminal it is a table that changes as the network does: arrows choose a
row and show all of it, q ends. In a pipe there is a line when a service is
found (+), changes (~) or is gone (-): its name, host and port, addresses, TXT
attributes, and the interface it was heard on. One that can be reached through
two interfaces has a line for each.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
A TXT value that is not UTF-8 is shown in hex, as in raw=0x00ff. Rows with a
question mark are heard of, but do not answer for their host, port or address.

JSON lines:
  event      found, updated or lost
  instance   the instance name
  service    the service type, such as _exo._tcp
  host       the host name, such as alpha.local
  port       the port, a number
  addresses  such as [\"10.0.0.1\",\"fe80::1%eth0\"]: a link-local IPv6 address
             has the interface behind it
  txt        such as {\"k\":\"v\",\"flag\":null,\"raw\":{\"hex\":\"00ff\"}}: a key without
             value is null, a value that is not UTF-8 an object with its bytes
  interface  where it was heard, such as eth0
With lost there are event, instance, service and interface only.

Examples:
  salut browse
  salut browse --service _exo._tcp
  salut browse --service _http._tcp --timeout 5s --json
  salut browse --static-peers > peers.json

Ends with --timeout, SIGINT (Ctrl-C), SIGTERM or SIGHUP, and with exit status 0;
--static-peers after 5 seconds, with 1 if there was no peer.";

/// How often the table is drawn even if nothing happens: the time in it goes on.
const REDRAW: Duration = Duration::from_millis(500);

/// Changes closer together than this are drawn together.
const GATHER: Duration = Duration::from_millis(40);

/// How long peers get to answer.
const TIME_FOR_PEERS: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: Args, mut ending: Ending) -> Result<(), Failure> {
    let mdns = args.network.builder().build()?;
    if args.static_peers {
        let time = args.timeout.unwrap_or(TIME_FOR_PEERS);
        return crate::static_peers::run(mdns, args.network.interfaces(), time, ending).await;
    }
    let mut everything = match &args.service {
        Some(service) => Everything::one(&mdns, service, args.subtype.as_deref())?,
        None => Everything::all(&mdns)?,
    };
    let title = args.service.as_ref().map_or_else(|| "all service types".to_owned(), ToString::to_string);
    let screen = if args.json || !is_watched() { None } else { Screen::take() };
    let all = args.service.is_none();
    let result = match screen {
        Some(screen) => watch(&mut everything, screen, &title, all, args.timeout, &mut ending).await,
        None => lines(&mut everything, &mdns, &args, &title, &mut ending).await,
    };
    drop(everything);
    crate::goodbye(mdns).await;
    result
}

async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// A line for each change.
async fn lines(
    everything: &mut Everything,
    mdns: &Mdns,
    args: &Args,
    title: &str,
    ending: &mut Ending,
) -> Result<(), Failure> {
    let watched = !args.json && is_watched();
    if watched {
        note(&format!("watching for {title}, Ctrl-C to end"));
    }
    let mut found = false;
    tokio::select! {
        biased;
        result = ending.wait() => result,
        () = after(args.timeout) => {
            if watched && !found {
                note(&format!("nothing was found of {title}"));
            }
            Ok(())
        }
        result = print(everything, args, &mut found) => result,
        never = crate::look_for_interfaces(mdns) => match never {},
    }
}

async fn print(everything: &mut Everything, args: &Args, found: &mut bool) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut table = Table::for_stdout(args.service.is_none());
    loop {
        let change = everything.next().await?;
        *found = true;
        let line = if args.json { crate::json::change(&change) } else { table.change(&change) };
        out.line(&line).await?;
    }
}

/// A table that changes, and at the end stays as lines.
async fn watch(
    everything: &mut Everything,
    mut screen: Screen,
    title: &str,
    all: bool,
    timeout: Option<Duration>,
    ending: &mut Ending,
) -> Result<(), Failure> {
    let held = crate::stderr::hold();
    let mut state = State::new(title, all, Instant::now());
    let result = tokio::select! {
        biased;
        result = ending.wait() => result,
        () = after(timeout) => Ok(()),
        result = draw(everything, &mut screen, &mut state, &held) => result,
    };
    drop(screen);
    drop(held);
    let mut out = Output::new();
    let mut table = Table::for_stdout(all);
    for node in state.found() {
        out.line(&table.node('+', node)).await?;
    }
    result
}

async fn draw(
    everything: &mut Everything,
    screen: &mut Screen,
    state: &mut State,
    held: &crate::stderr::Held,
) -> Result<(), Failure> {
    let drawn = |screen: &Screen, state: &State| {
        screen.draw(state).map_err(|error| Failure::Run(format!("cannot write to the terminal: {error}")))
    };
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_draw: Option<Instant> = None;
    loop {
        tokio::select! {
            change = everything.next() => {
                state.change(&change?, Instant::now());
                next_draw.get_or_insert_with(|| Instant::now() + GATHER);
            }
            key = screen.key() => match key {
                Key::End => return Ok(()),
                Key::Step(by) => {
                    state.step(by);
                    drawn(screen, state)?;
                }
                Key::Resized => drawn(screen, state)?,
            },
            _ = redraw.tick() => {
                let unresolved = everything.unresolved().await;
                state.set_unresolved(unresolved, Instant::now());
                state.set_said(held.last().or(everything.obstacle().await));
                state.tidy(Instant::now());
                drawn(screen, state)?;
            }
            () = until(next_draw) => {
                next_draw = None;
                drawn(screen, state)?;
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
