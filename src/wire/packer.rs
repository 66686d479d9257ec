//! Writing a message, record by record, up to a limit.

use bytes::Bytes;
use thiserror::Error;

use super::walk::Walk;
use super::{CLASS_IN, HEADER_BYTES, MAX_SENT_BYTES, RecordData, RecordType, Section, TOP_BIT};
use crate::name::Name;

/// The QR and AA bits of a response (RFC 6762 §18.2, §18.4).
const RESPONSE: u16 = 0x8400;

/// The TC bit (RFC 6762 §18.5).
const TRUNCATED: u16 = 0x0200;

/// The two top bits of a compression pointer; the rest is the offset (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;

/// What was to be written does not fit, or belongs before what is there already. The packer
/// is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the packet is full")]
pub struct Full;

/// A message being written.
///
/// Sections are written in order: questions, answers, authority, additional. Owner names and
/// the names in PTR, SRV and NSEC data are compressed (RFC 6762 §18.14) against names
/// written before in the same case, so that every name keeps the case it has.
///
/// ```
/// use salut::wire::{Message, Packer, RecordData, Section};
/// let mut packer = Packer::response(1440);
/// let host = "alpha.local".parse()?;
/// let data = RecordData::A("192.0.2.1".parse()?);
/// packer.record(Section::Answer, &host, true, 120, &data)?;
/// let datagram = packer.finish();
///
/// let message = Message::read(&datagram)?;
/// let record = message.records().next().ok_or("no record")?;
/// assert!(record.name.is(&host) && record.cache_flush && record.data_is(&data));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Packer {
    /// Begins with the header, which is filled in at the end.
    bytes: Vec<u8>,
    limit: usize,
    id: u16,
    flags: u16,
    legacy: bool,
    /// Where labels stand that a later name may point to.
    suffixes: Vec<Suffix>,
    place: Place,
    counts: Counts,
}

/// A label in the packet that begins a name or its end.
#[derive(Debug, Clone, Copy)]
struct Suffix {
    at: u16,
    /// Uncompressed, from this label to the root.
    length: u8,
}

/// The section that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Questions,
    Records(Section),
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Counts {
    fn of(&mut self, place: Place) -> &mut u16 {
        match place {
            Place::Questions => &mut self.questions,
            Place::Records(Section::Answer) => &mut self.answers,
            Place::Records(Section::Authority) => &mut self.authorities,
            Place::Records(Section::Additional) => &mut self.additionals,
        }
    }
}

impl Packer {
    /// A query with ID 0 of at most `limit` bytes, the header included. A limit over
    /// [`MAX_SENT_BYTES`] counts as that (RFC 6762 §17).
    pub fn query(limit: usize) -> Self {
        Self::new(limit, 0, 0, false)
    }

    /// A response with ID 0 of at most `limit` bytes, as [`query`](Self::query).
    pub fn response(limit: usize) -> Self {
        Self::new(limit, 0, RESPONSE, false)
    }

    /// A unicast response to one who asked from another port than 5353 (RFC 6762 §6.7): it
    /// has the ID of the query, the caller repeats the question and keeps the TTLs short.
    /// No cache-flush bit is written, and SRV targets are not compressed (§18.14).
    pub fn legacy(limit: usize, id: u16) -> Self {
        Self::new(limit, id, RESPONSE, true)
    }

