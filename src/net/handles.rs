//! The callers' handles as the task sees them: what each stands for in the engine, and where
//! its events go.

use std::collections::HashMap;
use std::time::Instant;

use litemap::LiteMap;

use tokio::sync::{oneshot, watch};
use tracing::{debug, warn};

use super::command::{Found, Key, Known};
use super::links::Links;
use super::told::{Catalogue, Mailbox, News, Writer};
use crate::name::{HostName, InstanceName};
use crate::proto::{AnnouncementId, BrowseId, Engine, Event, LinkIndex, ResolveId, Search};
use crate::service::{Interface, Service};
use crate::txt::Txt;

/// What a handle stands for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Announcement(AnnouncementId),
    Browse(BrowseId),
    Resolve(ResolveId),
}

#[derive(Debug, Default)]
pub(super) struct Handles {
    kinds: HashMap<Key, Kind>,
    announcements: LiteMap<AnnouncementId, Writer<News>>,
    browses: HashMap<BrowseId, Writer<Mailbox>>,
    catalogues: HashMap<BrowseId, Writer<Catalogue>>,
    resolves: HashMap<ResolveId, watch::Sender<Found>>,
    /// Who waits for the goodbyes of a service.
    leaving: HashMap<AnnouncementId, oneshot::Sender<()>>,
}

impl Handles {
    pub(super) fn announce(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        service: Service,
        news: Writer<News>,
    ) {
        match engine.announce(now, service) {
            Ok(id) => {
                self.kinds.insert(key, Kind::Announcement(id));
                self.announcements.insert(id, news);
            }
            Err(error) => news.refused(error),
        }
    }

    pub(super) fn set_txt(&self, engine: &mut Engine, now: Instant, key: Key, txt: Txt) {
        if let Some(Kind::Announcement(id)) = self.kinds.get(&key) {
            engine.set_txt(now, *id, txt);
        }
    }

    pub(super) fn set_port(&self, engine: &mut Engine, now: Instant, key: Key, port: u16) {
        if let Some(Kind::Announcement(id)) = self.kinds.get(&key) {
            engine.set_port(now, *id, port);
        }
    }

    pub(super) fn browse(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        search: Search,
        mailbox: Writer<Mailbox>,
    ) {
        match engine.browse(now, search) {
            Ok(id) => {
                self.kinds.insert(key, Kind::Browse(id));
                self.browses.insert(id, mailbox);
            }
            Err(error) => {
                // The handle has looked at the names before.
                warn!(%error, "a browse was refused");
            }
        }
    }

    pub(super) fn browse_types(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        catalogue: Writer<Catalogue>,
    ) {
        let id = engine.browse_types(now);
        self.kinds.insert(key, Kind::Browse(id));
        self.catalogues.insert(id, catalogue);
    }

    pub(super) fn unresolved(&self, engine: &Engine, key: Key) -> Vec<(Interface, InstanceName)> {
        match self.kinds.get(&key) {
            Some(Kind::Browse(id)) => engine.unresolved(*id),
            _ => Vec::new(),
        }
    }

    pub(super) fn resolve(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        host: HostName,
        found: watch::Sender<Found>,
    ) {
        let id = engine.resolve(now, host);
        self.kinds.insert(key, Kind::Resolve(id));
        self.resolves.insert(id, found);
    }

    /// Ends what a handle stands for; `done` is told when the goodbyes have left.
    pub(super) fn end(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        key: Key,
        done: Option<oneshot::Sender<()>>,
    ) {
        // Without an entry the service was refused: `done` is dropped, which tells as well.
        match self.kinds.remove(&key) {
            Some(Kind::Announcement(id)) => {
                self.announcements.remove(&id);
                if let Some(done) = done {
                    self.leaving.insert(id, done);
                }
                engine.withdraw(now, id);
            }
            Some(Kind::Browse(id)) => {
                self.browses.remove(&id);
                self.catalogues.remove(&id);
                engine.stop_browse(now, id);
            }
            Some(Kind::Resolve(id)) => {
                self.resolves.remove(&id);
                engine.stop_resolve(now, id);
            }
            None => {}
        }
    }

    /// Passes an event on to the handle it is for.
    pub(super) fn tell(&mut self, event: Event, links: &Links) {
        let interfaces = |indexes: &[LinkIndex]| {
            indexes.iter().filter_map(|link| links.interface(*link)).collect::<Vec<Interface>>()
        };
        match event {
            Event::Announced { id, instance, host, links } => {
                let interfaces = interfaces(&links);
                if let Some(news) = self.announcements.get(&id) {
                    news.announced(instance, host, interfaces);
                }
            }
            Event::Renamed { id, from, to } => {
                if let Some(news) = self.announcements.get(&id) {
                    news.renamed(from, to);
                }
            }
            Event::HostRenamed { from, to } => {
                for news in self.announcements.values() {
                    news.host_renamed(&from, &to);
                }
            }
            Event::Disputed { id, instance } => {
                if let Some(news) = self.announcements.get(&id) {
                    news.disputed(instance);
                }
            }
            Event::Withdrawn { id } => {
                if let Some(done) = self.leaving.remove(&id) {
                    let _ = done.send(());
                }
            }
            Event::Browse { id, change } => {
                if let Some(mailbox) = self.browses.get(&id) {
                    mailbox.put(change);
                }
            }
            Event::Types { id, change } => {
                if let Some(catalogue) = self.catalogues.get(&id) {
                    catalogue.put(change);
                }
            }
            Event::Resolved { id, link, addresses, complete, source } => {
                let (Some(found), Some(interface)) = (self.resolves.get(&id), links.interface(link)) else {
                    return;
                };
                found.send_modify(|found| {
                    found.insert(link, Known { interface, addresses, complete, source });
                });
            }
            // There are no taps without libp2p.
            Event::Heard { .. } | Event::Deaf { .. } => {}
            Event::Stopped => debug!("all goodbyes have left"),
        }
    }
}
