//! What the LAN scenarios share: seeds that can be replayed, a household of hosts, and what
//! a host knows according to its events.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::time::Duration;

use salut::proto::{AnnouncementId, BrowseId, Event, Search};
use salut::sim::{HostId, Lan, SegmentId};
use salut::{Change, HostName, Instance, InstanceName, Service, ServiceType};

pub const TYPE: &str = "_exo._tcp";
pub const PORT: u16 = 52415;

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether the long runs are wanted: `SALUT_LONG=1`.
pub fn long() -> bool {
    std::env::var_os("SALUT_LONG").is_some_and(|value| value != "0")
}

/// Runs a scenario with several seeds: `few` of them, or `many` with `SALUT_LONG=1`, or the
/// one of `SALUT_SEED`. A failure names its seed.
pub fn with_seeds(few: u64, many: u64, scenario: impl Fn(u64)) {
    struct Told(u64);
    impl Drop for Told {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {0}: replay with SALUT_SEED={0}", self.0);
            }
        }
    }
    let one = std::env::var("SALUT_SEED").ok().map(|seed| seed.parse().expect("SALUT_SEED is a number"));
    let seeds = one.map_or(1..=if long() { many } else { few }, |seed| seed..=seed);
    for seed in seeds {
        let _told = Told(seed);
        scenario(seed);
    }
}

pub fn exo() -> Search {
    Search::Service(ServiceType::new(TYPE).unwrap())
}

pub fn service(instance: &str) -> Service {
    Service::new(instance, TYPE, PORT).unwrap().txt("id", instance).unwrap()
}

/// What a host was told so far, and checks on the way that it was told sensibly: found only
/// what was unknown, updated and lost only what was known.
#[derive(Debug, Default)]
pub struct View {
    pub known: BTreeMap<(BrowseId, u32, InstanceName), Instance>,
    pub found: Vec<(Duration, Instance)>,
    pub updated: Vec<(Duration, Instance)>,
    pub lost: Vec<(Duration, InstanceName)>,
    pub announced: BTreeMap<AnnouncementId, (InstanceName, HostName)>,
    pub renamed: Vec<(Duration, String, String)>,
    pub others: Vec<(Duration, Event)>,
}

impl View {
    pub fn take(&mut self, lan: &mut Lan, host: HostId) {
        for (at, event) in lan.take_events(host) {
            self.hear(at, event);
        }
    }

    pub fn hear(&mut self, at: Duration, event: Event) {
        match event {
            Event::Browse { id, change } => self.hear_change(at, id, change),
            Event::Announced { id, instance, host, .. } => {
                self.announced.insert(id, (instance, host));
            }
            Event::Renamed { id, from, to } => {
                self.announced.remove(&id);
                self.renamed.push((at, from.to_string(), to.to_string()));
            }
            Event::HostRenamed { from, to } => {
                self.announced.clear();
                self.renamed.push((at, from.to_string(), to.to_string()));
            }
            other => self.others.push((at, other)),
        }
    }

    fn hear_change(&mut self, at: Duration, id: BrowseId, change: Change) {
        match change {
            Change::Found(node) => {
                assert!(!node.addresses.is_empty(), "{node:?} without an address");
                let key = (id, node.interface.index, node.name.clone());
                assert!(self.known.insert(key, node.clone()).is_none(), "{at:?}: {} found twice", node.name);
                self.found.push((at, node));
            }
            Change::Updated(node) => {
                assert!(!node.addresses.is_empty(), "{node:?} without an address");
                let key = (id, node.interface.index, node.name.clone());
                let before = self.known.insert(key, node.clone());
                assert!(before.is_some(), "{at:?}: {} updated, but not known", node.name);
                assert!(before.as_ref() != Some(&node), "{at:?}: {} updated to what it was", node.name);
                self.updated.push((at, node));
            }
            Change::Lost(lost) => {
                let key = (id, lost.interface.index, lost.name.clone());
                assert!(self.known.remove(&key).is_some(), "{at:?}: {} lost, but not known", lost.name);
                self.lost.push((at, lost.name));
            }
        }
    }

    /// The names known, each once, however many links it is known on.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.known.keys().map(|(.., name)| name.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn find(&self, name: &str) -> Option<&Instance> {
        self.known.values().find(|node| node.name.to_string() == name)
    }

    pub fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// Hosts on one segment that all announce a node and all browse for nodes.
pub struct Home {
    pub lan: Lan,
    pub segment: SegmentId,
    pub hosts: Vec<HostId>,
    pub ids: Vec<AnnouncementId>,
    pub views: Vec<View>,
}

impl Home {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        let mut lan = Lan::new(seed);
        let segment = lan.segment();
        Self { lan, segment, hosts: Vec::new(), ids: Vec::new(), views: Vec::new() }
    }

    /// `count` hosts `host-a0`, … with `Node 0`, …, switched on together.
    pub fn of(seed: u64, count: usize) -> Self {
        let mut home = Self::new(seed);
        for number in 0..count {
            home.join(&format!("host-a{number}"), &format!("Node {number}"));
        }
        home
    }

    /// One more host, which announces and browses.
    pub fn join(&mut self, host: &str, instance: &str) -> usize {
        let id = self.lan.host(host).unwrap();
        self.lan.attach(id, self.segment);
        self.ids.push(self.lan.announce(id, service(instance)).unwrap());
        self.lan.browse(id, exo()).unwrap();
        self.hosts.push(id);
        self.views.push(View::default());
        self.hosts.len() - 1
    }

    /// Lets time pass, and listens.
    pub fn run(&mut self, time: Duration) {
        self.lan.run_for(time);
        self.listen();
    }

    pub fn listen(&mut self) {
        for (host, view) in self.hosts.iter().zip(&mut self.views) {
            view.take(&mut self.lan, *host);
        }
    }

    /// Lets time pass in steps until `done`, for at most `limit`. Says how long it took.
    pub fn run_until(
        &mut self,
        step: Duration,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.lan.elapsed();
        loop {
            self.listen();
            let passed = self.lan.elapsed() - start;
            if done(self) {
                return Some(passed);
            }
            if passed >= limit {
                return None;
            }
            self.lan.run_for(step);
        }
    }

    /// Whether everybody knows everybody, themselves included.
    pub fn all_know_all(&self) -> bool {
        self.views.iter().all(|view| view.known.len() == self.hosts.len())
    }
}
