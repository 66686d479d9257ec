//! Messages: from bytes and to bytes.
//!
//! The reader takes whatever a stranger sent: it allocates nothing until a record is kept,
//! never recurses, and skips a bad record without losing its neighbours. The packer fills a
//! packet up to a limit and says when it is full.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod checked;
mod name_ref;
mod names;
mod packer;
mod questions;
mod rdata;
mod reader;
mod record;
mod walk;

pub use name_ref::NameRef;
pub use packer::{Full, Packer};
pub use questions::{Question, Questions};
pub use reader::{Header, Malformed, Message, RecordRef, Records};
pub use record::{Nsec, Record, RecordData, RecordType, Section, Srv};

/// The UDP port of Multicast DNS (RFC 6762 §3).
pub const MDNS_PORT: u16 = 5353;

/// The largest UDP payload accepted, in bytes: 9000 less an IPv4 and a UDP header
/// (RFC 6762 §17).
pub const MAX_PAYLOAD_BYTES: usize = 8972;

/// The largest UDP payload sent, in bytes: 9000 less an IPv6 and a UDP header, since the
/// copies for both families are one (RFC 6762 §17).
pub const MAX_SENT_BYTES: usize = 8952;

/// Class IN (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;

/// Class ANY, in questions (RFC 1035 §3.2.5).
pub const CLASS_ANY: u16 = 255;

/// The most distinct questions read from one message.
pub const MAX_QUESTIONS: usize = 128;

/// The most records read from one message.
pub const MAX_RECORDS: usize = 512;

/// The most bytes of decompressed names read from one message.
pub const MAX_DECOMPRESSED_BYTES: usize = 64 * 1024;

/// The most compression pointers followed within one name.
pub const MAX_POINTER_HOPS: usize = 128;

/// The bytes of a message header (RFC 1035 §4.1.1).
const HEADER_BYTES: usize = 12;

/// The bit above a class: "reply by unicast" in a question (RFC 6762 §5.4), "flush the
/// cache" in a record (§10.2).
const TOP_BIT: u16 = 0x8000;
