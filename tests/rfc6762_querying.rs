//! RFC 6762 §5, §7: when a question is asked, how often, and what goes with it.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use rfc::*;
use salut::HostName;
use salut::proto::LinkState;

const QUESTION: &str = "_exo._tcp.local PTR";

fn questions(sent: &[Sent]) -> Vec<&String> {
    sent.iter().flat_map(|sent| &sent.questions).collect()
}

fn pointer(number: u32, ttl: u32) -> String {
    format!("_exo._tcp.local {ttl} PTR node\\032{number}._exo._tcp.local")
}

// ---- §5.2

#[test]
fn the_first_question_waits_an_even_draw_of_20_to_120_ms() {
    proves!("6762-5.2-first-delay");
    let draws: Vec<_> = (0..400)
        .map(|seed| {
            let mut scene = Scene::seeded(seed);
            scene.browse();
            let question = scene.next(secs(1));
            assert_eq!(question.questions, [QUESTION]);
            question.at
        })
        .collect();
    spread(&draws, 20, 120);
}

#[test]
fn intervals_begin_with_one_second_and_double_up_to_an_hour() {
    proves!("6762-5.2-intervals");
    let mut scene = Scene::new();
    scene.browse();
    let sent = scene.run(secs(24 * 3600));
    assert!(sent.iter().all(|sent| sent.questions == [QUESTION]));
    let gaps: Vec<u64> = gaps(&sent).into_iter().map(|gap| u64::try_from(gap).unwrap()).collect();
    assert!(gaps[0] >= 1000);
    for pair in gaps.windows(2) {
        assert!(pair[1] >= 2 * pair[0] || pair[1] == 3_600_000, "{gaps:?}");
    }
    assert!(gaps.iter().all(|gap| *gap <= 3_600_000));
    assert_eq!(*gaps.last().unwrap(), 3_600_000);
}

#[test]
fn a_name_that_nobody_answers_for_is_asked_for_in_the_same_way() {
    proves!("6762-5.2-intervals", "6762-5.2-first-delay");
    let mut scene = Scene::new();
    scene.drive(|engine, now| engine.resolve(now, HostName::new("beta").unwrap()));
    let sent = scene.run(secs(40));
    between(sent[0].at, 20, 120);
    assert_eq!(gaps(&sent), [1000, 2000, 4000, 8000, 16_000]);
    sent.iter().for_each(|sent| same(&sent.questions, &["beta.local A", "beta.local AAAA"]));
}

#[test]
fn what_expires_right_after_a_refresh_is_not_asked_for_twice_in_a_second() {
    proves!("6762-5.2-intervals");
    for seed in 0..20 {
        let mut scene = Scene::seeded(seed);
        scene.drive(|engine, now| engine.resolve(now, HostName::new("beta").unwrap()));
        scene.next(secs(1));
        scene.hear(
            &response().answer("beta.local 10 flush A 10.0.0.9").answer("beta.local 120 NSEC beta.local A"),
        );
        let expires = scene.now() + secs(10);
        let sent = scene.run(secs(20));
        assert!(gaps(&sent).iter().all(|gap| *gap >= 1000), "seed {seed}: {sent:#?}");
        let anew = sent.iter().find(|sent| sent.at > expires).unwrap();
        assert!(anew.at <= expires + secs(1), "seed {seed}: {:?} after the end", anew.at - expires);
    }
}

#[test]
fn a_second_browse_of_the_same_type_asks_nothing_of_its_own() {
    proves!("6762-5.2-intervals");
    let mut scene = Scene::new();
    scene.browse();
    let first = scene.run(secs(2)).len();
    assert_eq!(first, 2);
    scene.browse();
    scene.is_quiet(ms(900));
}

