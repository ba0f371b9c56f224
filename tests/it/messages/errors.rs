//! Whatever goes wrong, and wherever: Anthropic's shape and types, from the gate to the middle of a stream.

use std::time::Duration;

use ociai_proxy::simulator::{Framing, Gate, Script, Step};
use serde_json::{Value, json};

use crate::harness::{Client, KEY, Proxy, Response, config, eventually, simulator};
use crate::messages::said::{HEADERS, PATH, asked, assert_error, events, post, send};

/// An answer to exactly these headers.
fn ask(proxy: &Proxy, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut client = proxy.connect();
    client.send_request(method, path, headers, body);
    client.response(method)
}

#[test]
fn the_front_door_refuses_in_the_shape_that_was_asked_for() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nmax_request_bytes = 65536\n");
    let body = asked("grok", "Hello", &json!({})).to_string();
    let answer = ask(&proxy, "POST", PATH, &[], &body);
    assert_error(&answer, 401, "authentication_error");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let wrong = ask(&proxy, "POST", PATH, &[("x-api-key", "wrong")], &body);
    assert_error(&wrong, 401, "authentication_error");
    let get = ask(&proxy, "GET", PATH, &HEADERS, "");
    assert_error(&get, 405, "invalid_request_error");
    assert_eq!(get.header("allow"), Some("POST, OPTIONS"));
    assert_error(
        &ask(&proxy, "POST", "/v1/messages/batches", &HEADERS, "{}"),
        404,
        "not_found_error",
    );
    // Without a hint in the path the header tells.
    assert_error(
        &ask(&proxy, "GET", "/v1/files", &HEADERS, ""),
        404,
        "not_found_error",
    );
    let large = asked("grok", "x".repeat(70_000), &json!({}));
    let mut client = proxy.connect();
    send(&mut client, PATH, &large);
    assert_error(&client.response("POST"), 413, "request_too_large");
    let head = ask(&proxy, "HEAD", PATH, &HEADERS, "");
    assert_eq!((head.status, head.body.len()), (405, 0));
    // And nobody else's answers change.
    let bearer = format!("Bearer {KEY}");
    ask(
        &proxy,
        "POST",
        "/v1/chat/completions",
        &[("Authorization", &bearer)],
        "{}",
    )
    .assert_error(400, None);
    ask(&proxy, "POST", "/v1/chat/completions", &[], "{}")
        .assert_error(401, Some("invalid_api_key"));
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let told = |body: &str| {
        let answer = ask(&proxy, "POST", PATH, &HEADERS, body);
        assert_error(&answer, 400, "invalid_request_error")
    };
    assert!(told("{").contains("not valid JSON"));
    assert!(told("[]").contains("expected an object"));
    assert!(
        told(r#"{"model":"grok","messages":[{"role":"user","content":7}]}"#)
            .contains("messages[0].content")
    );
    for (more, named) in [
        (
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            "tools[0].type",
        ),
        (json!({"max_tokens": 0}), "max_tokens"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}),
            "messages[0].content[0].type",
        ),
    ] {
        let message = told(&asked("grok", "Hello", &more).to_string());
        assert!(message.contains(named), "{message}");
    }
    let kept = post(
        &proxy,
        PATH,
        &asked("grok", "Hello", &json!({"thread": {"type": "create"}})),
    );
    assert_error(&kept, 400, "invalid_request_error");
    assert_eq!(
        kept.json()["error"]["details"]["error_code"],
        "thread_unsupported_request"
    );
    let unknown = post(
        &proxy,
        PATH,
        &asked("claude-sonnet-4-5", "Hello", &json!({})),
    );
    assert!(assert_error(&unknown, 404, "not_found_error").contains("claude-sonnet-4-5"));
    let empty = ask(&proxy, "POST", PATH, &HEADERS, "");
    assert_error(&empty, 400, "invalid_request_error");
}

/// What the format of a model refuses has the client's place, though a chat has other messages before it.
#[test]
fn a_block_that_the_model_cannot_take_is_named_as_the_client_has_it() {
    let simulator = simulator();
    let more = "command = cohere.command-a-03-2025\n";
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + more));
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}});
    let body = json!({"model": "command", "max_tokens": 9, "system": "Be brief.", "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, image]},
    ]});
    let answer = post(&proxy, PATH, &body);
    let message = assert_error(&answer, 400, "invalid_request_error");
    assert!(message.contains("messages[2].content[1]"), "{message}");
}

