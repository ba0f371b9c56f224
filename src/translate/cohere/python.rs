//! Python's words for what a JSON schema says: COHERE describes parameters in them. Never fails: a schema is the client's
//! business and the model's. Source: reference §4.3.

use serde_json::{Map, Value};

/// Python's name of the type, `str` where the schema leaves it open.
pub(super) fn type_name(schema: &Map<String, Value>) -> &'static str {
    let branches = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| schema.get(*key)?.as_array())
        .flatten();
    let mut of_branches = branches.filter_map(|branch| named_type(branch.as_object()?));
    named_type(schema)
        .or_else(|| type_of_values(schema))
        .or_else(|| schema.contains_key("properties").then_some("Dict"))
        .or_else(|| schema.contains_key("items").then_some("List"))
        .or_else(|| of_branches.next())
        .unwrap_or("str")
}

fn named_type(schema: &Map<String, Value>) -> Option<&'static str> {
    let name = match schema.get("type")? {
        Value::String(name) => name.as_str(),
        Value::Array(names) => names.iter().find_map(Value::as_str)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    match name {
        "string" => Some("str"),
        "number" => Some("float"),
        "integer" => Some("int"),
        "boolean" => Some("bool"),
        "array" => Some("List"),
        "object" => Some("Dict"),
        _ => None,
    }
}

fn type_of_values(schema: &Map<String, Value>) -> Option<&'static str> {
    let first = schema.get("enum").and_then(|values| values.get(0));
    match first.or_else(|| schema.get("const"))? {
        Value::Bool(_) => Some("bool"),
        Value::Number(number) if number.is_f64() => Some("float"),
        Value::Number(_) => Some("int"),
        Value::String(_) => Some("str"),
        Value::Array(_) => Some("List"),
        Value::Object(_) => Some("Dict"),
        Value::Null => None,
    }
}

pub(super) fn has_several_types(schema: &Map<String, Value>) -> bool {
    let types = schema.get("type").and_then(Value::as_array);
    types.is_some_and(|types| types.len() > 1)
}

/// A value as Python writes it, like the types; lists and objects as JSON, which differs little.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) if text.chars().all(stands_in_quotes) => format!("'{text}'"),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn stands_in_quotes(letter: char) -> bool {
    letter != '\'' && letter != '\\' && !letter.is_control()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_has_pythons_name() {
        for (schema, name) in [
            (json!({"type": "string"}), "str"),
            (json!({"type": "number"}), "float"),
            (json!({"type": "integer"}), "int"),
            (json!({"type": "boolean"}), "bool"),
            (json!({"type": "array"}), "List"),
            (json!({"type": "object"}), "Dict"),
            (json!({"type": ["integer", "string"]}), "int"),
            (json!({"type": "null"}), "str"),
            (json!({"type": "hologram", "items": {}}), "List"),
            (json!({"properties": {}}), "Dict"),
            (json!({"enum": [1.5]}), "float"),
            (json!({"enum": []}), "str"),
            (json!({"const": true}), "bool"),
            (json!({"oneOf": [{"enum": [1]}, {"type": "array"}]}), "List"),
            (json!({"anyOf": 7, "type": {}}), "str"),
            (json!({}), "str"),
        ] {
            let named = schema.as_object().map(type_name);
            assert_eq!(named, Some(name), "{schema}");
        }
    }
}
