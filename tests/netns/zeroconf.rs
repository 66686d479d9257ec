//! salut and python-zeroconf.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Late, Need, Test, report, zeroconf};

pub const TESTS: &[Test] = &[
    ("zeroconf::browses_first_salut_announces", &[Need::Zeroconf], || zeroconf_browses(Late::Announcer)),
    ("zeroconf::browses_late_salut_announces", &[Need::Zeroconf], || zeroconf_browses(Late::Browser)),
    ("zeroconf::announces_late_salut_browses", &[Need::Zeroconf], || zeroconf_announces(Late::Announcer)),
    ("zeroconf::announces_first_salut_browses", &[Need::Zeroconf], || zeroconf_announces(Late::Browser)),
];

const FOUND: Duration = Duration::from_secs(4);
const GOODBYE: Duration = Duration::from_secs(2);
const INSTANCE: &str = "Ann's Mac. No 2 – ☕";
/// python-zeroconf sends an instance name with a dot as two labels.
const THEIR_INSTANCE: &str = "Pia's Mac No 2 – ☕";

fn hosts() -> (Host, Host) {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let pia = Host::on(&bridge, "pia", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, pia)
}

fn zeroconf_browses(late: Late) {
    let (ann, pia) = hosts();
    let announce = || {
        let announce = Announce::start(&ann, INSTANCE, 52415, &["--txt", "id=12D3Koo", "--txt", "flag"]);
        let (_, line) = announce.announced(Duration::from_secs(5));
        (announce, line["host"].as_str().unwrap().to_owned())
    };
    let (browse, (mut announce, host)) = match late {
        Late::Announcer => {
            let browse = zeroconf::browse(&pia, SERVICE);
            thread::sleep(Duration::from_millis(1300));
            (browse, announce())
        }
        Late::Browser => {
            let announced = announce();
            thread::sleep(Duration::from_secs(5));
            (zeroconf::browse(&pia, SERVICE), announced)
        }
    };
    let from = if late == Late::Announcer { announce.0.started } else { browse.0.started };
    let (at, found) =
        browse.wait(FOUND, INSTANCE, |line| line["event"] == "found").expect("python-zeroconf finds it");
    report(format!("python-zeroconf, {}: after {:.3} s", late, (at - from).as_secs_f32()));
    assert_eq!((&found["host"], &found["port"]), (&json!(host), &json!(52415)));
    assert_eq!(found["txt"], json!({"id": "12D3Koo", "flag": null}));
    let seen: Vec<_> =
        found["addresses"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for address in ["10.77.0.1", "fd77::1"] {
        assert!(seen.contains(&address), "{address} is missing in {seen:?}");
    }

    let left = Instant::now();
    let (status, _) = announce.0.stop(Signal::SIGTERM, Duration::from_secs(3));
    assert!(status.success(), "{status}");
    let lost = |line: &Value| line["event"] == "lost";
    let (at, _) = browse.wait(GOODBYE, INSTANCE, lost).expect("python-zeroconf sees the goodbye");
    report(format!("python-zeroconf: goodbye seen after {:.3} s", (at - left).as_secs_f32()));
}

fn zeroconf_announces(late: Late) {
    let (ben, pia) = hosts();
    let announce =
        || zeroconf::announce(&pia, THEIR_INSTANCE, SERVICE, 4711, "10.77.0.2,fd77::2", &["id=12D3Koo"]);
    let (browse, announcer) = match late {
        Late::Announcer => {
            let browse = Browse::start(&ben, &[]);
            thread::sleep(Duration::from_millis(1300));
            (browse, announce())
        }
        Late::Browser => {
            let announcer = announce();
            thread::sleep(Duration::from_secs(5));
            (Browse::start(&ben, &[]), announcer)
        }
    };
    let from = if late == Late::Announcer { announcer.started } else { browse.0.started };
    let found = browse.expect_all(FOUND, THEIR_INSTANCE, &["10.77.0.2", "fd77::2"].map(str::to_owned));
    report(format!("python-zeroconf announces, {}: after {:.3} s", late, (found.at - from).as_secs_f32()));
    assert_eq!((found.host.as_str(), found.port, found.interface.as_str()), ("pia.local", 4711, "eth0"));
    assert_eq!(found.txt, json!({"id": "12D3Koo"}));

    let left = Instant::now();
    announcer.signal(Signal::SIGTERM);
    let lost = browse.expect_lost(GOODBYE, THEIR_INSTANCE, left);
    report(format!("python-zeroconf's goodbye seen after {:.3} s", (lost.at - left).as_secs_f32()));
}
