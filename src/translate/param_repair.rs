//! A parameter that OCI says the model does not take: what may go without changing what was asked for goes, so that the
//! call can be made again. Which model takes which parameter is nowhere to be read and changes with each model, so that
//! nothing is left out beforehand on suspicion. What an error means is read here, `apply` changes the request. Pure: who
//! calls makes the call again at once and on the same account, remembers by model for [`apply_known`] what has helped, names
//! it in `x-ociai-dropped-params` and in the log.
//! Source: reference §7 and §8.
//!
//! Never dropped: `messages`, `model`, `tools`, a `tool_choice` or `response_format` other than the default, `n` above 1,
//! `logprobs`, `logit_bias`, `web_search_options`. Without them the answer would be another one, or lack what was asked for.

use std::fmt;

use crate::oci::error::StatusError;
use crate::oci::wire::ChatRequest;
use crate::translate::passthrough::Passed;

use super::error::parameter_code;
use super::fields::is_field;
use super::naming::{openai_name, openai_path};

use apply::apply;

mod apply;
mod passed;

/// A request in the words of either of OCI's APIs.
pub(crate) enum Repairable<'a> {
    Native(&'a mut ChatRequest),
    Passed(&'a mut Passed),
}

impl<'a> From<&'a mut ChatRequest> for Repairable<'a> {
    fn from(request: &'a mut ChatRequest) -> Self {
        Self::Native(request)
    }
}

impl<'a> From<&'a mut Passed> for Repairable<'a> {
    fn from(request: &'a mut Passed) -> Self {
        Self::Passed(request)
    }
}

impl Repairable<'_> {
    /// `true`: something changed.
    fn apply(&mut self, fix: &Fix) -> bool {
        match self {
            Self::Native(request) => apply(fix, request),
            Self::Passed(request) => passed::apply(fix, request),
        }
    }

    /// A value that is one of a few words, as the native API writes it.
    fn word(&self, param: Param) -> Option<&'static str> {
        match self {
            Self::Native(request) => param.word(request),
            Self::Passed(request) => passed::word(param, request),
        }
    }

    /// The first of the two penalties that it has.
    fn penalty(&self) -> Option<Param> {
        match self {
            Self::Native(request) => apply::penalty_in(request),
            Self::Passed(request) => passed::penalty_in(request),
        }
    }
}

/// What was left out of a request, or written otherwise. The model will refuse it again, so that it is worth remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DroppedParam {
    fix: Fix,
    /// Only of requests with the effort that this one had: some models choose their words as told when they do not think.
    only_with: Option<Effort>,
}

/// OCI's word for how long the model thinks, if the request says.
type Effort = Option<&'static str>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fix {
    Drop(Param),
    /// This value only: the model takes others.
    DropWord(Param, &'static str),
    /// The limit goes out under its other name.
    Rename(Limit),
    /// With tools only: the model calls them if it does not think before.
    NoThoughtWithTools,
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
    Strict,
}

/// What may go, by OpenAI's names, each with the reason why the request is the same without; and whether it is about how the
/// model chooses its words.
const PARAMS: [(Param, &str, bool); 18] = [
    // How the model chooses its words, not what it is asked.
    (Param::Temperature, "temperature", true),
    (Param::TopP, "top_p", true),
    (Param::TopK, "top_k", true),
    (Param::FrequencyPenalty, "frequency_penalty", true),
    (Param::PresencePenalty, "presence_penalty", true),
    // Best effort, also at OpenAI.
    (Param::Seed, "seed", true),
    // The answer has more at its end. Reasoning models refuse it, and clients send it to all alike.
    (Param::Stop, "stop", true),
    // A hint; clients must take both, as models do not always follow it.
    (Param::ParallelToolCalls, "parallel_tool_calls", false),
    // How long the model thinks and talks.
    (Param::ReasoningEffort, "reasoning_effort", false),
    (Param::Verbosity, "verbosity", false),
    // For the books.
    (Param::Metadata, "metadata", false),
    // Only the speed.
    (Param::Prediction, "prediction", false),
    (Param::ServiceTier, "service_tier", false),
    // The usage is missing.
    (Param::StreamOptions, "stream_options", false),
    // Only what is the default anyway: `auto`, `text` and 1.
    (Param::ToolChoice, "tool_choice", false),
    (Param::ResponseFormat, "response_format", false),
    (Param::N, "n", false),
    // Who reads the answer checks it.
    (Param::Strict, "strict", false),
];

/// Keywords of JSON Schema that a schema can do without: they narrow what a value may be, or only describe it. Without
/// them the model is told less, and what it answers is checked by who reads it.
const KEYWORDS: [&str; 28] = [
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
    "const",
];

/// How Gemini refuses either of the two penalties without naming it.
const PENALTY_WORDS: &str = "Penalty is not enabled";

