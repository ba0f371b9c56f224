//! What can be said of a JSON schema in one word, and schemas without references. Never fails: a schema is the client's
//! business and the model's, and what is not understood is passed on as it is.

use serde_json::{Map, Value};

/// How many references are followed within one another; a schema that refers to itself ends there.
const MAX_REFERENCES: usize = 8;

/// Bytes that references may add to a request in all: a few lines of JSON could else unfold to gigabytes.
pub(super) const MAX_UNFOLDED: usize = 1024 * 1024;

/// Where the schemas stand that references name; nothing else is said there.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Copies a schema with its `$ref`s replaced by what they refer to.
pub(super) struct Unfolding<'a> {
    root: &'a Value,
    /// Bytes left.
    room: &'a mut usize,
}

impl<'a> Unfolding<'a> {
    pub(super) fn new(root: &'a Value, room: &'a mut usize) -> Self {
        Self { root, room }
    }

    pub(super) fn unfolded(mut self) -> Map<String, Value> {
        match self.root {
            Value::Object(root) => self.object(root, 0, &DEFINITIONS),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        }
    }

    /// `followed`: how many references led here.
    fn value(&mut self, from: &Value, followed: usize) -> Value {
        match from {
            Value::Object(map) => Value::Object(self.object(map, followed, &[])),
            Value::Array(list) => {
                let mut copy = Vec::new();
                for item in list {
                    if !self.has_room(1, followed) {
                        break;
                    }
                    copy.push(self.value(item, followed));
                }
                Value::Array(copy)
            }
            Value::String(text) if !self.has_room(text.len(), followed) => Value::Null,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => from.clone(),
        }
    }

    /// What stands beside a reference wins. Beyond a bound a reference says nothing, which allows any value.
    fn object(
        &mut self,
        from: &Map<String, Value>,
        followed: usize,
        without: &[&str],
    ) -> Map<String, Value> {
        let mut to = Map::new();
        let mut target = None;
        for (key, value) in from {
            match value {
                Value::String(path) if key == "$ref" => target = self.target(path),
                _ if without.contains(&key.as_str()) => {}
                _ if self.has_room(key.len() + 1, followed) => {
                    to.insert(key.clone(), self.value(value, followed));
                }
                _ => {}
            }
        }
        if let Some(target) = target
            && followed < MAX_REFERENCES
        {
            for (key, value) in self.object(target, followed + 1, without) {
                to.entry(key).or_insert(value);
            }
        }
        to
    }

    fn target(&self, path: &str) -> Option<&'a Map<String, Value>> {
        self.root.pointer(path.strip_prefix('#')?)?.as_object()
    }

    /// What stands in the request itself needs no room.
    fn has_room(&mut self, bytes: usize, followed: usize) -> bool {
        if followed == 0 {
            return true;
        }
        let left = self.room.checked_sub(bytes);
        *self.room = left.unwrap_or(0);
        left.is_some()
    }
}

/// A choice between one schema and null is that schema: whether a value may be left out is said elsewhere. What stands
/// beside the choice wins.
pub(super) fn only_branch(mut schema: Map<String, Value>) -> Map<String, Value> {
    for key in ["anyOf", "oneOf", "allOf"] {
        let Some(Value::Array(branches)) = schema.get_mut(key) else {
            continue;
        };
        let mut real = branches.iter_mut().filter(|branch| !is_null(branch));
        let (Some(Value::Object(branch)), None) = (real.next(), real.next()) else {
            continue;
        };
        let branch = std::mem::take(branch);
        schema.shift_remove(key);
        for (key, value) in branch {
            schema.entry(key).or_insert(value);
        }
    }
    schema
}

/// Python's name of the type, `str` where the schema leaves it open.
pub(super) fn python_type(schema: &Map<String, Value>) -> &'static str {
    let branches = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| schema.get(*key)?.as_array())
        .flatten();
    let mut of_branches = branches
        .filter(|branch| !is_null(branch))
        .filter_map(|branch| named_type(branch.as_object()?));
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
        Value::Array(names) => real_types(names).next()?,
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

