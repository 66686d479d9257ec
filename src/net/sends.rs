//! How sending on a link fares: what is refused by the system is tried again until it works.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::NetError;
use super::link::{EMPTY_QUERY, Failing, Link, Port, Slot};
use super::pace::Backoff;
use super::problem::{is_no_buffers, number};
use super::socket::{group, is_group, with_scope};
use crate::proto::Family;

/// A failure of a kind that passes by itself is kept quiet for this long: an address that is
/// still being checked, a link that is just going down and will be taken away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A multicast for which the system has no room is kept for this long before it is taken to be
/// refused: less than lies between two probes (RFC 6762 §8.1), so that none overtakes another.
const ROOM_PATIENCE: Duration = Duration::from_millis(200);

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It left.
    Yes,
    /// It left, after others did not.
    Again,
    /// The system has no room for it now: keep it for a moment.
    Later,
    /// It did not leave.
    No,
}

impl Link {
    /// Tries again to send where that failed; true if it works again.
    pub(super) fn try_sends(&mut self, now: Instant) -> bool {
        let mut again = false;
        for family in Family::BOTH {
            let Slot::Open(port) = self.group.get(family) else { continue };
            if port.failing.as_ref().is_some_and(|failing| failing.backoff.at() <= now) {
                let destination = group(self.info.index, family);
                again |= self.send(now, &EMPTY_QUERY, destination) == Sent::Again;
            }
        }
        again
    }

    /// Sends by the socket of the destination's family.
    pub(super) fn send(&mut self, now: Instant, payload: &[u8], destination: SocketAddr) -> Sent {
        let family = Family::of(destination.ip());
        let Slot::Open(port) = self.group.get_mut(family) else { return Sent::No };
        let result = port.socket.send(payload, with_scope(destination, self.info.index));
        match &result {
            Ok(()) => {
                port.no_room_since = None;
                self.sent = self.sent.saturating_add(1);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_group(destination) && is_no_buffers(error) && port.may_have_room(now) => {
                return Sent::Later;
            }
            Err(_) => self.failed = self.failed.saturating_add(1),
        }
        match result {
            Ok(()) if is_group(destination) => match port.failing.take() {
                Some(failing) => {
                    self.recovered(family, &failing);
                    Sent::Again
                }
                None => Sent::Yes,
            },
            Ok(()) => Sent::Yes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Later,
            Err(error) => {
                let error = NetError::Send {
                    interface: Arc::clone(&self.info.name),
                    family,
                    address: destination,
                    error: Arc::new(error),
                };
                // What is sent to one asker says nothing of the link.
                if is_group(destination) && !is_too_long(error.io()) {
                    self.failed(now, family, error);
                } else {
                    debug!(%error, "a datagram did not leave");
                }
                Sent::No
            }
        }
    }

    fn failed(&mut self, now: Instant, family: Family, error: NetError) {
        if self.info.loopback {
            debug!(%error, "this family stays closed on the loopback");
            *self.group.get_mut(family) = Slot::NoWay;
            *self.unicast.get_mut(family) = None;
            return;
        }
        let Slot::Open(port) = self.group.get_mut(family) else { return };
        let mut failing = match port.failing.take() {
            // What the engine sends between two tries must not push the next one away.
            Some(mut failing) => {
                if failing.backoff.at() <= now {
                    failing.backoff.failed(now);
                }
                failing.error = error;
                failing
            }
            None => Failing { error, backoff: Backoff::new(now), warned: false },
        };
        let lasting = now.saturating_duration_since(failing.backoff.since()) >= PATIENCE;
        if !failing.warned && (lasting || !passes(failing.error.io())) {
            failing.warned = self.complain(now, &failing.error);
        }
        if let Slot::Open(port) = self.group.get_mut(family) {
            port.failing = Some(failing);
        }
    }

    fn recovered(&self, family: Family, failing: &Failing) {
        if failing.warned {
            info!(interface = %self.info.name, ?family, "sending works again");
        } else {
            debug!(interface = %self.info.name, ?family, "sending works again");
        }
    }
}

impl Port {
    /// Whether room may be found soon for what the system had none for. A queue of the interface
    /// or the kernel's table of neighbours is full for milliseconds; what stays full hangs.
    fn may_have_room(&mut self, now: Instant) -> bool {
        let since = *self.no_room_since.get_or_insert(now);
        self.failing.is_none() && now.saturating_duration_since(since) < ROOM_PATIENCE
    }
}

fn is_too_long(error: &io::Error) -> bool {
    number::is(error, number::TOO_LONG)
}

/// Whether a failure often ends by itself within seconds.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkDown, NetworkUnreachable, PermissionDenied};
    match error.kind() {
        AddrNotAvailable | NetworkDown | NetworkUnreachable => true,
        io::ErrorKind::HostUnreachable | PermissionDenied => false,
        // ENOBUFS, and ENODEV or ENXIO of an interface that is gone.
        _ => true,
    }
}
