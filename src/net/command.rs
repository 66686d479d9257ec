//! What the handles ask of the task, and how it does that.

use std::hash::{DefaultHasher, Hash as _};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use litemap::LiteMap;

use tokio::sync::{oneshot, watch};

#[cfg(feature = "_libp2p")]
use super::seed;
use super::task::Task;
use super::told::{Catalogue, Mailbox, Newest, News, Writer};
use super::{NetError, Status};
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

/// The goodbyes of a shutdown have this long to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// A shutdown that was asked for.
pub(super) struct Leaving {
    pub(super) until: Instant,
    pub(super) done: Vec<oneshot::Sender<()>>,
    pub(super) stopped: bool,
}

impl Task {
    pub(super) fn command(&mut self, now: Instant, command: Command) {
        let engine = &mut self.engine;
        let leaving = self.leaving.is_some();
        match command {
            // Dropped, which tells their handles.
            Command::Announce { .. }
            | Command::Browse { .. }
            | Command::BrowseTypes { .. }
            | Command::Resolve { .. }
                if leaving => {}
            #[cfg(feature = "_libp2p")]
            Command::Peer(command) => {
                if !leaving {
                    self.discoveries.command(engine, now, seed(), command);
                }
            }
            #[cfg(not(feature = "_libp2p"))]
            Command::Peer(never) => match never {},
            Command::Announce { key, service, news } => {
                self.handles.announce(engine, now, key, service, news)
            }
            Command::Browse { key, search, mailbox } => {
                self.handles.browse(engine, now, key, search, mailbox)
            }
            Command::BrowseTypes { key, catalogue } => {
                self.handles.browse_types(engine, now, key, catalogue);
            }
            Command::Unresolved { key, reply } => {
                let _ = reply.send(self.handles.unresolved(engine, key));
            }
            Command::Resolve { key, host, found } => self.handles.resolve(engine, now, key, host, found),
            Command::SetTxt { key, txt } => self.handles.set_txt(engine, now, key, txt),
            Command::SetPort { key, port } => self.handles.set_port(engine, now, key, port),
            Command::Withdraw { key, done } => {
                #[cfg(feature = "_libp2p")]
                let Some(done) = self.discoveries.end(engine, now, key, Some(done)) else {
                    return self.drain(now);
                };
                self.handles.end(engine, now, key, Some(done));
            }
            Command::End { key } => {
                #[cfg(feature = "_libp2p")]
                self.discoveries.end(engine, now, key, None);
                self.handles.end(engine, now, key, None);
            }
            Command::Reconfirm { service, instance } => engine.reconfirm(now, &service, &instance),
            Command::Status { reply } => {
                let _ = reply.send(self.status());
            }
            Command::WatchStatus { newest } => {
                self.watchers.add(newest);
            }
            Command::Shutdown { done } => return self.leave(now, Some(done)),
        }
        self.drain(now);
    }

    fn status(&self) -> Status {
        Status {
            links: self.links.status(|link| self.engine.cached(link)),
            unused: self.links.unused().to_vec(),
            list_error: self.list_error.clone(),
            polling: self.watch.is_polling(),
            holders: self.others.holders.clone(),
            counters: self.engine.counters(),
        }
    }

    pub(super) fn tell_watchers(&mut self) {
        let mut watchers = std::mem::take(&mut self.watchers);
        watchers.tell(|hasher| self.hash_status(hasher), || self.status());
        self.watchers = watchers;
    }

    /// What makes a status another one: everything but the numbers.
    fn hash_status(&self, hasher: &mut DefaultHasher) {
        self.links.hash_status(hasher);
        self.list_error.as_ref().map(NetError::cause).hash(hasher);
        (self.watch.is_polling(), &self.others.holders).hash(hasher);
    }

    /// Says goodbye for everything; the task ends when that has left.
    pub(super) fn leave(&mut self, now: Instant, done: Option<oneshot::Sender<()>>) {
        match &mut self.leaving {
            Some(leaving) => leaving.done.extend(done),
            None => {
                self.leaving = Some(Leaving {
                    until: now + LEAVE_WITHIN,
                    done: done.into_iter().collect(),
                    stopped: false,
                });
                self.engine.shutdown(now);
                self.drain(now);
            }
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.leaving
            .as_ref()
            .is_some_and(|leaving| (leaving.stopped && !self.links.is_waiting()) || leaving.until <= now)
    }
}
