//! The GENERIC schema: requests as OCI wants them, answers and stream events as OCI was seen to send them.
//! Source: OCI API 20231130, GenericChatRequest and GenericChatResponse; reference §4.1, §4.2, §5, §6.
//! A request has no field that the schema lacks, and a `None` is never sent: OCI answers 400 to both.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};

use crate::json::Text;

use super::lenient::{self, TextOr, TextOrList};

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
    pub(crate) max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frequency_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_penalty: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stop: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_generations: Option<u32>,
    /// How many alternatives to each token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_probs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logit_bias: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<ToolDefinition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_parallel_tool_calls: Option<bool>,
    /// `NONE`, `MINIMAL`, `LOW`, `MEDIUM`, `HIGH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_effort: Option<&'static str>,
    /// `LOW`, `MEDIUM`, `HIGH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verbosity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prediction: Option<Prediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) web_search_options: Option<WebSearchOptions>,
    /// `AUTO`, `DEFAULT`, `PRIORITY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamOptions {
    pub(crate) is_include_usage: bool,
}

impl Request {
    /// Bytes of the texts and the media in its messages: of a large request, most of its JSON.
    pub(crate) fn long_bytes(&self) -> usize {
        let parts = self.messages.iter().flat_map(|message| match message {
            Message::System { content, .. }
            | Message::User { content, .. }
            | Message::Assistant { content, .. }
            | Message::Tool { content, .. } => content,
        });
        parts.map(Part::long_bytes).sum()
    }
}

/// There is no DEVELOPER here on purpose: which models know the role is unknown, and SYSTEM says the same.
#[derive(Debug, Serialize)]
#[serde(
    tag = "role",
    rename_all = "UPPERCASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Message {
    System {
        content: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    User {
        content: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Assistant {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<String>,
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
    rename_all = "UPPERCASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Part {
    Text {
        text: Text,
    },
    Image {
        image_url: MediaUrl,
    },
    Document {
        document_url: MediaUrl,
        /// Never sent: this format has no place for it.
        #[serde(skip)]
        file_name: Option<String>,
    },
    Video {
        video_url: MediaUrl,
    },
    Audio {
        audio_url: MediaUrl,
    },
}

impl Part {
    fn long_bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.long_bytes(),
            Self::Image { image_url: media }
            | Self::Document {
                document_url: media,
                ..
            }
            | Self::Video { video_url: media }
            | Self::Audio { audio_url: media } => media.url.long_bytes(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct MediaUrl {
    /// A data URI, or an address that the model fetches itself, where it can.
    pub(crate) url: Text,
    /// `AUTO`, `HIGH`, `LOW`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'static str>,
}

/// Flat, not nested under `function` as OpenAI has it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "FUNCTION")]
pub(crate) struct ToolCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "FUNCTION")]
pub(crate) struct ToolDefinition {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Map<String, Value>>,
    /// Never sent: this format has no place for it.
    #[serde(skip)]
    pub(crate) strict: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub(crate) enum ToolChoice {
    Auto,
    None,
    Required,
    Function { name: String },
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub(crate) enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonSchema {
    /// Must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_strict: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "CONTENT")]
pub(crate) struct Prediction {
    pub(crate) content: Vec<Part>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebSearchOptions {
    /// `HIGH`, `MEDIUM`, `LOW`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search_context_size: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_location: Option<UserLocation>,
}

#[derive(Debug, Serialize)]
pub(crate) struct UserLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
}

/// A whole answer's `chatResponse`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    /// RFC 3339.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) time_created: Option<String>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) choices: Vec<Choice>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) usage: Option<Usage>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Choice {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) message: Answer,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) logprobs: Option<LogProbs>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) usage: Option<Usage>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) grounding_metadata: Option<GroundingMetadata>,
}

/// One event of a stream: a delta, a finish, the usage or an error, in any mixture.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) index: Option<u64>,
    /// An object; in an error event a string.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) message: Option<TextOr<Answer>>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) logprobs: Option<LogProbs>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) usage: Option<Usage>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) grounding_metadata: Option<GroundingMetadata>,
    /// Of an error event in OCI's own form.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) code: Option<String>,
    /// Of an error event in OpenAI's form.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) error: Option<TextOr<ErrorBody>>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) message: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) code: Option<String>,
}

/// A whole message of the model, or one event's piece of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(default, deserialize_with = "parts")]
    pub(crate) content: Vec<AnswerPart>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) refusal: Option<String>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) annotations: Vec<Annotation>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) tool_calls: Vec<AnswerToolCall>,
}

/// Of any type; what holds neither text nor thoughts says nothing to a client.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AnswerPart {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) thinking: Option<String>,
}

/// A call, or a fragment of one. Gemini's calls lack the id, fragments lack everything but arguments.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AnswerToolCall {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::json_text")]
    pub(crate) arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Annotation {
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) url_citation: Option<UrlCitation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlCitation {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) start_index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) end_index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) title: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) url: Option<String>,
}

/// What a search found, and which stretches of the text rest on it. Gemini's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundingMetadata {
    #[serde(default, deserialize_with = "lenient::objects_in_place")]
    pub(crate) grounding_chunks: Vec<GroundingChunk>,
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) grounding_supports: Vec<GroundingSupport>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroundingChunk {
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) web: GroundingSource,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroundingSource {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) uri: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundingSupport {
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) segment: GroundingSegment,
    /// Places in the list of chunks, as text.
    #[serde(default, deserialize_with = "lenient::strings")]
    pub(crate) grounding_chunk_indices: Vec<String>,
}

/// Bytes of the answer's UTF-8.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundingSegment {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) start_index: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) end_index: Option<u64>,
}

/// Lists of equal length, one entry a token; or OpenAI's own shape, which some vendors' answers keep.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogProbs {
    #[serde(default, deserialize_with = "lenient::strings")]
    pub(crate) tokens: Vec<String>,
    #[serde(default, deserialize_with = "lenient::numbers")]
    pub(crate) token_logprobs: Vec<Option<f64>>,
    /// Token to logarithm; the schema has the latter as a string.
    #[serde(default, deserialize_with = "lenient::objects_in_place")]
    pub(crate) top_logprobs: Vec<Map<String, Value>>,
    /// OpenAI's shape.
    #[serde(default, deserialize_with = "lenient::objects")]
    pub(crate) content: Vec<TokenLogProb>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenLogProb {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) token: Option<String>,
    /// A number, as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) logprob: Option<String>,
    #[serde(default, alias = "top_logprobs", deserialize_with = "lenient::objects")]
    pub(crate) top_logprobs: Vec<TokenLogProb>,
}

/// Tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) prompt_tokens_details: Option<PromptTokensDetails>,
    #[serde(default, deserialize_with = "lenient::optional_object")]
    pub(crate) completion_tokens_details: Option<CompletionTokensDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptTokensDetails {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompletionTokensDetails {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) reasoning_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) accepted_prediction_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) rejected_prediction_tokens: Option<u64>,
}

/// By the schema a list of parts; a bare string is one.
pub(super) fn parts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<AnswerPart>, D::Error> {
    Ok(match lenient::text_or_list(from)? {
        TextOrList::List(parts) => parts,
        TextOrList::Text(text) => vec![AnswerPart {
            text: Some(text),
            thinking: None,
        }],
    })
}
