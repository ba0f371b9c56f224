//! Rules that hold for whatever is said, tried with seeded random requests and streams. A failure prints its seed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::models::ModelTarget;
use super::{ReplyMeta, Rules, StreamTranslator, request};
use crate::openai::chat::ChatRequest;
use crate::openai::chunk::ChatChunk;
use crate::translate::Dialect;

/// One of each vendor and quirk.
const MODELS: [&str; 8] = [
    "xai.grok-4.3",
    "meta.llama-3.3-70b-instruct",
    "meta.llama-4-scout-17b-16e-instruct",
    "google.gemini-2.5-pro",
    "openai.gpt-5",
    "openai.gpt-oss-120b",
    "ocid1.generativeaiendpoint.oc1.us-chicago-1.x",
    "",
];

/// Knuth's linear congruences: no crate, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn text(&mut self) -> &'static str {
        self.of(&["", "x", "{}", "🦀 ü", "a b", "\u{0}\"\\", "null"])
    }

    /// Anything, mostly small.
    fn junk(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.below(5)),
            3 => json!(-1.5),
            4 => json!(1e300),
            5 => json!(i64::MIN),
            6 => json!(self.text()),
            7 => (0..self.below(4)).map(|_| self.junk(depth - 1)).collect(),
            _ => Value::Object(
                (0..self.below(4))
                    .map(|_| {
                        let name =
                            self.of(&["type", "text", "name", "$ref", "properties", "role", "id"]);
                        (name.to_owned(), self.junk(depth - 1))
                    })
                    .collect(),
            ),
        }
    }

    /// A value as the API has it, or now and then anything.
    fn mostly(&mut self, good: Value) -> Value {
        if self.one_in(40) { self.junk(3) } else { good }
    }

    fn id(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => json!(""),
            _ => json!(self.of(&["a", "b", "c", "a_2", "call_0_0"])),
        }
    }

    fn content(&mut self) -> Value {
        let text = self.text();
        let good = match self.below(5) {
            0 => Value::Null,
            1 => json!([{"type": "text", "text": text}]),
            2 => json!([{"type": "text", "text": ""}, "bare"]),
            _ => json!(text),
        };
        self.mostly(good)
    }

    fn message(&mut self) -> Value {
        let function = json!({"name": "f", "arguments": "{}"});
        let good = match self.below(9) {
            0 => json!({"role": "system", "content": self.content()}),
            1 => json!({"role": "developer", "content": self.content()}),
            2 => json!({"role": "user", "content": self.content()}),
            3 => json!({"role": "assistant", "content": self.content()}),
            4 | 5 => {
                let calls: Vec<_> = (0..self.below(4))
                    .map(|_| json!({"id": self.id(), "type": "function", "function": function}))
                    .collect();
                json!({"role": "assistant", "content": self.content(), "tool_calls": calls})
            }
            6 => json!({"role": "assistant", "function_call": function}),
            7 => {
                json!({"role": "function", "name": self.of(&["f", "g"]), "content": self.content()})
            }
            _ => json!({"role": "tool", "tool_call_id": self.id(), "content": self.content()}),
        };
        self.mostly(good)
    }

    fn schema(&mut self, depth: usize) -> Value {
        let good = match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => json!({"type": "string", "title": "T", "default": null}),
            1 => json!({"type": ["integer", "null"], "exclusiveMinimum": self.below(3)}),
            2 => {
                json!({"$ref": self.of(&["#/$defs/A", "#/$defs/B", "#", "#/properties/a", "#/gone", "x"])})
            }
            3 => json!({"type": "array"}),
            4 => json!({"type": "null"}),
            5 => json!({"anyOf": [self.schema(depth - 1), {"type": "null"}]}),
            6 => json!({"type": "array", "items": self.schema(depth - 1)}),
            7 => json!({"$defs": {"A": self.schema(depth - 1), "B": self.schema(depth - 1)},
                "type": "object", "properties": {"a": self.schema(depth - 1)}, "required": ["a"]}),
            _ => {
                json!({"type": "object", "properties": {"a": self.schema(depth - 1), "title": self.schema(depth - 1)}})
            }
        };
        self.mostly(good)
    }

    fn body(&mut self) -> Value {
        let messages: Vec<_> = (0..=self.below(8)).map(|_| self.message()).collect();
        let tools: Vec<_> = (0..self.below(3))
            .map(|_| json!({"type": "function", "function": {"name": "f", "parameters": self.schema(3)}}))
            .collect();
        let mut body = Map::new();
        body.insert("model".to_owned(), json!("m"));
        body.insert("messages".to_owned(), self.mostly(json!(messages)));
        body.insert("tools".to_owned(), self.mostly(json!(tools)));
        let names = super::fields::FIELDS.map(|field| field.name);
        for _ in 0..self.below(3) {
            let name = self.of(&names);
            body.insert(name.to_owned(), self.junk(3));
        }
        if self.one_in(3) {
            let schema = self.schema(2);
            let format =
                json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema}});
            body.insert("response_format".to_owned(), format);
        }
        Value::Object(body)
    }
}

