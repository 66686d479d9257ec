//! Which test shows which requirement of RFC 6762 and RFC 6763.
//!
//! `tests/conformance/requirements.txt` lists the requirements; a test says in its first line
//! which of them it shows: `proves!("6762-8.1-probe-interval");`. This file puts both together
//! in `docs/CONFORMANCE.md`, and fails when a MUST or SHOULD is shown by no test, when a test
//! names a requirement that does not exist, and when the committed table is not the present
//! one. The table is written by
//!
//! ```text
//! SALUT_CONFORMANCE=write cargo test --no-default-features --features sim --test conformance
//! ```
//!
//! which runs every test in it (those in network namespaces need Linux and root or user
//! namespaces) and enters what came out. Only a table in which all pass is accepted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "conformance/mutations.rs"]
mod mutations;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRITE: &str =
    "SALUT_CONFORMANCE=write cargo test --no-default-features --features sim --test conformance";

/// Levels that need a test.
const BINDING: [&str; 3] = ["MUST", "SHOULD", "must"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[derive(Debug)]
struct Requirement {
    heading: String,
    id: String,
    section: String,
    level: String,
    text: String,
    /// Tests of `tests/netns`.
    elsewhere: Vec<String>,
}

fn requirements() -> Vec<Requirement> {
    let mut all: Vec<Requirement> = Vec::new();
    let mut heading = String::new();
    for line in text("tests/conformance/requirements.txt").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [id, section, level, text, rest @ ..] = &fields[..] else {
                panic!("four fields at least: {line}")
            };
            let elsewhere = rest.iter().flat_map(|tests| tests.split(", ")).map(str::to_owned).collect();
            let [id, section, level, text] = [id, section, level, text].map(|field| (*field).to_owned());
            assert!(all.iter().all(|other| other.id != id), "{id} is there twice");
            all.push(Requirement { heading: heading.clone(), id, section, level, text, elsewhere });
        }
    }
    all
}

/// A test, as `file::function`, and the requirements that it names.
#[derive(Debug)]
struct Test {
    name: String,
    proves: Vec<String>,
    ignored: bool,
}

/// All tests of `tests/rfc676*.rs`.
fn tests() -> Vec<Test> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.starts_with("rfc676") && path.extension().is_some_and(|extension| extension == "rs") {
            all.extend(tests_in(&file, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    all
}

fn tests_in(file: &str, source: &str) -> Vec<Test> {
    let mut all: Vec<Test> = Vec::new();
    let (mut is_test, mut ignored, mut within) = (false, false, false);
    for line in source.lines() {
        if line == "#[test]" {
            (is_test, ignored) = (true, false);
        } else if line.starts_with("#[ignore") {
            ignored = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if is_test {
                let name = format!("{file}::{}", rest.split('(').next().unwrap());
                all.push(Test { name, proves: Vec::new(), ignored });
            }
            is_test = false;
        }
        within |= line.trim_start().starts_with("proves!(");
        if within {
            let test = all.last_mut().expect("proves! stands in a test");
            test.proves.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            within = !line.ends_with(");");
        }
    }
    all
}

/// The tests that show a requirement.
fn shown_by<'t>(requirement: &Requirement, tests: &'t [Test]) -> Vec<&'t str> {
    let named = tests.iter().filter(|test| test.proves.contains(&requirement.id));
    named.map(|test| test.name.as_str()).collect()
}

fn table(verdict: impl Fn(&str) -> String) -> String {
    let (requirements, tests) = (requirements(), tests());
    let count = |level: &str| requirements.iter().filter(|r| r.level.eq_ignore_ascii_case(level)).count();
    let mut page = format!(
        "What RFC 6762 (Multicast DNS) and RFC 6763 (DNS-SD) ask for, and the tests that show it: {} requirements,\n\
         {} of them MUST and {} SHOULD, and {} tests in virtual time.\n\n\
         Written by `{WRITE}`\n\
         from the results of these tests, and compared with the tests at every `cargo test`. Sections are those of\n\
         RFC 6762 unless 6763 stands before them; \"good\" is practice that the RFCs imply. Tests of `netns` run real\n\
         sockets in network namespaces. What is done in another way than the RFCs propose stands in `STANDARDS.md`.\n",
        requirements.len(),
        count("MUST"),
        count("SHOULD"),
        tests.len(),
    );
    let mut heading = "";
    for requirement in &requirements {
        if requirement.heading != heading {
            heading = &requirement.heading;
            write!(
                page,
                "\n## {heading}\n\n| § | level | requirement | shown by | verdict |\n|---|---|---|---|---|\n"
            )
            .unwrap();
        }
        let mut by: Vec<String> = shown_by(requirement, &tests).into_iter().map(str::to_owned).collect();
        by.extend(requirement.elsewhere.iter().map(|test| format!("netns {test}")));
        let verdicts: BTreeSet<String> = by.iter().map(|test| verdict(test)).collect();
        let verdicts: Vec<String> = verdicts.into_iter().collect();
        let Requirement { section, level, text, .. } = requirement;
        let by: Vec<String> = by.iter().map(|test| format!("`{test}`")).collect();
        writeln!(page, "| {section} | {level} | {text} | {} | {} |", by.join("<br>"), verdicts.join(", "))
            .unwrap();
    }
    page
}

