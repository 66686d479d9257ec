//! The behaviour that a swarm runs.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::runtime::Handle;
use tracing::warn;

use super::Config;
use super::builder::Builder;
use super::libp2p_core::transport::PortUse;
use super::libp2p_core::{Endpoint, Multiaddr};
use super::libp2p_identity::PeerId;
use super::libp2p_swarm::behaviour::FromSwarm;
use super::libp2p_swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use super::multiaddr::{listen, unpair};
use crate::libp2p::StatusStream;
use crate::libp2p::address::ListenAddress;
use crate::libp2p::board::{Board, News};
use crate::libp2p::notes::Notes;
use crate::libp2p::quiet::Quiet;
use crate::libp2p::start::{Running, Start};
use crate::libp2p::task::PeerCommand;

/// What was found on the network, and what is there no longer.
///
/// A pair of a peer and an address is discovered once, then expired once, and may then be
/// discovered again. Every address ends in `/p2p/<peer>`; the own PeerId never appears.
#[derive(Debug, Clone)]
pub enum Event {
    /// Addresses that became known.
    Discovered(Vec<(PeerId, Multiaddr)>),
    /// Addresses that said goodbye, were replaced, or were not heard in time.
    Expired(Vec<(PeerId, Multiaddr)>),
}

/// For programs on tokio.
pub mod tokio {
    /// The runtime that does the work.
    #[derive(Debug)]
    pub enum Tokio {}

    /// The behaviour on tokio.
    pub type Behaviour = super::Behaviour<Tokio>;
}

/// Announces the swarm's listen addresses and discovers other peers. Users name it
/// [`tokio::Behaviour`].
#[derive(Debug)]
pub struct Behaviour<P> {
    peer: PeerId,
    board: Arc<Board>,
    notes: Arc<Notes>,
    task: Task,
    listens: Vec<Multiaddr>,
    /// More listen addresses may follow.
    burst: Option<Quiet>,
    /// What the swarm was told and is still true.
    live: Vec<Known>,
    pending: VecDeque<ToSwarm<Event, Infallible>>,
    provider: PhantomData<fn() -> P>,
}

/// A pair that the swarm was told of.
#[derive(Debug)]
struct Known {
    pair: (PeerId, Multiaddr),
    /// Whether it is on one of our links.
    on_link: bool,
}

/// The task that does the work.
#[derive(Debug)]
enum Task {
    /// There was no runtime yet.
    Waiting(Box<Start>),
    Running(Running),
    /// It could not be started, or was shut down.
    Ended,
}

impl<P> Behaviour<P> {
    /// A behaviour for the peer `local_peer_id`, on every usual interface and both families.
    ///
    /// It opens no socket and needs no network; made outside a tokio runtime it starts when it
    /// is polled for the first time.
    ///
    /// # Errors
    /// None today; the type is that of `libp2p-mdns`.
    pub fn new(config: Config, local_peer_id: PeerId) -> io::Result<Self> {
        Builder::new(config).build(local_peer_id).map_err(io::Error::other)
    }

    pub(super) fn start_with(peer: PeerId, start: Start) -> Self {
        let mut this = Self {
            peer,
            board: Arc::new(Board::default()),
            notes: Arc::new(Notes::default()),
            task: Task::Waiting(Box::new(start)),
            listens: Vec::new(),
            burst: None,
            live: Vec::new(),
            pending: VecDeque::new(),
            provider: PhantomData,
        };
        this.start();
        this
    }

    /// How it fares, now and whenever that changes: interfaces and families with what the
    /// operating system refused, a copied identity, static peers that are of no use. `Event`
    /// says nothing of these.
    pub fn status(&self) -> StatusStream {
        StatusStream::new(&self.notes)
    }

    /// Says goodbye; the future is ready when that has left, after a second and a half at most.
    /// All that is known expires. Dropping the behaviour says goodbye as well, without waiting;
    /// the end of a program needs this.
    ///
    /// ```no_run
    /// # #[cfg(feature = "libp2p-056")]
    /// # async fn f(mdns: &mut salut::libp2p::v056::tokio::Behaviour) {
    /// let left = mdns.shutdown();
    /// left.await;
    /// # }
    /// ```
    pub fn shutdown(&mut self) -> impl Future<Output = ()> + Send + use<P> {
        let task = std::mem::replace(&mut self.task, Task::Ended);
        self.notes.ended();
        async move {
            if let Task::Running(running) = task {
                running.shut_down().await;
            }
        }
    }

