//! `/v1/responses` through the whole program: whole and streamed, with tools of every kind, reasoning and schemas; what Codex CLI
//! sends and reads; errors before the first event and behind it.

use ociai_proxy::simulator::{Framing, Script, Step};
use serde_json::{Value, json};

use crate::harness::{Client, MODELS, Proxy, Response, chats, simulator};

mod codex;

/// Model by model, what an answer has said, whole and streamed.
const BOTH: [bool; 2] = [false, true];

pub(crate) fn ask(proxy: &Proxy, body: &Value) -> Response {
    proxy.request("POST", "/v1/responses", &body.to_string())
}

fn last_request(simulator: &ociai_proxy::simulator::Simulator) -> Value {
    serde_json::from_slice(&chats(simulator).last().unwrap().body).unwrap()
}

fn weather() -> Value {
    json!({"type": "function", "name": "get_weather", "description": "The weather", "strict": false,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}})
}

/// The events of a stream: each named as its type says, numbered from 0.
#[track_caller]
pub(crate) fn told(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.whole && !answer.text().contains("[DONE]"),
        "{}",
        answer.text()
    );
    let mut events = Vec::new();
    for event in answer
        .text()
        .split("\n\n")
        .filter(|event| !event.is_empty() && !event.starts_with(':'))
    {
        let (name, data) = event.split_once('\n').unwrap();
        let told: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), told["type"].as_str());
        assert_eq!(told["sequence_number"], events.len());
        events.push(told);
    }
    events
}

/// The response, whole or out of the last event of a stream, which has said the same piece by piece.
#[track_caller]
fn response(answer: &Response, stream: bool) -> Value {
    if !stream {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        return answer.json();
    }
    let events = told(answer);
    assert_eq!(events[0]["type"], "response.created");
    assert_eq!(events[0]["response"]["output"], json!([]));
    let last = events.last().unwrap();
    let response = last["response"].clone();
    assert_eq!(
        last["type"],
        format!("response.{}", response["status"].as_str().unwrap())
    );
    let pieces: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(pieces, text(&response));
    let done: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    assert_eq!(json!(done), response["output"]);
    response
}

fn items<'a>(response: &'a Value, kind: &str) -> Vec<&'a Value> {
    let items = response["output"].as_array().unwrap().iter();
    items.filter(|item| item["type"] == kind).collect()
}

fn text(response: &Value) -> String {
    let messages = items(response, "message");
    let parts = messages
        .iter()
        .flat_map(|message| message["content"].as_array().unwrap());
    parts.filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn every_family_answers_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, id) in MODELS {
        for stream in BOTH {
            let answer = ask(
                &proxy,
                &json!({"model": name, "input": "Hello", "stream": stream}),
            );
            let response = response(&answer, stream);
            assert!(text(&response).contains(id), "{response}");
            assert_eq!(
                (&response["object"], &response["status"], &response["model"]),
                (&json!("response"), &json!("completed"), &json!(name))
            );
            assert!(response["id"].as_str().unwrap().starts_with("resp_"));
            assert!(response["created_at"].as_u64().unwrap() > 1_700_000_000);
            let usage = &response["usage"];
            let count = |field: &str| usage[field].as_u64().unwrap();
            assert!(
                count("input_tokens") > 0 && count("output_tokens") > 0,
                "{usage}"
            );
            assert_eq!(
                count("total_tokens"),
                count("input_tokens") + count("output_tokens")
            );
            let line = proxy.line_of(&answer);
            assert!(
                line.contains(&format!(
                    " tokens={}+{}",
                    count("input_tokens"),
                    count("output_tokens")
                )),
                "{line}"
            );
        }
    }
}

#[test]
fn parallel_calls_and_their_results_go_both_ways() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        for stream in BOTH {
            let question =
                json!({"role": "user", "content": "What is the weather in Paris and in Rome?"});
            let mut request =
                json!({"model": name, "input": [question], "tools": [weather()], "stream": stream});
            let first = response(&ask(&proxy, &request), stream);
            let calls = items(&first, "function_call");
            let cities: Vec<Value> = calls
                .iter()
                .map(|call| serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap())
                .collect();
            assert_eq!(
                cities,
                [json!({"city": "Paris"}), json!({"city": "Rome"})],
                "{name} {first}"
            );
            let input = request["input"].as_array_mut().unwrap();
            input.extend(first["output"].as_array().unwrap().clone());
            for (call, weather) in calls.iter().zip(["sunny", "rain"]) {
                input.push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": weather}));
            }
            let second = response(&ask(&proxy, &request), stream);
            assert!(text(&second).contains("sunny; rain"), "{name} {second}");
        }
    }
}

