//! The breaker's life: it opens, lets a trial pass, closes or opens again, and is reset by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ociai_proxy::simulator::{Gate, Recorded, Simulator};
use serde_json::{Value, json};

use super::site::{
    account, answer_after, ask, assert_good, breaker, chats, chats_of, choose_for, error, fleet,
    hello, is_chat, is_of, millis, now_millis, send_chat, stats, three, wait_for_state,
};
use crate::harness::{DEADLINE, Proxy, Response, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];

fn reset(proxy: &Proxy, query: &str) -> Response {
    proxy.request("POST", &format!("/admin/circuit-breaker/reset{query}"), "")
}

/// Chats until this account's breaker is open.
fn trip(proxy: &Proxy, id: &str) -> Value {
    eventually(&format!("the breaker of {id} to open"), || {
        hello(proxy);
        breaker(proxy, id)["state"] == "open"
    });
    breaker(proxy, id)
}

/// Chats until the simulator has seen so many of this account.
fn chat_until(simulator: &Simulator, proxy: &Proxy, id: &str, count: usize) {
    eventually(&format!("{id} to be asked {count} times"), || {
        hello(proxy);
        chats_of(simulator, id) >= count
    });
}

#[test]
fn it_opens_after_max_failures_and_then_nothing_goes_there() {
    let (simulator, proxy) = three("", "max_failures = 3\nreset_timeout = 1h");
    let closed = json!({
        "id": "a2", "state": "closed", "consecutive_failures": 0,
        "window": {"requests": 0, "failures": 0, "failure_rate": 0.0},
        "opened_at": null, "retry_at": null, "trips": 0
    });
    assert_eq!(breaker(&proxy, "a2"), closed);
    assert_eq!(
        stats(&proxy, "circuit-breaker")["settings"],
        json!({"max_failures": 3, "reset_timeout": 3600.0, "failure_rate": 0.6, "min_requests": 10})
    );
    let before = now_millis();
    simulator.set_for_account("a2", Some(error(500)));
    let open = trip(&proxy, "a2");
    let after = now_millis();
    assert_eq!(chats_of(&simulator, "a2"), 3);
    assert_eq!(
        (&open["consecutive_failures"], &open["trips"]),
        (&3.into(), &1.into())
    );
    assert_eq!(
        open["window"],
        json!({"requests": 3, "failures": 3, "failure_rate": 1.0})
    );
    let opened_at = millis(&open["opened_at"]);
    // Two clocks are read one after the other, and each is cut to milliseconds.
    assert!(
        (before - 50..=after + 50).contains(&opened_at),
        "{open} {before} {after}"
    );
    assert_eq!(millis(&open["retry_at"]) - opened_at, 3_600_000);
    let its = account(&proxy, "a2");
    assert_eq!(
        (&its["state"], &its["healthy"]),
        (&"open".into(), &true.into())
    );
    let difference = millis(&its["unavailable_until"]) - millis(&open["retry_at"]);
    assert!(difference.abs() <= 50, "{its} {open}");
    assert!(its["reason"].as_str().unwrap().contains("500"), "{its}");
    assert!(
        its["last_error"]["message"]
            .as_str()
            .unwrap()
            .contains("500"),
        "{its}"
    );
    simulator.set_for_account("a2", None);
    for _ in 0..12 {
        assert_ne!(hello(&proxy), "a2");
    }
    assert_eq!(chats_of(&simulator, "a2"), 3);
    assert_eq!(proxy.get("/health").json()["status"], "degraded");
}

#[test]
fn it_opens_at_the_failure_rate_too() {
    let breaker_lines =
        "max_failures = 1000\nfailure_rate = 0.5\nmin_requests = 6\nreset_timeout = 1h";
    let (simulator, proxy) = fleet(&["a1", "a2"], "", breaker_lines);
    let calls = AtomicUsize::new(0);
    choose_for(&simulator, "a2", move |request| {
        let number = is_chat(request).then(|| calls.fetch_add(1, Ordering::SeqCst))?;
        (number % 2 == 1).then(|| error(500))
    });
    let open = trip(&proxy, "a2");
    assert_eq!(
        open["window"],
        json!({"requests": 6, "failures": 3, "failure_rate": 0.5})
    );
    assert_eq!(chats_of(&simulator, "a2"), 6);
}

#[test]
fn a_success_between_failures_starts_the_count_again() {
    let lines = "max_failures = 2\nmin_requests = 1000";
    let (simulator, proxy) = fleet(&["a1", "a2"], "", lines);
    let calls = AtomicUsize::new(0);
    choose_for(&simulator, "a2", move |request| {
        let number = is_chat(request).then(|| calls.fetch_add(1, Ordering::SeqCst))?;
        (number % 2 == 1).then(|| error(500))
    });
    chat_until(&simulator, &proxy, "a2", 8);
    assert_eq!(breaker(&proxy, "a2")["trips"], 0);
}

