//! What each fuzz target does with its bytes. `tests/fuzz_seeds.rs` of the crate runs the same
//! on the seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod differential;
pub mod engine;
#[path = "../../tests/engine_steps/mod.rs"]
pub mod engine_steps;
#[path = "../../tests/lan_support/mod.rs"]
pub mod lan_support;
pub mod parse;
pub mod roundtrip;
