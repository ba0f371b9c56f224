//! The retry budget: how many further attempts all requests together may make, so that an outage is not multiplied. Pure.
//! Follows the specification's §6: 20 % of requests and 10 a second.

use std::time::{Duration, Instant};

/// In thousandths of an attempt.
const PER_REQUEST: u64 = 200;
const PER_SECOND: u64 = 10_000;
const ATTEMPT: u64 = 1000;
/// What there is at the start: ten seconds' worth.
pub(crate) const START: u64 = 100;
/// What can be saved up, in attempts.
pub(crate) const MOST: u64 = 500;

#[derive(Debug)]
pub(crate) struct Budget {
    /// Thousandths of an attempt.
    left: u64,
    filled: Instant,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: START * ATTEMPT,
            filled: now,
        }
    }

    /// A request has come.
    pub(crate) fn request(&mut self) {
        self.add(PER_REQUEST);
    }

    /// Takes a further attempt out; `false` if there is none.
    pub(crate) fn draw(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        // Whole milliseconds only: what is left of one counts the next time.
        self.filled += Duration::from_millis(millis);
        self.add(millis.saturating_mul(PER_SECOND / 1000));
        let allowed = self.left >= ATTEMPT;
        if allowed {
            self.left -= ATTEMPT;
        }
        allowed
    }

    /// An attempt that was taken out is not made.
    pub(crate) fn refund(&mut self) {
        self.add(ATTEMPT);
    }

    fn add(&mut self, thousandths: u64) {
        self.left = self.left.saturating_add(thousandths).min(MOST * ATTEMPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(budget: &mut Budget, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.draw(now)).count()
    }

    #[test]
    fn requests_and_seconds_fill_it_up_to_a_bound() {
        let t0 = Instant::now();
        let mut budget = Budget::new(t0);
        assert_eq!(drawn(&mut budget, t0), 100);
        for _ in 0..50 {
            budget.request();
        }
        assert_eq!(drawn(&mut budget, t0), 10);
        budget.refund();
        assert_eq!(drawn(&mut budget, t0), 1);
        assert_eq!(drawn(&mut budget, t0 + Duration::from_millis(2999)), 29);
        assert_eq!(drawn(&mut budget, t0 + Duration::from_secs(3)), 1);
        assert_eq!(drawn(&mut budget, t0 + Duration::from_secs(86_400)), 500);
        assert_eq!(drawn(&mut budget, t0), 0);
    }
}
