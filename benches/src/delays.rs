//! How long many runs of the same took.

/// The last columns of a table of delays, from [`Delays::cells`].
pub const HEAD: &str = "runs | median, ms | p95, ms | max, ms | never |\n|---|---|---|---|---|---|---|";

/// The delays of many runs, in milliseconds; `None`: not as long as was waited.
#[derive(Debug, Clone)]
pub struct Delays {
    sorted: Vec<Option<f64>>,
}

impl Delays {
    pub fn new(mut delays: Vec<Option<f64>>) -> Self {
        let key = |delay: &Option<f64>| delay.unwrap_or(f64::INFINITY);
        delays.sort_by(|one, other| key(one).total_cmp(&key(other)));
        Self { sorted: delays }
    }

    /// Within what time this part of the runs, 0 to 1, was done, if it was.
    pub fn at(&self, part: f64) -> Option<f64> {
        let rank = (self.sorted.len() as f64 * part).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied().flatten()
    }

    pub fn missed(&self) -> usize {
        self.sorted.iter().filter(|delay| delay.is_none()).count()
    }

    /// The cells under [`HEAD`].
    pub fn cells(&self) -> String {
        // A part of a millisecond counts only where there are few.
        let text = |delay: f64| format!("{delay:.*}", usize::from(delay < 20.0));
        let at = |part| self.at(part).map_or("never".to_owned(), text);
        format!("{} | {} | {} | {} | {}", self.sorted.len(), at(0.5), at(0.95), at(1.0), self.missed())
    }
}
