//! With the mdns that libp2p 0.56 brings.

use libp2p::mdns;

#[path = "../../node/mod.rs"]
mod node;

fn main() {
    node::main();
}