#[test]
fn what_oci_refuses_keeps_its_status() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nretry_attempts = 0");
    for stream in [false, true] {
        for (words, status, kind) in [
            ("simulate throttling", 429, "rate_limit_error"),
            ("simulate a long prompt", 400, "invalid_request_error"),
            ("simulate a fault", 502, "api_error"),
        ] {
            let answer = post(
                &proxy,
                PATH,
                &asked("grok", words, &json!({"stream": stream})),
            );
            let message = assert_error(&answer, status, kind);
            assert_eq!(
                answer.header("retry-after").is_some(),
                status == 429,
                "{words}"
            );
            // What clients look for to shorten a conversation.
            assert_eq!(
                message.starts_with("prompt is too long"),
                words.contains("long prompt"),
                "{message}"
            );
        }
    }
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_event() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let data = |event: Value| Step::Bytes(format!("data: {event}\n\n").into_bytes());
    for (end, kind) in [
        (vec![Step::Cut], "api_error"),
        (
            vec![
                data(json!({"code": "TooManyRequests", "status": 429, "message": "slow down"})),
                Step::CloseCleanly,
            ],
            "rate_limit_error",
        ),
    ] {
        let head = Step::Head {
            status: 200,
            content_type: "text/event-stream".to_owned(),
            framing: Framing::Chunked,
        };
        let gate = Gate::new();
        let text = json!({"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hel"}]}});
        let steps = [vec![head, data(text), Step::WaitFor(gate.clone())], end].concat();
        simulator.enqueue(Script::Steps(steps));
        let mut client = proxy.connect();
        send(
            &mut client,
            PATH,
            &asked("grok", "Hello", &json!({"stream": true})),
        );
        let mut answer = client.head();
        while !String::from_utf8_lossy(&answer.body).contains("Hel") {
            answer.body.extend(client.chunk().unwrap());
        }
        gate.open();
        while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
            answer.body.extend(chunk);
        }
        let events = events(&answer);
        let names: Vec<_> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "error"
            ],
            "{events:#?}"
        );
        let error = events.last().unwrap();
        assert_eq!(error["error"]["type"], kind, "{error}");
        assert_eq!(error["request_id"].as_str(), answer.header("request-id"));
        assert_eq!(client.rest(), b"", "its connection ends");
    }
}

/// One worker, held until the gate opens.
fn held(limits: &str) -> (ociai_proxy::simulator::Simulator, Proxy, Gate, Client) {
    let simulator = simulator();
    let limits = format!("[GLOBAL]\nglobal_max_concurrency = 1\n{limits}");
    let proxy = Proxy::start(&simulator, &limits);
    let gate = Gate::new();
    simulator.enqueue(Script::Steps(vec![Step::WaitFor(gate.clone()), Step::Cut]));
    let mut running = proxy.connect();
    send(&mut running, PATH, &asked("grok", "Hello", &json!({})));
    eventually("the worker to be busy", || simulator.active_calls() == 1);
    (simulator, proxy, gate, running)
}

#[test]
fn a_full_queue_is_an_overload() {
    let (_simulator, proxy, gate, _running) = held("queue_size = 1");
    let body = asked("grok", "Hello", &json!({}));
    let mut waiting = proxy.connect();
    send(&mut waiting, PATH, &body);
    eventually("one to wait", || {
        proxy.get("/stats/queue").json()["length"] == 1
    });
    let refused = post(&proxy, PATH, &body);
    assert_error(&refused, 503, "overloaded_error");
    assert!(refused.header("retry-after").is_some());
    let details = &refused.json()["error"]["details"];
    assert_eq!(details, &json!({"error_code": "queue_full"}));
    // An estimate waits for nobody.
    assert_eq!(post(&proxy, "/v1/messages/count_tokens", &body).status, 200);
    gate.open();
}

#[test]
fn who_waits_too_long_is_told_in_its_shape_by_the_gate() {
    let (_simulator, proxy, gate, _running) = held("queue_timeout = 300ms");
    let mut waiting = proxy.connect();
    waiting
        .stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    send(
        &mut waiting,
        PATH,
        &asked("grok", "Hello", &json!({"stream": true})),
    );
    let answer = waiting.response("POST");
    assert_error(&answer, 503, "overloaded_error");
    gate.open();
}
