//! Each tool call with an id of its own, and exactly one result behind it.

use std::collections::{HashMap, HashSet};

use crate::openai::message::{CalledFunction, Content, Role, ToolCall};
use crate::translate::BadRequest;

use super::{Block, Calls, Turn, into_parts, said, text_part, uses_tools};

/// The result of a call that the client never gave one for.
const NO_RESULT: &str = "no result";

/// How a result names its call.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Id(String),
    /// By a call without an id, and a result without one.
    Unnamed,
    /// By the function's name: the older form, and clients of other APIs.
    Function(String),
    /// By nothing.
    Any,
}

/// The calls that wait for a result: their block's place and their number in it, the next to be answered last. Each waits
/// under all its keys, and may have been answered under another.
type Open = HashMap<Key, Vec<(usize, usize)>>;

/// Puts each result right behind its call. A result goes to the latest open call of its id, so that ids may come again;
/// one that is late, behind other messages, moves forward to its call. A result without a call becomes a user's text: its
/// call was cut off with the beginning of the history, and what it says may be what the conversation is about.
pub(super) fn pair_results(turns: Vec<Turn>) -> Result<Vec<Block>, BadRequest> {
    let mut blocks: Vec<Block> = Vec::with_capacity(turns.len());
    let mut open = Open::new();
    let mut ids = Ids {
        claimed: turns
            .iter()
            .filter_map(|turn| turn.message.tool_call_id.clone())
            .collect(),
        ..Ids::default()
    };
    for turn in turns {
        match turn.message.role {
            Some(Role::Assistant) if uses_tools(&turn.message) => {
                let (calls, keys) = named_calls(turn, &mut ids)?;
                // In reverse, so that the first of several equal ones is answered first.
                for (number, keys) in keys.into_iter().enumerate().rev() {
                    for key in keys {
                        open.entry(key).or_default().push((blocks.len(), number));
                    }
                }
                blocks.push(Block::Calls(calls));
            }
            Some(Role::Tool | Role::Function) => match open_call(&turn, &mut open, &blocks)? {
                Some((block, number)) => {
                    if let Some(Block::Calls(calls)) = blocks.get_mut(block) {
                        calls.answer(number, turn);
                    }
                }
                None => blocks.push(Block::Plain(result_as_text(turn))),
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
    let name = message.name.as_ref().filter(|name| !name.is_empty());
    let by_name = || name.map(|name| Key::Function(name.clone()));
    let needs_id = message.role == Some(Role::Tool) && id.is_none();
    let keys = match (message.role, id) {
        (Some(Role::Function), _) => [Some(by_name().unwrap_or(Key::Any)), None, None],
        // A client that gives ids of its own to calls that came without.
        (_, Some(id)) => [Some(Key::Id(id.clone())), Some(Key::Unnamed), None],
        (_, None) => [by_name(), Some(Key::Unnamed), Some(Key::Any)],
    };
    let mut latest = |key: &Key| {
        let waiting = open.get_mut(key)?;
        loop {
            let (block, number) = waiting.pop()?;
            if matches!(blocks.get(block), Some(Block::Calls(calls)) if calls.is_open(number)) {
                return Some((block, number));
            }
        }
    };
    let mut keys = keys.into_iter().flatten();
    match keys.find_map(|key| latest(&key)) {
        None if needs_id => Err(BadRequest::invalid(
            format!("messages[{}].tool_call_id", turn.at),
            "is missing",
        )),
        found => Ok(found),
    }
}

/// Gives each call an id that no other call of the history has, and says how its result may name it. A call in the older
/// form becomes a call like the others, unless it is one of them told twice.
fn named_calls(mut turn: Turn, ids: &mut Ids) -> Result<(Calls, Vec<Vec<Key>>), BadRequest> {
    let mut keys = Vec::with_capacity(turn.message.tool_calls.len());
    for (number, call) in turn.message.tool_calls.iter_mut().enumerate() {
        let id = call.id.take().filter(|id| !id.is_empty());
        // By its place, which stays the same as long as the conversation goes on.
        let wanted = id
            .clone()
            .unwrap_or_else(|| format!("call_{}_{number}", turn.at));
        call.id = Some(ids.unlike_others(wanted));
        let is_claimed = id.as_ref().is_some_and(|id| ids.claimed.contains(id));
        let by_name = function_of(call).map(|name| Key::Function(name.to_owned()));
        let mut of_call = vec![id.map_or(Key::Unnamed, Key::Id)];
        if !is_claimed {
            of_call.extend(by_name);
            of_call.push(Key::Any);
        }
        keys.push(of_call);
    }
    if let Some(function) = turn.message.function_call.take() {
        let name = function.name.clone().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            let param = format!("messages[{}].function_call.name", turn.at);
            BadRequest::invalid(param, "is missing")
        })?;
        let calls = &mut turn.message.tool_calls;
        let is_told_twice = |call: &ToolCall| {
            call.function.as_ref().is_some_and(|theirs| {
                (&theirs.name, &theirs.arguments) == (&function.name, &function.arguments)
            })
        };
        if !calls.iter().any(is_told_twice) {
            let id = format!("call_function_{}", ids.functions);
            ids.functions += 1;
            calls.push(call(ids.unlike_others(id), function));
            keys.push(vec![Key::Function(name), Key::Any]);
        }
    }
    let calls = Calls {
        answered: vec![false; keys.len()],
        turn,
        results: Vec::new(),
    };
    Ok((calls, keys))
}

fn function_of(call: &ToolCall) -> Option<&str> {
    call.function.as_ref()?.name.as_deref()
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
    /// A result has it, which is not taken for the call of a result without one.
    claimed: HashSet<String>,
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
fn result_as_text(turn: Turn) -> Turn {
    let Turn { at, message, .. } = turn;
    let tool = message.name.or(message.tool_call_id);
    let label = match tool.filter(|tool| !tool.is_empty()) {
        Some(tool) => format!("Result of tool {tool}:\n"),
        None => "Result of a tool:\n".to_owned(),
    };
    let content = match message.content {
        None => label.into(),
        Some(Content::Text(text)) => (label + &text.read()).into(),
        Some(parts @ Content::Parts(_)) => {
            let mut all = vec![text_part(label)];
            all.extend(into_parts(parts));
            Content::Parts(all)
        }
    };
    said(at, Role::User, content)
}

/// Gives calls without a result one that says so: a server that finds a call open refuses the whole history.
pub(super) fn answer_open_calls(blocks: &mut [Block]) {
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
