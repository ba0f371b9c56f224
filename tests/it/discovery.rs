//! `* = auto`: the models that OCI lists are there without a line for each, as far as they can be served on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Framing, Gate, ListedModel, Recorded, Script, Simulator, Step};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, MODELS, Proxy, chats, config, eventually, furnished, simulator};
use crate::start::run;

/// The configuration with these lines of `[MODELS]`; `more` of `[DEFAULT]`.
fn auto(simulator: &Simulator, lines: &str, more: &str) -> String {
    let text = config(&simulator.endpoint(), more);
    let (head, _) = text.split_once("[MODELS]\n").unwrap();
    format!("{head}[MODELS]\n{lines}\n[GLOBAL]\nhealth_check_interval = 0\n")
}

fn start(simulator: &Simulator, lines: &str, more: &str) -> Proxy {
    Proxy::with_config(&auto(simulator, lines, more))
}

fn models(proxy: &Proxy) -> Vec<Value> {
    let list = proxy.get("/v1/models");
    assert_eq!(list.status, 200, "{}", list.text());
    list.json()["data"].as_array().unwrap().clone()
}

fn names(proxy: &Proxy) -> Vec<Value> {
    models(proxy)
        .iter()
        .map(|model| model["id"].clone())
        .collect()
}

fn chat(proxy: &Proxy, model: &str) -> crate::harness::Response {
    proxy.chat(&json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]}))
}

fn is_list(request: &Recorded) -> bool {
    request.target.starts_with("/20231130/models?")
}

fn lists(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|r| is_list(r)).count()
}

/// Lets every list be answered so.
fn answer_lists(simulator: &Simulator, script: Option<Script>) {
    simulator.set_control(script);
}

/// The models of the list as the service has them: some that serve, and all kinds that do not.
fn realistic() -> Vec<ListedModel> {
    vec![
        ListedModel::new("xai.grok-4.3"),
        ListedModel::new("xai.grok-3").retired("2026-08-15T00:00:00.000Z"),
        ListedModel::new("google.gemini-2.5-flash").retired("2099-01-01T00:00:00Z"),
        ListedModel::new("meta.llama-3.3-70b-instruct").able(&["CHAT", "FINE_TUNE"]),
        ListedModel::new("meta.llama-3.3-70b-instruct").able(&["FINE_TUNE"]),
        ListedModel::new("cohere.command-r-16k").able(&["FINE_TUNE"]),
        ListedModel::new("my-tuned-command").custom(),
        ListedModel::new("openai.gpt-oss-120b"),
        ListedModel::new("openai.gpt-oss-120b"),
        ListedModel::new("cohere.embed-v4.0"),
        ListedModel::new("cohere.rerank-v4.0-pro"),
        ListedModel::new("x.images").able(&["TEXT_TO_IMAGE"]),
    ]
}

const SERVED: [&str; 6] = [
    "cohere.embed-v4.0",
    "cohere.rerank-v4.0-pro",
    "google.gemini-2.5-flash",
    "meta.llama-3.3-70b-instruct",
    "openai.gpt-oss-120b",
    "xai.grok-4.3",
];

#[test]
fn what_can_be_served_is_listed_with_what_it_can_do() {
    let simulator = simulator();
    simulator.set_listed(None, Some(realistic()));
    let proxy = start(&simulator, "* = auto", "");
    assert_eq!(names(&proxy), SERVED);
    let listed = models(&proxy);
    assert_eq!(
        listed[5],
        json!({"id": "xai.grok-4.3", "object": "model", "created": 1_781_049_600, "owned_by": "xai", "capabilities": ["chat"]})
    );
    assert_eq!(listed[0]["capabilities"], json!(["embeddings"]));
    assert_eq!(listed[1]["capabilities"], json!(["rerank"]));
    assert_eq!(proxy.get("/v1/models/xai.grok-4.3").json(), listed[5]);
    let gone = proxy.get("/v1/models/xai.grok-3");
    gone.assert_error(404, Some("model_not_found"));
    let answer = chat(&proxy, "xai.grok-4.3");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["model"], "xai.grok-4.3");
    chat(&proxy, "xai.grok-3").assert_error(404, Some("model_not_found"));
    assert_eq!(chats(&simulator).len(), 1);
    let summary = proxy.get("/stats/summary").json();
    let rows = summary["models"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "xai.grok-4.3");
    assert_eq!(row.unwrap()["requests"], 1, "{summary}");
    proxy.wait_for_log("account default lists 6 models");
}

