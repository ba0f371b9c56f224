//! Anthropic's Messages API through the whole program: every model family, whole and streamed, with tools, images and thoughts.

use ociai_proxy::simulator::{Framing, Script, Simulator, Step};
use serde_json::{Value, json};

mod agent;
mod errors;
mod said;

use crate::harness::{KEY, MODELS, Proxy, chats, simulator};
use crate::messages::said::{
    HEADERS, PATH, asked, both, calls_of, message, post, put_together, text_of,
};

fn last_request(simulator: &Simulator) -> Value {
    serde_json::from_slice(&chats(simulator).last().unwrap().body).unwrap()
}

pub(crate) fn weather() -> Value {
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!({"name": "get_weather", "description": "The weather", "input_schema": schema})
}

#[test]
fn every_family_says_the_same_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, id) in MODELS {
        let message = both(&proxy, &asked(name, "Hello", &json!({})));
        assert_eq!(
            (&message["type"], &message["role"], &message["model"]),
            (&json!("message"), &json!("assistant"), &json!(name))
        );
        assert!(
            message["id"].as_str().unwrap().starts_with("msg_"),
            "{message}"
        );
        assert_eq!(message["content"].as_array().unwrap().len(), 1, "{message}");
        assert!(text_of(&message).contains(id), "{message}");
        assert_eq!(
            (&message["stop_reason"], &message["stop_sequence"]),
            (&json!("end_turn"), &Value::Null)
        );
        for field in ["input_tokens", "output_tokens"] {
            assert!(message["usage"][field].as_u64().unwrap() > 0, "{message}");
        }
    }
}

#[test]
fn answers_have_the_headers_of_both_apis_and_one_log_line() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (stream, kind) in [
        (false, "application/json"),
        (true, "text/event-stream; charset=utf-8"),
    ] {
        // As `Authorization`, and without the prefix: some clients do it so.
        let mut client = proxy.connect();
        let body = asked("grok", "Hello", &json!({"stream": stream}));
        let bearer = format!("Bearer {KEY}");
        client.send_request(
            "POST",
            "/messages?beta=true",
            &[("Authorization", &bearer)],
            &body.to_string(),
        );
        let answer = client.response("POST");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(
            answer.header("x-ociai-account").is_some() && answer.header("opc-request-id").is_some()
        );
        let line = proxy.line_of(&answer);
        assert!(
            line.contains(" attempts=1 status=200 ") && !line.contains("tokens=-"),
            "{line}"
        );
    }
}

#[test]
fn every_family_calls_tools_in_parallel_and_takes_their_results() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        let question = "What is the weather in Paris and in Rome?";
        let mut body = asked(
            name,
            question,
            &json!({"tools": [weather()], "tool_choice": {"type": "auto"}}),
        );
        let called = both(&proxy, &body);
        assert_eq!(called["stop_reason"], "tool_use", "{name} {called}");
        let calls = calls_of(&called);
        let inputs: Vec<_> = calls.iter().map(|call| call["input"].clone()).collect();
        assert_eq!(
            inputs,
            [json!({"city": "Paris"}), json!({"city": "Rome"})],
            "{name}"
        );
        assert_ne!(calls[0]["id"], calls[1]["id"], "{name}");
        assert!(calls.iter().all(|call| call["name"] == "get_weather"));
        let results = json!([
            {"type": "tool_result", "tool_use_id": calls[0]["id"], "content": "sunny, 31 degrees"},
            {"type": "tool_result", "tool_use_id": calls[1]["id"], "content": [{"type": "text", "text": "rain, 12 degrees"}], "is_error": true},
            {"type": "text", "text": "Be brief."},
        ]);
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": called["content"]}));
        messages.push(json!({"role": "user", "content": results}));
        let answer = message(&proxy, &body);
        assert!(answer["stop_reason"] == "end_turn" || answer["stop_reason"] == "tool_use");
        // Without words of the user's behind them the pretended model answers about the results.
        body["messages"][2]["content"].as_array_mut().unwrap().pop();
        let answer = both(&proxy, &body);
        assert_eq!(answer["stop_reason"], "end_turn", "{name} {answer}");
        let text = text_of(&answer);
        assert!(
            text.contains("sunny, 31 degrees") && text.contains("Error: rain"),
            "{name} {text}"
        );
    }
}

