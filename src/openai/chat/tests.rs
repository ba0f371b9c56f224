//! What a body may look like, and which field is named when it may not.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::json;

use super::*;
use crate::openai::message::Part;
use crate::openai::tools::ToolChoice;

/// A good request with `more` merged into it.
fn parse(more: &Value) -> Result<ChatRequest, ApiError> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    ChatRequest::parse(body.to_string().as_bytes())
}

fn check_refused(more: &Value, param: &str) {
    let refused = parse(more).unwrap_err();
    assert_eq!(
        (refused.status, refused.kind),
        (400, "invalid_request_error")
    );
    assert_eq!(refused.param.as_deref(), Some(param), "{more}");
    assert!(refused.message.contains(param), "{}", refused.message);
    assert!(
        !refused.message.contains(" at line "),
        "{}",
        refused.message
    );
}

#[test]
fn a_wrong_message_is_named_with_its_path() {
    for (more, param) in [
        (json!({"model": 7}), "model"),
        (json!({"model": null}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "x"}), "messages"),
        (json!({"messages": [7]}), "messages[0]"),
        (
            json!({"messages": [{"role": "user"}, {"role": "user", "content": 7}]}),
            "messages[1].content",
        ),
        (
            json!({"messages": [{"role": "wizard"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": []}]}]}),
            "messages[0].content[0].text",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}),
            "messages[0].content[0].type",
        ),
        (
            json!({"messages": [{"role": "user", "content": [7]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 7}}]}]}),
            "messages[0].content[0].image_url.url",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": 7}}]}]}),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": 7}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
    ] {
        check_refused(&more, param);
    }
}

#[test]
fn a_wrong_parameter_is_named_with_its_path() {
    for (more, param) in [
        (json!({"stream": "yes"}), "stream"),
        (
            json!({"stream_options": {"include_usage": "x"}}),
            "stream_options.include_usage",
        ),
        (json!({"max_tokens": "many"}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_tokens": 1e300}), "max_tokens"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (
            json!({"max_completion_tokens": -1}),
            "max_completion_tokens",
        ),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"stop": 7}), "stop"),
        (json!({"stop": ["a", 7]}), "stop[1]"),
        (json!({"n": 0}), "n"),
        (json!({"n": 129}), "n"),
        (json!({"top_logprobs": -1}), "top_logprobs"),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
        ),
        (
            json!({"response_format": {"json_schema": {"schema": []}}}),
            "response_format.json_schema.schema",
        ),
        (
            json!({"tools": [{"function": {"parameters": "x"}}]}),
            "tools[0].function.parameters",
        ),
        (json!({"tool_choice": "sometimes"}), "tool_choice"),
        (json!({"tool_choice": {"type": "custom"}}), "tool_choice"),
        (json!({"reasoning_effort": "extreme"}), "reasoning_effort"),
        (json!({"logit_bias": [1]}), "logit_bias"),
    ] {
        check_refused(&more, param);
    }
}

