//! What a behaviour can be set to beyond the settings of `libp2p-mdns`.

use std::path::PathBuf;

use futures_core::Stream;

use super::behaviour::Behaviour;
use super::libp2p_core::Multiaddr;
use super::libp2p_identity::PeerId;
use super::multiaddr::{read, read_static};
use super::{Config, StaticPeer};
use crate::libp2p::discovery::Settings;
use crate::libp2p::sources::Source;
use crate::libp2p::start::{Network, Start};
use crate::{AsServiceType, Error, Mdns, NameError, ServiceType};

/// Settings of a [`Behaviour`] that `libp2p-mdns` does not have. Every one has a default: without
/// any of them it is what [`Behaviour::new`] makes.
///
/// ```
/// # #[cfg(feature = "libp2p-056")] {
/// use salut::libp2p::v056::{Builder, Config, tokio};
/// # fn f(local_peer_id: libp2p_identity_0_2::PeerId) -> Result<(), Box<dyn std::error::Error>> {
/// let behaviour: tokio::Behaviour = Builder::new(Config::default())
///     .network(salut::Mdns::builder().ipv6(false).interface("eth0"))
///     .service_name("_p2p-1f0c._udp")?
///     .static_peers_file("/etc/my-node/peers.json")
///     .build(local_peer_id)?;
/// # Ok(()) }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before build()"]
pub struct Builder {
    config: Config,
    service: Option<ServiceType>,
    network: Network,
    peers: Vec<StaticPeer>,
    sources: Vec<Source>,
}

impl Builder {
    /// Everything as in [`Behaviour::new`].
    pub fn new(config: Config) -> Self {
        Self {
            config,
            service: None,
            network: Network::Own(Mdns::builder().allow_missing_interfaces(true)),
            peers: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// Families, interfaces and whatever else an [`Mdns`] can be set to.
    pub fn network(mut self, builder: crate::Builder) -> Self {
        self.network = Network::Own(builder);
        self
    }

    /// Shares an [`Mdns`] with the rest of the program. It is not shut down with the behaviour.
    pub fn mdns(mut self, mdns: Mdns) -> Self {
        self.network = Network::Shared(mdns);
        self
    }

    /// Another service name than `_p2p._udp`: private networks use `_p2p-<fingerprint>._udp`,
    /// and discover nobody else (libp2p mDNS specification).
    ///
    /// # Errors
    /// A name that is no service type; up to 63 bytes are allowed.
    pub fn service_name(mut self, name: &str) -> Result<Self, NameError> {
        self.service = Some(ServiceType::new_long(name)?);
        Ok(self)
    }

    /// A peer that is known beforehand: a multiaddr with or without a PeerId behind it, an IP
    /// address or a host name. See [`StaticPeer`].
    pub fn static_peer(mut self, peer: StaticPeer) -> Self {
        self.peers.push(peer);
        self
    }

    /// As [`static_peer`](Self::static_peer), from a multiaddr.
    pub fn static_address(self, address: &Multiaddr) -> Self {
        self.static_peer(StaticPeer::new(address.to_string()))
    }

    /// A JSON file with static peers, `{"static_peers":[{"name":"…","multiaddr":"…"}]}`. It is
    /// looked at every two seconds and read again when its length or its time of change
    /// differs. While it cannot be read, what it said before counts.
    pub fn static_peers_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(Source::File(path.into()));
        self
    }

    /// Any other source of static peers: each list that the stream gives takes the place of the
    /// one before; the last one stays when the stream ends. An HTTP endpoint, a registry or a
    /// cloud's API plugs in here.
    pub fn static_peers_from(mut self, lists: impl Stream<Item = Vec<StaticPeer>> + Send + 'static) -> Self {
        self.sources.push(Source::Stream(Box::pin(lists)));
        self
    }

    /// The behaviour. Made outside a tokio runtime it starts when it is polled for the first
    /// time.
    ///
    /// # Errors
    /// [`Error::NoFamily`]; a bad service type.
    pub fn build<P>(self, local_peer_id: PeerId) -> Result<Behaviour<P>, Error> {
        let Self { config, service, network, peers, mut sources } = self;
        network.check()?;
        let service = service.map_or_else(|| "_p2p._udp".as_service_type(), Ok)?;
        if !peers.is_empty() {
            sources.insert(0, Source::List(peers));
        }
        let settings = Settings {
            peer: local_peer_id.to_bytes().into(),
            service,
            ttl: config.ttl,
            query_interval: config.query_interval,
            read,
        };
        Ok(Behaviour::start_with(local_peer_id, Start { settings, network, sources, read_static }))
    }
}
