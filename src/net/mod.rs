//! The engine on the network: one task on tokio, with sockets, timers, and a watch over the
//! interfaces.

mod clock;
mod command;
mod dispatch;
mod error;
mod handles;
mod heartbeat;
mod interface;
mod kind;
mod link;
mod links;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(target_os = "linux")]
mod netlink;
mod pace;
mod port;
mod problem;
mod sends;
mod socket;
mod status;
mod task;
mod told;
mod watch;

pub use error::NetError;
pub use interface::{InterfaceInfo, Unused};
pub use kind::InterfaceKind;
pub use port::{PortHolder, Process};
pub use problem::Problem;
pub use status::{FamilyStatus, LinkStatus, Status};
pub use told::AnnouncementEvent;

pub(crate) use command::{Command, Found, Key, Known};
pub(crate) use interface::{Choice, list};
#[cfg(any(feature = "_libp2p", test))]
pub(crate) use told::Close;
#[cfg(all(feature = "_libp2p", test))]
pub(crate) use told::Count;
pub(crate) use told::{Catalogue, Mailbox, Newest, News, Unseen, Writer};
#[cfg(feature = "_libp2p")]
pub(crate) use told::{Reader, Watched};

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tracing::debug;

use crate::name::HostName;
use task::Task;

/// What the task is given.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) host: HostName,
    pub(crate) choice: Choice,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    /// In place of the engine's own bound.
    pub(crate) max_instances: Option<usize>,
    /// The host name as it is now, for the handles to read.
    pub(crate) host_now: Arc<Mutex<HostName>>,
}

/// Runs until the last handle is gone or a shutdown was asked for.
pub(crate) async fn run(settings: Settings, commands: mpsc::Receiver<Command>) {
    let mut task = Task::new(settings, clock::now());
    task.run(commands).await;
    debug!("the task ends");
}

/// A number nobody can guess, for the engine's random delays.
pub(crate) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
