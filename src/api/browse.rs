//! A standing question for the instances of a service type.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{Error, Farewell};
use crate::name::{InstanceName, ServiceType};
use crate::net::{Command, Mailbox};
use crate::service::{Change, Interface};

/// The instances of a service type as they come, change and go, until this is dropped.
///
/// Each item is a [`Change`], and the row of them is always legal: `Found` for an instance
/// that is not known on that interface, `Updated` and `Lost` for one that is. Reading is never
/// urgent: an unread browse holds the net change since the last look, so that found and lost
/// again cancel out, found and updated are one `Found` with the newest data, and lost and
/// found again with the same data is nothing. It is as large as there are instances and keeps
/// nobody waiting.
///
/// Ends (`None`) only when the [`Mdns`](super::Mdns) was shut down or its runtime was. It is a
/// [`Stream`] as well.
///
/// ```no_run
/// use salut::{Change, Mdns};
/// # async fn f() -> Result<(), salut::Error> {
/// let mdns = Mdns::new()?;
/// let mut nodes = mdns.browse("_exo._tcp")?;
/// while let Some(change) = nodes.next().await {
///     match change {
///         Change::Found(node) => println!("+ {} {:?}", node.name, node.sockets()),
///         Change::Updated(node) => println!("~ {} {:?}", node.name, node.sockets()),
///         Change::Lost(lost) => println!("- {lost}"),
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Browse {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) commands: mpsc::Sender<Command>,
    /// Ends the browse when it is dropped.
    pub(super) farewell: Farewell,
}

impl Browse {
    /// The next change; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|cx| self.mailbox.poll(cx)).await
    }

    /// The instances that were heard of and are not found yet, because their SRV record or
    /// addresses are still being asked for. One that stays here has told the network its name
    /// and does not answer for it.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn unresolved(&self) -> Result<Vec<(Interface, InstanceName)>, Error> {
        let (reply, instances) = oneshot::channel();
        let command = Command::Unresolved { key: self.farewell.key(), reply };
        self.commands.send(command).await.map_err(|_| Error::Stopped)?;
        super::answer(&self.commands, instances).await.ok_or(Error::Stopped)
    }
}

impl Stream for Browse {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.mailbox.poll(cx)
    }
}

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
