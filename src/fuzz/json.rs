//! Damages of JSON that leave it JSON: what is wrong then is what it says.

#![expect(clippy::indexing_slicing, reason = "a test")]

use serde_json::{Map, Value, json};

use super::mutate::{self, number};
use super::random::Random;
use super::{MAX_INPUT_BYTES, Target};

/// How deep a value is put into others. serde_json reads 127 levels.
const MAX_NESTING: usize = 200;
/// Longest text put in place of a value, in characters.
const MAX_TEXT: usize = 5000;

/// Damages a document. One that is no JSON any more is damaged as bytes.
pub(super) fn damage(input: &mut Vec<u8>, target: &Target<'_>, random: &mut Random) {
    match serde_json::from_slice::<Value>(input) {
        Ok(mut value) => {
            damage_value(&mut value, target, random);
            *input = value.to_string().into_bytes();
            if random.one_in(16) {
                name_twice(input, target, random);
            }
        }
        Err(_) => mutate::damage(input, target.corpus, target.words, random),
    }
}

/// Damages the JSON of one `data:` line, or repeats or leaves out such a line.
pub(super) fn damage_event(input: &mut Vec<u8>, target: &Target<'_>, random: &mut Random) {
    let mut lines = mutate::lines(input);
    let events: Vec<usize> = (0..lines.len())
        .filter(|&at| lines[at].starts_with(b"data:"))
        .collect();
    if events.is_empty() {
        return mutate::damage_lines(input, target.corpus, random);
    }
    let at = random.pick(&events);
    let payload = lines[at].strip_prefix(b"data:").unwrap_or_default();
    if let Ok(mut value) = serde_json::from_slice::<Value>(payload) {
        damage_value(&mut value, target, random);
        lines[at] = format!("data: {value}\n").into_bytes();
    } else {
        lines.swap(at, random.pick(&events));
    }
    *input = lines.concat();
}

fn damage_value(root: &mut Value, target: &Target<'_>, random: &mut Random) {
    let mut skip = random.below(count(root));
    let Some(value) = nth(root, &mut skip) else {
        return;
    };
    match random.below(14) {
        0 => *value = Value::Null,
        1 => *value = json!(random.one_in(2)),
        2 => *value = number(random).parse().unwrap_or(Value::Null),
        3 => *value = json!(word(target, random)),
        4 => *value = json!(text(random)),
        5 => *value = json!([value.take()]),
        6 => *value = json!({ word(target, random): value.take() }),
        7 => *value = json!(value.to_string()),
        8 => *value = random.of(&[json!([]), json!({}), json!("")]).clone(),
        9 => {
            for _ in 0..random.below(MAX_NESTING) {
                *value = if random.one_in(2) {
                    json!([value.take()])
                } else {
                    json!({ word(target, random): value.take() })
                };
            }
        }
        10 => *value = transplant(target, random),
        11..=13 => damage_children(value, target, random),
        _ => {}
    }
}

/// Leaves out, doubles, moves, renames or adds a child.
fn damage_children(value: &mut Value, target: &Target<'_>, random: &mut Random) {
    match value {
        Value::Array(list) => {
            let (at, other) = (random.below(list.len()), random.below(list.len()));
            match random.below(5) {
                _ if list.is_empty() => list.push(transplant(target, random)),
                0 => drop(list.remove(at)),
                1 => list.insert(other, list[at].clone()),
                2 => list.swap(at, other),
                3 => list.insert(at, transplant(target, random)),
                _ => {
                    let copy = list[at].clone();
                    if copy.to_string().len() < MAX_INPUT_BYTES / MAX_NESTING {
                        list.resize(list.len() + random.below(MAX_NESTING), copy);
                    }
                }
            }
        }
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            match (random.below(4), names.is_empty()) {
                (0, false) => drop(map.remove(random.of(&names))),
                (1, false) => {
                    let child = map.remove(random.of(&names)).unwrap_or_default();
                    map.insert(word(target, random), child);
                }
                (2, false) => {
                    let child = map.get(random.of(&names)).cloned().unwrap_or_default();
                    map.insert(random.of(&names).clone(), child);
                }
                _ => {
                    map.insert(word(target, random), transplant(target, random));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *value = transplant(target, random);
        }
    }
}

/// A value out of another document.
fn transplant(target: &Target<'_>, random: &mut Random) -> Value {
    let donor = random.of(target.corpus);
    let mut donor = serde_json::from_slice(donor).unwrap_or_else(|_| Map::new().into());
    let mut skip = random.below(count(&donor));
    nth(&mut donor, &mut skip)
        .map(Value::take)
        .unwrap_or_default()
}

/// Puts a second field of some name in front of an object's others, which no tree can hold.
fn name_twice(input: &mut Vec<u8>, target: &Target<'_>, random: &mut Random) {
    let objects: Vec<usize> = (1..input.len())
        .filter(|&at| input[at - 1] == b'{' && input[at] != b'}')
        .collect();
    if !objects.is_empty() {
        let at = random.pick(&objects);
        let field = format!("{}:{},", json!(word(target, random)), json!(text(random)));
        input.splice(at..at, field.into_bytes());
    }
}

fn word(target: &Target<'_>, random: &mut Random) -> String {
    match target.words {
        [] => String::new(),
        words => random.pick(words).to_owned(),
    }
}

fn text(random: &mut Random) -> String {
    let pieces = [
        "a",
        " ",
        "é",
        "🦀",
        "\0",
        "\n",
        "\"",
        "\\",
        "{",
        "\u{202e}",
        "\u{1b}",
        "ocid1.user.oc1..x",
    ];
    let piece = random.pick(&pieces);
    let many = if random.one_in(8) {
        random.below(MAX_TEXT)
    } else {
        random.below(4)
    };
    piece.repeat(many)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The value that `skip` others stand before, from the outside in.
fn nth<'a>(value: &'a mut Value, skip: &mut usize) -> Option<&'a mut Value> {
    if *skip == 0 {
        return Some(value);
    }
    *skip -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|child| nth(child, skip)),
        Value::Object(map) => map.values_mut().find_map(|child| nth(child, skip)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