const PASSES: &str = "passes";

/// Runs all tests in the table: what came out, by name.
fn results() -> BTreeMap<String, String> {
    let names: BTreeSet<String> = tests().into_iter().map(|test| test.name).collect();
    let files: BTreeSet<&str> = names.iter().filter_map(|name| Some(name.split_once("::")?.0)).collect();
    let mut results = BTreeMap::new();
    for file in files {
        let output = cargo(&["test", "--no-default-features", "--features", "sim", "--test", file]);
        results.extend(outcomes(&output).map(|(test, outcome)| (format!("{file}::{test}"), outcome)));
    }
    let elsewhere: BTreeSet<String> = requirements().into_iter().flat_map(|r| r.elsewhere).collect();
    for test in elsewhere {
        let output = cargo(&["test", "--features", "cli", "--test", "netns", "--", "--exact", &test]);
        results.extend(outcomes(&output).map(|(test, outcome)| (format!("netns {test}"), outcome)));
    }
    results
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").expect("run by cargo");
    let output = Command::new(cargo).current_dir(root()).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `test name ... ok`, for each test.
fn outcomes(output: &str) -> impl Iterator<Item = (String, String)> {
    output.lines().filter_map(|line| {
        let (test, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let outcome = if outcome == "ok" { PASSES.to_owned() } else { outcome.to_owned() };
        Some((test.trim().to_owned(), outcome))
    })
}

// ---- the tests

#[test]
fn every_must_and_should_is_shown_by_a_test() {
    let tests = tests();
    for requirement in requirements().iter().filter(|r| BINDING.contains(&r.level.as_str())) {
        let shown = !shown_by(requirement, &tests).is_empty() || !requirement.elsewhere.is_empty();
        assert!(shown, "no test shows {}: {}", requirement.id, requirement.text);
    }
}

#[test]
fn every_test_names_requirements_that_exist() {
    let ids: BTreeSet<String> = requirements().into_iter().map(|r| r.id).collect();
    for test in tests() {
        assert!(!test.proves.is_empty(), "{} names no requirement", test.name);
        assert!(!test.ignored, "{} is ignored and shows nothing", test.name);
        for id in &test.proves {
            assert!(ids.contains(id), "{} names {id}, which is no requirement", test.name);
        }
    }
}

#[test]
fn every_test_in_network_namespaces_exists() {
    let directory = std::fs::read_dir(root().join("tests/netns")).unwrap();
    let paths = directory.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources: String = paths.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for test in requirements().into_iter().flat_map(|r| r.elsewhere) {
        assert!(sources.contains(&format!("\"{test}\"")), "there is no test {test} in tests/netns");
    }
}

#[test]
fn the_table_is_up_to_date_and_all_in_it_passes() {
    let path = root().join("docs/CONFORMANCE.md");
    if std::env::var_os("SALUT_CONFORMANCE").is_some_and(|mode| mode == "write") {
        let results = results();
        let page = table(|test| results.get(test).cloned().unwrap_or_else(|| "not run".to_owned()));
        std::fs::write(&path, page).unwrap();
        for (test, outcome) in &results {
            assert_eq!(outcome, PASSES, "{test}");
        }
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    // Of tests that fail the ordinary run tells: here all are taken to pass, so that a table
    // written when one did not is refused.
    let present = table(|_| PASSES.to_owned());
    let stale = committed.lines().zip(present.lines()).find(|(old, new)| old != new);
    assert!(
        committed == present,
        "docs/CONFORMANCE.md is not up to date, or not all tests in it passed. Write it anew with\n{WRITE}\n{stale:#?}"
    );
}
