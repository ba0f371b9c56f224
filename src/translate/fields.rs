//! What becomes of every field of a chat request, by format: the README's table, and what the tests hold the translation
//! to. Source: OpenAI API reference, Create chat completion; reference §10.1.

use serde_json::{Map, Number, Value};

use crate::oci::wire::ApiFormat;
use crate::openai::chat::{ChatRequest, ReasoningEffort, Verbosity};

use super::generic::service_tier;

use Fate::{Dropped, Lost, Refused, Translated};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at OCI, under these names, separated by commas.
    Translated(&'static str),
    /// It is left out, and the answer means the same. Says why.
    Dropped(&'static str),
    /// It is left out as the format has no word for it, and the client is told; see [`lost`]. Says why.
    Lost(&'static str),
    /// 400 that names it. Says when; otherwise it changes nothing.
    Refused(&'static str),
}

/// A field of OpenAI's request.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    generic: Fate,
    cohere: Fate,
    cohere_v2: Fate,
}

const ALIKE: &str = "Cohere has no such parameter";
const KEPT_NOWHERE: &str = "nothing is kept here";
const NO_CACHE: &str = "it is about a cache of OpenAI's own";
const NOBODY_READS: &str = "OCI has no field for it";
const ONLY_SOUND: &str = "it is about answers in sound, which `modalities` refuses";
const NOT_TEXT: &str = "anything but `text`";
const MUST_CALL: &str = "a call that must be made; `none` leaves the tools out";
const MORE_THAN_ONE: &str = "above 1";
const ALL_AT_ONCE: &str = "Cohere decides for itself how many calls it makes";

/// A row whose fate is the same in all formats.
const fn same(name: &'static str, fate: Fate) -> Field {
    row(name, fate, fate, fate)
}

const fn row(name: &'static str, generic: Fate, cohere: Fate, cohere_v2: Fate) -> Field {
    Field {
        name,
        generic,
        cohere,
        cohere_v2,
    }
}

/// In the alphabet's order, but for the two that every request has.
pub(crate) const FIELDS: [Field; 38] = [
    same("model", Translated("servingMode")),
    row(
        "messages",
        Translated("messages"),
        Translated("message, chatHistory, preambleOverride, toolResults"),
        Translated("messages"),
    ),
    same("audio", Dropped(ONLY_SOUND)),
    same("frequency_penalty", Translated("frequencyPenalty")),
    row(
        "function_call",
        Translated("toolChoice"),
        Refused(MUST_CALL),
        Translated("toolsChoice"),
    ),
    same("functions", Translated("tools")),
    row(
        "logit_bias",
        Translated("logitBias"),
        Lost(ALIKE),
        Lost(ALIKE),
    ),
    row(
        "logprobs",
        Translated("logProbs"),
        Lost(ALIKE),
        Translated("isLogProbsEnabled"),
    ),
    same(
        "max_completion_tokens",
        Translated("maxTokens, maxCompletionTokens"),
    ),
    same("max_tokens", Translated("maxTokens, maxCompletionTokens")),
    row("metadata", Translated("metadata"), Lost(ALIKE), Lost(ALIKE)),
    same("modalities", Refused(NOT_TEXT)),
    same("moderation", Refused("nothing is moderated here")),
    row(
        "n",
        Translated("numGenerations"),
        Refused(MORE_THAN_ONE),
        Refused(MORE_THAN_ONE),
    ),
    row(
        "parallel_tool_calls",
        Translated("isParallelToolCalls"),
        Lost(ALL_AT_ONCE),
        Lost(ALL_AT_ONCE),
    ),
    row(
        "prediction",
        Translated("prediction"),
        Lost(ALIKE),
        Lost(ALIKE),
    ),
    same("presence_penalty", Translated("presencePenalty")),
    same("prompt_cache_key", Dropped(NO_CACHE)),
    same("prompt_cache_options", Dropped(NO_CACHE)),
    same("prompt_cache_retention", Dropped(NO_CACHE)),
    row(
        "reasoning_effort",
        Translated("reasoningEffort"),
        Lost(ALIKE),
        Translated("thinking"),
    ),
    same("response_format", Translated("responseFormat")),
    same("safety_identifier", Dropped(NOBODY_READS)),
    same("seed", Translated("seed")),
    row(
        "service_tier",
        Translated("serviceTier"),
        Lost(ALIKE),
        Lost(ALIKE),
    ),
    row(
        "stop",
        Translated("stop"),
        Translated("stopSequences"),
        Translated("stopSequences"),
    ),
    same("store", Dropped(KEPT_NOWHERE)),
    same("stream", Translated("isStream, streamOptions")),
    same("stream_options", Translated("streamOptions")),
    same("temperature", Translated("temperature")),
    row(
        "tool_choice",
        Translated("toolChoice"),
        Refused(MUST_CALL),
        Translated("toolsChoice"),
    ),
    same("tools", Translated("tools")),
    row(
        "top_logprobs",
        Translated("logProbs"),
        Lost(ALIKE),
        Lost("how many alternatives to a token cannot be said"),
    ),
    same("top_p", Translated("topP")),
    same("user", Dropped(NOBODY_READS)),
    row(
        "verbosity",
        Translated("verbosity"),
        Lost(ALIKE),
        Lost(ALIKE),
    ),
    row(
        "web_search_options",
        Translated("webSearchOptions"),
        Lost("Cohere's models on OCI cannot search"),
        Lost("Cohere's models on OCI cannot search"),
    ),
    same("top_k", Translated("topK")),
];

impl Field {
    pub(crate) fn fate(&self, format: ApiFormat) -> Fate {
        match format {
            ApiFormat::Generic => self.generic,
            ApiFormat::Cohere => self.cohere,
            ApiFormat::CohereV2 => self.cohere_v2,
        }
    }
}

/// Whether it is a field of OpenAI's request, or one of its widespread extensions.
pub(super) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|field| field.name == name)
}

