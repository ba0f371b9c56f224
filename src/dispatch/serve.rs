//! A request from its slot to its answer: attempts until one is answered, may not be repeated, or time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dispatch::attempt::{self, Failed, Finished};
use crate::dispatch::journey::Journey;
use crate::dispatch::slots::{Denied, Lease};
use crate::dispatch::verdict::Next;
use crate::dispatch::{CLIENT_LEFT, Dispatch, Job, problem};
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::names::{AccountId, ModelName};
use crate::oci::CallLimits;
use crate::oci::error::OciError;
use crate::openai::error::ApiError;
use crate::stats::errors::{Problem, Whose};
use crate::translate;

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
    pub(crate) problem: Option<Problem>,
}

impl Dispatch {
    /// Answers `exchange`. Returns when the answer, whichever it is, was written.
    #[inline(never)]
    pub(crate) fn serve(&self, mut job: Job, exchange: Exchange) -> Outcome {
        let (slots, figures) = (&self.lasting.slots, &self.lasting.figures);
        let name = job.model.clone();
        let model: Arc<str> = job.serving.id().into();
        let mut mending = self.lasting.repairs.begin(model.to_string(), &mut job);
        let mut outcome = Outcome::unanswered();
        let (arrived, gone) = (exchange.arrived(), exchange.gone());
        let mut journey = Journey::new(
            self.settings,
            model,
            job.paths(),
            arrived.elapsed().subsec_nanos(),
            arrived,
        );
        let mut exchange = exchange;
        let mut last: Option<OciError> = None;
        slots.arrived();
        loop {
            let lease = match slots.acquire(journey.ask(), journey.wait_until(), &gone) {
                Ok(lease) => lease,
                Err(denied) => {
                    if journey.is_drawn() {
                        slots.refund_retry();
                    }
                    return self.denied(denied, exchange, outcome, last.as_ref(), &name);
                }
            };
            let now = Instant::now();
            let first_event_by = journey.starts(now);
            let seat = lease.seat();
            if let Some(further) = journey.kind_of_attempt(seat) {
                figures.further(further);
            }
            if let Some(error) = last.take() {
                self.goes_on(&exchange, &name, &outcome, &error);
            }
            self.begins(&mut outcome, &lease, arrived, now);
            let limits = self.limits(first_event_by, &exchange);
            let accepted = || mending.accepted();
            let failed = match attempt::run(&mut job, exchange, lease, &limits, accepted) {
                Ok(finished) => return self.settle(outcome, finished, arrived),
                Err(failed) => failed,
            };
            let Failed { error, next, .. } = failed;
            exchange = *failed.exchange;
            let Some(class) = problem::class(&error) else {
                return outcome;
            };
            figures.upstream_failed(class);
            let now = Instant::now();
            let error = if journey.is_in_time(now) {
                match mending.refused(error, &mut job) {
                    // Another call at once, with what OCI refused left out.
                    Ok(()) => {
                        last = None;
                        journey.mended(now);
                        continue;
                    }
                    Err(error) => error,
                }
            } else {
                error
            };
            if !journey.failed(seat, next, now, || slots.draw_retry()) {
                let told = job.render.refusal(translate::error(&error));
                return refuse(exchange, outcome, &told, Some(&error));
            }
            note(&exchange, &outcome, next, &error);
            last = Some(error);
        }
    }

