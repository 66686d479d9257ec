//! Finding out: everything here looks, asks and listens, and nothing judges.

mod listener;
mod message;
mod neighbourhood;
#[cfg(target_os = "linux")]
mod neighbours;
mod other_end;
mod socket;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use salut::Mdns;
use salut::proto::Family;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::facts::{Duplicate, Facts, Heard, Identity, Interface, Kind, Socket};
use crate::failure::Failure;
pub(crate) use listener::Listener;
use message::{Names, Read};
use other_end::OtherEnd;

/// The library's view of the interfaces is there after this.
const SETTLE: Duration = Duration::from_millis(200);

/// When to ask the group. Some swallow a question that comes within a second of their own
/// announcement.
const ASKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(1100), Duration::from_millis(3000)];

/// Who has not answered the group by then is asked by unicast; if all is well by then, that is
/// all.
const PATIENCE: Duration = Duration::from_millis(2200);

/// Nobody waits longer than this for a verdict.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Neighbours that were asked get this long to answer, at least.
const REPLY_WAIT: Duration = Duration::from_millis(1500);

/// The most others that are told of.
const MOST_HEARD: usize = 4096;

/// Datagrams waiting to be looked at.
const WAITING: usize = 256;

/// What to examine.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) interfaces: Vec<String>,
    pub(super) time: Duration,
    pub(super) with: Option<String>,
}

/// By which socket something came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Group,
    Asker,
    Doctor,
}

#[derive(Debug)]
struct Datagram {
    /// Which of the interfaces; of no meaning for [`Way::Doctor`].
    at: usize,
    family: Family,
    way: Way,
    source: IpAddr,
    payload: Vec<u8>,
}

struct Sockets {
    at: usize,
    family: Family,
    group: std::sync::Arc<UdpSocket>,
    asker: Option<std::sync::Arc<UdpSocket>>,
}

