//! What the models refuse.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use super::super::answer::plan;
use super::*;

const GROK: &str = "xai.grok-4.3";
const LLAMA: &str = "meta.llama-3.3-70b-instruct";
const GEMINI: &str = "google.gemini-2.5-flash";

fn chat(more: Value) -> Value {
    let mut chat = json!({"apiFormat": "GENERIC", "messages": [user("x")]});
    let more = more.as_object().unwrap().clone();
    chat.as_object_mut().unwrap().extend(more);
    chat
}

fn said(role: &str, text: &str) -> Value {
    json!({"role": role, "content": [{"type": "TEXT", "text": text}]})
}

fn user(text: &str) -> Value {
    said("USER", text)
}

fn called(ids: &[&str]) -> Value {
    let calls = ids.iter().map(|id| json!({"id": id, "type": "FUNCTION"}));
    json!({"role": "ASSISTANT", "toolCalls": calls.collect::<Vec<_>>()})
}

fn result(id: &str) -> Value {
    json!({"role": "TOOL", "toolCallId": id, "content": []})
}

/// A part of the message, or nothing for what is taken.
fn check(model: &str, chat: &Value, expected: &str) {
    match refusal(model, chat, false) {
        None => assert_eq!(expected, "", "{model} {chat}"),
        Some(Refusal {
            status, message, ..
        }) => {
            assert!(
                !expected.is_empty() && message.contains(expected),
                "{model} {chat}: {message}"
            );
            assert_eq!(status, 400);
        }
    }
}

#[test]
fn every_model_speaks_its_own_formats() {
    let cases = [
        (GROK, [true, false, false]),
        ("cohere.command-r-plus-08-2024", [false, true, false]),
        ("cohere.command-latest", [false, true, false]),
        ("cohere.command-a-03-2025", [false, true, true]),
        ("cohere.command-a-vision-07-2025", [false, false, true]),
        ("cohere.command-a-reasoning-08-2025", [false, false, true]),
        ("ocid1.generativeaiendpoint.oc1..a", [true, true, true]),
        ("openai.gpt-oss-120b", [true, false, false]),
    ];
    for (model, taken) in cases {
        for (format, taken) in ["GENERIC", "COHERE", "COHEREV2"].into_iter().zip(taken) {
            let why = if taken { "" } else { "apiFormat" };
            check(model, &json!({"apiFormat": format}), why);
        }
    }
}

#[test]
fn only_models_for_vision_take_images_of_cohere() {
    let part = json!({"type": "IMAGE_URL", "imageUrl": {"url": "data:image/png;base64,AAAA"}});
    let chat = json!({"apiFormat": "COHEREV2", "messages": [{"role": "USER", "content": [part]}]});
    check("cohere.command-a-03-2025", &chat, "image input");
    check("cohere.command-a-vision-07-2025", &chat, "");
    check("ocid1.generativeaiendpoint.oc1..a", &chat, "");
}

#[test]
fn llama_has_its_own_limits() {
    let parallel = chat(json!({"isParallelToolCalls": true}));
    check(LLAMA, &parallel, "does not support parameter isParallel");
    check("meta.llama-4-scout-17b-16e-instruct", &parallel, "");
    let turn = |content: Value| {
        let mut message = called(&["1"]);
        if !content.is_null() {
            let message = message.as_object_mut().unwrap();
            message.insert("content".to_owned(), content);
        }
        let chat = chat(json!({"messages": [user("x"), message]}));
        refusal(LLAMA, &chat, false).map(|refusal| refusal.status)
    };
    assert_eq!(turn(json!([{"type": "TEXT", "text": ""}])), Some(500));
    assert_eq!(turn(json!([{"type": "TEXT", "text": "."}])), None);
    assert_eq!(turn(Value::Null), None);
}

#[test]
fn gpt_5_refuses_what_it_cannot_change_with_the_vendors_error_in_a_string() {
    let recorded: Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/errors/400.double-encoded-openai-error.json"
    ))
    .unwrap();
    let error = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let ours = refusal("openai.gpt-5", &chat(json!({"temperature": 0.2})), false).unwrap();
    assert_eq!(
        error(&ours.message),
        error(recorded.get("message").unwrap().as_str().unwrap())
    );
    check(
        "openai.gpt-5.1",
        &chat(json!({"topP": 0.9})),
        "'top_p' does",
    );
    check(
        "openai.gpt-5",
        &chat(json!({"temperature": 1, "topP": 1.0})),
        "",
    );
    check("openai.gpt-4.1", &chat(json!({"temperature": 0.2})), "");
    let limit = chat(json!({"maxTokens": 5}));
    check("openai.gpt-4.1", &limit, "Use 'maxCompletionTokens'");
    check("openai.gpt-oss-120b", &limit, "");
}

