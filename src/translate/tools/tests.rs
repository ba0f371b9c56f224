//! One test for each habit of reference §6.3.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use super::*;

const IDS: MadeUpIds<'_> = MadeUpIds {
    seed: "seed",
    choice: 0,
};

/// An entry: id, name, arguments; `""` is absent.
type Entry = (&'static str, &'static str, &'static str);
/// A delta: index, id, name, arguments; `""` is absent.
type Expected = (u32, &'static str, &'static str, &'static str);

/// Feeds events and compares all deltas. An id `*` stands for a made-up one.
fn check(events: &[&[Entry]], expected: &[Expected]) {
    let mut calls = ToolCalls::default();
    let mut deltas = Vec::new();
    for event in events {
        for (position, (id, name, arguments)) in event.iter().enumerate() {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let entry = AnswerToolCall {
                id: some(id),
                name: some(name),
                arguments: some(arguments),
            };
            deltas.extend(calls.push(position, entry, &IDS).unwrap());
        }
    }
    let shown = deltas.iter().map(|delta| {
        let id = match delta.id.as_deref() {
            Some(id) if id == IDS.id(delta.index as usize) => "*",
            Some(id) => id,
            None => "",
        };
        let name = delta.function.name.as_deref().unwrap_or("");
        assert_eq!(delta.id.is_some(), delta.r#type.is_some());
        (delta.index, id, name, delta.function.arguments.as_str())
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn llama_opens_with_id_and_name_then_sends_fragments() {
    check(
        &[&[("a", "f", "")], &[("", "", "{\"x\"")], &[("", "", ":1}")]],
        &[(0, "a", "f", ""), (0, "", "", "{\"x\""), (0, "", "", ":1}")],
    );
}

#[test]
fn llama_with_two_calls_at_two_positions() {
    check(
        &[
            &[("a", "f", ""), ("b", "g", "")],
            &[("", "", "{\"x\""), ("", "", "{\"y\"")],
            &[("", "", ":1}"), ("", "", ":2}")],
        ],
        &[
            (0, "a", "f", ""),
            (1, "b", "g", ""),
            (0, "", "", "{\"x\""),
            (1, "", "", "{\"y\""),
            (0, "", "", ":1}"),
            (1, "", "", ":2}"),
        ],
    );
}

#[test]
fn gpt_opens_every_call_at_position_zero() {
    check(
        &[
            &[("a", "f", "")],
            &[("", "", "{\"x\"")],
            &[("", "", ":1}")],
            &[("b", "g", "")],
            &[("", "", "{\"y\"")],
            &[("", "", ":2}")],
        ],
        &[
            (0, "a", "f", ""),
            (0, "", "", "{\"x\""),
            (0, "", "", ":1}"),
            (1, "b", "g", ""),
            (1, "", "", "{\"y\""),
            (1, "", "", ":2}"),
        ],
    );
}

#[test]
fn grok_sends_whole_calls_at_position_zero() {
    check(
        &[&[("a", "f", "{\"x\":1}")], &[("b", "f", "{\"x\":2}")]],
        &[(0, "a", "f", "{\"x\":1}"), (1, "b", "f", "{\"x\":2}")],
    );
}

#[test]
fn gemini_sends_whole_calls_without_id() {
    check(
        &[
            &[("", "f", "{\"x\":1}")],
            &[("", "f", "{\"x\":2}")],
            &[("", "g", "{}")],
        ],
        &[
            (0, "*", "f", "{\"x\":1}"),
            (1, "*", "f", "{\"x\":2}"),
            (2, "*", "g", "{}"),
        ],
    );
}

#[test]
fn one_event_may_hold_several_calls() {
    check(
        &[&[("a", "f", "{}"), ("b", "g", "{}")], &[("c", "h", "{}")]],
        &[
            (0, "a", "f", "{}"),
            (1, "b", "g", "{}"),
            (2, "c", "h", "{}"),
        ],
    );
    check(
        &[&[("", "f", "{}"), ("", "f", "{}")]],
        &[(0, "*", "f", "{}"), (1, "*", "f", "{}")],
    );
}

#[test]
fn an_id_announced_again_goes_on_with_its_call() {
    check(
        &[
            &[("a", "f", "{\"x\"")],
            &[("b", "g", "{}")],
            &[("a", "f", ":1")],
            &[("", "", "}")],
        ],
        &[
            (0, "a", "f", "{\"x\""),
            (1, "b", "g", "{}"),
            (0, "", "", ":1"),
            (0, "", "", "}"),
        ],
    );
    // A whole call announced twice is one call.
    check(
        &[&[("a", "f", "{}")], &[("a", "f", "{}")]],
        &[(0, "a", "f", "{}")],
    );
}

#[test]
fn a_whole_call_told_again_is_told_once() {
    let whole = ("a", "f", "{\"x\":1}");
    check(
        &[&[whole], &[whole], &[("a", "", "{\"x\":1}")]],
        &[(0, "a", "f", "{\"x\":1}")],
    );
}

#[test]
fn a_name_repeated_on_fragments_without_id_is_the_same_call() {
    check(
        &[
            &[("", "f", "{\"x\"")],
            &[("", "f", ":1}")],
            &[("", "f", "{\"x\":2}")],
        ],
        &[
            (0, "*", "f", "{\"x\""),
            (0, "", "", ":1}"),
            (1, "*", "f", "{\"x\":2}"),
        ],
    );
}

#[test]
fn another_name_without_id_is_another_call() {
    check(
        &[&[("", "f", "")], &[("", "g", "")]],
        &[(0, "*", "f", ""), (1, "*", "g", "")],
    );
}

#[test]
fn an_id_less_named_entry_after_an_open_call_with_id() {
    check(
        &[&[("a", "f", "{}")], &[("", "g", "{}")], &[("", "", " ")]],
        &[(0, "a", "f", "{}"), (1, "*", "g", "{}"), (1, "", "", " ")],
    );
}

#[test]
fn a_fragment_of_nothing_is_dropped_and_one_at_a_new_place_goes_to_the_latest() {
    check(&[&[("", "", "{}")]], &[]);
    check(
        &[&[("a", "f", "")], &[("", "", ""), ("", "", "{}")]],
        &[(0, "a", "f", ""), (0, "", "", "{}")],
    );
}

#[test]
fn a_call_opens_with_its_name_however_late_that_comes() {
    check(
        &[&[("a", "", "")], &[("", "f", "{")], &[("", "f", "}")]],
        &[(0, "a", "f", "{"), (0, "", "", "}")],
    );
    check(
        &[
            &[("a", "", "{"), ("b", "g", "{}")],
            &[("", "", "}")],
            &[("a", "f", "{}")],
        ],
        &[(0, "b", "g", "{}"), (1, "a", "f", "{}")],
    );
}

#[test]
fn a_call_without_a_name_is_none() {
    check(&[&[("a", "", "{}")], &[("a", "", "")]], &[]);
    let mut calls = ToolCalls::default();
    let mut push = |name: Option<&str>, arguments: &str| {
        let entry = AnswerToolCall {
            id: Some("a".to_owned()),
            name: name.map(str::to_owned),
            arguments: Some(arguments.to_owned()),
        };
        calls.push(0, entry, &IDS)
    };
    assert_eq!(push(None, &"[".repeat(MAX_HELD_BYTES)), Ok(None));
    assert_eq!(push(None, "1"), Ok(None));
    assert_eq!(push(Some("f"), "]"), Ok(None));
    assert!(calls.is_empty());
    assert_eq!(calls.finish(), []);
}

#[test]
fn braces_within_strings_do_not_complete_arguments() {
    check(
        &[
            &[("", "f", "{\"x\":\"}\\\"}")],
            &[("", "f", "\"}")],
            &[("", "f", "{}")],
        ],
        &[
            (0, "*", "f", "{\"x\":\"}\\\"}"),
            (0, "", "", "\"}"),
            (1, "*", "f", "{}"),
        ],
    );
}

#[test]
fn the_number_of_calls_has_a_bound() {
    let mut calls = ToolCalls::default();
    let entry = || AnswerToolCall {
        id: None,
        name: Some("f".to_owned()),
        arguments: Some("{}".to_owned()),
    };
    for _ in 0..MAX_TOOL_CALLS {
        calls.push(0, entry(), &IDS).unwrap();
    }
    assert_eq!(calls.push(0, entry(), &IDS), Err(TooManyCalls));
}

#[test]
fn made_up_ids_are_stable_and_differ() {
    let ids = |seed, choice| MadeUpIds { seed, choice };
    assert_eq!(ids("s", 0).id(0), ids("s", 0).id(0));
    let all = [
        ids("s", 0).id(0),
        ids("s", 0).id(1),
        ids("s", 1).id(0),
        ids("t", 0).id(0),
    ];
    for (at, id) in all.iter().enumerate() {
        assert!(id.starts_with("call_") && id.len() == 29, "{id}");
        assert!(!all[..at].contains(id));
    }
}
