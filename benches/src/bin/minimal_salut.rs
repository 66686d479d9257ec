//! The smallest program that announces a service with salut: for its size.

use salut::{Mdns, Service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mdns = Mdns::new()?;
    let _node = mdns.announce(Service::new("My Node", "_exo._tcp", 52415)?).await?;
    std::future::pending().await
}
