//! What some vendors need.

use super::*;

#[test]
fn gemini_hears_calls_right_behind_somebody_else() {
    check(
        GEMINI,
        &[
            "user x",
            "assistant a",
            "assistant ",
            "calls a:f \"b\"",
            "result a 1",
            "assistant c",
        ],
        &[
            "user x",
            "calls a:f \"a\n\nb\"",
            "result a 1",
            "assistant c",
        ],
    );
    check(
        GEMINI,
        &[
            "user x",
            "assistant a",
            "system s",
            "calls a:f",
            "result a 1",
        ],
        &["system s", "user x", "calls a:f \"a\"", "result a 1"],
    );
    check(
        GEMINI,
        &["system s", "calls a:f", "result a 1"],
        &["system s", "user .", "calls a:f", "result a 1"],
    );
    check(
        GROK,
        &["assistant a", "calls a:f", "result a 1"],
        &["assistant a", "calls a:f", "result a 1"],
    );
}

#[test]
fn gemini_gets_one_call_and_its_result_at_a_time() {
    check(
        GEMINI,
        &[
            "user x",
            "calls a:f b:g c:h \"let me see\"",
            "result c 3",
            "result a 1",
            "user y",
        ],
        &[
            "user x",
            "calls a:f \"let me see\"",
            "result a 1",
            "calls b:g",
            "result b no result",
            "calls c:h",
            "result c 3",
            "user y",
        ],
    );
    let turns = repair(history(&["user x", "calls a:f b:g"]), Quirks::of(GEMINI)).unwrap();
    let places: Vec<_> = turns
        .iter()
        .map(|turn| (turn.at, turn.first_call))
        .collect();
    assert_eq!(places, [(0, 0), (1, 0), (1, 0), (1, 1), (1, 0)]);
}

#[test]
fn gemini_gets_one_system_message_and_first() {
    check(
        GEMINI,
        &["user x", "system a", "assistant y", "developer b", "user z"],
        &["system a\n\nb", "user x", "assistant y", "user z"],
    );
    check(GEMINI, &["user x", "system a"], &["system a", "user x"]);
    let parts = json!([{"role": "system", "content": [{"type": "text", "text": "a"}]}, {"role": "system"},
        {"role": "system", "content": "b"}, {"role": "user", "content": "x"}]);
    let turns = repair(read(&parts), Quirks::of(GEMINI)).unwrap();
    assert_eq!(
        turns.iter().map(shown).collect::<Vec<_>>(),
        ["system a|\n\n|b", "user x"]
    );
    // There must be something to answer.
    check(GEMINI, &["system a", "system b"], &["user a\n\nb"]);
}

#[test]
fn llamas_tool_turn_is_never_empty() {
    let refusal = json!([{"type": "text", "text": ""}, {"type": "refusal", "refusal": "no"}]);
    for (content, shown_text) in [
        (json!(null), "."),
        (json!(""), "."),
        (json!([]), "."),
        (refusal, "|."),
        (json!("words"), "words"),
        (json!([{"type": "text", "text": "words"}]), "words"),
    ] {
        let mut messages = history(&["calls a:f", "result a 1"]);
        messages[0].content = read(&content);
        let turns = repair(messages, Quirks::of(LLAMA)).unwrap();
        assert_eq!(shown(&turns[0]), format!("calls a:f \"{shown_text}\""));
    }
    check(LLAMA, &["assistant "], &["assistant "]);
}
