//! RFC 6762 §8.3, §8.4, §10, §10.1: announcing, updating, goodbye.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::time::Duration;

use rfc::*;
use salut::proto::{Event, LinkState};
use salut::{HostName, Txt};

fn responses(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|sent| !sent.is_query()).collect()
}

fn txt(string: &str) -> Txt {
    Txt::from_strings([string]).unwrap()
}

// ---- §8.3

#[test]
fn an_announcement_holds_every_new_record_shared_and_unique_in_its_answer_section() {
    proves!("6762-8.3-all-records", "6762-8.3-flush-bit", "6762-10-ttl");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1", "10.0.0.2"], &[]);
    scene.announce(node().subtype("_gpu").unwrap().txt("id", "7").unwrap());
    for announcement in responses(scene.run(secs(10))) {
        assert_eq!(announcement.to.to_string(), GROUP);
        same(
            &announcement.answers,
            &[
                "alpha.local 120 flush A 10.0.0.1",
                "alpha.local 120 flush A 10.0.0.2",
                "node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local",
                "node._exo._tcp.local 4500 flush TXT id=7",
                "_exo._tcp.local 4500 PTR node._exo._tcp.local",
                "_gpu._sub._exo._tcp.local 4500 PTR node._exo._tcp.local",
                "_services._dns-sd._udp.local 4500 PTR _exo._tcp.local",
            ],
        );
    }
}

#[test]
fn announcements_go_out_at_0_1_and_3_seconds() {
    proves!("6762-8.3-series");
    let mut scene = Scene::new();
    scene.announce(node());
    let announcements = responses(scene.run(secs(30)));
    assert_eq!(gaps(&announcements), [1000, 2000]);
    announcements.iter().for_each(|sent| same(&sent.answers, &NODE_RECORDS));
}

#[test]
fn both_families_hear_each_announcement() {
    proves!("6762-6-group");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    let announcements = responses(scene.run(secs(10)));
    assert_eq!(gaps(&announcements), [0, 1000, 0, 2000, 0]);
    let to: Vec<String> = announcements.iter().map(|sent| sent.to.to_string()).collect();
    assert_eq!(to, [GROUP, "[ff02::fb%1]:5353"].repeat(3));
    announcements.chunks(2).for_each(|pair| assert_eq!(pair[0].bytes, pair[1].bytes));
}

#[test]
fn nothing_is_announced_again_when_nothing_changes() {
    proves!("6762-8.3-not-periodic");
    let mut scene = Scene::announced();
    scene.is_quiet(secs(7 * 24 * 3600));
}

#[test]
fn what_does_not_fit_one_packet_goes_out_in_several() {
    proves!("6762-8.3-all-records");
    let mut scene = Scene::new();
    for number in 0..40 {
        scene.announce(named(&format!("node {number}")).txt("id", [b'x'; 100]).unwrap());
    }
    let first = responses(scene.run(ms(1100)));
    assert!(first.len() > 1);
    assert!(first.iter().all(|sent| sent.bytes.len() <= 1440 && sent.at == first[0].at));
    for number in 0..40 {
        let instance = format!("node\\032{number}._exo._tcp.local");
        for wanted in [
            format!("_exo._tcp.local 4500 PTR {instance}"),
            format!("{instance} 120 flush SRV 0 0 52415 alpha.local"),
            format!("{instance} 4500 flush TXT id={}", "x".repeat(100)),
        ] {
            let times = first.iter().flat_map(|sent| &sent.answers).filter(|line| **line == wanted);
            assert_eq!(times.count(), 1, "{wanted}");
        }
    }
}

// ---- §8.4

#[test]
fn a_changed_txt_is_announced_at_once_and_again_without_probing() {
    proves!("6762-8.4-update", "6762-8.4-no-goodbye", "6762-8.3-flush-bit");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.run(secs(60));
    scene.drive(|engine, now| engine.set_txt(now, id, txt("load=2")));
    let changed = scene.now();
    let sent = scene.run(secs(30));
    assert_eq!(sent[0].at, changed);
    assert_eq!(gaps(&sent), [1000, 2000]);
    for announcement in sent {
        same(&announcement.answers, &["node._exo._tcp.local 4500 flush TXT load=2"]);
    }
}

