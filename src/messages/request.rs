//! A request of the Messages API, read, checked and put into the words of a chat.

use std::fmt;

use crate::openai::body;
use crate::openai::chat::{
    ChatRequest, JsonSchema, ReasoningEffort, ResponseFormat, ResponseFormatKind, StreamOptions,
};
use crate::openai::error::ApiError;

use super::query::{Effort, Format, OutputConfig, Query, Thinking, ThinkingKind};
use super::{tools, turns};

/// Budgets of thinking, in tokens, from which on the effort is medium and high.
const MEDIUM_BUDGET: i64 = 4_096;
const HIGH_BUDGET: i64 = 16_384;

/// By this code clients know that they must send the whole conversation, and do so.
const NO_THREADS: &str = "thread_unsupported_request";

/// What a schema of the answer is called: the Messages API has no name for it.
const SCHEMA_NAME: &str = "output";

/// A request in the words of a chat.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) request: ChatRequest,
    /// The client asked for thoughts, and gets them.
    pub(crate) shows_thoughts: bool,
    /// What was left out because a chat has no word for it.
    pub(crate) lost: Vec<String>,
}

/// Reads a body. Errors: 400 that names the field at fault.
pub(crate) fn parse(body: &[u8]) -> Result<Query, ApiError> {
    let query: Query = body::read(body, "message")?;
    if query.model.is_empty() {
        return Err(wrong(
            "model",
            "is missing: name one of the models that GET /v1/models lists",
        ));
    }
    if query.messages.is_empty() {
        return Err(wrong(
            "messages",
            "is missing or empty: at least one message is needed",
        ));
    }
    if !query.mcp_servers.is_empty() {
        return Err(wrong(
            "mcp_servers",
            "no MCP servers are connected here: connect them in the client, and send their tools",
        ));
    }
    if query.thread.is_some() {
        let why = "no conversations are kept here: leave it out, and send the whole conversation each time";
        return Err(wrong("thread", why).with_code(NO_THREADS));
    }
    Ok(query)
}

impl Query {
    /// Errors: 400 that names the field at fault.
    pub(crate) fn into_chat(self) -> Result<Translated, ApiError> {
        let OutputConfig { effort, format } = self.output_config.unwrap_or_default();
        let (shows_thoughts, reasoning_effort) = thinking(self.thinking.as_ref(), effort);
        let response_format = match (format, self.output_format) {
            (Some(format), _) => Some(response_format(format, "output_config.format")?),
            (None, Some(format)) => Some(response_format(format, "output_format")?),
            (None, None) => None,
        };
        let mut lost = Vec::new();
        if self.container.is_some() {
            lost.push("container".to_owned());
        }
        let tools = tools::offered(self.tools, &mut lost)?;
        let (tool_choice, parallel_tool_calls) = tools::choice(self.tool_choice)?;
        let request = ChatRequest {
            model: self.model,
            messages: turns::messages(self.system, self.messages)?,
            stream: self.stream,
            // The last event has it.
            stream_options: Some(StreamOptions {
                include_usage: Some(true),
            }),
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            stop: self.stop_sequences,
            response_format,
            // A choice without a tool to choose from is none, and some models refuse it.
            tool_choice: tool_choice.filter(|_| !tools.is_empty()),
            parallel_tool_calls: parallel_tool_calls.filter(|_| !tools.is_empty()),
            tools,
            reasoning_effort,
            ..ChatRequest::default()
        };
        request.check()?;
        Ok(Translated {
            request,
            shows_thoughts,
            lost,
        })
    }
}

/// Whether thoughts are shown, and how much the model is to think. An effort that is named counts more than a budget; without
/// either it is for the model. Whoever turned thinking off gets what the model does unasked.
fn thinking(
    thinking: Option<&Thinking>,
    effort: Option<Effort>,
) -> (bool, Option<ReasoningEffort>) {
    let named = effort.map(|effort| match effort {
        Effort::Low => ReasoningEffort::Low,
        Effort::Medium => ReasoningEffort::Medium,
        Effort::High => ReasoningEffort::High,
        Effort::Xhigh => ReasoningEffort::Xhigh,
        Effort::Max => ReasoningEffort::Max,
    });
    let Some(thinking) = thinking else {
        return (false, named);
    };
    let is_shown = thinking.display.as_deref() != Some("omitted");
    match thinking.kind {
        Some(ThinkingKind::Disabled) => (false, None),
        Some(ThinkingKind::Adaptive | ThinkingKind::BetweenTools) => (is_shown, named),
        Some(ThinkingKind::Enabled) | None => {
            let by_budget = thinking.budget_tokens.map(|tokens| match tokens {
                HIGH_BUDGET.. => ReasoningEffort::High,
                MEDIUM_BUDGET.. => ReasoningEffort::Medium,
                _ => ReasoningEffort::Low,
            });
            (is_shown, named.or(by_budget))
        }
    }
}

/// `path` of the format.
fn response_format(format: Format, path: &str) -> Result<ResponseFormat, ApiError> {
    match (format.kind.as_deref(), format.schema) {
        (Some("json_schema") | None, Some(schema)) => Ok(ResponseFormat {
            kind: Some(ResponseFormatKind::JsonSchema),
            json_schema: Some(JsonSchema {
                name: Some(SCHEMA_NAME.to_owned()),
                description: None,
                schema: Some(schema),
                strict: Some(true),
            }),
        }),
        (Some("json_schema") | None, None) => Err(wrong(format!("{path}.schema"), "is missing")),
        (Some(other), _) => Err(wrong(
            format!("{path}.type"),
            format_args!("`{other}` is not known, only `json_schema` is"),
        )),
    }
}

/// 400 about one field.
pub(super) fn wrong(path: impl Into<String>, why: impl fmt::Display) -> ApiError {
    let path = path.into();
    let message = body::shortened(format!("`{path}`: {why}"));
    ApiError::invalid_request(message, Some(path))
}

#[cfg(test)]
mod tests;
