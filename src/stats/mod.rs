//! Counters and their snapshots. What accounts count stands in `accounts`.

pub(crate) mod queue;
