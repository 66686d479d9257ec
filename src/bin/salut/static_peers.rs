//! `salut browse --static-peers`: the libp2p peers that are there, for networks where they will
//! not be seen.

use std::collections::BTreeMap;
use std::time::Duration;

use salut::Mdns;
use serde_json::json;

use crate::doctor::Listener;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::output::Output;
use crate::stderr::note;

/// The most peers in a file.
const MOST_PEERS: usize = 4096;

/// Listens for so long, and prints the file.
pub(crate) async fn run(
    mdns: Mdns,
    chosen: &[String],
    time: Duration,
    mut ending: Ending,
) -> Result<(), Failure> {
    let mut peers = BTreeMap::new();
    tokio::select! {
        biased;
        result = ending.wait() => result?,
        result = listen(mdns, chosen, time, &mut peers) => result?,
    }
    // In the order of their identities: the same network gives the same file.
    let list: Vec<_> =
        peers.iter().map(|(address, name)| json!({ "name": name, "multiaddr": address })).collect();
    let file = serde_json::to_string_pretty(&json!({ "static_peers": list }));
    let file = file.map_err(|error| Failure::Run(format!("cannot write the peers: {error}")))?;
    Output::new().line(&file).await?;
    if peers.is_empty() {
        note("no libp2p peer was seen (_p2p._udp)");
        return Err(Failure::Told);
    }
    Ok(())
}

async fn listen(
    mdns: Mdns,
    chosen: &[String],
    time: Duration,
    peers: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    let mut listener = Listener::open(mdns, chosen).await?;
    let heard = async {
        loop {
            for string in listener.peers().await {
                if let Some((address, id)) = dialable(&string)
                    && peers.len() < MOST_PEERS
                {
                    peers.insert(address, id);
                }
            }
        }
    };
    match tokio::time::timeout(time, heard).await {
        Ok(never) => never,
        Err(_) => Ok(()),
    }
}

/// The multiaddr in `dnsaddr=<multiaddr>` and its PeerId, if somebody else can dial it: it
/// ends in an identity, and is neither a loopback nor a link-local address, which says nothing
/// without its interface.
fn dialable(string: &[u8]) -> Option<(String, String)> {
    let text = str::from_utf8(string).ok()?.strip_prefix("dnsaddr=")?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (_, id) = text.rsplit_once("/p2p/")?;
    let host = text.strip_prefix("/ip4/").or_else(|| text.strip_prefix("/ip6/"));
    let ip = host.and_then(|host| host.split('/').next()?.parse::<std::net::IpAddr>().ok());
    let lonely = match ip {
        Some(std::net::IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local()
        }
        Some(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    };
    let whole = text.starts_with('/') && !id.is_empty() && !id.contains('/');
    (whole && !lonely).then(|| (text.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_dial_is_listed() {
        let read = |text: &str| dialable(text.as_bytes());
        let good = "/ip4/10.0.0.1/tcp/4001/p2p/12D3Koo";
        assert_eq!(read(&format!("dnsaddr={good}")), Some((good.to_owned(), "12D3Koo".to_owned())));
        assert!(read("dnsaddr=/ip6/fd00::1/udp/4001/quic-v1/p2p/Qm").is_some());
        for bad in [
            "dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/Q",
            "dnsaddr=/ip6/fe80::1/tcp/1/p2p/Q",
            "dnsaddr=/ip6/::1/tcp/1/p2p/Q",
            "dnsaddr=/ip4/10.0.0.1/tcp/4001",
            "dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/",
            "dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/Q/x",
            "dnsaddr=/ip4/10.0.0.1/tcp/1\u{1b}[2J/p2p/Q",
            "id=x",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
