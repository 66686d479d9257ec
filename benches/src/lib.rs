//! What the benches share: the packets, and the way things are timed beside each other.

pub mod mix;
pub mod race;
pub mod report;
