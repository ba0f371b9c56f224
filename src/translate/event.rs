//! Hears one event of a stream, or a whole answer, in the format that it came in. Here formats meet; what comes of an event is
//! the stream's business.

use serde::de::DeserializeOwned;

use crate::json;
use crate::oci::error::OciError;
use crate::oci::wire::generic::{Choice, Event, Response};
use crate::oci::wire::{ApiFormat, ChatResponse, TextOr};

use super::dialect::Dialect;
use super::heard::{Heard, failure};
use super::{cohere, coherev2, grounding};

/// The longest text quoted from an event that is no JSON, in characters.
const MAX_QUOTE_CHARS: usize = 80;

/// Remembers of a stream what its format needs to understand the next event.
pub(super) enum Listener {
    Generic,
    Cohere(Box<cohere::answer::Listener>),
    CohereV2(Box<coherev2::answer::Listener>),
}

impl Listener {
    pub(super) fn new(dialect: Dialect) -> Self {
        let Dialect { format, names } = dialect;
        match format {
            ApiFormat::Generic => Self::Generic,
            ApiFormat::Cohere => Self::Cohere(Box::new(cohere::answer::Listener::new(names))),
            ApiFormat::CohereV2 => Self::CohereV2(Box::new(coherev2::answer::Listener::new(names))),
        }
    }

    /// Errors: [`OciError::Broken`] for what is no JSON object, [`OciError::Event`] for an error event.
    pub(super) fn hear(&mut self, event: &str) -> Result<Heard, OciError> {
        match self {
            Self::Generic => generic(parse(event)?),
            Self::Cohere(listener) => listener.hear(parse(event)?),
            Self::CohereV2(listener) => listener.hear(parse(event)?),
        }
    }
}

/// A whole answer says at once what a stream says in pieces. Errors: as for an event, and [`OciError::Broken`] for an
/// answer that says nothing.
pub(super) fn whole(response: ChatResponse, dialect: &Dialect) -> Result<Response, OciError> {
    let names = || dialect.names.clone();
    let heard = match response {
        ChatResponse::Generic(response) => {
            let reasons = response.choices.iter();
            let mut reasons = reasons.map(|choice| choice.finish_reason.as_deref());
            return match reasons.find_map(failed) {
                Some(error) => Err(error),
                None => Ok(response),
            };
        }
        ChatResponse::Cohere(answer) => cohere::answer::Listener::new(names()).hear(answer),
        ChatResponse::CohereV2(answer) => coherev2::answer::Listener::new(names()).hear(answer),
    }?;
    if heard.answer.is_none() && !heard.complete {
        return Err(OciError::Broken {
            why: "the answer is empty".to_owned(),
        });
    }
    let mut message = heard.answer.unwrap_or_default();
    message.tool_calls = heard.calls.into_iter().map(|(_, call)| call).collect();
    Ok(Response {
        choices: vec![Choice {
            message,
            finish_reason: heard.finish_reason,
            logprobs: heard.logprobs,
            ..Choice::default()
        }],
        usage: heard.usage,
        ..Response::default()
    })
}

/// A finish reason that is no end but a failure; it must not look whole.
fn failed(reason: Option<&str>) -> Option<OciError> {
    let failed = reason.is_some_and(|reason| reason.eq_ignore_ascii_case("error"));
    failed.then(|| OciError::Event {
        code: None,
        message: "the model stopped with an error".to_owned(),
    })
}

fn generic(event: Event) -> Result<Heard, OciError> {
    let (said, message) = match event.message {
        Some(TextOr::Object(message)) => (None, Some(message)),
        Some(TextOr::Text(text)) => (Some(text), None),
        None => (None, None),
    };
    let says_more = message.is_some() || event.finish_reason.is_some();
    let error = failure(event.error, said, event.code, says_more);
    if let Some(error) = error.or_else(|| failed(event.finish_reason.as_deref())) {
        return Err(error);
    }
    let mut answer = grounding::with_sources(message, event.grounding_metadata);
    let calls = answer
        .as_mut()
        .map(|answer| std::mem::take(&mut answer.tool_calls));
    Ok(Heard {
        index: event.index,
        answer,
        calls: calls.into_iter().flatten().enumerate().collect(),
        finish_reason: event.finish_reason,
        logprobs: event.logprobs,
        usage: event.usage,
        complete: false,
    })
}

fn parse<T: DeserializeOwned>(event: &str) -> Result<T, OciError> {
    // A struct can be read from a list too, which no event is.
    let parsed = if event.starts_with('{') {
        json::read(event.as_bytes()).ok()
    } else {
        None
    };
    parsed.ok_or_else(|| OciError::Broken {
        why: format!(
            "an event is no JSON object: {:?}",
            event.chars().take(MAX_QUOTE_CHARS).collect::<String>()
        ),
    })
}
