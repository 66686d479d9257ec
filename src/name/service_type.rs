//! The name of a service type.

use std::fmt;
use std::str::FromStr;

use super::{LOCAL, Name, strip_local};
use crate::error::NameError;

/// The longest service name without its underscore, in bytes (RFC 6763 §7.2, RFC 6335 §5.1).
pub const MAX_SERVICE_BYTES: usize = 15;

/// A service type such as `_exo._tcp`: what is browsed for (RFC 6763 §7).
///
/// ```
/// use salut::ServiceType;
/// assert_eq!(ServiceType::new("_exo._tcp")?.to_string(), "_exo._tcp");
/// let error = ServiceType::new("exo.tcp").unwrap_err();
/// assert!(error.to_string().contains("_exo._tcp"));
/// # Ok::<(), salut::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceType(Name);

impl ServiceType {
    /// A service type of the form `_name._tcp` or `_name._udp`; a final `.local` is allowed.
    ///
    /// # Errors
    /// A missing underscore, a transport other than `_tcp` or `_udp`, or a name that
    /// RFC 6335 §5.1 forbids: over 15 bytes, without a letter, other characters than
    /// letters, digits and hyphens, hyphens at an end or in a row.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let this = Self::new_long(text)?;
        let service = this.0.labels().next().unwrap_or_default();
        let bytes = service.len() - 1;
        if bytes > MAX_SERVICE_BYTES {
            return Err(NameError::ServiceTooLong { text: text.to_owned(), bytes });
        }
        Ok(this)
    }

    /// As [`new`](Self::new), without the limit of 15 bytes: for types that are known to
    /// break it, such as libp2p's `_p2p-<fingerprint>._udp`. Up to 63 bytes with the
    /// underscore.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_long(text: &str) -> Result<Self, NameError> {
        let bad = |why| NameError::BadServiceType { text: text.to_owned(), why };
        let stripped = text.strip_suffix('.').unwrap_or(text);
        let stripped = strip_local(stripped).unwrap_or(stripped);
        let Some((service, transport)) = stripped.split_once('.') else {
            return Err(bad("it has one label, two are needed"));
        };
        if !transport.eq_ignore_ascii_case("_tcp") && !transport.eq_ignore_ascii_case("_udp") {
            return Err(bad("it must end in ._tcp or ._udp"));
        }
        let Some(bare) = service.strip_prefix('_') else {
            return Err(bad("its name must begin with an underscore"));
        };
        if bare.is_empty() {
            return Err(bad("nothing stands behind the underscore"));
        }
        if !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(bad("its name may hold letters, digits and hyphens only"));
        }
        if !bare.bytes().any(|b| b.is_ascii_alphabetic()) {
            return Err(bad("its name needs a letter"));
        }
        if bare.starts_with('-') || bare.ends_with('-') || bare.contains("--") {
            return Err(bad("a hyphen must stand between letters or digits"));
        }
        Name::from_labels([service.as_bytes(), transport.as_bytes(), LOCAL]).map(Self)
    }

    /// The service type that somebody on the network calls by this full name, if it is one:
    /// others take more liberties with the characters than [`new`](Self::new) allows.
    pub(crate) fn heard(name: &Name) -> Option<Self> {
        let mut labels = name.labels();
        let (service, transport, local) = (labels.next()?, labels.next()?, labels.next()?);
        let transports = [&b"_tcp"[..], b"_udp"];
        let is_type = service.len() > 1
            && service.starts_with(b"_")
            && transports.iter().any(|known| known.eq_ignore_ascii_case(transport))
            && local.eq_ignore_ascii_case(LOCAL)
            && labels.next().is_none();
        is_type.then(|| Self(name.clone()))
    }

    /// The full name: `_exo._tcp.local`.
    pub fn name(&self) -> &Name {
        &self.0
    }
}

/// Without `.local`: `_exo._tcp`.
impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(strip_local(&text).unwrap_or(&text))
    }
}

impl fmt::Debug for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ServiceType {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}
