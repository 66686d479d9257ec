//! Subtypes, the list of all types, and TXT records that change, as Avahi and
//! python-zeroconf see them.

use std::thread;
use std::time::Duration;

use salut::{Service, Txt};
use serde_json::json;

use crate::harness::avahi::Avahi;
use crate::harness::cli::{Announce, Browse, SERVICE};
use crate::harness::lan::{Host, Lan};
use crate::harness::local::Local;
use crate::harness::{Need, Test, zeroconf};

pub const TESTS: &[Test] = &[
    ("updates::subtypes_and_types_with_avahi", &[Need::Avahi], subtypes_and_types_with_avahi),
    ("updates::txt_seen_by_everybody", &[Need::Avahi, Need::Zeroconf], txt_seen_by_everybody),
];

const SOON: Duration = Duration::from_secs(4);

fn subtypes_and_types_with_avahi() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let avi = Host::on(&bridge, "avi", &["10.77.0.2/24", "fd77::2/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.3/24", "fd77::3/64"]);
    let avahi = Avahi::start(&avi);
    let announce = Announce::start(&ann, "Ann", 1, &["--subtype", "_gpu"]);
    let plain = Announce::start(&ben, "Plain", 3, &[]);
    for one in [&announce, &plain] {
        one.announced(Duration::from_secs(5));
    }
    let by_avahi = avahi.browse("_gpu._sub._exo._tcp");
    assert!(by_avahi.resolved(SOON, |found| found.instance == "Ann" && found.port == 1).is_some());
    assert!(by_avahi.resolved(Duration::ZERO, |found| found.instance == "Plain").is_none());

    let _publisher = avahi.publish_subtype("Avi", SERVICE, "_gpu", 2);
    let by_salut = Browse::start(&ben, &["--subtype", "_gpu"]);
    by_salut.expect(SOON, "Avahi's", |news| news.instance == "Avi" && news.port == 2);
    by_salut.expect(SOON, "salut's", |news| news.instance == "Ann" && news.port == 1);
    assert!(!by_salut.news().iter().any(|news| news.instance == "Plain"), "{:#?}", by_salut.news());

    let types = avahi.types();
    assert!(types.lines().any(|line| line.contains("Ann") && line.contains(SERVICE)), "{types}");
}

fn txt_seen_by_everybody() {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let avi = Host::on(&bridge, "avi", &["10.77.0.2/24", "fd77::2/64"]);
    let pia = Host::on(&bridge, "pia", &["10.77.0.3/24", "fd77::3/64"]);
    let avahi = Avahi::start(&avi);
    let running = avahi.browse(SERVICE);
    let by_zeroconf = zeroconf::browse(&pia, SERVICE);
    let by_salut = Browse::start(&pia, &[]);
    let local = Local::start(&ann, |builder| builder);
    let service = Service::new("Ann", SERVICE, 52415).unwrap().txt("v", "one").unwrap();
    let announced = local.run(local.mdns.announce(service)).expect("announced");
    for (text, value, event) in [("\"v=one\"", "one", "found"), ("\"v=two\"", "two", "updated")] {
        if value == "two" {
            // Its announcements are over.
            thread::sleep(Duration::from_secs(4));
            announced.set_txt(Txt::new().with("v", value).unwrap()).unwrap();
        }
        let txt = json!({"v": value});
        by_salut.expect(SOON, value, |news| news.txt == txt && news.event == event);
        // The tool resolves an instance once; the daemon's cache knows the news.
        let by_avahi = avahi.browse(SERVICE);
        assert!(by_avahi.resolved(SOON, |found| found.txt == text).is_some(), "Avahi sees {text}");
        let seen = by_zeroconf.wait(SOON, "Ann", |line| line["txt"] == txt);
        assert!(seen.is_some(), "python-zeroconf sees {text}");
    }
    assert!(running.resolved(Duration::ZERO, |found| found.instance == "Ann").is_some());
}
