//! Embeddings through the fleet: long requests as several calls, each with a failover of its own, and one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ociai_proxy::simulator::{Gate, Recorded, Script, Simulator, Step};
use serde_json::{Value, json};

use super::site::{Config, body_of, error, simulator_of_more, throttled};
use crate::harness::{Client, KEY, Proxy, Response, eventually};

const PATH: &str = "/v1/embeddings";
const ALL: [&str; 3] = ["a1", "a2", "a3"];

fn start(ids: &[&str], global: &str) -> (Simulator, Proxy) {
    let simulator = simulator_of_more(ids);
    let proxy = Config::of(&simulator, ids)
        .more_models()
        .global(global)
        .start();
    (simulator, proxy)
}

fn texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("text number {number}"))
        .collect()
}

fn embed(proxy: &Proxy, body: &Value) -> Response {
    proxy.request("POST", PATH, &body.to_string())
}

fn is_embed(request: &Recorded) -> bool {
    request.target.ends_with("/actions/embedText")
}

/// Calls that have reached OCI, in order.
fn calls(simulator: &Simulator) -> Vec<Recorded> {
    simulator.requests().into_iter().filter(is_embed).collect()
}

/// The script of the call with that number, from 1; others are answered well.
fn on_call(simulator: &Simulator, number: usize, script: Script) {
    let seen = AtomicUsize::new(0);
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let is_it = is_embed(request) && seen.fetch_add(1, Ordering::SeqCst) + 1 == number;
        is_it.then(|| script.clone())
    })));
}

/// The text of each embedding, as it was written.
fn written(answer: &Response) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pieces = answer.text().split(r#""embedding":["#).skip(1);
    pieces
        .map(|piece| piece.split(']').next().unwrap().to_owned())
        .collect()
}

