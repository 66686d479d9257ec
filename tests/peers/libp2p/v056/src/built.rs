//! With salut made by its builder: static peers, and a status that is told.

use salut::libp2p::v056 as mdns;
use salut::libp2p::v056::{Builder, StaticPeer};

#[path = "../../node/mod.rs"]
mod node;

use node::options::Static;

fn main() {
    node::run(|options, config, peer| {
        let mut builder = Builder::new(config);
        for one in &options.statics {
            builder = match one {
                Static::Peer(address) => builder.static_peer(StaticPeer::new(address)),
                Static::File(path) => builder.static_peers_file(path),
            };
        }
        let mdns: mdns::tokio::Behaviour = builder.build(peer)?;
        let mut status = mdns.status();
        tokio::spawn(async move {
            while let Some(status) = status.next().await {
                for one in status.static_peers {
                    let errors: Vec<_> = one.errors.iter().map(ToString::to_string).collect();
                    let (source, count) = (one.source, one.addresses);
                    println!(
                        "{}",
                        serde_json::json!({"event": "status", "address": source, "count": count, "errors": errors})
                    );
                }
            }
        });
        Ok(mdns)
    });
}
