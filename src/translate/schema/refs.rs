//! References within a schema, unfolded: many models cannot follow them. What a few bytes of nested references unfold to
//! has a bound. Source: reference §7.

use serde_json::{Map, Value, json};

use super::{Holds, Schema, each_schema};

/// Bytes that the unfolded references of one request may have together. The largest sets of tools in use have a tenth;
/// a few hundred bytes of nested references can ask for gigabytes.
const MAX_UNFOLDED_BYTES: usize = 2 * 1024 * 1024;

/// How deep an unfolded schema may be. JSON deeper than 128 is not even parsed.
const MAX_DEPTH: usize = 96;

/// What a key or a value costs beside its text, an empty list or object too: a list of a million of them is small in JSON
/// and 70 MB in memory, and a reference of a few bytes asks for all of it.
const BYTES_A_VALUE: usize = 8;

/// What references may still unfold to, over all schemas of a request.
#[derive(Debug)]
pub(in crate::translate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_UNFOLDED_BYTES)
    }
}

/// The references unfold to more than [`MAX_UNFOLDED_BYTES`] or deeper than [`MAX_DEPTH`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::translate) struct TooLarge;

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
        self.budget.spend("")?;
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
                    self.budget.spend("")?;
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
        // Before it is read: the same long one may stand in many places.
        self.budget.spend(reference)?;
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
            Value::Array(list) => {
                self.spend("")?;
                list.iter().try_for_each(|item| self.charge(item))
            }
            Value::Object(map) => {
                self.spend("")?;
                map.iter().try_for_each(|(key, item)| {
                    self.spend(key)?;
                    self.charge(item)
                })
            }
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

#[cfg(test)]
mod tests;
