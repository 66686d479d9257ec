//! What changed since the reader of a browse last looked.
//!
//! A mailbox holds no row of events but, for each instance on each interface, the difference
//! between what the reader was told and what is true. Whoever reads at once sees every event.
//! Whoever reads late sees the shortest way from then to now:
//!
//! | happened since the last look | the reader gets |
//! |---|---|
//! | found | `Found` |
//! | found, then updated | one `Found` with the newest data |
//! | found, then lost | nothing |
//! | updated, any number of times | one `Updated` with the newest data, or nothing if that is what it was |
//! | lost | `Lost` |
//! | lost, then found with the same data | nothing |
//! | lost, then found with other data | `Updated` |
//!
//! So `Found` comes only for an instance the reader does not know, `Updated` and `Lost` only
//! for one it knows, and the reader who has read everything knows what is true. The task that
//! fills the mailbox never waits, and memory is bounded by the instances that are alive and
//! those that the reader still takes to be alive.

use std::collections::{BTreeMap, HashMap};
use std::task::{Context, Poll};

use super::Close;
use super::watched::Watched;
use crate::name::InstanceName;
use crate::service::{Change, Instance, Interface, Lost};
use crate::spare::tighten;

/// An instance on an interface. Its service type is the same for a whole browse.
type Key = (InstanceName, Interface);

/// Where the reader stands with one instance.
#[derive(Debug)]
enum State {
    /// The reader knows it as it is.
    Known(Instance),
    /// The reader has not heard of it.
    New(Instance),
    /// The reader knows it as it was.
    Changed { told: Box<Instance>, now: Instance },
    /// The reader knows it, but it is gone.
    Gone(Instance),
}

#[derive(Debug)]
struct Standing {
    state: State,
    /// Under which number it is to be told.
    pending: Option<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// In boxes, so that a table of a thousand is no large piece of memory.
    standings: HashMap<Key, Box<Standing>>,
    /// What there is to tell, in the order in which it became so.
    pending: BTreeMap<u64, Key>,
    next: u64,
    closed: bool,
}

/// The mailbox between the task and one [`Browse`](crate::Browse).
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Watched<Inner>,
}

impl Mailbox {
    /// Takes in a change.
    pub(crate) fn put(&self, change: Change) {
        self.inner.change_if(|inner| {
            inner.put(change);
            !inner.pending.is_empty()
        });
    }

    /// The next change, or `None` at the end.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.inner.poll(cx, |inner| match inner.take() {
            None if !inner.closed => Poll::Pending,
            change => Poll::Ready(change),
        })
    }
}

impl Close for Mailbox {
    /// Nothing more will come: the reader gets what is left, and then the end.
    fn close(&self) {
        self.inner.change(|inner| inner.closed = true);
    }
}

impl Inner {
    fn put(&mut self, change: Change) {
        let (key, now) = match change {
            // Which of the two it is depends on what the reader knows.
            Change::Found(instance) | Change::Updated(instance) => {
                ((instance.name.clone(), instance.interface.clone()), Some(instance))
            }
            Change::Lost(lost) => ((lost.name, lost.interface), None),
        };
        let (before, pending) = match self.standings.remove(&key).map(|standing| *standing) {
            Some(Standing { state, pending }) => (Some(state), pending),
            None => (None, None),
        };
        let told = match before {
            Some(State::Known(told) | State::Gone(told)) => Some(told),
            Some(State::Changed { told, .. }) => Some(*told),
            Some(State::New(_)) | None => None,
        };
        let state = match (told, now) {
            (None, None) => None,
            (None, Some(now)) => Some(State::New(now)),
            (Some(told), None) => Some(State::Gone(told)),
            (Some(told), Some(now)) if told == now => Some(State::Known(now)),
            (Some(told), Some(now)) => Some(State::Changed { told: Box::new(told), now }),
        };
        let pending = match (&state, pending) {
            (None | Some(State::Known(_)), pending) => {
                if let Some(number) = pending {
                    self.pending.remove(&number);
                }
                None
            }
            (Some(_), Some(number)) => Some(number),
            (Some(_), None) => {
                let number = self.next;
                self.next = self.next.wrapping_add(1);
                self.pending.insert(number, key.clone());
                Some(number)
            }
        };
        match state {
            Some(state) => self.stand(key, state, pending),
            None => tighten(&mut self.standings),
        }
    }

