//! Streams: events leave as they arrive, in whichever pieces; and all the ways in which a stream ends.

mod golden;

use ociai_proxy::simulator::{Framing, Gate, Script, Step};
use serde_json::{Value, json};

use crate::harness::{Client, DEADLINE, KEY, MODELS, Proxy, Response, chats, simulator};

fn head() -> Step {
    Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    }
}

fn data(event: &Value) -> Step {
    Step::Bytes(format!("data: {event}\n\n").into_bytes())
}

fn text(text: &str) -> Step {
    data(
        &json!({"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]}}),
    )
}

fn finish() -> Step {
    data(&json!({"message": {"role": "ASSISTANT"}, "finishReason": "stop"}))
}

fn usage() -> Step {
    data(&json!({"usage": {"promptTokens": 1, "completionTokens": 2, "totalTokens": 3}}))
}

/// A request for a stream with its usage.
fn asked(model: &str) -> Value {
    json!({
        "model": model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Hello"}],
    })
}

/// Sends a chat on this connection and leaves its answer unread.
fn send(client: &mut Client, body: &Value) {
    let bearer = format!("Bearer {KEY}");
    client.send_request(
        "POST",
        "/v1/chat/completions",
        &[("Authorization", &bearer)],
        &body.to_string(),
    );
}

/// The texts of one piece of a stream.
fn texts(piece: &[u8]) -> Vec<String> {
    let piece = std::str::from_utf8(piece).unwrap();
    let events = piece.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks = events.map(|event| serde_json::from_str::<Value>(event).unwrap());
    chunks
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn each_event_leaves_before_the_next_one_arrives() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let [first, second, last] = gates.clone().map(Step::WaitFor);
    let steps = vec![
        head(),
        text("one"),
        first,
        text(" two"),
        second,
        text(" three"),
        finish(),
        last,
        usage(),
        Step::CloseCleanly,
    ];
    simulator.enqueue(Script::Steps(steps));
    let mut client = proxy.connect();
    send(&mut client, &asked("grok"));
    let head = client.head();
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(head.header(name), Some(value));
    }
    let mut seen = Vec::new();
    for (gate, so_far) in [
        (&gates[0], "one"),
        (&gates[1], "one two"),
        (&gates[2], "one two three"),
    ] {
        while seen.concat() != so_far {
            seen.extend(texts(&client.chunk().unwrap()));
        }
        assert!(!gate.is_open());
        gate.open();
    }
    let mut rest = String::new();
    while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
        rest += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(
        rest.contains("\"finish_reason\":\"stop\"") && rest.ends_with("data: [DONE]\n\n"),
        "{rest}"
    );
}

#[test]
fn a_letter_that_is_cut_anywhere_arrives_whole() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let letters = "é中🦀👩‍👩‍👧";
    let event =
        json!({"message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": letters}]}});
    let bytes = format!("data: {event}\r\n\r\n").into_bytes();
    let mut steps = vec![head()];
    for byte in bytes {
        // A pause makes it likely that the byte is read alone.
        steps.extend([
            Step::Bytes(vec![byte]),
            Step::Pause(std::time::Duration::from_millis(1)),
        ]);
    }
    steps.extend([finish(), Step::CloseCleanly]);
    simulator.enqueue(Script::Steps(steps));
    let answer = proxy.chat(&asked("grok"));
    assert_eq!(
        texts(&answer.body[..answer.body.len() - "data: [DONE]\n\n".len()]).concat(),
        letters
    );
    assert_eq!(answer.chunks().len(), 3);
}

#[test]
fn an_upstream_that_stays_open_after_its_last_event_does_not_hold_the_client() {
    let simulator = simulator();
    // Were it not let go by itself, the harness would give up first.
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nrequest_timeout = 600s");
    for (name, last) in [("without usage", vec![]), ("with usage", vec![usage()])] {
        let mut steps = vec![head(), text("Hello"), finish()];
        steps.extend(last);
        steps.push(Step::KeepOpen);
        simulator.enqueue(Script::Steps(steps));
        let answer = proxy.chat(&asked("grok"));
        let chunks = answer.chunks();
        assert_eq!(
            chunks.last().unwrap()["usage"].is_object(),
            name == "with usage",
            "{name} {chunks:?}"
        );
        let line = proxy.line_of(&answer);
        assert!(line.contains(" attempts=1 status=200 "), "{line}");
        assert!(
            simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE),
            "{name}: the connection is let go"
        );
    }
}

