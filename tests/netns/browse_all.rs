//! `salut browse` for everything there is, as lines, as a table in a terminal, and as a
//! static-peers file.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use salut::wire::{Packer, RecordData, Section, Srv};
use salut::{Name, Txt};
use serde_json::{Value, json};

use crate::harness::avahi::Avahi;
use crate::harness::cli::run;
use crate::harness::lan::{Host, Lan};
use crate::harness::message::{From, multicast, name};
use crate::harness::process::Process;
use crate::harness::sandbox::find_program;
use crate::harness::{Need, Test};

pub const TESTS: &[Test] = &[
    ("browse_all::every_type_and_instance_is_listed", &[], every_type_and_instance_is_listed),
    ("browse_all::the_same_is_listed_as_by_avahi", &[Need::Avahi], the_same_is_listed_as_by_avahi),
    ("browse_all::a_terminal_shows_a_table", &[Need::Python], a_terminal_shows_a_table),
    (
        "browse_all::colours_are_for_terminals_that_want_them",
        &[Need::Python],
        colours_are_for_terminals_that_want_them,
    ),
    ("browse_all::nothing_steers_the_terminal", &[Need::Python], nothing_steers_the_terminal),
    ("browse_all::peers_are_listed_as_a_file", &[], peers_are_listed_as_a_file),
];

fn two_hosts() -> (Host, Host) {
    let lan = Lan::new();
    let bridge = lan.bridge();
    let ann = Host::on(&bridge, "ann", &["10.77.0.1/29", "fd77::1/64"]);
    let ben = Host::on(&bridge, "ben", &["10.77.0.2/29", "fd77::2/64"]);
    (ann, ben)
}

fn announce(host: &Host, instance: &str, service: &str) -> Process {
    let announce = run(host, &["announce", "--instance", instance, "--service", service, "--port", "4711"]);
    announce.expect_line(Duration::from_secs(20), "announced");
    announce
}

fn every_type_and_instance_is_listed() {
    let (ann, ben) = two_hosts();
    let browse = run(&ann, &["browse", "--json"]);
    let plain = run(&ann, &["browse"]);
    let web = announce(&ben, "Web", "_http._tcp");
    let _node = announce(&ben, "Node", "_exo._tcp");
    let _printer = announce(&ann, "Printer", "_ipp._tcp");
    let within = Duration::from_secs(15);
    for (instance, service) in [("Web", "_http._tcp"), ("Node", "_exo._tcp"), ("Printer", "_ipp._tcp")] {
        browse
            .wait(within, |line| {
                let value = browse.json(line);
                let right = value["event"] == "found" && value["instance"] == instance;
                right.then(|| assert_eq!(value["service"], service))
            })
            .unwrap_or_else(|| panic!("{instance}: {:?}", browse.lines()));
        let line = plain.expect_line(within, &format!("+ {instance} "));
        assert!(line.text.contains(service) && line.text.ends_with("(eth0)"), "{}", line.text);
    }
    drop_with_goodbye(web);
    browse
        .wait(within, |line| {
            let value = browse.json(line);
            (value["event"] == "lost" && value["instance"] == "Web").then_some(())
        })
        .expect("the loss is told");
    let mut late = run(&ann, &["browse", "--timeout", "4s"]);
    let status = late.ended(Duration::from_secs(20)).expect("it ends by itself");
    assert_eq!(status.code(), Some(0));
    let lines: Vec<String> = late.lines().into_iter().map(|line| line.text).collect();
    assert!(lines.iter().all(|line| line.starts_with("+ ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("+ Printer ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("+ Node ")), "{lines:?}");
}

fn drop_with_goodbye(mut process: Process) {
    process.stop(Signal::SIGTERM, Duration::from_secs(5));
}

fn the_same_is_listed_as_by_avahi() {
    let (ann, ben) = two_hosts();
    let avahi = Avahi::start(&ben);
    let _published =
        [avahi.publish("Web", "_http._tcp", 80, &["path=/"]), avahi.publish("Files", "_smb._tcp", 445, &[])];
    let mut browse = run(&ann, &["browse", "--json", "--timeout", "6s"]);
    browse.ended(Duration::from_secs(30)).expect("it ends by itself");
    let mut ours: Vec<String> = browse
        .lines()
        .iter()
        .map(|line| browse.json(line))
        .filter(|value| value["event"] == "found")
        .map(|value| value["instance"].as_str().expect("a name").to_owned())
        .collect();
    ours.sort();
    let all = avahi.types();
    let mut theirs: Vec<String> = all
        .lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(';').collect();
            // It has names of its own for the types.
            let ["+", "eth0", "IPv4", instance, ..] = fields[..] else { return None };
            Some(instance.to_owned())
        })
        .collect();
    theirs.sort();
    theirs.dedup();
    assert_eq!(ours, theirs, "{all}");
}

