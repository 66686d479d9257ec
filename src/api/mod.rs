//! What a program uses: [`Mdns`], [`Announcement`], [`Browse`].

mod announcement;
mod browse;
mod browse_types;
mod builder;
mod channel;
mod error;
mod resolve;
mod status;

pub use announcement::Announcement;
pub use browse::{AsServiceType, Browse};
pub use browse_types::BrowseTypes;
pub use builder::Builder;
pub use error::{Denial, Error};
pub use resolve::Resolved;
pub use status::StatusWatch;

pub(crate) use channel::Farewell;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channel::{COMMANDS, answer, refused, send};
use tokio::sync::{mpsc, oneshot};

use crate::name::HostName;
use crate::net::{Catalogue, Command, Key, Mailbox, Newest, News, Status, Writer};
use crate::proto::Search;
use crate::service::{Instance, Service, subtype_name};

/// A participant in Multicast DNS: announces services, browses for them, resolves hosts.
///
/// One task on the caller's tokio runtime does the work for all handles of one `Mdns`. Clones
/// share it. It goes on as long as any handle is there ([`Mdns`], [`Announcement`] or
/// [`Browse`]) and says goodbye for what is still announced when the last one is dropped;
/// [`shutdown`](Self::shutdown) waits for that, which the end of a program needs.
///
/// ```no_run
/// use salut::{Mdns, Service};
/// # async fn f() -> Result<(), salut::Error> {
/// let mdns = Mdns::new()?;
/// let node = mdns.announce(Service::new("My Node", "_exo._tcp", 52415)?.txt("id", "12D3Koo")?).await?;
/// println!("visible as {}", node.name()); // "My Node (2)" after a conflict
/// mdns.shutdown().await; // goodbyes have left
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Mdns {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::Sender<Command>,
    keys: AtomicU64,
    host: Arc<Mutex<HostName>>,
}

