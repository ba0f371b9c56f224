//! What happened in a day, or in many.

use std::collections::BTreeMap;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Answered,
    Broken,
    Refused,
    NoAccount,
    QueueFull,
    QueueTimeout,
    Left,
    Panicked,
}

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) steps: u64,
    pub(super) requests: u64,
    pub(super) attempts: u64,
    pub(super) waits: u64,
    pub(super) repeats: u64,
    pub(super) trials: u64,
    pub(super) trials_of_lacking: u64,
    /// Refused at once because nobody has the model.
    pub(super) missing: u64,
    pub(super) mended: u64,
    pub(super) paid: u64,
    /// The budget was used up.
    pub(super) unpaid: u64,
    pub(super) denied_waiters: u64,
    pub(super) ends: BTreeMap<End, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.steps, other.steps),
            (&mut self.requests, other.requests),
            (&mut self.attempts, other.attempts),
            (&mut self.waits, other.waits),
            (&mut self.repeats, other.repeats),
            (&mut self.trials, other.trials),
            (&mut self.trials_of_lacking, other.trials_of_lacking),
            (&mut self.missing, other.missing),
            (&mut self.mended, other.mended),
            (&mut self.paid, other.paid),
            (&mut self.unpaid, other.unpaid),
            (&mut self.denied_waiters, other.denied_waiters),
        ] {
            *mine += theirs;
        }
        for (end, count) in &other.ends {
            *self.ends.entry(*end).or_default() += count;
        }
    }

    /// What the days are for has happened in them.
    pub(super) fn met_everything(&self) {
        let Self {
            waits,
            repeats,
            trials,
            trials_of_lacking,
            missing,
            mended,
            paid,
            unpaid,
            denied_waiters,
            ..
        } = self;
        for count in [
            waits,
            repeats,
            trials,
            trials_of_lacking,
            missing,
            mended,
            paid,
            unpaid,
            denied_waiters,
        ] {
            assert!(*count > 100, "{self:?}");
        }
        assert_eq!(self.ends.len(), 8, "{self:?}");
    }
}