/// Whether a value may be of more than one type, null aside.
pub(super) fn has_several_types(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(names)) => real_types(names).nth(1).is_some(),
        Some(_) | None => false,
    }
}

fn real_types(names: &[Value]) -> impl Iterator<Item = &str> {
    let names = names.iter().filter_map(Value::as_str);
    names.filter(|name| *name != "null")
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unfolded(root: &Value, mut room: usize) -> Value {
        Value::Object(Unfolding::new(root, &mut room).unfolded())
    }

    #[test]
    fn references_are_replaced_and_what_stands_beside_them_wins() {
        let root = json!({
            "properties": {
                "a": {"$ref": "#/$defs/A", "description": "mine"},
                "list": {"items": [{"$ref": "#/definitions/B"}]},
                "gone": {"$ref": "#/$defs/Ghost", "title": "t"},
                "far": {"$ref": "https://example.com/schema.json"},
                "definitions": {"type": "string"},
                "$ref": {"type": "integer"}
            },
            "$defs": {"A": {"description": "theirs", "allOf": [{"$ref": "#/definitions/B"}]}},
            "definitions": {"B": {"type": "boolean"}}
        });
        let expected = json!({"properties": {
            "a": {"description": "mine", "allOf": [{"type": "boolean"}]},
            "list": {"items": [{"type": "boolean"}]},
            "gone": {"title": "t"},
            "far": {},
            "definitions": {"type": "string"},
            "$ref": {"type": "integer"}
        }});
        assert_eq!(unfolded(&root, MAX_UNFOLDED), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"properties": {"child": {"$ref": "#"}}, "type": "object"});
        let text = unfolded(&tree, MAX_UNFOLDED).to_string();
        assert_eq!(text.matches("child").count(), MAX_REFERENCES + 1);
        let circle =
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A", "type": "null"}}});
        assert_eq!(unfolded(&circle, MAX_UNFOLDED), json!({"type": "null"}));
    }

    #[test]
    fn references_cannot_fill_the_memory() {
        let ten = |name: &str| Value::Array(vec![json!({"$ref": format!("#/$defs/{name}")}); 10]);
        let mut defs = Map::new();
        for level in 0..MAX_REFERENCES {
            defs.insert(
                format!("l{level}"),
                json!({"anyOf": ten(&format!("l{}", level + 1))}),
            );
        }
        let end = json!({"description": "x".repeat(1000)});
        defs.insert(format!("l{MAX_REFERENCES}"), end);
        let bomb = json!({"anyOf": ten("l0"), "$defs": defs});
        let room = 100_000;
        assert!(unfolded(&bomb, room).to_string().len() < 4 * room);
    }

    #[test]
    fn a_type_has_pythons_name() {
        for (schema, name) in [
            (json!({"type": "string"}), "str"),
            (json!({"type": "number"}), "float"),
            (json!({"type": "integer"}), "int"),
            (json!({"type": "boolean"}), "bool"),
            (json!({"type": "array"}), "List"),
            (json!({"type": "object"}), "Dict"),
            (json!({"type": ["null", "integer"]}), "int"),
            (json!({"type": "null"}), "str"),
            (json!({"type": "hologram", "items": {}}), "List"),
            (json!({"properties": {}}), "Dict"),
            (json!({"enum": [1.5]}), "float"),
            (json!({"enum": []}), "str"),
            (json!({"const": true}), "bool"),
            (
                json!({"oneOf": [{"type": "null"}, {"enum": [1]}, {"type": "array"}]}),
                "List",
            ),
            (json!({"anyOf": 7, "type": {}}), "str"),
            (json!({}), "str"),
        ] {
            let named = schema.as_object().map(python_type);
            assert_eq!(named, Some(name), "{schema}");
        }
    }
}
