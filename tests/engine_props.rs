//! Whatever happens to an engine: no panic, no timeout in the past, memory within bounds, no
//! record multicast twice within a second, and no event that makes no sense. And whatever
//! happens to a LAN: in the end every name has one holder.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "engine_steps/mod.rs"]
mod engine_steps;
#[path = "lan_support/mod.rs"]
mod lan_support;

use std::collections::{BTreeMap, BTreeSet};

use engine_steps::{Data, Msg, Payload, Step, Watched};
use lan_support::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use salut::Txt;
use salut::proto::{LinkIndex, LinkState};
use salut::sim::Conditions;
use salut::wire::MDNS_PORT;

fn config(cases: u32, more: u32) -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/proptest-regressions/engine_props.txt");
    ProptestConfig {
        cases: if long() { more } else { cases },
        failure_persistence: Some(Box::new(file)),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

// ---- what can happen to one engine

fn any_data() -> impl Strategy<Value = Data> {
    prop_oneof![
        (0..6_u8).prop_map(Data::A),
        (0..6_u8).prop_map(Data::Aaaa),
        (0..14_u8).prop_map(Data::Ptr),
        (0..14_u8, prop_oneof![Just(PORT), Just(1), Just(0)]).prop_map(|(at, port)| Data::Srv(at, port)),
        (0..4_u8).prop_map(Data::Txt),
        any::<u8>().prop_map(Data::Nsec),
        any::<u8>().prop_map(Data::Other),
    ]
}

fn any_message() -> impl Strategy<Value = Msg> {
    let ttl = prop_oneof![
        3 => Just(120_u32), 2 => Just(4500), 3 => Just(0), 1 => Just(1), 1 => Just(30), 1 => Just(2000),
        1 => any::<u32>(),
    ];
    let record = (any::<u8>(), 0..14_u8, any_data(), ttl, any::<bool>());
    let question = (0..14_u8, 0..8_u8, any::<bool>());
    (any::<bool>(), prop::bool::weighted(0.1), vec(question, 0..4), vec(record, 0..6))
        .prop_map(|(response, truncated, questions, records)| Msg { response, truncated, questions, records })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        12 => any_message().prop_map(Payload::Message),
        3 => (any_message(), vec((any::<u16>(), any::<u8>()), 0..4), option::of(any::<u16>()))
            .prop_map(|(message, bytes, cut)| Payload::Broken { message, bytes, cut }),
        3 => any::<u16>().prop_map(|number| Payload::Corpus { number }),
        1 => vec(any::<u8>(), 0..40).prop_map(Payload::Noise),
        1 => (0..3_u8, 0..6000_u16, 1..600_u16)
            .prop_map(|(kind, from, count)| Payload::Flood { kind, from, count }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let port = prop_oneof![8 => Just(MDNS_PORT), 1 => Just(40_000_u16), 1 => Just(0)];
    let pass = prop_oneof![
        3 => 0..30_u32, 4 => 100..300_u32, 3 => 300..1500_u32, 1 => 1500..20_000_u32, 1 => 20_000..200_000_u32,
    ];
    prop_oneof![
        16 => (0..3_u8, 0..5_u8, any::<bool>(), prop::bool::weighted(0.15), port, any_payload()).prop_map(
            |(link, who, v6, unicast, port, payload)| Step::Hear { link, who, v6, unicast, port, payload }
        ),
        3 => (any::<u8>(), 0..3_u8, 0..5_u8).prop_map(|(back, link, who)| Step::Echo { back, link, who }),
        2 => (0..3_u8, 0..6_u8).prop_map(|(link, state)| Step::Link { link, state }),
        2 => (0..5_u8).prop_map(|service| Step::Announce { service }),
        1 => any::<u8>().prop_map(|which| Step::Withdraw { which }),
        1 => (any::<u8>(), 0..4_u8).prop_map(|(which, value)| Step::SetTxt { which, value }),
        1 => (any::<u8>(), 1..4_u16).prop_map(|(which, port)| Step::SetPort { which, port }),
        2 => (0..4_u8).prop_map(|search| Step::Browse { search }),
        1 => any::<u8>().prop_map(|which| Step::StopBrowse { which }),
        1 => (0..14_u8).prop_map(|host| Step::Resolve { host }),
        1 => any::<u8>().prop_map(|which| Step::StopResolve { which }),
        1 => Just(Step::Wake),
        1 => (0..3_u8).prop_map(|link| Step::Recovery { link }),
        1 => any::<bool>().prop_map(Step::SharesHost),
        1 => prop::bool::weighted(0.1).prop_map(|really| if really { Step::Shutdown } else { Step::Wake }),
        12 => pass.prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #![proptest_config(config(400, 20_000))]

    #[test]
    fn an_engine_takes_anything(seed in any::<u64>(), steps in vec(any_step(), 1..80)) {
        let mut watched = Watched::new(seed);
        for step in &steps {
            watched.step(step);
        }
        // It is alive, and comes to rest.
        watched.pass(seconds(20_000.0));
    }
}

// ---- what can happen to a LAN

#[derive(Debug, Clone)]
enum Turn {
    Join { name: u8, own_host: bool },
    Leave { which: u8 },
    Kill { which: u8 },
    Reboot { which: u8 },
    Sleep { which: u8 },
    Group { which: u8, group: u8 },
    Loss { percent: u8, jitter: u8 },
    SetTxt { which: u8, value: u8 },
    Flap { which: u8, up: bool },
    Pass { millis: u32 },
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let pass = prop_oneof![3 => 0..800_u32, 3 => 800..3000_u32, 1 => 3000..30_000_u32];
    prop_oneof![
        4 => (0..3_u8, any::<bool>()).prop_map(|(name, own_host)| Turn::Join { name, own_host }),
        1 => any::<u8>().prop_map(|which| Turn::Leave { which }),
        1 => any::<u8>().prop_map(|which| Turn::Kill { which }),
        1 => any::<u8>().prop_map(|which| Turn::Reboot { which }),
        1 => any::<u8>().prop_map(|which| Turn::Sleep { which }),
        1 => (any::<u8>(), 0..2_u8).prop_map(|(which, group)| Turn::Group { which, group }),
        1 => (0..60_u8, 0..100_u8).prop_map(|(percent, jitter)| Turn::Loss { percent, jitter }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(which, value)| Turn::SetTxt { which, value }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(which, up)| Turn::Flap { which, up }),
        8 => pass.prop_map(|millis| Turn::Pass { millis }),
    ]
}

/// What a host is at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It announces and browses.
    Here,
    /// It took its service back, and browses.
    Left,
    Dead,
    Asleep,
    /// Its link is gone.
    Unplugged,
}

struct Town {
    home: Home,
    fates: Vec<Fate>,
    names: Vec<String>,
    txts: Vec<Txt>,
    states: Vec<LinkState>,
    /// Nobody was ever cut off, asleep or hard to hear. Who was may have missed a change of a
    /// TXT record, which nobody repeats before it is 75 minutes old.
    calm: bool,
}

const LINK: LinkIndex = LinkIndex(1);

impl Town {
    fn new(seed: u64) -> Self {
        Self { home: Home::new(seed), fates: vec![], names: vec![], txts: vec![], states: vec![], calm: true }
    }

    fn pick(&self, which: u8) -> Option<usize> {
        (!self.fates.is_empty()).then(|| usize::from(which) % self.fates.len())
    }

    fn turn(&mut self, turn: &Turn) {
        self.calm &= !matches!(turn, Turn::Sleep { .. } | Turn::Group { .. } | Turn::Loss { .. });
        match *turn {
            Turn::Join { name, own_host } => {
                if self.fates.len() >= 8 {
                    return;
                }
                let host = if own_host { format!("host-a{}", self.fates.len()) } else { "alpha".to_owned() };
                let name = ["Node", "Node (2)", "Other"][usize::from(name)];
                let at = self.home.join(&host, name);
                self.fates.push(Fate::Here);
                self.names.push(name.to_owned());
                self.txts.push(Txt::new().with("id", name).unwrap());
                self.states.push(self.home.lan.link_state(self.home.hosts[at], LINK).unwrap());
            }
            Turn::Leave { which } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Here) else { return };
                let (host, id) = (self.home.hosts[at], self.home.ids[at]);
                self.home.lan.drive(host, |engine, now| engine.withdraw(now, id));
                self.home.views[at].announced.clear();
                self.fates[at] = Fate::Left;
            }
            Turn::Kill { which } => {
                let Some(at) = self.pick(which) else { return };
                self.home.lan.kill(self.home.hosts[at]);
                self.fates[at] = Fate::Dead;
            }
            Turn::Reboot { which } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Dead) else { return };
                let host = self.home.hosts[at];
                self.home.listen();
                self.home.lan.set_link(host, LINK, self.home.segment, Some(self.states[at].clone()));
                self.home.lan.reboot(host);
                self.home.views[at] = View::default();
                self.home.ids[at] = self.home.lan.announce(host, service(&self.names[at])).unwrap();
                self.txts[at] = Txt::new().with("id", &self.names[at]).unwrap();
                self.home.lan.browse(host, exo()).unwrap();
                self.fates[at] = Fate::Here;
            }
            Turn::Sleep { which } => {
                let Some(at) = self.pick(which) else { return };
                match self.fates[at] {
                    Fate::Here => {
                        self.home.lan.suspend(self.home.hosts[at]);
                        self.fates[at] = Fate::Asleep;
                    }
                    Fate::Asleep => {
                        self.home.lan.resume(self.home.hosts[at]);
                        self.fates[at] = Fate::Here;
                    }
                    _ => {}
                }
            }
            Turn::Group { which, group } => {
                let Some(at) = self.pick(which) else { return };
                self.home.lan.set_group(self.home.hosts[at], group.into());
            }
            Turn::Loss { percent, jitter } => {
                let conditions = Conditions {
                    delay: (millis(0), millis(jitter.into())),
                    loss: f64::from(percent) / 100.0,
                    duplication: f64::from(jitter) / 500.0,
                };
                self.home.lan.set_conditions(self.home.segment, conditions);
            }
            Turn::SetTxt { which, value } => {
                let Some(at) = self.pick(which).filter(|at| self.fates[*at] == Fate::Here) else { return };
                let (host, id) = (self.home.hosts[at], self.home.ids[at]);
                self.txts[at] = Txt::new().with("id", [value]).unwrap();
                let txt = self.txts[at].clone();
                self.home.lan.drive(host, |engine, now| engine.set_txt(now, id, txt));
            }
            Turn::Flap { which, up } => {
                let Some(at) = self.pick(which) else { return };
                let state = up.then(|| self.states[at].clone());
                match self.fates[at] {
                    Fate::Here if !up => self.fates[at] = Fate::Unplugged,
                    Fate::Unplugged if up => self.fates[at] = Fate::Here,
                    _ => return,
                }
                self.home.lan.set_link(self.home.hosts[at], LINK, self.home.segment, state);
            }
            Turn::Pass { millis: time } => self.home.run(millis(time.into())),
        }
    }

    /// Everything is mended, and time heals the rest.
    fn settle(&mut self) {
        for host in &self.home.hosts {
            self.home.lan.set_group(*host, 0);
        }
        self.home.lan.set_conditions(self.home.segment, Conditions::default());
        self.home.run(seconds(400.0));
        let told = |town: &Self| -> Vec<_> {
            let here = town.fates.iter().zip(&town.home.views).filter(|(fate, _)| **fate == Fate::Here);
            here.map(|(_, view)| view.announced.values().next().cloned().expect("it has a name")).collect()
        };
        let holders = told(self);
        let instances: BTreeSet<_> = holders.iter().map(|(instance, _)| instance.clone()).collect();
        let hosts: BTreeSet<_> = holders.iter().map(|(_, host)| host.clone()).collect();
        assert_eq!((instances.len(), hosts.len()), (holders.len(), holders.len()), "held twice: {holders:?}");
        let expected: BTreeMap<String, Txt> = self
            .fates
            .iter()
            .zip(self.home.views.iter().zip(&self.txts))
            .filter(|(fate, _)| **fate == Fate::Here)
            .map(|(_, (view, txt))| (view.announced.values().next().unwrap().0.to_string(), txt.clone()))
            .collect();
        for (at, view) in self.home.views.iter().enumerate() {
            if !matches!(self.fates[at], Fate::Here | Fate::Left) {
                continue;
            }
            let known: BTreeMap<String, Txt> =
                view.known.values().map(|node| (node.name.to_string(), node.txt.clone())).collect();
            assert!(known.keys().eq(expected.keys()), "host {at} knows {known:?} instead of {expected:?}");
            assert!(!self.calm || known == expected, "host {at} knows {known:?} instead of {expected:?}");
            assert!(view.known.values().all(|node| node.addresses.len() == 2), "{:?}", view.known);
        }
        let events = |town: &Self| -> usize {
            town.home
                .views
                .iter()
                .map(|v| v.found.len() + v.updated.len() + v.lost.len() + v.renamed.len())
                .sum()
        };
        let before = events(self);
        self.home.run(seconds(300.0));
        assert_eq!((events(self), told(self)), (before, holders), "it does not come to rest");
    }
}

proptest! {
    #![proptest_config(config(150, 5_000))]

    #[test]
    fn a_lan_comes_to_rest(seed in any::<u64>(), turns in vec(any_turn(), 1..40)) {
        let mut town = Town::new(seed);
        town.home.lan.set_recording(false);
        for turn in &turns {
            town.turn(turn);
        }
        town.settle();
    }
}
