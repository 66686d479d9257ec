//! Two hosts and a hundred: found in time, updated in time, lost in time.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lan_support;

use std::time::Duration;

use lan_support::*;
use salut::proto::Event;
use salut::sim::{HostId, Lan, Sent};
use salut::wire::{Message, RecordType};
use salut::{HostName, Service, Txt};

/// The longest way of a datagram on a good segment, and a little more.
const WAY: Duration = Duration::from_millis(2);

fn two(seed: u64) -> (Lan, HostId, HostId) {
    let mut lan = Lan::new(seed);
    let segment = lan.segment();
    let (alpha, beta) = (lan.host("alpha").unwrap(), lan.host("beta").unwrap());
    lan.attach(alpha, segment);
    lan.attach(beta, segment);
    (lan, alpha, beta)
}

/// The instants, in seconds, at which a host multicast something of a kind on IPv4.
fn times(sent: &[Sent], host: HostId, kind: impl Fn(&Message<'_>) -> bool) -> Vec<Duration> {
    let mine = sent.iter().filter(|sent| sent.host == Some(host) && sent.destination.ip().is_multicast());
    mine.filter(|sent| sent.destination.is_ipv4() && kind(&Message::read(&sent.payload).unwrap()))
        .map(|sent| sent.at)
        .collect()
}

fn apart(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// RFC 6762 §8.1, §8.3, §5.2.
#[test]
fn probes_announcements_and_questions_keep_their_times() {
    with_seeds(20, 200, |seed| {
        let (mut lan, alpha, beta) = two(seed);
        lan.announce(alpha, service("My Node")).unwrap();
        lan.browse(beta, exo()).unwrap();
        lan.run_for(seconds(70.0));
        let sent = lan.take_sent();
        let probes = times(&sent, alpha, |message| message.header().authorities > 0);
        assert_eq!(probes.len(), 3);
        assert!(probes[0] <= millis(250), "the first probe after {:?}", probes[0]);
        assert_eq!(apart(&probes), [millis(250); 2]);
        let told = times(&sent, alpha, |message| message.header().response);
        // What was asked meanwhile may be answered in between, but announcements come first.
        assert_eq!(told[0], probes[2] + millis(250));
        let own = |at: &Duration| [millis(0), seconds(1.0), seconds(3.0)].contains(&(*at - told[0]));
        assert!(told.iter().filter(|at| own(at)).count() == 3, "{told:?}");
        let asked = times(&sent, beta, |message| {
            message.questions().any(|question| question.rtype == RecordType::PTR)
        });
        assert!((millis(20)..=millis(120)).contains(&asked[0]), "the first question after {:?}", asked[0]);
        let waits: Vec<f64> = apart(&asked).iter().map(Duration::as_secs_f64).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
    });
}

#[test]
fn a_browser_that_waits_finds_an_announcer_within_a_second() {
    with_seeds(50, 500, |seed| {
        let (mut lan, alpha, beta) = two(seed);
        lan.browse(beta, exo()).unwrap();
        lan.run_for(seconds(1000.0));
        let start = lan.elapsed();
        lan.announce(alpha, service("My Node")).unwrap();
        lan.run_for(seconds(3.0));
        let mut view = View::default();
        view.take(&mut lan, beta);
        // 0–250 ms, three probes, one announcement.
        let (at, node) = &view.found[0];
        assert!(*at - start <= millis(1000) + WAY, "{:?}", *at - start);
        assert_eq!((node.port, node.host.to_string()), (PORT, "alpha.local".into()));
        assert_eq!(node.txt, Txt::new().with("id", "My Node").unwrap());
        assert_eq!(node.addresses.len(), 2, "{node:?}");
        assert_eq!((view.found.len(), view.updated.len()), (1, 0));
    });
}

#[test]
fn a_browser_finds_an_announcer_that_was_there_before() {
    with_seeds(50, 500, |seed| {
        let (mut lan, alpha, beta) = two(seed);
        lan.announce(alpha, service("My Node")).unwrap();
        lan.run_for(seconds(1000.0));
        let start = lan.elapsed();
        lan.browse(beta, exo()).unwrap();
        lan.run_for(seconds(3.0));
        let mut view = View::default();
        view.take(&mut lan, beta);
        // The question waits 20–120 ms, the answer (PTR is shared) as well.
        let (at, _) = &view.found[0];
        assert!(*at - start <= millis(240) + WAY * 2, "{:?}", *at - start);
        assert_eq!((view.found.len(), view.updated.len()), (1, 0));
    });
}

/// An SRV record brings its host's addresses, which are multicast once a second (RFC 6762 §6):
/// what the first service said of the host lately may hold up the second for that long.
#[test]
fn a_second_service_is_found_within_a_second_more() {
    with_seeds(3, 30, |seed| {
        for wait in [10, 400, 900, 1500, 2400, 3600, 4400] {
            let (mut lan, alpha, beta) = two(seed);
            lan.browse(beta, exo()).unwrap();
            lan.run_for(seconds(10.0));
            lan.announce(alpha, service("One")).unwrap();
            lan.run_for(millis(wait));
            let start = lan.elapsed();
            lan.announce(alpha, service("Two")).unwrap();
            lan.run_for(seconds(5.0));
            let mut view = View::default();
            view.take(&mut lan, beta);
            let (at, _) = view.found.iter().find(|(_, node)| node.name.to_string() == "Two").unwrap();
            let after = *at - start;
            assert!(after <= millis(2000) + WAY, "{wait} ms after the first: {after:?}");
        }
    });
}

#[test]
fn one_who_does_both_sees_itself_and_the_other() {
    with_seeds(20, 200, |seed| {
        let mut home = Home::of(seed, 2);
        home.run(millis(1000) + WAY);
        for view in &home.views {
            assert_eq!(view.names(), ["Node 0", "Node 1"]);
        }
    });
}

#[test]
fn a_hundred_hosts_start_at_once_and_know_each_other() {
    with_seeds(1, 5, |seed| {
        let mut home = Home::of(seed, 100);
        home.run(millis(1500));
        assert!(home.all_know_all());
        home.run(seconds(30.0));
        assert!(home.all_know_all());
        for view in &home.views {
            assert_eq!((view.lost.len(), view.renamed.len()), (0, 0));
        }
    });
}

#[test]
fn a_change_is_known_as_soon_as_it_is_sent() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(20.0));
        let (host, id) = (home.hosts[0], home.ids[0]);
        let start = home.lan.elapsed();
        let txt = Txt::new().with("id", "other").unwrap();
        home.lan.drive(host, |engine, now| engine.set_txt(now, id, txt.clone()));
        home.run(seconds(5.0));
        home.lan.drive(host, |engine, now| engine.set_port(now, id, 4444));
        home.run(seconds(30.0));
        for view in &home.views {
            let node = view.find("Node 0").unwrap();
            assert_eq!((&node.txt, node.port), (&txt, 4444));
            let at: Vec<Duration> = view.updated.iter().map(|(at, _)| *at - start).collect();
            assert_eq!(at.len(), 2, "{at:?}");
            assert!(at[0] <= WAY, "{at:?}");
            // The old SRV record lives on for the second of RFC 6762 §10.2.
            assert!(at[1] >= seconds(5.0) && at[1] <= seconds(6.0) + WAY, "{at:?}");
            assert!(view.lost.is_empty());
        }
    });
}

