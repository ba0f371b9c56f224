//! Cooldowns after 429: an account that OCI throttles for one model gets no request for that model for a while. OCI usually
//! does not say how long, so it is 1 s, 2 s, 4 s … 60 s. Pure. Follows the specification's §7.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first cooldown without a `Retry-After`; doubled each time.
const FIRST: Duration = Duration::from_secs(1);
/// The longest without a `Retry-After`.
const LONGEST: Duration = Duration::from_secs(60);
/// A pair that was quiet for this long after its cooldown begins at `FIRST` again.
const FORGET: Duration = Duration::from_secs(60);
/// Models that are remembered for one account. More than any configuration names; the one that ends first makes room.
const MAX_MODELS: usize = 1024;

/// The models of one account that are or were cooling.
#[derive(Debug, Default)]
pub(crate) struct Cooldowns(Vec<Cooldown>);

#[derive(Debug, Clone)]
struct Cooldown {
    model: Arc<str>,
    /// Cooldowns in a row, this one included.
    steps: u32,
    since: Instant,
    until: Instant,
}

impl Cooldowns {
    /// When the model may be asked for again; `None`: now.
    pub(crate) fn until(&self, model: &str, now: Instant) -> Option<Instant> {
        let found = self.0.iter().find(|pair| &*pair.model == model);
        found.map(|pair| pair.until).filter(|until| now < *until)
    }

    /// An attempt that began at `began` was throttled.
    pub(crate) fn throttled(
        &mut self,
        model: &Arc<str>,
        retry_after: Option<Duration>,
        began: Instant,
        now: Instant,
    ) {
        self.0.retain(|pair| now < pair.until + FORGET);
        let known = self.0.iter().position(|pair| pair.model == *model);
        let before = known.map(|at| self.0.swap_remove(at));
        // Many calls that were under way when the first one was throttled are one event.
        let steps = before.as_ref().map_or(1, |pair| {
            pair.steps.saturating_add(u32::from(began >= pair.since))
        });
        let doubled = FIRST.saturating_mul(1 << (steps - 1).min(16));
        let length = retry_after
            .filter(|wait| !wait.is_zero())
            .unwrap_or(doubled.min(LONGEST));
        let until = now + length;
        let (since, until) = match before {
            Some(pair) if began < pair.since => (pair.since, pair.until.max(until)),
            Some(_) | None => (now, until),
        };
        if self.0.len() >= MAX_MODELS
            && let Some(first) = (0..self.0.len()).min_by_key(|at| self.0.get(*at).map(|p| p.until))
        {
            self.0.swap_remove(first);
        }
        self.0.push(Cooldown {
            model: Arc::clone(model),
            steps,
            since,
            until,
        });
    }

    /// An attempt that began at `began` was answered: if that was after the cooldown began, the model is well again.
    pub(crate) fn answered(&mut self, model: &str, began: Instant) {
        self.0
            .retain(|pair| &*pair.model != model || began < pair.since);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The models that cool now, and until when.
    pub(crate) fn list(&self, now: Instant) -> Vec<(Arc<str>, Instant)> {
        let cooling = self.0.iter().filter(|pair| now < pair.until);
        cooling
            .map(|pair| (Arc::clone(&pair.model), pair.until))
            .collect()
    }

    /// When the last one ends.
    pub(crate) fn last_end(&self, now: Instant) -> Option<Instant> {
        let ends = self.0.iter().map(|pair| pair.until);
        ends.filter(|until| now < *until).max()
    }

    /// When the next one ends.
    pub(crate) fn next_end(&self, now: Instant) -> Option<Instant> {
        let ends = self.0.iter().map(|pair| pair.until);
        ends.filter(|until| now < *until).min()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_grows_from_one_second_to_sixty_and_begins_anew_after_a_success_or_a_quiet_minute() {
        let (model, mut now) = (Arc::from("xai.grok-4"), Instant::now());
        let mut cooldowns = Cooldowns::default();
        for length in [1, 2, 4, 8, 16, 32, 60, 60] {
            cooldowns.throttled(&model, None, now, now);
            assert_eq!(cooldowns.until(&model, now), Some(now + seconds(length)));
            assert_eq!(cooldowns.until("another", now), None);
            now += seconds(length);
            assert_eq!(cooldowns.until(&model, now), None);
        }
        cooldowns.answered(&model, now);
        cooldowns.throttled(&model, None, now, now);
        assert_eq!(cooldowns.until(&model, now), Some(now + seconds(1)));
        now += seconds(1) + FORGET;
        cooldowns.throttled(&model, None, now, now);
        assert_eq!(cooldowns.until(&model, now), Some(now + seconds(1)));
    }

    #[test]
    fn what_oci_says_counts_and_a_zero_says_nothing() {
        let (model, now) = (Arc::from("m"), Instant::now());
        let mut cooldowns = Cooldowns::default();
        cooldowns.throttled(&model, Some(seconds(17)), now, now);
        assert_eq!(
            cooldowns.list(now),
            [(Arc::clone(&model), now + seconds(17))]
        );
        assert_eq!(cooldowns.next_end(now), Some(now + seconds(17)));
        cooldowns.clear();
        cooldowns.throttled(&model, Some(Duration::ZERO), now, now);
        assert_eq!(cooldowns.until(&model, now), Some(now + seconds(1)));
    }

    #[test]
    fn calls_that_were_under_way_together_are_one_step() {
        let (model, t0) = (Arc::from("m"), Instant::now());
        let mut cooldowns = Cooldowns::default();
        let later = t0 + Duration::from_millis(300);
        for _ in 0..20 {
            cooldowns.throttled(&model, None, t0, later);
        }
        assert_eq!(cooldowns.until(&model, later), Some(later + seconds(1)));
        // An answer to a call from before says nothing about now.
        cooldowns.answered(&model, t0);
        assert!(cooldowns.until(&model, later).is_some());
    }

    #[test]
    fn models_are_bounded() {
        let now = Instant::now();
        let mut cooldowns = Cooldowns::default();
        for number in 0..MAX_MODELS + 10 {
            let after = seconds(u64::try_from(number).unwrap() + 1);
            let model = Arc::from(number.to_string());
            cooldowns.throttled(&model, Some(after), now, now);
        }
        assert_eq!(cooldowns.0.len(), MAX_MODELS);
        assert!(cooldowns.until("0", now).is_none() && cooldowns.until("1033", now).is_some());
    }
}
