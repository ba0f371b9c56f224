//! The strict schema of a GENERIC chat request. Source: OCI API 20231130, GenericChatRequest; reference §4.1, §4.2.

use serde_json::Value;

use super::Kind::{Bool, Free, Integer, List, Name, Number, Object, Pairs, Tagged, Text, Word};
use super::{Field, Kind, MANY, Problem, STREAM_OPTIONS, URL, invalid, items, may, missing, must};

const MAX_TOOLS: usize = 128;
/// Pairs, bytes of a name, bytes of a text.
const MAX_METADATA: (usize, usize, usize) = (16, 64, 512);

pub(super) const CHAT_REQUEST: &[Field] = &[
    must("messages", List(&Tagged("role", MESSAGES), 1, MANY)),
    may("maxTokens", Integer(1)),
    may("maxCompletionTokens", Integer(1)),
    may("temperature", Number),
    may("topP", Number),
    may("topK", Integer(-1)),
    may("frequencyPenalty", Number),
    may("presencePenalty", Number),
    may("seed", Integer(i64::MIN)),
    may("stop", List(&Text(1), 0, MANY)),
    may("numGenerations", Integer(1)),
    may("logProbs", Integer(0)),
    may("logitBias", Pairs(&Number, MANY, MANY, 0)),
    may("isStream", Bool),
    may("streamOptions", Object(STREAM_OPTIONS)),
    may("isEcho", Bool),
    may("tools", List(&Tagged("type", TOOLS), 0, MAX_TOOLS)),
    may("toolChoice", Tagged("type", TOOL_CHOICES)),
    may("isParallelToolCalls", Bool),
    may("responseFormat", Tagged("type", RESPONSE_FORMATS)),
    may(
        "reasoningEffort",
        Word(&["NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH"]),
    ),
    may("verbosity", Word(&["LOW", "MEDIUM", "HIGH"])),
    may(
        "metadata",
        Pairs(&Text(0), MAX_METADATA.0, MAX_METADATA.1, MAX_METADATA.2),
    ),
    may(
        "prediction",
        Tagged(
            "type",
            &[(
                "CONTENT",
                &[must("content", List(&Tagged("type", TEXT_PARTS), 1, MANY))],
            )],
        ),
    ),
    may("webSearchOptions", Object(WEB_SEARCH)),
    may("serviceTier", Word(&["AUTO", "DEFAULT", "PRIORITY"])),
];

const CONTENT: Kind = List(&Tagged("type", PARTS), 1, MANY);
const SPOKEN: &[Field] = &[must("content", CONTENT), may("name", Text(0))];

const MESSAGES: &[(&str, &[Field])] = &[
    ("SYSTEM", SPOKEN),
    ("DEVELOPER", SPOKEN),
    ("USER", SPOKEN),
    (
        "ASSISTANT",
        &[
            may("content", List(&Tagged("type", PARTS), 0, MANY)),
            may("name", Text(0)),
            may("toolCalls", List(&Tagged("type", TOOL_CALLS), 0, MANY)),
            may("refusal", Text(0)),
            may("reasoningContent", Text(0)),
            may("annotations", List(&Object(ANNOTATION), 0, MANY)),
        ],
    ),
    (
        "TOOL",
        &[must("content", CONTENT), must("toolCallId", Text(1))],
    ),
];

const TEXT_PARTS: &[(&str, &[Field])] = &[("TEXT", &[must("text", Text(0))])];

const PARTS: &[(&str, &[Field])] = &[
    ("TEXT", &[must("text", Text(0))]),
    ("IMAGE", &[must("imageUrl", Object(URL))]),
    ("DOCUMENT", &[must("documentUrl", Object(URL))]),
    ("VIDEO", &[must("videoUrl", Object(URL))]),
    ("AUDIO", &[must("audioUrl", Object(URL))]),
];

const TOOL_CALLS: &[(&str, &[Field])] = &[(
    "FUNCTION",
    &[
        must("id", Text(1)),
        must("name", Name),
        must("arguments", Text(0)),
    ],
)];

const ANNOTATION: &[Field] = &[
    must("type", Text(1)),
    may(
        "urlCitation",
        Object(&[
            may("startIndex", Integer(0)),
            may("endIndex", Integer(0)),
            may("title", Text(0)),
            may("url", Text(0)),
        ]),
    ),
];

const TOOLS: &[(&str, &[Field])] = &[(
    "FUNCTION",
    &[
        must("name", Name),
        may("description", Text(0)),
        may("parameters", Free),
    ],
)];

const TOOL_CHOICES: &[(&str, &[Field])] = &[
    ("AUTO", &[]),
    ("NONE", &[]),
    ("REQUIRED", &[]),
    ("FUNCTION", &[must("name", Name)]),
];

const RESPONSE_FORMATS: &[(&str, &[Field])] = &[
    ("TEXT", &[]),
    ("JSON_OBJECT", &[]),
    (
        "JSON_SCHEMA",
        &[must(
            "jsonSchema",
            Object(&[
                must("name", Name),
                may("description", Text(0)),
                may("schema", Free),
                may("isStrict", Bool),
            ]),
        )],
    ),
];

const WEB_SEARCH: &[Field] = &[
    may("searchContextSize", Word(&["HIGH", "MEDIUM", "LOW"])),
    may(
        "userLocation",
        Object(&[
            may("city", Text(0)),
            may("region", Text(0)),
            may("country", Text(0)),
            may("timezone", Text(0)),
        ]),
    ),
];

/// What the tables cannot say.
pub(super) fn rules(chat: &Value) -> Result<(), Problem> {
    if chat.get("maxTokens").is_none() && chat.get("maxCompletionTokens").is_none() {
        // The service would answer with a cap of about 20 tokens, which nobody wants.
        return Err(missing(
            "chatRequest.maxTokens or chatRequest.maxCompletionTokens",
        ));
    }
    for (at, message) in items(chat, "messages").enumerate() {
        let silent =
            items(message, "content").count() == 0 && items(message, "toolCalls").count() == 0;
        if silent {
            return Err(invalid(
                &format!("chatRequest.messages[{at}]"),
                "has neither content nor toolCalls",
            ));
        }
    }
    let chosen = chat.get("toolChoice").and_then(|choice| choice.get("name"));
    if chosen.is_some() && !items(chat, "tools").any(|tool| tool.get("name") == chosen) {
        return Err(invalid(
            "chatRequest.toolChoice.name",
            "is not the name of a tool",
        ));
    }
    Ok(())
}
