//! `GET /stats/summary`: one document for the dashboard, made of the same views as `/stats/*` and the same counters as `/metrics`. The
//! README shows its JSON. No secrets, no prompts, no addresses of clients.

use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::accounts::fleet::FleetView;
use crate::accounts::seat::SeatView;
use crate::api::stats::{self, Moment};
use crate::api::{Api, Live, Task, status};
use crate::http::reply::Reply;
use crate::life;
use crate::names::{AccountId, ModelName};
use crate::stats::Further;
use crate::stats::errors::{Entry, ErrorType, Side};
use crate::stats::histogram::Snapshot;
use crate::stats::history::{BUCKET, BucketView, HistoryView};
use crate::stats::models::{ModelView, OTHER};
use crate::translate::models::ModelTarget;
use crate::workers::Workers;

/// `GET /stats/summary`.
pub(super) fn summary(api: &Api, live: &Live, workers: &Workers<Task>) -> Reply {
    let (view, now) = live.dispatch.view();
    let moment = Moment::of(now);
    let figures = live.dispatch.figures();
    // Who looks often sees a queue in which nobody arrives.
    figures.waiting(stats::queue_length(live, workers), now);
    let models = figures.models();
    let accounts = stats::accounts_json(live, &view, |seat, region| {
        account_json(seat, region, moment, now)
    });
    let model = |model: &ModelView| model_json(model, live, &view);
    let errors = figures.recent_errors();
    let errors = errors.iter().map(|entry| error_json(entry, moment));
    stats::json_reply(&json!({
        "now": moment.tell(now),
        "program": program_json(api, live, &view),
        "totals": totals_json(live, &models),
        "accounts": accounts,
        "queue": stats::queue_json(live, workers),
        "workers": workers_json(&view, workers),
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "history": history_json(&figures.history(now), moment),
        "recent_errors": errors.collect::<Vec<_>>(),
    }))
}

fn program_json(api: &Api, live: &Live, view: &FleetView) -> Value {
    let draining = api.is_draining();
    let loaded = UNIX_EPOCH + Duration::from_secs(live.loaded);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": live.settings.mode,
        "status": status::word(view),
        "draining": draining,
        "ready": !draining && live.dispatch.ready().is_ok(),
        "started_at": stats::tell_time(api.started_at),
        "uptime_seconds": api.started.elapsed().as_secs(),
        "loaded_at": stats::tell_time(loaded),
        "strategy": view.strategy.as_str(),
        "resident_memory_bytes": life::resident_memory(),
    })
}

fn totals_json(live: &Live, models: &[ModelView]) -> Value {
    let of_models = |count: &dyn Fn(&ModelView) -> u64| -> u64 { models.iter().map(count).sum() };
    let on = |side: Side| of_models(&|model| model.failures(|kind| kind.side() == side));
    let figures = live.dispatch.figures();
    let queue = live.dispatch.queue().view();
    json!({
        "requests": of_models(&ModelView::requests) + queue.unserved,
        "errors": on(Side::Server) + queue.unserved,
        "client_errors": on(Side::Client),
        "client_left": on(Side::Left),
        "shed": of_models(&|model| model.failures(ErrorType::is_shed)) + queue.unserved,
        "input_tokens": of_models(&|model| model.input_tokens.sum),
        "output_tokens": of_models(&|model| model.output_tokens.sum),
        "retries": figures.further_attempts(Further::Retry),
        "failovers": figures.further_attempts(Further::Failover),
        "parameter_repairs": figures.further_attempts(Further::Repair),
    })
}

/// What `/stats/accounts`, `/stats/concurrency` and `/stats/circuit-breaker` say of it, how long each trouble lasts, and what to do.
fn account_json(seat: &SeatView, region: Option<&str>, moment: Moment, now: Instant) -> Value {
    let breaker = &seat.breaker;
    let (failures, requests) = (u64::from(breaker.failures), u64::from(breaker.requests));
    let max = seat.settings.max_concurrency.get();
    let by_reason = seat.counts.by_reason();
    let by_reason = by_reason.map(|(reason, count)| (reason.to_owned(), json!(count)));
    let cooldowns = seat.cooldowns.iter().map(|(model, until)| {
        let left = seconds_left(*until, now);
        json!({ "model": &**model, "until": moment.tell(*until), "seconds_left": left })
    });
    let left = seat.unavailable_until.map(|until| seconds_left(until, now));
    let more = json!({
        "unavailable_for_seconds": left,
        "hint": hint(seat),
        "peak": seat.peak,
        "available": max.saturating_sub(seat.in_flight),
        "failures_by_reason": Value::Object(by_reason.into_iter().collect()),
        "error_rate": stats::rate(failures, requests),
        "breaker": stats::breaker_json(seat, moment),
        "cooldowns": cooldowns.collect::<Vec<_>>(),
    });
    with(stats::account_json(seat, region, moment), more)
}