#[test]
fn after_reset_timeout_one_trial_goes_there_and_decides() {
    const RESET: Duration = Duration::from_millis(700);
    let (simulator, proxy) = three("", "max_failures = 2\nreset_timeout = 700ms");
    simulator.set_for_account("a2", Some(error(500)));
    trip(&proxy, "a2");
    assert_eq!(chats_of(&simulator, "a2"), 2);
    // Two trials fail; from the second one on it stays open twice as long.
    chat_until(&simulator, &proxy, "a2", 4);
    let twice = breaker(&proxy, "a2");
    assert_eq!(twice["trips"], 3, "{twice}");
    simulator.set_for_account("a2", None);
    chat_until(&simulator, &proxy, "a2", 5);
    wait_for_state(&proxy, "a2", "available");
    let closed = breaker(&proxy, "a2");
    assert_eq!(
        (&closed["state"], &closed["trips"]),
        (&"closed".into(), &3.into())
    );
    assert_eq!(closed["consecutive_failures"], 0);
    assert!(closed["opened_at"].is_null() && closed["retry_at"].is_null());
    let its = simulator
        .requests()
        .into_iter()
        .filter(|request| is_of(request, "a2"));
    let when: Vec<_> = its.filter(is_chat).map(|request| request.when).collect();
    let gap = |at: usize| when[at + 1].duration_since(when[at]);
    assert!(
        gap(1) >= RESET && gap(2) >= RESET && gap(3) >= RESET * 2,
        "{when:?}"
    );
    // From now on it has its turn as before.
    let mut by: Vec<_> = (0..3).map(|_| hello(&proxy)).collect();
    by.sort();
    assert_eq!(by, ALL);
}

#[test]
fn there_is_one_trial_at_a_time_be_it_slow() {
    let (simulator, proxy) = three("", "max_failures = 1\nreset_timeout = 100ms");
    simulator.set_for_account("a2", Some(error(500)));
    eventually("the breaker to open", || {
        hello(&proxy);
        breaker(&proxy, "a2")["trips"] != 0
    });
    // The next trial is held; it is one that streams, and closes the breaker with its first event.
    let (gate, trials) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), Arc::clone(&trials));
    let chooser = move |request: &Recorded| {
        (is_chat(request) && is_of(request, "a2")).then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            answer_after(&held, request, "well")
        })
    };
    simulator.set_chooser(Some(Arc::new(chooser)));
    let mut clients = Vec::new();
    eventually("a trial to be under way", || {
        let mut client = proxy.connect();
        send_chat(&mut client, &ask("grok", true, "Hello"));
        clients.push(client);
        trials.load(Ordering::SeqCst) > 0
    });
    let before = chats_of(&simulator, "a2");
    for _ in 0..6 {
        assert_ne!(hello(&proxy), "a2");
    }
    assert_eq!(chats_of(&simulator, "a2"), before);
    assert_eq!(account(&proxy, "a2")["state"], "half_open");
    assert_eq!(trials.load(Ordering::SeqCst), 1);
    gate.open();
    wait_for_state(&proxy, "a2", "available");
    for mut client in clients {
        assert_good(&client.response("POST"));
    }
}

#[test]
fn a_reset_by_hand_closes_one_or_all_and_names_them() {
    let (simulator, proxy) = three("", "max_failures = 1\nreset_timeout = 1h");
    for id in ["a2", "a3"] {
        simulator.set_for_account(id, Some(error(500)));
        trip(&proxy, id);
    }
    let answer = reset(&proxy, "?account=a2");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"reset": ["a2"]}))
    );
    let states = || ALL.map(|id| breaker(&proxy, id)["state"].clone());
    assert_eq!(states(), ["closed", "closed", "open"]);
    simulator.set_for_account("a2", None);
    let before = chats(&simulator).len();
    for _ in 0..4 {
        hello(&proxy);
    }
    let by = chats(&simulator).split_off(before);
    assert!(
        by.contains(&"a2".to_owned()) && !by.contains(&"a3".to_owned()),
        "{by:?}"
    );
    assert_eq!(reset(&proxy, "").json(), json!({"reset": ALL}));
    assert_eq!(states(), ["closed"; 3]);
    assert_eq!(
        breaker(&proxy, "a3")["trips"],
        1,
        "what happened is not forgotten"
    );
    reset(&proxy, "?account=nobody").assert_error(404, Some("account_not_found"));
    let wrong = proxy.get("/admin/circuit-breaker/reset");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    proxy.wait_for_log("were reset: a2");
}

#[test]
fn when_all_are_open_clients_are_told_until_when_and_nothing_goes_upstream() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "max_failures = 1\nreset_timeout = 1h");
    simulator.set_default(Some(error(500)));
    // The request that opens the last one gets OCI's own error.
    proxy
        .chat(&ask("grok", false, "Hello"))
        .assert_error(502, Some("upstream_error"));
    assert_eq!(chats(&simulator), ["a1", "a2"]);
    for stream in [false, true] {
        let answer = proxy.chat(&ask("grok", stream, "Hello"));
        answer.assert_error(503, Some("no_account_available"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&wait), "{wait}");
    }
    assert_eq!(chats(&simulator).len(), 2);
    let ready = proxy.get("/ready");
    ready.assert_error(503, Some("no_account_available"));
    assert!(ready.header("retry-after").is_some());
    let health = proxy.get("/health");
    assert_eq!(
        (health.status, &health.json()["status"]),
        (200, &"down".into())
    );
    assert_eq!(reset(&proxy, "").status, 200);
    simulator.set_default(None);
    assert_eq!(proxy.get("/ready").status, 200);
    hello(&proxy);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}
