//! What the task does when it is asked.

use std::hash::{DefaultHasher, Hash as _};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::command::Command;
#[cfg(feature = "_libp2p")]
use super::seed;
use super::task::{Leaving, Task};
use super::{NetError, Status};

/// The goodbyes of a shutdown have this long to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

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