#[test]
fn who_withdraws_is_lost_within_a_second() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 4);
        home.run(seconds(20.0));
        let (host, id) = (home.hosts[0], home.ids[0]);
        let start = home.lan.elapsed();
        home.lan.drive(host, |engine, now| engine.withdraw(now, id));
        home.run(seconds(60.0));
        for view in &home.views {
            let (at, name) = &view.lost[0];
            assert_eq!(name.to_string(), "Node 0");
            assert!(*at - start <= millis(1100), "{:?}", *at - start);
            assert_eq!(view.names(), ["Node 1", "Node 2", "Node 3"]);
        }
        assert!(home.views[0].others.iter().any(|(_, event)| *event == Event::Withdrawn { id }));
    });
}

/// RFC 6762 §10.1: on every link and family, for all that was announced there.
#[test]
fn a_shutdown_says_goodbye_everywhere() {
    let mut lan = Lan::new(8);
    let (home, office) = (lan.segment(), lan.segment());
    let host = lan.host("alpha").unwrap();
    lan.attach(host, home);
    lan.attach(host, office);
    let watcher = lan.host("beta").unwrap();
    lan.attach(watcher, home);
    lan.browse(watcher, exo()).unwrap();
    let own_host = HostName::new("gamma").unwrap();
    lan.announce(host, service("One").subtype("_gpu").unwrap()).unwrap();
    lan.announce(host, Service::new("Two", "_ipp._tcp", 631).unwrap().host(own_host)).unwrap();
    lan.run_for(seconds(20.0));
    lan.take_sent();
    lan.drive(host, |engine, now| engine.shutdown(now));
    assert!(lan.take_events(host).iter().any(|(_, event)| *event == Event::Stopped));
    let sent = lan.take_sent();
    for segment in [home, office] {
        for ipv4 in [true, false] {
            let mut gone: Vec<String> = Vec::new();
            let here = sent.iter().filter(|s| s.segment == segment && s.destination.is_ipv4() == ipv4);
            for sent in here {
                for record in Message::read(&sent.payload).unwrap().records() {
                    assert_eq!(record.ttl, 0);
                    gone.push(format!("{} {}", record.rtype, record.name));
                }
            }
            gone.sort();
            let expected = [
                "A alpha.local",
                "A gamma.local",
                "AAAA alpha.local",
                "AAAA gamma.local",
                "PTR _exo._tcp.local",
                "PTR _gpu._sub._exo._tcp.local",
                "PTR _ipp._tcp.local",
                "PTR _services._dns-sd._udp.local",
                "PTR _services._dns-sd._udp.local",
                "SRV One._exo._tcp.local",
                "SRV Two._ipp._tcp.local",
                "TXT One._exo._tcp.local",
                "TXT Two._ipp._tcp.local",
            ];
            assert_eq!(gone, expected);
        }
    }
    lan.run_for(millis(1100));
    let mut view = View::default();
    view.take(&mut lan, watcher);
    assert_eq!((view.found.len(), view.lost.len()), (1, 1));
    // Nothing is said after the goodbye.
    lan.take_sent();
    lan.run_for(seconds(300.0));
    assert!(lan.take_sent().iter().all(|sent| sent.host != Some(host)));
}

