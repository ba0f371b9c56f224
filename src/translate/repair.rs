//! Histories that vendors refuse, put right without losing a word. Clients cut long histories, stop tools in the middle,
//! switch models in a conversation and make ids of their own; a model's server wants each tool call with an id of its own
//! and exactly one result behind it. What needs no repair stays as it is. Source: reference §7 and §10.1.
//!
//! Works on the client's messages, before they are put into any of OCI's formats. Each message keeps its place in the
//! client's list, for the `param` of a 400.

use std::collections::{HashMap, HashSet};

use crate::openai::message::{CalledFunction, Content, Message, Part, PartKind, Role, ToolCall};

use super::BadRequest;
use super::messages::plain_text;
use super::quirks::Quirks;

/// Stands for the empty text of an assistant's tool turn, where a model fails on nothing. Oracle's own client sends it.
const FILLER: &str = ".";

/// The result of a call that the client never gave one for.
const NO_RESULT: &str = "no result";

/// Between system messages that become one.
const BETWEEN_SYSTEM_TEXTS: &str = "\n\n";

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
}

/// All repairs that the model needs. Errors: a result without an id where no call without one is open, and orphaned
/// results that are no text.
pub(super) fn repair(messages: Vec<Message>, quirks: Quirks) -> Result<Vec<Turn>, BadRequest> {
    let mut turns: Vec<Turn> = messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| Turn::new(at, message))
        .collect();
    if turns.iter().any(|turn| uses_tools(&turn.message)) {
        let mut blocks = pair_results(turns)?;
        answer_open_calls(&mut blocks);
        if quirks.one_call_a_turn {
            blocks = one_call_a_turn(blocks);
        }
        if quirks.no_empty_tool_turn {
            fill_empty_tool_turns(&mut blocks);
        }
        turns = spread(blocks);
    }
    if quirks.one_system_first {
        turns = one_system_first(turns);
    }
    Ok(turns)
}

