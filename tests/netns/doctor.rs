//! `salut doctor` among faults that other programs made.
//!
//! Every fault of the [`TABLE`] is staged by `ip`, `nft`, Python or the kernel's switches, in
//! namespaces of its own, and the doctor has to name its cause. Some transcripts are kept in
//! `docs/doctor`; they are compared at every run and written by
//!
//! ```text
//! SALUT_DOCTOR=write cargo test --features cli,sim --test netns -- doctor::
//! ```

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::cli::{Announce, run};
use crate::harness::lan::{Bridge, Host, Lan};
use crate::harness::process::Process;
use crate::harness::sandbox::find_program;
use crate::harness::{Need, Test, report};

pub const TESTS: &[Test] = &[(
    "doctor::every_staged_fault_has_its_verdict",
    &[Need::Nft, Need::Python],
    every_staged_fault_has_its_verdict,
)];

/// The machine that the doctor examines is `ann`, 10.77.0.1. `ben`, 10.77.0.2, is beside it.
struct Scene {
    bridge: Bridge,
    /// Another network, on which there is nobody.
    elsewhere: Bridge,
    ann: Host,
    /// The ports of the bridge that `ann` and `ben` are plugged into.
    ports: [String; 2],
    ben: Host,
    running: Mutex<Vec<Process>>,
    others: Mutex<Vec<Host>>,
}

impl Scene {
    fn new() -> Self {
        let lan = Lan::new();
        let (bridge, elsewhere) = (lan.bridge(), lan.bridge());
        let (ann, ben) = (Host::new("ann"), Host::new("ben"));
        let ports = [connect(&ann, &bridge, 1), connect(&ben, &bridge, 2)];
        let (running, others) = (Mutex::default(), Mutex::default());
        Self { bridge, elsewhere, ann, ports, ben, running, others }
    }

    fn keep(&self, process: Process) {
        self.running.lock().unwrap().push(process);
    }

    /// A machine that only forwards packets.
    fn router(&self) {
        let router = Host::new("router");
        connect(&router, &self.bridge, 254);
        self.ann.ip(&["route add default via 10.77.0.254"]);
        self.others.lock().unwrap().push(router);
    }
}

/// With addresses that are the same in every run.
fn connect(host: &Host, bridge: &Bridge, number: u8) -> String {
    let port = host.plug(bridge, "eth0");
    host.ip(&[
        format!("link set eth0 address 02:00:00:00:77:{number:02x}"),
        format!("addr add 10.77.0.{number}/24 dev eth0"),
        "link set eth0 up".to_owned(),
    ]);
    host.await_carrier("eth0", true);
    port
}

/// Who is there beside `ann`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ben {
    /// It offers something.
    Announces,
    /// It is there and speaks no multicast DNS.
    IsSilent,
    /// It is switched off.
    IsAway,
}

struct Fault {
    name: &'static str,
    ben: Ben,
    stage: fn(&Scene),
    /// What the doctor on `ann` is told, and the cause it must find: how surely.
    ann: (&'static [&'static str], &'static str, &'static str),
    /// The same on `ben`, where a doctor runs there at the same time.
    there: Option<(&'static [&'static str], &'static str, &'static str)>,
    /// Whether its transcript is kept.
    kept: bool,
}

impl Fault {
    const fn new(
        name: &'static str,
        ben: Ben,
        stage: fn(&Scene),
        arguments: &'static [&'static str],
        cause: &'static str,
        certainty: &'static str,
    ) -> Self {
        Self { name, ben, stage, ann: (arguments, cause, certainty), there: None, kept: false }
    }

    const fn there(
        mut self,
        arguments: &'static [&'static str],
        cause: &'static str,
        certainty: &'static str,
    ) -> Self {
        self.there = Some((arguments, cause, certainty));
        self
    }

    const fn kept(mut self) -> Self {
        self.kept = true;
        self
    }
}

use Ben::{Announces, IsAway, IsSilent};

const WITH_BEN: &[&str] = &["--with", "10.77.0.2", "--timeout", "15s"];
const WITH_ANN: &[&str] = &["--with", "10.77.0.1", "--timeout", "15s"];

