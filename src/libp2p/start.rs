//! The handle of a peer that is running.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::debug;

use super::board::Board;
use super::discovery::Settings;
use super::notes::Notes;
use super::quiet::Quiet;
use super::sources::{Context, Source, follow};
use super::static_peers::StaticReader;
use super::task::PeerCommand;
use crate::api::{Error, Farewell, Mdns};
use crate::net::{Command, Key, Writer};

/// Whose sockets are used.
#[derive(Debug)]
pub(crate) enum Network {
    Own(crate::Builder),
    Shared(Mdns),
}

impl Network {
    /// Whether it can be started at all.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Own(builder) => builder.check(),
            Self::Shared(_) => Ok(()),
        }
    }
}

/// All that is needed to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) network: Network,
    pub(crate) sources: Vec<Source>,
    pub(crate) read_static: StaticReader,
}

/// A peer that is announced until this is dropped; then it says goodbye.
#[derive(Debug)]
pub(crate) struct Running {
    runtime: Handle,
    mdns: Mdns,
    farewell: Farewell,
    /// Ended with the rest.
    sources: JoinSet<()>,
}

impl Running {
    pub(crate) fn new(
        runtime: &Handle,
        start: Start,
        board: &Arc<Board>,
        notes: &Arc<Notes>,
    ) -> Result<Self, Error> {
        let Start { settings, network, sources, read_static } = start;
        let mdns = match network {
            Network::Own(builder) => builder.start(runtime),
            Network::Shared(mdns) => mdns,
        };
        let (service, read) = (settings.service.name().clone(), settings.read);
        let board = Writer::new(board);
        let told = Arc::clone(notes);
        let farewell =
            mdns.begin(|key| Command::Peer(PeerCommand::Begin { key, settings, board, notes: told }))?;
        let mut followed = JoinSet::new();
        for (origin, source) in (0..).zip(sources) {
            let context = Context {
                mdns: mdns.clone(),
                key: farewell.key(),
                origin,
                notes: Arc::clone(notes),
                service: service.clone(),
                read,
                read_static,
            };
            followed.spawn_on(follow(source, context), runtime);
        }
        notes.started(mdns.downgrade());
        Ok(Self { runtime: runtime.clone(), mdns, farewell, sources: followed })
    }

    pub(crate) fn send(&self, command: impl FnOnce(Key) -> PeerCommand) {
        if let Err(error) = self.mdns.send(Command::Peer(command(self.farewell.key()))) {
            debug!(%error, "a command was lost");
        }
    }

    /// A burst of listen addresses begins or goes on.
    pub(crate) fn quiet(&self) -> Quiet {
        Quiet::new(&self.runtime)
    }

    /// Says goodbye; returns when that has left.
    pub(crate) async fn shut_down(self) {
        let Self { mdns, farewell, mut sources, .. } = self;
        sources.abort_all();
        let (done, left) = oneshot::channel();
        farewell.say(|key| Command::Withdraw { key, done });
        mdns.answer(left).await;
    }
}
