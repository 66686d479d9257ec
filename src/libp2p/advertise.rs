//! What a peer says of itself on a link: the addresses that are reachable there.

use std::net::IpAddr;

use super::address::{ListenAddress, Reach};
use crate::proto::{LinkState, PeerContent};
use crate::txt::MAX_TXT_STRING_BYTES;

/// What every string begins with (libp2p mDNS specification).
const KEY: &str = "dnsaddr=";

/// The longest address of an interface, in characters, with its protocol.
const LONGEST_HOST: usize = "/ip6/2001:db8:1111:2222:3333:4444:5555:6666".len();

/// Whether an address does not fit a TXT string of 255 bytes: nobody could be told of it.
pub(crate) fn is_too_long(listen: &ListenAddress) -> bool {
    let host = if matches!(listen.reach, Reach::Ip(_)) { LONGEST_HOST } else { 0 };
    KEY.len() + host + listen.text.len() > MAX_TXT_STRING_BYTES
}

/// The strings of the TXT record for this link, on-link addresses first; nothing if there is
/// no address that anybody there could dial.
///
/// An address of one of our interfaces is told on that link only, a wildcard stands for all of
/// a link's addresses, and so the loopback is told only where it is the link. Link-local IPv6
/// addresses are left out: libp2p cannot dial them without a scope, and our scope means
/// nothing to others. Relays and names are told everywhere.
pub(crate) fn content(listens: &[ListenAddress], link: &LinkState) -> Option<PeerContent> {
    let mut strings: Vec<(bool, String, u16)> = Vec::new();
    let mut tell = |elsewhere: bool, address: String, port: u16| {
        let string = format!("{KEY}{address}");
        if !strings.iter().any(|(_, told, _)| *told == string) {
            strings.push((elsewhere, string, port));
        }
    };
    let v4 = link.v4.iter().map(|(v4, _)| IpAddr::V4(*v4));
    let v6 = link.v6.iter().map(|(v6, _)| *v6).filter(|v6| !v6.is_unicast_link_local()).map(IpAddr::V6);
    let own: Vec<IpAddr> = v4.chain(v6).collect();
    for listen in listens {
        match listen.reach {
            Reach::Ip(ip) => {
                let here = own
                    .iter()
                    .filter(|own| **own == ip || (ip.is_unspecified() && own.is_ipv4() == ip.is_ipv4()));
                for own in here {
                    let family = if own.is_ipv4() { "ip4" } else { "ip6" };
                    tell(false, format!("/{family}/{own}{}", listen.text), listen.port);
                }
            }
            Reach::Elsewhere => tell(true, listen.text.clone(), listen.port),
            Reach::Nowhere => {}
        }
    }
    strings.sort_by_key(|(elsewhere, ..)| *elsewhere);
    let (_, _, port) = strings.first()?;
    let port = *port;
    Some(PeerContent { port, strings: strings.into_iter().map(|(_, string, _)| string.into()).collect() })
}
