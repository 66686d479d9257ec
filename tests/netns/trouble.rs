//! What the system refuses, and what it says of it: firewalls, permissions, a port that is
//! held, limits. Each passes, and then all is as before.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salut::{FamilyStatus, Problem, Service, Status};

use crate::harness::capture::Capture;
use crate::harness::cli::{Announce, Browse, SALUT, SERVICE};
use crate::harness::lan::{Bridge, Host, Lan};
use crate::harness::local::Local;
use crate::harness::process::Process;
use crate::harness::{Need, Test, at_most, report};

pub const TESTS: &[Test] = &[
    ("trouble::sends_are_unreachable_for_ten_seconds", &[Need::Cc], sends_are_unreachable_for_ten_seconds),
    (
        "trouble::there_is_no_room_for_every_other_packet",
        &[Need::Cc],
        there_is_no_room_for_every_other_packet,
    ),
    ("trouble::a_firewall_drops_what_is_sent", &[Need::Nft], a_firewall_drops_what_is_sent),
    ("trouble::the_port_is_held_by_another_program", &[], the_port_is_held_by_another_program),
    ("trouble::there_are_no_memberships_left", &[], there_are_no_memberships_left),
    ("trouble::netlink_is_forbidden", &[Need::Cc], netlink_is_forbidden),
    ("trouble::peers_hear_only_what_is_in_order", &[Need::Nft], peers_hear_only_what_is_in_order),
];

/// How long after a fault is gone everything works again.
const RECOVERED: Duration = Duration::from_secs(5);

const SOON: Duration = Duration::from_secs(5);

fn two(bridge: &Bridge) -> (Host, Host) {
    let ann = Host::on(bridge, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(bridge, "ben", &["10.77.0.2/24", "fd77::2/64"]);
    (ann, ben)
}

fn ann_service() -> Service {
    Service::new("Ann", SERVICE, 52415).unwrap()
}

fn problems(status: &Status) -> [Option<Problem>; 2] {
    let link = &status.links[0];
    [&link.ipv4, &link.ipv6].map(|family| family.error().map(salut::NetError::problem))
}

/// A program that the C library refuses something, as a file says.
struct Refused {
    library: PathBuf,
    file: PathBuf,
}

impl Refused {
    fn new(name: &str, what: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder).unwrap();
        let unique = format!("refuse-{name}-{}", std::process::id());
        let (library, file) = (folder.join(format!("{unique}.so")), folder.join(&unique));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/refuse.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(built.expect("cc").success());
        fs::write(&file, what).unwrap();
        Self { library, file }
    }

    fn announce(&self, host: &Host) -> Announce {
        let mut command = host.command(SALUT);
        command
            .args(["announce", "--json", "--instance", "Ann", "--service", SERVICE, "--port", "52415"])
            .env("LD_PRELOAD", &self.library)
            .env("SALUT_REFUSE", &self.file);
        Announce(Process::spawn("ann$ salut announce", &mut command))
    }

    fn lift(&self) -> Instant {
        fs::remove_file(&self.file).unwrap();
        Instant::now()
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.library);
        let _ = fs::remove_file(&self.file);
    }
}

/// As macOS does it until the user has consented.
fn sends_are_unreachable_for_ten_seconds() {
    let lan = Lan::new();
    let (ann, ben) = two(&lan.bridge());
    let browse = Browse::start(&ben, &[]);
    let refused = Refused::new("unreachable", "u");
    let announce = refused.announce(&ann);
    thread::sleep(Duration::from_secs(10));
    assert!(browse.now("Ann", "eth0").is_none(), "nothing leaves");
    let lifted = refused.lift();
    let found = browse.expect_all(RECOVERED, "Ann", &ann.addresses_seen("eth0", "eth0"));
    let took = found.at - lifted;
    report(format!("unreachable for 10 s: found {:.3} s after that", took.as_secs_f32()));
    assert!(took <= at_most(RECOVERED), "{took:?}");
    let said = announce.0.errors();
    assert!(said.contains("no route leads there") && said.lines().count() <= 2, "{said}");
}

