//! Where static peers come from, and the task that follows each source.

use std::collections::BTreeSet;
use std::fmt;
use std::future::{pending, poll_fn};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::address::{PeerAddress, Reader};
use super::ask::{Hosts, answers, question};
use super::notes::Notes;
use super::static_peers::{Sorted, StaticPeer, StaticPeerError, StaticReader, parse, sort};
use super::task::PeerCommand;
use crate::api::Mdns;
use crate::name::Name;
use crate::net::{Command, Key};
use crate::wire::{MAX_PAYLOAD_BYTES, MDNS_PORT};

/// A file is looked at so often; it is read when its length or its time of change differs.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The longest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A source of static peers.
pub(crate) enum Source {
    List(Vec<StaticPeer>),
    File(PathBuf),
    Stream(Pin<Box<dyn Stream<Item = Vec<StaticPeer>> + Send>>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Source {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::List(_) => "static peers".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Stream(_) => "a stream of static peers".to_owned(),
        }
    }
}

/// What a source's task needs.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) mdns: Mdns,
    pub(crate) key: Key,
    /// The source's number.
    pub(crate) origin: u64,
    pub(crate) notes: Arc<Notes>,
    pub(crate) service: Name,
    pub(crate) read: Reader,
    pub(crate) read_static: StaticReader,
}

/// What became of a source.
enum News {
    List(Vec<Result<StaticPeer, String>>),
    Error(StaticPeerError),
}

