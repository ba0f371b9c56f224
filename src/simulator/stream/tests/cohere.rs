//! The framing of Cohere's streams, held against recorded ones.

use super::*;

const COMMAND: &str = "cohere.command-a-03-2025";
const REASONING: &str = "cohere.command-a-reasoning-08-2025";

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/stream/", $name, ".sse"))
    };
}

fn cohere(message: &str, more: Value) -> Value {
    let mut chat = json!({"apiFormat": "COHERE", "message": message, "maxTokens": 1000});
    chat.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    chat
}

fn coherev2(question: &str, more: Value) -> Value {
    let mut chat = json!({"apiFormat": "COHEREV2", "maxTokens": 1000,
        "messages": [{"role": "USER", "content": [{"type": "TEXT", "text": question}]}]});
    chat.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    chat
}

fn tools() -> Value {
    json!({"tools": [{"name": "get_weather", "description": "", "parameterDefinitions": {
        "city": {"type": "str", "isRequired": true}}}]})
}

fn tools_v2() -> Value {
    json!({"tools": [{"type": "FUNCTION", "function": {"name": "get_weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}}}}]})
}

fn usage() -> Value {
    json!({"streamOptions": {"isIncludeUsage": true}})
}

fn sent(model: &str, chat: &Value) -> String {
    events(&plan(model, chat, "0123456789abcdef"), chat).concat()
}

/// The kinds of events; the padding was cut from some recordings.
fn kinds(stream: &str) -> Vec<BTreeSet<String>> {
    let mut kinds = shapes(stream);
    for kind in &mut kinds {
        kind.remove("/pad");
    }
    kinds
}

fn check(model: &str, chat: &Value, recorded: &str) {
    let ours = sent(model, chat);
    assert_eq!(kinds(&ours), kinds(recorded), "{ours}");
}

#[test]
fn cohere_restates_everything_as_recorded() {
    let text = recorded!("cohere.text.usage");
    check(COMMAND, &cohere("Say hi.", usage()), text);
    let call = |message: &str| cohere(message, tools());
    check(
        COMMAND,
        &call("Paris?"),
        recorded!("cohere.tool-turn.history-then-finish"),
    );
    check(
        COMMAND,
        &call("Paris, merged?"),
        recorded!("cohere.tool-turn.history-with-finish"),
    );
    check(
        COMMAND,
        &call("Paris, merged and undivided?"),
        recorded!("cohere.tool-turn.no-deltas"),
    );
    let events = parse(&sent(COMMAND, &cohere("Split it", usage())));
    let [.., history, last] = &events[..] else {
        unreachable!()
    };
    assert!(history.get("chatHistory").is_some() && history.get("finishReason").is_none());
    assert!(last.get("usage").is_some() && last.get("text").is_none());
    assert!(events.iter().all(|event| event.get("pad").is_some()));
}

#[test]
fn what_cohere_restates_is_what_it_said() {
    let events = parse(&sent(COMMAND, &cohere("Rome and Paris", tools())));
    let text = |event: &Value| event.get("text").and_then(Value::as_str).map(str::to_owned);
    let deltas = events
        .iter()
        .take_while(|event| event.get("toolCalls").is_none());
    let said: String = deltas.filter_map(text).collect();
    let [.., call, history, _] = &events[..] else {
        unreachable!()
    };
    assert_eq!(
        (text(call), text(history)),
        (Some(said.clone()), Some(said))
    );
    let calls = json!([{"name": "get_weather", "parameters": {"city": "Rome"}},
        {"name": "get_weather", "parameters": {"city": "Paris"}}]);
    assert_eq!(call.get("toolCalls"), Some(&calls));
    assert_eq!(
        history.pointer("/chatHistory/0"),
        Some(&json!({"role": "USER", "message": "Rome and Paris"}))
    );
    assert_eq!(history.pointer("/chatHistory/1/toolCalls"), Some(&calls));
}

#[test]
fn the_reason_of_cohere_is_null_with_stop_sequences_and_tells_of_the_limit() {
    let reason = |more: Value| {
        let chat = cohere("hm", more);
        let events = parse(&sent(COMMAND, &chat));
        let streamed = events.last().unwrap().get("finishReason").unwrap().clone();
        let reply = whole(&plan(COMMAND, &chat, "00"), &chat, COMMAND, "");
        let whole = reply.pointer("/chatResponse/finishReason").unwrap();
        assert_eq!(whole, &streamed);
        streamed
    };
    assert_eq!(reason(json!({})), "COMPLETE");
    assert_eq!(reason(tools()), "COMPLETE");
    assert_eq!(reason(json!({"stopSequences": ["only"]})), Value::Null);
    let short = json!({"stopSequences": ["END"], "maxTokens": 2});
    assert_eq!(reason(short), "MAX_TOKENS");
}

#[test]
fn coherev2_is_framed_as_recorded() {
    let text = recorded!("coherev2.text.connection-stays-open");
    check(COMMAND, &coherev2("Hi", json!({})), text);
    check(
        REASONING,
        &coherev2("Hi", usage()),
        recorded!("coherev2.thinking"),
    );
    let stream = sent(COMMAND, &coherev2("Rome and Paris", tools_v2()));
    assert!(!stream.contains("pad"));
    let events = parse(&stream);
    let [.., first, second, last] = &events[..] else {
        unreachable!()
    };
    for (event, arguments) in [
        (first, r#"{"city":"Rome"}"#),
        (second, r#"{"city":"Paris"}"#),
    ] {
        let call = event.pointer("/message/toolCalls/0").unwrap();
        assert_eq!(call.pointer("/function/arguments"), Some(&json!(arguments)));
    }
    assert_ne!(
        first.pointer("/message/toolCalls/0/id"),
        second.pointer("/message/toolCalls/0/id")
    );
    assert_eq!(last.get("finishReason"), Some(&json!("TOOL_CALL")));
    let stopped = parse(&sent(
        COMMAND,
        &coherev2("hm", json!({"stopSequences": ["only"]})),
    ));
    assert_eq!(
        stopped.last().unwrap().get("finishReason"),
        Some(&json!("STOP_SEQUENCE"))
    );
}

/// The same fields in a whole answer as in a recorded one, where both have a value.
fn same_shape(model: &str, chat: &Value, recorded: &str) {
    let ours = whole(&plan(model, chat, "00"), chat, model, "");
    let recorded = serde_json::from_str(recorded).unwrap();
    let (ours_has, theirs_has) = (shape(&ours), shape(&recorded));
    let missing: Vec<_> = theirs_has.difference(&ours_has).collect();
    assert!(missing.is_empty(), "{missing:?} in {ours}");
}

#[test]
fn whole_answers_have_what_recorded_ones_have() {
    macro_rules! reply {
        ($name:literal) => {
            include_str!(concat!(
                "../../../../tests/fixtures/chat/response.",
                $name,
                ".json"
            ))
        };
    }
    same_shape(COMMAND, &cohere("hm", json!({})), reply!("cohere.text"));
    same_shape(
        COMMAND,
        &cohere("hm", json!({"stopSequences": ["END"]})),
        reply!("cohere.finish-reason-null"),
    );
    let location = json!({"tools": [{"name": "get_weather", "description": "", "parameterDefinitions": {
        "location": {"type": "str"}}}]});
    same_shape(
        COMMAND,
        &cohere("Tokyo", location),
        reply!("cohere.tool-calls"),
    );
    let called = coherev2("Paris", tools_v2());
    let reply = whole(&plan(REASONING, &called, "00ff"), &called, REASONING, "");
    let message = reply.pointer("/chatResponse/message").unwrap();
    assert_eq!(message.pointer("/content/0/type"), Some(&json!("THINKING")));
    assert_eq!(
        message.pointer("/toolCalls/0/function"),
        Some(&json!({"name": "get_weather", "arguments": r#"{"city":"Paris"}"#}))
    );
    assert!(message.get("toolPlan").is_some());
    assert_eq!(reply.pointer("/chatResponse/id"), Some(&json!("00ff")));
}
