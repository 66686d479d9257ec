//! What was heard, as text for people: safe on a terminal, in columns, folded to its width.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use salut::{Change, Instance, InstanceName, Interface, Lost, ServiceType, Txt};
use unicode_width::UnicodeWidthStr as _;

use crate::json::{address, is_unprintable};

/// `text` with everything escaped that a terminal could take for a command.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// An instance on an interface, as it is shown: every text is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Link-local ones with their scope.
    pub(crate) addresses: Vec<String>,
    pub(crate) attributes: Vec<String>,
}

/// What tells one row from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) interface: String,
}

impl Place {
    pub(crate) fn new(service: &ServiceType, name: &InstanceName, interface: &Interface) -> Self {
        Self {
            service: printable(&service.to_string()).into_owned(),
            name: printable(&name.to_string()).into_owned(),
            interface: printable(&interface.name).into_owned(),
        }
    }
}

impl From<&Lost> for Place {
    fn from(lost: &Lost) -> Self {
        Self::new(&lost.service, &lost.name, &lost.interface)
    }
}

impl From<&Instance> for Node {
    fn from(node: &Instance) -> Self {
        Self {
            place: Place::new(&node.service, &node.name, &node.interface),
            host: printable(&node.host.to_string()).into_owned(),
            port: node.port,
            addresses: node.addresses.iter().map(|ip| address(*ip, &node.interface)).collect(),
            attributes: attributes(&node.txt).collect(),
        }
    }
}

/// The columns at first: most names fit.
const NAME_COLUMN: usize = 20;
const PLACE_COLUMN: usize = 24;
const TYPE_COLUMN: usize = 12;

/// Columns grow up to this only: one long name should not push all others out of sight.
const WIDEST_COLUMN: usize = 36;

/// Lines for changes, with columns that grow as longer names come in.
pub(crate) struct Table {
    name: usize,
    place: usize,
    /// Where there are several service types.
    service: Option<usize>,
    /// Where to fold; `None` for output that is not a terminal: there a change is one line.
    width: Option<usize>,
}

impl Table {
    /// A table for stdout as it is; with a column for the type if there are several.
    pub(crate) fn for_stdout(with_types: bool) -> Self {
        let stdout = std::io::stdout();
        let width = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
        Self {
            width: width.map(|(columns, _)| usize::from(columns.0)),
            service: with_types.then_some(TYPE_COLUMN),
            name: NAME_COLUMN,
            place: PLACE_COLUMN,
        }
    }

    /// `+ name  host:port  addresses  txt  (interface)`, or several lines if that is too
    /// wide for the terminal.
    pub(crate) fn change(&mut self, change: &Change) -> String {
        match change {
            Change::Found(node) => self.node('+', &node.into()),
            Change::Updated(node) => self.node('~', &node.into()),
            Change::Lost(lost) => self.line('-', &lost.into(), None),
        }
    }

    pub(crate) fn node(&mut self, mark: char, node: &Node) -> String {
        self.line(mark, &node.place, Some(node))
    }

    fn line(&mut self, mark: char, place: &Place, node: Option<&Node>) -> String {
        let mut items = vec![padded(format!("{mark} {}", place.name), &mut self.name)];
        if let Some(column) = &mut self.service {
            items.push(padded(place.service.clone(), column));
        }
        if let Some(node) = node {
            items.push(padded(format!("{}:{}", node.host, node.port), &mut self.place));
            items.extend(node.addresses.iter().cloned());
            items.extend(node.attributes.iter().cloned());
        }
        items.push(format!("({})", place.interface));
        fold(&items, self.width)
    }
}

fn padded(mut text: String, column: &mut usize) -> String {
    let width = text.width();
    *column = width.min(WIDEST_COLUMN).max(*column);
    text.extend(std::iter::repeat_n(' ', column.saturating_sub(width)));
    text
}

/// Items side by side, two spaces apart; those that do not fit begin a new, indented line.
fn fold(items: &[String], width: Option<usize>) -> String {
    let mut text = String::new();
    let mut column = 0_usize;
    for item in items {
        let wide = item.trim_end().width();
        if column == 0 {
            text.push_str(item);
        } else if width.is_some_and(|width| column + 2 + wide > width) {
            text.truncate(text.trim_end().len());
            text.push_str("\n    ");
            text.push_str(item);
            column = 4;
        } else {
            text.push_str("  ");
            text.push_str(item);
            column += 2;
        }
        column += item.width();
    }
    text
}

/// `key`, `key=value`, `key="a value"`, or `key=0x00ff` where it is not UTF-8.
pub(crate) fn attributes(txt: &Txt) -> impl Iterator<Item = String> {
    txt.attributes().map(|(key, value)| {
        let key = String::from_utf8_lossy(key);
        let text = match value.map(str::from_utf8) {
            None => key.into_owned(),
            Some(Ok(text)) if text.contains(char::is_whitespace) => format!("{key}=\"{text}\""),
            Some(Ok(text)) => format!("{key}={text}"),
            Some(Err(_)) => format!("{key}=0x{}", crate::json::hex(value.unwrap_or_default())),
        };
        printable(&text).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(printable("a\u{1b}[2J\u{9b}b\nc\u{202e}d"), r"a\u{1b}[2J\u{9b}b\nc\u{202e}d");
        assert_eq!(printable("Büro 🎉"), "Büro 🎉");
    }

    #[test]
    fn attributes_are_told_apart() {
        let txt = Txt::from_strings([&b"flag"[..], b"k=", b"a=b c", b"raw=\x00\xff", b"e=\x1b"]);
        let shown: Vec<_> = attributes(&txt.unwrap_or_default()).collect();
        assert_eq!(shown, ["flag", "k=", "a=\"b c\"", "raw=0x00ff", r"e=\u{1b}"]);
    }

    #[test]
    fn lines_fold_at_the_width_of_the_terminal_only() {
        let items = ["+ My Node ", "alpha.local:1", "10.0.0.1", "fe80::1%eth0", "(eth0)"].map(String::from);
        assert_eq!(fold(&items, None), "+ My Node   alpha.local:1  10.0.0.1  fe80::1%eth0  (eth0)");
        assert_eq!(
            fold(&items, Some(26)),
            "+ My Node   alpha.local:1\n    10.0.0.1  fe80::1%eth0\n    (eth0)"
        );
    }

    #[test]
    fn columns_count_cells_not_bytes() {
        let mut column = 0;
        assert_eq!(padded("日本語".into(), &mut column), "日本語");
        assert_eq!(padded("ab".into(), &mut column), "ab    ");
    }
}
