//! One chunk of a streamed answer. Source: OpenAI API reference, The chat completion chunk object.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::chat::{Annotation, FinishReason, LogProbs, Usage};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ChatChunk {
    /// One for the whole stream, so that it is shared and not copied per chunk.
    #[serde(serialize_with = "shared")]
    pub(crate) id: Arc<str>,
    /// Always `chat.completion.chunk`.
    pub(crate) object: &'static str,
    /// Unix seconds; one for the whole stream.
    pub(crate) created: u64,
    #[serde(serialize_with = "shared")]
    pub(crate) model: Arc<str>,
    /// Empty in the chunk that has the usage, else one.
    pub(crate) choices: Vec<ChunkChoice>,
    /// `None`: not asked for, the field is absent. `Some(None)`: asked for, `null` in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Option<Usage>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ChunkChoice {
    pub(crate) index: u32,
    pub(crate) delta: Delta,
    pub(crate) logprobs: Option<LogProbs>,
    pub(crate) finish_reason: Option<FinishReason>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCallDelta>,
    /// Instead of `tool_calls`, for a request with `functions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_call: Option<FunctionDelta>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ToolCallDelta {
    /// Which call of the choice, from 0.
    pub(crate) index: u32,
    /// In the first delta of a call only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// `function`, in the first delta of a call only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<&'static str>,
    pub(crate) function: FunctionDelta,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FunctionDelta {
    /// In the first delta of a call only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The next piece of the arguments' JSON.
    pub(crate) arguments: String,
}

fn shared<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}
