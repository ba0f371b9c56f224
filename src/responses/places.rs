//! Where in a client's request stands what an error about the chat made of it names.

use crate::openai::error::ApiError;

/// The client's places of a list's entries, in the order of the chat's: `input[3]`, `instructions`.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<String>);

/// A chat's fields that go by another name here, and everything below them.
const NAMES: [(&str, &str); 7] = [
    ("max_completion_tokens", "max_output_tokens"),
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("verbosity", "text.verbosity"),
    ("messages", "input"),
];

impl Places {
    pub(super) fn push(&mut self, place: String) {
        self.0.push(place);
    }

    /// What an entry of the chat's list is here, with what stands behind it: `[2].content` to `input[4].content`.
    fn of(&self, entry: &str) -> Option<String> {
        let (number, rest) = entry.strip_prefix('[')?.split_once(']')?;
        let place = self.0.get(number.parse::<usize>().ok()?)?;
        // A call is an item of its own here, and a function is flat.
        let rest = rest.strip_prefix(".function").unwrap_or(rest);
        let rest = if rest.starts_with(".tool_call") {
            ""
        } else {
            rest
        };
        // The parts of a file and of an image stand in the part itself.
        let rest = rest.replace(".file.", ".");
        let rest = rest.strip_suffix(".url").unwrap_or(&rest);
        Some(format!("{place}{rest}"))
    }
}

/// The error about a chat as one about this request.
pub(super) fn renamed(mut error: ApiError, messages: &Places, tools: &Places) -> ApiError {
    let Some(param) = error.param.take() else {
        return error;
    };
    let here = here(&param, messages, tools).unwrap_or_else(|| param.clone());
    error.message = error
        .message
        .replace(&format!("`{param}`"), &format!("`{here}`"));
    error.param = Some(here);
    error
}

/// The name here of a field of the chat; `None` if it is the same.
pub(super) fn here(param: &str, messages: &Places, tools: &Places) -> Option<String> {
    let listed = [("messages", messages), ("tools", tools)];
    let entry = listed
        .iter()
        .find_map(|(list, places)| places.of(param.strip_prefix(list)?));
    entry.or_else(|| {
        NAMES.iter().find_map(|(chat, here)| {
            let rest = param.strip_prefix(chat)?;
            let is_whole = rest.is_empty() || rest.starts_with(['.', '[']);
            is_whole.then(|| format!("{here}{rest}"))
        })
    })
}
