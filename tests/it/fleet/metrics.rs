//! `/metrics` and `/stats/summary`: after what has happened here both say exactly that, and nothing that a client could make grow.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use ociai_proxy::simulator::{Gate, Script, Simulator, Step};
use serde_json::{Value, json};

use super::site::{
    Config, FILE, Talker, ask, assert_good, error, event, fleet, hello, lines_with, send_chat,
    simulator_of, sse_head, stats, three, throttled, wait_for_queue,
};
use crate::harness::{MODELS, Proxy, Response, eventually};
use crate::hostile::PROMPT;
use crate::prometheus::Metrics;

const DURATIONS: &str = "gen_ai_server_request_duration_seconds_count";
const MODEL: &str = "gen_ai_request_model";
const CALM: &str = "max_failures = 1000\nmin_requests = 1000";

fn metrics(proxy: &Proxy) -> Metrics {
    let answer = proxy.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    Metrics::parse(answer.text())
}

/// What has been counted once so many chats have ended: an answer is there a moment before it is counted.
fn metrics_of(proxy: &Proxy, ended: u32) -> Metrics {
    eventually(&format!("{ended} chats to be counted"), || {
        metrics(proxy).sum(DURATIONS, &[]) >= f64::from(ended)
    });
    metrics(proxy)
}

/// Some sums, by name and one label.
#[track_caller]
fn check(metrics: &Metrics, expected: &[(&str, &str, &str, u32)]) {
    for (name, label, value, sum) in expected {
        let labels = [(*label, *value)];
        let labels = if label.is_empty() { &[][..] } else { &labels };
        let found = metrics.sum(name, labels);
        assert_eq!(found, f64::from(*sum), "{name} {labels:?} {metrics:#?}");
    }
}

/// The tokens of an answer of either kind.
fn tokens(answer: &Response) -> (u64, u64) {
    let usage = match answer.header("content-type") {
        Some("application/json") => answer.json()["usage"].clone(),
        _ => answer.chunks().last().unwrap()["usage"].clone(),
    };
    let count = |name: &str| usage[name].as_u64().unwrap();
    (count("prompt_tokens"), count("completion_tokens"))
}

fn with_usage(model: &str) -> Value {
    let mut body = ask(model, true, "Hello");
    body["stream_options"] = json!({"include_usage": true});
    body
}

/// Chats that end in every way, fourteen in all; tokens that came with grok's and llama's.
fn chats_of_all_kinds(simulator: &Simulator, proxy: &Proxy) -> [(u64, u64); 2] {
    let good = |body: &Value| {
        let answer = proxy.chat(body);
        assert_good(&answer);
        answer
    };
    let sum = |answers: Vec<Response>| {
        let tokens = answers.iter().map(tokens);
        tokens.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    };
    let grok = sum((0..3).map(|_| good(&ask("grok", false, "Hello"))).collect());
    let llama = sum((0..2).map(|_| good(&with_usage("llama"))).collect());
    // A parameter that is repaired; two failures that another account makes good.
    let mut body = ask("gpt", false, "Hello");
    body["temperature"] = json!(0.2);
    good(&body);
    simulator.enqueue(error(500));
    good(&ask("gemini", false, "Hello"));
    simulator.enqueue(throttled(1));
    good(&ask("gpt-oss", false, "Hello"));
    // No account makes it good; the request is at fault, in three ways.
    simulator.enqueue(error(500));
    simulator.enqueue(error(500));
    proxy
        .chat(&ask("gemini", false, "Hello"))
        .assert_error(502, Some("upstream_error"));
    simulator.enqueue(error(400));
    assert_eq!(proxy.chat(&ask("gemini", false, "Hello")).status, 400);
    assert_eq!(proxy.chat(&ask("none", false, "Hello")).status, 404);
    assert_eq!(proxy.chat(&json!({"model": 7})).status, 400);
    // Broken off; and left by its client.
    let begun = vec![sse_head(), event("so far")];
    simulator.enqueue(Script::Steps([begun.clone(), vec![Step::Cut]].concat()));
    assert_eq!(proxy.chat(&ask("gemini", true, "Hello")).status, 200);
    let hang = [begun, vec![Step::Hang]].concat();
    simulator.enqueue(Script::Steps(hang));
    let mut client = proxy.connect();
    send_chat(&mut client, &ask("gemini", true, "Hello"));
    assert_eq!(client.head().status, 200);
    [grok, llama]
}

