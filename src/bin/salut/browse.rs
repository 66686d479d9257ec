//! `salut browse`: the services of one type, as they come and go.

use std::time::Duration;

use salut::{Browse, ServiceType};

use crate::args::{Network, duration, subtype};
use crate::ending::Ending;
use crate::failure::{Failure, note};
use crate::output::{Output, is_watched};
use crate::text::Table;

/// Watch the services of one type come and go
#[derive(clap::Args)]
#[command(help_template = HELP, after_help = MORE)]
pub(crate) struct Args {
    /// Service type, such as _exo._tcp
    #[arg(long, value_name = "TYPE", value_parser = ServiceType::new)]
    service: ServiceType,

    /// Only those with this subtype, such as _gpu
    #[arg(long, value_name = "NAME", value_parser = subtype)]
    subtype: Option<String>,

    /// End after this time: 5s, 500ms, 2m, or 5
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    network: Network,

    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
{about}.

Prints a line when a service is found (+), changes (~) or is gone (-): its name,
host and port, addresses, TXT attributes, and the interface it was heard on. One
that can be reached through two interfaces has a line for each.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
A TXT value that is not UTF-8 is shown in hex, as in raw=0x00ff.

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
  salut browse --service _exo._tcp
  salut browse --service _http._tcp --timeout 5s --json

Ends with --timeout, SIGINT (Ctrl-C), SIGTERM or SIGHUP, and with exit status 0.";

pub(crate) async fn run(args: Args, mut ending: Ending) -> Result<(), Failure> {
    let mdns = args.network.builder().build()?;
    let service = &args.service;
    let mut browse = match &args.subtype {
        Some(subtype) => mdns.browse_subtype(service, subtype)?,
        None => mdns.browse(service)?,
    };
    let watched = !args.json && is_watched();
    if watched {
        note(&format!("watching for {service}, Ctrl-C to end"));
    }
    let mut found = false;
    let result = tokio::select! {
        biased;
        result = ending.wait() => result,
        () = after(args.timeout) => {
            if watched && !found {
                note(&format!("no {service} was found"));
            }
            Ok(())
        }
        result = print(&mut browse, args.json, &mut found) => result,
        never = crate::look_for_interfaces(&mdns) => match never {},
    };
    crate::goodbye(mdns).await;
    result
}

async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

async fn print(browse: &mut Browse, json: bool, found: &mut bool) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut table = Table::for_stdout();
    while let Some(change) = browse.next().await {
        *found = true;
        let line = if json { crate::json::change(&change) } else { table.change(&change) };
        out.line(&line).await?;
    }
    Err(Failure::Run("browsing has ended, which it should not; -v may tell why".into()))
}
