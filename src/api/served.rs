//! What every request that a worker answers has: its body within the memory for bodies, its place in the figures, and its one line
//! in the log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::api::Live;
use crate::dispatch::serve::Outcome;
use crate::dispatch::{CLIENT_LEFT, problem};
use crate::http::body::{Body, OverBudget, Share};
use crate::http::exchange::Exchange;
use crate::json;
use crate::names::{AccountId, ModelName, RequestId};
use crate::openai::error::ApiError;
use crate::stats::Served;
use crate::stats::errors::{ErrorType, Side, Whose};
use crate::stats::models::Operation;

/// What a request's values may take before they count against `max_body_memory`.
const FREE_VALUE_BYTES: usize = 64 * 1024;

/// A request that never became a job.
pub(super) struct Refused {
    /// Whose model is known already.
    pub(super) model: Option<ModelName>,
    pub(super) error: ApiError,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { model: None, error }
    }
}

/// The request's body, and memory for what it becomes. Errors: there is none, or not enough memory.
pub(super) fn body(exchange: &Exchange) -> Result<(Body, Share), ApiError> {
    let body = exchange.take_body().ok_or_else(ApiError::internal)?;
    if body.is_empty() {
        let message =
            "The request has no body. Send a JSON object: model, and what is asked of it.";
        return Err(ApiError::invalid_request(message, None));
    }
    let memory = reserve_values(&body)?;
    Ok((body, memory))
}

/// Memory for what a body becomes. A few thousand small values are what a request is, and cost nothing here.
fn reserve_values(body: &Body) -> Result<Share, ApiError> {
    let values = json::memory_of_values(body).saturating_sub(FREE_VALUE_BYTES);
    body.share(values).map_err(|OverBudget| {
        if body.exceeds_budget(values) {
            ApiError::too_many_values()
        } else {
            ApiError::body_memory()
        }
    })
}

/// Who asks, and for what.
pub(super) struct About {
    id: RequestId,
    peer: SocketAddr,
    operation: Operation,
    arrived: Instant,
    /// When a worker began with it.
    started: Instant,
}

impl About {
    pub(super) fn of(exchange: &Exchange, operation: Operation) -> Self {
        Self {
            id: exchange.request_id().clone(),
            peer: exchange.head().peer,
            operation,
            arrived: exchange.arrived(),
            started: Instant::now(),
        }
    }

    /// It was answered, however that ended.
    pub(super) fn served(
        &self,
        live: &Live,
        model: &ModelName,
        is_stream: bool,
        outcome: &Outcome,
    ) {
        let now = Instant::now();
        let duration = now.saturating_duration_since(self.arrived);
        let left = || problem::of_answer(&ApiError::client_gone());
        let left = (outcome.problem.is_none() && outcome.status == CLIENT_LEFT).then(left);
        let served = Served {
            operation: self.operation,
            whose: Whose {
                request: &self.id,
                model: Some(model),
                account: outcome.account.as_ref(),
                answered: true,
            },
            duration,
            first_token: outcome.first_byte.filter(|_| is_stream),
            tokens: outcome.tokens,
            problem: outcome.problem.as_ref().or(left.as_ref()),
        };
        live.dispatch.figures().served(served, now);
        self.log(model.as_str(), self.mode(is_stream), outcome, duration);
    }

    /// It is refused as it stands. Its error may quote what the client has sent, which is for the client alone: the operator sees
    /// where the mistake is.
    pub(super) fn refused(&self, live: &Live, exchange: Exchange, refused: &Refused) {
        let Refused { model, error } = refused;
        let (id, peer, what) = (&self.id, self.peer, self.operation.as_str());
        let took = self.started.elapsed().as_millis();
        log::info!(
            msg = "request refused", request_id:% = id, client:% = peer, path = exchange.head().path.as_str(),
            status = error.status, total_ms = took, error = error.message.as_str();
            "{id} {peer} {what} answered {} in {took} ms: {}",
            error.status,
            error.message
        );
        exchange.respond_error(error);
        let mut problem = problem::of_answer(error);
        if problem.kind.side() == Side::Client && problem.kind != ErrorType::ModelNotFound {
            problem.message = match &error.param {
                Some(param) => format!("The request was refused: {param} is at fault."),
                None => "The request was refused as it stands.".to_owned(),
            };
        }
        let now = Instant::now();
        let served = Served {
            operation: self.operation,
            whose: Whose {
                request: id,
                model: model.as_ref(),
                account: None,
                answered: true,
            },
            duration: now.saturating_duration_since(self.arrived),
            first_token: None,
            tokens: None,
            problem: Some(&problem),
        };
        live.dispatch.figures().served(served, now);
    }

    /// The word for the kind of answer.
    fn mode(&self, is_stream: bool) -> &'static str {
        match (self.operation, is_stream) {
            (Operation::Chat, true) => "stream",
            (Operation::Chat, false) => "whole",
            (Operation::Embeddings | Operation::Rerank, _) => self.operation.as_str(),
        }
    }

    /// The line of a finished request: as text, and its fields for a log of objects.
    fn log(&self, model: &str, mode: &str, outcome: &Outcome, total: Duration) {
        let (id, peer) = (&self.id, self.peer);
        let account = outcome.account.as_ref().map(AccountId::as_str);
        let wait = outcome.waited.as_millis();
        let first = outcome.first_byte.map(|first| first.as_millis());
        let total = total.as_millis();
        let (prompt, completion) = outcome.tokens.unzip();
        let trouble = match (&outcome.problem, outcome.status) {
            (Some(problem), _) => Some(problem.message.as_str()),
            (None, CLIENT_LEFT) => Some("the client left"),
            (None, _) => None,
        };
        let shown_first = first.map_or_else(|| "-".to_owned(), |first| first.to_string());
        let tokens = outcome.tokens.map_or_else(
            || "-".to_owned(),
            |(prompt, completion)| format!("{prompt}+{completion}"),
        );
        let (colon, shown_trouble) = trouble.map_or(("", ""), |trouble| (": ", trouble));
        log::info!(
            msg = "request", request_id:% = id, client:% = peer, model, kind = mode, account, attempts = outcome.attempts,
            status = outcome.status, wait_ms = wait, first_ms = first, total_ms = total, prompt_tokens = prompt,
            completion_tokens = completion, error = trouble;
            "{id} {peer} {model} {mode} account={} attempts={} status={} wait={wait}ms first={shown_first}ms total={total}ms \
             tokens={tokens}{colon}{shown_trouble}",
            account.unwrap_or("-"),
            outcome.attempts,
            outcome.status,
        );
    }
}
