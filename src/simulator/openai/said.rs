//! The pretended model's answer in OpenAI's words: whole, or as the events of a stream. Pure. Source: OpenAI API reference, The chat
//! completion object and its chunk.

use serde_json::{Map, Value, json};

use super::super::answer::{Call, Choice, Plan};

/// The answers' date: the same request gets the same answer.
const CREATED: u64 = 1_764_151_200;
/// Characters of a fragment of a tool call's arguments.
const FRAGMENT_CHARS: usize = 10;

pub(super) fn whole(plan: &Plan, model: &str) -> Value {
    let choices: Vec<_> = plan
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            let mut message =
                json!({"role": "assistant", "content": text(choice), "refusal": null});
            if let Some(message) = message.as_object_mut() {
                say_more(choice, message);
            }
            json!({
                "index": index,
                "message": message,
                "logprobs": log_probs(plan, &choice.text),
                "finish_reason": reason(plan, choice),
            })
        })
        .collect();
    let mut answer = head(plan, model, "chat.completion");
    answer.insert("choices".to_owned(), json!(choices));
    answer.insert("usage".to_owned(), usage(plan));
    Value::Object(answer)
}

/// Each with its `data: ` and blank line.
pub(super) fn events(plan: &Plan, model: &str, wants_usage: bool) -> Vec<String> {
    let mut events = Vec::new();
    let mut push = |choices: Value, usage: Value| {
        let mut chunk = head(plan, model, "chat.completion.chunk");
        chunk.insert("choices".to_owned(), choices);
        if wants_usage {
            chunk.insert("usage".to_owned(), usage);
        }
        events.push(format!("data: {}\n\n", Value::Object(chunk)));
    };
    for (index, choice) in plan.choices.iter().enumerate() {
        for (delta, tokens) in deltas(choice) {
            let log_probs = log_probs(plan, &tokens);
            let said = json!([{"index": index, "delta": delta, "logprobs": log_probs, "finish_reason": null}]);
            push(said, Value::Null);
        }
        let reason = reason(plan, choice);
        let end = json!([{"index": index, "delta": {}, "logprobs": null, "finish_reason": reason}]);
        push(end, Value::Null);
    }
    if wants_usage {
        push(json!([]), usage(plan));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// Whether a reader may be done with it.
pub(super) fn finishes(event: &str) -> bool {
    event.contains("\"finish_reason\":\"")
}

fn head(plan: &Plan, model: &str, object: &str) -> Map<String, Value> {
    let id = format!("chatcmpl-{}", plan.id);
    let head = json!({"id": id, "object": object, "created": CREATED, "model": model, "system_fingerprint": "fp_simulated"});
    match head {
        Value::Object(head) => head,
        _ => Map::new(),
    }
}

fn text(choice: &Choice) -> Value {
    match (choice.text.is_empty(), choice.calls.is_empty()) {
        (true, false) => Value::Null,
        _ => json!(choice.text.concat()),
    }
}

fn say_more(choice: &Choice, message: &mut Map<String, Value>) {
    if !choice.reasoning.is_empty() {
        let thoughts = json!(choice.reasoning.concat());
        message.insert("reasoning_content".to_owned(), thoughts);
    }
    if !choice.calls.is_empty() {
        let calls: Vec<_> = choice.calls.iter().map(|call| json!({
            "id": id(call), "type": "function", "function": {"name": call.name, "arguments": call.arguments},
        })).collect();
        message.insert("tool_calls".to_owned(), json!(calls));
    }
}

/// With the tokens of the text that each has.
fn deltas(choice: &Choice) -> Vec<(Value, Vec<String>)> {
    let mut deltas = vec![(json!({"role": "assistant", "content": ""}), Vec::new())];
    let thoughts = choice.reasoning.iter();
    deltas.extend(thoughts.map(|token| (json!({"reasoning_content": token}), Vec::new())));
    let texts = choice.text.iter();
    deltas.extend(texts.map(|token| (json!({"content": token}), vec![token.clone()])));
    for (index, call) in choice.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let first =
            json!({"index": index, "id": id(call), "type": "function", "function": function});
        deltas.push((json!({"tool_calls": [first]}), Vec::new()));
        let letters: Vec<_> = call.arguments.chars().collect();
        for piece in letters.chunks(FRAGMENT_CHARS) {
            let piece: String = piece.iter().collect();
            let more = json!({"index": index, "function": {"arguments": piece}});
            deltas.push((json!({"tool_calls": [more]}), Vec::new()));
        }
    }
    deltas
}

fn id(call: &Call) -> &str {
    call.id.as_deref().unwrap_or("call_0")
}

fn reason(plan: &Plan, choice: &Choice) -> String {
    plan.vendor.finish_reason(choice.finish).to_owned()
}

fn log_probs(plan: &Plan, tokens: &[String]) -> Value {
    if plan.log_probs == 0 || tokens.is_empty() {
        return Value::Null;
    }
    let token = |token: &String| json!({"token": token, "logprob": -0.25, "bytes": null, "top_logprobs": []});
    json!({"content": tokens.iter().map(token).collect::<Vec<_>>()})
}

fn usage(plan: &Plan) -> Value {
    let completion = plan.usage.completion + plan.usage.reasoning;
    json!({
        "prompt_tokens": plan.usage.prompt,
        "completion_tokens": completion,
        "total_tokens": plan.usage.prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": plan.usage.reasoning},
    })
}
