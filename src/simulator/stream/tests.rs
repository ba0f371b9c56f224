//! The framing of streams, held against recorded ones.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use super::super::answer::plan;
use super::super::schema::items;
use super::*;

mod cohere;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(
            "../../../tests/fixtures/stream/generic.",
            $name,
            ".sse"
        ))
    };
}

fn streamed(model: &str, question: &str, more: Value, include_usage: bool) -> String {
    let mut chat = json!({"messages": [{"role": "USER", "content": [{"type": "TEXT", "text": question}]}],
        "maxTokens": 1000, "streamOptions": {"isIncludeUsage": include_usage}});
    chat.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    events(
        &plan(model, &chat, "0123456789abcdef0123456789abcdef"),
        &chat,
    )
    .concat()
}

fn with_tools() -> Value {
    json!({"tools": [{"type": "FUNCTION", "name": "get_weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}, "required": ["city"]}}]})
}

/// The JSON of every event; `[DONE]` as a string.
fn parse(stream: &str) -> Vec<Value> {
    assert!(stream.ends_with("\n\n"));
    let events = stream.trim_end().split("\n\n").map(|event| {
        assert_eq!(event.lines().count(), 1, "{event}");
        let data = event.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            json!(data)
        } else {
            serde_json::from_str(data).unwrap()
        }
    });
    events.collect()
}

/// Every place in an event that has a value: what a vendor's events look like, whatever they say.
fn shape(event: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                object
                    .iter()
                    .for_each(|(name, inner)| walk(inner, &format!("{path}/{name}"), found));
            }
            Value::Array(items) => {
                let numbered = items.iter().enumerate();
                numbered.for_each(|(at, inner)| walk(inner, &format!("{path}/{at}"), found));
            }
            _ => {
                let path = match value.as_str() {
                    Some(text) if text.is_empty() || path.ends_with("finishReason") => {
                        format!("{path}={text}")
                    }
                    _ => path.to_owned(),
                };
                found.insert(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(event, "", &mut found);
    found
}

/// The kinds of events in order, repetitions left out. The empty first event is left out too: some recordings begin
/// behind it. So are the details of the usage, which differ from model to model.
fn shapes(stream: &str) -> Vec<BTreeSet<String>> {
    let mut events = parse(stream);
    if events.first().unwrap().pointer("/message/content/0/text") == Some(&json!("")) {
        events.remove(0);
    }
    let mut shapes: Vec<_> = events.iter().map(shape).collect();
    shapes
        .iter_mut()
        .for_each(|shape| shape.retain(|path| !path.contains("TokensDetails")));
    shapes.dedup();
    shapes
}

fn check(model: &str, question: &str, more: Value, include_usage: bool, recorded: &str) {
    let ours = streamed(model, question, more, include_usage);
    assert_eq!(shapes(&ours), shapes(recorded), "{ours}");
}

const GROK: &str = "xai.grok-4.3";
const LLAMA: &str = "meta.llama-3.3-70b-instruct";
const GEMINI: &str = "google.gemini-2.5-flash";

#[test]
fn texts_are_framed_as_recorded() {
    check(
        LLAMA,
        "hm",
        json!({}),
        true,
        recorded!("llama.text.usage.done"),
    );
    check(
        LLAMA,
        "hm",
        json!({}),
        false,
        recorded!("llama.text.no-usage.done"),
    );
    check(
        GROK,
        "hm",
        json!({}),
        true,
        recorded!("xai.text.usage.no-done"),
    );
    check(
        "xai.grok-3-mini",
        "hm",
        json!({}),
        true,
        recorded!("reasoning"),
    );
}

#[test]
fn tool_calls_are_framed_as_recorded() {
    let two = "Rome and Paris";
    check(
        LLAMA,
        "hm",
        with_tools(),
        false,
        recorded!("llama.tool-call.fragments"),
    );
    check(
        "openai.gpt-5",
        two,
        with_tools(),
        false,
        recorded!("gpt.parallel-tool-calls.position-zero"),
    );
    check(
        GROK,
        two,
        with_tools(),
        false,
        recorded!("xai.parallel-tool-calls.whole-calls-same-position"),
    );
    check(
        GEMINI,
        "hm",
        with_tools(),
        false,
        recorded!("gemini.tool-call.no-id"),
    );
}

#[test]
fn unseen_thoughts_are_told_by_the_usage_alone() {
    for model in ["openai.gpt-5", GEMINI] {
        let chat = json!({"messages": [], "reasoningEffort": "HIGH"});
        let reply = whole(&plan(model, &chat, "00"), &chat, model, "");
        let stream = streamed(model, "hm", json!({"reasoningEffort": "HIGH"}), true);
        assert!(!stream.contains("reasoningContent"), "{stream}");
        assert!(!reply.to_string().contains("reasoningContent"), "{reply}");
        let last = parse(&stream).pop().unwrap();
        let streamed = last.pointer("/usage/completionTokensDetails/reasoningTokens");
        let whole = "/chatResponse/usage/completionTokensDetails/reasoningTokens";
        for count in [streamed, reply.pointer(whole)] {
            assert!(count.and_then(Value::as_u64) > Some(0), "{stream}");
        }
    }
}

#[test]
fn every_event_has_a_role_and_padding_and_the_first_one_is_empty() {
    let events = parse(&streamed(GROK, "hm", json!({}), true));
    let (usage, messages) = events.split_last().unwrap();
    assert!(usage.get("message").is_none() && usage.get("index").is_none());
    assert_eq!(
        messages.first().unwrap().pointer("/message/content/0/text"),
        Some(&json!(""))
    );
    for message in messages {
        assert_eq!(message.pointer("/message/role"), Some(&json!("ASSISTANT")));
    }
    assert!(
        events
            .iter()
            .all(|event| event.get("pad").and_then(Value::as_str).is_some())
    );
    assert!(messages.last().unwrap().get("index").is_none());
}

#[test]
fn the_deltas_join_to_the_answer() {
    let whole = |stream: &str, pointer: &str| {
        let events = parse(stream);
        let texts = events
            .iter()
            .filter_map(|event| event.pointer(pointer)?.as_str());
        texts.collect::<String>()
    };
    let text = whole(
        &streamed(LLAMA, "天空", json!({}), false),
        "/message/content/0/text",
    );
    assert!(
        text.contains("你问的是「天空」") && text.ends_with("真正的回答了。"),
        "{text}"
    );
    let call = whole(
        &streamed(LLAMA, "hm", with_tools(), false),
        "/message/toolCalls/0/arguments",
    );
    assert_eq!(call, r#"{"city":"Paris"}"#);
}

#[test]
fn several_choices_take_turns_and_finish_with_their_index() {
    let events = parse(&streamed(GROK, "hm", json!({"numGenerations": 2}), false));
    let index = |event: &Value| event.get("index").and_then(Value::as_u64);
    assert_eq!(
        events.iter().take(4).map(index).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(0), Some(1)]
    );
    let finished = events
        .iter()
        .filter(|event| event.get("finishReason").is_some());
    assert_eq!(
        finished.map(index).collect::<BTreeSet<_>>(),
        [Some(0), Some(1)].into()
    );
}

#[test]
fn a_whole_answer_has_the_vendors_shape() {
    let chat = |more: Value| {
        let mut chat =
            json!({"messages": [{"role": "USER", "content": [{"type": "TEXT", "text": "Rome"}]}]});
        chat.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        chat
    };
    let reply = |model: &str, more: Value| {
        let chat = chat(more);
        whole(
            &plan(model, &chat, "00ff"),
            &chat,
            model,
            "2026-01-01T00:00:00.000Z",
        )
    };
    let text = reply(LLAMA, json!({}));
    assert_eq!(text.pointer("/modelId"), Some(&json!(LLAMA)));
    assert_eq!(
        text.pointer("/chatResponse/choices/0/message/toolCalls"),
        Some(&json!([]))
    );
    assert_eq!(
        text.pointer("/chatResponse/choices/0/finishReason"),
        Some(&json!("stop"))
    );
    let usage = |name: &str| {
        text.pointer(&format!("/chatResponse/usage/{name}"))
            .unwrap()
            .as_u64()
            .unwrap()
    };
    assert_eq!(
        usage("totalTokens"),
        usage("promptTokens") + usage("completionTokens")
    );
    let call = reply(GROK, with_tools());
    let message = call.pointer("/chatResponse/choices/0/message").unwrap();
    assert_eq!(message.get("content"), Some(&json!([])));
    assert_eq!(
        message.pointer("/toolCalls/0/arguments"),
        Some(&json!(r#"{"city":"Rome"}"#))
    );
    let call = reply(GEMINI, with_tools());
    let message = call.pointer("/chatResponse/choices/0/message").unwrap();
    assert_eq!(message.get("content"), Some(&json!([{"type": "TEXT"}])));
    assert_eq!(message.pointer("/toolCalls/0/id"), None);
}

#[test]
fn log_probabilities_are_lists_of_equal_length_whole_and_in_pieces() {
    let chat = json!({"messages": [{"role": "USER", "content": [{"type": "TEXT", "text": "hm"}]}], "maxTokens": 3,
        "logProbs": 2, "numGenerations": 2});
    let reply = whole(&plan(GROK, &chat, "00"), &chat, GROK, "");
    let all = reply.pointer("/chatResponse/choices/1/logprobs").unwrap();
    let tokens: Vec<_> = items(all, "tokens").filter_map(Value::as_str).collect();
    assert_eq!(tokens.concat(), "Put differently (2):");
    assert_eq!(all.get("textOffset"), Some(&json!([0, 3, 15])));
    assert_eq!(
        all.get("tokenLogprobs"),
        Some(&json!([-0.125, -0.25, -0.375]))
    );
    assert_eq!(
        all.pointer("/topLogprobs/0"),
        Some(&json!({"Put": "-0.125", "Put~1": "-1.125"}))
    );
    let events = parse(&streamed(
        GROK,
        "hm",
        json!({"logProbs": 1, "maxTokens": 3}),
        false,
    ));
    let second = events.get(2).unwrap();
    assert_eq!(
        second.get("logprobs"),
        Some(
            &json!({"textOffset": [3], "tokens": [" asked:"], "tokenLogprobs": [-0.25],
            "topLogprobs": [{" asked:": "-0.25"}]})
        )
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| event.get("logprobs").is_some())
            .count(),
        3
    );
    let plain = streamed(GROK, "hm", json!({"logProbs": 0}), false);
    assert!(!plain.contains("logprobs"));
}