#[test]
fn usage_comes_last_and_only_when_it_was_asked_for() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        let mut request = asked(name);
        let mut chunks = proxy.chat(&request).chunks();
        let last = chunks.pop().unwrap();
        assert_eq!(last["choices"], json!([]), "{name}");
        assert!(
            last["usage"]["total_tokens"].as_u64().unwrap() > 0,
            "{name}"
        );
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.get("usage") == Some(&Value::Null)),
            "{name}"
        );
        for options in [json!({"include_usage": false}), json!({}), Value::Null] {
            request["stream_options"] = options;
            let answer = proxy.chat(&request);
            let chunks = answer.chunks();
            assert!(
                chunks.iter().all(|chunk| chunk.get("usage").is_none()),
                "{name}"
            );
            assert!(
                chunks.iter().all(|chunk| chunk["choices"][0].is_object()),
                "{name}"
            );
            assert!(
                !proxy.line_of(&answer).contains("tokens=-"),
                "{name}: the log has it all the same"
            );
        }
    }
}

#[test]
fn the_end_is_announced_once_whether_or_not_upstream_does() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        let answer = proxy.chat(&asked(name));
        assert_eq!(answer.text().matches("[DONE]").count(), 1, "{name}");
        assert!(
            answer.text().ends_with("\n\ndata: [DONE]\n\n") && answer.whole,
            "{name}"
        );
    }
    let twice = [
        head(),
        text("Hello"),
        finish(),
        usage(),
        Step::Bytes(b"data: [DONE]\n\ndata: [DONE]\n\n".to_vec()),
        Step::CloseCleanly,
    ];
    simulator.enqueue(Script::Steps(twice.to_vec()));
    assert_eq!(
        proxy.chat(&asked("grok")).text().matches("[DONE]").count(),
        1
    );
}

