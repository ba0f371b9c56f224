//! JSON schemas as OCI's models take them. What clients generate from their types (Pydantic, Zod) has references, branches
//! for `null` and decoration that some models refuse; each function here removes one such thing and leaves the meaning.
//! A schema that has none of it stays as it is, to the order of its keys. Source: reference §7.
//!
//! Only what stands where a schema may stand is touched: never a *property* named `title`, never a value of `enum`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::quirks::Quirks;

use refs::{Budget, TooLarge, inline_refs};

pub(super) mod refs;

type Schema = Map<String, Value>;

/// A tool's parameters.
pub(super) fn tool_parameters(
    schema: Schema,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<Schema, TooLarge> {
    let mut schema = inline_refs(schema, budget)?;
    without_null(&mut schema);
    without_decoration(&mut schema);
    with_items(&mut schema);
    if quirks.older_keywords {
        inclusive_bounds(&mut schema);
        enum_for_const(&mut schema);
    }
    Ok(schema)
}

/// The schema of an answer: like a tool's, but for models that take any.
pub(super) fn response_schema(
    schema: Schema,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<Schema, TooLarge> {
    if quirks.full_response_schemas {
        Ok(schema)
    } else {
        tool_parameters(schema, quirks, budget)
    }
}

/// Where a keyword's value holds schemas.
#[derive(Clone, Copy)]
enum Holds {
    /// An object of schemas by name.
    Named,
    /// A schema, or a list of them.
    Schemas,
    /// Data.
    Nothing,
}

impl Holds {
    fn of(keyword: &str) -> Self {
        match keyword {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                Self::Named
            }
            "items"
            | "prefixItems"
            | "additionalItems"
            | "unevaluatedItems"
            | "contains"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "anyOf"
            | "oneOf"
            | "allOf"
            | "not"
            | "if"
            | "then"
            | "else" => Self::Schemas,
            _ => Self::Nothing,
        }
    }
}

/// Calls `visit` with the schema and then with those within.
pub(super) fn each_schema(schema: &mut Schema, visit: &mut dyn FnMut(&mut Schema)) {
    visit(schema);
    for (keyword, value) in schema {
        match (Holds::of(keyword), value) {
            (Holds::Named, Value::Object(named)) => {
                for inner in named.values_mut().filter_map(Value::as_object_mut) {
                    each_schema(inner, visit);
                }
            }
            (Holds::Schemas, Value::Object(inner)) => each_schema(inner, visit),
            (Holds::Schemas, Value::Array(list)) => {
                for inner in list.iter_mut().filter_map(Value::as_object_mut) {
                    each_schema(inner, visit);
                }
            }
            (Holds::Named | Holds::Schemas | Holds::Nothing, _) => {}
        }
    }
}

/// Picks the branch that is not null: of `anyOf` and `oneOf` with a branch for null, and of `type: [T, "null"]`; and an only
/// branch, also of `allOf`, is no branch. What may be null and must be there stays required, for who reads the arguments
/// may insist on it, and its description says that it may be null; what may be left out needs no null.
pub(super) fn without_null(schema: &mut Schema) {
    each_schema(schema, &mut |schema| {
        pick(schema);
        let required: HashSet<String> = match schema.get("required") {
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                names.map(str::to_owned).collect()
            }
            Some(_) | None => return,
        };
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            return;
        };
        for (name, property) in properties {
            if required.contains(name)
                && let Value::Object(property) = property
                && pick(property)
            {
                say(property, "May be null.");
            }
        }
    });
}

/// Whether null was taken away.
fn pick(schema: &mut Schema) -> bool {
    let mut was_nullable = false;
    // A picked branch may have branches of its own; each turn makes the schema smaller.
    loop {
        if drop_null_branch(schema) {
            was_nullable = true;
        } else if !BRANCHES
            .into_iter()
            .chain(["allOf"])
            .any(|keyword| put_in_place(schema, keyword))
        {
            break;
        }
    }
    pick_type(schema) || was_nullable
}

/// Adds a sentence to the description.
fn say(schema: &mut Schema, sentence: &str) {
    let text = match schema.get("description") {
        Some(Value::String(text)) if !text.is_empty() => {
            let stop = if text.ends_with(['.', '!', '?', '。']) {
                ""
            } else {
                "."
            };
            format!("{text}{stop} {sentence}")
        }
        Some(_) | None => sentence.to_owned(),
    };
    schema.insert("description".to_owned(), json!(text));
}

const BRANCHES: [&str; 2] = ["anyOf", "oneOf"];

/// What a schema may say of itself otherwise than its only branch does: it narrows nothing.
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];

/// Whether there was one beside others.
fn drop_null_branch(schema: &mut Schema) -> bool {
    for keyword in BRANCHES {
        let Some(Value::Array(branches)) = schema.get_mut(keyword) else {
            continue;
        };
        let null = branches.iter().filter(|branch| is_null(branch)).count();
        if null > 0 && null < branches.len() {
            branches.retain(|branch| !is_null(branch));
            return true;
        }
    }
    false
}

