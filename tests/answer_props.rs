//! RFC 6762 §6 to §8: whatever is asked, told and probed for in whatever order, each answer goes
//! out in time, no record goes out too often, and none once it has been taken back.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rfc::*;
use salut::Txt;
use salut::proto::AnnouncementId;

/// What stays from the beginning to the end.
const HELD: [&str; 6] = [
    "_exo._tcp.local 4500 PTR node._exo._tcp.local",
    "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
    "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
    "node._exo._tcp.local 4500 flush TXT \"\"",
    "alpha.local 120 flush A 10.0.0.1",
    "alpha.local 120 flush AAAA fe80::1",
];

/// A question, and which of these answer it.
const QUESTIONS: [(&str, &[usize]); 9] = [
    ("_exo._tcp.local PTR", &[0]),
    ("_services._dns-sd._udp.local PTR", &[1]),
    ("node._exo._tcp.local SRV", &[2]),
    ("node._exo._tcp.local TXT", &[3]),
    ("node._exo._tcp.local ANY", &[2, 3]),
    ("alpha.local A", &[4]),
    ("alpha.local AAAA", &[5]),
    ("alpha.local TXT", &[]),
    ("1.0.0.10.in-addr.arpa PTR", &[]),
];

const SOURCES: [&str; 3] = [STRANGER, NEIGHBOUR, STRANGER_V6];

/// After a full second (§6) the answer waits for the others (§6) and joins them (§6.4).
const WINDOW: Duration = Duration::from_millis(1000 + 120 + 500);

/// Further packets of a truncated query (§7.2).
const CONTINUATION: Duration = Duration::from_millis(950);

#[derive(Debug, Clone)]
enum Step {
    Ask {
        who: usize,
        questions: Vec<usize>,
        known: Vec<(usize, bool)>,
        truncated: bool,
        qu: bool,
    },
    More {
        who: usize,
        known: Vec<usize>,
        truncated: bool,
    },
    Legacy {
        question: usize,
    },
    Tell {
        who: usize,
        what: usize,
    },
    /// Another holder of the record leaves.
    TakeBack {
        what: usize,
    },
    Probe {
        host: bool,
    },
    /// A second service comes, changes and goes.
    Announce,
    SetTxt(u8),
    Withdraw,
    Pass(u16),
}

fn any_step(probes: u32) -> impl Strategy<Value = Step> {
    let question = 0..QUESTIONS.len();
    prop_oneof![
        8 => (0..3_usize, vec(question.clone(), 1..3), vec((0..HELD.len(), any::<bool>()), 0..2),
            prop::bool::weighted(0.15), prop::bool::weighted(0.2)).prop_map(
            |(who, questions, known, truncated, qu)| Step::Ask { who, questions, known, truncated, qu }),
        1 => (0..3_usize, vec(0..HELD.len(), 1..3), any::<bool>())
            .prop_map(|(who, known, truncated)| Step::More { who, known, truncated }),
        1 => question.prop_map(|question| Step::Legacy { question }),
        2 => (0..3_usize, 0..HELD.len()).prop_map(|(who, what)| Step::Tell { who, what }),
        1 => (0..HELD.len()).prop_map(|what| Step::TakeBack { what }),
        probes => any::<bool>().prop_map(|host| Step::Probe { host }),
        1 => Just(Step::Announce),
        1 => any::<u8>().prop_map(Step::SetTxt),
        1 => Just(Step::Withdraw),
        10 => prop_oneof![0..30_u16, 30..300_u16, 300..1200_u16].prop_map(Step::Pass),
    ]
}

/// A record that has to be told after some instant, and at the latest at another.
#[derive(Debug)]
struct Owed {
    what: usize,
    from: Duration,
    until: Duration,
    /// It may be told to one alone.
    unicast: bool,
    /// An equal answer of another host is as good (§7.4).
    excused: bool,
    who: usize,
    truncated: bool,
    multicast_to: Vec<&'static str>,
}

const GROUPS: [&str; 2] = [GROUP, "[ff02::fb%1]:5353"];

struct Watch {
    scene: Scene,
    other: Option<AnnouncementId>,
    sent: Vec<Sent>,
    owed: Vec<Owed>,
    /// When each was told by another host: where, and whether it was taken back.
    told: Vec<(Duration, usize, usize)>,
    taken_back: Vec<(Duration, usize)>,
    probed: Vec<(Duration, &'static str)>,
    /// What must not be told again, from when on and, if it came back, until when.
    gone: Vec<(Duration, Duration, String)>,
    txt: u8,
    changed: Vec<Duration>,
    asked: u16,
}

impl Watch {
    fn new(seed: u64) -> Self {
        let mut scene = Scene::dual(seed);
        scene.announce(node());
        scene.run(secs(10));
        Self {
            scene,
            other: None,
            sent: vec![],
            owed: vec![],
            told: vec![],
            taken_back: vec![],
            probed: vec![],
            gone: vec![],
            txt: 0,
            changed: vec![],
            asked: 0,
        }
    }

