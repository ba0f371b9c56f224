//! A request that a chat answers: a worker parses, translates, dispatches, and writes the request's one log line. Which API it
//! came by shows in how it is [read](Read) and in the [`Render`] of its answer, nowhere else.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::api::Live;
use crate::dispatch::serve::Outcome;
use crate::dispatch::{CLIENT_LEFT, Job, problem};
use crate::http::body::{Body, OverBudget, Share};
use crate::http::exchange::Exchange;
use crate::json;
use crate::names::{AccountId, ModelName, RequestId};
use crate::openai::chat::ChatRequest;
use crate::openai::error::ApiError;
use crate::openai::render::{ChatRender, Render};
use crate::stats::Served;
use crate::stats::errors::{ErrorType, Side, Whose};
use crate::translate::{self, Dialect, ReplyMeta, fields};

/// Names of fields that are noted as left out, so that a client with ever new ones cannot fill the memory.
const MAX_NOTED: usize = 256;

/// What a request's values may take before they count against `max_body_memory`.
const FREE_VALUE_BYTES: usize = 64 * 1024;

/// A client's request in the words of a chat.
pub(crate) struct Conversation {
    pub(crate) request: ChatRequest,
    pub(crate) render: Box<dyn Render>,
    /// The client's names of what was left out because a chat has no word for it.
    pub(crate) lost: Vec<String>,
}

/// Reads the body of an API's request. Errors: 400 that names the field at fault.
pub(crate) type Read = fn(&[u8], &RequestId) -> Result<Conversation, ApiError>;

/// `POST /v1/chat/completions`.
pub(crate) fn read(body: &[u8], _id: &RequestId) -> Result<Conversation, ApiError> {
    Ok(Conversation {
        request: ChatRequest::parse(body)?,
        render: Box::new(ChatRender),
        lost: Vec::new(),
    })
}

/// A request that never became a job.
struct Refused {
    /// Whose model is known already.
    model: Option<ModelName>,
    error: ApiError,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { model: None, error }
    }
}

/// Answers a request with a chat. Called by a worker; returns when the answer was written.
pub(crate) fn answer(live: &Live, exchange: Exchange, read: Read) {
    let started = Instant::now();
    let (id, peer, arrived) = (
        exchange.request_id().clone(),
        exchange.head().peer,
        exchange.arrived(),
    );
    match prepare(live, &exchange, read) {
        Ok(job) => {
            let (model, is_stream) = (job.model.clone(), job.wants_stream);
            let outcome = live.dispatch.serve(job, exchange);
            let now = Instant::now();
            let total = now.saturating_duration_since(arrived);
            record(live, &id, &model, is_stream, &outcome, now, total);
            let asked = Asked {
                id: &id,
                peer,
                model: model.as_str(),
                mode: if is_stream { "stream" } else { "whole" },
            };
            log_line(&asked, &outcome, total);
        }
        Err(Refused { model, error }) => {
            let took = started.elapsed().as_millis();
            log::info!(
                msg = "request refused", request_id:% = id, client:% = peer, path = exchange.head().path.as_str(),
                status = error.status, total_ms = took, error = error.message.as_str();
                "{id} {peer} chat answered {} in {took} ms: {}",
                error.status,
                error.message
            );
            exchange.respond_error(&error);
            record_refused(live, &id, model.as_ref(), &error, arrived);
        }
    }
}

