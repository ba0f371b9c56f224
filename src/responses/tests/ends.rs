//! How responses end, and what they repeat of their requests.

use serde_json::{Value, json};

use super::answers::{Checked, called, finished, refused, role, said, stream, thought, used};
use super::asked;
use crate::openai::chat::FinishReason;
use crate::openai::error::ApiError;
use crate::openai::render::Render;

#[test]
fn an_answer_that_was_cut_is_incomplete() {
    for (reason, why) in [
        (FinishReason::Length, "max_output_tokens"),
        (FinishReason::ContentFilter, "content_filter"),
    ] {
        let told = stream(
            &json!({}),
            &[role(), thought("Hm"), said("Hel"), finished(reason), used()],
        );
        assert_eq!(told.kinds().last(), Some(&"incomplete"));
        assert_eq!(told.response["status"], "incomplete");
        assert_eq!(told.response["incomplete_details"], json!({"reason": why}));
        let statuses = [
            &told.response["output"][0]["status"],
            &told.response["output"][1]["status"],
        ];
        assert_eq!(statuses, ["completed", "incomplete"]);
    }
}

#[test]
fn a_refusal_is_a_part_of_the_message() {
    let told = stream(
        &json!({}),
        &[
            role(),
            said("I"),
            refused("No"),
            refused("!"),
            finished(FinishReason::Stop),
            used(),
        ],
    );
    assert_eq!(told.response["output"].as_array().unwrap().len(), 1);
    let parts = &told.response["output"][0]["content"];
    assert_eq!(parts[0]["text"], "I");
    assert_eq!(parts[1], json!({"type": "refusal", "refusal": "No!"}));
    assert!(told.kinds().contains(&"refusal.delta") && told.kinds().contains(&"refusal.done"));
}

#[test]
fn an_answer_without_a_word_has_no_items() {
    let told = stream(&json!({}), &[role(), finished(FinishReason::Stop)]);
    assert_eq!(told.kinds(), ["created", "in_progress", "completed"]);
    assert_eq!(
        (&told.response["output"], &told.response["usage"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn a_stream_that_breaks_off_has_failed_and_says_why() {
    let mut answering = asked(&json!({})).answering;
    let mut events = answering.chunks(vec![role(), said("Hel"), called(0, Some("f"), "{")]);
    let error = ApiError::new(502, "server_error", "It broke.").with_code("upstream_error");
    events.extend(answering.error(&error));
    let told = Checked::of(&events);
    let kinds = told.kinds();
    assert_eq!(kinds[kinds.len() - 2..], ["failed", "error"]);
    assert_eq!(
        told.response["error"],
        json!({"code": "server_error", "message": "It broke."})
    );
    assert_eq!(told.response["status"], "failed");
    let statuses = [
        &told.response["output"][0]["status"],
        &told.response["output"][1]["status"],
    ];
    assert_eq!(statuses, ["completed", "incomplete"]);
    let last = told.events.last().unwrap();
    assert_eq!(
        (&last["message"], &last["code"], &last["error"]["message"]),
        (
            &json!("It broke."),
            &json!("upstream_error"),
            &json!("It broke.")
        )
    );
}

#[test]
fn a_response_repeats_its_request_and_what_is_usual() {
    let told = stream(&json!({}), &[role(), finished(FinishReason::Stop)]).response;
    for (name, usual) in [
        ("object", json!("response")),
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("store", json!(false)),
        ("background", json!(false)),
        ("truncation", json!("disabled")),
        ("metadata", json!({})),
        ("text", json!({"format": {"type": "text"}})),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("instructions", Value::Null),
        ("previous_response_id", Value::Null),
        ("temperature", Value::Null),
    ] {
        assert_eq!(told.get(name), Some(&usual), "{name}");
    }
    let asked = json!({"instructions": "Be\nbrief", "store": true, "temperature": 0.5, "max_output_tokens": 9, "user": "u",
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {"b": 1, "a": 2}}],
        "metadata": {"k": "v"}, "reasoning": {"effort": "low"}});
    let told = stream(&asked, &[role(), finished(FinishReason::Stop)]).response;
    for (name, value) in asked.as_object().unwrap() {
        let expected = if name == "store" {
            &json!(false)
        } else {
            value
        };
        assert_eq!(&told[name], expected, "{name}");
    }
}

#[test]
fn a_long_request_is_not_repeated_and_a_pretty_one_stays_on_its_line() {
    let tools = json!([{"type": "function", "name": "f", "description": "d".repeat(70_000)}]);
    let told = stream(
        &json!({"tools": tools, "temperature": 1}),
        &[role(), finished(FinishReason::Stop)],
    )
    .response;
    assert_eq!(
        (&told["tools"], &told["temperature"]),
        (&json!([]), &json!(1))
    );
    let pretty = serde_json::to_vec_pretty(
        &json!({"model": "m", "input": "x", "metadata": {"a": "b", "c": "d"}}),
    )
    .unwrap();
    let mut answering = crate::responses::read(&pretty).unwrap().answering;
    let events = answering.chunks(vec![role()]);
    assert!(events.iter().all(|event| !event.data.contains('\n')));
    assert!(events[0].data.contains(r#""metadata":{"a":"b","c":"d"}"#));
}
