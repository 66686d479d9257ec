//! Announces a service until Ctrl-C: `cargo run --example announce`.

use salut::{Mdns, Service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mdns = Mdns::new()?;
    let service = Service::new("My Node", "_exo._tcp", 52415)?.txt("version", "1")?;
    let node = mdns.announce(service).await?;
    // "My Node (2)" if somebody else has the name.
    println!("visible as {} on {}", node.name(), node.host());
    tokio::signal::ctrl_c().await?;
    mdns.shutdown().await;
    Ok(())
}
