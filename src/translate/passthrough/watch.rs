//! Looks at a chat's answer on its way to the client: is it one, is it whole, what did it cost. Changes nothing. Of a chunk is
//! read what must be known and no more; its text is looked over.

use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::json;
use crate::oci::error::{OciError, status_error};
use crate::openai::chat::MAX_CHOICES;

use super::super::Progress;

/// What a stream ends with.
pub(super) const DONE: &[u8] = b"[DONE]";

/// The status that an error has without one of its own.
const FAILED: u16 = 500;

/// Prompt and completion tokens.
pub(crate) type Tokens = (u64, u64);

/// What an event is to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A piece of the answer.
    Answer,
    /// None, but meant for the client.
    Remark,
    /// What only this program has asked for.
    Ours,
    /// The stream's end.
    Done,
    /// The end of an answer that has begun, in upstream's own words: it has failed, and says so.
    Failed(OciError),
}

/// Watches a stream of chunks. Source: OpenAI API reference, The chat completion chunk object.
pub(crate) struct ChatWatch {
    /// The client has asked for the usage.
    wants_usage: bool,
    /// Choices asked for.
    expected: usize,
    /// By index; never more than [`MAX_CHOICES`].
    choices: Vec<Choice>,
    tokens: Option<Tokens>,
    /// The usage came where nothing follows it.
    usage_was_last: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Choice {
    #[default]
    Absent,
    Open,
    Finished,
}

/// Of a chunk, and of a whole answer.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<ChunkChoice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

impl ChatWatch {
    /// `choices`: how many the client asked for, 1 to [`MAX_CHOICES`].
    pub(crate) fn new(wants_usage: bool, choices: u32) -> Self {
        Self {
            wants_usage,
            expected: usize::try_from(choices.clamp(1, MAX_CHOICES)).unwrap_or(1),
            choices: Vec::new(),
            tokens: None,
            usage_was_last: false,
        }
    }

    /// What an event's data says. Errors: [`OciError::Broken`] for what is no chunk, or for `[DONE]` before the answer is whole,
    /// [`OciError::Event`] for an error event.
    pub(crate) fn see(&mut self, data: &[u8]) -> Result<Seen, OciError> {
        if data.trim_ascii() == DONE {
            self.end()?;
            return Ok(Seen::Done);
        }
        let chunk = read(data, "an event is no chunk of an answer")?;
        let tokens = value::<Usage>(chunk.usage).map(Usage::tokens);
        self.tokens = tokens.or(self.tokens);
        let choices = chunk.choices.unwrap_or_default();
        // A choice may come with its own usage, with others to come.
        self.usage_was_last = tokens.is_some() && (choices.is_empty() || self.expected == 1);
        for choice in &choices {
            self.note(choice)?;
        }
        Ok(match (choices.is_empty(), tokens) {
            (false, _) => Seen::Answer,
            (true, Some(_)) if !self.wants_usage => Seen::Ours,
            (true, _) => Seen::Remark,
        })
    }

    fn note(&mut self, choice: &ChunkChoice<'_>) -> Result<(), OciError> {
        let index: usize = value(choice.index).unwrap_or(0);
        if index >= usize::try_from(MAX_CHOICES).unwrap_or(usize::MAX) {
            return Err(broken(
                "an event has a choice that nobody can have asked for",
            ));
        }
        if index >= self.choices.len() {
            self.choices.resize(index + 1, Choice::Absent);
        }
        let is_finished = finishes(choice)?;
        if let Some(known) = self.choices.get_mut(index)
            && *known != Choice::Finished
        {
            *known = if is_finished {
                Choice::Finished
            } else {
                Choice::Open
            };
        }
        Ok(())
    }

    /// How far the stream has come.
    pub(crate) fn progress(&self) -> Progress {
        let count = |state| {
            self.choices
                .iter()
                .filter(|choice| **choice == state)
                .count()
        };
        let (finished, open) = (count(Choice::Finished), count(Choice::Open));
        if finished == 0 || open > 0 {
            return Progress::Open;
        }
        match (finished >= self.expected, self.usage_was_last) {
            (_, true) => Progress::Complete,
            (true, false) => Progress::Finished,
            (false, false) => Progress::Open,
        }
    }

