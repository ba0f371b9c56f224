//! A whole answer as a message, and what a stream shares with it. Source: Anthropic's API reference, The message object.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::json;
use crate::openai::chat::{
    AnswerToolCall, AssistantMessage, ChatCompletion, FinishReason, Usage as ChatUsage, bare_id,
};

/// What thoughts are signed with. Nobody checks it: thoughts that come back are not sent to a model.
pub(super) const SIGNATURE: &str = "b2NpYWktcHJveHk=";
/// What a message's id begins with.
const MESSAGE_ID: &str = "msg_";

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: String,
    /// Always `message`.
    pub(super) r#type: &'static str,
    /// Always `assistant`.
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block>,
    /// `None` at the beginning of a stream.
    pub(super) stop_reason: Option<StopReason>,
    /// Always `null`: OCI does not say at which text a model has stopped, nor that it did.
    pub(super) stop_sequence: Option<()>,
    pub(super) usage: Usage,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Thinking {
        thinking: String,
        signature: &'static str,
    },
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Map<String, Value>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopReason {
    EndTurn,
    MaxTokens,
    ToolUse,
    Refusal,
}

/// Tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    /// Without those of the cache.
    input_tokens: u64,
    /// Always 0: OCI does not say what it puts into a cache.
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    /// Thoughts included.
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputTokens>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct OutputTokens {
    thinking_tokens: u64,
}

pub(super) fn message(completion: &ChatCompletion, shows_thoughts: bool) -> Message<'_> {
    let choice = completion.choices.first();
    let message = choice.map(|choice| &choice.message);
    Message {
        id: message_id(&completion.id),
        r#type: "message",
        role: "assistant",
        model: &completion.model,
        content: message.map_or_else(Vec::new, |message| blocks(message, shows_thoughts)),
        stop_reason: Some(choice.map_or(StopReason::EndTurn, |choice| {
            stop_reason(choice.finish_reason, choice.message.refusal.is_some())
        })),
        stop_sequence: None,
        usage: usage(completion.usage),
    }
}

/// The same id in the form that messages have.
pub(super) fn message_id(chat: &str) -> String {
    format!("{MESSAGE_ID}{}", bare_id(chat))
}

fn blocks(message: &AssistantMessage, shows_thoughts: bool) -> Vec<Block> {
    let thoughts = message
        .reasoning_content
        .as_ref()
        .filter(|_| shows_thoughts);
    let thoughts = thoughts.filter(|thoughts| !thoughts.is_empty());
    let said = [&message.content, &message.refusal];
    let mut blocks = Vec::with_capacity(2 + message.tool_calls.len());
    blocks.extend(thoughts.map(|thoughts| Block::Thinking {
        thinking: thoughts.clone(),
        signature: SIGNATURE,
    }));
    let texts = said.into_iter().flatten().filter(|text| !text.is_empty());
    blocks.extend(texts.map(|text| Block::Text { text: text.clone() }));
    blocks.extend(message.tool_calls.iter().map(tool_use));
    blocks
}

fn tool_use(call: &AnswerToolCall) -> Block {
    Block::ToolUse {
        id: call.id.clone(),
        name: call.function.name.clone(),
        input: input(&call.function.arguments),
    }
}

/// Arguments that are no JSON object stay whole under one name, as they go back to the model with the next turn.
fn input(arguments: &str) -> Map<String, Value> {
    if arguments.trim_ascii().is_empty() {
        return Map::new();
    }
    json::from_text(arguments).unwrap_or_else(|_| {
        let mut whole = Map::new();
        whole.insert("arguments".to_owned(), json!(arguments));
        whole
    })
}

pub(super) fn stop_reason(reason: FinishReason, refuses: bool) -> StopReason {
    match reason {
        FinishReason::Stop if refuses => StopReason::Refusal,
        FinishReason::Stop => StopReason::EndTurn,
        FinishReason::Length => StopReason::MaxTokens,
        FinishReason::ToolCalls | FinishReason::FunctionCall => StopReason::ToolUse,
        FinishReason::ContentFilter => StopReason::Refusal,
    }
}

/// Zeros where OCI has said nothing: the fields are not optional.
pub(super) fn usage(usage: Option<ChatUsage>) -> Usage {
    let Some(usage) = usage else {
        return Usage::default();
    };
    let cached = usage
        .prompt_tokens_details
        .map_or(0, |details| details.cached_tokens)
        .min(usage.prompt_tokens);
    let thoughts = usage
        .completion_tokens_details
        .and_then(|details| details.reasoning_tokens);
    Usage {
        input_tokens: usage.prompt_tokens - cached,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: cached,
        output_tokens: usage.output_tokens(),
        output_tokens_details: thoughts.map(|thinking_tokens| OutputTokens { thinking_tokens }),
    }
}
