//! `GET /metrics`: what Prometheus reads. The `gen_ai_…` names are OpenTelemetry's conventions for generative AI as Prometheus writes
//! them, `ociai_…` is what only this program has. Labels are models and accounts of the configuration and words of closed sets, never
//! what a client sends.

use std::time::{Instant, UNIX_EPOCH};

use crate::accounts::breaker::BreakerState;
use crate::accounts::seat::SeatView;
use crate::api::{Api, Live, Task, stats};
use crate::http::reply::Reply;
use crate::life;
use crate::stats::Further;
use crate::stats::exposition::{CONTENT_TYPE, Exposition, Kind, MICROS, ONES};
use crate::stats::histogram::Snapshot;
use crate::stats::models::{ModelView, Operation};
use crate::workers::Workers;

/// The conventions have no name of their own for OCI; a custom one is to be used then.
const PROVIDER: &str = "oci.generative_ai";

/// `GET /metrics`.
pub(super) fn metrics(api: &Api, live: &Live, workers: &Workers<Task>) -> Reply {
    let mut text = Exposition::default();
    program(&mut text, api, live);
    accounts(&mut text, live);
    queue(&mut text, live, workers);
    pool(&mut text, workers);
    attempts(&mut text, live);
    models(&mut text, &live.dispatch.figures().operations());
    let headers = vec![("Content-Type", CONTENT_TYPE.to_owned())];
    Reply::new(200, headers, text.into_text())
}