/// As a machine does it whose table of neighbours is full: what is sent again moments later
/// leaves. Nothing is lost and nobody is bothered.
fn there_is_no_room_for_every_other_packet() {
    let lan = Lan::new();
    let (ann, ben) = two(&lan.bridge());
    let wire = Capture::start(&ben);
    let browse = Browse::start(&ben, &[]);
    let refused = Refused::new("room", "b");
    let mut announce = refused.announce(&ann);
    browse.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    // Its announcements are over.
    thread::sleep(Duration::from_millis(3500));
    let left = Instant::now();
    announce.0.stop(Signal::SIGTERM, SOON);
    browse.expect_lost(SOON, "Ann", left);
    let own = ann.addresses("eth0");
    for v4 in [true, false] {
        let sent = wire.packets().into_iter().filter(|one| own.contains(&one.source.ip()));
        let sent: Vec<_> = sent.filter(|one| one.source.is_ipv4() == v4).map(|one| one.message()).collect();
        let probes = sent.iter().filter(|one| one.header.authorities > 0).count();
        let goodbyes = sent.iter().filter(|one| one.is_goodbye()).count();
        let others = sent.iter().filter(|one| one.header.response).count() - goodbyes;
        assert!(probes == 3 && others >= 3 && goodbyes >= 1, "IPv4: {v4}: {sent:#?}");
    }
    assert_eq!(announce.0.errors(), "");
}

fn a_firewall_drops_what_is_sent() {
    let lan = Lan::new();
    let (ann, ben) = two(&lan.bridge());
    ann.nft(
        "add table inet wall\n\
         add chain inet wall output { type filter hook output priority 0; }\n\
         add rule inet wall output udp dport 5353 drop\n",
    );
    let browse = Browse::start(&ben, &[]);
    let local = Local::start(&ann, |builder| builder);
    let announced = local.mdns.register(ann_service()).unwrap();
    let blocked = [Some(Problem::Firewall); 2];
    let status = local.expect_status(SOON, "blocked", |status| problems(status) == blocked);
    assert!(status.links[0].failed > 0 && status.links[0].sent == 0, "{status:#?}");
    assert!(matches!(status.links[0].ipv4, FamilyStatus::Failing(_)), "the interface stays");
    thread::sleep(Duration::from_secs(10));
    assert_eq!(problems(&local.status()), blocked);
    ann.nft("delete table inet wall\n");
    let lifted = Instant::now();
    let found = browse.expect_all(RECOVERED, "Ann", &ann.addresses_seen("eth0", "eth0"));
    report(format!("firewall for 10 s: found {:.3} s after that", (found.at - lifted).as_secs_f32()));
    local.expect_status(SOON, "well again", |status| problems(status) == [None; 2]);
    assert_eq!(announced.name().to_string(), "Ann");
}

fn the_port_is_held_by_another_program() {
    let lan = Lan::new();
    let (ann, ben) = two(&lan.bridge());
    // Without SO_REUSEADDR nobody else gets in.
    let held = ann.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).unwrap());
    let browse = Browse::start(&ben, &[]);
    let local = Local::start(&ann, |builder| builder.ipv6(false));
    let announced = local.mdns.register(ann_service()).unwrap();
    let status = local.expect_status(SOON, "refused", |status| {
        status.links.first().is_some_and(|link| matches!(link.ipv4, FamilyStatus::Refused(_)))
    });
    assert_eq!(problems(&status), [Some(Problem::PortTaken), None]);
    let [holder] = &status.holders.expect("Linux tells")[..] else { panic!("one holder") };
    assert!(holder.is_wildcard(), "{holder:?}");
    assert_eq!(holder.process().expect("found").pid, std::process::id());
    thread::sleep(Duration::from_secs(3));
    drop(held);
    let status = local.expect_status(SOON, "open at last", |status| {
        problems(status) == [None; 2] && status.links[0].unicast
    });
    assert_eq!(status.holders, Some(Vec::new()));
    browse.expect(RECOVERED, "it is found", |news| news.instance == "Ann" && news.event == "found");

    // One that shares the port gets the unicast, until it leaves.
    let shared = ann.inside(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into()).unwrap();
        socket.set_multicast_if_v4(&Ipv4Addr::new(10, 77, 0, 1)).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        UdpSocket::from(socket)
    });
    // It is noticed when it speaks.
    assert!(local.status().links[0].unicast);
    shared.send_to(&[0; 12], "224.0.0.251:5353").unwrap();
    let status = local.expect_status(SOON, "noticed", |status| !status.links[0].unicast);
    assert!(status.links[0].is_joined(), "{status:#?}");
    assert_eq!(status.holders.expect("Linux tells").len(), 1);
    drop(shared);
    assert_eq!(announced.name().to_string(), "Ann");
}