#[test]
fn every_chat_is_counted_exactly_once_however_it_ended() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "retry_attempts = 1", CALM);
    let [grok, llama] = chats_of_all_kinds(&simulator, &proxy);
    let metrics = metrics_of(&proxy, 14);
    check(
        &metrics,
        &[
            (DURATIONS, "", "", 14),
            (DURATIONS, MODEL, "grok", 3),
            (DURATIONS, MODEL, "llama", 2),
            (DURATIONS, MODEL, "gpt", 1),
            (DURATIONS, MODEL, "gpt-oss", 1),
            (DURATIONS, MODEL, "gemini", 5),
            (DURATIONS, MODEL, "other", 2),
            (DURATIONS, "error_type", "upstream_error", 2),
            (DURATIONS, "error_type", "invalid_request_error", 2),
            (DURATIONS, "error_type", "model_not_found", 1),
            (DURATIONS, "error_type", "client_closed_request", 1),
            (DURATIONS, "gen_ai_operation_name", "chat", 14),
            (DURATIONS, "gen_ai_provider_name", "oci.generative_ai", 14),
            ("gen_ai_server_time_to_first_token_seconds_count", "", "", 2),
            (
                "gen_ai_server_time_to_first_token_seconds_count",
                MODEL,
                "llama",
                2,
            ),
            ("ociai_account_requests_total", "", "", 16),
            ("ociai_account_successes_total", "", "", 8),
            ("ociai_account_failures_total", "reason", "outage", 4),
            ("ociai_account_failures_total", "reason", "throttled", 1),
            ("ociai_account_failures_total", "", "", 5),
            (
                "ociai_upstream_errors_total",
                "error_type",
                "server_error",
                3,
            ),
            (
                "ociai_upstream_errors_total",
                "error_type",
                "other_status",
                2,
            ),
            ("ociai_upstream_errors_total", "error_type", "broken", 1),
            ("ociai_upstream_errors_total", "error_type", "throttled", 1),
            ("ociai_upstream_errors_total", "", "", 7),
            ("ociai_failovers_total", "", "", 3),
            ("ociai_retries_total", "", "", 0),
            ("ociai_parameter_repairs_total", "", "", 1),
            ("ociai_queue_enqueued_total", "", "", 14),
            ("ociai_queue_wait_seconds_count", "", "", 12),
            ("ociai_queue_shed_total", "", "", 0),
            ("ociai_worker_panics_total", "", "", 0),
            ("ociai_ready", "", "", 1),
        ],
    );
    let usage = "gen_ai_client_token_usage_sum";
    for (model, (input, output)) in [("grok", grok), ("llama", llama)] {
        for (kind, count) in [("input", input), ("output", output)] {
            let found = metrics.sum(usage, &[(MODEL, model), ("gen_ai_token_type", kind)]);
            assert_eq!(found, count as f64, "{model} {kind}");
        }
    }
    agrees_with_the_figures(&proxy, &metrics);
    assert_summary(&proxy, &metrics);
}

/// `/metrics` and `/stats/…` are one truth.
fn agrees_with_the_figures(proxy: &Proxy, metrics: &Metrics) {
    for account in stats(proxy, "accounts")["accounts"].as_array().unwrap() {
        let id = [("account", account["id"].as_str().unwrap())];
        for (name, field) in [
            ("ociai_account_requests_total", "requests"),
            ("ociai_account_successes_total", "successes"),
            ("ociai_account_failures_total", "failures"),
            ("ociai_account_max_concurrency", "max_concurrency"),
        ] {
            assert_eq!(metrics.sum(name, &id), account[field].as_f64().unwrap());
        }
    }
    let queue = stats(proxy, "queue");
    assert_eq!(queue["enqueued"], 14);
}

