//! What becomes of every field of a chat request, by format: the README's table, and what the tests hold the translation
//! to. Source: OpenAI API reference, Create chat completion; reference §10.1.

use crate::oci::wire::ApiFormat;

use Fate::{Dropped, Refused, Translated};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at OCI, under these names, separated by commas.
    Translated(&'static str),
    /// It is left out, and the answer means the same. Says why.
    Dropped(&'static str),
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
pub(crate) const FIELDS: [Field; 36] = [
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
        Dropped(ALIKE),
        Dropped(ALIKE),
    ),
    row(
        "logprobs",
        Translated("logProbs"),
        Dropped(ALIKE),
        Translated("isLogProbsEnabled"),
    ),
    same(
        "max_completion_tokens",
        Translated("maxTokens, maxCompletionTokens"),
    ),
    same("max_tokens", Translated("maxTokens, maxCompletionTokens")),
    row(
        "metadata",
        Translated("metadata"),
        Dropped(NOBODY_READS),
        Dropped(NOBODY_READS),
    ),
    same("modalities", Refused(NOT_TEXT)),
    row(
        "n",
        Translated("numGenerations"),
        Refused(MORE_THAN_ONE),
        Refused(MORE_THAN_ONE),
    ),
    row(
        "parallel_tool_calls",
        Translated("isParallelToolCalls"),
        Dropped(ALL_AT_ONCE),
        Dropped(ALL_AT_ONCE),
    ),
    row(
        "prediction",
        Translated("prediction"),
        Dropped(ALIKE),
        Dropped(ALIKE),
    ),
    same("presence_penalty", Translated("presencePenalty")),
    same("prompt_cache_key", Dropped(NO_CACHE)),
    same("prompt_cache_retention", Dropped(NO_CACHE)),
    row(
        "reasoning_effort",
        Translated("reasoningEffort"),
        Dropped(ALIKE),
        Translated("thinking"),
    ),
    same("response_format", Translated("responseFormat")),
    same("safety_identifier", Dropped(NOBODY_READS)),
    same("seed", Translated("seed")),
    row(
        "service_tier",
        Translated("serviceTier"),
        Dropped(ALIKE),
        Dropped(ALIKE),
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
        Dropped(ALIKE),
        Dropped("how many alternatives to a token cannot be said"),
    ),
    same("top_p", Translated("topP")),
    same("user", Dropped(NOBODY_READS)),
    row(
        "verbosity",
        Translated("verbosity"),
        Dropped(ALIKE),
        Dropped(ALIKE),
    ),
    row(
        "web_search_options",
        Translated("webSearchOptions"),
        Dropped("Cohere's models on OCI cannot search"),
        Dropped("Cohere's models on OCI cannot search"),
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
            Dropped(why) => Some(why),
            Translated(_) | Refused(_) => None,
        },
        None => Some("it is no field that this program knows"),
    }
}

#[cfg(test)]
mod tests;
