//! One interface: its sockets for both families, and what to do while the system refuses
//! them.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::NetError;
use super::interface::InterfaceInfo;
use super::pace::Backoff;
use super::problem::Step;
use super::socket::{Role, Socket, group};
use super::status::{FamilyStatus, LinkStatus};
use crate::proto::{Family, LinkIndex, LinkState};

/// A message with no question and no record. While sends fail it is what is tried: whoever
/// receives it has nothing to do, and nothing in it can be out of date.
pub(super) const EMPTY_QUERY: [u8; 12] = [0; 12];

/// The same complaint about the same link is repeated only when its cause was away for this
/// long.
const SILENCE: Duration = Duration::from_secs(600);

/// This many errors in a row while receiving: the socket is beyond help and is opened anew
/// (iOS takes sockets away from a program in the background).
const MAX_RECEIVE_ERRORS: u32 = 8;

/// One thing for each family.
#[derive(Debug, Default)]
pub(super) struct Both<T> {
    v4: T,
    v6: T,
}

impl<T> Both<T> {
    pub(super) fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// The group's socket of one family.
#[derive(Debug, Default)]
pub(super) enum Slot {
    /// Not wanted, or there is no address to send from.
    #[default]
    Absent,
    Open(Port),
    /// Refused, and tried again.
    Refused {
        error: NetError,
        backoff: Backoff,
    },
    /// Multicast of this family has no way out of the loopback; not tried again until its
    /// addresses change.
    NoWay,
}

/// An open socket, and how its sends fare.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: Socket,
    pub(super) failing: Option<Failing>,
    /// Since when the system has no room for what is sent.
    pub(super) no_room_since: Option<Instant>,
    receive_errors: u32,
}

impl Port {
    fn new(socket: Socket) -> Self {
        Self { socket, failing: None, no_room_since: None, receive_errors: 0 }
    }
}

/// Sends that the system refuses, until one leaves again.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) error: NetError,
    pub(super) backoff: Backoff,
    pub(super) warned: bool,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) info: InterfaceInfo,
    pub(super) group: Both<Slot>,
    pub(super) unicast: Both<Option<Socket>>,
    /// What the engine was told last.
    pub(super) told: Option<LinkState>,
    /// Datagrams that came in, left, and were refused.
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) failed: u64,
    /// When each cause was complained about.
    complaints: HashMap<Complaint, Instant>,
}

impl Link {
    pub(super) fn new(info: InterfaceInfo) -> Self {
        Self {
            info,
            group: Both::default(),
            unicast: Both::default(),
            told: None,
            received: 0,
            sent: 0,
            failed: 0,
            complaints: HashMap::new(),
        }
    }

    pub(super) fn index(&self) -> LinkIndex {
        LinkIndex(self.info.index)
    }

    /// Takes in what the interface is like now. True if it went away and came back meanwhile.
    pub(super) fn update(&mut self, info: InterfaceInfo) -> bool {
        let flapped = info.carriers != self.info.carriers;
        let moved = |family| has_address(&info, family) != has_address(&self.info, family);
        let anew = Family::BOTH.map(|family| {
            let slot = self.group.get(family);
            match slot {
                Slot::Open(port) => !has_address(&info, family) || !port.socket.fits(&info),
                Slot::NoWay => info.v4 != self.info.v4 || info.v6 != self.info.v6,
                Slot::Absent | Slot::Refused { .. } => moved(family),
            }
        });
        for (family, anew) in Family::BOTH.into_iter().zip(anew) {
            if anew {
                *self.group.get_mut(family) = Slot::Absent;
                *self.unicast.get_mut(family) = None;
            }
        }
        self.info = info;
        flapped
    }

    /// Closes everything, so that the next [`open`](Self::open) joins the groups anew.
    pub(super) fn close(&mut self) {
        self.group = Both::default();
        self.unicast = Both::default();
    }

    /// Opens what is wanted and not open; `unicast` says that the port is free for it.
    pub(super) fn open(&mut self, now: Instant, wanted: &Both<bool>, unicast: bool) {
        for family in Family::BOTH {
            if !*wanted.get(family) || !has_address(&self.info, family) {
                *self.group.get_mut(family) = Slot::Absent;
                *self.unicast.get_mut(family) = None;
                continue;
            }
            let due = match self.group.get(family) {
                Slot::Absent => true,
                Slot::Refused { backoff, .. } => backoff.at() <= now,
                Slot::Open(_) | Slot::NoWay => false,
            };
            if due {
                self.open_group(now, family);
            }
            self.open_unicast(family, unicast);
        }
    }

    fn open_group(&mut self, now: Instant, family: Family) {
        let before = match std::mem::take(self.group.get_mut(family)) {
            Slot::Refused { backoff, .. } => Some(backoff),
            _ => None,
        };
        *self.group.get_mut(family) = match Socket::open(&self.info, family, Role::Group) {
            // Nothing but trying shows whether multicast gets anywhere on the loopback.
            Ok(socket) if self.info.loopback && !can_send(&socket, self.info.index, family) => Slot::NoWay,
            Ok(socket) => {
                debug!(interface = %self.info.name, ?family, "socket open");
                if before.is_some() && self.complaints.remove(&OPENED).is_some() {
                    info!(interface = %self.info.name, ?family, "the socket could be opened at last");
                }
                Slot::Open(Port::new(socket))
            }
            Err(error) => {
                if self.complain(now, &error) {
                    self.complaints.insert(OPENED, now);
                }
                let backoff = match before {
                    Some(mut backoff) => {
                        backoff.failed(now);
                        backoff
                    }
                    None => Backoff::new(now),
                };
                Slot::Refused { error, backoff }
            }
        };
    }