#[test]
fn no_request_panics_and_what_goes_out_is_whole() {
    let rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };
    let (mut translated, mut paired) = (0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let body = random.body().to_string();
        for id in MODELS {
            let Ok(parsed) = ChatRequest::parse(body.as_bytes()) else {
                continue;
            };
            let target = ModelTarget::new(id, None);
            match request(parsed, &target, &rules) {
                Ok(request) => {
                    translated += 1;
                    let sent = serde_json::to_value(request).unwrap();
                    paired += check_pairs(&sent, id.starts_with("google."), seed);
                    check_order(&sent, id.starts_with("google."), seed);
                    for tool in sent["tools"].as_array().into_iter().flatten() {
                        check_schema(&tool["parameters"], seed);
                    }
                }
                Err(refused) => assert!(!refused.param.is_empty(), "seed {seed}: {body}"),
            }
        }
    }
    // The test is worth something only if it gets through.
    assert!(translated > 800 && paired > 400, "{translated} {paired}");
}

/// Each call has an id of its own and exactly one result, right behind it. Gives the number of calls.
pub(super) fn check_pairs(sent: &Value, one_a_turn: bool, seed: u64) -> usize {
    let mut ids = BTreeSet::new();
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut total = 0;
    for message in sent["messages"].as_array().unwrap() {
        if message["role"] == "TOOL" {
            let id = message["toolCallId"].as_str().unwrap();
            assert!(open.remove(id), "seed {seed}: {id} answers nothing");
            continue;
        }
        assert!(open.is_empty(), "seed {seed}: no answer to {open:?}");
        let calls = message["toolCalls"].as_array().cloned().unwrap_or_default();
        assert!(calls.len() <= 1 || !one_a_turn, "seed {seed}");
        for call in calls {
            let id = call["id"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "seed {seed}: {id} twice");
            open.insert(id);
            total += 1;
        }
    }
    assert!(open.is_empty(), "seed {seed}: no answer to {open:?}");
    total
}

pub(super) fn check_order(sent: &Value, one_system_first: bool, seed: u64) {
    let messages = sent["messages"].as_array().unwrap();
    let after_first = messages.iter().skip(1);
    let mut later = after_first.filter(|message| message["role"] == "SYSTEM");
    assert!(!one_system_first || later.next().is_none(), "seed {seed}");
}

/// No reference is left, outside of data.
pub(super) fn check_schema(schema: &Value, seed: u64) {
    if let Value::Object(map) = schema {
        for (key, value) in map {
            assert!(
                !matches!(key.as_str(), "$ref" | "$defs")
                    || !value.is_string() && !value.is_object(),
                "seed {seed}: {schema}"
            );
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for property in properties.values() {
                        check_schema(property, seed);
                    }
                }
                ("items" | "anyOf", Value::Array(list)) => {
                    for item in list {
                        check_schema(item, seed);
                    }
                }
                ("items", item) => check_schema(item, seed),
                _ => {}
            }
        }
    }
}

fn translator(choices: u32) -> StreamTranslator {
    StreamTranslator::new(ReplyMeta::sample(Dialect::default()), true, choices)
}

/// Cuts a text into pieces between characters, at least one.
fn pieces(text: &str, random: &mut Random) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in text.chars() {
        if random.one_in(4) {
            pieces.push(String::new());
        }
        pieces.last_mut().unwrap().push(letter);
    }
    pieces
}

/// What a client makes of the chunks: by choice the text, and by call its name and arguments.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    texts: BTreeMap<u32, String>,
    calls: BTreeMap<(u32, u32), (String, String)>,
    ids: BTreeSet<String>,
    finished: Vec<u32>,
}

