//! A node of a cluster on libp2p: dials every other one that mdns discovers, and prints it.
//!
//! `cargo run --bin exo_node_libp2p`, on two machines or twice on one, until Ctrl-C. With
//! `RUST_LOG=salut=debug` it tells what discovery does.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt as _;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{SwarmBuilder, noise, tcp, yamux};
use salut::libp2p::v056 as mdns;

#[derive(NetworkBehaviour)]
struct Behaviour {
    mdns: mdns::tokio::Behaviour,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let peer = key.public().to_peer_id();
            // What exo sets; salut neither waits 25 minutes to ask nor 41 to forget.
            let config = mdns::Config {
                ttl: Duration::from_secs(2500),
                query_interval: Duration::from_secs(1500),
                ..Default::default()
            };
            Ok(Behaviour { mdns: mdns::tokio::Behaviour::new(config, peer)? })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    println!("this node is {}", swarm.local_peer_id());
    swarm.listen_on("/ip4/0.0.0.0/tcp/0".parse()?)?;
    swarm.listen_on("/ip6/::/tcp/0".parse()?)?;

    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
                for (peer, address) in found {
                    println!("+ {address}");
                    // Refused where there is a connection already.
                    let _ = swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build());
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Expired(gone))) => {
                for (_, address) in gone {
                    println!("- {address}");
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                println!("ConnectionEstablished with {peer_id} at {}", endpoint.get_remote_address());
            }
            SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
                println!("ConnectionClosed with {peer_id}: {cause:?}");
            }
            SwarmEvent::NewListenAddr { address, .. } => println!("listening on {address}"),
            _ => {}
        }
    }
}
