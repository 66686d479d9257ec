//! Two that want one name: each ends up with a name of its own, and both are resolvable.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::avahi::{self, Avahi, published_as, until};
use crate::harness::cli::{self, Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::{Need, Test, at_most, report, zeroconf};

pub const TESTS: &[Test] = &[
    ("conflicts::instance_with_salut", &[], instance_with_salut),
    ("conflicts::instance_with_avahi_salut_first", &[Need::Avahi], || instance_with_avahi(Order::SalutFirst)),
    ("conflicts::instance_with_avahi_avahi_first", &[Need::Avahi], || instance_with_avahi(Order::TheyFirst)),
    ("conflicts::instance_with_avahi_at_once", &[Need::Avahi], || instance_with_avahi(Order::AtOnce)),
    ("conflicts::host_with_avahi_salut_first", &[Need::Avahi], || host_with_avahi(Order::SalutFirst)),
    ("conflicts::host_with_avahi_avahi_first", &[Need::Avahi], || host_with_avahi(Order::TheyFirst)),
    ("conflicts::host_with_avahi_at_once", &[Need::Avahi], || host_with_avahi(Order::AtOnce)),
    ("conflicts::instance_with_zeroconf_salut_first", &[Need::Zeroconf], || {
        instance_with_zeroconf(Order::SalutFirst)
    }),
    ("conflicts::instance_with_zeroconf_zeroconf_first", &[Need::Zeroconf], || {
        instance_with_zeroconf(Order::TheyFirst)
    }),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    SalutFirst,
    TheyFirst,
    AtOnce,
}

const SETTLED: Duration = Duration::from_secs(15);

/// Whom the name belongs to by now: (port, instance, host) as a bystander sees them.
fn seen(browse: &Browse, instances: [&str; 2]) -> Option<[cli::News; 2]> {
    let [one, other] = instances.map(|instance| browse.now(instance, "eth0"));
    Some([one?, other?])
}

fn three(bridge: &crate::harness::lan::Bridge) -> [Host; 3] {
    [("ann", 1), ("avi", 2), ("ben", 3)].map(|(name, number)| {
        let (v4, v6) = (format!("10.77.0.{number}/24"), format!("fd77::{number}/64"));
        Host::on(bridge, name, &[&v4, &v6])
    })
}

/// The name that a salut has by its own word at last.
fn own_name(announce: &Announce) -> Option<String> {
    let last = announce.0.lines().pop()?;
    let value = announce.0.json(&last);
    (value["event"] == "announced").then(|| value["instance"].as_str().unwrap().to_owned())
}

fn instance_with_salut() {
    let lan = Lan::new();
    let [ann, avi, ben] = three(&lan.bridge());
    let browse = Browse::start(&ben, &[]);
    let both = [Announce::start(&ann, "Node", 1, &[]), Announce::start(&avi, "Node", 2, &[])];
    settle(&browse, &|| [own_name(&both[0]), own_name(&both[1])], [1, 2]);
    // Somebody comes who has the name of the one that did not have to change it.
    let third = Announce::start(&ben, "Node", 3, &[]);
    settle(
        &browse,
        &|| [own_name(&both[0]).filter(|name| name == "Node").or(own_name(&both[1])), own_name(&third)],
        [if own_name(&both[0]).as_deref() == Some("Node") { 1 } else { 2 }, 3],
    );
    assert!(own_name(&third).is_some_and(|name| name.starts_with("Node (")), "{:?}", own_name(&third));
}

/// Waits until both have different names by their own word, a bystander sees both under
/// these names and ports, and it stays so.
fn settle(browse: &Browse, names: &dyn Fn() -> [Option<String>; 2], ports: [u16; 2]) {
    let began = Instant::now();
    let settled = || {
        let [Some(one), Some(other)] = names() else { return false };
        let Some(news) = seen(browse, [&one, &other]) else { return false };
        one != other && news[0].port == ports[0] && news[1].port == ports[1]
    };
    while !settled() {
        assert!(
            began.elapsed() < at_most(SETTLED),
            "not settled after {SETTLED:?}: {:?} {:#?}",
            names(),
            browse.news()
        );
        thread::sleep(Duration::from_millis(50));
    }
    let took = began.elapsed();
    let names_then = names();
    thread::sleep(Duration::from_secs(5));
    assert!(settled() && names() == names_then, "it did not last: {names_then:?}, {:?}", names());
    report(format!("{names_then:?} after {:.1} s", took.as_secs_f32()));
}

fn instance_with_avahi(order: Order) {
    let lan = Lan::new();
    let [ann, avi, ben] = three(&lan.bridge());
    let daemon = Avahi::start(&avi);
    let browse = Browse::start(&ben, &[]);
    let (announce, publisher) = match order {
        Order::SalutFirst => {
            let announce = Announce::start(&ann, "Node", 1, &[]);
            announce.announced(SETTLED);
            (announce, daemon.start_publish("Node", SERVICE, 2, &[]))
        }
        Order::TheyFirst => {
            let publisher = daemon.publish("Node", SERVICE, 2, &[]);
            (Announce::start(&ann, "Node", 1, &[]), publisher)
        }
        Order::AtOnce => {
            let publisher = daemon.start_publish("Node", SERVICE, 2, &[]);
            (Announce::start(&ann, "Node", 1, &[]), publisher)
        }
    };
    settle(&browse, &|| [own_name(&announce), published_as(&publisher)], [1, 2]);
    let names = [own_name(&announce).unwrap(), published_as(&publisher).unwrap()];
    match order {
        Order::SalutFirst => assert_eq!(names[0], "Node", "who has it keeps it"),
        Order::TheyFirst => assert_eq!(names, ["Node (2)", "Node"], "who has it keeps it"),
        Order::AtOnce => {}
    }
    let by_avahi = daemon.browse(SERVICE);
    for (instance, port) in names.iter().zip([1, 2]) {
        let found = by_avahi.resolved(Duration::from_secs(5), |found| found.instance == *instance);
        assert_eq!(found.expect("Avahi resolves both").1.port, port);
    }
}

fn host_with_avahi(order: Order) {
    let lan = Lan::new();
    let [ann, avi, ben] = three(&lan.bridge());
    let announce = || Announce::start(&ann, "Node", 1, &["--host", "avi"]);
    let (announce, daemon) = match order {
        Order::SalutFirst => {
            let announce = announce();
            announce.announced(SETTLED);
            thread::sleep(Duration::from_secs(1));
            (announce, Avahi::start(&avi))
        }
        Order::TheyFirst => {
            let daemon = Avahi::start(&avi);
            (announce(), daemon)
        }
        Order::AtOnce => {
            // The daemon begins to probe about 0.1 s after its start; both in their own time.
            thread::scope(|scope| {
                let daemon = scope.spawn(|| Avahi::start(&avi));
                thread::sleep(Duration::from_millis(100));
                (announce(), daemon.join().unwrap())
            })
        }
    };
    let host = || {
        let last = announce.0.lines().pop()?;
        announce.0.json(&last)["host"].as_str().map(str::to_owned)
    };
    let began = Instant::now();
    until(|| host().is_some_and(|host| host != daemon.host_name()), "two host names");
    thread::sleep(Duration::from_secs(5));
    let (ours, theirs) = (host().unwrap(), daemon.host_name());
    report(format!(
        "{order:?}: salut {ours}, Avahi {theirs} after {:.1} s",
        began.elapsed().as_secs_f32() - 5.0
    ));
    assert_ne!(ours, theirs);
    match order {
        Order::SalutFirst => assert_eq!(ours, "avi.local", "who has it keeps it"),
        Order::TheyFirst => assert_eq!((theirs.as_str(), ours.as_str()), ("avi.local", "avi-2.local")),
        Order::AtOnce => {}
    }
    let bystander = avahi_addresses(&daemon, [&ours, &theirs]);
    assert_eq!(bystander, ["10.77.0.1", "10.77.0.2"].map(|address| Some(address.to_owned())));
    for (name, address) in [(&ours, "10.77.0.1"), (&theirs, "10.77.0.2")] {
        let mut resolve = cli::run(&ben, &["resolve", name, "--json"]);
        assert!(resolve.ended(Duration::from_secs(5)).is_some_and(|status| status.success()), "{name}");
        assert!(resolve.lines()[0].text.contains(&format!("\"{address}\"")), "{:?}", resolve.lines());
    }
    let service = Browse::start(&ben, &[]);
    let found = service.expect_all(Duration::from_secs(3), "Node", &ann.addresses_seen("eth0", "eth0"));
    assert_eq!(found.host, ours);
}

fn avahi_addresses(daemon: &avahi::Avahi<'_>, names: [&str; 2]) -> [Option<String>; 2] {
    names.map(|name| daemon.resolve("-4", name))
}

fn instance_with_zeroconf(order: Order) {
    let lan = Lan::new();
    let [ann, pia, ben] = three(&lan.bridge());
    let browse = Browse::start(&ben, &[]);
    let theirs = || zeroconf::announce(&pia, "Node", SERVICE, 2, "10.77.0.2,fd77::2", &[]);
    let (announce, peer) = if order == Order::SalutFirst {
        let announce = Announce::start(&ann, "Node", 1, &[]);
        announce.announced(SETTLED);
        (announce, theirs())
    } else {
        let peer = theirs();
        (Announce::start(&ann, "Node", 1, &[]), peer)
    };
    let their_name = || {
        let first = peer.lines().first().cloned()?;
        peer.json(&first)["instance"].as_str().map(str::to_owned)
    };
    settle(&browse, &|| [own_name(&announce), their_name()], [1, 2]);
    let seen_there = zeroconf::browse(&pia, SERVICE);
    for name in [own_name(&announce), their_name()] {
        let found = seen_there.wait(Duration::from_secs(5), &name.unwrap(), |line| line["event"] == "found");
        assert!(found.is_some(), "python-zeroconf resolves both");
    }
}