fn uses_tools(message: &Message) -> bool {
    match message.role {
        Some(Role::Tool | Role::Function) => true,
        Some(Role::Assistant) => !message.tool_calls.is_empty() || message.function_call.is_some(),
        Some(Role::System | Role::Developer | Role::User) | None => false,
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

/// How a result names its call.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Id(String),
    /// By a call without an id, and a result without one.
    Unnamed,
    /// The older form: by the function's name.
    Function(String),
    /// The older form, without a name.
    AnyFunction,
}

/// The calls that wait for a result: their block's place and their number in it, the next to be answered last.
type Open = HashMap<Key, Vec<(usize, usize)>>;

/// Puts each result right behind its call. A result goes to the latest open call of its id, so that ids may come again;
/// one that is late, behind other messages, moves forward to its call. A result without a call becomes a user's text: its
/// call was cut off with the beginning of the history, and what it says may be what the conversation is about.
fn pair_results(turns: Vec<Turn>) -> Result<Vec<Block>, BadRequest> {
    let mut blocks: Vec<Block> = Vec::with_capacity(turns.len());
    let mut open = Open::new();
    let mut ids = Ids::default();
    for turn in turns {
        match turn.message.role {
            Some(Role::Assistant) if uses_tools(&turn.message) => {
                let (calls, keys) = named_calls(turn, &mut ids)?;
                // In reverse, so that the first of several equal ones is answered first.
                for (number, key) in keys.into_iter().enumerate().rev() {
                    if matches!(key, Key::Function(_)) {
                        let any = open.entry(Key::AnyFunction).or_default();
                        any.push((blocks.len(), number));
                    }
                    open.entry(key).or_default().push((blocks.len(), number));
                }
                blocks.push(Block::Calls(calls));
            }
            Some(Role::Tool | Role::Function) => match open_call(&turn, &mut open, &blocks)? {
                Some((block, number)) => {
                    if let Some(Block::Calls(calls)) = blocks.get_mut(block) {
                        calls.answer(number, turn);
                    }
                }
                None => blocks.push(Block::Plain(result_as_text(turn)?)),
            },
            Some(Role::System | Role::Developer | Role::User | Role::Assistant) | None => {
                blocks.push(Block::Plain(turn));
            }
        }
    }
    Ok(blocks)
}

/// The call that a result is for; `None` if there is none.
fn open_call(
    turn: &Turn,
    open: &mut Open,
    blocks: &[Block],
) -> Result<Option<(usize, usize)>, BadRequest> {
    let message = &turn.message;
    let id = message.tool_call_id.as_ref().filter(|id| !id.is_empty());
    let key = match (message.role, id, &message.name) {
        (Some(Role::Function), _, Some(name)) => Key::Function(name.clone()),
        (Some(Role::Function), _, None) => Key::AnyFunction,
        (_, Some(id), _) => Key::Id(id.clone()),
        (_, None, _) => Key::Unnamed,
    };
    let mut latest = |key: &Key| {
        let waiting = open.get_mut(key)?;
        loop {
            // One call waits under two keys in the older form, and may have been answered under the other.
            let (block, number) = waiting.pop()?;
            if matches!(blocks.get(block), Some(Block::Calls(calls)) if calls.is_open(number)) {
                return Some((block, number));
            }
        }
    };
    if let Some(found) = latest(&key) {
        return Ok(Some(found));
    }
    match key {
        Key::Unnamed => Err(BadRequest::invalid(
            format!("messages[{}].tool_call_id", turn.at),
            "is missing",
        )),
        // A client that gives ids of its own to calls that came without.
        Key::Id(_) => Ok(latest(&Key::Unnamed)),
        Key::Function(_) | Key::AnyFunction => Ok(None),
    }
}

/// Gives each call an id that no other call of the history has, and says how its result will name it. A call in the older
/// form becomes a call like the others.
fn named_calls(mut turn: Turn, ids: &mut Ids) -> Result<(Calls, Vec<Key>), BadRequest> {
    let mut keys = Vec::with_capacity(turn.message.tool_calls.len());
    for (number, call) in turn.message.tool_calls.iter_mut().enumerate() {
        let id = call.id.take().filter(|id| !id.is_empty());
        // By its place, which stays the same as long as the conversation goes on.
        let wanted = id
            .clone()
            .unwrap_or_else(|| format!("call_{}_{number}", turn.at));
        call.id = Some(ids.unlike_others(wanted));
        keys.push(id.map_or(Key::Unnamed, Key::Id));
    }
    if let Some(function) = turn.message.function_call.take() {
        let name = function.name.clone().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            let param = format!("messages[{}].function_call.name", turn.at);
            BadRequest::invalid(param, "is missing")
        })?;
        let id = format!("call_function_{}", ids.functions);
        ids.functions += 1;
        turn.message
            .tool_calls
            .push(call(ids.unlike_others(id), function));
        keys.push(Key::Function(name));
    }
    let calls = Calls {
        answered: vec![false; keys.len()],
        turn,
        results: Vec::new(),
    };
    Ok((calls, keys))
}

fn call(id: String, function: CalledFunction) -> ToolCall {
    ToolCall {
        id: Some(id),
        kind: None,
        function: Some(function),
    }
}

/// The ids of a history's calls.
#[derive(Debug, Default)]
struct Ids {
    used: HashSet<String>,
    /// How often an id was wanted again.
    again: HashMap<String, u32>,
    /// Calls in the older form.
    functions: u32,
}

impl Ids {
    fn unlike_others(&mut self, wanted: String) -> String {
        let mut id = wanted.clone();
        while !self.used.insert(id.clone()) {
            let again = self.again.entry(wanted.clone()).or_insert(1);
            *again = again.saturating_add(1);
            id = format!("{wanted}_{again}");
        }
        id
    }
}

impl Calls {
    fn is_open(&self, number: usize) -> bool {
        self.answered.get(number) == Some(&false)
    }

    fn answer(&mut self, number: usize, mut result: Turn) {
        let Some((answered, call)) = self
            .answered
            .get_mut(number)
            .zip(self.turn.message.tool_calls.get(number))
        else {
            return;
        };
        *answered = true;
        result.message.role = Some(Role::Tool);
        result.message.tool_call_id.clone_from(&call.id);
        self.results.push((number, result));
    }
}

/// A result whose call is not in the history, as what a user might have written.
fn result_as_text(turn: Turn) -> Result<Turn, BadRequest> {
    let Turn { at, message, .. } = turn;
    let text = match message.content {
        Some(content) => plain_text(content, &format!("messages[{at}].content"))?,
        None => String::new(),
    };
    let tool = message.name.or(message.tool_call_id);
    let text = match tool.filter(|tool| !tool.is_empty()) {
        Some(tool) => format!("Result of tool {tool}:\n{text}"),
        None => format!("Result of a tool:\n{text}"),
    };
    Ok(said(at, Role::User, text))
}

