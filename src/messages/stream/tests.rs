//! Chunks in, events out: their order, and that nothing of what was said is lost, whichever way the chat mixes it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use serde_json::{Value, json};

use super::*;
use crate::openai::chat::{CompletionTokensDetails, PromptTokensDetails};
use crate::openai::chunk::{Delta as ChatDelta, FunctionDelta};

fn chunk(delta: ChatDelta, finish_reason: Option<FinishReason>) -> ChatChunk {
    ChatChunk {
        id: "chatcmpl-7".into(),
        object: "chat.completion.chunk",
        created: 7,
        model: "grok".into(),
        choices: vec![ChunkChoice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason,
        }],
        usage: Some(None),
    }
}

fn role() -> ChatChunk {
    let delta = ChatDelta {
        role: Some("assistant"),
        content: Some(String::new()),
        ..ChatDelta::default()
    };
    chunk(delta, None)
}

fn text(text: &str) -> ChatChunk {
    let delta = ChatDelta {
        content: Some(text.to_owned()),
        ..ChatDelta::default()
    };
    chunk(delta, None)
}

fn thoughts(text: &str) -> ChatChunk {
    let delta = ChatDelta {
        reasoning_content: Some(text.to_owned()),
        ..ChatDelta::default()
    };
    chunk(delta, None)
}

/// A piece of a call; with its id and name if it is the first.
fn call(index: u32, is_first: bool, arguments: &str) -> ChatChunk {
    let delta = ChatDelta {
        tool_calls: vec![ToolCallDelta {
            index,
            id: is_first.then(|| format!("call_{index}")),
            r#type: is_first.then_some("function"),
            function: FunctionDelta {
                name: is_first.then(|| format!("f{index}")),
                arguments: arguments.to_owned(),
            },
        }],
        ..ChatDelta::default()
    };
    chunk(delta, None)
}

fn finish(reason: FinishReason) -> ChatChunk {
    chunk(ChatDelta::default(), Some(reason))
}

fn counted(usage: ChatUsage) -> ChatChunk {
    ChatChunk {
        choices: Vec::new(),
        usage: Some(Some(usage)),
        ..role()
    }
}

fn events(shows_thoughts: bool, chunks: Vec<ChatChunk>) -> Vec<Value> {
    let mut stream = Stream::new(shows_thoughts);
    let mut events = Vec::new();
    for chunk in chunks {
        stream.push(chunk, &mut events);
    }
    stream.end(&mut events);
    let read = |event: &Event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(Some(data["type"].as_str().unwrap()), event.name);
        data
    };
    events.iter().map(read).collect()
}

