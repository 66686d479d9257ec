//! Reading and writing messages beside hickory-proto, simple-dns and domain.
//!
//! `cargo run --release --bin codec` in `benches/`; `--smoke` only shows that it works.

use std::alloc::System;
use std::hint::black_box;

use domain::base::iana::Rtype;
use domain::base::message::RecordSection;
use domain::base::name::{FlattenInto as _, ToLabelIter as _, ToName as _};
use domain::base::{MessageBuilder, Name as DomainName, StaticCompressor};
use domain::rdata::AllRecordData;
use salut::wire::{Message, Packer, Record, Section};
use salut_benches::mix::{self, Sample};
use salut_benches::race::{Result, contender, race};
use salut_benches::report;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn heap() -> (usize, usize) {
    let stats = HEAP.stats();
    (stats.allocations + stats.reallocations, stats.bytes_allocated)
}

fn main() {
    let realistic = mix::realistic();
    println!("# Reading and writing messages");
    println!("\n{} packets, {} bytes", realistic.len(), total(&realistic));
    for sample in &realistic {
        println!("- {}: {} bytes", sample.name, sample.bytes.len());
    }
    read(&realistic);
    worst(&realistic);
    corpus();
    write();
}

fn total(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.bytes.len()).sum()
}

// ---- reading

fn by_hickory(bytes: &[u8]) -> usize {
    hickory_proto::op::Message::from_vec(bytes).map_or(0, |message| message.answers.len())
}

fn by_simple_dns(bytes: &[u8]) -> usize {
    simple_dns::Packet::parse(bytes).map_or(0, |packet| packet.answers.len())
}

/// Every question and every record with its data, in place.
fn by_domain(bytes: &[u8]) -> usize {
    let Ok(message) = domain::base::Message::from_octets(bytes) else { return 0 };
    let mut count = 0;
    for question in message.question() {
        let Ok(question) = question else { return count };
        count += usize::from(question.qname().compose_len());
    }
    let Ok(answer) = message.answer() else { return count };
    let mut section = Some(answer);
    while let Some(mut records) = section.take() {
        for record in &mut records {
            let Ok(record) = record else { return count };
            count += usize::from(record.owner().compose_len());
            if record.rtype() != Rtype::OPT
                && let Ok(Some(record)) = record.into_record::<AllRecordData<_, _>>()
            {
                black_box(&record);
                count += 1;
            }
        }
        section = records.next_section().ok().flatten();
    }
    count
}

/// Every question and every record with its data, in place.
fn by_salut(bytes: &[u8]) -> usize {
    let Ok(message) = Message::read(bytes) else { return 0 };
    let mut count = message.questions().inspect(|question| _ = black_box(question)).count();
    for record in message.records() {
        count += usize::from(black_box(record).is_sound());
    }
    count
}

/// The same with every name and all data copied out, as for a cache.
fn by_salut_kept(bytes: &[u8]) -> usize {
    let Ok(message) = Message::read(bytes) else { return 0 };
    let mut count = message.questions().inspect(|question| _ = black_box(question.name.to_name())).count();
    for record in message.records() {
        black_box((record.name.to_name(), record.data()));
        count += 1;
    }
    count
}

type Reader = fn(&[u8]) -> usize;

const READERS: [(&str, Reader); 5] = [
    ("hickory-proto", by_hickory),
    ("simple-dns", by_simple_dns),
    ("domain", by_domain),
    ("salut", by_salut),
    ("salut, all kept", by_salut_kept),
];

fn read_race(samples: &[Sample]) -> Vec<Result> {
    let contenders = READERS
        .iter()
        .map(|(name, read)| contender(name, || samples.iter().map(|s| read(black_box(&s.bytes))).sum()))
        .collect();
    race(contenders, heap)
}

fn read(samples: &[Sample]) {
    report::race("Read a message of the mix", "message", samples.len(), &read_race(samples));
}

/// The worst packet for each reader: how long a byte takes, and how many times the mix's that is.
fn worst(realistic: &[Sample]) {
    let usual: Vec<f64> =
        read_race(realistic).iter().map(|result| result.nanoseconds / total(realistic) as f64).collect();
    println!("\n### The worst packets, nanoseconds a byte\n");
    println!("| packet | bytes | {} |", READERS.map(|(name, _)| name).join(" | "));
    println!("|---|---|{}", "---|".repeat(READERS.len()));
    let mut worst = vec![0.0_f64; READERS.len()];
    for sample in mix::worst() {
        let bytes = sample.bytes.len();
        let results = read_race(std::slice::from_ref(&sample));
        let costs: Vec<f64> = results.iter().map(|result| result.nanoseconds / bytes as f64).collect();
        let cells: Vec<String> = costs.iter().map(|cost| format!("{cost:.2}")).collect();
        println!("| {} | {bytes} | {} |", sample.name, cells.join(" | "));
        for (worst, cost) in worst.iter_mut().zip(&costs) {
            *worst = worst.max(*cost);
        }
    }
    let line = |what: &str, values: Vec<f64>| {
        let cells: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
        println!("| **{what}** | | {} |", cells.join(" | "));
    };
    line("the mix", usual.clone());
    line("the worst", worst.clone());
    line("the worst by the mix", worst.iter().zip(&usual).map(|(worst, usual)| worst / usual).collect());
}

