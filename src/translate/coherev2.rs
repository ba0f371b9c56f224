//! A request in the COHEREV2 format. Source: reference §4.4 and §10.1. Whatever it has in common with COHERE stands
//! there, and what it has in common with GENERIC (messages of parts, ids of calls) comes from there.

use serde_json::{Map, Value};

use crate::oci::wire::ApiFormat;
use crate::oci::wire::coherev2 as wire;
use crate::oci::wire::generic;
use crate::openai::chat::{ChatRequest, ReasoningEffort};

use super::cohere::{
    refuse_what_changes_the_answer, response_format, spoken, stream_options, top_k,
};
use super::dialect::ToolNames;
use super::generic::{is_stream, max_tokens};
use super::messages::messages;
use super::models::ModelTarget;
use super::offered::{Offered, offered};
use super::quirks::Quirks;
use super::{BadRequest, Rules};

pub(super) mod answer;
pub(super) mod document;

pub(super) fn request(
    mut request: ChatRequest,
    target: &ModelTarget,
    rules: &Rules,
    names: &ToolNames,
) -> Result<wire::Request, BadRequest> {
    refuse_what_changes_the_answer(&request, ApiFormat::CohereV2)?;
    let is_stream = is_stream(&request, rules);
    let max_tokens = max_tokens(&request, rules);
    let quirks = Quirks::of(target.id());
    let Offered {
        mut tools,
        tool_choice,
        response_format: format,
        ..
    } = offered(&mut request, quirks)?;
    let tools_choice = match tool_choice {
        None | Some(generic::ToolChoice::Auto) => None,
        Some(generic::ToolChoice::None) => Some("NONE"),
        Some(generic::ToolChoice::Required) => Some("REQUIRED"),
        // The one function of many that must be called: it is the only one there is.
        Some(generic::ToolChoice::Function { name }) => {
            tools.retain(|tool| tool.name == name);
            Some("REQUIRED")
        }
    };
    let messages = messages(request.messages, quirks)?;
    Ok(wire::Request {
        messages: messages
            .into_iter()
            .map(|from| message(from, names))
            .collect(),
        is_stream,
        stream_options: stream_options(is_stream),
        max_tokens: Some(max_tokens),
        temperature: request.temperature,
        top_k: request.top_k.map(top_k),
        top_p: request.top_p,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        seed: request.seed,
        stop_sequences: request.stop,
        // How many alternatives to a token cannot be said.
        is_log_probs_enabled: request.logprobs,
        response_format: format.map(response_format),
        // One switch for all tools: on if none is less strict.
        is_strict_tools_enabled: (!tools.is_empty() && tools.iter().all(|tool| tool.strict))
            .then_some(true),
        tools: tools.into_iter().map(|from| tool(from, names)).collect(),
        tools_choice,
        thinking: request.reasoning_effort.map(thinking),
    })
}

fn message(from: generic::Message, names: &ToolNames) -> wire::Message {
    match from {
        generic::Message::System { content, .. } => wire::Message::System {
            content: parts(content),
        },
        generic::Message::User { content, .. } => wire::Message::User {
            content: parts(content),
        },
        generic::Message::Assistant {
            content,
            refusal,
            tool_calls,
            ..
        } => wire::Message::Assistant {
            content: assistant_parts(parts(content), refusal),
            tool_calls: tool_calls
                .into_iter()
                .map(|call| tool_call(call, names))
                .collect(),
        },
        generic::Message::Tool {
            tool_call_id,
            content,
        } => wire::Message::Tool {
            tool_call_id,
            content: parts(content),
        },
    }
}

/// Never empty.
fn assistant_parts(mut parts: Vec<wire::Part>, refusal: Option<String>) -> Vec<wire::Part> {
    parts.retain(|part| match part {
        wire::Part::Text { text } => !text.is_empty(),
        wire::Part::ImageUrl { .. } | wire::Part::Document { .. } => true,
    });
    if parts.is_empty() {
        parts.push(wire::Part::Text {
            text: spoken(String::new(), refusal).into(),
        });
    }
    parts
}

/// Text, images and text files; there are no others, they were refused before.
fn parts(parts: Vec<generic::Part>) -> Vec<wire::Part> {
    let part = |part| match part {
        generic::Part::Text { text } => Some(wire::Part::Text { text }),
        generic::Part::Image { image_url } => Some(wire::Part::ImageUrl { image_url }),
        generic::Part::Document {
            document_url,
            file_name,
        } => document::text(&document_url.url.read()).map(|text| wire::Part::Document {
            document: wire::Document {
                title: file_name,
                text,
            },
        }),
        generic::Part::Video { .. } | generic::Part::Audio { .. } => None,
    };
    parts.into_iter().filter_map(part).collect()
}

fn tool_call(call: generic::ToolCall, names: &ToolNames) -> wire::ToolCall {
    wire::ToolCall {
        id: call.id,
        function: wire::CalledFunction {
            name: names.upstream(call.name),
            arguments: call.arguments,
        },
    }
}

fn tool(from: generic::ToolDefinition, names: &ToolNames) -> wire::Tool {
    wire::Tool {
        function: wire::Function {
            name: names.upstream(from.name),
            description: from.description,
            parameters: from.parameters.unwrap_or_else(no_parameters),
        },
    }
}

/// OCI requires a schema, also of a function that takes nothing.
fn no_parameters() -> Map<String, Value> {
    Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
    ])
}

/// On or off: how much effort cannot be said in words, and what budget would be meant by one is anybody's guess.
fn thinking(effort: ReasoningEffort) -> wire::Thinking {
    let r#type = match effort {
        ReasoningEffort::None => "DISABLED",
        ReasoningEffort::Minimal
        | ReasoningEffort::Low
        | ReasoningEffort::Medium
        | ReasoningEffort::High
        | ReasoningEffort::Xhigh
        | ReasoningEffort::Max => "ENABLED",
    };
    wire::Thinking { r#type }
}
