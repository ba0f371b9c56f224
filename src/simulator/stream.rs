//! How an answer travels: the JSON of a whole reply, and the events of a streamed one, each vendor's tool calls in the
//! pieces that the live service was seen to send. Pure. Source: reference §5, §6.1-6.3, and the recorded streams.

mod cohere;

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::answer::{Call, Choice, Plan, Vendor};

/// Padding is 1 to this many letters.
const MAX_PAD: usize = 8;
/// The logarithms of the pretended probabilities, in turn.
const EIGHTHS: [f64; 4] = [-0.125, -0.25, -0.375, -0.5];
/// Characters of a fragment of a tool call's arguments.
const FRAGMENT_CHARS: usize = 10;

/// The body of a reply to `chat` that is not streamed. `created` is RFC 3339 with milliseconds and `Z`.
pub(super) fn whole(plan: &Plan, chat: &Value, model: &str, created: &str) -> Value {
    let response = match format(chat) {
        "COHERE" => cohere::whole(plan, chat),
        "COHEREV2" => cohere::whole_v2(plan),
        _ => whole_generic(plan, created),
    };
    json!({"modelId": model, "modelVersion": "1.0", "chatResponse": response})
}

/// The events of a streamed reply to `chat`, each with its `data: ` and blank line.
pub(super) fn events(plan: &Plan, chat: &Value) -> Vec<String> {
    let include_usage = chat.pointer("/streamOptions/isIncludeUsage") == Some(&Value::Bool(true));
    match format(chat) {
        "COHERE" => cohere::events(plan, chat, include_usage),
        "COHEREV2" => cohere::events_v2(plan, include_usage),
        _ => generic_events(plan, include_usage),
    }
}

fn format(chat: &Value) -> &str {
    let format = chat.get("apiFormat");
    format.and_then(Value::as_str).unwrap_or_default()
}

fn whole_generic(plan: &Plan, created: &str) -> Value {
    let choices: Vec<_> = plan
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| whole_choice(plan, index, choice))
        .collect();
    json!({
        "apiFormat": "GENERIC",
        "timeCreated": created,
        "choices": choices,
        "usage": plan.usage.to_json(plan.vendor),
    })
}

/// With more than one choice the choices take turns, and their finish events have an `index`, which the service leaves
/// out when there is only one.
fn generic_events(plan: &Plan, include_usage: bool) -> Vec<String> {
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

fn whole_choice(plan: &Plan, index: usize, choice: &Choice) -> Value {
    let vendor = plan.vendor;
    let text = choice.text.concat();
    let content = match vendor {
        _ if choice.calls.is_empty() => json!([{"type": "TEXT", "text": text}]),
        Vendor::Google => json!([{"type": "TEXT"}]), // a part without its text: seen live
        Vendor::Meta
        | Vendor::Xai
        | Vendor::GptOss
        | Vendor::OpenAi
        | Vendor::Cohere
        | Vendor::Other => json!([]),
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
    let reason = vendor.finish_reason(choice.finish);
    let mut whole = json!({"index": index, "message": message, "finishReason": reason});
    if plan.log_probs > 0
        && !choice.text.is_empty()
        && let Some(whole) = whole.as_object_mut()
    {
        let all = log_probs(&choice.text, 0..choice.text.len(), plan.log_probs);
        whole.insert("logprobs".to_owned(), all);
    }
    whole
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
    for (at, token) in choice.text.iter().enumerate() {
        let mut event = event("content", text(token));
        if let (true, Some(event)) = (plan.log_probs > 0, event.as_object_mut()) {
            let its = log_probs(&choice.text, at..at + 1, plan.log_probs);
            event.insert("logprobs".to_owned(), its);
        }
        events.push(event);
    }
    events.extend(
        call_deltas(plan.vendor, &choice.calls)
            .into_iter()
            .map(|calls| event("toolCalls", calls)),
    );
    let mut finish = json!({
        "message": {"role": "ASSISTANT", "content": text("")},
        "finishReason": plan.vendor.finish_reason(choice.finish),
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
        Vendor::OpenAi | Vendor::Cohere | Vendor::Other => fragments(calls, true),
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

/// Of the tokens in `range`: as lists of equal length. Offsets count characters of the whole text. What a logarithm is
/// depends on the place alone; an alternative is 1 less likely than the one before, and its number is a string.
fn log_probs(tokens: &[String], range: Range<usize>, top: usize) -> Value {
    let (mut offsets, mut texts, mut numbers, mut tops) = (vec![], vec![], vec![], vec![]);
    let mut offset = 0;
    for (at, token) in tokens.iter().enumerate().take(range.end) {
        if range.contains(&at) {
            let number = EIGHTHS.iter().cycle().nth(at).copied().unwrap_or_default();
            let mut alternatives = Map::new();
            let mut other = number;
            for rank in 0..top {
                let text = if rank == 0 {
                    token.clone()
                } else {
                    format!("{token}~{rank}")
                };
                alternatives.insert(text, json!(other.to_string()));
                other -= 1.0;
            }
            offsets.push(offset);
            texts.push(token);
            numbers.push(number);
            tops.push(alternatives);
        }
        offset += token.chars().count();
    }
    json!({"textOffset": offsets, "tokens": texts, "tokenLogprobs": numbers, "topLogprobs": tops})
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
