//! The command line: what it refuses, in which words, and its exit status.
//!
//! All of this is decided before a socket is opened. What is not runs in a network namespace
//! of its own.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::{Command, Output, Stdio};

const SALUT: &str = env!("CARGO_BIN_EXE_salut");

fn run(command: &mut Command) -> Output {
    command.env_remove("SALUT_LOG").stdin(Stdio::null()).output().expect("the program starts")
}

fn salut(args: &[&str]) -> Output {
    run(Command::new(SALUT).args(args))
}

/// `args` are refused with exit status 2 and one line on stderr that holds all of `words`.
#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    refusal(&salut(args), args, words);
}

#[track_caller]
fn refusal(output: &Output, args: &[&str], words: &[&str]) {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {line}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(line.starts_with("salut: ") && line.ends_with('\n'), "{args:?}: {line:?}");
    assert_eq!(line.lines().count(), 1, "{args:?}: {line}");
    assert!(!line.trim_end().contains(char::is_control), "{args:?}: {line:?}");
    for word in words {
        assert!(line.contains(word), "{args:?}: {word:?} is not in {line:?}");
    }
}

/// `announce` with good values, some of them replaced or added.
fn announce<'a>(changes: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["announce"];
    for (option, value) in [("--instance", "My Node"), ("--service", "_exo._tcp"), ("--port", "52415")] {
        if !changes.contains(&option) {
            args.extend([option, value]);
        }
    }
    args.extend(changes);
    args
}

#[test]
fn a_service_type_needs_its_underscores() {
    for bad in ["exo._tcp", "_exo.tcp", "_exo", "exo", "", "_exo._sctp", "._tcp", "_._tcp", "_123._tcp"] {
        refused(&announce(&["--service", bad]), &["is not a service type", "right would be _exo._tcp"]);
        refused(&["browse", "--service", bad], &["is not a service type", "right would be _exo._tcp"]);
    }
    let long = "_abcdefghijklmnop._tcp";
    refused(&announce(&["--service", long]), &["16 bytes", "15 is the most"]);
    refused(&["browse", "--service", long], &["16 bytes", "15 is the most"]);
}

#[test]
fn a_port_is_a_number_from_1_to_65535() {
    refused(&announce(&["--port", "0"]), &["port 0", "1 to 65535"]);
    for bad in ["65536", "-1", "http", "", "1.5"] {
        refused(&["announce", &format!("--port={bad}")], &["1 to 65535"]);
    }
}

#[test]
fn an_instance_name_fits_63_bytes_and_has_no_control_characters() {
    refused(&announce(&["--instance", &"x".repeat(64)]), &["64 bytes", "63 is the most"]);
    // 16 characters, 64 bytes.
    refused(&announce(&["--instance", &"😀".repeat(16)]), &["64 bytes", "63 is the most"]);
    refused(&announce(&["--instance", ""]), &["empty", "My Node"]);
    refused(&announce(&["--instance", "a\u{7}b\u{1b}[2J"]), &["control character"]);
}

