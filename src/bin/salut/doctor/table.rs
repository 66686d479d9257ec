//! The table of faults and verdicts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::facts::*;
use super::judge::judge;
use super::verdict::Certainty;

fn open() -> Family {
    Family { socket: Socket::Open, joined: Some(true), sent: Some(Ok(())), hears_itself: true }
}

fn refused(socket: Socket) -> Family {
    Family { socket, joined: Some(false), sent: None, hears_itself: false }
}

fn trouble(what: What) -> Trouble {
    Trouble { what, text: "as the system says it".into() }
}

/// An interface in good order that hears nobody.
fn eth0() -> Interface {
    Interface {
        name: "eth0".into(),
        index: 2,
        used: true,
        up: true,
        carrier: true,
        multicast: true,
        v4: vec![("10.0.0.1".parse().unwrap(), 24)],
        v6: vec![("fe80::1".parse().unwrap(), 64)],
        ipv4: open(),
        ipv6: open(),
        gateway: Some("10.0.0.254".parse().unwrap()),
        ..Interface::default()
    }
}

fn hearing(mut one: Interface, address: &str, answered: bool) -> Interface {
    let address = address.parse().unwrap();
    let on_link = one.is_on_link(address);
    one.heard.insert(address, Heard { answered, on_link });
    one
}

fn other(name: &str, change: impl FnOnce(&mut Interface)) -> Interface {
    let mut one = Interface {
        name: name.into(),
        index: 3,
        v4: vec![("10.8.0.1".parse().unwrap(), 24)],
        gateway: None,
        used: false,
        ..eth0()
    };
    change(&mut one);
    one
}

fn with(change: impl FnOnce(&mut With)) -> Option<With> {
    let mut with = With {
        host: "beta".into(),
        addresses: ["10.0.0.2".parse().unwrap()].into(),
        interface: Some("eth0".into()),
        ..With::default()
    };
    change(&mut with);
    Some(with)
}

fn ways(multicast_v4: u32, unicast: u32) -> Ways {
    Ways { multicast_v4, multicast_v6: 0, unicast }
}

fn told(multicast_v4: u32, unicast: u32) -> Told {
    Told { heard: ways(multicast_v4, unicast), hears_itself: true, sends: true }
}

type Case = (&'static str, &'static str, Certainty, fn(&mut Facts));

