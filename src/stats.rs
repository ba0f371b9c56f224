//! Counters of the queue and their snapshot. Relaxed atomics: a snapshot is not one instant. What accounts count stands in
//! `accounts`. Follows the specification's §4.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::recent::Recent;

/// What has happened to requests before an account took them. It outlives reloads.
#[derive(Debug, Default)]
pub(crate) struct QueueStats {
    enqueued: AtomicU64,
    rejected: AtomicU64,
    expired: AtomicU64,
    peak: AtomicUsize,
    /// Milliseconds.
    waits: Mutex<Recent>,
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
    /// The most that ever waited at once.
    pub(crate) peak: usize,
    /// The latest requests' waits, milliseconds: p50, p90, p99; `None` before the first.
    pub(crate) waits: [Option<u32>; 3],
}

impl QueueStats {
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

    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has waited this long for its first attempt.
    pub(crate) fn waited(&self, wait: Duration) {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self.waits.lock().add(millis);
    }

    pub(crate) fn view(&self) -> QueueView {
        let waits = self.waits.lock().clone();
        QueueView {
            enqueued: self.enqueued.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            peak: self.peak.load(Ordering::Relaxed),
            waits: waits.percentiles([50, 90, 99]),
        }
    }
}
