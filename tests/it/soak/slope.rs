//! Samples and the line through them.

use std::time::Duration;

use crate::hostile::Usage;

/// What the system has said of the program; all lists are as long.
#[derive(Default)]
pub(super) struct Series {
    /// Seconds.
    pub(super) times: Vec<f64>,
    /// KiB.
    pub(super) resident: Vec<f64>,
    pub(super) threads: Vec<f64>,
    pub(super) files: Vec<f64>,
}

impl Series {
    pub(super) fn add(&mut self, at: Duration, usage: Usage) {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap());
        self.times.push(at.as_secs_f64());
        self.resident.push(number(usage.resident));
        self.threads.push(number(usage.threads));
        self.files.push(number(usage.files));
    }

    pub(super) fn span(&self) -> Duration {
        let (first, last) = (self.times.first().unwrap(), self.times.last().unwrap());
        Duration::from_secs_f64(last - first)
    }
}

/// Of the least-squares line, in units of `values` an hour.
pub(super) fn slope_per_hour(times: &[f64], values: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(times.len()).unwrap());
    let mean = |list: &[f64]| list.iter().sum::<f64>() / count;
    let (time, value) = (mean(times), mean(values));
    let pairs = || times.iter().zip(values);
    let above: f64 = pairs().map(|(t, v)| (t - time) * (v - value)).sum();
    let below: f64 = times.iter().map(|t| (t - time).powi(2)).sum();
    3600.0 * above / below
}

#[test]
fn the_slope_of_a_line_is_its_own() {
    let times = [0.0, 10.0, 20.0, 30.0];
    let line = times.map(|t| 5.0 + t / 3600.0 * 7.0);
    assert!((slope_per_hour(&times, &line) - 7.0).abs() < 1e-6);
    assert!(slope_per_hour(&times, &[1.0, 2.0, 2.0, 1.0]).abs() < 1e-6);
}
