//! The items of an answer, as they grow, and what is told of each step.

use crate::openai::chat::TokenLogProb;

use super::answer::{Citation, Item, Part, Status, Told};
use super::freeform::Freeform;
use super::stream::Log;
use super::tools::Names;

/// Bounded by what the upstream may say in one answer.
#[derive(Debug, Default)]
pub(super) struct Output {
    items: Vec<Item>,
    /// What the next piece of text may go on with.
    open: Open,
    calls: Vec<Call>,
    names: Names,
    wants_summary: bool,
    /// What the items' ids end with.
    id: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    /// The item of that number.
    Thoughts(usize),
    /// Its last part.
    Text(usize),
    /// Likewise.
    Refusal(usize),
}

/// One that is being written.
#[derive(Debug)]
struct Call {
    /// Its number in the chat.
    number: u32,
    /// Its item.
    at: usize,
    /// Of a custom tool.
    freeform: Freeform,
}

impl Output {
    pub(super) fn new(names: Names, wants_summary: bool) -> Self {
        Self {
            names,
            wants_summary,
            ..Self::default()
        }
    }

    pub(super) fn named(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn thinks(&mut self, text: &str, log: &mut Log) {
        let at = match self.open {
            Open::Thoughts(at) => at,
            Open::Nothing | Open::Text(_) | Open::Refusal(_) => {
                self.close(Status::Completed, log);
                let item = Item::Reasoning {
                    id: self.next_id("rs"),
                    status: Status::InProgress,
                    summary: Vec::new(),
                    content: Vec::new(),
                };
                let at = self.add(item, log);
                self.open = Open::Thoughts(at);
                let part = if self.wants_summary {
                    Part::SummaryText {
                        text: String::new(),
                    }
                } else {
                    Part::ReasoningText {
                        text: String::new(),
                    }
                };
                self.add_part(at, part, log);
                at
            }
        };
        self.grow(at, text, Vec::new(), log);
    }

    pub(super) fn says(&mut self, text: &str, logprobs: Vec<TokenLogProb>, log: &mut Log) {
        let at = match self.open {
            Open::Text(at) => at,
            Open::Nothing | Open::Thoughts(_) | Open::Refusal(_) => {
                let at = self.message(log);
                self.open = Open::Text(at);
                let part = Part::OutputText {
                    text: String::new(),
                    annotations: Vec::new(),
                    logprobs: Vec::new(),
                };
                self.add_part(at, part, log);
                at
            }
        };
        self.grow(at, text, logprobs, log);
    }

    pub(super) fn refuses(&mut self, text: &str, log: &mut Log) {
        let at = match self.open {
            Open::Refusal(at) => at,
            Open::Nothing | Open::Thoughts(_) | Open::Text(_) => {
                let at = self.message(log);
                self.open = Open::Refusal(at);
                let part = Part::Refusal {
                    refusal: String::new(),
                };
                self.add_part(at, part, log);
                at
            }
        };
        self.grow(at, text, Vec::new(), log);
    }

    pub(super) fn cites(&mut self, citation: Citation, log: &mut Log) {
        if !matches!(self.open, Open::Text(_)) {
            self.says("", Vec::new(), log);
        }
        let Open::Text(at) = self.open else { return };
        let Some(Item::Message { id, content, .. }) = self.items.get_mut(at) else {
            return;
        };
        let content_index = content.len().saturating_sub(1);
        let Some(Part::OutputText { annotations, .. }) = content.last_mut() else {
            return;
        };
        log.tell(Told {
            r#type: "response.output_text.annotation.added",
            item_id: Some(id),
            output_index: Some(at),
            content_index: Some(content_index),
            annotation_index: Some(annotations.len()),
            annotation: Some(&citation),
            ..Told::default()
        });
        annotations.push(citation);
    }

    /// A piece of the call of that number. `opening`: its id and its name, in the first one.
    pub(super) fn calls(
        &mut self,
        number: u32,
        opening: (Option<String>, Option<String>),
        arguments: &str,
        log: &mut Log,
    ) {
        let known = self.calls.iter().position(|call| call.number == number);
        let known = known.unwrap_or_else(|| {
            self.close(Status::Completed, log);
            self.call(number, opening, log)
        });
        let Some(call) = self.calls.get_mut(known) else {
            return;
        };
        match self.items.get_mut(call.at) {
            Some(Item::CustomToolCall { id, .. }) => {
                let piece = call.freeform.push(arguments);
                tell_input(id, call.at, &piece, log);
            }
            Some(Item::FunctionCall {
                id,
                arguments: told,
                ..
            }) if !arguments.is_empty() => {
                told.push_str(arguments);
                log.tell(Told {
                    r#type: "response.function_call_arguments.delta",
                    item_id: Some(id),
                    output_index: Some(call.at),
                    delta: Some(arguments),
                    ..Told::default()
                });
            }
            Some(_) | None => {}
        }
    }

    /// Its place in `calls`.
    fn call(
        &mut self,
        number: u32,
        (id, name): (Option<String>, Option<String>),
        log: &mut Log,
    ) -> usize {
        let origin = self.names.origin(&name.unwrap_or_default());
        let (status, call_id) = (Status::InProgress, id.unwrap_or_default());
        let (name, namespace) = (origin.name, origin.namespace);
        let item = if origin.is_custom {
            Item::CustomToolCall {
                id: self.next_id("ctc"),
                status,
                call_id,
                name,
                namespace,
                input: String::new(),
            }
        } else {
            Item::FunctionCall {
                id: self.next_id("fc"),
                status,
                call_id,
                name,
                namespace,
                arguments: String::new(),
            }
        };
        let at = self.add(item, log);
        self.calls.push(Call {
            number,
            at,
            freeform: Freeform::default(),
        });
        self.calls.len() - 1
    }

    /// Nothing more is to come.
    pub(super) fn ends(&mut self, last: Status, log: &mut Log) {
        self.close(last, log);
        for call in std::mem::take(&mut self.calls) {
            let at = call.at;
            match self.items.get_mut(at) {
                Some(Item::CustomToolCall { id, input, .. }) => {
                    let rest;
                    (*input, rest) = call.freeform.end();
                    tell_input(id, at, &rest, log);
                    log.tell(Told {
                        r#type: "response.custom_tool_call_input.done",
                        item_id: Some(id),
                        output_index: Some(at),
                        input: Some(input),
                        ..Told::default()
                    });
                }
                Some(Item::FunctionCall {
                    id,
                    name,
                    arguments,
                    ..
                }) => log.tell(Told {
                    r#type: "response.function_call_arguments.done",
                    item_id: Some(id),
                    output_index: Some(at),
                    name: Some(name),
                    arguments: Some(arguments),
                    ..Told::default()
                }),
                Some(Item::Message { .. } | Item::Reasoning { .. }) | None => {}
            }
            self.done(at, last, log);
        }
    }

    /// The answer will not go on: what is open stays as it is.
    pub(super) fn breaks_off(&mut self) {
        for item in &mut self.items {
            let status = item.status_mut();
            if *status == Status::InProgress {
                *status = Status::Incomplete;
            }
        }
    }

    fn next_id(&self, kind: &str) -> String {
        format!("{kind}_{}_{}", self.id, self.items.len())
    }

    fn add(&mut self, item: Item, log: &mut Log) -> usize {
        let at = self.items.len();
        log.tell(Told {
            r#type: "response.output_item.added",
            output_index: Some(at),
            item: Some(&item),
            ..Told::default()
        });
        self.items.push(item);
        at
    }

    /// The message that is being written, at the end of its last part, or a new one.
    fn message(&mut self, log: &mut Log) -> usize {
        if let Open::Text(at) | Open::Refusal(at) = self.open {
            self.part_done(at, log);
            return at;
        }
        self.close(Status::Completed, log);
        let item = Item::Message {
            id: self.next_id("msg"),
            status: Status::InProgress,
            role: "assistant",
            content: Vec::new(),
        };
        self.add(item, log)
    }

    fn add_part(&mut self, at: usize, part: Part, log: &mut Log) {
        let Some((id, parts)) = self.items.get_mut(at).and_then(|item| item.parts(&part)) else {
            return;
        };
        let mut told = Told {
            r#type: "response.content_part.added",
            item_id: Some(id),
            output_index: Some(at),
            part: Some(&part),
            ..Told::default()
        };
        match part {
            Part::SummaryText { .. } => {
                told.r#type = "response.reasoning_summary_part.added";
                told.summary_index = Some(parts.len());
            }
            Part::OutputText { .. } | Part::Refusal { .. } | Part::ReasoningText { .. } => {
                told.content_index = Some(parts.len());
            }
        }
        log.tell(told);
        parts.push(part);
    }

    /// Adds to the last part of an item.
    fn grow(&mut self, at: usize, piece: &str, mut probs: Vec<TokenLogProb>, log: &mut Log) {
        let Some((id, part, index)) = self.items.get_mut(at).and_then(Item::last_part) else {
            return;
        };
        if piece.is_empty() {
            return;
        }
        let mut told = Told {
            item_id: Some(id),
            output_index: Some(at),
            content_index: Some(index),
            delta: Some(piece),
            ..Told::default()
        };
        match part {
            Part::OutputText { text, logprobs, .. } => {
                text.push_str(piece);
                told.r#type = "response.output_text.delta";
                told.logprobs = Some(&probs);
                log.tell(told);
                logprobs.append(&mut probs);
            }
            Part::Refusal { refusal } => {
                refusal.push_str(piece);
                told.r#type = "response.refusal.delta";
                log.tell(told);
            }
            Part::ReasoningText { text } => {
                text.push_str(piece);
                told.r#type = "response.reasoning_text.delta";
                log.tell(told);
            }
            Part::SummaryText { text } => {
                text.push_str(piece);
                told.r#type = "response.reasoning_summary_text.delta";
                (told.summary_index, told.content_index) = (told.content_index, None);
                log.tell(told);
            }
        }
    }

    /// The last part of an item is whole.
    fn part_done(&mut self, at: usize, log: &mut Log) {
        let Some((id, part, index)) = self.items.get_mut(at).and_then(Item::last_part) else {
            return;
        };
        let told = |r#type| Told {
            r#type,
            item_id: Some(id),
            output_index: Some(at),
            content_index: Some(index),
            ..Told::default()
        };
        match &*part {
            Part::OutputText { text, logprobs, .. } => log.tell(Told {
                text: Some(text),
                logprobs: Some(logprobs),
                ..told("response.output_text.done")
            }),
            Part::Refusal { refusal } => log.tell(Told {
                refusal: Some(refusal),
                ..told("response.refusal.done")
            }),
            Part::ReasoningText { text } => log.tell(Told {
                text: Some(text),
                ..told("response.reasoning_text.done")
            }),
            Part::SummaryText { text } => {
                let told = |kind| Told {
                    content_index: None,
                    summary_index: Some(index),
                    ..told(kind)
                };
                log.tell(Told {
                    text: Some(text),
                    ..told("response.reasoning_summary_text.done")
                });
                log.tell(Told {
                    part: Some(part),
                    ..told("response.reasoning_summary_part.done")
                });
                return;
            }
        }
        log.tell(Told {
            part: Some(part),
            ..told("response.content_part.done")
        });
    }

    /// What was being thought or said is whole.
    fn close(&mut self, status: Status, log: &mut Log) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Thoughts(at) | Open::Text(at) | Open::Refusal(at) => {
                self.part_done(at, log);
                self.done(at, status, log);
            }
        }
    }

    fn done(&mut self, at: usize, status: Status, log: &mut Log) {
        let Some(item) = self.items.get_mut(at) else {
            return;
        };
        *item.status_mut() = status;
        log.tell(Told {
            r#type: "response.output_item.done",
            output_index: Some(at),
            item: Some(item),
            ..Told::default()
        });
    }
}

fn tell_input(id: &str, at: usize, piece: &str, log: &mut Log) {
    if !piece.is_empty() {
        log.tell(Told {
            r#type: "response.custom_tool_call_input.delta",
            item_id: Some(id),
            output_index: Some(at),
            delta: Some(piece),
            ..Told::default()
        });
    }
}
