//! JSON schemas as OCI's models take them. What clients generate from their types (Pydantic, Zod) has references, branches
//! for `null` and decoration that some models refuse; each function here removes one such thing and leaves the meaning.
//! A schema that has none of it stays as it is, to the order of its keys. Source: reference §7.
//!
//! Only what stands where a schema may stand is touched: never a *property* named `title`, never a value of `enum`.

use serde_json::{Map, Value, json};

use super::quirks::Quirks;

/// Bytes that the unfolded references of one request may have together. The largest sets of tools in use have a tenth;
/// a few hundred bytes of nested references can ask for gigabytes.
pub(super) const MAX_UNFOLDED_BYTES: usize = 2 * 1024 * 1024;

/// How deep an unfolded schema may be. JSON deeper than 128 is not even parsed.
const MAX_DEPTH: usize = 96;

/// What a key and its punctuation cost beside their text.
const BYTES_A_VALUE: usize = 8;

type Schema = Map<String, Value>;

/// What references may still unfold to, over all schemas of a request.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_UNFOLDED_BYTES)
    }
}

/// The references unfold to more than [`MAX_UNFOLDED_BYTES`] or deeper than [`MAX_DEPTH`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

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
    if quirks.inclusive_bounds {
        inclusive_bounds(&mut schema);
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

/// Puts what a `$ref` points to in its place, and removes `$defs` and `definitions`. A reference within what it points to
/// becomes an object without further rules, and so does one that points nowhere: a model cannot follow it anyway.
pub(super) fn inline_refs(mut schema: Schema, budget: &mut Budget) -> Result<Schema, TooLarge> {
    let mut refers = false;
    each_schema(&mut schema, &mut |inner| {
        refers |= inner.contains_key("$ref");
    });
    if refers {
        let mut unfolding = Unfolding {
            root: &schema,
            // The root is being unfolded from the beginning.
            open: vec![String::new()],
            budget,
        };
        schema = unfolding.schema(&schema, 0)?;
    }
    each_schema(&mut schema, &mut |inner| {
        inner.shift_remove("$defs");
        inner.shift_remove("definitions");
    });
    Ok(schema)
}

struct Unfolding<'a> {
    root: &'a Schema,
    /// What is being unfolded, as JSON pointers, outermost first.
    open: Vec<String>,
    budget: &'a mut Budget,
}

impl Unfolding<'_> {
    fn schema(&mut self, schema: &Schema, depth: usize) -> Result<Schema, TooLarge> {
        if depth > MAX_DEPTH {
            return Err(TooLarge);
        }
        let mut unfolded = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.target(reference, depth)?,
            None => Schema::new(),
        };
        // What stands beside a reference says more about this place than what the reference points to.
        for (keyword, value) in schema {
            // Definitions are unfolded where they are referred to, and only there.
            if matches!(keyword.as_str(), "$ref" | "$defs" | "definitions") {
                continue;
            }
            self.budget.spend(keyword)?;
            let value = match (Holds::of(keyword), value) {
                (Holds::Named, Value::Object(named)) => {
                    let mut inner = Map::with_capacity(named.len());
                    for (name, value) in named {
                        self.budget.spend(name)?;
                        inner.insert(name.clone(), self.value(value, depth + 1)?);
                    }
                    Value::Object(inner)
                }
                (Holds::Schemas, Value::Array(list)) => {
                    let inner = list.iter().map(|value| self.value(value, depth + 1));
                    Value::Array(inner.collect::<Result<_, _>>()?)
                }
                (Holds::Schemas, value) => self.value(value, depth + 1)?,
                (Holds::Named | Holds::Nothing, data) => self.budget.copy(data)?,
            };
            unfolded.insert(keyword.clone(), value);
        }
        Ok(unfolded)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<Value, TooLarge> {
        match value.as_object() {
            Some(schema) => self.schema(schema, depth).map(Value::Object),
            None => self.budget.copy(value),
        }
    }

    fn target(&mut self, reference: &str, depth: usize) -> Result<Schema, TooLarge> {
        let root = self.root;
        let Some(pointer) = pointer(reference) else {
            return open_object(None, self.budget);
        };
        match resolve(root, &pointer) {
            Some(Value::Object(target)) if !self.open.contains(&pointer) => {
                self.open.push(pointer);
                let unfolded = self.schema(target, depth + 1)?;
                self.open.pop();
                Ok(unfolded)
            }
            target => open_object(target, self.budget),
        }
    }
}

