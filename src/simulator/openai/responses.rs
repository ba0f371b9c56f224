//! The pretended model's answer as a response: whole, or as the events of a stream. Pure. Source: OpenAI API reference, The response
//! object and Streaming events.

pub(super) mod asked;

use serde_json::{Value, json};

use crate::json;

use super::super::answer::{Choice, Finish, Plan};

/// The answers' date: the same request gets the same answer.
const CREATED: u64 = 1_764_151_200;
/// Characters of a fragment of a tool call's arguments.
const FRAGMENT_CHARS: usize = 10;
/// What of a request its response repeats, and what it says of what is missing there.
const REPEATED: [(&str, &str); 13] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("reasoning", "{}"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "1.0"),
];

pub(super) fn whole(plan: &Plan, model: &str, body: &Value) -> Value {
    let output: Vec<_> = pieces(plan).into_iter().map(|piece| piece.done).collect();
    response(plan, model, body, (status(plan), json!(output)))
}

/// Each with its name and blank line.
pub(super) fn events(plan: &Plan, model: &str, body: &Value) -> Vec<String> {
    let mut events = Vec::new();
    let mut push = |kind: &str, mut event: Value| {
        if let Some(event) = event.as_object_mut() {
            event.insert("type".to_owned(), json!(kind));
            event.insert("sequence_number".to_owned(), json!(events.len()));
        }
        events.push(format!("event: {kind}\ndata: {event}\n\n"));
    };
    for kind in ["response.created", "response.in_progress"] {
        let begun = response(plan, model, body, ("in_progress", json!([])));
        push(kind, json!({"response": begun}));
    }
    for (index, piece) in pieces(plan).into_iter().enumerate() {
        let added = json!({"output_index": index, "item": piece.added});
        push("response.output_item.added", added);
        for (kind, more) in piece.grows {
            let mut event = json!({"item_id": piece.added.get("id"), "output_index": index});
            if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
                event.extend(more);
            }
            push(kind, event);
        }
        let done = json!({"output_index": index, "item": piece.done});
        push("response.output_item.done", done);
    }
    let last = format!("response.{}", status(plan));
    push(&last, json!({"response": whole(plan, model, body)}));
    events
}

/// Whether a reader may be done with it.
pub(super) fn finishes(event: &str) -> bool {
    ["completed", "incomplete"]
        .iter()
        .any(|last| event.starts_with(&format!("event: response.{last}\n")))
}

/// One item of the output.
struct Piece {
    added: Value,
    /// Kinds of events, and what each says.
    grows: Vec<(&'static str, Value)>,
    done: Value,
}

fn response(plan: &Plan, model: &str, body: &Value, (status, output): (&str, Value)) -> Value {
    let is_done = status != "in_progress";
    let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    let mut response = json!({
        "id": format!("resp_{}", plan.id),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": null,
        "incomplete_details": reason,
        "model": model,
        "output": output,
        "usage": is_done.then(|| usage(plan)),
    });
    if let Some(response) = response.as_object_mut() {
        for (name, usual) in REPEATED {
            let given = body.get(name).filter(|value| !value.is_null());
            let said = given.cloned().or_else(|| json::from_text(usual).ok());
            response.insert(name.to_owned(), said.unwrap_or_default());
        }
    }
    response
}

fn status(plan: &Plan) -> &'static str {
    let is_cut = |choice: &Choice| choice.finish == Finish::Length;
    match plan.choices.first().is_some_and(is_cut) {
        true => "incomplete",
        false => "completed",
    }
}

fn pieces(plan: &Plan) -> Vec<Piece> {
    let Some(choice) = plan.choices.first() else {
        return Vec::new();
    };
    let mut pieces = Vec::new();
    if !choice.reasoning.is_empty() {
        pieces.push(thoughts(plan, &choice.reasoning));
    }
    if !choice.text.is_empty() || choice.calls.is_empty() {
        pieces.push(message(plan, &choice.text));
    }
    for (number, call) in choice.calls.iter().enumerate() {
        let item = |arguments: &str, status: &str| {
            json!({
                "id": format!("fc_{number}_{}", plan.id), "type": "function_call", "status": status,
                "call_id": call.id.as_deref().unwrap_or("call_0"), "name": call.name, "arguments": arguments,
            })
        };
        let letters: Vec<_> = call.arguments.chars().collect();
        let mut grows: Vec<_> = letters
            .chunks(FRAGMENT_CHARS)
            .map(|piece| {
                let delta = json!({"delta": piece.iter().collect::<String>()});
                ("response.function_call_arguments.delta", delta)
            })
            .collect();
        let done = json!({"arguments": call.arguments, "name": call.name});
        grows.push(("response.function_call_arguments.done", done));
        pieces.push(Piece {
            added: item("", "in_progress"),
            grows,
            done: item(&call.arguments, "completed"),
        });
    }
    pieces
}

fn thoughts(plan: &Plan, tokens: &[String]) -> Piece {
    let text = tokens.concat();
    let item = |content: Value| json!({"id": format!("rs_{}", plan.id), "type": "reasoning", "summary": [], "content": content});
    let mut grows: Vec<_> = tokens
        .iter()
        .map(|token| {
            let delta = json!({"content_index": 0, "delta": token});
            ("response.reasoning_text.delta", delta)
        })
        .collect();
    let done = json!({"content_index": 0, "text": text});
    grows.push(("response.reasoning_text.done", done));
    Piece {
        added: item(json!([])),
        grows,
        done: item(json!([{"type": "reasoning_text", "text": text}])),
    }
}

fn message(plan: &Plan, tokens: &[String]) -> Piece {
    let item = |status: &str, content: Value| {
        json!({
            "id": format!("msg_{}", plan.id), "type": "message", "status": status, "role": "assistant",
            "content": content,
        })
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let text = tokens.concat();
    let mut grows = vec![(
        "response.content_part.added",
        json!({"content_index": 0, "part": part("")}),
    )];
    for token in tokens {
        let delta = json!({"content_index": 0, "delta": token, "logprobs": []});
        grows.push(("response.output_text.delta", delta));
    }
    let done = json!({"content_index": 0, "text": text, "logprobs": []});
    grows.push(("response.output_text.done", done));
    let done = json!({"content_index": 0, "part": part(&text)});
    grows.push(("response.content_part.done", done));
    Piece {
        added: item("in_progress", json!([])),
        grows,
        done: item(status(plan), json!([part(&text)])),
    }
}

fn usage(plan: &Plan) -> Value {
    let output = plan.usage.completion + plan.usage.reasoning;
    json!({
        "input_tokens": plan.usage.prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": plan.usage.reasoning},
        "total_tokens": plan.usage.prompt + output,
    })
}