/// Why a field that a request has is left out; `None` if it is not. Unknown fields are: they are an extension of another
/// server, or a newer field of OpenAI's, and OCI answers 400 to what it does not know.
pub(crate) fn why_dropped(name: &str, format: ApiFormat) -> Option<&'static str> {
    match FIELDS.iter().find(|field| field.name == name) {
        Some(field) => match field.fate(format) {
            Dropped(why) | Lost(why) => Some(why),
            Translated(_) | Refused(_) => None,
        },
        None => Some("it is no field that this program knows"),
    }
}

/// OpenAI's names of what the request asks for and its format has no word for. A value that changes nothing is not asked for.
pub(crate) fn lost(request: &ChatRequest, format: ApiFormat) -> Vec<&'static str> {
    let lost = FIELDS.iter().filter(|field| match field.fate(format) {
        Lost(_) => asks_for(request, field.name),
        Translated(_) => match format {
            ApiFormat::Generic => field.name == "service_tier" && has_other_tier(request),
            ApiFormat::Cohere => is_negative(request, field.name),
            ApiFormat::CohereV2 => false,
        },
        Dropped(_) | Refused(_) => false,
    });
    lost.map(|field| field.name).collect()
}

fn asks_for(request: &ChatRequest, name: &str) -> bool {
    let any = |map: &Option<Map<String, Value>>| map.as_ref().is_some_and(|map| !map.is_empty());
    match name {
        "logit_bias" => any(&request.logit_bias),
        "logprobs" => request.logprobs == Some(true),
        "metadata" => any(&request.metadata),
        "parallel_tool_calls" => request.parallel_tool_calls == Some(false),
        "prediction" => request.prediction.is_some(),
        "reasoning_effort" => request
            .reasoning_effort
            .is_some_and(|effort| effort != ReasoningEffort::None),
        "service_tier" => request
            .service_tier
            .as_deref()
            .is_some_and(|tier| !matches!(tier, "auto" | "default")),
        "top_logprobs" => request.top_logprobs.is_some_and(|top| top > 0),
        "verbosity" => request
            .verbosity
            .is_some_and(|verbosity| verbosity != Verbosity::Medium),
        "web_search_options" => request.web_search_options.is_some(),
        _ => false,
    }
}

/// One of OpenAI's that OCI has no word for.
fn has_other_tier(request: &ChatRequest) -> bool {
    let tier = request.service_tier.as_deref();
    tier.is_some_and(|tier| service_tier(tier).is_none())
}

/// COHERE knows no negative penalties.
fn is_negative(request: &ChatRequest, name: &str) -> bool {
    let penalty = match name {
        "frequency_penalty" => &request.frequency_penalty,
        "presence_penalty" => &request.presence_penalty,
        _ => return false,
    };
    penalty
        .as_ref()
        .and_then(Number::as_f64)
        .is_some_and(|penalty| penalty < 0.0)
}

#[cfg(test)]
mod tests;