#[test]
fn what_the_user_says_beside_results_goes_behind_them() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "get_weather", "input": {"city": id}});
    let body = json!({"model": "grok", "max_tokens": 9, "tools": [weather()], "messages": [
        {"role": "user", "content": "Paris and Rome"},
        {"role": "assistant", "content": [call("a"), call("b")]},
        {"role": "user", "content": [
            {"type": "text", "text": "Here:"},
            {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "rain"}, image]},
            {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
        ]},
    ]});
    message(&proxy, &body);
    let sent = last_request(&simulator)["chatRequest"]["messages"].clone();
    let roles: Vec<_> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        roles,
        ["USER", "ASSISTANT", "TOOL", "TOOL", "USER", "USER"],
        "{sent:#}"
    );
    assert_eq!(
        (&sent[2]["toolCallId"], &sent[2]["content"][0]["text"]),
        (&json!("b"), &json!("rain"))
    );
    assert_eq!(
        (&sent[3]["toolCallId"], &sent[3]["content"][0]["text"]),
        (&json!("a"), &json!("sun"))
    );
    assert_eq!(
        sent[4]["content"][1]["imageUrl"]["url"],
        "data:image/png;base64,iVBORw0KGgo="
    );
    assert_eq!(sent[5]["content"][0]["text"], "Here:");
}

#[test]
fn choices_of_tools_reach_the_model() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (choice, calls) in [
        (json!({"type": "none"}), 0),
        (json!({"type": "any"}), 2),
        (json!({"type": "tool", "name": "get_weather"}), 2),
        (
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            1,
        ),
    ] {
        let body = asked(
            "grok",
            "Paris or Rome?",
            &json!({"tools": [weather()], "tool_choice": choice}),
        );
        assert_eq!(calls_of(&both(&proxy, &body)).len(), calls, "{body}");
    }
}

#[test]
fn system_images_limits_and_schemas_reach_the_model() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let question = json!([{"type": "text", "text": "What is this?"}, image]);
    let more = json!({"system": "Be brief.", "temperature": 0.3, "top_p": 0.8, "top_k": 20, "stop_sequences": ["END"]});
    let seen = both(&proxy, &asked("gemini", question, &more));
    assert!(text_of(&seen).contains("1 image"), "{seen}");
    let sent = last_request(&simulator)["chatRequest"].clone();
    assert_eq!(sent["messages"][0]["role"], "SYSTEM");
    assert_eq!(sent["messages"][0]["content"][0]["text"], "Be brief.");
    assert_eq!(sent["messages"][1]["content"][1]["type"], "IMAGE");
    for (field, value) in [
        ("temperature", json!(0.3)),
        ("topP", json!(0.8)),
        ("topK", json!(20)),
        ("stop", json!(["END"])),
        ("maxTokens", json!(1000)),
    ] {
        assert_eq!(sent[field], value, "{sent}");
    }
    let cut = both(
        &proxy,
        &asked(
            "llama",
            "Tell me everything about the sea",
            &json!({"max_tokens": 3}),
        ),
    );
    assert_eq!(
        (&cut["stop_reason"], &cut["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(3))
    );
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
    let more = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let answer: Value =
        serde_json::from_str(&text_of(&both(&proxy, &asked("grok", "Rome", &more)))).unwrap();
    assert!(answer["city"].is_string(), "{answer}");
    // Without a limit the configured one counts.
    let mut body = asked("grok", "Hello", &json!({}));
    body.as_object_mut().unwrap().remove("max_tokens");
    message(&proxy, &body);
    assert_eq!(last_request(&simulator)["chatRequest"]["maxTokens"], 4000);
}

#[test]
fn thoughts_are_blocks_of_their_own_for_whoever_asks() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 20_000}});
    let body = asked("grok", "Why?", &thinking);
    let thought = both(&proxy, &body);
    assert_eq!(
        last_request(&simulator)["chatRequest"]["reasoningEffort"],
        "HIGH"
    );
    let content = thought["content"].as_array().unwrap();
    assert_eq!(
        (content.len(), &content[0]["type"], &content[1]["type"]),
        (2, &json!("thinking"), &json!("text"))
    );
    assert!(
        content[0]["thinking"]
            .as_str()
            .unwrap()
            .contains("The user asks"),
        "{thought}"
    );
    assert!(!content[0]["signature"].as_str().unwrap().is_empty());
    // It comes back as it was, and nobody minds.
    let mut next = body.clone();
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": content}));
    messages.push(json!({"role": "user", "content": "And why?"}));
    assert_eq!(message(&proxy, &next)["stop_reason"], "end_turn");
    let sent = last_request(&simulator)["chatRequest"]["messages"].to_string();
    assert!(!sent.contains("The user asks"), "{sent}");
    // An effort alone makes it think, but shows nothing.
    let quiet = both(
        &proxy,
        &asked("grok", "Why?", &json!({"output_config": {"effort": "low"}})),
    );
    assert_eq!(
        last_request(&simulator)["chatRequest"]["reasoningEffort"],
        "LOW"
    );
    assert_eq!(quiet["content"].as_array().unwrap().len(), 1, "{quiet}");
    // A model that takes no effort answers without, and it is told.
    let answer = post(&proxy, PATH, &asked("llama", "Why?", &thinking));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn without_upstream_streams_who_asks_for_one_still_gets_one() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "force_non_stream = true");
    for (name, _) in MODELS {
        assert!(!text_of(&both(&proxy, &asked(name, "Hello", &json!({})))).is_empty());
        let called = both(
            &proxy,
            &asked(name, "Paris and Rome", &json!({"tools": [weather()]})),
        );
        assert_eq!(calls_of(&called).len(), 2, "{name}");
    }
    let thought = both(
        &proxy,
        &asked(
            "grok",
            "Why?",
            &json!({"thinking": {"type": "enabled", "budget_tokens": 20_000}}),
        ),
    );
    assert_eq!(thought["content"][0]["type"], "thinking");
}

