//! Which interfaces, families and host name an [`Mdns`] uses.

use std::sync::{Arc, Mutex};

use super::{Error, Mdns};
use crate::error::NameError;
use crate::name::HostName;
use crate::net::{self, Choice, InterfaceInfo, InterfaceKind, Settings};

/// Settings of an [`Mdns`]; the default is every usual interface, both families, and a host
/// name of its own.
///
/// ```no_run
/// # async fn f() -> Result<(), salut::Error> {
/// let mdns = salut::Mdns::builder().host("alpha")?.interface("eth0").ipv6(false).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing happens before build()"]
pub struct Builder {
    host: Option<HostName>,
    choice: Choice,
    without_ipv4: bool,
    without_ipv6: bool,
    allow_missing: bool,
    max_instances: Option<usize>,
}

impl Builder {
    /// The host name that services are announced on: `alpha` or `alpha.local`.
    ///
    /// By default it is the machine's name with four random letters behind it, such as
    /// `alpha-kwpx.local`, so that neither the machine's own responder nor another program is
    /// in its way. A name given here is probed for, and changed to `alpha-2.local` if another
    /// machine has it.
    ///
    /// # Errors
    /// A bad host name.
    pub fn host(self, host: &str) -> Result<Self, NameError> {
        Ok(self.host_name(HostName::new(host)?))
    }

    /// As [`host`](Self::host), with a name that is known to be good.
    pub fn host_name(mut self, host: HostName) -> Self {
        self.host = Some(host);
        self
    }

    /// Uses this interface, and no other than those named like this: may be called several
    /// times. One that is named may be of any kind, the loopback or a tunnel too.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        match &mut self.choice {
            Choice::Named(names) => names.push(name.into()),
            _ => self.choice = Choice::Named(vec![name.into()]),
        }
        self
    }

    /// Uses the interfaces of these [kinds](InterfaceKind), and no other.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), salut::Error> {
    /// use salut::{InterfaceKind, Mdns};
    /// let cables_only = Mdns::builder().interface_kinds([InterfaceKind::Ethernet]).build()?;
    /// # Ok(()) }
    /// ```
    pub fn interface_kinds(mut self, kinds: impl IntoIterator<Item = InterfaceKind>) -> Self {
        self.choice = Choice::Kinds(kinds.into_iter().collect());
        self
    }

    /// Uses those interfaces that are running and for which `predicate` is true, in place of
    /// those that [`InterfaceInfo::is_usual`] says. It is asked whenever the interfaces change.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), salut::Error> {
    /// let mdns = salut::Mdns::builder()
    ///     .interfaces_where(|interface| interface.is_usual() && interface.name.starts_with("en"))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn interfaces_where(
        mut self,
        predicate: impl Fn(&InterfaceInfo) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.choice = Choice::Where(Arc::new(predicate));
        self
    }

    /// Whether to use IPv4; true by default.
    pub fn ipv4(mut self, on: bool) -> Self {
        self.without_ipv4 = !on;
        self
    }

    /// Whether to use IPv6; true by default.
    pub fn ipv6(mut self, on: bool) -> Self {
        self.without_ipv6 = !on;
        self
    }

    /// Whether an interface that was [named](Self::interface) may be missing now and come
    /// later; false by default, so that a name that was mistyped is an error.
    pub fn allow_missing_interfaces(mut self, on: bool) -> Self {
        self.allow_missing = on;
        self
    }

    /// The most instances of one service type that are kept on one interface; 1024 by default,
    /// some 300 kB. Where there are more, those give way first of which nothing but the name is
    /// known, then those of the host that told of most.
    pub fn max_instances(mut self, most: usize) -> Self {
        self.max_instances = Some(most);
        self
    }

    /// Starts the task that does all the work, on the tokio runtime this is called in.
    ///
    /// Sockets are opened by the task. That a port is taken or that no interface is up is no
    /// error: it goes on trying, and [`Mdns::status`] tells of it.
    ///
    /// # Errors
    /// [`Error::NoRuntime`], [`Error::NoFamily`], [`Error::UnknownInterface`], or
    /// [`Error::Net`] if the interfaces cannot be listed.
    pub fn build(self) -> Result<Mdns, Error> {
        self.check_families()?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        self.check_names(&net::list()?)?;
        Ok(self.start(&runtime))
    }

    /// Whether it could be started, as far as that can be told without a runtime.
    #[cfg(feature = "_libp2p")]
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_families()?;
        match &self.choice {
            Choice::Named(_) if !self.allow_missing => self.check_names(&net::list()?),
            _ => Ok(()),
        }
    }

    fn check_families(&self) -> Result<(), Error> {
        if self.without_ipv4 && self.without_ipv6 { Err(Error::NoFamily) } else { Ok(()) }
    }

    fn check_names(&self, list: &[InterfaceInfo]) -> Result<(), Error> {
        let missing = match &self.choice {
            Choice::Named(names) if !self.allow_missing => {
                names.iter().find(|name| !list.iter().any(|info| *info.name == ***name))
            }
            _ => None,
        };
        match missing {
            Some(name) => {
                let known = list.iter().map(|info| info.name.to_string()).collect();
                Err(Error::UnknownInterface { name: name.clone(), known })
            }
            None => Ok(()),
        }
    }

    /// Starts the task without a look at the interfaces.
    pub(crate) fn start(self, runtime: &tokio::runtime::Handle) -> Mdns {
        let host = self.host.unwrap_or_else(own_host);
        let host_now = Arc::new(Mutex::new(host.clone()));
        let settings = Settings {
            host,
            choice: self.choice,
            ipv4: !self.without_ipv4,
            ipv6: !self.without_ipv6,
            max_instances: self.max_instances,
            host_now: Arc::clone(&host_now),
        };
        let (mdns, commands) = Mdns::new_handle(host_now);
        runtime.spawn(net::run(settings, commands));
        mdns
    }
}

/// The machine's name and four random letters: a name that no other program shares, whose
/// goodbye would take our addresses with it, and that is not the machine's own, over which
/// the system's responder would fight.
fn own_host() -> HostName {
    HostName::from_machine(&gethostname::gethostname().to_string_lossy(), &letters(net::seed()))
}

/// Four letters from `a` to `z`.
fn letters(mut seed: u64) -> String {
    std::iter::repeat_with(|| {
        let letter = char::from(b'a' + u8::try_from(seed % 26).unwrap_or_default());
        seed /= 26;
        letter
    })
    .take(4)
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn own_host_names_are_four_letters_longer() {
        assert_eq!(letters(0), "aaaa");
        assert_eq!(letters(25 + 26), "zbaa");
        let host = own_host().to_string();
        let (_, letters) = host.strip_suffix(".local").unwrap().rsplit_once('-').unwrap();
        assert!(letters.len() == 4 && letters.bytes().all(|b| b.is_ascii_lowercase()), "{host}");
    }

    #[test]
    fn typed_errors_before_anything_starts() {
        assert!(matches!(Mdns::new(), Err(Error::NoRuntime)));
        assert!(matches!(Builder::default().ipv4(false).ipv6(false).build(), Err(Error::NoFamily)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let error = Builder::default().interface("nosuch0").build().unwrap_err();
        let Error::UnknownInterface { name, known } = error else { panic!("{error}") };
        assert_eq!(name, "nosuch0");
        assert!(known.iter().any(|name| name == "lo" || name.starts_with("lo")), "{known:?}");
    }
}