    fn take(&mut self) -> Option<Change> {
        loop {
            let (_, key) = self.pending.pop_first()?;
            let (known, change) = match self.standings.remove(&key).map(|standing| standing.state) {
                None => continue,
                Some(State::Known(instance)) => {
                    self.stand(key, State::Known(instance), None);
                    continue;
                }
                Some(State::New(now)) => (Some(now.clone()), Change::Found(now)),
                Some(State::Changed { now, .. }) => (Some(now.clone()), Change::Updated(now)),
                Some(State::Gone(told)) => {
                    let lost = Lost { name: told.name, service: told.service, interface: told.interface };
                    (None, Change::Lost(lost))
                }
            };
            match known {
                Some(known) => self.stand(key, State::Known(known), None),
                None => tighten(&mut self.standings),
            }
            return Some(change);
        }
    }

    fn stand(&mut self, key: Key, state: State, pending: Option<u64>) {
        self.standings.insert(key, Box::new(Standing { state, pending }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::super::Count;
    use super::*;
    use crate::name::{HostName, ServiceType};
    use crate::txt::Txt;

    fn instance(name: &str, interface: u32, port: u16) -> Instance {
        Instance {
            name: InstanceName::new(name).unwrap(),
            service: ServiceType::new("_exo._tcp").unwrap(),
            host: HostName::new("alpha").unwrap(),
            port,
            addresses: vec!["192.0.2.1".parse().unwrap()],
            txt: Txt::new(),
            interface: Interface { index: interface, name: format!("eth{interface}").into() },
        }
    }

    fn lost(name: &str, interface: u32) -> Lost {
        let Instance { name, service, interface, .. } = instance(name, interface, 1);
        Lost { name, service, interface }
    }

    fn read(mailbox: &Mailbox) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(change)) = mailbox.poll(&mut cx) {
            changes.push(change);
        }
        changes
    }

    fn put_all(mailbox: &Mailbox, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| mailbox.put(change));
    }

    #[test]
    fn found_then_updated_is_one_found_with_the_newest_data() {
        let mailbox = Mailbox::default();
        put_all(&mailbox, [Change::Found(instance("a", 1, 1)), Change::Updated(instance("a", 1, 2))]);
        assert_eq!(read(&mailbox), [Change::Found(instance("a", 1, 2))]);
        assert_eq!(read(&mailbox), []);
    }

    #[test]
    fn found_then_lost_cancels_out_and_leaves_nothing_behind() {
        let mailbox = Mailbox::default();
        for round in 0..1000 {
            let name = format!("n{round}");
            put_all(&mailbox, [Change::Found(instance(&name, 1, 1)), Change::Lost(lost(&name, 1))]);
        }
        assert_eq!(read(&mailbox), []);
        assert!(mailbox.inner.with(|inner| inner.standings.is_empty() && inner.pending.is_empty()));
    }

    #[test]
    fn a_flood_leaves_no_room_behind() {
        let mailbox = Mailbox::default();
        let names: Vec<String> = (0..1000).map(|number| format!("n{number}")).collect();
        put_all(&mailbox, names.iter().map(|name| Change::Found(instance(name, 1, 1))));
        assert_eq!(read(&mailbox).len(), names.len());
        put_all(&mailbox, names.iter().skip(1).map(|name| Change::Lost(lost(name, 1))));
        assert_eq!(read(&mailbox).len(), names.len() - 1);
        let (left, room) = mailbox.inner.with(|inner| (inner.standings.len(), inner.standings.capacity()));
        assert!(left == 1 && room <= 64, "{room}");
    }

    #[test]
    fn lost_then_found_is_nothing_or_an_update() {
        let mailbox = Mailbox::default();
        put_all(&mailbox, [Change::Found(instance("a", 1, 1))]);
        read(&mailbox);
        put_all(&mailbox, [Change::Lost(lost("a", 1)), Change::Found(instance("a", 1, 1))]);
        assert_eq!(read(&mailbox), []);
        put_all(&mailbox, [Change::Lost(lost("a", 1)), Change::Found(instance("a", 1, 9))]);
        assert_eq!(read(&mailbox), [Change::Updated(instance("a", 1, 9))]);
    }