    /// The stream is over. Errors: [`OciError::Broken`] if its answer is not whole.
    pub(crate) fn end(&self) -> Result<(), OciError> {
        let is_whole =
            self.choices.contains(&Choice::Finished) && !self.choices.contains(&Choice::Open);
        match is_whole {
            true => Ok(()),
            false => Err(broken("the stream ended before its finish reason")),
        }
    }

    pub(crate) fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }
}

impl Usage {
    fn tokens(self) -> Tokens {
        let count = |tokens: Option<u64>| tokens.unwrap_or(0);
        (count(self.prompt_tokens), count(self.completion_tokens))
    }
}

/// Whether a whole answer is one, and what it cost. Errors: as of an event.
pub(crate) fn whole(body: &[u8]) -> Result<Option<Tokens>, OciError> {
    let answer = read(body, "the answer is not the JSON expected of a chat call")?;
    let choices = answer.choices.unwrap_or_default();
    if choices.is_empty() {
        return Err(broken("the answer has no choice"));
    }
    for choice in &choices {
        finishes(choice)?;
    }
    Ok(value::<Usage>(answer.usage).map(Usage::tokens))
}

/// A finish reason may be a failure, which must not look whole.
fn finishes(choice: &ChunkChoice<'_>) -> Result<bool, OciError> {
    match choice.finish_reason.map(RawValue::get) {
        None => Ok(false),
        Some(reason) if reason.trim_matches('"').eq_ignore_ascii_case("error") => {
            Err(OciError::Event {
                code: None,
                message: "the model stopped with an error".to_owned(),
            })
        }
        Some(_) => Ok(true),
    }
}

fn read<'a>(json: &'a [u8], otherwise: &str) -> Result<Chunk<'a>, OciError> {
    // A struct can be read from a list too.
    let is_object = json.trim_ascii_start().starts_with(b"{");
    let text = std::str::from_utf8(json).ok().filter(|_| is_object);
    let chunk: Option<Chunk<'_>> = text.and_then(|text| json::from_text(text).ok());
    let Some(chunk) = chunk else {
        // An error may have any shape besides.
        return Err(text.and_then(as_error).unwrap_or_else(|| broken(otherwise)));
    };
    let says_nothing_else = chunk.choices.is_none();
    let is_error = chunk.error.is_some()
        || says_nothing_else && (chunk.message.is_some() || chunk.code.is_some());
    match is_error {
        true => Err(as_error(text.unwrap_or_default()).unwrap_or_else(|| broken(otherwise))),
        false => Ok(chunk),
    }
}

/// The error that an object is.
pub(super) fn as_error(json: &str) -> Option<OciError> {
    let object: serde_json::Map<String, serde_json::Value> = json::from_text(json).ok()?;
    let is_error = ["error", "code", "message"]
        .iter()
        .any(|name| object.contains_key(*name));
    if !is_error {
        return None;
    }
    let told = status_error(FAILED, None, None, json.as_bytes(), UNIX_EPOCH);
    Some(OciError::Event {
        code: told.code,
        message: told.message,
    })
}

/// `None` also for what is of the wrong type.
pub(super) fn value<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    json::from_text(raw?.get()).ok()
}