fn assert_summary(proxy: &Proxy, metrics: &Metrics) {
    let summary = stats(proxy, "summary");
    let tokens = |kind: &str| {
        let usage = "gen_ai_client_token_usage_sum";
        let told = summary["totals"][format!("{kind}_tokens")].clone();
        let counted = metrics.sum(usage, &[("gen_ai_token_type", kind)]);
        assert_eq!(told.as_f64(), Some(counted), "{kind}");
        assert!(counted > 0.0, "{kind}");
        told
    };
    let totals = json!({
        "requests": 14, "errors": 2, "client_errors": 3, "client_left": 1, "shed": 0,
        "input_tokens": tokens("input"), "output_tokens": tokens("output"),
        "retries": 0, "failovers": 3, "parameter_repairs": 1
    });
    assert_eq!(summary["totals"], totals);
    let sum = |column: &str| -> u64 {
        let column = summary["history"][column].as_array().unwrap();
        assert_eq!(column.len(), 180);
        column.iter().filter_map(Value::as_u64).sum()
    };
    assert_eq!((sum("requests"), sum("errors"), sum("shed")), (14, 2, 0));
    assert_eq!(json!(sum("output_tokens")), totals["output_tokens"]);
    assert_eq!(summary["queue"], stats(proxy, "queue"));
    let gemini = &summary["models"][2];
    assert_eq!(
        (&gemini["name"], &gemini["id"]),
        (&json!("gemini"), &json!(MODELS[2].1))
    );
    assert_eq!(
        (&gemini["requests"], &gemini["errors"]),
        (&json!(5), &json!(2))
    );
    // Each error once, the latest first, and what another account has made good.
    let errors = summary["recent_errors"].as_array().unwrap();
    let seen = |error: &Value| (error["status"].clone(), error["answered"].clone());
    let seen: Vec<_> = errors.iter().map(seen).collect();
    let expected = [
        (502, true),
        (400, true),
        (404, true),
        (400, true),
        (502, true),
        (502, false),
    ];
    assert!(
        expected
            .map(|(a, b)| (json!(a), json!(b)))
            .iter()
            .all(|e| seen.contains(e)),
        "{seen:?}"
    );
    assert!(seen.contains(&(json!(429), json!(false))), "{seen:?}");
    assert!(
        errors[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("broken off"),
        "{errors:?}"
    );
    for error in errors {
        assert!(
            error["hint"].is_string() && error["count"].as_u64() >= Some(1),
            "{error}"
        );
    }
}

#[test]
fn a_thousand_invented_models_make_no_new_series() {
    let (_simulator, proxy) = three("", CALM);
    let mut talker = Talker::new(&proxy);
    assert_eq!(talker.chat(&ask("invented", false, "Hello")).status, 404);
    let before = metrics_of(&proxy, 1).series();
    for number in 0..1000 {
        let name = format!("invented-{number}\\\"\n");
        assert_eq!(talker.chat(&ask(&name, false, "Hello")).status, 404);
    }
    let after = metrics_of(&proxy, 1001);
    assert_eq!(after.series(), before);
    check(&after, &[(DURATIONS, MODEL, "other", 1001)]);
    let models: BTreeSet<_> = after
        .of(DURATIONS)
        .map(|(labels, _)| labels[MODEL].as_str())
        .collect();
    let known: BTreeSet<_> = MODELS
        .iter()
        .map(|(name, _)| *name)
        .chain(["other"])
        .collect();
    assert_eq!(models, known);
    let errors = stats(&proxy, "summary")["recent_errors"].clone();
    assert_eq!(
        (errors.as_array().unwrap().len(), &errors[0]["count"]),
        (1, &json!(1001))
    );
}

#[test]
fn under_overload_both_answer_at_once_and_say_so() {
    let ids = ["a1"];
    let limits = "global_max_concurrency = 1\nqueue_size = 2\nqueue_timeout = 2s";
    let simulator = simulator_of(&ids);
    let proxy = Config::of(&simulator, &ids)
        .global(limits)
        .breaker(CALM)
        .start();
    let gate = Gate::new();
    let held = vec![
        sse_head(),
        event("x"),
        Step::WaitFor(gate.clone()),
        Step::Cut,
    ];
    simulator.enqueue(Script::Steps(held));
    let mut running = proxy.connect();
    send_chat(&mut running, &ask("grok", true, "Hello"));
    assert_eq!(running.head().status, 200);
    let mut queued = [proxy.connect(), proxy.connect()];
    for client in &mut queued {
        send_chat(client, &ask("grok", false, "Hello"));
    }
    wait_for_queue(&proxy, 2);
    for _ in 0..3 {
        let refused = proxy.chat(&ask("grok", false, "Hello"));
        refused.assert_error(503, Some("queue_full"));
    }
    let began = Instant::now();
    let (full, summary) = (metrics(&proxy), stats(&proxy, "summary"));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    check(
        &full,
        &[
            ("ociai_queue_capacity", "", "", 2),
            ("ociai_queue_shed_total", "reason", "queue_full", 3),
            ("ociai_workers", "", "", 1),
            ("ociai_workers_busy", "", "", 1),
            ("ociai_account_in_flight", "account", "a1", 1),
        ],
    );
    assert_eq!(summary["workers"]["busy"], 1);
    assert_eq!(summary["recent_errors"][0]["code"], "queue_full");
    for client in &mut queued {
        client
            .response("POST")
            .assert_error(503, Some("queue_timeout"));
    }
    check(
        &metrics(&proxy),
        &[("ociai_queue_shed_total", "reason", "queue_timeout", 2)],
    );
    gate.open();
    running.rest();
    let after = metrics_of(&proxy, 1);
    check(&after, &[(DURATIONS, "", "", 1)]);
    let summary = stats(&proxy, "summary");
    let (totals, history) = (&summary["totals"], &summary["history"]);
    assert_eq!(
        (&totals["requests"], &totals["shed"]),
        (&json!(6), &json!(5))
    );
    let column = |name: &str| {
        history[name]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_u64)
    };
    assert_eq!(
        (column("shed").sum::<u64>(), column("queue_max").max()),
        (5, Some(2))
    );
    assert_eq!(column("requests").sum::<u64>(), 6);
}

