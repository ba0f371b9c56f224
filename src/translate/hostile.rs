//! Nothing that a client or OCI sends makes the translation panic: each value of good JSON is replaced by each of many
//! bad ones, and whatever comes out is read to its end.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::models::ModelTarget;
use super::{ReplyMeta, Rules, StreamTranslator, completion, completion_as_chunks, error, request};
use crate::oci::wire::ApiFormat;
use crate::openai::chat::ChatRequest;

fn hostile_values() -> Vec<Value> {
    vec![
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!("🦀"),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([null, [], {}, "x", 1]),
        json!({"type": null, "": [], "name": {}}),
    ]
}

/// Calls `visit` with every variant of `good` in which one value is replaced.
fn each_variant(good: &Value, visit: &mut dyn FnMut(&Value)) {
    let mut paths = vec![String::new()];
    collect_paths(good, "", &mut paths);
    for path in paths {
        for bad in hostile_values() {
            let mut variant = good.clone();
            *variant.pointer_mut(&path).unwrap() = bad;
            visit(&variant);
        }
    }
}

fn collect_paths(value: &Value, path: &str, paths: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, child)| (format!("{path}/{key}"), child))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, child)| (format!("{path}/{at}"), child))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (path, child) in children {
        collect_paths(child, &path, paths);
        paths.push(path);
    }
}

/// Each format, with a model that speaks it.
const FORMATS: [(ApiFormat, &str); 3] = [
    (ApiFormat::Generic, "meta.llama-3.3-70b-instruct"),
    (ApiFormat::Cohere, "cohere.command-a-03-2025"),
    (ApiFormat::CohereV2, "cohere.command-a-vision-07-2025"),
];

/// All golden inputs of that name, with their format and a model that speaks it.
fn inputs(name: &str) -> Vec<(ApiFormat, &'static str, String)> {
    let tagged = FORMATS.map(|(format, id)| {
        let inputs = inputs_of(format, name);
        inputs.into_iter().map(move |input| (format, id, input))
    });
    tagged.into_iter().flatten().collect()
}

fn inputs_of(format: ApiFormat, name: &str) -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = fs::read_dir(root.join(format.as_str().to_lowercase()))
        .unwrap()
        .map(|entry| entry.unwrap().path().join(name));
    // Cases for several vendors have the same input.
    let inputs: BTreeSet<_> = cases
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    assert!(!inputs.is_empty());
    inputs.into_iter().collect()
}

fn meta(format: ApiFormat) -> ReplyMeta {
    ReplyMeta::sample(format.into())
}

#[test]
fn hostile_requests_are_answered_or_refused_with_a_param() {
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    for (_, id, input) in inputs("request.openai.json") {
        let target = ModelTarget::new(id, None);
        each_variant(&serde_json::from_str(&input).unwrap(), &mut |variant| {
            let parsed = ChatRequest::parse(variant.to_string().as_bytes());
            let translated = parsed.and_then(|parsed| Ok(request(parsed, &target, &rules)?));
            match translated {
                Ok(translated) => assert!(serde_json::to_string(&translated).is_ok()),
                Err(refused) => {
                    assert_eq!(refused.status, 400, "{variant}");
                    assert!(
                        refused.param.is_some() || !variant.is_object(),
                        "{variant}: {refused:?}"
                    );
                }
            }
        });
    }
}

#[test]
fn hostile_replies_are_answers_or_errors() {
    for (format, _, input) in inputs("response.oci.json") {
        each_variant(&serde_json::from_str(&input).unwrap(), &mut |variant| {
            let Ok(result) = serde_json::from_value(variant.clone()) else {
                assert!(!variant.is_object(), "{variant}");
                return;
            };
            match completion(result, &meta(format)) {
                Ok(completion) => {
                    assert!(serde_json::to_string(&completion).is_ok());
                    assert!(completion_as_chunks(&completion, true).len() >= 2);
                }
                Err(failure) => assert_eq!(error(&failure).status, 502),
            }
        });
    }
}

#[test]
fn hostile_events_are_chunks_or_errors() {
    for (format, _, input) in inputs("stream.oci.sse") {
        let events = input.lines().filter_map(|line| line.strip_prefix("data: "));
        for event in events.filter_map(|event| serde_json::from_str::<Value>(event).ok()) {
            each_variant(&event, &mut |variant| {
                let mut translator = StreamTranslator::new(meta(format), true, 1);
                for _ in 0..2 {
                    match translator.push(&variant.to_string()) {
                        Ok(chunks) => assert!(serde_json::to_string(&chunks).is_ok()),
                        Err(failure) => assert_eq!(error(&failure).status, 502),
                    }
                }
                // Whether it ends well does not matter here, only that it ends.
                drop(translator.finish());
            });
        }
    }
}

/// What a client says may be megabytes, and the reason of a refusal goes into the log.
#[test]
fn a_reason_that_quotes_the_client_has_a_bound() {
    let call = json!({"id": "a", "type": "ü".repeat(100_000), "function": {"name": "f", "arguments": "{}"}});
    let message = json!({"role": "assistant", "tool_calls": [call]});
    let body = json!({"model": "m", "messages": [message]}).to_string();
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let target = ModelTarget::new("xai.grok-4.3", None);
    let refused = request(
        ChatRequest::parse(body.as_bytes()).unwrap(),
        &target,
        &rules,
    )
    .unwrap_err();
    assert_eq!(refused.message.chars().count(), super::MAX_REASON_CHARS + 1);
    assert_eq!(refused.param, "messages[0].tool_calls[0].type");
}
