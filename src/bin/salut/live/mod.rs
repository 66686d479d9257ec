//! `salut browse` in a terminal: one table that changes as the network does.
//!
//! [`State`] is what is seen, [`page`] lays it out, and [`screen`] puts it on the terminal.

mod page;
mod screen;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use salut::Change;
use tokio::time::Instant;

use crate::text::{Node, Place};

pub(crate) use screen::{Key, Screen};

/// A new or changed row is marked for so long, and a lost one stays so long.
const FRESH: Duration = Duration::from_secs(4);

/// After this time an instance that does not answer for its name is said not to.
const PATIENCE: Duration = Duration::from_secs(4);

/// How it stands with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Found,
    Updated,
    Lost,
}

#[derive(Debug, Clone)]
struct Row {
    mark: Mark,
    since: Instant,
    node: Node,
}

/// What is seen now.
#[derive(Debug)]
pub(crate) struct State {
    /// What is browsed for, such as `_exo._tcp`.
    title: String,
    /// Whether there are several service types.
    all: bool,
    began: Instant,
    rows: BTreeMap<Place, Row>,
    /// Heard of, not resolved, and since when.
    unresolved: BTreeMap<Place, Instant>,
    chosen: Option<Place>,
    /// The last thing that was logged.
    said: Option<String>,
}

impl State {
    pub(crate) fn new(title: &str, all: bool, now: Instant) -> Self {
        Self {
            title: title.to_owned(),
            all,
            began: now,
            rows: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            chosen: None,
            said: None,
        }
    }

    /// Takes in a change.
    pub(crate) fn change(&mut self, change: &Change, now: Instant) {
        match change {
            Change::Found(node) => self.put(Mark::Found, node.into(), now),
            Change::Updated(node) => self.put(Mark::Updated, node.into(), now),
            Change::Lost(lost) => self.lose(&lost.into(), now),
        }
    }

    fn put(&mut self, mark: Mark, node: Node, now: Instant) {
        self.unresolved.remove(&node.place);
        self.rows.insert(node.place.clone(), Row { mark, since: now, node });
    }

    fn lose(&mut self, place: &Place, now: Instant) {
        if let Some(row) = self.rows.get_mut(place) {
            (row.mark, row.since) = (Mark::Lost, now);
        }
    }

    /// What is heard of and not resolved yet.
    pub(crate) fn set_unresolved(&mut self, all: BTreeSet<Place>, now: Instant) {
        self.unresolved.retain(|place, _| all.contains(place));
        for place in all {
            self.unresolved.entry(place).or_insert(now);
        }
    }

    pub(crate) fn set_said(&mut self, said: Option<String>) {
        self.said = said;
    }

    /// Rows that are lost go after a while.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.rows.retain(|_, row| row.mark != Mark::Lost || now.saturating_duration_since(row.since) < FRESH);
    }

    /// All rows in order, those that are not resolved among them.
    fn places(&self) -> BTreeSet<&Place> {
        self.rows.keys().chain(self.unresolved.keys()).collect()
    }

    /// Chooses another row, so many further on.
    pub(crate) fn step(&mut self, by: isize) {
        let places: Vec<Place> = self.places().into_iter().cloned().collect();
        let at = self.chosen.as_ref().and_then(|chosen| places.iter().position(|place| place == chosen));
        let next = match at {
            Some(at) => at.saturating_add_signed(by),
            None if by < 0 => usize::MAX,
            None => 0,
        };
        self.chosen = places.get(next.min(places.len().saturating_sub(1))).cloned();
    }

    /// What is there at the end, for the lines that stay.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Node> {
        self.rows.values().filter(|row| row.mark != Mark::Lost).map(|row| &row.node)
    }
}
