//! Avahi on a host: a message bus, the daemon and its command-line tools.

use std::thread;
use std::time::{Duration, Instant};

use super::at_most;
use super::lan::Host;
use super::process::Process;
use super::sandbox::find_program;

const BUS: &str = "unix:path=/run/dbus/system_bus_socket";

/// A bus that anybody on this host may use: bus and daemon then run without a change of user,
/// which an ordinary user's sandbox does not have.
const BUS_CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
</busconfig>
"#;

/// What Debian ships, comments left out.
const DAEMON_CONFIGURATION: &str = "[server]
use-ipv4=yes
use-ipv6=yes
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=yes
[publish]
publish-hinfo=no
publish-workstation=no
";

pub fn available() -> Result<(), String> {
    let tools = [
        ("avahi-daemon", "avahi-daemon"),
        ("avahi-publish", "avahi-utils"),
        ("avahi-browse", "avahi-utils"),
        ("avahi-resolve", "avahi-utils"),
        ("dbus-daemon", "dbus"),
        ("dbus-send", "dbus"),
        ("stdbuf", "coreutils"),
    ];
    for (tool, package) in tools {
        if find_program(tool).is_none() {
            return Err(format!("needs the program `{tool}` (package {package})"));
        }
    }
    Ok(())
}

/// The daemon gives its folder to the user `avahi` even where it stays who it is, and a
/// sandbox may have one user only.
const USERS: &str = "root:x:0:0::/:/bin/sh\navahi:x:0:0::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\navahi:x:0:\nnetdev:x:0:\n";

/// A line of `avahi-browse --parsable --resolve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub interface: String,
    pub protocol: String,
    pub instance: String,
    pub host: String,
    pub address: String,
    pub port: u16,
    /// The strings, each in its quotes.
    pub txt: String,
}

/// A running avahi-daemon with its bus.
pub struct Avahi<'h> {
    host: &'h Host,
    daemon: Process,
    _bus: Process,
}

impl<'h> Avahi<'h> {
    pub fn start(host: &'h Host) -> Self {
        Self::start_with(host, "")
    }

