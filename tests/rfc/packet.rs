//! DNS messages as text, written and read without the code under test.
//!
//! A question is `name [QU] [CLASSn] TYPE`, a record `name ttl [flush] [CLASSn] TYPE data`:
//! `node._exo._tcp.local 120 flush SRV 0 0 52415 alpha.local`. Names are escaped as in zone
//! files (`\032` for a space), TXT strings too, and `""` is an empty one; `\#` and
//! hexadecimal digits give any data as it is.

use std::net::{Ipv4Addr, Ipv6Addr};

const TYPES: [(&str, u16); 11] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("PTR", 12),
    ("HINFO", 13),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("OPT", 41),
    ("NSEC", 47),
    ("ANY", 255),
];

/// A message to inject. Nothing in it is compressed.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    id: u16,
    flags: u16,
    sections: [Vec<Vec<u8>>; 4],
}

/// A query of the stranger.
pub fn query() -> Packet {
    Packet::default()
}

/// A response of the stranger.
pub fn response() -> Packet {
    Packet { flags: 0x8400, ..Packet::default() }
}

impl Packet {
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// Sets bits of the second word of the header.
    pub fn flags(mut self, bits: u16) -> Self {
        self.flags |= bits;
        self
    }

    /// More known answers follow.
    pub fn truncated(self) -> Self {
        self.flags(0x0200)
    }

    pub fn ask(mut self, line: &str) -> Self {
        let mut words = line.split(' ');
        let mut bytes = name_bytes(words.next().unwrap());
        let (mut class, mut rtype) = (1, 0);
        for word in words {
            match word {
                "QU" => class |= 0x8000,
                _ if word.starts_with("CLASS") => {
                    class = (class & 0x8000) | word[5..].parse::<u16>().unwrap()
                }
                _ => rtype = type_number(word),
            }
        }
        bytes.extend_from_slice(&rtype.to_be_bytes());
        bytes.extend_from_slice(&class.to_be_bytes());
        self.sections[0].push(bytes);
        self
    }

    /// An answer; in a query, a known answer.
    pub fn answer(mut self, line: &str) -> Self {
        self.sections[1].push(record_bytes(line));
        self
    }

    pub fn answers<L: AsRef<str>>(self, lines: impl IntoIterator<Item = L>) -> Self {
        lines.into_iter().fold(self, |packet, line| packet.answer(line.as_ref()))
    }

    pub fn authority(mut self, line: &str) -> Self {
        self.sections[2].push(record_bytes(line));
        self
    }

    pub fn additional(mut self, line: &str) -> Self {
        self.sections[3].push(record_bytes(line));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let counts = self.sections.each_ref().map(|section| u16::try_from(section.len()).unwrap());
        for word in [[self.id, self.flags].as_slice(), &counts].concat() {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend(self.sections.iter().flatten().flatten());
        bytes
    }
}

fn type_number(text: &str) -> u16 {
    let known = TYPES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    known.unwrap_or_else(|| text.strip_prefix("TYPE").unwrap_or_else(|| panic!("{text}")).parse().unwrap())
}

fn type_text(number: u16) -> String {
    let known = TYPES.iter().find(|(_, known)| *known == number).map(|(name, _)| (*name).to_owned());
    known.unwrap_or_else(|| format!("TYPE{number}"))
}

fn unescaped(text: &str) -> Vec<Option<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => out.push(None),
            b'\\' => {
                let first = bytes.next().unwrap();
                out.push(Some(if first.is_ascii_digit() {
                    let digits = [first, bytes.next().unwrap(), bytes.next().unwrap()];
                    std::str::from_utf8(&digits).unwrap().parse().unwrap()
                } else {
                    first
                }));
            }
            _ => out.push(Some(byte)),
        }
    }
    out
}

fn name_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in unescaped(text).split(Option::is_none).filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.iter().flatten());
    }
    bytes.push(0);
    bytes
}

