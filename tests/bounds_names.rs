//! The bounds of what one name costs: conflicts, echoes, services, and the lines in the log.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rfc;

use std::fmt;
use std::sync::{Arc, Mutex};

use rfc::*;
use salut::proto::Event;
use salut::{Service, ServiceError};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Level, Metadata, Subscriber};

/// Every line that is logged, with its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    fn of(act: impl FnOnce()) -> Vec<(Level, String)> {
        let log = Self::default();
        tracing::subscriber::with_default(log.clone(), act);
        let lines = log.0.lock().unwrap();
        lines.clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

// ---- conflicts

/// Answers every probe for a service with another one of that name. Gives the probes.
fn deny_everything(scene: &mut Scene, seconds: u64) -> Vec<Sent> {
    let until = scene.now() + secs(seconds);
    let mut probes = Vec::new();
    while scene.now() < until {
        for probe in scene.run(ms(20)).into_iter().filter(Sent::is_probe) {
            for line in probe.authorities.iter().filter(|line| line.contains(" SRV ")) {
                let name = line.split(' ').next().unwrap();
                scene.hear(&response().answer(&format!("{name} 120 flush SRV 0 0 1 evil.local")));
            }
            probes.push(probe);
        }
    }
    probes
}

#[test]
fn after_15_conflicts_in_ten_seconds_each_attempt_waits_five() {
    let mut scene = Scene::new();
    scene.announce(node());
    scene.announce(Service::new("other", "_ipp._tcp", 631).unwrap());
    let probes = deny_everything(&mut scene, 120);
    let late: Vec<&Sent> = probes.iter().filter(|probe| probe.at > secs(30)).collect();
    // Two services, one attempt each in five seconds, one probe an attempt.
    assert!((20..=40).contains(&late.len()), "{} probes in 90 seconds", late.len());
    // The user is told, once for each service.
    let disputed = scene.events().iter().filter(|event| matches!(event, Event::Disputed { .. })).count();
    assert_eq!(disputed, 2);
    // And when the trouble is over the service has a name again within six seconds.
    scene.run(secs(8));
    let announced = |event: &Event| matches!(event, Event::Announced { .. });
    assert_eq!(scene.events().iter().filter(|event| announced(event)).count(), 2);
}

#[test]
fn a_conflict_a_second_makes_eight_lines_a_minute_and_no_storm() {
    let mut sent = Vec::new();
    let lines = Log::of(|| {
        let mut scene = Scene::announced();
        for _ in 0..6000 {
            scene.hear(&response().answer("node._exo._tcp.local 120 flush SRV 0 0 1 evil.local"));
            sent.extend(scene.run(ms(10)));
        }
    });
    let told = lines.iter().filter(|(level, _)| *level <= Level::INFO).count();
    // Those of the first minute, and of the ten seconds before it.
    assert!(told <= 2 * 8 + 1, "{told} lines in a minute");
    assert!(sent.len() <= 5 * 60, "{} datagrams in a minute", sent.len());
}

#[test]
fn names_of_strangers_are_logged_without_control_characters() {
    let lines = Log::of(|| {
        let mut scene = Scene::announced();
        scene.browse();
        scene.run(secs(1));
        let evil = "\\027[2J\\010\\226\\128\\174x";
        scene.hear(
            &response()
                .answer(&format!("_exo._tcp.local 4500 PTR {evil}._exo._tcp.local"))
                .answer(&format!("{evil}._exo._tcp.local 120 flush SRV 0 0 1 {evil}.local"))
                .answer(&format!("{evil}._exo._tcp.local 4500 flush TXT \"{evil}\""))
                .answer(&format!("{evil}.local 120 flush A 10.0.0.9")),
        );
        scene.hear(&query().ask(&format!("{evil}._exo._tcp.local SRV")));
        scene.hear(&response().answer("alpha.local 120 flush A 10.0.0.77"));
        scene.hear(&query().ask("node._exo._tcp.local ANY").authority("alpha.local 120 A 10.0.0.66"));
        scene.run(secs(200));
    });
    assert!(lines.len() > 10, "{} lines", lines.len());
    for (_, line) in &lines {
        let bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!line.chars().any(bad), "{line:?}");
        assert!(line.len() <= 1024, "{line}");
    }
}

// ---- echoes

/// Both links end on one LAN, and a reflector brings everything back 1.1 s later, when no rule
/// keeps it from being said again.
#[test]
fn a_late_echo_on_another_link_is_not_answered_for_ever() {
    let mut scene = Scene::new();
    let far = quick_segment(&mut scene.lan);
    attach(&mut scene.lan, scene.alpha, far, &["10.1.0.1"], &[]);
    scene.announce(node());
    let near = scene.segment;
    let mut waiting: Vec<Sent> = Vec::new();
    let mut late = 0;
    for _ in 0..12_000 {
        for sent in scene.run(ms(10)) {
            late += usize::from(sent.at > secs(60));
            waiting.push(sent);
        }
        let now = scene.now();
        for sent in waiting.extract_if(.., |sent| sent.at + ms(1100) <= now).collect::<Vec<_>>() {
            let (to, from) = if sent.segment == near { (far, "10.1.0.9:5353") } else { (near, STRANGER) };
            scene.lan.inject(to, from.parse().unwrap(), None, &sent.bytes);
        }
    }
    assert!(late <= 2 * 7, "{late} datagrams in the second minute: it talks to its own echo");
}

// ---- services

#[test]
fn a_thousand_services_are_announced_and_not_one_more() {
    let mut scene = Scene::new();
    for number in 0..1024 {
        scene.announce(named(&format!("node-{number}")));
    }
    let refused = scene.drive(|engine, now| engine.announce(now, named("node-1024")));
    assert!(matches!(refused, Err(ServiceError::TooManyServices { .. })), "{refused:?}");
}

#[test]
fn a_service_has_sixteen_subtypes_and_not_one_more() {
    let mut service = node();
    for number in 0..16 {
        service = service.subtype(&format!("_s{number}")).unwrap();
    }
    assert!(matches!(service.subtype("_s16"), Err(ServiceError::TooManySubtypes { .. })));
}

#[test]
fn a_txt_record_over_400_bytes_is_warned_of_once_and_one_over_8900_refused() {
    let txt = |keys: usize| {
        (0..keys).try_fold(node(), |service, number| service.txt(&format!("k{number:02}"), [b'x'; 200]))
    };
    for (keys, warnings) in [(1, 0), (2, 1)] {
        let lines = Log::of(|| {
            let mut scene = Scene::new();
            scene.announce(txt(keys).unwrap());
            scene.run(secs(10));
        });
        assert_eq!(lines.iter().filter(|(level, _)| *level == Level::WARN).count(), warnings, "{keys}");
    }
    assert!(txt(43).is_ok() && txt(44).is_err());
}
