//! OpenAI to OCI and back, pure: a request, a whole answer, a stream of events, an error. Knows no sockets, clocks or
//! accounts; ids and dates come in as [`ReplyMeta`]. Specification: reference §4 to §6 and §10.

use std::fmt;

use crate::oci::error::OciError;
use crate::oci::wire::{self, ApiFormat};
use crate::openai::chat::{ChatCompletion, ChatRequest};
use crate::openai::error::ApiError;

pub(crate) mod asked;
#[cfg(test)]
mod bombs;
mod chunks;
mod cohere;
mod coherev2;
mod dialect;
mod embeddings;
mod error;
mod event;
pub(crate) mod fields;
mod functions;
#[cfg(test)]
mod fuzz;
mod generic;
#[cfg(test)]
pub(crate) mod golden;
mod grounding;
mod heard;
#[cfg(test)]
mod hostile;
pub(crate) mod listed;
mod logprobs;
mod messages;
#[cfg(test)]
mod mistakes;
pub(crate) mod models;
mod naming;
mod offered;
pub(crate) mod param_repair;
pub(crate) mod passthrough;
#[cfg(test)]
mod property;
mod quirks;
mod repair;
mod reply;
mod rerank;
mod schema;
mod stream;
mod tools;

pub(crate) use chunks::completion_as_chunks;
pub(crate) use dialect::Dialect;
pub(crate) use embeddings::embeddings;
pub(crate) use error::{error, is_about_another_api};
pub(crate) use rerank::rerank;
pub(crate) use stream::{Progress, StreamTranslator};

use models::ModelTarget;

/// What the configuration says about every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Tokens; sent when the client gives no limit, because OCI's own default is about 20.
    pub(crate) default_max_tokens: u32,
    /// Ask OCI for whole answers even when the client wants a stream.
    pub(crate) force_non_stream: bool,
}

/// What an answer is told about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyMeta {
    /// `chatcmpl-…`, one for the whole answer.
    pub(crate) id: String,
    /// Unix seconds. For streams, and for whole answers that do not say when they were made.
    pub(crate) created: u64,
    /// The name that the client used.
    pub(crate) model: String,
    /// From this the ids of tool calls are made that came without one. One for each answer: ids must differ within a
    /// conversation.
    pub(crate) tool_id_seed: String,
    /// The client used `functions`: calls go back as `function_call`.
    pub(crate) function_call: bool,
    /// Of the request.
    pub(crate) dialect: Dialect,
}

#[cfg(test)]
impl ReplyMeta {
    /// Of an answer in that dialect, for tests to which the rest is all the same.
    fn sample(dialect: Dialect) -> Self {
        Self {
            id: "chatcmpl-1".to_owned(),
            created: 7,
            model: "m".to_owned(),
            tool_id_seed: "s".to_owned(),
            function_call: false,
            dialect,
        }
    }
}

/// A request that cannot be put into OCI's words: the client can write it otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRequest {
    message: String,
    /// The field at fault, such as `messages[2].content`.
    param: String,
}

/// The longest reason of a [`BadRequest`], in characters: it may quote the client, and it goes into the log.
const MAX_REASON_CHARS: usize = 400;

impl BadRequest {
    fn invalid(param: impl Into<String>, message: impl fmt::Display) -> Self {
        let param = param.into();
        let mut message = format!("`{param}`: {message}");
        if let Some((end, _)) = message.char_indices().nth(MAX_REASON_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { message, param }
    }
}

impl From<BadRequest> for ApiError {
    fn from(bad: BadRequest) -> Self {
        Self::invalid_request(bad.message, Some(bad.param))
    }
}

/// A whole answer in OpenAI's words. Errors: [`OciError::Broken`] for an answer without a choice.
pub(crate) fn completion(
    result: wire::ChatResult,
    meta: &ReplyMeta,
) -> Result<ChatCompletion, OciError> {
    let mut completion = reply::completion(result, meta)?;
    if meta.function_call {
        functions::call_functions(&mut completion);
    }
    Ok(completion)
}

/// A client's request in OCI's words. Takes it by value: images are moved, not copied.
pub(crate) fn request(
    request: ChatRequest,
    target: &ModelTarget,
    rules: &Rules,
) -> Result<wire::ChatRequest, BadRequest> {
    refuse_what_no_format_has(&request)?;
    let Dialect { format, names } = Dialect::of(&request, target);
    match format {
        ApiFormat::Generic => {
            let request = generic::request(request, target.id(), rules)?;
            Ok(wire::ChatRequest::Generic(Box::new(request)))
        }
        ApiFormat::Cohere => {
            let request = cohere::request(request, target, rules, &names)?;
            Ok(wire::ChatRequest::Cohere(Box::new(request)))
        }
        ApiFormat::CohereV2 => {
            let request = coherev2::request(request, target, rules, &names)?;
            Ok(wire::ChatRequest::CohereV2(Box::new(request)))
        }
    }
}

/// What the answer would be another one without, whichever the format.
fn refuse_what_no_format_has(request: &ChatRequest) -> Result<(), BadRequest> {
    if request.modalities.iter().any(|modality| modality != "text") {
        return Err(BadRequest::invalid(
            "modalities",
            "only `text` can be answered",
        ));
    }
    if request.moderation.is_some() {
        return Err(BadRequest::invalid(
            "moderation",
            "nothing is moderated here: leave it out, and ask a moderation service yourself",
        ));
    }
    Ok(())
}