#[test]
fn explicit_entries_win_and_keep_their_names() {
    let simulator = simulator();
    simulator.set_listed(None, Some(realistic()));
    let lines = "grok = xai.grok-4.3\nopenai.gpt-oss-120b = meta.llama-3.3-70b-instruct\n* = AUTO";
    let proxy = start(&simulator, lines, "default_model = google.gemini-2.5-flash");
    let names = names(&proxy);
    assert_eq!(names[..2], ["grok", "openai.gpt-oss-120b"]);
    assert_eq!(names.len(), 7);
    assert_eq!(chat(&proxy, "openai.gpt-oss-120b").status, 200);
    assert_eq!(chat(&proxy, "unheard-of").status, 200);
    let asked: Vec<Value> = chats(&simulator)
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .map(|body| body["servingMode"]["modelId"].clone())
        .collect();
    assert_eq!(
        asked,
        ["meta.llama-3.3-70b-instruct", "google.gemini-2.5-flash"]
    );
    // Of an entry's model it is known when it was made.
    assert_eq!(models(&proxy)[0]["created"], 1_781_049_600);
}

#[test]
fn a_long_list_comes_page_by_page() {
    let simulator = simulator();
    let many = (0..257).map(|number| ListedModel::new(&format!("x.model-{number:03}")));
    simulator.set_listed(None, Some(many.collect()));
    simulator.set_page_models(10);
    let proxy = start(&simulator, "* = auto", "");
    assert_eq!(names(&proxy).len(), 257);
    assert_eq!(lists(&simulator), 26);
    assert!(simulator.requests().iter().all(Recorded::is_signed));
}

#[test]
fn a_clients_first_request_waits_for_the_first_list_and_no_other_does() {
    let simulator = simulator();
    let gate = Gate::new();
    let its = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let body = br#"{"items":[{"displayName":"xai.grok-4.3","capabilities":["CHAT"]}]}"#;
        is_list(request).then(|| {
            Script::Steps(vec![
                Step::WaitFor(its.clone()),
                Step::Head {
                    status: 200,
                    content_type: "application/json".to_owned(),
                    framing: Framing::Length(body.len()),
                },
                Step::Bytes(body.to_vec()),
                Step::CloseCleanly,
            ])
        })
    })));
    let proxy = start(
        &simulator,
        "llama = meta.llama-3.3-70b-instruct\n* = auto",
        "",
    );
    assert_eq!(proxy.get("/ready").status, 200);
    assert_eq!(chat(&proxy, "llama").status, 200, "it does not wait");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| chat(&proxy, "xai.grok-4.3"));
        let listed = scope.spawn(|| names(&proxy));
        let one = scope.spawn(|| proxy.get("/v1/models/xai.grok-4.3").status);
        eventually("all three to wait", || {
            proxy.get("/stats/summary").json()["workers"]["busy"] == 3
        });
        gate.open();
        let answer = asked.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(listed.join().unwrap(), ["llama", "xai.grok-4.3"]);
        assert_eq!(one.join().unwrap(), 200);
    });
}

