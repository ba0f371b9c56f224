//! Every failure, asked for of every vendor.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::{Value, json};

use super::*;
use crate::simulator::answer::plan;

const GPT: &str = "openai.gpt-5";
const GPT_OSS: &str = "openai.gpt-oss-120b";
const COMMAND: &str = "cohere.command-a-03-2025";

fn chat(format: &str, question: &str) -> Value {
    match format {
        "COHERE" => json!({"apiFormat": "COHERE", "message": question}),
        _ => json!({"apiFormat": format, "messages": [
            {"role": "USER", "content": [{"type": "TEXT", "text": question}]},
            {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Simulate a fault"}]}]}),
    }
}

fn refused(model: &str, question: &str) -> Refusal {
    let format = match Vendor::of(model) {
        Vendor::Cohere => "COHEREV2",
        _ => "GENERIC",
    };
    refusal(&plan(model, &chat(format, question), "00")).unwrap()
}

/// OpenAI's error in a string: code, parameter and message.
fn openai(refusal: &Refusal) -> (String, String, String) {
    let error: Value = serde_json::from_str(&refusal.message).unwrap();
    let word = |name: &str| error.pointer(&format!("/error/{name}")).unwrap().as_str();
    let word = |name: &str| word(name).unwrap().to_owned();
    (word("code"), word("param"), word("message"))
}

#[test]
fn the_last_text_from_the_user_asks_for_a_failure() {
    let check = |question: &str, expected: Option<Failure>| {
        for format in ["GENERIC", "COHERE", "COHEREV2"] {
            let plan = plan(COMMAND, &chat(format, question), "00");
            assert_eq!(plan.failure, expected, "{format} {question}");
        }
    };
    check("Please SIMULATE a Filter.", Some(Failure::Filter));
    check("simulate a broken stream", Some(Failure::BrokenStream));
    check(
        "simulate a filter for my photos, or a fault",
        Some(Failure::Filter),
    );
    check("Can you simulate faults?", None);
}

#[test]
fn throttling_and_faults_are_as_recorded() {
    let check = |question: &str, status: u16, retry_after: Option<u32>, recorded: &str| {
        let refusal = refused("meta.llama-3.3-70b-instruct", question);
        let body = json!({"code": refusal.code, "message": refusal.message});
        assert_eq!(body, serde_json::from_str::<Value>(recorded).unwrap());
        assert_eq!((refusal.status, refusal.retry_after), (status, retry_after));
    };
    let throttled = include_str!("../../../../tests/fixtures/errors/429.TooManyRequests.json");
    check("simulate throttling", 429, Some(2), throttled);
    let broken = include_str!("../../../../tests/fixtures/errors/500.InternalServerError.json");
    check("simulate a fault", 500, None, broken);
}

#[test]
fn every_vendor_has_its_own_words_for_a_long_prompt() {
    let check = |model: &str, expected: &str| {
        let refusal = refused(model, "simulate a long prompt");
        assert_eq!((refusal.status, refusal.code), (400, "400"));
        let message = match Vendor::of(model) {
            Vendor::OpenAi => {
                let (code, param, message) = openai(&refusal);
                assert_eq!((&*code, &*param), ("context_length_exceeded", "messages"));
                message
            }
            _ => refusal.message,
        };
        assert_eq!(message, expected, "{model}");
    };
    let openai = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 \
                  tokens. Please reduce the length of the messages.";
    check(GPT, openai);
    check(GPT_OSS, openai);
    check(
        "xai.grok-4.3",
        "This model's maximum prompt length is 131072 but the request contains 137254 tokens.",
    );
    check(
        "google.gemini-2.5-flash",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    );
    check(
        "meta.llama-3.3-70b-instruct",
        "This model's maximum context length is 128000 tokens. However, you requested 130000 tokens (126000 in the \
         messages, 4000 in the completion). Please reduce the length of the messages or completion.",
    );
    check(
        COMMAND,
        "too many tokens: total number of tokens in the prompt cannot exceed 256000 - received 300000.",
    );
}

#[test]
fn a_filter_is_told_in_the_vendors_way() {
    let filter = "simulate a filter";
    let grok = refused("xai.grok-4.3", filter);
    assert_eq!((grok.status, grok.code), (403, "403"));
    assert!(grok.message.contains("violates usage guidelines"));
    for model in [GPT, GPT_OSS] {
        let refusal = refused(model, filter);
        let (code, _, message) = openai(&refusal);
        assert_eq!((refusal.status, &*code), (400, "content_filter"));
        assert!(message.starts_with("The response was filtered"));
    }
    let blocked = bad("The prompt was blocked: it contains prohibited content.");
    for model in [COMMAND, "google.gemini-2.5-pro", "meta.llama-4-scout"] {
        assert_eq!(refused(model, filter), blocked);
    }
    let answered = plan(COMMAND, &chat("COHERE", filter), "00");
    assert_eq!(refusal(&answered), None);
    let choice = answered.choices.first().unwrap();
    assert_eq!((choice.text.len(), choice.finish), (0, Finish::Filtered));
}

#[test]
fn a_stream_breaks_before_its_finish_event_however_short_it_is() {
    let event = |text: &str| format!("data: {{\"text\":{}}}\n\n", json!(text));
    let quoted = event("\"finishReason\":\"stop\"");
    let finish = "data: {\"finishReason\":null}\n\n".to_owned();
    let events = vec![quoted.clone(), event("b"), finish.clone(), event("c")];
    assert_eq!(before_break(events), [quoted, event("b")]);
    assert!(before_break(vec![finish]).is_empty());
    assert_eq!(
        before_break(vec![event("a"); 50]).len(),
        EVENTS_BEFORE_BREAK
    );
}