/// What was seen, the cause it must be taken for, how sure, and how it differs from a single
/// interface in good order that hears nobody.
const TABLE: &[Case] = &[
    // ---- all well
    ("an answer is heard", "all-well", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)]
    }),
    ("an unused interface is down", "all-well", Certainty::Sure, |f| {
        f.interfaces = vec![other("eth1", |one| one.up = false), hearing(eth0(), "10.0.0.2", true)];
    }),
    ("a used interface beside it hears nobody", "all-well", Certainty::Sure, |f| {
        f.interfaces = vec![other("docker0", |one| one.used = true), hearing(eth0(), "10.0.0.2", true)];
    }),
    ("a container that hears the LAN", "all-well", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        f.machine.container = Some("docker".into());
    }),
    ("there is no IPv6", "all-well", Certainty::Sure, |f| {
        let mut one = hearing(eth0(), "10.0.0.2", true);
        (one.v6, one.ipv6) = (Vec::new(), Family::default());
        f.interfaces = vec![one];
    }),
    ("both ends hear each other", "all-well", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", false)];
        f.with = with(|with| (with.heard, with.told) = (ways(3, 3), Some(told(3, 3))));
    }),
    // ---- this machine
    ("no interface", "no-interface", Certainty::Sure, |f| f.interfaces.clear()),
    ("only loopback", "no-interface", Certainty::Sure, |f| {
        f.interfaces = vec![other("lo", |one| (one.kind, one.used) = (Kind::Loopback, true))];
    }),
    ("only a tunnel", "no-interface", Certainty::Sure, |f| {
        f.interfaces = vec![other("wg0", |one| one.kind = Kind::Tunnel)];
    }),
    ("switched off", "link-down", Certainty::Sure, |f| {
        f.interfaces[0].up = false;
        f.interfaces[0].used = false;
    }),
    ("no cable", "no-carrier", Certainty::Sure, |f| {
        f.interfaces[0].carrier = false;
        f.interfaces[0].used = false;
    }),
    ("no multicast flag", "no-multicast", Certainty::Sure, |f| {
        f.interfaces[0].multicast = false;
        f.interfaces[0].used = false;
    }),
    ("no address", "no-address", Certainty::Sure, |f| {
        let one = &mut f.interfaces[0];
        (one.v4, one.v6, one.ipv4, one.ipv6) = (Vec::new(), Vec::new(), Family::default(), Family::default());
    }),
    ("the port is held", "port-taken", Certainty::Sure, |f| {
        let taken = refused(Socket::NoPort(trouble(What::InUse)));
        (f.interfaces[0].ipv4, f.interfaces[0].ipv6) = (taken.clone(), taken);
        f.holders = vec![Holder { pid: Some(7), program: Some("hog".into()) }];
    }),
    ("the port is held on IPv4 only, and IPv6 hears others", "port-taken", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "fe80::2", true)];
        f.interfaces[0].ipv4 = refused(Socket::NoPort(trouble(What::InUse)));
    }),
    ("a sandbox refuses the port", "refused", Certainty::Sure, |f| {
        let refused = refused(Socket::NoPort(trouble(What::Forbidden)));
        (f.interfaces[0].ipv4, f.interfaces[0].ipv6) = (refused.clone(), refused);
    }),
    ("too many memberships", "refused", Certainty::Sure, |f| {
        f.interfaces[0].ipv4 = refused(Socket::NoGroup(trouble(What::NoRoom)));
    }),
    ("sending is forbidden", "outbound-blocked", Certainty::Sure, |f| {
        f.interfaces[0].ipv4.sent = Some(Err(trouble(What::Forbidden)));
        f.interfaces[0].ipv6.sent = Some(Err(trouble(What::Forbidden)));
    }),
    ("sending is forbidden on IPv4 only", "outbound-blocked", Certainty::Sure, |f| {
        f.interfaces[0].ipv4.sent = Some(Err(trouble(What::Forbidden)));
    }),
    ("no route on Linux", "send-failed", Certainty::Sure, |f| {
        f.interfaces[0].ipv4.sent = Some(Err(trouble(What::HostUnreachable)));
        f.interfaces[0].ipv6.sent = Some(Err(trouble(What::HostUnreachable)));
    }),
    ("no permission on macOS", "local-network-permission", Certainty::Sure, |f| {
        f.machine.system = System::Mac;
        f.interfaces[0].ipv4.sent = Some(Err(trouble(What::HostUnreachable)));
        f.interfaces[0].ipv6.sent = Some(Err(trouble(What::HostUnreachable)));
    }),
    ("we do not hear ourselves", "inbound-blocked", Certainty::Sure, |f| {
        f.interfaces[0].ipv4.hears_itself = false;
        f.interfaces[0].ipv6.hears_itself = false;
    }),
    ("IPv4 is blocked and IPv6 hears others", "inbound-blocked", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "fe80::2", true)];
        f.interfaces[0].ipv4.hears_itself = false;
    }),
    ("a clone has our name", "duplicate-identity", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        let others = ["10.0.0.2".parse().unwrap()].into();
        f.duplicates = vec![Duplicate { what: Identity::Host("alpha.local".into()), others }];
    }),
    ("a clone has our PeerId", "duplicate-identity", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        let others = ["10.0.0.2".parse().unwrap()].into();
        f.duplicates = vec![Duplicate { what: Identity::Peer("12D3Koo".into()), others }];
    }),
    ("a route leads into the VPN", "wrong-route", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        f.interfaces[0].detours = vec![Detour { to: "10.0.0.2".parse().unwrap(), by: Some("wg0".into()) }];
    }),
    ("no route leads there", "wrong-route", Certainty::Sure, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        f.interfaces[0].detours = vec![Detour { to: "10.0.0.2".parse().unwrap(), by: None }];
    }),
    // ---- the choice
    ("the wrong interface was chosen", "wrong-interface", Certainty::Sure, |f| {
        let mut good = hearing(eth0(), "10.0.0.2", true);
        good.used = false;
        f.interfaces = vec![good, other("eth1", |one| (one.used, one.chosen) = (true, true))];
    }),
    ("the VPN was chosen", "vpn-chosen", Certainty::Sure, |f| {
        let mut good = hearing(eth0(), "10.0.0.2", true);
        good.used = false;
        let vpn = other("wg0", |one| (one.used, one.chosen, one.kind) = (true, true, Kind::Tunnel));
        f.interfaces = vec![good, vpn];
    }),
    ("the one that was chosen is down", "link-down", Certainty::Sure, |f| {
        let mut good = hearing(eth0(), "10.0.0.2", true);
        good.used = false;
        f.interfaces = vec![good, other("eth1", |one| (one.used, one.chosen, one.up) = (true, true, false))];
    }),
    // ---- the network
    ("neighbours answer by unicast only", "multicast-dropped", Certainty::Sure, |f| {
        f.interfaces[0].unicast = Some(Unicast { asked: 2, answered: ["10.0.0.2".parse().unwrap()].into() });
    }),
    ("a container hears nobody", "container", Certainty::Likely, |f| {
        f.machine.container = Some("docker".into());
        f.interfaces[0].unicast = Some(Unicast::default());
    }),
    ("WSL2 hears nobody", "wsl2", Certainty::Likely, |f| f.machine.wsl2 = true),
    ("macOS's application firewall is on", "app-firewall", Certainty::Likely, |f| {
        (f.machine.system, f.machine.app_firewall) = (System::Mac, Some(true));
    }),
    ("two subnets on one cable", "other-subnet", Certainty::Likely, |f| {
        f.interfaces = vec![hearing(eth0(), "192.168.7.2", true)];
    }),
    // ---- two ends
    ("its name is unknown", "unknown-host", Certainty::Sure, |f| {
        f.with = with(|with| with.addresses.clear())
    }),
    ("it is behind a router and silent", "other-subnet", Certainty::Sure, |f| {
        f.with = with(|with| with.interface = None);
    }),
    ("it is behind a router and answers", "other-subnet", Certainty::Sure, |f| {
        f.with = with(|with| (with.interface, with.heard, with.told) = (None, ways(0, 3), Some(told(0, 3))));
    }),
    ("the link reaches others, and not it", "isolated", Certainty::Likely, |f| {
        f.interfaces[0].reached = ["10.0.0.254".parse().unwrap()].into();
        f.with = with(|with| with.reached = Some(false));
    }),
    ("only unicast arrives", "multicast-dropped", Certainty::Sure, |f| {
        f.with = with(|with| (with.heard, with.told) = (ways(0, 3), Some(told(0, 3))));
    }),
    ("its port 5353 answers and nothing is heard", "multicast-dropped", Certainty::Likely, |f| {
        f.interfaces[0].unicast = Some(Unicast { asked: 1, answered: ["10.0.0.2".parse().unwrap()].into() });
        f.with = with(|with| with.reached = Some(true));
    }),
    ("it is deaf to itself", "their-firewall", Certainty::Sure, |f| {
        let mut told = told(0, 3);
        told.hears_itself = false;
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", false)];
        f.with = with(|with| (with.heard, with.told) = (ways(3, 3), Some(told)));
    }),
    ("it cannot send", "their-firewall", Certainty::Sure, |f| {
        let mut told = told(3, 3);
        told.sends = false;
        f.with = with(|with| (with.heard, with.told) = (ways(0, 3), Some(told)));
    }),
    ("ours does not arrive there", "one-way", Certainty::Likely, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", false)];
        f.with = with(|with| (with.heard, with.told) = (ways(3, 3), Some(told(0, 3))));
    }),
    ("theirs does not arrive here", "one-way", Certainty::Likely, |f| {
        f.with = with(|with| (with.heard, with.told) = (ways(0, 3), Some(told(3, 3))));
    }),
    // ---- what cannot be told apart
    ("nobody but the router is there", "unclear", Certainty::Unclear, |f| {
        f.interfaces[0].unicast = Some(Unicast { asked: 1, ..Unicast::default() });
        f.interfaces[0].reached = ["10.0.0.254".parse().unwrap()].into();
    }),
    ("neighbours are there, none answers", "unclear", Certainty::Unclear, |f| {
        f.interfaces[0].unicast = Some(Unicast { asked: 2, ..Unicast::default() });
        f.interfaces[0].reached = ["10.0.0.254".parse().unwrap(), "10.0.0.2".parse().unwrap()].into();
    }),
    ("nothing at all", "unclear", Certainty::Unclear, |_| {}),
    ("heard, and never answering", "unclear", Certainty::Unclear, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", false)];
    }),
    ("it is there and silent", "unclear", Certainty::Unclear, |f| {
        f.with = with(|with| with.reached = Some(true))
    }),
    ("it is there without a doctor", "unclear", Certainty::Unclear, |f| {
        f.with = with(|with| (with.reached, with.refused) = (Some(true), true));
    }),
    ("it is heard, but no doctor runs there", "unclear", Certainty::Unclear, |f| {
        f.interfaces = vec![hearing(eth0(), "10.0.0.2", true)];
        f.with = with(|with| with.reached = Some(true));
    }),
    ("nobody is reached, it neither", "unclear", Certainty::Unclear, |f| {
        f.with = with(|with| with.reached = Some(false));
    }),
];

