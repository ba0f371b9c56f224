//! How one request goes from attempt to attempt: which accounts it has tried, whether it may make another attempt, and until when
//! it waits. Pure: the clock, randomness and the retry budget are passed in. Follows the specification's §6.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::fleet::Ask;
use crate::accounts::paths::Paths;
use crate::accounts::seat::SeatNumber;
use crate::accounts::tried::Tried;
use crate::dispatch::DispatchSettings;
use crate::dispatch::verdict::{self, Next};
use crate::stats::Further;

/// An attempt that timed out has used up the time in which further ones may start, to the moment. One on an account that the
/// request has not tried may start within this part of `request_timeout` all the same; the whole stays within twice that.
const GRACE_DIVISOR: u32 = 2;

#[derive(Debug)]
pub(crate) struct Journey {
    settings: DispatchSettings,
    model: Arc<str>,
    paths: Paths,
    /// For the jitter of pauses.
    random: u32,
    tried: Tried,
    repeat_from: Option<Instant>,
    /// When the first attempt started.
    started: Option<Instant>,
    /// What came before the next attempt.
    before: Before,
    /// Attempts after the first.
    further: u32,
    /// The next one was drawn from the budget.
    is_drawn: bool,
    /// When the wait for a slot began, and what was waited before.
    wait_began: Instant,
    waited: Duration,
    latest_start: Option<Instant>,
}

/// How the attempt before the next one ended.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// There was none.
    Nothing,
    /// It failed there.
    Failed(SeatNumber),
    /// The model refused a parameter, which is left out now.
    Mended,
}

impl Journey {
    /// Of a request for a model, by its id at OCI, that arrived then and can be made in these ways.
    pub(crate) fn new(
        settings: DispatchSettings,
        model: Arc<str>,
        paths: Paths,
        random: u32,
        arrived: Instant,
    ) -> Self {
        Self {
            settings,
            model,
            paths,
            random,
            tried: Tried::default(),
            repeat_from: None,
            started: None,
            before: Before::Nothing,
            further: 0,
            is_drawn: false,
            wait_began: arrived,
            waited: Duration::ZERO,
            latest_start: None,
        }
    }

    /// What to ask the fleet for.
    pub(crate) fn ask(&self) -> Ask {
        Ask {
            model: Arc::clone(&self.model),
            paths: self.paths,
            tried: self.tried.clone(),
            repeat_from: self.repeat_from,
        }
    }

    /// Until when to wait for it: `queue_timeout` for all waits together. A pause before a repetition is no such wait.
    pub(crate) fn wait_until(&self) -> Instant {
        let left = self.settings.queue_timeout.saturating_sub(self.waited);
        let until = self.wait_counts_from() + left;
        self.latest_start.map_or(until, |latest| latest.min(until))
    }

    fn wait_counts_from(&self) -> Instant {
        self.repeat_from
            .map_or(self.wait_began, |from| from.max(self.wait_began))
    }

    /// An attempt starts; returns by when its answer, or its first event, must have come.
    pub(crate) fn starts(&mut self, now: Instant) -> Instant {
        self.waited += now.saturating_duration_since(self.wait_counts_from());
        let timeout = self.settings.request_timeout;
        let started = *self.started.get_or_insert(now);
        (now + timeout).min(started + timeout * 2)
    }

    /// What kind of attempt one on that seat is now; `None`: the first.
    pub(crate) fn kind_of_attempt(&self, seat: SeatNumber) -> Option<Further> {
        match self.before {
            Before::Nothing => None,
            Before::Failed(before) if before == seat => Some(Further::Retry),
            Before::Failed(_) => Some(Further::Failover),
            Before::Mended => Some(Further::Repair),
        }
    }

    /// Whether the time in which further attempts may start is not over.
    pub(crate) fn is_in_time(&self, now: Instant) -> bool {
        self.started
            .is_none_or(|started| now < started + self.settings.request_timeout)
    }

    /// Whether the attempt that was to come next was drawn from the budget, for a refund if it is not made.
    pub(crate) fn is_drawn(&self) -> bool {
        self.is_drawn
    }

    /// The attempt was the request's own fault, which is mended: the next one is as good as the first.
    pub(crate) fn mended(&mut self, now: Instant) {
        self.is_drawn = false;
        self.before = Before::Mended;
        self.wait_began = now;
        let started = self.started.unwrap_or(now);
        self.latest_start = Some(started + self.settings.request_timeout);
    }

    /// The attempt there has failed. `true`: ask for another slot. `draw` takes one attempt out of the budget of all requests; a
    /// request's first further attempt is free.
    pub(crate) fn failed(
        &mut self,
        seat: SeatNumber,
        next: Next,
        now: Instant,
        draw: impl FnOnce() -> bool,
    ) -> bool {
        let may_repeat = match next {
            Next::Answer => return false,
            Next::Elsewhere => false,
            Next::Anywhere => true,
        };
        self.tried.add(seat, may_repeat);
        self.before = Before::Failed(seat);
        let timeout = self.settings.request_timeout;
        let in_time = self.started.unwrap_or(now) + timeout;
        let latest = in_time + timeout / GRACE_DIVISOR;
        if self.further >= self.settings.retry_attempts || now >= latest {
            return false;
        }
        self.is_drawn = self.further > 0;
        if self.is_drawn && !draw() {
            return false;
        }
        self.further += 1;
        let from = now + verdict::pause(self.tried.times(seat), self.random);
        self.repeat_from = Some(from).filter(|from| *from < in_time && self.tried.is_repeatable());
        self.latest_start = Some(if now < in_time { in_time } else { latest });
        self.wait_began = now;
        true
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests;