#[test]
fn a_changed_port_is_announced_at_once_and_again_without_probing() {
    proves!("6762-8.4-update", "6762-8.4-no-goodbye");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.run(secs(60));
    scene.drive(|engine, now| engine.set_port(now, id, 7000));
    let changed = scene.now();
    let sent = scene.run(secs(30));
    assert_eq!(sent[0].at, changed);
    assert_eq!(gaps(&sent), [1000, 2000]);
    for announcement in sent {
        same(&announcement.answers, &["node._exo._tcp.local 120 flush SRV 0 0 7000 alpha.local"]);
    }
}

#[test]
fn an_update_during_the_announcements_is_announced_twice_at_least() {
    proves!("6762-8.4-update");
    let new = "node._exo._tcp.local 4500 flush TXT load=2";
    for wait in [0, 500, 999, 1000, 1500, 2999, 3000, 3500] {
        let mut scene = Scene::new();
        let id = scene.announce(node());
        let first = loop {
            let sent = scene.next(secs(1));
            if !sent.is_query() {
                break sent.at;
            }
        };
        scene.run(ms(wait));
        scene.drive(|engine, now| engine.set_txt(now, id, txt("load=2")));
        let with: Vec<Sent> = scene.run(secs(30)).into_iter().filter(|sent| sent.has(new)).collect();
        assert_eq!(with[0].at, first + ms(wait), "{wait}");
        assert!(with.len() >= 2, "{wait}: announced {} times", with.len());
        // §8.3: at least two, one second apart.
        assert!(gaps(&with)[0] >= 1000 && gaps(&with)[0] <= 2000, "{wait}: {:?}", gaps(&with));
    }
}

#[test]
fn old_data_of_a_shared_record_is_taken_back_before_the_new_is_announced() {
    proves!("6762-8.4-shared-goodbye");
    // The node loses its name on one link; on the other its PTR record changes.
    let mut scene = Scene::announced();
    let other = quick_segment(&mut scene.lan);
    attach(&mut scene.lan, scene.alpha, other, &["10.1.0.1"], &[]);
    scene.run(secs(10));
    // After this conflict the node is probed for here, and lost here.
    let taken = response().answer("node._exo._tcp.local 120 flush SRV 0 0 1 beta.local");
    scene.hear(&taken);
    let mut sent = scene.batch(secs(1));
    scene.hear(&taken);
    sent.extend(scene.run(secs(10)));
    let there: Vec<&Sent> = sent.iter().filter(|sent| sent.segment == other).collect();
    let goodbye = there.iter().position(|sent| sent.has("_exo._tcp.local 0 PTR node._exo._tcp.local"));
    let new = "_exo._tcp.local 4500 PTR node\\032(2)._exo._tcp.local";
    let announced = there.iter().position(|sent| sent.has(new)).expect("announced under the new name");
    assert!(goodbye.expect("the old name is taken back") < announced);
}

#[test]
fn a_subtype_pointer_to_a_lost_name_is_taken_back() {
    proves!("6762-8.4-shared-goodbye");
    let mut scene = Scene::announced_as(node().subtype("_gpu").unwrap());
    let taken = response().answer("node._exo._tcp.local 120 flush SRV 0 0 1 beta.local");
    scene.hear(&taken);
    let mut sent = scene.batch(secs(1));
    scene.hear(&taken);
    sent.extend(scene.run(secs(10)));
    let old = "_gpu._sub._exo._tcp.local 0 PTR node._exo._tcp.local";
    let new = "_gpu._sub._exo._tcp.local 4500 PTR node\\032(2)._exo._tcp.local";
    let goodbye = sent.iter().position(|sent| sent.has(old));
    let announced = sent.iter().position(|sent| sent.has(new)).expect("announced under the new name");
    assert!(goodbye.expect("the old pointer is taken back") < announced);
}

