//! What other gateways got wrong with GENERIC, one named test each. Source: reference §10.3; its point 8 is the event
//! reader's, 3, 10 and 11 are about other formats or rooms.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use serde_json::{Value, json};

use super::models::ModelTarget;
use super::{Progress, ReplyMeta, Rules, StreamTranslator, completion, request};
use crate::openai::chat::{ChatRequest, FinishReason};
use crate::openai::chunk::ChatChunk;

fn meta() -> ReplyMeta {
    ReplyMeta {
        id: "chatcmpl-1".to_owned(),
        created: 7,
        model: "m".to_owned(),
        tool_id_seed: "s".to_owned(),
        function_call: false,
    }
}

fn chunks(events: &[&str]) -> Vec<ChatChunk> {
    let mut translator = StreamTranslator::new(meta(), true, 2);
    let mut chunks = Vec::new();
    for event in events {
        chunks.extend(translator.push(event).unwrap());
    }
    chunks.extend(translator.finish().unwrap());
    chunks
}

fn sent(body: Value) -> Value {
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let target = ModelTarget::new("meta.llama-3.3-70b-instruct", None);
    let parsed = ChatRequest::parse(body.to_string().as_bytes()).unwrap();
    serde_json::to_value(request(parsed, &target, &rules).unwrap()).unwrap()
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
    let mut translator = StreamTranslator::new(meta(), true, 1);
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
fn mistake_7_usage_is_always_asked_for_and_a_limit_always_sent() {
    let sent =
        sent(json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true}));
    assert_eq!(sent["streamOptions"], json!({"isIncludeUsage": true}));
    assert_eq!(sent["maxTokens"], 4000);
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
    let completion = completion(serde_json::from_value(result).unwrap(), &meta()).unwrap();
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
