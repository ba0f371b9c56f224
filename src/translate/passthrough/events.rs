//! Looks at a response on its way to the client, whole or as a stream of typed events: is it one, is it whole, what did it cost.
//! Changes nothing. Source: OpenAI API reference, The response object and Streaming events.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;
use crate::oci::error::OciError;
use crate::openai::render::Begun;

use super::super::Progress;
use super::watch::{DONE, Seen, Tokens, as_error, broken, value};

/// Longest id and name that are kept of a response, bytes.
const MAX_NAME_BYTES: usize = 512;

/// What is said of an answer that is none.
const NO_RESPONSE: &str = "the answer is not the JSON expected of a response";

/// Watches the stream of one response. The first event is an answer, unless it tells of a failure.
#[derive(Debug, Default)]
pub(crate) struct ResponseWatch {
    begun: Option<Begun>,
    /// The response is whole.
    is_whole: bool,
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl ResponseWatch {
    /// What an event's data says. Errors: [`OciError::Broken`] for what is no event, or for `[DONE]` before the response is whole;
    /// [`OciError::Event`] for a failure that comes first, or has no type.
    pub(super) fn see(&mut self, data: &[u8]) -> Result<Seen, OciError> {
        if data.trim_ascii() == DONE {
            self.end()?;
            return Ok(Seen::Done);
        }
        let no_event = "an event is none of a response";
        let text = object(data).ok_or_else(|| broken(no_event))?;
        let event: Option<Event<'_>> = json::from_text(text).ok();
        let Some((event, kind)) = event.and_then(|mut event| {
            let kind = event.kind.take()?;
            Some((event, kind))
        }) else {
            return Err(as_error(text).unwrap_or_else(|| broken(no_event)));
        };
        let inner = event.response.map(RawValue::get);
        match kind.as_ref() {
            "response.completed" | "response.incomplete" => {
                self.count(inner);
                self.is_whole = true;
            }
            "response.failed" => {
                self.count(inner);
                return self.fails(&event, failure(inner.unwrap_or(text)));
            }
            "error" => return self.fails(&event, failure(text)),
            _ => {}
        }
        self.begin(&event);
        Ok(Seen::Answer)
    }

    /// Before the answer it is no more than an attempt that failed.
    fn fails(&mut self, event: &Event<'_>, error: OciError) -> Result<Seen, OciError> {
        if self.begun.is_none() {
            return Err(error);
        }
        self.begin(event);
        Ok(Seen::Failed(error))
    }

    fn begin(&mut self, event: &Event<'_>) {
        let begun = self.begun.get_or_insert_default();
        let number: Option<u64> = value(event.sequence_number);
        begun.next = number.unwrap_or(begun.next).saturating_add(1);
        if !begun.id.is_empty() {
            return;
        }
        let Some(response) = event.response.and_then(|text| read(text.get())) else {
            return;
        };
        let name = |raw| {
            let name: Option<String> = value(raw);
            name.filter(|name| name.len() <= MAX_NAME_BYTES)
        };
        begun.id = name(response.id).unwrap_or_default();
        begun.model = name(response.model).unwrap_or_default();
        // Some servers write it with a fraction.
        begun.created = value(response.created_at).unwrap_or_default();
    }

    fn count(&mut self, response: Option<&str>) {
        let tokens = response.and_then(read).and_then(|said| said.tokens());
        self.tokens = tokens.or(self.tokens);
    }

    /// How far the stream has come.
    pub(super) fn progress(&self) -> Progress {
        match self.is_whole {
            true => Progress::Complete,
            false => Progress::Open,
        }
    }

    /// The stream is over. Errors: [`OciError::Broken`] if its response is not whole.
    pub(super) fn end(&self) -> Result<(), OciError> {
        match self.is_whole {
            true => Ok(()),
            false => Err(broken("the stream ended before its response was whole")),
        }
    }

    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    pub(super) fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }
}

impl Response<'_> {
    fn tokens(&self) -> Option<Tokens> {
        let usage: Usage = value(self.usage)?;
        let count = |tokens: Option<u64>| tokens.unwrap_or(0);
        Some((count(usage.input_tokens), count(usage.output_tokens)))
    }
}

/// Whether a whole response is one, and what it cost. Errors: as of an event.
pub(super) fn whole(body: &[u8]) -> Result<Option<Tokens>, OciError> {
    let text = object(body).ok_or_else(|| broken(NO_RESPONSE))?;
    let says = |raw: Option<&RawValue>, what: &str| {
        let said: Option<String> = value(raw);
        said.is_some_and(|said| said == what)
    };
    match read(text) {
        Some(response) if response.error.is_some() || says(response.status, "failed") => {
            Err(failure(text))
        }
        Some(response) if says(response.object, "response") => Ok(response.tokens()),
        Some(_) | None => Err(as_error(text).unwrap_or_else(|| broken(NO_RESPONSE))),
    }
}

