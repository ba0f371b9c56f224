//! What the program makes of requests, before the simulator's eyes: it has the strict schema of its own that OCI has, and
//! answers 400 to any field that is not in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ociai_proxy::simulator::{Options, Script, Simulator};
use serde_json::{Value, json};

use crate::harness::{Proxy, account, config, furnished, program, simulator};

/// A golden request as the client sends it, and the model that it is for.
struct Asked {
    case: String,
    format: &'static str,
    id: String,
    body: Value,
}

fn golden(folder: &str, format: &'static str) -> Vec<Asked> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(folder);
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
        let mode = &sent["servingMode"];
        let id = mode["modelId"].as_str().or(mode["endpointId"].as_str());
        cases.push(Asked {
            case: dir
                .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                .unwrap()
                .display()
                .to_string(),
            format,
            // The one model of that format that takes everything.
            id: match (format, id.unwrap()) {
                ("COHEREV2", id) if id.starts_with("cohere.") => "cohere.command-a-vision-07-2025",
                (_, id) => id,
            }
            .to_owned(),
            body: serde_json::from_str(&asked).unwrap(),
        });
    }
    assert!(cases.len() > 10, "{folder}");
    cases
}

#[test]
fn whatever_goes_out_fits_the_strict_schema() {
    let mut cases = golden("generic", "GENERIC");
    cases.extend(golden("cohere", "COHERE"));
    cases.extend(golden("coherev2", "COHEREV2"));
    let mut models: Vec<_> = cases.iter().map(|asked| asked.id.clone()).collect();
    models.sort();
    models.dedup();
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        models,
        pace: Duration::ZERO,
        ..Options::default()
    })
    .unwrap();
    let mut lines = String::new();
    for (at, Asked { id, format, .. }) in cases.iter().enumerate() {
        lines += &format!("golden-{at} = {id} | {format}\n");
    }
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + &lines));
    for (at, Asked { case, mut body, .. }) in cases.into_iter().enumerate() {
        body["model"] = json!(format!("golden-{at}"));
        let answer = proxy.chat(&body);
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
    }
}

#[test]
fn an_unknown_field_is_noted_once_at_debug_and_never_else() {
    let simulator = simulator();
    let config = config(&simulator.endpoint(), "");
    let asked = json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}], "some_later_field": {"a": 1},
        "user": "somebody"});
    for (level, expected) in [("debug", 1), ("info", 0)] {
        let dir = furnished(&config);
        let mut command = program(dir.path());
        command
            .args(["-port", "0", "-host", "127.0.0.1"])
            .env("OCIAI_LOG", level);
        let proxy = Proxy::spawn(dir, command);
        for _ in 0..2 {
            let answer = proxy.chat(&asked);
            assert_eq!(answer.status, 200, "{}", answer.text());
            // What was noted stands before it.
            proxy.line_of(&answer);
        }
        for name in ["\"some_later_field\"", "\"user\""] {
            let lines = proxy.log();
            let noted = lines.iter().filter(|line| line.contains(name)).count();
            assert_eq!(noted, expected, "{level}: {lines:#?}");
        }
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
