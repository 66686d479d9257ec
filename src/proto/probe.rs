//! Probing: is a name free? (RFC 6762 §8.1)

use tracing::debug;

use super::claim::{ClaimId, Claims, PROBE_INTERVAL, Phase};
use super::families::Families;
use super::io::LinkIndex;
use super::link::Link;
use super::query::UNICAST_WINDOW;
use super::records::proposed_unique;
use super::timer::{Timer, after};
use super::{Config, Engine};
use crate::wire::{Packer, Record, RecordType, Section};
use std::time::Instant;

/// A header, and what a question has beside its name, in bytes.
const QUERY_BYTES: usize = 16;

/// What a record has beside its data, in bytes, when its name is a pointer to the question's.
const RECORD_BYTES: usize = 12;

impl Engine {
    /// Sends the probes that are due on all links: all names of a link in one message, with
    /// the records proposed for them in the Authority Section (RFC 6762 §8.1, §8.2).
    pub(super) fn flush_probes(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.probes_due);
        due.sort_unstable();
        due.dedup();
        let mut rest = due.as_slice();
        while let Some((index, _)) = rest.first().copied() {
            let here = rest.iter().take_while(|(link, _)| *link == index).count();
            let (mine, others) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            rest = others;
            let ids: Vec<ClaimId> = mine.iter().map(|(_, id)| *id).collect();
            self.send_probes(now, index, &ids);
            for id in ids {
                let Some(link) = self.links.get_mut(&index) else { break };
                let sent = match link.claims.get(&id) {
                    Some(Phase::Probing { sent }) => *sent,
                    _ => 0,
                };
                link.claims.insert(id, Phase::Probing { sent: sent.saturating_add(1) });
                self.shared.timers.set(Timer::Claim(index, id), after(now, PROBE_INTERVAL));
            }
        }
    }

    fn send_probes(&mut self, now: Instant, index: LinkIndex, ids: &[ClaimId]) {
        let Some(link) = self.links.get_mut(&index) else { return };
        // RFC 6762 §15.1: no unicast reply is asked for that another program would get.
        let unicast = link.state.unicast;
        let mut rest = ids;
        while !rest.is_empty() {
            // As many names as fit with all their records.
            let mut count = rest.len();
            let packer = loop {
                let some = rest.get(..count).unwrap_or(rest);
                match pack_probe(&self.claims, &self.config, link, some, unicast) {
                    Some(packer) => break Some(packer),
                    None if count > 1 => count = count.div_ceil(2),
                    None => break None,
                }
            };
            rest = rest.get(count..).unwrap_or_default();
            if let Some(packer) = packer {
                debug!(link = %link.state.name, names = count, "probe");
                link.multicast(now, &packer.finish(), Families::BOTH, &mut self.shared);
            }
        }
        if unicast {
            link.answers.probed_until = Some(after(now, UNICAST_WINDOW));
        }
    }
}

fn pack_probe(
    claims: &Claims,
    config: &Config,
    link: &Link,
    ids: &[ClaimId],
    unicast: bool,
) -> Option<Packer> {
    let mut packer = Packer::query(link.limit());
    for id in ids {
        packer.question(claims.name_of(*id)?, RecordType::ANY, unicast).ok()?;
    }
    for id in ids {
        for record in probed(claims, config, link, *id) {
            // RFC 6762 §10.2: no cache-flush bit here.
            packer.record(Section::Authority, &record.name, false, record.ttl, &record.data).ok()?;
        }
    }
    Some(packer)
}

/// The records that stand for a claim in its probes. §8.2 wants them all, §17 forbids more
/// than fits the link: the largest are left out, by us when we compare as well.
pub(super) fn probed(claims: &Claims, config: &Config, link: &Link, id: ClaimId) -> Vec<Record> {
    let mut records = proposed_unique(claims, config, link, id);
    let size = |record: &Record| {
        let mut data = Vec::new();
        record.data.write_uncompressed(&record.name, &mut data);
        data.len().saturating_add(RECORD_BYTES)
    };
    let name = claims.name_of(id).map_or(0, |name| name.wire().len());
    let room = link.limit().saturating_sub(name.saturating_add(QUERY_BYTES));
    while records.iter().map(size).fold(0_usize, usize::saturating_add) > room {
        let largest = (0..records.len()).max_by_key(|at| records.get(*at).map(size));
        let Some(largest) = largest else { break };
        records.remove(largest);
    }
    records
}
