//! Asking one host for its peers: an ordinary DNS query by unicast (RFC 6762 §6.7), from a port
//! of our own, so that the answer comes back even beside another responder here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::address::{PeerAddress, Reach, Reader};
use super::heard::read_string;
use crate::name::Name;
use crate::wire::{Message, Packer, RecordData, RecordType};

/// A host that does not answer is asked again after this; the interval doubles …
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// … up to this, in which one that answered is asked whether that is still true.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// After so many questions without an answer there is something to tell: half a minute.
const PATIENCE: u32 = 5;

/// A host that answered and then left so many questions unanswered is gone.
const MISSED: u32 = 3;

/// A query for all peers of a host.
pub(crate) fn question(service: &Name, id: u16) -> Bytes {
    let mut packer = Packer::query(512);
    // A service type always fits.
    let _ = packer.question(service, RecordType::PTR, true);
    let mut bytes = BytesMut::from(&packer.finish()[..]);
    if let Some(field) = bytes.first_chunk_mut() {
        *field = id.to_be_bytes();
    }
    bytes.freeze()
}

/// The peers in the answer to a question with this ID, given by the host at `source`.
pub(crate) fn answers(
    payload: &[u8],
    service: &Name,
    id: u16,
    source: IpAddr,
    read: Reader,
) -> Option<Vec<PeerAddress>> {
    let message = Message::read(payload).ok()?;
    let header = message.header();
    let repeated = message.questions().any(|question| question.name.is(service));
    if !header.response || header.id != id || header.rcode != 0 || !repeated {
        return None;
    }
    let mut found: Vec<PeerAddress> = Vec::new();
    for record in message.records().filter(|record| record.rtype == RecordType::TXT) {
        let Some(RecordData::Txt(txt)) = record.data() else { continue };
        for read in txt.strings().filter_map(|string| read_string(string, read)) {
            let good = match read.reach {
                Reach::Ip(ip) => ip == source || is_global(ip),
                Reach::Elsewhere => true,
                Reach::Nowhere => false,
            };
            if good && !found.contains(&read.address) {
                found.push(read.address);
            }
        }
    }
    Some(found)
}

fn is_global(ip: IpAddr) -> bool {
    !ip.is_loopback()
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && match ip {
            IpAddr::V4(v4) => !v4.is_private() && !v4.is_link_local() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        }
}

/// A host that is asked.
#[derive(Debug)]
struct Asked {
    next: Instant,
    wait: Duration,
    /// Questions without an answer.
    open: u32,
    found: Vec<PeerAddress>,
}

/// The hosts of one source, and when each is asked next.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    hosts: BTreeMap<String, Asked>,
}

impl Hosts {
    /// Makes the hosts these; one that stays goes on as it was.
    pub(crate) fn set(&mut self, now: Instant, hosts: &[String]) {
        self.hosts.retain(|host, _| hosts.contains(host));
        for host in hosts {
            self.hosts.entry(host.clone()).or_insert(Asked {
                next: now,
                wait: FIRST_WAIT,
                open: 0,
                found: Vec::new(),
            });
        }
    }

    /// When somebody is to be asked.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.hosts.values().map(|asked| asked.next).min()
    }

    /// The next host to ask now.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<String> {
        let (host, asked) = self.hosts.iter_mut().find(|(_, asked)| asked.next <= now)?;
        asked.open = asked.open.saturating_add(1);
        if asked.open > MISSED && !asked.found.is_empty() {
            asked.found.clear();
            asked.wait = FIRST_WAIT;
        }
        asked.next = now.checked_add(asked.wait).unwrap_or(now);
        if asked.found.is_empty() {
            asked.wait = asked.wait.saturating_mul(2).min(MAX_WAIT);
        }
        Some(host.clone())
    }

    /// A host answered.
    pub(crate) fn answered(&mut self, now: Instant, host: &str, found: Vec<PeerAddress>) {
        let Some(asked) = self.hosts.get_mut(host).filter(|_| !found.is_empty()) else { return };
        asked.found = found;
        asked.open = 0;
        asked.wait = MAX_WAIT;
        asked.next = now.checked_add(MAX_WAIT).unwrap_or(now);
    }

    /// All peers that were found.
    pub(crate) fn found(&self) -> impl Iterator<Item = &PeerAddress> {
        self.hosts.values().flat_map(|asked| &asked.found)
    }

    /// Hosts that should have answered by now.
    pub(crate) fn silent(&self) -> impl Iterator<Item = &String> {
        self.hosts
            .iter()
            .filter(|(_, asked)| asked.found.is_empty() && asked.open >= PATIENCE)
            .map(|(host, _)| host)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::libp2p::address::ReadAddress;
    use crate::wire::Section;
    use crate::{HostName, Txt};

    fn read(text: &str) -> Option<ReadAddress> {
        let ip = text.split('/').nth(2)?.parse().ok()?;
        let bytes = text.as_bytes().into();
        Some(ReadAddress { address: PeerAddress { peer: b"peer"[..].into(), bytes }, reach: Reach::Ip(ip) })
    }

    #[test]
    fn a_reply_is_read_if_it_is_one_to_our_question() {
        let service: Name = "_p2p._udp.local".parse().unwrap();
        let query = question(&service, 7);
        let message = Message::read(&query).unwrap();
        assert_eq!((message.header().id, message.header().questions), (7, 1));
        let mut packer = Packer::legacy(1440, 7);
        packer.repeat_questions(message.question_bytes().unwrap(), 1).unwrap();
        let name: Name = "x._p2p._udp.local".parse().unwrap();
        packer.record(Section::Answer, &service, false, 10, &RecordData::Ptr(name.clone())).unwrap();
        let strings = ["dnsaddr=/ip4/10.0.0.9/tcp/1", "dnsaddr=/ip4/172.17.0.1/tcp/1", "other=1"];
        let txt = RecordData::Txt(Txt::from_strings(strings).unwrap());
        packer.record(Section::Additional, &name, false, 10, &txt).unwrap();
        let reply = packer.finish();
        let source = "10.0.0.9".parse().unwrap();
        let found = answers(&reply, &service, 7, source, read).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(&*found[0].bytes, b"/ip4/10.0.0.9/tcp/1");
        assert_eq!(answers(&reply, &service, 8, source, read), None, "another ID");
        assert_eq!(answers(&query, &service, 7, source, read), None, "no response");
        assert!(HostName::new("x").is_ok());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without a clock")]
    fn a_host_is_asked_ever_less_often_until_it_answers_and_again_when_it_falls_silent() {
        let start = Instant::now();
        let mut hosts = Hosts::default();
        hosts.set(start, &["a".into()]);
        let mut now = start;
        let mut at = Vec::new();
        for _ in 0..9 {
            assert_eq!(hosts.ask(now).as_deref(), Some("a"));
            assert_eq!(hosts.ask(now), None);
            at.push((now - start).as_secs());
            now = hosts.due().unwrap();
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert_eq!(hosts.silent().count(), 1);
        let peer = read("/ip4/10.0.0.9").unwrap().address;
        hosts.answered(now, "a", vec![peer]);
        assert_eq!((hosts.found().count(), hosts.silent().count()), (1, 0));
        for _ in 0..3 {
            now = hosts.due().unwrap();
            hosts.ask(now);
            assert_eq!(hosts.found().count(), 1);
        }
        now = hosts.due().unwrap();
        hosts.ask(now);
        assert_eq!(hosts.found().count(), 0);
        hosts.set(now, &[]);
        assert_eq!(hosts.due(), None);
    }
}
