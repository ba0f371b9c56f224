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
