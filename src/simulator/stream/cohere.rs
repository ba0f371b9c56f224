//! How an answer travels in the formats COHERE and COHEREV2. Pure. Source: reference §5, §6.4, §6.5, and the recorded
//! streams. Nobody has recorded a tool call of COHEREV2, nor where its usage goes: there the SDK's names are followed.

use serde_json::{Map, Value, json};

use crate::json;

use super::super::answer::{Call, Choice, Finish, Plan};
use super::super::schema::items;
use super::framed;

/// Words of the user's message that decide how a COHERE stream is cut, in place of what is usual.
const ONE_END: &str = "merged";
const TWO_ENDS: &str = "split";
const NO_DELTAS: &str = "undivided";

/// `chatResponse` of COHERE.
pub(super) fn whole(plan: &Plan, chat: &Value) -> Value {
    let mut whole = restated(plan, Some(chat));
    set(&mut whole, "finishReason", finish(plan, chat));
    set(&mut whole, "usage", plan.usage.to_json(plan.vendor));
    whole
}

/// The events of COHERE: the text in pieces, then again as a whole, with every tool call, once or twice. The end is
/// seen as one event with history and reason, and as one of each: the latter here for tool calls.
pub(super) fn events(plan: &Plan, chat: &Value, include_usage: bool) -> Vec<String> {
    let message = chat.get("message").and_then(Value::as_str);
    let message = message.unwrap_or_default().to_lowercase();
    let calls = choice(plan).is_some_and(|choice| !choice.calls.is_empty());
    let two_ends = (calls || message.contains(TWO_ENDS)) && !message.contains(ONE_END);
    let mut events = Vec::new();
    if !message.contains(NO_DELTAS) {
        let text = choice(plan).into_iter().flat_map(|choice| &choice.text);
        events.extend(text.map(|token| json!({"apiFormat": "COHERE", "text": token})));
    }
    if calls {
        events.push(restated(plan, None));
    }
    let mut end = restated(plan, Some(chat));
    if two_ends {
        events.push(end);
        end = json!({"apiFormat": "COHERE"});
    }
    set(&mut end, "finishReason", finish(plan, chat));
    if include_usage {
        set(&mut end, "usage", plan.usage.to_json(plan.vendor));
    }
    events.push(end);
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(number, event)| framed(event, number))
        .collect()
}

/// `chatResponse` of COHEREV2.
pub(super) fn whole_v2(plan: &Plan) -> Value {
    let mut message = json!({"role": "ASSISTANT"});
    let mut reason = "ERROR";
    if let Some(choice) = choice(plan) {
        let text = choice.text.concat();
        let mut content = Vec::new();
        if !choice.reasoning.is_empty() {
            content.push(json!({"type": "THINKING", "thinking": choice.reasoning.concat()}));
        }
        if choice.calls.is_empty() {
            content.push(json!({"type": "TEXT", "text": text}));
        } else {
            let calls: Vec<_> = choice.calls.iter().map(call_v2).collect();
            set(&mut message, "toolPlan", json!(text));
            set(&mut message, "toolCalls", json!(calls));
        }
        if !content.is_empty() {
            set(&mut message, "content", json!(content));
        }
        reason = finish_v2(choice.finish);
    }
    json!({
        "apiFormat": "COHEREV2",
        "id": plan.id,
        "message": message,
        "finishReason": reason,
        "usage": plan.usage.to_json(plan.vendor),
    })
}

/// The events of COHEREV2: thoughts, then the text, or the plan and a whole call an event; the last one restates
/// nothing. Recorded without padding.
pub(super) fn events_v2(plan: &Plan, include_usage: bool) -> Vec<String> {
    let event = |field: &str, value: Value| {
        let mut message = json!({"role": "ASSISTANT"});
        set(&mut message, field, value);
        json!({"apiFormat": "COHEREV2", "message": message})
    };
    let mut events = Vec::new();
    let mut end = json!({"apiFormat": "COHEREV2", "message": {"role": "ASSISTANT"}});
    if let Some(choice) = choice(plan) {
        for token in &choice.reasoning {
            let part = json!([{"type": "THINKING", "thinking": token}]);
            events.push(event("content", part));
        }
        for token in &choice.text {
            events.push(match choice.calls.is_empty() {
                true => event("content", json!([{"type": "TEXT", "text": token}])),
                false => event("toolPlan", json!(token)),
            });
        }
        let calls = choice.calls.iter();
        events.extend(calls.map(|call| event("toolCalls", json!([call_v2(call)]))));
        set(&mut end, "finishReason", json!(finish_v2(choice.finish)));
    }
    if include_usage {
        set(&mut end, "usage", plan.usage.to_json(plan.vendor));
    }
    events.push(end);
    let lines = events.into_iter().map(|event| format!("data: {event}\n\n"));
    lines.collect()
}

/// The formats have no more than one.
fn choice(plan: &Plan) -> Option<&Choice> {
    plan.choices.first()
}

/// The whole text and every tool call, which have no ids; with `chat` the whole conversation too.
fn restated(plan: &Plan, chat: Option<&Value>) -> Value {
    let mut event = json!({"apiFormat": "COHERE"});
    let Some(choice) = choice(plan) else {
        return event;
    };
    let text = choice.text.concat();
    let calls: Vec<_> = choice.calls.iter().map(call).collect();
    set(&mut event, "text", json!(text));
    if let Some(chat) = chat {
        let history = history(chat, &text, &calls);
        set(&mut event, "chatHistory", json!(history));
    }
    if !calls.is_empty() {
        set(&mut event, "toolCalls", json!(calls));
    }
    event
}

fn history(chat: &Value, text: &str, calls: &[Value]) -> Vec<Value> {
    let mut history: Vec<_> = items(chat, "chatHistory").cloned().collect();
    if let Some(message) = chat.get("message").filter(|message| *message != "") {
        history.push(json!({"role": "USER", "message": message}));
    }
    let results: Vec<_> = items(chat, "toolResults").collect();
    if !results.is_empty() {
        history.push(json!({"role": "TOOL", "toolResults": results}));
    }
    let mut reply = json!({"role": "CHATBOT", "message": text});
    if !calls.is_empty() {
        set(&mut reply, "toolCalls", json!(calls));
    }
    history.push(reply);
    history
}

/// COMPLETE also for tool calls, and null when the request has stop sequences: both recorded.
fn finish(plan: &Plan, chat: &Value) -> Value {
    let stops = items(chat, "stopSequences").count() > 0;
    match choice(plan).map(|choice| choice.finish) {
        Some(Finish::Length) => json!("MAX_TOKENS"),
        Some(Finish::Filtered) => json!("ERROR_TOXIC"),
        Some(Finish::Stop | Finish::StopString | Finish::ToolCalls) if stops => Value::Null,
        Some(Finish::Stop | Finish::StopString | Finish::ToolCalls) => json!("COMPLETE"),
        None => json!("ERROR"),
    }
}

fn finish_v2(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::StopString => "STOP_SEQUENCE",
        Finish::Length => "MAX_TOKENS",
        Finish::ToolCalls => "TOOL_CALL",
        Finish::Filtered => "ERROR",
    }
}

fn call(call: &Call) -> Value {
    let parameters: Value =
        json::from_text(&call.arguments).unwrap_or_else(|_| Value::Object(Map::new()));
    json!({"name": call.name, "parameters": parameters})
}

fn call_v2(call: &Call) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "FUNCTION", "function": function})
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
