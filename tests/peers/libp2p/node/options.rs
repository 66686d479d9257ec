//! What the node is told on its command line.

use std::env;
use std::str::FromStr;
use std::time::Duration;

use libp2p::Multiaddr;

pub const USAGE: &str = "\
--seed N            the identity, a number (1)
--listen ADDRESS    listens there; may be repeated (/ip4/0.0.0.0/tcp/0)
--listen-at S ADDRESS, --unlisten-at S ADDRESS
                    the same later, and its end, S seconds after the start
--ttl S, --query-interval S, --enable-ipv6
                    mdns::Config (2500, 1500, no)
--redial S          dials every discovered address this often (5)
--no-dial           never dials
--static-peer PEER, --static-file PATH
                    peers that are known beforehand; for nodes made by the builder
--log LEVEL         what goes to standard error (warn)";

pub enum Change {
    Listen(Multiaddr),
    Unlisten(Multiaddr),
}

/// Where static peers come from.
#[allow(dead_code, reason = "not every node has them")]
pub enum Static {
    Peer(String),
    File(String),
}

pub struct Options {
    pub seed: [u8; 32],
    pub listen: Vec<Multiaddr>,
    /// In the order of time.
    pub changes: Vec<(Duration, Change)>,
    pub ttl: Duration,
    pub query_interval: Duration,
    pub enable_ipv6: bool,
    pub redial: Duration,
    pub dials: bool,
    /// What only nodes made by the builder know.
    pub statics: Vec<Static>,
    pub log: log::LevelFilter,
}

impl Options {
    pub fn read() -> Result<Self, String> {
        let mut options = Self {
            seed: seed(1),
            listen: Vec::new(),
            changes: Vec::new(),
            ttl: Duration::from_secs(2500),
            query_interval: Duration::from_secs(1500),
            enable_ipv6: false,
            redial: Duration::from_secs(5),
            dials: true,
            statics: Vec::new(),
            log: log::LevelFilter::Warn,
        };
        let mut arguments = env::args().skip(1);
        let rest = &mut arguments;
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--seed" => options.seed = seed(value(rest, &argument)?),
                "--listen" => options.listen.push(value(rest, &argument)?),
                "--listen-at" => {
                    let at = seconds(rest, &argument)?;
                    options.changes.push((at, Change::Listen(value(rest, &argument)?)));
                }
                "--unlisten-at" => {
                    let at = seconds(rest, &argument)?;
                    options.changes.push((at, Change::Unlisten(value(rest, &argument)?)));
                }
                "--ttl" => options.ttl = seconds(rest, &argument)?,
                "--query-interval" => options.query_interval = seconds(rest, &argument)?,
                "--enable-ipv6" => options.enable_ipv6 = true,
                "--redial" => options.redial = seconds(rest, &argument)?,
                "--no-dial" => options.dials = false,
                "--static-peer" => options.statics.push(Static::Peer(value(rest, &argument)?)),
                "--static-file" => options.statics.push(Static::File(value(rest, &argument)?)),
                "--log" => options.log = value(rest, &argument)?,
                _ => return Err(format!("{argument}: unknown\n{USAGE}")),
            }
        }
        options.changes.sort_by_key(|(at, _)| *at);
        if options.listen.is_empty() && options.changes.is_empty() {
            options.listen.push("/ip4/0.0.0.0/tcp/0".parse().expect("an address"));
        }
        Ok(options)
    }
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

fn value<T: FromStr>(rest: &mut impl Iterator<Item = String>, option: &str) -> Result<T, String> {
    let text = rest.next().ok_or_else(|| format!("{option}: needs something behind it\n{USAGE}"))?;
    text.parse().map_err(|_| format!("{option}: {text:?} is wrong\n{USAGE}"))
}

fn seconds(rest: &mut impl Iterator<Item = String>, option: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value(rest, option)?).map_err(|error| format!("{option}: {error}"))
}
