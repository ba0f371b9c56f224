//! One table for each repair: histories in short hand before and after.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

mod vendors;

/// `user x`, `system x`, `calls a:f b:g` or `calls a:f "text"`, `result a x`.
fn history(lines: &[&str]) -> Vec<Message> {
    lines.iter().map(|line| message(line)).collect()
}

fn message(line: &str) -> Message {
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let json = match kind {
        "calls" => {
            let (calls, text) = match rest.split_once(" \"") {
                Some((calls, text)) => (calls, json!(text.trim_end_matches('"'))),
                None => (rest, Value::Null),
            };
            let calls: Vec<Value> = calls
                .split(' ')
                .map(|call| {
                    let (id, name) = call.split_once(':').unwrap();
                    json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}})
                })
                .collect();
            json!({"role": "assistant", "content": text, "tool_calls": calls})
        }
        "result" => {
            let (id, text) = rest.split_once(' ').unwrap();
            json!({"role": "tool", "tool_call_id": id, "content": text})
        }
        "calls-function" => {
            json!({"role": "assistant", "function_call": {"name": rest, "arguments": "{}"}})
        }
        "function" => {
            let (name, text) = rest.split_once(' ').unwrap();
            json!({"role": "function", "name": name, "content": text})
        }
        role => json!({"role": role, "content": rest}),
    };
    read(&json)
}

/// As a request's body is read, from its text.
fn read<T: DeserializeOwned>(json: &Value) -> T {
    serde_json::from_str(&json.to_string()).unwrap()
}

fn shown(turn: &Turn) -> String {
    let message = &turn.message;
    let text = match &message.content {
        Some(Content::Text(text)) => text.read().into_owned(),
        Some(Content::Parts(parts)) => {
            let texts = parts
                .iter()
                .map(|part| part.text.clone().unwrap_or_default().into_string());
            texts.collect::<Vec<_>>().join("|")
        }
        None => String::new(),
    };
    match message.role.unwrap() {
        Role::Assistant if !message.tool_calls.is_empty() => {
            let calls = message.tool_calls.iter().map(|call| {
                let function = call.function.as_ref().unwrap();
                format!(
                    "{}:{}",
                    call.id.as_ref().unwrap(),
                    function.name.as_ref().unwrap()
                )
            });
            let calls = calls.collect::<Vec<_>>().join(" ");
            if text.is_empty() {
                format!("calls {calls}")
            } else {
                format!("calls {calls} \"{text}\"")
            }
        }
        Role::Tool => format!("result {} {text}", message.tool_call_id.as_ref().unwrap()),
        role => format!("{role:?} {text}").to_lowercase(),
    }
}

fn check(id: &str, before: &[&str], after: &[&str]) {
    let turns = repair(history(before), Quirks::of(id)).unwrap();
    assert_eq!(turns.iter().map(shown).collect::<Vec<_>>(), after);
}

const GROK: &str = "xai.grok-4.3";
const GEMINI: &str = "google.gemini-2.5-pro";
const LLAMA: &str = "meta.llama-3.3-70b-instruct";

#[test]
fn a_history_that_needs_nothing_stays() {
    let whole = [
        "system s",
        "user x",
        "calls a:f b:g \"let me see\"",
        // In another order than the calls.
        "result b 2",
        "result a 1",
        "system t",
        "assistant done",
        "user y",
        "user z",
    ];
    check(GROK, &whole, &whole);
    check(LLAMA, &whole, &whole);
    let one_by_one = [
        "system s",
        "user x",
        "calls a:f",
        "result a 1",
        "assistant done",
    ];
    check(GEMINI, &one_by_one, &one_by_one);
}

#[test]
fn a_result_without_a_call_becomes_a_users_text() {
    check(
        GROK,
        &["result a 18C", "user and now?"],
        &["user result of tool a:\n18c", "user and now?"],
    );
    // The same result twice.
    check(
        GROK,
        &["calls a:f", "result a 1", "result a 2"],
        &["calls a:f", "result a 1", "user result of tool a:\n2"],
    );
    check(
        GROK,
        &["function weather 18C"],
        &["user result of tool weather:\n18c"],
    );
    // It does not come between the others and their call.
    check(
        GROK,
        &["calls a:f b:g", "result a 1", "result x 9", "result b 2"],
        &[
            "calls a:f b:g",
            "result a 1",
            "result b 2",
            "user result of tool x:\n9",
        ],
    );
}

