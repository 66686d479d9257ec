//! With the mdns that libp2p 0.57 brings.

use libp2p::mdns;

#[path = "../../node/mod.rs"]
mod node;

fn main() {
    node::run(|_, config, peer| Ok(mdns::tokio::Behaviour::new(config, peer)?));
}
