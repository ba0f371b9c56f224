//! The strict schema of a chat request, as tables over `serde_json::Value`: written from Oracle's own models and
//! on purpose without the proxy's types, so that it is a second opinion on what the proxy sends. An unknown field, a
//! null, a wrong type or a wrong word anywhere is an error. Source: OCI API 20231130, ChatDetails; reference §4.

pub(crate) mod actions;
mod cohere;
mod coherev2;
mod generic;

use serde_json::{Map, Value};

use Kind::{
    Between, Bool, Free, Identifier, Integer, List, Name, Number, Object, Pairs, Tagged, Text, Word,
};

/// Why a request is refused, in OCI's words: answered as 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// What a value must be.
enum Kind {
    Bool,
    /// Not less than this.
    Integer(i64),
    /// An integer, from and to.
    Between(i64, i64),
    Number,
    /// Bytes, at least.
    Text(usize),
    /// A tool's name: 1 to 64 letters, digits, `_` and `-`.
    Name,
    /// A name as Python has it: letters, digits and `_`, not a digit first.
    Identifier,
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
const MAX_NAME_BYTES: usize = 64;

const DETAILS: &[Field] = &[
    must("compartmentId", Text(1)),
    must("servingMode", Tagged("servingType", SERVING_MODES)),
    must("chatRequest", Tagged("apiFormat", FORMATS)),
];

const SERVING_MODES: &[(&str, &[Field])] = &[
    ("ON_DEMAND", &[must("modelId", Text(1))]),
    ("DEDICATED", &[must("endpointId", Text(1))]),
];

const FORMATS: &[(&str, &[Field])] = &[
    ("GENERIC", generic::CHAT_REQUEST),
    ("COHERE", cohere::CHAT_REQUEST),
    ("COHEREV2", coherev2::CHAT_REQUEST),
];

const STREAM_OPTIONS: &[Field] = &[may("isIncludeUsage", Bool)];

const URL: &[Field] = &[
    must("url", Text(1)),
    may("detail", Word(&["AUTO", "HIGH", "LOW"])),
];

/// Checks the whole body of `POST /20231130/actions/chat`.
pub(crate) fn check(body: &Value) -> Result<(), Problem> {
    let Value::Object(object) = body else {
        return Err(invalid("", "the body must be a JSON object"));
    };
    fields(object, DETAILS, None, "")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("compartmentId").starts_with("ocid1.") {
        return Err(invalid("compartmentId", "must be an OCID"));
    }
    let chat = object.get("chatRequest").unwrap_or(&Value::Null);
    let on_demand = body.pointer("/servingMode/modelId").is_some();
    match chat.get("apiFormat").and_then(Value::as_str) {
        Some("COHERE") => cohere::rules(chat, on_demand),
        Some("COHEREV2") => coherev2::rules(chat),
        Some(_) | None => generic::rules(chat),
    }
}

/// The elements of a list, none if it is not there.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + Clone {
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
        (Between(least, most), Value::Number(number)) => number
            .as_i64()
            .is_some_and(|number| (*least..=*most).contains(&number)),
        (Text(least), Value::String(text)) => text.len() >= *least,
        (Name, Value::String(name)) => is_name(name),
        (Identifier, Value::String(name)) => is_identifier(name),
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
            Bool | Number | Free | Integer(_) | Between(..) | Text(_) | Name | Identifier | Word(_)
            | List(..) | Object(_) | Tagged(..) | Pairs(..),
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

fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit_first = name.starts_with(|first: char| first.is_ascii_digit());
    !name.is_empty() && !digit_first && name.bytes().all(letter)
}

fn expected(kind: &Kind) -> String {
    match kind {
        Bool => "must be true or false".to_owned(),
        Integer(i64::MIN) => "must be an integer".to_owned(),
        Integer(least) => format!("must be an integer of at least {least}"),
        Between(least, most) => format!("must be an integer from {least} to {most}"),
        Number => "must be a number".to_owned(),
        Text(0) => "must be a string".to_owned(),
        Text(_) => "must be a string that is not empty".to_owned(),
        Name => "must be 1 to 64 letters, digits, _ and -".to_owned(),
        Identifier => "must be letters, digits and _, and not begin with a digit".to_owned(),
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
