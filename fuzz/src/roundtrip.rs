//! What was read is written, and what was written is read again: the same.

use salut::Name;
use salut::wire::{MAX_SENT_BYTES, Message, Packer, Record, RecordType, Section};

/// The first byte chooses the limit of a packet and its kind.
pub fn run(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let Ok(message) = Message::read(bytes) else { return };
    let limit = [64, 512, 1440, MAX_SENT_BYTES][usize::from(choice % 4)];
    let legacy = choice & 0x80 != 0;
    let header = message.header();
    let mut packer = match (legacy, header.response) {
        (true, _) => Packer::legacy(limit, header.id),
        (_, true) => Packer::response(limit),
        _ => Packer::query(limit),
    };
    packer.set_truncated(header.truncated);
    let mut questions: Vec<(Name, RecordType, bool)> = Vec::new();
    for question in message.questions() {
        let (name, rtype, unicast) = (question.name.to_name(), question.rtype, question.unicast);
        // The same again but for its class: only class IN is written.
        let known = questions.iter().any(|one| *one == (name.clone(), rtype, unicast));
        let before = packer.len();
        match packer.question(&name, rtype, unicast) {
            Ok(()) if !known => questions.push((name, rtype, unicast)),
            Ok(()) => {}
            Err(_) => assert_eq!(packer.len(), before),
        }
    }
    let mut records: Vec<(Section, Record)> = Vec::new();
    for record in message.records() {
        let Some(data) = record.data() else { continue };
        let flush = record.cache_flush;
        let copy =
            Record { name: record.name.to_name(), cache_flush: flush && !legacy, ttl: record.ttl, data };
        let before = packer.len();
        match packer.record(record.section, &copy.name, flush, copy.ttl, &copy.data) {
            Ok(()) => records.push((record.section, copy)),
            Err(_) => assert_eq!(packer.len(), before),
        }
    }
    assert_eq!(packer.record_count(), records.len());
    let (length, empty) = (packer.len(), packer.is_empty());
    let packet = packer.finish();
    assert!(packet.len() == length && length <= limit.max(12));
    assert_eq!(empty, questions.is_empty() && records.is_empty());

    let again = Message::read(&packet).expect("what we write can be read");
    assert_eq!(again.header().truncated, header.truncated);
    let read: Vec<_> = again.questions().map(|q| (q.name.to_name(), q.rtype, q.unicast)).collect();
    assert_eq!(read, questions);
    let mut count = 0;
    for (record, (section, wanted)) in again.records().zip(&records) {
        let data = record.data().unwrap_or_else(|| panic!("{wanted:?} cannot be read again"));
        let read =
            Record { name: record.name.to_name(), cache_flush: record.cache_flush, ttl: record.ttl, data };
        assert_eq!((record.section, &read), (*section, wanted));
        // Equal names may differ in the case of their letters; ours must not.
        assert_eq!(read.name.wire(), wanted.name.wire());
        assert_eq!(uncompressed(&read), uncompressed(wanted));
        count += 1;
    }
    assert_eq!(count, records.len());
}

fn uncompressed(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.data.write_uncompressed(&record.name, &mut bytes);
    bytes
}