/// Looks, asks and listens; `tell` is called with what is being done.
pub(super) async fn examine(
    plan: &Plan,
    mdns: Mdns,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<Facts, Failure> {
    sleep(SETTLE).await;
    let status = mdns.status().await?;
    let mut facts = Facts {
        machine: system::machine(),
        interfaces: system::interfaces(&status, &plan.interfaces),
        ..Facts::default()
    };
    let with = match &plan.with {
        Some(host) => Some(OtherEnd::look_up(host, &mdns, &facts.interfaces).await),
        None => None,
    };
    let holders = status.holders.clone().unwrap_or_default();
    facts.holders = tokio::task::spawn_blocking(move || system::holders(&holders)).await.unwrap_or_default();
    // Its sockets would be in the way of what is looked at next.
    mdns.shutdown().await;

    let id = format!("{:016x}", std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    let names = Names::new(&id, &facts.machine.name)
        .ok_or_else(|| Failure::Run("the questions cannot be written".to_owned()))?;
    let mut run = Run::open(facts, names, id, with);
    run.listen(plan, tell).await;
    Ok(run.finish())
}

struct Run {
    facts: Facts,
    names: Names,
    own: BTreeSet<IpAddr>,
    sockets: Vec<Sockets>,
    with: Option<OtherEnd>,
    incoming: mpsc::Receiver<Datagram>,
    readers: JoinSet<()>,
    /// libp2p identities in what this machine sends.
    own_peers: BTreeSet<String>,
    /// Those in what others send from addresses that are not ours.
    other_peers: BTreeMap<String, BTreeSet<IpAddr>>,
    other_hosts: BTreeSet<IpAddr>,
}

impl Run {
    fn open(mut facts: Facts, names: Names, id: String, with: Option<OtherEnd>) -> Self {
        let (to, incoming) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let mut sockets = Vec::new();
        for (at, one) in facts.interfaces.iter_mut().enumerate() {
            for family in Family::BOTH {
                if !is_tried(one, family) {
                    continue;
                }
                match socket::member(one, family) {
                    Ok(group) => {
                        of(one, family).socket = Socket::Open;
                        of(one, family).joined = system::is_joined(one, family);
                        let group = std::sync::Arc::new(group);
                        let asker = socket::asker(one, family).ok().map(std::sync::Arc::new);
                        read(&mut readers, &group, (at, family, Way::Group), &to);
                        if let Some(asker) = &asker {
                            read(&mut readers, asker, (at, family, Way::Asker), &to);
                        }
                        sockets.push(Sockets { at, family, group, asker });
                    }
                    Err(refused) => of(one, family).socket = refused,
                }
            }
            one.gateway = system::gateway(one);
        }
        let with = with.map(|mut with| {
            with.open(&id, |listener, family| read(&mut readers, listener, (0, family, Way::Doctor), &to));
            with
        });
        let own = facts.interfaces.iter().flat_map(addresses).collect();
        Self {
            facts,
            names,
            own,
            sockets,
            with,
            incoming,
            readers,
            own_peers: BTreeSet::new(),
            other_peers: BTreeMap::new(),
            other_hosts: BTreeSet::new(),
        }
    }

    async fn listen(&mut self, plan: &Plan, tell: &(dyn Fn(&str) + Send + Sync)) {
        let began = Instant::now();
        let mut end = began + plan.time.min(LONGEST);
        let mut asks = ASKS.iter().map(|after| began + *after).filter(|at| *at < end).collect::<Vec<_>>();
        asks.reverse();
        let patience = began + PATIENCE.min(plan.time / 2);
        let mut looked = false;
        loop {
            let now = Instant::now();
            if asks.last().is_some_and(|at| *at <= now) {
                asks.pop();
                self.ask();
            }
            if let Some(with) = &mut self.with {
                with.speak(&self.facts, &self.sockets, &self.names, now, tell);
            }
            if now >= patience && !looked {
                looked = true;
                if self.is_well() && self.with.is_none() {
                    break;
                }
                tell("asking the neighbours one by one");
                self.ask_neighbours().await;
                end = end.max(Instant::now() + REPLY_WAIT);
            }
            let met = self.with.as_ref().is_some_and(|with| with.is_done(now));
            if now >= end || (met && looked) {
                break;
            }
            if self.with.is_none() {
                tell("listening");
            }
            let next = asks.last().copied().unwrap_or(end).min(now + Duration::from_millis(100));
            tokio::select! {
                Some(datagram) = self.incoming.recv() => self.hear(&datagram),
                () = sleep_until(next) => {}
            }
        }
        self.look_at_neighbours();
    }

    /// Multicasts the question on every interface.
    fn ask(&mut self) {
        let Some(question) = self.names.question() else { return };
        for sockets in &self.sockets {
            let Some(one) = self.facts.interfaces.get_mut(sockets.at) else { continue };
            let sent = socket::send(&sockets.group, &question, socket::group(one, sockets.family));
            of(one, sockets.family).sent = Some(sent);
        }
    }

    fn hear(&mut self, datagram: &Datagram) {
        let Some(read) = self.names.read(&datagram.payload) else { return };
        let ours = self.own.contains(&datagram.source);
        if let (Some(with), Some(hello)) = (&mut self.with, &read.hello)
            && !ours
        {
            let interface = self.facts.interfaces.get(datagram.at);
            with.hear(hello, datagram, interface);
        }
        let Some(one) = self.facts.interfaces.get_mut(datagram.at) else { return };
        match datagram.way {
            Way::Group if ours => of(one, datagram.family).hears_itself |= read.marked,
            // Another doctor is no responder.
            Way::Group if read.hello.is_none() => {
                let on_link = one.is_on_link(datagram.source);
                if one.heard.len() < MOST_HEARD {
                    let heard =
                        one.heard.entry(datagram.source).or_insert(Heard { answered: false, on_link });
                    heard.answered |= read.response && read.answers;
                }
            }
            Way::Asker if read.response && !ours => {
                one.unicast.get_or_insert_default().answered.insert(datagram.source);
            }
            Way::Group | Way::Asker | Way::Doctor => {}
        }
        if read.response {
            self.compare(ours, datagram.source, read);
        }
    }

    /// Looks for names and identities that are used here and elsewhere. A reflector repeats
    /// what we say, with our addresses in it.
    fn compare(&mut self, ours: bool, source: IpAddr, read: Read) {
        if ours {
            self.own_peers.extend(read.peers.into_iter().map(|(id, _)| id));
            return;
        }
        if read.hosts.iter().any(|ip| !self.own.contains(ip)) {
            self.other_hosts.insert(source);
        }
        for (id, at) in read.peers {
            if at.is_some_and(|at| !self.own.contains(&at)) && self.other_peers.len() < MOST_HEARD {
                self.other_peers.entry(id).or_default().insert(source);
            }
        }
    }

    /// An interface in use hears others, and both its families work.
    fn is_well(&self) -> bool {
        let used = || self.facts.interfaces.iter().filter(|one| one.used);
        let works = used().any(Interface::is_answered);
        works
            && used().all(|one| {
                one.families()
                    .iter()
                    .all(|(_, family)| family.socket == Socket::Absent || family.hears_itself)
            })
    }

    fn finish(mut self) -> Facts {
        self.readers.abort_all();
        let mut duplicates = Vec::new();
        if let Some(host) = self.names.host.as_ref().filter(|_| !self.other_hosts.is_empty()) {
            let what = Identity::Host(host.to_string());
            duplicates.push(Duplicate { what, others: std::mem::take(&mut self.other_hosts) });
        }
        let peers = self.other_peers.into_iter().filter(|(id, _)| self.own_peers.contains(id));
        duplicates.extend(peers.map(|(id, others)| Duplicate { what: Identity::Peer(id), others }));
        self.facts.duplicates = duplicates;
        self.facts.with = self.with.map(OtherEnd::finish);
        self.facts
    }
}

/// Whether sockets are opened there.
fn is_tried(one: &Interface, family: Family) -> bool {
    let address = match family {
        Family::V4 => !one.v4.is_empty(),
        Family::V6 => !one.v6.is_empty(),
    };
    let kind = match one.kind {
        Kind::Loopback => one.used,
        Kind::PeerToPeer => one.used,
        _ => one.multicast,
    };
    one.up && one.carrier && address && kind
}

fn of(one: &mut Interface, family: Family) -> &mut super::facts::Family {
    match family {
        Family::V4 => &mut one.ipv4,
        Family::V6 => &mut one.ipv6,
    }
}

fn addresses(one: &Interface) -> impl Iterator<Item = IpAddr> {
    let v4 = one.v4.iter().map(|(ip, _)| IpAddr::V4(*ip));
    v4.chain(one.v6.iter().map(|(ip, _)| IpAddr::V6(*ip)))
}

fn is_scoped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn scoped(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, index).into(),
        other => (other, port).into(),
    }
}

/// Passes on what a socket receives.
fn read(
    readers: &mut JoinSet<()>,
    socket: &std::sync::Arc<UdpSocket>,
    (at, family, way): (usize, Family, Way),
    to: &mpsc::Sender<Datagram>,
) {
    let (socket, to) = (std::sync::Arc::clone(socket), to.clone());
    readers.spawn(async move {
        let mut buffer = vec![0; 9000];
        loop {
            let Ok((length, source)) = socket.recv_from(&mut buffer).await else {
                // An error that was reported for something sent earlier.
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let payload = buffer.get(..length).unwrap_or_default().to_vec();
            let datagram = Datagram { at, family, way, source: source.ip(), payload };
            if to.send(datagram).await.is_err() {
                break;
            }
        }
    });
}
