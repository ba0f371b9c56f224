//! Models that one account does not have: those that OCI has answered 404 for, and those that other accounts list and this one does
//! not. It gets no request for them, as if it were not there. What a 404 has taught is forgotten after 10 minutes, or 20, 40 … an hour
//! if it comes again; should no account be left for a model, one request is let through now and then. Pure. Follows the
//! specification's §6.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the first 404 counts; doubled each time.
const FIRST: Duration = Duration::from_secs(600);
/// The longest that one counts.
const LONGEST: Duration = Duration::from_secs(3600);
/// A model that was not asked for during this long after its 404 was forgotten begins at `FIRST` again.
const FORGET: Duration = Duration::from_secs(3600);
/// The pause between two requests that are let through although the model is not there: a model that a tenancy was just given is
/// found within it.
pub(crate) const TRIAL_PAUSE: Duration = Duration::from_secs(30);
/// Models that are remembered for one account. More than any configuration names; the one that is forgotten first makes room.
const MAX_MODELS: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Lacking {
    learned: Vec<Lack>,
    /// What other accounts list and this one does not.
    unlisted: Arc<BTreeSet<Arc<str>>>,
}

#[derive(Debug, Clone)]
struct Lack {
    model: Arc<str>,
    /// 404s in a row, this one included.
    steps: u32,
    since: Instant,
    until: Instant,
    trial_from: Instant,
}

/// A model that OCI has answered 404 for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LackView {
    pub(crate) model: Arc<str>,
    /// When that is forgotten.
    pub(crate) until: Instant,
    /// From when on a request is let through all the same, should no other account be left.
    pub(crate) trial_from: Instant,
}

impl Lacking {
    /// Whether the model is not there, as far as is known.
    pub(crate) fn has(&self, model: &str, now: Instant) -> bool {
        self.is_unlisted(model) || self.learned(model, now).is_some()
    }

    /// Whether another account lists it and this one does not.
    pub(crate) fn is_unlisted(&self, model: &str) -> bool {
        self.unlisted.contains(model)
    }

    /// Whether it was learned from a 404, and is not to be doubted before a while.
    pub(crate) fn is_trial_due(&self, model: &str, now: Instant) -> bool {
        let learned = self.learned(model, now);
        !self.is_unlisted(model) && learned.is_some_and(|lack| lack.trial_from <= now)
    }

    /// An attempt begins; if it is a trial, the next one comes later.
    pub(crate) fn tried(&mut self, model: &str, now: Instant) {
        let mut learned = self.learned.iter_mut();
        if let Some(lack) = learned.find(|lack| &*lack.model == model) {
            lack.trial_from = now + TRIAL_PAUSE;
        }
    }

    /// An attempt that began at `began` was answered with 404.
    pub(crate) fn missing(&mut self, model: &Arc<str>, began: Instant, now: Instant) {
        self.learned.retain(|lack| now < lack.until + FORGET);
        let known = self.learned.iter().position(|lack| lack.model == *model);
        let before = known.map(|at| self.learned.swap_remove(at));
        // Many calls that were under way when the first one was answered so are one event.
        let steps = before.as_ref().map_or(1, |lack| {
            lack.steps.saturating_add(u32::from(began >= lack.since))
        });
        let length = FIRST.saturating_mul(1 << (steps - 1).min(16)).min(LONGEST);
        if self.learned.len() >= MAX_MODELS
            && let Some(first) =
                (0..self.learned.len()).min_by_key(|at| self.learned.get(*at).map(|l| l.until))
        {
            self.learned.swap_remove(first);
        }
        self.learned.push(Lack {
            model: Arc::clone(model),
            steps,
            since: before.map_or(
                now,
                |lack| if began < lack.since { lack.since } else { now },
            ),
            until: now + length,
            trial_from: now + TRIAL_PAUSE,
        });
    }

    /// An attempt that began at `began` was answered: if that was after the 404, the model is there.
    pub(crate) fn answered(&mut self, model: &str, began: Instant) {
        self.learned
            .retain(|lack| &*lack.model != model || began < lack.since);
    }

    /// Another account was found to have it again: this one may be asked once more.
    pub(crate) fn doubt(&mut self, model: &str, now: Instant) {
        let mut learned = self.learned.iter_mut();
        if let Some(lack) = learned.find(|lack| &*lack.model == model) {
            lack.until = lack.until.min(now);
        }
    }

