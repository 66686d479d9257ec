//! Bootstraps Kademlia from the peers that mdns finds: one neighbour on the LAN is enough to
//! reach what lies beyond it.
//!
//! `cargo run --bin kad_from_mdns -- [ADDRESS]...`, where each address is one to listen on,
//! until Ctrl-C.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt as _;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, QueryResult};
use libp2p::swarm::{NetworkBehaviour, StreamProtocol, SwarmEvent};
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use salut::libp2p::v056 as mdns;

/// The network that this is a node of; those of other names are not joined.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/salut-example/kad/1.0.0");

#[derive(NetworkBehaviour)]
struct Behaviour {
    mdns: mdns::tokio::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let peer = key.public().to_peer_id();
            let mut kad =
                kad::Behaviour::with_config(peer, MemoryStore::new(peer), kad::Config::new(PROTOCOL));
            // On a LAN everybody can be reached.
            kad.set_mode(Some(kad::Mode::Server));
            Ok(Behaviour { mdns: mdns::tokio::Behaviour::new(mdns::Config::default(), peer)?, kad })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    println!("this node is {}", swarm.local_peer_id());
    let mut addresses: Vec<_> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"].map(str::to_owned).to_vec();
    }
    for address in addresses {
        swarm.listen_on(address.parse()?)?;
    }

    loop {
        tokio::select! {
            event = swarm.select_next_some() => react(&mut swarm, event),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn react(swarm: &mut Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) {
    match event {
        SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
            for (peer, address) in found {
                println!("found {address}");
                swarm.behaviour_mut().kad.add_address(&peer, address);
            }
            // There is somebody to ask now, so this cannot fail.
            let _ = swarm.behaviour_mut().kad.bootstrap();
        }
        SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Expired(gone))) => {
            for (peer, address) in gone {
                println!("gone {address}");
                swarm.behaviour_mut().kad.remove_address(&peer, &address);
            }
        }
        SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => told_by_kad(event),
        _ => {}
    }
}

fn told_by_kad(event: kad::Event) {
    match event {
        kad::Event::RoutingUpdated { peer, is_new_peer: true, .. } => {
            println!("in the routing table: {peer}");
        }
        kad::Event::OutboundQueryProgressed { result: QueryResult::Bootstrap(result), .. } => match result {
            Ok(progress) if progress.num_remaining == 0 => println!("bootstrapped"),
            Ok(_) => {}
            Err(error) => println!("not bootstrapped: {error}"),
        },
        _ => {}
    }
}
