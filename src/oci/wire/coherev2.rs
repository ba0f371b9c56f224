//! The COHEREV2 schema: messages of parts as in GENERIC, tools and calls nested as in OpenAI's API.
//! Source: OCI API 20231130, CohereChatRequestV2 and CohereChatResponseV2; reference §4.4, §5, §6.5.
//! A request has no field that the schema lacks, and a `None` is never sent: OCI answers 400 to both.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::json::Text;

use super::cohere::ResponseFormat;
use super::generic::{AnswerPart, ErrorBody, MediaUrl, StreamOptions, Usage, parts};
use super::lenient::{self, TextOr};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) messages: Vec<Message>,
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
    pub(crate) is_log_probs_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<Tool>,
    /// The arguments of calls must keep to the schemas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_strict_tools_enabled: Option<bool>,
    /// `REQUIRED` or `NONE`; absent: the model chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Thinking>,
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "role",
    rename_all = "UPPERCASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Message {
    System {
        content: Vec<Part>,
    },
    User {
        content: Vec<Part>,
    },
    Assistant {
        /// Never empty.
        content: Vec<Part>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    Tool {
        tool_call_id: String,
        content: Vec<Part>,
    },
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Part {
    Text { text: Text },
    ImageUrl { image_url: MediaUrl },
    Document { document: Document },
}

/// By the schema any object: the model is told the names and the values.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) text: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "FUNCTION")]
pub(crate) struct ToolCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) function: CalledFunction,
}

#[derive(Debug, Serialize)]
pub(crate) struct CalledFunction {
    pub(crate) name: String,
    /// JSON as a string.
    pub(crate) arguments: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "FUNCTION")]
pub(crate) struct Tool {
    pub(crate) function: Function,
}

#[derive(Debug, Serialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) parameters: Map<String, Value>,
}

/// Models that can think do so unless told otherwise.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Thinking {
    /// `ENABLED` or `DISABLED`.
    pub(crate) r#type: &'static str,
}

/// A whole answer's `chatResponse`, or one event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// An object; in an error event a string.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) message: Option<TextOr<AnswerMessage>>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) log_probabilities: Vec<LogProbability>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) error_message: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) usage: Option<Usage>,
    /// Of an error event in OCI's general form.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) code: Option<String>,
    /// Of an error event in OpenAI's form.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) error: Option<TextOr<ErrorBody>>,
}

/// A whole message of the model, or one event's piece of it. Of the citations nothing is read: they point into tool
/// results, and OpenAI's annotations need an address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnswerMessage {
    #[serde(default, deserialize_with = "parts")]
    pub(crate) content: Vec<AnswerPart>,
    /// The model's thoughts about the tools it is going to call.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) tool_plan: Option<String>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) tool_calls: Vec<AnswerToolCall>,
}

/// A call, or perhaps a fragment of one: how streams write them is not known.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AnswerToolCall {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) function: AnswerFunction,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct AnswerFunction {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    /// The schema leaves open whether it is a string or an object.
    #[serde(default, deserialize_with = "lenient::json_text")]
    pub(crate) arguments: Option<String>,
}

/// Of one piece of text, which may be several tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogProbability {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) text: Option<String>,
    /// One for each token.
    #[serde(default, deserialize_with = "lenient::numbers")]
    pub(crate) log_probabilities: Vec<Option<f64>>,
}
