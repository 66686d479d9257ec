//! The floor of the LAN bench: a tokio program with one socket in the group that receives and
//! throws away; with `--read` hickory-proto reads each datagram.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let read = std::env::args().any(|argument| argument == "--read");
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into())?;
    // The address of `eth0`: the bench gives it as the first argument that is one.
    let interface = std::env::args().find_map(|argument| argument.parse::<Ipv4Addr>().ok());
    socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &interface.unwrap_or(Ipv4Addr::UNSPECIFIED))?;
    let socket = tokio::net::UdpSocket::from_std(socket.into())?;
    println!("start");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut buffer = vec![0; 9000];
    let mut records = 0;
    loop {
        let (length, _) = socket.recv_from(&mut buffer).await?;
        if read && let Ok(message) = hickory_proto::op::Message::from_vec(&buffer[..length]) {
            records += message.answers.len();
        }
        std::hint::black_box(records);
    }
}