    #[test]
    fn interfaces_and_the_case_of_names() {
        let mailbox = Mailbox::default();
        put_all(&mailbox, [Change::Found(instance("a", 1, 1)), Change::Found(instance("a", 2, 1))]);
        assert_eq!(read(&mailbox).len(), 2);
        put_all(&mailbox, [Change::Lost(lost("A", 2))]);
        assert_eq!(read(&mailbox), [Change::Lost(lost("a", 2))]);
    }

    #[test]
    fn the_end_comes_after_what_is_left() {
        let mailbox = Mailbox::default();
        put_all(&mailbox, [Change::Found(instance("a", 1, 1))]);
        mailbox.close();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(mailbox.poll(&mut cx), Poll::Ready(Some(Change::Found(_)))));
        assert_eq!(mailbox.poll(&mut cx), Poll::Ready(None));
    }

    #[test]
    fn a_waiting_reader_is_woken_by_news_and_by_the_end() {
        let mailbox = Mailbox::default();
        let (count, waker) = Count::task();
        let mut cx = Context::from_waker(&waker);
        assert!(mailbox.poll(&mut cx).is_pending());
        mailbox.put(Change::Lost(lost("stranger", 1)));
        assert_eq!(count.woken(), 0, "nothing to tell");
        mailbox.put(Change::Found(instance("a", 1, 1)));
        assert_eq!(count.woken(), 1);
        assert!(mailbox.poll(&mut cx).is_ready());
        assert!(mailbox.poll(&mut cx).is_pending());
        mailbox.close();
        assert_eq!(count.woken(), 2);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, u16),
        Lose(u8),
        Read(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..6_u8, 1..4_u16).prop_map(|(name, port)| Step::Set(name, port)),
            2 => (0..6_u8).prop_map(Step::Lose),
            2 => (0..4_u8).prop_map(Step::Read),
        ]
    }

    /// What a reader believes who applies every change, and complains of illegal ones.
    #[derive(Default)]
    struct Reader(BTreeMap<InstanceName, u16>);

    impl Reader {
        fn apply(&mut self, change: Change) {
            match change {
                Change::Found(found) => {
                    assert_eq!(self.0.insert(found.name, found.port), None, "found twice");
                }
                Change::Updated(new) => {
                    let old = self.0.insert(new.name, new.port);
                    assert!(old.is_some(), "updated without being known");
                    assert_ne!(old, Some(new.port), "updated to the same");
                }
                Change::Lost(lost) => {
                    assert!(self.0.remove(&lost.name).is_some(), "lost without being known");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_reader_ends_with_the_truth_by_legal_steps(steps in prop::collection::vec(step(), 0..200)) {
            let mailbox = Mailbox::default();
            let mut truth = BTreeMap::<InstanceName, u16>::new();
            let mut reader = Reader::default();
            let mut cx = Context::from_waker(Waker::noop());
            for step in steps {
                match step {
                    Step::Set(name, port) => {
                        let instance = instance(&format!("n{name}"), 1, port);
                        let known = truth.insert(instance.name.clone(), port).is_some();
                        mailbox.put(if known { Change::Updated(instance) } else { Change::Found(instance) });
                    }
                    Step::Lose(name) => {
                        let lost = lost(&format!("n{name}"), 1);
                        if truth.remove(&lost.name).is_some() {
                            mailbox.put(Change::Lost(lost));
                        }
                    }
                    Step::Read(count) => {
                        for _ in 0..count {
                            if let Poll::Ready(Some(change)) = mailbox.poll(&mut cx) {
                                reader.apply(change);
                            }
                        }
                    }
                }
                let (pending, standings) = mailbox.inner.with(|inner| (inner.pending.len(), inner.standings.len()));
                prop_assert!(pending <= standings && standings <= truth.len() + reader.0.len());
            }
            read(&mailbox).into_iter().for_each(|change| reader.apply(change));
            prop_assert_eq!(reader.0, truth);
        }
    }
}