    fn open_unicast(&mut self, family: Family, free: bool) {
        let wanted = free && matches!(self.group.get(family), Slot::Open(_));
        let slot = self.unicast.get_mut(family);
        if !wanted {
            *slot = None;
        } else if slot.is_none() {
            match Socket::open(&self.info, family, Role::Unicast) {
                Ok(socket) => *slot = Some(socket),
                Err(error) => debug!(%error, "no unicast socket"),
            }
        }
    }

    /// When something is to be tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        Family::BOTH
            .into_iter()
            .filter_map(|family| match self.group.get(family) {
                Slot::Refused { backoff, .. } => Some(backoff.at()),
                Slot::Open(port) => port.failing.as_ref().map(|failing| failing.backoff.at()),
                Slot::Absent | Slot::NoWay => None,
            })
            .min()
    }

    /// Warns, unless the same was said of this link lately. True if it was said now.
    pub(super) fn complain(&mut self, now: Instant, error: &NetError) -> bool {
        let said = self.complaints.insert(error.cause(), now);
        if said.is_some_and(|said| now.saturating_duration_since(said) < SILENCE) {
            debug!(%error, "again");
            return false;
        }
        warn!("{error}");
        true
    }

    /// Notes how receiving went. A socket that gives nothing but errors is opened anew.
    pub(super) fn received(
        &mut self,
        now: Instant,
        family: Family,
        role: Role,
        result: Result<(), io::Error>,
    ) {
        if role == Role::Unicast {
            if result.is_err() {
                *self.unicast.get_mut(family) = None;
            }
            return;
        }
        let Slot::Open(port) = self.group.get_mut(family) else { return };
        let Err(error) = result else {
            port.receive_errors = 0;
            return;
        };
        port.receive_errors = port.receive_errors.saturating_add(1);
        if port.receive_errors >= MAX_RECEIVE_ERRORS {
            let error = NetError::Open {
                interface: Arc::clone(&self.info.name),
                family,
                address: group(self.info.index, family),
                error: Arc::new(error),
            };
            self.complain(now, &error);
            *self.group.get_mut(family) = Slot::Refused { error, backoff: Backoff::new(now) };
        }
    }

    /// What the engine is to know; nothing while neither family is open.
    pub(super) fn state(&self) -> Option<LinkState> {
        let open = |family| matches!(self.group.get(family), Slot::Open(_));
        let heard = |family| !open(family) || self.unicast.get(family).is_some();
        let (v4_open, v6_open) = (open(Family::V4), open(Family::V6));
        (v4_open || v6_open).then(|| LinkState {
            name: Arc::clone(&self.info.name),
            mtu: self.info.mtu,
            v4: self.info.v4.clone(),
            v6: self.info.v6.clone(),
            v4_open,
            v6_open,
            // A question goes out on both families: the reply may come by either.
            unicast: heard(Family::V4) && heard(Family::V6),
        })
    }

    /// How it fares; the engine knows what is `cached`.
    pub(super) fn status(&self, cached: usize) -> LinkStatus {
        LinkStatus {
            interface: self.info.clone(),
            ipv4: self.family_status(Family::V4),
            ipv6: self.family_status(Family::V6),
            unicast: self.state().is_some_and(|state| state.unicast),
            received: self.received,
            sent: self.sent,
            failed: self.failed,
            cached,
        }
    }

    #[cfg(feature = "metrics")]
    pub(super) fn is_joined(&self) -> bool {
        Family::BOTH.iter().any(|family| matches!(self.family_status(*family), FamilyStatus::Joined))
    }

    /// What makes the status another one.
    pub(super) fn hash_status(&self, hasher: &mut impl Hasher) {
        self.info.hash(hasher);
        for family in Family::BOTH {
            let error = match self.group.get(family) {
                Slot::Refused { error, .. } => Some(error),
                Slot::Open(port) => port.failing.as_ref().map(|failing| &failing.error),
                Slot::Absent | Slot::NoWay => None,
            };
            let open = matches!(self.group.get(family), Slot::Open(_));
            (open, error.map(NetError::cause), self.unicast.get(family).is_some()).hash(hasher);
        }
    }

    fn family_status(&self, family: Family) -> FamilyStatus {
        match self.group.get(family) {
            Slot::Refused { error, .. } => FamilyStatus::Refused(error.clone()),
            Slot::Open(port) => match &port.failing {
                Some(failing) => FamilyStatus::Failing(failing.error.clone()),
                None => FamilyStatus::Joined,
            },
            Slot::Absent | Slot::NoWay => FamilyStatus::Absent,
        }
    }
}

/// What was complained about: the step that failed, and the error's number.
type Complaint = (Step, Option<i32>);

/// Stands in the list of complaints for "some socket of this link could not be opened".
const OPENED: Complaint = (Step::List, None);

fn has_address(info: &InterfaceInfo, family: Family) -> bool {
    match family {
        Family::V4 => !info.v4.is_empty(),
        Family::V6 => !info.v6.is_empty(),
    }
}

fn can_send(socket: &Socket, index: u32, family: Family) -> bool {
    match socket.send(&EMPTY_QUERY, group(index, family)) {
        Ok(()) => true,
        Err(error) => {
            debug!(%error, ?family, "multicast has no way out of the loopback");
            error.kind() == io::ErrorKind::WouldBlock
        }
    }
}