#[test]
fn a_call_without_a_result_gets_one_that_says_so() {
    check(
        GROK,
        &["calls a:f b:g", "result b 2", "user stop"],
        &[
            "calls a:f b:g",
            "result b 2",
            "result a no result",
            "user stop",
        ],
    );
    check(GROK, &["calls a:f"], &["calls a:f", "result a no result"]);
}

#[test]
fn a_late_result_moves_to_its_call() {
    check(
        GROK,
        &["calls a:f", "user hurry", "result a 1", "user thanks"],
        &["calls a:f", "result a 1", "user hurry", "user thanks"],
    );
}

#[test]
fn missing_ids_are_made_up_the_same_each_time() {
    let unnamed = |tail: &[&str]| {
        let mut lines = vec!["user x", "calls :f :g", "result  1", "result  2"];
        lines.extend_from_slice(tail);
        repair(history(&lines), Quirks::of(GROK))
            .unwrap()
            .iter()
            .map(shown)
            .collect::<Vec<_>>()
    };
    let expected = [
        "user x",
        "calls call_1_0:f call_1_1:g",
        "result call_1_0 1",
        "result call_1_1 2",
    ];
    assert_eq!(unnamed(&[]), expected);
    // The conversation goes on, and the ids stay.
    assert_eq!(unnamed(&["user y", "calls :f", "result  3"])[..4], expected);
    // A client that names its results and not its calls.
    check(
        GROK,
        &["calls :f", "result mine 1"],
        &["calls call_0_0:f", "result call_0_0 1"],
    );
}

#[test]
fn a_result_without_an_id_goes_to_an_open_call_and_needs_one() {
    check(
        GROK,
        &["calls a:f b:g", "result  1", "result  2"],
        &["calls a:f b:g", "result a 1", "result b 2"],
    );
    let named = |name: &str| json!({"role": "tool", "name": name, "content": name});
    let mut messages = history(&["calls a:f b:g"]);
    messages.extend(["g", "f"].map(|name| read(&named(name))));
    let turns = repair(messages, Quirks::of(GROK)).unwrap();
    assert_eq!(
        turns.iter().map(shown).collect::<Vec<_>>(),
        ["calls a:f b:g", "result b g", "result a f"]
    );
    // Also of calls that have no ids; and not to one whose own result is there.
    let mut messages = history(&["calls :f :g"]);
    messages.extend(["g", "f"].map(|name| read(&named(name))));
    let turns = repair(messages, Quirks::of(GROK)).unwrap();
    let contents: Vec<_> = turns.iter().map(shown).collect();
    assert_eq!(
        contents,
        [
            "calls call_0_0:f call_0_1:g",
            "result call_0_1 g",
            "result call_0_0 f"
        ]
    );
    check(
        GROK,
        &["calls a:f b:g", "result  of g", "result a of f"],
        &["calls a:f b:g", "result b of g", "result a of f"],
    );
    for (history_before, at) in [
        (&["calls a:f", "result a 1", "result  2"][..], 2),
        (&["result  1"], 0),
    ] {
        let refused = repair(history(history_before), Quirks::of(GROK)).unwrap_err();
        assert_eq!(refused.param, format!("messages[{at}].tool_call_id"));
    }
}