    fn new(limit: usize, id: u16, flags: u16, legacy: bool) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.resize(HEADER_BYTES, 0);
        Self {
            bytes,
            limit: limit.min(MAX_SENT_BYTES),
            id,
            flags,
            legacy,
            suffixes: Vec::new(),
            place: Place::Questions,
            counts: Counts::default(),
        }
    }

    /// Adds a question of class IN. `unicast` asks for a unicast reply (RFC 6762 §5.4).
    ///
    /// # Errors
    /// [`Full`] if it does not fit, or if there are records already.
    pub fn question(&mut self, name: &Name, rtype: RecordType, unicast: bool) -> Result<(), Full> {
        self.add(Place::Questions, |packer| {
            packer.put_name(name)?;
            packer.put_u16(rtype.0)?;
            packer.put_u16(if unicast { CLASS_IN | TOP_BIT } else { CLASS_IN })
        })
    }

    /// Repeats the questions of a query as they stood there, from
    /// [`Message::question_bytes`](super::Message::question_bytes). Only as the first thing: pointers within count
    /// from the beginning of the message.
    ///
    /// # Errors
    /// [`Full`] if they do not fit, or if there is something already.
    pub fn repeat_questions(&mut self, bytes: &[u8], count: u16) -> Result<(), Full> {
        if !self.is_empty() || self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        self.counts.questions = count;
        Ok(())
    }

    /// Adds a record of class IN; `ttl` is in seconds.
    ///
    /// # Errors
    /// [`Full`] if it does not fit, or if a later section was begun already. A record that
    /// is too large for an empty packet needs a packer with a higher limit.
    pub fn record(
        &mut self,
        section: Section,
        name: &Name,
        cache_flush: bool,
        ttl: u32,
        data: &RecordData,
    ) -> Result<(), Full> {
        self.add(Place::Records(section), |packer| {
            // RFC 6762 §6.7: never in a legacy response.
            let flush = cache_flush && !packer.legacy;
            packer.put_name(name)?;
            packer.put_u16(data.record_type().0)?;
            packer.put_u16(if flush { CLASS_IN | TOP_BIT } else { CLASS_IN })?;
            packer.put(&ttl.to_be_bytes())?;
            let length_at = packer.bytes.len();
            packer.put_u16(0)?;
            let start = packer.bytes.len();
            packer.put_data(name, data)?;
            let length = u16::try_from(packer.bytes.len().saturating_sub(start)).map_err(|_| Full)?;
            packer.patch_u16(length_at, length);
            Ok(())
        })
    }

    /// Sets or clears the TC bit: in a query, more known answers follow in another packet
    /// (RFC 6762 §7.2). It has no place in a multicast response (§18.5).
    pub fn set_truncated(&mut self, truncated: bool) {
        self.flags = if truncated { self.flags | TRUNCATED } else { self.flags & !TRUNCATED };
    }

    /// The bytes so far, the header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing but the header.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER_BYTES
    }

    /// The records so far, in all sections.
    pub fn record_count(&self) -> usize {
        let Counts { answers, authorities, additionals, .. } = self.counts;
        [answers, authorities, additionals].into_iter().map(usize::from).sum()
    }

    /// The datagram.
    pub fn finish(mut self) -> Bytes {
        let Counts { questions, answers, authorities, additionals } = self.counts;
        let header = [self.id, self.flags, questions, answers, authorities, additionals];
        for (at, field) in (0..).step_by(2).zip(header) {
            self.patch_u16(at, field);
        }
        self.bytes.into()
    }

    /// Writes one question or record, or leaves everything as it was.
    fn add(&mut self, place: Place, write: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        if place < self.place {
            return Err(Full);
        }
        let (bytes, suffixes) = (self.bytes.len(), self.suffixes.len());
        let count = self.counts.of(place).checked_add(1).ok_or(Full)?;
        let written = write(self);
        if written.is_ok() {
            self.place = place;
            *self.counts.of(place) = count;
        } else {
            self.bytes.truncate(bytes);
            self.suffixes.truncate(suffixes);
        }
        written
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn put_u16(&mut self, value: u16) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    fn patch_u16(&mut self, at: usize, value: u16) {
        if let Some(field) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *field = value.to_be_bytes();
        }
    }

    fn put_data(&mut self, owner: &Name, data: &RecordData) -> Result<(), Full> {
        match data {
            RecordData::A(address) => self.put(&address.octets()),
            RecordData::Aaaa(address) => self.put(&address.octets()),
            RecordData::Ptr(name) => self.put_name(name),
            RecordData::Srv(srv) => {
                self.put_u16(srv.priority)?;
                self.put_u16(srv.weight)?;
                self.put_u16(srv.port)?;
                // RFC 6762 §18.14: other resolvers cannot read a compressed target.
                if self.legacy { self.put(srv.target.wire()) } else { self.put_name(&srv.target) }
            }
            RecordData::Txt(txt) => self.put(txt.wire()),
            // RFC 6762 §6.1: the next name is the owner, and there is block 0 alone.
            RecordData::Nsec(nsec) => {
                self.put_name(owner)?;
                match u8::try_from(nsec.bitmap().len()) {
                    Ok(0) => Ok(()),
                    Ok(length) => self.put(&[0, length]).and_then(|()| self.put(nsec.bitmap())),
                    Err(_) => Err(Full),
                }
            }
            RecordData::Other(_, bytes) => self.put(bytes),
        }
    }

    /// Writes a name: labels up to the longest end that stands in the packet already, then a
    /// pointer there.
    fn put_name(&mut self, name: &Name) -> Result<(), Full> {
        let mut rest = name.wire();
        while let Some(&length) = rest.first() {
            if length == 0 {
                break;
            }
            if let Some(at) = self.find(rest) {
                return self.put_u16(POINTER | at);
            }
            if let (Ok(at), Ok(length)) = (u16::try_from(self.bytes.len()), u8::try_from(rest.len()))
                && at < 0x4000
            {
                self.suffixes.push(Suffix { at, length });
            }
            let (label, after) = rest.split_at_checked(usize::from(length).saturating_add(1)).ok_or(Full)?;
            self.put(label)?;
            rest = after;
        }
        self.put(&[0])
    }

    /// Where the name `wire` stands, byte for byte.
    fn find(&self, wire: &[u8]) -> Option<u16> {
        let equal = |suffix: &&Suffix| {
            let mut rest = wire;
            let mut walk = Walk::new(&self.bytes, usize::from(suffix.at));
            while let Some(label) = walk.next_label() {
                match rest.strip_prefix(label) {
                    Some([]) => return true,
                    Some(tail) => rest = tail,
                    None => return false,
                }
            }
            false
        };
        let same_length = |suffix: &&Suffix| usize::from(suffix.length) == wire.len();
        self.suffixes.iter().filter(same_length).find(equal).map(|suffix| suffix.at)
    }
}
