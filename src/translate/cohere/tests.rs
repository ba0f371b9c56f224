//! Both of Cohere's formats: how far a stream has come, what a finish reason means, and whose format is spoken.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::translate::{self, Dialect, Progress, ReplyMeta, StreamTranslator};

fn translator(format: ApiFormat) -> StreamTranslator {
    let meta = ReplyMeta::sample(format.into());
    StreamTranslator::new(meta, true, 1)
}

/// Feeds events and compares the progress after each; then the end comes, which is none in time if `broken`.
fn check(format: ApiFormat, events: &[(Value, Progress)], broken: bool) {
    let mut translator = translator(format);
    assert_eq!(translator.progress(), Progress::Open);
    for (event, progress) in events {
        translator.push(&event.to_string()).unwrap();
        assert_eq!(translator.progress(), *progress, "after {event}");
    }
    assert_eq!(translator.finish().is_err(), broken, "{events:?}");
}

const USAGE: fn() -> Value = || json!({"promptTokens": 1, "completionTokens": 2, "totalTokens": 3});

#[test]
fn a_cohere_stream_is_finished_by_its_reason_and_complete_with_its_usage() {
    use Progress::{Complete, Finished, Open};
    let history = json!([{"role": "USER", "message": "x"}]);
    let text = || (json!({"text": "a"}), Open);
    for (rest, broken) in [
        (
            vec![(
                json!({"text": "a", "finishReason": "COMPLETE", "usage": USAGE()}),
                Complete,
            )],
            false,
        ),
        (
            vec![
                (json!({"text": "a", "finishReason": "COMPLETE"}), Finished),
                (json!({"usage": USAGE()}), Complete),
            ],
            false,
        ),
        // The conversation is told when the answer is complete: the connection may stay open without a reason.
        (
            vec![
                (json!({"text": "a", "chatHistory": history}), Finished),
                (
                    json!({"finishReason": "COMPLETE", "usage": USAGE()}),
                    Complete,
                ),
            ],
            false,
        ),
        (
            vec![(
                json!({"text": "a", "chatHistory": history, "finishReason": null, "usage": USAGE()}),
                Finished,
            )],
            false,
        ),
        // It goes on after all, and then breaks off.
        (
            vec![
                (json!({"text": "a", "chatHistory": []}), Finished),
                (json!({"text": "b"}), Open),
            ],
            true,
        ),
        (vec![(json!({"text": "b"}), Open)], true),
    ] {
        let events: Vec<_> = std::iter::once(text()).chain(rest).collect();
        check(ApiFormat::Cohere, &events, broken);
    }
    check(
        ApiFormat::Cohere,
        &[(json!({"usage": USAGE()}), Open)],
        true,
    );
}

#[test]
fn a_coherev2_stream_is_finished_by_its_reason_and_complete_with_its_usage() {
    use Progress::{Complete, Finished, Open};
    let text = |text: &str| json!({"message": {"content": [{"type": "TEXT", "text": text}]}});
    let with_usage = |mut event: Value| {
        event["usage"] = USAGE();
        event
    };
    let finish = || json!({"message": {"role": "ASSISTANT"}, "finishReason": "COMPLETE"});
    let usage = || with_usage(json!({}));
    for (events, broken) in [
        (
            vec![(text("a"), Open), (with_usage(finish()), Complete)],
            false,
        ),
        // The connection stays open, seen live: only the grace ends it.
        (vec![(text("a"), Open), (finish(), Finished)], false),
        (
            vec![(text("a"), Open), (finish(), Finished), (usage(), Complete)],
            false,
        ),
        (
            vec![(text("a"), Open), (usage(), Finished), (finish(), Complete)],
            false,
        ),
        (vec![(text("a"), Open), (usage(), Finished)], false),
        // A running count is no end.
        (
            vec![(with_usage(text("a")), Open), (with_usage(text("b")), Open)],
            true,
        ),
        (vec![(text("a"), Open), (text("a"), Open)], true),
        (vec![(usage(), Open)], true),
    ] {
        check(ApiFormat::CohereV2, &events, broken);
    }
}

