//! How far a stream has come, and what the golden streams do not show.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::translate::Dialect;

fn translator(choices: u32) -> StreamTranslator {
    StreamTranslator::new(ReplyMeta::sample(Dialect::default()), true, choices)
}

fn text(index: u32, text: &str) -> Value {
    json!({"index": index, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]}})
}

fn finish(index: Option<u32>) -> Value {
    json!({"index": index, "finishReason": "stop"})
}

fn usage_event() -> Value {
    json!({"usage": {"promptTokens": 1, "completionTokens": 2, "totalTokens": 3}})
}

/// Feeds events and compares the progress after each.
fn check_progress(choices: u32, events: &[(Value, Progress)]) {
    let mut translator = translator(choices);
    assert_eq!(translator.progress(), Progress::Open);
    for (at, (event, progress)) in events.iter().enumerate() {
        let event = event
            .as_str()
            .map_or_else(|| event.to_string(), str::to_owned);
        translator.push(&event).unwrap();
        assert_eq!(translator.progress(), *progress, "after event {at}");
    }
    translator.finish().unwrap();
}

#[test]
fn a_stream_is_finished_by_its_reason_and_complete_with_its_usage() {
    use Progress::{Complete, Finished, Open};
    check_progress(
        1,
        &[
            (text(0, "a"), Open),
            (finish(None), Finished),
            (usage_event(), Complete),
        ],
    );
    check_progress(
        1,
        &[
            (text(0, "a"), Open),
            (finish(None), Finished),
            (json!("[DONE]"), Complete),
        ],
    );
    check_progress(1, &[(usage_event(), Open), (finish(Some(0)), Complete)]);
    let mut all_in_one = finish(None);
    all_in_one["usage"] = usage_event()["usage"].take();
    check_progress(1, &[(all_in_one, Complete)]);
}

#[test]
fn all_choices_must_finish() {
    use Progress::{Complete, Finished, Open};
    let two = [
        (text(0, "a"), Open),
        (text(1, "b"), Open),
        (finish(Some(1)), Open),
        (finish(None), Finished),
    ];
    check_progress(2, &two);
    // The second choice has not begun when the first ends.
    let in_turn = [
        (text(0, "a"), Open),
        (finish(None), Open),
        (text(1, "b"), Open),
        (finish(None), Finished),
    ];
    check_progress(2, &in_turn);
    // A model that ignores `n`.
    check_progress(
        3,
        &[
            (text(0, "a"), Open),
            (finish(None), Open),
            (usage_event(), Complete),
        ],
    );
}

#[test]
fn a_finish_is_never_invented() {
    let broken = |translator: &mut StreamTranslator| {
        matches!(translator.finish(), Err(OciError::Broken { .. }))
    };
    assert!(broken(&mut translator(1)));
    let mut cut = translator(1);
    cut.push(&text(0, "a").to_string()).unwrap();
    cut.push("[DONE]").unwrap();
    assert_eq!(cut.progress(), Progress::Open);
    assert!(broken(&mut cut));
    let mut one_cut = translator(2);
    for event in [text(0, "a"), finish(None), text(1, "b")] {
        one_cut.push(&event.to_string()).unwrap();
    }
    assert!(broken(&mut one_cut));
}

#[test]
fn nothing_follows_a_finish() {
    let mut translator = translator(1);
    translator.push(&finish(None).to_string()).unwrap();
    for late in [text(0, "late"), finish(None), finish(Some(0))] {
        assert_eq!(translator.push(&late.to_string()).unwrap(), []);
    }
    assert_eq!(translator.finish().unwrap(), []);
    assert_eq!(translator.push(&text(0, "later").to_string()).unwrap(), []);
    assert_eq!(translator.finish().unwrap(), []);
}

#[test]
fn events_of_nothing_are_no_chunks() {
    let mut translator = translator(1);
    for nothing in [
        "",
        " ",
        "{}",
        r#"{"pad":"aaa"}"#,
        r#"{"index":0}"#,
        r#"{"message":null,"error":null}"#,
    ] {
        assert_eq!(translator.push(nothing).unwrap(), [], "{nothing}");
    }
    assert_eq!(translator.push(&text(0, "").to_string()).unwrap().len(), 1);
    assert_eq!(translator.push(&text(0, "").to_string()).unwrap(), []);
}

#[test]
fn an_error_event_in_any_form_is_an_error() {
    for (event, code, message) in [
        (
            json!({"code": "500", "message": "boom"}),
            Some("500"),
            "boom",
        ),
        (json!({"code": 429, "message": "slow"}), Some("429"), "slow"),
        (
            json!({"error": {"message": "boom", "code": "x"}}),
            Some("x"),
            "boom",
        ),
        (json!({"error": "boom"}), None, "boom"),
        (json!({"error": {}}), None, "no message was given"),
        (
            json!({"code": "InternalServerError"}),
            Some("InternalServerError"),
            "no message was given",
        ),
    ] {
        let expected = OciError::Event {
            code: code.map(str::to_owned),
            message: message.to_owned(),
        };
        assert_eq!(translator(1).push(&event.to_string()), Err(expected));
    }
}

