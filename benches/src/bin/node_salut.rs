//! salut as a contender of the LAN bench: `announce NAME TYPE PORT`, `browse TYPE`, `both …`;
//! `again TYPE` browses a second time once something is found, and says how many milliseconds
//! that took. One line for each thing that happens; ends with its standard input.

use std::io::Read as _;
use std::time::Instant;

use salut::{Change, Mdns, Service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize| arguments.get(at).cloned().unwrap_or_default();
    let (role, name, service, port) = match text(0).as_str() {
        role @ ("browse" | "again") => (role.to_owned(), String::new(), text(1), 0),
        role => (role.to_owned(), text(1), text(2), text(3).parse()?),
    };
    println!("start");
    let mdns = Mdns::new()?;
    let mut browse = None;
    if role != "announce" {
        browse = Some(mdns.browse(&service)?);
    }
    let mut announcement = None;
    let mut announcing = std::pin::pin!(async {
        match role.as_str() {
            "announce" | "both" => Some(mdns.announce(Service::new(&name, &service, port).ok()?).await),
            _ => std::future::pending().await,
        }
    });
    let (ended, mut end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    loop {
        let next = async {
            match &mut browse {
                Some(browse) => browse.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            announced = &mut announcing, if announcement.is_none() => {
                let announced = announced.ok_or("no such service")??;
                println!("announced {}", announced.name());
                announcement = Some(announced);
            }
            change = next => match change {
                Some(Change::Found(_)) if role == "again" => {
                    let start = Instant::now();
                    let mut second = mdns.browse(&service)?;
                    while !matches!(second.next().await, Some(Change::Found(_)) | None) {}
                    println!("again {:.4}", start.elapsed().as_secs_f64() * 1000.0);
                }
                Some(Change::Found(found)) => println!("found {}", found.name),
                Some(Change::Lost(lost)) => println!("lost {}", lost.name),
                Some(_) => {}
                None => break,
            },
            _ = &mut end => break,
        }
    }
    drop(announcement);
    mdns.shutdown().await;
    Ok(())
}
