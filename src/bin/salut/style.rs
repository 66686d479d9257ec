//! Colours, where somebody sees them and wants them.

use std::io::IsTerminal as _;

/// What a text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Heading,
    Good,
    Bad,
    Unsure,
    Faint,
    Command,
    Lost,
    Chosen,
}

impl Style {
    /// Select Graphic Rendition parameters (ECMA-48 §8.3.117), of the sixteen colours that
    /// every terminal lets its user choose.
    fn parameters(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Unsure => "33",
            Self::Faint => "2",
            Self::Command => "36",
            Self::Lost => "2;31",
            Self::Chosen => "7",
        }
    }
}

/// `text` in its colour, if colours are wanted.
pub(crate) fn painted(colour: bool, style: Style, text: &str) -> String {
    if colour && !text.is_empty() {
        format!("\u{1b}[{}m{text}\u{1b}[0m", style.parameters())
    } else {
        text.to_owned()
    }
}

/// Whether stdout takes colours: it is a terminal, and neither `NO_COLOR` (no-color.org) nor a
/// terminal without them says otherwise.
pub(crate) fn is_wanted() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none()
        && set("TERM").is_none_or(|term| term != "dumb")
        && std::io::stdout().is_terminal()
}
