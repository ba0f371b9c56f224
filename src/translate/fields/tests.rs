//! The table against the translation: each row is tried with a request that has the field and one that has not.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use serde_json::{Map, Value, json};

use super::*;
use crate::openai::chat::ChatRequest;
use crate::openai::error::ApiError;
use crate::translate::models::ModelTarget;
use crate::translate::{Rules, request};

/// All of the current API's, and `top_k`.
const CURRENT: [&str; 38] = [
    "messages",
    "model",
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
    "top_k",
];

/// The formats whose rows are tried, by a model of each.
const TRIED: [(ApiFormat, &str); 4] = [
    (ApiFormat::Generic, "xai.grok-4.3"),
    (ApiFormat::Generic, "openai.gpt-5"),
    (ApiFormat::Cohere, "cohere.command-a-03-2025"),
    (ApiFormat::CohereV2, "cohere.command-a-reasoning-08-2025"),
];

/// What is asked for anyway, with or without the field.
const ALWAYS_SENT: [&str; 1] = ["stream_options"];

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "f"}})
}

/// A value that shows what becomes of the field, and the fields that it needs beside it.
fn sample(name: &str) -> (Value, Value) {
    let alone = |value: Value| (value, json!({}));
    match name {
        "model" => alone(json!("other")),
        "messages" => alone(json!([{"role": "user", "content": "other"}])),
        "audio" => alone(json!({"voice": "alloy", "format": "mp3"})),
        "frequency_penalty" | "presence_penalty" | "temperature" | "top_p" => alone(json!(0.5)),
        "function_call" => (json!({"name": "f"}), json!({"functions": [{"name": "f"}]})),
        "functions" => alone(json!([{"name": "f"}])),
        "logit_bias" => alone(json!({"50256": -100})),
        "logprobs" => alone(json!(true)),
        "max_completion_tokens" | "max_tokens" | "seed" | "top_k" => alone(json!(7)),
        "metadata" => alone(json!({"k": "v"})),
        "modalities" => alone(json!(["text", "audio"])),
        "moderation" => alone(json!({"model": "omni-moderation-latest"})),
        "n" => alone(json!(2)),
        "parallel_tool_calls" => (json!(false), json!({"tools": [tool()]})),
        "prediction" => alone(json!({"type": "content", "content": "x"})),
        "prompt_cache_key" | "safety_identifier" | "user" => alone(json!("someone")),
        "prompt_cache_options" => alone(json!({"ttl": "30m"})),
        "prompt_cache_retention" => alone(json!("24h")),
        "reasoning_effort" | "verbosity" => alone(json!("low")),
        "response_format" => alone(json!({"type": "json_object"})),
        "service_tier" => alone(json!("priority")),
        "stop" => alone(json!(["END"])),
        "store" | "stream" => alone(json!(true)),
        "stream_options" => (json!({"include_usage": true}), json!({"stream": true})),
        "tool_choice" => (json!("required"), json!({"tools": [tool()]})),
        "tools" => alone(json!([tool()])),
        "top_logprobs" => (json!(3), json!({"logprobs": true})),
        "web_search_options" => alone(json!({"search_context_size": "low"})),
        other => panic!("{other} has no sample"),
    }
}

/// What goes to OCI, the serving mode beside the request's fields.
fn sent(format: ApiFormat, model_id: &str, body: &Value) -> Result<Map<String, Value>, ApiError> {
    let id = match body["model"].as_str() {
        Some("other") => format!("{model_id}-other"),
        _ => model_id.to_owned(),
    };
    let target = ModelTarget::new(id, Some(format));
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let parsed = ChatRequest::parse(body.to_string().as_bytes())?;
    let request = serde_json::to_value(request(parsed, &target, &rules)?).unwrap();
    let mut fields = request.as_object().unwrap().clone();
    fields.insert(
        "servingMode".to_owned(),
        serde_json::to_value(target.serving_mode()).unwrap(),
    );
    Ok(fields)
}

/// The names of the fields in which two requests differ.
fn differing(one: &Map<String, Value>, other: &Map<String, Value>) -> Vec<String> {
    let names = one.keys().chain(other.keys());
    let differ = |name: &&String| one.get(*name) != other.get(*name);
    names.filter(differ).cloned().collect()
}

/// A request without the field, and one with it.
fn without_and_with(name: &str) -> (Value, Value) {
    let (value, beside) = sample(name);
    let mut without = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    without
        .as_object_mut()
        .unwrap()
        .extend(beside.as_object().unwrap().clone());
    let mut with = without.clone();
    with[name] = value;
    (without, with)
}