    /// The peers that are known, one item an address.
    pub fn discovered_nodes(&self) -> impl ExactSizeIterator<Item = &PeerId> {
        self.live.iter().map(|known| &known.pair.0)
    }

    /// Whether a peer is known.
    #[deprecated(note = "Use `discovered_nodes` iterator instead.")]
    pub fn has_node(&self, peer_id: &PeerId) -> bool {
        self.discovered_nodes().any(|peer| peer == peer_id)
    }

    /// Expires a peer ahead of its time; it is discovered again when it is heard again.
    #[deprecated(note = "A peer that is gone expires by itself.")]
    pub fn expire_node(&mut self, peer_id: &PeerId) {
        if let Task::Running(running) = &self.task {
            running.send(|key| PeerCommand::Expire { key, peer: peer_id.to_bytes().into() });
        }
    }

    fn start(&mut self) {
        if !matches!(self.task, Task::Waiting(_)) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let Task::Waiting(start) = std::mem::replace(&mut self.task, Task::Ended) else { return };
        match Running::new(&runtime, *start, &self.board, &self.notes) {
            Ok(running) => self.task = Task::Running(running),
            Err(error) => {
                warn!(%error, "no peers will be found");
                self.notes.failed(error);
            }
        }
        self.tell_listens();
    }

    fn tell_listens(&mut self) {
        if let Task::Running(running) = &self.task {
            let addresses: Vec<ListenAddress> =
                self.listens.iter().filter_map(|address| listen(address, &self.peer)).collect();
            running.send(|key| PeerCommand::Listen { key, addresses });
            self.burst = Some(running.quiet());
        }
    }

    /// When all listen addresses of a burst are known, they are announced.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if self.burst.as_mut().is_some_and(|burst| burst.poll(cx).is_ready()) {
            self.burst = None;
            if let Task::Running(running) = &self.task {
                running.send(|key| PeerCommand::Settled { key });
            }
        }
    }

    fn take(&mut self, news: News) {
        let expired: Vec<(PeerId, Multiaddr)> = news.expired.iter().filter_map(unpair).collect();
        let gone: HashSet<&(PeerId, Multiaddr)> = expired.iter().collect();
        self.live.retain(|known| !gone.contains(&known.pair));
        let found = news.discovered.iter().filter_map(|(pair, on_link)| Some((unpair(pair)?, *on_link)));
        let found: Vec<Known> = found.map(|(pair, on_link)| Known { pair, on_link }).collect();
        let discovered: Vec<(PeerId, Multiaddr)> = found.iter().map(|known| known.pair.clone()).collect();
        let external = discovered.clone().into_iter();
        self.live.extend(found);
        // What is on a link of ours is dialled first.
        self.live.sort_by_key(|known| !known.on_link);
        if !discovered.is_empty() {
            self.pending.push_back(ToSwarm::GenerateEvent(Event::Discovered(discovered)));
        }
        self.pending
            .extend(external.map(|(peer_id, address)| ToSwarm::NewExternalAddrOfPeer { peer_id, address }));
        if !expired.is_empty() {
            self.pending.push_back(ToSwarm::GenerateEvent(Event::Expired(expired)));
        }
    }
}

impl<P> Drop for Behaviour<P> {
    fn drop(&mut self) {
        self.notes.ended();
    }
}

impl<P: 'static> NetworkBehaviour for Behaviour<P> {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        maybe_peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let of_peer = self.live.iter().filter(|known| Some(known.pair.0) == maybe_peer);
        Ok(of_peer.map(|known| known.pair.1.clone()).collect())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::NewListenAddr(new) if !self.listens.contains(new.addr) => {
                self.listens.push(new.addr.clone());
            }
            FromSwarm::ExpiredListenAddr(expired) => self.listens.retain(|addr| addr != expired.addr),
            _ => return,
        }
        self.tell_listens();
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.start();
        self.settle(cx);
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(event);
            }
            match self.board.poll(cx) {
                Poll::Ready(news) => self.take(news),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
