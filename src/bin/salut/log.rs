//! Logging to stderr.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::stderr::say;
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