pub(super) fn broken(why: &str) -> OciError {
    OciError::Broken {
        why: why.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
    const LAST: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str =
        r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;

    /// What each event is, and how far the stream has come then.
    fn check(mut watch: ChatWatch, events: &[(&str, Seen, Progress)]) -> ChatWatch {
        for (event, seen, progress) in events {
            assert_eq!(watch.see(event.as_bytes()), Ok(seen.clone()), "{event}");
            assert_eq!(watch.progress(), *progress, "{event}");
        }
        watch
    }

    #[test]
    fn a_usual_stream() {
        let watch = check(
            ChatWatch::new(false, 1),
            &[
                (
                    r#"{"choices":[],"prompt_filter_results":[]}"#,
                    Seen::Remark,
                    Progress::Open,
                ),
                (ROLE, Seen::Answer, Progress::Open),
                (LAST, Seen::Answer, Progress::Finished),
                (USAGE, Seen::Ours, Progress::Complete),
                ("[DONE]", Seen::Done, Progress::Complete),
            ],
        );
        assert_eq!((watch.tokens(), watch.end()), (Some((7, 5)), Ok(())));
        check(
            ChatWatch::new(true, 1),
            &[
                (LAST, Seen::Answer, Progress::Finished),
                (USAGE, Seen::Remark, Progress::Complete),
            ],
        );
    }

    #[test]
    fn a_stream_is_whole_when_every_choice_has_its_finish_reason() {
        let second = LAST.replace("\"index\":0", "\"index\":1");
        let watch = check(
            ChatWatch::new(false, 2),
            &[
                (ROLE, Seen::Answer, Progress::Open),
                (&second, Seen::Answer, Progress::Open),
                (LAST, Seen::Answer, Progress::Finished),
            ],
        );
        assert_eq!(watch.end(), Ok(()));
        let mut watch = check(
            ChatWatch::new(false, 2),
            &[
                (ROLE, Seen::Answer, Progress::Open),
                (&second, Seen::Answer, Progress::Open),
            ],
        );
        assert!(watch.end().is_err() && watch.see(b"[DONE]").is_err());
        assert!(ChatWatch::new(false, 1).end().is_err());
    }

    #[test]
    fn errors_and_what_is_no_chunk() {
        let fails = |event: &str| ChatWatch::new(false, 1).see(event.as_bytes()).unwrap_err();
        for (event, code, message) in [
            (
                r#"{"error":{"message":"no","code":"rate_limit_exceeded"}}"#,
                Some("rate_limit_exceeded"),
                "no",
            ),
            (r#"{"error":"no"}"#, None, "no"),
            (r#"{"code":"500","message":"no"}"#, Some("500"), "no"),
            (
                r#"{"code":429,"message":"no","choices":null}"#,
                Some("429"),
                "no",
            ),
            (
                r#"{"choices":[{"finish_reason":"ERROR"}]}"#,
                None,
                "the model stopped with an error",
            ),
        ] {
            let code = code.map(str::to_owned);
            let message = message.to_owned();
            assert_eq!(fails(event), OciError::Event { code, message }, "{event}");
        }
        for event in [
            "",
            "7",
            "[]",
            "null",
            "[{}]",
            "{",
            r#"{"choices":7}"#,
            r#"{"choices":[7]}"#,
            r#"{"choices":[{"index":128}]}"#,
            r#"{"choices":[]}{}"#,
        ] {
            assert!(matches!(fails(event), OciError::Broken { .. }), "{event}");
        }
        assert!(matches!(
            ChatWatch::new(false, 1).see(b"{\"choices\":[],\"x\":\"\xFF\"}"),
            Err(OciError::Broken { .. })
        ));
    }

    #[test]
    fn a_whole_answer_has_a_choice() {
        let answer = r#"{"id":"x","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7}}"#;
        assert_eq!(whole(answer.as_bytes()), Ok(Some((7, 0))));
        assert_eq!(
            whole(br#"{"choices":[{}],"usage":{"prompt_tokens":"7"}}"#),
            Ok(None)
        );
        for (body, is_event) in [
            (r#"{"choices":[]}"#, false),
            ("{}", false),
            (r#"{"choices":{}}"#, false),
            (r#"{"error":{"message":"no"}}"#, true),
            (r#"{"code":"InternalServerError","message":"no"}"#, true),
            (r#"{"choices":[{"finish_reason":"error"}]}"#, true),
        ] {
            let error = whole(body.as_bytes()).unwrap_err();
            assert_eq!(
                matches!(error, OciError::Event { .. }),
                is_event,
                "{body} {error}"
            );
        }
    }
}