/// Puts an only branch's keywords where the list of branches stood. What the schema says of itself stays; where both
/// narrow the same thing in two ways the branch stays, as both hold. Whether something changed.
fn put_in_place(schema: &mut Schema, keyword: &str) -> bool {
    let Some(Value::Array(branches)) = schema.get(keyword) else {
        return false;
    };
    let [Value::Object(branch)] = branches.as_slice() else {
        return false;
    };
    let is_settled = |(inner, theirs): (&String, &Value)| {
        inner == keyword
            || ANNOTATIONS.contains(&inner.as_str())
            || schema.get(inner).is_none_or(|ours| ours == theirs)
    };
    if !branch.iter().all(is_settled) {
        return false;
    }
    let Some(Value::Object(mut branch)) = schema
        .get_mut(keyword)
        .and_then(Value::as_array_mut)
        .and_then(Vec::pop)
    else {
        return false;
    };
    branch.retain(|inner, _| inner == keyword || !schema.contains_key(inner));
    let before = std::mem::take(schema);
    for (outer, value) in before {
        if outer == keyword {
            schema.append(&mut branch);
        } else {
            schema.insert(outer, value);
        }
    }
    true
}

/// Whether it had null beside another type.
fn pick_type(schema: &mut Schema) -> bool {
    let Some(Value::Array(types)) = schema.get_mut("type") else {
        return false;
    };
    if !has_other_than_null(types) {
        return false;
    }
    types.retain(|kind| kind != "null");
    if let [_] = types.as_slice() {
        let only = types.pop().unwrap_or_default();
        schema.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && values.iter().any(|value| !value.is_null())
    {
        values.retain(|value| !value.is_null());
    }
    true
}

fn has_other_than_null(types: &[Value]) -> bool {
    types.iter().any(|kind| kind == "null") && types.iter().any(|kind| kind != "null")
}

/// A schema that nothing but null fits.
fn is_null(schema: &Value) -> bool {
    let only_null = |values: &Value| {
        values
            .as_array()
            .is_some_and(|values| values.iter().all(Value::is_null) && !values.is_empty())
    };
    schema.get("type").is_some_and(|kind| kind == "null")
        || schema.get("const").is_some_and(Value::is_null)
        || schema.get("enum").is_some_and(only_null)
}

/// Removes `title` and `default: null`, which tell a model nothing that the name and the rest do not.
pub(super) fn without_decoration(schema: &mut Schema) {
    each_schema(schema, &mut |schema| {
        if schema.get("title").is_some_and(Value::is_string) {
            schema.shift_remove("title");
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.shift_remove("default");
        }
    });
}

/// Gives arrays that do not say what they hold an `items` that allows anything, which means the same.
pub(super) fn with_items(schema: &mut Schema) {
    each_schema(schema, &mut |schema| {
        let is_array = match schema.get("type") {
            Some(Value::String(kind)) => kind == "array",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
            Some(_) | None => false,
        };
        if is_array && !schema.contains_key("items") && !schema.contains_key("prefixItems") {
            schema.insert("items".to_owned(), json!({}));
        }
    });
}

/// Writes `const` as the only value of an `enum`. Only strings stand there: of another value the description says it.
pub(super) fn enum_for_const(schema: &mut Schema) {
    each_schema(schema, &mut |schema| match schema.shift_remove("const") {
        Some(value @ Value::String(_)) => {
            schema.insert("enum".to_owned(), json!([value]));
        }
        Some(value) => say(schema, &format!("Must be {value}.")),
        None => {}
    });
}

/// Removes `exclusiveMinimum` and `exclusiveMaximum`: of an integer the next one is the inclusive bound, of other numbers
/// there is none, so that the description says it.
pub(super) fn inclusive_bounds(schema: &mut Schema) {
    each_schema(schema, &mut |schema| {
        inclusive_bound(schema, "exclusiveMinimum", "minimum", 1, "greater");
        inclusive_bound(schema, "exclusiveMaximum", "maximum", -1, "less");
    });
}

fn inclusive_bound(schema: &mut Schema, exclusive: &str, inclusive: &str, step: i64, word: &str) {
    let bound = match schema.shift_remove(exclusive) {
        Some(bound @ Value::Number(_)) => bound,
        // Draft 4: a switch that makes the other keyword exclusive.
        Some(Value::Bool(true)) => match schema.shift_remove(inclusive) {
            Some(bound @ Value::Number(_)) => bound,
            Some(_) | None => return,
        },
        Some(_) | None => return,
    };
    let is_integer = schema.get("type").is_some_and(|kind| kind == "integer");
    let next = bound.as_i64().and_then(|bound| bound.checked_add(step));
    if let Some(next) = next.filter(|_| is_integer) {
        let known = schema.get(inclusive).and_then(Value::as_i64);
        let stricter = match known {
            Some(known) if step > 0 => known.max(next),
            Some(known) => known.min(next),
            None => next,
        };
        schema.insert(inclusive.to_owned(), json!(stricter));
        return;
    }
    say(schema, &format!("Must be {word} than {bound}."));
}

#[cfg(test)]
mod tests;
