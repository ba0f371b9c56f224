//! What a completion asks of a chat, and how it is answered.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::openai::chat::{
    AssistantMessage, ChatCompletion, Choice, FinishReason, LogProb, LogProbs, TokenLogProb,
};
use crate::openai::chunk::{ChatChunk, ChunkChoice, Delta};
use crate::openai::message::Content;
use crate::openai::render::Render;

fn check_refused(more: &Value, param: &str) {
    let mut body = json!({"model": "m", "prompt": "Once"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let error = read(body.to_string().as_bytes()).err().unwrap();
    assert_eq!(error.status, 400, "{more}");
    assert_eq!(error.param.as_deref(), Some(param), "{more}");
    assert!(error.message.contains(param), "{}", error.message);
}

#[test]
fn what_cannot_be_done_is_named() {
    for (more, param) in [
        (json!({"prompt": null}), "prompt"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": ["a", "b"]}), "prompt"),
        (json!({"prompt": [1, 2, 3]}), "prompt"),
        (json!({"prompt": [[1, 2], [3]]}), "prompt"),
        (json!({"prompt": 7}), "prompt"),
        (json!({"suffix": "the end"}), "suffix"),
        (json!({"best_of": 3}), "best_of"),
        (json!({"echo": true, "logprobs": 2}), "echo"),
        (json!({"logprobs": -1}), "logprobs"),
        (json!({"model": ""}), "model"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"n": 0}), "n"),
        (json!({"temperature": "hot"}), "temperature"),
    ] {
        check_refused(&more, param);
    }
}

#[test]
fn a_prompt_is_a_users_message() {
    for prompt in [json!("Once"), json!(["Once"])] {
        let body = json!({"model": "m", "prompt": prompt, "suffix": "", "best_of": 2, "n": 2, "stop": "x", "logprobs": 3,
            "max_tokens": 9, "user": "u", "stream": null});
        let (chat, _) = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(chat.messages.len(), 1);
        assert!(
            matches!(&chat.messages[0].content, Some(Content::Text(text)) if text.read() == "Once")
        );
        assert_eq!(
            (chat.n, chat.max_tokens, chat.stop.len()),
            (Some(2), Some(9), 1)
        );
        assert_eq!((chat.logprobs, chat.top_logprobs), (Some(true), Some(3)));
    }
}

fn probabilities() -> LogProbs {
    let token = |token: &str, logprob| LogProb {
        token: token.to_owned(),
        logprob,
        bytes: None,
    };
    let chosen = |text: &str| TokenLogProb {
        chosen: token(text, -0.5),
        top_logprobs: vec![token(text, -0.5), token("ö", -1.0)],
    };
    LogProbs {
        content: vec![chosen("é"), chosen("!")],
        refusal: None,
    }
}

#[test]
fn a_whole_answer_is_a_text() {
    let (_, mut completing) = read(br#"{"model":"m","prompt":"Once","echo":true}"#).unwrap();
    let completion = ChatCompletion {
        id: "chatcmpl-1".to_owned(),
        object: "chat.completion",
        created: 7,
        model: "m".to_owned(),
        choices: vec![Choice {
            index: 0,
            message: AssistantMessage {
                role: "assistant",
                content: Some(" more".to_owned()),
                reasoning_content: Some("Hm".to_owned()),
                refusal: None,
                annotations: Vec::new(),
                tool_calls: Vec::new(),
                function_call: None,
            },
            logprobs: None,
            finish_reason: FinishReason::Length,
        }],
        usage: None,
        service_tier: None,
    };
    let body = completing.whole(completion).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m", "choices": [
            {"text": "Once more", "index": 0, "logprobs": null, "finish_reason": "length"}]})
    );
}

fn chunk(
    index: u32,
    delta: Delta,
    logprobs: Option<LogProbs>,
    end: Option<FinishReason>,
) -> ChatChunk {
    ChatChunk {
        id: "chatcmpl-1".into(),
        object: "chat.completion.chunk",
        created: 7,
        model: "m".into(),
        choices: vec![ChunkChoice {
            index,
            delta,
            logprobs,
            finish_reason: end,
        }],
        usage: Some(None),
    }
}

fn said(text: &str) -> Delta {
    Delta {
        content: Some(text.to_owned()),
        ..Delta::default()
    }
}

#[test]
fn a_stream_begins_with_its_answer_and_has_no_empty_piece_after_that() {
    let (_, mut completing) = read(br#"{"model":"m","prompt":"Once","echo":true,"n":2}"#).unwrap();
    let thought = Delta {
        reasoning_content: Some("Hm".to_owned()),
        ..Delta::default()
    };
    let events = completing.chunks(vec![
        chunk(0, said(""), None, None),
        chunk(0, thought, None, None),
        chunk(0, said(" more"), None, None),
        chunk(1, said(" again"), None, None),
        chunk(0, said("!"), None, None),
        chunk(0, Delta::default(), None, Some(FinishReason::Stop)),
    ]);
    let told: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(&event.data).unwrap())
        .collect();
    let texts: Vec<_> = told
        .iter()
        .map(|told| {
            (
                told["choices"][0]["index"].clone(),
                told["choices"][0]["text"].clone(),
            )
        })
        .collect();
    assert_eq!(
        texts,
        [
            (0, "Once"),
            (0, " more"),
            (1, "Once again"),
            (0, "!"),
            (0, "")
        ]
        .map(|(index, text)| (json!(index), json!(text)))
    );
    assert!(
        told.iter()
            .all(|told| told["object"] == "text_completion" && told["usage"].is_null())
    );
    assert_eq!(told[4]["choices"][0]["finish_reason"], "stop");
    assert_eq!(completing.end()[0].data, "[DONE]");
}

#[test]
fn probabilities_stand_side_by_side_and_count_characters() {
    let (_, mut completing) = read(br#"{"model":"m","prompt":"Once","logprobs":2}"#).unwrap();
    let mut pieces = Vec::new();
    for _ in 0..2 {
        let events = completing.chunks(vec![chunk(0, said("é!"), Some(probabilities()), None)]);
        let told: Value = serde_json::from_str(&events[0].data).unwrap();
        pieces.push(told["choices"][0]["logprobs"].clone());
    }
    assert_eq!(
        pieces[0],
        json!({"tokens": ["é", "!"], "token_logprobs": [-0.5, -0.5],
            "top_logprobs": [{"é": -0.5, "ö": -1.0}, {"!": -0.5, "ö": -1.0}], "text_offset": [0, 1]})
    );
    assert_eq!(pieces[1]["text_offset"], json!([2, 3]));
}
