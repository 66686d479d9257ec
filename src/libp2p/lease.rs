//! How long one address of a peer is good for, and when it is asked for.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::proto::Rng;

/// What is replaced or taken back lives so long (RFC 6762 §10.1, §10.2).
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The longest an address is believed without being heard again, in seconds, as for any
/// record.
const MAX_TTL_SECONDS: u32 = 4500;

/// The parts of a lifetime, in thousandths, at which an address is asked for. RFC 6762 §5.2
/// begins at 800; from 500 on a peer answers again whatever is known of it (§7.1), and a
/// living peer must not expire on a bad network.
const REFRESH: [u32; 7] = [500, 600, 700, 800, 850, 900, 950];

/// Up to so many thousandths are added to each (RFC 6762 §5.2).
const REFRESH_JITTER: u32 = 20;

/// Shorter lives are not worth a question.
const MIN_REFRESHED: Duration = Duration::from_secs(5);

/// The datagrams of one response come within this time.
const RESPONSE: Duration = Duration::from_millis(500);

/// The stage of a lease that is not to be refreshed.
const LEAVING: usize = usize::MAX;

/// How long one address of a peer is good for.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) on_link: bool,
    /// Under which name and from where it was heard last.
    pub(crate) instance: Name,
    pub(crate) source: IpAddr,
    pub(crate) received: Instant,
    pub(crate) ttl: Duration,
    expires: Instant,
    /// How many refreshes have been asked for.
    stage: usize,
    /// When it is to be looked at next.
    wake: Instant,
    /// Its response came in several datagrams.
    pub(crate) in_parts: bool,
    /// When a response came that it was not in.
    missed: Option<Instant>,
}

impl Lease {
    /// An address that was heard now, to live for `ttl` seconds.
    pub(crate) fn new(
        now: Instant,
        ttl: u32,
        on_link: bool,
        instance: Name,
        source: IpAddr,
        rng: &mut Rng,
    ) -> Self {
        let ttl = Duration::from_secs(ttl.min(MAX_TTL_SECONDS).into());
        let expires = after(now, ttl);
        let mut this = Self {
            on_link,
            instance,
            source,
            received: now,
            ttl,
            expires,
            stage: 0,
            wake: expires,
            in_parts: false,
            missed: None,
        };
        this.plan(rng);
        this
    }

    /// When it is to be looked at: to be asked for, or because it ends.
    pub(crate) fn wake(&self) -> Instant {
        self.wake
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// Its time to be asked for has come; plans the next.
    pub(crate) fn grow_old(&mut self, rng: &mut Rng) {
        self.stage = self.stage.saturating_add(1);
        self.plan(rng);
    }

    /// Whether it was to be refreshed, and has not been yet.
    pub(crate) fn is_old(&self) -> bool {
        (1..=REFRESH.len()).contains(&self.stage)
    }

    /// Whether it was heard in a response that is still coming in.
    pub(crate) fn is_coming_in(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.received) <= RESPONSE
    }

    /// A datagram does not have it. Says whether that tells that it is no longer good. One that
    /// came in a datagram beside others is missing in two responses before it is given up: of
    /// the first one its datagram may be lost, or on its way.
    pub(crate) fn is_replaced(&mut self, now: Instant) -> bool {
        let first = *self.missed.get_or_insert(now);
        !self.in_parts || now.saturating_duration_since(first) > RESPONSE
    }

    /// It lives until then at most, and is not asked for any more. False if it would not have
    /// lived longer anyway.
    pub(crate) fn shorten(&mut self, until: Instant) -> bool {
        let shorter = self.expires > until;
        if shorter {
            self.expires = until;
            self.stage = LEAVING;
            self.wake = until;
        }
        shorter
    }

    fn plan(&mut self, rng: &mut Rng) {
        let part = REFRESH.get(self.stage).filter(|_| self.ttl >= MIN_REFRESHED);
        self.wake = part.map_or(self.expires, |part| {
            let part = part.saturating_add(rng.up_to(REFRESH_JITTER));
            let wait = self.ttl.saturating_mul(part).checked_div(1000).unwrap_or(self.ttl);
            after(self.received, wait).min(self.expires)
        });
    }
}

/// `at + wait`; an instant past the end of time stays where it is.
pub(crate) fn after(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).unwrap_or(at)
}
