//! The strict schema of a COHEREV2 chat request. Source: OCI API 20231130, CohereChatRequestV2; reference §4.4.

use serde_json::Value;

use super::Kind::{Bool, Free, Integer, List, Name, Number, Object, Tagged, Text, Word};
use super::cohere::{RESPONSE_FORMATS, SAFETY_MODES};
use super::{Field, Kind, MANY, Problem, STREAM_OPTIONS, URL, invalid, items, may, missing, must};

pub(super) const CHAT_REQUEST: &[Field] = &[
    must("messages", List(&Tagged("role", MESSAGES), 1, MANY)),
    may("tools", List(&Tagged("type", TOOLS), 0, MANY)),
    // In the plural, and there is no AUTO.
    may("toolsChoice", Word(&["REQUIRED", "NONE"])),
    may("isStrictToolsEnabled", Bool),
    may("isLogProbsEnabled", Bool),
    may("thinking", Object(THINKING)),
    may("citationOptions", Object(CITATION_OPTIONS)),
    may("documents", List(&Free, 0, MANY)),
    may("responseFormat", Tagged("type", RESPONSE_FORMATS)),
    may("isSearchQueriesOnly", Bool),
    may("isStream", Bool),
    may("streamOptions", Object(STREAM_OPTIONS)),
    may("maxTokens", Integer(1)),
    may("temperature", Number),
    may("topK", Integer(0)),
    may("topP", Number),
    may("frequencyPenalty", Number),
    may("presencePenalty", Number),
    may("seed", Integer(i64::MIN)),
    may("stopSequences", List(&Text(1), 0, MANY)),
    may("priority", Integer(0)),
    may("isRawPrompting", Bool),
    may("safetyMode", Word(SAFETY_MODES)),
];

const CONTENT: Kind = List(&Tagged("type", PARTS), 1, MANY);

const MESSAGES: &[(&str, &[Field])] = &[
    ("SYSTEM", &[must("content", CONTENT)]),
    ("USER", &[must("content", CONTENT)]),
    (
        "ASSISTANT",
        &[
            must("content", CONTENT),
            may("toolPlan", Text(0)),
            may("toolCalls", List(&Tagged("type", TOOL_CALLS), 0, MANY)),
            may("citations", List(&Free, 0, MANY)),
        ],
    ),
    (
        "TOOL",
        &[must("content", CONTENT), must("toolCallId", Text(1))],
    ),
];

const PARTS: &[(&str, &[Field])] = &[
    ("TEXT", &[must("text", Text(0))]),
    ("IMAGE_URL", &[must("imageUrl", Object(URL))]),
    ("DOCUMENT", &[must("document", Free)]),
    ("THINKING", &[must("thinking", Text(0))]),
];

const TOOL_CALLS: &[(&str, &[Field])] = &[(
    "FUNCTION",
    &[
        must("id", Text(1)),
        must(
            "function",
            Object(&[must("name", Name), must("arguments", Text(0))]),
        ),
    ],
)];

const TOOLS: &[(&str, &[Field])] = &[(
    "FUNCTION",
    &[must(
        "function",
        Object(&[
            must("name", Name),
            may("description", Text(0)),
            may("parameters", Free),
        ]),
    )],
)];

const THINKING: &[Field] = &[
    must("type", Word(&["ENABLED", "DISABLED"])),
    may("tokenBudget", Integer(1)),
];

const CITATION_OPTIONS: &[Field] = &[must("mode", Word(&["FAST", "ACCURATE", "OFF"]))];

/// What the tables cannot say.
pub(super) fn rules(chat: &Value) -> Result<(), Problem> {
    if chat.get("maxTokens").is_none() {
        // The service would answer with a cap of about 20 tokens, which nobody wants.
        return Err(missing("chatRequest.maxTokens"));
    }
    let role =
        |message: &Value, role: &str| message.get("role").and_then(Value::as_str) == Some(role);
    for (at, message) in items(chat, "messages").enumerate() {
        let says = |part: &Value| match part.get("text").and_then(Value::as_str) {
            Some(text) => !text.is_empty(),
            None => true,
        };
        if role(message, "ASSISTANT") && !items(message, "content").any(says) {
            // Oracle's own client sends a space.
            return Err(invalid(
                &format!("chatRequest.messages[{at}].content"),
                "must not be empty",
            ));
        }
    }
    if !items(chat, "messages").any(|message| role(message, "USER")) {
        let why = "the request needs at least one message of the user";
        return Err(invalid("chatRequest.messages", why));
    }
    let required = chat.get("toolsChoice").and_then(Value::as_str) == Some("REQUIRED");
    if required && items(chat, "tools").count() == 0 {
        return Err(invalid("chatRequest.toolsChoice", "needs tools"));
    }
    Ok(())
}
