//! How the links fare, for those who want to look.

use std::hash::{DefaultHasher, Hasher as _};

use super::told::{Newest, Writer};
use super::{InterfaceInfo, NetError, PortHolder, Unused};
use crate::proto::{Counters, Family};

/// How one address family fares on one interface.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FamilyStatus {
    /// The group is joined, and what was sent last has left.
    Joined,
    /// The group is joined, but what is sent does not leave. It is tried again after 0.5 s,
    /// 1 s, then every 2 s for five minutes, then every 5 s.
    Failing(NetError),
    /// The operating system refuses the socket or the membership. It is tried again, as often.
    Refused(NetError),
    /// Not wanted, or the interface has no address of this family; or multicast of this family
    /// has no way out of the loopback.
    Absent,
}

impl FamilyStatus {
    /// A stable name, for programs: `joined`, `failing`, `refused` or `absent`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Failing(_) => "failing",
            Self::Refused(_) => "refused",
            Self::Absent => "absent",
        }
    }

    /// What keeps it from working, if anything does. Its [`problem`](NetError::problem) says
    /// what that means and what to do.
    pub fn error(&self) -> Option<&NetError> {
        match self {
            Self::Failing(error) | Self::Refused(error) => Some(error),
            Self::Joined | Self::Absent => None,
        }
    }
}

/// How one interface in use fares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkStatus {
    /// The interface, with its addresses.
    pub interface: InterfaceInfo,
    /// IPv4 on it.
    pub ipv4: FamilyStatus,
    /// IPv6 on it.
    pub ipv6: FamilyStatus,
    /// Whether unicast to port 5353 reaches this program. If not, another responder holds the
    /// port: questions ask for multicast replies then (RFC 6762 §15.1), and a question sent to
    /// this machine's own address is answered by that responder or by nobody.
    pub unicast: bool,
    /// Datagrams that came in here, of both families, our own among them where the system
    /// brings them back.
    pub received: u64,
    /// Datagrams that left here, of both families.
    pub sent: u64,
    /// Datagrams that the operating system refused to send here.
    pub failed: u64,
    /// Records of others that are cached here.
    pub cached: usize,
}

impl LinkStatus {
    /// How a family fares.
    pub fn family(&self, family: Family) -> &FamilyStatus {
        match family {
            Family::V4 => &self.ipv4,
            Family::V6 => &self.ipv6,
        }
    }

    /// Whether it can be spoken on, in one family at least.
    pub fn is_joined(&self) -> bool {
        Family::BOTH.iter().any(|family| matches!(self.family(*family), FamilyStatus::Joined))
    }
}

/// How an [`Mdns`](crate::Mdns) fares: what [`Mdns::status`](crate::Mdns::status) and
/// [`Mdns::watch_status`](crate::Mdns::watch_status) tell.
///
/// ```no_run
/// # async fn f(mdns: salut::Mdns) -> Result<(), salut::Error> {
/// let status = mdns.status().await?;
/// for link in &status.links {
///     println!("{}: IPv4 {}, IPv6 {}", link.interface.name, link.ipv4.as_str(), link.ipv6.as_str());
/// }
/// for error in status.errors() {
///     println!("{}: {}", error.problem().meaning(), error.problem().advice());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// The interfaces in use, by index.
    pub links: Vec<LinkStatus>,
    /// The interfaces that are there and not used, with the reason.
    pub unused: Vec<(InterfaceInfo, Unused)>,
    /// Why the interfaces cannot be listed, if they cannot: those above are as they were known
    /// last.
    pub list_error: Option<NetError>,
    /// Whether changes of the interfaces are only seen by looking every five seconds, because
    /// the system does not tell of them, or not to this program.
    pub polling: bool,
    /// Who else holds UDP port 5353 on this machine; nothing where the system does not tell.
    /// Another `Mdns` of this program is somebody else, too.
    pub holders: Option<Vec<PortHolder>>,
    /// What the protocol engine has seen and done, on all links together.
    pub counters: Counters,
}

impl Status {
    /// Everything that keeps an interface from working.
    pub fn errors(&self) -> impl Iterator<Item = &NetError> {
        self.list_error.iter().chain(
            self.links.iter().flat_map(|link| [&link.ipv4, &link.ipv6]).filter_map(FamilyStatus::error),
        )
    }
}

/// Who wants to know when the status changes.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// Each with the fingerprint of what it was told last.
    all: Vec<(Writer<Newest>, Option<u64>)>,
}

impl Watchers {
    pub(super) fn add(&mut self, newest: Writer<Newest>) {
        self.all.push((newest, None));
    }

    /// Tells those who were told something else before. What tells one status from another
    /// goes into the hasher; the status itself is only made when there is somebody to tell.
    pub(super) fn tell(&mut self, hash: impl FnOnce(&mut DefaultHasher), status: impl FnOnce() -> Status) {
        self.all.retain(|(newest, _)| !newest.is_left());
        if self.all.is_empty() {
            return;
        }
        let mut hasher = DefaultHasher::new();
        hash(&mut hasher);
        let now = Some(hasher.finish());
        if self.all.iter().all(|(_, told)| *told == now) {
            return;
        }
        let status = status();
        for (newest, told) in self.all.iter_mut().filter(|(_, told)| *told != now) {
            *told = now;
            newest.put(status.clone());
        }
    }
}