impl Heard {
    fn add(&mut self, chunks: Vec<ChatChunk>) {
        for choice in chunks.into_iter().flat_map(|chunk| chunk.choices) {
            let text = self.texts.entry(choice.index).or_default();
            text.push_str(&choice.delta.content.unwrap_or_default());
            for call in choice.delta.tool_calls {
                let entry = self.calls.entry((choice.index, call.index)).or_default();
                entry.0.push_str(&call.function.name.unwrap_or_default());
                entry.1.push_str(&call.function.arguments);
                if let Some(id) = call.id {
                    assert!(self.ids.insert(id), "an id came twice");
                }
            }
            if choice.finish_reason.is_some() {
                self.finished.push(choice.index);
            }
        }
    }
}

/// Calls as a vendor would stream them: one after the other, each opened with its name, its arguments in pieces.
fn call_events(
    choice: usize,
    calls: &[(String, String)],
    with_id: bool,
    random: &mut Random,
) -> Vec<Value> {
    let mut events = Vec::new();
    for (number, (name, arguments)) in calls.iter().enumerate() {
        let mut pieces = pieces(arguments, random).into_iter();
        let mut opening =
            json!({"type": "FUNCTION", "name": name, "arguments": pieces.next().unwrap()});
        if with_id {
            opening["id"] = json!(format!("call_{choice}_{number}"));
        }
        let fragments = pieces.map(|piece| json!({"type": "FUNCTION", "arguments": piece}));
        for entry in [opening].into_iter().chain(fragments) {
            events.push(json!({"index": choice, "message": {"toolCalls": [entry]}}));
        }
    }
    events
}

#[test]
fn arguments_arrive_as_they_were_sent_however_they_are_split() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let calls: Vec<(String, String)> = (0..=random.below(4))
            .map(|number| {
                let value = random.of(&["ü{", "}}", "\\\"", "[", "", "🦀, x"]);
                (
                    format!("f{number}"),
                    json!({"x": value, "y": [number, {}]}).to_string(),
                )
            })
            .collect();
        // Without ids another name, or complete arguments, begin another call.
        let with_id = random.one_in(2);
        let mut translator = translator(1);
        let mut heard = Heard::default();
        for event in call_events(0, &calls, with_id, &mut random) {
            heard.add(translator.push(&event.to_string()).unwrap());
        }
        heard.add(translator.push(r#"{"finishReason":"tool_calls"}"#).unwrap());
        heard.add(translator.finish().unwrap());
        let arrived: Vec<_> = heard.calls.into_values().collect();
        assert_eq!(arrived, calls, "seed {seed}");
        assert_eq!(
            (heard.ids.len(), heard.finished),
            (calls.len(), vec![0]),
            "seed {seed}"
        );
    }
}

#[test]
fn choices_never_mix() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let choices = 1 + random.below(4);
        let mut expected = Heard::default();
        let mut queues: Vec<Vec<Value>> = Vec::new();
        for choice in 0..choices {
            let number = u32::try_from(choice).unwrap();
            let text = format!("I am {choice} ü🦀.").repeat(1 + random.below(3));
            let mut events: Vec<Value> = pieces(&text, &mut random)
                .into_iter()
                .map(|piece| json!({"index": choice, "message": {"content": [{"type": "TEXT", "text": piece}]}}))
                .collect();
            let calls: Vec<_> = (0..random.below(3))
                .map(|call| {
                    (
                        format!("f{choice}"),
                        json!({"of": choice, "call": call}).to_string(),
                    )
                })
                .collect();
            events.extend(call_events(choice, &calls, true, &mut random));
            events.push(json!({"index": choice, "finishReason": "stop"}));
            events.reverse();
            queues.push(events);
            expected.texts.insert(number, text);
            for (at, call) in (0..).zip(calls) {
                expected.ids.insert(format!("call_{choice}_{at}"));
                expected.calls.insert((number, at), call);
            }
        }
        let mut translator = translator(u32::try_from(choices).unwrap());
        let mut heard = Heard::default();
        while queues.iter().any(|queue| !queue.is_empty()) {
            let choice = random.below(choices);
            if let Some(event) = queues[choice].pop() {
                heard.add(translator.push(&event.to_string()).unwrap());
            }
        }
        heard.add(
            translator
                .finish()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}")),
        );
        heard.finished.sort_unstable();
        expected.finished = (0..).take(choices).collect();
        assert_eq!(heard, expected, "seed {seed}");
    }
}
