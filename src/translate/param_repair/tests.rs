//! OCI's answers as they were seen, and what goes for each.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::oci::error::status_error;
use crate::oci::wire::ApiFormat;
use crate::openai::chat;
use crate::translate::models::ModelTarget;
use crate::translate::{Rules, request};

mod memory;

/// A request that has everything, with `more`, for a model without quirks.
fn whole(more: &Value) -> ChatRequest {
    whole_for(&ModelTarget::new("vendor.model", None), more)
}

fn whole_for(target: &ModelTarget, more: &Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true,
        "temperature": 0.2, "top_p": 0.9, "top_k": 5, "frequency_penalty": 0, "presence_penalty": 0, "seed": 1, "stop": "END",
        "parallel_tool_calls": true, "reasoning_effort": "minimal", "verbosity": "low", "metadata": {"a": "b"},
        "prediction": {"type": "content", "content": "x"}, "service_tier": "priority", "tool_choice": "auto",
        "response_format": {"type": "text"}, "n": 1, "logprobs": true, "logit_bias": {"1": 1}, "web_search_options": {},
        "max_tokens": 100, "tools": [{"type": "function", "function": {"name": "f", "parameters": {
            "$schema": "s", "type": "object", "additionalProperties": false,
            "properties": {"format": {"type": "string", "format": "uri"}, "n": {"type": "integer", "exclusiveMinimum": 0}}}}}]});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let parsed = chat::ChatRequest::parse(body.to_string().as_bytes()).unwrap();
    request(parsed, target, &rules).unwrap()
}

fn json_of(request: &ChatRequest) -> Value {
    serde_json::to_value(request).unwrap()
}

fn refused(body: &str) -> StatusError {
    status_error(400, None, None, body.as_bytes(), UNIX_EPOCH)
}

fn said(message: &str) -> StatusError {
    refused(&json!({"code": "400", "message": message}).to_string())
}

/// What is lost by OpenAI's name, and the field of OCI's that is gone.
fn check_dropped(error: &StatusError, lost: &str, gone: &str) {
    check_dropped_from(|| whole(&json!({})), error, lost, gone);
}

fn check_dropped_from(
    whole: impl Fn() -> ChatRequest,
    error: &StatusError,
    lost: &str,
    gone: &str,
) {
    let mut request = whole();
    let mut expected = json_of(&request);
    assert!(expected.get(gone).is_some(), "{gone}");
    let dropped = repair(error, &mut request);
    assert_eq!(
        dropped.as_ref().and_then(DroppedParam::lost).as_deref(),
        Some(lost),
        "{error:?}"
    );
    expected.as_object_mut().unwrap().shift_remove(gone);
    assert_eq!(json_of(&request), expected);
    // It is gone: the same error again has no answer.
    assert_eq!(repair(error, &mut request), None);
    // The next request is spared the refusal.
    let mut next = whole();
    assert_eq!(apply_known(&[dropped.unwrap()], &mut next), [lost]);
    assert_eq!(json_of(&next), expected);
}

fn check_stays(error: &StatusError, more: &Value) {
    let mut request = whole(more);
    let before = json_of(&request);
    assert_eq!(repair(error, &mut request), None, "{error:?}");
    assert_eq!(json_of(&request), before);
}

#[test]
fn parameters_that_vendors_refuse_are_dropped() {
    for (message, lost, gone) in [
        (
            "Model grok-4 does not support parameter presencePenalty.",
            "presence_penalty",
            "presencePenalty",
        ),
        (
            "Model grok-4 does not support parameter frequencyPenalty",
            "frequency_penalty",
            "frequencyPenalty",
        ),
        (
            "Model grok-4 does not support parameter stop.",
            "stop",
            "stop",
        ),
        ("Argument not supported on this model: stop", "stop", "stop"),
        (
            "Argument not supported on this model: reasoningEffort",
            "reasoning_effort",
            "reasoningEffort",
        ),
        (
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "temperature",
        ),
        (
            "Unsupported parameter: 'top_p' is not supported with this model.",
            "top_p",
            "topP",
        ),
        ("Unknown parameter: 'verbosity'.", "verbosity", "verbosity"),
        (
            "Unrecognized request argument supplied: prediction",
            "prediction",
            "prediction",
        ),
        (
            "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
            "parallel_tool_calls",
            "isParallelToolCalls",
        ),
        ("Unsupported parameter: 'chatRequest.topK'", "top_k", "topK"),
        ("Unknown parameter: 'seed'", "seed", "seed"),
        ("Unknown parameter: 'metadata'", "metadata", "metadata"),
        (
            "Unknown parameter: 'service_tier'",
            "service_tier",
            "serviceTier",
        ),
        (
            "Unknown parameter: 'streamOptions.isIncludeUsage'",
            "stream_options",
            "streamOptions",
        ),
        (
            "Unknown parameter: 'toolChoice'",
            "tool_choice",
            "toolChoice",
        ),
        (
            "Unknown parameter: 'responseFormat'",
            "response_format",
            "responseFormat",
        ),
        ("Unknown parameter: 'numGenerations'", "n", "numGenerations"),
        ("topP: Extra inputs are not permitted", "top_p", "topP"),
        (
            "Invalid JSON payload received. Unknown name \"frequency_penalty\": Cannot find field.",
            "frequency_penalty",
            "frequencyPenalty",
        ),
    ] {
        check_dropped(&said(message), lost, gone);
    }
}