/// SRV and addresses live 120 s; a last grace of 3.25 s for asking is allowed.
#[test]
fn who_is_killed_is_lost_when_its_records_end() {
    with_seeds(10, 100, |seed| {
        for hosts in [2, 5] {
            let mut home = Home::of(seed, hosts);
            home.run(seconds(20.0));
            home.lan.kill(home.hosts[0]);
            let sent = home.lan.take_sent();
            let heard = *times(&sent, home.hosts[0], |message| message.header().response).last().unwrap();
            home.run(seconds(300.0));
            for view in &home.views[1..] {
                assert_eq!(view.known.len(), hosts - 1);
                let (at, name) = &view.lost[0];
                assert_eq!((view.lost.len(), name.to_string()), (1, "Node 0".into()));
                assert!(*at <= heard + seconds(123.25) + WAY, "{:?} after the last word", *at - heard);
                // Others who ask in vain at 80 % may shorten it (RFC 6762 §10.5).
                let least = if hosts == 2 { 120.0 } else { 96.0 + 10.0 };
                assert!(*at >= heard + seconds(least), "{:?} after the last word", *at - heard);
            }
        }
    });
}

#[test]
fn what_comes_back_in_time_was_never_lost() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(20.0));
        home.lan.kill(home.hosts[0]);
        home.run(seconds(60.0));
        home.lan.reboot(home.hosts[0]);
        home.lan.announce(home.hosts[0], service("Node 0")).unwrap();
        home.run(seconds(600.0));
        for view in &home.views[1..] {
            assert_eq!(view.names(), ["Node 0", "Node 1", "Node 2"]);
            assert!(view.lost.is_empty() && view.updated.is_empty());
        }
    });
}

