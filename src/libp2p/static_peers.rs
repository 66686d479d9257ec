//! Peers that are known beforehand, for where multicast does not get through.

use std::path::PathBuf;

use thiserror::Error;

use super::address::PeerAddress;

/// The most peers of one source.
pub(crate) const MAX_STATIC_PEERS: usize = 4096;

/// A peer that is known beforehand.
///
/// Its address is a multiaddr with the PeerId behind it, which is taken as it is:
/// `/ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…`; or any way to name a host, without a PeerId, which is
/// asked by unicast for its peers until it answers: `/ip4/192.0.2.7/tcp/4001`, `/dns/alpha.example`,
/// `192.0.2.7`, `alpha.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticPeer {
    /// A name for people, for messages.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

impl StaticPeer {
    /// A peer without a name.
    pub fn new(address: impl Into<String>) -> Self {
        Self { name: None, address: address.into() }
    }

    /// A peer with a name for people.
    pub fn named(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: Some(name.into()), address: address.into() }
    }
}

/// What is wrong with static peers. The good ones work all the same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StaticPeerError {
    /// The file cannot be read.
    #[error("{}: {reason}; what it said before still counts, and it is looked at again every 2 s", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file is not of the form `{"static_peers":[{"name":"…","multiaddr":"…"}]}`.
    #[error(
        "{}: {reason}; right would be {{\"static_peers\":[{{\"name\":\"…\",\"multiaddr\":\"…\"}}]}}; what it said \
         before still counts", path.display()
    )]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// One entry is of no use.
    #[error("{source_name}: entry {entry}: {reason}")]
    BadEntry {
        /// The file, or what else the entry comes from.
        source_name: String,
        /// Its number, from 1 on, its name and its address.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A host without a PeerId does not answer.
    #[error(
        "{source_name}: nobody answers at {host}, UDP port 5353, where it was asked for its PeerId: perhaps another \
         responder holds the port there, as always on macOS, or it is not on this link; give its address \
         with /p2p/<PeerId> behind it"
    )]
    NoAnswer {
        /// The file, or what else the entry comes from.
        source_name: String,
        /// The host.
        host: String,
    },
    /// There are more than are taken.
    #[error("{source_name}: {count} static peers are too many; the first {MAX_STATIC_PEERS} count")]
    TooMany {
        /// The file, or what else they come from.
        source_name: String,
        /// How many there are.
        count: usize,
    },
}

/// What an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StaticEntry {
    /// A peer with an address.
    Known(PeerAddress),
    /// A host to ask: an IP address or a name.
    Host(String),
}

/// Reads an entry's address, or says what is wrong with it.
pub(crate) type StaticReader = fn(&str) -> Result<StaticEntry, String>;

/// A list of entries, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    pub(crate) known: Vec<PeerAddress>,
    pub(crate) hosts: Vec<String>,
    pub(crate) errors: Vec<StaticPeerError>,
}

/// Sorts a list; an entry that is already an error says why.
pub(crate) fn sort(source: &str, peers: Vec<Result<StaticPeer, String>>, read: StaticReader) -> Sorted {
    let mut sorted = Sorted::default();
    if peers.len() > MAX_STATIC_PEERS {
        sorted.errors.push(StaticPeerError::TooMany { source_name: source.to_owned(), count: peers.len() });
    }
    for (at, peer) in peers.into_iter().take(MAX_STATIC_PEERS).enumerate() {
        let number = at.saturating_add(1);
        let (entry, result) = match peer {
            Ok(StaticPeer { name, address }) => {
                let named = name.map(|name| format!(" {name:?}")).unwrap_or_default();
                (format!("{number}{named}, {address:?}"), read(&address))
            }
            Err(reason) => (number.to_string(), Err(reason)),
        };
        match result {
            Ok(StaticEntry::Known(address)) => sorted.known.push(address),
            Ok(StaticEntry::Host(host)) => {
                if !sorted.hosts.contains(&host) {
                    sorted.hosts.push(host);
                }
            }
            Err(reason) => {
                let source_name = source.to_owned();
                sorted.errors.push(StaticPeerError::BadEntry { source_name, entry, reason });
            }
        }
    }
    sorted
}

/// Reads a file of exo's form: `{"static_peers":[{"name":"…","multiaddr":"…"}]}`.
pub(crate) fn parse(text: &str) -> Result<Vec<Result<StaticPeer, String>>, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let peers = json.get("static_peers").ok_or("there is no \"static_peers\"")?;
    let peers = peers.as_array().ok_or("\"static_peers\" is not a list")?;
    let text = |entry: &serde_json::Value, key: &str| entry.get(key)?.as_str().map(str::to_owned);
    Ok(peers
        .iter()
        .map(|entry| {
            let address = text(entry, "multiaddr").ok_or("it has no \"multiaddr\" that is a text")?;
            Ok(StaticPeer { name: text(entry, "name"), address })
        })
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StaticEntry, String> {
        match text {
            "bad" => Err("it is bad".into()),
            host => Ok(StaticEntry::Host(host.into())),
        }
    }

    #[test]
    fn a_bad_entry_names_file_entry_and_reason_and_the_good_ones_work() {
        let text = r#"{"static_peers":[{"name":"a","multiaddr":"10.0.0.1"},{"name":"b","multiaddr":"bad"},7,
            {"multiaddr":"10.0.0.2"}],"more":1}"#;
        let sorted = sort("/etc/peers.json", parse(text).unwrap(), read);
        assert_eq!(sorted.hosts, ["10.0.0.1", "10.0.0.2"]);
        let errors: Vec<String> = sorted.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                r#"/etc/peers.json: entry 2 "b", "bad": it is bad"#,
                r#"/etc/peers.json: entry 3: it has no "multiaddr" that is a text"#,
            ]
        );
    }

    #[test]
    fn a_file_of_another_form_says_what_is_wrong() {
        assert!(parse("{").unwrap_err().contains("line 1"));
        assert!(parse("[]").unwrap_err().contains("static_peers"));
        assert!(parse(r#"{"static_peers":1}"#).unwrap_err().contains("list"));
        assert!(parse(r#"{"static_peers":[]}"#).unwrap().is_empty());
    }
}
