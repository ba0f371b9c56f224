//! What the schema takes, and one wrong thing at a time.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::json;

use super::*;

mod cohere;

/// Everything that the format knows, once.
fn full() -> Value {
    json!({
        "compartmentId": "ocid1.compartment.oc1..aaaa",
        "servingMode": {"servingType": "ON_DEMAND", "modelId": "xai.grok-4.3"},
        "chatRequest": {
            "apiFormat": "GENERIC",
            "messages": [
                {"role": "SYSTEM", "content": [{"type": "TEXT", "text": "s"}], "name": "n"},
                {"role": "DEVELOPER", "content": [{"type": "TEXT", "text": "d"}]},
                {"role": "USER", "content": [
                    {"type": "TEXT", "text": "u"},
                    {"type": "IMAGE", "imageUrl": {"url": "data:image/png;base64,AAAA", "detail": "AUTO"}},
                    {"type": "DOCUMENT", "documentUrl": {"url": "data:application/pdf;base64,AAAA"}},
                    {"type": "VIDEO", "videoUrl": {"url": "data:video/mp4;base64,AAAA"}},
                    {"type": "AUDIO", "audioUrl": {"url": "data:audio/mp3;base64,AAAA"}}]},
                {"role": "ASSISTANT", "reasoningContent": "r", "refusal": "",
                    "annotations": [{"type": "URL_CITATION", "urlCitation": {"startIndex": 0, "endIndex": 1,
                        "title": "t", "url": "u"}}],
                    "toolCalls": [{"id": "1", "type": "FUNCTION", "name": "f", "arguments": "{}"}]},
                {"role": "TOOL", "toolCallId": "1", "content": [{"type": "TEXT", "text": "t"}]}
            ],
            "isStream": true, "streamOptions": {"isIncludeUsage": true}, "numGenerations": 1, "seed": -42,
            "isEcho": false, "topK": -1, "topP": 0.9, "temperature": 0, "frequencyPenalty": -1, "presencePenalty": 0.5,
            "stop": ["END"], "logProbs": 5, "maxTokens": 256, "maxCompletionTokens": 9, "logitBias": {"6395": 2},
            "responseFormat": {"type": "JSON_SCHEMA", "jsonSchema": {"name": "a", "description": "d",
                "schema": {"type": "object", "default": null}, "isStrict": true}},
            "tools": [{"type": "FUNCTION", "name": "f", "description": "d", "parameters": {"anything": null}}],
            "toolChoice": {"type": "FUNCTION", "name": "f"}, "isParallelToolCalls": true,
            "reasoningEffort": "LOW", "verbosity": "LOW", "metadata": {"k": "v"},
            "prediction": {"type": "CONTENT", "content": [{"type": "TEXT", "text": "p"}]},
            "webSearchOptions": {"searchContextSize": "MEDIUM", "userLocation": {"city": "c", "region": "r",
                "country": "US", "timezone": "America/Chicago"}},
            "serviceTier": "AUTO"
        }
    })
}

#[test]
fn everything_that_the_format_knows_is_taken() {
    assert_eq!(check(&full()), Ok(()));
    for choice in ["AUTO", "NONE", "REQUIRED"] {
        let mut body = full();
        *body.pointer_mut("/chatRequest/toolChoice").unwrap() = json!({"type": choice});
        assert_eq!(check(&body), Ok(()));
    }
    let mut body = full();
    *body.pointer_mut("/servingMode").unwrap() =
        json!({"servingType": "DEDICATED", "endpointId": "ocid1.generativeaiendpoint.oc1..a"});
    assert_eq!(check(&body), Ok(()));
}

/// `full` with `value` at `pointer`, or without what is there; in an array one item more.
fn changed(full: Value, pointer: &str, value: Option<Value>) -> Value {
    let mut body = full;
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (body.pointer_mut(parent).unwrap(), value) {
        (Value::Object(object), Some(value)) => drop(object.insert(name.to_owned(), value)),
        (Value::Object(object), None) => drop(object.remove(name).unwrap()),
        (Value::Array(array), Some(value)) => array.push(value),
        (other, value) => unreachable!("{other} {value:?}"),
    }
    body
}

/// Expects the start of the message.
fn refuses(pointer: &str, value: Option<Value>, code: &str, expected: &str) {
    let problem = check(&changed(full(), pointer, value)).unwrap_err();
    assert_eq!(problem.code, code, "{pointer}: {problem:?}");
    assert!(
        problem.message.starts_with(expected),
        "{pointer}: {problem:?}"
    );
}