/// Each value of a request with everything in it, replaced by each other kind: the field that is named is the one that a
/// reading which follows the path names.
#[test]
fn a_wrong_value_anywhere_is_named_as_by_a_reading_that_follows_the_path() {
    let whole = r#"{
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 1, "temperature": 0.5,
        "max_completion_tokens": 1, "top_p": 1, "n": 1, "stop": ["a", "b"], "seed": 1, "logprobs": true, "top_logprobs": 1,
        "logit_bias": {"1": 2}, "frequency_penalty": 0, "presence_penalty": 0, "reasoning_effort": "low",
        "parallel_tool_calls": true, "user": "u", "metadata": {"a": "b"},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "functions": [{"name": "f", "description": "d", "parameters": {}}], "function_call": {"name": "f"},
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "name": "n", "content": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}]},
            {"role": "assistant", "content": null, "refusal": "r", "reasoning_content": "t", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": [1]}}},
                {"id": "2", "type": "function", "function": {"arguments": "{}", "name": "f"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "y"}
        ]
    }"#;
    let whole: Value = serde_json::from_str(whole).unwrap();
    let mut places = Vec::new();
    collect_places(&whole, String::new(), &mut places);
    let mut refused = 0;
    for place in places {
        for wrong in [
            json!(7),
            json!(1.5),
            json!(true),
            json!("zzz"),
            json!([]),
            json!([7]),
            json!({}),
            json!({"zzz": 1}),
        ] {
            let mut body = whole.clone();
            *body.pointer_mut(&place).unwrap() = wrong.clone();
            for body in [serde_json::to_vec(&body), serde_json::to_vec_pretty(&body)] {
                let body = body.unwrap();
                let mut from = serde_json::Deserializer::from_slice(&body);
                let Err(expected) = serde_path_to_error::deserialize::<_, ChatRequest>(&mut from)
                else {
                    continue;
                };
                let said = ChatRequest::parse(&body).unwrap_err();
                assert_eq!(
                    said.param,
                    Some(path_with_pieces(&body, &expected)),
                    "{place} is {wrong}: {expected}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 400, "{refused}");
}

/// The path of an error, also of one inside content, which is read for itself.
fn path_with_pieces(body: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let outer = error.path().to_string();
    if !error.inner().to_string().starts_with('\u{1}') {
        return outer;
    }
    let body: Value = serde_json::from_slice(body).unwrap();
    let pointer = outer.replace(['.', '['], "/").replace(']', "");
    let piece = body.pointer(&format!("/{pointer}")).unwrap().to_string();
    let mut from = serde_json::Deserializer::from_str(&piece);
    let inner = serde_path_to_error::deserialize::<_, Vec<Part>>(&mut from);
    match inner.unwrap_err().path().to_string().as_str() {
        "." => outer,
        inner => outer + inner,
    }
}

/// The JSON pointers of all values within.
fn collect_places(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                collect_places(inner, format!("{at}/{name}"), places);
            }
        }
        Value::Array(list) => {
            for (number, inner) in list.iter().enumerate() {
                collect_places(inner, format!("{at}/{number}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    if !at.is_empty() {
        places.push(at);
    }
}

#[test]
fn a_missing_model_or_missing_messages_are_named() {
    for (body, param) in [
        ("{}", "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":[]}"#, "model"),
    ] {
        assert_eq!(
            ChatRequest::parse(body.as_bytes())
                .unwrap_err()
                .param
                .as_deref(),
            Some(param)
        );
    }
}

#[test]
fn what_is_no_json_or_no_object_is_refused_as_a_whole() {
    let deep = format!(
        r#"{{"model":"m","metadata":{{"k":{}}}}}"#,
        "[".repeat(100_000)
    );
    let deep_schema = format!(
        r#"{{"model":"m","messages":[{{"role":"user"}}],"tools":[{{"function":{{"parameters":{}1{}}}}}]}}"#,
        r#"{"a":"#.repeat(1000),
        "}".repeat(1000)
    );
    for body in [
        "",
        "{",
        "x",
        "7",
        "null",
        "\"x\"",
        "[]",
        r#" ["m",[{"role":"user","content":"x"}]]"#,
        r#"{"model":"m",}"#,
        "{}{}",
        "\u{feff}{}",
        &deep,
        &deep_schema,
    ] {
        let refused = ChatRequest::parse(body.as_bytes()).unwrap_err();
        assert_eq!(
            (refused.status, refused.param),
            (400, None),
            "{}",
            refused.message
        );
    }
    assert_eq!(
        ChatRequest::parse(b"{\"model\":\"\xff\"}")
            .unwrap_err()
            .status,
        400
    );
}

#[test]
fn a_quoted_value_does_not_make_an_error_long() {
    let refused = parse(&json!({"temperature": "ä".repeat(10_000)})).unwrap_err();
    assert!(refused.message.len() < 500, "{}", refused.message.len());
}

#[test]
fn clients_may_write_fields_in_their_own_ways() {
    let request = parse(
        &json!({"max_tokens": 4000.0, "seed": 1.0, "n": 2.0, "stop": "END", "unknown": {"a": [1]},
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}}),
    )
    .unwrap();
    assert_eq!(
        (request.max_tokens, request.seed, request.choices()),
        (Some(4000), Some(1), 2)
    );
    assert_eq!(request.stop, ["END"]);
    assert!(request.wants_stream() && request.wants_usage());
    let request =
        parse(&json!({"stop": null, "stream_options": null, "temperature": 0, "n": null})).unwrap();
    assert!(request.stop.is_empty() && !request.wants_stream() && !request.wants_usage());
    assert_eq!(request.choices(), 1);
    assert_eq!(request.temperature.unwrap().to_string(), "0");
}

#[test]
fn the_fields_of_a_body_are_named() {
    let names = |body: &str| ChatRequest::field_names(body.as_bytes());
    assert_eq!(
        names(r#"{"model":"m","x":{"y":[1]},"model":2}"#),
        ["model", "x", "model"]
    );
    for nothing in ["", "[]", "7", "{", r#"{"a":}"#] {
        assert!(names(nothing).is_empty());
    }
    let many: Map<_, _> = (0..1000).map(|at| (format!("f{at}"), json!(at))).collect();
    assert_eq!(names(&Value::Object(many).to_string()).len(), 100);
}

#[test]
fn a_tool_choice_has_many_forms() {
    let function = ToolChoice::Function {
        name: "f".to_owned(),
    };
    for (written, expected) in [
        (json!("none"), ToolChoice::None),
        (json!("auto"), ToolChoice::Auto),
        (json!("required"), ToolChoice::Required),
        (json!({"type": "required"}), ToolChoice::Required),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            function.clone(),
        ),
        (json!({"type": "function", "name": "f"}), function.clone()),
        (json!({"name": "f"}), function),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
                {"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "g"}]}}),
            ToolChoice::Allowed {
                required: false,
                names: vec!["f".to_owned(), "g".to_owned()],
            },
        ),
    ] {
        assert_eq!(
            parse(&json!({"tool_choice": written})).unwrap().tool_choice,
            Some(expected)
        );
    }
}
