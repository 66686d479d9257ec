//! Ten minutes of everything at once: loss, floods, a link that flaps, services that come and
//! go, and the bad-input corpus. Only with `SALUT_LONG=1`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::flood::{Kind, flood};
use crate::harness::lan::{Host, Lan};
use crate::harness::process::Process;
use crate::harness::{Need, Test, long, report};

pub const TESTS: &[Test] = &[("soak::ten_minutes_of_everything", &[Need::Nft], ten_minutes_of_everything)];

const TIME: Duration = Duration::from_secs(600);

/// One round of all troubles.
const ROUND: Duration = Duration::from_secs(20);

fn ten_minutes_of_everything() {
    if !long() {
        report("ten minutes long: only with SALUT_LONG=1");
        return;
    }
    let lan = Lan::new();
    let bridge = lan.bridge();
    let own = Host::on(&bridge, "own", &["10.77.0.1/24", "fd77::1/64"]);
    let peer = Host::on(&bridge, "peer", &["10.77.0.2/24", "fd77::2/64"]);
    let other = Host::on(&bridge, "other", &["10.77.0.3/24", "fd77::3/64"]);
    own.lose_percent(10);
    let mut announce = Announce::start(&own, "Own", 52415, &["--host", "salut-test"]);
    let mut browse = Browse::start(&own, &[]);
    announce.announced(Duration::from_secs(10));
    let corpus = corpus();
    let start = Instant::now();
    let mut sizes: Vec<(Duration, [u64; 2])> = Vec::new();
    let mut round = 0_usize;
    while start.elapsed() < TIME {
        let begun = Instant::now();
        // One service stays for a round and says goodbye, one is killed.
        let mut comes = Announce::start(&other, &format!("Comes {}", round % 7), 4711, &[]);
        let killed = Announce::start(&peer, &format!("Killed {}", round % 5), 4712, &[]);
        let kind = Kind::ALL[round % Kind::ALL.len()];
        flood(&peer, kind, &format!("{SERVICE}.local"), 5000, Duration::from_secs(3));
        for payload in corpus.iter().skip(round % 4).step_by(4) {
            deliver(&peer, payload.clone());
        }
        drop(killed);
        for _ in 0..4 {
            own.ip(&["link set eth0 down"]);
            thread::sleep(Duration::from_millis(300));
            own.ip(&["link set eth0 up", "addr replace fd77::1/64 dev eth0 nodad"]);
            thread::sleep(Duration::from_millis(300));
        }
        thread::sleep(Duration::from_secs(6));
        comes.0.stop(Signal::SIGTERM, Duration::from_secs(5));
        thread::sleep(ROUND.saturating_sub(begun.elapsed()));
        sizes.push((start.elapsed(), [&announce.0, &browse.0].map(Process::resident)));
        for (what, process) in [("announce", &mut announce.0), ("browse", &mut browse.0)] {
            assert!(process.ended(Duration::ZERO).is_none(), "{what} ended in round {round}");
        }
        round += 1;
    }
    // Alive: it finds who comes now, and is found.
    let newcomer = Announce::start(&other, "Newcomer", 4713, &[]);
    browse.expect(Duration::from_secs(15), "a newcomer", |news| news.instance == "Newcomer");
    let late = Browse::start(&other, &[]);
    late.expect(Duration::from_secs(15), "the announcer", |news| news.instance == "Own");
    drop(newcomer);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    for (at, (what, process)) in [("announce", &announce.0), ("browse", &browse.0)].into_iter().enumerate() {
        let half: Vec<u64> =
            sizes.iter().filter(|(when, _)| *when >= TIME / 2).map(|(_, sizes)| sizes[at]).collect();
        let (least, most) = (half.iter().min().unwrap(), half.iter().max().unwrap());
        let lines = process.errors().lines().count();
        report(format!(
            "{what}: {round} rounds in {minutes:.1} minutes; {} to {} KiB in the last half; {lines} lines in the log",
            least >> 10,
            most >> 10,
        ));
        assert!((most - least) * 20 <= *least, "{what}: {sizes:?}");
        assert!(lines as f64 <= 10.0 * minutes, "{what}: {}", process.errors());
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pkt");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

fn deliver(peer: &Host, payload: Vec<u8>) {
    peer.inside(move || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into()).unwrap();
        let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353));
        let _ = socket.send_to(&payload, &group.into());
    });
}