#[test]
fn no_counter_goes_backwards_over_a_reload() {
    let ids = ["a1", "a2", "a3"];
    let simulator = simulator_of(&ids);
    let config = Config::of(&simulator, &ids).breaker(CALM);
    let proxy = config.start();
    for (model, _) in MODELS {
        for _ in 0..3 {
            assert_good(&proxy.chat(&ask(model, false, "Hello")));
        }
    }
    let before = metrics_of(&proxy, 15);
    // An account and a model go, a model comes.
    let (gone, _) = MODELS[1];
    let text = config.without("a3").text();
    let text = text.replace(&format!("{gone} = "), "newcomer = ");
    let told = lines_with(&proxy, "Reloaded ");
    fs::write(proxy.dir.path().join(FILE), text).unwrap();
    proxy.signal("HUP");
    eventually("the reload", || lines_with(&proxy, "Reloaded ") > told);
    let after = metrics(&proxy);
    for ((name, labels), value) in before.counters() {
        let is_gone = labels.get("account").is_some_and(|id| id == "a3")
            || labels.get(MODEL).is_some_and(|model| model == gone);
        let labels: Vec<_> = labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let now = after.sum(name, &labels);
        assert!(is_gone || now >= value, "{name} {labels:?} {value} {now}");
    }
    // What the model has done is the others' now, so that no sum goes backwards.
    check(
        &after,
        &[
            (DURATIONS, "", "", 15),
            (DURATIONS, MODEL, gone, 0),
            (DURATIONS, MODEL, "other", 3),
            ("ociai_account_requests_total", "account", "a3", 0),
            ("ociai_account_requests_total", "", "", 10),
        ],
    );
    assert_good(&proxy.chat(&ask("newcomer", false, "Hello")));
    check(
        &metrics_of(&proxy, 16),
        &[(DURATIONS, MODEL, "newcomer", 1)],
    );
}

