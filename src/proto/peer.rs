//! libp2p's peers: a service that is told in one certain shape, and ears for those who tell
//! theirs in another.
//!
//! A peer's name is unique by construction, so it is announced without probing (RFC 6762
//! §8.1) until somebody else claims it all the same (§9). What it says differs by link and is
//! asked for anew whenever the link's addresses change. Its pointer leads: it goes out in a
//! datagram of its own, alone among the answers, with one TXT record, SRV and addresses as
//! additional records, which is what every libp2p implementation can read. More addresses
//! than fit one datagram make several, each with its own TXT record and the rest repeated.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Engine;
use super::families::Families;
use super::io::{AnnouncementId, Event, LinkIndex, LinkState, Packet, TapId};
use super::link::{Link, Shared};
use super::own::{RecordKey, Telling};
use super::pending::{Rule, SHARED_DELAY};
use super::records::HOST_TTL_SECONDS;
use super::respond::Wanted;
use crate::error::ServiceError;
use crate::name::{HostName, InstanceName, Name, ServiceType};
use crate::service::Service;
use crate::txt::Txt;
use crate::wire::{MDNS_PORT, Message, Packer, Record, RecordData, RecordType, Section};

/// What a peer says of itself on one link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerContent {
    /// The port of its SRV record.
    pub port: u16,
    /// The strings of its TXT records, such as `dnsaddr=/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo`;
    /// one over 255 bytes is left out.
    pub strings: Vec<Vec<u8>>,
}

/// What a peer says on a link in this state; nothing there if `None`. Asked for whenever the
/// addresses of the link change.
pub type PeerSays = dyn Fn(&LinkState) -> Option<PeerContent> + Send + Sync;

/// A peer to announce with [`Engine::announce_peer`].
#[derive(Clone)]
pub struct Peer {
    /// The service type, usually `_p2p._udp`.
    pub service: ServiceType,
    /// A name that nobody else has, by construction.
    pub name: InstanceName,
    /// The same for the host its SRV record points to.
    pub host: HostName,
    /// The time to live of PTR and TXT records, in seconds; the others live 120 seconds at
    /// most.
    pub ttl: u32,
    /// What it says on each link.
    pub says: Arc<PeerSays>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, name, host, ttl, .. } = self;
        write!(f, "Peer({name} {service} on {host}, {ttl} s)")
    }
}

/// What makes a service a peer.
#[derive(Clone)]
pub(crate) struct PeerRecords {
    pub(super) ttl: u32,
    pub(super) says: Arc<PeerSays>,
}

impl fmt::Debug for PeerRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerRecords({} s)", self.ttl)
    }
}

impl PeerRecords {
    /// The time to live of what names a host.
    pub(super) fn host_ttl(&self) -> u32 {
        self.ttl.min(HOST_TTL_SECONDS)
    }
}

/// Up to so many known peers an answer is given at once, as libp2p's own implementations do,
/// and by unicast if that was asked for.
const FEW_PEERS: usize = 8;

/// Where there are more the longest delay grows by this for each of them …
const DELAY_PER_PEER: Duration = Duration::from_millis(2);

/// … up to this.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Addresses of the host that would take more than this part of a datagram are left out of
/// it: the set is sent whole or not at all (RFC 6762 §10.2).
const ADDRESS_SHARE: usize = 2;

/// What stands in a datagram beside names, strings and addresses, in bytes: the header, and
/// what PTR, TXT and SRV records have beside their data, with room for lengths and pointers.
const FRAME_BYTES: usize = 12 + 12 + 14 + 20 + 8;

/// The bytes of an A and of an AAAA record whose name is a pointer.
const A_BYTES: usize = 16;
const AAAA_BYTES: usize = 28;

impl Engine {
    /// Announces a peer on all links there are and will be, at once and without probing
    /// (RFC 6762 §8.1).
    ///
    /// # Errors
    /// As [`announce`](Self::announce).
    pub fn announce_peer(&mut self, now: Instant, peer: Peer) -> Result<AnnouncementId, ServiceError> {
        let Peer { service, name, host, ttl, says } = peer;
        let service = Service {
            instance: name,
            service,
            subtypes: Vec::new(),
            host: Some(host),
            port: 0,
            txt: Txt::new(),
            peer: Some(PeerRecords { ttl, says }),
        };
        self.announce(now, service)
    }

    /// Replaces what a peer says; where it differs it is announced at once.
    pub fn set_peer(&mut self, now: Instant, id: AnnouncementId, says: Arc<PeerSays>) {
        if let Some(peer) = self.claims.services.get_mut(&id).and_then(|r| r.service.peer.as_mut()) {
            peer.says = says;
            self.update_service(now, id);
        }
        self.flush(now);
    }

