//! What a response object repeats of its request.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

/// The longest request of which all is repeated, in bytes of what is repeated. It is kept for as long as the answer takes, and
/// a stream says it three times; of a longer one instructions and tools are left out.
const MAX_ECHO_BYTES: usize = 64 * 1024;

/// As the client wrote it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Echo {
    pub(super) instructions: Option<Box<RawValue>>,
    pub(super) max_output_tokens: Option<Box<RawValue>>,
    pub(super) metadata: Option<Box<RawValue>>,
    pub(super) parallel_tool_calls: Option<Box<RawValue>>,
    pub(super) prompt_cache_key: Option<Box<RawValue>>,
    pub(super) reasoning: Option<Box<RawValue>>,
    pub(super) safety_identifier: Option<Box<RawValue>>,
    pub(super) temperature: Option<Box<RawValue>>,
    pub(super) text: Option<Box<RawValue>>,
    pub(super) tool_choice: Option<Box<RawValue>>,
    pub(super) tools: Option<Box<RawValue>>,
    pub(super) top_logprobs: Option<Box<RawValue>>,
    pub(super) top_p: Option<Box<RawValue>>,
    pub(super) truncation: Option<Box<RawValue>>,
    pub(super) user: Option<Box<RawValue>>,
}

impl Echo {
    /// Of a body that was read as a request; of any other, nothing.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut echo: Self = serde_json::from_slice(body).unwrap_or_default();
        let mut room = MAX_ECHO_BYTES;
        // The long ones last.
        for value in [
            &mut echo.max_output_tokens,
            &mut echo.parallel_tool_calls,
            &mut echo.temperature,
            &mut echo.top_logprobs,
            &mut echo.top_p,
            &mut echo.truncation,
            &mut echo.user,
            &mut echo.safety_identifier,
            &mut echo.prompt_cache_key,
            &mut echo.reasoning,
            &mut echo.tool_choice,
            &mut echo.metadata,
            &mut echo.text,
            &mut echo.instructions,
            &mut echo.tools,
        ] {
            *value = value.take().and_then(|raw| on_one_line(raw, &mut room));
        }
        echo.fill();
        echo
    }

    /// What the API says of what a request leaves out.
    fn fill(&mut self) {
        for (value, usual) in [
            (&mut self.metadata, "{}"),
            (&mut self.parallel_tool_calls, "true"),
            (&mut self.reasoning, r#"{"effort":null,"summary":null}"#),
            (&mut self.text, r#"{"format":{"type":"text"}}"#),
            (&mut self.tool_choice, r#""auto""#),
            (&mut self.tools, "[]"),
            (&mut self.top_logprobs, "0"),
            (&mut self.truncation, r#""disabled""#),
        ] {
            if value.is_none() {
                *value = RawValue::from_string(usual.to_owned()).ok();
            }
        }
    }
}

/// An event's data is one line. `None` if there is no room for it.
fn on_one_line(raw: Box<RawValue>, room: &mut usize) -> Option<Box<RawValue>> {
    let left = room.checked_sub(raw.get().len())?;
    *room = left;
    if !raw.get().contains(['\n', '\r']) {
        return Some(raw);
    }
    let value: serde_json::Value = json::from_text(raw.get()).ok()?;
    serde_json::value::to_raw_value(&value).ok()
}
