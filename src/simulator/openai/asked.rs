//! An OpenAI-shaped chat request: which fields it may have, and the GENERIC request that asks the same, for the pretended model
//! knows only that. Pure. Source: OpenAI API reference, Create chat completion; reference §10.1.

use serde_json::{Value, json};

use super::super::answer::Vendor;
use super::super::quirks::Refusal;
use super::super::schema::items;
use super::Wrong;

/// Names that go over as they are, and those of GENERIC.
const SAME: [(&str, &str); 10] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("frequency_penalty", "frequencyPenalty"),
    ("presence_penalty", "presencePenalty"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("n", "numGenerations"),
    ("max_completion_tokens", "maxCompletionTokens"),
    ("parallel_tool_calls", "isParallelToolCalls"),
];

/// What a request may have besides.
const OTHERS: [&str; 22] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "metadata",
    "prediction",
    "web_search_options",
    "service_tier",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "modalities",
    "audio",
    "functions",
    "function_call",
];

/// Errors: what is wrong, and with which field.
pub(super) fn check(body: &Value) -> Result<(), Wrong> {
    let Some(object) = body.as_object() else {
        return Err(("the body is no object".to_owned(), None));
    };
    if object.contains_key("store") {
        let message = "Unsupported parameter: 'store' is not supported.";
        return Err((message.to_owned(), Some("store")));
    }
    let is_known = |name: &&String| {
        OTHERS.contains(&name.as_str()) || SAME.iter().any(|(known, _)| known == name)
    };
    if let Some(unknown) = object.keys().find(|name| !is_known(name)) {
        return Err((
            format!("Unrecognized request argument supplied: {unknown}"),
            None,
        ));
    }
    if items(body, "messages").next().is_none() {
        let message = "Missing required parameter: 'messages'.";
        return Err((message.to_owned(), Some("messages")));
    }
    if body.get("max_tokens").is_none() && body.get("max_completion_tokens").is_none() {
        return Err((
            "the answer would be cut after 20 tokens".to_owned(),
            Some("max_tokens"),
        ));
    }
    if body.get("stream") == Some(&Value::Bool(true)) {
        let usage = body.pointer("/stream_options/include_usage");
        if usage != Some(&Value::Bool(true)) {
            return Err((
                "nobody would know the usage".to_owned(),
                Some("stream_options"),
            ));
        }
    } else if body
        .get("stream_options")
        .is_some_and(|options| !options.is_null())
    {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err((message.to_owned(), Some("stream_options")));
    }
    Ok(())
}

/// OpenAI's newer models know the limit by its newer name only.
pub(super) fn refused_limit(model: &str, body: &Value) -> Option<Refusal> {
    let is_newer = Vendor::of(model) == Vendor::OpenAi;
    (is_newer && body.get("max_tokens").is_some()).then(|| Refusal {
        status: 400,
        code: "unsupported_parameter",
        message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            .to_owned(),
        retry_after: None,
    })
}

pub(super) fn as_generic(body: &Value) -> Value {
    let messages: Vec<_> = items(body, "messages").map(message).collect();
    let tools: Vec<_> = items(body, "tools").map(tool).collect();
    let mut generic = json!({"apiFormat": "GENERIC", "messages": messages});
    let mut set = |name: &str, value: Value| {
        if let Some(generic) = generic.as_object_mut() {
            generic.insert(name.to_owned(), value);
        }
    };
    for (theirs, ours) in SAME {
        match body.get(theirs) {
            Some(Value::String(stop)) if theirs == "stop" => set(ours, json!([stop])),
            Some(value) if !value.is_null() => set(ours, value.clone()),
            Some(_) | None => {}
        }
    }
    // The vendors' own limits are told apart by name before.
    if let Some(limit) = body.get("max_tokens") {
        set("maxTokens", limit.clone());
    }
    if !tools.is_empty() {
        set("tools", json!(tools));
    }
    if let Some(choice) = body.get("tool_choice") {
        let name = choice.pointer("/function/name");
        set(
            "toolChoice",
            match name {
                Some(name) => json!({"type": "FUNCTION", "name": name}),
                None => json!({"type": upper(choice)}),
            },
        );
    }
    if let Some(effort) = body.get("reasoning_effort") {
        set("reasoningEffort", json!(upper(effort)));
    }
    if let Some(format) = body.get("response_format") {
        let kind = format.get("type").map(upper);
        set(
            "responseFormat",
            json!({"type": kind, "jsonSchema": format.get("json_schema")}),
        );
    }
    if body.get("logprobs") == Some(&Value::Bool(true)) {
        let top = body.get("top_logprobs").and_then(Value::as_u64);
        set("logProbs", json!(top.unwrap_or(0).max(1)));
    }
    generic
}

fn message(message: &Value) -> Value {
    let role = match message.get("role").map(upper).unwrap_or_default() {
        role if role == "DEVELOPER" => "SYSTEM".to_owned(),
        role => role,
    };
    let mut generic = json!({"role": role});
    let Some(fields) = generic.as_object_mut() else {
        return generic;
    };
    match message.get("content") {
        Some(Value::String(text)) => {
            let parts = json!([{"type": "TEXT", "text": text}]);
            fields.insert("content".to_owned(), parts);
        }
        Some(Value::Array(parts)) => {
            let parts: Vec<_> = parts.iter().map(part).collect();
            fields.insert("content".to_owned(), json!(parts));
        }
        Some(_) | None => {}
    }
    let calls: Vec<_> = items(message, "tool_calls").map(call).collect();
    if !calls.is_empty() {
        fields.insert("toolCalls".to_owned(), json!(calls));
    }
    if let Some(id) = message.get("tool_call_id") {
        fields.insert("toolCallId".to_owned(), id.clone());
    }
    generic
}

fn part(part: &Value) -> Value {
    match part.get("text") {
        Some(text) => json!({"type": "TEXT", "text": text}),
        None => json!({"type": "IMAGE", "imageUrl": part.get("image_url")}),
    }
}

fn call(call: &Value) -> Value {
    let function = |name: &str| call.pointer(&format!("/function/{name}")).cloned();
    json!({"type": "FUNCTION", "id": call.get("id"), "name": function("name"), "arguments": function("arguments")})
}

fn tool(tool: &Value) -> Value {
    let function = |name: &str| tool.pointer(&format!("/function/{name}")).cloned();
    let mut flat = json!({"type": "FUNCTION", "name": function("name")});
    if let (Some(flat), Some(parameters)) = (flat.as_object_mut(), function("parameters")) {
        flat.insert("parameters".to_owned(), parameters);
    }
    flat
}

fn upper(word: &Value) -> String {
    word.as_str().unwrap_or_default().to_uppercase()
}