const TABLE: &[Fault] = &[
    Fault::new("all-well", Announces, |_| {}, &[], "all-well", "sure").kept(),
    Fault::new(
        "beside-avahi-like-holder",
        Announces,
        |s| s.keep(holder(s, "share")),
        &[],
        "all-well",
        "sure",
    ),
    Fault::new(
        "blocked-inbound",
        Announces,
        |s| drop_at(&s.ann, "input", "udp dport 5353"),
        &[],
        "inbound-blocked",
        "sure",
    )
    .kept(),
    Fault::new(
        "blocked-inbound-ipv4-only",
        Announces,
        |s| drop_at(&s.ann, "input", "ip version 4 udp dport 5353"),
        &[],
        "inbound-blocked",
        "sure",
    ),
    Fault::new(
        "blocked-outbound",
        Announces,
        |s| drop_at(&s.ann, "output", "udp dport 5353"),
        &[],
        "outbound-blocked",
        "sure",
    ),
    Fault::new("port-held", Announces, |s| s.keep(holder(s, "keep")), &[], "port-taken", "sure"),
    Fault::new(
        "no-multicast-flag",
        Announces,
        |s| s.ann.ip(&["link set eth0 multicast off"]),
        &[],
        "no-multicast",
        "sure",
    ),
    Fault::new("link-down", Announces, |s| s.ann.ip(&["link set eth0 down"]), &[], "link-down", "sure"),
    Fault::new(
        "cable-out",
        Announces,
        |s| {
            s.bridge.ip(&[format!("link set {} down", s.ports[0])]);
            s.ann.await_carrier("eth0", false);
        },
        &[],
        "no-carrier",
        "sure",
    ),
    Fault::new(
        "no-address",
        Announces,
        |s| {
            s.ann.ip(&["addr flush dev eth0"]);
        },
        &[],
        "no-address",
        "sure",
    ),
    Fault::new(
        "no-memberships",
        Announces,
        |s| s.ann.write("/proc/sys/net/ipv4/igmp_max_memberships", "0"),
        &[],
        "refused",
        "sure",
    ),
    Fault::new("isolated-ports", Announces, isolate, WITH_BEN, "isolated", "likely"),
    Fault::new("multicast-dropped", Announces, no_flooding, &[], "multicast-dropped", "sure").kept(),
    Fault::new("multicast-dropped-two-ends", IsSilent, no_flooding, WITH_BEN, "multicast-dropped", "sure")
        .there(WITH_ANN, "multicast-dropped", "sure"),
    Fault::new(
        "wrong-filter",
        Announces,
        |s| connect_elsewhere(s, "eth1"),
        &["--interface", "eth1"],
        "wrong-interface",
        "sure",
    ),
    Fault::new(
        "vpn-chosen",
        Announces,
        |s| connect_elsewhere(s, "wg0"),
        &["--interface", "wg0"],
        "vpn-chosen",
        "sure",
    ),
    Fault::new("wrong-route", Announces, wrong_route, &[], "wrong-route", "sure"),
    Fault::new(
        "duplicate-identity",
        IsSilent,
        |s| s.keep(Announce::start(&s.ben, "Clone", 1, &["--host", "ann"]).0),
        &[],
        "duplicate-identity",
        "sure",
    ),
    Fault::new(
        "two-subnets-on-one-cable",
        IsSilent,
        other_subnet,
        &["--timeout", "5s"],
        "other-subnet",
        "likely",
    ),
    Fault::new(
        "behind-a-router",
        IsAway,
        Scene::router,
        &["--with", "10.78.0.2", "--timeout", "3s"],
        "other-subnet",
        "sure",
    ),
    Fault::new(
        "unknown-name",
        Announces,
        |_| {},
        &["--with", "nobody.local", "--timeout", "3s"],
        "unknown-host",
        "sure",
    ),
    Fault::new("two-ends", IsSilent, |_| {}, WITH_BEN, "all-well", "sure")
        .there(WITH_ANN, "all-well", "sure"),
    Fault::new(
        "their-firewall",
        IsSilent,
        |s| drop_at(&s.ben, "input", "udp dport 5353"),
        WITH_BEN,
        "their-firewall",
        "sure",
    )
    .there(WITH_ANN, "inbound-blocked", "sure"),
    Fault::new("alone", IsAway, |_| {}, &[], "unclear", "unclear"),
    Fault::new("alone-with-a-router", IsAway, Scene::router, &[], "unclear", "unclear"),
    Fault::new("nobody-speaks", IsSilent, |_| {}, &[], "unclear", "unclear"),
    Fault::new(
        "no-doctor-there",
        IsSilent,
        |_| {},
        &["--with", "10.77.0.2", "--timeout", "3s"],
        "unclear",
        "unclear",
    ),
];

fn drop_at(host: &Host, hook: &str, what: &str) {
    host.nft(&format!(
        "add table inet wall\n\
         add chain inet wall wall {{ type filter hook {hook} priority 0; }}\n\
         add rule inet wall wall {what} drop\n"
    ));
}

