//! A sliding window of requests and failures, in buckets of a second. Pure; never allocates.

use std::time::{Duration, Instant};

/// How far back it looks. Source: the specification's §7.
pub(crate) const LENGTH: Duration = Duration::from_secs(BUCKETS as u64);

const BUCKETS: usize = 60;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Since `Window::start`.
    second: u64,
    requests: u32,
    failures: u32,
}

#[derive(Debug)]
pub(crate) struct Window {
    start: Instant,
    buckets: [Bucket; BUCKETS],
}

impl Window {
    /// An empty one that begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            buckets: [Bucket::default(); BUCKETS],
        }
    }

    pub(crate) fn count(&mut self, failed: bool, now: Instant) {
        let second = self.second(now);
        let place = usize::try_from(second % LENGTH.as_secs()).unwrap_or_default();
        let Some(bucket) = self.buckets.get_mut(place) else {
            return;
        };
        if bucket.second != second {
            *bucket = Bucket {
                second,
                ..Bucket::default()
            };
        }
        bucket.requests = bucket.requests.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(u32::from(failed));
    }

    /// Requests and failures of the last `LENGTH`, to the second.
    pub(crate) fn sums(&self, now: Instant) -> (u32, u32) {
        let second = self.second(now);
        self.buckets
            .iter()
            .filter(|bucket| second.saturating_sub(bucket.second) < LENGTH.as_secs())
            .fold((0, 0), |(requests, failures), bucket| {
                (
                    bucket.requests.saturating_add(requests),
                    bucket.failures.saturating_add(failures),
                )
            })
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_minute_no_longer_counts() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut window = Window::new(t0);
        assert_eq!(window.sums(at(1000)), (0, 0));
        window.count(true, at(1000));
        window.count(false, at(1000));
        window.count(false, at(1059));
        assert_eq!(window.sums(at(1059)), (3, 1));
        assert_eq!(window.sums(at(1060)), (1, 0));
        window.count(true, at(1060)); // takes the bucket of second 1000
        assert_eq!(window.sums(at(1060)), (2, 1));
        assert_eq!(window.sums(at(5000)), (0, 0));
        // A clock that stands still or is asked out of order harms nothing.
        window.count(true, at(10));
        assert_eq!(window.sums(t0), window.sums(t0));
    }
}
