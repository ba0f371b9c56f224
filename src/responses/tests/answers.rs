//! The response object and its events. What holds for every stream is checked of every one; see [`Checked`].

use serde_json::{Value, json};

use super::asked;
use crate::openai::chat::{
    Annotation, AnswerFunction, AnswerToolCall, AssistantMessage, ChatCompletion, Choice,
    CompletionTokensDetails, FinishReason, PromptTokensDetails, UrlCitation, Usage,
};
use crate::openai::chunk::{ChatChunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta};
use crate::openai::render::{Event, Render};

const USAGE: Usage = Usage {
    prompt_tokens: 5,
    completion_tokens: 7,
    total_tokens: 12,
    prompt_tokens_details: Some(PromptTokensDetails { cached_tokens: 2 }),
    completion_tokens_details: Some(CompletionTokensDetails {
        reasoning_tokens: Some(3),
        accepted_prediction_tokens: None,
        rejected_prediction_tokens: None,
    }),
};

fn chunk(delta: Delta, finish_reason: Option<FinishReason>) -> ChatChunk {
    ChatChunk {
        id: "chatcmpl-1".into(),
        object: "chat.completion.chunk",
        created: 7,
        model: "m".into(),
        choices: vec![ChunkChoice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason,
        }],
        usage: Some(None),
    }
}

pub(super) fn role() -> ChatChunk {
    let delta = Delta {
        role: Some("assistant"),
        content: Some(String::new()),
        ..Delta::default()
    };
    chunk(delta, None)
}

pub(super) fn thought(text: &str) -> ChatChunk {
    let delta = Delta {
        reasoning_content: Some(text.to_owned()),
        ..Delta::default()
    };
    chunk(delta, None)
}

pub(super) fn said(text: &str) -> ChatChunk {
    let delta = Delta {
        content: Some(text.to_owned()),
        ..Delta::default()
    };
    chunk(delta, None)
}

pub(super) fn refused(text: &str) -> ChatChunk {
    let delta = Delta {
        refusal: Some(text.to_owned()),
        ..Delta::default()
    };
    chunk(delta, None)
}

fn citation() -> Annotation {
    Annotation {
        r#type: "url_citation",
        url_citation: UrlCitation {
            start_index: 0,
            end_index: 2,
            title: "T".to_owned(),
            url: "https://example.org".to_owned(),
        },
    }
}

fn cited() -> ChatChunk {
    let delta = Delta {
        annotations: vec![citation()],
        ..Delta::default()
    };
    chunk(delta, None)
}

/// The first piece of a call has its name.
pub(super) fn called(index: u32, name: Option<&str>, arguments: &str) -> ChatChunk {
    let call = ToolCallDelta {
        index,
        id: name.map(|_| format!("call_{index}")),
        r#type: name.map(|_| "function"),
        function: FunctionDelta {
            name: name.map(str::to_owned),
            arguments: arguments.to_owned(),
        },
    };
    let delta = Delta {
        tool_calls: vec![call],
        ..Delta::default()
    };
    chunk(delta, None)
}

pub(super) fn finished(reason: FinishReason) -> ChatChunk {
    chunk(Delta::default(), Some(reason))
}

pub(super) fn used() -> ChatChunk {
    ChatChunk {
        choices: Vec::new(),
        usage: Some(Some(USAGE)),
        ..finished(FinishReason::Stop)
    }
}

/// A stream's events, of which was checked: named as their type says, numbered without a gap, each item and part added before
/// anything is said of it and done once, what is done as the pieces were together, and all of it in the last object.
pub(super) struct Checked {
    pub(super) events: Vec<Value>,
    /// The last event's.
    pub(super) response: Value,
}

