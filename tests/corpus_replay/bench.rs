//! The host that the corpus speaks of, and a look at what it sends.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use salut::proto::{Event, LinkIndex};
use salut::sim::{HostId, Lan, SegmentId, Sent};
use salut::wire::{Message, Packer, RecordData, RecordType, Section, Srv};
use salut::{HostName, Name, Service, Txt};
use serde_json::Value;

use crate::lan_support::*;

pub(crate) const OWN: &str = "Salut Test";
pub(crate) const OWN_V4: [u8; 4] = [10, 77, 0, 1];
pub(crate) const PEER: ([u8; 4], u16) = ([10, 77, 0, 2], 5353);
pub(crate) const LINK: LinkIndex = LinkIndex(1);

pub(crate) fn corpus(file: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/corpus/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn json(file: &str) -> Value {
    serde_json::from_slice(&corpus(file)).unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// The host that the corpus speaks of: its service is announced, its browser runs.
pub(crate) struct Bench {
    pub(crate) lan: Lan,
    pub(crate) segment: SegmentId,
    pub(crate) host: HostId,
    pub(crate) view: View,
}

impl Bench {
    /// Just switched on.
    pub(crate) fn cold() -> Self {
        let mut lan = Lan::new(77);
        let segment = lan.segment();
        let host = lan.host("salut-test").unwrap();
        let v6 = "fe80::1".parse().unwrap();
        lan.attach_with(host, segment, vec![(OWN_V4.into(), 24)], vec![(v6, 64)]);
        let service = Service::new(OWN, TYPE, PORT).unwrap().txt("k", "v").unwrap();
        lan.announce(host, service).unwrap();
        lan.browse(host, exo()).unwrap();
        Self { lan, segment, host, view: View::default() }
    }

    /// In its steady state.
    pub(crate) fn new() -> Self {
        let mut bench = Self::cold();
        // Somebody is there: what is heard later is not the first sign of a network.
        bench.inject(PEER, false, &[0; 12]);
        bench.run(seconds(40.0));
        bench.lan.take_sent();
        assert_eq!(bench.view.names(), [OWN]);
        bench
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.lan.run_for(time);
        self.listen();
    }

    pub(crate) fn listen(&mut self) {
        self.view.take(&mut self.lan, self.host);
    }

    pub(crate) fn inject(&mut self, source: impl Into<SocketAddr>, unicast: bool, payload: &[u8]) {
        let to = unicast.then(|| IpAddr::from(OWN_V4));
        self.lan.inject(self.segment, source.into(), to, payload);
    }

    pub(crate) fn cached(&self) -> usize {
        self.lan.engine(self.host).unwrap().cached(LINK)
    }

    /// What the host sent since it was last asked.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        self.lan.take_sent().into_iter().filter(|sent| sent.host.is_some()).collect()
    }

    /// The addresses of a host that are in the cache now.
    pub(crate) fn cached_addresses(&mut self, host: &str) -> Vec<IpAddr> {
        self.listen();
        let host = HostName::new(host).unwrap();
        let id = self.lan.drive(self.host, |engine, now| engine.resolve(now, host));
        let events = self.lan.take_events(self.host);
        self.lan.drive(self.host, |engine, now| engine.stop_resolve(now, id));
        let found = events.into_iter().find_map(|(_, event)| match event {
            Event::Resolved { addresses, .. } => Some(addresses),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// A normal question for the own service is answered within a second.
    pub(crate) fn is_alive(&mut self, case: &str) {
        // What went out just now may not be repeated within the second.
        self.run(seconds(1.1));
        self.sent();
        let mut packer = Packer::query(1440);
        let own = format!("Salut\\032Test.{TYPE}.local").parse().unwrap();
        packer.question(&own, RecordType::SRV, false).unwrap();
        self.inject(PEER, false, &packer.finish());
        self.run(seconds(1.0));
        let answered = self.sent().iter().any(|sent| has(sent, RecordType::SRV, &own));
        assert!(answered, "{case}: a normal question is not answered any more\n{}", self.lan.trace());
    }

    pub(crate) fn is_alive_as(&mut self, name: &str) {
        self.run(seconds(1.1));
        self.sent();
        let own = exo_name().prepend(name).unwrap();
        let mut packer = Packer::query(1440);
        packer.question(&own, RecordType::SRV, false).unwrap();
        self.inject(PEER, false, &packer.finish());
        self.run(seconds(1.0));
        assert!(self.sent().iter().any(|sent| has(sent, RecordType::SRV, &own)));
    }
}

pub(crate) fn is_response(sent: &Sent) -> bool {
    Message::read(&sent.payload).unwrap().header().response
}

pub(crate) fn is_probe(sent: &Sent) -> bool {
    Message::read(&sent.payload).unwrap().header().authorities > 0
}

pub(crate) fn has(sent: &Sent, rtype: RecordType, name: &Name) -> bool {
    let message = Message::read(&sent.payload).unwrap();
    message.header().response && message.records().any(|record| record.rtype == rtype && record.name.is(name))
}

pub(crate) fn own_pointer(sent: &Sent) -> bool {
    has(sent, RecordType::PTR, &exo_name())
}

pub(crate) fn exo_name() -> Name {
    format!("{TYPE}.local").parse().unwrap()
}

/// Responses, with the copies for both families counted once.
pub(crate) fn replies(sent: &[Sent]) -> usize {
    let mut at: Vec<(Duration, bool)> =
        sent.iter().filter(|s| is_response(s)).map(|s| (s.at, s.destination.ip().is_multicast())).collect();
    at.dedup();
    at.len()
}

/// SRV, TXT and address of an instance of the peer, with its PTR.
pub(crate) fn announcement(label: &[u8], ttl: u32) -> Vec<u8> {
    let mut packer = Packer::response(1440);
    let instance = exo_name().prepend(label).unwrap();
    let host: Name = "peer1.local".parse().unwrap();
    let srv = Srv { priority: 0, weight: 0, port: 4001, target: host.clone() };
    let txt = Txt::new().with("k", "v").unwrap();
    packer.record(Section::Answer, &exo_name(), false, ttl, &RecordData::Ptr(instance.clone())).unwrap();
    packer.record(Section::Answer, &instance, true, ttl, &RecordData::Srv(srv)).unwrap();
    packer.record(Section::Answer, &instance, true, ttl, &RecordData::Txt(txt)).unwrap();
    packer.record(Section::Answer, &host, true, ttl, &RecordData::A([10, 77, 0, 2].into())).unwrap();
    packer.finish().to_vec()
}
