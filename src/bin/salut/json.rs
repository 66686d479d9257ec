//! The lines of `--json`.
//!
//! This file is compiled into the example `exo_node` as well, so that both print the same.

use std::fmt::Write as _;
use std::net::IpAddr;

use salut::{Change, Instance, Interface, Txt};
use serde_json::{Map, Value, json};

/// A change of a browse.
pub(crate) fn change(change: &Change) -> String {
    match change {
        Change::Found(node) => instance("found", node),
        Change::Updated(node) => instance("updated", node),
        Change::Lost(lost) => line(&json!({
            "event": "lost",
            "instance": lost.name.as_str(),
            "service": lost.service.to_string(),
            "interface": &*lost.interface.name,
        })),
    }
}

fn instance(event: &str, node: &Instance) -> String {
    line(&json!({
        "event": event,
        "instance": node.name.as_str(),
        "service": node.service.to_string(),
        "host": node.host.to_string(),
        "port": node.port,
        "addresses": node.addresses.iter().map(|ip| address(*ip, &node.interface)).collect::<Vec<_>>(),
        "txt": txt(&node.txt),
        "interface": &*node.interface.name,
    }))
}

/// A key without value is `null`, a value that is not UTF-8 an object with its bytes in hex.
fn txt(txt: &Txt) -> Value {
    let value = |bytes: &[u8]| match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "hex": hex(bytes) }),
    };
    let attributes = txt.attributes();
    attributes
        .map(|(key, bytes)| (String::from_utf8_lossy(key).into_owned(), bytes.map_or(Value::Null, value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An address as other programs take it: link-local IPv6 with the scope it is good for.
pub(crate) fn address(ip: IpAddr, interface: &Interface) -> String {
    match ip {
        // Windows numbers its scopes, the others name them (RFC 4007 §11.2).
        IpAddr::V6(v6) if v6.is_unicast_link_local() && cfg!(windows) => format!("{v6}%{}", interface.index),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => format!("{v6}%{}", interface.name),
        _ => ip.to_string(),
    }
}

/// One object on one line, safe to print: JSON asks for escapes below U+0020 only.
pub(crate) fn line(object: &Value) -> String {
    let text = object.to_string();
    if !text.contains(is_unprintable) {
        return text;
    }
    text.chars().fold(String::new(), |mut safe, c| {
        // All of these are in the first plane, so that four digits are enough.
        let _ = if is_unprintable(c) { write!(safe, "\\u{:04x}", u32::from(c)) } else { safe.write_char(c) };
        safe
    })
}

/// Controls (C0, DEL, C1), line and paragraph separators, and what turns the direction of text.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_reads_back() {
        let text =
            "a\u{0}\u{1b}[2J\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{2028}\u{202e}\u{2069}\"\\Büro 🎉";
        let line = line(&json!({ "instance": text }));
        assert!(!line.contains(is_unprintable), "{line:?}");
        assert!(line.contains(r"\u007f\u0080\u009b\u009f\u061c\u200e\u2028\u202e\u2069"), "{line}");
        assert!(line.contains("Büro 🎉"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({ "instance": text }));
    }

    #[test]
    fn txt_has_null_for_flags_and_hex_for_bytes() {
        let record =
            Txt::from_strings([&b"k=v"[..], b"flag", b"empty=", b"raw=\x00\xff", b"K=second"]).unwrap();
        let expected = r#"{"k":"v","flag":null,"empty":"","raw":{"hex":"00ff"}}"#;
        assert_eq!(line(&txt(&record)), expected);
        assert_eq!(line(&txt(&Txt::new())), "{}");
    }

    #[test]
    fn only_link_local_ipv6_has_a_scope() {
        let eth0 = Interface { index: 7, name: "eth0".into() };
        let shown = |text: &str| address(text.parse().unwrap(), &eth0);
        assert_eq!(shown("fe80::1"), if cfg!(windows) { "fe80::1%7" } else { "fe80::1%eth0" });
        assert_eq!(shown("2001:db8::1"), "2001:db8::1");
        assert_eq!(shown("fd00::1"), "fd00::1");
        assert_eq!(shown("169.254.1.2"), "169.254.1.2");
    }
}
