//! A stream of OCI's events as a stream of OpenAI's chunks. Source: reference §6 and §10.2. Whatever text an event has
//! becomes one chunk at once; nothing is held back.
//!
//! Invariants: a choice begins with one role chunk and ends with at most one finish chunk, and nothing follows that.
//! A finish reason is never invented: a stream that ends without one is broken, unless its format has told otherwise
//! that the answer is complete.

use crate::oci::error::OciError;
use crate::oci::wire::generic::{Answer, AnswerToolCall, LogProbs};
use crate::openai::chat::{Annotation, FinishReason, MAX_CHOICES, Usage};
use crate::openai::chunk::{ChatChunk, Delta};

use super::ReplyMeta;
use super::chunks::ChunkHead;
use super::event::Listener;
use super::grounding::MAX_CITATIONS;
use super::logprobs::logprobs;
use super::reply::{Spoken, annotations, finish_reason, usage};
use super::tools::{MAX_TOOL_CALLS, MadeUpIds, OwnIds, ToolCalls};

/// What some vendors' streams end with.
const DONE: &str = "[DONE]";

pub(crate) struct StreamTranslator {
    head: ChunkHead,
    listener: Listener,
    tool_id_seed: String,
    /// Choices asked for.
    expected: usize,
    /// By index; never more than [`MAX_CHOICES`].
    choices: Vec<ChoiceState>,
    /// Finish events that named no choice while several were open, in order of arrival; see [`Self::settle_unnamed`].
    unnamed: Vec<String>,
    usage: Option<Usage>,
    /// The usage came where nothing follows it.
    usage_was_last: bool,
    /// The answer is complete although no reason says so; see `Heard`.
    complete: bool,
    done: bool,
    ended: bool,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    /// All finish reasons were seen; the usage may follow.
    Finished,
    /// Nothing more is to come.
    Complete,
}

#[derive(Debug, Default)]
struct ChoiceState {
    started: bool,
    finished: bool,
    tools: ToolCalls,
    /// At most [`MAX_CITATIONS`].
    cited: Vec<Annotation>,
}

impl ChoiceState {
    /// Whether it is said for the first time: Gemini says its sources again with each event that has any.
    fn cites(&mut self, annotation: &Annotation) -> bool {
        let is_new = self.cited.len() < MAX_CITATIONS && !self.cited.contains(annotation);
        if is_new {
            self.cited.push(annotation.clone());
        }
        is_new
    }

    fn is_open(&self) -> bool {
        self.started && !self.finished
    }
}

impl StreamTranslator {
    /// `choices`: how many the client asked for, 1 to [`MAX_CHOICES`].
    pub(crate) fn new(meta: ReplyMeta, include_usage: bool, choices: u32) -> Self {
        Self {
            head: ChunkHead::new(&meta.id, meta.created, &meta.model, include_usage)
                .with_function_call(meta.function_call),
            listener: Listener::new(meta.dialect),
            tool_id_seed: meta.tool_id_seed,
            expected: usize::try_from(choices.clamp(1, MAX_CHOICES)).unwrap_or(1),
            choices: Vec::new(),
            unnamed: Vec::new(),
            usage: None,
            usage_was_last: false,
            complete: false,
            done: false,
            ended: false,
        }
    }

