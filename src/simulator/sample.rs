//! Makes plausible JSON for a JSON schema: the arguments of a pretended tool call, and answers in a response format.
//! Fits the schema roughly: types, enums, constants, required properties. Pure.

use serde_json::{Map, Value, json};

/// How deep a schema is followed; below, and in a circle of references, everything is null.
const MAX_DEPTH: usize = 12;
/// Values in one sample: a schema whose references branch would grow without end.
const MAX_VALUES: usize = 1000;
/// Items that `minItems` can ask for.
const MAX_ITEMS: u64 = 16;
/// Characters of the question that go into a text value.
const MAX_HINT_CHARS: usize = 80;

/// Cities that are recognised in a question, in the order of the table: as written in a question, as answered.
pub(super) const CITIES: [(&str, &str); 20] = [
    ("paris", "Paris"),
    ("rome", "Rome"),
    ("london", "London"),
    ("tokyo", "Tokyo"),
    ("berlin", "Berlin"),
    ("madrid", "Madrid"),
    ("new york", "New York"),
    ("san francisco", "San Francisco"),
    ("chicago", "Chicago"),
    ("boston", "Boston"),
    ("sydney", "Sydney"),
    ("beijing", "Beijing"),
    ("shanghai", "Shanghai"),
    ("北京", "北京"),
    ("上海", "上海"),
    ("巴黎", "巴黎"),
    ("东京", "东京"),
    ("伦敦", "伦敦"),
    ("广州", "广州"),
    ("深圳", "深圳"),
];

/// What the values may be about.
pub(super) struct Hint<'a> {
    pub(super) question: &'a str,
    pub(super) city: &'a str,
}

/// The cities that a question names, in the order in which it names them.
pub(super) fn cities(question: &str) -> Vec<&'static str> {
    let question = question.to_lowercase();
    let mut found: Vec<_> = CITIES
        .iter()
        .filter_map(|(word, city)| Some((question.find(word)?, *city)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, city)| city).collect()
}

/// A value for a schema. `all`: also the properties that are not required.
pub(super) fn fill(schema: &Value, hint: &Hint<'_>, all: bool) -> Value {
    let mut filler = Filler {
        root: schema,
        hint,
        all,
        left: MAX_VALUES,
    };
    filler.value(schema, "", 0)
}

struct Filler<'a> {
    root: &'a Value,
    hint: &'a Hint<'a>,
    all: bool,
    /// Values that may still be made.
    left: usize,
}

impl Filler<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(inner) = schema.get("$ref").and_then(Value::as_str) {
            let target = inner
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |inner| self.value(inner, name, depth + 1));
        }
        for key in ["const", "default", "example"] {
            if let Some(given) = schema.get(key).filter(|given| !given.is_null()) {
                return given.clone();
            }
        }
        for key in ["enum", "examples"] {
            if let Some(first) = schema.get(key).and_then(|list| list.get(0)) {
                return first.clone();
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(list) = schema.get(key).and_then(Value::as_array) {
                let real = list.iter().find(|inner| kind(inner) != "null");
                return real.map_or(Value::Null, |inner| self.value(inner, name, depth + 1));
            }
        }
        let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number()).cloned();
        let number = || bound("minimum").or_else(|| bound("maximum"));
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => number().unwrap_or_else(|| json!(1)),
            "number" => number().unwrap_or_else(|| json!(1.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => Value::String(text(schema, name, self.hint)),
        }
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let plain = json!({"type": "string"});
        let items = schema.get("items").unwrap_or(&plain);
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
        (0..least.clamp(1, MAX_ITEMS))
            .map(|_| self.value(items, name, depth + 1))
            .collect()
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let list = schema.get("required").and_then(Value::as_array);
        let required: Vec<_> = list
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, inner) in properties.into_iter().flatten() {
            if self.all || required.is_empty() || required.contains(&name.as_str()) {
                object.insert(name.clone(), self.value(inner, name, depth + 1));
            }
        }
        for name in required {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), json!("simulated"));
            }
        }
        Value::Object(object)
    }
}

/// A schema's type; the first real one of several; an object if it has properties, else a string.
fn kind(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null"),
        Some(kind) => kind.as_str(),
        None => None,
    };
    let guess = if schema.get("properties").is_some() {
        "object"
    } else {
        "string"
    };
    named.unwrap_or(guess)
}

/// A text by the format, or by the name of the property.
fn text(schema: &Value, name: &str, hint: &Hint<'_>) -> String {
    let format = schema
        .get("format")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let name = name.to_lowercase();
    let named = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let fixed = match format {
        "date" => Some("2026-11-05"),
        "date-time" => Some("2026-11-05T21:31:40Z"),
        "email" => Some("someone@example.com"),
        "uri" | "url" => Some("https://example.com/"),
        "uuid" => Some("3f2b8c1e-5d4a-4f6b-9c7d-1a2b3c4d5e6f"),
        _ if named(&["city", "location", "place"]) => Some(hint.city),
        _ if named(&["country"]) => Some("France"),
        _ if named(&["timezone", "time_zone"]) => Some("Europe/Paris"),
        _ if named(&["date", "day"]) => Some("2026-11-05"),
        _ if named(&["url", "uri", "link"]) => Some("https://example.com/"),
        _ if named(&["email"]) => Some("someone@example.com"),
        _ if named(&["path", "file"]) => Some("README.md"),
        _ if named(&["command", "cmd"]) => Some("ls"),
        _ if named(&["language", "lang"]) => Some("en"),
        _ if named(&["expression", "formula"]) => Some("6 * 7"),
        _ if named(&["name"]) => Some("Ada"),
        _ => None,
    };
    match fixed {
        Some(text) => text.to_owned(),
        None if hint.question.trim().is_empty() => "simulated".to_owned(),
        None => hint.question.trim().chars().take(MAX_HINT_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Value, all: bool, expected: Value) {
        let hint = Hint {
            question: "how warm is Rome?",
            city: "Rome",
        };
        assert_eq!(fill(&schema, &hint, all), expected, "{schema}");
    }

    #[test]
    fn required_properties_are_filled_by_type_and_name() {
        let schema = json!({"type": "object", "required": ["city", "days"], "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "minimum": 3},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}});
        check(schema.clone(), false, json!({"city": "Rome", "days": 3}));
        check(
            schema,
            true,
            json!({"city": "Rome", "days": 3, "unit": "celsius"}),
        );
    }

    #[test]
    fn references_unions_and_lists_are_followed_and_a_circle_ends() {
        check(
            json!({"$defs": {"a": {"type": ["null", "boolean"]}}, "type": "object", "properties": {
                "x": {"$ref": "#/$defs/a"}, "y": {"anyOf": [{"type": "null"}, {"type": "number"}]},
                "z": {"type": "array", "items": {"const": 7}, "minItems": 2}}}),
            false,
            json!({"x": true, "y": 1.5, "z": [7, 7]}),
        );
        check(
            json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            false,
            Value::Null,
        );
    }

    #[test]
    fn cities_come_in_the_order_of_the_question() {
        assert_eq!(
            cities("Rome, then paris, 然后北京"),
            ["Rome", "Paris", "北京"]
        );
        assert!(cities("nowhere").is_empty());
    }
}
