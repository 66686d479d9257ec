//! What a program uses: [`Mdns`], [`Announcement`], [`Browse`].

mod announcement;
mod browse;
mod builder;
mod error;
mod mailbox;
mod resolve;

pub use announcement::{Announcement, AnnouncementEvent};
pub use browse::Browse;
pub use builder::Builder;
pub use error::Error;
pub use resolve::Resolved;

pub(crate) use announcement::News;
pub(crate) use mailbox::Mailbox;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, OwnedPermit, error::TrySendError};
use tokio::sync::oneshot;

use crate::name::{HostName, ServiceType};
use crate::net::{Command, Key, LinkStatus};
use crate::proto::Search;
use crate::service::{Service, subtype_name};

/// How many handles may be open and commands waiting, together. Far beyond any use; it keeps
/// a caller's runaway loop from eating the memory.
const COMMANDS: usize = 16 * 1024;

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

    fn commands(&self) -> &mpsc::Sender<Command> {
        &self.shared.commands
    }

    /// Begins what a new handle stands for.
    fn begin(&self, command: impl FnOnce(Key) -> Command) -> Result<Farewell, Error> {
        let key = Key(self.shared.keys.fetch_add(1, Ordering::Relaxed));
        let permit = self.commands().clone().try_reserve_owned().map_err(|error| refused(&error))?;
        send(self.commands(), command(key))?;
        Ok(Farewell { key, permit: Some(permit) })
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
        let told = Arc::clone(&news);
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
        let filled = Arc::clone(&mailbox);
        let farewell = self.begin(|key| Command::Browse { key, search, mailbox: filled })?;
        Ok(Browse { mailbox, _farewell: farewell })
    }

    /// Asks for the addresses of a host, such as `alpha.local`; one [`Resolved`] for each
    /// interface on which it has any.
    ///
    /// Returns as soon as both families are answered or denied, or half a second after the
    /// first address, in any case after `timeout`.
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
    /// [`Error::NoAnswer`] if there is no address by then; a bad host name;
    /// [`Error::Stopped`] or [`Error::Busy`].
    pub async fn resolve(&self, host: &str, timeout: Duration) -> Result<Vec<Resolved>, Error> {
        resolve::resolve(self, host, timeout).await
    }

    /// The host name as it is now: the one asked for, or another one after a conflict.
    pub fn host_name(&self) -> HostName {
        self.shared.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the interfaces in use fare: their addresses, what the operating system refused,
    /// whether unicast reaches us.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn status(&self) -> Result<Vec<LinkStatus>, Error> {
        resolve::status(self).await
    }

    /// Says goodbye for everything that is announced, and ends the task. Returns when the
    /// goodbyes have left, after a second at most. All other handles end with it: browses give
    /// `None`, commands [`Error::Stopped`].
    pub async fn shutdown(&self) {
        let (done, left) = oneshot::channel();
        let ended = async {
            // An error of either says that the task has ended before.
            if self.commands().send(Command::Shutdown { done }).await.is_ok() {
                let _ = left.await;
            }
        };
        // The task keeps to a second itself; this is for a runtime that does not let it run.
        let _ = tokio::time::timeout(SHUTDOWN, ended).await;
    }
}

/// The most that [`Mdns::shutdown`] takes.
const SHUTDOWN: Duration = Duration::from_millis(1500);

/// What can name a service type: its text, such as `"_exo._tcp"`, or a [`ServiceType`].
pub trait AsServiceType {
    /// The service type it names.
    ///
    /// # Errors
    /// It is none.
    fn as_service_type(&self) -> Result<ServiceType, crate::NameError>;
}

impl AsServiceType for ServiceType {
    fn as_service_type(&self) -> Result<ServiceType, crate::NameError> {
        Ok(self.clone())
    }
}

impl AsServiceType for str {
    fn as_service_type(&self) -> Result<ServiceType, crate::NameError> {
        ServiceType::new(self)
    }
}

impl AsServiceType for String {
    fn as_service_type(&self) -> Result<ServiceType, crate::NameError> {
        ServiceType::new(self)
    }
}

impl<T: AsServiceType + ?Sized> AsServiceType for &T {
    fn as_service_type(&self) -> Result<ServiceType, crate::NameError> {
        (**self).as_service_type()
    }
}

/// The end of a handle: tells the task when it is dropped. Its place in the channel was
/// reserved at the beginning, so that it neither waits nor fails nor overtakes.
#[derive(Debug)]
pub(crate) struct Farewell {
    key: Key,
    permit: Option<OwnedPermit<Command>>,
}

impl Farewell {
    fn key(&self) -> Key {
        self.key
    }

    /// Says it in other words than [`Command::End`].
    fn say(mut self, command: impl FnOnce(Key) -> Command) {
        if let Some(permit) = self.permit.take() {
            permit.send(command(self.key));
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.send(Command::End { key: self.key });
        }
    }
}

fn send(commands: &mpsc::Sender<Command>, command: Command) -> Result<(), Error> {
    commands.try_send(command).map_err(|error| refused(&error))
}

fn refused<T>(error: &TrySendError<T>) -> Error {
    match error {
        TrySendError::Full(_) => Error::Busy { limit: COMMANDS },
        TrySendError::Closed(_) => Error::Stopped,
    }
}
