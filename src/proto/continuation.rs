//! Truncated queries: the known answers that follow in further packets (RFC 6762 §7.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::link::{Link, Shared};
use super::numbered::Numbers;
use super::respond::Wanted;
use super::timer::{Timer, after};
use crate::wire::Message;

/// A truncated query is followed by more known answers; so long they are waited for
/// (RFC 6762 §7.2).
const CONTINUATION_DELAY: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(500));

/// However many packets follow, an answer waits no longer than this after the first.
const CONTINUATION_LIMIT: Duration = Duration::from_millis(950);

/// The most packets of one truncated query.
const MAX_CONTINUATION_PACKETS: u8 = 16;

/// The most sources whose truncated queries are waited for at one time.
const MAX_CONTINUATIONS: usize = 512;

/// A truncated query, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContinuationId(u32);

/// A truncated query whose last packet is awaited.
#[derive(Debug)]
pub(super) struct Continuation {
    id: ContinuationId,
    until: Instant,
    packets: u8,
    wanted: Vec<Wanted>,
}

impl Link {
    /// Whether further packets of a truncated query are awaited from a source, to answer it or
    /// to see what it asks for.
    pub(super) fn awaits_more_from(&self, source: SocketAddr) -> bool {
        self.answers.continuations.contains_key(&source) || self.asks.trusted.contains_key(&source)
    }

    /// Waits for more known answers (RFC 6762 §7.2). `false` if there is no room to.
    pub(super) fn defer(
        &mut self,
        now: Instant,
        source: SocketAddr,
        wanted: &mut Vec<Wanted>,
        shared: &mut Shared,
    ) -> bool {
        if self.answers.continuations.len() >= MAX_CONTINUATIONS
            && !self.answers.continuations.contains_key(&source)
        {
            return false;
        }
        let id = ContinuationId(self.answers.next_continuation);
        self.answers.next_continuation = self.answers.next_continuation.wrapping_add(1);
        let waiting = self.answers.continuations.entry(source).or_insert_with(|| Continuation {
            id,
            until: after(now, CONTINUATION_LIMIT),
            packets: 0,
            wanted: Vec::new(),
        });
        let mut held: Numbers = waiting.wanted.iter().map(|want| want.key).collect();
        for want in wanted.drain(..) {
            if held.insert(want.key) {
                waiting.wanted.push(want);
            } else if !want.unicast
                && let Some(it) = waiting.wanted.iter_mut().find(|it| it.key == want.key)
            {
                // RFC 6762 §5.4: of two questions one wants everybody to be told.
                it.unicast = false;
            }
        }
        self.wait_for_more(now, source, shared);
        true
    }

    fn wait_for_more(&mut self, now: Instant, source: SocketAddr, shared: &mut Shared) {
        let Some(waiting) = self.answers.continuations.get_mut(&source) else { return };
        waiting.packets = waiting.packets.saturating_add(1);
        if waiting.packets > MAX_CONTINUATION_PACKETS {
            return;
        }
        let wait = shared.rng.between(CONTINUATION_DELAY.0, CONTINUATION_DELAY.1);
        shared.timers.set(Timer::Continuation(self.index, waiting.id), after(now, wait).min(waiting.until));
    }

    /// A further packet of a truncated query takes more off (RFC 6762 §7.2).
    pub(super) fn hear_more_known_answers(
        &mut self,
        now: Instant,
        source: SocketAddr,
        message: &Message<'_>,
        shared: &mut Shared,
    ) {
        let Some(mut waiting) = self.answers.continuations.remove(&source) else { return };
        if waiting.packets < MAX_CONTINUATION_PACKETS {
            self.take_off_known(message, &mut waiting.wanted);
        }
        let more = message.header().truncated && message.header().questions == 0;
        self.answers.continuations.insert(source, waiting);
        if more {
            self.wait_for_more(now, source, shared);
        }
    }

    /// Nothing more came: what is left is answered.
    pub(super) fn continuation_due(&mut self, now: Instant, id: ContinuationId, shared: &mut Shared) {
        let due = self.answers.continuations.iter().find(|(_, waiting)| waiting.id == id);
        let Some(source) = due.map(|(source, _)| *source) else { return };
        let Some(waiting) = self.answers.continuations.remove(&source) else { return };
        self.answer(now, source, waiting.wanted, Duration::ZERO, shared);
    }
}
