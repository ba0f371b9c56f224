//! A request of the Messages API as clients send it. Lenient where clients are: `null` is absent, what is not named here is
//! ignored (`metadata`, `service_tier`, `cache_control` and the like), betas too.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

use crate::openai::fields;

use super::blocks::Content;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) model: String,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) messages: Vec<Turn>,
    #[serde(default)]
    pub(super) system: Option<Content>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(super) max_tokens: Option<i64>,
    #[serde(default)]
    pub(super) temperature: Option<Number>,
    #[serde(default)]
    pub(super) top_p: Option<Number>,
    #[serde(default, deserialize_with = "fields::integer")]
    pub(super) top_k: Option<i64>,
    #[serde(default, deserialize_with = "fields::strings")]
    pub(super) stop_sequences: Vec<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) tools: Vec<Tool>,
    #[serde(default)]
    pub(super) tool_choice: Option<ToolChoice>,
    #[serde(default)]
    pub(super) thinking: Option<Thinking>,
    #[serde(default)]
    pub(super) output_config: Option<OutputConfig>,
    /// The older place of `output_config.format`.
    #[serde(default)]
    pub(super) output_format: Option<Format>,
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(super) mcp_servers: Vec<IgnoredAny>,
    #[serde(default)]
    pub(super) container: Option<IgnoredAny>,
    /// The conversation is to be kept, or goes on with one that was.
    #[serde(default)]
    pub(super) thread: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    #[serde(default)]
    pub(super) role: Option<Role>,
    #[serde(default)]
    pub(super) content: Option<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
    System,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Tool {
    /// None or `custom`: a function of the client's. Others are Anthropic's own, with a date in their names.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) input_schema: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolChoice {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<ToolChoiceKind>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ToolChoiceKind {
    Auto,
    Any,
    Tool,
    None,
}

#[derive(Debug, Deserialize)]
pub(super) struct Thinking {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<ThinkingKind>,
    /// Tokens.
    #[serde(default, deserialize_with = "fields::integer")]
    pub(super) budget_tokens: Option<i64>,
    /// `summarized` or `omitted`.
    #[serde(default)]
    pub(super) display: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ThinkingKind {
    Enabled,
    Adaptive,
    BetweenTools,
    Disabled,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct OutputConfig {
    #[serde(default)]
    pub(super) effort: Option<Effort>,
    #[serde(default)]
    pub(super) format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effort {
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

#[derive(Debug, Deserialize)]
pub(super) struct Format {
    /// `json_schema`.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) schema: Option<Map<String, Value>>,
}
