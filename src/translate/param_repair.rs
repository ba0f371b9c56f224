//! A parameter that OCI says the model does not take: what may go without changing what was asked for goes, so that the
//! call can be made again. Which model takes which parameter is nowhere to be read and changes with each model, so that
//! nothing is left out beforehand on suspicion. Pure: who calls repeats the call, once and on the same account, remembers
//! the repair by model for [`apply_known`], names it in `x-ociai-dropped-params` and in the log.
//! Source: reference §7 and §8.
//!
//! Never dropped: `messages`, `model`, `tools`, a `tool_choice` or `response_format` other than the default, `n` above 1,
//! `logprobs`, `logit_bias`, `web_search_options`. Without them the answer would be another one, or lack what was asked for.

use serde_json::{Map, Value};

use crate::oci::error::StatusError;
use crate::oci::wire;
use crate::oci::wire::generic;

use super::error::parameter_code;
use super::fields::is_field;
use super::naming::{openai_name, openai_path};
use super::schema::each_schema;

/// What was left out of a request, or written otherwise. One model refuses it always, so that it is worth remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DroppedParam(Fix);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fix {
    Drop(Param),
    /// This value only: the model takes others.
    DropWord(Param, &'static str),
    /// The limit goes out under its other name.
    Rename(Limit),
    /// Of all schemas.
    DropKeywords(Vec<&'static str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Param {
    Temperature,
    TopP,
    TopK,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    Stop,
    ParallelToolCalls,
    ReasoningEffort,
    Verbosity,
    Metadata,
    Prediction,
    ServiceTier,
    StreamOptions,
    ToolChoice,
    ResponseFormat,
    N,
}

/// OpenAI's names, each with the reason why the request is the same without.
const PARAMS: [(Param, &str); 17] = [
    // How the model chooses its words, not what it is asked.
    (Param::Temperature, "temperature"),
    (Param::TopP, "top_p"),
    (Param::TopK, "top_k"),
    (Param::FrequencyPenalty, "frequency_penalty"),
    (Param::PresencePenalty, "presence_penalty"),
    // Best effort, also at OpenAI.
    (Param::Seed, "seed"),
    // The answer has more at its end. Reasoning models refuse it, and clients send it to all alike.
    (Param::Stop, "stop"),
    // A hint; clients must take both, as models do not always follow it.
    (Param::ParallelToolCalls, "parallel_tool_calls"),
    // How long the model thinks and talks.
    (Param::ReasoningEffort, "reasoning_effort"),
    (Param::Verbosity, "verbosity"),
    // For the books.
    (Param::Metadata, "metadata"),
    // Only the speed.
    (Param::Prediction, "prediction"),
    (Param::ServiceTier, "service_tier"),
    // The usage is missing.
    (Param::StreamOptions, "stream_options"),
    // Only what is the default anyway: `auto`, `text` and 1.
    (Param::ToolChoice, "tool_choice"),
    (Param::ResponseFormat, "response_format"),
    (Param::N, "n"),
];

/// Keywords of JSON Schema that a schema can do without: they narrow what a value may be, or only describe it. Without
/// them the model is told less, and what it answers is checked by who reads it.
const KEYWORDS: [&str; 27] = [
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "format",
];

impl DroppedParam {
    /// OpenAI's name of what the answer was made without; `None` if nothing was lost.
    pub(crate) fn lost(&self) -> Option<String> {
        match &self.0 {
            Fix::Drop(param) | Fix::DropWord(param, _) => Some(param.name().to_owned()),
            Fix::Rename(_) => None,
            Fix::DropKeywords(keywords) => {
                let lost = keywords.iter().map(|keyword| format!("schema.{keyword}"));
                Some(lost.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Takes the parameter that the error is about out of the request. `None`, and the request as it was, if the error is about
/// something else, or about what must stay.
pub(crate) fn repair(error: &StatusError, request: &mut wire::ChatRequest) -> Option<DroppedParam> {
    if !matches!(error.status, 400 | 422) {
        return None;
    }
    // What Cohere's formats take is certain (reference §7), and nothing else is sent.
    let wire::ChatRequest::Generic(request) = request else {
        return None;
    };
    let fix = match refused_keywords(&error.message) {
        keywords if keywords.is_empty() => fix_of(error, request)?,
        keywords => Fix::DropKeywords(keywords),
    };
    apply(&fix, request).then_some(DroppedParam(fix))
}

/// Repairs beforehand what the model has refused before. Gives OpenAI's names of what was lost by it.
pub(crate) fn apply_known(
    dropped: &[DroppedParam],
    request: &mut wire::ChatRequest,
) -> Vec<String> {
    let wire::ChatRequest::Generic(request) = request else {
        return Vec::new();
    };
    let applied = dropped.iter().filter(|dropped| apply(&dropped.0, request));
    applied.filter_map(DroppedParam::lost).collect()
}

fn fix_of(error: &StatusError, request: &generic::Request) -> Option<Fix> {
    let code = error.code.as_deref();
    let own = [
        "unsupported_parameter",
        "unsupported_value",
        "unknown_parameter",
    ];
    let code = own
        .into_iter()
        .find(|own| code == Some(own))
        .or_else(|| parameter_code(&error.message))?;
    Some(match named(error)? {
        Named::Limit(limit) => Fix::Rename(limit),
        Named::Param(param) => match param.word(request) {
            Some(word) if code == "unsupported_value" => Fix::DropWord(param, word),
            Some(_) | None => Fix::Drop(param),
        },
    })
}

#[derive(Debug, Clone, Copy)]
enum Named {
    Param(Param),
    Limit(Limit),
}

impl Named {
    /// By OpenAI's name.
    fn of(name: &str) -> Option<Self> {
        match name {
            "max_tokens" => Some(Self::Limit(Limit::MaxTokens)),
            "max_completion_tokens" => Some(Self::Limit(Limit::MaxCompletionTokens)),
            _ => {
                let (param, _) = PARAMS.iter().find(|(_, known)| *known == name)?;
                Some(Self::Param(*param))
            }
        }
    }
}

/// The parameter that the error names as such, else the first that its text names.
fn named(error: &StatusError) -> Option<Named> {
    let path = error.param.as_deref().map(openai_path).unwrap_or_default();
    let field = path.split(['.', '[']).next().unwrap_or_default();
    match Named::of(field) {
        Some(named) => Some(named),
        // A field that must stay.
        None if is_field(field) => None,
        // What was taken for a parameter is none: `Unsupported value: 'minimal'`.
        None => named_in(&error.message),
    }
}

fn named_in(message: &str) -> Option<Named> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut rest = message;
    let mut before = "";
    while let Some(start) = rest.find(is_part) {
        let (skipped, from) = rest.split_at(start);
        let end = from.find(|letter| !is_part(letter)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        // `stop` and `seed` are words like any other, unless they are quoted or announced.
        let coined = word.contains(|letter: char| letter.is_ascii_uppercase() || letter == '_');
        let quoted = skipped.ends_with(['\'', '"', '`']);
        let announced = skipped.ends_with(": ")
            || ["parameter", "parameters", "argument"].contains(&before) && skipped == " ";
        if coined || quoted || announced {
            let named = Named::of(&openai_name(word));
            if named.is_some() {
                return named;
            }
        }
        (before, rest) = (word, after);
    }
    None
}

/// Gemini's way to refuse a schema: `Unknown name "x" at 'tools[0]…'`, a line for each.
fn refused_keywords(message: &str) -> Vec<&'static str> {
    let mut refused = Vec::new();
    for after in message.split("Unknown name ").skip(1) {
        let name = after.trim_start_matches(['\\', '"', '\'']);
        let end = name.find(['\\', '"', '\'']).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let keyword = KEYWORDS.into_iter().find(|keyword| *keyword == name);
        refused.extend(keyword.filter(|keyword| !refused.contains(keyword)));
    }
    refused
}

/// Whether something changed.
fn apply(fix: &Fix, request: &mut generic::Request) -> bool {
    match fix {
        Fix::Drop(param) => param.drop_from(request),
        Fix::DropWord(param, word) => param.word(request) == Some(word) && param.drop_from(request),
        Fix::Rename(limit) => {
            let (from, to) = match limit {
                Limit::MaxTokens => (&mut request.max_tokens, &mut request.max_completion_tokens),
                Limit::MaxCompletionTokens => {
                    (&mut request.max_completion_tokens, &mut request.max_tokens)
                }
            };
            match from.take() {
                Some(limit) => {
                    *to = to.or(Some(limit));
                    true
                }
                None => false,
            }
        }
        Fix::DropKeywords(keywords) => {
            let mut changed = false;
            for schema in schemas(request) {
                each_schema(schema, &mut |schema| {
                    for keyword in keywords {
                        changed |= schema.shift_remove(*keyword).is_some();
                    }
                });
            }
            changed
        }
    }
}

fn schemas(request: &mut generic::Request) -> Vec<&mut Map<String, Value>> {
    let answer = match &mut request.response_format {
        Some(generic::ResponseFormat::JsonSchema { json_schema }) => json_schema.schema.as_mut(),
        Some(generic::ResponseFormat::Text | generic::ResponseFormat::JsonObject) | None => None,
    };
    let tools = request.tools.iter_mut();
    let tools = tools.filter_map(|tool| tool.parameters.as_mut());
    tools.chain(answer).collect()
}

impl Param {
    fn name(self) -> &'static str {
        let row = PARAMS.iter().find(|(param, _)| *param == self);
        row.map_or("", |(_, name)| name)
    }

    /// The value, where it is one of a few words.
    fn word(self, request: &generic::Request) -> Option<&'static str> {
        match self {
            Self::ReasoningEffort => request.reasoning_effort,
            Self::Verbosity => request.verbosity,
            Self::ServiceTier => request.service_tier,
            Self::Temperature
            | Self::TopP
            | Self::TopK
            | Self::FrequencyPenalty
            | Self::PresencePenalty
            | Self::Seed
            | Self::Stop
            | Self::ParallelToolCalls
            | Self::Metadata
            | Self::Prediction
            | Self::StreamOptions
            | Self::ToolChoice
            | Self::ResponseFormat
            | Self::N => None,
        }
    }

    /// Whether it was there, and may go.
    fn drop_from(self, request: &mut generic::Request) -> bool {
        match self {
            Self::Temperature => request.temperature.take().is_some(),
            Self::TopP => request.top_p.take().is_some(),
            Self::TopK => request.top_k.take().is_some(),
            Self::FrequencyPenalty => request.frequency_penalty.take().is_some(),
            Self::PresencePenalty => request.presence_penalty.take().is_some(),
            Self::Seed => request.seed.take().is_some(),
            Self::Stop => !std::mem::take(&mut request.stop).is_empty(),
            Self::ParallelToolCalls => request.is_parallel_tool_calls.take().is_some(),
            Self::ReasoningEffort => request.reasoning_effort.take().is_some(),
            Self::Verbosity => request.verbosity.take().is_some(),
            Self::Metadata => request.metadata.take().is_some(),
            Self::Prediction => request.prediction.take().is_some(),
            Self::ServiceTier => request.service_tier.take().is_some(),
            Self::StreamOptions => request.stream_options.take().is_some(),
            Self::ToolChoice => {
                let auto =
                    |choice: &mut generic::ToolChoice| matches!(choice, generic::ToolChoice::Auto);
                request.tool_choice.take_if(auto).is_some()
            }
            Self::ResponseFormat => {
                let text = |format: &mut generic::ResponseFormat| {
                    matches!(format, generic::ResponseFormat::Text)
                };
                request.response_format.take_if(text).is_some()
            }
            Self::N => request.num_generations.take_if(|n| *n == 1).is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
