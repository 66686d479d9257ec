//! Sends a flood of mDNS packets into the group, from port 5353, for a few seconds: only for
//! the LAN bench, whose hosts have no way out. `flood ADDRESS KIND PER-SECOND SECONDS`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use salut::wire::{Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};
use socket2::{Domain, Protocol, Socket, Type};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, kind, rate, seconds] = arguments.as_slice() else { return Err("four arguments".into()) };
    let address: Ipv4Addr = address.parse()?;
    let (rate, seconds): (u64, f64) = (rate.parse()?, seconds.parse()?);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_ttl_v4(255)?;
    socket.bind(&SocketAddr::from((address, 5353)).into())?;
    let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353)).into();
    let packets = packets(kind)?;
    let start = Instant::now();
    let total = (rate as f64 * seconds) as u64;
    let mut sent = 0_u64;
    while sent < total {
        // In bursts of what has become due: about one packet at a time on an idle machine.
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due.min(total) {
            let packet = &packets[usize::try_from(sent)? % packets.len()];
            let _ = socket.send_to(packet, &group);
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    println!("sent {sent} in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn packets(kind: &str) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let question = |owner: &str| {
        let mut packer = Packer::query(1440);
        packer.question(&name(owner), RecordType::PTR, false).expect("room");
        packer
    };
    Ok(match kind {
        "irrelevant" => {
            (0..1000).map(|n| question(&format!("_other{n}._tcp.local")).finish().to_vec()).collect()
        }
        "relevant" => vec![question("_salut._tcp.local").finish().to_vec()],
        "libp2p" => vec![question("_p2p._udp.local").finish().to_vec()],
        "known" | "known-libp2p" => (0..1000)
            .map(|n| {
                let owner = if kind == "known" { "_salut._tcp.local" } else { "_p2p._udp.local" };
                let mut packer = question(owner);
                for other in 0..20 {
                    let target = RecordData::Ptr(name(&format!("Node-{n:04}-{other:02}.{owner}")));
                    packer.record(Section::Answer, &name(owner), false, 4400, &target).expect("room");
                }
                packer.finish().to_vec()
            })
            .collect(),
        "responses" | "responses-libp2p" => (0..50_000)
            .map(|n| {
                let owner = if kind == "responses" { "_salut._tcp.local" } else { "_p2p._udp.local" };
                let instance = name(&format!("Node-{n:05}.{owner}"));
                let host = name(&format!("host-{n:05}.local"));
                let address = RecordData::A(Ipv4Addr::from_bits(0x0a09_0000 | (n & 0xffff)));
                let srv = Srv { priority: 0, weight: 0, port: 4242, target: host.clone() };
                let mut packer = Packer::response(1440);
                let mut put = |section, owner: &Name, flush, data: &RecordData| {
                    packer.record(section, owner, flush, 120, data).expect("room");
                };
                put(Section::Answer, &name(owner), false, &RecordData::Ptr(instance.clone()));
                put(Section::Additional, &instance, true, &RecordData::Srv(srv));
                put(Section::Additional, &instance, true, &RecordData::Txt(Txt::new()));
                put(Section::Additional, &host, true, &address);
                packer.finish().to_vec()
            })
            .collect(),
        other => return Err(format!("no such flood: {other}").into()),
    })
}
