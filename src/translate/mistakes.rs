//! What other gateways got wrong, one named test each, and where Cohere's formats invite the same mistake, one more.
//! Source: reference §10.3. Its point 8 is tested beside the event reader, point 10 beside the signer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use serde_json::{Value, json};

use super::models::ModelTarget;
use super::{Progress, ReplyMeta, Rules, StreamTranslator, completion, request};
use crate::oci::wire::ApiFormat;
use crate::openai::chat::{ChatRequest, FinishReason};
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;

fn meta(format: ApiFormat) -> ReplyMeta {
    ReplyMeta::sample(format.into())
}

fn chunks(events: &[&str]) -> Vec<ChatChunk> {
    chunks_of(ApiFormat::Generic, events)
}

fn chunks_of(format: ApiFormat, events: &[&str]) -> Vec<ChatChunk> {
    let mut translator = StreamTranslator::new(meta(format), true, 2);
    let mut chunks = Vec::new();
    for event in events {
        chunks.extend(translator.push(event).unwrap());
    }
    chunks.extend(translator.finish().unwrap());
    chunks
}

fn sent(body: Value) -> Value {
    sent_to("meta.llama-3.3-70b-instruct", body).unwrap()
}

fn sent_to(id: &str, body: Value) -> Result<Value, ApiError> {
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let target = ModelTarget::new(id, None);
    let parsed = ChatRequest::parse(body.to_string().as_bytes())?;
    Ok(serde_json::to_value(request(parsed, &target, &rules)?).unwrap())
}

const HELLO: &str =
    r#"{"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"Hello"}]}}"#;
const FINISH: &str = r#"{"message":{"content":[{"type":"TEXT","text":""}]},"finishReason":"stop"}"#;
const USAGE: &str = r#"{"usage":{"completionTokens":8,"promptTokens":41,"totalTokens":49}}"#;

#[test]
fn mistake_1_done_is_not_parsed_as_json() {
    assert_eq!(chunks(&[HELLO, FINISH, "[DONE]"]).len(), 3);
    assert_eq!(chunks(&[HELLO, FINISH, " [DONE]\r"]).len(), 3);
}

#[test]
fn mistake_2_neither_done_is_awaited_nor_usage_lost_at_the_finish() {
    let mut translator = StreamTranslator::new(meta(ApiFormat::Generic), true, 1);
    for (event, progress) in [
        (HELLO, Progress::Open),
        (FINISH, Progress::Finished),
        (USAGE, Progress::Complete),
    ] {
        translator.push(event).unwrap();
        assert_eq!(translator.progress(), progress);
    }
    let last = translator.finish().unwrap();
    assert_eq!(last[0].usage.flatten().unwrap().total_tokens, 49);
    assert!(last[0].choices.is_empty());
}

/// What a client has in the end: the text, and the arguments of each call by its id.
fn assembled(chunks: &[ChatChunk]) -> (String, Vec<(String, String)>) {
    let deltas = chunks.iter().flat_map(|chunk| &chunk.choices);
    let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
    for choice in deltas {
        text.push_str(choice.delta.content.as_deref().unwrap_or_default());
        for call in &choice.delta.tool_calls {
            if let Some(id) = &call.id {
                assert_eq!(call.index as usize, calls.len());
                calls.push((id.clone(), String::new()));
            }
            calls[call.index as usize]
                .1
                .push_str(&call.function.arguments);
        }
    }
    (text, calls)
}

#[test]
fn mistake_2_cohere_ends_without_done_and_usage_in_the_last_event_is_kept() {
    for (format, text, last) in [
        (
            ApiFormat::Cohere,
            json!({"text": "a"}),
            json!({"text": "a", "finishReason": "COMPLETE"}),
        ),
        (
            ApiFormat::CohereV2,
            json!({"message": {"content": [{"text": "a"}]}}),
            json!({"message": {"role": "ASSISTANT"}, "finishReason": "COMPLETE"}),
        ),
    ] {
        let mut translator = StreamTranslator::new(meta(format), true, 1);
        translator.push(&text.to_string()).unwrap();
        translator.push(&last.to_string()).unwrap();
        assert_eq!(translator.progress(), Progress::Finished, "a grace");

        let mut translator = StreamTranslator::new(meta(format), true, 1);
        let mut last = last;
        last["usage"] = json!({"completionTokens": 8, "promptTokens": 41, "totalTokens": 49});
        translator.push(&text.to_string()).unwrap();
        translator.push(&last.to_string()).unwrap();
        assert_eq!(translator.progress(), Progress::Complete, "at once");
        let last = translator.finish().unwrap();
        assert_eq!(last[0].usage.flatten().unwrap().total_tokens, 49);
    }
}