impl Checked {
    pub(super) fn of(events: &[Event]) -> Self {
        let events: Vec<Value> = events
            .iter()
            .map(|event| {
                let told: Value = serde_json::from_str(&event.data).unwrap();
                assert_eq!(event.name, told["type"].as_str());
                assert!(!event.data.contains('\n'));
                told
            })
            .collect();
        let numbers: Vec<_> = events
            .iter()
            .map(|event| event["sequence_number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (0..).take(numbers.len()).collect::<Vec<_>>());
        assert_eq!(
            (&events[0]["type"], &events[1]["type"]),
            (&json!("response.created"), &json!("response.in_progress"))
        );
        let response = events
            .iter()
            .rev()
            .find_map(|event| event.get("response"))
            .unwrap()
            .clone();
        let checked = Self { events, response };
        checked.check_items();
        checked
    }

    fn check_items(&self) {
        let items = self.response["output"].as_array().unwrap();
        for (at, item) in items.iter().enumerate() {
            let about = |event: &&Value| event["output_index"] == at;
            let of: Vec<&Value> = self.events.iter().filter(about).collect();
            assert_eq!(of[0]["type"], "response.output_item.added");
            assert_eq!(of[0]["item"]["id"], item["id"]);
            let told = of.iter().filter(|event| event.get("item_id").is_some());
            assert!(told.clone().all(|event| event["item_id"] == item["id"]));
            if self.response["status"] != "failed" {
                let last = of.last().unwrap();
                assert_eq!(
                    (&last["type"], &last["item"]),
                    (&json!("response.output_item.done"), item)
                );
            }
            let mut deltas: Vec<(Value, String)> = Vec::new();
            for event in told {
                let part = [&event["content_index"], &event["summary_index"]];
                let key = json!(part);
                if let Some(delta) = event["delta"].as_str() {
                    match deltas.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, text)) => text.push_str(delta),
                        None => deltas.push((key, delta.to_owned())),
                    }
                } else if let Some(whole) = ["text", "refusal", "arguments", "input"]
                    .iter()
                    .find_map(|name| event[name].as_str())
                {
                    let said = deltas.iter().find(|(known, _)| *known == key);
                    assert_eq!(said.map_or("", |(_, text)| text), whole, "{event}");
                }
            }
        }
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        let kinds = self
            .events
            .iter()
            .map(|event| event["type"].as_str().unwrap());
        kinds
            .map(|kind| kind.strip_prefix("response.").unwrap_or(kind))
            .collect()
    }
}

/// All chunks of a stream, one by one and together, must be told the same.
pub(super) fn stream(more: &Value, chunks: &[ChatChunk]) -> Checked {
    let mut one_by_one = asked(more).answering;
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(one_by_one.chunks(vec![chunk.clone()]));
    }
    events.extend(one_by_one.end());
    let mut together = asked(more).answering;
    let mut same = together.chunks(chunks.to_vec());
    same.extend(together.end());
    assert_eq!(same, events);
    Checked::of(&events)
}

fn whole(more: &Value, message: AssistantMessage, finish_reason: FinishReason) -> Value {
    let completion = ChatCompletion {
        id: "chatcmpl-1".to_owned(),
        object: "chat.completion",
        created: 7,
        model: "m".to_owned(),
        choices: vec![Choice {
            index: 0,
            message,
            logprobs: None,
            finish_reason,
        }],
        usage: Some(USAGE),
        service_tier: None,
    };
    serde_json::from_slice(&asked(more).answering.whole(completion).unwrap()).unwrap()
}

fn message() -> AssistantMessage {
    AssistantMessage {
        role: "assistant",
        content: None,
        reasoning_content: None,
        refusal: None,
        annotations: Vec::new(),
        tool_calls: Vec::new(),
        function_call: None,
    }
}