/// Counts a request that was served, however that ended.
fn record(
    live: &Live,
    id: &RequestId,
    model: &ModelName,
    is_stream: bool,
    outcome: &Outcome,
    now: Instant,
    duration: Duration,
) {
    let left = || problem::of_answer(&ApiError::client_gone());
    let left = (outcome.problem.is_none() && outcome.status == CLIENT_LEFT).then(left);
    let served = Served {
        whose: Whose {
            request: id,
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
}

/// Counts a request that was refused as it stands. Its error may quote what the client has sent, which is for the client alone: the
/// operator sees where the mistake is.
fn record_refused(
    live: &Live,
    id: &RequestId,
    model: Option<&ModelName>,
    error: &ApiError,
    arrived: Instant,
) {
    let mut problem = problem::of_answer(error);
    if problem.kind.side() == Side::Client && problem.kind != ErrorType::ModelNotFound {
        problem.message = match &error.param {
            Some(param) => format!("The request was refused: {param} is at fault."),
            None => "The request was refused as it stands.".to_owned(),
        };
    }
    let now = Instant::now();
    let served = Served {
        whose: Whose {
            request: id,
            model,
            account: None,
            answered: true,
        },
        duration: now.saturating_duration_since(arrived),
        first_token: None,
        tokens: None,
        problem: Some(&problem),
    };
    live.dispatch.figures().served(served, now);
}

/// Never inlined, as `Dispatch::serve` and what it calls for long: a worker keeps all of its stack that it ever used, and what is
/// done one after the other needs no more of it than the deepest.
#[inline(never)]
fn prepare(live: &Live, exchange: &Exchange, read: Read) -> Result<Job, Refused> {
    let (body, memory) = take_body(exchange)?;
    let Conversation {
        request,
        render,
        mut lost,
    } = read(&body, exchange.request_id())?;
    // Those of a chat alone are known one by one.
    let is_chat = exchange.head().path.ends_with("/chat/completions");
    let names = if is_chat && log::log_enabled!(log::Level::Debug) {
        ChatRequest::field_names(&body)
    } else {
        Vec::new()
    };
    let memory = body.into_share(memory);
    let (model, target) = live.resolve(&request.model)?;
    let target = &target;
    for name in names {
        if let Some(why) = fields::why_dropped(&name, target.format()) {
            note_dropped(name, why);
        }
    }
    let dialect = Dialect::of(&request, target);
    let meta = reply_meta(exchange.request_id(), &request, dialect);
    let (wants_stream, include_usage) = (request.wants_stream(), request.wants_usage());
    let choices = request.choices();
    let unsaid = fields::lost(&request, target.format());
    lost.extend(unsaid.into_iter().map(str::to_owned));
    let refused = |error| Refused {
        model: Some(model.clone()),
        error,
    };
    Ok(Job {
        model: model.clone(),
        serving: target.serving_mode(),
        request: translate::request(request, target, &live.rules)
            .map_err(|error| refused(render.refusal(error.into())))?,
        memory: Some(memory),
        meta,
        render,
        wants_stream,
        include_usage,
        choices,
        lost,
    })
}

/// The body of a request, and memory for what it becomes. Errors: there is none, or no memory.
pub(super) fn take_body(exchange: &Exchange) -> Result<(Body, Share), ApiError> {
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

/// Once a name: a client sends the same fields with each request.
fn note_dropped(name: String, why: &str) {
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut noted = NOTED.lock();
    let is_new = noted.len() < MAX_NOTED && noted.insert(name.clone());
    drop(noted);
    if is_new {
        log::debug!("the field {name:?} of requests is left out: {why}");
    }
}

fn reply_meta(id: &RequestId, request: &ChatRequest, dialect: Dialect) -> ReplyMeta {
    ReplyMeta {
        id: format!("chatcmpl-{id}"),
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        model: request.model.clone(),
        tool_id_seed: id.as_str().to_owned(),
        function_call: request.wants_function_call(),
        dialect,
    }
}

/// Of a request, what its line begins with.
struct Asked<'a> {
    id: &'a RequestId,
    peer: SocketAddr,
    model: &'a str,
    /// `stream` or `whole`.
    mode: &'static str,
}

/// The line of a finished request: as text, and its fields for a log of objects.
fn log_line(asked: &Asked<'_>, outcome: &Outcome, total: Duration) {
    let Asked {
        id,
        peer,
        model,
        mode,
    } = asked;
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