#[test]
fn without_upstream_streams_who_asks_for_one_still_gets_one() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "force_non_stream = true");
    let tool = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]);
    for (name, _) in MODELS {
        let mut request = asked(name);
        let streamed = proxy.chat(&request);
        assert_eq!(
            streamed.header("content-type"),
            Some("text/event-stream; charset=utf-8")
        );
        let chunks = streamed.chunks();
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert!(chunks.last().unwrap()["usage"].is_object());
        let said: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        let finishes: Vec<_> = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str())
            .collect();
        assert_eq!(finishes, ["stop"]);
        request["stream"] = json!(false);
        let whole = proxy.chat(&request);
        assert_eq!(whole.header("content-type"), Some("application/json"));
        assert_eq!(whole.json()["choices"][0]["message"]["content"], said);
        request["stream"] = json!(true);
        request["tools"] = tool.clone();
        request["messages"] = json!([{"role": "user", "content": "Paris and Rome"}]);
        let chunks = proxy.chat(&request).chunks();
        let calls = chunks.iter().flat_map(|chunk| {
            chunk["choices"][0]["delta"]["tool_calls"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        });
        let indices: Vec<_> = calls
            .map(|call| (call["index"].clone(), call["function"]["arguments"].clone()))
            .collect();
        assert_eq!(
            indices,
            [
                (json!(0), json!(r#"{"city":"Paris"}"#)),
                (json!(1), json!(r#"{"city":"Rome"}"#))
            ],
            "{name}"
        );
    }
    for request in chats(&simulator) {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let chat = body["chatRequest"].as_object().unwrap();
        let streams = chat
            .get("isStream")
            .is_some_and(|is_stream| *is_stream != json!(false));
        assert!(!streams && !chat.contains_key("streamOptions"), "{body}");
    }
}

#[test]
fn what_breaks_after_the_first_event_is_one_error_event_and_the_end_of_the_connection() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let error = data(&json!({"code": "InternalServerError", "message": "it broke"}));
    for (what, code, rest) in [
        (
            "an error event",
            "InternalServerError",
            vec![error, Step::CloseCleanly],
        ),
        ("a cut", "upstream_error", vec![Step::Cut]),
        (
            "half an event",
            "upstream_error",
            vec![Step::Bytes(b"data: {\"ind".to_vec()), Step::Cut],
        ),
        (
            "an end without a finish",
            "upstream_error",
            vec![Step::CloseCleanly],
        ),
        (
            "an end without a finish, announced",
            "upstream_error",
            vec![
                Step::Bytes(b"data: [DONE]\n\n".to_vec()),
                Step::CloseCleanly,
            ],
        ),
        (
            "something else",
            "upstream_error",
            vec![
                Step::Bytes(b"data: <html>\n\n".to_vec()),
                Step::CloseCleanly,
            ],
        ),
    ] {
        let mut steps = vec![head(), text("Hel"), text("lo")];
        steps.extend(rest);
        simulator.enqueue(Script::Steps(steps));
        let mut client = proxy.connect();
        send(&mut client, &asked("grok"));
        let answer = client.response("POST");
        assert_eq!((answer.status, answer.whole), (200, true), "{what}");
        assert_eq!(client.rest(), b"", "{what}");
        let events = answer.events();
        let errors: Vec<Value> = events
            .iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .filter(|event: &Value| event.get("error").is_some())
            .collect();
        assert_eq!(errors.len(), 1, "{what} {events:?}");
        assert_eq!(
            (&errors[0]["error"]["code"], &errors[0]["error"]["type"]),
            (&json!(code), &json!("server_error")),
            "{what}"
        );
        assert!(
            events.last().unwrap().starts_with("{\"error\":"),
            "{what} {events:?}"
        );
        assert!(answer.text().ends_with("\n\n"), "{what}");
        let line = proxy.line_of(&answer);
        assert!(
            line.contains(" attempts=1 ") && line.contains("broken off"),
            "{what} {line}"
        );
    }
}

#[test]
fn an_error_that_comes_before_any_text_is_repeated_and_then_a_plain_answer() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nretry_attempts = 1");
    let failing = Script::Steps(vec![
        head(),
        data(&json!({"code": "500", "message": "it broke"})),
        Step::CloseCleanly,
    ]);
    simulator.enqueue(failing.clone());
    let answer = proxy.chat(&asked("grok"));
    assert_eq!(answer.chunks().len(), answer.events().len() - 1);
    assert!(proxy.line_of(&answer).contains(" attempts=2 status=200 "));
    simulator.set_default(Some(failing));
    let answer = proxy.chat(&asked("grok"));
    answer.assert_error(502, Some("upstream_error"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.text().contains("it broke"), "{}", answer.text());
    assert!(proxy.line_of(&answer).contains(" attempts=2 status=502 "));
    assert_eq!(chats(&simulator).len(), 4);
}

#[test]
fn one_connection_serves_many_chats_on_either_side() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let mut client = proxy.connect();
    for round in 0..20 {
        let mut request = asked(MODELS[round % MODELS.len()].0);
        request["stream"] = json!(round % 2 == 0);
        send(&mut client, &request);
        let answer: Response = client.response("POST");
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{}",
            answer.text()
        );
        assert_ne!(answer.header("connection"), Some("close"));
        // With the line the upstream's connection is back in the pool.
        proxy.line_of(&answer);
        // One, or two for a moment if a loaded machine was too slow to see the end of a stream.
        assert!(
            simulator.open_connections() <= 2,
            "{}",
            simulator.open_connections()
        );
    }
}

#[test]
fn a_request_right_behind_a_broken_stream_is_answered_and_the_last_of_its_connection() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let mut client = proxy.connect();
    let gate = Gate::new();
    simulator.enqueue(Script::Steps(vec![
        head(),
        text("Hel"),
        Step::WaitFor(gate.clone()),
        Step::Cut,
    ]));
    // The client could not know that the connection ends.
    send(&mut client, &asked("grok"));
    send(&mut client, &asked("grok"));
    gate.open();
    assert!(!client.response("POST").text().contains("[DONE]"));
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("[DONE]"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}
