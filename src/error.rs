//! What can go wrong before a packet is sent.

use thiserror::Error;

/// A name that cannot be announced, browsed or resolved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Two dots in a row, or nothing at all.
    #[error("a name has an empty label; labels are joined by single dots")]
    EmptyLabel,
    /// RFC 1035 §2.3.4.
    #[error("a label is {bytes} bytes long; 63 is the most")]
    LabelTooLong {
        /// Its length.
        bytes: usize,
    },
    /// RFC 1035 §2.3.4.
    #[error("a name is {bytes} bytes long in wire form; 255 is the most")]
    NameTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A backslash must be followed by a character or by three decimal digits up to 255.
    #[error(r"a backslash in a name needs a character or three decimal digits up to 255 behind it, as in \. or \032")]
    BadEscape,
    /// RFC 6763 §4.1.1.
    #[error("the instance name is empty; give it a name for people to read, such as \"My Node\"")]
    EmptyInstance,
    /// RFC 6763 §4.1.1.
    #[error("the instance name {name:?} is {bytes} bytes long; 63 is the most")]
    InstanceTooLong {
        /// The name as given.
        name: String,
        /// Its length in UTF-8.
        bytes: usize,
    },
    /// RFC 6763 §4.1.1.
    #[error("the instance name holds a control character; use printable characters only")]
    ControlCharacter,
    /// RFC 6763 §7, RFC 6335 §5.1.
    #[error("{text:?} is not a service type: {why}; right would be _exo._tcp or _exo._udp")]
    BadServiceType {
        /// The type as given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// RFC 6763 §7.2.
    #[error("the service type {text:?} has a name of {bytes} bytes; 15 is the most, without the underscore")]
    ServiceTooLong {
        /// The type as given.
        text: String,
        /// The length of its name.
        bytes: usize,
    },
    /// RFC 6763 §7.1.
    #[error("{text:?} is not a subtype: it needs 1 to 63 bytes without control characters, such as _printer")]
    BadSubtype {
        /// The subtype as given.
        text: String,
    },
    /// RFC 6762 §3.
    #[error("{text:?} is not a host name: {why}; right would be alpha.local")]
    BadHostName {
        /// The name as given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A key, value or string that cannot stand in a TXT record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TxtError {
    /// RFC 6763 §6.4: at least one character, printable ASCII without `=`.
    #[error("{key:?} is not a TXT key: it needs one or more printable ASCII characters other than '='")]
    BadKey {
        /// The key as given.
        key: String,
    },
    /// RFC 6763 §6.1: a string holds at most 255 bytes.
    #[error("the TXT string for {key:?} is {bytes} bytes long with its key; 255 is the most")]
    StringTooLong {
        /// The key.
        key: String,
        /// The length of `key=value`.
        bytes: usize,
    },
    /// The record must fit a packet.
    #[error("the TXT record is {bytes} bytes long; 8900 is the most, and under 400 is wise")]
    RecordTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are not a sequence of length-prefixed strings.
    #[error("the TXT bytes are not a row of length-prefixed strings")]
    Malformed,
}

/// A service that cannot be announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A name is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The TXT record is wrong.
    #[error(transparent)]
    Txt(#[from] TxtError),
    /// Nothing listens on port 0.
    #[error("port 0 cannot be announced; give the port your service listens on, 1 to 65535")]
    PortZero,
    /// More subtypes than [`MAX_SUBTYPES`](crate::service::MAX_SUBTYPES).
    #[error("a service has {count} subtypes; 16 is the most")]
    TooManySubtypes {
        /// How many were given.
        count: usize,
    },
    /// More services than one participant may announce.
    #[error("{count} services are announced already; {count} is the most")]
    TooManyServices {
        /// The bound.
        count: usize,
    },
    /// Two services of one program with the same instance name and type.
    #[error("{name} is announced by this program already; give the second one another name")]
    AlreadyAnnounced {
        /// The instance and its type.
        name: String,
    },
}
