//! What the program makes of requests, before the simulator's eyes: it has the strict schema of its own that OCI has, and
//! answers 400 to any field that is not in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ociai_proxy::simulator::{Options, Script, Simulator};
use serde_json::{Value, json};

use crate::harness::{Proxy, account, config, simulator};

fn golden() -> Vec<(String, String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/generic");
    let mut cases = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let dir = entry.unwrap().path();
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        // Those that are refused have no such file.
        let (Some(sent), Some(asked)) = (read("request.oci.json"), read("request.openai.json"))
        else {
            continue;
        };
        let sent: Value = serde_json::from_str(&sent).unwrap();
        if let Some(id) = sent["servingMode"]["modelId"].as_str() {
            let name = dir.file_name().unwrap().to_string_lossy().into_owned();
            cases.push((name, id.to_owned(), serde_json::from_str(&asked).unwrap()));
        }
    }
    cases
}

#[test]
fn whatever_goes_out_fits_the_strict_schema() {
    let cases = golden();
    assert!(cases.len() > 15);
    let mut models: Vec<_> = cases.iter().map(|(_, id, _)| id.clone()).collect();
    models.sort();
    models.dedup();
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        models: models.clone(),
        pace: Duration::ZERO,
        ..Options::default()
    })
    .unwrap();
    let lines: String = models.iter().map(|id| format!("{id} = {id}\n")).collect();
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + &lines));
    for (name, id, mut asked) in cases {
        asked["model"] = json!(id);
        let answer = proxy.chat(&asked);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[test]
fn a_client_with_functions_gets_function_call_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let mut asked = json!({"model": "grok", "functions": [{"name": "get_weather"}],
        "messages": [{"role": "user", "content": "Weather?"}]});
    let call = json!({"type": "FUNCTION", "id": "a", "name": "get_weather", "arguments": "{}"});
    let message = json!({"role": "ASSISTANT", "toolCalls": [call]});
    let choice = json!({"index": 0, "message": message, "finishReason": "tool_calls"});
    let whole =
        json!({"modelId": "x", "chatResponse": {"apiFormat": "GENERIC", "choices": [choice]}});
    simulator.enqueue(Script::status(200, whole.to_string()));
    let answer = proxy.chat(&asked).json();
    assert_eq!(
        answer["choices"][0]["message"]["function_call"]["name"],
        "get_weather"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "function_call");

    asked["stream"] = json!(true);
    let events = format!(
        "data: {}\n\ndata: {}\n\n",
        json!({"index": 0, "message": message}),
        json!({"finishReason": "tool_calls"})
    );
    simulator.enqueue(Script::Sse(events.into_bytes()));
    let streamed = proxy.chat(&asked);
    let text = streamed.text();
    assert!(
        text.contains(r#""function_call":{"name":"get_weather","arguments":"{}"}"#),
        "{text}"
    );
    assert!(text.contains(r#""finish_reason":"function_call""#) && !text.contains("tool_calls"));
}
