//! Browsing for one service type, or for all there are.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use salut::{Browse, BrowseTypes, Change, Mdns, ServiceType, TypeChange};

use crate::failure::Failure;
use crate::stderr::note;
use crate::text::Place;

/// The most service types that are browsed for at once: a house full of devices has about
/// thirty.
const MOST_TYPES: usize = 256;

/// Browses, and where new service types come from.
pub(crate) struct Everything {
    mdns: Mdns,
    /// Where all types are wanted.
    types: Option<BrowseTypes>,
    known: BTreeSet<ServiceType>,
    browses: SelectAll<Sorted>,
}

/// A browse, and what it is for.
struct Sorted {
    service: ServiceType,
    browse: Browse,
}

impl futures_util::Stream for Sorted {
    type Item = Change;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Change>> {
        self.browse.poll_next_unpin(cx)
    }
}

impl Everything {
    /// One service type, or its instances with a subtype.
    pub(crate) fn one(mdns: &Mdns, service: &ServiceType, subtype: Option<&str>) -> Result<Self, Failure> {
        let browse = match subtype {
            Some(subtype) => mdns.browse_subtype(service, subtype)?,
            None => mdns.browse(service)?,
        };
        let browses = SelectAll::from_iter([Sorted { service: service.clone(), browse }]);
        Ok(Self { mdns: mdns.clone(), types: None, known: BTreeSet::new(), browses })
    }

    /// All service types there are.
    pub(crate) fn all(mdns: &Mdns) -> Result<Self, Failure> {
        let types = Some(mdns.browse_types()?);
        Ok(Self { mdns: mdns.clone(), types, known: BTreeSet::new(), browses: SelectAll::new() })
    }

    /// The next change. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Change, Failure> {
        let ended = || Failure::Run("browsing has ended, which it should not; -v may tell why".to_owned());
        loop {
            let Some(types) = &mut self.types else {
                return self.browses.next().await.ok_or_else(ended);
            };
            tokio::select! {
                Some(change) = self.browses.next(), if !self.browses.is_empty() => return Ok(change),
                change = types.next() => match change {
                    // A type that is gone is browsed for all the same: its instances say
                    // themselves when they go.
                    Some(TypeChange::Lost(_)) => {}
                    Some(TypeChange::Found(offered)) => self.add(offered.service)?,
                    None => return Err(ended()),
                },
            }
        }
    }

    fn add(&mut self, service: ServiceType) -> Result<(), Failure> {
        if self.known.contains(&service) {
            return Ok(());
        }
        if self.known.len() >= MOST_TYPES {
            note(&format!("{service} and others are left out: {MOST_TYPES} service types are the most"));
            self.types = None;
            return Ok(());
        }
        let browse = self.mdns.browse(&service)?;
        self.browses.push(Sorted { service: service.clone(), browse });
        self.known.insert(service);
        Ok(())
    }

    /// Why nothing can be found, if nothing can.
    pub(crate) async fn obstacle(&self) -> Option<String> {
        let status = self.mdns.status().await.ok()?;
        let nowhere = status.links.is_empty();
        nowhere.then(|| "no network interface is up; waiting for one".to_owned())
    }

    /// What was heard of and could not be resolved yet.
    pub(crate) async fn unresolved(&self) -> BTreeSet<Place> {
        let mut all = BTreeSet::new();
        for Sorted { service, browse } in &self.browses {
            let instances = browse.unresolved().await.unwrap_or_default();
            all.extend(instances.iter().map(|(interface, name)| Place::new(service, name, interface)));
        }
        all
    }
}
