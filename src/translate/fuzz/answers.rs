//! Answers, attacked: whole ones and streams. A client holds what it is told to the promises of OpenAI's API.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FORMATS, check_told, inputs};
use crate::fuzz::{Form, Random, Target, golden};
use crate::json;
use crate::oci::error::OciError;
use crate::oci::sse::Decoder;
use crate::oci::wire::{ApiFormat, ChatResult};
use crate::openai::chat::MAX_CHOICES;
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;
use crate::translate::{
    Progress, ReplyMeta, StreamTranslator, completion, completion_as_chunks, error,
};

/// Bytes of a stream's chunks that a byte of OCI's may become: a token's logarithm becomes an object with its bytes.
const STREAM_GROWTH: usize = 100;
/// What was asked for, as far as the answer shows it.
#[derive(Debug, Clone, Copy)]
struct Asked {
    format: ApiFormat,
    include_usage: bool,
    function_call: bool,
    choices: u32,
}

impl Asked {
    fn any(format: ApiFormat, random: &mut Random) -> Self {
        Self {
            format,
            include_usage: random.one_in(2),
            function_call: random.one_in(4),
            choices: random.pick(&[1, 1, 1, 2, 5, MAX_CHOICES]),
        }
    }

    fn meta(&self) -> ReplyMeta {
        ReplyMeta {
            function_call: self.function_call,
            ..ReplyMeta::sample(self.format.into())
        }
    }
}

/// What a client has been told of a choice.
#[derive(Debug, Default)]
struct Choice {
    calls: u32,
    finished: bool,
}

/// A client that holds the stream to its promises.
#[derive(Debug, Default)]
struct Client {
    choices: BTreeMap<u64, Choice>,
    ids: BTreeSet<String>,
    usage: bool,
}

impl Client {
    fn hear(&mut self, chunk: &Value, asked: Asked) {
        let keys: Vec<&str> = chunk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let with_usage = ["id", "object", "created", "model", "choices", "usage"];
        assert_eq!(
            keys,
            with_usage[..if asked.include_usage { 6 } else { 5 }],
            "{chunk}"
        );
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(!self.usage, "after the usage: {chunk}");
        match chunk["choices"].as_array().unwrap().as_slice() {
            [] => {
                self.usage = true;
                assert!(
                    asked.include_usage && chunk["usage"]["total_tokens"].is_u64(),
                    "{chunk}"
                );
            }
            [choice] => {
                assert!(chunk["usage"].is_null(), "{chunk}");
                self.hear_choice(choice, asked);
            }
            more => panic!("{} choices in a chunk", more.len()),
        }
    }

    fn hear_choice(&mut self, told: &Value, asked: Asked) {
        let index = told["index"].as_u64().unwrap();
        assert!(index < u64::from(MAX_CHOICES), "{told}");
        let is_first = !self.choices.contains_key(&index);
        let choice = self.choices.entry(index).or_default();
        assert!(!choice.finished, "after its finish: {told}");
        let delta = told["delta"].as_object().unwrap();
        assert_eq!(delta.get("role").is_some(), is_first, "{told}");
        if !told["finish_reason"].is_null() {
            assert!(delta.is_empty(), "{told}");
            assert!(
                !asked.function_call || told["finish_reason"] != "tool_calls",
                "{told}"
            );
            choice.finished = true;
        }
        assert!(
            asked.function_call || !delta.contains_key("function_call"),
            "{told}"
        );
        assert!(
            !asked.function_call || !delta.contains_key("tool_calls"),
            "{told}"
        );
        for call in told["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let at = u32::try_from(call["index"].as_u64().unwrap()).unwrap();
            assert!(call["function"]["arguments"].is_string(), "{told}");
            assert!(at <= choice.calls, "a call is left out: {told}");
            let is_new = at == choice.calls;
            assert_eq!(call.get("type").is_some(), is_new, "{told}");
            assert_eq!(call.get("id").is_some(), is_new, "{told}");
            assert_eq!(call["function"].get("name").is_some(), is_new, "{told}");
            if let Some(id) = call["id"].as_str() {
                assert!(
                    self.ids.insert(format!("{index} {id}")),
                    "an id came twice: {told}"
                );
                choice.calls += 1;
            }
        }
    }

    /// The stream has ended well.
    fn check_end(&self) {
        assert!(!self.choices.is_empty());
        assert!(
            self.choices.values().all(|choice| choice.finished),
            "{self:?}"
        );
    }
}

/// Everything that a stream tells its client, chunk by chunk, and the error that it ends with.
fn streamed<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    asked: Asked,
) -> (Vec<String>, Option<ApiError>) {
    let mut decoder = Decoder::default();
    let mut translator = StreamTranslator::new(asked.meta(), asked.include_usage, asked.choices);
    let mut chunks = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        if let Some(failure) = drain(&mut decoder, &mut translator, &mut chunks) {
            return (chunks, Some(error(&failure)));
        }
    }
    decoder.finish();
    if let Some(failure) = drain(&mut decoder, &mut translator, &mut chunks) {
        return (chunks, Some(error(&failure)));
    }
    let ended = translator.finish();
    let failure = match ended {
        Ok(last) => {
            chunks.extend(last.iter().map(as_json));
            None
        }
        Err(failure) => Some(error(&failure)),
    };
    // What comes after the end has no say.
    assert_eq!(
        translator.push(r#"{"message":{"content":"more"}}"#),
        Ok(Vec::new())
    );
    assert_eq!(translator.finish(), Ok(Vec::new()));
    (chunks, failure)
}

