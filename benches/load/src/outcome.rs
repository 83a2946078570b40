//! What came of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::connection::Fault;

/// What takes longer than a minute, in microseconds, counts as a minute: no request may take so long.
const LONGEST_US: u64 = 60_000_000;

/// Requests counted, and what they took.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Microseconds, to three digits, of what was answered as it ought to be.
    latency: Histogram<u64>,
    /// The others.
    pub(crate) faults: BTreeMap<Fault, u64>,
    /// How long it took altogether.
    pub(crate) elapsed: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_max(LONGEST_US, 3).expect("three digits are allowed");
        Self { latency, faults: BTreeMap::new(), elapsed: Duration::ZERO }
    }
}

impl Tally {
    /// A request was answered after so long.
    pub(crate) fn answered(&mut self, after: Duration) {
        self.latency.saturating_record(after.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// One was not, or not well.
    pub(crate) fn failed(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Adds what another worker, or another run, has done. Times of runs are added, too.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("both go to the same maximum");
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
        self.elapsed += other.elapsed;
    }

    /// Requests that were answered well.
    pub(crate) fn good(&self) -> u64 {
        self.latency.len()
    }

    /// Requests that were not.
    pub(crate) fn bad(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.good() as f64 / seconds } else { 0.0 }
    }

    /// The time within which this part of the good answers came, 0.99 for instance; milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        self.latency.value_at_quantile(part) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let mut sum = Tally::default();
        for milliseconds in 1..=100 {
            let mut one = Tally::default();
            one.answered(Duration::from_millis(milliseconds));
            one.failed(Fault::Status(404));
            one.elapsed = Duration::from_millis(10);
            sum.merge(&one);
        }
        assert_eq!((sum.good(), sum.bad()), (100, 100));
        assert!((sum.rate() - 100.0).abs() < 1e-9, "{}", sum.rate());
        assert!((sum.quantile_ms(0.5) - 50.0).abs() < 0.1 && (sum.quantile_ms(0.99) - 99.0).abs() < 0.1);
        assert_eq!(sum.faults, BTreeMap::from([(Fault::Status(404), 100)]));
    }
}