    /// Asks for a service type, at once and then with growing intervals up to `most`, and
    /// gives every response from hosts on the link that has to do with it, in whatever form
    /// and from whatever port, as [`Event::Heard`]. Nothing of what only a tap accepts gets
    /// into the cache.
    pub fn listen(&mut self, now: Instant, service: &ServiceType, most: Duration) -> TapId {
        let id = TapId(self.next_client());
        for (_, link) in &mut self.links {
            link.listen(now, service.name(), most, &mut self.shared);
        }
        self.taps.insert(id, (service.name().clone(), most));
        self.flush(now);
        id
    }

    /// Ends a tap.
    pub fn stop_listening(&mut self, now: Instant, id: TapId) {
        let Some((name, _)) = self.taps.remove(&id) else { return };
        for (_, link) in &mut self.links {
            link.stop_asking(&name, RecordType::PTR, &mut self.shared);
        }
        self.flush(now);
    }

    /// Asks a tap's question on one link now, unless that was done within the last second:
    /// what was heard there gets old. Pointers to the names that are `unsure` are not listed as
    /// known (RFC 6762 §7.1): who holds them would else not repeat what belongs to them, which may
    /// be older than they are.
    pub fn ask_now(&mut self, now: Instant, id: TapId, link: LinkIndex, unsure: Vec<Name>) {
        if let (Some((name, _)), Some(link)) = (self.taps.get(&id), self.links.get_mut(&link))
            && link.refresh(now, name, RecordType::PTR)
            && let Some(key) = link.asks.find(name, RecordType::PTR)
            && let Some(ask) = link.asks.asks.get_mut(key)
        {
            ask.unsure = unsure;
        }
        self.flush(now);
    }

    /// The state of a link.
    pub fn link_state(&self, link: LinkIndex) -> Option<&LinkState> {
        self.links.get(&link).map(|link| &link.state)
    }

    /// Whether this is an address of this machine.
    pub fn is_own_address(&self, address: std::net::IpAddr) -> bool {
        self.links.values().any(|link| link.is_own_address(address))
    }

    /// A response goes to the taps that it has to do with.
    pub(super) fn tell_taps(&mut self, packet: &Packet<'_>, message: &Message<'_>) {
        let Some(link) = self.links.get(&packet.link) else { return };
        if self.taps.is_empty() || !link.is_on_link(packet.source.ip()) {
            return;
        }
        let mut payload: Option<Bytes> = None;
        for (id, (service, _)) in &self.taps {
            if !message.records().any(|record| match record.rtype {
                RecordType::PTR => record.name.is(service),
                RecordType::TXT => record.name.to_name().parent().is_some_and(|parent| parent == *service),
                _ => false,
            }) {
                continue;
            }
            let payload = payload.get_or_insert_with(|| Bytes::copy_from_slice(packet.payload)).clone();
            let heard = Event::Heard { tap: *id, link: packet.link, source: packet.source, payload };
            self.shared.tell(heard);
        }
    }
}

impl Link {
    /// How long an answer with leading pointers alone waits (RFC 6762 §6 has 20 to 120 ms): not
    /// at all among a few, so that a newcomer finds them in milliseconds; among many longer, so
    /// that they don't drown each other.
    pub(super) fn lead_wait(&self, wanted: &[Wanted], shared: &mut Shared) -> Option<Duration> {
        let mut peers = 0_usize;
        for want in wanted {
            let own = self.own.get(want.key).filter(|own| own.telling == Telling::Leads)?;
            peers = peers.max(self.cache.pointers_at(&own.record.name));
        }
        if peers <= FEW_PEERS {
            return Some(Duration::ZERO);
        }
        let more = DELAY_PER_PEER.saturating_mul(u32::try_from(peers).unwrap_or(u32::MAX));
        Some(shared.rng.between(SHARED_DELAY.0, SHARED_DELAY.1.saturating_add(more).min(MAX_DELAY)))
    }

    /// How long a question waits for one of many peers to ask it first (RFC 6762 §7.3): those
    /// that started together would else ask together for ever.
    pub(super) fn spread(&self, name: &Name, shared: &mut Shared) -> Duration {
        let peers = self.cache.pointers_at(name);
        if peers <= FEW_PEERS {
            return Duration::ZERO;
        }
        let most = DELAY_PER_PEER.saturating_mul(u32::try_from(peers).unwrap_or(u32::MAX)).min(MAX_DELAY);
        shared.rng.between(Duration::ZERO, most)
    }

    /// Whether a record may be told by unicast alone. Of many peers each would do so to each.
    pub(super) fn may_tell_one(&self, key: RecordKey) -> bool {
        self.own.get(key).is_none_or(|own| {
            own.telling != Telling::Leads || self.cache.pointers_at(&own.record.name) <= FEW_PEERS
        })
    }

