//! The engine in a loop of one's own: no tokio, no socket, no clock. Two hosts, wired
//! together by hand, in virtual time. Run it with
//! `cargo run --no-default-features --example own_loop`.
//!
//! In a real loop `now` is `Instant::now()`, a transmit goes to the UDP socket of its link
//! (port 5353, TTL 255), what the sockets receive goes to `handle_packet`, and between two
//! rounds the loop sleeps until the next timeout or datagram.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use salut::proto::{Config, Engine, Event, LinkIndex, LinkState, Packet, Search, Transmit};
use salut::{Change, HostName, Service, ServiceType};

const LINK: LinkIndex = LinkIndex(1);
const HOSTS: [(&str, Ipv4Addr); 2] =
    [("alpha", Ipv4Addr::new(10, 0, 0, 1)), ("beta", Ipv4Addr::new(10, 0, 0, 2))];

#[expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "the only look at a clock; two hosts"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let mut now = start;
    let mut engines = Vec::new();
    for (seed, (name, address)) in (1..).zip(HOSTS) {
        let mut engine = Engine::new(Config::new(HostName::new(name)?), seed);
        let (v4, v6) = (vec![(address, 24)], vec![]);
        let state = LinkState {
            name: "eth0".into(),
            mtu: 1500,
            v4,
            v6,
            v4_open: true,
            v6_open: false,
            unicast: true,
        };
        engine.handle_link(now, LINK, Some(state));
        engines.push(engine);
    }
    let [alpha, beta] = engines.as_mut_slice() else { return Ok(()) };
    let node = alpha.announce(now, Service::new("My Node", "_exo._tcp", 52415)?.txt("id", "12D3Koo")?)?;
    beta.browse(now, Search::Service(ServiceType::new("_exo._tcp")?))?;

    let end = start + Duration::from_secs(10);
    let mut leaving = Some(start + Duration::from_secs(6));
    while now < end {
        let clock = format!("{:6.3} s", (now - start).as_secs_f64());
        // 1. After every input: all datagrams, until nobody has any left, then all events.
        while let Some((sender, transmit)) = next_transmit(&mut engines) {
            let (name, address) = HOSTS[sender];
            let (bytes, to) = (transmit.payload.len(), transmit.destination);
            println!("{clock}  {name:5} sends {bytes} bytes to {to}");
            // A multicast is heard by everybody, oneself included; a unicast by one.
            let unicast = !to.ip().is_multicast();
            for (engine, (_, own)) in engines.iter_mut().zip(HOSTS) {
                if !unicast || to.ip() == own {
                    let source = SocketAddr::from((address, 5353));
                    let packet = Packet { link: LINK, source, unicast, payload: &transmit.payload };
                    engine.handle_packet(now, packet);
                }
            }
        }
        for (engine, (name, _)) in engines.iter_mut().zip(HOSTS) {
            while let Some(event) = engine.poll_event() {
                println!("{clock}  {name:5} {}", tell(&event));
            }
        }
        // 2. On to the next instant that one of them waits for.
        let next = engines.iter().filter_map(|engine| Some(engine.poll_timeout()?.at)).min();
        now = next.into_iter().chain(leaving).min().unwrap_or(end);
        // 3. Inputs: time, and a command.
        for engine in &mut engines {
            engine.handle_timeout(now);
        }
        if leaving.take_if(|at| *at <= now).is_some() {
            engines[0].withdraw(now, node);
        }
    }
    Ok(())
}

fn next_transmit(engines: &mut [Engine]) -> Option<(usize, Transmit)> {
    engines.iter_mut().enumerate().find_map(|(host, engine)| Some((host, engine.poll_transmit()?)))
}

fn tell(event: &Event) -> String {
    match event {
        Event::Announced { instance, host, .. } => format!("is visible as {instance} on {host}"),
        Event::Browse { change: Change::Found(node), .. } => {
            format!("found {} {:?}", node.name, node.sockets())
        }
        Event::Browse { change: Change::Updated(node), .. } => format!("sees a change of {}", node.name),
        Event::Browse { change: Change::Lost(node), .. } => format!("lost {node}"),
        other => format!("{other:?}"),
    }
}