/// Follows a source for as long as the peer lives.
pub(crate) async fn follow(source: Source, context: Context) {
    let name = source.name();
    let mut lists = Lists::new(source);
    let mut asker = Asker::default();
    let mut sorted = Sorted::default();
    let mut trouble: Option<StaticPeerError> = None;
    let mut reported: BTreeSet<String> = BTreeSet::new();
    loop {
        let due = asker.hosts.due();
        let woken = tokio::select! {
            news = lists.next() => Some(news),
            () = asker.receive(&context) => None,
            () = wait_until(due) => None,
        };
        match woken {
            Some(News::List(list)) => {
                sorted = sort(&name, list, context.read_static);
                trouble = None;
                asker.hosts.set(now(), &sorted.hosts);
            }
            Some(News::Error(error)) => trouble = Some(error),
            None => {}
        }
        asker.ask_due(&context).await;
        let silent = asker
            .hosts
            .silent()
            .map(|host| StaticPeerError::NoAnswer { source_name: name.clone(), host: host.clone() });
        let errors: Vec<StaticPeerError> =
            trouble.iter().cloned().chain(sorted.errors.iter().cloned()).chain(silent).collect();
        let texts: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        for text in texts.difference(&reported) {
            warn!("{text}");
        }
        reported = texts;
        let mut peers: Vec<PeerAddress> = sorted.known.clone();
        peers.extend(asker.hosts.found().cloned());
        context.notes.set_source(context.origin, &name, peers.len(), errors);
        let command = PeerCommand::Static { key: context.key, origin: context.origin, peers };
        if let Err(error) = context.mdns.send(Command::Peer(command)) {
            debug!(%error, "static peers were not taken");
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn wait_until(due: Option<std::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// The lists that a source gives.
enum Lists {
    Once(Option<Vec<StaticPeer>>),
    File(FileLists),
    Stream(Pin<Box<dyn Stream<Item = Vec<StaticPeer>> + Send>>),
}

impl Lists {
    fn new(source: Source) -> Self {
        match source {
            Source::List(list) => Self::Once(Some(list)),
            Source::File(path) => {
                Self::File(FileLists { path, next: Instant::now(), seen: None, told: None })
            }
            Source::Stream(stream) => Self::Stream(stream),
        }
    }

    /// The next list. Dropping the future loses nothing.
    async fn next(&mut self) -> News {
        match self {
            Self::Once(list) => match list.take() {
                Some(list) => News::List(list.into_iter().map(Ok).collect()),
                None => pending().await,
            },
            Self::File(file) => file.next().await,
            Self::Stream(stream) => match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                Some(list) => News::List(list.into_iter().map(Ok).collect()),
                None => {
                    // What it said last still counts.
                    *self = Self::Once(None);
                    pending().await
                }
            },
        }
    }
}

/// A file that is read again when it changes.
struct FileLists {
    path: PathBuf,
    next: Instant,
    /// Its length and time of change when it was read last.
    seen: Option<(u64, Option<SystemTime>)>,
    /// The trouble that was told of last.
    told: Option<StaticPeerError>,
}

impl FileLists {
    async fn next(&mut self) -> News {
        loop {
            tokio::time::sleep_until(self.next).await;
            self.next = Instant::now() + LOOK_EVERY;
            let news = match self.look().await {
                Ok(None) => continue,
                Ok(Some(list)) => {
                    self.told = None;
                    return News::List(list);
                }
                Err(error) => error,
            };
            if self.told.as_ref() != Some(&news) {
                self.told = Some(news.clone());
                return News::Error(news);
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Vec<Result<StaticPeer, String>>>, StaticPeerError> {
        let unreadable = |error: io::Error| StaticPeerError::Unreadable {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let about = tokio::fs::metadata(&self.path).await.map_err(unreadable)?;
        let seen = (about.len(), about.modified().ok());
        if self.seen == Some(seen) {
            return self.told.clone().map_or(Ok(None), Err);
        }
        let text = read_file(&self.path, about.len()).await.map_err(unreadable)?;
        self.seen = Some(seen);
        match parse(&text) {
            Ok(list) => Ok(Some(list)),
            Err(reason) => Err(StaticPeerError::BadFile { path: self.path.clone(), reason }),
        }
    }
}

async fn read_file(path: &Path, length: u64) -> io::Result<String> {
    if length > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("{length} bytes are too many; {MAX_FILE_BYTES} is the most")));
    }
    tokio::fs::read_to_string(path).await
}

/// Asks hosts by unicast, and hears what they answer.
#[derive(Debug, Default)]
struct Asker {
    hosts: Hosts,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    /// Who was asked last, as which host, and with which ID.
    asked: Vec<(SocketAddr, String, u16)>,
}

/// So many of them are remembered.
const MAX_ASKED: usize = 1024;

impl Asker {
    async fn ask_due(&mut self, context: &Context) {
        while let Some(host) = self.hosts.ask(now()) {
            let addresses = match resolve(&host).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    debug!(host, %error, "no address to ask at");
                    continue;
                }
            };
            for address in addresses {
                self.ask(&host, address, context).await;
            }
        }
    }

    async fn ask(&mut self, host: &str, address: SocketAddr, context: &Context) {
        let slot = if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        if slot.is_none() {
            let any: IpAddr =
                if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            *slot = UdpSocket::bind((any, 0)).await.inspect_err(|error| debug!(%error, "no socket")).ok();
        }
        let Some(socket) = slot else { return };
        let id = u16::try_from(random() & 0xffff).unwrap_or_default();
        match socket.send_to(&question(&context.service, id), address).await {
            Ok(_) => {
                self.asked.retain(|(other, ..)| *other != address);
                if self.asked.len() >= MAX_ASKED {
                    self.asked.remove(0);
                }
                self.asked.push((address, host.to_owned(), id));
            }
            Err(error) => debug!(host, %address, %error, "a host could not be asked"),
        }
    }

    /// Returns when a host has answered.
    async fn receive(&mut self, context: &Context) {
        let mut buffers = (vec![0; MAX_PAYLOAD_BYTES], vec![0; MAX_PAYLOAD_BYTES]);
        loop {
            let received = tokio::select! {
                received = hear(&self.v4, &mut buffers.0) => received.map(|(length, from)| (buffers.0.get(..length), from)),
                received = hear(&self.v6, &mut buffers.1) => received.map(|(length, from)| (buffers.1.get(..length), from)),
            };
            // What was sent came back as unreachable: it is asked again in time.
            let Ok((Some(payload), from)) = received else { continue };
            let known = self
                .asked
                .iter()
                .find(|(address, ..)| (address.ip(), address.port()) == (from.ip(), from.port()));
            let Some((_, host, id)) = known else { continue };
            if let Some(found) = answers(payload, &context.service, *id, from.ip(), context.read) {
                let host = host.clone();
                self.hosts.answered(now(), &host, found);
                return;
            }
        }
    }
}

async fn hear(socket: &Option<UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => pending().await,
    }
}

async fn resolve(host: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, MDNS_PORT)]);
    }
    Ok(tokio::net::lookup_host((host, MDNS_PORT)).await?.take(MAX_ADDRESSES).collect())
}

/// The most addresses of one host that are asked.
const MAX_ADDRESSES: usize = 8;

/// A number nobody can guess.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_changes_and_says_what_is_wrong_until_it_is_right() {
        let path = std::env::temp_dir().join(format!("salut-static-peers-{}.json", std::process::id()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut file = FileLists { path: path.clone(), next: Instant::now(), seen: None, told: None };
            let error = file.look().await.unwrap_err();
            assert!(matches!(&error, StaticPeerError::Unreadable { path: of, .. } if *of == path), "{error}");
            std::fs::write(&path, r#"{"static_peers":[{"name":"a","multiaddr":"10.0.0.1"}]}"#).unwrap();
            assert_eq!(file.look().await.unwrap().unwrap(), [Ok(StaticPeer::named("a", "10.0.0.1"))]);
            assert_eq!(file.look().await.unwrap(), None, "nothing has changed");
            std::fs::write(&path, "{").unwrap();
            let error = file.look().await.unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            file.told = Some(error.clone());
            assert_eq!(file.look().await.unwrap_err(), error, "it is still wrong");
            file.told = None;
            std::fs::write(&path, r#"{"static_peers":[]}"#).unwrap();
            assert_eq!(file.look().await.unwrap().unwrap(), []);
        });
        std::fs::remove_file(&path).unwrap();
    }
}