#[test]
fn every_fault_has_its_verdict() {
    let mut wrong = Vec::new();
    for (seen, cause, certainty, stage) in TABLE {
        let mut facts = Facts { interfaces: vec![eth0()], ..Facts::default() };
        facts.machine.name = "alpha".into();
        stage(&mut facts);
        let verdict = judge(&facts);
        if (verdict.cause.id(), verdict.certainty) != (*cause, *certainty) {
            wrong.push(format!("{seen}: {cause} {certainty:?}, got {verdict:?}"));
        }
        // One sentence, and something to do unless nothing is to be done.
        assert!(verdict.text.ends_with('.'), "{seen}: {}", verdict.text);
        assert_eq!(verdict.advice.is_empty(), *cause == "all-well", "{seen}: {verdict:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is seen, there is a report on it that fits 80 columns.
#[test]
fn every_report_fits_eighty_columns() {
    for (seen, _, _, stage) in TABLE {
        let mut facts = Facts { interfaces: vec![eth0()], ..Facts::default() };
        facts.machine.name = "alpha".into();
        stage(&mut facts);
        let report = super::report::text(&facts, &judge(&facts), 80, false);
        for line in report.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{seen}: {line}");
            assert!(!line.contains('\u{1b}') && !line.ends_with(' '), "{seen}: {line:?}");
        }
        let object = super::report::json(&facts, &judge(&facts));
        assert!(object["verdict"]["text"].is_string(), "{seen}: {object}");
    }
}
