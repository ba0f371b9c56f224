//! Small requests that ask for much work or memory: each is translated or refused in a time and to a size that grow with
//! the request and no faster. The limits of time are generous: what grows with the square takes minutes here.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::models::ModelTarget;
use super::{Dialect, Rules, request};
use crate::openai::chat::ChatRequest;
use crate::openai::message::{Message, Role};
use crate::openai::tools::{Function, Tool, ToolChoice};

/// One of each format; Gemini needs the most repairs.
const MODELS: [&str; 3] = [
    "google.gemini-2.5-pro",
    "cohere.command-a-03-2025",
    "cohere.command-a-vision-07-2025",
];

const RULES: Rules = Rules {
    default_max_tokens: 4000,
    force_non_stream: false,
};

/// A megabyte takes less than a second without optimisation.
const LIMIT: Duration = Duration::from_secs(6);

/// How much larger a translation may be than its request: references are unfolded up to 2 MiB of text.
const MAX_GROWTH_BYTES: usize = 8 * 1024 * 1024;

/// The time that this thread has worked, which other programs cannot prolong. Where the system does not say, nothing is
/// measured, and what takes too long is seen to.
fn worked() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

#[track_caller]
fn check(name: &str, body: &Value) {
    check_text(name, body.to_string().as_bytes(), &MODELS);
}

#[track_caller]
fn check_text(name: &str, body: &[u8], models: &[&str]) {
    for id in models {
        let began = worked();
        let target = ModelTarget::new(*id, None);
        let parsed = ChatRequest::parse(body);
        let translated = parsed.and_then(|parsed| {
            drop(Dialect::of(&parsed, &target));
            Ok(request(parsed, &target, &RULES)?)
        });
        match translated {
            Ok(translated) => {
                let size = serde_json::to_vec(&translated).unwrap().len();
                assert!(size < body.len() * 2 + MAX_GROWTH_BYTES, "{name}: {size}");
            }
            Err(refused) => assert_eq!(refused.status, 400, "{name}"),
        }
        let took = worked().saturating_sub(began);
        assert!(took < LIMIT, "{name} for {id}: {took:?}");
    }
}

fn chat(messages: Value) -> Value {
    json!({ "model": "m", "messages": messages })
}

fn with_schema(schema: &Value) -> Value {
    let mut body = chat(json!([{ "role": "user", "content": "x" }]));
    let function = json!({ "name": "f", "parameters": schema });
    body["tools"] = json!([{ "type": "function", "function": function }]);
    body["response_format"] =
        json!({ "type": "json_schema", "json_schema": { "name": "r", "schema": schema } });
    body
}

#[test]
fn references_that_unfold_to_empty_things_are_counted_too() {
    let empty = |what: Value| vec![what; 5_000];
    let refs = vec![json!({ "$ref": "#/$defs/a" }); 5_000];
    for held in [
        json!({ "anyOf": empty(json!({})) }),
        json!({ "anyOf": empty(json!([])) }),
        json!({ "enum": empty(json!([])) }),
        json!({ "enum": empty(json!({})) }),
        json!({ "prefixItems": empty(json!(true)) }),
    ] {
        let schema = json!({ "$defs": { "a": held }, "type": "object", "allOf": refs });
        let body = with_schema(&schema).to_string();
        let name = "a list of empty things, many times";
        // Whichever the model, references are unfolded.
        check_text(name, body.as_bytes(), &MODELS[..1]);
    }
}

#[test]
fn references_that_double_at_each_level_are_refused() {
    let mut defs = json!({ "d0": { "type": "string" } });
    for level in 1..100 {
        let below = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
        defs[format!("d{level}")] = json!({ "properties": { "a": below, "b": below } });
    }
    let schema = json!({ "$defs": defs, "$ref": "#/$defs/d99" });
    check("doubling", &with_schema(&schema));
    for cycle in [2, 3, 59] {
        let next = |at: usize| json!({ "$ref": format!("#/$defs/d{}", (at + 1) % cycle) });
        let defs: serde_json::Map<_, _> = (0..cycle)
            .map(|at| {
                (
                    format!("d{at}"),
                    json!({ "anyOf": [next(at), next(at + 1)] }),
                )
            })
            .collect();
        let schema = json!({ "$defs": defs, "$ref": "#/$defs/d0" });
        check("cycles", &with_schema(&schema));
    }
}

#[test]
fn long_lists_are_gone_through_once() {
    let many = 5_000;
    let call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "a-b", "arguments": "{}" } });
    let calls: Vec<_> = (0..many).map(|_| call("same")).collect();
    let results = vec![json!({ "role": "tool", "tool_call_id": "same", "content": "r" }); many];
    let mut messages = vec![json!({ "role": "assistant", "tool_calls": calls })];
    messages.extend(results);
    check("calls of one id and their results", &chat(json!(messages)));

    let turn = json!([{ "role": "assistant", "tool_calls": [call("x")] }, { "role": "user", "content": "x" }]);
    let turns: Vec<_> = (0..many / 2)
        .flat_map(|_| turn.as_array().unwrap().clone())
        .collect();
    check("open calls", &chat(json!(turns)));

    let parts = vec![json!({ "type": "text", "text": "x" }); many];
    check(
        "parts",
        &chat(json!([{ "role": "user", "content": parts }])),
    );
}

#[test]
fn an_allowed_tool_is_not_looked_for_in_the_whole_list() {
    let name = |at: usize| format!("f{at}");
    let tool = |at: usize| Tool {
        kind: None,
        function: Some(Function {
            name: Some(name(at)),
            ..Function::default()
        }),
    };
    let many = 100_000;
    let large = ChatRequest {
        model: "m".to_owned(),
        messages: vec![Message {
            role: Some(Role::User),
            ..Message::default()
        }],
        tools: (0..many).map(tool).collect(),
        tool_choice: Some(ToolChoice::Allowed {
            required: false,
            names: (0..many).rev().map(name).collect(),
        }),
        ..ChatRequest::default()
    };
    let began = worked();
    request(large, &ModelTarget::new(MODELS[0], None), &RULES).unwrap();
    let took = worked().saturating_sub(began);
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn what_is_joined_is_not_read_again_for_each_piece() {
    // The white space in front of what was joined so far, times the messages that are joined to it.
    let blank = " ".repeat(400_000);
    for role in ["system", "assistant"] {
        let mut messages = vec![json!({ "role": role, "content": format!("{blank}x{blank}") })];
        messages.extend(vec![json!({ "role": role, "content": "x" }); 20_000]);
        messages.push(json!({ "role": "assistant", "tool_calls": [
            { "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] }));
        check(role, &chat(json!(messages)));
    }
}

#[test]
fn nesting_has_a_limit_in_every_place() {
    for depth in [100, 127, 128, 10_000, 200_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let bomb = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for body in [
                bomb.clone(),
                format!(r#"{{"model":"m","messages":{bomb}}}"#),
                format!(
                    r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"unknown":{bomb}}}"#
                ),
                format!(
                    r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"function":{{"name":"f","parameters":{{"enum":{bomb}}}}}}}]}}"#
                ),
            ] {
                check_text("nesting", body.as_bytes(), &MODELS);
            }
            // Not parsed into values, but looked at: a call's arguments are JSON in a string.
            let call = json!({ "id": "c", "function": { "name": "f", "arguments": bomb } });
            let messages = json!([{ "role": "user", "content": "x" }, { "role": "assistant", "tool_calls": [call] }]);
            check("arguments", &chat(messages));
        }
    }
}
