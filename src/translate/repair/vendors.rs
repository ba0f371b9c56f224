//! Repairs that some vendors' servers need, each for a quirk of its name or nearly.

use crate::json::Text;
use crate::openai::message::{Content, Part, PartKind, Role};

use super::{Block, Calls, Turn, joined, said, text_part};

/// Stands for a text that must not be empty. Oracle's own client sends it.
const FILLER: &str = ".";

/// Between messages that become one.
const BETWEEN_TEXTS: &str = "\n\n";

/// What an assistant said in several turns, and the calls that it made then, as one turn: Gemini's server takes calls only
/// right behind what somebody else said.
pub(super) fn one_assistant_turn(blocks: Vec<Block>) -> Vec<Block> {
    let mut merged: Vec<Block> = Vec::with_capacity(blocks.len());
    for mut block in blocks {
        let turn = match &mut block {
            Block::Plain(turn) => turn,
            Block::Calls(calls) => &mut calls.turn,
        };
        if turn.message.role == Some(Role::Assistant)
            && let Some(Block::Plain(before)) =
                merged.pop_if(|block| matches!(block, Block::Plain(turn) if turn.message.role == Some(Role::Assistant)))
        {
            let message = &mut turn.message;
            message.content = joined(before.message.content, message.content.take(), BETWEEN_TEXTS);
            message.refusal = before.message.refusal.or(message.refusal.take());
            message.audio = before.message.audio.or(message.audio.take());
        }
        merged.push(block);
    }
    merged
}

/// For the same reason a history that was cut before a call gets somebody who spoke before it.
pub(super) fn begin_with_user(blocks: &mut Vec<Block>) {
    let first = blocks
        .iter()
        .position(|block| !matches!(block, Block::Plain(turn) if turn.is_system()));
    if let Some(first) = first
        && let Some(Block::Calls(calls)) = blocks.get(first)
    {
        let user = said(calls.turn.at, Role::User, FILLER.to_owned());
        blocks.insert(first, Block::Plain(user));
    }
}

/// Parallel calls as if the model had made them one after the other, each followed by its result: Gemini's server counts
/// calls and results of a turn, and OCI hands it one result a turn. The text stays with the first call.
pub(super) fn one_call_a_turn(blocks: Vec<Block>) -> Vec<Block> {
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
pub(super) fn fill_empty_tool_turns(blocks: &mut [Block]) {
    for block in blocks {
        let Block::Calls(calls) = block else { continue };
        match &mut calls.turn.message.content {
            Some(Content::Parts(parts)) if parts.iter().all(is_blank) => {
                parts.retain(|part| part.kind == Some(PartKind::Refusal));
                parts.push(text_part(FILLER.to_owned()));
            }
            Some(Content::Text(text)) if text.is_empty() => *text = FILLER.to_owned().into(),
            content @ None => *content = Some(FILLER.to_owned().into()),
            Some(Content::Parts(_) | Content::Text(_)) => {}
        }
    }
}

/// Empty text, or no text at all but a refusal, which is not content.
fn is_blank(part: &Part) -> bool {
    match part.kind {
        Some(PartKind::Refusal) => true,
        Some(PartKind::Text) | None => part.text.as_ref().is_some_and(Text::is_empty),
        Some(PartKind::ImageUrl | PartKind::VideoUrl | PartKind::InputAudio | PartKind::File) => {
            false
        }
    }
}

/// All system and developer messages as one before all others: Gemini has one place for instructions. Instructions alone
/// are what the user asks: there must be something to answer.
pub(super) fn one_system_first(turns: Vec<Turn>) -> Vec<Turn> {
    let (system, mut others): (Vec<Turn>, Vec<Turn>) = turns.into_iter().partition(Turn::is_system);
    let mut system = system.into_iter();
    let Some(mut first) = system.next() else {
        return others;
    };
    for more in system {
        first.message.content = joined(first.message.content, more.message.content, BETWEEN_TEXTS);
    }
    if others.is_empty() {
        first.message.role = Some(Role::User);
    }
    others.insert(0, first);
    others
}
