//! What a client is told when a model refuses, in each vendor's words: one code, whoever says it.

use std::time::Duration;

use ociai_proxy::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{Proxy, Response, account, config};

/// One of each vendor, and both formats of Cohere.
const MODELS: [&str; 7] = [
    "xai.grok-4.3",
    "meta.llama-3.3-70b-instruct",
    "google.gemini-2.5-flash",
    "openai.gpt-oss-120b",
    "openai.gpt-5.6",
    "cohere.command-a-03-2025",
    "cohere.command-a-reasoning-08-2025",
];

fn start() -> (Simulator, Proxy) {
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        models: MODELS.map(str::to_owned).to_vec(),
        pace: Duration::ZERO,
        ..Options::default()
    })
    .unwrap();
    let lines = MODELS.map(|id| format!("{id} = {id}\n"));
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + &lines.concat()));
    (simulator, proxy)
}

fn ask(proxy: &Proxy, model: &str, stream: bool, question: &str) -> Response {
    proxy.chat(&json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": question }] }))
}

/// Asks each model, whole and streamed.
fn check(question: &str, expected: impl Fn(&str, &Response)) {
    let (_simulator, proxy) = start();
    for model in MODELS {
        for stream in [false, true] {
            expected(model, &ask(&proxy, model, stream, question));
        }
    }
}

#[test]
fn a_throttled_model_is_429_with_retry_after() {
    check("simulate throttling", |_, answer| {
        answer.assert_error(429, Some("rate_limit_exceeded"));
        assert_eq!(answer.header("retry-after"), Some("2"));
    });
}

#[test]
fn a_long_prompt_is_context_length_exceeded() {
    check("simulate a long prompt", |model, answer| {
        answer.assert_error(400, Some("context_length_exceeded"));
        assert_eq!(answer.json()["error"]["param"], "messages", "{model}");
    });
}

#[test]
fn a_filtered_prompt_is_content_filter() {
    check("simulate a filter", |model, answer| {
        if model != "cohere.command-a-03-2025" {
            return answer.assert_error(400, Some("content_filter"));
        }
        // The one format that has a reason to finish for it.
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(
            answer
                .text()
                .contains(r#""finish_reason":"content_filter""#)
        );
    });
}

#[test]
fn a_broken_stream_ends_with_an_error_and_never_looks_whole() {
    let (_simulator, proxy) = start();
    for model in MODELS {
        let answer = ask(&proxy, model, true, "simulate a broken stream");
        let events = answer.events();
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert_eq!(last["error"]["type"], "server_error", "{model}: {last}");
        assert!(events.len() > 2, "{model}: {events:?}");
        let text = answer.text();
        assert!(
            !text.contains("[DONE]") && !text.contains(r#""finish_reason":""#),
            "{text}"
        );
    }
}
