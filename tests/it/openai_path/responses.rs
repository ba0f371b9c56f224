//! `/v1/responses` on OCI's OpenAI-compatible API: copied both ways, and translated where an account or a model lacks it.

use std::sync::Arc;

use ociai_proxy::simulator::{Framing, Recorded, Script, Simulator, Step};
use serde_json::{Value, json};

use super::{ACTIONS, COMMENT, NATIVE, calls, fleet, head, pieces, proxy, simulator, targets};
use crate::responses::{ask, told};

const RESPONSES: &str = "/20231130/actions/v1/responses";

const WHOLE: &str = "{ \"id\":\"resp_1\", \"object\":\"response\",\"created_at\":1.0e3,\"status\":\"completed\",\"error\":null,\n\"output\":[ ],\
                     \"usage\":{\"input_tokens\":7,\"output_tokens\":5,\"total_tokens\":12},\"new\":\"gr\\u00fc\u{df}e\" }\r\n";
const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0, \"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"created_at\":7}}\n\n";
const DELTA: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"gr\u{fc}\u{df}e \u{1F642}\"}\n\n";
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":7,\"output_tokens\":5}}}\n\n";
const FAILED: &str = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\",\"error\":{\"code\":\"server_error\",\"message\":\"The model is ill\"}}}\n\n";
const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"The model is ill\",\"sequence_number\":0}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn body(more: &Value) -> Value {
    let mut body = json!({"model": "grok", "input": "Hello"});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn stream() -> Value {
    body(&json!({"stream": true}))
}

/// What that account answers there; it may have the rest.
fn there(simulator: &Simulator, account: &'static str, script: Script) {
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let is_it = request.account.as_deref() == Some(account) && request.target == RESPONSES;
        is_it.then(|| script.clone())
    })));
}

#[test]
fn request_and_whole_answer_are_copied() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    simulator.enqueue(Script::status(200, WHOLE));
    let sent = "{ \"input\" :[{\"role\":\"user\",\"content\":\"gr\\u00fc\u{df}e\"}],\t\"store\": true, \"temperature\":1.50,\n\
                \"previous_response_id\":\"resp_0\",\"tools\":[{\"type\":\"mcp\",\"server_label\":\"x\"}], \"model\" : \"grok\" }\r\n";
    let answer = proxy.request("POST", "/v1/responses", sent);
    assert_eq!((answer.status, answer.text()), (200, WHOLE));
    assert!(proxy.line_of(&answer).contains("tokens=7+5"));
    assert_eq!(targets(&simulator), [RESPONSES]);
    let expected = sent.replace(
        "\"grok\" }",
        "\"xai.grok-4.3\",\"max_output_tokens\":4000 }",
    );
    let arrived = String::from_utf8(calls(&simulator)[0].body.to_vec()).unwrap();
    assert_eq!(arrived, expected);
}

#[test]
fn a_stream_is_copied_however_it_is_cut() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let whole = [CREATED, COMMENT, DELTA, COMPLETED].concat();
    let incomplete = whole.replace("response.completed", "response.incomplete");
    for text in [
        whole.clone(),
        incomplete,
        whole.replace('\n', "\r\n"),
        whole + DONE,
    ] {
        simulator.enqueue(Script::Steps(vec![
            head(Framing::Chunked),
            Step::ByteByByte(text.clone().into_bytes()),
            Step::CloseCleanly,
        ]));
        simulator.enqueue(pieces(&[&text]));
        // The connection stays open behind the last event.
        simulator.enqueue(Script::Steps(vec![
            head(Framing::Chunked),
            Step::Bytes(text.clone().into_bytes()),
            Step::Hang,
        ]));
        for way in ["byte by byte", "at once", "left open"] {
            let answer = ask(&proxy, &stream());
            assert_eq!(
                (answer.text(), answer.whole),
                (text.as_str(), true),
                "{way}"
            );
            assert!(proxy.line_of(&answer).contains("tokens=7+5"), "{way}");
        }
    }
}

