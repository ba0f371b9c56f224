//! Throttling: a pair of account and model cools, and what the clients of a fleet and of a single account are told.

use std::time::Duration;

use ociai_proxy::simulator::{Recorded, Script};

use super::site::{
    Config, NOWHERE, account, ask, body_of, chats, chats_of, choose_for, error, fleet, hello,
    is_chat, is_of, millis, now_millis, served_by, simulator_of, three, throttled,
};
use crate::harness::{Proxy, eventually};

const GROK: &str = "xai.grok-4.3";

fn is_about(request: &Recorded, model: &str) -> bool {
    is_chat(request) && body_of(request)["servingMode"]["modelId"] == model
}

#[track_caller]
fn llama(proxy: &Proxy) -> String {
    served_by(&proxy.chat(&ask("llama", false, "Hello")))
}

#[test]
fn a_throttled_model_cools_on_that_account_for_retry_after_and_other_models_still_go_there() {
    let (simulator, proxy) = three("", "");
    choose_for(&simulator, "a1", |request| {
        is_about(request, GROK).then(|| throttled(120))
    });
    let before = now_millis();
    assert_eq!(hello(&proxy), "a2");
    let after = now_millis();
    let its = account(&proxy, "a1");
    let cooldowns = its["cooldowns"].as_array().unwrap();
    assert_eq!(cooldowns.len(), 1, "{its}");
    assert_eq!(cooldowns[0]["model"], GROK);
    let until = millis(&cooldowns[0]["until"]) - 120_000;
    assert!(
        (before - 50..=after + 50).contains(&until),
        "{its} {before}"
    );
    assert_eq!(
        (&its["state"], &its["healthy"]),
        (&"cooling".into(), &true.into())
    );
    assert_eq!(its["failures"], 1);
    for _ in 0..6 {
        assert_ne!(hello(&proxy), "a1");
    }
    let others: Vec<_> = (0..3).map(|_| llama(&proxy)).collect();
    assert!(others.contains(&"a1".to_owned()), "{others:?}");
    let grok = simulator.requests().into_iter();
    let grok = grok.filter(|request| is_of(request, "a1") && is_about(request, GROK));
    assert_eq!(grok.count(), 1);
}

#[test]
fn without_retry_after_it_cools_for_a_second_and_longer_each_time() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "");
    simulator.set_for_account("a1", Some(error(429)));
    eventually("a1 to be asked three times", || {
        hello(&proxy);
        chats_of(&simulator, "a1") >= 3
    });
    simulator.set_for_account("a1", None);
    let its = simulator
        .requests()
        .into_iter()
        .filter(|request| is_of(request, "a1"));
    let when: Vec<_> = its.map(|request| request.when).collect();
    assert!(when[1] - when[0] >= Duration::from_secs(1), "{when:?}");
    assert!(when[2] - when[1] >= Duration::from_secs(2), "{when:?}");
}

#[test]
fn when_all_accounts_cool_the_last_to_meet_it_gets_429_and_the_next_hears_when_to_come_back() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "");
    choose_for(&simulator, "a1", |request| {
        is_about(request, GROK).then(|| throttled(200))
    });
    assert_eq!(hello(&proxy), "a2");
    simulator.set_chooser(Some(std::sync::Arc::new(|request: &Recorded| {
        is_about(request, GROK).then(|| throttled(100))
    })));
    let last = proxy.chat(&ask("grok", true, "Hello"));
    last.assert_error(429, Some("rate_limit_exceeded"));
    assert_eq!(last.header("retry-after"), Some("100"));
    assert_eq!(last.header("x-ociai-account"), Some("a2"));
    let before = chats(&simulator).len();
    for stream in [false, true] {
        let next = proxy.chat(&ask("grok", stream, "Hello"));
        next.assert_error(503, Some("no_account_available"));
        let wait: u64 = next.header("retry-after").unwrap().parse().unwrap();
        assert!((60..=100).contains(&wait), "the soonest return: {wait}");
    }
    assert_eq!(chats(&simulator).len(), before, "nothing went upstream");
    llama(&proxy);
    assert_eq!(proxy.get("/ready").status, 200);
    assert_eq!(proxy.get("/health").json()["status"], "ok");
    let reset = proxy.request("POST", "/admin/circuit-breaker/reset", "");
    assert_eq!(reset.status, 200);
    simulator.set_chooser(None);
    hello(&proxy);
}

/// A fleet of which only one account can serve.
fn check_fleet_of_one(config: impl Fn(Config) -> Config) {
    let simulator = simulator_of(&["a1", "a2"]);
    let one = Config::of(&simulator, &["a1"]).breaker("max_failures = 1\nreset_timeout = 1h");
    let proxy = config(one.global("retry_attempts = 0")).start();
    let asked_for = |script: Option<Script>, status: u16, code: Option<&str>| {
        let before = chats(&simulator).len();
        simulator.set_default(script);
        let answer = proxy.chat(&ask("grok", false, "Hello"));
        assert_eq!(
            chats(&simulator).len(),
            before + 1,
            "it is asked whatever happens"
        );
        if let Some(code) = code {
            answer.assert_error(status, Some(code));
        }
        assert_eq!(answer.status, status);
        assert_eq!(proxy.get("/ready").status, 200);
        answer
    };
    for _ in 0..3 {
        let busy = asked_for(Some(throttled(17)), 429, Some("rate_limit_exceeded"));
        assert_eq!(busy.header("retry-after"), Some("17"));
    }
    for _ in 0..3 {
        asked_for(Some(error(500)), 502, Some("upstream_error"));
    }
    assert_eq!(account(&proxy, "a1")["state"], "open");
    asked_for(Some(error(401)), 502, Some("upstream_credentials"));
    assert_eq!(account(&proxy, "a1")["state"], "unhealthy");
    assert_eq!(proxy.get("/health").json()["status"], "down");
    asked_for(Some(error(404)), 404, Some("model_not_found"));
    asked_for(None, 200, None);
    let well = account(&proxy, "a1");
    assert_eq!(
        (&well["state"], &well["cooldowns"]),
        (&"available".into(), &serde_json::json!([]))
    );
}

#[test]
fn a_fleet_of_one_is_never_refused_and_hears_what_oci_says() {
    check_fleet_of_one(|config| config);
}

#[test]
fn so_is_a_fleet_whose_other_accounts_are_disabled_or_cannot_start() {
    check_fleet_of_one(|config| {
        let parked = config.with("parked", NOWHERE, "enabled = false");
        parked.with("broken", NOWHERE, "key_file = ./no.pem")
    });
}
