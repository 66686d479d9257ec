//! Hosts in network namespaces on one bridge, and the programs on them: nothing leaves the
//! namespaces. Needs root, or runs below `unshare -rnmu`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A namespace of each kind, held by a process that waits for its standard input.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new(name: &str) -> Self {
        // Without duplicate address detection: it is two seconds in which nothing leaves.
        let script = r#"set -e
            hostname "$1"; mount -t tmpfs tmpfs /run; mount -t sysfs sysfs /sys 2>/dev/null || true
            cd /proc/sys/net/ipv6/conf
            for conf in default all; do echo 0 > $conf/accept_dad; echo 0 > $conf/dad_transmits; done
            ip link set lo up; echo ready; exec cat > /dev/null"#;
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--", "sh", "-c", script, "sh", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut ready = String::new();
        let output = holder.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut ready).expect("a line");
        assert_eq!(ready.trim(), "ready", "no right to make namespaces");
        Self { holder }
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.holder.id().to_string(),
            "--net",
            "--mount",
            "--uts",
            "--root",
            "--wd=/",
            "--",
        ]);
        command.arg(program.as_ref());
        command
    }

    fn shell(&self, script: &str) -> String {
        let output = self.command("sh").args(["-ec", script]).output().expect("sh");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Hosts on one bridge.
pub struct Lan {
    switch: Namespace,
    pub hosts: Vec<Host>,
}

pub struct Host {
    namespace: Namespace,
    pub address: String,
}

impl Lan {
    pub fn new(hosts: usize) -> Self {
        let switch = Namespace::new("switch");
        switch.shell("ip link add br0 type bridge stp_state 0 mcast_snooping 0; ip link set br0 up");
        let hosts = (0..hosts).map(|number| Self::host(&switch, number)).collect();
        Self { switch, hosts }
    }

    fn host(switch: &Namespace, number: usize) -> Host {
        let namespace = Namespace::new(&format!("host{number}"));
        let address = format!("10.9.{}.{}", number / 250, number % 250 + 1);
        let pid = namespace.holder.id();
        switch.shell(&format!(
            "ip link add p{number} type veth peer name eth0 netns {pid}; ip link set p{number} master br0 up"
        ));
        namespace.shell(&format!(
            "ip addr add {address}/16 dev eth0; ip -6 addr add fd09::{:x}/64 dev eth0 nodad; ip link set eth0 up",
            number + 1
        ));
        Host { namespace, address }
    }

    /// Every host loses this part of what it should hear, in percent.
    pub fn lose(&self, percent: u32) {
        for host in &self.hosts {
            host.namespace.shell(&format!(
                "nft 'add table inet t; delete table inet t; add table inet t; \
                 add chain inet t c {{ type filter hook input priority 0; }}; \
                 add rule inet t c udp dport 5353 numgen random mod 100 < {percent} drop'"
            ));
        }
    }

    /// Datagrams sent to port 5353 by all hosts, from now on counted by [`Lan::sent`].
    pub fn count_sent(&self) {
        for host in &self.hosts {
            host.namespace.shell(
                "nft 'add table inet n; add chain inet n c { type filter hook output priority 0; }; \
                 add rule inet n c udp dport 5353 oifname \"eth0\" counter'",
            );
        }
    }

    pub fn sent(&self) -> u64 {
        let one = |host: &Host| {
            let text = host.namespace.shell("nft list chain inet n c");
            text.split("packets ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.hosts.iter().map(one).sum()
    }

    /// Datagrams that were lost at the hosts because no socket's buffer had room for them.
    pub fn overruns(&self) -> u64 {
        let one = |host: &Host| {
            let text = host.namespace.shell("cat /proc/net/snmp /proc/net/snmp6");
            let mut udp = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
            let (names, values) = (udp.next().unwrap_or_default(), udp.next().unwrap_or_default());
            let v4 = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "RcvbufErrors");
            let v6 = text.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
            let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
            v4.map_or(0, |(_, value)| number(value)) + v6.map_or(0, number)
        };
        self.hosts.iter().map(one).sum()
    }

    pub fn ping(&self) {
        self.switch.shell("ip link show br0 > /dev/null");
    }
}

impl Host {
    pub fn shell(&self, script: &str) -> String {
        self.namespace.shell(script)
    }

    /// A program on this host, whose lines come with the instant they were read at.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Program {
        let mut command = self.namespace.command(program);
        let started = Instant::now();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Program { child, started, lines }
    }
}

/// A running program. Ends with this.
pub struct Program {
    child: Child,
    /// When it was asked for.
    pub started: Instant,
    lines: Receiver<(Instant, String)>,
}

impl Program {
    /// When a line came that has `part` in it.
    pub fn wait(&self, part: &str, time: Duration) -> Option<Instant> {
        self.wait_line(part, time).map(|(at, _)| at)
    }

    /// The same with the line.
    pub fn wait_line(&self, part: &str, time: Duration) -> Option<(Instant, String)> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (at, line) = self.lines.recv_timeout(left).ok()?;
            if line.contains(part) {
                return Some((at, line));
            }
        }
    }

    /// All lines so far.
    pub fn take(&self) -> Vec<(Instant, String)> {
        self.lines.try_iter().collect()
    }

    /// `nsenter` becomes the program it runs.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn end(&mut self) {
        drop(self.child.stdin.take());
        for _ in 0..100 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    pub wakeups: u64,
    pub resident_kib: u64,
    /// Of this its own: neither code nor files, which programs share.
    pub private_kib: u64,
}

/// All threads of a process. Its CPU time in nanoseconds comes from the scheduler.
pub fn usage(pid: u32) -> Option<Usage> {
    let mut cpu = 0;
    let mut wakeups = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        cpu += read("schedstat").split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        wakeups += field(&read("status"), "voluntary_ctxt_switches:");
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let (resident_kib, private_kib) = (field(&status, "VmRSS:"), field(&status, "RssAnon:"));
    Some(Usage { cpu: Duration::from_nanos(cpu), wakeups, resident_kib, private_kib })
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A program beside this one, in the same folder.
pub fn beside(name: &str) -> PathBuf {
    std::env::current_exe().expect("a path").with_file_name(name)
}
