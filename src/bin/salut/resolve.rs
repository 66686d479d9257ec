//! `salut resolve`: the addresses of one host.

use std::time::Duration;

use salut::{HostName, Resolved};
use serde_json::json;

use crate::args::{Network, duration};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::json::{address, line};
use crate::output::Output;

/// Look up the addresses of a host
#[derive(clap::Args)]
#[command(help_template = HELP, after_help = MORE)]
pub(crate) struct Args {
    /// Host name, such as alpha.local
    #[arg(value_name = "HOST", value_parser = HostName::new)]
    host: HostName,

    /// Give up after this time, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3s")]
    timeout: Duration,

    #[command(flatten)]
    network: Network,

    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
{about}.

Prints all its addresses, IPv4 and IPv6, one a line. A link-local IPv6 address
has the interface behind it, as in fe80::1%eth0.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
JSON lines, one for each interface on which somebody answered:
  host       the host name, such as alpha.local
  addresses  such as [\"10.0.0.1\",\"fe80::1%eth0\"]
  interface  where they were heard, such as eth0

Examples:
  salut resolve alpha.local
  ping $(salut resolve alpha.local | head -n 1)

Exit status 1 if nobody answers, or if the host has no address.";

pub(crate) async fn run(args: Args, mut ending: Ending) -> Result<(), Failure> {
    let mdns = args.network.builder().build()?;
    let host = args.host.to_string();
    let result = tokio::select! {
        biased;
        result = ending.wait() => result.and_then(|()| {
            Err(Failure::Run(format!("stopped before anybody answered for {host}")))
        }),
        answer = mdns.resolve(&host, args.timeout) => match answer {
            Ok(links) => print(&links, args.json).await,
            Err(error) => Err(error.into()),
        },
    };
    crate::goodbye(mdns).await;
    result
}

async fn print(links: &[Resolved], json: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for link in links {
        let addresses = link.addresses.iter().map(|ip| address(*ip, &link.interface));
        if json {
            lines.push(line(&json!({
                "host": link.host.to_string(),
                "addresses": addresses.collect::<Vec<_>>(),
                "interface": &*link.interface.name,
            })));
        } else {
            lines.extend(addresses);
        }
    }
    let mut out = Output::new();
    for (at, line) in lines.iter().enumerate() {
        // A host with the same address on two links has it once.
        if !lines.iter().take(at).any(|earlier| earlier == line) {
            out.line(line).await?;
        }
    }
    Ok(())
}