    fn owe(
        &mut self,
        what: usize,
        wait: Duration,
        who: usize,
        truncated: bool,
        unicast: bool,
        excused: bool,
    ) {
        let from = self.scene.now();
        let multicast_to = GROUPS.to_vec();
        self.owed.push(Owed {
            what,
            from,
            until: from + wait,
            unicast,
            excused,
            who,
            truncated,
            multicast_to,
        });
    }

    fn step(&mut self, step: &Step) {
        let now = self.scene.now();
        match step {
            Step::Ask { who, questions, known, truncated, qu } => {
                // No copy of what was asked on the other family.
                self.asked += 1;
                let mut packet = query().id(self.asked);
                for question in questions {
                    let (name, rtype) = QUESTIONS[*question].0.split_once(' ').unwrap();
                    packet = packet.ask(&format!("{name} {}{rtype}", if *qu { "QU " } else { "" }));
                }
                let mut known_well = vec![];
                for (what, well) in known {
                    let ttl = HELD[*what].split(' ').nth(1).unwrap().parse::<u32>().unwrap();
                    let believed = if *well { ttl / 2 } else { ttl / 2 - 1 };
                    let line = HELD[*what].replacen(&format!(" {ttl} "), &format!(" {believed} "), 1);
                    packet = packet.answer(&line.replace(" flush", ""));
                    if *well {
                        known_well.push(*what);
                    }
                }
                if *truncated {
                    packet = packet.truncated();
                }
                // It also says what the source knew when it began to ask.
                self.excuse(*who, &known_well);
                for question in questions {
                    for what in QUESTIONS[*question].1.iter().filter(|what| !known_well.contains(what)) {
                        let wait = if *truncated { WINDOW + CONTINUATION } else { WINDOW };
                        self.owe(*what, wait, *who, *truncated, *qu, true);
                    }
                }
                self.scene.hear_from(SOURCES[*who], &packet);
            }
            Step::More { who, known, truncated } => {
                let mut packet = query().answers(known.iter().map(|what| HELD[*what].replace(" flush", "")));
                if *truncated {
                    packet = packet.truncated();
                }
                self.excuse(*who, known);
                self.scene.hear_from(SOURCES[*who], &packet);
            }
            Step::Legacy { question } => {
                self.scene.hear_from(LEGACY, &query().id(7).ask(QUESTIONS[*question].0));
            }
            Step::Tell { who, what } => {
                self.told.push((now, *who, *what));
                self.scene.hear_from(SOURCES[*who], &response().answer(HELD[*what]));
            }
            Step::TakeBack { what } => {
                self.taken_back.push((now, *what));
                let ttl = HELD[*what].split(' ').nth(1).unwrap();
                self.scene.hear(&response().answer(&HELD[*what].replacen(&format!(" {ttl} "), " 0 ", 1)));
            }
            Step::Probe { host } => {
                let (packet, name, whats) = if *host {
                    let packet = query().ask("alpha.local ANY").authority("alpha.local 120 A 10.0.0.0");
                    (packet, "alpha.local", [4, 5])
                } else {
                    let packet = query()
                        .ask("node._exo._tcp.local ANY")
                        .authority("node._exo._tcp.local 120 SRV 0 0 1 beta.local");
                    (packet, "node._exo._tcp.local", [2, 3])
                };
                self.probed.push((now, name));
                for what in whats {
                    self.owe(what, ms(250), 0, false, false, false);
                }
                self.scene.hear(&packet);
            }
            Step::Announce if self.other.is_none() => {
                for (_, until, _) in self.gone.iter_mut().filter(|(_, until, _)| *until == Duration::MAX) {
                    *until = now;
                }
                self.txt = 0;
                self.other = Some(self.scene.announce(named("other")));
            }
            Step::SetTxt(value) if *value % 100 != self.txt => {
                let Some(id) = self.other else { return };
                if self.changed.iter().filter(|at| **at + secs(60) > now).count() >= 9 {
                    return;
                }
                self.changed.push(now);
                self.gone.push((now, Duration::MAX, self.other_txt()));
                self.txt = *value % 100;
                let line = self.other_txt();
                self.gone
                    .iter_mut()
                    .filter(|gone| gone.2 == line && gone.1 == Duration::MAX)
                    .for_each(|gone| gone.1 = now);
                let txt = Txt::new().with("id", format!("{:02}", self.txt)).unwrap();
                self.scene.drive(|engine, now| engine.set_txt(now, id, txt));
            }
            Step::Withdraw => {
                let Some(id) = self.other.take() else { return };
                self.scene.drive(|engine, now| engine.withdraw(now, id));
                // The goodbye leaves in this instant.
                self.collect(Duration::ZERO);
                let all = [
                    "_exo._tcp.local 4500 PTR other._exo._tcp.local".to_owned(),
                    "other._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local".to_owned(),
                    self.other_txt(),
                ];
                self.gone.extend(all.map(|line| (now, Duration::MAX, line)));
            }
            Step::Pass(time) => self.collect(ms((*time).into())),
            Step::Announce | Step::SetTxt(_) => {}
        }
    }

