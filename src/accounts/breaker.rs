//! One account's circuit breaker: closed (all may pass), open (nobody), half-open (one trial at a time). Pure: a table of what
//! happens next. Follows the specification's §7.
//!
//! Every change of state begins a new epoch, and who passes is told the epoch: what an attempt of an older one has to say is
//! said too late and decides nothing.

use std::time::{Duration, Instant};

use crate::accounts::BreakerSettings;
use crate::accounts::window::Window;

/// From the second failed trial in a row on it stays open twice as long each time, but no longer than this, or than
/// `reset_timeout` if that is longer.
const MAX_OPEN: Duration = Duration::from_secs(600);

/// A number that grows with every change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

/// What an attempt says about the account's being up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Success,
    Failure,
    /// The client left, the request was wrong, or OCI throttled: no news.
    Unknown,
}

/// As the statistics show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        /// The trial is under way.
        tried: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    epoch: Epoch,
    /// Failures in a row.
    failures: u32,
    window: Window,
    /// Times it opened since an attempt last came to a good end.
    openings: u32,
    opened_at: Option<Instant>,
    trips: u64,
}

/// The breaker at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BreakerView {
    pub(crate) state: BreakerState,
    pub(crate) consecutive_failures: u32,
    /// Requests and failures of the sliding window.
    pub(crate) requests: u32,
    pub(crate) failures: u32,
    /// When it opened last, unless it is closed.
    pub(crate) opened_at: Option<Instant>,
    /// When it admits the next trial, if it is open.
    pub(crate) retry_at: Option<Instant>,
    /// Times it has opened.
    pub(crate) trips: u64,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            epoch: Epoch(0),
            failures: 0,
            window: Window::new(now),
            openings: 0,
            opened_at: None,
            trips: 0,
        }
    }

    /// Whether an attempt may pass now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => now >= until,
            State::HalfOpen { tried } => !tried,
        }
    }

    /// When it will admit somebody; `None` if it does already or if that is up to the trial.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// The epoch of whoever passes now, if that changes nothing.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// An attempt passes. Who asked `admits` first keeps the rule of one trial at a time; a fleet of one does not ask.
    pub(crate) fn enter(&mut self, now: Instant) -> Epoch {
        match self.state {
            State::Open { until } if now >= until => {
                self.become_state(State::HalfOpen { tried: true })
            }
            State::HalfOpen { tried: false } => self.become_state(State::HalfOpen { tried: true }),
            State::Closed | State::Open { .. } | State::HalfOpen { tried: true } => {}
        }
        self.epoch
    }

    /// The account answers: a stream has begun. A trial has shown what it was made for and closes the breaker; whether the
    /// answer comes to its end is told by `record`, under the epoch that this returns.
    pub(crate) fn answered(&mut self, entered: Epoch, now: Instant) -> Epoch {
        if entered != self.epoch {
            return entered;
        }
        match self.state {
            State::HalfOpen { .. } => self.close(now),
            State::Closed | State::Open { .. } => {}
        }
        self.epoch
    }

    /// How an attempt ended. `true`: the state changed.
    pub(crate) fn record(
        &mut self,
        entered: Epoch,
        signal: Signal,
        settings: &BreakerSettings,
        now: Instant,
    ) -> bool {
        if entered != self.epoch {
            return false; // A straggler from before the last change says nothing about now.
        }
        match (self.state, signal) {
            (State::Closed, Signal::Success) => {
                self.failures = 0;
                self.openings = 0;
                self.window.count(false, now);
            }
            (State::Closed, Signal::Failure) => {
                self.failures = self.failures.saturating_add(1);
                self.window.count(true, now);
                let (requests, failures) = self.window.sums(now);
                let rate = f64::from(failures) / f64::from(requests.max(1));
                let by_rate = requests >= settings.min_requests && rate >= settings.failure_rate;
                if self.failures >= settings.max_failures || by_rate {
                    self.open(settings, now);
                    return true;
                }
            }
            // Only a fleet of one lets an attempt pass while it is open.
            (State::HalfOpen { .. } | State::Open { .. }, Signal::Success) => {
                self.close(now);
                self.openings = 0;
                return true;
            }
            (State::HalfOpen { .. }, Signal::Failure) => {
                self.open(settings, now);
                return true;
            }
            // Let the next request be the trial.
            (State::HalfOpen { .. }, Signal::Unknown) => {
                self.become_state(State::HalfOpen { tried: false });
                return true;
            }
            (State::Closed | State::Open { .. }, Signal::Unknown)
            | (State::Open { .. }, Signal::Failure) => {}
        }
        false
    }

    /// As if nothing had happened yet, but for the number of trips.
    pub(crate) fn reset(&mut self, now: Instant) {
        self.close(now);
        self.openings = 0;
    }

    pub(crate) fn view(&self, now: Instant) -> BreakerView {
        let state = match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        };
        let (requests, failures) = self.window.sums(now);
        BreakerView {
            state,
            consecutive_failures: self.failures,
            requests,
            failures,
            opened_at: self.opened_at,
            retry_at: self.retry_at().filter(|until| now < *until),
            trips: self.trips,
        }
    }

    fn open(&mut self, settings: &BreakerSettings, now: Instant) {
        // The first trip and the first failed trial both cost one `reset_timeout`. A trial that began to answer closed it, and
        // if nothing has come to a good end since then, that trial has failed all the same.
        self.openings = self.openings.saturating_add(1);
        let doublings = self.openings.saturating_sub(2).min(16);
        let longest = MAX_OPEN.max(settings.reset_timeout);
        let length = settings
            .reset_timeout
            .saturating_mul(1 << doublings)
            .min(longest);
        self.trips += 1;
        self.opened_at = Some(now);
        self.become_state(State::Open {
            until: now + length,
        });
    }

    fn close(&mut self, now: Instant) {
        self.failures = 0;
        self.window = Window::new(now);
        self.opened_at = None;
        self.become_state(State::Closed);
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.epoch.0 += 1;
    }
}

impl BreakerState {
    pub(crate) const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word that the statistics use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests;