    /// The chunks of one event, the text behind its `data:`. Errors: [`OciError::Broken`] for what is no JSON object or
    /// beyond a bound, [`OciError::Event`] for an error event. After an error the stream is over.
    pub(crate) fn push(&mut self, event: &str) -> Result<Vec<ChatChunk>, OciError> {
        let event = event.trim();
        if event == DONE {
            self.done = true;
        }
        if self.done || self.ended || event.is_empty() {
            return Ok(Vec::new());
        }
        let heard = self.listener.hear(event)?;
        let mut chunks = Vec::new();
        let only_usage = heard.answer.is_none() && heard.finish_reason.is_none();
        if !only_usage {
            let index = self.choice_of(heard.index)?;
            self.speak(
                index,
                heard.answer.unwrap_or_default(),
                heard.calls,
                heard.logprobs,
                &mut chunks,
            )?;
            // A choice may have its own usage, with other choices to come.
            self.usage_was_last |=
                self.expected == 1 && heard.usage.is_some() && heard.finish_reason.is_some();
            if let Some(reason) = heard.finish_reason {
                let named = heard.index.is_some();
                self.finish_choice(index, named, reason, &mut chunks);
            }
        }
        // What goes on was not complete.
        self.complete = heard.complete || self.complete && chunks.is_empty();
        if let Some(from) = heard.usage {
            self.usage = Some(usage(from));
            if only_usage {
                self.usage_was_last = true;
                // Usage comes after all finish events, so that no other choice can be meant by now.
                self.settle_unnamed(&mut chunks);
            }
        }
        Ok(chunks)
    }

    pub(crate) fn progress(&self) -> Progress {
        let finished = self.choices.iter().filter(|choice| choice.finished).count();
        let open = self.choices.iter().any(ChoiceState::is_open);
        // A model that ignores `n` ends with fewer choices than asked for: only its usage or [DONE] tells.
        if self.complete && open {
            // The reason may follow, or nothing.
            return Progress::Finished;
        }
        match (
            finished > 0 && !open,
            finished >= self.expected,
            self.usage_was_last || self.done,
        ) {
            // Fewer than asked for, and the usage was told: others may come, or not.
            (true, false, false) if self.usage.is_some() => Progress::Finished,
            (false, _, _) | (true, false, false) => Progress::Open,
            (true, true, false) => Progress::Finished,
            (true, _, true) => Progress::Complete,
        }
    }

    /// The usage, once it came; for the log.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The chunks that are left when the upstream has ended: the usage, if it was asked for and came. Errors:
    /// [`OciError::Broken`] if a choice has no finish reason.
    pub(crate) fn finish(&mut self) -> Result<Vec<ChatChunk>, OciError> {
        if self.ended {
            return Ok(Vec::new());
        }
        self.ended = true;
        let mut chunks = Vec::new();
        self.settle_unnamed(&mut chunks);
        if self.complete {
            self.unnamed.push(String::new());
            self.settle_unnamed(&mut chunks);
        }
        let all_finished = !self.choices.iter().any(ChoiceState::is_open);
        if !all_finished || !self.choices.iter().any(|choice| choice.finished) {
            return Err(OciError::Broken {
                why: "the stream ended before its finish reason".to_owned(),
            });
        }
        chunks.extend(self.usage.and_then(|usage| self.head.usage(usage)));
        Ok(chunks)
    }

    /// The choice that an event is about. Finish events lack the index, and some vendors' other events too: then it is
    /// the only open choice, else the first.
    fn choice_of(&mut self, index: Option<u64>) -> Result<usize, OciError> {
        let index = match index {
            None => self.only_open().unwrap_or(0),
            Some(index) => usize::try_from(index).unwrap_or(usize::MAX),
        };
        if index >= usize::try_from(MAX_CHOICES).unwrap_or(usize::MAX) {
            return Err(OciError::Broken {
                why: format!(
                    "an event has the choice index {index}, at most {MAX_CHOICES} can be asked for"
                ),
            });
        }
        if index >= self.choices.len() {
            self.choices.resize_with(index + 1, ChoiceState::default);
        }
        Ok(index)
    }

    fn only_open(&self) -> Option<usize> {
        let mut open = (0..)
            .zip(&self.choices)
            .filter(|(_, choice)| choice.is_open());
        let (index, _) = open.next()?;
        open.next().is_none().then_some(index)
    }