fn record_bytes(line: &str) -> Vec<u8> {
    let mut words = line.split(' ');
    let mut bytes = name_bytes(words.next().unwrap());
    let ttl: u32 = words.next().unwrap().parse().unwrap();
    let mut class = 1_u16;
    let rtype = loop {
        match words.next().unwrap() {
            "flush" => class |= 0x8000,
            word if word.starts_with("CLASS") => {
                class = (class & 0x8000) | word[5..].parse::<u16>().unwrap();
            }
            word => break type_number(word),
        }
    };
    let words: Vec<&str> = words.collect();
    let data = data_bytes(rtype, &words);
    bytes.extend_from_slice(&rtype.to_be_bytes());
    bytes.extend_from_slice(&class.to_be_bytes());
    bytes.extend_from_slice(&ttl.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn data_bytes(rtype: u16, words: &[&str]) -> Vec<u8> {
    match (rtype, words) {
        (_, ["\\#", hex @ ..]) => {
            let hex = hex.concat();
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
        }
        (1, [address]) => address.parse::<Ipv4Addr>().unwrap().octets().to_vec(),
        (28, [address]) => address.parse::<Ipv6Addr>().unwrap().octets().to_vec(),
        (2 | 5 | 12, [name]) => name_bytes(name),
        (33, [priority, weight, port, target]) => {
            let numbers = [priority, weight, port].map(|word| word.parse::<u16>().unwrap().to_be_bytes());
            [numbers.concat(), name_bytes(target)].concat()
        }
        (16, strings) => strings.iter().flat_map(|string| text_bytes(string)).collect(),
        (47, [next, types @ ..]) => {
            let mut bitmap = [0_u8; 32];
            for number in types.iter().map(|text| usize::from(type_number(text))) {
                bitmap[number / 8] |= 0x80 >> (number % 8);
            }
            let length = bitmap.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let block = if length == 0 { vec![] } else { vec![0, u8::try_from(length).unwrap()] };
            [name_bytes(next), block, bitmap[..length].to_vec()].concat()
        }
        _ => panic!("no data of type {rtype}: {words:?}"),
    }
}

fn text_bytes(string: &str) -> Vec<u8> {
    let bytes: Vec<u8> = if string == "\"\"" {
        Vec::new()
    } else {
        unescaped(string).into_iter().map(|byte| byte.unwrap_or(b'.')).collect()
    };
    [vec![u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// What stands in a message, in the order in which it stands there.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub id: u16,
    pub flags: u16,
    pub questions: Vec<String>,
    pub answers: Vec<String>,
    pub authorities: Vec<String>,
    pub additionals: Vec<String>,
    /// Every name behind the first: where it stands (`owner`, or the type of the record whose
    /// data it is in), and whether it ends in a pointer.
    pub names: Vec<(String, bool)>,
}

/// Reads a message strictly: every count, length and pointer must be right.
pub fn read(bytes: &[u8]) -> Content {
    let mut reader = Reader { bytes, at: 12, names: Vec::new() };
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let questions = (0..word(4)).map(|_| reader.question()).collect();
    let mut section = |count: u16| (0..count).map(|_| reader.record()).collect();
    let (answers, authorities, additionals) = (section(word(6)), section(word(8)), section(word(10)));
    assert_eq!(reader.at, bytes.len(), "bytes are left over behind the last record");
    let names = reader.names.into_iter().skip(1).collect();
    Content { id: word(0), flags: word(2), questions, answers, authorities, additionals, names }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    names: Vec<(String, bool)>,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        self.at += count;
        &self.bytes[self.at - count..self.at]
    }

    fn u16(&mut self) -> u16 {
        let bytes = self.take(2);
        u16::from_be_bytes([bytes[0], bytes[1]])
    }

    fn name(&mut self, place: &str) -> String {
        let (mut at, mut end, mut labels) = (self.at, None, Vec::new());
        loop {
            let length = usize::from(self.bytes[at]);
            match length {
                0 => break,
                0xc0.. => {
                    let target = (length & 0x3f) << 8 | usize::from(self.bytes[at + 1]);
                    assert!(target < at, "a pointer leads forward");
                    end = end.or(Some(at + 2));
                    at = target;
                }
                1..=63 => {
                    labels.push(escaped(&self.bytes[at + 1..at + 1 + length], true));
                    at += 1 + length;
                }
                _ => panic!("label type {length:#x}"),
            }
        }
        self.names.push((place.to_owned(), end.is_some()));
        self.at = end.unwrap_or(at + 1);
        if labels.is_empty() { ".".to_owned() } else { labels.join(".") }
    }

    fn question(&mut self) -> String {
        let name = self.name("owner");
        let (rtype, class) = (self.u16(), self.u16());
        let qu = if class & 0x8000 == 0 { "" } else { " QU" };
        format!("{name}{qu}{} {}", class_text(class), type_text(rtype))
    }

    fn record(&mut self) -> String {
        let name = self.name("owner");
        let (rtype, class) = (self.u16(), self.u16());
        let ttl = u32::from(self.u16()) << 16 | u32::from(self.u16());
        let flush = if class & 0x8000 == 0 { "" } else { " flush" };
        let length = usize::from(self.u16());
        let end = self.at + length;
        let data = self.data(rtype, length);
        assert_eq!(self.at, end, "the data of {name} {rtype} is not {length} bytes long");
        format!("{name} {ttl}{flush}{} {} {data}", class_text(class), type_text(rtype))
    }

    fn data(&mut self, rtype: u16, length: usize) -> String {
        let end = self.at + length;
        let place = type_text(rtype);
        match rtype {
            1 => Ipv4Addr::from(<[u8; 4]>::try_from(self.take(length)).unwrap()).to_string(),
            28 => Ipv6Addr::from(<[u8; 16]>::try_from(self.take(length)).unwrap()).to_string(),
            12 => self.name(&place),
            33 => {
                let numbers = [self.u16(), self.u16(), self.u16()].map(|number| number.to_string());
                format!("{} {}", numbers.join(" "), self.name(&place))
            }
            16 => {
                let mut strings = Vec::new();
                while self.at < end {
                    let length = usize::from(self.take(1)[0]);
                    strings.push(if length == 0 { "\"\"".into() } else { escaped(self.take(length), false) });
                }
                strings.join(" ")
            }
            47 => {
                let mut words = vec![self.name(&place)];
                while self.at < end {
                    assert_eq!(self.take(1), [0], "a bitmap block other than 0");
                    let length = usize::from(self.take(1)[0]);
                    assert!((1..=32).contains(&length));
                    let bitmap = self.take(length);
                    let types = (0..length * 8).filter(|bit| bitmap[bit / 8] & (0x80 >> (bit % 8)) != 0);
                    words.extend(types.map(|number| type_text(u16::try_from(number).unwrap())));
                }
                words.join(" ")
            }
            _ => {
                let hex: String = self.take(length).iter().map(|byte| format!("{byte:02x}")).collect();
                format!("\\# {hex}")
            }
        }
    }
}

fn class_text(class: u16) -> String {
    match class & 0x7fff {
        1 => String::new(),
        other => format!(" CLASS{other}"),
    }
}

fn escaped(bytes: &[u8], dots: bool) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '.' if dots => text.push_str("\\."),
                '\0'..=' ' | '\x7f' => text.push_str(&format!("\\{:03}", u32::from(c))),
                _ => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\{byte:03}")));
    }
    text
}
