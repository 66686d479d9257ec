//! Lines on stderr, which wait while the screen has a table on it.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::text::printable;

/// Lines kept back while the screen has a table on it. More push out the oldest.
const MOST_HELD: usize = 100;

static HELD: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// A line on stderr; safe to print already. While they are [held](hold) it waits.
pub(crate) fn say(line: &str) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *held {
        Some(lines) => {
            if lines.len() >= MOST_HELD {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
        // Nobody is left to be told that stderr is gone.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// One line on stderr for the person in front of it.
pub(crate) fn note(message: &str) {
    say(&format!("salut: {}", printable(message)));
}

/// Keeps lines back until this is dropped: they would run through the table.
pub(crate) struct Held(());

pub(crate) fn hold() -> Held {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(VecDeque::new());
    Held(())
}

impl Held {
    /// The newest line.
    pub(crate) fn last(&self) -> Option<String> {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.back().cloned()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let lines = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        lines.into_iter().flatten().for_each(|line| say(&line));
    }
}
