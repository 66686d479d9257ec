//! A hundred peers at once.

use super::*;
use crate::proto::Family;

#[test]
fn a_hundred_that_start_together_all_know_each_other_in_few_packets() {
    let mut net = Net::new(1);
    for _ in 0..100 {
        net.node(360, 300);
    }
    let ids: Vec<String> = net.nodes.iter().map(|node| node.id.clone()).collect();
    let full = |nodes: &[Node]| {
        nodes
            .iter()
            .all(|node| node.live.len() >= 2 * 99 && ids.iter().all(|id| *id == node.id || node.knows(id)))
    };
    let all = net.run_while_not(secs(5), full);
    let took = net.now();
    net.run(secs(60) - took);
    let sent = net.lan.take_sent();
    let of = |family| sent.iter().filter(|sent| Family::of(sent.destination.ip()) == family).count();
    let (v4, v6) = (of(Family::V4), of(Family::V6));
    let early = sent.iter().filter(|sent| sent.at < ms(1500)).count();
    println!("full mesh: {all} after {took:?}; {v4} + {v6} packets in 60 s, {early} in 1.5 s");
    assert!(all, "not all know each other after five seconds");
    // libp2p-mdns: each of 100 questions is answered by all.
    assert!(v4 < 5000 && v6 < 5000, "{v4} {v6}");
}

#[test]
fn one_of_many_asks_when_all_get_old() {
    let mut net = Net::new(1);
    for at in 0..30 {
        net.host();
        net.start(at, 360, 300);
    }
    net.run(ms(2));
    for at in 0..30 {
        net.listen(at, &[4001]);
    }
    net.run(secs(170));
    net.lan.take_sent();
    net.run(secs(30));
    let sent = net.lan.take_sent();
    let v4 = sent.iter().filter(|sent| sent.destination.is_ipv4());
    let (asked, answered): (Vec<_>, Vec<_>) =
        v4.partition(|sent| !crate::wire::Message::read(&sent.payload).unwrap().header().response);
    println!("{} questions and {} answers at half life", asked.len(), answered.len());
    assert!((1..=15).contains(&asked.len()), "{}", asked.len());
    assert!((30..=60).contains(&answered.len()), "{}", answered.len());
    assert_eq!(net.expired(), 0);
}
