//! What the handles ask of the task.

use std::net::IpAddr;

use litemap::LiteMap;

use tokio::sync::{oneshot, watch};

use super::Status;
use super::told::{Catalogue, Mailbox, Newest, News, Writer};
use crate::name::{HostName, InstanceName, ServiceType};
use crate::proto::{LinkIndex, Search};
use crate::service::{Interface, Service};
use crate::txt::Txt;

/// One handle of the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// What is known of a host on each link.
pub(crate) type Found = LiteMap<LinkIndex, Known>;

/// What is known of a host on one link.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) interface: Interface,
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether both families have an answer or were denied.
    pub(crate) complete: bool,
    /// Who said the last of this.
    pub(crate) source: Option<IpAddr>,
}

#[cfg(feature = "_libp2p")]
pub(crate) use crate::libp2p::PeerCommand;

/// Without libp2p there are no peers.
#[cfg(not(feature = "_libp2p"))]
#[derive(Debug)]
pub(crate) enum PeerCommand {}

/// What the handles ask of the task. A handle's [`End`](Self::End) has a place reserved in the
/// channel from the beginning, so that dropping it neither waits nor fails.
#[cfg_attr(not(feature = "_libp2p"), expect(dead_code, reason = "nobody sends a peer's command"))]
#[derive(Debug)]
pub(crate) enum Command {
    Announce { key: Key, service: Service, news: Writer<News> },
    SetTxt { key: Key, txt: Txt },
    SetPort { key: Key, port: u16 },
    Withdraw { key: Key, done: oneshot::Sender<()> },
    Browse { key: Key, search: Search, mailbox: Writer<Mailbox> },
    BrowseTypes { key: Key, catalogue: Writer<Catalogue> },
    Unresolved { key: Key, reply: oneshot::Sender<Vec<(Interface, InstanceName)>> },
    Resolve { key: Key, host: HostName, found: watch::Sender<Found> },
    Reconfirm { service: ServiceType, instance: InstanceName },
    End { key: Key },
    Status { reply: oneshot::Sender<Status> },
    WatchStatus { newest: Writer<Newest> },
    Peer(PeerCommand),
    Shutdown { done: oneshot::Sender<()> },
}
