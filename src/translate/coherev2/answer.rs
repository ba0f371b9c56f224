//! Answers in the COHEREV2 format. Source: reference §5 and §6.5.
//!
//! How its streams end is not known: the last event may have the whole text and the calls again or not, the usage in it
//! or after it, the calls whole or in fragments. So what an event tells again is dropped when it is exactly what was
//! told, and only where an answer may end; a delta that happens to repeat all before it ("ha", "ha") stays.

use crate::oci::error::OciError;
use crate::oci::wire::TextOr;
use crate::oci::wire::coherev2 as wire;
use crate::oci::wire::generic::{Answer, AnswerPart, AnswerToolCall, LogProbs};
use crate::translate::cohere::finish_reason;
use crate::translate::dialect::ToolNames;
use crate::translate::heard::{Heard, Said, failure};

pub(in crate::translate) struct Listener {
    names: ToolNames,
    text: Said,
    thoughts: Said,
    plan: Said,
    has_called: bool,
}

impl Listener {
    pub(in crate::translate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            text: Said::default(),
            thoughts: Said::default(),
            plan: Said::default(),
            has_called: false,
        }
    }

    /// Errors: [`OciError::Event`] for an error event, and for a finish reason that is an error.
    pub(in crate::translate) fn hear(&mut self, event: wire::Answer) -> Result<Heard, OciError> {
        let (said, message) = match event.message {
            Some(TextOr::Object(message)) => (None, Some(message)),
            Some(TextOr::Text(text)) => (Some(text), None),
            None => (None, None),
        };
        let says_more = message.is_some() || event.finish_reason.is_some();
        if let Some(error) = failure(event.error, said, event.code, says_more) {
            return Err(error);
        }
        let finish_reason = finish_reason(event.finish_reason, event.error_message)?;
        let ends = finish_reason.is_some() || event.usage.is_some();
        let is_answer = message.is_some() || finish_reason.is_some();
        let message = message.unwrap_or_default();
        let tells_again = ends || !message.tool_calls.is_empty();
        let (mut text, mut thoughts) = (None, None);
        for part in message.content {
            append(&mut text, part.text);
            append(&mut thoughts, part.thinking);
        }
        let text = news(&mut self.text, text, tells_again);
        let thoughts = news(&mut self.thoughts, thoughts, tells_again);
        let is_first_plan = !self.plan.is_any();
        let mut plan = news(&mut self.plan, message.tool_plan, tells_again);
        if let Some(plan) = plan
            .as_mut()
            .filter(|_| is_first_plan && self.thoughts.is_any())
        {
            plan.insert(0, '\n');
        }
        let mut reasoning = thoughts;
        append(&mut reasoning, plan);
        let calls = self.calls(message.tool_calls, ends);
        let is_news = text.is_some() || reasoning.is_some() || !calls.is_empty();
        Ok(Heard {
            answer: is_answer.then(|| Answer {
                content: vec![AnswerPart {
                    text,
                    thinking: None,
                }],
                reasoning_content: reasoning,
                ..Answer::default()
            }),
            calls,
            // Nothing but the end has the usage and nothing new.
            complete: finish_reason.is_none() && event.usage.is_some() && !is_news,
            finish_reason,
            logprobs: log_probs(event.log_probabilities),
            usage: event.usage,
            index: None,
        })
    }

    /// Calls and fragments of them. A call with an id is known by it; one without is told again if others were told
    /// before the end.
    fn calls(
        &mut self,
        calls: Vec<wire::AnswerToolCall>,
        ends: bool,
    ) -> Vec<(usize, AnswerToolCall)> {
        let again = ends && self.has_called;
        self.has_called |= !calls.is_empty();
        let calls = calls.into_iter().enumerate();
        calls
            .filter(|(_, call)| !again || call.id.is_some() || call.function.name.is_none())
            .map(|(at, call)| {
                let index = call.index.and_then(|index| usize::try_from(index).ok());
                let name = call.function.name.map(|name| self.names.client(name));
                let call = AnswerToolCall {
                    id: call.id,
                    name,
                    arguments: call.function.arguments,
                };
                (index.unwrap_or(at), call)
            })
            .collect()
    }
}

/// `piece` unless it is all that was said before, told again.
fn news(said: &mut Said, piece: Option<String>, tells_again: bool) -> Option<String> {
    let piece = piece.filter(|piece| !(tells_again && said.is_all(piece)));
    said.add(piece.as_deref());
    piece
}

fn append(to: &mut Option<String>, piece: Option<String>) {
    match (to.as_mut(), piece) {
        (Some(text), Some(piece)) => text.push_str(&piece),
        (None, Some(piece)) => *to = Some(piece),
        (_, None) => {}
    }
}

/// A piece of text may be several tokens: its probability is their product.
fn log_probs(pieces: Vec<wire::LogProbability>) -> Option<LogProbs> {
    let pieces = pieces
        .into_iter()
        .filter_map(|piece| Some((piece.text?, piece.log_probabilities)));
    let (tokens, token_logprobs): (Vec<_>, Vec<_>) = pieces
        .map(|(text, numbers)| {
            let known = !numbers.is_empty();
            let sum = numbers.into_iter().sum::<Option<f64>>();
            (text, sum.filter(|_| known))
        })
        .unzip();
    (!tokens.is_empty()).then_some(LogProbs {
        tokens,
        token_logprobs,
        ..LogProbs::default()
    })
}
