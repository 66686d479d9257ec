//! Whether the tests would notice: `mutations.json` breaks the engine in one place at a time,
//! and says which tests have to fail then. All of it is replayed by
//!
//! ```text
//! SALUT_LONG=1 cargo test --no-default-features --features sim --test conformance mutation -- --nocapture
//! ```
//!
//! in a copy of the tree below the target directory.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{requirements, root, tests, text};

#[derive(Debug)]
struct Mutation {
    /// The heading in `requirements.txt`.
    section: String,
    what: String,
    file: String,
    from: String,
    to: String,
    /// Tests, as `file::function`; each of them has to fail.
    killed_by: Vec<String>,
}

fn mutations() -> Vec<Mutation> {
    let all: Vec<Value> = serde_json::from_str(&text("tests/conformance/mutations.json")).unwrap();
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|one| Mutation {
            section: string(&one["section"]),
            what: string(&one["what"]),
            file: string(&one["file"]),
            from: string(&one["from"]),
            to: string(&one["to"]),
            killed_by: one["killed_by"].as_array().unwrap().iter().map(string).collect(),
        })
        .collect()
}

#[test]
fn every_mutation_applies_to_the_present_source() {
    let known: BTreeSet<String> = tests().into_iter().map(|test| test.name).collect();
    for Mutation { what, file, from, to, killed_by, .. } in mutations() {
        let places = text(&file).matches(&from).count();
        assert_eq!(places, 1, "{what}: {file} holds {places} times: {from}");
        assert_ne!(from, to, "{what}");
        assert!(!killed_by.is_empty(), "{what}");
        killed_by.iter().for_each(|test| assert!(known.contains(test), "{what}: there is no test {test}"));
    }
}

#[test]
fn there_is_a_mutation_for_every_section() {
    let covered: BTreeSet<String> = mutations().into_iter().map(|mutation| mutation.section).collect();
    let headings: BTreeSet<String> = requirements().into_iter().map(|r| r.heading).collect();
    assert_eq!(covered, headings);
}

/// As many at once as do not touch each other, which takes seconds; only where that fails each
/// by itself.
#[test]
fn every_mutation_compiles() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let tree = place.join("tree");
    copy(root(), &tree);
    let mut rest = mutations();
    let files: BTreeSet<String> = rest.iter().map(|mutation| mutation.file.clone()).collect();
    let check = |mutations: &[Mutation]| {
        for file in &files {
            fs::write(tree.join(file), mutated(file, mutations)).unwrap();
        }
        let checked = cargo(&place, &tree, "check").arg("--lib").output().unwrap();
        if checked.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&checked.stderr).into_owned())
        }
    };
    check(&[]).unwrap_or_else(|errors| panic!("without any mutation:\n{errors}"));
    while !rest.is_empty() {
        let (together, later) = apart(rest);
        if check(&together).is_err() {
            for one in together.chunks(1) {
                check(one).unwrap_or_else(|errors| panic!("{}:\n{errors}", one[0].what));
            }
        }
        rest = later;
    }
}

/// The source of a file with those mutations that are of it.
fn mutated(file: &str, mutations: &[Mutation]) -> String {
    let mut source = text(file);
    let of_it = mutations.iter().filter(|mutation| mutation.file == file);
    let mut places: Vec<_> = of_it.map(|mutation| (source.find(&mutation.from).unwrap(), mutation)).collect();
    // From the end, so that the places before it stay where they are.
    places.sort_by_key(|(start, _)| Reverse(*start));
    for (start, Mutation { from, to, .. }) in places {
        source.replace_range(start..start + from.len(), to);
    }
    source
}

/// Those that do not touch each other, and the rest.
fn apart(all: Vec<Mutation>) -> (Vec<Mutation>, Vec<Mutation>) {
    let mut touched: Vec<(String, Range<usize>)> = Vec::new();
    all.into_iter().partition(|Mutation { file, from, .. }| {
        let start = text(file).find(from).unwrap();
        let end = start + from.len();
        let free = touched.iter().all(|(other, at)| other != file || end <= at.start || at.end <= start);
        if free {
            touched.push((file.clone(), start..end));
        }
        free
    })
}

#[test]
fn every_mutation_is_noticed() {
    if std::env::var_os("SALUT_LONG").is_none() {
        println!("not run: each mutation is compiled; set SALUT_LONG=1");
        return;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    let tree = place.join("tree");
    copy(root(), &tree);
    let run = |test: &str| run(&place, &tree, test);
    let all: BTreeSet<String> = mutations().into_iter().flat_map(|mutation| mutation.killed_by).collect();
    for test in &all {
        assert_eq!(run(test), Outcome::Passed, "{test} without any mutation");
    }
    let mut survivors = Vec::new();
    for Mutation { section, what, file, from, to, killed_by } in mutations() {
        let path = tree.join(&file);
        let source = fs::read_to_string(&path).unwrap();
        fs::write(&path, source.replacen(&from, &to, 1)).unwrap();
        for test in killed_by {
            let outcome = run(&test);
            println!("{outcome:?}: {section}: {what}: {test}");
            if !matches!(outcome, Outcome::Failed | Outcome::Hung) {
                survivors.push(format!("{what}: {test} {outcome:?}"));
            }
        }
        fs::write(&path, source).unwrap();
    }
    assert!(survivors.is_empty(), "survived: {survivors:#?}");
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// It was not over after three minutes.
    Hung,
    /// The mutation does not compile, and shows nothing.
    NotRun,
}

fn run(place: &Path, tree: &Path, test: &str) -> Outcome {
    let (file, function) = test.split_once("::").unwrap();
    let command = |arguments: &[&str]| {
        let mut command = cargo(place, tree, "test");
        command.args(["--test", file]).args(arguments);
        command
    };
    let built = command(&["--no-run"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    if !built.success() {
        return Outcome::NotRun;
    }
    let output = place.join("output");
    let mut child = command(&["--", "--exact", function])
        .stdout(File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1800 {
        if child.try_wait().unwrap().is_some() {
            let output = fs::read_to_string(&output).unwrap();
            return match output.lines().find(|line| line.starts_with("test ")) {
                Some(line) if line.ends_with("ok") => Outcome::Passed,
                Some(_) => Outcome::Failed,
                None => Outcome::NotRun,
            };
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Outcome::Hung
}

/// For a tree that is built a hundred times, each time with one line changed.
fn cargo(place: &Path, tree: &Path, what: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").expect("run by cargo"));
    command.current_dir(tree).env("CARGO_TARGET_DIR", place.join("target"));
    command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    command.args([what, "--no-default-features", "--features", "sim"]);
    command
}

/// All that is built, without what was built.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let entries: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in entries {
        let name = path.file_name().unwrap();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                copy(&path, &to.join(name));
            }
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