#[test]
fn cohere_s_formats_lose_what_is_refused_too() {
    use ApiFormat::{Cohere, CohereV2};
    for (format, message, lost, gone) in [
        (
            Cohere,
            "Unknown parameter: 'temperature'",
            "temperature",
            "temperature",
        ),
        (
            Cohere,
            "Unsupported parameter: 'chatRequest.stopSequences'",
            "stop",
            "stopSequences",
        ),
        (
            Cohere,
            "invalid request: topK is not supported by this model",
            "top_k",
            "topK",
        ),
        (
            Cohere,
            "Unknown parameter: 'responseFormat'",
            "response_format",
            "responseFormat",
        ),
        (
            Cohere,
            "Unknown parameter: 'streamOptions'",
            "stream_options",
            "streamOptions",
        ),
        (
            CohereV2,
            "invalid request: thinking is not supported by this model",
            "reasoning_effort",
            "thinking",
        ),
        (CohereV2, "Unknown parameter: 'seed'", "seed", "seed"),
        (
            CohereV2,
            "Unknown parameter: 'frequencyPenalty'",
            "frequency_penalty",
            "frequencyPenalty",
        ),
        (
            CohereV2,
            "Unknown parameter: 'presencePenalty'",
            "presence_penalty",
            "presencePenalty",
        ),
        (CohereV2, "Unknown parameter: 'topP'", "top_p", "topP"),
        (
            CohereV2,
            "Unknown parameter: 'responseFormat'",
            "response_format",
            "responseFormat",
        ),
    ] {
        let target = ModelTarget::new("cohere.command", Some(format));
        let whole = || whole_for(&target, &json!({"n": 1}));
        check_dropped_from(whole, &said(message), lost, gone);
    }
    for (format, message) in [
        (Cohere, "Unknown parameter: 'reasoningEffort'"),
        (Cohere, "Unknown parameter: 'maxTokens'"),
        (Cohere, "Unknown parameter: 'tools'"),
        (CohereV2, "Unknown parameter: 'toolsChoice'"),
        (CohereV2, "Unknown parameter: 'isLogProbsEnabled'"),
    ] {
        let target = ModelTarget::new("cohere.command", Some(format));
        let mut request = whole_for(&target, &json!({}));
        let before = json_of(&request);
        assert_eq!(repair(&said(message), &mut request), None, "{message}");
        assert_eq!(json_of(&request), before);
    }
}

#[test]
fn strictness_may_go_and_what_it_is_about_stays() {
    let strict =
        json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]});
    let target = ModelTarget::new("cohere.command", Some(ApiFormat::CohereV2));
    check_dropped_from(
        || whole_for(&target, &strict),
        &said("Unknown parameter: 'isStrictToolsEnabled'"),
        "strict",
        "isStrictToolsEnabled",
    );
    let answer = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true}}});
    let mut request = whole(&answer);
    let error = said("Unsupported parameter: 'isStrict' is not supported with this model.");
    let dropped = repair(&error, &mut request).unwrap();
    assert_eq!(dropped.lost().as_deref(), Some("strict"));
    assert_eq!(
        json_of(&request)["responseFormat"],
        json!({"type": "JSON_SCHEMA", "jsonSchema": {"name": "a"}})
    );
    assert_eq!(repair(&error, &mut request), None);
}

#[test]
fn gemini_loses_both_penalties_although_it_names_none() {
    let error = said("Penalty is not enabled for this model");
    let mut request = whole(&json!({}));
    for lost in ["frequency_penalty", "presence_penalty"] {
        let dropped = repair(&error, &mut request).unwrap();
        assert_eq!(dropped.lost().as_deref(), Some(lost));
    }
    assert_eq!(repair(&error, &mut request), None);
}