#[test]
fn the_number_of_choices_has_a_bound() {
    let too_many = text(MAX_CHOICES, "a").to_string();
    assert!(matches!(
        translator(1).push(&too_many),
        Err(OciError::Broken { .. })
    ));
    let huge = json!({"index": u64::MAX, "finishReason": "stop"}).to_string();
    assert!(matches!(
        translator(1).push(&huge),
        Err(OciError::Broken { .. })
    ));
    assert_eq!(
        translator(1)
            .push(&text(MAX_CHOICES - 1, "a").to_string())
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn log_probabilities_ride_with_their_text() {
    let mut event = text(0, "Hi");
    event["logprobs"] =
        json!({"tokens": ["Hi"], "tokenLogprobs": [-0.5], "topLogprobs": [{"Hi": "-0.5"}]});
    let chunks = translator(1).push(&event.to_string()).unwrap();
    let logprobs = chunks[1].choices[0].logprobs.as_ref().unwrap();
    assert_eq!(logprobs.content[0].top_logprobs.len(), 1);
}

/// All chunks of a stream that ends well, as JSON.
fn all_chunks(choices: u32, events: &[Value]) -> Vec<Value> {
    let mut translator = translator(choices);
    let mut chunks = Vec::new();
    for event in events {
        chunks.extend(translator.push(&event.to_string()).unwrap());
    }
    chunks.extend(translator.finish().unwrap());
    let json = |chunk| serde_json::to_value(chunk).unwrap();
    chunks.iter().map(json).collect()
}

fn calls(entries: Value) -> Value {
    json!({"index": 0, "message": {"role": "ASSISTANT", "toolCalls": entries}})
}

#[test]
fn a_call_without_arguments_ends_as_json() {
    for entry in [
        json!({"type": "FUNCTION", "id": "a", "name": "f"}),
        json!({"type": "FUNCTION", "id": "a", "name": "f", "arguments": ""}),
        json!({"type": "FUNCTION", "id": "a", "name": "f", "arguments": " \n"}),
    ] {
        let chunks = all_chunks(
            1,
            &[calls(json!([entry])), json!({"finishReason": "tool_calls"})],
        );
        let deltas = chunks.iter().filter_map(|chunk| {
            chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
        });
        assert_eq!(deltas.collect::<String>().trim_start(), "{}", "{entry}");
        let last = chunks
            .iter()
            .rfind(|chunk| !chunk["choices"].as_array().unwrap().is_empty());
        assert_eq!(last.unwrap()["choices"][0]["finish_reason"], "tool_calls");
    }
}

#[test]
fn two_calls_with_one_id_in_one_event_are_two() {
    let entry = |city: &str| json!({"id": "a", "name": "f", "arguments": json!({"city": city}).to_string()});
    let both = calls(json!([entry("Paris"), entry("Rome")]));
    // Told again they are still two.
    let chunks = all_chunks(1, &[both.clone(), both, json!({"finishReason": "stop"})]);
    let calls: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0))
        .collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0]["id"], "a");
    assert_ne!(calls[1]["id"], "a");
    assert_eq!(calls[1]["index"], 1);
}

#[test]
fn usage_of_one_choice_does_not_end_the_others() {
    use Progress::{Complete, Finished, Open};
    let mut first_ends = finish(Some(0));
    first_ends["usage"] = usage_event()["usage"].take();
    check_progress(
        2,
        &[
            (text(0, "a"), Open),
            // The other may come, or the model ignored `n`.
            (first_ends, Finished),
            (text(1, "b"), Open),
            (finish(Some(1)), Finished),
            (usage_event(), Complete),
        ],
    );
    // What a delta counts is not the last word.
    let mut counted = text(0, "a");
    counted["usage"] = json!({"promptTokens": 1, "completionTokens": 1});
    check_progress(
        1,
        &[
            (counted, Open),
            (finish(None), Finished),
            (usage_event(), Complete),
        ],
    );
}

#[test]
fn sources_that_are_told_again_are_told_once() {
    let grounded = |uris: &[&str]| {
        let sources: Vec<_> = uris
            .iter()
            .map(|uri| json!({"web": {"uri": uri}}))
            .collect();
        let mut event = text(0, "x");
        event["groundingMetadata"] = json!({"groundingChunks": sources});
        event
    };
    let chunks = all_chunks(1, &[grounded(&["a"]), grounded(&["a", "b"]), finish(None)]);
    let cited: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["annotations"].as_array())
        .flatten()
        .map(|annotation| annotation["url_citation"]["url"].clone())
        .collect();
    assert_eq!(cited, ["a", "b"]);
}

#[test]
fn a_finish_that_is_an_error_is_no_end() {
    let mut translator = translator(1);
    translator.push(&text(0, "a").to_string()).unwrap();
    let error = translator.push(r#"{"finishReason":"ERROR"}"#).unwrap_err();
    assert!(matches!(error, OciError::Event { .. }), "{error:?}");
}

#[test]
fn a_model_that_ignores_n_is_finished_with_its_usage() {
    use Progress::{Finished, Open};
    let mut all_in_one = finish(None);
    all_in_one["usage"] = usage_event()["usage"].take();
    check_progress(2, &[(text(0, "a"), Open), (all_in_one, Finished)]);
}
