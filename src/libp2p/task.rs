//! The peers of one task, and what their behaviours ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::warn;

use super::address::{ListenAddress, PeerAddress};
use super::board::Board;
use super::discovery::{Discovery, Settings};
use super::notes::Notes;
use crate::net::Key;
use crate::net::Writer;
use crate::proto::{AnnouncementId, Engine, Event};

/// What a behaviour asks of the task.
#[derive(Debug)]
pub(crate) enum PeerCommand {
    Begin {
        key: Key,
        settings: Settings,
        board: Writer<Board>,
        notes: Arc<Notes>,
    },
    Listen {
        key: Key,
        addresses: Vec<ListenAddress>,
    },
    /// These were all, for now.
    Settled {
        key: Key,
    },
    Expire {
        key: Key,
        peer: Arc<[u8]>,
    },
    /// All that a source of static peers gives.
    Static {
        key: Key,
        origin: u64,
        peers: Vec<PeerAddress>,
    },
}

/// All peers that share one task; mostly there is one.
#[derive(Debug, Default)]
pub(crate) struct Discoveries {
    running: BTreeMap<Key, (Discovery, Writer<Board>)>,
    /// Who waits for the goodbyes of a peer.
    leaving: BTreeMap<AnnouncementId, oneshot::Sender<()>>,
}

impl Discoveries {
    pub(crate) fn command(&mut self, engine: &mut Engine, now: Instant, seed: u64, command: PeerCommand) {
        match command {
            PeerCommand::Begin { key, settings, board, notes } => {
                match Discovery::new(engine, now, &settings, notes, seed) {
                    Ok(discovery) => {
                        self.running.insert(key, (discovery, board));
                    }
                    Err(error) => warn!(%error, "this peer cannot be announced"),
                }
            }
            PeerCommand::Listen { key, addresses } => {
                if let Some((discovery, _)) = self.running.get_mut(&key) {
                    discovery.set_listens(now, addresses);
                }
            }
            PeerCommand::Settled { key } => {
                if let Some((discovery, _)) = self.running.get_mut(&key) {
                    discovery.settle(engine, now);
                }
            }
            PeerCommand::Expire { key, peer } => {
                if let Some((discovery, _)) = self.running.get_mut(&key) {
                    discovery.expire(&peer);
                }
            }
            PeerCommand::Static { key, origin, peers } => {
                if let Some((discovery, _)) = self.running.get_mut(&key) {
                    discovery.set_static(origin, peers);
                }
            }
        }
        self.tell();
    }

    /// Ends a peer if it is one; `done` is told when its goodbyes have left.
    pub(crate) fn end(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        done: Option<oneshot::Sender<()>>,
    ) -> Option<oneshot::Sender<()>> {
        let Some((discovery, _)) = self.running.remove(&key) else { return done };
        let id = discovery.end(engine, now);
        if let Some(done) = done {
            self.leaving.insert(id, done);
        }
        None
    }

    /// Passes an event on to the peer it is for; `true` if it was for one.
    pub(crate) fn handle_event(&mut self, engine: &Engine, now: Instant, event: &Event) -> bool {
        if let Event::Withdrawn { id } = event
            && let Some(done) = self.leaving.remove(id)
        {
            let _ = done.send(());
            return true;
        }
        let taken =
            self.running.values_mut().any(|(discovery, _)| discovery.handle_event(engine, now, event));
        if taken {
            self.tell();
        }
        taken
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.running.values().filter_map(|(discovery, _)| discovery.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, engine: &mut Engine, now: Instant) {
        for (discovery, _) in self.running.values_mut() {
            discovery.handle_timeout(engine, now);
        }
        self.tell();
    }

    fn tell(&mut self) {
        for (discovery, board) in self.running.values_mut() {
            while let Some(change) = discovery.poll_change() {
                board.put(change.address, change.live);
            }
        }
    }
}
