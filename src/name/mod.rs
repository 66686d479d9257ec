//! Names: the wire form, the text form, and the three kinds of name a caller gives.
//!
//! A [`Name`] is kept in its uncompressed wire form (length byte, label, …, zero), so that
//! an instance called `a.b` or `Büro \ 2` needs no escaping anywhere inside the crate.
//! ASCII letters compare without case, every other byte exactly (RFC 6762 §16): no Unicode
//! normalisation and no Punycode. The case a name was written in is kept.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::NameError;

mod folded;
mod host;
mod instance;
mod service_type;

pub(crate) use folded::{Folded, ROOT, behind, folded_hash};
pub use host::HostName;
pub use instance::InstanceName;
pub use service_type::{MAX_SERVICE_BYTES, ServiceType};

/// The longest name in wire form, in bytes, with the final zero (RFC 1035 §2.3.4).
pub const MAX_NAME_BYTES: usize = 255;

/// The longest label, in bytes (RFC 1035 §2.3.4).
pub const MAX_LABEL_BYTES: usize = 63;

const LOCAL: &[u8] = b"local";

/// A domain name in uncompressed wire form.
///
/// Text form: labels joined by dots, no final dot; `.` and `\` inside a label are written
/// `\.` and `\\`, spaces, control characters and bytes that are not UTF-8 as `\` and three
/// decimal digits. Parsing takes the same form, with or without a final dot.
///
/// ```
/// use salut::Name;
/// let name: Name = r"Anna\.s\032Mac._exo._tcp.local".parse()?;
/// assert_eq!(name.labels().next(), Some(&b"Anna.s Mac"[..]));
/// assert_eq!(name, r"anna\.S\032mac._EXO._tcp.LOCAL.".parse()?);
/// # Ok::<(), salut::NameError>(())
/// ```
#[derive(Clone)]
pub struct Name {
    wire: Arc<[u8]>,
    /// Of the folded bytes. Tells two names apart without reading them; it is not seeded,
    /// so a map never relies on it alone.
    hash: u32,
}

impl Name {
    /// A name from its labels, in order, without the root.
    ///
    /// # Errors
    /// An empty label, a label over 63 bytes, or more than 255 bytes in all.
    pub fn from_labels<L: AsRef<[u8]>>(labels: impl IntoIterator<Item = L>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(64);
        for label in labels {
            push_label(&mut wire, label.as_ref())?;
        }
        wire.push(0);
        Self::from_wire(&wire).ok_or(NameError::NameTooLong { bytes: wire.len() })
    }

    /// A name from uncompressed wire bytes that end with the root label, or `None` if they
    /// are not exactly one well-formed name.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        if wire.len() > MAX_NAME_BYTES {
            return None;
        }
        let mut rest = wire;
        loop {
            let (&length, tail) = rest.split_first()?;
            if length == 0 {
                return tail.is_empty().then(|| Self { wire: wire.into(), hash: folded_hash(wire) });
            }
            if usize::from(length) > MAX_LABEL_BYTES {
                return None;
            }
            rest = tail.get(usize::from(length)..)?;
        }
    }

    /// A name from wire bytes that were checked while they were read, with their hash.
    pub(crate) fn from_checked(wire: &[u8], hash: u32) -> Self {
        Self { wire: wire.into(), hash }
    }

    /// This name with `label` in front.
    ///
    /// # Errors
    /// As [`from_labels`](Self::from_labels).
    pub fn prepend(&self, label: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(self.wire.len() + label.as_ref().len() + 1);
        push_label(&mut wire, label.as_ref())?;
        wire.extend_from_slice(&self.wire);
        Self::from_wire(&wire).ok_or(NameError::NameTooLong { bytes: wire.len() })
    }

    /// The uncompressed wire form, with the final zero byte.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The 32-bit hash of the name with its ASCII letters folded.
    pub(crate) fn folded_hash(&self) -> u32 {
        self.hash
    }

    /// The labels in order, without the root.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.wire }
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (&length, tail) = self.wire.split_first()?;
        if length == 0 {
            return None;
        }
        Self::from_wire(tail.get(usize::from(length)..)?)
    }

    /// Whether the last label is `local` and at least one stands before it.
    pub fn is_local(&self) -> bool {
        let mut before = 0_usize;
        let mut last: &[u8] = &[];
        for label in self.labels() {
            before += 1;
            last = label;
        }
        before >= 2 && last.eq_ignore_ascii_case(LOCAL)
    }

    /// Whether this name is `ancestor` or stands below it.
    pub fn ends_with(&self, ancestor: &Name) -> bool {
        let mut rest: &[u8] = &self.wire;
        loop {
            if rest.len() == ancestor.wire.len() {
                return rest.eq_ignore_ascii_case(&ancestor.wire);
            }
            match rest.split_first() {
                Some((&length, tail)) if length > 0 && rest.len() > ancestor.wire.len() => {
                    rest = tail.get(usize::from(length)..).unwrap_or_default();
                }
                _ => return false,
            }
        }
    }
}

