//! Programs that come and go on one host, beside Avahi.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::wire::{RecordData, Section};

use crate::harness::avahi::Avahi;
use crate::harness::capture::{Capture, Captured};
use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Need, Test, long, report};

pub const TESTS: &[Test] =
    &[("churn::two_salut_on_one_host_beside_avahi", &[Need::Avahi], two_salut_on_one_host_beside_avahi)];

/// Two programs on one host beside Avahi, one of which comes and goes every few seconds: no
/// stale entry anywhere, no name drifts, and no record is multicast twice a second.
fn two_salut_on_one_host_beside_avahi() {
    let lasts = Duration::from_secs(if long() { 300 } else { 25 });
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    let avahi = Avahi::start(&ann);
    let _published = avahi.publish("By Avahi", SERVICE, 1, &["by=avahi"]);
    let capture = Capture::start(&ann);
    let stays = Announce::start(&ann, "Stays", 2, &[]);
    let (_, line) = stays.announced(Duration::from_secs(5));
    let host = line["host"].as_str().unwrap().to_owned();
    let browses = [Browse::start(&ann, &[]), Browse::start(&ben, &[])];

    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < lasts {
        rounds += 1;
        let mut comes = Announce::start(&ann, "Comes and goes", 3, &[]);
        comes.announced(Duration::from_secs(5));
        for browse in &browses {
            browse.expect(Duration::from_secs(3), "the one that comes", |news| {
                news.instance == "Comes and goes" && news.event == "found" && news.at >= comes.0.started
            });
        }
        thread::sleep(Duration::from_secs(rounds % 3 + 1));
        let left = Instant::now();
        comes.0.stop(Signal::SIGTERM, Duration::from_secs(1));
        for browse in &browses {
            browse.expect_lost(Duration::from_secs(2), "Comes and goes", left);
        }
        thread::sleep(Duration::from_millis(1500));
    }
    for browse in &browses {
        assert!(browse.now("Comes and goes", "eth0").is_none(), "a stale entry");
        assert!(!browse.news().iter().any(|news| news.is_loss_of("Stays")), "the other was lost meanwhile");
        assert_eq!(browse.now("Stays", "eth0").expect("the other stays").host, host);
    }
    assert_eq!(avahi.host_name(), "ann.local");
    let most = most_in_a_second(&capture.sent());
    report(format!("{rounds} rounds in {:.0} s beside Avahi, no record twice a second", lasts.as_secs_f32()));
    assert_eq!(most, None, "multicast twice within a second");
}

/// A record of a salut service that was multicast twice within a second on one family, if
/// there is one. What several programs hold alike (the list of types) says nothing, a goodbye
/// is outside the rule (RFC 6762 §10.1), and the clock of a capture is a little off.
fn most_in_a_second(sent: &[Captured]) -> Option<String> {
    const SECOND: Duration = Duration::from_millis(980);
    let mut last: BTreeMap<(bool, String), Instant> = BTreeMap::new();
    for packet in sent.iter().filter(|packet| packet.is_multicast()) {
        let message = packet.message();
        if !message.header.response {
            continue;
        }
        for (section, record) in &message.records {
            let of_salut = match &record.data {
                RecordData::Ptr(target) => target.to_string().starts_with("Stays"),
                RecordData::Srv(_) | RecordData::Txt(_) => record.name.to_string().starts_with("Stays"),
                _ => false,
            };
            if !of_salut || record.ttl == 0 || *section == Section::Authority {
                continue;
            }
            let what = format!("{} {:?}", record.name, record.data);
            let before = last.insert((packet.source.is_ipv4(), what.clone()), packet.at);
            if before.is_some_and(|before| packet.at - before < SECOND) {
                return Some(what);
            }
        }
    }
    None
}
