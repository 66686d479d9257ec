//! Bytes as what happens to an engine: packets, time that passes, commands. The one who looks
//! over its shoulder is the same as in `tests/engine_props.rs`.

use crate::engine_steps::{Data, Msg, Payload, Step, Watched};
use crate::lan_support::seconds;

/// The most steps of one run.
const MAX_STEPS: usize = 100;

pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let Some(seed) = bytes.next() else { return };
    let mut watched = Watched::new(seed.into());
    for _ in 0..MAX_STEPS {
        let Some(step) = step(&mut bytes) else { break };
        watched.step(&step);
    }
    // It is alive.
    watched.pass(seconds(300.0));
}

/// What is left of the input.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Zeros when there is nothing left.
    fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head.to_vec()
    }
}

fn step(bytes: &mut Bytes<'_>) -> Option<Step> {
    let kind = bytes.next()?;
    Some(match kind % 24 {
        0..=5 => {
            Step::Hear { link: 0, who: 1, v6: false, unicast: false, port: 5353, payload: payload(bytes) }
        }
        6..=8 => {
            let how = bytes.byte();
            Step::Hear {
                link: how % 3,
                who: (how >> 2) % 5,
                v6: how & 0x20 != 0,
                unicast: how & 0x40 != 0,
                port: if how & 0x80 == 0 { 5353 } else { bytes.word() },
                payload: payload(bytes),
            }
        }
        9 => Step::Echo { back: bytes.byte(), link: bytes.byte() % 3, who: bytes.byte() % 5 },
        10 => Step::Link { link: bytes.byte() % 3, state: bytes.byte() % 6 },
        11 => Step::Announce { service: bytes.byte() % 5 },
        12 => Step::Withdraw { which: bytes.byte() },
        13 => Step::SetTxt { which: bytes.byte(), value: bytes.byte() },
        14 => Step::SetPort { which: bytes.byte(), port: bytes.word() },
        15 => Step::Browse { search: bytes.byte() % 4 },
        16 => Step::StopBrowse { which: bytes.byte() },
        17 => Step::Resolve { host: bytes.byte() % 14 },
        18 => Step::StopResolve { which: bytes.byte() },
        19 => match bytes.byte() % 8 {
            0 => Step::Wake,
            1 => Step::SharesHost(true),
            2 => Step::SharesHost(false),
            3 => Step::Shutdown,
            link => Step::Recovery { link: link % 3 },
        },
        20 => Step::Pass { millis: u32::from(bytes.word()) * 4 },
        _ => Step::Pass { millis: u32::from(bytes.byte()) * 5 },
    })
}

fn payload(bytes: &mut Bytes<'_>) -> Payload {
    let kind = bytes.byte();
    match kind % 8 {
        0..=3 => Payload::Message(message(bytes)),
        4 => {
            let message = message(bytes);
            let changes = (0..bytes.byte() % 4).map(|_| (bytes.word(), bytes.byte())).collect();
            Payload::Broken { message, bytes: changes, cut: (kind & 0x80 != 0).then(|| bytes.word()) }
        }
        5 => Payload::Flood { kind: bytes.byte() % 3, from: bytes.word(), count: bytes.word() % 600 },
        _ => {
            let length = bytes.word();
            Payload::Noise(bytes.take(length.into()))
        }
    }
}

fn message(bytes: &mut Bytes<'_>) -> Msg {
    let head = bytes.byte();
    let questions =
        (0..(head >> 2) % 4).map(|_| (bytes.byte() % 14, bytes.byte() % 8, bytes.byte() & 1 == 1)).collect();
    let records = (0..(head >> 4) % 8)
        .map(|_| {
            let number = bytes.byte();
            let ttl = match bytes.byte() % 8 {
                0 | 1 => 120,
                2 => 4500,
                3 | 4 => 0,
                5 => 1,
                6 => u32::from(bytes.byte()),
                _ => u32::from(bytes.word()) << 16,
            };
            (number, bytes.byte() % 14, data(bytes), ttl, number & 0x80 != 0)
        })
        .collect();
    Msg { response: head & 1 == 1, truncated: head & 2 == 2, questions, records }
}

fn data(bytes: &mut Bytes<'_>) -> Data {
    match bytes.byte() % 7 {
        0 => Data::A(bytes.byte() % 6),
        1 => Data::Aaaa(bytes.byte() % 6),
        2 => Data::Ptr(bytes.byte() % 14),
        3 => Data::Srv(bytes.byte() % 14, bytes.word()),
        4 => Data::Txt(bytes.byte() % 4),
        5 => Data::Nsec(bytes.byte()),
        _ => Data::Other(bytes.byte()),
    }
}
