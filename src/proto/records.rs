//! Which records a claim is about, on one link.

use std::net::IpAddr;

use super::Config;
use super::claim::{ClaimId, Claims, Host, Registered};
use super::link::Link;
use super::own::Telling;
use super::peer::PeerRecords;
use crate::name::Name;
use crate::wire::{Nsec, Record, RecordData, RecordType, Srv};

/// The time to live of records that name a host, in seconds (RFC 6762 §10).
pub(super) const HOST_TTL_SECONDS: u32 = 120;

/// The time to live of all other records, in seconds (RFC 6762 §10).
pub(super) const OTHER_TTL_SECONDS: u32 = 4500;

/// The records a claim is about, if it is won: those that stand in a probe.
pub(super) fn proposed_unique(claims: &Claims, config: &Config, link: &Link, id: ClaimId) -> Vec<Record> {
    let all = proposed(claims, config, link, id).into_iter();
    all.filter(|(record, telling)| record.cache_flush && *telling != Telling::OnRequest)
        .map(|(record, _)| record)
        .collect()
}

/// All records of a claim on a link.
pub(super) fn proposed(claims: &Claims, config: &Config, link: &Link, id: ClaimId) -> Vec<(Record, Telling)> {
    match id {
        ClaimId::Host(id) => claims.hosts.get(&id).map(|host| host_records(host, config, link)),
        ClaimId::Service(id) => claims.services.get(&id).map(|registered| match &registered.service.peer {
            Some(peer) => peer_records(claims, registered, peer, link),
            None => service_records(claims, registered),
        }),
    }
    .unwrap_or_default()
}

/// The addresses of this link and no others (RFC 6762 §6.2), which types there are (§6.1),
/// and the reverse mapping.
fn host_records(host: &Host, config: &Config, link: &Link) -> Vec<(Record, Telling)> {
    let name = host.name.name();
    let (ttl, telling) = match host.peer_ttl {
        Some(ttl) => (ttl, Telling::Led),
        None => (HOST_TTL_SECONDS, Telling::Announced),
    };
    let unique = |name: &Name, data| Record { name: name.clone(), cache_flush: true, ttl, data };
    let v4 = link.state.v4.iter().map(|(address, _)| *address);
    let v6 = link.state.v6.iter().map(|(address, _)| *address);
    let mut types = Vec::new();
    let mut records = Vec::new();
    for address in v4.clone() {
        types.push(RecordType::A);
        records.push((unique(name, RecordData::A(address)), telling));
    }
    for address in v6.clone() {
        types.push(RecordType::AAAA);
        records.push((unique(name, RecordData::Aaaa(address)), telling));
    }
    records.push((unique(name, RecordData::Nsec(Nsec::new(types))), Telling::OnRequest));
    if config.shares_host || host.name != config.host || link.answers.reverse_taken {
        return records;
    }
    let reverse = v4.map(IpAddr::V4).chain(v6.map(IpAddr::V6)).filter_map(reverse_name);
    for reverse in reverse {
        records.push((unique(&reverse, RecordData::Ptr(name.clone())), Telling::OnRequest));
        records.push((unique(&reverse, RecordData::Nsec(Nsec::new([RecordType::PTR]))), Telling::OnRequest));
    }
    records
}

/// `4.3.2.1.in-addr.arpa`, or the 32 nibbles below `ip6.arpa` (RFC 6762 §4).
pub(super) fn reverse_name(address: IpAddr) -> Option<Name> {
    let mut labels: Vec<String> = Vec::new();
    match address {
        IpAddr::V4(v4) => {
            labels.extend(v4.octets().iter().rev().map(u8::to_string));
            labels.extend(["in-addr".to_owned(), "arpa".to_owned()]);
        }
        IpAddr::V6(v6) => {
            for byte in v6.octets().iter().rev() {
                labels.extend([format!("{:x}", byte & 0x0f), format!("{:x}", byte >> 4)]);
            }
            labels.extend(["ip6".to_owned(), "arpa".to_owned()]);
        }
    }
    Name::from_labels(labels).ok()
}

/// PTR records at the type, its subtypes and the list of all types; SRV and TXT (RFC 6763).
fn service_records(claims: &Claims, registered: &Registered) -> Vec<(Record, Telling)> {
    let Some(host) = claims.hosts.get(&registered.host) else { return Vec::new() };
    let Registered { service, name, .. } = registered;
    let shared = |at: &Name, to: &Name| Record {
        name: at.clone(),
        cache_flush: false,
        ttl: OTHER_TTL_SECONDS,
        data: RecordData::Ptr(to.clone()),
    };
    let unique = |ttl, data| Record { name: name.clone(), cache_flush: true, ttl, data };
    let srv = Srv { priority: 0, weight: 0, port: service.port, target: host.name.name().clone() };
    let mut records = vec![shared(service.service.name(), name)];
    records.extend(service.subtypes.iter().map(|subtype| shared(subtype, name)));
    records.push(unique(HOST_TTL_SECONDS, RecordData::Srv(srv)));
    records.push(unique(OTHER_TTL_SECONDS, RecordData::Txt(service.txt.clone())));
    records.extend(enumeration_name().map(|all| shared(&all, service.service.name())));
    let mut records: Vec<_> = records.into_iter().map(|record| (record, Telling::Announced)).collect();
    let types = RecordData::Nsec(Nsec::new([RecordType::SRV, RecordType::TXT]));
    records.push((unique(HOST_TTL_SECONDS, types), Telling::OnRequest));
    records
}

/// The same in a libp2p peer's shape. What all peers would say alike is told on request.
fn peer_records(
    claims: &Claims,
    registered: &Registered,
    peer: &PeerRecords,
    link: &Link,
) -> Vec<(Record, Telling)> {
    let Some(host) = claims.hosts.get(&registered.host) else { return Vec::new() };
    let Registered { service, name, .. } = registered;
    let Some((port, texts)) = link.peer_records(service, peer, &host.name) else { return Vec::new() };
    let shared = |at: &Name, to: &Name| Record {
        name: at.clone(),
        cache_flush: false,
        ttl: peer.ttl,
        data: RecordData::Ptr(to.clone()),
    };
    let unique = |ttl, data| Record { name: name.clone(), cache_flush: true, ttl, data };
    let srv = RecordData::Srv(Srv { priority: 0, weight: 0, port, target: host.name.name().clone() });
    let types = RecordData::Nsec(Nsec::new([RecordType::SRV, RecordType::TXT]));
    let mut records = vec![(shared(service.service.name(), name), Telling::Leads)];
    records.extend(texts.into_iter().map(|txt| (unique(peer.ttl, RecordData::Txt(txt)), Telling::Led)));
    records.push((unique(peer.host_ttl(), srv), Telling::Led));
    let all = enumeration_name()
        .map(|all| Record { ttl: OTHER_TTL_SECONDS, ..shared(&all, service.service.name()) });
    records.extend(all.map(|all| (all, Telling::OnRequest)));
    records.push((unique(peer.host_ttl(), types), Telling::OnRequest));
    records
}

/// `_services._dns-sd._udp.local` (RFC 6763 §9).
pub(super) fn enumeration_name() -> Option<Name> {
    Name::from_labels(["_services", "_dns-sd", "_udp", "local"]).ok()
}