/// What a failed response says of it, or an error event.
fn failure(text: &str) -> OciError {
    let has_error = read(text).is_some_and(|response| response.error.is_some());
    let flat = (!has_error).then(|| json::from_text(text).ok()).flatten();
    let flat: Option<serde_json::Map<String, serde_json::Value>> = flat;
    let is_told = has_error || flat.is_some_and(|told| told.contains_key("message"));
    let told = is_told.then(|| as_error(text)).flatten();
    told.unwrap_or_else(|| OciError::Event {
        code: None,
        message: "the response has failed".to_owned(),
    })
}

/// A struct can be read from a list too.
fn object(json: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(json).ok()?;
    text.trim_ascii_start().starts_with('{').then_some(text)
}

fn read(text: &str) -> Option<Response<'_>> {
    json::from_text(text).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"m","created_at":7,"usage":null}}"#;
    const DELTA: &str = r#"{"type":"response.output_text.delta","delta":"hi","sequence_number":4}"#;
    const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":7,"output_tokens":5}}}"#;

    fn event(code: Option<&str>, message: &str) -> OciError {
        OciError::Event {
            code: code.map(str::to_owned),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_stream_is_whole_with_its_last_event() {
        for last in [
            COMPLETED.to_owned(),
            COMPLETED.replace("completed", "incomplete"),
        ] {
            let mut watch = ResponseWatch::default();
            for said in [CREATED, DELTA] {
                assert_eq!(watch.see(said.as_bytes()), Ok(Seen::Answer));
                assert_eq!(watch.progress(), Progress::Open);
                assert!(watch.end().is_err());
            }
            assert!(watch.see(b"[DONE]").is_err());
            let begun = watch.begun().unwrap();
            assert_eq!(
                (begun.id.as_str(), begun.created, begun.next),
                ("resp_1", 7, 5)
            );
            assert_eq!(watch.see(last.as_bytes()), Ok(Seen::Answer));
            assert_eq!(watch.progress(), Progress::Complete);
            assert_eq!((watch.tokens(), watch.end()), (Some((7, 5)), Ok(())));
            assert_eq!(watch.see(b"[DONE]"), Ok(Seen::Done));
        }
    }

    #[test]
    fn a_failure_is_an_error_first_and_an_end_later() {
        for (failed, error) in [
            (
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"no"}}}"#,
                event(Some("server_error"), "no"),
            ),
            (
                r#"{"type":"response.failed","response":{"error":null}}"#,
                event(None, "the response has failed"),
            ),
            (
                r#"{"type":"error","code":"rate_limit_exceeded","message":"no","param":null}"#,
                event(Some("rate_limit_exceeded"), "no"),
            ),
            (
                r#"{"type":"error","error":{"code":"x","message":"no"}}"#,
                event(Some("x"), "no"),
            ),
        ] {
            let mut watch = ResponseWatch::default();
            assert_eq!(watch.see(failed.as_bytes()), Err(error.clone()), "{failed}");
            watch.see(CREATED.as_bytes()).unwrap();
            let seen = watch.see(failed.as_bytes());
            assert_eq!(seen, Ok(Seen::Failed(error)), "{failed}");
            assert!(watch.end().is_err());
        }
    }

    #[test]
    fn what_is_no_event_is_broken() {
        let see = |data: &str| ResponseWatch::default().see(data.as_bytes());
        for data in ["", "7", "[]", "[{}]", "{", "{}", r#"{"type":7}"#] {
            assert!(matches!(see(data), Err(OciError::Broken { .. })), "{data}");
        }
        let refusal = r#"{"code":"429","message":"no"}"#;
        assert_eq!(see(refusal), Err(event(Some("429"), "no")));
    }

    #[test]
    fn a_whole_response_says_what_it_is() {
        let good =
            r#"{"object":"response","error":null,"status":"completed","usage":{"input_tokens":7}}"#;
        assert_eq!(whole(good.as_bytes()), Ok(Some((7, 0))));
        assert_eq!(whole(br#"{"object":"response"}"#), Ok(None));
        for (body, is_event) in [
            (r#"{"error":{"message":"no"}}"#, true),
            (
                r#"{"object":"response","status":"failed","error":{"message":"no"}}"#,
                true,
            ),
            (r#"{"object":"response","status":"failed"}"#, true),
            (r#"{"code":"InternalServerError","message":"no"}"#, true),
            (r#"{"object":"chat.completion"}"#, false),
            ("[]", false),
            ("<html>", false),
        ] {
            let error = whole(body.as_bytes()).unwrap_err();
            let found = matches!(error, OciError::Event { .. });
            assert_eq!(found, is_event, "{body} {error}");
        }
    }
}
