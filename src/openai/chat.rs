//! A chat request, and a whole answer to it. Parsing is lenient where clients are (`null` is absent, unknown fields are
//! ignored) and names the field at fault where it is not. What a field means to OCI is the translator's business.
//! Source: OpenAI API reference, Create chat completion and The chat completion object.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::body;
use super::error::ApiError;
use super::fields;
use super::message::{Content, Message};
use super::models;
use super::tools::{Function, Tool, ToolChoice};

/// Largest `n`. Source: OpenAI API reference.
pub(crate) const MAX_CHOICES: u32 = 128;

/// Fields that are absent here (`user`, `store` and the like) are ignored: no upstream format can express them, and
/// the answer means the same without.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ChatRequest {
    /// Never empty after [`ChatRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) model: String,
    /// Never empty after [`ChatRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) messages: Vec<Message>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(default)]
    pub(crate) stream_options: Option<StreamOptions>,
    /// At least 1 after [`ChatRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) max_tokens: Option<i64>,
    /// The newer name of `max_tokens`, which it overrides. At least 1 after [`ChatRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) max_completion_tokens: Option<i64>,
    #[serde(default)]
    pub(crate) temperature: Option<Number>,
    #[serde(default)]
    pub(crate) top_p: Option<Number>,
    /// An extension that many clients know.
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) top_k: Option<i64>,
    #[serde(default)]
    pub(crate) frequency_penalty: Option<Number>,
    #[serde(default)]
    pub(crate) presence_penalty: Option<Number>,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) seed: Option<i64>,
    #[serde(default, deserialize_with = "fields::strings")]
    pub(crate) stop: Vec<String>,
    /// 1 to [`MAX_CHOICES`] after [`ChatRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) n: Option<i64>,
    #[serde(default)]
    pub(crate) logprobs: Option<bool>,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) top_logprobs: Option<i64>,
    #[serde(default)]
    pub(crate) logit_bias: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) response_format: Option<ResponseFormat>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) tools: Vec<Tool>,
    #[serde(default)]
    pub(crate) tool_choice: Option<ToolChoice>,
    #[serde(default)]
    pub(crate) parallel_tool_calls: Option<bool>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) functions: Vec<Function>,
    #[serde(default)]
    pub(crate) function_call: Option<ToolChoice>,
    #[serde(default)]
    pub(crate) reasoning_effort: Option<ReasoningEffort>,
    #[serde(default)]
    pub(crate) verbosity: Option<Verbosity>,
    #[serde(default)]
    pub(crate) metadata: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) prediction: Option<Prediction>,
    #[serde(default)]
    pub(crate) web_search_options: Option<WebSearchOptions>,
    #[serde(default)]
    pub(crate) service_tier: Option<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) modalities: Vec<String>,
    /// Prompts and answers are to be judged, and perhaps held back.
    #[serde(default)]
    pub(crate) moderation: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub(crate) include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat {
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<ResponseFormatKind>,
    #[serde(default)]
    pub(crate) json_schema: Option<JsonSchema>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseFormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

#[derive(Debug, Deserialize)]
pub(crate) struct JsonSchema {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) schema: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) strict: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verbosity {
    Low,
    Medium,
    High,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Prediction {
    #[serde(default)]
    pub(crate) content: Option<Content>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebSearchOptions {
    #[serde(default)]
    pub(crate) search_context_size: Option<SearchContextSize>,
    #[serde(default)]
    pub(crate) user_location: Option<UserLocation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchContextSize {
    Low,
    Medium,
    High,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UserLocation {
    #[serde(default)]
    pub(crate) approximate: Option<ApproximateLocation>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ApproximateLocation {
    #[serde(default)]
    pub(crate) city: Option<String>,
    #[serde(default)]
    pub(crate) region: Option<String>,
    #[serde(default)]
    pub(crate) country: Option<String>,
    #[serde(default)]
    pub(crate) timezone: Option<String>,
}

impl ChatRequest {
    /// Reads a request's body. Errors: 400 with the path of the field at fault in `param`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = body::read(body, "chat")?;
        request.check()?;
        Ok(request)
    }

    /// The names of a body's fields, also of those that [`Self::parse`] ignores. A reading of its own: for debugging.
    pub(crate) fn field_names(body: &[u8]) -> Vec<String> {
        fields::names(body)
    }

    /// Whether the client wants server-sent events.
    pub(crate) fn wants_stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether a stream ends with a chunk that has the usage.
    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options
            .as_ref()
            .and_then(|options| options.include_usage)
            == Some(true)
    }

    /// Whether the client speaks the form before `tools`: its calls go back as `function_call`.
    pub(crate) fn wants_function_call(&self) -> bool {
        !self.functions.is_empty() && self.tools.is_empty()
    }

    /// How many answers were asked for, 1 to [`MAX_CHOICES`].
    pub(crate) fn choices(&self) -> u32 {
        self.n
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1)
            .clamp(1, MAX_CHOICES)
    }

    /// What [`Self::parse`] says of a request that reads. Errors: 400 with the field at fault in `param`.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let wrong = |param: &str, message: String| {
            Err(ApiError::invalid_request(message, Some(param.to_owned())))
        };
        models::check_name(&self.model)?;
        if self.messages.is_empty() {
            return wrong(
                "messages",
                "`messages` is missing or empty: at least one message is needed".to_owned(),
            );
        }
        for (param, value) in [
            ("max_tokens", self.max_tokens),
            ("max_completion_tokens", self.max_completion_tokens),
        ] {
            if value.is_some_and(|tokens| tokens < 1) {
                return wrong(param, format!("`{param}` must be at least 1"));
            }
        }
        if self
            .n
            .is_some_and(|n| !(1..=i64::from(MAX_CHOICES)).contains(&n))
        {
            return wrong("n", format!("`n` must be from 1 to {MAX_CHOICES}"));
        }
        if self.top_logprobs.is_some_and(|top| top < 0) {
            return wrong(
                "top_logprobs",
                "`top_logprobs` must not be negative".to_owned(),
            );
        }
        Ok(())
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ChatCompletion {
    pub(crate) id: String,
    /// Always `chat.completion`.
    pub(crate) object: &'static str,
    /// Unix seconds.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) choices: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Choice {
    pub(crate) index: u32,
    pub(crate) message: AssistantMessage,
    pub(crate) logprobs: Option<LogProbs>,
    pub(crate) finish_reason: FinishReason,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AssistantMessage {
    /// Always `assistant`.
    pub(crate) role: &'static str,
    pub(crate) content: Option<String>,
    /// The model's thoughts: an extension that many clients show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    pub(crate) refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<AnswerToolCall>,
    /// Instead of `tool_calls`, for a request with `functions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_call: Option<AnswerFunction>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AnswerToolCall {
    pub(crate) id: String,
    /// Always `function`.
    pub(crate) r#type: &'static str,
    pub(crate) function: AnswerFunction,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AnswerFunction {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Annotation {
    /// Always `url_citation`.
    pub(crate) r#type: &'static str,
    pub(crate) url_citation: UrlCitation,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct UrlCitation {
    pub(crate) start_index: u64,
    pub(crate) end_index: u64,
    pub(crate) title: String,
    pub(crate) url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    /// Instead of [`Self::ToolCalls`], for a request with `functions`.
    FunctionCall,
    ContentFilter,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LogProbs {
    pub(crate) content: Vec<TokenLogProb>,
    /// Always `null`: upstream does not tell a refusal's tokens apart.
    pub(crate) refusal: Option<()>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TokenLogProb {
    #[serde(flatten)]
    pub(crate) chosen: LogProb,
    pub(crate) top_logprobs: Vec<LogProb>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LogProb {
    pub(crate) token: String,
    /// Natural logarithm, 0 or less.
    pub(crate) logprob: f64,
    /// The token's UTF-8; `null` if the token is a piece of a character.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// May exceed the sum of the other two: some vendors count reasoning only here.
    pub(crate) total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_tokens_details: Option<PromptTokensDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completion_tokens_details: Option<CompletionTokensDetails>,
}

impl Usage {
    /// What the answer has taken, thoughts included, which some vendors count in the total alone.
    pub(crate) fn output_tokens(&self) -> u64 {
        let rest = self.total_tokens.saturating_sub(self.prompt_tokens);
        self.completion_tokens.max(rest)
    }
}

/// What ids of chats begin with.
const ID_PREFIX: &str = "chatcmpl-";

/// A chat's id, made of an id of any kind.
pub(crate) fn id_of(bare: &str) -> String {
    format!("{ID_PREFIX}{bare}")
}

/// What a chat's id was made of.
pub(crate) fn bare_id(id: &str) -> &str {
    id.strip_prefix(ID_PREFIX).unwrap_or(id)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct PromptTokensDetails {
    pub(crate) cached_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct CompletionTokensDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accepted_prediction_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected_prediction_tokens: Option<u64>,
}

#[cfg(test)]
mod tests;
