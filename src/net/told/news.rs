//! What became of a service that is announced.

use std::task::{Context, Poll};

use super::Close;
use super::watched::Watched;
use crate::error::ServiceError;
use crate::name::{HostName, InstanceName};
use crate::service::Interface;

/// What happened to an [`Announcement`](crate::Announcement).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnouncementEvent {
    /// The service is visible. Told again when an interface comes or goes.
    Announced {
        /// The name it is visible under.
        name: InstanceName,
        /// The host it points to.
        host: HostName,
        /// Where it is visible.
        interfaces: Vec<Interface>,
    },
    /// The name was taken, another one is being claimed. Store it and ask for it next time
    /// (RFC 6762 §9). [`Announced`](Self::Announced) follows.
    Renamed {
        /// The name that was lost.
        from: InstanceName,
        /// The name in its place.
        to: InstanceName,
    },
    /// The host name was taken: the service points to another one.
    HostRenamed {
        /// The name that was lost.
        from: HostName,
        /// The name in its place.
        to: HostName,
    },
    /// No name could be claimed for a minute: something answers for every one. It goes on
    /// trying.
    Disputed {
        /// The name that was lost last.
        name: InstanceName,
    },
    /// The service is not announced at all, and this is the last event: it was one too many,
    /// or this program announces another one under its name.
    Refused {
        /// Why.
        error: ServiceError,
    },
}

/// Why a service is not visible.
#[derive(Debug)]
pub(crate) enum Unseen {
    Refused(ServiceError),
    Disputed(InstanceName),
    Stopped,
}

/// Between the task and one [`Announcement`](crate::Announcement).
#[derive(Debug)]
pub(crate) struct News {
    inner: Watched<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: InstanceName,
    host: HostName,
    interfaces: Vec<Interface>,
    renamed: Option<(InstanceName, InstanceName)>,
    host_renamed: Option<(HostName, HostName)>,
    disputed: Option<InstanceName>,
    announced: bool,
    refused: Option<ServiceError>,
    closed: bool,
}

impl News {
    pub(crate) fn new(name: InstanceName, host: HostName) -> Self {
        Self {
            inner: Watched::new(Inner {
                name,
                host,
                interfaces: Vec::new(),
                renamed: None,
                host_renamed: None,
                disputed: None,
                announced: false,
                refused: None,
                closed: false,
            }),
        }
    }

    pub(crate) fn announced(&self, name: InstanceName, host: HostName, interfaces: Vec<Interface>) {
        self.inner.change(|inner| {
            (inner.name, inner.host, inner.interfaces) = (name, host, interfaces);
            inner.disputed = None;
            inner.announced = true;
        });
    }

    pub(crate) fn renamed(&self, from: InstanceName, to: InstanceName) {
        self.inner.change(|inner| {
            inner.name = to.clone();
            inner.interfaces.clear();
            inner.announced = false;
            let from = inner.renamed.take().map_or(from, |(first, _)| first);
            inner.renamed = (from != to).then_some((from, to));
        });
    }

    pub(crate) fn host_renamed(&self, from: &HostName, to: &HostName) {
        self.inner.change(|inner| {
            if inner.host != *from {
                return;
            }
            inner.host = to.clone();
            let from = inner.host_renamed.take().map_or_else(|| from.clone(), |(first, _)| first);
            inner.host_renamed = (from != *to).then(|| (from, to.clone()));
        });
    }

    pub(crate) fn disputed(&self, name: InstanceName) {
        self.inner.change(|inner| inner.disputed = Some(name));
    }