/// Gives calls without a result one that says so: a server that finds a call open refuses the whole history.
fn answer_open_calls(blocks: &mut [Block]) {
    for block in blocks {
        let Block::Calls(calls) = block else { continue };
        for number in 0..calls.answered.len() {
            if calls.is_open(number) {
                let nothing = said(calls.turn.at, Role::Tool, NO_RESULT.to_owned());
                calls.answer(number, nothing);
            }
        }
    }
}

/// Parallel calls as if the model had made them one after the other, each followed by its result: Gemini's server counts
/// calls and results of a turn, and OCI hands it one result a turn. The text stays with the first call.
fn one_call_a_turn(blocks: Vec<Block>) -> Vec<Block> {
    let mut flat = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut calls = match block {
            Block::Calls(calls) if calls.answered.len() > 1 => calls,
            Block::Calls(_) | Block::Plain(_) => {
                flat.push(block);
                continue;
            }
        };
        let at = calls.turn.at;
        calls.results.sort_by_key(|(number, _)| *number);
        let mut results = calls.results.into_iter().map(|(_, result)| result);
        let mut message = calls.turn.message;
        let tool_calls = std::mem::take(&mut message.tool_calls);
        for (first_call, call) in tool_calls.into_iter().enumerate() {
            let mut message = std::mem::take(&mut message);
            message.role = Some(Role::Assistant);
            message.tool_calls = vec![call];
            flat.push(Block::Calls(Calls {
                turn: Turn {
                    at,
                    first_call,
                    message,
                },
                answered: vec![true],
                results: results
                    .next()
                    .into_iter()
                    .map(|result| (0, result))
                    .collect(),
            }));
        }
    }
    flat
}

/// Llama's server fails with a null pointer on a tool turn without text.
fn fill_empty_tool_turns(blocks: &mut [Block]) {
    for block in blocks {
        let Block::Calls(calls) = block else { continue };
        match &mut calls.turn.message.content {
            Some(Content::Parts(parts)) if parts.iter().all(is_blank) => {
                parts.retain(|part| part.kind == Some(PartKind::Refusal));
                parts.push(text_part(FILLER.to_owned()));
            }
            Some(Content::Text(text)) if text.is_empty() => FILLER.clone_into(text),
            content @ None => *content = Some(Content::Text(FILLER.to_owned())),
            Some(Content::Parts(_) | Content::Text(_)) => {}
        }
    }
}

/// Empty text, or no text at all but a refusal, which is not content.
fn is_blank(part: &Part) -> bool {
    match part.kind {
        Some(PartKind::Refusal) => true,
        Some(PartKind::Text) | None => part.text.as_ref().is_some_and(String::is_empty),
        Some(PartKind::ImageUrl | PartKind::VideoUrl | PartKind::InputAudio | PartKind::File) => {
            false
        }
    }
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

/// All system and developer messages as one before all others: Gemini has one place for instructions.
fn one_system_first(turns: Vec<Turn>) -> Vec<Turn> {
    let (system, mut others): (Vec<Turn>, Vec<Turn>) = turns.into_iter().partition(is_system);
    let mut system = system.into_iter();
    let Some(mut first) = system.next() else {
        return others;
    };
    for more in system {
        first.message.content = joined(first.message.content, more.message.content);
    }
    others.insert(0, first);
    others
}

fn is_system(turn: &Turn) -> bool {
    matches!(turn.message.role, Some(Role::System | Role::Developer))
}

fn joined(first: Option<Content>, more: Option<Content>) -> Option<Content> {
    match (first, more) {
        (None, only) | (only, None) => only,
        (Some(Content::Text(mut text)), Some(Content::Text(more))) => {
            text.push_str(BETWEEN_SYSTEM_TEXTS);
            text.push_str(&more);
            Some(Content::Text(text))
        }
        (Some(first), Some(more)) => {
            let mut parts = into_parts(first);
            parts.push(text_part(BETWEEN_SYSTEM_TEXTS.to_owned()));
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

fn text_part(text: String) -> Part {
    Part {
        kind: Some(PartKind::Text),
        text: Some(text),
        ..Part::default()
    }
}

fn said(at: usize, role: Role, text: String) -> Turn {
    let message = Message {
        role: Some(role),
        content: Some(Content::Text(text)),
        ..Message::default()
    };
    Turn::new(at, message)
}

#[cfg(test)]
mod tests;
