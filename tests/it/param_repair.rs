//! A parameter that OCI refuses is left out, told, and remembered.

use serde_json::json;

use crate::harness::{Proxy, simulator};

#[test]
fn a_refused_parameter_is_left_out_once_and_remembered_for_the_model() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    // The simulated gpt-5 takes no temperature, as the real one.
    let ask = |model: &str, stream: bool| {
        let before = simulator.total_requests();
        let answer = proxy.chat(&json!({
            "model": model,
            "temperature": 0.2,
            "stream": stream,
            "messages": [{ "role": "user", "content": "Hello" }],
        }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let dropped = answer.header("x-ociai-dropped-params").map(str::to_owned);
        (simulator.total_requests() - before, dropped)
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
    assert_eq!(simulator.total_requests(), 3);
}
