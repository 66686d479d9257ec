//! Answers as they were packed last: who is asked the same again gives the same again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::own::RecordKey;

/// How many messages a link keeps: what is asked for again and again is a handful. A record is
/// answered once a second at most, so that looking through them costs little.
const MAX_PREPARED: usize = 8;

/// More records than this are rarely asked for together a second time.
const MAX_RECORDS: usize = 64;

/// An answer with all that goes into the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) answer: RecordKey,
    pub(super) ttl: Option<u32>,
    pub(super) additionals: Vec<RecordKey>,
}

/// What was packed, and which records are in it.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) payload: Bytes,
    pub(super) records: Arc<[RecordKey]>,
}

/// A message, and all that it was made of.
#[derive(Debug)]
struct Message {
    units: Vec<Unit>,
    packed: Packed,
    /// It holds these answers with all that belongs to them.
    whole: bool,
}

#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Which state of the link's records and of its limit they belong to.
    made_of: (u64, usize),
    /// Newest last.
    messages: VecDeque<Message>,
}

impl Prepared {
    /// The message of these answers with all that belongs to them, if it was packed when the
    /// records and the limit were as they are now.
    pub(super) fn whole(
        &self,
        made_of: (u64, usize),
        answers: impl Iterator<Item = (RecordKey, Option<u32>)> + Clone,
    ) -> Option<Packed> {
        if self.made_of != made_of {
            return None;
        }
        let of = |message: &&Message| {
            message.whole && message.units.iter().map(|unit| (unit.answer, unit.ttl)).eq(answers.clone())
        };
        self.messages.iter().find(of).map(|message| message.packed.clone())
    }

    /// These answers have just been sent as they are, with nothing left out of what belongs to
    /// them.
    pub(super) fn mark_whole(&mut self, units: &[Unit]) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.units == units) {
            let has = |key| message.packed.records.contains(key);
            message.whole = units.iter().all(|unit| unit.additionals.iter().all(has));
        }
    }

    /// The message of these units, if it was packed when the records and the limit were as they
    /// are now.
    pub(super) fn find(&self, made_of: (u64, usize), units: &[Unit]) -> Option<Packed> {
        if self.made_of != made_of {
            return None;
        }
        self.messages.iter().find(|message| message.units == units).map(|message| message.packed.clone())
    }

    pub(super) fn keep(&mut self, made_of: (u64, usize), units: &[Unit], packed: &Packed) {
        if self.made_of != made_of {
            self.made_of = made_of;
            self.messages.clear();
        }
        if packed.records.len() > MAX_RECORDS {
            return;
        }
        if self.messages.len() >= MAX_PREPARED {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { units: units.to_vec(), packed: packed.clone(), whole: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::numbered::Numbered;

    #[test]
    fn only_the_same_units_of_the_same_state_are_given_again() {
        let mut records = Numbered::default();
        let keys: Vec<RecordKey> = (0..100).map(|_| records.insert(())).collect();
        let unit = |n: usize| vec![Unit { answer: keys[n], ttl: None, additionals: vec![] }];
        let packed = |n: usize| Packed {
            payload: Bytes::copy_from_slice(&n.to_be_bytes()),
            records: Arc::new([keys[n]]),
        };
        let mut prepared = Prepared::default();
        assert!(prepared.find((0, 1440), &unit(1)).is_none());
        prepared.keep((1, 1440), &unit(1), &packed(1));
        let again = prepared.find((1, 1440), &unit(1)).unwrap();
        // The very bytes, not a copy.
        assert_eq!(again.payload.as_ptr(), prepared.find((1, 1440), &unit(1)).unwrap().payload.as_ptr());
        assert!(prepared.find((1, 1440), &unit(2)).is_none());
        assert!(prepared.find((2, 1440), &unit(1)).is_none());
        assert!(prepared.find((1, 1280), &unit(1)).is_none());
        let answers = |n: usize| std::iter::once((keys[n], None));
        assert!(prepared.whole((1, 1440), answers(1)).is_none());
        prepared.mark_whole(&unit(1));
        assert!(prepared.whole((1, 1440), answers(1)).is_some());
        assert!(prepared.whole((2, 1440), answers(1)).is_none());
        assert!(prepared.whole((1, 1440), answers(1).chain(answers(2))).is_none());
        assert!(prepared.whole((1, 1440), std::iter::once((keys[1], Some(1)))).is_none());
        for n in 0..100 {
            prepared.keep((1, 1440), &unit(n), &packed(n));
        }
        assert_eq!(prepared.messages.len(), MAX_PREPARED);
        // What had no room for an additional is not whole.
        let lacks = vec![Unit { answer: keys[1], ttl: None, additionals: vec![keys[2]] }];
        prepared.keep((1, 1440), &lacks, &packed(1));
        prepared.mark_whole(&lacks);
        assert!(prepared.whole((1, 1440), answers(1)).is_none());
    }
}