    /// rust-libp2p asks from one port and listens on 5353. What the one-second rule still keeps
    /// from the group (RFC 6762 §6) goes to that port of the asker at once; it gets the
    /// multicast later in any case, should another program there take this.
    pub(super) fn reply_where_it_listens(
        &mut self,
        now: Instant,
        asker: SocketAddr,
        wanted: &[Wanted],
        shared: &mut Shared,
    ) {
        let mut to = asker;
        to.set_port(MDNS_PORT);
        let is_held = |key: RecordKey| {
            self.free_at(key, Rule::Second, &self.own.additionals(key)).is_some_and(|free| free > now)
        };
        let held: Vec<_> =
            wanted.iter().filter(|want| is_held(want.key)).map(|want| (want.key, want.ttl)).collect();
        if self.may_reply_to(to) {
            self.schedule_reply(to, held, now, shared);
        }
    }

    pub(super) fn is_lead(&self, key: RecordKey) -> bool {
        self.own.get(key).is_some_and(|own| own.telling == Telling::Leads)
    }

    /// Sends a leading pointer with all that goes with it.
    pub(super) fn send_lead(&mut self, now: Instant, lead: RecordKey, to: Families, shared: &mut Shared) {
        for (payload, records) in self.pack_lead(lead) {
            self.multicast(now, &payload, to, shared);
            for key in records {
                self.own.told(now, key);
            }
        }
    }

    /// One datagram for each TXT record.
    pub(super) fn pack_lead(&self, lead: RecordKey) -> Vec<(Bytes, Vec<RecordKey>)> {
        let with = self.own.additionals(lead);
        let of = |rtypes: &[RecordType]| {
            let is = |key: &&RecordKey| {
                self.own.get(**key).is_some_and(|own| rtypes.contains(&own.record.data.record_type()))
            };
            with.iter().filter(is).copied().collect::<Vec<RecordKey>>()
        };
        let (texts, srv) = (of(&[RecordType::TXT]), of(&[RecordType::SRV]));
        let addresses = [of(&[RecordType::A]), of(&[RecordType::AAAA])].concat();
        let pack = |keys: &[RecordKey]| {
            let mut packer = Packer::response(self.limit());
            for (section, key) in [(Section::Answer, &lead)]
                .into_iter()
                .chain(keys.iter().map(|key| (Section::Additional, key)))
            {
                let Record { name, cache_flush, ttl, data } = &self.own.get(*key)?.record;
                packer.record(section, name, *cache_flush, *ttl, data).ok()?;
            }
            Some((packer.finish(), [&[lead], keys].concat()))
        };
        texts
            .iter()
            .filter_map(|text| {
                let few = [&[*text], srv.as_slice()].concat();
                pack(&[few.as_slice(), addresses.as_slice()].concat()).or_else(|| pack(&few))
            })
            .collect()
    }

    /// The records of a peer on this link.
    pub(super) fn peer_records(
        &self,
        service: &Service,
        peer: &PeerRecords,
        host: &HostName,
    ) -> Option<(u16, Vec<Txt>)> {
        let content = (peer.says)(&self.state)?;
        let room = self.text_room(service, host);
        let mut texts: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut taken = 0_usize;
        for string in content.strings.into_iter().filter(|string| u8::try_from(string.len()).is_ok()) {
            let bytes = string.len().saturating_add(1);
            taken = taken.saturating_add(bytes);
            match texts.last_mut().filter(|_| taken <= room) {
                Some(text) => text.push(string),
                None => {
                    texts.push(vec![string]);
                    taken = bytes;
                }
            }
        }
        let texts: Vec<Txt> = texts.into_iter().filter_map(|text| Txt::from_strings(text).ok()).collect();
        (!texts.is_empty()).then_some((content.port, texts))
    }

    /// The bytes of TXT strings that one datagram has room for.
    fn text_room(&self, service: &Service, host: &HostName) -> usize {
        let limit = self.limit();
        let v4 = self.state.v4.len().saturating_mul(A_BYTES);
        let addresses = v4.saturating_add(self.state.v6.len().saturating_mul(AAAA_BYTES));
        let addresses = if addresses.saturating_mul(ADDRESS_SHARE) > limit { 0 } else { addresses };
        [
            FRAME_BYTES,
            service.service.name().wire().len(),
            service.instance.as_bytes().len(),
            host.name().wire().len(),
            addresses,
        ]
        .into_iter()
        .fold(limit, usize::saturating_sub)
    }

    /// The pointers that lead a record.
    pub(super) fn leads_of(&self, key: RecordKey) -> Vec<RecordKey> {
        self.own.leads().filter(|lead| self.own.additionals(*lead).contains(&key)).collect()
    }

    /// A tap asks here.
    pub(super) fn listen(&mut self, now: Instant, name: &Name, most: Duration, shared: &mut Shared) {
        self.ask(now, name, RecordType::PTR, true, shared);
        self.ask_promptly(now, name, most, shared);
    }

    /// Whether this is a pointer of ours that leads: it is not listed as known, so that our own
    /// question is answered by us as well, and tells of us (libp2p mDNS specification).
    pub(super) fn is_own_lead(&self, name: &Name, data: &RecordData) -> bool {
        self.own.find(name, data).is_some_and(|key| self.is_lead(key))
    }
}