    /// What an event says: the role first, then thoughts, text, refusal, citations and tool calls.
    fn speak(
        &mut self,
        at: usize,
        message: Answer,
        calls: Vec<(usize, AnswerToolCall)>,
        log_probs: Option<LogProbs>,
        chunks: &mut Vec<ChatChunk>,
    ) -> Result<(), OciError> {
        let Self {
            head,
            choices,
            tool_id_seed,
            ..
        } = self;
        let Some(choice) = choices.get_mut(at).filter(|choice| !choice.finished) else {
            return Ok(());
        };
        let index = number(at);
        if !choice.started {
            choice.started = true;
            chunks.push(head.role(index));
        }
        let Spoken { text, reasoning } = Spoken::of(message.content, message.reasoning_content);
        if reasoning.is_some() {
            let delta = Delta {
                reasoning_content: reasoning,
                ..Delta::default()
            };
            chunks.push(head.delta(index, delta, None));
        }
        if text.is_some() {
            let delta = Delta {
                content: text,
                ..Delta::default()
            };
            chunks.push(head.delta(index, delta, log_probs.and_then(logprobs)));
        }
        if message.refusal.is_some() {
            let delta = Delta {
                refusal: message.refusal,
                ..Delta::default()
            };
            chunks.push(head.delta(index, delta, None));
        }
        let mut annotations = annotations(message.annotations);
        annotations.retain(|annotation| choice.cites(annotation));
        if !annotations.is_empty() {
            let delta = Delta {
                annotations,
                ..Delta::default()
            };
            chunks.push(head.delta(index, delta, None));
        }
        let ids = MadeUpIds {
            seed: tool_id_seed,
            choice: index,
        };
        let mut ids_here = OwnIds::default();
        for (position, mut entry) in calls {
            entry.id = entry.id.map(|id| ids_here.own(id));
            let delta = choice
                .tools
                .push(position, entry, &ids)
                .map_err(|_| OciError::Broken {
                    why: format!("the answer has more than {MAX_TOOL_CALLS} tool calls"),
                })?;
            chunks.extend(delta.and_then(|delta| head.tool_call(index, delta)));
        }
        Ok(())
    }

    fn finish_choice(
        &mut self,
        at: usize,
        named: bool,
        reason: String,
        chunks: &mut Vec<ChatChunk>,
    ) {
        let open = self
            .choices
            .iter()
            .filter(|choice| choice.is_open())
            .count();
        if named || open <= 1 {
            self.emit_finish(at, &reason, chunks);
        } else {
            self.unnamed.push(reason);
        }
        // As many finish events as open choices: they can be told apart no longer, and need not be.
        let open = self
            .choices
            .iter()
            .filter(|choice| choice.is_open())
            .count();
        if self.unnamed.len() >= open {
            self.settle_unnamed(chunks);
        }
    }

    /// With `n` above 1 a finish event without an index does not say which choice it ends. Ending the wrong one would
    /// cut its text, so that the event waits until each open choice has one, or the usage or the end has come. Then
    /// they go to the open choices in order, and the last serves for all that are left.
    fn settle_unnamed(&mut self, chunks: &mut Vec<ChatChunk>) {
        let mut reasons = std::mem::take(&mut self.unnamed).into_iter();
        let Some(mut reason) = reasons.next() else {
            return;
        };
        for at in 0..self.choices.len() {
            if self.choices.get(at).is_some_and(ChoiceState::is_open) {
                self.emit_finish(at, &reason, chunks);
                reason = reasons.next().unwrap_or(reason);
            }
        }
    }

    /// A second finish of the same choice is ignored.
    fn emit_finish(&mut self, at: usize, reason: &str, chunks: &mut Vec<ChatChunk>) {
        let Some(choice) = self.choices.get_mut(at).filter(|choice| choice.is_open()) else {
            return;
        };
        choice.finished = true;
        for delta in choice.tools.finish() {
            chunks.extend(self.head.tool_call(number(at), delta));
        }
        let reason: FinishReason = finish_reason(reason, !choice.tools.is_empty());
        chunks.push(self.head.finish(number(at), reason));
    }
}

/// Never saturates: [`MAX_CHOICES`] is far below.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
