//! With salut in its place.

use salut::libp2p::v056 as mdns;

#[path = "../../node/mod.rs"]
mod node;

fn main() {
    node::run(|_, config, peer| Ok(mdns::tokio::Behaviour::new(config, peer)?));
}