/// The stream in short, one line a block, as a client puts it together; fails for an order that Anthropic's clients do not know.
fn told(events: &[Value]) -> Vec<String> {
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events[events.len() - 2]["type"], "message_delta");
    assert_eq!(events[events.len() - 1]["type"], "message_stop");
    let mut blocks: Vec<String> = Vec::new();
    let mut is_open = false;
    for event in &events[1..events.len() - 2] {
        let index = usize::try_from(event["index"].as_u64().unwrap()).unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(!is_open && index == blocks.len(), "{events:#?}");
                is_open = true;
                let block = &event["content_block"];
                blocks.push(match block["type"].as_str().unwrap() {
                    "tool_use" => {
                        assert_eq!(block["input"], json!({}));
                        format!("{} {}: ", block["id"], block["name"]).replace('"', "")
                    }
                    kind => format!("{kind}: "),
                });
            }
            kind => {
                assert!(is_open && index + 1 == blocks.len(), "{events:#?}");
                let delta = &event["delta"];
                match (kind, delta["type"].as_str()) {
                    ("content_block_stop", None) => is_open = false,
                    ("content_block_delta", Some(kind)) => {
                        let field = match kind {
                            "text_delta" => "text",
                            "thinking_delta" => "thinking",
                            "input_json_delta" => "partial_json",
                            "signature_delta" => "signature",
                            other => panic!("{other}"),
                        };
                        let text = delta[field].as_str().unwrap();
                        assert!(!text.is_empty());
                        blocks.last_mut().unwrap().push_str(text);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(!is_open, "{events:#?}");
    blocks
}

#[track_caller]
fn check(chunks: Vec<ChatChunk>, expected: &[&str]) {
    assert_eq!(told(&events(true, chunks)), expected);
}

#[test]
fn a_text_is_one_block_in_as_many_pieces_as_it_came() {
    let usage = ChatUsage {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 18,
        prompt_tokens_details: Some(PromptTokensDetails { cached_tokens: 4 }),
        completion_tokens_details: Some(CompletionTokensDetails {
            reasoning_tokens: Some(3),
            accepted_prediction_tokens: None,
            rejected_prediction_tokens: None,
        }),
    };
    let events = events(
        false,
        vec![
            role(),
            text("Hel"),
            text("lo"),
            finish(FinishReason::Stop),
            counted(usage),
        ],
    );
    let none = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0});
    let begun = json!({"id": "msg_7", "type": "message", "role": "assistant", "model": "grok", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": none});
    let piece = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let usage = json!({"input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 8,
        "output_tokens_details": {"thinking_tokens": 3}});
    let expected = [
        json!({"type": "message_start", "message": begun}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        piece("Hel"),
        piece("lo"),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(events, expected);
}

#[test]
fn blocks_follow_each_other_in_the_order_in_which_they_began() {
    check(
        vec![
            role(),
            thoughts("hm"),
            thoughts("m"),
            text("I ask."),
            call(0, true, ""),
            call(0, false, "{\"a\":"),
            call(0, false, "1}"),
            call(1, true, "{}"),
            text("Done"),
            text("."),
            finish(FinishReason::ToolCalls),
        ],
        &[
            "thinking: hmmb2NpYWktcHJveHk=",
            "text: I ask.",
            "call_0 f0: {\"a\":1}",
            "call_1 f1: {}",
            "text: Done.",
        ],
    );
}

#[test]
fn calls_that_arrive_mixed_come_apart() {
    check(
        vec![
            role(),
            call(0, true, "{\"a"),
            call(1, true, "{\"b\":"),
            call(0, false, "\":\"}\\\""),
            text("meanwhile"),
            call(1, false, "[2]"),
            call(2, true, ""),
            call(0, false, "\"}"),
            thoughts("then"),
            call(1, false, "}"),
            text("more"),
            call(2, false, "{}"),
            finish(FinishReason::ToolCalls),
        ],
        &[
            "call_0 f0: {\"a\":\"}\\\"\"}",
            "call_1 f1: {\"b\":[2]}",
            "text: meanwhile",
            "call_2 f2: {}",
            "thinking: thenb2NpYWktcHJveHk=",
            "text: more",
        ],
    );
}

#[test]
fn nothing_waits_that_can_be_sent() {
    let mut stream = Stream::new(false);
    let mut sent = |chunk| {
        let mut events = Vec::new();
        stream.push(chunk, &mut events);
        let names = events.iter().filter_map(|event| event.name);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let (start, delta, stop) = (
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    );
    assert_eq!(sent(role()), ["message_start"]);
    assert_eq!(sent(text("a")), [start, delta]);
    assert_eq!(sent(text("b")), [delta]);
    assert_eq!(sent(call(0, true, "{")), [stop, start, delta]);
    assert_eq!(sent(call(1, true, "{")), [""; 0]);
    assert_eq!(sent(call(0, false, "}")), [delta, stop, start, delta]);
    assert_eq!(sent(call(1, false, "}")), [delta]);
}

#[test]
fn thoughts_that_nobody_asked_for_are_not_shown() {
    let events = events(false, vec![role(), thoughts("hm"), text("Hi")]);
    assert_eq!(told(&events), ["text: Hi"]);
}

#[test]
fn an_answer_without_a_word_is_a_message_without_a_block() {
    let events = events(true, vec![role(), finish(FinishReason::Length)]);
    assert!(told(&events).is_empty());
    assert_eq!(events[1]["delta"]["stop_reason"], "max_tokens");
}

#[test]
fn the_end_of_nothing_is_nothing() {
    let mut events = Vec::new();
    Stream::new(true).end(&mut events);
    assert!(events.is_empty());
}

#[test]
fn a_refusal_is_a_text_and_the_reason_to_stop() {
    let delta = ChatDelta {
        refusal: Some("No.".to_owned()),
        ..ChatDelta::default()
    };
    let events = events(
        true,
        vec![role(), chunk(delta, None), finish(FinishReason::Stop)],
    );
    assert_eq!(told(&events), ["text: No."]);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "refusal");
}

/// Every way to mix the pieces of three calls gives the same three blocks.
#[test]
fn whichever_way_calls_are_mixed_they_arrive_whole() {
    let pieces = [
        ["{\"x\":[", "]", "}"],
        ["{", "\"y\":\"{\"", "}"],
        ["", "{}", " "],
    ];
    // An order is a number to the base of three, whose digits name the call that speaks next.
    for order in 0..3_usize.pow(9) {
        let mut next = [0; 3];
        let mut chunks = vec![role()];
        let mut rest = order;
        for _ in 0..9 {
            let number = rest % 3;
            rest /= 3;
            let at = next[number];
            if at == 3 {
                break;
            }
            next[number] += 1;
            let index = u32::try_from(number).unwrap();
            chunks.push(call(index, at == 0, pieces[number][at]));
        }
        if next != [3; 3] {
            continue;
        }
        let mut blocks = told(&events(false, chunks));
        blocks.sort();
        let whole = [
            "call_0 f0: {\"x\":[]}",
            "call_1 f1: {\"y\":\"{\"}",
            "call_2 f2: {}",
        ];
        let trimmed: Vec<_> = blocks.iter().map(|block| block.trim_end()).collect();
        assert_eq!(trimmed, whole);
    }
}