#[test]
fn thoughts_schemas_images_and_limits() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for stream in BOTH {
        let mut request = json!({"model": "grok", "input": "Why?", "stream": stream, "reasoning": {"effort": "high"}});
        let raw = response(&ask(&proxy, &request), stream);
        let thoughts = items(&raw, "reasoning")[0];
        assert!(
            thoughts["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("The user asks"),
            "{raw}"
        );
        assert!(
            raw["usage"]["output_tokens_details"]["reasoning_tokens"]
                .as_u64()
                .unwrap()
                > 0
        );
        request["reasoning"]["summary"] = json!("auto");
        let summary = response(&ask(&proxy, &request), stream);
        assert_eq!(
            items(&summary, "reasoning")[0]["summary"][0]["text"],
            thoughts["content"][0]["text"]
        );

        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
        let format =
            json!({"type": "json_schema", "name": "trip", "strict": true, "schema": schema});
        let request =
            json!({"model": "gpt", "input": "Rome", "stream": stream, "text": {"format": format}});
        let trip: Value =
            serde_json::from_str(&text(&response(&ask(&proxy, &request), stream))).unwrap();
        assert!(trip["city"].is_string(), "{trip}");

        let parts = json!([{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]);
        let request = json!({"model": "gemini", "input": [{"role": "user", "content": parts}], "stream": stream});
        assert!(text(&response(&ask(&proxy, &request), stream)).contains("1 image"));

        let request = json!({"model": "llama", "input": "Tell me everything", "stream": stream, "max_output_tokens": 3});
        let cut = response(&ask(&proxy, &request), stream);
        assert_eq!(
            (&cut["status"], &cut["incomplete_details"]["reason"]),
            (&json!("incomplete"), &json!("max_output_tokens"))
        );
        assert_eq!(last_request(&simulator)["chatRequest"]["maxTokens"], 3);
    }
}

#[test]
fn what_was_left_out_is_told() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let request = json!({"model": "grok", "input": "Hello", "tools": [{"type": "web_search"}], "tool_choice": "auto"});
    let answer = ask(&proxy, &request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("x-ociai-dropped-params"),
        Some("tools[0] (web_search)")
    );
    assert!(
        last_request(&simulator)["chatRequest"]
            .get("tools")
            .is_none()
    );
}

#[test]
fn an_upstream_without_streams_is_streamed_all_the_same() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "force_non_stream = true");
    let request = json!({"model": "grok", "input": "Hello", "stream": true});
    let response = response(&ask(&proxy, &request), true);
    assert!(text(&response).starts_with("Hello!") && response["usage"].is_object());
    assert_eq!(last_request(&simulator)["chatRequest"]["isStream"], false);
}

#[test]
fn errors_before_the_first_event_are_answers_and_name_the_clients_field() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for stream in BOTH {
        let refused = |more: Value, param: &str| {
            let mut request = json!({"model": "grok", "input": "Hello", "stream": stream});
            for (name, value) in more.as_object().unwrap() {
                request[name] = value.clone();
            }
            let answer = ask(&proxy, &request);
            answer.assert_error(400, None);
            assert_eq!(answer.json()["error"]["param"], param, "{}", answer.text());
        };
        refused(
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        );
        refused(
            json!({"input": [{"role": "user", "content": 7}]}),
            "input[0].content",
        );
        refused(
            json!({"tools": [{"type": "code_interpreter"}]}),
            "tools[0].type",
        );
        // Found by the translation of the chat.
        let file = json!([{"type": "input_file", "file_id": "file-1"}]);
        let input = json!([{"role": "user", "content": "a"}, {"type": "reasoning", "summary": []}, {"role": "user", "content": file}]);
        refused(json!({"input": input}), "input[2].content[0].file_id");
        ask(
            &proxy,
            &json!({"model": "nothing", "input": "Hello", "stream": stream}),
        )
        .assert_error(404, Some("model_not_found"));
        simulator.enqueue(Script::status(
            429,
            r#"{"code":"TooManyRequests","message":"slow down"}"#,
        ));
        let throttled = ask(
            &proxy,
            &json!({"model": "llama", "input": "Hello", "stream": stream}),
        );
        throttled.assert_error(429, Some("rate_limit_exceeded"));
        // The cooldown of the only account is over.
        let reset = proxy.request("POST", "/admin/circuit-breaker/reset", "{}");
        assert_eq!(reset.status, 200);
    }
}

#[test]
fn a_stream_that_breaks_off_has_failed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let event = json!({"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hel"}]}});
    let head = Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    };
    let said = Step::Bytes(format!("data: {event}\n\n").into_bytes());
    simulator.enqueue(Script::Steps(vec![head, said, Step::Cut]));
    let answer = ask(
        &proxy,
        &json!({"model": "grok", "input": "Hello", "stream": true}),
    );
    let events = told(&answer);
    let (error, failed) = (events.last().unwrap(), &events[events.len() - 2]);
    assert_eq!(
        (&failed["type"], &error["type"]),
        (&json!("response.failed"), &json!("error"))
    );
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(failed["response"]["output"][0]["content"][0]["text"], "Hel");
    assert_eq!(failed["response"]["error"]["message"], error["message"]);
    assert_eq!(error["error"]["message"], error["message"]);
    let line = proxy.line_of(&answer);
    assert!(line.contains(" attempts=1 status=200 "), "{line}");
}

#[test]
fn nothing_is_stored() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (method, path) in [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/responses/resp_1/input_items"),
    ] {
        let answer = proxy.request(method, path, "");
        answer.assert_error(404, Some("response_not_found"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let mut client = Client::connect(proxy.address);
        client.send_request(method, path, &[], "");
        client
            .response(method)
            .assert_error(401, Some("invalid_api_key"));
    }
    let wrong = proxy.get("/v1/responses");
    wrong.assert_error(405, Some("method_not_allowed"));
    assert_eq!(wrong.header("allow"), Some("POST, OPTIONS"));
    let without_prefix = json!({"model": "grok", "input": "Hello", "store": true});
    let answer = proxy.request("POST", "/responses", &without_prefix.to_string());
    assert_eq!(
        (answer.status, &answer.json()["store"]),
        (200, &json!(false))
    );
    assert_eq!(chats(&simulator).len(), 1);
}