#[test]
fn the_newest_gpts_take_no_tools_while_they_think() {
    let ask = |model: &str, effort: Option<&str>, tools: usize| {
        let tools = vec![json!({"type": "FUNCTION", "name": "f"}); tools];
        let mut chat = chat(json!({"tools": tools}));
        if let Some(effort) = effort {
            chat["reasoningEffort"] = json!(effort);
        }
        let refusal = refusal(&format!("openai.{model}"), &chat, false)?;
        assert_eq!(refusal.status, 400);
        let error: Value = serde_json::from_str(&refusal.message).unwrap();
        assert_eq!(error["error"]["param"], "reasoning_effort");
        Some(error)
    };
    let message = "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. \
                   To use function tools, use /v1/responses or set reasoning_effort to 'none'.";
    let error = json!({"error": {"message": message, "type": "invalid_request_error",
        "param": "reasoning_effort", "code": null}});
    assert_eq!(ask("gpt-5.6", None, 1), Some(error.clone()));
    assert_eq!(ask("gpt-5.6", Some("LOW"), 1), Some(error));
    for (model, effort, tools) in [
        ("gpt-5.6", Some("NONE"), 1),
        ("gpt-5.6", Some("LOW"), 0),
        ("gpt-5.5", None, 1),
        ("gpt-5.4", Some("NONE"), 1),
        ("gpt-5.1", Some("MINIMAL"), 1),
    ] {
        assert_eq!(ask(model, effort, tools), None, "{model} {effort:?}");
    }
    let before = ask("gpt-5.4-mini", Some("LOW"), 1).unwrap();
    let message = before["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("for gpt-5.4-mini in")
            && message.ends_with(". Please use /v1/responses instead."),
        "{message}"
    );
    let minimal = ask("gpt-5.6", Some("MINIMAL"), 0).unwrap();
    assert_eq!(minimal["error"]["code"], "unsupported_value");
}

#[test]
fn grok_refuses_more_when_it_is_strict() {
    let multi_agent = "xai.grok-4.20-multi-agent-0309";
    check(
        multi_agent,
        &chat(json!({})),
        "Multi Agent requests are not allowed",
    );
    let strictly = |model, name: &str| {
        let chat = chat(json!({name: 0}));
        check(model, &chat, "");
        refusal(model, &chat, true).map(|refusal| refusal.message)
    };
    for name in UNKNOWN_TO_XAI {
        let message = format!("Model {GROK} does not support parameter {name}");
        assert_eq!(strictly(GROK, name), Some(message));
        assert_eq!(strictly("xai.grok-4.20-non-reasoning", name), None);
        assert_eq!(strictly("xai.grok-3", name), None);
    }
    assert_eq!(strictly(GROK, "reasoningEffort"), None);
    assert!(strictly("xai.grok-4.20-reasoning", "reasoningEffort").is_some());
}

#[test]
fn strict_models_refuse_to_think_when_they_cannot() {
    let strictly = |model: &str, chat: Value| {
        check(model, &chat, "");
        refusal(model, &chat, true)
    };
    let effort = || chat(json!({"reasoningEffort": "LOW"}));
    let refused = strictly("meta.llama-4-maverick-17b", effort());
    let message = "Model meta.llama-4-maverick-17b does not support parameter reasoningEffort";
    assert_eq!(refused, Some(bad(message)));
    assert_eq!(strictly(LLAMA, chat(json!({}))), None);
    let thinking = || json!({"apiFormat": "COHEREV2", "thinking": {"type": "DISABLED"}});
    let message = "invalid request: thinking is not supported by this model";
    for model in ["cohere.command-a-03-2025", "cohere.command-a-vision"] {
        assert_eq!(strictly(model, thinking()), Some(bad(message)));
    }
    for model in ["cohere.command-a-reasoning-08-2025", "ocid1.x"] {
        assert_eq!(strictly(model, thinking()), None);
    }
    assert_eq!(strictly("ocid1.x", effort()), None);
}

