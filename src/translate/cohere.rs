//! A request in the COHERE format, and what COHEREV2 has in common with it. Source: reference §4.3, §5 and §10.1.
//!
//! What the format cannot express is dropped (`logprobs`, `logit_bias`, `parallel_tool_calls`, `reasoning_effort` and
//! others), unless the answer would then be another one: several choices, images, and a call that must be made are
//! refused. `isForceSingleStep` is no way to force a call: it says how many rounds of calls there may be, not that there
//! is one.

use serde_json::Number;

use crate::oci::error::OciError;
use crate::oci::wire::cohere as wire;
use crate::oci::wire::generic;
use crate::oci::wire::{ApiFormat, ServingMode};
use crate::openai::chat::ChatRequest;
use crate::openai::message::{Content, Part, PartKind};

use super::coherev2::document;
use super::dialect::ToolNames;
use super::generic::{is_stream, max_tokens};
use super::messages::messages;
use super::models::ModelTarget;
use super::offered::{Offered, offered};
use super::quirks::Quirks;
use super::{BadRequest, Rules};

pub(super) mod answer;
mod python;
mod tools;
mod turns;

/// Stands for the empty text of an assistant's turn, which both of Cohere's formats refuse. Oracle's own client sends it.
pub(super) const FILLER: &str = " ";

/// Tokens; on demand OCI fails a COHERE request that asks for more.
const MAX_TOKENS_ON_DEMAND: u64 = 4000;

pub(super) fn request(
    mut request: ChatRequest,
    target: &ModelTarget,
    rules: &Rules,
    names: &ToolNames,
) -> Result<wire::Request, BadRequest> {
    refuse_what_changes_the_answer(&request, ApiFormat::Cohere)?;
    let is_stream = is_stream(&request, rules);
    let max_tokens = match target.serving_mode() {
        ServingMode::OnDemand { .. } => max_tokens(&request, rules).min(MAX_TOKENS_ON_DEMAND),
        ServingMode::Dedicated { .. } => max_tokens(&request, rules),
    };
    let quirks = Quirks::of(target.id());
    let Offered {
        mut tools,
        tool_choice,
        choice_param,
        response_format: format,
    } = offered(&mut request, quirks)?;
    match tool_choice {
        None | Some(generic::ToolChoice::Auto) => {}
        Some(generic::ToolChoice::None) => tools.clear(),
        Some(generic::ToolChoice::Required | generic::ToolChoice::Function { .. }) => {
            return Err(BadRequest::invalid(
                choice_param,
                "this model cannot be made to call a function, only `auto` and `none` are possible",
            ));
        }
    }
    let messages = messages(request.messages, quirks)?;
    let turns::Conversation {
        preamble,
        history,
        now,
    } = turns::conversation(messages, names)?;
    let (message, tool_results) = match now {
        turns::Now::Asked(message) => (message, Vec::new()),
        turns::Now::Answered(results) => (String::new(), results),
    };
    Ok(wire::Request {
        message,
        chat_history: history,
        preamble_override: preamble,
        is_stream,
        stream_options: stream_options(is_stream),
        max_tokens: Some(max_tokens),
        temperature: request.temperature,
        top_k: request.top_k.map(top_k),
        top_p: request.top_p,
        frequency_penalty: request.frequency_penalty.filter(is_not_negative),
        presence_penalty: request.presence_penalty.filter(is_not_negative),
        seed: request.seed,
        stop_sequences: request.stop,
        response_format: format.map(response_format),
        tools: tools::tools(tools, names),
        tool_results,
    })
}

/// Several choices, and parts that the format has no word for.
pub(super) fn refuse_what_changes_the_answer(
    request: &ChatRequest,
    format: ApiFormat,
) -> Result<(), BadRequest> {
    if request.choices() > 1 {
        return Err(BadRequest::invalid(
            "n",
            "this model gives one answer only: send `n` as 1, or ask several times",
        ));
    }
    let newer = format == ApiFormat::CohereV2;
    let is_text = |part: &Part| {
        let data = part
            .file
            .as_ref()
            .and_then(|file| file.file_data.as_deref());
        data.and_then(document::text).is_some()
    };
    for (at, message) in request.messages.iter().enumerate() {
        let at = message.at.unwrap_or(at);
        let Some(Content::Parts(parts)) = &message.content else {
            continue;
        };
        for part in parts {
            let kind = match part.kind {
                None | Some(PartKind::Text | PartKind::Refusal) => continue,
                Some(PartKind::ImageUrl) if newer => continue,
                Some(PartKind::File) if newer && is_text(part) => continue,
                Some(PartKind::ImageUrl) => "an image",
                Some(PartKind::VideoUrl) => "a video",
                Some(PartKind::InputAudio) => "sound",
                Some(PartKind::File) => "such a file",
            };
            let only = if newer {
                "text, images and text files"
            } else {
                "text"
            };
            return Err(BadRequest::invalid(
                format!("messages[{at}].content[{}]", part.at),
                format!("this model takes {only} only and cannot be sent {kind}"),
            ));
        }
    }
    Ok(())
}

/// What an assistant said, never empty.
pub(super) fn spoken(text: String, refusal: Option<String>) -> String {
    let said = if text.is_empty() {
        refusal.unwrap_or_default()
    } else {
        text
    };
    if said.is_empty() {
        FILLER.to_owned()
    } else {
        said
    }
}

/// The usage is always asked for: whether the client gets it is decided on the way back.
pub(super) fn stream_options(is_stream: Option<bool>) -> Option<generic::StreamOptions> {
    (is_stream == Some(true)).then_some(generic::StreamOptions {
        is_include_usage: true,
    })
}

/// Elsewhere -1 means all, which is 0 here.
pub(super) fn top_k(top_k: i64) -> i64 {
    top_k.max(0)
}

fn is_not_negative(number: &Number) -> bool {
    number.as_f64().is_some_and(|number| number >= 0.0)
}

/// A named schema is a schema all the same; its name and strictness have no counterpart.
pub(super) fn response_format(format: generic::ResponseFormat) -> wire::ResponseFormat {
    match format {
        generic::ResponseFormat::Text => wire::ResponseFormat::Text,
        generic::ResponseFormat::JsonObject => wire::ResponseFormat::JsonObject { schema: None },
        generic::ResponseFormat::JsonSchema { json_schema } => wire::ResponseFormat::JsonObject {
            schema: json_schema.schema,
        },
    }
}

/// The finish reason in the words that GENERIC has for it, or the error that it is. A prompt or an answer found toxic is
/// no error but a filtered answer; a cancelled one is cut off and must not look whole.
pub(super) fn finish_reason(
    reason: Option<String>,
    error_message: Option<String>,
) -> Result<Option<String>, OciError> {
    let word = reason.as_deref().unwrap_or_default().to_ascii_uppercase();
    let failed = word.starts_with("ERROR") || word == "USER_CANCEL";
    // ERROR alone says no more than that there is one.
    let code = || reason.clone().filter(|_| failed && word != "ERROR");
    match (word.as_str(), error_message) {
        ("ERROR_TOXIC", _) => Ok(Some("content_filter".to_owned())),
        (_, Some(message)) => Err(OciError::Event {
            code: code(),
            message,
        }),
        (_, None) if failed => Err(OciError::Event {
            code: code(),
            message: format!("the model stopped with {word}"),
        }),
        ("TOOL_CALL", None) => Ok(Some("tool_calls".to_owned())),
        // COMPLETE and STOP_SEQUENCE are plain ends, MAX_TOKENS is GENERIC's word too.
        (_, None) => Ok(reason),
    }
}

#[cfg(test)]
mod tests;