#[test]
fn each_account_is_in_exactly_one_state() {
    let simulator = simulator_of(&["a1", "a2", "a3"]);
    let config = Config::of(&simulator, &["a1", "a2", "a3"]);
    let config = config.account("a3", "enabled = false");
    let proxy = config
        .breaker("max_failures = 1\nreset_timeout = 1h")
        .start();
    simulator.set_for_account("a2", Some(error(500)));
    eventually("the breaker of a2 to open", || {
        hello(&proxy);
        metrics(&proxy).sum("ociai_breaker_opens_total", &[("account", "a2")]) == 1.0
    });
    let metrics = metrics(&proxy);
    let state = "ociai_account_state";
    for (id, expected) in [("a1", "available"), ("a2", "open"), ("a3", "disabled")] {
        assert_eq!(metrics.sum(state, &[("account", id)]), 1.0, "{id}");
        assert_eq!(
            metrics.sum(state, &[("account", id), ("state", expected)]),
            1.0
        );
    }
    let open = [("account", "a2"), ("state", "open")];
    assert_eq!(metrics.sum("ociai_breaker_state", &open), 1.0);
    let summary = stats(&proxy, "summary");
    let accounts = summary["accounts"].as_array().unwrap();
    let its = &accounts[1];
    assert_eq!(
        (&its["id"], &its["state"], &its["error_rate"]),
        (&json!("a2"), &json!("open"), &json!(1.0))
    );
    let left = its["unavailable_for_seconds"].as_f64().unwrap();
    assert!(left > 3500.0 && left <= 3600.0, "{its}");
    assert!(
        its["hint"]
            .as_str()
            .unwrap()
            .contains("/admin/circuit-breaker/reset")
    );
    assert_eq!(its["failures_by_reason"]["outage"], 1);
    let disabled = json!({"id": "a3", "enabled": false, "healthy": false, "state": "disabled", "reason": "enabled = false"});
    assert_eq!(accounts[2], disabled);
    assert_eq!(
        (&summary["program"]["mode"], &summary["program"]["status"]),
        (&json!("multi"), &json!("degraded"))
    );
}

#[test]
fn neither_tells_what_a_client_has_said() {
    let (simulator, proxy) = three("", CALM);
    let secret = "what-nobody-else-may-read";
    let mut wrong = ask("grok", false, secret);
    wrong["messages"][0]["role"] = json!(secret);
    wrong["temperature"] = json!(secret);
    assert_eq!(proxy.chat(&wrong).status, 400);
    let mut wrong = ask("grok", false, secret);
    wrong["tool_choice"] = json!(secret);
    assert_eq!(proxy.chat(&wrong).status, 400);
    assert_eq!(
        proxy.request("POST", "/v1/chat/completions", secret).status,
        400
    );
    simulator.enqueue(error(400));
    assert_eq!(proxy.chat(&ask("grok", false, secret)).status, 400);
    metrics_of(&proxy, 4);
    for path in ["/metrics", "/stats/summary"] {
        let text = proxy.get(path).text().to_owned();
        assert!(!text.contains(secret), "{path} {text}");
        assert!(!text.contains(crate::harness::KEY), "{path}");
    }
}
