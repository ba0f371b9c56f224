//! Histories that vendors refuse, put right without losing a word. Clients cut long histories, stop tools in the middle,
//! switch models in a conversation and make ids of their own; a model's server wants each tool call with an id of its own
//! and exactly one result behind it. What needs no repair stays as it is. Source: reference §7 and §10.1.
//!
//! Works on the client's messages, before they are put into any of OCI's formats. Each message keeps its place in the
//! client's list, for the `param` of a 400. What all models need stands here and in `pairing`, what some need in `vendors`.

use crate::json::Text;
use crate::openai::message::{CalledFunction, Content, Message, Part, PartKind, Role};

use super::BadRequest;
use super::quirks::Quirks;

mod pairing;
mod vendors;

/// The result of a tool that is nothing but an image.
const SEE_BELOW: &str = "see below";

/// A message and its place in the client's list. What was added has the place of what it was added for.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) at: usize,
    /// The place of its first tool call in the client's list of them.
    pub(super) first_call: usize,
    pub(super) message: Message,
}

impl Turn {
    fn new(at: usize, message: Message) -> Self {
        Self {
            at,
            first_call: 0,
            message,
        }
    }

    fn is_system(&self) -> bool {
        matches!(self.message.role, Some(Role::System | Role::Developer))
    }
}

/// A stretch of the history.
#[derive(Debug)]
enum Block {
    Plain(Turn),
    Calls(Calls),
}

/// An assistant's turn with tool calls, and their results.
#[derive(Debug)]
struct Calls {
    turn: Turn,
    /// By call. A result's id is that of its call.
    answered: Vec<bool>,
    /// The number of the call, and its result, in the client's order.
    results: Vec<(usize, Turn)>,
}

/// All repairs that the model needs. Errors: a result without an id where no call is open.
pub(super) fn repair(messages: Vec<Message>, quirks: Quirks) -> Result<Vec<Turn>, BadRequest> {
    let mut turns: Vec<Turn> = messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| Turn::new(message.at.unwrap_or(at), message))
        .collect();
    without_blank_system(&mut turns);
    without_empty_function_call(&mut turns);
    // Before others look at who spoke behind whom.
    if quirks.one_system_first {
        turns = vendors::one_system_first(turns);
    }
    if turns.iter().any(|turn| uses_tools(&turn.message)) {
        let mut blocks = pairing::pair_results(turns)?;
        pairing::answer_open_calls(&mut blocks);
        blocks = media_behind_results(blocks);
        if quirks.calls_follow_others {
            blocks = vendors::one_assistant_turn(blocks);
            vendors::begin_with_user(&mut blocks);
        }
        if quirks.one_call_a_turn {
            blocks = vendors::one_call_a_turn(blocks);
        }
        if quirks.no_empty_tool_turn {
            vendors::fill_empty_tool_turns(&mut blocks);
        }
        turns = spread(blocks);
    }
    Ok(turns)
}

/// Instructions that say nothing are none: clients with an empty field for them send it all the same, and an empty text is
/// refused by some. Unless there is nothing else.
fn without_blank_system(turns: &mut Vec<Turn>) {
    let is_blank = |turn: &Turn| turn.is_system() && is_wordless(&turn.message);
    if !turns.iter().all(is_blank) {
        turns.retain(|turn| !is_blank(turn));
    }
}

/// Some clients write all fields of an answer, also those that it has not.
fn without_empty_function_call(turns: &mut [Turn]) {
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    for turn in turns {
        let is_empty = |call: &mut CalledFunction| blank(&call.name) && blank(&call.arguments);
        turn.message.function_call.take_if(is_empty);
    }
}

fn uses_tools(message: &Message) -> bool {
    match message.role {
        Some(Role::Tool | Role::Function) => true,
        Some(Role::Assistant) => !message.tool_calls.is_empty() || message.function_call.is_some(),
        Some(Role::System | Role::Developer | Role::User) | None => false,
    }
}

/// Images and the like in the results of tools, as a user's behind them: a tool's result is text to the models, and one that
/// was refused would be refused again with each further turn.
fn media_behind_results(blocks: Vec<Block>) -> Vec<Block> {
    let mut moved = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut calls = match block {
            Block::Calls(calls) => calls,
            Block::Plain(_) => {
                moved.push(block);
                continue;
            }
        };
        let mut seen = Vec::new();
        for (number, result) in &mut calls.results {
            let media = take_media(&mut result.message);
            if media.is_empty() {
                continue;
            }
            let call = calls.turn.message.tool_calls.get(*number);
            let function = call.and_then(|call| call.function.as_ref()?.name.as_deref());
            let label = format!("From the result of tool {}:", function.unwrap_or_default());
            let mut parts = vec![text_part(label)];
            parts.extend(media);
            seen.push(Block::Plain(said(result.at, Role::User, parts)));
            if is_wordless(&result.message) {
                result.message.content = Some(SEE_BELOW.to_owned().into());
            }
        }
        moved.push(Block::Calls(calls));
        moved.append(&mut seen);
    }
    moved
}

fn is_wordless(message: &Message) -> bool {
    match &message.content {
        None => true,
        Some(Content::Text(text)) => text.is_blank(),
        Some(Content::Parts(parts)) => parts.iter().all(|part| {
            let is_text = matches!(part.kind, Some(PartKind::Text) | None);
            is_text && part.text.as_ref().is_none_or(Text::is_blank)
        }),
    }
}

/// What is no text. Leaves the rest.
fn take_media(message: &mut Message) -> Vec<Part> {
    let Some(Content::Parts(parts)) = &mut message.content else {
        return Vec::new();
    };
    let (media, rest) = std::mem::take(parts)
        .into_iter()
        .partition(|part| match part.kind {
            Some(
                PartKind::ImageUrl | PartKind::VideoUrl | PartKind::InputAudio | PartKind::File,
            ) => true,
            Some(PartKind::Text | PartKind::Refusal) | None => false,
        });
    *parts = rest;
    media
}

/// The history as a list again, results behind their calls.
fn spread(blocks: Vec<Block>) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(blocks.len());
    for block in blocks {
        match block {
            Block::Plain(turn) => turns.push(turn),
            Block::Calls(calls) => {
                turns.push(calls.turn);
                turns.extend(calls.results.into_iter().map(|(_, result)| result));
            }
        }
    }
    turns
}

/// `between` stands between the two, if both say something.
fn joined(first: Option<Content>, more: Option<Content>, between: &str) -> Option<Content> {
    let speaks = |content: &Content| !matches!(content, Content::Text(text) if text.is_blank());
    match (first.filter(speaks), more.filter(speaks)) {
        (None, only) | (only, None) => only,
        (Some(Content::Text(text)), Some(Content::Text(more))) => {
            Some(Text::joined([text, more], between).into())
        }
        (Some(first), Some(more)) => {
            let mut parts = into_parts(first);
            parts.push(text_part(between.to_owned()));
            parts.extend(into_parts(more));
            Some(Content::Parts(parts))
        }
    }
}

fn into_parts(content: Content) -> Vec<Part> {
    match content {
        Content::Text(text) => vec![text_part(text)],
        Content::Parts(parts) => parts,
    }
}

fn text_part(text: impl Into<Text>) -> Part {
    Part {
        kind: Some(PartKind::Text),
        text: Some(text.into()),
        ..Part::default()
    }
}

fn said(at: usize, role: Role, content: impl Into<Content>) -> Turn {
    let message = Message {
        role: Some(role),
        content: Some(content.into()),
        ..Message::default()
    };
    Turn::new(at, message)
}

#[cfg(test)]
mod tests;