/// What to do about an account that takes no requests, or not all.
fn hint(seat: &SeatView) -> Option<&'static str> {
    match stats::state(seat) {
        "unusable" => Some(
            "Its key does not load: mend key_file, fingerprint or pass_phrase, then reload with SIGHUP.",
        ),
        "unhealthy" => Some(
            "OCI refuses it or cannot be reached: GET /test-oci names the reason and what to do.",
        ),
        "open" => {
            Some("It is tried again by itself; POST /admin/circuit-breaker/reset does so at once.")
        }
        "half_open" => Some("One request at a time tries it: a success lets all in again."),
        "cooling" => {
            Some("OCI throttles: fewer requests, another model or region, or more accounts.")
        }
        _ => None,
    }
}

fn workers_json(view: &FleetView, workers: &Workers<Task>) -> Value {
    let global = stats::global_json(view, workers.settings().workers);
    with(global, json!({ "busy": workers.busy() }))
}

fn model_json(model: &ModelView, live: &Live, view: &FleetView) -> Value {
    let name = model.name.as_ref();
    let mut known = live.settings.models.iter();
    let target = known.find(|(known, _)| Some(*known) == name);
    let target = target.map(|(_, target)| target);
    let cools = |seat: &&SeatView| {
        let mut cooling = seat.cooldowns.iter();
        cooling.any(|(id, _)| target.is_some_and(|target| target.id() == &**id))
    };
    let cooling = view.seats.iter().filter(cools);
    let cooling: Vec<_> = cooling.map(|seat| seat.settings.id.as_str()).collect();
    let lacks = |seat: &&SeatView| {
        let mut lacking = seat.lacking.iter();
        let id = target.map(ModelTarget::id);
        id.is_some_and(|id| seat.unlisted.contains(id) || lacking.any(|lack| &*lack.model == id))
    };
    let lacking = view.seats.iter().filter(lacks);
    let lacking: Vec<_> = lacking.map(|seat| seat.settings.id.as_str()).collect();
    json!({
        "name": model.name(),
        "id": target.map(|target| target.id()),
        "owned_by": target.map(|target| target.vendor()),
        "requests": model.requests(),
        "errors": model.failures(|kind| kind.side() == Side::Server),
        "input_tokens": model.input_tokens.sum,
        "output_tokens": model.output_tokens.sum,
        "ttft_ms": percentiles_json(&model.first_token),
        "duration_ms": percentiles_json(&model.succeeded),
        "cooling_accounts": cooling,
        "lacking_accounts": lacking,
    })
}

/// Milliseconds.
fn percentiles_json(micros: &Snapshot) -> Value {
    let millis = |percent| {
        micros
            .percentile(percent)
            .map(|micros| micros.div_ceil(1000))
    };
    json!({ "p50": millis(50), "p95": millis(95) })
}

fn history_json(history: &HistoryView, moment: Moment) -> Value {
    let column = |figure: &dyn Fn(&BucketView) -> Value| -> Vec<Value> {
        history.buckets.iter().map(figure).collect()
    };
    json!({
        "bucket_seconds": BUCKET.as_secs(),
        "ends_at": moment.tell(history.ends_at),
        "requests": column(&|bucket| json!(bucket.requests)),
        "errors": column(&|bucket| json!(bucket.errors)),
        "shed": column(&|bucket| json!(bucket.shed)),
        "input_tokens": column(&|bucket| json!(bucket.input_tokens)),
        "output_tokens": column(&|bucket| json!(bucket.output_tokens)),
        "ttft_p50_ms": column(&|bucket| json!(bucket.first_token.first())),
        "ttft_p95_ms": column(&|bucket| json!(bucket.first_token.last())),
        "queue_max": column(&|bucket| json!(bucket.queue_max)),
    })
}

fn error_json(entry: &Entry, moment: Moment) -> Value {
    let problem = &entry.problem;
    json!({
        "at": moment.tell(entry.last),
        "first_at": moment.tell(entry.first),
        "count": entry.count,
        "request_id": entry.request.as_str(),
        "model": entry.model.as_ref().map_or(OTHER, ModelName::as_str),
        "account": entry.account.as_ref().map(AccountId::as_str),
        "status": problem.status,
        "code": problem.code,
        "error_type": problem.kind.as_str(),
        "answered": entry.answered,
        "message": problem.message,
        "hint": problem.hint,
        "opc_request_id": problem.opc_request_id,
    })
}

/// Tenths of a second, rounded up: what is not over yet is never told as over.
fn seconds_left(until: Instant, now: Instant) -> f64 {
    let tenths = until
        .saturating_duration_since(now)
        .as_millis()
        .div_ceil(100);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// The fields of both; `more` counts where both have one.
fn with(value: Value, more: Value) -> Value {
    match (value, more) {
        (Value::Object(mut fields), Value::Object(more)) => {
            fields.extend(more);
            Value::Object(fields)
        }
        (value, _) => value,
    }
}
