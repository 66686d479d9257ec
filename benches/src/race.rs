//! Timing several things beside each other: in turns of a few milliseconds, so that whatever
//! else the machine does meets all of them alike. Only the ratios of one run mean anything.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One turn of one contender lasts about this long.
const TURN: Duration = Duration::from_millis(4);

/// Turns of each contender.
const ROUNDS: usize = 25;

/// Somebody who does the work.
pub struct Contender<'a> {
    pub name: &'static str,
    work: Box<dyn FnMut() -> usize + 'a>,
}

/// What one contender needed.
#[derive(Debug, Clone)]
pub struct Result {
    pub name: &'static str,
    /// Nanoseconds for one call, the median of all turns.
    pub nanoseconds: f64,
    /// The median of the ratios to the first contender's turn of the same round.
    pub ratio: f64,
    /// Heap allocations in one call.
    pub allocations: f64,
    /// Bytes asked for in one call.
    pub allocated_bytes: f64,
}

/// What counts heap allocations so far: how many, and how many bytes.
pub type Count = fn() -> (usize, usize);

/// Something to time; what `work` returns only keeps it from being optimised away.
pub fn contender<'a>(name: &'static str, work: impl FnMut() -> usize + 'a) -> Contender<'a> {
    Contender { name, work: Box::new(work) }
}

/// Times all of them; the first is the one the others are compared with.
pub fn race(mut contenders: Vec<Contender<'_>>, count: Count) -> Vec<Result> {
    let calls: Vec<u32> = contenders.iter_mut().map(|contender| calibrate(&mut contender.work)).collect();
    let rounds = if is_smoke() { 1 } else { ROUNDS };
    let mut turns = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for ((contender, calls), turns) in contenders.iter_mut().zip(&calls).zip(&mut turns) {
            turns.push(time(&mut contender.work, *calls));
        }
    }
    let first = turns[0].clone();
    contenders
        .iter_mut()
        .zip(&turns)
        .map(|(contender, turns)| {
            let before = count();
            black_box((contender.work)());
            let after = count();
            Result {
                name: contender.name,
                nanoseconds: median(turns.clone()),
                ratio: median(turns.iter().zip(&first).map(|(own, first)| own / first).collect()),
                allocations: (after.0 - before.0) as f64,
                allocated_bytes: (after.1 - before.1) as f64,
            }
        })
        .collect()
}

/// Whether this run only shows that everything still works: `--smoke`.
pub fn is_smoke() -> bool {
    std::env::args().any(|argument| argument == "--smoke")
}

fn calibrate(work: &mut impl FnMut() -> usize) -> u32 {
    if is_smoke() {
        return 1;
    }
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < TURN {
        black_box(work());
        calls += 1;
    }
    calls.max(1)
}

/// Nanoseconds for one call.
fn time(work: &mut impl FnMut() -> usize, calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
