//! What the swarm is told, whatever happens on the network: a pair is discovered once, then
//! expired once, in turn; never our own; always with the peer at the end.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::super::board::Board;
use super::*;
use crate::proto::LinkIndex;

/// Something that happens to a network of four.
#[derive(Debug, Clone)]
enum Happening {
    Time(u64),
    Loss(u8),
    Stop(usize),
    Kill(usize),
    Start(usize, u64),
    Listen(usize, Vec<u16>),
    Unplug(usize),
    Plug(usize, u8),
    Expire(usize, usize),
    Heard(u8, bool, Vec<u8>),
    Told(u8, u8, u32, bool, Vec<(u8, u16)>),
    Static(u64, Vec<(u8, u16)>),
    Look,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        6 => prop_oneof![Just(0_u64), 1..50_u64, 50..3000_u64, 3000..400_000_u64].prop_map(Time),
        1 => (0..100_u8).prop_map(Loss),
        1 => (0..4_usize).prop_map(Stop),
        1 => (0..4_usize).prop_map(Kill),
        3 => (0..4_usize, prop_oneof![Just(1_u64), 2..20_u64, Just(360_u64)]).prop_map(|(at, ttl)| Start(at, ttl)),
        3 => (0..4_usize, prop::collection::vec(4000..4004_u16, 0..4)).prop_map(|(at, ports)| Listen(at, ports)),
        1 => (0..4_usize).prop_map(Unplug),
        2 => (0..4_usize, 1..200_u8).prop_map(|(at, low)| Plug(at, low)),
        1 => (0..4_usize, 0..4_usize).prop_map(|(at, of)| Expire(at, of)),
        1 => (1..250_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(low, port, bytes)| Heard(low, port, bytes)),
        6 => (
            1..250_u8,
            0..6_u8,
            prop_oneof![Just(0_u32), 1..10_u32, Just(120_u32), any::<u32>()],
            any::<bool>(),
            prop::collection::vec((0..7_u8, 4000..4003_u16), 0..5),
        )
            .prop_map(|(low, label, ttl, flush, told)| Told(low, label, ttl, flush, told)),
        2 => (0..2_u64, prop::collection::vec((0..4_u8, 4000..4003_u16), 0..4))
            .prop_map(|(origin, peers)| Static(origin, peers)),
        4 => Just(Look),
    ]
}

/// The reader of node 0's board, who believes what it is told.
#[derive(Default)]
struct Reader {
    live: BTreeSet<PeerAddress>,
}

impl Reader {
    fn look(&mut self, board: &Board, own: &str) -> Result<(), TestCaseError> {
        let Poll::Ready(news) = board.poll(&mut Context::from_waker(Waker::noop())) else { return Ok(()) };
        prop_assert!(!news.discovered.is_empty() || !news.expired.is_empty(), "woken for nothing");
        for (address, _) in news.discovered {
            let end = [b"/p2p/", &*address.peer].concat();
            prop_assert!(address.bytes.ends_with(&end), "{address:?}");
            prop_assert!(*address.peer != *own.as_bytes(), "ourselves");
            prop_assert!(self.live.insert(address), "discovered twice");
        }
        for address in news.expired {
            prop_assert!(self.live.remove(&address), "expired without having been discovered");
        }
        Ok(())
    }
}

fn happen(net: &mut Net, happening: Happening) {
    match happening {
        Happening::Time(milliseconds) => net.run(ms(milliseconds)),
        Happening::Loss(percent) => net.lose(f64::from(percent) / 100.0),
        Happening::Stop(at) => {
            if net.is_running(at) && at != 0 {
                net.stop(at);
            }
        }
        Happening::Kill(at) => {
            if at != 0 {
                net.kill(at);
                net.reboot(at);
            }
        }
        Happening::Start(at, ttl) => {
            if !net.is_running(at) {
                net.start(at, ttl, 300);
                net.listen(at, &[4001]);
            }
        }
        Happening::Listen(at, ports) => {
            if net.is_running(at) {
                net.listen(at, &ports);
            }
        }
        Happening::Unplug(at) => {
            net.lan.set_link(net.nodes[at].host, LinkIndex(1), net.home, None);
            net.run(Duration::ZERO);
        }
        Happening::Plug(at, low) => {
            let state = crate::proto::LinkState {
                name: "eth0".into(),
                mtu: 1500,
                v4: vec![([10, 0, 9, low].into(), 16)],
                v6: vec![],
                v4_open: true,
                v6_open: false,
                unicast: low % 2 == 0,
            };
            net.lan.set_link(net.nodes[at].host, LinkIndex(1), net.home, Some(state));
            net.run(Duration::ZERO);
        }
        Happening::Expire(at, of) => {
            let peer = net.nodes[of].id.clone();
            net.expire(at, &peer);
        }
        Happening::Heard(low, port, bytes) => {
            let source = ([10, 0, 7, low], if port { 5353 } else { 41_000 }).into();
            net.lan.inject(net.home, source, None, &bytes);
            net.run(ms(1));
        }
        Happening::Told(low, label, ttl, flush, told) => {
            let answer = foreign::Answer::odd(label, ttl, flush, &told);
            net.lan.inject(net.home, ([10, 0, 7, low], 41_000).into(), None, &answer.bytes());
            net.run(ms(1));
        }
        Happening::Static(origin, peers) => {
            let address = |(peer, port): (u8, u16)| {
                let text =
                    format!("/ip4/10.0.7.1/tcp/{port}/p2p/{}{peer}", if peer < 2 { "peer" } else { "odd" });
                read(&text).unwrap().address
            };
            net.set_static(0, origin, peers.into_iter().map(address).collect());
        }
        Happening::Look => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn the_contract_holds(seed in any::<u64>(), happenings in prop::collection::vec(happening(), 1..60)) {
        let mut net = Net::new(seed);
        for _ in 0..4 {
            net.host();
        }
        net.start(0, 12, 300);
        net.listen(0, &[4001]);
        let own = net.nodes[0].id.clone();
        let mut reader = Reader::default();
        for happening in happenings {
            let look = matches!(happening, Happening::Look);
            happen(&mut net, happening);
            if look {
                reader.look(&net.nodes[0].board, &own)?;
            }
        }
        prop_assert!(net.nodes[0].discovery.as_ref().unwrap().table().counts_right());
        reader.look(&net.nodes[0].board, &own)?;
        let told: BTreeSet<String> =
            reader.live.iter().map(|address| String::from_utf8(address.bytes.to_vec()).unwrap()).collect();
        let known: BTreeSet<String> = net.nodes[0].live.keys().cloned().collect();
        prop_assert_eq!(told, known, "the reader knows what is true");
        for origin in 0..2 {
            net.set_static(0, origin, Vec::new());
        }
        // Nobody answers any more: all is forgotten in the end.
        net.lose(1.0);
        net.run(secs(4501));
        reader.look(&net.nodes[0].board, &own)?;
        prop_assert!(reader.live.is_empty(), "{:?}", reader.live);
    }
}
