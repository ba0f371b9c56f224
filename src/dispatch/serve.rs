//! A request from its slot to its answer: attempts until one is answered, may not be repeated, or time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::paths::Paths;
use crate::dispatch::attempt::{self, Done, Failed, Finished};
use crate::dispatch::journey::Journey;
use crate::dispatch::repairs::Mending;
use crate::dispatch::slots::{Denied, Lease};
use crate::dispatch::verdict::Next;
use crate::dispatch::{CLIENT_LEFT, Dispatch, Job, problem};
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::names::{AccountId, ModelName};
use crate::oci::CallLimits;
use crate::oci::error::OciError;
use crate::oci::wire::ServingMode;
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

/// What slots are wanted for: one upstream call, or several one after the other, that are one request.
pub(crate) trait Work {
    /// The model's name in the configuration.
    fn model(&self) -> &ModelName;

    fn serving(&self) -> &ServingMode;

    /// The ways into OCI that it can take.
    fn paths(&self) -> Paths;

    /// One upstream call. The slot is free when this returns.
    fn attempt(
        &mut self,
        exchange: Exchange,
        lease: Lease<'_>,
        limits: &CallLimits,
    ) -> Result<Done, Failed>;

    /// Leaves out what OCI has just refused, so that the call can be made again. Errors: the same, if nothing can be done.
    fn mend(&mut self, error: OciError) -> Result<(), OciError>;

    /// What the client is told about a failed call.
    fn told(&self, error: &OciError) -> ApiError;
}

/// A chat, with what its model is known to refuse.
struct Chat<'a> {
    dispatch: &'a Dispatch,
    job: Job,
    mending: Mending<'a>,
}

impl Work for Chat<'_> {
    fn model(&self) -> &ModelName {
        &self.job.model
    }

    fn serving(&self) -> &ServingMode {
        &self.job.serving
    }

    fn paths(&self) -> Paths {
        self.job.paths()
    }

    fn attempt(
        &mut self,
        exchange: Exchange,
        lease: Lease<'_>,
        limits: &CallLimits,
    ) -> Result<Done, Failed> {
        let accepted = || self.mending.accepted();
        let (dispatch, job) = (self.dispatch, &mut self.job);
        attempt::run(dispatch, job, exchange, lease, limits, accepted).map(Done::Finished)
    }

    fn mend(&mut self, error: OciError) -> Result<(), OciError> {
        self.mending.refused(error, &mut self.job)
    }

    fn told(&self, error: &OciError) -> ApiError {
        self.job.render.refusal(translate::error(error))
    }
}

impl Dispatch {
    /// Answers `exchange` with a chat. Returns when the answer, whichever it is, was written.
    #[inline(never)]
    pub(crate) fn serve(&self, mut job: Job, exchange: Exchange) -> Outcome {
        let model = job.serving.id().to_owned();
        let mending = self.lasting.repairs.begin(model, &mut job);
        let mut chat = Chat {
            dispatch: self,
            job,
            mending,
        };
        self.work(&mut chat, exchange)
    }

    /// Answers `exchange`: the calls of the work, each with attempts of its own. Returns when the answer was written.
    #[inline(never)]
    pub(super) fn work(&self, work: &mut dyn Work, exchange: Exchange) -> Outcome {
        let (slots, figures) = (&self.lasting.slots, &self.lasting.figures);
        let mut outcome = Outcome::unanswered();
        let (arrived, gone) = (exchange.arrived(), exchange.gone());
        let mut journey = self.journey(work, arrived, arrived);
        let mut exchange = exchange;
        let mut last: Option<OciError> = None;
        loop {
            let lease = match slots.acquire(journey.ask(), journey.wait_until(), &gone) {
                Ok(lease) => lease,
                Err(denied) => {
                    if journey.is_drawn() {
                        slots.refund_retry();
                    }
                    return self.denied(denied, exchange, outcome, last.as_ref(), work);
                }
            };
            let now = Instant::now();
            let first_event_by = journey.starts(now);
            let seat = lease.seat();
            if let Some(further) = journey.kind_of_attempt(seat) {
                figures.further(further);
            }
            if let Some(error) = last.take() {
                self.goes_on(&exchange, &outcome, &error, work);
            }
            self.begins(&mut outcome, &lease, arrived, now);
            let limits = self.limits(first_event_by, &exchange);
            let failed = match work.attempt(exchange, lease, &limits) {
                Ok(Done::Finished(finished)) => return self.settle(outcome, finished, arrived),
                Ok(Done::GoesOn(same, tokens)) => {
                    (exchange, outcome.tokens) = (*same, tokens);
                    journey = self.journey(work, arrived, Instant::now());
                    continue;
                }
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
                match work.mend(error) {
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
                let told = work.told(&error);
                return refuse(exchange, outcome, &told, Some(&error));
            }
            note(&exchange, &outcome, next, &error);
            last = Some(error);
        }
    }

    /// Of a call that begins `now`, for a request that has `arrived` then.
    fn journey(&self, work: &dyn Work, arrived: Instant, now: Instant) -> Journey {
        self.lasting.slots.arrived();
        let model: Arc<str> = work.serving().id().into();
        let random = arrived.elapsed().subsec_nanos();
        Journey::new(self.settings, model, work.paths(), random, now)
    }

    /// No account was to be had. After a failed attempt its error says more than that.
    fn denied(
        &self,
        denied: Denied,
        exchange: Exchange,
        mut outcome: Outcome,
        last: Option<&OciError>,
        work: &dyn Work,
    ) -> Outcome {
        if outcome.attempts == 0 {
            outcome.waited = exchange.arrived().elapsed();
        }
        let error = match (denied, last) {
            (Denied::Gone, _) => return outcome,
            (Denied::NoAccount(nobody), Some(error)) => {
                let told = work.told(error);
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
                ApiError::missing_model(work.model().as_str())
            }
            (Denied::TooLate, Some(error)) => work.told(error),
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
    fn goes_on(&self, exchange: &Exchange, outcome: &Outcome, error: &OciError, work: &dyn Work) {
        let whose = Whose {
            request: exchange.request_id(),
            model: Some(work.model()),
            account: outcome.account.as_ref(),
            answered: false,
        };
        let problem = problem::of_upstream(error, &work.told(error));
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
