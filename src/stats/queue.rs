//! Counters of the queue, their snapshot, and how fast it drains. Relaxed atomics: a snapshot is not one instant. Reads no clock.
//! Follows the specification's §4.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::recent::Recent;
use crate::stats::histogram::{Histogram, Snapshot};

/// Seconds that the drain rate looks back.
const DRAIN_SECONDS: usize = 10;
/// What a client is told to wait at least and at most.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Waits, in microseconds: 1 ms to two minutes.
const WAIT_BOUNDS: [u64; 14] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
];

/// What has happened to requests before an account took them. It outlives reloads.
#[derive(Debug)]
pub(crate) struct QueueStats {
    enqueued: AtomicU64,
    rejected: AtomicU64,
    expired: AtomicU64,
    /// Those among the expired that a worker had already.
    expired_late: AtomicU64,
    peak: AtomicUsize,
    /// Milliseconds.
    waits: Mutex<Recent>,
    all_waits: Histogram<{ WAIT_BOUNDS.len() }>,
    drain: Mutex<Drain>,
}

/// Requests that left the queue to be served, second by second.
#[derive(Debug)]
struct Drain {
    start: Instant,
    /// The second since `start`, and how many.
    seconds: [(u64, u32); DRAIN_SECONDS],
}

/// The counters at about one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueView {
    /// Requests that were let in.
    pub(crate) enqueued: u64,
    /// Requests that found the queue full.
    pub(crate) rejected: u64,
    /// Requests that waited too long.
    pub(crate) expired: u64,
    /// Requests that no worker has ever had, for being rejected or expired.
    pub(crate) unserved: u64,
    /// The most that ever waited at once.
    pub(crate) peak: usize,
    /// The latest requests' waits, milliseconds: p50, p90, p99; `None` before the first.
    pub(crate) waits: [Option<u32>; 3],
    /// All waits, microseconds.
    pub(crate) all_waits: Snapshot,
}

impl QueueStats {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            enqueued: AtomicU64::default(),
            rejected: AtomicU64::default(),
            expired: AtomicU64::default(),
            expired_late: AtomicU64::default(),
            peak: AtomicUsize::default(),
            waits: Mutex::default(),
            all_waits: Histogram::new(&WAIT_BOUNDS),
            drain: Mutex::new(Drain {
                start: now,
                seconds: [(0, 0); DRAIN_SECONDS],
            }),
        }
    }

    /// A request was let in; with it, so many wait.
    pub(crate) fn enqueued(&self, waiting: usize) {
        self.enqueued.fetch_add(1, Ordering::Relaxed);
        self.waiting(waiting);
    }

    /// So many wait now.
    pub(crate) fn waiting(&self, waiting: usize) {
        self.peak.fetch_max(waiting, Ordering::Relaxed);
    }

    pub(crate) fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has waited too long for a worker.
    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that a worker had has waited too long for an account.
    pub(crate) fn expired_late(&self) {
        self.expired_late.fetch_add(1, Ordering::Relaxed);
        self.expired();
    }

    /// A request has waited this long for its first attempt.
    pub(crate) fn waited(&self, wait: Duration, now: Instant) {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self.waits.lock().add(millis);
        self.all_waits.observe_duration(wait);
        self.drain.lock().count(now);
    }

    /// When it makes sense to come back while so many wait: once they will have been served, at the rate of the latest
    /// seconds. Whole seconds, 1 to 60.
    pub(crate) fn retry_after(&self, waiting: usize, now: Instant) -> Duration {
        let (served, seconds) = self.drain.lock().rate(now);
        let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
        // Nobody is served at all: nothing sooner can be promised.
        let needed = waiting
            .saturating_mul(seconds)
            .checked_div(served)
            .map_or(LONGEST_RETRY, |needed| Duration::from_secs(needed + 1));
        needed.clamp(SHORTEST_RETRY, LONGEST_RETRY)
    }

    pub(crate) fn view(&self) -> QueueView {
        let waits = self.waits.lock().clone();
        // In this order, so that no more are late than have expired.
        let late = self.expired_late.load(Ordering::Relaxed);
        let expired = self.expired.load(Ordering::Relaxed);
        let rejected = self.rejected.load(Ordering::Relaxed);
        QueueView {
            enqueued: self.enqueued.load(Ordering::Relaxed),
            rejected,
            expired,
            unserved: rejected + expired.saturating_sub(late),
            peak: self.peak.load(Ordering::Relaxed),
            waits: waits.percentiles([50, 90, 99]),
            all_waits: self.all_waits.snapshot(),
        }
    }
}

impl Drain {
    fn count(&mut self, now: Instant) {
        let second = self.second(now);
        let place = usize::try_from(second).unwrap_or(0) % DRAIN_SECONDS;
        if let Some(slot) = self.seconds.get_mut(place) {
            if slot.0 != second {
                *slot = (second, 0);
            }
            slot.1 = slot.1.saturating_add(1);
        }
    }

    /// How many were served, and in how many seconds.
    fn rate(&self, now: Instant) -> (u64, u64) {
        let second = self.second(now);
        let window = u64::try_from(DRAIN_SECONDS).unwrap_or(u64::MAX);
        let recent = self.seconds.iter();
        let served = recent
            .filter(|(of, _)| second.saturating_sub(*of) < window)
            .map(|(_, count)| u64::from(*count))
            .sum();
        (served, window.min(second + 1))
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_turned_away_is_counted_once() {
        let stats = QueueStats::new(Instant::now());
        stats.rejected();
        stats.expired();
        stats.expired();
        stats.expired_late();
        let view = stats.view();
        assert_eq!((view.rejected, view.expired, view.unserved), (1, 3, 3));
    }

    #[test]
    fn who_finds_the_queue_full_is_told_when_it_will_have_drained() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let stats = QueueStats::new(t0);
        let check = |waiting, now, expected| {
            let told = stats.retry_after(waiting, at(now));
            assert_eq!(told, Duration::from_secs(expected), "{waiting} at {now}");
        };
        check(5, 0, 60);
        for second in 0..10 {
            for _ in 0..4 {
                stats.waited(Duration::ZERO, at(second));
            }
        }
        check(0, 9, 1);
        check(3, 9, 1);
        check(40, 9, 11);
        check(2000, 9, 60);
        // Half a window later only half of them count.
        check(40, 14, 21);
        check(40, 30, 60);
        stats.waited(Duration::ZERO, at(30));
        check(2, 30, 21);
    }
}
