//! Settings.

use crate::name::HostName;

/// Settings of an [`Engine`](super::Engine).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The host name of services that bring none of their own.
    pub host: HostName,
    /// Whether another responder runs on this machine: then the reverse mapping of its
    /// addresses is left to that one.
    pub shares_host: bool,
    /// The most services announced at once.
    pub max_services: usize,
    /// The most instances kept of one service type on one link. When there are more, those
    /// give way first of which nothing but the name is known, then those of the host that told
    /// of most.
    pub max_instances: usize,
    /// The most records cached on one link that no browse or resolve asks for; those that
    /// expire first give way.
    pub max_idle: usize,
    /// The most of them from one source address.
    pub max_idle_per_source: usize,
}

impl Config {
    /// The defaults, with this host name.
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            shares_host: false,
            max_services: 1024,
            max_instances: 1024,
            max_idle: 4096,
            max_idle_per_source: 1024,
        }
    }
}