#[test]
fn calls_that_oci_mixes_arrive_one_after_the_other() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let data = |event: Value| Step::Bytes(format!("data: {event}\n\n").into_bytes());
    let calls = |calls: Value| {
        data(
            json!({"index": 0, "message": {"role": "ASSISTANT", "content": [], "toolCalls": calls}}),
        )
    };
    let piece =
        |at: u32, arguments: &str| json!({"index": at, "type": "FUNCTION", "arguments": arguments});
    let first = |at: u32, id: &str, arguments: &str| json!({"index": at, "type": "FUNCTION", "id": id, "name": "get_weather", "arguments": arguments});
    simulator.enqueue(Script::Steps(vec![
        Step::Head {
            status: 200,
            content_type: "text/event-stream".to_owned(),
            framing: Framing::Chunked,
        },
        calls(json!([first(0, "a", "{\"ci"), first(1, "b", "{\"city")])),
        calls(json!([piece(0, ""), piece(1, "\":\"Rome\"")])),
        calls(json!([piece(0, "ty\":\"Paris\"}"), piece(1, "}")])),
        data(json!({"index": 0, "finishReason": "tool_calls"})),
        Step::CloseCleanly,
    ]));
    let body = asked(
        "grok",
        "Paris and Rome",
        &json!({"tools": [weather()], "stream": true}),
    );
    let message = put_together(&post(&proxy, PATH, &body));
    let call = |id: &str, city: &str| json!({"type": "tool_use", "id": id, "name": "get_weather", "input": {"city": city}});
    assert_eq!(
        message["content"],
        json!([call("a", "Paris"), call("b", "Rome")])
    );
    assert_eq!(message["stop_reason"], "tool_use");
}

#[test]
fn models_have_anthropics_shape_for_its_clients() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let get = |path: &str| {
        let mut client = proxy.connect();
        client.send_request("GET", path, &HEADERS, "");
        client.response("GET")
    };
    let page = get("/v1/models?limit=1000").json();
    let names: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, MODELS.map(|(name, _)| name));
    assert_eq!(
        (&page["first_id"], &page["last_id"], &page["has_more"]),
        (&json!("grok"), &json!("gpt"), &json!(false))
    );
    let one = get("/v1/models/grok").json();
    assert_eq!(one, page["data"][0]);
    assert_eq!(
        (&one["type"], &one["display_name"]),
        (&json!("model"), &json!("grok"))
    );
    assert!(one["created_at"].as_str().unwrap().ends_with('Z'));
    said::assert_error(&get("/v1/models/none"), 404, "not_found_error");
    // Others get what they know.
    assert_eq!(proxy.get("/v1/models").json()["object"], "list");
}

#[test]
fn tokens_are_estimated_and_the_answer_says_so() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let count = |body: &Value| {
        let answer = post(&proxy, "/v1/messages/count_tokens?beta=true", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-ociai-estimated"), Some("input_tokens"));
        answer.json()["input_tokens"].as_u64().unwrap()
    };
    let body =
        json!({"model": "grok", "messages": [{"role": "user", "content": "Hello, how are you?"}]});
    let short = count(&body);
    assert_eq!(short, 4 + 5);
    let mut longer = body.clone();
    longer["tools"] = json!([weather()]);
    longer["system"] = json!("Be brief.");
    assert!(count(&longer) > short + 10);
    let unknown = json!({"model": "none", "messages": body["messages"]});
    let answer = post(&proxy, "/v1/messages/count_tokens", &unknown);
    said::assert_error(&answer, 404, "not_found_error");
    let answer = post(
        &proxy,
        "/v1/messages/count_tokens",
        &json!({"model": "grok"}),
    );
    assert!(said::assert_error(&answer, 400, "invalid_request_error").contains("messages"));
    assert!(chats(&simulator).is_empty(), "OCI was asked");
}
