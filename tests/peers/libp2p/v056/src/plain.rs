//! A libp2p node without any mdns: it listens and is dialled.

use std::error::Error;

use futures_util::StreamExt as _;
use libp2p::swarm::{SwarmEvent, dummy};
use libp2p::{Multiaddr, SwarmBuilder, noise, tcp, yamux};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_| dummy::Behaviour)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(3600)))
        .build();
    println!("{}", json!({"event": "started", "peer": swarm.local_peer_id().to_string(), "after": 0.0}));
    let address: Multiaddr = std::env::args().nth(1).ok_or("an address to listen on")?.parse()?;
    swarm.listen_on(address)?;
    loop {
        let (event, peer, address) = match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => ("listening", String::new(), address),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                ("connected", peer_id.to_string(), endpoint.get_remote_address().clone())
            }
            _ => continue,
        };
        println!("{}", json!({"event": event, "peer": peer, "address": address.to_string()}));
    }
}
