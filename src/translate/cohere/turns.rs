//! A conversation as COHERE wants it: what is said now, the turns before it, and the system's text apart.
//! Source: reference §4.3.
//!
//! Results of tools go the way that Cohere describes and Oracle's own client takes: at the end of a conversation they
//! are `toolResults` with an empty `message`, and the question stays in its place in the history. The other way that
//! OCI takes, the question as `message` after its own results, would tell the model another order of events.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

use crate::json::{self, Text};
use crate::oci::wire::cohere as wire;
use crate::oci::wire::generic;
use crate::translate::BadRequest;
use crate::translate::dialect::ToolNames;

use super::{FILLER, spoken};

pub(super) struct Conversation {
    pub(super) preamble: Option<String>,
    pub(super) history: Vec<wire::Turn>,
    pub(super) now: Now,
}

/// What the model is to react to.
pub(super) enum Now {
    Asked(String),
    /// Never empty.
    Answered(Vec<wire::ToolResult>),
}

/// `messages` are one to one the client's. Errors: a result of no call, and a conversation without a user.
pub(super) fn conversation(
    messages: Vec<generic::Message>,
    names: &ToolNames,
) -> Result<Conversation, BadRequest> {
    let mut system = Vec::new();
    let mut history = Vec::with_capacity(messages.len());
    let mut calls = OpenCalls::default();
    for (at, message) in messages.into_iter().enumerate() {
        match message {
            generic::Message::System { content, .. } => system.push(text(content)),
            generic::Message::User { content, .. } => push_user(&mut history, text(content)),
            generic::Message::Assistant {
                content,
                refusal,
                tool_calls,
                ..
            } => history.push(wire::Turn::Chatbot {
                message: spoken(text(content), refusal),
                tool_calls: tool_calls
                    .into_iter()
                    .map(|call| calls.called(call, names))
                    .collect(),
            }),
            generic::Message::Tool {
                tool_call_id,
                content,
            } => {
                let call = calls.answered(&tool_call_id).ok_or_else(|| {
                    BadRequest::invalid(
                        format!("messages[{at}].tool_call_id"),
                        "answers no call that an assistant's message before it made",
                    )
                })?;
                let output = text(content);
                push_result(
                    &mut history,
                    wire::ToolResult {
                        call,
                        outputs: vec![wire::ToolOutput { output }],
                    },
                );
            }
        }
    }
    let preamble = (!system.is_empty()).then(|| system.join("\n"));
    match (history.is_empty(), preamble) {
        // Instructions alone are what the user asks.
        (true, Some(asked)) => Ok(Conversation {
            preamble: None,
            history,
            now: Now::Asked(asked),
        }),
        (_, preamble) => {
            let (history, now) = split(history)?;
            Ok(Conversation {
                preamble,
                history,
                now,
            })
        }
    }
}

/// Takes what is said now out of the turns.
fn split(mut history: Vec<wire::Turn>) -> Result<(Vec<wire::Turn>, Now), BadRequest> {
    let is_user = |turn: &wire::Turn| matches!(turn, wire::Turn::User { .. });
    let Some(asked) = history.iter().rposition(is_user) else {
        return Err(BadRequest::invalid(
            "messages",
            "this model needs at least one message of the role `user`",
        ));
    };
    match history.pop() {
        Some(wire::Turn::Tool { tool_results }) => Ok((history, Now::Answered(tool_results))),
        last => {
            history.extend(last);
            // There must be a message. Where the assistant has the last word, that is still the question: what was said
            // after it stands before it.
            match history.remove(asked) {
                wire::Turn::User { message } => Ok((history, Now::Asked(message))),
                wire::Turn::Chatbot { .. } | wire::Turn::Tool { .. } => {
                    debug_assert!(false, "rposition found a user's turn");
                    Ok((history, Now::Asked(String::new())))
                }
            }
        }
    }
}

/// A user cannot follow a tool: OCI wants the chatbot to have spoken in between.
fn push_user(history: &mut Vec<wire::Turn>, message: String) {
    if matches!(history.last(), Some(wire::Turn::Tool { .. })) {
        history.push(wire::Turn::Chatbot {
            message: FILLER.to_owned(),
            tool_calls: Vec::new(),
        });
    }
    history.push(wire::Turn::User { message });
}

/// The results of parallel calls make one turn.
fn push_result(history: &mut Vec<wire::Turn>, result: wire::ToolResult) {
    match history.last_mut() {
        Some(wire::Turn::Tool { tool_results }) => tool_results.push(result),
        Some(wire::Turn::User { .. } | wire::Turn::Chatbot { .. }) | None => {
            history.push(wire::Turn::Tool {
                tool_results: vec![result],
            });
        }
    }
}

/// Calls by the client's id, which COHERE does not know: a result repeats its call instead. Each is answered once, so
/// that no request grows beyond twice its size.
#[derive(Default)]
struct OpenCalls(HashMap<String, VecDeque<wire::ToolCall>>);

impl OpenCalls {
    fn called(&mut self, call: generic::ToolCall, names: &ToolNames) -> wire::ToolCall {
        let made = wire::ToolCall {
            name: names.upstream(call.name),
            parameters: parameters(&call.arguments),
        };
        if let Some(id) = call.id {
            self.0.entry(id).or_default().push_back(made.clone());
        }
        made
    }

    fn answered(&mut self, id: &str) -> Option<wire::ToolCall> {
        self.0.get_mut(id)?.pop_front()
    }
}

/// Of arguments that are a JSON object: others were made one before.
fn parameters(arguments: &str) -> Map<String, Value> {
    json::read(arguments.as_bytes()).unwrap_or_default()
}

/// The text of all parts. There are no others: they were refused before.
fn text(parts: Vec<generic::Part>) -> String {
    let texts = parts.into_iter().filter_map(|part| match part {
        generic::Part::Text { text } => Some(text),
        generic::Part::Image { .. }
        | generic::Part::Document { .. }
        | generic::Part::Video { .. }
        | generic::Part::Audio { .. } => None,
    });
    Text::joined(texts, "").into_string()
}
