//! `/stats/*` and `/admin/*`: the accounts, breakers, slots and the queue in figures. The README shows the exact JSON. Follows the
//! specification's §4.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::accounts::breaker::BreakerState;
use crate::accounts::fleet::FleetView;
use crate::accounts::seat::SeatView;
use crate::api::route::query_value;
use crate::api::{Live, Task};
use crate::dates::Rfc3339;
use crate::http::head::Head;
use crate::http::reply::Reply;
use crate::names::AccountId;
use crate::openai::error::ApiError;
use crate::workers::Workers;

/// One moment on both clocks, to tell the times of events that only one of them has seen.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    instant: Instant,
    time: SystemTime,
}

impl Moment {
    pub(super) fn of(instant: Instant) -> Self {
        let time = SystemTime::now();
        Self { instant, time }
    }

    /// RFC 3339, UTC, milliseconds.
    pub(super) fn tell(self, at: Instant) -> Value {
        let time = if at >= self.instant {
            self.time.checked_add(at - self.instant)
        } else {
            self.time.checked_sub(self.instant - at)
        };
        time.map_or(Value::Null, tell_time)
    }

    pub(super) fn tell_some(self, at: Option<Instant>) -> Value {
        at.map_or(Value::Null, |at| self.tell(at))
    }
}

/// RFC 3339, UTC, milliseconds.
pub(super) fn tell_time(time: SystemTime) -> Value {
    Value::String(Rfc3339(OffsetDateTime::from(time)).text())
}

/// `GET /stats/accounts`.
pub(super) fn accounts(live: &Live) -> Reply {
    let (view, now) = live.dispatch.view();
    let moment = Moment::of(now);
    let accounts = accounts_json(live, &view, |seat, region| {
        account_json(seat, region, moment)
    });
    json_reply(&json!({ "strategy": view.strategy.as_str(), "accounts": accounts }))
}

/// Each enabled account as `tell` has it, given its region, then the disabled ones.
pub(super) fn accounts_json(
    live: &Live,
    view: &FleetView,
    tell: impl Fn(&SeatView, Option<&str>) -> Value,
) -> Vec<Value> {
    let regions = live.dispatch.accounts();
    let enabled = view.seats.iter().map(|seat| {
        let account = regions.iter().find(|(number, _)| *number == seat.number);
        tell(seat, account.map(|(_, account)| account.region()))
    });
    let disabled = live.settings.disabled.iter().map(|id| {
        json!({ "id": id.as_str(), "enabled": false, "healthy": false, "state": DISABLED, "reason": "enabled = false" })
    });
    enabled.chain(disabled).collect()
}

pub(super) fn account_json(seat: &SeatView, region: Option<&str>, moment: Moment) -> Value {
    let [p50, p99] = seat.latencies.percentiles([50, 99]);
    let (successes, failures) = (seat.counts.successes, seat.counts.failures());
    let cooldowns = seat.cooldowns.iter();
    let cooldowns: Vec<Value> = cooldowns
        .map(|(model, until)| json!({ "model": &**model, "until": moment.tell(*until) }))
        .collect();
    let lacking = seat.lacking.iter();
    let lacking: Vec<Value> = lacking
        .map(|lack| json!({ "model": &*lack.model, "until": moment.tell(lack.until) }))
        .collect();
    let last_error = seat
        .last_error
        .as_ref()
        .map(|(at, message)| json!({ "at": moment.tell(*at), "message": message }));
    json!({
        "id": seat.settings.id.as_str(),
        "region": region,
        "enabled": true,
        "healthy": seat.trouble.is_none(),
        "state": state(seat),
        "reason": reason(seat),
        "unavailable_until": moment.tell_some(seat.unavailable_until),
        "weight": seat.settings.weight,
        "max_concurrency": seat.settings.max_concurrency,
        "in_flight": seat.in_flight,
        "requests": seat.counts.requests,
        "successes": successes,
        "failures": failures,
        "success_rate": rate(successes, successes + failures),
        "latency_ms": { "p50": p50, "p99": p99 },
        "cooldowns": cooldowns,
        "lacking": lacking,
        "last_error": last_error,
    })
}

/// The words for an account's state.
pub(super) const STATES: [&str; 7] = [
    "available",
    "cooling",
    "open",
    "half_open",
    "unhealthy",
    "unusable",
    DISABLED,
];
pub(super) const DISABLED: &str = "disabled";

/// In one word, whether it takes requests; of several reasons why not, the weightiest.
pub(super) fn state(seat: &SeatView) -> &'static str {
    match (&seat.trouble, seat.breaker.state) {
        (Some(_), _) if !seat.is_usable => "unusable",
        (Some(_), _) => "unhealthy",
        (None, state @ (BreakerState::Open | BreakerState::HalfOpen)) => state.as_str(),
        (None, BreakerState::Closed) if seat.cooldowns.is_empty() => "available",
        (None, BreakerState::Closed) => "cooling",
    }
}

