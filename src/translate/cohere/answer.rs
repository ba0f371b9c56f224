//! Answers in the COHERE format. Source: reference §5 and §6.4.
//!
//! Its streams tell everything twice: an event with tool calls, with the conversation or with the finish reason has the
//! whole text again, and the calls too. A text is dropped there if any was told before, and a call if it was.

use serde_json::Value;

use crate::oci::error::OciError;
use crate::oci::wire::cohere as wire;
use crate::oci::wire::generic::{Answer, AnswerPart, AnswerToolCall};
use crate::translate::dialect::ToolNames;
use crate::translate::heard::{Heard, Said, failure};
use crate::translate::tools::MAX_TOOL_CALLS;

use super::finish_reason;

pub(in crate::translate) struct Listener {
    names: ToolNames,
    text: Said,
    /// By COHERE's names; little more than [`MAX_TOOL_CALLS`].
    calls: Vec<(String, Value)>,
}

impl Listener {
    pub(in crate::translate) fn new(names: ToolNames) -> Self {
        Self {
            names,
            text: Said::default(),
            calls: Vec::new(),
        }
    }

    /// Errors: [`OciError::Event`] for an error event, and for a finish reason that is an error.
    pub(in crate::translate) fn hear(&mut self, event: wire::Answer) -> Result<Heard, OciError> {
        let says_more = event.text.is_some() || event.finish_reason.is_some();
        if let Some(error) = failure(event.error, event.message, event.code, says_more) {
            return Err(error);
        }
        let finish_reason = finish_reason(event.finish_reason, event.error_message)?;
        let has_history = event.chat_history.is_some_and(|turns| turns > 0);
        let tells_again = has_history || finish_reason.is_some() || !event.tool_calls.is_empty();
        // Not seen alone, and yet nothing that stands beside a new piece of text.
        let may_tell_again = event.chat_history.is_some() || event.usage.is_some();
        let text = event.text.filter(|text| {
            !(tells_again && self.text.is_any() || may_tell_again && self.text.is_all(text))
        });
        self.text.add(text.as_deref());
        let calls = self.new_calls(event.tool_calls);
        let is_news = text.is_some() || !calls.is_empty();
        Ok(Heard {
            answer: (is_news || has_history || finish_reason.is_some()).then(|| Answer {
                content: vec![AnswerPart {
                    text,
                    thinking: None,
                }],
                ..Answer::default()
            }),
            calls: calls.into_iter().enumerate().collect(),
            // With stop sequences the last event's reason has been seen to be null.
            complete: finish_reason.is_none() && (has_history || may_tell_again && !is_news),
            finish_reason,
            usage: event.usage,
            ..Heard::default()
        })
    }

    /// Those that were not told before. Two calls that are alike are two if one event has both.
    fn new_calls(&mut self, calls: Vec<wire::AnswerToolCall>) -> Vec<AnswerToolCall> {
        let mut told_here = vec![false; self.calls.len()];
        let mut news = Vec::new();
        // One too many is enough for the stream to fail.
        for call in calls.into_iter().take(MAX_TOOL_CALLS + 1) {
            let Some(name) = call.name else {
                continue;
            };
            let mut known = self.calls.iter().zip(&mut told_here);
            let before = known.find(|((known, parameters), told_here)| {
                !**told_here && *known == name && *parameters == call.parameters
            });
            if let Some((_, told_here)) = before {
                *told_here = true;
                continue;
            }
            news.push(AnswerToolCall {
                id: None,
                name: Some(self.names.client(name.clone())),
                arguments: Some(arguments(&call.parameters)),
            });
            self.calls.push((name, call.parameters));
            told_here.push(true);
        }
        news
    }
}

/// As JSON. By the schema the parameters are an object.
fn arguments(parameters: &Value) -> String {
    match parameters {
        Value::Null => "{}".to_owned(),
        Value::String(json) => json.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            parameters.to_string()
        }
    }
}