#[test]
fn mistake_3_cohere_text_and_calls_that_are_told_again_are_told_once() {
    let called = json!([{"name": "f", "parameters": {"x": 1}}]);
    let history = json!([{"role": "USER", "message": "q"}]);
    let deltas = [json!({"text": "I "}), json!({"text": "will."})].map(|event| event.to_string());
    let on_calls = json!({"text": "I will.", "toolCalls": called}).to_string();
    let on_history = json!({"text": "I will.", "toolCalls": called, "chatHistory": history});
    let mut on_finish = on_history.clone();
    on_finish["finishReason"] = json!("COMPLETE");
    let (on_history, on_finish) = (on_history.to_string(), on_finish.to_string());
    let bare = json!({"finishReason": "COMPLETE"}).to_string();
    for events in [
        [&deltas[0], &deltas[1], &on_calls, &on_history, &bare].as_slice(),
        &[&deltas[0], &deltas[1], &on_calls, &on_finish],
        &[&deltas[0], &deltas[1], &on_finish],
        &[&on_calls, &on_history, &on_finish],
        &[&on_finish],
    ] {
        let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
        let (text, calls) = assembled(&chunks_of(ApiFormat::Cohere, &events));
        assert_eq!(text, "I will.", "{events:?}");
        assert_eq!(calls.len(), 1, "{events:?}");
        assert_eq!(calls[0].1, "{\"x\":1}");
    }
}

#[test]
fn mistake_4_one_id_for_all_chunks_and_one_for_each_tool_call() {
    let call = |arguments: &str| {
        json!({"index": 0, "message": {"toolCalls": [{"name": "f", "arguments": arguments}]}})
            .to_string()
    };
    let chunks = chunks(&[&call("{\"x\""), &call(":1}"), &call("{}"), FINISH]);
    assert!(
        chunks
            .iter()
            .all(|chunk| &*chunk.id == "chatcmpl-1" && chunk.created == 7 && &*chunk.model == "m")
    );
    let ids: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| &chunk.choices)
        .flat_map(|choice| &choice.delta.tool_calls)
        .map(|call| (call.index, call.id.is_some()))
        .collect();
    assert_eq!(ids, [(0, true), (0, false), (1, true)]);
}

