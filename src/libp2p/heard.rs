//! What a response says of peers, in whatever form it says so.

use super::address::{ReadAddress, Reader};
use crate::name::Name;
use crate::wire::{CLASS_IN, Message, RecordData, RecordRef, RecordType};

/// What every string of an address begins with (libp2p mDNS specification); keys compare
/// without case (RFC 6763 §6.4).
const KEY: &[u8] = b"dnsaddr=";

/// The addresses that stand under one name.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) instance: Name,
    /// They take the place of what was told before (RFC 6762 §10.2).
    pub(crate) flush: bool,
    /// In seconds.
    pub(crate) ttl: u32,
    pub(crate) addresses: Vec<ReadAddress>,
}

/// What a response says of peers.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) told: Vec<Told>,
    /// The names that are taken back (RFC 6762 §10.1).
    pub(crate) goodbyes: Vec<Name>,
}

/// Reads a response. TXT records count wherever they stand, under a name below the service type
/// or under one that a pointer of the service type leads to: rust-libp2p's has no service type
/// behind it.
pub(crate) fn read_response(message: &Message<'_>, service: &Name, read: Reader) -> Heard {
    let mut heard = Heard::default();
    let mut targets: Vec<Name> = Vec::new();
    for record in message.records().filter(|record| record.rtype == RecordType::PTR && is_good(record)) {
        if !record.name.is(service) {
            continue;
        }
        let Some(RecordData::Ptr(target)) = record.data() else { continue };
        let list = if record.ttl == 0 { &mut heard.goodbyes } else { &mut targets };
        if !list.contains(&target) {
            list.push(target);
        }
    }
    for record in message.records().filter(|record| record.rtype == RecordType::TXT && is_good(record)) {
        let instance = record.name.to_name();
        let known = targets.contains(&instance) || instance.parent().as_ref() == Some(service);
        let Some(RecordData::Txt(txt)) = record.data().filter(|_| known) else { continue };
        if record.ttl == 0 {
            heard.goodbyes.push(instance);
            continue;
        }
        let addresses = txt.strings().filter_map(|string| read_string(string, read));
        match heard.told.iter_mut().find(|other| other.instance == instance) {
            Some(other) => other.addresses.extend(addresses),
            None => {
                let addresses = addresses.collect();
                heard.told.push(Told { instance, flush: record.cache_flush, ttl: record.ttl, addresses });
            }
        }
    }
    heard
}

/// `dnsaddr=<multiaddr>`.
pub(crate) fn read_string(string: &[u8], read: Reader) -> Option<ReadAddress> {
    let (key, value) = string.split_at_checked(KEY.len())?;
    read(std::str::from_utf8(value).ok().filter(|_| key.eq_ignore_ascii_case(KEY))?)
}

/// Class IN, and no TTL of 2^31 or more.
fn is_good(record: &RecordRef<'_>) -> bool {
    record.class == CLASS_IN && record.ttl < 0x8000_0000
}
