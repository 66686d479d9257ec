//! The name of a service instance.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::{MAX_LABEL_BYTES, number, with_suffix, write_escaped};
use crate::error::NameError;

/// The name of one service instance: a single label of up to 63 bytes of UTF-8, for people
/// to read (RFC 6763 §4.1.1). Dots, spaces, backslashes and emoji are all fine.
///
/// One that was heard on the network may hold any bytes; [`as_str`](Self::as_str) gives it
/// as text, `Display` gives text that is safe to print on a terminal.
#[derive(Clone)]
pub struct InstanceName(Arc<[u8]>);

impl InstanceName {
    /// A name for a service of ours.
    ///
    /// # Errors
    /// Empty, over 63 bytes, or with control characters (RFC 6763 §4.1.1).
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::EmptyInstance);
        }
        if text.len() > MAX_LABEL_BYTES {
            return Err(NameError::InstanceTooLong { name: text.to_owned(), bytes: text.len() });
        }
        // RFC 6763 §4.1.1: no ASCII control characters (0x00 to 0x1F and 0x7F).
        if text.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        Ok(Self(text.as_bytes().into()))
    }

    /// The first label of a name from the network, whatever it holds.
    pub(crate) fn from_label(label: &[u8]) -> Self {
        Self(label.into())
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text; bytes that are not UTF-8 are replaced by `U+FFFD`.
    pub fn as_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The name to try after a conflict: `Name` becomes `Name (2)`, `Name (2)` becomes
    /// `Name (3)` (RFC 6763 appendix D). `step` is added to the number; the
    /// name is cut to `longest` bytes.
    pub(crate) fn next(&self, step: u32, longest: usize) -> Self {
        let text = self.as_str();
        let (stem, number) = text
            .strip_suffix(')')
            .and_then(|head| head.rsplit_once(" ("))
            .and_then(|(stem, digits)| Some((stem, number(digits)?)))
            .unwrap_or((&text, 1));
        let suffix = format!(" ({})", number.saturating_add(u64::from(step.max(1))));
        Self(with_suffix(stem, &suffix, longest).into_bytes().into())
    }
}

impl PartialEq for InstanceName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for InstanceName {}

impl Hash for InstanceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0.to_ascii_lowercase());
    }
}

impl PartialOrd for InstanceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InstanceName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, &self.0, |_| None)
    }
}

impl fmt::Debug for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}
