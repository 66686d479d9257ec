//! State between the task, which changes it, and the handles that wait for it to change.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use litemap::LiteMap;

/// One of several handles that wait for the same state. Where there is only one it needs no
/// number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reader(pub(crate) u64);

#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    inner: Mutex<Inner<T>>,
}

#[derive(Debug, Default)]
struct Inner<T> {
    state: T,
    /// Who waits, each in the task that it waited in last.
    waiting: LiteMap<Reader, Waker>,
}

impl<T> Watched<T> {
    pub(super) fn new(state: T) -> Self {
        Self { inner: Mutex::new(Inner { state, waiting: LiteMap::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state, or changes it where no reader need know.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.lock().state)
    }

    /// Changes the state and wakes who waits.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        self.change_if(|state| {
            change(state);
            true
        });
    }

    /// Changes the state. Who waits is woken if `change` says that there is something to read.
    pub(crate) fn change_if(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut inner = self.lock();
        if !change(&mut inner.state) {
            return;
        }
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Takes what there is to read; where that is nothing yet the reader is woken later.
    pub(crate) fn poll<R>(&self, cx: &mut Context<'_>, take: impl FnOnce(&mut T) -> Poll<R>) -> Poll<R> {
        self.poll_as(Reader::default(), cx, take)
    }

    /// The same for one reader of several.
    pub(crate) fn poll_as<R>(
        &self,
        reader: Reader,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut T) -> Poll<R>,
    ) -> Poll<R> {
        let mut inner = self.lock();
        let taken = take(&mut inner.state);
        if taken.is_pending() {
            match inner.waiting.get_mut(&reader) {
                // Keeps what wakes the same task already.
                Some(waker) => waker.clone_from(cx.waker()),
                None => drop(inner.waiting.insert(reader, cx.waker().clone())),
            }
        }
        taken
    }

    /// A reader of several goes.
    #[cfg(any(feature = "_libp2p", test))]
    pub(crate) fn leave(&self, reader: Reader) {
        self.lock().waiting.remove(&reader);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// A task that counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        pub(crate) fn task() -> (Arc<Self>, Waker) {
            let count = Arc::new(Self::default());
            (Arc::clone(&count), Waker::from(count))
        }

        pub(crate) fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Reads a number other than zero.
    fn take(number: &mut u32) -> Poll<u32> {
        if *number == 0 { Poll::Pending } else { Poll::Ready(std::mem::take(number)) }
    }

    #[test]
    fn a_reader_is_woken_once_and_only_when_there_is_something_to_read() {
        let watched = Watched::<u32>::default();
        let (count, waker) = Count::task();
        let mut cx = Context::from_waker(&waker);
        assert!(watched.poll(&mut cx, take).is_pending());
        watched.change_if(|_| false);
        watched.with(|number| *number = 0);
        assert_eq!(count.woken(), 0);
        for number in 1..3 {
            watched.change(|unread| *unread = number);
            assert_eq!(count.woken(), 1);
        }
        assert_eq!(watched.poll(&mut cx, take), Poll::Ready(2));
        // Who has not looked again does not wait.
        watched.change(|_| ());
        assert_eq!(count.woken(), 1);
    }

    #[test]
    fn a_reader_is_woken_in_the_task_that_it_waited_in_last() {
        let watched = Watched::<u32>::default();
        let (first, second) = (Count::task(), Count::task());
        for (_, waker) in [&first, &first, &second, &second] {
            assert!(watched.poll(&mut Context::from_waker(waker), take).is_pending());
        }
        watched.change(|_| ());
        assert_eq!((first.0.woken(), second.0.woken()), (0, 1));
        // Of a task that is over nothing is kept.
        drop(first.1);
        assert_eq!(Arc::strong_count(&first.0), 1);
    }

    #[test]
    fn several_readers_are_woken_and_one_that_has_left_is_not() {
        let watched = Watched::<u32>::default();
        let tasks: Vec<_> = (0..3).map(|_| Count::task()).collect();
        for (reader, (_, waker)) in (0..).map(Reader).zip(&tasks) {
            assert!(watched.poll_as(reader, &mut Context::from_waker(waker), take).is_pending());
        }
        watched.leave(Reader(1));
        watched.change(|_| ());
        let woken: Vec<usize> = tasks.iter().map(|(count, _)| count.woken()).collect();
        assert_eq!(woken, [1, 0, 1]);
    }
}
