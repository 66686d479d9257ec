//! Hosts and the bridges between them.
//!
//! A host is a network, a mount and a UTS namespace held by a process that waits on its
//! standard input, so it ends with the test even where nobody says so. One more network
//! namespace, the switch, has the bridges.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use super::at_most;
use super::process::Process;

/// Between two of the three questions for a neighbour's link-layer address, in milliseconds.
/// All namespaces share one table of neighbours, which holds 1,024 by default, and while it is
/// full nobody's IPv4 multicast leaves. Who asks a whole subnet through fills it with addresses
/// that nobody has, and those can be thrown out only when the kernel has given them up: after
/// three seconds by default, which is too long for several tests that do so at once.
const RETRANS_MS: u32 = 100;

/// A namespace of each kind that a host has, with the process that holds it.
struct Namespaces {
    name: String,
    holder: Child,
}

impl Namespaces {
    fn new(name: &str) -> Self {
        // Without duplicate address detection: it is two seconds in which nothing leaves.
        let script = r#"set -e
            hostname "$1"
            mount -t tmpfs tmpfs /run
            mount -t sysfs sysfs /sys 2>/dev/null || true
            cd /proc/sys/net/ipv6/conf
            for conf in default all; do echo 0 > $conf/accept_dad; echo 0 > $conf/dad_transmits; done
            ip link set lo up
            echo ready
            exec cat > /dev/null"#;
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--", "sh", "-c", script, "sh", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut ready = String::new();
        let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut ready);
        assert_eq!(ready.trim(), "ready", "namespaces of {name}");
        Self { name: name.to_owned(), holder }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--net", "--mount", "--uts"]);
        // The mount namespace's root is not ours where the tests run in a changed root.
        command.args(["--root", "--wd=/", "--"]);
        command.arg(super::sandbox::find_program(program).unwrap_or_else(|| PathBuf::from(program)));
        command
    }

    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {program}: {error}", self.name));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn must(&self, program: &str, arguments: &[&str], input: &str) -> String {
        let output = self.run(program, arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {program} {arguments:?} {input:?}: {said}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A switch with any number of bridges.
pub struct Lan {
    switch: Arc<Namespaces>,
    ports: Arc<AtomicUsize>,
}

/// A broadcast domain.
#[derive(Clone)]
pub struct Bridge {
    switch: Arc<Namespaces>,
    ports: Arc<AtomicUsize>,
    name: String,
}

impl Lan {
    pub fn new() -> Self {
        Self { switch: Arc::new(Namespaces::new("switch")), ports: Arc::default() }
    }

    pub fn bridge(&self) -> Bridge {
        let name = format!("br{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let commands =
            format!("link add {name} type bridge stp_state 0 mcast_snooping 0\nlink set {name} up\n");
        self.switch.must("ip", &["-batch", "-"], &commands);
        Bridge { switch: Arc::clone(&self.switch), ports: Arc::clone(&self.ports), name }
    }
}

impl Bridge {
    /// Counts Multicast DNS on this bridge from now on, in the kernel, each packet once.
    #[track_caller]
    pub fn count_packets(&self) {
        let name = &self.name;
        let rules: String = [("ip", "v4"), ("ip6", "v6")]
            .map(|(ethertype, counter)| {
                format!(
                    "add counter bridge {name} {counter}\n\
                     add rule bridge {name} seen ether type {ethertype} udp dport 5353 counter name {counter}\n"
                )
            })
            .concat();
        let table = format!(
            "add table bridge {name}\n\
             add chain bridge {name} seen {{ type filter hook prerouting priority 0; }}\n{rules}"
        );
        self.switch.must("nft", &["-f", "-"], &table);
    }

    /// Packets and bytes with their IP headers since then, of IPv4 and of IPv6.
    #[track_caller]
    pub fn packets(&self) -> [[u64; 2]; 2] {
        ["v4", "v6"].map(|counter| {
            let listed =
                self.switch.must("nft", &["-j", "list", "counter", "bridge", &self.name, counter], "");
            let listed: Value = serde_json::from_str(&listed).expect("nft prints JSON");
            let all = listed["nftables"].as_array().expect("a list");
            let found = all.iter().find_map(|one| one.get("counter")).expect("the counter");
            ["packets", "bytes"].map(|what| found[what].as_u64().expect("a number"))
        })
    }

    /// Runs `ip` commands where the bridge is, or the test fails.
    #[track_caller]
    pub fn ip<S: AsRef<str>>(&self, commands: &[S]) {
        let all: String = commands.iter().map(|command| format!("{}\n", command.as_ref())).collect();
        self.switch.must("ip", &["-batch", "-"], &all);
    }
}

/// A host. Its processes are its own to hold; they go before it does.
pub struct Host {
    namespaces: Namespaces,
    /// What its cables end in.
    switches: Mutex<Vec<Arc<Namespaces>>>,
}

impl Host {
    /// A host with loopback only.
    pub fn new(name: &str) -> Self {
        Self { namespaces: Namespaces::new(name), switches: Mutex::default() }
    }

    /// A host with `eth0` on `bridge` that has these addresses, each with its prefix length.
    /// Without an IPv6 address IPv6 is switched off; with one, a link-local address is there
    /// too.
    pub fn on(bridge: &Bridge, name: &str, addresses: &[&str]) -> Self {
        let host = Self::new(name);
        host.connect(bridge, "eth0", addresses);
        host
    }

    pub fn name(&self) -> &str {
        &self.namespaces.name
    }

    /// One more interface, up and ready when this returns.
    pub fn connect(&self, bridge: &Bridge, interface: &str, addresses: &[&str]) {
        self.plug(bridge, interface);
        if !addresses.iter().any(|address| address.contains(':')) {
            self.write(&format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1");
        }
        let mut commands: Vec<_> = addresses
            .iter()
            .map(|address| {
                let nodad = if address.contains(':') { "nodad" } else { "" };
                format!("addr add {address} dev {interface} {nodad}")
            })
            .collect();
        commands.push(format!("link set {interface} up"));
        self.ip(&commands);
        self.await_carrier(interface, true);
    }

    /// Waits until an interface has a carrier, or has none: the kernel tells so a moment after
    /// both of its ends are up, or one is down, on a busy machine a second later.
    #[track_caller]
    pub fn await_carrier(&self, interface: &str, wanted: bool) {
        let name = interface.to_owned();
        let carried = self.inside(move || {
            let up = || {
                let all = getifaddrs().expect("the interfaces");
                all.filter(|one| one.interface_name == name)
                    .any(|one| one.flags.contains(InterfaceFlags::IFF_RUNNING))
            };
            let deadline = Instant::now() + at_most(Duration::from_secs(5));
            while Instant::now() < deadline && up() != wanted {
                thread::sleep(Duration::from_millis(5));
            }
            up()
        });
        assert_eq!(carried, wanted, "{}: carrier on {interface}", self.name());
    }

    /// One more interface, down and without addresses; gives the bridge's port that it is
    /// plugged into.
    pub fn plug(&self, bridge: &Bridge, interface: &str) -> String {
        let port = format!("p{}", bridge.ports.fetch_add(1, Ordering::Relaxed));
        let (holder, name) = (self.namespaces.holder.id(), &bridge.name);
        let commands = format!(
            "link add {port} type veth peer name {interface} netns {holder}\n\
             link set {port} master {name} up\n"
        );
        bridge.switch.must("ip", &["-batch", "-"], &commands);
        self.ip(&[format!("ntable change name arp_cache dev {interface} retrans {RETRANS_MS}")]);
        self.switches.lock().unwrap().push(Arc::clone(&bridge.switch));
        port
    }

    /// Runs `ip` commands, or the test fails.
    #[track_caller]
    pub fn ip<S: AsRef<str>>(&self, commands: &[S]) {
        let all: String = commands.iter().map(|command| format!("{}\n", command.as_ref())).collect();
        self.namespaces.must("ip", &["-batch", "-"], &all);
    }

    /// Loads a set of `nft` rules, or the test fails.
    #[track_caller]
    pub fn nft(&self, rules: &str) {
        self.namespaces.must("nft", &["-f", "-"], rules);
    }

    /// Loses this share, below 100, of all Multicast DNS packets that come in.
    #[track_caller]
    pub fn lose_percent(&self, percent: u8) {
        self.nft(&format!(
            "add table inet loss\n\
             add chain inet loss input {{ type filter hook input priority 0; }}\n\
             add rule inet loss input udp dport 5353 numgen random mod 100 < {percent} drop\n"
        ));
    }

    /// Every Multicast DNS send fails with EPERM from now on.
    #[track_caller]
    pub fn refuse_sends(&self) {
        self.nft(
            "add table inet refused\n\
             add chain inet refused output { type filter hook output priority 0; }\n\
             add rule inet refused output udp dport 5353 drop\n",
        );
    }

    /// Takes that back.
    #[track_caller]
    pub fn allow_sends(&self) {
        self.nft("delete table inet refused\n");
    }

    /// Writes a file as this host sees it: its `/run`, or a switch of its kernel's network.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        if path.starts_with("/proc/sys/net/") {
            let path = path.to_owned();
            let text = text.to_owned();
            return self.inside(move || {
                fs::write(&path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
            });
        }
        let outside = format!("/proc/{}/root{path}", self.namespaces.holder.id());
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o644).open(outside).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// A command to be run on this host.
    pub fn command(&self, program: &str) -> Command {
        self.namespaces.command(program)
    }

    /// Starts a program on this host.
    #[track_caller]
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Process {
        let short = program.rsplit('/').next().unwrap_or(program);
        let label = format!("{}$ {short} {}", self.name(), arguments.join(" "));
        Process::spawn(label, self.command(program).args(arguments))
    }

    /// Runs a program to its end: whether it succeeded, and what it printed.
    #[track_caller]
    pub fn output(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let output = self.namespaces.run(program, arguments, "");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `work` on a thread inside this host's network namespace. Sockets opened there
    /// stay there.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.namespaces.holder.id())).unwrap();
        let worker = thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("setns");
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The addresses of an interface.
    pub fn addresses(&self, interface: &str) -> Vec<IpAddr> {
        let listed = self.namespaces.must("ip", &["-json", "addr", "show", "dev", interface], "");
        let listed: Value = serde_json::from_str(&listed).expect("ip prints JSON");
        let all = listed.pointer("/0/addr_info").and_then(Value::as_array).cloned().unwrap_or_default();
        all.iter().map(|one| one["local"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The addresses of an interface as somebody sees them whose interface to the same link is
    /// called `seen_from`: link-local ones with that scope. Sorted.
    pub fn addresses_seen(&self, interface: &str, seen_from: &str) -> Vec<String> {
        let mut all: Vec<_> = self.addresses(interface).iter().map(|ip| scoped(*ip, seen_from)).collect();
        all.sort();
        all
    }
}

fn scoped(address: IpAddr, interface: &str) -> String {
    match address {
        IpAddr::V6(v6) if is_link_local(v6) => format!("{v6}%{interface}"),
        other => other.to_string(),
    }
}

pub fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}
