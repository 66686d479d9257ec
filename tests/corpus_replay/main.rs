//! The bad-input corpus against an engine: what each packet and each timed sequence may and
//! may not do, and that a normal question is answered afterwards.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod floods;
#[path = "../lan_support/mod.rs"]
mod lan_support;
mod names;
mod packets;
mod sequence;

use bench::{json, text};

#[test]
fn every_sequence_has_a_test() {
    let manifest = json("manifest.json");
    let here = [include_str!("floods.rs"), include_str!("names.rs")].concat();
    for case in manifest["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "sequence") {
        let name = text(&case["name"]);
        assert!(here.contains(&format!("fn {name}()")), "{name}");
    }
}