fn there_are_no_memberships_left() {
    const LIMIT: &str = "/proc/sys/net/ipv4/igmp_max_memberships";
    let lan = Lan::new();
    let (ann, _) = two(&lan.bridge());
    ann.write(LIMIT, "0");
    let local = Local::start(&ann, |builder| builder);
    let status = local.expect_status(SOON, "refused", |status| {
        status.links.first().is_some_and(|link| matches!(link.ipv4, FamilyStatus::Refused(_)))
    });
    assert_eq!(problems(&status), [Some(Problem::TooManyMemberships), None], "IPv6 has another limit");
    let advice = status.errors().next().unwrap().to_string();
    assert!(advice.contains("net.ipv4.igmp_max_memberships"), "{advice}");
    ann.write(LIMIT, "20");
    local.expect_status(SOON, "joined", |status| problems(status) == [None; 2]);
}

fn netlink_is_forbidden() {
    let lan = Lan::new();
    let (first, second) = (lan.bridge(), lan.bridge());
    let ann = Host::on(&first, "ann", &["10.77.0.1/24", "fd77::1/64"]);
    let ben = Host::on(&second, "ben", &["10.78.0.2/24", "fd78::2/64"]);
    let browse = Browse::start(&ben, &[]);
    let refused = Refused::new("netlink", "n");
    let announce = refused.announce(&ann);
    announce.announced(SOON);
    let before = announce.0.switches();
    thread::sleep(Duration::from_secs(10));
    let often = announce.0.switches() - before;
    // A look in 5 s, each with a few wake-ups of tokio's timers.
    assert!(often <= 60, "{often} wake-ups in 10 s");
    ann.connect(&second, "eth1", &["10.78.0.1/24", "fd78::1/64"]);
    let up = Instant::now();
    let within = Duration::from_secs(10);
    let found = browse.expect_all(within, "Ann", &ann.addresses_seen("eth1", "eth0"));
    report(format!(
        "without netlink: {often} wake-ups in 10 s, a new interface after {:.3} s",
        (found.at - up).as_secs_f32()
    ));
}

/// As strict stacks and firewalls have it: from port 5353, with TTL 255.
fn peers_hear_only_what_is_in_order() {
    let lan = Lan::new();
    let (ann, ben) = two(&lan.bridge());
    for host in [&ann, &ben] {
        host.nft(
            "add table inet strict\n\
             add chain inet strict input { type filter hook input priority 0; }\n\
             add rule inet strict input udp dport 5353 udp sport != 5353 drop\n\
             add rule inet strict input udp dport 5353 ip ttl != 255 drop\n\
             add rule inet strict input udp dport 5353 ip6 hoplimit != 255 drop\n",
        );
    }
    let (from_ann, from_ben) = (Browse::start(&ann, &[]), Browse::start(&ben, &[]));
    let running = [Announce::start(&ann, "Ann", 1, &[]), Announce::start(&ben, "Ben", 2, &[])];
    from_ben.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    from_ann.expect_all(SOON, "Ben", &ben.addresses_seen("eth0", "eth0"));
    thread::sleep(Duration::from_secs(4));
    let late = Browse::start(&ben, &[]);
    late.expect_all(SOON, "Ann", &ann.addresses_seen("eth0", "eth0"));
    drop(running);
}
