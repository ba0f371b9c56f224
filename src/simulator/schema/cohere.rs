//! The strict schema of a COHERE chat request. Source: OCI API 20231130, CohereChatRequest; reference §4.3, §7.

use serde_json::{Value, json};

use super::Kind::{
    Between, Bool, Free, Identifier, Integer, List, Number, Object, Pairs, Tagged, Text, Word,
};
use super::{Field, MANY, Problem, STREAM_OPTIONS, invalid, items, may, missing, must};

/// What the service allows on demand.
const MAX_ON_DEMAND_TOKENS: u64 = 4000;
const MAX_TOP_K: i64 = 500;
/// Names of Python types; no more than these are known to work.
const PYTHON_TYPES: &[&str] = &["str", "float", "int", "bool", "List", "Dict"];

pub(super) const CHAT_REQUEST: &[Field] = &[
    must("message", Text(0)),
    may("chatHistory", List(&Tagged("role", HISTORY), 0, MANY)),
    may("preambleOverride", Text(0)),
    may("documents", List(&Free, 0, MANY)),
    may("tools", List(&Object(TOOL), 0, MANY)),
    may("toolResults", List(&Object(TOOL_RESULT), 0, MANY)),
    may("isForceSingleStep", Bool),
    may("isStream", Bool),
    may("streamOptions", Object(STREAM_OPTIONS)),
    may("maxTokens", Integer(1)),
    may("maxInputTokens", Integer(1)),
    may("temperature", Number),
    may("topK", Between(0, MAX_TOP_K)),
    may("topP", Number),
    may("promptTruncation", Word(&["OFF", "AUTO_PRESERVE_ORDER"])),
    may("frequencyPenalty", Number),
    may("presencePenalty", Number),
    may("seed", Integer(i64::MIN)),
    may("stopSequences", List(&Text(1), 0, MANY)),
    may("isEcho", Bool),
    may("isSearchQueriesOnly", Bool),
    may("isRawPrompting", Bool),
    may("citationQuality", Word(&["ACCURATE", "FAST"])),
    may("safetyMode", Word(SAFETY_MODES)),
    may("responseFormat", Tagged("type", RESPONSE_FORMATS)),
];

pub(super) const SAFETY_MODES: &[&str] = &["CONTEXTUAL", "STRICT", "OFF"];

/// Other than in the GENERIC format there is no JSON_SCHEMA.
pub(super) const RESPONSE_FORMATS: &[(&str, &[Field])] =
    &[("TEXT", &[]), ("JSON_OBJECT", &[may("schema", Free)])];

const HISTORY: &[(&str, &[Field])] = &[
    ("USER", &[must("message", Text(0))]),
    ("SYSTEM", &[must("message", Text(0))]),
    (
        "CHATBOT",
        &[
            // An empty one is refused: Oracle's own client sends a space.
            may("message", Text(1)),
            may("toolCalls", List(&Object(TOOL_CALL), 0, MANY)),
        ],
    ),
    (
        "TOOL",
        &[must("toolResults", List(&Object(TOOL_RESULT), 1, MANY))],
    ),
];

const TOOL: &[Field] = &[
    must("name", Identifier),
    must("description", Text(0)),
    may(
        "parameterDefinitions",
        Pairs(&Object(PARAMETER), MANY, MANY, 0),
    ),
];

const PARAMETER: &[Field] = &[
    may("description", Text(0)),
    must("type", Word(PYTHON_TYPES)),
    may("isRequired", Bool),
];

/// Without an id.
const TOOL_CALL: &[Field] = &[must("name", Identifier), must("parameters", Free)];

const TOOL_RESULT: &[Field] = &[
    must("call", Object(TOOL_CALL)),
    must("outputs", List(&Free, 1, MANY)),
];

/// What the tables cannot say.
pub(super) fn rules(chat: &Value, on_demand: bool) -> Result<(), Problem> {
    let path = |name: &str| format!("chatRequest.{name}");
    let Some(max_tokens) = chat.get("maxTokens").and_then(Value::as_u64) else {
        // The service would answer with a cap of about 20 tokens, which nobody wants.
        return Err(missing(&path("maxTokens")));
    };
    if on_demand && max_tokens > MAX_ON_DEMAND_TOKENS {
        let why = format!("must be at most {MAX_ON_DEMAND_TOKENS} on demand");
        return Err(invalid(&path("maxTokens"), &why));
    }
    let tools: Vec<_> = items(chat, "tools").map(|tool| tool.get("name")).collect();
    for (at, name) in tools.iter().enumerate() {
        if tools.iter().skip(at + 1).any(|other| other == name) {
            let why = "another tool has the same name";
            return Err(invalid(&path(&format!("tools[{at}].name")), why));
        }
    }
    history(chat)?;
    let silent = chat.get("message") == Some(&json!(""));
    let results = items(chat, "toolResults").count();
    let single_step = chat.get("isForceSingleStep") == Some(&Value::Bool(true));
    let by_user = items(chat, "chatHistory").any(|entry| is_from(entry, "USER"));
    if silent && results == 0 {
        let why = "must be at least 1 token long or tool results must be specified";
        return Err(invalid(&path("message"), why));
    }
    if silent && !by_user {
        let why = "the request needs at least one message of the user";
        return Err(invalid(&path("chatHistory"), why));
    }
    if !silent && results > 0 && !single_step {
        let why = "cannot be there with a message, unless isForceSingleStep is true";
        return Err(invalid(&path("toolResults"), why));
    }
    Ok(())
}

fn history(chat: &Value) -> Result<(), Problem> {
    let entries: Vec<_> = items(chat, "chatHistory").collect();
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("chatRequest.chatHistory[{at}]");
        let calls = items(entry, "toolCalls").count();
        if is_from(entry, "CHATBOT") && entry.get("message").is_none() && calls == 0 {
            return Err(invalid(&path, "has neither message nor toolCalls"));
        }
        let next = entries.get(at + 1);
        if is_from(entry, "TOOL") && next.is_some_and(|next| !is_from(next, "CHATBOT")) {
            return Err(invalid(
                &path,
                "an entry of TOOL must be followed by one of CHATBOT",
            ));
        }
    }
    Ok(())
}

fn is_from(entry: &Value, role: &str) -> bool {
    entry.get("role").and_then(Value::as_str) == Some(role)
}
