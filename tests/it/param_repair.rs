//! A parameter that OCI refuses is left out, told, and remembered.

use std::time::Duration;

use ociai_proxy::simulator::{Options, Script, Simulator};
use serde_json::{Value, json};

use crate::harness::{Proxy, account, chats, config, simulator};

#[test]
fn a_refused_parameter_is_left_out_once_and_remembered_for_the_model() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    // The simulated gpt-5 takes no temperature, as the real one.
    let ask = |model: &str, stream: bool| {
        let before = chats(&simulator).len();
        let answer = proxy.chat(&json!({
            "model": model,
            "temperature": 0.2,
            "stream": stream,
            "messages": [{ "role": "user", "content": "Hello" }],
        }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let dropped = answer.header("x-ociai-dropped-params").map(str::to_owned);
        (chats(&simulator).len() - before, dropped)
    };
    let left_out = || Some("temperature".to_owned());
    assert_eq!(ask("gpt", false), (2, left_out()));
    assert_eq!(ask("gpt", true), (1, left_out()));
    assert_eq!(ask("gpt", false), (1, left_out()));
    assert_eq!(ask("grok", false), (1, None));
    proxy.signal("HUP");
    proxy.wait_for_log("Reloaded ");
    assert_eq!(ask("gpt", false), (1, left_out()));
    let told: Vec<_> = proxy
        .log()
        .into_iter()
        .filter(|line| line.contains("refuses temperature"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_refused_parameter_is_left_out_of_a_stream_too() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let answer = proxy.chat(&json!({
        "model": "gpt",
        "temperature": 0.2,
        "top_p": 0.5,
        "stream": true,
        "messages": [{ "role": "user", "content": "Hello" }],
    }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let dropped = answer.header("x-ociai-dropped-params").unwrap();
    assert_eq!(dropped, "temperature, top_p");
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
    assert_eq!(chats(&simulator).len(), 3);
}

#[test]
fn a_repair_that_helps_nothing_is_not_remembered() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let refusal =
        json!({ "code": "400", "message": "Unknown parameter: 'temperature'" }).to_string();
    let asked = json!({ "model": "grok", "temperature": 0.2, "messages": [{ "role": "user", "content": "Hello" }] });
    for id in ["a1", "b2"] {
        let message = format!("Unknown parameter: 'temperature' (request {id})");
        let refusal = json!({ "code": "400", "message": message }).to_string();
        simulator.enqueue(Script::status(400, refusal));
    }
    proxy
        .chat(&asked)
        .assert_error(400, Some("unsupported_parameter"));
    let answer = proxy.chat(&asked);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-ociai-dropped-params"), None);
    // One that fails of something else has helped.
    simulator.enqueue(Script::status(400, refusal));
    let other = json!({ "code": "InvalidParameter", "message": "messages: no" }).to_string();
    simulator.enqueue(Script::status(400, other));
    proxy
        .chat(&asked)
        .assert_error(400, Some("InvalidParameter"));
    let answer = proxy.chat(&asked);
    assert_eq!(answer.header("x-ociai-dropped-params"), Some("temperature"));
}

/// For each model what is asked for beside the question, and what the model's vendor does not take of it, in the order in
/// which it says so.
fn demands() -> [(&'static str, Value, &'static str, usize); 5] {
    let tools = json!([{ "type": "function", "function": { "name": "get_weather" } }]);
    [
        (
            "xai.grok-4.3",
            json!({ "presence_penalty": 0.1, "frequency_penalty": 0.1, "stop": ["END"], "temperature": 0.3 }),
            "presence_penalty, frequency_penalty, stop",
            3,
        ),
        (
            "meta.llama-4-maverick-17b-128e-instruct-fp8",
            json!({ "reasoning_effort": "low", "temperature": 0.3 }),
            "reasoning_effort",
            1,
        ),
        (
            "openai.gpt-5.6",
            json!({ "tools": tools, "max_tokens": 500, "reasoning_effort": "minimal" }),
            "reasoning_effort",
            2,
        ),
        (
            "openai.gpt-5.4",
            json!({ "tools": tools, "reasoning_effort": "high", "temperature": 0.3 }),
            "temperature, reasoning_effort",
            2,
        ),
        (
            "cohere.command-a-vision-07-2025",
            json!({ "reasoning_effort": "low", "temperature": 0.3 }),
            "reasoning_effort",
            1,
        ),
    ]
}

#[test]
fn each_vendor_s_refusals_cost_one_call_each_and_only_once() {
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        models: demands().map(|(model, ..)| model.to_owned()).to_vec(),
        pace: Duration::ZERO,
        strict: true,
        ..Options::default()
    })
    .unwrap();
    let lines = demands().map(|(model, ..)| format!("{model} = {model}\n"));
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + &lines.concat()));
    for (model, demands, lost, refusals) in demands() {
        for (stream, calls) in [(false, refusals + 1), (true, 1), (false, 1)] {
            let mut asked = demands.clone();
            asked["model"] = json!(model);
            asked["stream"] = json!(stream);
            asked["messages"] = json!([{ "role": "user", "content": "The weather in Paris?" }]);
            let before = chats(&simulator).len();
            let answer = proxy.chat(&asked);
            assert_eq!(answer.status, 200, "{model}: {}", answer.text());
            assert_eq!(answer.header("x-ociai-dropped-params"), Some(lost));
            assert_eq!(chats(&simulator).len() - before, calls, "{model}");
            let calls_tools = answer.text().contains("\"name\":\"get_weather\"");
            assert_eq!(calls_tools, demands.get("tools").is_some(), "{model}");
        }
    }
}