#[test]
fn schemas_of_tools_have_words_that_some_do_not_know() {
    let tool = |schema: Value| {
        chat(
            json!({"tools": [{"type": "FUNCTION", "name": "f", "parameters": {}},
            {"type": "FUNCTION", "name": "g", "parameters": schema}]}),
        )
    };
    let exclusive = tool(json!({"type": "object", "properties": {"n": {"anyOf": [
        {"type": "null"}, {"type": "integer", "exclusiveMinimum": 0}]}}}));
    let path = "Unknown name \"exclusiveMinimum\" at 'tools[1].parameters.properties.n.anyOf'";
    check(GEMINI, &exclusive, path);
    check(LLAMA, &exclusive, "");
    check(GROK, &exclusive, "");
    let reference = tool(json!({"type": "object", "properties": {
        "n": {"type": "array", "items": {"$ref": "#/x"}}}}));
    check(GEMINI, &reference, "Unknown name \"$ref\"");
    check(LLAMA, &reference, "Tool schemas with $ref");
    check(GROK, &reference, "");
    let named = tool(
        json!({"type": "object", "properties": {"$ref": {"type": "string"}, "enum":
        {"type": "string", "default": {"$ref": 1}, "enum": ["exclusiveMinimum", {"$ref": 1}]}}}),
    );
    check(GEMINI, &named, "");
    check(LLAMA, &named, "");
    let inner = tool(json!({"properties": {"enum": {"$ref": "#/x"}}}));
    check(LLAMA, &inner, "$ref");
}

#[test]
fn the_turns_of_gemini_have_their_order() {
    let turns = |messages: Vec<Value>| chat(json!({"messages": messages}));
    let (x, s) = (|| user("x"), || said("SYSTEM", "s"));
    let paired = "number of function response parts";
    let pair = |id| [called(&[id]), result(id)];
    let [call, answer] = pair("1");
    let [second_call, second_answer] = pair("2");
    check(GEMINI, &turns(vec![s(), said("DEVELOPER", "d"), x()]), "");
    check(GEMINI, &turns(vec![x(), s()]), "System messages must come");
    check(GROK, &turns(vec![x(), s()]), "");
    let one_by_one = vec![
        x(),
        call.clone(),
        answer.clone(),
        second_call,
        second_answer.clone(),
        said("ASSISTANT", "a"),
        x(),
    ];
    check(GEMINI, &turns(one_by_one), "");
    let both = vec![x(), called(&["1", "2"]), answer.clone(), second_answer];
    check(GEMINI, &turns(both.clone()), paired);
    check(LLAMA, &turns(both), "");
    check(GEMINI, &turns(vec![x(), call.clone(), x()]), paired);
    check(GEMINI, &turns(vec![x(), call.clone()]), paired);
    check(GEMINI, &turns(vec![x(), call, result("2")]), paired);
    check(GEMINI, &turns(vec![x(), answer.clone()]), paired);
    check(GEMINI, &turns(vec![answer, x()]), paired);
}

#[test]
fn a_prompt_can_be_longer_than_the_context() {
    let long = "word ".repeat(128_000);
    let generic = chat(json!({"messages": [user(&long)]}));
    let why = too_long(&plan(LLAMA, &generic, "00")).unwrap().message;
    assert!(
        why.starts_with("This model's maximum context length is 128000 tokens. "),
        "{why}"
    );
    assert_eq!(too_long(&plan(GROK, &generic, "00")), None);
    let limited = chat(json!({"messages": [user(&long)], "maxTokens": 7}));
    let why = too_long(&plan(LLAMA, &limited, "00")).unwrap().message;
    let counted = "you requested 128012 tokens (128005 in the messages, 7 in the completion)";
    assert!(why.contains(counted), "{why}");
    let cohere = json!({"apiFormat": "COHERE", "message": long, "preambleOverride": long});
    let command = "cohere.command-a-03-2025";
    assert!(too_long(&plan(command, &cohere, "00")).is_some());
    let short = json!({"apiFormat": "COHERE", "message": long});
    assert_eq!(too_long(&plan(command, &short, "00")), None);
}
