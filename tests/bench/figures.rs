//! The figures of one load. Pure.

use std::time::Duration;

use crate::load::{Measured, Sample};

/// What a fault did to a fleet, compared with the healthy one of the same load.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) errors: usize,
    /// Attempts a request.
    pub(crate) attempts: Option<f64>,
    /// Requests that needed another attempt.
    pub(crate) met: usize,
    /// Milliseconds that a quantile of those is above the same quantile of all requests of the healthy fleet.
    pub(crate) met_p50: Option<f64>,
    pub(crate) met_p99: Option<f64>,
    /// The same of all requests.
    pub(crate) all_p50: Option<f64>,
    pub(crate) all_p99: Option<f64>,
}

impl Figures {
    pub(crate) fn of(measured: &Measured) -> Self {
        let (healthy, all) = (sorted(&measured.healthy), sorted(&measured.faulty));
        let has_met = |sample: &&Sample| sample.attempts.is_some_and(|attempts| attempts > 1);
        let met = sorted(measured.faulty.iter().filter(has_met));
        let attempts = || measured.faulty.iter().filter_map(|sample| sample.attempts);
        Self {
            requests: all.len(),
            errors: measured
                .faulty
                .iter()
                .filter(|sample| sample.error.is_some())
                .count(),
            attempts: ratio(attempts().map(u64::from).sum(), attempts().count()),
            met: met.len(),
            met_p50: added(&met, &healthy, 50),
            met_p99: added(&met, &healthy, 99),
            all_p50: added(&all, &healthy, 50),
            all_p99: added(&all, &healthy, 99),
        }
    }

    /// In percent.
    pub(crate) fn error_rate(&self) -> Option<f64> {
        ratio(self.errors as u64 * 100, self.requests)
    }
}

/// The times in ascending order.
pub(crate) fn sorted<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Vec<Duration> {
    let mut times: Vec<_> = samples.into_iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    times
}

/// The smallest of these times that `percent` of them do not exceed, in milliseconds.
pub(crate) fn quantile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let time = sorted.get(rank.checked_sub(1)?)?;
    Some(time.as_secs_f64() * 1000.0)
}

fn added(times: &[Duration], healthy: &[Duration], percent: usize) -> Option<f64> {
    Some(quantile(times, percent)? - quantile(healthy, percent)?)
}

fn ratio(sum: u64, count: usize) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}