#[test]
fn a_txt_string_fits_255_bytes_and_has_a_key() {
    refused(
        &announce(&["--txt", &format!("k={}", "v".repeat(254))]),
        &["\"k\"", "256 bytes", "255 is the most"],
    );
    refused(&announce(&["--txt", &format!("k={}", "A".repeat(100_000))]), &["255 is the most"]);
    refused(&announce(&["--txt", "=v"]), &["TXT key", "printable ASCII"]);
    refused(&announce(&["--txt", ""]), &["TXT key"]);
    refused(&announce(&["--txt", "a=1", "--txt", "A=2"]), &["\"A\"", "twice"]);
    let full = format!("={}", "v".repeat(240));
    let many: Vec<_> = (0..40).map(|n| format!("--txt=k{n}{full}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    refused(&announce(&many), &["8900 is the most"]);
}

#[test]
fn a_subtype_is_a_label() {
    for bad in ["", "a\u{1b}b", &"s".repeat(64)] {
        refused(&announce(&["--subtype", bad]), &["is not a subtype", "_printer"]);
        refused(&["browse", "--service", "_exo._tcp", "--subtype", bad], &["is not a subtype", "_printer"]);
    }
    let many: Vec<_> = (0..17).map(|n| format!("--subtype=_s{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    refused(&announce(&many), &["17 subtypes", "16 is the most"]);
}

#[test]
fn a_host_name_ends_in_local() {
    for bad in ["a..b", ".local", ".", ").", "10.77.0.2", "fe80::1", "alpha.example", "", "al pha.local"] {
        refused(&["resolve", bad], &["is not a host name", "right would be alpha.local"]);
        refused(&announce(&["--host", bad]), &["is not a host name", "right would be alpha.local"]);
    }
    refused(&["resolve", &format!("{}.local", "x".repeat(64))], &["64 bytes", "63 is the most"]);
    refused(&["resolve", &format!("{}local", "aaaaaaaaa.".repeat(30))], &["255 is the most"]);
}

#[test]
fn a_timeout_has_a_unit_or_counts_seconds() {
    for bad in ["5x", "", "soon", "-1", "1e300"] {
        let timeout = format!("--timeout={bad}");
        refused(&["browse", "--service", "_exo._tcp", &timeout], &["5s, 500ms, 2m or 5"]);
        refused(&["resolve", "alpha.local", &timeout], &["5s, 500ms, 2m or 5"]);
    }
}

#[test]
fn what_is_missing_or_unknown_is_said_with_the_usage() {
    refused(&["browse", "--subtype", "_gpu"], &["--service <TYPE>", "usage: salut browse"]);
    refused(&["browse", "--static-peers", "--json"], &["--static-peers", "--json"]);
    refused(&["completions"], &["<SHELL>", "usage: salut completions"]);
    refused(&["completions", "csh"], &["csh", "bash", "zsh"]);
    refused(&["man", "walk"], &["\"walk\"", "announce", "doctor"]);
    refused(&["announce"], &["--instance <NAME> --service <TYPE> --port <PORT>", "usage: salut announce"]);
    refused(&["resolve"], &["<HOST>", "usage: salut resolve"]);
    refused(&["browse", "--servce", "_exo._tcp"], &["'--servce'", "'--service'"]);
    refused(&["brows"], &["'brows'", "'browse'"]);
    refused(&["browse", "--service"], &["--service <TYPE>"]);
    refused(&["browse", "--service", "_exo._tcp", "a\u{1b}[2J\nb"], &["unexpected argument"]);
}

#[test]
fn a_bad_log_filter_is_said() {
    let args = ["browse", "--service", "_exo._tcp"];
    let output = Command::new(SALUT).args(args).env("SALUT_LOG", "salut=loud").output().unwrap();
    refusal(&output, &args, &["SALUT_LOG", "salut=loud", "right would be"]);
}

#[test]
fn help_fits_a_terminal_and_shows_examples() {
    for command in ["", "announce", "browse", "resolve", "doctor", "completions", "man"] {
        let args: Vec<_> = [command, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let output = salut(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Examples:\n  salut {command}")), "{help}");
        assert!(help.contains("Usage: salut"), "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{args:?} is too wide: {line}");
        }
    }
}

#[test]
fn help_documents_the_json_lines() {
    let help = |command| String::from_utf8(salut(&[command, "--help"]).stdout).unwrap();
    let browse = help("browse");
    for field in ["event", "instance", "service", "host", "port", "addresses", "txt", "interface"] {
        assert!(browse.contains(&format!("\n  {field} ")), "{field}");
    }
    assert!(browse.contains(r#"{"k":"v","flag":null,"raw":{"hex":"00ff"}}"#), "{browse}");
    for word in ["announced", "renamed", "withdrawn", "interfaces", "from"] {
        assert!(help("announce").contains(word), "{word}");
    }
    assert!(help("resolve").contains("addresses"));
}

#[test]
fn completions_and_manual_pages_are_printed() {
    let printed = |args: &[&str]| {
        let output = salut(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for word in ["announce", "browse", "doctor", "static-peers"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = printed(&["man"]);
    assert!(
        page.contains(".TH") && page.contains("salut\\-doctor(1)") || page.contains("salut-doctor(1)"),
        "{page}"
    );
    for command in ["announce", "browse", "resolve", "doctor"] {
        let page = printed(&["man", command]);
        assert!(page.contains(".SH NAME") && page.contains(command), "{page}");
        assert!(page.contains("Examples:"), "{page}");
    }
}

#[test]
fn without_a_command_it_shows_the_help_and_fails() {
    let output = salut(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("Examples:"));
    let version = salut(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(version.stdout, format!("salut {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
}

/// In a network namespace with nothing but a loopback interface that is down.
#[cfg(target_os = "linux")]
#[test]
fn an_unknown_interface_is_said_with_the_known_ones() {
    let may_unshare = |flags: &&str| {
        Command::new("unshare").args([flags, "true"]).output().is_ok_and(|output| output.status.success())
    };
    let Some(flags) = ["-n", "-rn"].into_iter().find(may_unshare) else {
        assert!(std::env::var_os("SALUT_REQUIRE_PEERS").is_none(), "network namespaces cannot be made here");
        println!("not run: network namespaces cannot be made here");
        return;
    };
    let announce = announce(&["--interface", "nope0"]);
    let commands: [&[&str]; 3] = [
        &["browse", "--service", "_exo._tcp", "--interface", "nope0"],
        &["resolve", "alpha.local", "--interface", "nope0"],
        &announce,
    ];
    for args in commands {
        let output = run(Command::new("unshare").args([flags, SALUT]).args(args));
        refusal(&output, args, &["nope0", "lo"]);
    }
}
