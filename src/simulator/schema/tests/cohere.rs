//! What the schemas of COHERE and COHEREV2 take, and one wrong thing at a time.

use serde_json::{Value, json};

use super::super::check;
use super::changed;

macro_rules! request {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../../tests/fixtures/chat/request.",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

/// Everything that COHERE knows, once, but for tool results.
fn cohere() -> Value {
    request!("cohere.full-surface")
}

fn coherev2() -> Value {
    request!("coherev2.full-surface")
}

fn tool_turn() -> Value {
    request!("cohere.tool-turn.toolResults")
}

#[test]
fn the_requests_of_the_reference_are_taken() {
    for body in [
        cohere(),
        coherev2(),
        tool_turn(),
        request!("cohere.tool-turn.history"),
    ] {
        assert_eq!(check(&body), Ok(()), "{body}");
    }
}

/// With `value` at a pointer below `chatRequest`, the message is about what `expected` says.
fn refuses(full: &Value, pointer: &str, value: Option<Value>, expected: &str) {
    let given = format!("{value:?}");
    let body = changed(full.clone(), &format!("/chatRequest/{pointer}"), value);
    let Err(problem) = check(&body) else {
        unreachable!("taken: {pointer} {given}");
    };
    assert!(
        problem.message.contains(expected),
        "{pointer} {given}: {problem:?}"
    );
}

#[test]
fn an_unknown_field_or_a_null_is_refused_wherever_it_stands() {
    let cases = [
        (
            cohere(),
            &[
                "",
                "chatHistory/0/",
                "chatHistory/1/",
                "tools/0/",
                "tools/0/parameterDefinitions/city/",
                "responseFormat/",
                "streamOptions/",
            ][..],
        ),
        (
            tool_turn(),
            &[
                "chatHistory/1/toolCalls/0/",
                "toolResults/0/",
                "toolResults/0/call/",
            ],
        ),
        (
            coherev2(),
            &[
                "",
                "messages/0/",
                "messages/1/content/0/",
                "messages/1/content/1/imageUrl/",
                "messages/2/",
                "messages/2/toolCalls/0/",
                "messages/2/toolCalls/0/function/",
                "messages/3/",
                "tools/0/",
                "tools/0/function/",
                "thinking/",
                "citationOptions/",
                "responseFormat/",
            ],
        ),
    ];
    for (full, places) in cases {
        for at in places {
            refuses(
                &full,
                &format!("{at}strict"),
                Some(json!(true)),
                "unknown field",
            );
        }
        let chat = full.pointer("/chatRequest").unwrap().as_object().unwrap();
        for name in chat.keys() {
            refuses(&full, name, Some(Value::Null), name);
        }
    }
}

#[test]
fn fields_of_another_format_are_unknown() {
    for (name, value) in [
        ("messages", json!([])),
        ("toolChoice", json!({"type": "AUTO"})),
        ("numGenerations", json!(1)),
        ("logitBias", json!({})),
        ("reasoningEffort", json!("LOW")),
        ("isParallelToolCalls", json!(true)),
        ("stop", json!([])),
    ] {
        refuses(&cohere(), name, Some(value), "unknown field");
    }
    for (name, value) in [
        ("message", json!("")),
        ("toolChoice", json!("REQUIRED")),
        ("strictTools", json!(true)),
        ("logprobs", json!(true)),
        ("preambleOverride", json!("")),
    ] {
        refuses(&coherev2(), name, Some(value), "unknown field");
    }
}

#[test]
fn what_is_required_is_missed() {
    for path in [
        "message",
        "maxTokens",
        "tools/0/name",
        "tools/0/description",
        "tools/0/parameterDefinitions/city/type",
        "chatHistory/0/message",
    ] {
        refuses(&cohere(), path, None, "is required");
    }
    for path in [
        "toolResults/0/call",
        "toolResults/0/outputs",
        "toolResults/0/call/parameters",
        "chatHistory/1/toolCalls/0/parameters",
    ] {
        refuses(&tool_turn(), path, None, "is required");
    }
    for path in [
        "messages",
        "maxTokens",
        "messages/1/content",
        "messages/2/content",
        "messages/3/toolCallId",
        "messages/2/toolCalls/0/id",
        "messages/2/toolCalls/0/function",
        "tools/0/function/name",
        "thinking/type",
    ] {
        refuses(&coherev2(), path, None, "is required");
    }
}

#[test]
fn a_wrong_value_of_cohere_is_refused() {
    let tool = |name: &str| json!({"name": name, "description": ""});
    let cases = [
        ("message", json!(["text"])),
        ("message", json!("")),
        (
            "chatHistory",
            json!([{"role": "ASSISTANT", "message": "hi"}]),
        ),
        ("chatHistory", json!([{"role": "CHATBOT", "message": ""}])),
        ("chatHistory", json!([{"role": "CHATBOT"}])),
        ("chatHistory", json!([{"role": "TOOL", "toolResults": []}])),
        ("tools", json!([tool("2fast")])),
        ("tools", json!([tool("get-weather")])),
        ("tools", json!([tool("")])),
        ("tools", json!([tool("a"), tool("b"), tool("a")])),
        ("tools/0/parameterDefinitions/city/type", json!("string")),
        ("tools/0/parameterDefinitions/city/type", json!("list")),
        ("tools/0/parameterDefinitions/city/isRequired", json!("yes")),
        (
            "toolResults",
            json!([{"call": {"name": "f", "parameters": "{}"}, "outputs": [{}]}]),
        ),
        (
            "toolResults",
            json!([{"call": {"name": "f", "parameters": {}}, "outputs": ["18C"]}]),
        ),
        (
            "toolResults",
            json!([{"call": {"name": "f", "parameters": {}}, "outputs": [{}]}]),
        ),
        ("maxTokens", json!(4001)),
        ("topK", json!(501)),
        ("topK", json!(-1)),
        ("stopSequences", json!("END")),
        ("promptTruncation", json!("AUTO")),
        ("citationQuality", json!("fast")),
        ("safetyMode", json!("NONE")),
        (
            "responseFormat",
            json!({"type": "JSON_SCHEMA", "jsonSchema": {"name": "n"}}),
        ),
        ("documents", json!(["text"])),
    ];
    for (path, value) in cases {
        refuses(
            &cohere(),
            path,
            Some(value),
            path.split('/').next().unwrap(),
        );
    }
    let dedicated =
        json!({"servingType": "DEDICATED", "endpointId": "ocid1.generativeaiendpoint.oc1..a"});
    let body = changed(cohere(), "/chatRequest/maxTokens", Some(json!(4001)));
    assert_eq!(
        check(&changed(body, "/servingMode", Some(dedicated))),
        Ok(())
    );
}

#[test]
fn the_turns_of_cohere_have_their_order() {
    let history = request!("cohere.tool-turn.history");
    let user = json!({"role": "USER", "message": "and now?"});
    refuses(
        &history,
        "chatHistory/-",
        Some(user.clone()),
        "chatHistory[1]: an entry of TOOL must be followed by one of CHATBOT",
    );
    let answered = changed(
        history,
        "/chatRequest/chatHistory/-",
        Some(json!({"role": "CHATBOT", "message": " "})),
    );
    let more = changed(answered, "/chatRequest/chatHistory/-", Some(user));
    assert_eq!(check(&more), Ok(()));
    refuses(
        &tool_turn(),
        "chatHistory/0/role",
        Some(json!("SYSTEM")),
        "at least one message of the user",
    );
    refuses(
        &tool_turn(),
        "toolResults",
        None,
        "must be at least 1 token",
    );
    refuses(&tool_turn(), "message", Some(json!("hm")), "toolResults");
    let single_step = changed(
        tool_turn(),
        "/chatRequest/isForceSingleStep",
        Some(json!(true)),
    );
    let both = changed(single_step, "/chatRequest/message", Some(json!("hm")));
    assert_eq!(check(&both), Ok(()));
}

#[test]
fn a_wrong_value_of_coherev2_is_refused() {
    let text = |text: &str| json!([{"type": "TEXT", "text": text}]);
    let cases = [
        ("messages", json!([])),
        (
            "messages",
            json!([{"role": "SYSTEM", "content": text("s")}]),
        ),
        ("messages/0/role", json!("DEVELOPER")),
        ("messages/1/content", json!("text")),
        ("messages/1/content", json!([])),
        (
            "messages/1/content/-",
            json!({"type": "IMAGE", "imageUrl": {"url": "u"}}),
        ),
        ("messages/2/content", json!([])),
        ("messages/2/content", text("")),
        (
            "messages/2/toolCalls",
            json!([{"id": "1", "type": "FUNCTION", "name": "f", "arguments": "{}"}]),
        ),
        ("messages/2/toolCalls/0/function/arguments", json!({})),
        ("messages/3/toolCallId", json!("")),
        ("tools", json!([{"type": "FUNCTION", "name": "f"}])),
        ("tools", json!([])),
        ("toolsChoice", json!("AUTO")),
        ("toolsChoice", json!({"type": "REQUIRED"})),
        ("thinking/type", json!("enabled")),
        ("thinking/tokenBudget", json!(0)),
        ("citationOptions/mode", json!("ON")),
        ("priority", json!(-1)),
        ("isLogProbsEnabled", json!(1)),
        ("responseFormat", json!({"type": "JSON_SCHEMA"})),
    ];
    for (path, value) in cases {
        refuses(&coherev2(), path, Some(value), "chatRequest");
    }
}