    fn other_txt(&self) -> String {
        match self.txt {
            0 => "other._exo._tcp.local 4500 flush TXT \"\"".to_owned(),
            txt => format!("other._exo._tcp.local 4500 flush TXT id={txt:02}"),
        }
    }

    /// §7.2: what a further packet lists is no longer wanted.
    fn excuse(&mut self, who: usize, known: &[usize]) {
        let now = self.scene.now();
        self.owed.retain(|owed| {
            !(owed.truncated
                && owed.who == who
                && known.contains(&owed.what)
                && owed.from + CONTINUATION >= now)
        });
    }

    fn collect(&mut self, time: Duration) {
        self.sent.extend(self.scene.run(time));
    }

    fn check(mut self) {
        self.collect(secs(20));
        self.scene.is_quiet(secs(600));
        for owed in &self.owed {
            let line = HELD[owed.what];
            // What another host tells on one family goes to the other alone, and what goes with it
            // there is told on the first a second later.
            let split = owed.excused
                && self.told.iter().any(|(at, ..)| *at + secs(1) >= owed.from && *at <= owed.until);
            let until = owed.until + secs(split.into());
            let within = |at: Duration| (owed.from..=until).contains(&at);
            let to_one =
                self.sent.iter().any(|sent| !sent.is_multicast() && within(sent.at) && sent.has(line));
            // A rescue (§10.1) is in no need of us where another holder has told it.
            let rescued = self
                .taken_back
                .iter()
                .any(|(at, what)| *what == owed.what && *at + secs(1) >= owed.from && *at <= owed.until);
            for (group, v6) in owed.multicast_to.iter().zip([false, true]) {
                let told = self
                    .sent
                    .iter()
                    .any(|sent| sent.to.to_string() == **group && within(sent.at) && sent.has(line));
                let by_other = self.told.iter().any(|(at, who, what)| {
                    *what == owed.what && within(*at) && (*who == 2) == v6 && (owed.excused || rescued)
                });
                assert!(
                    told || by_other || (owed.unicast && to_one),
                    "{line} is owed: {owed:?} to {group}\n{:#?}",
                    self.sent.iter().filter(|sent| within(sent.at)).collect::<Vec<_>>()
                );
            }
        }
        let mut last: BTreeMap<(String, String), Duration> = BTreeMap::new();
        for sent in self.sent.iter().filter(|sent| sent.is_multicast() && !sent.is_query()) {
            for line in sent.records() {
                let gone = |(from, until, gone): &&(Duration, Duration, String)| {
                    *gone == line && (*from..*until).contains(&sent.at) && sent.at > *from
                };
                assert!(!self.gone.iter().any(|it| gone(&it)), "{line} is gone at {:?}", sent.at);
                let name = line.split(' ').next().unwrap();
                if let Some(before) = last.insert((sent.to.to_string(), line.clone()), sent.at) {
                    let apart = sent.at - before;
                    let near = |at: Duration| at + secs(2) >= before && at <= sent.at;
                    let probed = self.probed.iter().any(|(at, of)| *of == name && near(*at));
                    let rescued = self.taken_back.iter().any(|(at, what)| HELD[*what] == line && near(*at));
                    let least = if probed { ms(250) } else { secs(1) };
                    let left = line.contains(" 0 ")
                        || self.gone.iter().any(|(from, _, of)| *of == line && near(*from));
                    assert!(
                        apart >= least || rescued || left,
                        "{line} again after {apart:?} at {:?}",
                        sent.at
                    );
                }
            }
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/proptest-regressions/answer_props.txt");
    let cases = std::env::var("SALUT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: Some(Box::new(file)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn every_answer_is_in_time_and_none_too_often(seed in any::<u64>(), steps in vec(any_step(1), 1..60)) {
        let mut watch = Watch::new(seed);
        steps.iter().for_each(|step| watch.step(step));
        watch.check();
    }

    #[test]
    fn so_it_is_under_many_probes(seed in any::<u64>(), steps in vec(any_step(8), 1..60)) {
        let mut watch = Watch::new(seed);
        steps.iter().for_each(|step| watch.step(step));
        watch.check();
    }
}
