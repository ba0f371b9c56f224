//! `/health`, `/ready` and `/test-oci`: how the program and its accounts are.

use std::time::Instant;

use serde_json::{Value, json};

use crate::accounts::fleet::FleetView;
use crate::api::route::query_value;
use crate::api::{Api, Live, stats};
use crate::dispatch::probe::{self, Question, Trial};
use crate::dispatch::problem;
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::openai::chat::ChatRequest;
use crate::openai::error::ApiError;
use crate::translate;
use crate::translate::models::UpstreamApi;
use crate::translate::passthrough::{Action, Asked};

/// The whole of what a trial asks: a few tokens in, a few out.
const TRIAL_MAX_TOKENS: u32 = 16;

/// `GET /health`: 200 as long as the process serves.
pub(crate) fn health(api: &Api, live: &Live) -> Reply {
    let (view, _) = live.dispatch.view();
    let healthy = view.seats.iter().filter(|seat| seat.trouble.is_none());
    let body = json!({
        "status": word(&view),
        "mode": live.settings.mode,
        "accounts": { "healthy": healthy.count(), "total": view.seats.len() },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": api.started.elapsed().as_secs(),
    });
    Reply::json(200, body.to_string())
}

/// In one word, whether the accounts take requests.
pub(super) fn word(view: &FleetView) -> &'static str {
    let available = view.seats.iter().filter(|seat| {
        // One that cools takes requests for other models, one that admits a trial one at a time.
        matches!(stats::state(seat), "available" | "cooling" | "half_open")
    });
    match available.count() {
        0 => "down",
        some if some < view.seats.len() => "degraded",
        _ => "ok",
    }
}

/// `GET /ready`: 503 while the process drains, and when no account takes requests. A single account is always asked,
/// whatever its last answer was.
pub(crate) fn ready(api: &Api, live: &Live) -> Reply {
    if api.is_draining() {
        return Reply::error(&ApiError::draining());
    }
    match live.dispatch.ready() {
        Ok(()) => Reply::json(200, json!({ "status": "ready" }).to_string()),
        Err(nobody) => Reply::error(&ApiError::no_account(nobody.returns_in(Instant::now()))),
    }
}

/// `GET /test-oci?account=ID&model=NAME`: one tiny chat call an account. Called by a worker.
pub(crate) fn test_oci(live: &Live, exchange: Exchange) {
    let reply = match try_accounts(live, &exchange) {
        Ok(trials) => trial_reply(&trials),
        Err(error) => Reply::error(&error),
    };
    exchange.respond(&reply);
}

fn try_accounts(live: &Live, exchange: &Exchange) -> Result<Vec<Trial>, ApiError> {
    let query = exchange.head().query.as_deref();
    let account = query_value(query, "account");
    if let Some(id) = &account
        && !live
            .dispatch
            .accounts()
            .iter()
            .any(|(_, account)| account.id.as_str() == id)
    {
        return Err(ApiError::unknown_account(id));
    }
    let (model, target) = match query_value(query, "model") {
        Some(model) => live.resolve(&model)?,
        None => live.first_chat().ok_or_else(|| live.unknown(""))?,
    };
    let asked = json!({
        "model": model.as_str(),
        "messages": [{ "role": "user", "content": "Say OK." }],
        "max_tokens": TRIAL_MAX_TOKENS,
    });
    let asked = asked.to_string();
    let through = || {
        let asked = Asked::read(Action::ChatCompletions, asked.as_bytes())?;
        Some(asked.for_model(&target, &live.rules))
    };
    let native = || -> Result<_, ApiError> {
        let request = ChatRequest::parse(asked.as_bytes())?;
        let request = translate::request(request, &target, &live.rules)?;
        Ok((target.serving_mode(), request))
    };
    let (passed, native) = match target.api() {
        UpstreamApi::OpenAi => (through(), None),
        UpstreamApi::Auto if target.is_never_native() => (through(), None),
        UpstreamApi::Auto => (through(), Some(native()?)),
        UpstreamApi::Native => (None, Some(native()?)),
    };
    let question = Question { native, passed };
    let wanted = |id: &crate::names::AccountId| {
        account
            .as_ref()
            .is_none_or(|account| id.as_str() == account)
    };
    let id = exchange.request_id();
    Ok(live
        .dispatch
        .try_accounts(wanted, account.is_some(), &question, id))
}

fn trial_reply(trials: &[Trial]) -> Reply {
    let all_good = trials.iter().all(|trial| trial.error.is_none());
    let accounts: Vec<Value> = trials.iter().map(trial_json).collect();
    let body = json!({ "status": if all_good { "ok" } else { "failed" }, "accounts": accounts });
    Reply::json(if all_good { 200 } else { 502 }, body.to_string())
}

fn trial_json(trial: &Trial) -> Value {
    let latency = u64::try_from(trial.latency.as_millis()).unwrap_or(u64::MAX);
    let Some(error) = &trial.error else {
        return json!({ "account": trial.account.as_str(), "status": "ok", "latency_ms": latency });
    };
    json!({
        "account": trial.account.as_str(),
        "status": "failed",
        "latency_ms": latency,
        "error": error.to_string(),
        "opc_request_id": problem::opc_request_id(error),
        "hint": probe::hint(error),
    })
}
