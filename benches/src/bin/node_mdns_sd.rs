//! mdns-sd as a contender of the LAN bench; see `node_salut`.

use std::io::Read as _;
use std::time::Instant;

use mdns_sd::{ServiceDaemon, ServiceEvent, ServiceInfo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |at: usize| arguments.get(at).cloned().unwrap_or_default();
    let (role, name, service, port) = match text(0).as_str() {
        role @ ("browse" | "again") => (role.to_owned(), String::new(), text(1), 0),
        role => (role.to_owned(), text(1), text(2), text(3).parse()?),
    };
    let service = format!("{service}.local.");
    println!("start");
    let daemon = ServiceDaemon::new()?;
    if role == "announce" || role == "both" {
        let host = format!("{}.local.", name.to_lowercase().replace(' ', "-"));
        let info = ServiceInfo::new(&service, &name, &host, "", port, None)?.enable_addr_auto();
        daemon.register(info)?;
    }
    if role != "announce" {
        let events = daemon.browse(&service)?;
        let again = daemon.clone();
        std::thread::spawn(move || {
            while let Ok(event) = events.recv() {
                if let ServiceEvent::ServiceResolved(found) = event {
                    if role == "again" {
                        let start = Instant::now();
                        let Ok(second) = again.browse(&service) else { return };
                        while !matches!(second.recv(), Ok(ServiceEvent::ServiceResolved(_)) | Err(_)) {}
                        println!("again {:.4}", start.elapsed().as_secs_f64() * 1000.0);
                        return;
                    }
                    println!("found {}", found.get_fullname().split('.').next().unwrap_or_default());
                }
            }
        });
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    daemon.shutdown()?;
    Ok(())
}