#[test]
fn many_inputs_are_asked_in_pieces_and_answered_in_order() {
    let (simulator, proxy) = start(&ALL, "");
    let all = texts(200);
    let answer = embed(
        &proxy,
        &json!({"model": "embed", "input": all, "dimensions": 256}),
    );
    let numbers = written(&answer);
    let body = answer.json();
    assert_eq!(
        (body["object"].as_str(), body["model"].as_str()),
        (Some("list"), Some("embed"))
    );
    let data = body["data"].as_array().unwrap();
    assert_eq!(data.len(), 200);
    for (at, item) in data.iter().enumerate() {
        assert_eq!(
            (&item["object"], &item["index"]),
            (&json!("embedding"), &json!(at))
        );
        assert_eq!(item["embedding"].as_array().unwrap().len(), 256);
    }
    assert_eq!(
        body["usage"],
        json!({"prompt_tokens": 600, "total_tokens": 600})
    );
    assert!(
        answer.header("x-ociai-account").is_some() && answer.header("opc-request-id").is_some()
    );

    let sent: Vec<_> = calls(&simulator).iter().map(body_of).collect();
    let sizes: Vec<_> = sent
        .iter()
        .map(|call| call["inputs"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [96, 96, 8]);
    let inputs: Vec<_> = sent
        .iter()
        .flat_map(|call| call["inputs"].as_array().unwrap().clone())
        .collect();
    assert_eq!(json!(inputs), json!(all));
    assert!(
        sent.iter()
            .all(|call| call["inputType"] == "SEARCH_DOCUMENT" && call["truncate"] == "END")
    );
    let line = proxy.line_of(&answer);
    assert!(
        line.contains(" embed embeddings account=") && line.contains(" attempts=3 status=200 "),
        "{line}"
    );
    assert!(line.contains(" tokens=600+0"), "{line}");

    // As when it is asked alone, to the last digit, and the same in base64.
    let alone = embed(
        &proxy,
        &json!({"model": "embed", "input": all[150], "dimensions": 256}),
    );
    assert_eq!(written(&alone), [numbers[150].clone()]);
    let packed = embed(
        &proxy,
        &json!({"model": "embed", "input": all, "dimensions": 256, "encoding_format": "base64"}),
    );
    let packed = packed.json();
    for (item, numbers) in packed["data"].as_array().unwrap().iter().zip(&numbers) {
        let bytes = STANDARD
            .decode(item["embedding"].as_str().unwrap())
            .unwrap();
        let floats = bytes
            .chunks(4)
            .map(|float| f32::from_le_bytes(float.try_into().unwrap()));
        let wanted = numbers
            .split(',')
            .map(|number| number.parse::<f32>().unwrap());
        assert!(floats.eq(wanted), "{numbers}");
    }
}

#[test]
fn each_piece_has_a_failover_of_its_own() {
    let (simulator, proxy) = start(&ALL, "retry_attempts = 1");
    on_call(&simulator, 2, error(503));
    let answer = embed(
        &proxy,
        &json!({"model": "embed", "input": texts(200), "dimensions": 256}),
    );
    assert_eq!(written(&answer).len(), 200);
    let asked: Vec<_> = calls(&simulator)
        .iter()
        .map(|call| call.account.clone())
        .collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_ne!(asked[1], asked[2], "the same account was asked again");
    let line = proxy.line_of(&answer);
    assert!(line.contains(" attempts=4 status=200 "), "{line}");
    let again = calls(&simulator);
    assert_eq!(body_of(&again[1])["inputs"], body_of(&again[2])["inputs"]);
    let broken = Script::status(200, r#"{"embeddings":[[0.5]]}"#);
    on_call(&simulator, 3, broken);
    let answer = embed(
        &proxy,
        &json!({"model": "embed", "input": texts(200), "dimensions": 256}),
    );
    assert_eq!(written(&answer).len(), 200);
}

#[test]
fn a_piece_that_fails_everywhere_is_the_answer() {
    let (simulator, proxy) = start(&ALL, "");
    let body = json!({"model": "embed", "input": texts(97)});
    let all_but_the_first = AtomicUsize::new(0);
    simulator.set_chooser(Some(Arc::new(move |_: &Recorded| {
        (all_but_the_first.fetch_add(1, Ordering::SeqCst) > 0).then(|| throttled(7))
    })));
    let answer = embed(&proxy, &body);
    answer.assert_error(429, Some("rate_limit_exceeded"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(calls(&simulator).len(), 4);
    let line = proxy.line_of(&answer);
    // What the first piece has cost stands there all the same.
    assert!(
        line.contains(" attempts=4 status=429 ") && line.contains(" tokens=288+0"),
        "{line}"
    );
    // All cool now: nobody is asked.
    let answer = embed(&proxy, &body);
    answer.assert_error(503, Some("no_account_available"));
    assert_eq!(calls(&simulator).len(), 4);
    // For this model only.
    let other = embed(&proxy, &json!({"model": "embed-v3", "input": "a"}));
    assert_eq!(other.status, 429, "{}", other.text());
}

#[test]
fn what_oci_refuses_is_told_with_the_clients_names() {
    let (simulator, proxy) = start(&["a1"], "");
    let refused = embed(
        &proxy,
        &json!({"model": "embed-v3", "input": "a", "dimensions": 256}),
    );
    refused.assert_error(400, Some("unsupported_parameter"));
    assert_eq!(refused.json()["error"]["param"], "dimensions");
    let mut inputs = texts(120);
    inputs[100] = "long ".repeat(600);
    let refused = embed(
        &proxy,
        &json!({"model": "embed-v3", "input": inputs, "truncate": "NONE"}),
    );
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused.json()["error"]["param"]
            .as_str()
            .unwrap()
            .starts_with("input"),
        "{}",
        refused.text()
    );
    let cut = embed(&proxy, &json!({"model": "embed-v3", "input": inputs}));
    assert_eq!(written(&cut).len(), 120);
    assert_eq!(calls(&simulator).len(), 5);
    // Behind an endpoint may be any model.
    let answer = embed(
        &proxy,
        &json!({"model": "dedicated", "input": "a", "input_type": "query"}),
    );
    assert_eq!(written(&answer).len(), 1);
    let sent = body_of(calls(&simulator).last().unwrap());
    assert_eq!(sent["servingMode"]["servingType"], "DEDICATED");
    assert_eq!(sent["inputType"], "SEARCH_QUERY");
    let image = json!({"model": "embed", "input": ["data:image/png;base64,AAAA", "data:image/png;base64,BBBB"], "input_type": "image"});
    assert_eq!(written(&embed(&proxy, &image)).len(), 2);
}

#[test]
fn a_model_is_asked_only_for_what_it_is_for() {
    let (simulator, proxy) = start(&["a1"], "default_model = grok");
    for (path, model, status, word) in [
        (PATH, "grok", 400, "/v1/chat/completions"),
        (PATH, "rerank", 400, "/v1/rerank"),
        (PATH, "text-embedding-3-small", 404, "does not exist"),
        ("/v1/rerank", "embed", 400, "/v1/embeddings"),
        ("/v1/chat/completions", "embed", 400, "/v1/embeddings"),
        ("/v1/chat/completions", "rerank", 400, "/v1/rerank"),
    ] {
        let body = json!({
            "model": model, "input": "a", "query": "q", "documents": ["a"],
            "messages": [{"role": "user", "content": "Hello"}],
        });
        let answer = proxy.request("POST", path, &body.to_string());
        assert_eq!(answer.status, status, "{path} {model}: {}", answer.text());
        let told = answer.json();
        assert_eq!(told["error"]["param"], "model");
        assert!(
            told["error"]["message"].as_str().unwrap().contains(word),
            "{path} {model}: {told}"
        );
    }
    assert_eq!(simulator.total_requests(), 0);
    // A name that nobody has is the default model's, where that chats.
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(proxy.chat(&body).status, 200);
    assert_eq!(
        proxy
            .request(
                "POST",
                "/embeddings",
                &json!({"model": "embed", "input": "a"}).to_string()
            )
            .status,
        200
    );
    proxy
        .request("GET", PATH, "")
        .assert_error(405, Some("method_not_allowed"));
    let models = proxy.get("/v1/models").json();
    let names: Vec<_> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].clone())
        .collect();
    assert!(
        names.contains(&json!("embed")) && names.contains(&json!("rerank")),
        "{names:?}"
    );
}

#[test]
fn hostile_bodies_are_refused_and_nothing_is_asked() {
    let (simulator, proxy) = start(&["a1"], "");
    let long = "x".repeat(600);
    for body in [
        String::new(),
        "[]".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        r#"{"model":"embed"}"#.to_owned(),
        r#"{"model":"embed","input":[]}"#.to_owned(),
        r#"{"model":"embed","input":["a",null]}"#.to_owned(),
        r#"{"model":"embed","input":[[[1]]]}"#.to_owned(),
        r#"{"model":"embed","input":"a","dimensions":1e300}"#.to_owned(),
        r#"{"model":"embed","input":"a","encoding_format":"hex"}"#.to_owned(),
        r#"{"model":"embed","input":"a","input_type":["x"]}"#.to_owned(),
        r#"{"model":"embed","input":"a","input_type":"image"}"#.to_owned(),
        format!(r#"{{"model":"{long}","input":"a"}}"#),
        format!(r#"{{"model":"embed","input":"a","truncate":"{long}"}}"#),
        format!(r#"{{"model":"embed","input":{}}}"#, "[".repeat(5000)),
        json!({"model": "embed", "input": vec!["a"; 2049]}).to_string(),
        json!({"model": "embed", "input": vec![1; 100_000]}).to_string(),
    ] {
        let answer = proxy.request("POST", PATH, &body);
        assert_eq!(answer.status, 400, "{:.80} {}", body, answer.text());
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.body.len() < 1500, "{}", answer.text());
    }
    assert_eq!(simulator.total_requests(), 0);
    assert_eq!(
        embed(&proxy, &json!({"model": "embed", "input": "a"})).status,
        200
    );
}

#[test]
fn a_client_that_leaves_ends_the_call_and_those_that_would_follow() {
    let (simulator, proxy) = start(&["a1"], "");
    let gate = Gate::new();
    on_call(
        &simulator,
        2,
        Script::Steps(vec![Step::WaitFor(gate.clone()), Step::Hang]),
    );
    let mut client = Client::connect(proxy.address);
    let bearer = format!("Bearer {KEY}");
    let body = json!({"model": "embed", "input": texts(300)}).to_string();
    client.send_request("POST", PATH, &[("Authorization", &bearer)], &body);
    eventually("the second call", || calls(&simulator).len() == 2);
    drop(client);
    let ended = simulator.wait_for(
        |simulator| simulator.active_calls() == 0,
        Duration::from_secs(5),
    );
    assert!(ended, "the call goes on");
    let line = proxy.wait_for_log(" embed embeddings ");
    assert!(line.contains(" attempts=2 status=499 "), "{line}");
    assert_eq!(
        embed(&proxy, &json!({"model": "embed", "input": "a"})).status,
        200
    );
    assert_eq!(calls(&simulator).len(), 3);
    let stats = proxy.get("/stats/accounts").json();
    assert_eq!(stats["accounts"][0]["failures"], 0, "{stats}");
}

#[test]
fn an_answer_that_would_not_fit_into_memory_is_refused() {
    let (_simulator, proxy) = start(&["a1"], "max_request_bytes = 1MiB\nmax_body_memory = 4MiB");
    let ask = |count: usize, format: &str| {
        let body = json!({"model": "embed", "input": texts(count), "encoding_format": format});
        embed(&proxy, &body)
    };
    // 1536 numbers of some ten digits for each.
    let answer = ask(500, "float");
    answer.assert_error(413, Some("request_too_large"));
    assert_eq!(answer.json()["error"]["param"], "input");
    // Base64 is half as long, and a single call's answer is not counted.
    assert_eq!(
        ask(300, "base64").json()["data"].as_array().unwrap().len(),
        300
    );
    assert_eq!(ask(96, "float").status, 200);
    // All of it has been given back.
    for _ in 0..8 {
        assert_eq!(ask(200, "base64").status, 200);
    }
}

#[test]
fn the_figures_tell_what_was_asked() {
    let (_simulator, proxy) = start(&["a1"], "");
    assert_eq!(
        embed(&proxy, &json!({"model": "embed", "input": texts(3)})).status,
        200
    );
    let body = json!({"model": "rerank", "query": "q", "documents": ["a"]}).to_string();
    assert_eq!(proxy.request("POST", "/v1/rerank", &body).status, 200);
    let labels = |operation: &str, model: &str| {
        format!(
            r#"{{gen_ai_operation_name="{operation}",gen_ai_provider_name="oci.generative_ai",gen_ai_request_model="{model}""#
        )
    };
    for line in [
        format!(
            "gen_ai_server_request_duration_seconds_count{}}} 1\n",
            labels("embeddings", "embed")
        ),
        format!(
            "gen_ai_server_request_duration_seconds_count{}}} 1\n",
            labels("rerank", "rerank")
        ),
        format!(
            "gen_ai_server_request_duration_seconds_count{}}} 0\n",
            labels("chat", "grok")
        ),
        format!(
            "gen_ai_client_token_usage_sum{},gen_ai_token_type=\"input\"}} 9\n",
            labels("embeddings", "embed")
        ),
    ] {
        // A request is counted a moment after its client has the answer.
        eventually(&line, || proxy.get("/metrics").text().contains(&line));
    }
    let summary = proxy.get("/stats/summary").json();
    let models = summary["models"].as_array().unwrap();
    let of = |name: &str| {
        models
            .iter()
            .filter(|model| model["name"] == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("embed").len(), &of("embed")[0]["requests"]),
        (1, &json!(1))
    );
    assert_eq!(
        (of("rerank").len(), &of("rerank")[0]["requests"]),
        (1, &json!(1))
    );
}
