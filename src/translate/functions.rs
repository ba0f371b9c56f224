//! The form before `tools`: a client that asks with `functions` reads `function_call` and would look past `tool_calls`. In
//! streams `ChunkHead` says it. Source: OpenAI API reference, `functions` and `function_call`.

use crate::openai::chat::{ChatCompletion, FinishReason};

/// The older form has room for one call: the first. The model asks again for the others, as it gets no result for them.
pub(super) fn call_functions(completion: &mut ChatCompletion) {
    for choice in &mut completion.choices {
        let mut calls = std::mem::take(&mut choice.message.tool_calls).into_iter();
        choice.message.function_call = calls.next().map(|call| call.function);
        if choice.finish_reason == FinishReason::ToolCalls {
            choice.finish_reason = FinishReason::FunctionCall;
        }
    }
}