/// `None` also for the root itself, which is always being unfolded when somebody asks.
fn resolve<'a>(root: &'a Schema, pointer: &str) -> Option<&'a Value> {
    let path = pointer.strip_prefix('/')?;
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let key = first.replace("~1", "/").replace("~0", "~");
    root.get(&key)?.pointer(rest)
}

/// What is left of a schema that cannot be unfolded: its type, and what it says about itself.
fn open_object(target: Option<&Value>, budget: &mut Budget) -> Result<Schema, TooLarge> {
    let mut left = Schema::new();
    let kind = target.and_then(|target| target.get("type"));
    left.insert(
        "type".to_owned(),
        budget.copy(kind.unwrap_or(&json!("object")))?,
    );
    if let Some(description) = target.and_then(|target| target.get("description")) {
        left.insert("description".to_owned(), budget.copy(description)?);
    }
    Ok(left)
}

impl Budget {
    fn spend(&mut self, text: &str) -> Result<(), TooLarge> {
        let cost = text.len().saturating_add(BYTES_A_VALUE);
        self.0 = self.0.checked_sub(cost).ok_or(TooLarge)?;
        Ok(())
    }

    fn copy(&mut self, value: &Value) -> Result<Value, TooLarge> {
        self.charge(value)?;
        Ok(value.clone())
    }

    /// Before anything is copied.
    fn charge(&mut self, value: &Value) -> Result<(), TooLarge> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => self.spend(""),
            Value::String(text) => self.spend(text),
            Value::Array(list) => list.iter().try_for_each(|item| self.charge(item)),
            Value::Object(map) => map.iter().try_for_each(|(key, item)| {
                self.spend(key)?;
                self.charge(item)
            }),
        }
    }
}

/// `#/$defs/A%20B` as the JSON pointer `/$defs/A B`; `None` if it points outside of the schema.
fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Picks the branch that is not null: of `anyOf` and `oneOf` with a branch for null, and of `type: [T, "null"]`; and an only
/// branch, also of `allOf`, is no branch. What may be null and is required becomes what may be left out: a model that is
/// not allowed to say null would have to invent a value.
pub(super) fn without_null(schema: &mut Schema) {
    each_schema(schema, &mut |schema| {
        // A picked branch may have branches of its own; each turn makes the schema smaller.
        while pick_branch(schema) {}
        pick_type(schema);
        let Some(Value::Object(properties)) = schema.get("properties") else {
            return;
        };
        let nullable: Vec<String> = properties
            .iter()
            .filter(|(_, property)| may_be_null(property))
            .map(|(name, _)| name.clone())
            .collect();
        if nullable.is_empty() {
            return;
        }
        let Some(Value::Array(required)) = schema.get_mut("required") else {
            return;
        };
        required.retain(|name| !nullable.iter().any(|nullable| name == nullable));
        if required.is_empty() {
            schema.shift_remove("required");
        }
    });
}

const BRANCHES: [&str; 2] = ["anyOf", "oneOf"];

/// What a schema may say of itself otherwise than its only branch does: it narrows nothing.
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];

/// Whether something changed.
fn pick_branch(schema: &mut Schema) -> bool {
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
    BRANCHES
        .into_iter()
        .chain(["allOf"])
        .any(|keyword| put_in_place(schema, keyword))
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
    let mut branch = branch.clone();
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

fn pick_type(schema: &mut Schema) {
    let Some(Value::Array(types)) = schema.get_mut("type") else {
        return;
    };
    if !has_other_than_null(types) {
        return;
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
}

fn has_other_than_null(types: &[Value]) -> bool {
    types.iter().any(|kind| kind == "null") && types.iter().any(|kind| kind != "null")
}

fn may_be_null(schema: &Value) -> bool {
    let branch = BRANCHES.iter().any(|keyword| {
        let branches = schema.get(keyword).and_then(Value::as_array);
        branches.is_some_and(|branches| {
            branches.iter().any(is_null) && branches.iter().any(|branch| !is_null(branch))
        })
    });
    let types = schema.get("type").and_then(Value::as_array);
    branch || types.is_some_and(|types| has_other_than_null(types))
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
    let rule = format!("Must be {word} than {bound}.");
    let text = match schema.get("description") {
        Some(Value::String(text)) if !text.is_empty() => format!("{text} {rule}"),
        Some(_) | None => rule,
    };
    schema.insert("description".to_owned(), json!(text));
}

#[cfg(test)]
mod tests;
