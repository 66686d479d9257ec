//! The bounds of what is kept of others, reached: and the honest neighbour is still served.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::net::IpAddr;

use rfc::*;
use salut::proto::{Config, Event, Search};
use salut::sim::Lan;
use salut::{Change, HostName, ServiceType};

/// An instance of a host of its own, with all that belongs to it.
fn whole(instance: &str, last: u8) -> Packet {
    response()
        .answer(&format!("_exo._tcp.local 4500 PTR {instance}._exo._tcp.local"))
        .answer(&format!("{instance}._exo._tcp.local 120 flush SRV 0 0 4001 host-{instance}.local"))
        .answer(&format!("{instance}._exo._tcp.local 4500 flush TXT \"\""))
        .answer(&format!("host-{instance}.local 120 flush A 10.0.0.{last}"))
}

fn rumour(number: usize) -> String {
    format!("_exo._tcp.local 4500 PTR made-up-{number}._exo._tcp.local")
}

/// `alpha` keeps `most` instances of a type, and browses.
fn browsing(most: usize) -> Scene {
    let mut config = Config::new(HostName::new("alpha").unwrap());
    config.max_instances = most;
    browsing_with(config)
}

fn browsing_with(config: Config) -> Scene {
    let mut lan = Lan::new(1);
    let segment = quick_segment(&mut lan);
    let alpha = lan.host_with(config);
    let link = attach(&mut lan, alpha, segment, &["10.0.0.1"], &[]);
    let mut scene = Scene { lan, segment, alpha, link };
    scene.browse();
    scene.run(secs(1));
    scene
}

fn found(scene: &mut Scene) -> Vec<String> {
    let changes = scene.changes().into_iter().filter_map(|change| match change {
        Change::Found(node) => Some(node.name.to_string()),
        _ => None,
    });
    changes.collect()
}

fn lost(scene: &mut Scene) -> usize {
    scene.changes().iter().filter(|change| matches!(change, Change::Lost(_))).count()
}

// ---- instances

#[test]
fn by_default_a_thousand_instances_of_a_type_are_kept() {
    let mut scene = browsing_with(Config::new(HostName::new("alpha").unwrap()));
    for number in 0..1100 {
        scene.hear(&whole(&format!("node-{number}"), 9));
    }
    // All from one host: the first thousand stay, no later one pushes them out.
    assert_eq!(found(&mut scene).len(), 1024);
    assert!(scene.cached() <= 1024 * 4 + 1024, "{}", scene.cached());
}

#[test]
fn config_raises_the_number_of_instances() {
    let mut scene = browsing(1500);
    for number in 0..1600 {
        scene.hear(&whole(&format!("node-{number}"), 9));
    }
    assert_eq!(found(&mut scene).len(), 1500);
}

#[test]
fn a_flood_of_names_pushes_out_no_instance_that_is_known() {
    let mut scene = browsing(50);
    for number in 0..20 {
        scene.hear_from(NEIGHBOUR, &whole(&format!("node-{number}"), 8));
    }
    assert_eq!(found(&mut scene).len(), 20);
    for number in 0..2000 {
        scene.hear(&response().answer(&rumour(number)));
        scene.run(ms(1));
    }
    assert_eq!(lost(&mut scene), 0);
    assert!(scene.cached() <= 50 + 20 * 3, "{}", scene.cached());
}

#[test]
fn a_real_service_that_appears_during_a_flood_of_names_is_found_at_once() {
    // Whoever sends the flood: another host, or the very one that has the service.
    for source in [STRANGER, NEIGHBOUR] {
        let mut scene = browsing(50);
        for number in 0..2000 {
            scene.hear_from(source, &response().answer(&rumour(number)));
            if number == 1000 {
                scene.hear_from(NEIGHBOUR, &whole("real", 8));
                assert_eq!(found(&mut scene), ["real"]);
            }
        }
        assert_eq!(lost(&mut scene), 0);
    }
}

#[test]
fn a_real_service_is_found_among_made_up_ones_that_are_complete() {
    let mut scene = browsing(50);
    for number in 0..500 {
        scene.hear(&whole(&format!("made-up-{number}"), 9));
    }
    scene.changes();
    scene.hear_from(NEIGHBOUR, &whole("real", 8));
    assert_eq!(found(&mut scene), ["real"]);
    for number in 500..1000 {
        scene.hear(&whole(&format!("made-up-{number}"), 9));
    }
    assert_eq!(lost(&mut scene), 0, "the host with most gives way, not the one with one");
}

#[test]
fn forged_sources_do_not_keep_a_real_service_out() {
    let mut scene = browsing(50);
    for number in 0..500 {
        let source = format!("10.0.{}.{}:5353", number / 200, 20 + number % 200);
        scene.hear_from(&source, &response().answer(&rumour(number)));
    }
    scene.hear_from(NEIGHBOUR, &whole("real", 8));
    assert_eq!(found(&mut scene), ["real"]);
}

// ---- records at one name

