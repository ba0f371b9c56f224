//! Chats with models of Cohere, in both of their formats: what clients do with any other model, and what these cannot.

use ociai_proxy::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{Proxy, Response, account, chats, config};

/// Clients' names, and what stands in `[MODELS]`: COHERE, and COHEREV2 by its id and by an override.
const COHERE_MODELS: [(&str, &str); 3] = [
    ("command", "cohere.command-a-03-2025"),
    ("reasoning", "cohere.command-a-reasoning-08-2025"),
    ("command-v2", "cohere.command-a-03-2025 | COHEREV2"),
];

fn start() -> (Simulator, Proxy) {
    let ids = [
        "cohere.command-a-03-2025",
        "cohere.command-a-reasoning-08-2025",
    ];
    let options = Options {
        accounts: vec![account()],
        models: ids.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).unwrap();
    let lines = COHERE_MODELS.map(|(name, id)| format!("{name} = {id}\n"));
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + &lines.concat()));
    (simulator, proxy)
}

fn tools() -> Value {
    json!([{ "type": "function", "function": {
        "name": "get-weather",
        "description": "Weather of a city",
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }
    } }])
}

/// The pieces that `of` finds in the chunks of a stream, joined.
fn joined<'a>(chunks: &'a [Value], of: impl Fn(&'a Value) -> Option<&'a str>) -> String {
    chunks
        .iter()
        .filter_map(|chunk| of(&chunk["choices"][0]["delta"]))
        .collect()
}

fn chunks(answer: &Response) -> Vec<Value> {
    let mut events = answer.events();
    assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{}", answer.text());
    events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

#[test]
fn what_a_format_has_no_word_for_is_told() {
    let (_simulator, proxy) = start();
    for (model, told) in [
        (
            "command",
            Some("logit_bias, parallel_tool_calls, reasoning_effort"),
        ),
        ("reasoning", Some("logit_bias, parallel_tool_calls")),
    ] {
        for stream in [false, true] {
            let answer = proxy.chat(&json!({ "model": model, "stream": stream, "reasoning_effort": "low",
                "logit_bias": { "1": 2 }, "parallel_tool_calls": false, "user": "somebody", "later": 1,
                "messages": [{ "role": "user", "content": "Hello" }] }));
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("x-ociai-dropped-params"), told);
        }
    }
}

#[test]
fn a_text_is_the_same_whole_and_streamed() {
    let (_simulator, proxy) = start();
    for (model, _) in COHERE_MODELS {
        let mut request = json!({ "model": model, "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "Hello" },
        ] });
        let whole = proxy.chat(&request);
        assert_eq!(whole.status, 200, "{model}: {}", whole.text());
        let message = whole.json()["choices"][0]["message"].clone();
        let text = message["content"].as_str().unwrap().to_owned();
        assert!(!text.is_empty(), "{model}");
        assert_eq!(
            whole.json()["choices"][0]["finish_reason"],
            "stop",
            "{model}"
        );
        request["stream"] = true.into();
        request["stream_options"] = json!({ "include_usage": true });
        let chunks = chunks(&proxy.chat(&request));
        assert_eq!(
            joined(&chunks, |delta| delta["content"].as_str()),
            text,
            "{model}"
        );
        assert!(
            chunks.last().unwrap()["usage"]["total_tokens"].is_u64(),
            "{model}"
        );
    }
}

#[test]
fn a_tool_is_called_under_the_clients_name_and_its_result_is_used() {
    let (_simulator, proxy) = start();
    for (model, _) in COHERE_MODELS {
        for stream in [false, true] {
            let mut messages =
                vec![json!({ "role": "user", "content": "What is the weather in Paris?" })];
            let ask = |messages: &[Value]| {
                proxy.chat(&json!({ "model": model, "messages": messages, "tools": tools(), "stream": stream }))
            };
            let answer = ask(&messages);
            assert_eq!(answer.status, 200, "{model}: {}", answer.text());
            let (id, name, arguments) = if stream {
                let chunks = chunks(&answer);
                let call = |key: &'static str| {
                    joined(&chunks, |delta| {
                        delta["tool_calls"][0]["function"][key].as_str()
                    })
                };
                let id = joined(&chunks, |delta| delta["tool_calls"][0]["id"].as_str());
                (id, call("name"), call("arguments"))
            } else {
                let choice = answer.json()["choices"][0].clone();
                assert_eq!(choice["finish_reason"], "tool_calls", "{model}");
                let call = &choice["message"]["tool_calls"][0];
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (
                    text(&call["id"]),
                    text(&call["function"]["name"]),
                    text(&call["function"]["arguments"]),
                )
            };
            assert!(!id.is_empty(), "{model}");
            assert_eq!(name, "get-weather", "{model} {stream}");
            let parsed: Value = serde_json::from_str(&arguments).unwrap();
            assert_eq!(parsed["city"], "Paris", "{model} {stream}");
            messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [
                { "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }
            ] }));
            messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "18 degrees" }));
            let answer = ask(&messages);
            assert_eq!(answer.status, 200, "{model} {stream}: {}", answer.text());
            assert!(
                answer.text().contains("18"),
                "{model} {stream}: {}",
                answer.text()
            );
        }
    }
}

#[test]
fn what_the_format_cannot_express_is_refused_by_name() {
    let (simulator, proxy) = start();
    let image =
        json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }]);
    for (more, param) in [
        (json!({ "n": 2 }), "n"),
        (
            json!({ "messages": [{ "role": "user", "content": image }] }),
            "messages[0].content[0]",
        ),
        (
            json!({ "tools": tools(), "tool_choice": "required" }),
            "tool_choice",
        ),
    ] {
        let mut request =
            json!({ "model": "command", "messages": [{ "role": "user", "content": "Hello" }] });
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let before = chats(&simulator).len();
        let answer = proxy.chat(&request);
        answer.assert_error(400, None);
        assert_eq!(answer.json()["error"]["param"], param);
        assert_eq!(chats(&simulator).len(), before);
    }
}