#[test]
fn a_service_is_updated_at_most_ten_times_a_minute_and_the_last_update_counts() {
    proves!("6762-8.4-ten-a-minute");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.run(secs(60));
    let start = scene.now();
    let mut updates: Vec<(Duration, String)> = Vec::new();
    for load in 0..120 {
        scene.drive(|engine, now| engine.set_txt(now, id, txt(&format!("load={load}"))));
        for sent in scene.run(secs(1)) {
            let line = only(sent.answers.clone());
            if updates.last().is_none_or(|(_, last)| *last != line) {
                updates.push((sent.at, line));
            }
        }
    }
    for sent in scene.run(secs(120)) {
        updates.push((sent.at, only(sent.answers.clone())));
    }
    updates.dedup_by(|later, earlier| later.1 == earlier.1);
    assert_eq!(updates[0].0, start);
    updates.windows(11).for_each(|run| assert!(run[10].0 - run[0].0 >= secs(60), "{run:?}"));
    assert_eq!(updates.last().unwrap().1, "node._exo._tcp.local 4500 flush TXT load=119");
    assert!(updates.len() > 20);
}

#[test]
fn changed_addresses_are_announced_as_a_whole_set_without_goodbye_or_probe() {
    proves!("6762-10.2-whole-set", "6762-8.4-addresses", "6762-8.4-no-goodbye");
    let mut scene = Scene::announced();
    scene.set_link(|mut state| {
        state.v4.push(("10.0.0.2".parse().unwrap(), 24));
        Some(state)
    });
    let sent = scene.run(secs(30));
    assert_eq!(gaps(&sent), [1000, 2000]);
    for announcement in sent {
        same(
            &announcement.answers,
            &["alpha.local 120 flush A 10.0.0.1", "alpha.local 120 flush A 10.0.0.2"],
        );
    }
    // One goes again, and one is exchanged for another.
    for wanted in ["10.0.0.2", "10.0.0.3"] {
        scene.set_link(|state| Some(LinkState { v4: vec![(wanted.parse().unwrap(), 24)], ..state }));
        let sent = scene.run(secs(30));
        assert_eq!(gaps(&sent), [1000, 2000]);
        sent.iter().for_each(|sent| same(&sent.answers, &[format!("alpha.local 120 flush A {wanted}")]));
    }
}

#[test]
fn the_last_address_of_a_family_is_taken_back() {
    proves!("6762-10.1-goodbye", "6762-8.4-addresses");
    let mut scene = Scene::dual(1);
    scene.announce(node());
    scene.run(secs(60));
    scene.set_link(|state| Some(LinkState { v6: Vec::new(), ..state }));
    let sent = scene.run(secs(30));
    assert!(sent[0].has("alpha.local 0 flush AAAA fe80::1"), "{sent:#?}");
}

// ---- §10, §10.1

#[test]
fn records_that_name_a_host_live_120_s_and_all_others_4500_s() {
    proves!("6762-10-ttl");
    let mut scene = Scene::plugged_in(1, &["10.0.0.1"], &["fe80::1"]);
    scene.announce(node());
    scene.run(secs(10));
    scene.hear(&query().ask("1.0.0.10.in-addr.arpa PTR"));
    scene.hear(&query().ask("_exo._tcp.local PTR"));
    scene.hear(&query().ask("_services._dns-sd._udp.local PTR"));
    let mut ttls: Vec<(String, String)> = Vec::new();
    for line in scene.run(secs(1)).iter().flat_map(Sent::records) {
        let words: Vec<&str> = line.split(' ').filter(|word| *word != "flush").collect();
        ttls.push((format!("{} {}", words[0], words[2]), words[1].to_owned()));
    }
    for (record, ttl) in [
        ("alpha.local A", "120"),
        ("alpha.local AAAA", "120"),
        ("node._exo._tcp.local SRV", "120"),
        ("1.0.0.10.in-addr.arpa PTR", "120"),
        ("node._exo._tcp.local TXT", "4500"),
        ("_exo._tcp.local PTR", "4500"),
        ("_services._dns-sd._udp.local PTR", "4500"),
    ] {
        let found: Vec<&str> =
            ttls.iter().filter(|(of, _)| of == record).map(|(_, ttl)| ttl.as_str()).collect();
        assert!(!found.is_empty() && found.iter().all(|found| *found == ttl), "{record}: {found:?}");
    }
}

