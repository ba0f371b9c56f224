//! Makes the chunks of one stream, all under one id, date and name; and a stream of a whole answer, for clients that
//! asked for one while OCI was asked for none.

use std::sync::Arc;

use crate::openai::chat::{ChatCompletion, Choice, FinishReason, LogProbs, Usage};
use crate::openai::chunk::{ChatChunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta};

/// What all chunks of a stream have in common.
#[derive(Debug)]
pub(super) struct ChunkHead {
    id: Arc<str>,
    created: u64,
    model: Arc<str>,
    include_usage: bool,
    /// Calls go out in the form before `tools`.
    function_call: bool,
}

impl ChunkHead {
    /// `created` in Unix seconds.
    pub(super) fn new(id: &str, created: u64, model: &str, include_usage: bool) -> Self {
        Self {
            id: id.into(),
            created,
            model: model.into(),
            include_usage,
            function_call: false,
        }
    }

    /// For a request with `functions` and without `tools`.
    pub(super) fn with_function_call(mut self, function_call: bool) -> Self {
        self.function_call = function_call;
        self
    }

    /// The first chunk of a choice.
    pub(super) fn role(&self, index: u32) -> ChatChunk {
        let delta = Delta {
            role: Some("assistant"),
            content: Some(String::new()),
            ..Delta::default()
        };
        self.delta(index, delta, None)
    }

    pub(super) fn delta(&self, index: u32, delta: Delta, logprobs: Option<LogProbs>) -> ChatChunk {
        self.choice(ChunkChoice {
            index,
            delta,
            logprobs,
            finish_reason: None,
        })
    }

    /// `None` for what the older form cannot say: a second call.
    pub(super) fn tool_call(&self, index: u32, call: ToolCallDelta) -> Option<ChatChunk> {
        let delta = match (self.function_call, call.index) {
            (false, _) => Delta {
                tool_calls: vec![call],
                ..Delta::default()
            },
            (true, 0) => Delta {
                function_call: Some(call.function),
                ..Delta::default()
            },
            (true, _) => return None,
        };
        Some(self.delta(index, delta, None))
    }

    /// The last chunk of a choice.
    pub(super) fn finish(&self, index: u32, reason: FinishReason) -> ChatChunk {
        let reason = match reason {
            FinishReason::ToolCalls if self.function_call => FinishReason::FunctionCall,
            other => other,
        };
        self.choice(ChunkChoice {
            index,
            delta: Delta::default(),
            logprobs: None,
            finish_reason: Some(reason),
        })
    }

    /// The last chunk of a stream; `None` if the client did not ask for it.
    pub(super) fn usage(&self, usage: Usage) -> Option<ChatChunk> {
        self.include_usage
            .then(|| self.chunk(Vec::new(), Some(usage)))
    }

    fn choice(&self, choice: ChunkChoice) -> ChatChunk {
        self.chunk(vec![choice], None)
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> ChatChunk {
        ChatChunk {
            id: Arc::clone(&self.id),
            object: "chat.completion.chunk",
            created: self.created,
            model: Arc::clone(&self.model),
            choices,
            usage: self.include_usage.then_some(usage),
        }
    }
}

/// A valid stream that says what the answer says.
pub(crate) fn completion_as_chunks(
    completion: &ChatCompletion,
    include_usage: bool,
) -> Vec<ChatChunk> {
    let head = ChunkHead::new(
        &completion.id,
        completion.created,
        &completion.model,
        include_usage,
    );
    let mut chunks = Vec::new();
    for choice in &completion.choices {
        push_choice(&head, choice, &mut chunks);
    }
    chunks.extend(completion.usage.and_then(|usage| head.usage(usage)));
    chunks
}

fn push_choice(head: &ChunkHead, choice: &Choice, chunks: &mut Vec<ChatChunk>) {
    let message = &choice.message;
    chunks.push(head.role(choice.index));
    let deltas = [
        message.reasoning_content.clone().map(|reasoning| Delta {
            reasoning_content: Some(reasoning),
            ..Delta::default()
        }),
        message
            .content
            .clone()
            .filter(|text| !text.is_empty())
            .map(|text| Delta {
                content: Some(text),
                ..Delta::default()
            }),
        message.refusal.clone().map(|refusal| Delta {
            refusal: Some(refusal),
            ..Delta::default()
        }),
        (!message.annotations.is_empty()).then(|| Delta {
            annotations: message.annotations.clone(),
            ..Delta::default()
        }),
        message.function_call.clone().map(|call| Delta {
            function_call: Some(FunctionDelta {
                name: Some(call.name),
                arguments: call.arguments,
            }),
            ..Delta::default()
        }),
    ];
    for delta in deltas.into_iter().flatten() {
        let logprobs = choice.logprobs.clone().filter(|_| delta.content.is_some());
        chunks.push(head.delta(choice.index, delta, logprobs));
    }
    for (index, call) in (0..).zip(&message.tool_calls) {
        let delta = ToolCallDelta {
            index,
            id: Some(call.id.clone()),
            r#type: Some("function"),
            function: FunctionDelta {
                name: Some(call.function.name.clone()),
                arguments: call.function.arguments.clone(),
            },
        };
        chunks.extend(head.tool_call(choice.index, delta));
    }
    chunks.push(head.finish(choice.index, choice.finish_reason));
}
