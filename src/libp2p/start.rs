//! The handle of a peer that is running.

use std::sync::Arc;

use tokio::runtime::Handle;
use tracing::debug;

use super::board::Board;
use super::discovery::Settings;
use super::task::PeerCommand;
use crate::api::{Error, Farewell, Mdns, Writer};
use crate::net::{Command, Key};

/// A peer that is announced until this is dropped; then it says goodbye.
#[derive(Debug)]
pub(crate) struct Running {
    mdns: Mdns,
    farewell: Farewell,
}

impl Running {
    pub(crate) fn new(runtime: &Handle, settings: Settings, board: &Arc<Board>) -> Result<Self, Error> {
        let mdns = Mdns::builder().allow_missing_interfaces(true).start(runtime);
        Self::on(mdns, settings, board)
    }

    pub(crate) fn on(mdns: Mdns, settings: Settings, board: &Arc<Board>) -> Result<Self, Error> {
        let board = Writer::new(board);
        let farewell = mdns.begin(|key| Command::Peer(PeerCommand::Begin { key, settings, board }))?;
        Ok(Self { mdns, farewell })
    }

    pub(crate) fn send(&self, command: impl FnOnce(Key) -> PeerCommand) {
        if let Err(error) = self.mdns.send(Command::Peer(command(self.farewell.key()))) {
            debug!(%error, "a command was lost");
        }
    }
}