#[test]
fn a_text_is_told_step_by_step_and_as_a_whole_alike() {
    let told = stream(
        &json!({}),
        &[
            role(),
            said("Hel"),
            said("lo"),
            cited(),
            finished(FinishReason::Stop),
            used(),
        ],
    );
    assert_eq!(
        told.kinds(),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed"
        ]
    );
    let cited = json!({"type": "url_citation", "start_index": 0, "end_index": 2, "title": "T", "url": "https://example.org"});
    let part =
        json!({"type": "output_text", "text": "Hello", "annotations": [cited], "logprobs": []});
    let item = json!({"type": "message", "id": "msg_1_0", "status": "completed", "role": "assistant", "content": [part]});
    assert_eq!(told.response["output"], json!([item]));
    assert_eq!(
        told.response["usage"],
        json!({"input_tokens": 5, "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 2}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 12})
    );
    let message = AssistantMessage {
        content: Some("Hello".to_owned()),
        annotations: vec![citation()],
        ..message()
    };
    assert_eq!(
        whole(&json!({}), message, FinishReason::Stop),
        told.response
    );
}

#[test]
fn thoughts_are_text_or_a_summary_as_the_client_asks() {
    let chunks = [
        role(),
        thought("H"),
        thought("m"),
        said("Hi"),
        finished(FinishReason::Stop),
        used(),
    ];
    let told = stream(&json!({}), &chunks);
    assert_eq!(
        told.kinds()[2..9],
        [
            "output_item.added",
            "content_part.added",
            "reasoning_text.delta",
            "reasoning_text.delta",
            "reasoning_text.done",
            "content_part.done",
            "output_item.done"
        ]
    );
    let thoughts = &told.response["output"][0];
    assert_eq!(
        (&thoughts["summary"], &thoughts["content"]),
        (
            &json!([]),
            &json!([{"type": "reasoning_text", "text": "Hm"}])
        )
    );
    for summary in [
        json!({"summary": "auto"}),
        json!({"generate_summary": "concise"}),
    ] {
        let more = json!({"reasoning": summary});
        let told = stream(&more, &chunks);
        assert_eq!(
            told.kinds()[2..9],
            [
                "output_item.added",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done"
            ]
        );
        let thoughts = &told.response["output"][0];
        assert_eq!(
            (&thoughts["summary"], thoughts.get("content")),
            (&json!([{"type": "summary_text", "text": "Hm"}]), None)
        );
        let message = AssistantMessage {
            content: Some("Hi".to_owned()),
            reasoning_content: Some("Hm".to_owned()),
            ..message()
        };
        assert_eq!(whole(&more, message, FinishReason::Stop), told.response);
    }
}

#[test]
fn calls_are_items_of_their_own_even_side_by_side() {
    let chunks = [
        role(),
        said("So"),
        called(0, Some("a"), ""),
        called(0, None, "{\"x\""),
        called(1, Some("b"), "{}"),
        called(0, None, ":1}"),
        finished(FinishReason::ToolCalls),
        used(),
    ];
    let told = stream(&json!({}), &chunks);
    let output = &told.response["output"];
    assert_eq!(
        output[1],
        json!({"type": "function_call", "id": "fc_1_1", "status": "completed", "call_id": "call_0", "name": "a", "arguments": "{\"x\":1}"})
    );
    assert_eq!(
        (&output[2]["call_id"], &output[2]["arguments"]),
        (&json!("call_1"), &json!("{}"))
    );
    assert_eq!(told.response["status"], "completed");
    let call = |number: u32, name: &str, arguments: &str| AnswerToolCall {
        id: format!("call_{number}"),
        r#type: "function",
        function: AnswerFunction {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        },
    };
    let calls = vec![call(0, "a", "{\"x\":1}"), call(1, "b", "{}")];
    let message = AssistantMessage {
        content: Some("So".to_owned()),
        tool_calls: calls,
        ..message()
    };
    assert_eq!(
        whole(&json!({}), message, FinishReason::ToolCalls),
        told.response
    );
}

#[test]
fn custom_tools_and_those_of_a_namespace_have_their_own_names_again() {
    let tools = json!([
        {"type": "custom", "name": "apply_patch"},
        {"type": "namespace", "name": "sky", "tools": [{"type": "function", "name": "look"}, {"type": "custom", "name": "write"}]},
    ]);
    let more = json!({"tools": tools});
    let chunks = [
        role(),
        called(0, Some("apply_patch"), "{\"input\":\"*** Beg"),
        called(0, None, "in\\n\"}"),
        called(1, Some("sky__look"), "{}"),
        called(2, Some("sky__write"), "no JSON"),
        finished(FinishReason::ToolCalls),
        used(),
    ];
    let told = stream(&more, &chunks);
    assert_eq!(
        told.response["output"],
        json!([
            {"type": "custom_tool_call", "id": "ctc_1_0", "status": "completed", "call_id": "call_0", "name": "apply_patch", "input": "*** Begin\n"},
            {"type": "function_call", "id": "fc_1_1", "status": "completed", "call_id": "call_1", "name": "look", "namespace": "sky", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "ctc_1_2", "status": "completed", "call_id": "call_2", "name": "write", "namespace": "sky", "input": "no JSON"},
        ])
    );
    assert!(
        told.kinds().contains(&"custom_tool_call_input.delta")
            && told.kinds().contains(&"custom_tool_call_input.done")
    );
}
