//! The counters through the `metrics` facade (feature `metrics`).
//!
//! | name | label | what |
//! |---|---|---|
//! | `salut_received_total` | | datagrams that came in |
//! | `salut_dropped_total` | `reason` | of these, without effect: as [`Counters::dropped`] names them |
//! | `salut_sent_total` | `cast` | datagrams given to the system: `multicast`, `unicast` |
//! | `salut_send_failed_total` | | of these, refused by the system |
//! | `salut_questions_total` | `way` | questions: `heard`, `sent` |
//! | `salut_answers_total` | `way` | answer records: `heard`, `sent` |
//! | `salut_conflicts_total` | | names of ours that somebody else had or disputed |
//! | `salut_renames_total` | | names that were given up for another one |
//! | `salut_cached_records` | | gauge: records of others in the cache |
//! | `salut_joined_links` | | gauge: interfaces on which the group is joined and sends work |

use metrics::{Counter, Gauge, counter, gauge};

use crate::proto::Counters;

/// What is told of one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) counters: Counters,
    pub(super) failed: u64,
    pub(super) cached: usize,
    pub(super) joined: usize,
}

/// Each of the counters with its name and label.
fn counters(
    reading: &Reading,
) -> impl Iterator<Item = (&'static str, Option<(&'static str, &'static str)>, u64)> {
    let Reading { counters, failed, .. } = reading;
    let dropped =
        counters.dropped().map(|(reason, count)| ("salut_dropped_total", Some(("reason", reason)), count));
    [
        ("salut_received_total", None, counters.received),
        ("salut_sent_total", Some(("cast", "multicast")), counters.multicasts),
        ("salut_sent_total", Some(("cast", "unicast")), counters.unicasts),
        ("salut_send_failed_total", None, *failed),
        ("salut_questions_total", Some(("way", "heard")), counters.questions_heard),
        ("salut_questions_total", Some(("way", "sent")), counters.questions_sent),
        ("salut_answers_total", Some(("way", "heard")), counters.answers_heard),
        ("salut_answers_total", Some(("way", "sent")), counters.answers_sent),
        ("salut_conflicts_total", None, counters.conflicts),
        ("salut_renames_total", None, counters.renames),
    ]
    .into_iter()
    .chain(dropped)
}

/// One participant's share in the metrics of the program.
pub(super) struct Metrics {
    counters: Vec<(Counter, u64)>,
    cached: Gauge,
    joined: Gauge,
    told: Reading,
}

impl Metrics {
    /// Registers with the recorder that is installed now.
    pub(super) fn new() -> Self {
        let told = Reading::default();
        let register =
            |(name, label, _): (&'static str, Option<(&'static str, &'static str)>, u64)| match label {
                Some((key, value)) => (counter!(name, key => value), 0),
                None => (counter!(name), 0),
            };
        Self {
            counters: counters(&told).map(register).collect(),
            cached: gauge!("salut_cached_records"),
            joined: gauge!("salut_joined_links"),
            told,
        }
    }

    /// Adds what is new.
    pub(super) fn tell(&mut self, reading: Reading) {
        for ((counter, told), (.., now)) in self.counters.iter_mut().zip(counters(&reading)) {
            // A sum over the interfaces shrinks when one of them goes.
            if let Some(more @ 1..) = now.checked_sub(*told) {
                counter.increment(more);
            }
            *told = now;
        }
        change(&self.cached, self.told.cached, reading.cached);
        change(&self.joined, self.told.joined, reading.joined);
        self.told = reading;
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        change(&self.cached, self.told.cached, 0);
        change(&self.joined, self.told.joined, 0);
    }
}

/// Other participants of the program have their share in the gauge as well.
fn change(gauge: &Gauge, from: usize, to: usize) {
    let figure = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    if from != to {
        gauge.increment(figure(to) - figure(from));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use metrics::{Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Kept {
        fn slot(&self, key: &Key) -> Arc<AtomicU64> {
            let labels: Vec<_> = key.labels().map(|label| format!("{label:?}")).collect();
            let label = key.labels().next().map(|label| label.value().to_owned()).unwrap_or_default();
            assert!(labels.len() <= 1);
            Arc::clone(self.0.lock().unwrap().entry(format!("{}/{label}", key.name())).or_default())
        }

        fn read(&self, name: &str) -> u64 {
            self.0.lock().unwrap()[name].load(Ordering::Relaxed)
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.slot(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.slot(key))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> metrics::Histogram {
            metrics::Histogram::noop()
        }
    }

    #[test]
    fn two_participants_add_up_and_take_their_gauges_with_them() {
        let kept = Kept::default();
        metrics::with_local_recorder(&kept, || {
            let [mut first, mut second] = [Metrics::new(), Metrics::new()];
            let mut reading = Reading { cached: 3, joined: 1, ..Reading::default() };
            (reading.counters.received, reading.counters.malformed) = (10, 2);
            first.tell(reading);
            second.tell(reading);
            reading.counters.received = 11;
            first.tell(reading);
            assert_eq!(kept.read("salut_received_total/"), 21);
            assert_eq!(kept.read("salut_dropped_total/malformed"), 4);
            assert_eq!(f64::from_bits(kept.read("salut_cached_records/")), 6.0);
            drop(second);
            assert_eq!(f64::from_bits(kept.read("salut_cached_records/")), 3.0);
            assert_eq!(f64::from_bits(kept.read("salut_joined_links/")), 1.0);
        });
    }
}
