//! Tools as COHERE wants them: a flat list of parameters with Python's type names. What such a list cannot say (allowed
//! values, ranges, nested schemas) goes into the descriptions, which the model reads just as well.
//! Source: reference §4.3.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::oci::wire::cohere as wire;
use crate::oci::wire::generic;
use crate::translate::dialect::ToolNames;

use super::python::{has_several_types, type_name, written};

/// Keys that say nothing about the value.
const NOISE: [&str; 6] = ["title", "$schema", "$id", "$comment", "nullable", "strict"];

/// Their schemas are without references and branches for null.
pub(super) fn tools(tools: Vec<generic::ToolDefinition>, names: &ToolNames) -> Vec<wire::Tool> {
    tools
        .into_iter()
        .map(|definition| tool(definition, names))
        .collect()
}

fn tool(definition: generic::ToolDefinition, names: &ToolNames) -> wire::Tool {
    let mut schema = definition.parameters.unwrap_or_default();
    let required: HashSet<String> = match schema.shift_remove("required") {
        Some(Value::Array(names)) => names.into_iter().filter_map(text).collect(),
        Some(_) | None => HashSet::new(),
    };
    let properties = match schema.shift_remove("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) | None => Map::new(),
    };
    let parameter_definitions = properties
        .into_iter()
        .map(|(name, schema)| {
            let is_required = required.contains(&name);
            (name, parameter(schema, is_required))
        })
        .collect();
    let of_schema = schema.shift_remove("description").and_then(text);
    schema.shift_remove("type");
    let mut description = Description::default();
    description.say(
        definition
            .description
            .filter(|text| !text.trim().is_empty())
            .or(of_schema)
            .unwrap_or_else(|| definition.name.clone()),
    );
    description.rest("Schema of the arguments", schema);
    wire::Tool {
        // Never empty: OCI requires one.
        description: description.0,
        name: names.upstream(definition.name),
        parameter_definitions,
    }
}

fn parameter(schema: Value, is_required: bool) -> wire::ParameterDefinition {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        // `true` is any value at all.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let r#type = type_name(&schema);
    if !has_several_types(&schema) {
        schema.shift_remove("type");
    }
    let mut description = Description::default();
    if let Some(text) = schema.shift_remove("description").and_then(text) {
        description.say(text);
    }
    match (schema.shift_remove("enum"), schema.shift_remove("const")) {
        (Some(Value::Array(values)), _) => description.values(&values),
        (_, Some(value)) => description.values(&[value]),
        (Some(_) | None, None) => {}
    }
    if let Some(format) = schema.shift_remove("format").and_then(text) {
        description.say(format!("Format: {format}"));
    }
    let limits = [("min", "minimum"), ("max", "maximum")].map(|(word, key)| {
        let limit = schema.shift_remove(key)?;
        limit.is_number().then(|| format!("{word}={limit}"))
    });
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if !limits.is_empty() {
        description.say(format!("Range: {}", limits.join(", ")));
    }
    if let Some(pattern) = schema.shift_remove("pattern").and_then(text) {
        description.say(format!("Pattern: {pattern}"));
    }
    match schema.shift_remove("default") {
        None | Some(Value::Null) => {}
        Some(value) => description.say(format!("Default: {}", written(&value))),
    }
    description.rest("Schema", schema);
    wire::ParameterDefinition {
        description: Some(description.0).filter(|text| !text.is_empty()),
        r#type,
        is_required,
    }
}

/// Sentences.
#[derive(Default)]
struct Description(String);

impl Description {
    fn say(&mut self, sentence: impl AsRef<str>) {
        if !self.0.is_empty() {
            let end = self.0.trim_end().trim_end_matches('.').len();
            self.0.truncate(end);
            self.0.push_str(". ");
        }
        self.0.push_str(sentence.as_ref());
    }

    fn values(&mut self, values: &[Value]) {
        let values: Vec<_> = values.iter().map(written).collect();
        self.say(format!("Allowed values: [{}]", values.join(", ")));
    }

    /// What no words were found for, as a schema.
    fn rest(&mut self, title: &str, mut schema: Map<String, Value>) {
        schema.retain(|key, value| {
            let is_noise = NOISE.contains(&key.as_str()) || value.is_null();
            let is_switch = key == "additionalProperties" && value.is_boolean();
            let is_any_item = key == "items" && value.as_object().is_some_and(Map::is_empty);
            !is_noise && !is_switch && !is_any_item
        });
        if !schema.is_empty() {
            self.say(format!("{title}: {}", Value::Object(schema)));
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}