#[test]
fn mistake_5_the_position_is_not_the_index() {
    let call = |id: &str| {
        json!({"index": 0, "message": {"toolCalls": [{"id": id, "name": "f", "arguments": "{}"}]}})
            .to_string()
    };
    let chunks = chunks(&[&call("a"), &call("b"), FINISH]);
    let calls = chunks
        .iter()
        .flat_map(|chunk| &chunk.choices)
        .flat_map(|choice| &choice.delta.tool_calls);
    assert_eq!(calls.map(|call| call.index).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn mistake_6_length_is_not_stop_and_tool_calls_do_not_stop() {
    let reason = |events: &[&str]| {
        chunks(events)
            .iter()
            .find_map(|chunk| chunk.choices.first()?.finish_reason)
            .unwrap()
    };
    assert_eq!(
        reason(&[HELLO, r#"{"finishReason":"length"}"#]),
        FinishReason::Length
    );
    assert_eq!(
        reason(&[HELLO, r#"{"finishReason":"MAX_TOKENS"}"#]),
        FinishReason::Length
    );
    let call = r#"{"index":0,"message":{"toolCalls":[{"id":"a","name":"f","arguments":"{}"}]}}"#;
    assert_eq!(reason(&[call, FINISH]), FinishReason::ToolCalls);
}

#[test]
fn mistake_6_cohere_says_max_tokens_and_calls_tools_with_complete() {
    let reason = |format, event: &str| {
        chunks_of(format, &[event])
            .iter()
            .find_map(|chunk| chunk.choices.first()?.finish_reason)
            .unwrap()
    };
    let max = r#"{"message":{"content":[{"text":"a"}]},"finishReason":"MAX_TOKENS"}"#;
    assert_eq!(reason(ApiFormat::CohereV2, max), FinishReason::Length);
    let max = r#"{"text":"a","finishReason":"MAX_TOKENS"}"#;
    assert_eq!(reason(ApiFormat::Cohere, max), FinishReason::Length);
    let calls = r#"{"toolCalls":[{"name":"f","parameters":{}}],"finishReason":"COMPLETE"}"#;
    assert_eq!(reason(ApiFormat::Cohere, calls), FinishReason::ToolCalls);
}

#[test]
fn mistake_7_usage_is_always_asked_for_and_a_limit_always_sent() {
    let sent =
        sent(json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true}));
    assert_eq!(sent["streamOptions"], json!({"isIncludeUsage": true}));
    assert_eq!(sent["maxTokens"], 4000);
}

#[test]
fn mistake_7_cohere_is_asked_for_usage_and_given_a_limit_too() {
    for id in [
        "cohere.command-a-03-2025",
        "cohere.command-a-vision-07-2025",
    ] {
        let messages = json!([{"role": "user", "content": "x"}]);
        let body = json!({"model": "m", "messages": messages, "stream": true});
        let sent = sent_to(id, body).unwrap();
        assert_eq!(sent["streamOptions"], json!({"isIncludeUsage": true}));
        assert_eq!(sent["maxTokens"], 4000);
    }
}

#[test]
fn mistake_9_cohere_without_tools_gets_none_and_all_text_parts_count() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let body = |choice: &str| {
        json!({"model": "m", "tools": tools, "tool_choice": choice, "messages": [{"role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})
    };
    let sent = sent_to("cohere.command-a-03-2025", body("none")).unwrap();
    assert_eq!(sent.get("tools"), None);
    assert_eq!(sent["message"], "ab");
    let sent = sent_to("cohere.command-a-vision-07-2025", body("none")).unwrap();
    assert_eq!(sent["toolsChoice"], "NONE");
    // Nor is a call that must be made quietly made optional.
    let refused = sent_to("cohere.command-a-03-2025", body("required")).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("tool_choice"));
}

#[test]
fn mistake_9_none_is_not_auto_and_all_parts_and_choices_count() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let sent = sent(json!({"model": "m", "tools": tools, "tool_choice": "none",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}));
    assert_eq!(sent["toolChoice"], json!({"type": "NONE"}));
    assert_eq!(
        sent["messages"][0]["content"].as_array().map(Vec::len),
        Some(2)
    );

    let content = json!([{"type": "TEXT", "text": "a"}, {"type": "TEXT", "text": "b"}]);
    let result =
        json!({"chatResponse": {"choices": [{"index": 1, "message": {"content": content}}]}});
    let completion = completion(
        serde_json::from_value(result).unwrap(),
        &meta(ApiFormat::Generic),
    )
    .unwrap();
    assert_eq!(completion.choices[0].index, 1);
    assert_eq!(completion.choices[0].message.content.as_deref(), Some("ab"));

    let chunks = chunks(&[
        r#"{"index":1,"message":{"content":[{"text":"a"},{"text":"b"}]}}"#,
        r#"{"finishReason":"stop"}"#,
    ]);
    assert!(
        chunks
            .iter()
            .flat_map(|chunk| &chunk.choices)
            .all(|choice| choice.index == 1)
    );
    match chunks.as_slice() {
        [_, said, _] => assert_eq!(said.choices[0].delta.content.as_deref(), Some("ab")),
        other => panic!("{} chunks", other.len()),
    }
}

#[test]
fn mistake_11_the_choices_of_an_answer_are_called_choices() {
    let read = |name: &str| {
        let choice = json!([{"index": 0, "message": {"content": [{"type": "TEXT", "text": "a"}]}, "finishReason": "stop"}]);
        let result = serde_json::from_value(json!({"chatResponse": {name: choice}})).unwrap();
        completion(result, &meta(ApiFormat::Generic))
    };
    let answer = read("choices").unwrap();
    assert_eq!(answer.choices[0].message.content.as_deref(), Some("a"));
    assert!(read("chatChoice").is_err());
}