impl DroppedParam {
    /// Whether remembering both would be a contradiction: a limit has one name.
    pub(crate) fn replaces(&self, older: &Self) -> bool {
        matches!((&self.fix, &older.fix), (Fix::Rename(_), Fix::Rename(_)))
    }

    /// OpenAI's name of what the answer was made without; `None` if nothing was lost.
    pub(crate) fn lost(&self) -> Option<String> {
        match &self.fix {
            Fix::Drop(param) | Fix::DropWord(param, _) => Some(param.name().to_owned()),
            Fix::Rename(_) => None,
            Fix::NoThoughtWithTools => Some(Param::ReasoningEffort.name().to_owned()),
            Fix::DropKeywords(keywords) => {
                let lost = keywords.iter().map(|keyword| format!("schema.{keyword}"));
                Some(lost.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Param {
    fn name(self) -> &'static str {
        let row = PARAMS.iter().find(|(param, ..)| *param == self);
        row.map_or("", |(_, name, _)| name)
    }

    /// Whether it is about how the model chooses its words.
    fn is_sampling(self) -> bool {
        let row = PARAMS.iter().find(|(param, ..)| *param == self);
        row.is_some_and(|(.., is_sampling)| *is_sampling)
    }
}

/// For the log: what is refused, and what becomes of it.
impl fmt::Display for DroppedParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fix, self.lost()) {
            (Fix::NoThoughtWithTools, _) => f.write_str("to think beside tools: it is told not to"),
            (_, Some(lost)) => write!(f, "{lost}: left out of its requests"),
            (_, None) => f.write_str("a limit's name: it goes out under the other one"),
        }
    }
}

/// Takes the parameter that the error is about out of the request. `None`, and the request as it was, if the error is about
/// something else, or about what must stay.
pub(crate) fn repair<'a>(
    error: &StatusError,
    request: impl Into<Repairable<'a>>,
) -> Option<DroppedParam> {
    let mut request = request.into();
    if !matches!(error.status, 400 | 422) {
        return None;
    }
    let fix = match refused_keywords(&error.message) {
        keywords if keywords.is_empty() => fix_of(error, &request)?,
        keywords => Fix::DropKeywords(keywords),
    };
    let only_with = match fix {
        Fix::Drop(param) if param.is_sampling() => Some(effort(&request)),
        Fix::Drop(_)
        | Fix::DropWord(..)
        | Fix::Rename(_)
        | Fix::NoThoughtWithTools
        | Fix::DropKeywords(_) => None,
    };
    request
        .apply(&fix)
        .then_some(DroppedParam { fix, only_with })
}

/// Whether two refusals are of one thing, as far as they say.
pub(crate) fn is_about_the_same(one: &StatusError, other: &StatusError) -> bool {
    match (named(one), named(other)) {
        (Some(one), Some(other)) => one == other,
        (_, None) | (None, _) => one.message == other.message,
    }
}

fn effort(request: &Repairable<'_>) -> Effort {
    request.word(Param::ReasoningEffort)
}

/// Repairs beforehand what the model has refused before. Gives OpenAI's names of what was lost by it.
pub(crate) fn apply_known<'a>(
    dropped: &[DroppedParam],
    request: impl Into<Repairable<'a>>,
) -> Vec<String> {
    let mut request = request.into();
    let applied = dropped.iter().filter(|dropped| {
        let fits = dropped
            .only_with
            .is_none_or(|with| with == effort(&request));
        fits && request.apply(&dropped.fix)
    });
    applied.filter_map(DroppedParam::lost).collect()
}

fn fix_of(error: &StatusError, request: &Repairable<'_>) -> Option<Fix> {
    if refuses_thought_with_tools(error) {
        return Some(Fix::NoThoughtWithTools);
    }
    if error.message.starts_with(PENALTY_WORDS) {
        return request.penalty().map(Fix::Drop);
    }
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
        Named::Param(param) => match request.word(param) {
            Some(word) if code == "unsupported_value" => Fix::DropWord(param, word),
            Some(_) | None => Fix::Drop(param),
        },
    })
}

/// OpenAI's newer models think by themselves and call functions in this API only if told not to: the message says so, its
/// parameter is the effort, and there is no code.
fn refuses_thought_with_tools(error: &StatusError) -> bool {
    let is_effort = |param: &str| openai_path(param) == Param::ReasoningEffort.name();
    error.param.as_deref().is_some_and(is_effort) && error.message.starts_with("Function tools")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
                let (param, ..) = PARAMS.iter().find(|(_, known, _)| *known == name)?;
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
            let name = openai_name(word);
            let named = Named::of(&name);
            // What is said of a field that must stay is not said of those that are named behind it.
            if named.is_some() || is_field(&name) {
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

#[cfg(test)]
mod tests;
