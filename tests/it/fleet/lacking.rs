//! An account that does not have a model is not asked for it, as long as that is known from its 404s.

use std::sync::Arc;

use ociai_proxy::simulator::{Recorded, Simulator};
use serde_json::{Value, json};

use super::site::{
    Config, account, ask, body_of, chats, chats_of, choose_for, error, fleet, hello, is_chat,
    lines_with, served_by, simulator_of, stats, three, throttled,
};
use crate::harness::{Proxy, eventually};

const GROK: &str = "xai.grok-4.3";

/// The models that an account does not have, and until when that counts.
fn lacking(proxy: &Proxy, id: &str) -> Vec<Value> {
    let lacking = account(proxy, id)["lacking"].as_array().unwrap().clone();
    let until = |lack: &Value| lack["until"].is_string();
    assert!(lacking.iter().all(until), "{lacking:?}");
    lacking.iter().map(|lack| lack["model"].clone()).collect()
}

fn is_for(request: &Recorded, model: &str) -> bool {
    is_chat(request) && body_of(request)["servingMode"]["modelId"] == model
}

/// Whoever is asked for a chat does not have the model.
fn nobody_has_it(simulator: &Simulator) {
    simulator.set_default(Some(error(404)));
}

fn reset(proxy: &Proxy, query: &str) {
    let path = format!("/admin/circuit-breaker/reset{query}");
    assert_eq!(proxy.request("POST", &path, "").status, 200);
}

#[test]
fn an_account_is_asked_once_for_a_model_that_it_does_not_have_and_is_not_to_blame() {
    let (simulator, proxy) = three("", "max_failures = 1");
    choose_for(&simulator, "a1", |request| {
        is_for(request, GROK).then(|| error(404))
    });
    let by: Vec<_> = (0..12).map(|_| hello(&proxy)).collect();
    assert!(!by.contains(&"a1".to_owned()), "{by:?}");
    assert_eq!(chats_of(&simulator, "a1"), 1);
    assert_eq!(lacking(&proxy, "a1"), [GROK]);
    assert_eq!(lacking(&proxy, "a2"), Vec::<Value>::new());
    let its = account(&proxy, "a1");
    assert_eq!(
        (&its["state"], &its["healthy"]),
        (&"available".into(), &true.into())
    );
    // Other models are its business as before.
    let others: Vec<_> = (0..3)
        .map(|_| served_by(&proxy.chat(&ask("llama", false, "Hello"))))
        .collect();
    assert!(others.contains(&"a1".to_owned()), "{others:?}");
    let summary = stats(&proxy, "summary");
    let models = summary["models"].as_array().unwrap();
    let grok = models.iter().find(|model| model["name"] == "grok").unwrap();
    assert_eq!(grok["lacking_accounts"], json!(["a1"]));
}

#[test]
fn a_model_that_nobody_has_is_refused_at_once_and_others_are_served() {
    let (simulator, proxy) = three("", "");
    nobody_has_it(&simulator);
    let first = proxy.chat(&ask("grok", false, "Hello"));
    first.assert_error(404, Some("model_not_found"));
    let message = first.json()["error"]["message"].to_string();
    assert!(message.contains("simulated"), "OCI's own words: {message}");
    assert_eq!(chats(&simulator).len(), 3);
    for stream in [false, true] {
        let answer = proxy.chat(&ask("grok", stream, "Hello"));
        answer.assert_error(404, Some("model_not_found"));
        assert_eq!(answer.json()["error"]["param"], "model");
        assert!(answer.header("retry-after").is_none());
        assert!(proxy.line_of(&answer).contains(" attempts=0 "));
    }
    assert_eq!(chats(&simulator).len(), 3, "nobody was asked again");
    simulator.set_default(None);
    served_by(&proxy.chat(&ask("llama", false, "Hello")));
    assert_eq!(proxy.get("/ready").status, 200);
    assert_eq!(proxy.get("/health").json()["status"], "ok");
}

#[test]
fn an_admin_reset_and_a_reload_of_the_account_forget_it() {
    let simulator = simulator_of(&["a1", "a2"]);
    let config = Config::of(&simulator, &["a1", "a2"]);
    let proxy = config.start();
    let learn = || {
        nobody_has_it(&simulator);
        assert_eq!(proxy.chat(&ask("grok", false, "Hello")).status, 404);
        simulator.set_default(None);
        assert_eq!(lacking(&proxy, "a1"), [GROK]);
        assert_eq!(lacking(&proxy, "a2"), [GROK]);
    };
    learn();
    reset(&proxy, "?account=a2");
    assert_eq!(hello(&proxy), "a2");
    assert_eq!(lacking(&proxy, "a1"), [GROK]);
    reset(&proxy, "");
    assert_eq!(lacking(&proxy, "a1"), Vec::<Value>::new());
    learn();
    // Another compartment may have other models; an account that stays as it is keeps what is known of it.
    let elsewhere = "compartment_id = ocid1.compartment.oc1..elsewhere";
    let new = config.account("a2", elsewhere).text();
    std::fs::write(proxy.dir.path().join(super::site::FILE), new).unwrap();
    proxy.signal("HUP");
    eventually("the reload", || lines_with(&proxy, "Reloaded ") == 1);
    assert_eq!(lacking(&proxy, "a1"), [GROK]);
    assert_eq!(lacking(&proxy, "a2"), Vec::<Value>::new());
    assert_eq!(hello(&proxy), "a2");
}

#[test]
fn an_account_that_is_only_throttled_may_have_the_model() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "");
    let choose = |request: &Recorded| match request.account.as_deref() {
        Some("a1") if is_chat(request) => Some(error(404)),
        _ if is_chat(request) => Some(throttled(60)),
        _ => None,
    };
    simulator.set_chooser(Some(Arc::new(choose)));
    // Whatever comes last, it is not known that nobody has it.
    for _ in 0..4 {
        let answer = proxy.chat(&ask("grok", false, "Hello"));
        assert!([429, 503].contains(&answer.status), "{}", answer.text());
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(chats(&simulator).len(), 2);
}

#[test]
fn a_fleet_of_one_is_never_refused() {
    let (simulator, proxy) = fleet(&["a1"], "", "");
    nobody_has_it(&simulator);
    for asked in 1..=4 {
        let answer = proxy.chat(&ask("grok", false, "Hello"));
        answer.assert_error(404, Some("model_not_found"));
        assert_eq!(chats(&simulator).len(), asked);
    }
    assert_eq!(lacking(&proxy, "a1"), [GROK]);
    simulator.set_default(None);
    hello(&proxy);
    assert_eq!(lacking(&proxy, "a1"), Vec::<Value>::new());
}

#[test]
fn who_lacks_the_openai_compatible_api_has_its_models_and_is_well() {
    for status in [401, 403, 404] {
        let simulator = simulator_of(&["a1", "a2"]);
        simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
            let through = request.target.ends_with("/v1/chat/completions");
            through.then(|| error(status))
        })));
        let models = format!("passed = {GROK} | openai\ngrok = {GROK}\n");
        let proxy = Config::of(&simulator, &["a1", "a2"])
            .models(&models)
            .start();
        for _ in 0..3 {
            let answer = proxy.chat(&ask("passed", false, "Hello"));
            assert!(answer.status >= 400, "{}", answer.text());
        }
        for id in ["a1", "a2"] {
            assert_eq!(account(&proxy, id)["healthy"], true, "{status}");
            assert_eq!(lacking(&proxy, id), Vec::<Value>::new());
        }
        let answer = proxy.chat(&ask("grok", false, "Hello"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
