//! A chat's answer as a completion: a text instead of a message, whole or in pieces. What a model thinks is not part of it.

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::openai::chat::{ChatCompletion, FinishReason, LogProbs, Usage, bare_id};
use crate::openai::chunk::{ChatChunk, ChunkChoice};
use crate::openai::error::ApiError;
use crate::openai::render::{Event, Render};

/// What the last event of a stream says.
const DONE: &str = "[DONE]";

/// Writes the answer to one request.
pub(crate) struct Completing {
    /// The prompt, if each text is to begin with it.
    echoed: Option<String>,
    /// Of each choice of a stream, by its index: how far it has come. As many as choices that can be asked for.
    told: Vec<Told>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Told {
    has_begun: bool,
    /// Characters.
    chars: usize,
}

#[derive(Serialize)]
struct Completion {
    /// `cmpl-…`.
    id: String,
    /// Always `text_completion`, of a stream's pieces too.
    object: &'static str,
    /// Unix seconds.
    created: u64,
    model: String,
    choices: Vec<Choice>,
    /// `None`: the field is absent. `Some(None)`: asked for, and not there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice {
    text: String,
    index: u32,
    logprobs: Option<Probabilities>,
    /// `stop`, `length` or `content_filter`.
    finish_reason: Option<FinishReason>,
}

/// The same lists side by side that this API has always had.
#[derive(Debug, PartialEq, Serialize)]
struct Probabilities {
    tokens: Vec<String>,
    token_logprobs: Vec<f64>,
    /// By token.
    top_logprobs: Vec<Map<String, Value>>,
    /// Where each token begins, in characters of the whole text.
    text_offset: Vec<usize>,
}

impl Probabilities {
    fn of(log_probs: LogProbs, mut offset: usize) -> Self {
        let mut lists = Self {
            tokens: Vec::new(),
            token_logprobs: Vec::new(),
            top_logprobs: Vec::new(),
            text_offset: Vec::new(),
        };
        for token in log_probs.content {
            let top = token.top_logprobs.into_iter().filter_map(|other| {
                Some((other.token, Value::Number(Number::from_f64(other.logprob)?)))
            });
            lists.top_logprobs.push(top.collect());
            lists.text_offset.push(offset);
            offset += token.chosen.token.chars().count();
            lists.token_logprobs.push(token.chosen.logprob);
            lists.tokens.push(token.chosen.token);
        }
        lists
    }
}

/// Nobody has offered tools.
fn reason(reason: FinishReason) -> FinishReason {
    match reason {
        FinishReason::ToolCalls | FinishReason::FunctionCall => FinishReason::Stop,
        FinishReason::Stop | FinishReason::Length | FinishReason::ContentFilter => reason,
    }
}

fn own_id(id: &str) -> String {
    format!("cmpl-{}", bare_id(id))
}

impl Completing {
    pub(super) fn new(echoed: Option<String>) -> Self {
        Self {
            echoed,
            told: Vec::new(),
        }
    }

    /// One piece of a stream; `None` if it says nothing here, such as a thought.
    fn piece(&mut self, chunk: ChatChunk) -> Option<Completion> {
        let is_usage = chunk.choices.is_empty();
        let choices = chunk.choices.into_iter();
        let choices: Vec<_> = choices.filter_map(|choice| self.next(choice)).collect();
        (is_usage || !choices.is_empty()).then(|| Completion {
            id: own_id(&chunk.id),
            object: "text_completion",
            created: chunk.created,
            model: chunk.model.to_string(),
            choices,
            usage: chunk.usage,
        })
    }

    fn next(&mut self, choice: ChunkChoice) -> Option<Choice> {
        let said = choice.delta.content.or(choice.delta.refusal);
        let mut text = said.unwrap_or_default();
        let before = self
            .told(choice.index)
            .map_or(Told::default(), |told| *told);
        // The first piece says that the answer has begun, although the model may think for long before it says anything.
        if text.is_empty() && choice.finish_reason.is_none() && before.has_begun {
            return None;
        }
        if let Some(prompt) = self.echoed.as_ref().filter(|_| !before.has_begun) {
            text.insert_str(0, prompt);
        }
        if let Some(told) = self.told(choice.index) {
            told.has_begun = true;
            told.chars += text.chars().count();
        }
        let logprobs = choice.logprobs;
        Some(Choice {
            text,
            index: choice.index,
            logprobs: logprobs.map(|probs| Probabilities::of(probs, before.chars)),
            finish_reason: choice.finish_reason.map(reason),
        })
    }

    /// `None` for an index that no list can have.
    fn told(&mut self, index: u32) -> Option<&mut Told> {
        let index = usize::try_from(index).ok()?;
        if index >= self.told.len() {
            self.told.resize(index + 1, Told::default());
        }
        self.told.get_mut(index)
    }
}

impl Render for Completing {
    fn whole(&mut self, completion: ChatCompletion) -> Result<Vec<u8>, serde_json::Error> {
        let prompt = self.echoed.as_deref().unwrap_or_default();
        let choices = completion.choices.into_iter().map(|choice| {
            let said = choice.message.content.or(choice.message.refusal);
            Choice {
                text: format!("{prompt}{}", said.unwrap_or_default()),
                index: choice.index,
                logprobs: choice.logprobs.map(|probs| Probabilities::of(probs, 0)),
                finish_reason: Some(reason(choice.finish_reason)),
            }
        });
        serde_json::to_vec(&Completion {
            id: own_id(&completion.id),
            object: "text_completion",
            created: completion.created,
            model: completion.model,
            choices: choices.collect(),
            usage: completion.usage.map(Some),
        })
    }

    fn chunks(&mut self, chunks: Vec<ChatChunk>) -> Vec<Event> {
        let pieces = chunks.into_iter().filter_map(|chunk| self.piece(chunk));
        // They are made of strings and numbers, which always serialise.
        let data = pieces.filter_map(|piece| serde_json::to_string(&piece).ok());
        data.map(Event::data).collect()
    }

    fn end(&mut self) -> Vec<Event> {
        vec![Event::data(DONE)]
    }

    /// Without `[DONE]`: the answer is not whole.
    fn error(&mut self, error: &ApiError) -> Vec<Event> {
        vec![Event::data(error.to_json())]
    }

    fn refusal(&self, error: ApiError) -> ApiError {
        super::renamed(error)
    }
}