/// Another program on the port: one that shares it, or one that does not.
fn holder(scene: &Scene, how: &str) -> Process {
    let script = "
import socket, sys, time
holder = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
if sys.argv[1] == 'share':
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
holder.bind(('::', 5353))
print('held', flush=True)
time.sleep(600)
";
    let python = find_program("python3").expect("python3");
    let holder = scene.ann.spawn(python.to_str().unwrap(), &["-c", script, how]);
    holder.expect_line(Duration::from_secs(10), "held");
    holder
}

/// An access point that keeps its clients apart: they reach the router only.
fn isolate(scene: &Scene) {
    scene.router();
    scene
        .bridge
        .ip(&scene.ports.each_ref().map(|port| format!("link set {port} type bridge_slave isolated on")));
}

/// A switch that sends multicast only to those who asked, and hears nobody ask.
fn no_flooding(scene: &Scene) {
    scene
        .bridge
        .ip(&scene.ports.each_ref().map(|port| format!("link set {port} type bridge_slave mcast_flood off")));
}

fn connect_elsewhere(scene: &Scene, interface: &str) {
    scene.ann.connect(&scene.elsewhere, interface, &["10.78.0.1/24"]);
}

fn wrong_route(scene: &Scene) {
    connect_elsewhere(scene, "eth1");
    scene.ann.ip(&["route add 10.77.0.2/32 dev eth1"]);
}

fn other_subnet(scene: &Scene) {
    scene.ben.write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
    scene.ben.ip(&["addr flush dev eth0", "addr add 10.99.0.2/24 dev eth0"]);
    scene.keep(Announce::start(&scene.ben, "Ben", 1, &[]).0);
}

fn every_staged_fault_has_its_verdict() {
    /// At once: they mostly wait.
    const AT_ONCE: usize = 5;
    let left = Mutex::new(TABLE.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(fault) = left.lock().unwrap().next() else { break };
                    // Not while the lock is held: the others would wait for it.
                    let found = try_out(fault);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with what the doctor says.
fn try_out(fault: &Fault) -> Vec<String> {
    let scene = Scene::new();
    match fault.ben {
        Announces => {
            let announce = Announce::start(&scene.ben, "Ben", 1, &[]);
            announce.announced(Duration::from_secs(20));
            scene.keep(announce.0);
        }
        IsSilent => {}
        IsAway => scene.ben.ip(&["link set eth0 down"]),
    }
    (fault.stage)(&scene);
    let mut wrong = Vec::new();
    let (arguments, cause, certainty) = fault.ann;
    let here = examine(&scene.ann, arguments);
    let there =
        fault.there.map(|(arguments, cause, certainty)| (examine(&scene.ben, arguments), cause, certainty));
    wrong.extend(judge(fault.name, here, cause, certainty));
    if let Some((there, cause, certainty)) = there {
        wrong.extend(judge(&format!("{}, other end", fault.name), there, cause, certainty));
    }
    if fault.kept {
        wrong.extend(compare(fault.name, &scene.ann, arguments));
    }
    wrong
}

fn examine(host: &Host, arguments: &[&str]) -> Process {
    run(host, &[&["doctor", "--json"], arguments].concat())
}

fn judge(name: &str, mut doctor: Process, cause: &str, certainty: &str) -> Option<String> {
    let status = doctor.ended(Duration::from_secs(90)).map(|status| status.code());
    let lines = doctor.lines();
    let verdict = match &lines[..] {
        [line] => doctor.json(line)["verdict"].clone(),
        _ => Value::Null,
    };
    let expected = Some(Some(i32::from(cause != "all-well")));
    let text = verdict["text"].as_str().unwrap_or_default();
    report(format!("{name}: {} ({}): {text}", verdict["cause"], verdict["certainty"]));
    let right = verdict["cause"] == cause && verdict["certainty"] == certainty && status == expected;
    (!right).then(|| {
        let said: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        format!(
            "{name}: not {cause} ({certainty}) with {expected:?}, but {status:?}: {said:?} {}",
            doctor.errors()
        )
    })
}

/// Holds the report for people against the one in the docs.
fn compare(name: &str, host: &Host, arguments: &[&str]) -> Option<String> {
    let mut doctor = run(host, &[&["doctor"], arguments].concat());
    doctor.ended(Duration::from_secs(90));
    let said: String = doctor.lines().into_iter().map(|line| line.text + "\n").collect();
    let said =
        format!("$ salut doctor{}\n{said}", arguments.iter().map(|a| format!(" {a}")).collect::<String>());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/doctor/{name}.txt"));
    if std::env::var_os("SALUT_DOCTOR").is_some_and(|value| value == "write") {
        fs::write(&path, said).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return None;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    (kept != said).then(|| format!("{} is not what is said now:\n{said}", path.display()))
}
