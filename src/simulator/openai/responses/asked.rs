//! A request for a response: which fields it may have, and the chat that asks the same. Pure. Source: OpenAI API reference, Create a
//! model response; reference §7.

use serde_json::{Map, Value, json};

use super::super::super::answer::Vendor;
use super::super::super::schema::items;
use super::super::Wrong;

/// What a request may have.
const KNOWN: [&str; 27] = [
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "max_output_tokens",
    "max_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "metadata",
    "service_tier",
    "include",
    "background",
    "store",
    "previous_response_id",
    "conversation",
    "prompt",
    "prompt_cache_key",
    "safety_identifier",
    "truncation",
    "user",
];

/// Names that a chat has too.
const SAME: [&str; 5] = [
    "model",
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "stream",
];

/// Errors: what is wrong, and with which field.
pub(in super::super) fn check(body: &Value) -> Result<(), Wrong> {
    let Some(object) = body.as_object() else {
        return Err(("the body is no object".to_owned(), None));
    };
    if let Some(unknown) = object.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err((format!("Unknown parameter: '{unknown}'."), None));
    }
    let has_input = match object.get("input") {
        Some(Value::String(_)) => true,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) | None => false,
    };
    if !has_input {
        let message = "Missing required parameter: 'input'.";
        return Err((message.to_owned(), Some("input")));
    }
    if !object.get("max_output_tokens").is_some_and(Value::is_u64) {
        let message = "the answer would be cut after 20 tokens";
        return Err((message.to_owned(), Some("max_output_tokens")));
    }
    let is_stream = object.get("stream") == Some(&Value::Bool(true));
    let options = object.get("stream_options").and_then(Value::as_object);
    if options.is_some_and(|options| !is_stream || options.contains_key("include_usage")) {
        let message = "Unknown parameter: 'stream_options.include_usage'.";
        return Err((message.to_owned(), Some("stream_options")));
    }
    Ok(())
}

/// A chat's request.
pub(in super::super) fn as_chat(body: &Value) -> Value {
    let mut chat = Map::new();
    for name in SAME {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            chat.insert(name.to_owned(), value.clone());
        }
    }
    let mut messages = Vec::new();
    if let Some(told) = body.get("instructions").filter(|told| !told.is_null()) {
        messages.push(json!({"role": "system", "content": told}));
    }
    match body.get("input") {
        Some(Value::Array(items)) => messages.extend(items.iter().filter_map(message)),
        Some(text) => messages.push(json!({"role": "user", "content": text})),
        None => {}
    }
    chat.insert("messages".to_owned(), json!(messages));
    let functions =
        items(body, "tools").filter(|tool| tool.get("type") == Some(&json!("function")));
    let tools: Vec<_> = functions
        .map(|tool| json!({"type": "function", "function": tool}))
        .collect();
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), json!(tools));
        match body.get("tool_choice") {
            Some(Value::Object(choice)) => {
                let choice = json!({"type": "function", "function": choice});
                chat.insert("tool_choice".to_owned(), choice);
            }
            Some(Value::String(choice)) => {
                chat.insert("tool_choice".to_owned(), json!(choice));
            }
            Some(_) | None => {}
        }
    }
    if let Some(effort) = body.pointer("/reasoning/effort").and_then(Value::as_str) {
        chat.insert("reasoning_effort".to_owned(), json!(effort));
    }
    if let Some(format) = body.pointer("/text/format") {
        let format = json!({"type": format.get("type"), "json_schema": format});
        chat.insert("response_format".to_owned(), format);
    }
    let limit = body.get("max_output_tokens").cloned();
    let model = body.get("model").and_then(Value::as_str);
    let name = match model.map(Vendor::of) {
        Some(Vendor::OpenAi) => "max_completion_tokens",
        Some(_) | None => "max_tokens",
    };
    chat.insert(name.to_owned(), limit.unwrap_or_default());
    Value::Object(chat)
}

/// `None`: thoughts, and the records of the service's own tools.
fn message(item: &Value) -> Option<Value> {
    let field = |name: &str| item.get(name).cloned().unwrap_or_default();
    match item.get("type").and_then(Value::as_str) {
        None | Some("message") => {
            Some(json!({"role": field("role"), "content": content(&field("content"))}))
        }
        Some("function_call") => {
            let function = json!({"name": field("name"), "arguments": field("arguments")});
            let call = json!({"id": field("call_id"), "type": "function", "function": function});
            Some(json!({"role": "assistant", "content": null, "tool_calls": [call]}))
        }
        Some("function_call_output") => Some(json!({
            "role": "tool", "tool_call_id": field("call_id"), "content": content(&field("output")),
        })),
        Some(_) => None,
    }
}

fn content(content: &Value) -> Value {
    let Value::Array(parts) = content else {
        return content.clone();
    };
    let part = |part: &Value| match part.get("text") {
        Some(text) => json!({"type": "text", "text": text}),
        None => json!({"type": "image_url", "image_url": {"url": part.get("image_url")}}),
    };
    json!(parts.iter().map(part).collect::<Vec<_>>())
}