#[test]
fn the_recorded_refusals_are_answered() {
    let recorded = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/errors");
        refused(&std::fs::read_to_string(folder.join(name)).unwrap())
    };
    check_dropped(
        &recorded("400.double-encoded-openai-error.json"),
        "temperature",
        "temperature",
    );
    for name in [
        "400.openai-error-envelope.json",
        "400.string-numeric-code.maxTokens.json",
    ] {
        let mut request = whole(&json!({}));
        let renamed = repair(&recorded(name), &mut request).unwrap();
        assert_eq!(renamed.lost(), None);
        let sent = json_of(&request);
        assert_eq!(
            (&sent["maxCompletionTokens"], sent.get("maxTokens")),
            (&json!(100), None)
        );
        assert_eq!(repair(&recorded(name), &mut request), None);
        let mut next = whole(&json!({"max_tokens": 7}));
        assert!(apply_known(&[renamed], &mut next).is_empty());
        assert_eq!(json_of(&next)["maxCompletionTokens"], 7);
    }
    for name in [
        "400.InvalidParameter.json",
        "400.multi-agent-model-on-chat.json",
        "404.numeric-code.unknown-model.json",
    ] {
        check_stays(&recorded(name), &json!({}));
    }
}

#[test]
fn the_limit_is_renamed_in_both_directions() {
    let mut request = whole(&json!({}));
    let ChatRequest::Generic(inner) = &mut request else {
        unreachable!("it is GENERIC")
    };
    inner.max_completion_tokens = inner.max_tokens.take();
    let error =
        said("Unsupported parameter: 'max_completion_tokens' is not supported with this model.");
    assert!(repair(&error, &mut request).is_some());
    assert_eq!(json_of(&request)["maxTokens"], 100);
}

#[test]
fn what_was_asked_for_is_never_dropped() {
    for (message, more) in [
        ("Unknown parameter: 'messages[0].name'.", json!({})),
        (
            "Unsupported parameter: 'tools' is not supported with this model.",
            json!({}),
        ),
        ("Unsupported parameter: 'model'", json!({})),
        ("Unknown parameter: 'logprobs'", json!({})),
        ("Unknown parameter: 'logProbs'", json!({})),
        ("Unknown parameter: 'logit_bias'", json!({})),
        ("Unknown parameter: 'webSearchOptions'", json!({})),
        (
            "Unsupported parameter: 'n' is not supported with this model.",
            json!({"n": 2}),
        ),
        (
            "Unknown parameter: 'toolChoice'",
            json!({"tool_choice": "required"}),
        ),
        (
            "Unknown parameter: 'response_format'",
            json!({"response_format": {"type": "json_object"}}),
        ),
        // Mistakes of the client.
        ("Invalid 'temperature': must be at most 2", json!({})),
        ("temperature must be between 0 and 2", json!({})),
        ("Invalid type for 'stop': expected a string", json!({})),
        ("maxTokens must be at most 4000", json!({})),
        // What may go is named behind what must stay.
        (
            "logitBias is not supported with this model. Supported are: 'temperature', 'topP'.",
            json!({}),
        ),
        // Words that are no names.
        (
            "Images are not supported on this model, stop sending them with seed.",
            json!({}),
        ),
        ("", json!({})),
    ] {
        check_stays(&said(message), &more);
    }
    let mut busy = said("Model grok-4 does not support parameter stop");
    busy.status = 429;
    check_stays(&busy, &json!({}));
}

#[test]
fn schemas_lose_the_keywords_that_are_refused() {
    let error = said(
        "Invalid JSON payload received. Unknown name \"exclusiveMinimum\" at 'tools[0].function_declarations[0].parameters.properties[1].value': Cannot find field. Invalid JSON payload received. Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters': Cannot find field. Unknown name \"format\" at 'x'. Unknown name \"$schema\"",
    );
    let mut request = whole(
        &json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a",
        "schema": {"$schema": "s", "type": "string"}}}}),
    );
    let dropped = repair(&error, &mut request).unwrap();
    let lost = "schema.exclusiveMinimum, schema.$schema, schema.format";
    assert_eq!(dropped.lost().as_deref(), Some(lost));
    let sent = json_of(&request);
    // A property of that name is none of the keywords.
    let expected = json!({"type": "object", "additionalProperties": false,
        "properties": {"format": {"type": "string"}, "n": {"type": "integer"}}});
    assert_eq!(sent["tools"][0]["parameters"], expected);
    assert_eq!(
        sent["responseFormat"]["jsonSchema"]["schema"],
        json!({"type": "string"})
    );
    assert_eq!(repair(&error, &mut request), None);
    assert_eq!(apply_known(&[dropped], &mut whole(&json!({}))), [lost]);
    // What a schema cannot do without.
    for needed in ["properties", "type", "enum", "items", "unheard"] {
        check_stays(
            &said(&format!("Unknown name \"{needed}\" at 'tools[0]'")),
            &json!({}),
        );
    }
}
