//! What goes wrong, as one line on stderr and an exit status.

use std::error::Error as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::stderr::note;

/// Why the program ends before it is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for something that cannot be: exit status 2.
    Usage(String),
    /// It found nothing, or could not run: exit status 1.
    Run(String),
    /// It has told what is wrong already: exit status 1.
    Told,
    /// Whoever read its output has seen enough, as with `| head -1`: quiet, exit status 0.
    Unread,
    /// Help, version, or what clap has to say of the command line.
    Clap(Box<clap::Error>),
}

impl Failure {
    /// Tells it, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        let (message, status) = match self {
            Self::Usage(message) => (message, 2),
            Self::Run(message) => (message, 1),
            Self::Told => return ExitCode::from(1),
            Self::Unread => return ExitCode::SUCCESS,
            Self::Clap(error) => match one_line(&error) {
                Some(message) => (message, 2),
                None => {
                    let _ = error.print();
                    return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
                }
            },
        };
        note(&message);
        ExitCode::from(status)
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error))
    }
}

impl From<salut::ServiceError> for Failure {
    fn from(error: salut::ServiceError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<salut::Error> for Failure {
    fn from(error: salut::Error) -> Self {
        match error {
            salut::Error::UnknownInterface { .. } => Self::Usage(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

/// clap's several lines as one; `None` where they are the help that was asked for.
fn one_line(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        // Our own words on a value say what is wrong with it and what would be right.
        ErrorKind::ValueValidation => {
            if let Some(source) = error.source() {
                return Some(source.to_string());
            }
        }
        _ => {}
    }
    let text = error.to_string();
    let (what, rest) = text.split_once("\n\nUsage: ").unwrap_or((&text, ""));
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let what = what.split("\n\nFor more").next().unwrap_or_default();
    let line = words(what).replace(" tip: ", "; ");
    Some(match rest.lines().next() {
        Some(usage) => format!("{line}; usage: {}", words(usage)),
        None => format!("{line}; see salut --help"),
    })
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