    /// Forgets what 404s have taught.
    pub(crate) fn clear(&mut self) {
        self.learned.clear();
    }

    /// What other accounts list and this one does not, from now on.
    pub(crate) fn set_unlisted(&mut self, models: BTreeSet<Arc<str>>) {
        self.unlisted = Arc::new(models);
    }

    /// What others list and it does not.
    pub(crate) fn unlisted(&self) -> Arc<BTreeSet<Arc<str>>> {
        Arc::clone(&self.unlisted)
    }

    /// What 404s have taught.
    pub(crate) fn list(&self, now: Instant) -> Vec<LackView> {
        let learned = self.learned.iter().filter(|lack| now < lack.until);
        learned
            .map(|lack| LackView {
                model: Arc::clone(&lack.model),
                until: lack.until,
                trial_from: lack.trial_from,
            })
            .collect()
    }

    /// When something is forgotten next.
    pub(crate) fn next_end(&self, now: Instant) -> Option<Instant> {
        let ends = self.learned.iter().map(|lack| lack.until);
        ends.filter(|until| now < *until).min()
    }

    fn learned(&self, model: &str, now: Instant) -> Option<&Lack> {
        let mut learned = self.learned.iter();
        learned.find(|lack| &*lack.model == model && now < lack.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    fn until(lacking: &Lacking, now: Instant) -> Option<Duration> {
        lacking.list(now).first().map(|lack| lack.until - now)
    }

    #[test]
    fn a_404_counts_longer_each_time_and_a_success_forgets_it() {
        let (model, mut now) = (Arc::from("xai.grok-4"), Instant::now());
        let mut lacking = Lacking::default();
        for length in [10, 20, 40, 60, 60] {
            lacking.missing(&model, now, now);
            assert_eq!(until(&lacking, now), Some(minutes(length)));
            assert!(lacking.has(&model, now) && !lacking.has("another", now));
            now += minutes(length);
            assert!(!lacking.has(&model, now));
        }
        lacking.answered(&model, now);
        lacking.missing(&model, now, now);
        assert_eq!(until(&lacking, now), Some(minutes(10)));
        // Nor does it grow for ever: after a quiet hour it is as new.
        now += minutes(10) + FORGET;
        lacking.missing(&model, now, now);
        assert_eq!(until(&lacking, now), Some(minutes(10)));
        lacking.clear();
        assert!(!lacking.has(&model, now) && lacking.next_end(now).is_none());
    }

    #[test]
    fn calls_that_were_under_way_together_are_one_step() {
        let (model, t0) = (Arc::from("m"), Instant::now());
        let mut lacking = Lacking::default();
        let later = t0 + Duration::from_millis(300);
        for _ in 0..20 {
            lacking.missing(&model, t0, later);
        }
        assert_eq!(until(&lacking, later), Some(minutes(10)));
        // An answer to a call from before says nothing about now.
        lacking.answered(&model, t0);
        assert!(lacking.has(&model, later));
    }

    #[test]
    fn a_trial_is_due_after_a_pause_and_then_again() {
        let (model, mut now) = (Arc::from("m"), Instant::now());
        let mut lacking = Lacking::default();
        assert!(!lacking.is_trial_due(&model, now));
        lacking.missing(&model, now, now);
        for _ in 0..3 {
            assert!(!lacking.is_trial_due(&model, now));
            now += TRIAL_PAUSE;
            assert!(lacking.is_trial_due(&model, now));
            lacking.tried(&model, now);
        }
        // What is not listed is not tried.
        now += TRIAL_PAUSE;
        lacking.set_unlisted(BTreeSet::from([Arc::clone(&model)]));
        assert!(!lacking.is_trial_due(&model, now));
        lacking.doubt(&model, now);
        assert!(lacking.list(now).is_empty() && lacking.has(&model, now));
        lacking.set_unlisted(BTreeSet::new());
        assert!(!lacking.has(&model, now));
    }

    #[test]
    fn models_are_bounded() {
        let mut now = Instant::now();
        let mut lacking = Lacking::default();
        for number in 0..MAX_MODELS + 10 {
            let model = Arc::from(number.to_string());
            now += Duration::from_millis(1);
            lacking.missing(&model, now, now);
        }
        assert_eq!(lacking.learned.len(), MAX_MODELS);
        assert!(!lacking.has("0", now) && lacking.has("1033", now));
    }
}
