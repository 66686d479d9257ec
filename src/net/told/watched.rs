//! State between the task, which changes it, and the one handle that waits for it to change.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub(super) struct Watched<T> {
    state: Mutex<(T, Option<Waker>)>,
}

impl<T> Watched<T> {
    pub(super) fn new(state: T) -> Self {
        Self { state: Mutex::new((state, None)) }
    }

    /// Looks at the state, or changes it where the reader need not know.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Changes the state and wakes the reader.
    pub(super) fn change(&self, change: impl FnOnce(&mut T)) {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut guard.0);
        let reader = guard.1.take();
        drop(guard);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes what there is to read; where that is nothing yet the reader is woken later.
    pub(super) fn poll<R>(&self, cx: &mut Context<'_>, take: impl FnOnce(&mut T) -> Poll<R>) -> Poll<R> {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = take(&mut guard.0);
        if taken.is_pending() {
            guard.1 = Some(cx.waker().clone());
        }
        taken
    }
}
