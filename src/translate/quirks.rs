//! What is certain about a model, by its id; of a dedicated endpoint nothing is. What is only likely stands nowhere: the
//! parameter goes out, and OCI's own 400 says whether it was wrong. Source: reference §7.

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quirks {
    /// Wants `maxCompletionTokens` and refuses `maxTokens`.
    pub(super) completion_tokens: bool,
    /// Refuses `isParallelToolCalls: true`, which is what it does anyway.
    pub(super) no_parallel_calls: bool,
    /// Fails on an assistant's turn that has tool calls and empty text.
    pub(super) no_empty_tool_turn: bool,
    /// Wants each tool call answered before the next one is made.
    pub(super) one_call_a_turn: bool,
    /// Wants each turn with tool calls right behind a turn of somebody else's.
    pub(super) calls_follow_others: bool,
    /// Wants one system message, and before all others.
    pub(super) one_system_first: bool,
    /// Refuses `exclusiveMinimum`, `exclusiveMaximum` and `const` in schemas.
    pub(super) older_keywords: bool,
    /// Understands the whole of JSON Schema in `responseFormat`, and with `strict` insists on some of what other models
    /// choke on, such as every property being required and may-be-null instead.
    pub(super) full_response_schemas: bool,
}

impl Quirks {
    pub(super) fn of(id: &str) -> Self {
        let (openai, xai, google) = (
            id.starts_with("openai."),
            id.starts_with("xai."),
            id.starts_with("google."),
        );
        Self {
            completion_tokens: openai && !id.starts_with("openai.gpt-oss"),
            no_parallel_calls: id.starts_with("meta.llama-3"),
            no_empty_tool_turn: id.starts_with("meta.llama"),
            one_call_a_turn: google,
            calls_follow_others: google,
            one_system_first: google,
            older_keywords: google,
            full_response_schemas: openai || xai,
        }
    }
}
