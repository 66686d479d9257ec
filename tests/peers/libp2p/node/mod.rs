//! A node that lives as exo's does: it dials whomever mdns discovers, dials again every five
//! seconds, and does not survive a breach of the contract of discovery.
//!
//! The crate it is included in says what `mdns` is. What happens is printed as JSON, one
//! object a line.

mod log;
pub mod options;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::mdns;
use options::{Change, Options};

#[derive(NetworkBehaviour)]
struct Behaviour {
    mdns: mdns::tokio::Behaviour,
}

struct Node {
    swarm: Swarm<Behaviour>,
    /// What was discovered and has not expired.
    live: HashMap<PeerId, BTreeSet<Multiaddr>>,
    listeners: Vec<(Multiaddr, ListenerId)>,
    began: Instant,
    dials: bool,
}

type Mdns = mdns::tokio::Behaviour;

/// How a node gets its mdns.
pub type Make = fn(&Options, mdns::Config, PeerId) -> Result<Mdns, Box<dyn Error + Send + Sync>>;

pub fn run(make: Make) {
    let began = Instant::now();
    let options = Options::read().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    log::start(options.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Err(error) = runtime.block_on(start(options, make, began)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn start(options: Options, make: Make, began: Instant) -> Result<(), Box<dyn Error>> {
    let key = Keypair::ed25519_from_bytes(options.seed)?;
    // As exo has it, but for what the test says.
    let mut config =
        mdns::Config { ttl: options.ttl, query_interval: options.query_interval, ..Default::default() };
    config.enable_ipv6 = options.enable_ipv6;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let mdns = make(&options, config, key.public().to_peer_id())?;
            Ok(Behaviour { mdns })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    let mut node = Node { swarm, live: HashMap::new(), listeners: Vec::new(), began, dials: options.dials };
    node.say(json!({"event": "started", "peer": node.swarm.local_peer_id().to_string()}));
    for address in options.listen {
        node.apply(Change::Listen(address))?;
    }
    node.live(options.changes, every(options.redial)).await
}

/// The first tick comes after one period.
fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset();
    interval
}

impl Node {
    /// Until SIGTERM or SIGINT. Then everything is dropped, and the runtime with it.
    async fn live(
        &mut self,
        mut changes: Vec<(Duration, Change)>,
        mut redial: Interval,
    ) -> Result<(), Box<dyn Error>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            let next = changes.first().map(|(after, _)| self.began + *after);
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                event = self.swarm.select_next_some() => self.event(event),
                _ = redial.tick() => self.dial_all(),
                () = tokio::time::sleep_until(next.unwrap_or(self.began).into()), if next.is_some() => {
                    let (_, change) = changes.remove(0);
                    self.apply(change)?;
                }
            }
        }
    }

    fn say(&self, mut line: Value) {
        line["after"] = self.began.elapsed().as_secs_f64().into();
        // Whoever read it may be gone.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn apply(&mut self, change: Change) -> Result<(), Box<dyn Error>> {
        match change {
            Change::Listen(address) => {
                let id = self.swarm.listen_on(address.clone())?;
                self.listeners.push((address, id));
            }
            Change::Unlisten(address) => {
                let at = self.listeners.iter().position(|(one, _)| *one == address);
                let (_, id) = self.listeners.remove(at.ok_or("no such listener")?);
                self.swarm.remove_listener(id);
            }
        }
        Ok(())
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(pairs))) => {
                self.discovered(pairs)
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Expired(pairs))) => self.expired(pairs),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.say(json!({"event": "listening", "address": address.to_string()}));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.not_listening(&address),
            SwarmEvent::ListenerClosed { addresses, .. } => {
                addresses.iter().for_each(|address| self.not_listening(address));
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                let address = endpoint.get_remote_address().to_string();
                self.say(json!({"event": "connected", "peer": peer_id.to_string(), "address": address}));
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, .. } => {
                self.say(
                    json!({"event": "disconnected", "peer": peer_id.to_string(), "left": num_established}),
                );
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                let peer = peer_id.map(|peer| peer.to_string());
                self.say(json!({"event": "failed", "peer": peer, "error": error.to_string()}));
            }
            _ => {}
        }
    }

    fn not_listening(&self, address: &Multiaddr) {
        self.say(json!({"event": "not listening", "address": address.to_string()}));
    }

    fn discovered(&mut self, pairs: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in pairs {
            self.say(
                json!({"event": "discovered", "peer": peer.to_string(), "address": address.to_string()}),
            );
            assert!(peer != *self.swarm.local_peer_id(), "{peer} discovered itself");
            let new = self.live.entry(peer).or_default().insert(address.clone());
            assert!(new, "{peer} at {address} was discovered twice");
            self.dial(peer, address);
        }
    }

    fn expired(&mut self, pairs: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in pairs {
            self.say(json!({"event": "expired", "peer": peer.to_string(), "address": address.to_string()}));
            let addresses = self.live.get_mut(&peer);
            let addresses = addresses.unwrap_or_else(|| panic!("{peer} expired and is unknown"));
            assert!(addresses.remove(&address), "{peer} at {address} expired and is unknown");
            if addresses.is_empty() {
                self.live.remove(&peer);
            }
        }
    }

    fn dial_all(&mut self) {
        for (peer, addresses) in self.live.clone() {
            for address in addresses {
                self.dial(peer, address);
            }
        }
    }

    fn dial(&mut self, peer: PeerId, address: Multiaddr) {
        if self.dials {
            // Refused while there is a connection or an attempt, which is as it should be.
            let _ = self.swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build());
        }
    }
}