fn program(text: &mut Exposition, api: &Api, live: &Live) {
    text.family("ociai_build_info", Kind::Gauge, "The program's version.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started = api.started_at.duration_since(UNIX_EPOCH);
    text.single(
        "process_start_time_seconds",
        Kind::Gauge,
        "Start of the process, seconds since 1970.",
        started.map_or(0.0, |started| started.as_secs_f64()),
    );
    if let Some(bytes) = life::resident_memory() {
        text.single(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "What the process holds of the machine's memory.",
            bytes,
        );
    }
    let is_ready = !api.is_draining() && live.dispatch.ready().is_ok();
    text.single(
        "ociai_ready",
        Kind::Gauge,
        "1 if /ready says 200: some account takes requests, and the program is not stopping.",
        u8::from(is_ready),
    );
}

/// A family with one figure for each enabled account.
fn per_account(
    text: &mut Exposition,
    seats: &[SeatView],
    name: &'static str,
    kind: Kind,
    help: &str,
    figure: impl Fn(&SeatView) -> u64,
) {
    text.family(name, kind, help);
    for seat in seats {
        text.sample(&[("account", seat.settings.id.as_str())], figure(seat));
    }
}

fn accounts(text: &mut Exposition, live: &Live) {
    let (view, _) = live.dispatch.view();
    let seats = view.seats.as_slice();
    account_states(text, live, seats);
    let (counter, gauge) = (Kind::Counter, Kind::Gauge);
    let help = "Calls to OCI under way.";
    per_account(
        text,
        seats,
        "ociai_account_in_flight",
        gauge,
        help,
        |seat| seat.in_flight.into(),
    );
    let help = "Calls to OCI that may be under way at once.";
    per_account(
        text,
        seats,
        "ociai_account_max_concurrency",
        gauge,
        help,
        |seat| seat.settings.max_concurrency.get().into(),
    );
    let help = "Models for which OCI throttles the account now.";
    per_account(
        text,
        seats,
        "ociai_account_cooling_models",
        gauge,
        help,
        |seat| u64::try_from(seat.cooldowns.len()).unwrap_or(u64::MAX),
    );
    let help = "Attempts, those under way included.";
    per_account(
        text,
        seats,
        "ociai_account_requests_total",
        counter,
        help,
        |seat| seat.counts.requests,
    );
    let help = "Attempts that succeeded.";
    per_account(
        text,
        seats,
        "ociai_account_successes_total",
        counter,
        help,
        |seat| seat.counts.successes,
    );
    let help = "Attempts that failed through OCI or the account, by what that means for it.";
    text.family("ociai_account_failures_total", counter, help);
    for seat in seats {
        for (reason, count) in seat.counts.by_reason() {
            let account = seat.settings.id.as_str();
            text.sample(&[("account", account), ("reason", reason)], count);
        }
    }
    let help = "Times the account's breaker has opened.";
    per_account(
        text,
        seats,
        "ociai_breaker_opens_total",
        counter,
        help,
        |seat| seat.breaker.trips,
    );
}

fn account_states(text: &mut Exposition, live: &Live, seats: &[SeatView]) {
    let enabled = seats
        .iter()
        .map(|seat| (seat.settings.id.as_str(), stats::state(seat)));
    let disabled = live.settings.disabled.iter();
    let disabled = disabled.map(|id| (id.as_str(), stats::DISABLED));
    let help = "1 for the state that the account is in, as in /stats/accounts.";
    text.family("ociai_account_state", Kind::Gauge, help);
    for (account, of_account) in enabled.chain(disabled) {
        for state in stats::STATES {
            let is_it = u8::from(state == of_account);
            text.sample(&[("account", account), ("state", state)], is_it);
        }
    }
    let help = "1 for the state that the account's breaker is in.";
    text.family("ociai_breaker_state", Kind::Gauge, help);
    for seat in seats {
        for state in BreakerState::ALL {
            let is_it = u8::from(state == seat.breaker.state);
            let account = seat.settings.id.as_str();
            text.sample(&[("account", account), ("state", state.as_str())], is_it);
        }
    }
}

fn queue(text: &mut Exposition, live: &Live, workers: &Workers<Task>) {
    let queue = live.dispatch.queue().view();
    let length = stats::queue_length(live, workers);
    live.dispatch.figures().waiting(length, Instant::now());
    let (counter, gauge) = (Kind::Counter, Kind::Gauge);
    let help = "Requests that wait for a worker or an account.";
    text.single("ociai_queue_waiting", gauge, help, length);
    let size = workers.settings().queue_size;
    let help = "Requests that may wait.";
    text.single("ociai_queue_capacity", gauge, help, size);
    let help = "Requests that were let in.";
    text.single("ociai_queue_enqueued_total", counter, help, queue.enqueued);
    let help = "Requests that found the queue full or waited too long.";
    text.family("ociai_queue_shed_total", counter, help);
    text.sample(&[("reason", "queue_full")], queue.rejected);
    text.sample(&[("reason", "queue_timeout")], queue.expired);
    let help = "From a request's arrival to its first attempt.";
    text.family("ociai_queue_wait_seconds", Kind::Histogram, help);
    text.histogram(&[], &queue.all_waits, MICROS);
}

fn pool(text: &mut Exposition, workers: &Workers<Task>) {
    let (all, busy) = (workers.settings().workers, workers.busy());
    let help = "Worker threads: requests that may be answered at once.";
    text.single("ociai_workers", Kind::Gauge, help, all);
    let help = "Worker threads that are at work.";
    text.single("ociai_workers_busy", Kind::Gauge, help, busy);
    let help = "Requests that a fault of the program has ended.";
    let name = "ociai_worker_panics_total";
    text.single(name, Kind::Counter, help, workers.panics());
}

fn attempts(text: &mut Exposition, live: &Live) {
    let figures = live.dispatch.figures();
    for (name, help, further) in [
        (
            "ociai_retries_total",
            "Further attempts on the same account.",
            Further::Retry,
        ),
        (
            "ociai_failovers_total",
            "Further attempts on another account.",
            Further::Failover,
        ),
        (
            "ociai_parameter_repairs_total",
            "Attempts repeated without a parameter that the model refuses.",
            Further::Repair,
        ),
    ] {
        text.single(name, Kind::Counter, help, figures.further_attempts(further));
    }
    let help = "Calls to OCI that failed, those that another attempt made good included.";
    text.family("ociai_upstream_errors_total", Kind::Counter, help);
    for (error, count) in figures.upstream_errors() {
        text.sample(&[("error_type", error.as_str())], count);
    }
}

fn models(text: &mut Exposition, models: &[ModelView]) {
    let help =
        "From a request's arrival to the end of its answer; error_type if it ended in an error.";
    text.family(
        "gen_ai_server_request_duration_seconds",
        Kind::Histogram,
        help,
    );
    for model in models {
        let labels = labels(model);
        text.histogram(&labels, &model.succeeded, MICROS);
        for (kind, durations) in &model.failed {
            let [operation, provider, name] = labels;
            let labels = [operation, provider, name, ("error_type", kind.as_str())];
            text.histogram(&labels, durations, MICROS);
        }
    }
    let help = "From a request's arrival to the first byte of its stream; successful streams only.";
    let name = "gen_ai_server_time_to_first_token_seconds";
    per_model(text, models, name, help, |model| &model.first_token);
    let help = "Time of a successful stream's tokens after the first one, each.";
    let name = "gen_ai_server_time_per_output_token_seconds";
    per_model(text, models, name, help, |model| &model.per_token);
    let help = "Tokens of a request, as OCI counts them.";
    text.family("gen_ai_client_token_usage", Kind::Histogram, help);
    for model in models {
        let [operation, provider, name] = labels(model);
        for (kind, tokens) in [
            ("input", &model.input_tokens),
            ("output", &model.output_tokens),
        ] {
            if tokens.count() > 0 {
                let labels = [operation, provider, name, ("gen_ai_token_type", kind)];
                text.histogram(&labels, tokens, ONES);
            }
        }
    }
}

/// A family with one histogram of durations for each model that has any: those that nobody uses would be most of the text.
fn per_model(
    text: &mut Exposition,
    models: &[ModelView],
    name: &'static str,
    help: &str,
    durations: impl Fn(&ModelView) -> &Snapshot,
) {
    text.family(name, Kind::Histogram, help);
    for model in models {
        let durations = durations(model);
        if durations.count() > 0 {
            text.histogram(&labels(model), durations, MICROS);
        }
    }
}

fn labels(model: &ModelView) -> [(&'static str, &str); 3] {
    [
        (
            "gen_ai_operation_name",
            model.operation.unwrap_or(Operation::Chat).as_str(),
        ),
        ("gen_ai_provider_name", PROVIDER),
        ("gen_ai_request_model", model.name()),
    ]
}