impl Mdns {
    /// A participant on every usual interface, on both families, with a host name of its own.
    /// Must be called inside a tokio runtime with its time and network drivers enabled.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Settings to change before starting.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn new_handle(host: Arc<Mutex<HostName>>) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        (Self { shared: Arc::new(Shared { commands, keys: AtomicU64::new(0), host }) }, receiver)
    }

    /// What does not keep the task alive.
    #[cfg(feature = "_libp2p")]
    pub(crate) fn downgrade(&self) -> WeakMdns {
        WeakMdns(self.commands().downgrade())
    }

    /// What the task answers to a command of [`send`](Self::send).
    #[cfg(feature = "_libp2p")]
    pub(crate) async fn answer<T>(&self, left: oneshot::Receiver<T>) -> Option<T> {
        tokio::time::timeout(SHUTDOWN, answer(self.commands(), left)).await.ok().flatten()
    }

    /// A command beside those of the handles.
    #[cfg(feature = "_libp2p")]
    pub(crate) fn send(&self, command: Command) -> Result<(), Error> {
        send(self.commands(), command)
    }

    fn commands(&self) -> &mpsc::Sender<Command> {
        &self.shared.commands
    }

    /// Begins what a new handle stands for.
    pub(crate) fn begin(&self, command: impl FnOnce(Key) -> Command) -> Result<Farewell, Error> {
        let key = Key(self.shared.keys.fetch_add(1, Ordering::Relaxed));
        let permit = self.commands().clone().try_reserve_owned().map_err(|error| refused(&error))?;
        send(self.commands(), command(key))?;
        Ok(Farewell::new(key, permit))
    }

    /// Announces a service without waiting: its name is being claimed when this returns.
    ///
    /// What becomes of it, a refusal included, is told by
    /// [`next_event`](Announcement::next_event).
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub fn register(&self, service: Service) -> Result<Announcement, Error> {
        let host = service.host.clone().unwrap_or_else(|| self.host_name());
        let news = Arc::new(News::new(service.instance.clone(), host));
        let told = Writer::new(&news);
        let farewell = self.begin(|key| Command::Announce { key, service, news: told })?;
        Ok(Announcement { news, commands: self.commands().clone(), farewell })
    }

    /// Announces a service and waits until it is visible, about a second if its name is free.
    /// While no interface is up it goes on waiting; put a [`tokio::time::timeout`] around it to
    /// give up earlier.
    ///
    /// # Errors
    /// [`Error::Service`] if this program announces that name already or has too many
    /// services, [`Error::Disputed`] if no name could be claimed for a minute;
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub async fn announce(&self, service: Service) -> Result<Announcement, Error> {
        let announcement = self.register(service)?;
        announcement.visible().await?;
        Ok(announcement)
    }

    /// Browses for the instances of a service type, such as `_exo._tcp`.
    ///
    /// # Errors
    /// A bad service type; [`Error::Stopped`] or [`Error::Busy`].
    pub fn browse(&self, service: impl AsServiceType) -> Result<Browse, Error> {
        self.search(Search::Service(service.as_service_type()?))
    }

    /// Tells that an instance that was found cannot be reached: its records are asked for anew,
    /// and if nobody repeats them within ten seconds every browse loses it (RFC 6762 §10.4).
    ///
    /// ```no_run
    /// # async fn f(mdns: salut::Mdns, node: salut::Instance) -> Result<(), salut::Error> {
    /// if std::net::TcpStream::connect(&*node.sockets()).is_err() {
    ///     mdns.reconfirm(&node)?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub fn reconfirm(&self, instance: &Instance) -> Result<(), Error> {
        let Instance { service, name, .. } = instance.clone();
        send(self.commands(), Command::Reconfirm { service, instance: name })
    }

    /// Browses for those instances of a service type that carry a subtype (RFC 6763 §7.1).
    ///
    /// ```no_run
    /// # async fn f(mdns: salut::Mdns) -> Result<(), salut::Error> {
    /// let mut fast = mdns.browse_subtype("_exo._tcp", "_gpu")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`browse`](Self::browse), and a bad subtype.
    pub fn browse_subtype(&self, service: impl AsServiceType, subtype: &str) -> Result<Browse, Error> {
        let service = service.as_service_type()?;
        subtype_name(&service, subtype)?;
        self.search(Search::Subtype(service, subtype.to_owned()))
    }

    fn search(&self, search: Search) -> Result<Browse, Error> {
        let mailbox = Arc::new(Mailbox::default());
        let filled = Writer::new(&mailbox);
        let farewell = self.begin(|key| Command::Browse { key, search, mailbox: filled })?;
        Ok(Browse { mailbox, commands: self.commands().clone(), farewell })
    }

    /// Browses for the service types that anybody offers (RFC 6763 §9): `_http._tcp`,
    /// `_ipp._tcp`, and whatever else there is.
    ///
    /// ```no_run
    /// # async fn f(mdns: salut::Mdns) -> Result<(), salut::Error> {
    /// use salut::TypeChange;
    /// let mut types = mdns.browse_types()?;
    /// while let Some(change) = types.next().await {
    ///     if let TypeChange::Found(offered) = change {
    ///         println!("{} on {}", offered.service, offered.interface);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub fn browse_types(&self) -> Result<BrowseTypes, Error> {
        let catalogue = Arc::new(Catalogue::default());
        let filled = Writer::new(&catalogue);
        let farewell = self.begin(|key| Command::BrowseTypes { key, catalogue: filled })?;
        Ok(BrowseTypes { catalogue, _farewell: farewell })
    }

    /// Asks for the addresses of a host, such as `alpha.local`; one [`Resolved`] for each
    /// interface on which it has any.
    ///
    /// Returns as soon as both families are answered or denied on every interface. The other
    /// family gets half a second from the first address on, and interfaces on which nobody
    /// answers get 200 ms, or 1.3 s if all that is known is a denial; in any case it returns
    /// after `timeout`.
    ///
    /// ```no_run
    /// # async fn f(mdns: salut::Mdns) -> Result<(), salut::Error> {
    /// for found in mdns.resolve("alpha.local", std::time::Duration::from_secs(3)).await? {
    ///     println!("{}: {:?}", found.interface, found.addresses);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoAnswer`] if there is no answer by then; [`Error::NoAddress`] if the host says
    /// that it has no address; a bad host name; [`Error::Stopped`] or [`Error::Busy`].
    pub async fn resolve(&self, host: &str, timeout: Duration) -> Result<Vec<Resolved>, Error> {
        resolve::resolve(self, host, timeout).await
    }

    /// The host name as it is now: the one asked for, or another one after a conflict.
    pub fn host_name(&self) -> HostName {
        self.shared.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it fares: the interfaces, what the operating system refused and what to do about
    /// it, who else holds the port, and how much came in and went out.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn status(&self) -> Result<Status, Error> {
        let (reply, status) = oneshot::channel();
        self.commands().send(Command::Status { reply }).await.map_err(|_| Error::Stopped)?;
        answer(self.commands(), status).await.ok_or(Error::Stopped)
    }

    /// The [`status`](Self::status) now and whenever it changes.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub fn watch_status(&self) -> Result<StatusWatch, Error> {
        watch_status(self.commands())
    }

    /// Says goodbye for everything that is announced, and ends the task. Returns when the
    /// goodbyes have left, after a second at most. All other handles end with it: browses give
    /// `None`, commands [`Error::Stopped`].
    pub async fn shutdown(&self) {
        let (done, left) = oneshot::channel();
        let ended = async {
            // An error says that the task has ended before.
            if self.commands().send(Command::Shutdown { done }).await.is_ok() {
                answer(self.commands(), left).await;
            }
        };
        // The task keeps to a second itself; this is for a runtime that does not let it run.
        let _ = tokio::time::timeout(SHUTDOWN, ended).await;
    }
}