#[test]
fn who_leaves_takes_every_record_back_at_once_on_every_link_and_family() {
    proves!("6762-10.1-goodbye");
    let mut scene = Scene::dual(1);
    let other = quick_segment(&mut scene.lan);
    attach(&mut scene.lan, scene.alpha, other, &["10.1.0.1"], &[]);
    scene.announce(node());
    scene.run(secs(60));
    scene.drive(|engine, now| engine.shutdown(now));
    let left = scene.now();
    let sent = scene.run(secs(60));
    let to: Vec<String> = sent.iter().map(|sent| sent.to.to_string()).collect();
    assert_eq!(to, [GROUP, "[ff02::fb%1]:5353", GROUP]);
    assert!(sent.iter().all(|sent| sent.at == left && !sent.is_query()));
    let shared = [
        "_exo._tcp.local 0 PTR node._exo._tcp.local",
        "_services._dns-sd._udp.local 0 PTR _exo._tcp.local",
        "node._exo._tcp.local 0 flush SRV 0 0 52415 alpha.local",
        "node._exo._tcp.local 0 flush TXT \"\"",
    ];
    let here = ["alpha.local 0 flush A 10.0.0.1", "alpha.local 0 flush AAAA fe80::1"];
    let there = ["alpha.local 0 flush A 10.1.0.1"];
    for goodbye in &sent[..2] {
        same(&goodbye.answers, &[&shared[..], &here].concat());
    }
    same(&sent[2].answers, &[&shared[..], &there].concat());
    assert!(scene.events().contains(&Event::Stopped));
}

#[test]
fn one_of_two_services_leaves_alone() {
    proves!("6762-10.1-goodbye");
    let mut scene = Scene::new();
    let id = scene.announce(node());
    scene.announce(named("other"));
    scene.run(secs(60));
    scene.drive(|engine, now| engine.withdraw(now, id));
    // The host and the type in the list of all types are still needed.
    same(
        &only(scene.run(secs(60))).answers,
        &[
            "_exo._tcp.local 0 PTR node._exo._tcp.local",
            "node._exo._tcp.local 0 flush SRV 0 0 52415 alpha.local",
            "node._exo._tcp.local 0 flush TXT \"\"",
        ],
    );
    assert!(scene.events().contains(&Event::Withdrawn { id }));
    scene.hear(&query().ask("node._exo._tcp.local SRV"));
    scene.is_quiet(secs(1));
}

#[test]
fn what_was_never_announced_is_not_taken_back() {
    proves!("6762-10.1-goodbye");
    let mut scene = Scene::new();
    let service = node().host(HostName::new("gamma").unwrap());
    let id = scene.announce(service);
    scene.run(ms(600));
    scene.drive(|engine, now| engine.withdraw(now, id));
    scene.is_quiet(secs(60));
}

#[test]
fn all_that_a_service_announces_goes_out_together_when_some_of_it_has_to_wait() {
    proves!("6762-8.3-all-records", "6762-6.4-aggregation");
    let mut withheld = 0;
    for seed in 0..50 {
        for pause in [1, 30, 300, 700] {
            let mut scene = Scene::seeded(seed);
            scene.announce(node());
            scene.run(ms(pause));
            scene.announce(salut::Service::new("web", "_http._tcp", 80).unwrap());
            let sent = scene.run(secs(10));
            let told: Vec<&Sent> = sent.iter().filter(|sent| sent.has("_services")).collect();
            let web: Vec<&&Sent> = told.iter().filter(|sent| sent.has("web._http._tcp.local 120")).collect();
            assert!(web.len() >= 3, "{sent:#?}");
            let both = |sent: &Sent| sent.has("_services._dns-sd._udp.local 4500 PTR _http._tcp");
            assert!(web.iter().all(|sent| both(sent) && sent.has("alpha.local 120 flush A")), "{sent:#?}");
            assert_eq!(told.iter().filter(|sent| both(sent)).count(), web.len(), "{sent:#?}");
            // The host's addresses were announced a moment before.
            let last_probe = sent.iter().filter(|sent| sent.is_probe()).map(|sent| sent.at).max().unwrap();
            withheld += usize::from(web[0].at > last_probe + ms(250));
        }
    }
    assert!(withheld > 50, "{withheld}");
}