#[test]
fn a_list_that_does_not_come_is_waited_for_a_moment_only() {
    let simulator = simulator();
    answer_lists(&simulator, Some(Script::HangBeforeHead));
    let proxy = start(
        &simulator,
        "llama = meta.llama-3.3-70b-instruct\n* = auto",
        "",
    );
    let started = Instant::now();
    let answer = chat(&proxy, "xai.grok-4.3");
    answer.assert_error(503, Some("models_unknown"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(names(&proxy), ["llama"]);
    assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
    // From now on nobody waits.
    let again = Instant::now();
    for _ in 0..20 {
        chat(&proxy, "xai.grok-4.3").assert_error(503, Some("models_unknown"));
    }
    assert!(again.elapsed() < Duration::from_secs(4));
    assert_eq!(chat(&proxy, "llama").status, 200);
}

#[test]
fn a_list_that_failed_is_fetched_again_soon() {
    let page = |body: &str| Script::status(200, body);
    let html = Script::Status {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: b"<html><title>Sign in</title></html>".to_vec(),
    };
    for bad in [
        Script::status(500, "{}"),
        Script::status(429, "{}"),
        html,
        page("{\"items\":"),
        page("{\"models\":[]}"),
        Script::CloseBeforeHead,
        Script::GarbageHead,
    ] {
        let simulator = simulator();
        let is_bad = Arc::new(AtomicBool::new(true));
        let (flag, script) = (Arc::clone(&is_bad), bad.clone());
        simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
            let fails = is_list(request) && flag.load(Ordering::SeqCst);
            fails.then(|| script.clone())
        })));
        let proxy = start(&simulator, "* = auto", "");
        proxy.wait_for_log("account default does not list its models");
        let answer = chat(&proxy, "xai.grok-4.3");
        answer.assert_error(503, Some("models_unknown"));
        assert_eq!(names(&proxy), Vec::<Value>::new());
        is_bad.store(false, Ordering::SeqCst);
        eventually(&format!("a second try after {bad:?}"), || {
            chat(&proxy, "xai.grok-4.3").status == 200
        });
        assert_eq!(names(&proxy).len(), MODELS.len());
    }
}

#[test]
fn who_may_not_list_is_told_once_and_unknown_names_are_404() {
    for status in [403, 404] {
        let simulator = simulator();
        answer_lists(&simulator, Some(Script::status(status, "{}")));
        let proxy = start(&simulator, "grok = xai.grok-4.3\n* = auto", "");
        proxy.wait_for_log("account default does not list its models");
        chat(&proxy, "meta.llama-3.3-70b-instruct").assert_error(404, Some("model_not_found"));
        assert_eq!(chat(&proxy, "grok").status, 200);
        assert_eq!(names(&proxy), ["grok"]);
    }
}

#[test]
fn without_a_star_nobody_lists_and_a_star_means_auto() {
    let simulator = simulator();
    let proxy = start(&simulator, "grok = xai.grok-4.3", "");
    chat(&proxy, "xai.grok-4.3").assert_error(404, Some("model_not_found"));
    assert_eq!(chat(&proxy, "grok").status, 200);
    assert_eq!(models(&proxy)[0]["capabilities"], json!(["chat"]));
    assert_eq!(lists(&simulator), 0);
    for (lines, more, problem) in [
        (
            "* = xai.grok-4.3",
            "",
            "*: expected auto: * stands for all models that OCI lists",
        ),
        (
            "* = auto",
            "default_model = *",
            "default_model: expected a name out of [MODELS]",
        ),
        (
            "",
            "",
            "[MODELS]: no models, expected lines such as grok-4 = xai.grok-4, or * = auto",
        ),
    ] {
        let dir = furnished(&auto(&simulator, lines, more));
        let ended = run(dir.path(), &["-check"]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    }
}

#[test]
fn a_check_says_how_many_were_found() {
    let simulator = simulator();
    simulator.set_listed(None, Some(realistic()));
    let dir = furnished(&auto(&simulator, "grok = xai.grok-4.3\n* = auto", ""));
    let good = run(dir.path(), &["-check"]);
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    let says = |ended: &crate::start::Ended, text: &str| {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    };
    says(&good, "config.conf: models: 1 and 6 discovered, an api_key");
    says(
        &good,
        "remark: default: models discovered: 6 (chat 4, embeddings 1, rerank 1)",
    );
    simulator.set_chooser(Some(Arc::new(|request: &Recorded| {
        is_list(request).then(|| Script::status(403, "{}"))
    })));
    let forbidden = run(dir.path(), &["-check"]);
    assert_eq!(forbidden.code, Some(0), "{}", forbidden.stdout);
    says(
        &forbidden,
        "warning: default: its models cannot be discovered",
    );
    says(&forbidden, "name the models in [MODELS]");
}