#[test]
fn a_reboot_with_another_address_replaces_the_old_one() {
    with_seeds(20, 200, |seed| {
        let mut home = Home::of(seed, 3);
        home.run(seconds(30.0));
        let host = home.hosts[0];
        home.lan.kill(host);
        home.run(seconds(10.0));
        let link = salut::proto::LinkIndex(1);
        let mut state = home.lan.link_state(host, link).unwrap();
        state.v4 = vec![([10, 0, 9, 9].into(), 16)];
        home.lan.set_link(host, link, home.segment, Some(state.clone()));
        home.lan.reboot(host);
        home.lan.announce(host, service("Node 0")).unwrap();
        home.run(seconds(30.0));
        for view in &home.views[1..] {
            // Its first announcement brings the new address, a second later the old one is gone.
            let first = view.updated.first().expect("an update").0;
            assert_eq!(first, view.updated.iter().map(|(at, _)| *at).min().unwrap());
            let mut expected: Vec<std::net::IpAddr> = vec![[10, 0, 9, 9].into()];
            expected.push(state.v6[0].0.into());
            let clean =
                view.updated.iter().find(|(_, node)| node.addresses == expected).expect("only the new one");
            assert!(clean.0 - first <= millis(1100), "{:?}", clean.0 - first);
            assert_eq!(view.find("Node 0").unwrap().addresses, expected);
            assert!(view.lost.is_empty());
        }
    });
}

/// Who slept probes, announces and asks again at once, and nobody is told nonsense.
#[test]
fn who_wakes_is_up_to_date_in_seconds() {
    with_seeds(10, 100, |seed| {
        let mut home = Home::of(seed, 4);
        home.run(seconds(30.0));
        home.lan.suspend(home.hosts[0]);
        home.run(seconds(30.0));
        home.lan.kill(home.hosts[1]);
        let late = home.join("host-late", "Late");
        home.run(seconds(600.0));
        assert_eq!(home.views[2].names(), ["Late", "Node 2", "Node 3"]);
        home.lan.resume(home.hosts[0]);
        let woken = home.lan.elapsed();
        let known = home.run_until(millis(50), seconds(5.0), |home| home.views[0].knows("Late"));
        assert!(known.is_some_and(|after| after <= millis(700)), "{known:?}");
        let back = home.run_until(millis(50), seconds(5.0), |home| home.views[late].knows("Node 0"));
        assert!(back.is_some() && home.lan.elapsed() - woken <= millis(1200), "{back:?}");
        let lost = home.run_until(millis(50), seconds(60.0), |home| !home.views[0].knows("Node 1"));
        assert!(lost.is_some(), "a host that left while we slept is still known a minute later");
        home.run(seconds(300.0));
        for host in [0, 2, 3, late] {
            assert_eq!(home.views[host].names(), ["Late", "Node 0", "Node 2", "Node 3"]);
        }
        assert!(home.views[0].renamed.is_empty());
    });
}

#[test]
fn a_cut_that_heals_is_forgotten() {
    with_seeds(5, 50, |seed| {
        for cut in [2.0, 5.0, 20.0, 100.0, 400.0, 1500.0] {
            let mut home = Home::of(seed, 6);
            home.run(seconds(10.0));
            for host in 0..3 {
                home.lan.set_group(home.hosts[host], 1);
            }
            home.run(seconds(cut));
            if cut > 130.0 {
                assert_eq!(home.views[0].known.len(), 3);
            }
            for host in 0..3 {
                home.lan.set_group(home.hosts[host], 0);
            }
            // The back-off doubles: who asked last after half of the time asks next at double
            // of it. While it is below its cap, that is no later than the cut was long.
            let limit = seconds(cut) + millis(1300);
            let healed = home.run_until(millis(100), limit + seconds(60.0), Home::all_know_all);
            assert!(healed.is_some_and(|after| after <= limit), "cut {cut} s, healed after {healed:?}");
            home.run(seconds(300.0));
            assert!(home.all_know_all());
            assert!(home.views.iter().all(|view| view.renamed.is_empty()));
        }
    });
}
