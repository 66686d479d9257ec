//! Who is there in a libp2p network: its messages as they are, for many of them follow no rule
//! that a browse relies on (no SRV record, other ports, names that change with each answer).

use std::time::Duration;

use salut::Mdns;
use salut::proto::Family;
use salut::wire::{Message, Packer, RecordData, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::super::facts::Interface;
use super::{Datagram, WAITING, Way, is_tried, read, socket, system};
use crate::failure::Failure;

/// When to ask (RFC 6762 §5.2). Some answer a question only if it is alone in its message.
const ASKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// Listens to what is multicast on the interfaces in use, and asks for peers.
pub(crate) struct Listener {
    sockets: Vec<(Interface, Family, std::sync::Arc<UdpSocket>)>,
    incoming: mpsc::Receiver<Datagram>,
    question: Vec<u8>,
    /// When to ask next, the last one first.
    asks: Vec<Instant>,
    /// Ends the readers when it is dropped.
    _readers: JoinSet<()>,
}

impl Listener {
    pub(crate) async fn open(mdns: Mdns, chosen: &[String]) -> Result<Self, Failure> {
        tokio::time::sleep(super::SETTLE).await;
        let status = mdns.status().await?;
        mdns.shutdown().await;
        let (to, incoming) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let mut sockets = Vec::new();
        for one in system::interfaces(&status, chosen).into_iter().filter(|one| one.used) {
            for family in Family::BOTH.into_iter().filter(|family| is_tried(&one, *family)) {
                match socket::member(&one, family) {
                    Ok(group) => {
                        let group = std::sync::Arc::new(group);
                        read(&mut readers, &group, (0, family, Way::Group), &to);
                        sockets.push((one.clone(), family, group));
                    }
                    Err(refused) => tracing::warn!(interface = %one.name, ?refused, "no socket"),
                }
            }
        }
        let unwritten = || Failure::Run("the question cannot be written".to_owned());
        let name = salut::Name::from_labels(["_p2p", "_udp", "local"]).map_err(|_| unwritten())?;
        let mut packer = Packer::query(512);
        packer.question(&name, RecordType::PTR, false).map_err(|_| unwritten())?;
        let now = Instant::now();
        let asks = ASKS.iter().rev().map(|after| now + *after).collect();
        Ok(Self { sockets, incoming, question: packer.finish().to_vec(), asks, _readers: readers })
    }

    /// The strings of all TXT records in the next message, asking meanwhile.
    pub(crate) async fn peers(&mut self) -> Vec<Vec<u8>> {
        loop {
            let next = self.asks.last().copied();
            tokio::select! {
                Some(datagram) = self.incoming.recv() => return strings(&datagram.payload),
                () = async {
                    match next {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {
                    self.asks.pop();
                    for (one, family, group) in &self.sockets {
                        if let Err(error) = socket::send(group, &self.question, socket::group(one, *family)) {
                            tracing::debug!(interface = %one.name, ?error, "not sent");
                        }
                    }
                }
            }
        }
    }
}

fn strings(payload: &[u8]) -> Vec<Vec<u8>> {
    let Ok(message) = Message::read(payload) else { return Vec::new() };
    let texts = message.records().filter(|record| record.ttl > 0).filter_map(|record| record.data());
    texts
        .filter_map(|data| match data {
            RecordData::Txt(txt) => Some(txt.strings().map(<[u8]>::to_vec).collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect()
}
