//! Answers out of a chat's, errors, models.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::time::Duration;

use serde_json::{Value, json};

use super::{answer, error, models};
use crate::openai::chat::{
    AnswerFunction, AnswerToolCall, AssistantMessage, ChatCompletion, Choice, FinishReason,
};
use crate::openai::error::ApiError;

fn completion(message: AssistantMessage, finish_reason: FinishReason) -> ChatCompletion {
    ChatCompletion {
        id: "chatcmpl-7".to_owned(),
        object: "chat.completion",
        created: 7,
        model: "m".to_owned(),
        choices: vec![Choice {
            index: 0,
            message,
            logprobs: None,
            finish_reason,
        }],
        usage: None,
        service_tier: None,
    }
}

fn spoken(content: &str) -> AssistantMessage {
    AssistantMessage {
        role: "assistant",
        content: Some(content.to_owned()),
        reasoning_content: None,
        refusal: None,
        annotations: Vec::new(),
        tool_calls: Vec::new(),
        function_call: None,
    }
}

#[test]
fn a_whole_answer_is_a_message() {
    let call = |id: &str, arguments: &str| AnswerToolCall {
        id: id.to_owned(),
        r#type: "function",
        function: AnswerFunction {
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
        },
    };
    let message = AssistantMessage {
        reasoning_content: Some("hm".to_owned()),
        tool_calls: vec![call("a", r#"{"b":1}"#), call("b", ""), call("c", "{\"cut")],
        ..spoken("I ask.")
    };
    let completion = completion(message, FinishReason::ToolCalls);
    let mut blocks = json!([
        {"type": "thinking", "thinking": "hm", "signature": answer::SIGNATURE},
        {"type": "text", "text": "I ask."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"b": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"arguments": "{\"cut"}},
    ]);
    let told = |shown| serde_json::to_value(answer::message(&completion, shown)).unwrap();
    let shown = told(true);
    assert_eq!(shown["content"], blocks);
    assert_eq!(
        (
            &shown["id"],
            &shown["type"],
            &shown["role"],
            &shown["model"]
        ),
        (
            &json!("msg_7"),
            &json!("message"),
            &json!("assistant"),
            &json!("m")
        )
    );
    assert_eq!(
        (&shown["stop_reason"], &shown["stop_sequence"]),
        (&json!("tool_use"), &Value::Null)
    );
    assert_eq!(shown["usage"]["input_tokens"], 0);
    blocks.as_array_mut().unwrap().remove(0);
    assert_eq!(told(false)["content"], blocks);
}

#[test]
fn reasons_to_stop() {
    for (reason, expected) in [
        (FinishReason::Stop, "end_turn"),
        (FinishReason::Length, "max_tokens"),
        (FinishReason::ContentFilter, "refusal"),
    ] {
        let completion = completion(spoken(""), reason);
        let message = serde_json::to_value(answer::message(&completion, true)).unwrap();
        assert_eq!(message["stop_reason"], expected);
        assert_eq!(message["content"], json!([]));
    }
}

#[test]
fn errors_have_their_type_by_their_status() {
    let second = Duration::from_secs(1);
    for (told, kind) in [
        (
            ApiError::invalid_request("x", None),
            "invalid_request_error",
        ),
        (ApiError::missing_key(), "authentication_error"),
        (ApiError::new(403, "x", "x"), "permission_error"),
        (ApiError::unknown_model("x"), "not_found_error"),
        (
            ApiError::wrong_method("GET", "POST"),
            "invalid_request_error",
        ),
        (ApiError::request_timeout("body"), "timeout_error"),
        (ApiError::body_too_large(7), "request_too_large"),
        (ApiError::upstream_busy("x", None), "rate_limit_error"),
        (ApiError::internal(), "api_error"),
        (ApiError::upstream_failed("x"), "api_error"),
        (ApiError::queue_full(second), "overloaded_error"),
        (ApiError::upstream_timeout(second), "timeout_error"),
    ] {
        let json: Value = serde_json::from_str(&error::to_json(&told, "id")).unwrap();
        let mut body = json!({"type": kind, "message": told.message});
        if let Some(code) = &told.code {
            body["details"] = json!({"error_code": code});
        }
        assert_eq!(
            json,
            json!({"type": "error", "error": body, "request_id": "id"})
        );
    }
    let long =
        ApiError::invalid_request("200001 tokens", None).with_code("context_length_exceeded");
    assert!(error::to_json(&long, "id").contains("prompt is too long: 200001 tokens"));
}

#[test]
fn a_page_of_models_has_its_ends() {
    let page = models::ModelPage::new(vec![
        models::ModelInfo::new("a", 0),
        models::ModelInfo::new("b", 1_700_000_000),
    ]);
    let model = |id: &str, date: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": date, "lifecycle": "active"});
    assert_eq!(
        serde_json::to_value(page).unwrap(),
        json!({"data": [model("a", "1970-01-01T00:00:00.000Z"), model("b", "2023-11-14T22:13:20.000Z")], "has_more": false, "first_id": "a", "last_id": "b"})
    );
}
