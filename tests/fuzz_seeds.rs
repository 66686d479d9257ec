//! The seeds of the fuzz targets (`fuzz/`), and everything in the bad-input corpus that is a
//! packet, without a fuzzer: each target does with each seed what it does with any bytes.

#![cfg(feature = "sim")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../fuzz/src/differential.rs"]
mod differential;
#[path = "../fuzz/src/engine.rs"]
mod engine;
#[path = "engine_steps/mod.rs"]
mod engine_steps;
#[path = "lan_support/mod.rs"]
mod lan_support;
#[path = "../fuzz/src/parse.rs"]
mod parse;
#[path = "../fuzz/src/roundtrip.rs"]
mod roundtrip;

use std::fs;
use std::path::{Path, PathBuf};

fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Names the input that fails.
struct Told<'n>(&'n str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input: {}", self.0);
        }
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 20, "{} seeds for {target}", seeds.len());
    for file in seeds {
        let _told = Told(&file.display().to_string());
        run(&fs::read(&file).unwrap());
    }
}

#[test]
fn parse_takes_its_seeds() {
    replay("parse", parse::run);
    engine_steps::corpus().iter().for_each(|packet| parse::run(packet));
}

#[test]
fn roundtrip_takes_its_seeds() {
    replay("roundtrip", roundtrip::run);
    for packet in engine_steps::corpus() {
        for choice in [0, 1, 2, 3, 0x81, 0x83] {
            roundtrip::run(&[&[choice], &packet[..]].concat());
        }
    }
}

#[test]
fn differential_takes_its_seeds() {
    replay("differential", differential::run);
    engine_steps::corpus().iter().for_each(|packet| differential::run(packet));
}

#[test]
fn engine_takes_its_seeds() {
    replay("engine", engine::run);
}