    /// With one more line in the section `[server]` of its configuration.
    pub fn start_with(host: &'h Host, line: &str) -> Self {
        assert!(host.output("mkdir", &["-p", "/run/dbus", "/run/avahi-daemon"]).0);
        for (text, place) in [(USERS, "passwd"), (GROUPS, "group")] {
            host.write(&format!("/run/{place}"), text);
            assert!(host.output("mount", &["--bind", &format!("/run/{place}"), &format!("/etc/{place}")]).0);
        }
        host.write("/run/dbus/bus.conf", BUS_CONFIGURATION);
        host.write(
            "/run/avahi.conf",
            &DAEMON_CONFIGURATION.replacen("[server]", &format!("[server]\n{line}"), 1),
        );
        let bus = host.spawn("dbus-daemon", &["--config-file=/run/dbus/bus.conf", "--nofork", "--nopidfile"]);
        until(|| host.output("test", &["-S", "/run/dbus/system_bus_socket"]).0, "a message bus");
        let arguments = [
            "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket",
            "avahi-daemon",
            "-f",
            "/run/avahi.conf",
        ];
        let options = ["--no-drop-root", "--no-chroot", "--no-rlimits"];
        let daemon = host.spawn("env", &[&arguments[..], &options[..]].concat());
        let avahi = Self { host, daemon, _bus: bus };
        // The name is not ours before probing is over.
        let ready = |avahi: &Self| avahi.call("GetState").is_some_and(|said| said.contains("int32 2"));
        until(|| ready(&avahi), "avahi-daemon to be ready");
        avahi
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Process {
        let mut command = self.host.command("stdbuf");
        command.args(["-oL", "-eL", program]).args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", BUS);
        Process::spawn(format!("{}$ {program} {}", self.host.name(), arguments.join(" ")), &mut command)
    }

    fn call(&self, method: &str) -> Option<String> {
        let method = format!("org.freedesktop.Avahi.Server.{method}");
        let arguments = [
            "--system",
            "--print-reply",
            "--reply-timeout=2000",
            "--dest=org.freedesktop.Avahi",
            "/",
            &method,
        ];
        let output = self
            .host
            .command("dbus-send")
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", BUS)
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The host name it has now, with `.local`.
    pub fn host_name(&self) -> String {
        let said = self.call("GetHostNameFqdn").expect("avahi-daemon answers");
        said.split('"').nth(1).expect("a string").to_owned()
    }

    /// What the daemon logged.
    pub fn log(&self) -> String {
        self.daemon.errors()
    }

    /// Publishes a service, and waits until it is established. Ends with a goodbye at SIGTERM.
    #[track_caller]
    pub fn publish(&self, instance: &str, service: &str, port: u16, txt: &[&str]) -> Process {
        let publisher = self.start_publish(instance, service, port, txt);
        until(|| published_as(&publisher).is_some(), "avahi-publish to be established");
        publisher
    }

    /// Begins to publish a service; [`published_as`] tells how it went.
    #[track_caller]
    pub fn start_publish(&self, instance: &str, service: &str, port: u16, txt: &[&str]) -> Process {
        let port = port.to_string();
        self.command("avahi-publish", &[&["-s", instance, service, &port], txt].concat())
    }

    /// Begins to publish a service that has a subtype.
    #[track_caller]
    pub fn publish_subtype(&self, instance: &str, service: &str, subtype: &str, port: u16) -> Process {
        let (port, subtype) = (port.to_string(), format!("--subtype={subtype}._sub.{service}"));
        let publisher = self.command("avahi-publish", &["-s", &subtype, instance, service, &port]);
        until(|| published_as(&publisher).is_some(), "avahi-publish to be established");
        publisher
    }

    /// All service types there are, as far as Avahi knows when it has asked.
    pub fn types(&self) -> String {
        let mut browse = self.command("avahi-browse", &["--all", "--terminate", "--parsable"]);
        browse.ended(Duration::from_secs(10));
        browse.lines().into_iter().map(|line| line.text + "\n").collect()
    }

    /// Browses and resolves for as long as the process lives.
    pub fn browse(&self, service: &str) -> Browse {
        Browse(self.command("avahi-browse", &["--resolve", "--parsable", service]))
    }

    /// One address of a host.
    pub fn resolve(&self, family: &str, host: &str) -> Option<String> {
        let mut resolver = self.command("avahi-resolve", &[family, "-n", host]);
        resolver.ended(Duration::from_secs(7));
        let line = resolver.lines().pop()?;
        line.text.split_whitespace().nth(1).map(str::to_owned)
    }
}

/// The name that a service has at last, once it is established.
pub fn published_as(publisher: &Process) -> Option<String> {
    let said =
        publisher.errors() + &publisher.lines().into_iter().map(|line| line.text + "\n").collect::<String>();
    let last =
        said.lines().rfind(|line| line.contains("Established under name") || line.contains("collision"))?;
    let name = last.strip_prefix("Established under name '")?;
    Some(name.strip_suffix('\'')?.to_owned())
}

pub struct Browse(pub Process);

impl Browse {
    /// When `wanted` takes what has been resolved, one line a protocol and interface.
    pub fn resolved(
        &self,
        within: Duration,
        wanted: impl Fn(&Resolved) -> bool,
    ) -> Option<(Instant, Resolved)> {
        self.0.wait(within, |line| {
            let resolved = resolved(&line.text)?;
            wanted(&resolved).then(|| (line.at, resolved.clone()))
        })
    }

    /// When an instance was gone on a protocol.
    pub fn gone(&self, within: Duration, instance: &str, protocol: &str) -> Option<Instant> {
        self.0.wait(within, |line| {
            let fields: Vec<_> = line.text.split(';').collect();
            let [_, _, of, name, ..] = fields[..] else { return None };
            (fields[0] == "-" && of == protocol && unescape(name) == instance).then_some(line.at)
        })
    }
}

fn resolved(line: &str) -> Option<Resolved> {
    let fields: Vec<_> = line.splitn(10, ';').collect();
    let ["=", interface, protocol, name, _, _, host, address, port, txt] = fields[..] else { return None };
    Some(Resolved {
        interface: interface.to_owned(),
        protocol: protocol.to_owned(),
        instance: unescape(name),
        host: host.to_owned(),
        address: address.to_owned(),
        port: port.parse().ok()?,
        txt: txt.to_owned(),
    })
}

/// `\032` is the byte 32; any other byte after a backslash stands for itself.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let decimal = tail.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        if let Some(digits) = decimal {
            let value = digits.iter().fold(0_u16, |value, digit| value * 10 + u16::from(digit - b'0'));
            bytes.push(u8::try_from(value).unwrap_or(b'?'));
            rest = &tail[3..];
        } else if *first == b'\\' && !tail.is_empty() {
            bytes.push(tail[0]);
            rest = &tail[1..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
pub fn until(ready: impl Fn() -> bool, what: &str) {
    let within = at_most(Duration::from_secs(20));
    let deadline = Instant::now() + within;
    while !ready() {
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
