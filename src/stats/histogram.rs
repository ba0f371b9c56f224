//! Histograms with fixed bounds, as Prometheus has them. Relaxed atomics: an observation is two additions and never allocates. Pure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Figures sorted into `N` buckets and one above them. Values and bounds are whole numbers of the owner's unit.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    /// The largest value of each bucket, ascending.
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

/// A histogram at about one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) bounds: &'static [u64],
    /// How many fell into each bucket, not cumulated; the last one is above all bounds.
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: u64,
}

impl<const N: usize> Histogram<N> {
    pub(crate) fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::default()),
            above: AtomicU64::default(),
            sum: AtomicU64::default(),
        }
    }

    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.bucket(bucket).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counted in microseconds.
    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(micros(duration));
    }

    /// Adds what another one of the same bounds has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        for bucket in 0..=N {
            let count = other.bucket(bucket).load(Ordering::Relaxed);
            self.bucket(bucket).fetch_add(count, Ordering::Relaxed);
        }
        self.sum.fetch_add(other.sum(), Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let counts = (0..=N).map(|bucket| self.bucket(bucket).load(Ordering::Relaxed));
        Snapshot {
            bounds: self.bounds,
            counts: counts.collect(),
            sum: self.sum(),
        }
    }

    fn bucket(&self, number: usize) -> &AtomicU64 {
        self.counts.get(number).unwrap_or(&self.above)
    }
}

impl Snapshot {
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that `percent` of 100 do not exceed, as near as the buckets tell: within one, values are taken to be spread
    /// evenly, and above the last bound is that bound. `None` without any.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let (mut below, mut low) = (0, 0);
        for (index, count) in self.counts.iter().enumerate() {
            let Some(high) = self.bounds.get(index).copied() else {
                break;
            };
            if below + count >= rank {
                let part = (high - low).saturating_mul(rank - below);
                return Some(low + part / count.max(&1));
            }
            (below, low) = (below + count, high);
        }
        (self.count() > 0).then_some(low)
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [u64; 3] = [10, 20, 40];

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&BOUNDS);
        for value in [0, 10, 11, 20, 21, 40, 41, 1000] {
            histogram.observe(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.counts, [2, 2, 2, 2]);
        assert_eq!((snapshot.count(), snapshot.sum), (8, 1143));
        assert_eq!(snapshot.bounds, BOUNDS);
    }

    #[test]
    fn durations_are_microseconds() {
        let histogram = Histogram::new(&BOUNDS);
        histogram.observe_duration(Duration::from_micros(20));
        histogram.observe_duration(Duration::from_nanos(20_999));
        histogram.observe_duration(Duration::from_micros(21));
        assert_eq!(histogram.snapshot().counts, [0, 2, 1, 0]);
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }

    #[test]
    fn what_is_absorbed_is_added() {
        let (all, more) = (Histogram::new(&BOUNDS), Histogram::new(&BOUNDS));
        all.observe(15);
        more.observe(15);
        more.observe(99);
        all.absorb(&more);
        let both = all.snapshot();
        assert_eq!((both.counts.as_slice(), both.sum), (&[0, 2, 0, 1][..], 129));
    }

    #[test]
    fn percentiles_are_as_near_as_the_buckets_tell() {
        let check = |values: &[u64], percent, expected| {
            let histogram = Histogram::new(&BOUNDS);
            for value in values {
                histogram.observe(*value);
            }
            let found = histogram.snapshot().percentile(percent);
            assert_eq!(found, expected, "{values:?} {percent}");
        };
        check(&[], 50, None);
        check(&[3], 50, Some(10));
        check(&[15, 15], 50, Some(15));
        check(&[15, 15], 100, Some(20));
        check(&[1, 1, 1, 39], 95, Some(40));
        check(&[1, 1, 1, 39], 75, Some(10));
        check(&[500], 99, Some(40));
    }
}
