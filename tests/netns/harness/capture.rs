//! What really went over a host's interfaces, headers included.

use std::collections::HashMap;
use std::fmt;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_nameindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal};

use super::lan::Host;
use super::patience;

/// The packet type of what this host sent itself (`linux/if_packet.h`).
const PACKET_OUTGOING: u8 = 4;

/// A UDP datagram to or from port 5353.
#[derive(Clone)]
pub struct Captured {
    /// When the kernel had it, however late it was read here.
    pub at: Instant,
    pub interface: String,
    /// Sent by this host; else received.
    pub sent: bool,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// IP TTL or hop limit.
    pub hops: u8,
    /// It came in IP fragments; only the first one is here.
    pub fragmented: bool,
    pub payload: Vec<u8>,
}

impl Captured {
    pub fn is_multicast(&self) -> bool {
        self.destination.ip().is_multicast()
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.sent { "sent" } else { "received" };
        write!(
            f,
            "{way} on {} from {} to {} hops {}, {} bytes",
            self.interface,
            self.source,
            self.destination,
            self.hops,
            self.payload.len()
        )
    }
}

/// A running capture of all interfaces of a host.
pub struct Capture {
    read: Arc<Read>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

/// What the reader has read.
struct Read {
    packets: Mutex<Vec<Captured>>,
    /// All that the kernel had at this time has been read.
    until: Mutex<Instant>,
    further: Condvar,
}

impl Read {
    fn until(&self, at: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = at.max(*until);
        self.further.notify_all();
    }

    fn packets(&self) -> Vec<Captured> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Capture {
    pub fn start(host: &Host) -> Self {
        // The reader stays in the namespace, to ask for interface names there.
        let until = Mutex::new(Instant::now());
        let read = Arc::new(Read { packets: Mutex::default(), until, further: Condvar::new() });
        let stop = Arc::new(AtomicBool::new(false));
        let (to, ended) = (Arc::clone(&read), Arc::clone(&stop));
        let reader = host.inside(move || {
            let all = SockProtocol::EthAll;
            let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, all)
                .expect("a packet socket");
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 10_000)).unwrap();
            setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
            // A thread begins in the namespace of the thread that started it.
            thread::spawn(move || collect(&socket, &to, &ended))
        });
        Self { read, stop, reader: Some(reader) }
    }

    /// All packets until now, in order.
    pub fn packets(&self) -> Vec<Captured> {
        let now = Instant::now();
        let reads = || self.reader.as_ref().is_some_and(|reader| !reader.is_finished());
        let mut until = self.read.until.lock().unwrap_or_else(PoisonError::into_inner);
        while *until < now && reads() {
            let waited = self.read.further.wait_timeout(until, Duration::from_millis(100));
            until = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(until);
        self.read.packets()
    }

    /// Those that this host sent.
    pub fn sent(&self) -> Vec<Captured> {
        self.packets().into_iter().filter(|packet| packet.sent).collect()
    }

    /// The first packet that `wanted` takes, at the latest `within` from now, with patience.
    pub fn wait(&self, within: Duration, wanted: impl Fn(&Captured) -> bool) -> Option<Captured> {
        let deadline = Instant::now() + patience(within);
        loop {
            if let Some(found) = self.read.packets().into_iter().find(&wanted) {
                return Some(found);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn collect(socket: &OwnedFd, to: &Read, ended: &AtomicBool) {
    let mut names = HashMap::new();
    let mut frame = vec![0; 1 << 16];
    let mut control = cmsg_space!(TimeSpec);
    while !ended.load(Ordering::Relaxed) {
        let before = Instant::now();
        let mut parts = [IoSliceMut::new(&mut frame)];
        let flags = MsgFlags::empty();
        let received = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let (length, from, stamp) = match received {
            Ok(one) => {
                let stamp = one.cmsgs().ok().and_then(|mut all| {
                    all.find_map(|part| match part {
                        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                        _ => None,
                    })
                });
                let Some(from) = one.address else { continue };
                (one.bytes, from, stamp.expect("the kernel stamps each packet"))
            }
            Err(Errno::EAGAIN) => {
                to.until(before);
                continue;
            }
            Err(Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(error) => panic!("capture: {error}"),
        };
        let at = instant(stamp);
        if let Some(mut packet) = datagram(&frame[..length], at) {
            packet.interface = name_of(&mut names, from.ifindex());
            packet.sent = from.pkttype() == PACKET_OUTGOING;
            to.packets.lock().unwrap_or_else(PoisonError::into_inner).push(packet);
        }
        to.until(at);
    }
}

/// The time that the clock on the wall showed as `stamp`, since 1970.
fn instant(stamp: Duration) -> Instant {
    // The two clocks are to be read at one moment, and this thread may be interrupted between.
    let reads = (0..5).map(|_| {
        let before = Instant::now();
        let wall = SystemTime::now();
        (before.elapsed(), before, wall)
    });
    let (_, now, wall) = reads.min_by_key(|(apart, ..)| *apart).expect("some reads");
    let ago = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(stamp);
    now.checked_sub(ago).unwrap_or(now)
}

fn name_of(names: &mut HashMap<usize, String>, index: usize) -> String {
    if !names.contains_key(&index)
        && let Ok(interfaces) = if_nameindex()
    {
        for interface in &interfaces {
            names.insert(interface.index() as usize, interface.name().to_string_lossy().into_owned());
        }
    }
    names.get(&index).cloned().unwrap_or_else(|| format!("#{index}"))
}

/// An IP packet that carries UDP to or from port 5353.
fn datagram(ip: &[u8], at: Instant) -> Option<Captured> {
    let (source, destination, hops, fragmented, udp): (IpAddr, IpAddr, u8, bool, &[u8]) =
        match ip.first()? >> 4 {
            4 => {
                let header = ip.get(..usize::from(ip[0] & 0x0f) * 4)?;
                let fragment = u16::from_be_bytes([*header.get(6)?, *header.get(7)?]);
                if *header.get(9)? != 17 || fragment & 0x1fff != 0 {
                    return None;
                }
                let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
                let [source, destination] = [12, 16].map(|at| {
                    let bytes: [u8; 4] = header[at..at + 4].try_into().unwrap();
                    Ipv4Addr::from(bytes).into()
                });
                (source, destination, header[8], fragment & 0x2000 != 0, ip.get(header.len()..length)?)
            }
            6 => {
                let header = ip.get(..40)?;
                let [source, destination] = [8, 24].map(|at| {
                    let bytes: [u8; 16] = header[at..at + 16].try_into().unwrap();
                    Ipv6Addr::from(bytes).into()
                });
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let payload = ip.get(40..40 + length)?;
                match header[6] {
                    17 => (source, destination, header[7], false, payload),
                    // A fragment header (RFC 8200 §4.5), the first one.
                    44 if payload.first() == Some(&17)
                        && payload.get(2)? == &0
                        && payload.get(3)? & 0xf8 == 0 =>
                    {
                        (source, destination, header[7], true, payload.get(8..)?)
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
    let [from, to] = [0, 2].map(|at| udp.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]])));
    let (from, to) = (from?, to?);
    (from == 5353 || to == 5353).then(|| Captured {
        at,
        interface: String::new(),
        sent: false,
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
        hops,
        fragmented,
        payload: udp.get(8..).unwrap_or_default().to_vec(),
    })
}