#[test]
fn of_the_addresses_of_a_host_32_of_a_family_are_kept_the_newest_among_them() {
    let mut scene = Scene::new();
    let host = HostName::new("peer").unwrap();
    scene.drive(|engine, now| engine.resolve(now, host));
    scene.hear_from(NEIGHBOUR, &response().answer("peer.local 120 A 10.0.0.8"));
    for last in 20..120 {
        scene.hear(&response().answer(&format!("peer.local 120 A 10.0.0.{last}")));
    }
    let addresses: Vec<IpAddr> = scene
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Resolved { addresses, .. } => Some(addresses),
            _ => None,
        })
        .next_back()
        .unwrap();
    assert_eq!(addresses.len(), 32);
    // The one whose share is largest gives way: the neighbour has one.
    assert!(addresses.contains(&[10, 0, 0, 8].into()) && addresses.contains(&[10, 0, 0, 119].into()));
}

#[test]
fn of_the_other_records_at_a_name_16_of_a_type_are_kept() {
    let mut scene = browsing(50);
    scene.hear_from(NEIGHBOUR, &whole("real", 8));
    let before = scene.cached();
    for number in 0..200 {
        scene.hear(&response().answers([
            format!("real._exo._tcp.local 4500 TXT \"n={number}\""),
            format!("real._exo._tcp.local 120 SRV 9 0 {number} host-real.local"),
            // Nobody asks who is an instance of an instance.
            format!("real._exo._tcp.local 4500 PTR x{number}.local"),
            format!("real._exo._tcp.local 4500 A 10.0.9.{number}"),
        ]));
    }
    let after = scene.cached();
    // The pointers and addresses are what nobody asked for, and may be pushed out by others.
    assert!(after <= before + 2 * 15 + 50 + 32, "{before} and then {after}");
    assert_eq!(scene.changes().iter().filter(|change| matches!(change, Change::Lost(_))).count(), 0);
}

#[test]
fn large_data_is_kept_up_to_four_mebibytes_and_the_largest_goes_first() {
    let mut scene = browsing(1024);
    scene.hear_from(NEIGHBOUR, &whole("real", 8));
    let long = "x".repeat(250);
    let strings = vec![long; 30].join(" ");
    for number in 0..900 {
        scene.hear(
            &response()
                .answer(&format!("_exo._tcp.local 4500 PTR m{number}._exo._tcp.local"))
                .answer(&format!("m{number}._exo._tcp.local 120 flush SRV 0 0 4001 m{number}.local"))
                .answer(&format!("m{number}._exo._tcp.local 4500 flush TXT {strings}"))
                .answer(&format!("m{number}.local 120 flush A 10.0.0.9")),
        );
    }
    // 900 records of 7530 bytes are 6.8 MB; 557 are four MiB.
    assert_eq!(scene.cached(), 4 + 900 * 3 + 557);
    scene.changes();
    scene.hear_from(NEIGHBOUR, &whole("late", 8));
    assert_eq!(found(&mut scene), ["late"]);
}

// ---- what nobody asked for

#[test]
fn of_what_nobody_asked_for_4096_records_are_kept_1024_of_one_source() {
    let mut scene = Scene::new();
    let host = |number: usize| format!("h{number}.local 4500 A 10.9.0.1");
    for number in 0..3000 {
        scene.hear(&response().answer(&host(number)));
    }
    assert_eq!(scene.cached(), 1024);
    for source in 20..30 {
        for number in 0..1000 {
            let line = format!("h{source}-{number}.local 4500 A 10.9.0.1");
            scene.hear_from(&format!("10.0.0.{source}:5353"), &response().answer(&line));
        }
    }
    assert_eq!(scene.cached(), 4096);
    // What answers a browse has room of its own.
    scene.browse();
    scene.hear_from(NEIGHBOUR, &whole("real", 8));
    assert_eq!(found(&mut scene), ["real"]);
    assert!(scene.cached() <= 4096 + 4);
}

// ---- time to live

#[test]
fn a_record_is_believed_for_75_minutes_at_most() {
    let mut scene = browsing(50);
    scene.hear(&whole("real", 9));
    scene.hear(&response().answer("real._exo._tcp.local 2147483647 TXT \"a=b\""));
    scene.hear(&response().answer("forever.local 2147483647 A 10.0.0.9"));
    // A TTL with the top bit set is no TTL.
    scene.hear(&response().answer("never.local 2147483648 A 10.0.0.9"));
    assert!(scene.cached() >= 5);
    scene.run(secs(4501));
    assert_eq!(scene.cached(), 0);
}

/// Both browse for different types; neither is told of the other's.
#[test]
fn a_flood_at_one_type_takes_nothing_from_another() {
    let mut scene = browsing(50);
    let ipp = Search::Service(ServiceType::new("_ipp._tcp").unwrap());
    scene.lan.browse(scene.alpha, ipp).unwrap();
    for number in 0..500 {
        scene.hear(&response().answer(&rumour(number)));
    }
    scene.hear_from(
        NEIGHBOUR,
        &response()
            .answer("_ipp._tcp.local 4500 PTR printer._ipp._tcp.local")
            .answer("printer._ipp._tcp.local 120 flush SRV 0 0 631 printer.local")
            .answer("printer._ipp._tcp.local 4500 flush TXT \"\"")
            .answer("printer.local 120 flush A 10.0.0.8"),
    );
    assert_eq!(found(&mut scene), ["printer"]);
}
