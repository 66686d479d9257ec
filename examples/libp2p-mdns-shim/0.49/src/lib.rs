//! salut, under the name and the version of the crate whose place it takes.

pub use salut::libp2p::v057::*;
