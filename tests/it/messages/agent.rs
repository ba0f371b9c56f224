//! What a coding agent that speaks this API sends in a day: small requests beside the conversation, long instructions marked
//! for a cache, many tools, betas, thoughts that come back, results with errors and reminders behind them.

use serde_json::{Value, json};

use crate::harness::{Proxy, Response, chats, config, simulator};
use crate::messages::said::{calls_of, put_together, text_of};

const MODEL: &str = "claude-sonnet-4-5-20250929";
const SMALL_MODEL: &str = "claude-haiku-4-5-20251001";

/// As the agent sends it: its betas in a header and in the query, its key as a bearer's.
fn post(proxy: &Proxy, path: &str, body: &Value) -> Response {
    let mut client = proxy.connect();
    let headers = [
        ("authorization", "Bearer test-key"),
        ("anthropic-version", "2023-06-01"),
        (
            "anthropic-beta",
            "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
        ),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("user-agent", "claude-cli/2.0.0 (external, cli)"),
        ("x-app", "cli"),
        ("x-stainless-lang", "js"),
        ("x-stainless-retry-count", "0"),
        ("accept", "application/json"),
    ];
    client.send_request("POST", path, &headers, &body.to_string());
    client.response("POST")
}

fn proxy(endpoint: &str) -> Proxy {
    Proxy::with_config(&config(endpoint, "default_model = grok\n"))
}

fn cached(text: &str) -> Value {
    json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}})
}

fn tools() -> Value {
    let mut tools = Vec::new();
    for number in 0..24 {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Absolute path"},
                "limit": {"type": "number"},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                "edits": {"type": "array", "items": {"type": "object", "properties": {"old": {"type": "string"}}, "required": ["old"]}},
            },
            "required": ["path"],
            "additionalProperties": false,
        });
        let name = if number == 0 {
            "Read".to_owned()
        } else {
            format!("Tool{number}")
        };
        tools.push(json!({"name": name, "description": "What it does. ".repeat(30), "input_schema": schema}));
    }
    json!(tools)
}

/// The conversation's request.
fn turn(messages: Value) -> Value {
    json!({
        "model": MODEL,
        "max_tokens": 32_000,
        "stream": true,
        "temperature": 1,
        "metadata": {"user_id": "user_0_account__session_0"},
        "system": [cached("You are an agent that works on code."), cached(&"Instructions. ".repeat(900))],
        "thinking": {"type": "enabled", "budget_tokens": 31_999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "tools": tools(),
        "messages": messages,
    })
}

#[test]
fn a_day_of_a_coding_agent() {
    let simulator = simulator();
    let proxy = proxy(&simulator.endpoint());

    // Is there any quota left?
    let quota = json!({"model": SMALL_MODEL, "max_tokens": 1, "metadata": {"user_id": "u"}, "messages": [{"role": "user", "content": "quota"}]});
    let answer = post(&proxy, "/v1/messages?beta=true", &quota);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["stop_reason"], "max_tokens");

    // A title for the conversation, begun for the model.
    let title = json!({
        "model": SMALL_MODEL, "max_tokens": 512, "temperature": 0, "stream": true, "tools": [], "metadata": {"user_id": "u"},
        "system": [cached("Say in one JSON object whether this is a new topic, and its title.")],
        "messages": [{"role": "user", "content": "read the file"}, {"role": "assistant", "content": "{"}],
    });
    let title = put_together(&post(&proxy, "/v1/messages?beta=true", &title));
    assert_eq!(title["stop_reason"], "end_turn");

    // How long is it already?
    let mut counted = turn(json!([{"role": "user", "content": "foo"}]));
    for field in ["max_tokens", "stream", "temperature", "metadata"] {
        counted.as_object_mut().unwrap().remove(field);
    }
    let answer = post(&proxy, "/v1/messages/count_tokens?beta=true", &counted);
    let tokens = answer.json()["input_tokens"].as_u64().unwrap();
    assert!((5_000..12_000).contains(&tokens), "{tokens}");

    // The conversation itself.
    let question = json!({"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>\nNotes.\n</system-reminder>"},
        cached("Read Paris and Rome"),
    ]});
    let first = put_together(&post(
        &proxy,
        "/v1/messages?beta=true",
        &turn(json!([question])),
    ));
    assert_eq!(
        (&first["stop_reason"], &first["model"]),
        (&json!("tool_use"), &json!(MODEL))
    );
    assert_eq!(first["content"][0]["type"], "thinking", "{first}");
    let calls = calls_of(&first);
    assert!(
        !calls.is_empty() && calls.iter().all(|call| call["name"] == "Read"),
        "{first}"
    );
    let mut results: Vec<_> = calls
        .iter()
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "     1→fn main() {}"}))
        .collect();
    results[0]["is_error"] = json!(true);
    results[0]["cache_control"] = json!({"type": "ephemeral"});
    let history = json!([
        question,
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": results},
    ]);
    let second = put_together(&post(
        &proxy,
        "/v1/messages?beta=true",
        &turn(history.clone()),
    ));
    assert_eq!(second["stop_reason"], "end_turn", "{second}");
    assert!(text_of(&second).contains("fn main"), "{second}");

    // Stopped by the user in the middle of a call, and asked something else.
    let mut stopped = history.as_array().unwrap().clone();
    stopped.truncate(2);
    stopped.push(json!({"role": "user", "content": [{"type": "text", "text": "[Request interrupted by user for tool use]"}, {"type": "text", "text": "Hello"}]}));
    let answer = post(&proxy, "/v1/messages?beta=true", &turn(json!(stopped)));
    put_together(&answer);

    let sent: Value = serde_json::from_slice(&chats(&simulator).last().unwrap().body).unwrap();
    let chat = &sent["chatRequest"];
    assert_eq!(chat["tools"].as_array().unwrap().len(), 24);
    assert_eq!(
        (&chat["maxTokens"], &chat["reasoningEffort"]),
        (&json!(32_000), &json!("HIGH"))
    );
    assert!(
        !sent.to_string().contains("cache_control") && !sent.to_string().contains("user_0_account")
    );
}
