//! What waits for an answer that the one-second rule has put off (RFC 6762 §6).

use std::time::Instant;

use litemap::LiteMap;

use super::own::RecordKey;

/// Until when each record waits: an answer that is put off holds all that goes into the same
/// message. It is kept from one answer to the next, so that of a thousand that wait none is
/// looked at because another is due.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    /// Which state of the link's records it belongs to; none where it has to be found anew.
    made_of: Option<u64>,
    until: LiteMap<RecordKey, Instant>,
    last: Option<Instant>,
}

impl Withheld {
    /// An answer that was put off is no longer, or until another instant.
    pub(super) fn forget(&mut self) {
        self.made_of = None;
    }

    /// Whether it is right for this state of the records. If not, it is empty now.
    pub(super) fn is_of(&mut self, state: u64, now: Instant) -> bool {
        let same = self.made_of == Some(state);
        if !same || self.last.is_some_and(|last| last <= now) {
            *self = Self { made_of: Some(state), ..Self::default() };
        }
        same
    }

    /// These records wait at least until then.
    pub(super) fn hold(&mut self, records: impl IntoIterator<Item = RecordKey>, until: Instant) {
        for key in records {
            let at = self.until.entry(key).or_insert(until);
            *at = until.max(*at);
        }
        self.last = self.last.max(Some(until));
    }

    /// The last instant that one of these records waits for. It may have passed.
    pub(super) fn until<'k>(&self, records: impl IntoIterator<Item = &'k RecordKey>) -> Option<Instant> {
        if self.until.is_empty() {
            return None;
        }
        records.into_iter().filter_map(|key| self.until.get(key).copied()).max()
    }
}
