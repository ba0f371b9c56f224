//! A request from its slot to its answer: attempts until one is answered, may not be repeated, or time is up.

use std::thread;
use std::time::{Duration, Instant};

use crate::dispatch::attempt::{self, Finished};
use crate::dispatch::slots::Denied;
use crate::dispatch::verdict::{self, Next};
use crate::dispatch::{CLIENT_LEFT, Dispatch, Job, Seat};
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::names::AccountId;
use crate::oci::CallLimits;
use crate::oci::error::OciError;
use crate::openai::error::ApiError;
use crate::translate;

/// How often a pause looks whether the client is still there.
const TICK: Duration = Duration::from_millis(100);

/// What became of a request, for its log line.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) account: Option<AccountId>,
    /// Upstream calls made.
    pub(crate) attempts: u32,
    /// What the client got; 499 if it left.
    pub(crate) status: u16,
    /// From arrival to the first attempt.
    pub(crate) waited: Duration,
    /// From arrival to the first byte of the answer.
    pub(crate) first_byte: Option<Duration>,
    /// Prompt and completion tokens, if OCI said.
    pub(crate) tokens: Option<(u64, u64)>,
    /// What went wrong, for the operator.
    pub(crate) trouble: Option<String>,
}

impl Dispatch {
    /// Answers `exchange`. Returns when the answer, whichever it is, was written.
    pub(crate) fn serve(&self, mut job: Job, exchange: Exchange) -> Outcome {
        let mut mending = self.repairs.begin(job.serving.id().to_owned(), &mut job);
        let mut outcome = Outcome::unanswered();
        let (arrived, gone) = (exchange.arrived(), exchange.gone());
        let mut started = None;
        let mut exchange = exchange;
        let mut last: Option<OciError> = None;
        loop {
            let until = arrived + self.settings.queue_timeout;
            let lease = match self.seat.slots.acquire(until, &gone) {
                Ok(lease) => lease,
                Err(Denied::Gone) => return outcome,
                Err(Denied::TooLate) => {
                    let error = last.as_ref().map_or_else(
                        || ApiError::queue_timeout(self.settings.queue_timeout),
                        translate::error,
                    );
                    return refuse(exchange, outcome, &self.seat, &error, last.as_ref());
                }
            };
            let now = Instant::now();
            let first_started = *started.get_or_insert(now);
            outcome.waited = first_started - arrived;
            outcome.attempts += 1;
            outcome.account = Some(self.seat.id.clone());
            let limits = self.limits(now, &exchange);
            let error = match attempt::run(&self.seat, &job, exchange, lease, &limits) {
                Ok(finished) => {
                    mending.accepted();
                    return settle(outcome, finished, arrived);
                }
                Err(failed) => {
                    exchange = *failed.exchange;
                    failed.error
                }
            };
            if matches!(error, OciError::Cancelled) {
                return outcome;
            }
            let error = if first_started.elapsed() < self.settings.request_timeout {
                match mending.refused(error, &mut job) {
                    // The same account again and at once.
                    Ok(()) => {
                        last = None;
                        continue;
                    }
                    Err(error) => error,
                }
            } else {
                error
            };
            let repeats = outcome.attempts - 1 - mending.made();
            let Some(pause) = self.pause(&error, repeats, first_started) else {
                let told = translate::error(&error);
                return refuse(exchange, outcome, &self.seat, &told, Some(&error));
            };
            log::info!(
                "{} attempt {} failed, again in {} ms: {error}",
                exchange.request_id(),
                outcome.attempts,
                pause.as_millis()
            );
            if !wait(pause, &gone) {
                return outcome;
            }
            last = Some(error);
        }
    }

    fn limits(&self, now: Instant, exchange: &Exchange) -> CallLimits {
        CallLimits {
            first_event_by: now + self.settings.request_timeout,
            first_event_timeout: self.settings.request_timeout,
            idle: self.settings.stream_idle_timeout,
            request_id: exchange.request_id().clone(),
        }
    }

    /// How long to wait before the call is made again; `None` if it is not to be.
    fn pause(&self, error: &OciError, repeats: u32, first_started: Instant) -> Option<Duration> {
        let elapsed = first_started.elapsed();
        let pause = verdict::pause(repeats + 1, elapsed.subsec_nanos());
        let may_repeat = verdict::judge(error) == Next::Again
            && repeats < self.settings.retry_attempts
            && elapsed + pause < self.settings.request_timeout;
        may_repeat.then_some(pause)
    }
}

impl Outcome {
    /// Of a client that left before anything happened.
    fn unanswered() -> Self {
        Self {
            account: None,
            attempts: 0,
            status: CLIENT_LEFT,
            waited: Duration::ZERO,
            first_byte: None,
            tokens: None,
            trouble: None,
        }
    }
}

fn settle(mut outcome: Outcome, finished: Finished, arrived: Instant) -> Outcome {
    outcome.status = finished.status;
    outcome.first_byte = finished
        .first_byte
        .map(|at| at.saturating_duration_since(arrived));
    outcome.tokens = finished.tokens;
    outcome.trouble = finished.trouble;
    outcome
}

/// Answers with an error: whatever came from upstream says which call it was.
fn refuse(
    exchange: Exchange,
    mut outcome: Outcome,
    seat: &Seat,
    error: &ApiError,
    cause: Option<&OciError>,
) -> Outcome {
    let mut reply = Reply::error(error);
    if outcome.attempts > 0 {
        reply = reply.with_header("X-Ociai-Account", seat.id.as_str());
    }
    if let Some(OciError::Status(status)) = cause
        && let Some(id) = &status.opc_request_id
    {
        reply = reply.with_header("Opc-Request-Id", id.as_str());
    }
    outcome.status = error.status;
    outcome.first_byte = Some(exchange.arrived().elapsed());
    outcome.trouble = Some(cause.map_or_else(|| error.message.clone(), OciError::to_string));
    exchange.respond(&reply);
    outcome
}

/// Waits; `false` if the client left meanwhile.
fn wait(pause: Duration, gone: &dyn Fn() -> bool) -> bool {
    let until = Instant::now() + pause;
    loop {
        if gone() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(TICK));
    }
}
