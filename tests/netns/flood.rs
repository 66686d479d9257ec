//! Floods against running programs: calm, small, and useful all the while.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use salut::wire::{Message, RecordType};

use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::flood::{Kind, flood};
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, multicast, name, question};
use crate::harness::process::Process;
use crate::harness::{Need, Test, at_most, long, report};

pub const TESTS: &[Test] = &[("flood::calm_small_and_useful", &[Need::Quiet], calm_small_and_useful)];

const RATE: u32 = 20_000;
const TIME: Duration = Duration::from_millis(2500);

/// How much a program may grow by a flood, in bytes.
const MOST_GROWTH: u64 = 8 << 20;

fn calm_small_and_useful() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let own = Host::on(&bridge, "own", &["10.77.0.1/24"]);
    let eye = Host::on(&bridge, "eye", &["10.77.0.4/24"]);
    let peer = Host::on(&bridge, "peer", &["10.77.0.2/24"]);
    let asker = Host::on(&bridge, "asker", &["10.77.0.3/24"]);
    let mut announce = Announce::start(&own, "Own", 52415, &["--host", "salut-test"]);
    let mut browse = Browse::start(&eye, &[]);
    announce.announced(Duration::from_secs(5));
    browse.expect(Duration::from_secs(5), "Own", |news| news.instance == "Own");
    thread::sleep(Duration::from_secs(4));
    let before = [&announce.0, &browse.0].map(Process::resident);
    for kind in Kind::ALL {
        let captures = [Capture::start(&own), Capture::start(&eye)];
        let spent = [&announce.0, &browse.0].map(Process::cpu_time);
        let start = Instant::now();
        let (sent, newcomer) = thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(&peer, kind, &format!("{SERVICE}.local"), RATE, TIME));
            let newcomer = (kind == Kind::Responses).then(|| {
                thread::sleep(Duration::from_millis(500));
                (Instant::now(), Announce::start(&asker, "Newcomer", 4711, &[]))
            });
            (flooding.join().expect("the flood"), newcomer)
        });
        if let Some((started, _)) = &newcomer {
            let limit = at_most(Duration::from_secs(3)).saturating_sub(started.elapsed());
            let found = browse.expect(limit, "a real service", |news| news.instance == "Newcomer");
            report(format!(
                "a real service is found {:.2} s after its start",
                (found.at - *started).as_secs_f32()
            ));
        }
        let cpu = [&announce.0, &browse.0].map(Process::cpu_time);
        let asked = Instant::now();
        answered(&asker).unwrap_or_else(|| panic!("no answer within a second after {kind:?}"));
        let answer = asked.elapsed();
        let resident = [&announce.0, &browse.0].map(Process::resident);
        let grown = [0, 1].map(|at| resident[at].saturating_sub(before[at]));
        let each = |at: usize| (cpu[at] - spent[at]).as_secs_f64() * 1e6 / f64::from(sent);
        report(format!(
            "{kind:?}: {sent} in {TIME:?}; {:.1} and {:.1} us of CPU a datagram, {} and {} KiB grown, a question answered after {answer:.2?}",
            each(0),
            each(1),
            grown[0] >> 10,
            grown[1] >> 10,
        ));
        // A machine that does other work too sends fewer.
        let least = if long() { RATE } else { RATE / 5 };
        assert!(sent >= least, "the flooder was too slow: {sent}");
        assert!(grown.iter().all(|bytes| *bytes <= MOST_GROWTH), "{kind:?}: {grown:?} bytes");
        for capture in &captures {
            let sent: Vec<Captured> = capture.sent().into_iter().filter(|one| one.at >= start).collect();
            check(kind, &sent, start.elapsed());
        }
        for (what, process) in [("announce", &mut announce.0), ("browse", &mut browse.0)] {
            assert!(process.ended(Duration::ZERO).is_none(), "{what} ended");
        }
        thread::sleep(Duration::from_secs(2));
    }
    assert!(!browse.news().iter().any(|news| news.is_loss_of("Own")), "what is real was lost");
    for process in [&announce.0, &browse.0] {
        let lines = process.errors().lines().count();
        assert!(lines <= 10, "{lines} lines in the log");
    }
}

/// What a program may send during a flood.
fn check(kind: Kind, sent: &[Captured], lasted: Duration) {
    let mut last: BTreeMap<(Vec<u8>, u16, String), Instant> = BTreeMap::new();
    let (mut queries, mut unicasts) = (0, 0);
    for one in sent {
        let message = Message::read(&one.payload).expect("we send messages");
        if !message.header().response {
            queries += 1;
            continue;
        }
        if !one.is_multicast() {
            unicasts += 1;
            continue;
        }
        for record in message.records().filter(|record| record.ttl > 0) {
            let key = (record.name.to_name().wire().to_vec(), record.rtype.0, format!("{:?}", record.data()));
            let before = last.insert(key, one.at);
            let apart = before.map(|before| one.at - before);
            // What the clock of the capture adds or takes.
            let second = Duration::from_millis(990);
            assert!(apart.is_none_or(|apart| apart >= second), "{kind:?}: {record:?} again after {apart:?}");
        }
    }
    // One flooder is one source; the normal question afterwards has another.
    let seconds = lasted.as_secs_f64().ceil() as usize;
    assert!(unicasts <= 20 + 10 * seconds + 5, "{kind:?}: {unicasts} unicast replies");
    assert!(queries <= 20 * (seconds + 3), "{kind:?}: {queries} datagrams with questions");
    report(format!(
        "{kind:?}: {queries} queries, {unicasts} unicast replies, {} datagrams in all",
        sent.len()
    ));
}

/// Whether a normal question is answered within a second.
fn answered(asker: &Host) -> Option<()> {
    let service = format!("{SERVICE}.local");
    let wanted = name(&service);
    let asked = Instant::now();
    let socket = multicast(asker, "eth0", From::V4(0), &question(&service, RecordType::PTR, false));
    let mut buffer = [0; 9000];
    while asked.elapsed() < at_most(Duration::from_secs(1)) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(message) = Message::read(&buffer[..length]) else { continue };
        if from.ip().to_string() == "10.77.0.1" && message.records().any(|record| record.name.is(&wanted)) {
            return Some(());
        }
    }
    None
}
