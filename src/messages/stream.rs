//! A chat's chunks as the events of a message. Blocks come strictly one after the other, each begun, filled and ended before the
//! next, while a chat may say several things at once: what is said of a later block waits until the one before it is over. Text
//! and thoughts are over as soon as something else is said; a call when its JSON is whole, or at the end. Nothing waits longer.
//! Source: Anthropic's API reference, Streaming messages.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Map;

use crate::json::Scan;
use crate::openai::chat::{FinishReason, Usage as ChatUsage};
use crate::openai::chunk::{ChatChunk, ChunkChoice, ToolCallDelta};
use crate::openai::render::Event;

use super::answer::{Block, Message, SIGNATURE, StopReason, Usage, message_id, stop_reason, usage};

#[derive(Debug, Default)]
pub(super) struct Stream {
    shows_thoughts: bool,
    started: bool,
    /// The number of the first block in the queue.
    index: u32,
    /// The first one has been begun.
    is_open: bool,
    /// Blocks that are not over, in the order in which they began.
    queue: VecDeque<Waiting>,
    finish_reason: Option<FinishReason>,
    refuses: bool,
    usage: Option<ChatUsage>,
}

/// A block, and what of it has not been sent.
#[derive(Debug)]
struct Waiting {
    kind: Kind,
    unsent: String,
    json: Scan,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    Tool {
        /// The call's number in the chat.
        call: u32,
        id: String,
        name: String,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Data<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Block },
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: Stop, usage: Usage },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'static str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct Stop {
    stop_reason: StopReason,
    /// Always `null`.
    stop_sequence: Option<()>,
}

impl Stream {
    pub(super) fn new(shows_thoughts: bool) -> Self {
        Self {
            shows_thoughts,
            ..Self::default()
        }
    }

    /// The events of one chunk.
    pub(super) fn push(&mut self, chunk: ChatChunk, events: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            events.push(message_start(&chunk));
        }
        self.usage = chunk.usage.flatten().or(self.usage);
        // One answer is asked for.
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.hear(choice);
        }
        self.flow(false, events);
    }

    /// The last events. Nothing of a stream that has said nothing.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        if !self.started {
            return;
        }
        self.flow(true, events);
        let reason = self.finish_reason.unwrap_or(FinishReason::Stop);
        events.push(event(&Data::MessageDelta {
            delta: Stop {
                stop_reason: stop_reason(reason, self.refuses),
                stop_sequence: None,
            },
            usage: usage(self.usage),
        }));
        events.push(event(&Data::MessageStop));
    }

    fn hear(&mut self, choice: ChunkChoice) {
        let delta = choice.delta;
        if let Some(thoughts) = delta.reasoning_content.filter(|_| self.shows_thoughts) {
            self.say(Kind::Thinking, &thoughts);
        }
        if let Some(text) = delta.content {
            self.say(Kind::Text, &text);
        }
        if let Some(refusal) = delta.refusal {
            self.refuses = true;
            self.say(Kind::Text, &refusal);
        }
        for call in delta.tool_calls {
            self.call(call);
        }
        self.finish_reason = choice.finish_reason.or(self.finish_reason);
    }

    fn say(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.queue.back_mut().filter(|last| last.kind == kind) {
            Some(last) => last.unsent.push_str(text),
            None => self.queue.push_back(Waiting::new(kind, text)),
        }
    }

    /// Of a call that is over nothing more can be said: its JSON was whole.
    fn call(&mut self, piece: ToolCallDelta) {
        let arguments = piece.function.arguments;
        let mut open = self.queue.iter_mut();
        let is_it = |waiting: &&mut Waiting| matches!(waiting.kind, Kind::Tool { call, .. } if call == piece.index);
        if let Some(waiting) = open.find(is_it) {
            waiting.json.push(&arguments);
            waiting.unsent.push_str(&arguments);
        } else if let Some(id) = piece.id {
            let kind = Kind::Tool {
                call: piece.index,
                id,
                name: piece.function.name.unwrap_or_default(),
            };
            let mut waiting = Waiting::new(kind, &arguments);
            waiting.json.push(&arguments);
            self.queue.push_back(waiting);
        }
    }

    /// What can be sent now. `is_end`: whatever waits is over.
    fn flow(&mut self, is_end: bool, events: &mut Vec<Event>) {
        while let Some(first) = self.queue.front_mut() {
            let index = self.index;
            if !self.is_open {
                self.is_open = true;
                events.push(event(&Data::ContentBlockStart {
                    index,
                    content_block: first.kind.begun(),
                }));
            }
            let unsent = std::mem::take(&mut first.unsent);
            if !unsent.is_empty() {
                let delta = first.kind.delta(&unsent);
                events.push(event(&Data::ContentBlockDelta { index, delta }));
            }
            let is_over = is_end || self.queue.len() > 1 && self.first_is_over();
            if !is_over {
                return;
            }
            if let Some(Waiting {
                kind: Kind::Thinking,
                ..
            }) = self.queue.pop_front()
            {
                let delta = Delta::Signature {
                    signature: SIGNATURE,
                };
                events.push(event(&Data::ContentBlockDelta { index, delta }));
            }
            events.push(event(&Data::ContentBlockStop { index }));
            self.index += 1;
            self.is_open = false;
        }
    }

    fn first_is_over(&self) -> bool {
        self.queue.front().is_some_and(|first| match first.kind {
            Kind::Thinking | Kind::Text => true,
            Kind::Tool { .. } => first.json.is_complete(),
        })
    }
}

impl Waiting {
    fn new(kind: Kind, unsent: &str) -> Self {
        Self {
            kind,
            unsent: unsent.to_owned(),
            json: Scan::default(),
        }
    }
}

impl Kind {
    /// The block at its beginning: empty.
    fn begun(&self) -> Block {
        match self {
            Self::Thinking => Block::Thinking {
                thinking: String::new(),
                signature: "",
            },
            Self::Text => Block::Text {
                text: String::new(),
            },
            Self::Tool { id, name, .. } => Block::ToolUse {
                id: id.clone(),
                name: name.clone(),
                input: Map::new(),
            },
        }
    }

    fn delta<'a>(&self, text: &'a str) -> Delta<'a> {
        match self {
            Self::Thinking => Delta::Thinking { thinking: text },
            Self::Text => Delta::Text { text },
            Self::Tool { .. } => Delta::InputJson { partial_json: text },
        }
    }
}

impl Data<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

/// What the answer has cost is only known at its end.
fn message_start(chunk: &ChatChunk) -> Event {
    event(&Data::MessageStart {
        message: Message {
            id: message_id(&chunk.id),
            r#type: "message",
            role: "assistant",
            model: &chunk.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: Usage::default(),
        },
    })
}

fn event(data: &Data<'_>) -> Event {
    Event {
        name: Some(data.name()),
        // Strings and numbers always serialise.
        data: serde_json::to_string(data).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