#[test]
fn a_finish_reason_is_a_word_of_generics_or_an_error() {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    for (reason, message, expected) in [
        ("COMPLETE", "", Ok("COMPLETE")),
        ("STOP_SEQUENCE", "", Ok("STOP_SEQUENCE")),
        ("max_tokens", "", Ok("max_tokens")),
        ("TOOL_CALL", "", Ok("tool_calls")),
        ("ERROR_TOXIC", "", Ok("content_filter")),
        ("error_toxic", "blocked", Ok("content_filter")),
        ("", "", Ok("")),
        ("BANANA", "", Ok("BANANA")),
        ("ERROR", "boom", Err(("", "boom"))),
        ("ERROR", "", Err(("", "the model stopped with ERROR"))),
        ("ERROR_LIMIT", "long", Err(("ERROR_LIMIT", "long"))),
        (
            "USER_CANCEL",
            "",
            Err(("USER_CANCEL", "the model stopped with USER_CANCEL")),
        ),
        ("COMPLETE", "boom", Err(("", "boom"))),
        ("", "boom", Err(("", "boom"))),
    ] {
        let expected = match expected {
            Ok(word) => Ok(some(word)),
            Err((code, message)) => Err(OciError::Event {
                code: some(code),
                message: message.to_owned(),
            }),
        };
        assert_eq!(finish_reason(some(reason), some(message)), expected);
    }
}

#[test]
fn a_format_in_the_configuration_beats_the_models_name_and_an_endpoints_silence() {
    let endpoint = "ocid1.generativeaiendpoint.oc1.us-chicago-1.x";
    for (id, format, api_format, serving) in [
        ("cohere.command-a-03-2025", None, "COHERE", "ON_DEMAND"),
        (
            "cohere.command-a-03-2025",
            Some(ApiFormat::CohereV2),
            "COHEREV2",
            "ON_DEMAND",
        ),
        (
            "cohere.command-a-vision-07-2025",
            None,
            "COHEREV2",
            "ON_DEMAND",
        ),
        (
            "xai.grok-4.3",
            Some(ApiFormat::Cohere),
            "COHERE",
            "ON_DEMAND",
        ),
        (endpoint, None, "GENERIC", "DEDICATED"),
        (endpoint, Some(ApiFormat::Cohere), "COHERE", "DEDICATED"),
        (endpoint, Some(ApiFormat::CohereV2), "COHEREV2", "DEDICATED"),
    ] {
        let target = ModelTarget::new(id, format);
        let rules = Rules {
            default_max_tokens: 4000,
            force_non_stream: false,
        };
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        let request = ChatRequest::parse(body.to_string().as_bytes()).unwrap();
        let dialect = Dialect::of(&request, &target);
        let sent = translate::request(request, &target, &rules).unwrap();
        let sent = serde_json::to_value(sent).unwrap();
        assert_eq!(sent["apiFormat"], api_format, "{id}");
        assert_eq!(dialect.format.as_str(), api_format, "{id}");
        let mode = serde_json::to_value(target.serving_mode()).unwrap();
        assert_eq!(mode["servingType"], serving, "{id}");
    }
}

#[test]
fn a_tool_has_the_clients_name_on_the_way_back() {
    for format in [ApiFormat::Cohere, ApiFormat::CohereV2] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "function", "function": {"name": "get-weather"}}]});
        let request = ChatRequest::parse(body.to_string().as_bytes()).unwrap();
        let target = ModelTarget::new("cohere.command-a-03-2025", Some(format));
        let meta = ReplyMeta::sample(Dialect::of(&request, &target));
        let event = match format {
            ApiFormat::Cohere | ApiFormat::Generic => json!({"apiFormat": "COHERE",
                "toolCalls": [{"name": "get_weather", "parameters": {}}], "finishReason": "COMPLETE"}),
            ApiFormat::CohereV2 => json!({"apiFormat": "COHEREV2", "finishReason": "TOOL_CALL",
                "message": {"toolCalls": [{"id": "a", "function": {"name": "get_weather"}}]}}),
        };
        let whole = serde_json::from_value(json!({"chatResponse": event})).unwrap();
        let whole = translate::completion(whole, &meta).unwrap();
        let whole = serde_json::to_value(whole).unwrap();
        let called = "/choices/0/message/tool_calls/0/function/name";
        assert_eq!(whole.pointer(called), Some(&json!("get-weather")));

        let mut translator = StreamTranslator::new(meta, false, 1);
        let chunks = translator.push(&event.to_string()).unwrap();
        let chunks = serde_json::to_value(chunks).unwrap();
        let called = "/1/choices/0/delta/tool_calls/0/function/name";
        assert_eq!(chunks.pointer(called), Some(&json!("get-weather")));
    }
}