#[test]
fn the_two_forms_may_be_mixed() {
    // The newer form's call, the older form's result.
    check(
        GROK,
        &["calls a:f", "function f 42"],
        &["calls a:f", "result a 42"],
    );
    // One call told in both forms, and an empty one that is none.
    for function_call in [
        json!({"name": "f", "arguments": "{}"}),
        json!({}),
        json!({"name": "", "arguments": ""}),
    ] {
        let mut call = json!({"role": "assistant", "content": null, "function_call": function_call,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let mut messages = vec![read(&call), message("result a 1")];
        let turns = repair(messages, Quirks::of(GROK)).unwrap();
        let shown_turns: Vec<_> = turns.iter().map(shown).collect();
        assert_eq!(shown_turns, ["calls a:f", "result a 1"], "{function_call}");
        call["tool_calls"] = json!(null);
        call["content"] = json!("words");
        messages = vec![read(&call)];
        let turns = repair(messages, Quirks::of(GROK)).unwrap();
        let has_call = function_call["name"] == "f";
        assert_eq!(turns.len(), if has_call { 2 } else { 1 }, "{function_call}");
        assert_eq!(turns[0].message.tool_calls.len(), usize::from(has_call));
    }
    // Other arguments are another call.
    let both = json!({"role": "assistant", "function_call": {"name": "f", "arguments": "{\"other\":1}"},
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let turns = repair(vec![read(&both)], Quirks::of(GROK)).unwrap();
    assert_eq!(turns[0].message.tool_calls.len(), 2);
}

#[test]
fn images_of_results_become_a_users() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:x"}});
    let screen = json!({"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "done"}, image]});
    let mut messages = history(&["user x", "calls a:f b:g", "result b 2", "user y"]);
    messages.insert(2, read(&screen));
    let turns = repair(messages, Quirks::of(GROK)).unwrap();
    assert_eq!(
        turns.iter().map(shown).collect::<Vec<_>>(),
        [
            "user x",
            "calls a:f b:g",
            "result a done",
            "result b 2",
            "user from the result of tool f:|",
            "user y"
        ]
    );
    let Some(Content::Parts(parts)) = &turns[4].message.content else {
        unreachable!("it has parts")
    };
    assert_eq!(parts[1].kind, Some(PartKind::ImageUrl));
    assert_eq!(turns[4].at, 2);
}

#[test]
fn blank_instructions_go_unless_there_is_nothing_else() {
    for id in [GROK, GEMINI, LLAMA] {
        check(id, &["system ", "user x", "developer  "], &["user x"]);
        check(
            id,
            &["system a", "system ", "user x"],
            &["system a", "user x"],
        );
    }
    check(GROK, &["system "], &["system "]);
}

#[test]
fn ids_that_come_again_are_told_apart() {
    check(
        GROK,
        &[
            "calls a:f a:g",
            "result a 1",
            "result a 2",
            "calls a:f",
            "result a 3",
        ],
        &[
            "calls a:f a_2:g",
            "result a 1",
            "result a_2 2",
            "calls a_3:f",
            "result a_3 3",
        ],
    );
    check(
        GROK,
        &["calls a:f a_2:g a:h", "result a_2 2"],
        &[
            "calls a:f a_2:g a_3:h",
            "result a_2 2",
            "result a no result",
            "result a_3 no result",
        ],
    );
}

#[test]
fn the_older_form_is_matched_by_name() {
    check(
        GROK,
        &[
            "calls-function f",
            "function f 1",
            "calls-function f",
            "function f 2",
        ],
        &[
            "calls call_function_0:f",
            "result call_function_0 1",
            "calls call_function_1:f",
            "result call_function_1 2",
        ],
    );
    let nameless = json!({"role": "function", "content": "1"});
    let mut messages = history(&["calls-function f", "calls-function g", "function g 2"]);
    messages.push(read(&nameless));
    let turns = repair(messages, Quirks::of(GROK)).unwrap();
    assert_eq!(
        turns.iter().map(shown).collect::<Vec<_>>(),
        [
            "calls call_function_0:f",
            "result call_function_0 1",
            "calls call_function_1:g",
            "result call_function_1 2"
        ]
    );
    let broken = json!({"role": "assistant", "function_call": {"arguments": "{}"}});
    let refused = repair(vec![read(&broken)], Quirks::of(GROK)).unwrap_err();
    assert_eq!(refused.param, "messages[0].function_call.name");
}

#[test]
fn an_orphan_keeps_its_images() {
    let image = json!([{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "done"},
        {"type": "image_url", "image_url": "https://x"}]}]);
    let turns = repair(read(&image), Quirks::of(GROK)).unwrap();
    assert_eq!(shown(&turns[0]), "user result of tool a:\n|done|");
    let Some(Content::Parts(parts)) = &turns[0].message.content else {
        unreachable!("it has parts")
    };
    assert_eq!(parts[2].kind, Some(PartKind::ImageUrl));
}
