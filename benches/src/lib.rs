//! What the benches share: the packets, and the way things are timed beside each other.

pub mod delays;
#[cfg(target_os = "linux")]
pub mod lan;
pub mod mix;
pub mod plot;
pub mod race;
pub mod report;
