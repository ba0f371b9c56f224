//! OCI's names of a request's fields in OpenAI's words, for errors and for what is said about a repaired request.

/// Where they are not the same words in another case.
const RENAMED: [(&str, &str); 13] = [
    ("numGenerations", "n"),
    ("logProbs", "logprobs"),
    ("isLogProbsEnabled", "logprobs"),
    ("isStream", "stream"),
    ("isParallelToolCalls", "parallel_tool_calls"),
    ("stopSequences", "stop"),
    ("isIncludeUsage", "include_usage"),
    ("isStrict", "strict"),
    ("isStrictToolsEnabled", "strict"),
    ("toolsChoice", "tool_choice"),
    ("thinking", "reasoning_effort"),
    ("modelId", "model"),
    ("endpointId", "model"),
];

/// What COHERE makes of the messages. Its places are not the client's.
const MESSAGES: [&str; 4] = ["message", "chatHistory", "preambleOverride", "toolResults"];

/// What stands around the fields of a request in OCI's envelope.
const ENVELOPES: [&str; 2] = ["chatRequest.", "servingMode."];

/// `chatRequest.maxTokens` as `max_tokens`. What follows the field's name stays: indices are mostly the same on both sides.
pub(super) fn openai_path(param: &str) -> String {
    let bare = ENVELOPES
        .iter()
        .find_map(|envelope| param.strip_prefix(envelope));
    let path = bare.unwrap_or(param);
    let first = path.split(['.', '[']).next().unwrap_or_default();
    if MESSAGES.contains(&first) {
        return "messages".to_owned();
    }
    let names = path.split('.').map(|segment| {
        let end = segment.find('[').unwrap_or(segment.len());
        let (name, index) = segment.split_at(end);
        format!("{}{index}", openai_name(name))
    });
    names.collect::<Vec<_>>().join(".")
}

pub(super) fn openai_name(name: &str) -> String {
    if let Some((_, openai)) = RENAMED.iter().find(|(oci, _)| *oci == name) {
        return (*openai).to_owned();
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_get_openais_names_back() {
        for (oci, openai) in [
            ("maxTokens", "max_tokens"),
            ("chatRequest.maxCompletionTokens", "max_completion_tokens"),
            ("servingMode.modelId", "model"),
            ("numGenerations", "n"),
            ("isParallelToolCalls", "parallel_tool_calls"),
            (
                "messages[0].toolCalls[1].name",
                "messages[0].tool_calls[1].name",
            ),
            ("chatHistory[3].message", "messages"),
            ("toolsChoice", "tool_choice"),
            ("max_tokens", "max_tokens"),
            ("", ""),
        ] {
            assert_eq!(openai_path(oci), openai);
        }
    }
}