/// Runs `salut` in a terminal of 80 columns and 24 lines, and prints all that it wrote, in hex.
const TERMINAL: &str = "
import fcntl, os, pty, select, struct, sys, termios, time
seconds, keys, command = float(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm-256color'
    os.environ.pop('NO_COLOR', None)
    time.sleep(0.2)
    os.execv(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
said, end, pressed = b'', time.time() + seconds, False
while True:
    if time.time() > end and not pressed:
        pressed = True
        os.write(terminal, keys)
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if ready:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break
        if not read:
            break
        said += read
    if time.time() > end + 10:
        break
print(said.hex(), flush=True)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
";

const SALUT: &str = env!("CARGO_BIN_EXE_salut");

/// What a terminal got, and how the program ended.
fn in_a_terminal(host: &Host, seconds: &str, keys: &str, command: &[&str]) -> (String, Option<i32>) {
    let python = find_program("python3").expect("python3");
    let arguments = [&["-c", TERMINAL, seconds, keys], command].concat();
    let mut process = host.spawn(python.to_str().unwrap(), &arguments);
    let status = process.ended(Duration::from_secs(60)).expect("the terminal is closed");
    let said = process.lines().pop().expect("what was said").text;
    let bytes: Vec<u8> = (0..said.len() / 2)
        .map(|at| u8::from_str_radix(&said[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    (String::from_utf8(bytes).expect("UTF-8"), status.code())
}

fn a_terminal_shows_a_table() {
    let (ann, ben) = two_hosts();
    let _node = announce(&ben, "Node", "_exo._tcp");
    let (said, status) = in_a_terminal(&ann, "4", "jq", &[SALUT, "browse"]);
    assert_eq!(status, Some(0), "{said:?}");
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    let (before, rest) = said.split_once(enter).expect("the other screen");
    let (table, after) = rest.split_once(leave).expect("and back");
    assert!(before.trim().is_empty(), "{before:?}");
    for words in ["salut browse", "all service types", "1 found", "NAME", "Node", "_exo._tcp", "q ends"] {
        assert!(table.contains(words), "{words}: {table:?}");
    }
    // What was there at the end stays.
    assert!(after.contains("+ Node ") && after.contains("10.77.0.2"), "{after:?}");
    // The cursor is shown again.
    assert!(said.rfind("\u{1b}[?25h") > said.rfind("\u{1b}[?25l"), "{said:?}");
}

fn colours_are_for_terminals_that_want_them() {
    let (ann, ben) = two_hosts();
    let _node = announce(&ben, "Node", "_exo._tcp");
    let env = find_program("env").expect("env");
    let env = env.to_str().unwrap();
    for (command, wanted) in [
        (&[SALUT, "doctor"][..], true),
        (&[env, "NO_COLOR=1", SALUT, "doctor"], false),
        (&[env, "TERM=dumb", SALUT, "doctor"], false),
        (&[env, "NO_COLOR=1", SALUT, "browse", "--timeout", "2s"], false),
    ] {
        let (said, status) = in_a_terminal(&ann, "5", "", command);
        assert_eq!(status, Some(0), "{command:?}: {said}");
        assert_eq!(said.contains("\u{1b}[32m"), wanted, "{command:?}: {said:?}");
        let coloured = said.split('\u{1b}').skip(1).any(|rest| {
            let command: String = rest.chars().take_while(|c| !c.is_ascii_alphabetic()).collect();
            rest[command.len()..].starts_with('m')
        });
        assert_eq!(coloured, wanted, "{command:?}: {said:?}");
    }
    let mut piped = run(&ann, &["doctor"]);
    piped.ended(Duration::from_secs(40)).expect("it ends");
    assert!(piped.lines().iter().all(|line| !line.text.contains('\u{1b}')), "{:?}", piped.lines());
    assert!(piped.errors().is_empty(), "{}", piped.errors());
}

/// Names of a stranger reach the terminal as text only.
fn nothing_steers_the_terminal() {
    let (ann, ben) = two_hosts();
    let (clear, title) = ("\u{1b}[2J\u{7}", "\u{1b}]0;owned\u{7}\u{9b}31m\r\n");
    let evil = |label: &str| Name::from_labels([label.as_bytes(), b"_exo", b"_tcp", b"local"]).unwrap();
    let instance = evil(&format!("Bad{clear}{title}"));
    let host = Name::from_labels([format!("host{clear}").as_bytes(), b"local"]).unwrap();
    let txt = Txt::from_strings([format!("k{clear}=v{title}").as_bytes()]).unwrap();
    let srv = Srv { priority: 0, weight: 0, port: 1, target: host.clone() };
    let records = [
        (name("_services._dns-sd._udp.local"), RecordData::Ptr(name("_exo._tcp.local"))),
        (
            name("_services._dns-sd._udp.local"),
            RecordData::Ptr(Name::from_labels([format!("_x{clear}").as_bytes(), b"_tcp", b"local"]).unwrap()),
        ),
        (name("_exo._tcp.local"), RecordData::Ptr(instance.clone())),
        (name("_exo._tcp.local"), RecordData::Ptr(evil(&format!("Silent{clear}")))),
        (instance.clone(), RecordData::Srv(srv)),
        (instance, RecordData::Txt(txt)),
        (host, RecordData::A([10, 77, 0, 2].into())),
    ];
    let mut packer = Packer::response(1440);
    for (owner, data) in &records {
        packer.record(Section::Answer, owner, false, 120, data).expect("it fits");
    }
    let payload = packer.finish();
    thread::scope(|scope| {
        let speaker = scope.spawn(|| {
            for _ in 0..12 {
                multicast(&ben, "eth0", From::V4(5353), &payload);
                thread::sleep(Duration::from_millis(500));
            }
        });
        let shown = scope.spawn(|| in_a_terminal(&ann, "4", "jjq", &[SALUT, "-v", "browse"]).0);
        let plain = scope.spawn(|| {
            let mut all = Vec::new();
            for arguments in [
                &["browse", "--timeout", "4s"][..],
                &["browse", "--json", "--timeout", "4s"],
                &["browse", "--service", "_exo._tcp", "--timeout", "3s"],
                &["doctor", "--timeout", "3s"],
                &["doctor", "--json", "--timeout", "3s"],
            ] {
                let process = run(&ann, arguments);
                all.push((arguments, process));
            }
            for (_, process) in &mut all {
                process.ended(Duration::from_secs(40)).expect("it ends");
            }
            all.into_iter()
                .map(|(arguments, process)| {
                    let lines = process.lines().into_iter().map(|line| line.text);
                    (arguments.join(" "), lines.chain([process.errors()]).collect::<Vec<_>>())
                })
                .collect::<Vec<_>>()
        });
        speaker.join().unwrap();
        for (what, lines) in plain.join().unwrap() {
            for line in &lines {
                let safe = !line.trim_end_matches('\n').contains(|c: char| c.is_control() && c != '\n');
                assert!(safe, "{what}: {line:?}");
            }
            if what.starts_with("browse") {
                assert!(lines.iter().any(|line| line.contains("Bad")), "{what}: {lines:?}");
            }
        }
        let shown = shown.join().unwrap();
        assert!(shown.contains("Bad") && shown.contains("Silent"), "{shown:?}");
        assert_only_known_commands(&shown);
    });
}

/// Every command to the terminal is one of those that salut gives itself.
fn assert_only_known_commands(said: &str) {
    for (at, _) in said.match_indices('\u{1b}') {
        let rest = &said[at + 1..];
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        let command = &rest[..=end];
        let known = command.starts_with('[')
            && !command.starts_with("[2J")
            && matches!(command.chars().last(), Some('H' | 'K' | 'J' | 'm' | 'h' | 'l'));
        assert!(known, "{command:?} in {said:?}");
    }
    assert!(!said.contains(['\u{7}', '\u{9b}']), "{said:?}");
    assert!(!said.contains("\u{1b}[31m") && !said.contains("owned\u{7}"), "{said:?}");
}

/// As libp2p says it: one PTR, the addresses in the TXT record, no SRV record.
fn peers_are_listed_as_a_file() {
    let (ann, ben) = two_hosts();
    let peer = Name::from_labels([&b"a1b2c3"[..], b"_p2p", b"_udp", b"local"]).unwrap();
    let strings = [
        "dnsaddr=/ip4/10.77.0.2/tcp/4001/p2p/12D3KooWBen",
        "dnsaddr=/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWBen",
        "dnsaddr=/ip6/fe80::2/tcp/4001/p2p/12D3KooWBen",
        "dnsaddr=/ip6/fd77::2/udp/4001/quic-v1/p2p/12D3KooWBen",
    ];
    let txt = Txt::from_strings(strings).unwrap();
    let mut packer = Packer::response(1440);
    packer
        .record(Section::Answer, &name("_p2p._udp.local"), false, 120, &RecordData::Ptr(peer.clone()))
        .unwrap();
    packer.record(Section::Additional, &peer, false, 120, &RecordData::Txt(txt)).unwrap();
    let payload = packer.finish();
    let mut listed = run(&ann, &["browse", "--static-peers", "--timeout", "3s"]);
    let mut nobody = run(&ben, &["browse", "--static-peers", "--interface", "lo", "--timeout", "1s"]);
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(500));
        multicast(&ben, "eth0", From::V4(5353), &payload);
    }
    assert_eq!(listed.ended(Duration::from_secs(20)).expect("it ends").code(), Some(0));
    let text: String = listed.lines().into_iter().map(|line| line.text + "\n").collect();
    let file: Value = serde_json::from_str(&text).expect("a JSON file");
    let entry = |address: &str| json!({ "name": "12D3KooWBen", "multiaddr": address });
    let wanted = [
        entry("/ip4/10.77.0.2/tcp/4001/p2p/12D3KooWBen"),
        entry("/ip6/fd77::2/udp/4001/quic-v1/p2p/12D3KooWBen"),
    ];
    assert_eq!(file, json!({ "static_peers": wanted }));
    assert_eq!(nobody.ended(Duration::from_secs(20)).expect("it ends").code(), Some(1));
    assert!(nobody.errors().contains("no libp2p peer was seen"), "{}", nobody.errors());
}
