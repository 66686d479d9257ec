//! Any bytes as a message: reading ends, stays within its bounds, says the same twice, and
//! prints nothing that is a command to a terminal.

use std::fmt::Debug;

use salut::Name;
use salut::wire::{MAX_DECOMPRESSED_BYTES, MAX_PAYLOAD_BYTES, MAX_QUESTIONS, MAX_RECORDS, Message, NameRef};

pub fn run(bytes: &[u8]) {
    let Ok(message) = Message::read(bytes) else { return };
    assert!(bytes.len() <= MAX_PAYLOAD_BYTES);
    let mut decompressed = 0;
    let mut questions = 0;
    for question in message.questions() {
        questions += 1;
        decompressed += check_name(&question.name);
        assert!(question.class < 0x8000);
    }
    assert!(questions <= MAX_QUESTIONS && questions <= usize::from(message.header().questions));
    assert!(decompressed <= MAX_DECOMPRESSED_BYTES);
    let mut records = 0;
    let mut sections = Vec::new();
    decompressed = 0;
    for record in message.records() {
        records += 1;
        decompressed += check_name(&record.name);
        sections.push(record.section);
        if let Some(data) = record.data() {
            assert!(record.data_is(&data), "{data:?} is not itself");
            assert_eq!(data.record_type(), record.rtype);
            check_text(&data);
        }
    }
    assert!(records <= MAX_RECORDS && decompressed <= MAX_DECOMPRESSED_BYTES);
    assert!(sections.is_sorted());
    assert_eq!(format!("{:?}", message.records()), format!("{:?}", message.records()));
    if let Some(bytes) = message.question_bytes() {
        assert!(bytes.len() >= 5 * usize::from(message.header().questions));
    }
}

/// A name in a packet and on its own are the same. Gives its length.
fn check_name(name: &NameRef<'_>) -> usize {
    let owned = name.to_name();
    assert!(name.is(&owned));
    assert_eq!(Name::from_wire(owned.wire()).as_ref(), Some(&owned));
    assert_eq!(name.is_local(), owned.is_local());
    assert!(owned.labels().count() <= 127);
    let text = owned.to_string();
    let again: Name = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(again.wire(), owned.wire(), "{text}");
    check_text(&owned);
    owned.wire().len()
}

fn check_text(value: &dyn Debug) {
    assert!(!format!("{value:?}").chars().any(char::is_control));
}