#[test]
fn a_question_that_ends_and_begins_anew_is_not_asked_twice_in_a_second() {
    proves!("6762-5.2-intervals");
    let mut scene = Scene::new();
    let id = scene.browse();
    let asked = scene.next(secs(1)).at;
    scene.run(ms(300));
    scene.drive(|engine, now| engine.stop_browse(now, id));
    scene.run(ms(200));
    scene.browse();
    let next = scene.next(secs(2));
    assert_eq!(next.questions, [QUESTION]);
    assert_eq!(next.at - asked, secs(1));
    assert_eq!(gaps(&scene.run(secs(10))), [2000, 4000]);
    // Nor when an instance moves to another host and back.
    scene.hear(&response().answer(&pointer(1, 4500)));
    let sent: Vec<Sent> = (0..20)
        .flat_map(|round| {
            let host = if round % 2 == 0 { "beta" } else { "gamma" };
            let line = format!("node\\0321._exo._tcp.local 120 flush SRV 0 0 1 {host}.local");
            scene.hear(&response().answer(&line));
            scene.run(ms(150))
        })
        .collect();
    for question in ["beta.local A", "gamma.local AAAA"] {
        let sent: Vec<Sent> = sent
            .iter()
            .filter(|sent| sent.questions.iter().any(|asked| asked == question))
            .cloned()
            .collect();
        assert!(sent.len() > 1 && gaps(&sent).iter().all(|gap| *gap >= 1000), "{question}: {sent:#?}");
    }
}

#[test]
fn a_browse_that_ended_asks_nothing() {
    proves!("6762-5.2-no-client");
    let mut scene = Scene::new();
    let id = scene.browse();
    scene.run(secs(2));
    scene.drive(|engine, now| engine.stop_browse(now, id));
    scene.is_quiet(secs(24 * 3600));
}

// ---- §7.1, known answers

