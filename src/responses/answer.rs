//! The response object and its events, as they are written. Source: OpenAI API reference, The response object and Streaming
//! events.

use serde::Serialize;

use crate::openai::chat::{Annotation, TokenLogProb, Usage};

use super::echo::Echo;

#[derive(Debug, Serialize)]
pub(super) struct Response<'a> {
    /// `resp_…`.
    pub(super) id: &'a str,
    /// Always `response`.
    pub(super) object: &'static str,
    /// Unix seconds.
    pub(super) created_at: u64,
    pub(super) status: Status,
    /// Always false.
    pub(super) background: bool,
    pub(super) error: Option<Failure<'a>>,
    pub(super) incomplete_details: Option<Incomplete>,
    /// Always `null`: it is about tools of OpenAI's own.
    pub(super) max_tool_calls: Option<()>,
    pub(super) model: &'a str,
    pub(super) output: &'a [Item],
    /// Always `null`: nothing is stored.
    pub(super) previous_response_id: Option<()>,
    pub(super) service_tier: Option<&'a str>,
    /// Always false.
    pub(super) store: bool,
    pub(super) usage: Option<Tokens>,
    #[serde(flatten)]
    pub(super) echo: &'a Echo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Incomplete {
    /// `max_output_tokens` or `content_filter`.
    pub(super) reason: &'static str,
}

/// One item of the output, as far as it has come.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Reasoning {
        id: String,
        status: Status,
        summary: Vec<Part>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Part>,
    },
    Message {
        id: String,
        status: Status,
        /// Always `assistant`.
        role: &'static str,
        content: Vec<Part>,
    },
    FunctionCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        arguments: String,
    },
    CustomToolCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
    },
}

impl Item {
    pub(super) fn status_mut(&mut self) -> &mut Status {
        match self {
            Self::Reasoning { status, .. }
            | Self::Message { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::CustomToolCall { status, .. } => status,
        }
    }

    /// The list that such a part goes into, with the item's id.
    pub(super) fn parts(&mut self, part: &Part) -> Option<(&str, &mut Vec<Part>)> {
        match self {
            Self::Reasoning {
                id,
                summary,
                content,
                ..
            } => {
                let is_summary = matches!(part, Part::SummaryText { .. });
                Some((id, if is_summary { summary } else { content }))
            }
            Self::Message { id, content, .. } => Some((id, content)),
            Self::FunctionCall { .. } | Self::CustomToolCall { .. } => None,
        }
    }

    /// With the item's id and the part's number.
    pub(super) fn last_part(&mut self) -> Option<(&str, &mut Part, usize)> {
        let (id, parts) = match self {
            Self::Reasoning {
                id,
                summary,
                content,
                ..
            } => (id, if content.is_empty() { summary } else { content }),
            Self::Message { id, content, .. } => (id, content),
            Self::FunctionCall { .. } | Self::CustomToolCall { .. } => return None,
        };
        let index = parts.len().checked_sub(1)?;
        Some((id, parts.last_mut()?, index))
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText {
        text: String,
        annotations: Vec<Citation>,
        logprobs: Vec<TokenLogProb>,
    },
    Refusal {
        refusal: String,
    },
    ReasoningText {
        text: String,
    },
    SummaryText {
        text: String,
    },
}

/// Flat, unlike a chat's.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Citation {
    /// Always `url_citation`.
    r#type: &'static str,
    start_index: u64,
    end_index: u64,
    title: String,
    url: String,
}

impl From<Annotation> for Citation {
    fn from(annotation: Annotation) -> Self {
        let cited = annotation.url_citation;
        Self {
            r#type: annotation.r#type,
            start_index: cited.start_index,
            end_index: cited.end_index,
            title: cited.title,
            url: cited.url,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    /// Always 0: nobody tells them.
    cache_write_tokens: u64,
    cached_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let cached = usage.prompt_tokens_details;
        let reasoning = usage
            .completion_tokens_details
            .and_then(|details| details.reasoning_tokens);
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputDetails {
                cache_write_tokens: 0,
                cached_tokens: cached.map_or(0, |details| details.cached_tokens),
            },
            output_tokens: usage.output_tokens(),
            output_tokens_details: OutputDetails {
                reasoning_tokens: reasoning.unwrap_or(0),
            },
            total_tokens: usage.total_tokens,
        }
    }
}

/// What an event says; which fields it has follows from its kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told<'a> {
    pub(super) r#type: &'static str,
    /// From 0, without a gap.
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Response<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [TokenLogProb]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'a Citation>,
}

/// The event `error`. The reference has its fields flat, the service sends them in `error`: clients of both kinds find them.
#[derive(Debug, Serialize)]
pub(super) struct Broken<'a> {
    /// Always `error`.
    pub(super) r#type: &'static str,
    pub(super) sequence_number: u64,
    pub(super) code: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) param: Option<&'a str>,
    pub(super) error: BrokenBody<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct BrokenBody<'a> {
    pub(super) r#type: &'a str,
    pub(super) code: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) param: Option<&'a str>,
}
