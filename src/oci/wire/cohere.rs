//! The COHERE schema: one message, the turns before it, Python's type names for a tool's parameters, calls without ids.
//! Source: OCI API 20231130, CohereChatRequest and CohereChatResponse; reference §4.3, §5, §6.4.
//! A request has no field that the schema lacks, and a `None` is never sent: OCI answers 400 to both.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::generic::{ErrorBody, StreamOptions, Usage};
use super::lenient::{self, TextOr};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    /// What the user says now; empty if `tool_results` say it.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) chat_history: Vec<Turn>,
    /// The system's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preamble_override: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<Number>,
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frequency_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<Tool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_results: Vec<ToolResult>,
}

/// There is no SYSTEM here on purpose: what the system says stands in the preamble.
#[derive(Debug, Serialize)]
#[serde(
    tag = "role",
    rename_all = "UPPERCASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Turn {
    User {
        message: String,
    },
    Chatbot {
        /// Never empty.
        message: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    Tool {
        tool_results: Vec<ToolResult>,
    },
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) parameters: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ToolResult {
    pub(crate) call: ToolCall,
    pub(crate) outputs: Vec<ToolOutput>,
}

/// By the schema any object; this is the one that Oracle's own client sends.
#[derive(Debug, Serialize)]
pub(crate) struct ToolOutput {
    pub(crate) output: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tool {
    /// Letters, digits and `_`, not a digit first.
    pub(crate) name: String,
    pub(crate) description: String,
    /// An object, in the client's order.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    pub(crate) parameter_definitions: Vec<(String, ParameterDefinition)>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterDefinition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// `str`, `float`, `int`, `bool`, `List`, `Dict`.
    pub(crate) r#type: &'static str,
    pub(crate) is_required: bool,
}

/// COHEREV2's too. There is no JSON_SCHEMA.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ResponseFormat {
    Text,
    JsonObject {
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<Map<String, Value>>,
    },
}

/// A whole answer's `chatResponse`, or one event of a stream. Of the citations nothing is read: they point into tool
/// results, and OpenAI's annotations need an address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) tool_calls: Vec<AnswerToolCall>,
    /// How many turns the echoed conversation has.
    #[serde(default, deserialize_with = "lenient::length")]
    pub(crate) chat_history: Option<usize>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) error_message: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) usage: Option<Usage>,
    /// Of an error event in OCI's general form.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) code: Option<String>,
    /// Of an error event in OCI's general form.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) message: Option<String>,
    /// Of an error event in OpenAI's form.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) error: Option<TextOr<ErrorBody>>,
}

/// Always a whole call.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AnswerToolCall {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    /// By the schema an object.
    #[serde(default)]
    pub(crate) parameters: Value,
}

fn as_object<S: Serializer>(
    definitions: &[(String, ParameterDefinition)],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(definitions.iter().map(|(name, value)| (name, value)))
}
