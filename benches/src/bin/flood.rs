//! Sends a flood of mDNS packets into the group, from port 5353, for a few seconds: only for
//! the LAN bench, whose hosts have no way out. `flood ADDRESS KIND PER-SECOND SECONDS
//! SERVICE`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use salut::wire::{Packer, RecordData, RecordType, Section, Srv};
use salut::{Name, Txt};
use socket2::{Domain, Protocol, Socket, Type};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, kind, rate, seconds, service] = arguments.as_slice() else {
        return Err("five arguments".into());
    };
    let address: Ipv4Addr = address.parse()?;
    let (rate, seconds): (u64, f64) = (rate.parse()?, seconds.parse()?);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_ttl_v4(255)?;
    // An ordinary resolver asks from a port of its own.
    let port = if kind == "legacy" { 40_000 } else { 5353 };
    socket.bind(&SocketAddr::from((address, port)).into())?;
    let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353)).into();
    let packets = packets(kind, &name(service))?;
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

fn packets(kind: &str, service: &Name) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let question = |owner: &Name, unicast| {
        let mut packer = Packer::query(1440);
        packer.question(owner, RecordType::PTR, unicast).expect("room");
        packer
    };
    Ok(match kind {
        "irrelevant" => (0..1000)
            .map(|n| question(&name(&format!("_other{n}._tcp.local")), false).finish().to_vec())
            .collect(),
        "relevant" | "legacy" => vec![question(service, false).finish().to_vec()],
        "qu" => vec![question(service, true).finish().to_vec()],
        // Counts that fit, so that the reader has to look further.
        "malformed" => (0..1000_u64)
            .map(|n| {
                let mut noise = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(8);
                noise[2] &= 0x84;
                noise[3] &= 0xf0;
                noise[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
                noise
            })
            .collect(),
        "known" => (0..1000)
            .map(|n| {
                let mut packer = question(service, false);
                for other in 0..20 {
                    let target = RecordData::Ptr(name(&format!("Node-{n:04}-{other:02}.{service}")));
                    packer.record(Section::Answer, service, false, 4400, &target).expect("room");
                }
                packer.finish().to_vec()
            })
            .collect(),
        "responses" => (0..50_000)
            .map(|n| {
                let instance = name(&format!("Node-{n:05}.{service}"));
                let host = name(&format!("host-{n:05}.local"));
                let address = RecordData::A(Ipv4Addr::from_bits(0x0a09_0000 | (n & 0xffff)));
                let srv = Srv { priority: 0, weight: 0, port: 4242, target: host.clone() };
                let mut packer = Packer::response(1440);
                let mut put = |section, owner: &Name, flush, data: &RecordData| {
                    packer.record(section, owner, flush, 120, data).expect("room");
                };
                put(Section::Answer, service, false, &RecordData::Ptr(instance.clone()));
                put(Section::Additional, &instance, true, &RecordData::Srv(srv));
                put(Section::Additional, &instance, true, &RecordData::Txt(Txt::new()));
                put(Section::Additional, &host, true, &address);
                packer.finish().to_vec()
            })
            .collect(),
        // As libp2p nodes answer: one PTR, and beside it a TXT with the address.
        "peers" => (0..50_000_u32)
            .map(|n| {
                let service = name("_p2p._udp.local");
                let peer = name(&format!("{n:040}._p2p._udp.local"));
                let address = Ipv4Addr::from_bits(0x0a09_0000 | (n & 0xffff));
                let text = format!("dnsaddr=/ip4/{address}/tcp/4001/p2p/{}", peer_id(n));
                let txt = Txt::from_strings([text]).expect("short enough");
                let mut packer = Packer::response(1440);
                packer.record(Section::Answer, &service, false, 360, &RecordData::Ptr(peer.clone()))?;
                packer.record(Section::Additional, &peer, true, 360, &RecordData::Txt(txt))?;
                Ok(packer.finish().to_vec())
            })
            .collect::<Result<_, Box<dyn std::error::Error>>>()?,
        other => return Err(format!("no such flood: {other}").into()),
    })
}

/// An identity with an Ed25519 key that nobody has, in base 58.
fn peer_id(number: u32) -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // The multihash "identity" of a key in protobuf's form.
    let mut bytes = vec![0, 0x24, 8, 1, 0x12, 0x20];
    bytes.extend(number.to_be_bytes().repeat(8));
    let mut digits: Vec<u8> = Vec::new();
    for byte in &bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).expect("a digit");
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).expect("a digit"));
            carry /= 58;
        }
    }
    digits.resize(digits.len() + bytes.iter().take_while(|byte| **byte == 0).count(), 0);
    digits.iter().rev().map(|digit| char::from(DIGITS[usize::from(*digit)])).collect()
}
