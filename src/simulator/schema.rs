//! The strict schema of a GENERIC chat request, as tables over `serde_json::Value`: written from Oracle's own models and
//! on purpose without the proxy's types, so that it is a second opinion on what the proxy sends. An unknown field, a
//! null, a wrong type or a wrong word anywhere is an error. Source: OCI API 20231130, ChatDetails; reference §4.1, §4.2.

use serde_json::{Map, Value};

use Kind::{Bool, Free, Integer, List, Name, Number, Object, Pairs, Tagged, Text, Word};

/// Why a request is refused, in OCI's words: answered as 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// What a value must be.
enum Kind {
    Bool,
    /// Not less than this.
    Integer(i64),
    Number,
    /// Bytes, at least.
    Text(usize),
    /// A tool's name: 1 to 64 letters, digits, `_` and `-`.
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Of one kind; length from and to.
    List(&'static Kind, usize, usize),
    Object(&'static [Field]),
    /// An object whose fields depend on one of them.
    Tagged(&'static str, &'static [(&'static str, &'static [Field])]),
    /// An object with any names, all values of one kind; at most so many, names and texts at most so long.
    Pairs(&'static Kind, usize, usize, usize),
    /// Any object: a JSON schema. Its inside is the model's business.
    Free,
}

struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

/// No limit is known for these; the number bounds the check.
const MANY: usize = 10_000;
const MAX_TOOLS: usize = 128;
const MAX_NAME_BYTES: usize = 64;
const MAX_METADATA: (usize, usize, usize) = (16, 64, 512);

const DETAILS: &[Field] = &[
    must("compartmentId", Text(1)),
    must("servingMode", Tagged("servingType", SERVING_MODES)),
    must("chatRequest", Object(CHAT_REQUEST)),
];

const SERVING_MODES: &[(&str, &[Field])] = &[
    ("ON_DEMAND", &[must("modelId", Text(1))]),
    ("DEDICATED", &[must("endpointId", Text(1))]),
];

const CHAT_REQUEST: &[Field] = &[
    must("apiFormat", Word(&["GENERIC"])),
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
    may("streamOptions", Object(&[may("isIncludeUsage", Bool)])),
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

const URL: &[Field] = &[
    must("url", Text(1)),
    may("detail", Word(&["AUTO", "HIGH", "LOW"])),
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

/// Checks the whole body of `POST /20231130/actions/chat`.
pub(super) fn check(body: &Value) -> Result<(), Problem> {
    let Value::Object(object) = body else {
        return Err(invalid("", "the body must be a JSON object"));
    };
    fields(object, DETAILS, None, "")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("compartmentId").starts_with("ocid1.") {
        return Err(invalid("compartmentId", "must be an OCID"));
    }
    let chat = object.get("chatRequest").unwrap_or(&Value::Null);
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

/// The elements of a list, none if it is not there.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn fields(
    object: &Map<String, Value>,
    fields: &[Field],
    tag: Option<&str>,
    path: &str,
) -> Result<(), Problem> {
    for (name, value) in object {
        let inner = join(path, name);
        if tag == Some(name) {
            continue;
        }
        match fields.iter().find(|field| field.name == name) {
            None => return Err(invalid(&inner, "unknown field")),
            Some(field) => value_is(value, &field.kind, &inner)?,
        }
    }
    match fields
        .iter()
        .find(|field| field.required && !object.contains_key(field.name))
    {
        Some(field) => Err(missing(&join(path, field.name))),
        None => Ok(()),
    }
}

fn value_is(value: &Value, kind: &Kind, path: &str) -> Result<(), Problem> {
    let good = match (kind, value) {
        (Bool, Value::Bool(_)) | (Number, Value::Number(_)) | (Free, Value::Object(_)) => true,
        (Integer(least), Value::Number(number)) => {
            number.as_i64().is_some_and(|number| number >= *least)
        }
        (Text(least), Value::String(text)) => text.len() >= *least,
        (Name, Value::String(name)) => is_name(name),
        (Word(words), Value::String(word)) => words.contains(&word.as_str()),
        (List(inner, least, most), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                value_is(item, inner, &format!("{path}[{at}]"))?;
            }
            (*least..=*most).contains(&items.len())
        }
        (Object(known), Value::Object(object)) => return fields(object, known, None, path),
        (Tagged(tag, shapes), Value::Object(object)) => return tagged(object, tag, shapes, path),
        (Pairs(inner, most, name_bytes, text_bytes), Value::Object(object)) => {
            for (name, item) in object {
                value_is(item, inner, &join(path, name))?;
                if name.len() > *name_bytes
                    || item.as_str().is_some_and(|text| text.len() > *text_bytes)
                {
                    return Err(invalid(&join(path, name), "is too long"));
                }
            }
            object.len() <= *most
        }
        (
            Bool | Number | Free | Integer(_) | Text(_) | Name | Word(_) | List(..) | Object(_)
            | Tagged(..) | Pairs(..),
            _,
        ) => false,
    };
    if good {
        Ok(())
    } else {
        Err(invalid(path, &expected(kind)))
    }
}

fn tagged(
    object: &Map<String, Value>,
    tag: &str,
    shapes: &[(&str, &[Field])],
    path: &str,
) -> Result<(), Problem> {
    let inner = join(path, tag);
    let word = object.get(tag).ok_or_else(|| missing(&inner))?;
    match shapes
        .iter()
        .find(|(known, _)| word.as_str() == Some(known))
    {
        Some((_, known)) => fields(object, known, Some(tag), path),
        None => {
            let words: Vec<_> = shapes.iter().map(|(word, _)| *word).collect();
            Err(invalid(
                &inner,
                &format!("must be one of {}", words.join(", ")),
            ))
        }
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(letter)
}

fn expected(kind: &Kind) -> String {
    match kind {
        Bool => "must be true or false".to_owned(),
        Integer(i64::MIN) => "must be an integer".to_owned(),
        Integer(least) => format!("must be an integer of at least {least}"),
        Number => "must be a number".to_owned(),
        Text(0) => "must be a string".to_owned(),
        Text(_) => "must be a string that is not empty".to_owned(),
        Name => "must be 1 to 64 letters, digits, _ and -".to_owned(),
        Word(words) => format!("must be one of {}", words.join(", ")),
        List(_, least, most) => format!("must be an array of {least} to {most}"),
        Object(_) | Tagged(..) | Free => "must be an object".to_owned(),
        Pairs(_, most, ..) => format!("must be an object of at most {most} fields"),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn invalid(path: &str, why: &str) -> Problem {
    let message = if path.is_empty() {
        why.to_owned()
    } else {
        format!("{path}: {why}")
    };
    Problem {
        code: "InvalidParameter",
        message,
    }
}

fn missing(path: &str) -> Problem {
    Problem {
        code: "MissingParameter",
        message: format!("{path} is required"),
    }
}

#[cfg(test)]
mod tests;
