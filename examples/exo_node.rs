//! One node of a cluster: announces itself as `_exo._tcp` and prints every other node that
//! comes and goes, until Ctrl-C or SIGTERM.
//!
//! `cargo run --example exo_node -- [--instance NAME] [--port N] [--json]`
//!
//! Run it on two machines, or twice on one. With `--json` it prints the lines of
//! `salut browse --json`.

#[path = "../src/bin/salut/json.rs"]
mod json;

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::process::ExitCode;

use salut::{
    Announcement, AnnouncementEvent, Browse, Change, Instance, InstanceName, Interface, Mdns, Service,
};

struct Options {
    instance: String,
    port: u16,
    json: bool,
}

fn options() -> Result<Options, String> {
    let machine = gethostname::gethostname().to_string_lossy().into_owned();
    let machine = machine.split('.').next().filter(|name| !name.is_empty()).unwrap_or("node");
    let mut options = Options { instance: machine.to_owned(), port: 52415, json: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--instance" => options.instance = args.next().ok_or("--instance needs a name behind it")?,
            "--port" => {
                let port = args.next().and_then(|text| text.parse().ok());
                options.port = port.ok_or("--port needs a number from 1 to 65535 behind it")?;
            }
            "--json" => options.json = true,
            _ => {
                return Err(format!(
                    "{arg:?} is unknown; right would be [--instance NAME] [--port N] [--json]"
                ));
            }
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = options().and_then(|options| {
        let service = Service::new(&options.instance, "_exo._tcp", options.port);
        Ok((service.map_err(|error| error.to_string())?, options.json))
    });
    let (service, json) = match options {
        Ok(options) => options,
        Err(error) => {
            eprintln!("exo_node: {error}");
            return ExitCode::from(2);
        }
    };
    match run(service, json).await {
        // Whoever read the output has seen enough.
        Err(error) if error.downcast_ref().map(io::Error::kind) != Some(io::ErrorKind::BrokenPipe) => {
            eprintln!("exo_node: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn run(service: Service, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mdns = Mdns::new()?;
    let mut announcement = mdns.register(service)?;
    let mut browse = mdns.browse("_exo._tcp")?;
    let result = tokio::select! {
        result = stop() => result,
        result = follow(&mut announcement, &mut browse, json) => result,
    };
    mdns.shutdown().await;
    Ok(result?)
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn follow(announcement: &mut Announcement, browse: &mut Browse, json: bool) -> io::Result<()> {
    let mut own = None;
    let mut others = Others::default();
    loop {
        tokio::select! {
            Some(event) = announcement.next_event() => {
                if let AnnouncementEvent::Announced { name, host, .. } = event
                    && !json
                    && own.as_ref() != Some(&(name.clone(), host.clone()))
                {
                    writeln!(io::stdout(), "this node is {name} on {host}")?;
                    own = Some((name, host));
                }
            }
            Some(change) = browse.next() => {
                // Our host name is ours alone, whatever becomes of the instance name.
                let host = announcement.host();
                if let Some(change) = others.only(change, |node| node.host == host) {
                    writeln!(io::stdout(), "{}", if json { json::change(&change) } else { text(&change) })?;
                }
            }
            else => return Ok(()),
        }
    }
}

/// The nodes that were printed, each with the interface it was found on.
#[derive(Default)]
struct Others(HashSet<(InstanceName, Interface)>);

impl Others {
    /// The change as it looks to somebody who never saw our own node.
    fn only(&mut self, change: Change, is_own: impl Fn(&Instance) -> bool) -> Option<Change> {
        match change {
            Change::Found(node) | Change::Updated(node) => {
                let key = (node.name.clone(), node.interface.clone());
                if is_own(&node) {
                    // A name we took over: the one who had it is gone.
                    let lost =
                        salut::Lost { name: node.name, service: node.service, interface: node.interface };
                    return self.0.remove(&key).then_some(Change::Lost(lost));
                }
                Some(if self.0.insert(key) { Change::Found(node) } else { Change::Updated(node) })
            }
            Change::Lost(lost) => {
                let known = self.0.remove(&(lost.name.clone(), lost.interface.clone()));
                known.then_some(Change::Lost(lost))
            }
        }
    }
}

fn text(change: &Change) -> String {
    let (mark, node) = match change {
        Change::Found(node) => ('+', node),
        Change::Updated(node) => ('~', node),
        Change::Lost(lost) => return format!("- {lost}  ({})", lost.interface),
    };
    let addresses: Vec<_> = node.addresses.iter().map(|ip| json::address(*ip, &node.interface)).collect();
    let (name, host, port) = (&node.name, &node.host, node.port);
    format!("{mark} {name}  {host}:{port}  {}  ({})", addresses.join("  "), node.interface)
}