    /// No account was to be had. After a failed attempt its error says more than that.
    fn denied(
        &self,
        denied: Denied,
        exchange: Exchange,
        mut outcome: Outcome,
        last: Option<&OciError>,
        model: &ModelName,
    ) -> Outcome {
        if outcome.attempts == 0 {
            outcome.waited = exchange.arrived().elapsed();
        }
        let error = match (denied, last) {
            (Denied::Gone, _) => return outcome,
            (Denied::NoAccount(nobody), Some(error)) => {
                let told = translate::error(error);
                // The others are throttled too, or worse: the soonest return counts, and not what the last one has said.
                match nobody.returns_in(Instant::now()) {
                    Some(wait) if told.status == 429 => told.with_retry_after(Some(wait)),
                    // Who is only out for a moment may have the model.
                    Some(wait) if told.status == 404 && !nobody.is_missing => {
                        ApiError::no_account(Some(wait))
                    }
                    Some(_) | None => told,
                }
            }
            (Denied::NoAccount(nobody), None) if nobody.is_missing => {
                ApiError::missing_model(model.as_str())
            }
            (Denied::TooLate, Some(error)) => translate::error(error),
            (Denied::TooLate, None) => {
                self.lasting.queue.expired_late();
                let retry_after = self.queue().retry_after(self.waiting(), Instant::now());
                self.queue_timeout(retry_after)
            }
            (Denied::NoAccount(nobody), None) if nobody.is_impossible => ApiError::no_account_can(),
            (Denied::NoAccount(nobody), None) => {
                ApiError::no_account(nobody.returns_in(Instant::now()))
            }
        };
        refuse(exchange, outcome, &error, last)
    }

    /// An attempt that failed is followed by another one, which may make it good.
    fn goes_on(&self, exchange: &Exchange, model: &ModelName, outcome: &Outcome, error: &OciError) {
        let whose = Whose {
            request: exchange.request_id(),
            model: Some(model),
            account: outcome.account.as_ref(),
            answered: false,
        };
        let problem = problem::of_upstream(error, &translate::error(error));
        self.figures()
            .attempt_failed(whose, &problem, Instant::now());
    }

    /// Notes an attempt; with the first one the wait is over.
    fn begins(&self, outcome: &mut Outcome, lease: &Lease<'_>, arrived: Instant, now: Instant) {
        if outcome.attempts == 0 {
            outcome.waited = now.saturating_duration_since(arrived);
            self.lasting.queue.waited(outcome.waited, now);
        }
        outcome.attempts += 1;
        outcome.account = Some(lease.account().id.clone());
    }

    fn settle(&self, outcome: Outcome, finished: Finished, arrived: Instant) -> Outcome {
        if let Some(class) = finished.upstream {
            self.figures().upstream_failed(class);
        }
        let first_byte = finished.first_byte;
        Outcome {
            status: finished.status,
            first_byte: first_byte.map(|at| at.saturating_duration_since(arrived)),
            tokens: finished.tokens,
            problem: finished.problem,
            ..outcome
        }
    }

    fn limits(&self, first_event_by: Instant, exchange: &Exchange) -> CallLimits {
        CallLimits {
            first_event_by,
            first_event_timeout: self.settings.request_timeout,
            idle: self.settings.stream_idle_timeout,
            request_id: exchange.request_id().clone(),
        }
    }
}

/// A failed attempt that is not the last one is told in the log only.
fn note(exchange: &Exchange, outcome: &Outcome, next: Next, error: &OciError) {
    let account = outcome.account.as_ref().map_or("-", AccountId::as_str);
    let what = match next {
        Next::Anywhere => "tried again",
        Next::Elsewhere | Next::Answer => "tried with another account",
    };
    let (id, attempt) = (exchange.request_id(), outcome.attempts);
    log::info!(
        msg = "attempt failed", request_id:% = id, account, attempts = attempt, next = what, error:%;
        "{id} attempt {attempt} at {account} failed, {what} if possible: {error}",
    );
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
            problem: None,
        }
    }
}

/// Answers with an error: whatever came from upstream says which call it was.
fn refuse(
    exchange: Exchange,
    mut outcome: Outcome,
    error: &ApiError,
    cause: Option<&OciError>,
) -> Outcome {
    let mut reply = Reply::error(error);
    if let Some(account) = &outcome.account {
        reply = reply.with_header("X-Ociai-Account", account.as_str());
    }
    let problem = cause.map_or_else(
        || problem::of_answer(error),
        |cause| problem::of_upstream(cause, error),
    );
    if let Some(id) = &problem.opc_request_id {
        reply = reply.with_header("Opc-Request-Id", id.as_str());
    }
    outcome.status = error.status;
    outcome.first_byte = Some(exchange.arrived().elapsed());
    outcome.problem = Some(problem);
    exchange.respond(&reply);
    outcome
}
