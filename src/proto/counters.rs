//! How much came in, went out and was refused.

/// What an [`Engine`](super::Engine) has seen and done since it was made. Numbers only grow.
///
/// Datagrams that came in are `received`; of these the ones under
/// [`dropped`](Self::dropped) had no effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that came in.
    pub received: u64,
    /// No message, or one with another opcode or a response code (RFC 6762 §18.3, §18.11).
    pub malformed: u64,
    /// Responses that came from another port than 5353 (RFC 6762 §6).
    pub foreign_port: u64,
    /// By unicast, and not asked for, or from a host that is not on the link (RFC 6762 §11).
    pub unwelcome_unicast: u64,
    /// On a link that is not known.
    pub unknown_link: u64,
    /// Questions in the queries that came in.
    pub questions_heard: u64,
    /// Answer records in the responses that came in.
    pub answers_heard: u64,
    /// Datagrams to the group, each family's copy by itself.
    pub multicasts: u64,
    /// Datagrams to one asker.
    pub unicasts: u64,
    /// Questions in what was sent, probes included; both families' copies count once.
    pub questions_sent: u64,
    /// Answer records in what was sent, goodbyes included; both families' copies count once.
    pub answers_sent: u64,
    /// Times that somebody else had, or said something else under, a name of ours
    /// (RFC 6762 §8.1, §9).
    pub conflicts: u64,
    /// Names that were given up for another one, of services and of the host.
    pub renames: u64,
}

impl Counters {
    /// The datagrams that came in and had no effect, by reason. The reasons are stable, for
    /// logs and metrics.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("malformed", self.malformed),
            ("foreign_port", self.foreign_port),
            ("unwelcome_unicast", self.unwelcome_unicast),
            ("unknown_link", self.unknown_link),
        ]
        .into_iter()
    }

    /// What a message of ours has in it, as its header says.
    pub(super) fn sent(&mut self, payload: &[u8]) {
        let field = |at: usize| match payload.get(at..) {
            Some([high, low, ..]) => u64::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        let response = payload.get(2).is_some_and(|flags| flags & 0x80 != 0);
        if response {
            self.answers_sent = self.answers_sent.saturating_add(field(6));
        } else {
            self.questions_sent = self.questions_sent.saturating_add(field(4));
        }
    }
}

pub(super) fn count(counter: &mut u64) {
    add(counter, 1);
}

pub(super) fn add(counter: &mut u64, number: usize) {
    *counter = counter.saturating_add(u64::try_from(number).unwrap_or(u64::MAX));
}
