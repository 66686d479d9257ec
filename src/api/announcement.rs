//! A service of ours, as long as it is announced.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Error, Farewell};
use crate::error::ServiceError;
use crate::name::{HostName, InstanceName};
use crate::net::{AnnouncementEvent, Command, News, Unseen};
use crate::service::Interface;
use crate::txt::Txt;

/// A service that is announced until this is dropped.
///
/// Dropping it says goodbye to the network without waiting; [`withdraw`](Self::withdraw)
/// waits until the goodbyes have left. Neither helps if the tokio runtime ends first: at the
/// end of a program use [`withdraw`](Self::withdraw) or [`Mdns::shutdown`](super::Mdns::shutdown).
#[derive(Debug)]
pub struct Announcement {
    pub(super) news: Arc<News>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) farewell: Farewell,
}

impl Announcement {
    /// The instance name it has now: the one asked for, or another one after a conflict.
    pub fn name(&self) -> InstanceName {
        self.news.name()
    }

    /// The host it points to now.
    pub fn host(&self) -> HostName {
        self.news.host()
    }

    /// Where it is visible; nowhere while its name is still being claimed.
    pub fn interfaces(&self) -> Vec<Interface> {
        self.news.interfaces()
    }

    /// What happened since the last call; waits for something to happen. `None` when the
    /// [`Mdns`](super::Mdns) was shut down.
    ///
    /// Nothing is lost by reading late, but what happened several times is told once: of two
    /// renames in a row the first name and the last. Dropping the future loses nothing.
    ///
    /// ```no_run
    /// # async fn f(mut node: salut::Announcement) {
    /// use salut::AnnouncementEvent;
    /// while let Some(event) = node.next_event().await {
    ///     if let AnnouncementEvent::Renamed { to, .. } = event {
    ///         println!("from now on {to}");
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn next_event(&mut self) -> Option<AnnouncementEvent> {
        poll_fn(|cx| self.news.poll(cx)).await
    }

    /// Waits until the service is visible somewhere.
    pub(super) async fn visible(&self) -> Result<(), Error> {
        poll_fn(|cx| self.news.poll_visible(cx)).await.map_err(|unseen| match unseen {
            Unseen::Refused(error) => error.into(),
            Unseen::Disputed(name) => Error::Disputed { name },
            Unseen::Stopped => Error::Stopped,
        })
    }

    /// Announces another TXT record in place of the one before. Of several within a second
    /// only the last is sure to be seen: a record is multicast at most once a second
    /// (RFC 6762 §6).
    ///
    /// # Errors
    /// [`Error::Stopped`], or [`Error::Busy`] if thousands of commands wait already.
    pub fn set_txt(&self, txt: Txt) -> Result<(), Error> {
        super::send(&self.commands, Command::SetTxt { key: self.farewell.key(), txt })
    }

    /// Announces another port.
    ///
    /// # Errors
    /// As [`set_txt`](Self::set_txt), and port 0.
    pub fn set_port(&self, port: u16) -> Result<(), Error> {
        if port == 0 {
            return Err(ServiceError::PortZero.into());
        }
        super::send(&self.commands, Command::SetPort { key: self.farewell.key(), port })
    }

    /// Ends the announcement; returns when its goodbyes have left.
    pub async fn withdraw(self) {
        let (done, left) = oneshot::channel();
        let Self { commands, farewell, .. } = self;
        farewell.say(|key| Command::Withdraw { key, done });
        super::answer(&commands, left).await;
    }
}
