//! How an answer travels: the JSON of a whole reply, and the events of a streamed one, each vendor's tool calls in the
//! pieces that the live service was seen to send. Pure. Source: reference §5, §6.1-6.3, and the recorded streams.

use serde_json::{Value, json};

use super::answer::{Call, Choice, Plan, Vendor};

/// Padding is 1 to this many letters.
const MAX_PAD: usize = 8;
/// Characters of a fragment of a tool call's arguments.
const FRAGMENT_CHARS: usize = 10;

/// The body of a reply that is not streamed. `created` is RFC 3339 with milliseconds and `Z`.
pub(super) fn whole(plan: &Plan, model: &str, created: &str) -> Value {
    let choices: Vec<_> = plan
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| whole_choice(plan.vendor, index, choice))
        .collect();
    json!({
        "modelId": model,
        "modelVersion": "1.0",
        "chatResponse": {
            "apiFormat": "GENERIC",
            "timeCreated": created,
            "choices": choices,
            "usage": plan.usage.to_json(plan.vendor),
        },
    })
}

/// The events of a streamed reply, each with its `data: ` and blank line. With more than one choice the choices take
/// turns, and their finish events have an `index`, which the service leaves out when there is only one.
pub(super) fn events(plan: &Plan, include_usage: bool) -> Vec<String> {
    let mut queues: Vec<_> = plan
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| deltas(plan, index, choice).into_iter())
        .collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(queues.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            break;
        }
    }
    if include_usage {
        all.push(json!({"usage": plan.usage.to_json(plan.vendor)}));
    }
    let mut events: Vec<_> = all
        .into_iter()
        .enumerate()
        .map(|(number, event)| framed(event, number))
        .collect();
    if plan.vendor.says_done() {
        events.push("data: [DONE]\n\n".to_owned());
    }
    events
}

fn whole_choice(vendor: Vendor, index: usize, choice: &Choice) -> Value {
    let text = choice.text.concat();
    let content = match vendor {
        _ if choice.calls.is_empty() => json!([{"type": "TEXT", "text": text}]),
        Vendor::Google => json!([{"type": "TEXT"}]), // a part without its text: seen live
        Vendor::Meta | Vendor::Xai | Vendor::GptOss | Vendor::OpenAi | Vendor::Other => json!([]),
    };
    let mut message = json!({"role": "ASSISTANT", "content": content});
    if let Some(message) = message.as_object_mut() {
        if !choice.reasoning.is_empty() {
            message.insert(
                "reasoningContent".to_owned(),
                json!(choice.reasoning.concat()),
            );
        }
        if !choice.calls.is_empty() || vendor == Vendor::Meta {
            let calls: Vec<_> = choice.calls.iter().map(whole_call).collect();
            message.insert("toolCalls".to_owned(), json!(calls));
        }
    }
    json!({"index": index, "message": message, "finishReason": choice.finish})
}

fn whole_call(call: &Call) -> Value {
    match &call.id {
        Some(id) => {
            json!({"type": "FUNCTION", "id": id, "name": call.name, "arguments": call.arguments})
        }
        None => json!({"type": "FUNCTION", "name": call.name, "arguments": call.arguments}),
    }
}

/// One choice's events up to its finish.
fn deltas(plan: &Plan, index: usize, choice: &Choice) -> Vec<Value> {
    let text = |text: &str| json!([{"type": "TEXT", "text": text}]);
    let event = |field: &str, value: Value| {
        let mut message = json!({"role": "ASSISTANT"});
        if let Some(message) = message.as_object_mut() {
            message.insert(field.to_owned(), value);
        }
        json!({"index": index, "message": message})
    };
    let mut events = Vec::new();
    if plan.vendor != Vendor::Google {
        events.push(event("content", text("")));
    }
    events.extend(
        choice
            .reasoning
            .iter()
            .map(|token| event("reasoningContent", json!(token))),
    );
    events.extend(
        choice
            .text
            .iter()
            .map(|token| event("content", text(token))),
    );
    events.extend(
        call_deltas(plan.vendor, &choice.calls)
            .into_iter()
            .map(|calls| event("toolCalls", calls)),
    );
    let mut finish = json!({
        "message": {"role": "ASSISTANT", "content": text("")},
        "finishReason": choice.finish,
    });
    if let (true, Some(finish)) = (plan.choices.len() > 1, finish.as_object_mut()) {
        finish.insert("index".to_owned(), json!(index));
    }
    events.push(finish);
    events
}

/// The `toolCalls` arrays of a choice's events.
fn call_deltas(vendor: Vendor, calls: &[Call]) -> Vec<Value> {
    match vendor {
        // Whole calls, one an event, every one at position 0.
        Vendor::Xai => calls.iter().map(|call| json!([whole_call(call)])).collect(),
        // Whole calls without ids, all in one event.
        Vendor::Google if calls.is_empty() => Vec::new(),
        Vendor::Google => vec![calls.iter().map(whole_call).collect()],
        // The name first, then pieces of the arguments without an id, all at position 0 also for the second call.
        Vendor::Meta | Vendor::GptOss => fragments(calls, false),
        Vendor::OpenAi | Vendor::Other => fragments(calls, true),
    }
}

fn fragments(calls: &[Call], empty_arguments: bool) -> Vec<Value> {
    let mut deltas = Vec::new();
    for call in calls {
        let mut head = json!({"type": "FUNCTION", "id": call.id, "name": call.name});
        if let (true, Some(head)) = (empty_arguments, head.as_object_mut()) {
            head.insert("arguments".to_owned(), json!(""));
        }
        deltas.push(json!([head]));
        let letters: Vec<_> = call.arguments.chars().collect();
        for piece in letters.chunks(FRAGMENT_CHARS) {
            let piece: String = piece.iter().collect();
            deltas.push(json!([{"type": "FUNCTION", "arguments": piece}]));
        }
    }
    deltas
}

/// The event as it is sent. The padding differs from event to event, and is the same every time.
fn framed(mut event: Value, number: usize) -> String {
    if let Some(event) = event.as_object_mut() {
        event.insert(
            "pad".to_owned(),
            json!("a".repeat(1 + number * 5 % MAX_PAD)),
        );
    }
    format!("data: {event}\n\n")
}

#[cfg(test)]
mod tests;
