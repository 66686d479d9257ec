//! The smallest program that announces a service with mdns-sd: for its size.

use mdns_sd::{ServiceDaemon, ServiceInfo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let daemon = ServiceDaemon::new()?;
    let info = ServiceInfo::new("_exo._tcp.local.", "My Node", "alpha.local.", "", 52415, None)?;
    daemon.register(info.enable_addr_auto())?;
    loop {
        std::thread::park();
    }
}
