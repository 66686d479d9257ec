//! Peers from a list that an HTTP server keeps, for networks that let no multicast through.
//!
//! `cargo run --bin static_peers_over_http -- URL [SECONDS]`: the list is of the form
//! `{"static_peers":[{"name":"…","multiaddr":"/ip4/…/tcp/…/p2p/…"}]}` and is fetched that often
//! (30). Peers of the LAN are found as well.

use std::error::Error;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{SwarmBuilder, noise, tcp, yamux};
use salut::libp2p::v056 as mdns;
use salut::libp2p::v056::StaticPeer;
use serde::Deserialize;

#[derive(NetworkBehaviour)]
struct Behaviour {
    mdns: mdns::tokio::Behaviour,
}

#[derive(Deserialize)]
struct List {
    static_peers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    multiaddr: String,
}

/// A list now, and another one every `period`. One that cannot be fetched is skipped: what was
/// known stays known.
fn lists(url: String, period: Duration) -> impl Stream<Item = Vec<StaticPeer>> + Send + 'static {
    let mut ticks = tokio::time::interval(period);
    stream::poll_fn(move |cx| ticks.poll_tick(cx).map(Some)).filter_map(move |_| {
        let url = url.clone();
        async move {
            match tokio::task::spawn_blocking(move || fetch(&url)).await {
                Ok(Ok(list)) => Some(list),
                Ok(Err(error)) => {
                    eprintln!("the list of peers: {error}");
                    None
                }
                Err(_) => None,
            }
        }
    })
}

fn fetch(url: &str) -> Result<Vec<StaticPeer>, ureq::Error> {
    let list: List = ureq::get(url).call()?.body_mut().read_json()?;
    Ok(list.static_peers.into_iter().map(|entry| StaticPeer::named(entry.name, entry.multiaddr)).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the URL of a list of peers, please")?;
    let period = arguments.next().map_or(Ok(30), |seconds| seconds.parse())?;
    let lists = lists(url, Duration::from_secs(period));
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let builder = mdns::Builder::new(mdns::Config::default()).static_peers_from(lists);
            Ok(Behaviour { mdns: builder.build(key.public().to_peer_id())? })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    swarm.listen_on("/ip4/0.0.0.0/tcp/0".parse()?)?;
    swarm.listen_on("/ip6/::/tcp/0".parse()?)?;

    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
                for (peer, address) in found {
                    println!("+ {address}");
                    // Refused where there is a connection already.
                    let _ = swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build());
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Expired(gone))) => {
                for (_, address) in gone {
                    println!("- {address}");
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                println!("ConnectionEstablished with {peer_id} at {}", endpoint.get_remote_address());
            }
            _ => {}
        }
    }
}