#[test]
fn a_failure_that_comes_first_goes_to_another_account() {
    let simulator = super::fleet_simulator();
    let proxy = fleet(&simulator, "grok = xai.grok-4.3 | openai\n");
    let failed = FAILED.replace(":2,", ":0,");
    let refused = r#"{"error":{"message":"no","code":"server_error"}}"#;
    let response =
        r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"no"}}"#;
    for (script, is_stream) in [
        (pieces(&[ERROR]), true),
        (pieces(&[&failed]), true),
        (pieces(&[COMMENT, ERROR]), true),
        (Script::status(200, refused), false),
        (Script::status(200, response), false),
        (Script::status(200, "<html>"), false),
    ] {
        let shown = format!("{script:?}");
        there(&simulator, "a1", script);
        // One of two begins with a1.
        for _ in 0..2 {
            let answer = ask(&proxy, &body(&json!({"stream": is_stream})));
            assert_eq!(answer.status, 200, "{shown} {}", answer.text());
            assert_eq!(answer.header("x-ociai-account"), Some("a2"), "{shown}");
        }
    }
    assert!(proxy.get("/stats/accounts").json()["accounts"][0]["failures"].as_u64() > Some(0));
}

#[test]
fn a_failure_that_comes_later_is_passed_on_and_known() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    for failed in [FAILED, ERROR] {
        for sent in [vec![CREATED, DELTA, failed], vec![CREATED, failed]] {
            simulator.enqueue(pieces(&sent));
            let answer = ask(&proxy, &stream());
            assert_eq!(answer.text(), sent.concat());
            let line = proxy.line_of(&answer);
            assert!(
                line.contains("broken off") && line.contains("ill"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_stream_that_is_cut_ends_with_an_error_behind_what_came() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "[GLOBAL]\nretry_attempts = 0", "");
    let text = [CREATED, DELTA].concat();
    for at in [10, CREATED.len() + 5, text.len() - 1, text.len()] {
        simulator.enqueue(Script::Steps(vec![
            head(Framing::Chunked),
            Step::Bytes(text.as_bytes()[..at].to_vec()),
            Step::Cut,
        ]));
        let answer = ask(&proxy, &stream());
        if at < CREATED.len() {
            assert_eq!(answer.status, 502, "cut at {at}: {}", answer.text());
            continue;
        }
        let came = if at < text.len() { CREATED } else { &text };
        let rest = answer
            .text()
            .strip_prefix(came)
            .unwrap_or_else(|| panic!("{at}: {}", answer.text()));
        let events: Vec<Value> = rest
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        let [failed, error] = events.as_slice() else {
            panic!("{rest}")
        };
        let next = if at < text.len() { 1 } else { 2 };
        assert_eq!(
            (&failed["type"], &failed["sequence_number"]),
            (&json!("response.failed"), &json!(next))
        );
        let response = &failed["response"];
        assert_eq!(
            (
                &response["id"],
                &response["model"],
                &response["created_at"],
                &response["status"]
            ),
            (&json!("resp_1"), &json!("m"), &json!(7), &json!("failed"))
        );
        assert_eq!(
            (&error["type"], &error["sequence_number"]),
            (&json!("error"), &json!(next + 1))
        );
    }
    // An end that is a proper one, and comes too early.
    simulator.enqueue(pieces(&[CREATED, DELTA]));
    let answer = ask(&proxy, &stream());
    assert!(answer.text().starts_with(&text) && answer.text().contains("event: response.failed\n"));
    assert!(proxy.line_of(&answer).contains("broken off"));
}

#[test]
fn an_account_without_it_is_asked_natively_and_keeps_its_chats() {
    let simulator = super::fleet_simulator();
    let proxy = fleet(&simulator, "grok = xai.grok-4.3\n");
    there(&simulator, "a1", Script::status(404, super::NOT_FOUND));
    for round in 0..2 {
        for by in ["a1", "a2"] {
            let before = calls(&simulator).len();
            let answer = ask(&proxy, &stream());
            assert_eq!(answer.header("x-ociai-account"), Some(by));
            assert!(proxy.line_of(&answer).contains(" attempts=1 status=200 "));
            let expected: &[&str] = match (by, round) {
                ("a1", 0) => &[RESPONSES, NATIVE],
                ("a1", _) => &[NATIVE],
                _ => &[RESPONSES],
            };
            assert_eq!(targets(&simulator)[before..], *expected, "{by} {round}");
            // Either way it is a stream of the same kind, of whom was asked.
            let events = told(&answer);
            assert_eq!(events[0]["type"], "response.created");
            let last = &events.last().unwrap();
            assert_eq!(last["type"], "response.completed");
            let model = if by == "a1" { "grok" } else { "xai.grok-4.3" };
            assert_eq!(last["response"]["model"], model);
        }
    }
    let before = calls(&simulator).len();
    assert_eq!(
        proxy.chat(&super::stream(true)).header("x-ociai-account"),
        Some("a1")
    );
    assert_eq!(targets(&simulator)[before..], [ACTIONS]);
}

#[test]
fn what_oci_keeps_is_asked_for_nowhere_else() {
    let simulator = super::fleet_simulator();
    let proxy = fleet(&simulator, "grok = xai.grok-4.3\n");
    simulator.set_chooser(Some(Arc::new(|request: &Recorded| {
        (request.target == RESPONSES).then(|| Script::status(404, super::NOT_FOUND))
    })));
    let answer = ask(&proxy, &body(&json!({"previous_response_id": "resp_1"})));
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(!targets(&simulator).contains(&NATIVE.to_owned()));
    // Whole, and natively.
    let answer = ask(&proxy, &body(&json!({})));
    assert_eq!(
        (answer.status, &answer.json()["object"]),
        (200, &json!("response"))
    );
    assert_eq!(targets(&simulator).last().unwrap(), NATIVE);
}

#[test]
fn llama_is_asked_natively_unless_told_otherwise() {
    let simulator = simulator();
    let llama =
        "own = meta.llama-3.3-70b-instruct | auto\nforced = meta.llama-3.3-70b-instruct | openai\n";
    let proxy = proxy(&simulator, "", llama);
    let answer = ask(&proxy, &body(&json!({"model": "own"})));
    assert_eq!(answer.json()["model"], "own", "{}", answer.text());
    assert_eq!(targets(&simulator), [NATIVE]);
    let answer = ask(&proxy, &body(&json!({"model": "forced"})));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("upstream_api"), "{}", answer.text());
    assert_eq!(targets(&simulator)[1..], [RESPONSES]);
}

#[test]
fn without_streams_upstream_one_is_made_natively_or_refused() {
    let simulator = simulator();
    let proxy = proxy(
        &simulator,
        "force_non_stream = true",
        "own = xai.grok-4.3 | auto\n",
    );
    let answer = ask(&proxy, &stream());
    answer.assert_error(400, None);
    assert!(
        answer.text().contains("force_non_stream"),
        "{}",
        answer.text()
    );
    assert!(calls(&simulator).is_empty());
    told(&ask(
        &proxy,
        &body(&json!({"model": "own", "stream": true})),
    ));
    assert_eq!(ask(&proxy, &body(&json!({}))).status, 200);
    assert_eq!(targets(&simulator), [NATIVE, RESPONSES]);
}

#[test]
fn the_pretended_service_answers_as_the_real_one() {
    let simulator = simulator();
    let proxy = proxy(
        &simulator,
        "openai_path = /openai/v1",
        "agents = xai.grok-4.20-multi-agent-0309\n",
    );
    let tool = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
    for model in ["grok", "gpt", "agents"] {
        for more in [
            json!({}),
            json!({"tools": tool, "tool_choice": "required"}),
            json!({"max_output_tokens": 20}),
        ] {
            let mut asked = body(&more);
            asked["model"] = json!(model);
            let whole = ask(&proxy, &asked);
            assert_eq!(whole.status, 200, "{model} {}", whole.text());
            asked["stream"] = json!(true);
            let events = told(&ask(&proxy, &asked));
            let last = events.last().unwrap();
            let kinds = |response: &Value| -> Vec<Value> {
                let items = response["output"].as_array().unwrap().iter();
                items.map(|item| item["type"].clone()).collect()
            };
            assert_eq!(
                kinds(&last["response"]),
                kinds(&whole.json()),
                "{model} {more}"
            );
            assert_eq!(last["response"]["status"], whole.json()["status"]);
        }
    }
    assert!(
        targets(&simulator)
            .iter()
            .all(|target| target == "/openai/v1/responses")
    );
    for wrong in [json!({"messages": []}), json!({"input": null})] {
        let mut asked = body(&json!({"stream": true}));
        asked
            .as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let answer = ask(&proxy, &asked);
        assert_eq!(answer.status, 400, "{wrong} {}", answer.text());
    }
}