/// The longest time and the most heap that a packet of the corpus takes.
fn corpus() {
    let (mut slowest, mut largest) = ((0.0, String::new()), (0, String::new()));
    let packets = mix::corpus();
    for (name, bytes) in &packets {
        let results = race(vec![contender("salut, all kept", || by_salut_kept(black_box(bytes)))], heap);
        if results[0].nanoseconds > slowest.0 {
            slowest = (results[0].nanoseconds, name.clone());
        }
        let before = heap().1;
        black_box(by_salut_kept(bytes));
        let taken = heap().1 - before;
        if taken > largest.0 {
            largest = (taken, name.clone());
        }
    }
    println!("\n### The corpus of bad packets: {} packets\n", packets.len());
    println!("- slowest: {:.3} ms, {}", slowest.0 / 1e6, slowest.1);
    println!("- most heap, every record kept: {:.1} KiB, {}", largest.0 as f64 / 1024.0, largest.1);
}

// ---- writing

/// A message to write, in the form each packer wants it.
struct Task {
    hickory: hickory_proto::op::Message,
    simple_dns: simple_dns::Packet<'static>,
    domain: DomainTask,
    salut: SalutTask,
}

type DomainRecord = domain::base::Record<DomainName<Vec<u8>>, AllRecordData<Vec<u8>, DomainName<Vec<u8>>>>;

struct DomainTask {
    response: bool,
    questions: Vec<(DomainName<Vec<u8>>, Rtype)>,
    sections: [Vec<DomainRecord>; 3],
}

struct SalutTask {
    response: bool,
    questions: Vec<(salut::Name, salut::wire::RecordType, bool)>,
    records: Vec<(Section, Record)>,
}

impl Task {
    fn new(sample: &Sample) -> Self {
        let bytes = &sample.bytes;
        let message = Message::read(bytes).expect("a message");
        let leaked: &'static [u8] = bytes.clone().leak();
        Self {
            hickory: hickory_proto::op::Message::from_vec(bytes).expect("read by hickory-proto"),
            simple_dns: simple_dns::Packet::parse(leaked).expect("read by simple-dns"),
            domain: DomainTask::new(bytes, message.header().response),
            salut: SalutTask {
                response: message.header().response,
                questions: message.questions().map(|q| (q.name.to_name(), q.rtype, q.unicast)).collect(),
                records: message
                    .records()
                    .map(|record| {
                        let (cache_flush, ttl) = (record.cache_flush, record.ttl);
                        let data = record.data().expect("good data");
                        (record.section, Record { name: record.name.to_name(), cache_flush, ttl, data })
                    })
                    .collect(),
            },
        }
    }
}

impl DomainTask {
    fn new(bytes: &[u8], response: bool) -> Self {
        let message = domain::base::Message::from_octets(bytes).expect("read by domain");
        let questions = message
            .question()
            .map(|question| question.expect("a question"))
            .map(|question| (question.qname().to_name(), question.qtype()))
            .collect();
        let (_, answer, authority, additional) = message.sections().expect("sections");
        Self { response, questions, sections: [answer, authority, additional].map(flattened) }
    }

    /// With the compressor that writes the mix fastest.
    fn write(&self) -> usize {
        let target = StaticCompressor::new(Vec::with_capacity(512));
        let mut builder = MessageBuilder::from_target(target).expect("room for a header");
        builder.header_mut().set_qr(self.response);
        let mut builder = builder.question();
        for question in &self.questions {
            builder.push((&question.0, question.1)).expect("room");
        }
        let mut builder = builder.answer();
        for record in &self.sections[0] {
            builder.push(record).expect("room");
        }
        let mut builder = builder.authority();
        for record in &self.sections[1] {
            builder.push(record).expect("room");
        }
        let mut builder = builder.additional();
        for record in &self.sections[2] {
            builder.push(record).expect("room");
        }
        builder.finish().as_ref().len()
    }
}

fn flattened(section: RecordSection<'_, &[u8]>) -> Vec<DomainRecord> {
    section
        .map(|record| {
            let record = record.expect("a record");
            let record = record.into_record::<AllRecordData<_, _>>().expect("data").expect("all types");
            let (owner, class, ttl) = (record.owner().to_name(), record.class(), record.ttl());
            DomainRecord::new(owner, class, ttl, record.into_data().flatten_into())
        })
        .collect()
}

impl SalutTask {
    fn write(&self) -> usize {
        let mut packer = if self.response { Packer::response(1472) } else { Packer::query(1472) };
        for (name, rtype, unicast) in &self.questions {
            packer.question(name, *rtype, *unicast).expect("room");
        }
        for (section, Record { name, cache_flush, ttl, data }) in &self.records {
            packer.record(*section, name, *cache_flush, *ttl, data).expect("room");
        }
        packer.finish().len()
    }
}

fn write() {
    let samples = mix::plain();
    let tasks: Vec<Task> = samples.iter().map(Task::new).collect();
    let writers: [(&'static str, fn(&Task) -> usize); 4] = [
        ("hickory-proto", |task| task.hickory.to_vec().map_or(0, |bytes| bytes.len())),
        ("simple-dns", |task| task.simple_dns.build_bytes_vec_compressed().map_or(0, |bytes| bytes.len())),
        ("domain", |task| task.domain.write()),
        ("salut", |task| task.salut.write()),
    ];
    let contenders = writers
        .iter()
        .map(|(name, write)| contender(name, || tasks.iter().map(|task| write(black_box(task))).sum()))
        .collect();
    report::race("Write a message of the mix", "message", tasks.len(), &race(contenders, heap));
    println!("\n| who | bytes of the mix | to hickory-proto |\n|---|---|---|");
    let size = |write: fn(&Task) -> usize| tasks.iter().map(write).sum::<usize>();
    for (name, write) in writers {
        println!("| {name} | {} | {:.3} |", size(write), size(write) as f64 / size(writers[0].1) as f64);
    }
}