/// An [`Mdns`] that ends when all others are gone.
#[cfg(feature = "_libp2p")]
#[derive(Debug)]
pub(crate) struct WeakMdns(mpsc::WeakSender<Command>);

#[cfg(feature = "_libp2p")]
impl WeakMdns {
    pub(crate) fn watch_status(&self) -> Result<StatusWatch, Error> {
        watch_status(&self.0.upgrade().ok_or(Error::Stopped)?)
    }
}

fn watch_status(commands: &mpsc::Sender<Command>) -> Result<StatusWatch, Error> {
    let newest = Arc::new(Newest::default());
    send(commands, Command::WatchStatus { newest: Writer::new(&newest) })?;
    Ok(StatusWatch { newest })
}

/// The most that [`Mdns::shutdown`] takes.
const SHUTDOWN: Duration = Duration::from_millis(1500);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::name::ServiceType;

    fn handle() -> (Mdns, mpsc::Receiver<Command>) {
        Mdns::new_handle(Arc::new(Mutex::new(HostName::new("alpha").unwrap())))
    }

    fn service() -> Service {
        Service::new("My Node", "_exo._tcp", 52415).unwrap()
    }

    #[test]
    fn a_dropped_handle_ends_what_it_began_and_the_last_one_closes_the_channel() {
        let (mdns, mut commands) = handle();
        let node = mdns.register(service()).unwrap();
        let nodes = mdns.browse("_exo._tcp").unwrap();
        drop(mdns);
        drop(node);
        let Ok(Command::Announce { key: announced, .. }) = commands.try_recv() else { panic!() };
        let Ok(Command::Browse { key: browsed, .. }) = commands.try_recv() else { panic!() };
        assert!(matches!(commands.try_recv(), Ok(Command::End { key }) if key == announced));
        assert!(!commands.is_closed() && commands.try_recv().is_err());
        drop(nodes);
        assert!(matches!(commands.try_recv(), Ok(Command::End { key }) if key == browsed));
        assert_eq!(commands.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }

    #[tokio::test]
    async fn a_command_that_nobody_took_leaves_no_reader_waiting() {
        let (mdns, commands) = handle();
        let mut node = mdns.register(service()).unwrap();
        let mut nodes = mdns.browse("_exo._tcp").unwrap();
        drop(commands);
        assert_eq!(node.next_event().await, None);
        assert_eq!(nodes.next().await, None);
    }

    #[test]
    fn a_full_channel_refuses_new_handles_and_still_takes_every_farewell() {
        let (mdns, mut commands) = handle();
        let mut browses = Vec::new();
        let error = loop {
            match mdns.browse("_exo._tcp") {
                Ok(browse) => browses.push(browse),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Busy { limit: COMMANDS }));
        let begun = browses.len();
        assert_eq!(begun, COMMANDS / 2);
        drop(browses);
        let ends = std::iter::from_fn(|| commands.try_recv().ok())
            .filter(|command| matches!(command, Command::End { .. }))
            .count();
        assert_eq!(ends, begun);
        assert!(mdns.browse("_exo._tcp").is_ok());
    }

    #[test]
    fn names_are_looked_at_before_the_task_is_asked() {
        let (mdns, mut commands) = handle();
        assert!(matches!(mdns.browse("exo"), Err(Error::Name(_))));
        assert!(matches!(mdns.browse_subtype("_exo._tcp", ""), Err(Error::Name(_))));
        assert!(commands.try_recv().is_err());
        mdns.browse(ServiceType::new("_exo._tcp").unwrap()).unwrap();
        mdns.browse(String::from("_exo._tcp")).unwrap();
        let node = mdns.register(service()).unwrap();
        assert!(matches!(node.set_port(0), Err(Error::Service(_))));
    }

    #[test]
    fn a_task_that_has_ended_is_an_error_and_no_wait() {
        let (mdns, commands) = handle();
        let node = mdns.register(service()).unwrap();
        drop(commands);
        assert!(matches!(node.set_port(1), Err(Error::Stopped)));
        assert!(matches!(mdns.browse("_exo._tcp"), Err(Error::Stopped)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            node.withdraw().await;
            mdns.shutdown().await;
            let error = mdns.resolve("alpha", Duration::from_secs(60)).await.unwrap_err();
            assert!(matches!(error, Error::Stopped));
        });
    }
}
