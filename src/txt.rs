//! TXT records: a row of `key`, `key=` or `key=value` strings (RFC 6763 §6).

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::error::TxtError;

/// The longest string of a TXT record, in bytes, key and `=` included (RFC 1035 §3.3.14).
pub const MAX_TXT_STRING_BYTES: usize = 255;

/// The longest TXT record that is announced, in bytes: what still fits one packet of 9000.
pub const MAX_TXT_BYTES: usize = 8900;

/// Above this many bytes a TXT record costs every reader dearly (RFC 6763 §6.2).
pub const WISE_TXT_BYTES: usize = 400;

/// The data of a TXT record.
///
/// Kept as it stands on the wire. Of several equal keys the first counts, keys compare
/// without case (RFC 6763 §6.4), and no attributes, an empty record and one empty string are
/// all the same (§6.1).
///
/// ```
/// use salut::Txt;
/// let txt = Txt::new().with("id", "12D3Koo")?.with_flag("fast")?;
/// assert_eq!(txt.get("ID"), Some(Some(&b"12D3Koo"[..])));
/// assert_eq!(txt.get("fast"), Some(None));
/// assert_eq!(txt.get("slow"), None);
/// # Ok::<(), salut::TxtError>(())
/// ```
#[derive(Clone)]
pub struct Txt {
    /// Never empty: no attributes are one zero byte.
    wire: Arc<[u8]>,
}

/// Whether bytes are a row of strings.
pub(crate) fn is_sound(wire: &[u8]) -> bool {
    let mut rest = wire;
    while let Some((&length, tail)) = rest.split_first() {
        let Some(after) = tail.get(usize::from(length)..) else { return false };
        rest = after;
    }
    true
}

impl Txt {
    /// No attributes: a single zero byte on the wire.
    pub fn new() -> Self {
        Self { wire: [0].into() }
    }

    /// This record with `key=value` added.
    ///
    /// # Errors
    /// A key that is empty or holds `=` or anything but printable ASCII; over 255 bytes for
    /// this string or over 8900 in all.
    pub fn with(self, key: &str, value: impl AsRef<[u8]>) -> Result<Self, TxtError> {
        self.push(key, Some(value.as_ref()))
    }

    /// This record with a key that has no value added.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn with_flag(self, key: &str) -> Result<Self, TxtError> {
        self.push(key, None)
    }

    fn push(self, key: &str, value: Option<&[u8]>) -> Result<Self, TxtError> {
        // RFC 6763 §6.4: printable US-ASCII (0x20-0x7E), excluding '='.
        if key.is_empty() || !key.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'=') {
            return Err(TxtError::BadKey { key: key.to_owned() });
        }
        let bytes = key.len() + value.map_or(0, |value| value.len() + 1);
        let too_long = || TxtError::StringTooLong { key: key.to_owned(), bytes };
        let length = u8::try_from(bytes).map_err(|_| too_long())?;
        let mut wire = if self.is_empty() { Vec::new() } else { self.wire.to_vec() };
        wire.push(length);
        wire.extend_from_slice(key.as_bytes());
        if let Some(value) = value {
            wire.push(b'=');
            wire.extend_from_slice(value);
        }
        Self::checked(wire)
    }

    /// A record from raw strings, each of which is written as it is.
    ///
    /// # Errors
    /// A string over 255 bytes, or over 8900 bytes in all.
    pub fn from_strings<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Result<Self, TxtError> {
        let mut wire = Vec::new();
        for string in strings {
            let string = string.as_ref();
            let length = u8::try_from(string.len()).map_err(|_| TxtError::StringTooLong {
                key: String::from_utf8_lossy(string.get(..16).unwrap_or(string)).into_owned(),
                bytes: string.len(),
            })?;
            wire.push(length);
            wire.extend_from_slice(string);
        }
        Self::checked(wire)
    }

    fn checked(wire: Vec<u8>) -> Result<Self, TxtError> {
        if wire.len() > MAX_TXT_BYTES {
            return Err(TxtError::RecordTooLong { bytes: wire.len() });
        }
        Self::from_wire(&wire).ok_or(TxtError::Malformed)
    }

    /// A record from its wire form, or `None` if that is not a row of strings. Empty bytes
    /// are read as no attributes (RFC 6763 §6.1).
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        is_sound(wire).then(|| Self { wire: if wire.is_empty() { [0].into() } else { wire.into() } })
    }

    /// The wire form; never empty.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.strings().next().is_none()
    }

    /// All strings that are not empty, as they stand.
    pub fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.wire;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            let (string, after) = tail.split_at_checked(usize::from(length))?;
            rest = after;
            Some(string)
        })
        .filter(|string| !string.is_empty())
    }

    /// The attributes in order: key, and value if there is a `=`. Strings that begin with
    /// `=` and repeated keys are left out (RFC 6763 §6.4).
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        // A set, for thousands of keys fit the TXT record of a stranger.
        let mut seen = HashSet::new();
        self.strings()
            .map(split)
            .filter(move |(key, _)| !key.is_empty() && seen.insert(key.to_ascii_lowercase()))
    }

    /// The value of `key`: `None` if it is not there, `Some(None)` if it has no value.
    pub fn get(&self, key: &str) -> Option<Option<&[u8]>> {
        self.strings()
            .map(split)
            .find(|(k, _)| !k.is_empty() && k.eq_ignore_ascii_case(key.as_bytes()))
            .map(|(_, value)| value)
    }
}

fn split(string: &[u8]) -> (&[u8], Option<&[u8]>) {
    match string.iter().position(|b| *b == b'=') {
        Some(at) => (string.get(..at).unwrap_or_default(), string.get(at.saturating_add(1)..)),
        None => (string, None),
    }
}

impl Default for Txt {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Txt {
    fn eq(&self, other: &Self) -> bool {
        self.wire == other.wire || (self.is_empty() && other.is_empty())
    }
}

impl Eq for Txt {}

impl fmt::Debug for Txt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.strings().map(|s| s.escape_ascii().to_string())).finish()
    }
}
