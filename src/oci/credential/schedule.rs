//! When the next token is asked for. Pure: the clock and randomness are passed in. Source: reference §2.3 ("refresh when exp - 60 s
//! passes"); here earlier, so that a service which is away for a while is noticed by nobody.

use std::time::{Duration, Instant};

/// A token is renewed this long before its end, or halfway if it lives no longer than twice that.
const AHEAD: Duration = Duration::from_secs(300);
/// The pause after a first failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest pause after failures.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// Between two tokens that were asked for because OCI refused the one before.
const EARLY_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Schedule {
    due: Instant,
    failures: u32,
    /// When a token was asked for early.
    early: Option<Instant>,
}

impl Schedule {
    /// The first token is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            failures: 0,
            early: None,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A token has come that lives so long. `random`: any number.
    pub(super) fn succeeded(&mut self, life: Duration, random: u32, now: Instant) {
        self.failures = 0;
        let wait = (life / 2).max(life.saturating_sub(AHEAD));
        self.due = now + wait - jitter(wait / 10, random);
    }

    /// None has come.
    pub(super) fn failed(&mut self, random: u32, now: Instant) {
        let doubled = FIRST_RETRY * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(MAX_RETRY);
        self.due = now + full / 2 + jitter(full / 2, random);
    }

    /// OCI has refused the present one.
    pub(super) fn refused(&mut self, now: Instant) {
        let from = self.early.map_or(now, |early| now.max(early + EARLY_PAUSE));
        if from < self.due {
            self.due = from;
            self.early = Some(from);
        }
    }
}

/// Up to `most`, so that what failed together does not come back together.
fn jitter(most: Duration, random: u32) -> Duration {
    most * (random % 1000) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_renewed_well_before_its_end() {
        let t0 = Instant::now();
        for (life, random, from, to) in [
            (secs(3600), 0, secs(3300), secs(3300)),
            (secs(3600), 999, secs(2970), secs(2971)),
            (secs(600), 0, secs(300), secs(300)),
            (secs(3), 0, Duration::from_millis(1500), secs(2)),
            (Duration::ZERO, 500, Duration::ZERO, Duration::ZERO),
        ] {
            let mut schedule = Schedule::new(t0);
            schedule.succeeded(life, random, t0);
            let wait = schedule.due() - t0;
            assert!(from <= wait && wait <= to, "{life:?}: {wait:?}");
        }
    }

    #[test]
    fn pauses_after_failures_grow_and_are_bounded() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        assert_eq!(schedule.due(), t0);
        schedule.failed(0, t0);
        assert_eq!(schedule.due(), t0 + FIRST_RETRY / 2);
        for _ in 0..40 {
            schedule.failed(u32::MAX, t0);
            assert!(schedule.due() <= t0 + MAX_RETRY);
        }
        assert!(schedule.due() >= t0 + MAX_RETRY / 2);
        schedule.succeeded(secs(3600), 0, t0);
        schedule.failed(0, t0);
        assert_eq!(schedule.due(), t0 + FIRST_RETRY / 2);
    }

    #[test]
    fn a_refusal_brings_the_next_token_forward_and_not_again_at_once() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.succeeded(secs(3600), 0, t0);
        schedule.refused(t0 + secs(1));
        assert_eq!(schedule.due(), t0 + secs(1));
        schedule.succeeded(secs(3600), 0, t0 + secs(2));
        schedule.refused(t0 + secs(3));
        assert_eq!(schedule.due(), t0 + secs(1) + EARLY_PAUSE);
        // What is due anyway stays as it is.
        schedule.failed(0, t0 + secs(4));
        let due = schedule.due();
        schedule.refused(t0 + secs(4));
        assert_eq!(schedule.due(), due);
    }
}