    pub(crate) fn refused(&self, error: ServiceError) {
        self.inner.change(|inner| {
            inner.refused = Some(error);
            inner.closed = true;
        });
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<AnnouncementEvent>> {
        self.inner.poll(cx, |inner| match inner.take() {
            None if !inner.closed => Poll::Pending,
            event => Poll::Ready(event),
        })
    }

    /// Whether the service is visible somewhere, or will not be.
    pub(crate) fn poll_visible(&self, cx: &mut Context<'_>) -> Poll<Result<(), Unseen>> {
        self.inner.poll(cx, |inner| {
            if let Some(error) = inner.refused.take() {
                return Poll::Ready(Err(Unseen::Refused(error)));
            }
            if let Some(name) = inner.disputed.take() {
                return Poll::Ready(Err(Unseen::Disputed(name)));
            }
            if !inner.interfaces.is_empty() {
                inner.announced = false;
                return Poll::Ready(Ok(()));
            }
            if inner.closed {
                return Poll::Ready(Err(Unseen::Stopped));
            }
            Poll::Pending
        })
    }
}

impl News {
    pub(crate) fn name(&self) -> InstanceName {
        self.inner.with(|inner| inner.name.clone())
    }

    pub(crate) fn host(&self) -> HostName {
        self.inner.with(|inner| inner.host.clone())
    }

    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        self.inner.with(|inner| inner.interfaces.clone())
    }
}

impl Close for News {
    fn close(&self) {
        self.inner.change(|inner| inner.closed = true);
    }
}

impl Inner {
    fn take(&mut self) -> Option<AnnouncementEvent> {
        if let Some((from, to)) = self.host_renamed.take() {
            return Some(AnnouncementEvent::HostRenamed { from, to });
        }
        if let Some((from, to)) = self.renamed.take() {
            return Some(AnnouncementEvent::Renamed { from, to });
        }
        if let Some(name) = self.disputed.take() {
            return Some(AnnouncementEvent::Disputed { name });
        }
        if std::mem::take(&mut self.announced) {
            return Some(AnnouncementEvent::Announced {
                name: self.name.clone(),
                host: self.host.clone(),
                interfaces: self.interfaces.clone(),
            });
        }
        self.refused.take().map(|error| AnnouncementEvent::Refused { error })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn name(text: &str) -> InstanceName {
        InstanceName::new(text).unwrap()
    }

    fn host(text: &str) -> HostName {
        HostName::new(text).unwrap()
    }

    fn eth0() -> Vec<Interface> {
        vec![Interface { index: 2, name: "eth0".into() }]
    }

    fn read(news: &News) -> Vec<AnnouncementEvent> {
        let mut cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match news.poll(&mut cx) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        })
        .collect()
    }

    #[test]
    fn a_late_reader_gets_first_and_last_name_and_then_what_is() {
        let news = News::new(name("a"), host("alpha"));
        news.renamed(name("a"), name("a (2)"));
        news.disputed(name("a (2)"));
        news.renamed(name("a (2)"), name("a (3)"));
        news.host_renamed(&host("other"), &host("other-2"));
        news.host_renamed(&host("alpha"), &host("alpha-2"));
        news.announced(name("a (3)"), host("alpha-2"), eth0());
        assert_eq!(
            read(&news),
            [
                AnnouncementEvent::HostRenamed { from: host("alpha"), to: host("alpha-2") },
                AnnouncementEvent::Renamed { from: name("a"), to: name("a (3)") },
                AnnouncementEvent::Announced {
                    name: name("a (3)"),
                    host: host("alpha-2"),
                    interfaces: eth0()
                },
            ]
        );
        assert_eq!(read(&news), []);
    }

    #[test]
    fn visible_means_on_some_interface() {
        let news = News::new(name("a"), host("alpha"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(news.poll_visible(&mut cx).is_pending());
        news.announced(name("a"), host("alpha"), Vec::new());
        assert!(news.poll_visible(&mut cx).is_pending());
        news.announced(name("a"), host("alpha"), eth0());
        assert!(matches!(news.poll_visible(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!(read(&news), [], "the caller of announce knows");
    }

    #[test]
    fn a_refused_service_ends() {
        let news = News::new(name("a"), host("alpha"));
        news.refused(ServiceError::PortZero);
        assert_eq!(read(&news), [AnnouncementEvent::Refused { error: ServiceError::PortZero }]);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(news.poll(&mut cx), Poll::Ready(None));
    }
}
