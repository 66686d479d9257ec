//! Logging to stderr.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::text::printable;

/// Overrides `-v` where it is set.
const VARIABLE: &str = "SALUT_LOG";

/// Starts logging: warnings, or more by `verbose` or `SALUT_LOG`.
pub(crate) fn start(verbose: u8) -> Result<(), Failure> {
    let filter = match std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty()) {
        Some(text) => EnvFilter::try_new(&text).map_err(|error| {
            Failure::Usage(format!(
                "{VARIABLE} is {text:?}, which is no log filter ({error}); right would be debug or salut=trace"
            ))
        })?,
        None => EnvFilter::new(match verbose {
            0 => "warn",
            1 => "warn,salut=info",
            2 => "warn,salut=debug",
            _ => "warn,salut=trace",
        }),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(|| Clean)
        .init();
    Ok(())
}

/// Stderr for one event a write: names from the network can neither steer the terminal nor
/// forge a line.
struct Clean;

impl Write for Clean {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        say(&printable(String::from_utf8_lossy(event).trim_end_matches('\n')));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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
