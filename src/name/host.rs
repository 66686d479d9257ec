//! The name of a host.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{LOCAL, MAX_LABEL_BYTES, Name, folded_hash, number, strip_local, with_suffix};
use crate::error::NameError;

/// A host name below `.local`, such as `alpha.local`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Name);

impl HostName {
    /// A host name: `alpha`, `alpha.local` or `alpha.local.`; more than one label before
    /// `.local` only when `.local` is written out.
    ///
    /// # Errors
    /// Empty labels, labels over 63 bytes, an IP address, ASCII characters other than
    /// letters, digits, hyphen and underscore, or a domain other than `.local`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let bad = |why| NameError::BadHostName { text: text.to_owned(), why };
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() {
            return Err(bad("it is an address, not a name"));
        }
        let labels = match strip_local(bare) {
            Some(head) => head,
            None if text.contains('.') => return Err(bad("multicast DNS names end in .local")),
            None => bare,
        };
        if labels.split('.').any(str::is_empty) {
            return Err(bad("it has an empty label"));
        }
        if !labels.chars().all(|c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || (!c.is_ascii() && !c.is_control())
        }) {
            return Err(bad("it may hold letters, digits, hyphens and underscores only"));
        }
        Name::from_labels(labels.split('.').map(str::as_bytes).chain([LOCAL])).map(Self)
    }

    /// A host name made from whatever the machine calls itself: the first label, with other
    /// characters turned into hyphens, and `-<suffix>` behind it, cut to 63 bytes.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))]
    pub(crate) fn from_machine(machine: &str, suffix: &str) -> Self {
        let first = machine.split('.').next().unwrap_or_default();
        let stem: String = first
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let stem = stem.trim_matches('-');
        let label =
            with_suffix(if stem.is_empty() { "host" } else { stem }, &format!("-{suffix}"), MAX_LABEL_BYTES);
        Self::new(&label).unwrap_or_else(|_| Self(root_of_local()))
    }

    /// From a name that is known to stand below `.local`.
    pub(crate) fn from_name(name: &Name) -> Self {
        Self(name.clone())
    }

    /// The full name: `alpha.local`.
    pub fn name(&self) -> &Name {
        &self.0
    }

    /// The name to try after a conflict: `alpha` becomes `alpha-2`, `alpha-2` becomes
    /// `alpha-3`. `step` is added to the number.
    pub(crate) fn next(&self, step: u32) -> Self {
        let first = String::from_utf8_lossy(self.0.labels().next().unwrap_or_default()).into_owned();
        let (stem, number) = first
            .rsplit_once('-')
            .and_then(|(stem, digits)| Some((stem, number(digits)?)))
            .unwrap_or((&first, 1));
        let suffix = format!("-{}", number.saturating_add(u64::from(step.max(1))));
        let label = with_suffix(stem, &suffix, MAX_LABEL_BYTES);
        // A longer label could push a long multi-label name over 255 bytes: then drop letters.
        let parent = self.0.parent().unwrap_or_else(root_of_local);
        parent.prepend(&label).or_else(|_| parent.prepend(&suffix)).map_or_else(|_| self.clone(), Self)
    }
}

fn root_of_local() -> Name {
    let wire = b"\x05local\0";
    Name { wire: wire[..].into(), hash: folded_hash(wire) }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}