fn push_label(wire: &mut Vec<u8>, label: &[u8]) -> Result<(), NameError> {
    match u8::try_from(label.len()) {
        Ok(0) => Err(NameError::EmptyLabel),
        Ok(length) if label.len() <= MAX_LABEL_BYTES => {
            wire.push(length);
            wire.extend_from_slice(label);
            Ok(())
        }
        _ => Err(NameError::LabelTooLong { bytes: label.len() }),
    }
}

/// The labels of a [`Name`].
#[derive(Clone, Debug)]
pub struct Labels<'n> {
    rest: &'n [u8],
}

impl<'n> Iterator for Labels<'n> {
    type Item = &'n [u8];

    fn next(&mut self) -> Option<&'n [u8]> {
        let (&length, tail) = self.rest.split_first()?;
        if length == 0 {
            return None;
        }
        let (label, rest) = tail.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(label)
    }
}

/// Anything that holds a name's wire form: lets a map keyed by [`Name`] be asked with a name
/// still in a stack buffer.
pub(crate) trait WireName {
    fn wire_bytes(&self) -> &[u8];
}

impl WireName for Name {
    fn wire_bytes(&self) -> &[u8] {
        &self.wire
    }
}

impl Hash for dyn WireName + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut folded = [0_u8; MAX_NAME_BYTES];
        let wire = self.wire_bytes();
        for (to, from) in folded.iter_mut().zip(wire) {
            *to = from.to_ascii_lowercase();
        }
        state.write(folded.get(..wire.len()).unwrap_or(&folded));
    }
}

impl PartialEq for dyn WireName + '_ {
    fn eq(&self, other: &Self) -> bool {
        same(self.wire_bytes(), other.wire_bytes())
    }
}

impl Eq for dyn WireName + '_ {}

impl<'a> Borrow<dyn WireName + 'a> for Name {
    fn borrow(&self) -> &(dyn WireName + 'a) {
        self
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn WireName).hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && same(&self.wire, &other.wire)
    }
}

/// Without regard to the case of ASCII letters; mostly it is the same case.
fn same(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let folded = |byte: &u8| byte.to_ascii_lowercase();
        self.wire.iter().map(folded).cmp(other.wire.iter().map(folded))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for label in self.labels() {
            if !first {
                f.write_char('.')?;
            }
            first = false;
            write_escaped(f, label, |c| match c {
                '.' | '\\' => Some(true),
                ' ' => Some(false),
                _ => None,
            })?;
        }
        if first { f.write_char('.') } else { Ok(()) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Self::from_labels::<&[u8]>([]);
        }
        let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let literal = match byte {
                b'.' => {
                    labels.push(Vec::new());
                    continue;
                }
                b'\\' => unescape(&mut bytes)?,
                _ => byte,
            };
            if let Some(label) = labels.last_mut() {
                label.push(literal);
            }
        }
        if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
            labels.pop();
        }
        Self::from_labels(labels)
    }
}

/// What follows a backslash: three decimal digits up to 255, or one byte to take as it is.
fn unescape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

/// Writes a label as text. `special` says of a character whether it is escaped: `true` by a
/// backslash, `false` by its decimal code. Control characters, characters that turn the
/// direction of text, and bytes that are not UTF-8 always are: nothing that a stranger put
/// into a name reaches a terminal or a log as a command.
fn write_escaped(
    f: &mut fmt::Formatter<'_>,
    label: &[u8],
    special: impl Fn(char) -> Option<bool>,
) -> fmt::Result {
    for chunk in label.utf8_chunks() {
        for c in chunk.valid().chars() {
            match special(c) {
                Some(true) => write!(f, "\\{c}")?,
                Some(false) => write_decimal(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                None if is_unprintable(c) => {
                    write_decimal(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
                }
                None => f.write_char(c)?,
            }
        }
        write_decimal(f, chunk.invalid())?;
    }
    Ok(())
}

fn write_decimal(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\{byte:03}"))
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A counter as we write it ourselves: decimal, at least 2, no leading zero, and with room
/// to count on.
fn number(digits: &str) -> Option<u64> {
    let value = digits.parse::<u64>().ok()?;
    ((2..=u64::MAX / 2).contains(&value) && value.to_string() == digits).then_some(value)
}

/// `stem`, cut at a character's end so that it has at most `longest` bytes together with
/// `suffix`.
fn with_suffix(stem: &str, suffix: &str, longest: usize) -> String {
    let mut end = stem.len().min(longest.min(MAX_LABEL_BYTES).saturating_sub(suffix.len()));
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", stem.get(..end).unwrap_or_default())
}

fn strip_local(text: &str) -> Option<&str> {
    let (head, tail) = text.rsplit_once('.')?;
    tail.eq_ignore_ascii_case("local").then_some(head)
}
