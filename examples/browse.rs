//! Prints services as they come and go: `cargo run --example browse`.

use salut::{Change, Mdns};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mdns = Mdns::new()?;
    let mut nodes = mdns.browse("_exo._tcp")?;
    while let Some(change) = nodes.next().await {
        match change {
            Change::Found(node) => println!("+ {} {:?}", node.name, node.sockets()),
            Change::Updated(node) => println!("~ {} {:?}", node.name, node.sockets()),
            Change::Lost(lost) => println!("- {lost}"),
        }
    }
    Ok(())
}
