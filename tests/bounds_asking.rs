//! The bounds of what is asked, reached: and what matters is still asked.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::time::Duration;

use rfc::*;

/// The most datagrams in any second.
fn densest(sent: &[Sent]) -> usize {
    let at: Vec<Duration> = sent.iter().map(|sent| sent.at).collect();
    at.iter()
        .map(|first| at.iter().filter(|at| (*first..*first + secs(1)).contains(*at)).count())
        .max()
        .unwrap_or(0)
}

/// 20,000 names a second, for 2.5 s.
fn flood(scene: &mut Scene) -> Vec<Sent> {
    let mut sent = Vec::new();
    for tick in 0..2500 {
        for number in 0..20 {
            let line = format!("_exo._tcp.local 4500 PTR f{tick}-{number}._exo._tcp.local");
            scene.hear(&response().answer(&line));
        }
        sent.extend(scene.run(ms(1)));
    }
    sent
}

#[test]
fn twenty_datagrams_with_questions_leave_in_a_second() {
    for mut scene in [Scene::new(), Scene::dual(1)] {
        scene.browse();
        scene.run(secs(1));
        let mut sent = flood(&mut scene);
        sent.extend(scene.run(secs(5)));
        assert!(sent.iter().all(Sent::is_query));
        // A question about the type with its known answers is not cut into two: six packets
        // on each family are the most it has.
        let densest = densest(&sent);
        assert!(densest <= 20 + 12, "{densest} datagrams in a second");
        let seconds = 8;
        assert!(sent.len() <= 20 * seconds + 12, "{} datagrams", sent.len());
        // Questions share their datagrams.
        let questions: usize = sent.iter().map(|sent| sent.questions.len()).sum();
        assert!(questions >= 5 * sent.len(), "{questions} questions in {} datagrams", sent.len());
    }
}

#[test]
fn during_a_flood_a_new_browse_is_asked_for_and_answered() {
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    flood(&mut scene);
    let search = salut::proto::Search::Service(salut::ServiceType::new("_ipp._tcp").unwrap());
    scene.lan.browse(scene.alpha, search).unwrap();
    let asked = scene.run(secs(1));
    let about = |sent: &Sent| sent.questions.contains(&"_ipp._tcp.local PTR".to_owned());
    assert!(asked.iter().any(about), "{asked:#?}");
}

#[test]
fn names_that_somebody_made_up_do_not_decide_how_long_a_question_is() {
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    for number in 0..1000 {
        scene.hear(&response().answer(&format!("_exo._tcp.local 4500 PTR made-up-{number}._exo._tcp.local")));
    }
    let sent = scene.run(secs(20));
    let with_answers = sent.iter().filter(|sent| !sent.answers.is_empty());
    let mut at: Vec<Duration> = with_answers.map(|sent| sent.at).collect();
    let packets = at.len();
    at.dedup();
    assert!(packets <= 7 * at.len(), "{packets} packets with known answers for {} questions", at.len());
}

#[test]
fn a_record_of_less_than_five_seconds_is_not_refreshed() {
    for (ttl, refreshed) in [(4, false), (5, true)] {
        let mut scene = Scene::new();
        scene.browse();
        scene.run(secs(1));
        let answers = [
            "_exo._tcp.local 4500 PTR node._exo._tcp.local".to_owned(),
            format!("node._exo._tcp.local {ttl} flush SRV 0 0 1 peer.local"),
            "node._exo._tcp.local 4500 flush TXT \"\"".to_owned(),
            "peer.local 120 flush A 10.0.0.9".to_owned(),
        ];
        scene.hear(&response().answers(answers));
        let sent = scene.run(ms(ttl * 1000 - 1));
        let asked = sent.iter().any(|sent| sent.questions.contains(&"node._exo._tcp.local SRV".to_owned()));
        assert_eq!(asked, refreshed, "{ttl} s");
    }
}

#[test]
fn one_record_is_refreshed_once_a_second_at_most() {
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(1));
    // Five seconds: 80, 85, 90 and 95 % are a quarter of a second apart.
    for _ in 0..3 {
        scene.hear(&response().answers([
            "_exo._tcp.local 4500 PTR node._exo._tcp.local",
            "node._exo._tcp.local 5 flush SRV 0 0 1 peer.local",
            "node._exo._tcp.local 4500 flush TXT \"\"",
            "peer.local 120 flush A 10.0.0.9",
        ]));
        let sent = scene.run(ms(4900));
        let of_srv: Vec<Sent> = sent
            .into_iter()
            .filter(|sent| sent.questions.contains(&"node._exo._tcp.local SRV".to_owned()))
            .collect();
        assert!(!of_srv.is_empty() && gaps(&of_srv).iter().all(|gap| *gap >= 1000), "{of_srv:#?}");
    }
}
