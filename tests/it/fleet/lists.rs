//! `* = auto` with several accounts: clients see what all list together, and an account is not asked for what only others list.

use std::time::{Duration, Instant};

use ociai_proxy::simulator::{ListedModel, Recorded, Script, Simulator};
use serde_json::Value;

use super::site::{
    Config, FILE, ask, chats_of, choose_for, error, is_chat, lines_with, served_by, simulator_of,
};
use crate::harness::{MODELS, Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];
const GROK: &str = "xai.grok-4.3";
const LLAMA: &str = "meta.llama-3.3-70b-instruct";
const GEMINI: &str = "google.gemini-2.5-flash";

fn list(simulator: &Simulator, id: &str, names: &[&str]) {
    let models = names.iter().map(|name| ListedModel::new(name)).collect();
    simulator.set_listed(Some(id), Some(models));
}

/// a1 lists Grok and Llama, a2 Llama and Gemini, a3 what the test says.
fn site() -> (Simulator, Config) {
    let simulator = simulator_of(&ALL);
    list(&simulator, "a1", &[GROK, LLAMA]);
    list(&simulator, "a2", &[LLAMA, GEMINI]);
    let config = Config::of(&simulator, &ALL).models("* = auto");
    (simulator, config)
}

fn names(proxy: &Proxy) -> Vec<String> {
    let list = proxy.get("/v1/models").json();
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Who serves this model in ten requests.
fn servers(proxy: &Proxy, model: &str) -> Vec<String> {
    let asked = (0..10).map(|_| served_by(&proxy.chat(&ask(model, false, "Hello"))));
    let mut by: Vec<_> = asked.collect();
    by.sort();
    by.dedup();
    by
}

fn is_list(request: &Recorded) -> bool {
    request.target.contains("lifecycleState=ACTIVE")
}

#[test]
fn clients_see_the_union_and_an_account_is_skipped_for_what_it_does_not_list() {
    let (simulator, config) = site();
    list(&simulator, "a3", &[GROK]);
    let proxy = config.start();
    assert_eq!(names(&proxy), [GEMINI, LLAMA, GROK]);
    assert_eq!(servers(&proxy, GROK), ["a1", "a3"]);
    assert_eq!(servers(&proxy, LLAMA), ["a1", "a2"]);
    assert_eq!(servers(&proxy, GEMINI), ["a2"]);
    for id in ALL {
        assert!(chats_of(&simulator, id) > 0);
    }
    let failed = |request: &Recorded| is_chat(request) && request.refusal.is_some();
    assert!(!simulator.requests().iter().any(failed));
}

#[test]
fn an_account_that_may_not_list_is_taken_to_have_what_the_others_have() {
    for status in [403, 404] {
        let (simulator, config) = site();
        choose_for(&simulator, "a3", move |request| {
            is_list(request).then(|| error(status))
        });
        let proxy = config.start();
        assert_eq!(names(&proxy), [GEMINI, LLAMA, GROK]);
        assert_eq!(servers(&proxy, GEMINI), ["a2", "a3"]);
        proxy.wait_for_log("account a3 does not list its models");
        assert_eq!(lines_with(&proxy, "does not list its models"), 1);
    }
}

#[test]
fn an_account_with_an_empty_list_is_not_shown_what_there_is() {
    let (simulator, config) = site();
    list(&simulator, "a3", &[]);
    let proxy = config.start();
    assert_eq!(names(&proxy).len(), 3);
    assert_eq!(servers(&proxy, GROK), ["a1", "a3"]);
    proxy.wait_for_log("account a3 lists no models");
}

#[test]
fn a_reload_keeps_lists_fetches_them_anew_and_drops_those_of_accounts_that_go() {
    let (simulator, config) = site();
    list(&simulator, "a3", &[GROK]);
    let proxy = config.start();
    assert_eq!(names(&proxy), [GEMINI, LLAMA, GROK]);
    let reload = |config: &Config| {
        let before = lines_with(&proxy, "Reloaded ");
        std::fs::write(proxy.dir.path().join(FILE), config.text()).unwrap();
        proxy.signal("HUP");
        eventually("the reload", || lines_with(&proxy, "Reloaded ") > before);
    };
    // What cannot be fetched anew is kept.
    choose_for(&simulator, "a2", |request| {
        is_list(request).then(|| error(500))
    });
    reload(&config);
    proxy.wait_for_log("account a2 does not list its models, its 2 models of before are kept");
    assert_eq!(names(&proxy), [GEMINI, LLAMA, GROK]);
    assert_eq!(servers(&proxy, GEMINI), ["a2"]);
    // A model that is new at one account is there without a restart.
    simulator.set_chooser(None);
    list(&simulator, "a1", &[GROK, LLAMA, MODELS[3].1]);
    reload(&config);
    eventually("the new model", || names(&proxy).len() == 4);
    assert_eq!(servers(&proxy, MODELS[3].1), ["a1"]);
    reload(&config.clone().without("a2"));
    assert!(!names(&proxy).contains(&GEMINI.to_owned()));
    reload(&Config::of(&simulator, &ALL));
    let plain: Vec<_> = MODELS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&proxy), plain);
    assert_eq!(servers(&proxy, "gemini"), ["a1", "a2", "a3"]);
}

#[test]
fn a_trial_of_all_accounts_takes_a_model_that_all_have() {
    let (simulator, config) = site();
    list(&simulator, "a3", &[LLAMA]);
    let proxy = config.start();
    let answer = proxy.get("/test-oci");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = simulator.requests().into_iter().filter(is_chat);
    let models: Vec<Value> = asked
        .map(|request| super::site::body_of(&request)["servingMode"]["modelId"].clone())
        .collect();
    assert_eq!(models, [LLAMA, LLAMA, LLAMA]);
}

#[test]
fn nobody_waits_for_the_list_of_one_account_who_asks_for_what_another_lists() {
    let (simulator, config) = site();
    choose_for(&simulator, "a3", |request| {
        is_list(request).then_some(Script::HangBeforeHead)
    });
    let proxy = config.start();
    let started = Instant::now();
    served_by(&proxy.chat(&ask(GEMINI, false, "Hello")));
    assert!(started.elapsed() < Duration::from_secs(4));
    // The list itself waits for all a moment, and comes without it.
    assert_eq!(names(&proxy), [GEMINI, LLAMA, GROK]);
    let unknown = proxy.chat(&ask("x.unknown", false, "Hello"));
    unknown.assert_error(503, Some("models_unknown"));
}
