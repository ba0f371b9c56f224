//! Counters and their snapshots: what `/metrics` and `/stats/*` show. `queue` counts what happens before an account takes a request,
//! `models` how requests end, `history` the last quarter of an hour, `errors` what goes wrong; `exposition` writes figures as
//! Prometheus reads them. What accounts count stands in `accounts`. Relaxed atomics and short locks: recording is on a request's path, a
//! snapshot is not one instant. Reads no clock. Follows the specification's §4.

pub(crate) mod errors;
pub(crate) mod exposition;
pub(crate) mod histogram;
pub(crate) mod history;
pub(crate) mod models;
pub(crate) mod queue;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::names::ModelName;
use crate::stats::errors::{Entry, Problem, RecentErrors, Side, UpstreamError, Whose};
use crate::stats::history::{Happened, History, HistoryView};
use crate::stats::models::{Ended, ModelView, Models, Operation};

/// An attempt that is not a request's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Further {
    /// On the same account.
    Retry,
    /// On another account.
    Failover,
    /// Without a parameter that the model has refused.
    Repair,
}

impl Further {
    const COUNT: usize = 3;
}

/// How requests end. It outlives reloads.
#[derive(Debug)]
pub(crate) struct Figures {
    models: Models,
    history: Mutex<History>,
    recent: Mutex<RecentErrors>,
    upstream: [AtomicU64; UpstreamError::COUNT],
    further: [AtomicU64; Further::COUNT],
}

/// A request that a worker has served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) operation: Operation,
    pub(crate) whose: Whose<'a>,
    /// From its arrival to the end of its answer.
    pub(crate) duration: Duration,
    /// From its arrival to the first byte of a stream; `None` for whole answers.
    pub(crate) first_token: Option<Duration>,
    /// Prompt and completion tokens, if OCI said.
    pub(crate) tokens: Option<(u64, u64)>,
    /// `None`: it ended well.
    pub(crate) problem: Option<&'a Problem>,
}

impl Figures {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            models: Models::new(),
            history: Mutex::new(History::new(now)),
            recent: Mutex::default(),
            upstream: std::array::from_fn(|_| AtomicU64::default()),
            further: std::array::from_fn(|_| AtomicU64::default()),
        }
    }

    /// The configured models from now on; those that stay keep their figures.
    pub(crate) fn set_models<'a>(&self, names: impl Iterator<Item = &'a ModelName>) {
        self.models.set(names);
    }

    /// A request has ended.
    pub(crate) fn served(&self, served: Served<'_>, now: Instant) {
        let error = served.problem.map(|problem| problem.kind);
        let ended = Ended {
            operation: served.operation,
            duration: served.duration,
            first_token: served.first_token,
            tokens: served.tokens,
            error,
        };
        self.models.ended(served.whose.model, &ended);
        let (input_tokens, output_tokens) = served.tokens.unwrap_or_default();
        let happened = Happened {
            requests: 1,
            errors: u32::from(error.is_some_and(|kind| kind.side() == Side::Server)),
            shed: u32::from(error.is_some_and(errors::ErrorType::is_shed)),
            input_tokens,
            output_tokens,
            first_token: served.first_token.filter(|_| error.is_none()),
            queue: 0,
        };
        self.history.lock().add(happened, now);
        if let Some(problem) = served.problem
            && problem.kind.side() != Side::Left
        {
            self.recent.lock().add(served.whose, problem, now);
        }
    }

    /// A request was refused before a worker had it, while so many waited.
    pub(crate) fn shed(&self, whose: Whose<'_>, problem: &Problem, waiting: usize, now: Instant) {
        let happened = Happened {
            requests: 1,
            errors: 1,
            shed: 1,
            queue: waiting,
            ..Happened::default()
        };
        self.history.lock().add(happened, now);
        self.recent.lock().add(whose, problem, now);
    }

    /// So many wait now.
    pub(crate) fn waiting(&self, waiting: usize, now: Instant) {
        if waiting > 0 {
            let happened = Happened {
                queue: waiting,
                ..Happened::default()
            };
            self.history.lock().add(happened, now);
        }
    }

    /// An attempt has failed that another one may make good.
    pub(crate) fn attempt_failed(&self, whose: Whose<'_>, problem: &Problem, now: Instant) {
        self.recent.lock().add(whose, problem, now);
    }

    /// An upstream call has failed.
    pub(crate) fn upstream_failed(&self, error: UpstreamError) {
        if let Some(count) = self.upstream.get(error as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An attempt begins that is not a request's first.
    pub(crate) fn further(&self, further: Further) {
        if let Some(count) = self.further.get(further as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each operation of each model that it was asked for, in the configuration's order, the others last.
    pub(crate) fn operations(&self) -> Vec<ModelView> {
        self.models.by_operation()
    }

    /// In the configuration's order, the others last.
    pub(crate) fn models(&self) -> Vec<ModelView> {
        self.models.view()
    }

    pub(crate) fn history(&self, now: Instant) -> HistoryView {
        self.history.lock().view(now)
    }

    /// Latest first.
    pub(crate) fn recent_errors(&self) -> Vec<Entry> {
        self.recent.lock().list()
    }

    pub(crate) fn upstream_errors(&self) -> impl Iterator<Item = (UpstreamError, u64)> {
        let counts = self
            .upstream
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        UpstreamError::ALL.into_iter().zip(counts)
    }

    /// How many such attempts there were.
    pub(crate) fn further_attempts(&self, further: Further) -> u64 {
        let count = self.further.get(further as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests;