#[test]
fn repeated_questions_carry_known_answers_with_the_ttl_that_is_left() {
    proves!("6762-7.1-known-answers", "6762-10.2-known-bit");
    let mut scene = Scene::new();
    scene.browse();
    assert!(scene.next(secs(1)).answers.is_empty());
    let heard = scene.now();
    scene.hear(&response().answer(&pointer(1, 4500)).answer(&pointer(2, 1000)));
    let mut seen = 0;
    for question in
        scene.run(secs(300)).into_iter().filter(|sent| sent.questions.contains(&QUESTION.to_owned()))
    {
        let age = u32::try_from((question.at - heard).as_secs_f64().ceil() as u64).unwrap();
        same(&question.answers, &[pointer(1, 4500 - age), pointer(2, 1000 - age)]);
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn known_answers_count_down_from_the_ttl_that_was_sent_however_long() {
    proves!("6762-7.1-known-answers", "6762-7.1-known-half");
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    let heard = scene.now();
    scene.hear(&response().answer(&pointer(1, 28_800)));
    let sent = scene.run(secs(3500)).into_iter();
    let sent: Vec<Sent> = sent.filter(|sent| sent.questions.contains(&QUESTION.to_owned())).collect();
    for question in &sent {
        let age = (question.at - heard).as_secs_f64().ceil();
        // It is believed for 4500 s, and new to nobody in the first half of that.
        let listed = if age <= 2250.0 { vec![pointer(1, 28_800 - age as u32)] } else { vec![] };
        same(&question.answers, &listed);
    }
    assert!(sent.len() > 10);
}

#[test]
fn known_answers_never_carry_the_cache_flush_bit() {
    proves!("6762-10.2-known-bit");
    let mut scene = Scene::new();
    scene.browse();
    scene.drive(|engine, now| engine.resolve(now, HostName::new("beta").unwrap()));
    scene.next(secs(1));
    scene.hear(&response().answer("beta.local 120 flush A 10.0.0.9").answer(&pointer(1, 4500)));
    let sent = scene.run(secs(200));
    assert!(sent.iter().any(|sent| !sent.answers.is_empty()));
    assert!(!sent.iter().flat_map(|sent| &sent.answers).any(|line| line.contains(" flush ")));
}

#[test]
fn known_answers_with_less_than_half_of_their_ttl_are_omitted() {
    proves!("6762-7.1-known-half");
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    let heard = scene.now();
    scene.hear(&response().answer(&pointer(1, 100)).answer(&pointer(2, 4500)));
    let mut seen = [0, 0];
    for question in
        scene.run(secs(79)).into_iter().filter(|sent| sent.questions.contains(&QUESTION.to_owned()))
    {
        let age = question.at - heard;
        let young = age <= secs(50);
        let listed = question.answers.iter().any(|line| line.contains("node\\0321."));
        assert_eq!(listed, young, "{age:?}");
        assert!(question.answers.iter().any(|line| line.contains("node\\0322.")));
        seen[usize::from(young)] += 1;
    }
    assert!(seen[0] >= 1 && seen[1] >= 3, "{seen:?}");
}

// ---- §7.2

#[test]
fn known_answers_that_do_not_fit_go_out_in_further_packets_at_once() {
    proves!("6762-7.2-continuation");
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    for first in (0..200).step_by(20) {
        scene.hear(&response().answers((first..first + 20).map(|number| pointer(number, 4500))));
    }
    let of_ptr =
        |sent: &Sent| sent.is_query() && sent.questions.first().is_none_or(|asked| asked == QUESTION);
    let burst: Vec<Sent> = loop {
        let batch: Vec<Sent> = scene.batch(secs(5)).into_iter().filter(of_ptr).collect();
        if !batch.is_empty() {
            break batch;
        }
    };
    assert!(burst.len() > 2, "{}", burst.len());
    assert!(burst.iter().all(|sent| sent.at == burst[0].at && sent.bytes.len() <= 1440));
    for (number, packet) in burst.iter().enumerate() {
        let last = number + 1 == burst.len();
        assert_eq!(packet.flags & 0x0200 != 0, !last, "TC in all but the last");
        assert_eq!(packet.questions.len(), usize::from(number == 0), "a question in the first alone");
        assert!(!packet.answers.is_empty());
    }
    let known = burst.iter().map(|sent| sent.answers.len()).sum::<usize>();
    assert_eq!(known, 200);
}

#[test]
fn a_list_that_fits_is_not_marked_as_truncated() {
    proves!("6762-7.2-continuation");
    for count in [1, 10, 30] {
        let mut scene = Scene::new();
        scene.browse();
        scene.next(secs(1));
        scene.hear(&response().answers((0..count).map(|number| pointer(number, 4500))));
        let sent = scene.run(secs(5)).into_iter();
        let ptr: Vec<Sent> = sent.filter(|sent| sent.questions.contains(&QUESTION.to_owned())).collect();
        assert!(!ptr.is_empty());
        assert!(ptr.iter().all(|sent| sent.flags == 0 && sent.answers.len() == count as usize));
    }
}

// ---- §5.4

#[test]
fn qu_is_for_questions_that_waited_for_the_link_and_is_not_repeated() {
    proves!("6762-5.4-when-qu", "6762-15.1-no-unicast");
    for (unicast, first) in [(true, "_exo._tcp.local QU PTR"), (false, QUESTION)] {
        let mut scene = Scene::new();
        scene.set_link(|state| Some(LinkState { v4_open: false, unicast, ..state }));
        scene.browse();
        scene.is_quiet(secs(10));
        scene.set_link(|state| Some(LinkState { v4_open: true, ..state }));
        let up = scene.now();
        let sent = scene.run(secs(10));
        between(sent[0].at - up, 20, 120);
        assert_eq!(sent[0].questions, [first]);
        assert!(sent.len() > 2);
        assert!(sent[1..].iter().all(|sent| sent.questions == [QUESTION]));
    }
}

#[test]
fn a_new_question_is_qm_from_the_beginning() {
    proves!("6762-5.4-when-qu");
    let mut scene = Scene::new();
    scene.browse();
    assert!(scene.run(secs(20)).iter().all(|sent| sent.questions == [QUESTION]));
}

#[test]
fn after_wake_up_everything_is_asked_once_with_qu() {
    proves!("6762-5.4-when-qu");
    let mut scene = Scene::new();
    scene.browse();
    scene.run(secs(600));
    scene.drive(|engine, now| engine.handle_wake(now));
    let woke = scene.now();
    let sent = scene.run(secs(10));
    between(sent[0].at - woke, 20, 120);
    assert_eq!(sent[0].questions, ["_exo._tcp.local QU PTR"]);
    assert!(sent[1..].iter().all(|sent| sent.questions == [QUESTION]));
    // The back-off begins anew.
    assert_eq!(gaps(&sent)[..2], [1000, 2000]);
}

// ---- §7.3

#[test]
fn a_question_that_another_host_just_asked_counts_as_asked() {
    proves!("6762-7.3-duplicate-question");
    for seed in 0..20 {
        let mut scene = Scene::seeded(seed);
        scene.browse();
        scene.run(ms(15));
        let heard = scene.now();
        scene.hear(&query().ask(QUESTION));
        // The next one follows after the interval, and not with those of all who heard it too.
        between(scene.next(secs(5)).at - heard, 1000, 1120);
        // The second one as well: heard a moment before it is due.
        scene.run(ms(1900));
        let heard = scene.now();
        scene.hear(&query().ask(QUESTION));
        assert!(scene.next(secs(10)).at - heard >= secs(2));
    }
}

#[test]
fn intervals_double_after_a_question_of_another_host_too() {
    proves!("6762-5.2-intervals", "6762-7.3-duplicate-question");
    for seed in 0..20 {
        let mut scene = Scene::seeded(seed);
        scene.browse();
        scene.run(ms(15));
        let mut last = scene.now();
        scene.hear(&query().ask(QUESTION));
        let mut interval = ms(500);
        for sent in scene.run(secs(60)) {
            assert!(sent.at - last >= 2 * interval, "seed {seed}: {:?} after {interval:?}", sent.at - last);
            (interval, last) = (sent.at - last, sent.at);
        }
    }
}

#[test]
fn a_question_whose_known_answers_are_ours_too_counts() {
    proves!("6762-7.3-duplicate-question");
    let mut scene = Scene::new();
    scene.browse();
    scene.next(secs(1));
    scene.hear(&response().answer(&pointer(1, 4500)));
    scene.run(ms(900));
    scene.hear(&query().ask(QUESTION).answer(&pointer(1, 4000)));
    let sent = scene.run(ms(900));
    assert!(!questions(&sent).contains(&&QUESTION.to_owned()), "{sent:#?}");
}

#[test]
fn a_question_that_would_silence_answers_we_want_does_not_count() {
    proves!("6762-7.3-duplicate-question");
    for other in [
        // A known answer that is not ours; a QU question; another type, name or class.
        query().ask(QUESTION).answer(&pointer(1, 4500)),
        query().ask("_exo._tcp.local QU PTR"),
        query().ask("_exo._tcp.local TXT"),
        query().ask("_http._tcp.local PTR"),
        query().ask("_exo._tcp.local CLASS3 PTR"),
    ] {
        let mut scene = Scene::new();
        scene.browse();
        scene.run(ms(15));
        scene.hear(&other);
        between(scene.next(secs(1)).at, 20, 120);
    }
    // A legacy asker gets its answer by unicast: we would not hear it.
    let mut scene = Scene::new();
    scene.browse();
    scene.run(ms(15));
    scene.hear_from(LEGACY, &query().ask(QUESTION));
    between(scene.next(secs(1)).at, 20, 120);
}

#[test]
fn a_question_heard_on_one_family_is_still_asked_on_the_other() {
    proves!("6762-7.3-duplicate-question");
    let mut scene = Scene::dual(1);
    scene.browse();
    scene.run(ms(15));
    scene.hear(&query().ask(QUESTION));
    let question = scene.next(ms(200));
    assert_eq!(question.to.to_string(), "[ff02::fb%1]:5353");
}

#[test]
fn a_refresh_that_another_host_just_asked_for_is_not_sent() {
    proves!("6762-7.3-duplicate-question");
    let srv = "other._exo._tcp.local SRV".to_owned();
    let found = |seed| {
        let mut scene = Scene::seeded(seed);
        scene.browse();
        scene.next(secs(1));
        scene.hear(&response().answers([
            "_exo._tcp.local 4500 PTR other._exo._tcp.local",
            "other._exo._tcp.local 120 flush SRV 0 0 1 beta.local",
            "other._exo._tcp.local 4500 flush TXT \"\"",
            "beta.local 4500 flush A 10.0.0.9",
            "beta.local 4500 flush NSEC beta.local A",
        ]));
        scene
    };
    for seed in 0..10 {
        let refreshes = |sent: Vec<Sent>| sent.into_iter().filter(|sent| sent.questions.contains(&srv));
        // The same seed gives the same instant once more.
        let first = refreshes(found(seed).run(secs(100))).next().unwrap().at;
        let mut scene = found(seed);
        scene.run_until(first - ms(300));
        scene.hear(&query().ask(&srv));
        let next = refreshes(scene.run(secs(10))).next().unwrap().at;
        // At 85 %: 6 s less 2 % later.
        assert!(next - first > secs(3), "seed {seed}: asked {:?} after another host", next - first + ms(300));
    }
}
