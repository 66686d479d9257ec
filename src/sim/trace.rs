//! What was sent, as text.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{HostId, SegmentId};
use crate::wire::{Message, RecordData, RecordRef, RecordType, Section};

/// A datagram that was sent, for assertions and traces.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When, since the LAN began.
    pub at: Duration,
    /// By whom; `None` for one that was injected.
    pub host: Option<HostId>,
    /// The sender's name when it was added to the LAN.
    pub name: Arc<str>,
    /// On which segment.
    pub segment: SegmentId,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// The UDP payload.
    pub payload: Bytes,
}

/// One line: time in seconds, sender, segment, family or unicast destination, `Q` or `R`,
/// and what the message says. `TC` marks a truncated one, `QU` a question that asks for a
/// unicast reply, `!` a record with the cache-flush bit; TTLs are in seconds.
///
/// ```text
///     0.321400 alpha      #0 v4 Q ANY? alpha.local QU · proposed: A alpha.local 120 10.0.0.1
///     1.071400 alpha      #0 v4 R A! alpha.local 120 10.0.0.1
/// ```
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} {:<10} #{} ", self.at.as_secs_f64(), self.name, self.segment.0)?;
        match self.destination {
            SocketAddr::V4(v4) if v4.ip().is_multicast() => f.write_str("v4")?,
            SocketAddr::V6(v6) if v6.ip().is_multicast() => f.write_str("v6")?,
            unicast => write!(f, "to {unicast}")?,
        }
        let Ok(message) = Message::read(&self.payload) else {
            return write!(f, " {} bytes that are no message", self.payload.len());
        };
        let header = message.header();
        f.write_str(if header.response { " R" } else { " Q" })?;
        if header.truncated {
            f.write_str(" TC")?;
        }
        let mut separator = " ";
        for question in message.questions() {
            let qu = if question.unicast { " QU" } else { "" };
            write!(f, "{separator}{}? {}{qu}", question.rtype, question.name)?;
            separator = ", ";
        }
        for (section, title) in [
            (Section::Answer, if header.response { "" } else { "known: " }),
            (Section::Authority, "proposed: "),
            (Section::Additional, "also: "),
        ] {
            let mut before = if separator == " " { " " } else { " · " };
            let mut title = title;
            for record in message.records().filter(|record| record.section == section) {
                write!(f, "{before}{title}")?;
                write_record(f, &record)?;
                (before, title, separator) = (", ", "", ", ");
            }
        }
        Ok(())
    }
}

fn write_record(f: &mut fmt::Formatter<'_>, record: &RecordRef<'_>) -> fmt::Result {
    let flush = if record.cache_flush { "!" } else { "" };
    write!(f, "{}{flush} {} {} ", record.rtype, record.name, record.ttl)?;
    match record.data() {
        None => f.write_str("broken"),
        Some(RecordData::A(address)) => write!(f, "{address}"),
        Some(RecordData::Aaaa(address)) => write!(f, "{address}"),
        Some(RecordData::Ptr(name)) => write!(f, "{name}"),
        Some(RecordData::Srv(srv)) => write!(f, "{}:{}", srv.target, srv.port),
        Some(RecordData::Txt(txt)) => write!(f, "{txt:?}"),
        Some(RecordData::Nsec(nsec)) => {
            let types: Vec<String> = (0..=255)
                .map(RecordType)
                .filter(|rtype| nsec.has(*rtype))
                .map(|rtype| rtype.to_string())
                .collect();
            write!(f, "[{}]", types.join(" "))
        }
        Some(RecordData::Other(_, bytes)) => write!(f, "{} bytes", bytes.len()),
    }
}
