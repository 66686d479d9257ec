//! The names of a peer.

use sha2::{Digest as _, Sha256};

use crate::error::NameError;
use crate::name::{HostName, InstanceName, Name};

/// The length of a peer's name: 40 characters of 5 bits. Fixed for ever, as is all of
/// [`names`]: what a peer was called in its former life must be what it is called in this.
const NAME_CHARACTERS: usize = 40;

/// The instance name and the host name of the peer with this PeerId: the first 40 characters
/// of the lower-case base32 of SHA-256 over its bytes, and `<name>.p2p.local`.
///
/// The specification wants a random name made at start-up. One derived from the PeerId is as
/// opaque and as unique, and the same after a restart: so the new process replaces the old one
/// in every cache, and a copied identity shows up as a conflict.
pub(crate) fn names(peer: &[u8]) -> Result<(InstanceName, HostName), NameError> {
    let mut name = data_encoding::BASE32_NOPAD.encode(&Sha256::digest(peer)).to_ascii_lowercase();
    name.truncate(NAME_CHARACTERS);
    let host = Name::from_labels([name.as_str(), "p2p", "local"])?;
    Ok((InstanceName::new(&name)?, HostName::from_name(&host)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fixed_for_ever() {
        let (name, host) = names(b"").unwrap();
        // SHA-256 of nothing begins e3b0c442 98fc1c14 9afbf4c8 996fb924 27.
        assert_eq!(name.to_string(), "4oymiquy7qobjgx36tejs35zeqt24qpemsnzgtfe");
        assert_eq!(host.to_string(), "4oymiquy7qobjgx36tejs35zeqt24qpemsnzgtfe.p2p.local");
    }
}