#[test]
fn an_unknown_field_is_refused_wherever_it_stands() {
    for at in [
        "",
        "/servingMode",
        "/chatRequest",
        "/chatRequest/messages/0",
        "/chatRequest/messages/0/content/0",
        "/chatRequest/messages/2/content/1",
        "/chatRequest/messages/2/content/1/imageUrl",
        "/chatRequest/messages/3",
        "/chatRequest/messages/3/toolCalls/0",
        "/chatRequest/messages/4",
        "/chatRequest/streamOptions",
        "/chatRequest/responseFormat",
        "/chatRequest/responseFormat/jsonSchema",
        "/chatRequest/tools/0",
        "/chatRequest/toolChoice",
        "/chatRequest/prediction",
        "/chatRequest/webSearchOptions",
        "/chatRequest/webSearchOptions/userLocation",
    ] {
        let path = at.trim_start_matches('/').replace('/', ".");
        let path = (0..9).fold(path, |path, n| {
            path.replace(&format!(".{n}"), &format!("[{n}]"))
        });
        let expected = if path.is_empty() {
            "strict".to_owned()
        } else {
            format!("{path}.strict")
        };
        refuses(
            &format!("{at}/strict"),
            Some(json!(true)),
            "InvalidParameter",
            &expected,
        );
    }
}

#[test]
fn what_is_required_is_missed() {
    for path in [
        "/compartmentId",
        "/servingMode",
        "/servingMode/servingType",
        "/servingMode/modelId",
        "/chatRequest",
        "/chatRequest/apiFormat",
        "/chatRequest/messages",
        "/chatRequest/messages/0/role",
        "/chatRequest/messages/0/content",
        "/chatRequest/messages/4/toolCallId",
        "/chatRequest/tools/0/name",
        "/chatRequest/messages/3/toolCalls/0/id",
    ] {
        refuses(path, None, "MissingParameter", "");
    }
    let mut body = full();
    let chat = body
        .pointer_mut("/chatRequest")
        .unwrap()
        .as_object_mut()
        .unwrap();
    chat.remove("maxTokens");
    assert_eq!(check(&body), Ok(()));
    body.pointer_mut("/chatRequest")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("maxCompletionTokens");
    assert_eq!(check(&body).unwrap_err().code, "MissingParameter");
}

#[test]
fn a_wrong_value_is_refused() {
    let cases = [
        ("compartmentId", json!("mine")),
        ("chatRequest/messages", json!([])),
        ("chatRequest/messages/0/content", json!("text")),
        ("chatRequest/messages/0/content", json!([])),
        ("chatRequest/messages/0/role", json!("user")),
        ("chatRequest/messages/0/name", json!(null)),
        ("chatRequest/messages/0/content/0/text", json!(null)),
        ("chatRequest/messages/0/content/0/type", json!("text")),
        (
            "chatRequest/messages/2/content/1/imageUrl",
            json!("https://x"),
        ),
        (
            "chatRequest/messages/2/content/1/imageUrl/detail",
            json!("auto"),
        ),
        ("chatRequest/messages/3/toolCalls", json!([])),
        ("chatRequest/messages/3/toolCalls/0/arguments", json!({})),
        ("chatRequest/maxTokens", json!(0)),
        ("chatRequest/maxTokens", json!(1.5)),
        ("chatRequest/maxCompletionTokens", json!(-1)),
        ("chatRequest/temperature", json!("0")),
        ("chatRequest/temperature", json!(null)),
        ("chatRequest/topK", json!(-2)),
        ("chatRequest/stop", json!("END")),
        ("chatRequest/numGenerations", json!(0)),
        ("chatRequest/logProbs", json!(true)),
        ("chatRequest/logitBias", json!({"1": "2"})),
        ("chatRequest/isStream", json!("true")),
        ("chatRequest/tools/0/type", json!("function")),
        ("chatRequest/tools/0/name", json!("a b")),
        ("chatRequest/tools/0/parameters", json!("{}")),
        ("chatRequest/toolChoice", json!("auto")),
        (
            "chatRequest/toolChoice",
            json!({"type": "FUNCTION", "name": "g"}),
        ),
        ("chatRequest/responseFormat/type", json!("json_schema")),
        ("chatRequest/responseFormat/jsonSchema/name", json!("")),
        ("chatRequest/reasoningEffort", json!("low")),
        ("chatRequest/metadata", json!({"k": 1})),
        ("chatRequest/metadata", json!({"k": "v".repeat(513)})),
        (
            "chatRequest/metadata",
            (0..17).map(|n| (n.to_string(), json!("v"))).collect(),
        ),
        ("chatRequest/serviceTier", json!("FLEX")),
        ("chatRequest/apiFormat", json!("generic")),
    ];
    for (path, value) in cases {
        refuses(
            &format!("/{path}"),
            Some(value),
            "InvalidParameter",
            path.split('/').next().unwrap(),
        );
    }
    let many = (0..129).map(|n| json!({"type": "FUNCTION", "name": format!("f{n}")}));
    refuses(
        "/chatRequest/tools",
        Some(many.collect()),
        "InvalidParameter",
        "chatRequest.tools: ",
    );
    assert_eq!(check(&json!([])).unwrap_err().code, "InvalidParameter");
}

/// Requests written from the official SDK's models.
#[test]
fn the_requests_of_the_reference_are_taken() {
    for text in [
        include_str!("../../../tests/fixtures/chat/request.generic.full-surface.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.minimal.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.stream-with-usage.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.dedicated.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.openai-reasoning-model.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.multimodal-parts.json"),
        include_str!("../../../tests/fixtures/chat/request.generic.tool-turn.json"),
    ] {
        assert_eq!(
            check(&serde_json::from_str(text).unwrap()),
            Ok(()),
            "{text}"
        );
    }
}