/// Why it takes no requests, or not all.
fn reason(seat: &SeatView) -> Option<String> {
    if let Some(trouble) = &seat.trouble {
        return Some(trouble.clone());
    }
    let last = || {
        seat.last_error
            .as_ref()
            .map_or_else(String::new, |(_, message)| format!(": {message}"))
    };
    match seat.breaker.state {
        BreakerState::Open => Some(format!("its breaker has opened{}", last())),
        BreakerState::HalfOpen => Some("its breaker admits one trial".to_owned()),
        BreakerState::Closed if seat.cooldowns.is_empty() => None,
        BreakerState::Closed => Some("OCI throttles it for the models in cooldowns".to_owned()),
    }
}

/// `GET /stats/concurrency`. `workers`: the global limit.
pub(super) fn concurrency(live: &Live, workers: usize) -> Reply {
    let (view, _) = live.dispatch.view();
    let accounts: Vec<Value> = view
        .seats
        .iter()
        .map(|seat| {
            let max = seat.settings.max_concurrency.get();
            json!({
                "id": seat.settings.id.as_str(),
                "max": max,
                "in_flight": seat.in_flight,
                "peak": seat.peak,
                "available": max.saturating_sub(seat.in_flight),
            })
        })
        .collect();
    let global = global_json(&view, workers);
    json_reply(&json!({ "global": global, "accounts": accounts }))
}

/// Of all accounts together. `workers`: the global limit.
pub(super) fn global_json(view: &FleetView, workers: usize) -> Value {
    let in_flight = usize::try_from(view.in_flight).unwrap_or(usize::MAX);
    json!({
        "max": workers,
        "in_flight": in_flight,
        "peak": view.peak,
        "available": workers.saturating_sub(in_flight),
    })
}

/// `GET /stats/circuit-breaker`.
pub(super) fn breakers(live: &Live) -> Reply {
    let (view, now) = live.dispatch.view();
    let moment = Moment::of(now);
    let accounts: Vec<Value> = view
        .seats
        .iter()
        .map(|seat| breaker_json(seat, moment))
        .collect();
    json_reply(&json!({ "settings": breaker_settings(&view), "accounts": accounts }))
}

fn breaker_settings(view: &FleetView) -> Value {
    json!({
        "max_failures": view.breaker.max_failures,
        "reset_timeout": view.breaker.reset_timeout.as_secs_f64(),
        "failure_rate": view.breaker.failure_rate,
        "min_requests": view.breaker.min_requests,
    })
}

pub(super) fn breaker_json(seat: &SeatView, moment: Moment) -> Value {
    let breaker = &seat.breaker;
    let (requests, failures) = (breaker.requests, breaker.failures);
    let failure_rate = rate(u64::from(failures), u64::from(requests));
    json!({
        "id": seat.settings.id.as_str(),
        "state": breaker.state.as_str(),
        "consecutive_failures": breaker.consecutive_failures,
        "window": {
            "requests": requests,
            "failures": failures,
            "failure_rate": failure_rate.unwrap_or(0.0),
        },
        "opened_at": moment.tell_some(breaker.opened_at),
        "retry_at": moment.tell_some(breaker.retry_at),
        "trips": breaker.trips,
    })
}

/// `GET /stats/queue`.
pub(super) fn queue(live: &Live, workers: &Workers<Task>) -> Reply {
    json_reply(&queue_json(live, workers))
}

/// Requests that wait for a worker or an account.
pub(super) fn queue_length(live: &Live, workers: &Workers<Task>) -> usize {
    workers.waiting() + live.dispatch.waiting()
}

pub(super) fn queue_json(live: &Live, workers: &Workers<Task>) -> Value {
    let length = queue_length(live, workers);
    let stats = live.dispatch.queue().view();
    let peak = stats.peak.max(live.dispatch.peak_waiting()).max(length);
    let [p50, p90, p99] = stats.waits;
    json!({
        "capacity": workers.settings().queue_size,
        "length": length,
        "peak": peak,
        "enqueued": stats.enqueued,
        "rejected": stats.rejected,
        "expired": stats.expired,
        "wait_ms": { "p50": p50, "p90": p90, "p99": p99 },
    })
}

/// `POST /admin/circuit-breaker/reset?account=ID`.
pub(super) fn reset_breakers(live: &Live, head: &Head) -> Reply {
    let account = query_value(head.query.as_deref(), "account");
    let reset = live
        .dispatch
        .reset(account.clone().map(AccountId::new).as_ref());
    match account {
        Some(id) if reset.is_empty() => Reply::error(&ApiError::unknown_account(&id)),
        Some(_) | None => {
            let reset: Vec<&str> = reset.iter().map(AccountId::as_str).collect();
            log::info!(
                "breakers, cooldowns and health were reset: {}",
                reset.join(", ")
            );
            json_reply(&json!({ "reset": reset }))
        }
    }
}

/// Four decimals are plenty; `None` of nothing.
pub(super) fn rate(part: u64, whole: u64) -> Option<f64> {
    // Counts stay far below the 2^53 that a float tells apart.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let rate = |part: u64, whole: u64| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0;
    (whole > 0).then(|| rate(part, whole))
}

pub(super) fn json_reply(body: &Value) -> Reply {
    Reply::json(200, body.to_string())
}
