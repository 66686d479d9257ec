//! How far an interface gets, and what stops it.

use super::facts::{Family, Interface, Kind, Socket, Trouble};

/// How far an interface gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Down,
    NoCarrier,
    NoMulticast,
    NoAddress,
    /// Neither family can be used: refused, blocked, or deaf to itself.
    Blocked,
    /// It hears itself and nobody else.
    Silent,
    /// It hears others.
    Hears,
}

/// How far one family gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    NoPort(Trouble),
    NoGroup(Trouble),
    Send(Trouble),
    /// What it sends does not come back.
    Deaf,
}

/// What keeps a family from working; `None` if nothing does, or if it is not there.
pub(super) fn fault(family: &Family) -> Option<Fault> {
    match (&family.socket, &family.sent) {
        (Socket::Absent, _) | (Socket::Open, None) => None,
        (Socket::NoPort(trouble), _) => Some(Fault::NoPort(trouble.clone())),
        (Socket::NoGroup(trouble), _) => Some(Fault::NoGroup(trouble.clone())),
        (Socket::Open, Some(Err(trouble))) => Some(Fault::Send(trouble.clone())),
        (Socket::Open, Some(Ok(()))) if !family.hears_itself => Some(Fault::Deaf),
        (Socket::Open, Some(Ok(()))) => None,
    }
}

fn is_open(family: &Family) -> bool {
    family.socket != Socket::Absent && fault(family).is_none()
}

pub(super) fn stage(interface: &Interface) -> Stage {
    if !interface.up {
        Stage::Down
    } else if !interface.carrier {
        Stage::NoCarrier
    } else if !interface.multicast && interface.kind != Kind::Loopback {
        Stage::NoMulticast
    } else if interface.v4.is_empty() && interface.v6.is_empty() {
        Stage::NoAddress
    } else if !is_open(&interface.ipv4) && !is_open(&interface.ipv6) && interface.heard.is_empty() {
        Stage::Blocked
    } else if interface.heard.is_empty() {
        Stage::Silent
    } else {
        Stage::Hears
    }
}