fn drain(
    decoder: &mut Decoder,
    translator: &mut StreamTranslator,
    chunks: &mut Vec<String>,
) -> Option<OciError> {
    loop {
        match decoder.next() {
            Ok(Some(event)) => match translator.push(&event) {
                Ok(told) => {
                    if event.trim() == "[DONE]" {
                        assert!(told.is_empty());
                        assert_eq!(
                            translator.push(r#"{"message":{"content":"more"}}"#),
                            Ok(Vec::new())
                        );
                    }
                    chunks.extend(told.iter().map(as_json));
                    let progress = translator.progress();
                    assert!(progress == Progress::Open || !chunks.is_empty());
                }
                Err(failure) => return Some(failure),
            },
            Ok(None) => return None,
            Err(why) => {
                return Some(OciError::Broken {
                    why: why.to_string(),
                });
            }
        }
    }
}

fn as_json(chunk: &ChatChunk) -> String {
    serde_json::to_string(chunk).unwrap()
}

const ANSWER_WORDS: [&str; 40] = [
    "index",
    "message",
    "content",
    "role",
    "type",
    "TEXT",
    "text",
    "thinking",
    "THINKING",
    "reasoningContent",
    "toolCalls",
    "id",
    "name",
    "arguments",
    "parameters",
    "finishReason",
    "stop",
    "tool_calls",
    "COMPLETE",
    "error",
    "ERROR_TOXIC",
    "MAX_TOKENS",
    "usage",
    "promptTokens",
    "totalTokens",
    "logprobs",
    "tokens",
    "tokenLogprobs",
    "topLogprobs",
    "annotations",
    "urlCitation",
    "groundingMetadata",
    "chatHistory",
    "errorMessage",
    "code",
    "apiFormat",
    "COHEREV2",
    "toolPlan",
    "choices",
    "refusal",
];

#[test]
fn streams() {
    let tagged = FORMATS.iter().flat_map(|(name, _)| {
        let streams = golden(name, "stream.oci.sse");
        streams
            .into_iter()
            .map(move |stream| [format!(": {name}\n").as_bytes(), &stream].concat())
    });
    let corpus: Vec<Vec<u8>> = tagged.collect();
    let target = Target {
        name: "translate::fuzz::answers::streams",
        executions: 2500,
        form: Form::Events,
        corpus: &corpus,
        words: &ANSWER_WORDS,
    };
    target.run(|bytes, random| {
        // The comment in the first line says the format, if it is still there.
        let named = FORMATS
            .iter()
            .rev()
            .find(|(name, _)| bytes.starts_with(format!(": {name}").as_bytes()));
        let (_, format) = named.unwrap_or_else(|| random.of(&FORMATS));
        let asked = Asked::any(*format, random);
        let whole = streamed([bytes], asked);
        assert_eq!(streamed(random.pieces(bytes), asked), whole, "in pieces");
        let (chunks, failure) = whole;
        let mut client = Client::default();
        for chunk in &chunks {
            client.hear(&serde_json::from_str(chunk).unwrap(), asked);
        }
        let told: usize = chunks.iter().map(String::len).sum();
        assert!(
            told <= STREAM_GROWTH * bytes.len() + 1000,
            "{told} of {}",
            bytes.len()
        );
        match failure {
            Some(failure) => {
                check_told(&failure);
                false
            }
            None => {
                client.check_end();
                true
            }
        }
    });
}

#[test]
fn whole_answers() {
    let corpus = inputs("response.oci.json");
    let target = Target {
        name: "translate::fuzz::answers::whole_answers",
        executions: 2000,
        form: Form::Json,
        corpus: &corpus,
        words: &ANSWER_WORDS,
    };
    target.run(|bytes, random| {
        let read = || json::read::<ChatResult>(bytes);
        let Ok(result) = read() else {
            return false;
        };
        let (_, format) = random.of(&FORMATS);
        let asked = Asked::any(*format, random);
        let answer = completion(result, &asked.meta());
        assert_eq!(
            completion(read().unwrap(), &asked.meta()),
            answer,
            "another time"
        );
        match answer {
            Ok(answer) => {
                let told = serde_json::to_value(&answer).unwrap();
                assert!(told.to_string().len() <= STREAM_GROWTH * bytes.len() + 1000);
                check_answer(&told, asked);
                let mut client = Client::default();
                for chunk in completion_as_chunks(&answer, asked.include_usage) {
                    client.hear(&serde_json::to_value(chunk).unwrap(), asked);
                }
                client.check_end();
                true
            }
            Err(failure) => {
                check_told(&error(&failure));
                false
            }
        }
    });
}

fn check_answer(told: &Value, asked: Asked) {
    let choices = told["choices"].as_array().unwrap();
    assert!(!choices.is_empty());
    let indices: BTreeSet<u64> = choices
        .iter()
        .map(|choice| choice["index"].as_u64().unwrap())
        .collect();
    assert_eq!(
        indices.len(),
        choices.len(),
        "two choices of one index: {told}"
    );
    for choice in choices {
        let message = &choice["message"];
        assert_eq!(message["role"], "assistant");
        assert!(choice["finish_reason"].is_string());
        assert!(
            !asked.function_call || message.get("tool_calls").is_none(),
            "{told}"
        );
        assert!(
            asked.function_call || message.get("function_call").is_none(),
            "{told}"
        );
        let calls: Vec<&Value> = message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let ids: BTreeSet<&str> = calls
            .iter()
            .map(|call| call["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), calls.len(), "an id came twice: {told}");
    }
}