fn check(field: &Field, format: ApiFormat, model_id: &str) {
    let name = field.name;
    let (without, with) = without_and_with(name);
    let (without, with) = (
        sent(format, model_id, &without).unwrap(),
        sent(format, model_id, &with),
    );
    match field.fate(format) {
        Translated(names) => {
            let with = with.unwrap();
            let names: Vec<_> = names.split(", ").collect();
            assert!(
                names.iter().any(|name| with.contains_key(*name)),
                "{name}: {with:?}"
            );
            let differing = differing(&with, &without);
            for other in &differing {
                assert!(names.contains(&other.as_str()), "{name} changes {other}");
            }
            assert!(
                !differing.is_empty() || ALWAYS_SENT.contains(&name),
                "{name} changes nothing"
            );
        }
        Dropped(_) | Lost(_) => assert_eq!(with.unwrap(), without, "{name}"),
        Refused(_) => {
            let refused = with.unwrap_err();
            assert_eq!(
                (refused.status, refused.param.as_deref()),
                (400, Some(name))
            );
        }
    }
}

#[test]
fn the_table_has_every_field_of_the_api() {
    let mut current = CURRENT;
    current.sort_unstable();
    let mut rows = FIELDS.map(|field| field.name);
    rows.sort_unstable();
    assert_eq!(rows, current);
}

#[test]
fn every_row_says_what_happens() {
    for (format, model_id) in TRIED {
        for field in &FIELDS {
            check(field, format, model_id);
        }
    }
}

#[test]
fn what_a_format_has_no_word_for_is_told_and_nothing_else() {
    let lost = |body: &Value, format| {
        let parsed = ChatRequest::parse(body.to_string().as_bytes()).unwrap();
        lost(&parsed, format)
    };
    for (format, _) in TRIED {
        for field in &FIELDS {
            let (without, with) = without_and_with(field.name);
            let before = lost(&without, format);
            let news: Vec<_> = lost(&with, format)
                .into_iter()
                .filter(|name| !before.contains(name))
                .collect();
            match field.fate(format) {
                Lost(_) => assert_eq!(news, [field.name]),
                Translated(_) | Dropped(_) | Refused(_) => assert!(news.is_empty(), "{news:?}"),
            }
        }
    }
    // What changes nothing is no loss.
    let idle = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "logprobs": false, "logit_bias": {},
        "parallel_tool_calls": true, "metadata": {}, "frequency_penalty": 0, "presence_penalty": 0.1, "service_tier": "auto",
        "reasoning_effort": "none", "verbosity": "medium"});
    assert!(lost(&idle, ApiFormat::Cohere).is_empty());
    let flex = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "service_tier": "flex"});
    assert_eq!(lost(&flex, ApiFormat::Generic), ["service_tier"]);
    let negative = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "frequency_penalty": -1,
        "presence_penalty": -0.1});
    assert_eq!(
        lost(&negative, ApiFormat::Cohere),
        ["frequency_penalty", "presence_penalty"]
    );
    assert!(lost(&negative, ApiFormat::CohereV2).is_empty());
}

#[test]
fn unknown_fields_are_left_out_and_change_nothing() {
    let plain = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for (format, model_id) in TRIED {
        for value in [
            json!(null),
            json!(1),
            json!("x"),
            json!([{}]),
            json!({"model": {"x": 1}}),
        ] {
            let mut body = plain.clone();
            body["some_later_field"] = value;
            let (with, without) = (
                sent(format, model_id, &body),
                sent(format, model_id, &plain),
            );
            assert_eq!(with.unwrap(), without.unwrap());
        }
    }
    assert!(why_dropped("some_later_field", ApiFormat::Generic).is_some());
    assert!(why_dropped("user", ApiFormat::Generic).is_some());
    assert_eq!(why_dropped("temperature", ApiFormat::Generic), None);
    assert!(is_field("n") && !is_field("numGenerations"));
}

fn cell(fate: Fate) -> String {
    match fate {
        Translated(names) => {
            let quoted: Vec<_> = names.split(", ").map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        }
        Dropped(why) => format!("left out: {why}"),
        Lost(why) => format!("left out and told: {why}"),
        Refused(when) => format!("400: {when}"),
    }
}

#[test]
fn the_readme_has_the_table() {
    let mut table = String::from("| field | GENERIC | COHERE | COHEREV2 |\n|---|---|---|---|\n");
    for field in &FIELDS {
        let cells = [ApiFormat::Generic, ApiFormat::Cohere, ApiFormat::CohereV2]
            .map(|format| cell(field.fate(format)));
        let line = if cells.iter().all(|cell| *cell == cells[0]) {
            format!("| `{}` | {} | same | same |\n", field.name, cells[0])
        } else {
            format!("| `{}` | {} |\n", field.name, cells.join(" | "))
        };
        table.push_str(&line);
    }
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&table),
        "the README's table should be\n\n{table}"
    );
}
