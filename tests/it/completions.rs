//! `/v1/completions`, the legacy API, through the whole program.

use ociai_proxy::simulator::{Framing, Script, Step};
use serde_json::{Value, json};

use crate::harness::{MODELS, Proxy, Response, chats, simulator};

fn ask(proxy: &Proxy, body: &Value) -> Response {
    proxy.request("POST", "/v1/completions", &body.to_string())
}

/// The texts of a stream's choices.
fn texts(pieces: &[Value], choices: usize) -> Vec<String> {
    let mut texts = vec![String::new(); choices];
    for piece in pieces {
        assert_eq!(piece["object"], "text_completion");
        for choice in piece["choices"].as_array().unwrap() {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            texts[index] += choice["text"].as_str().unwrap();
        }
    }
    texts
}

#[test]
fn every_family_completes_a_prompt_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, id) in MODELS {
        let mut request =
            json!({"model": name, "prompt": "Hello", "stream_options": {"include_usage": true}});
        let whole = ask(&proxy, &request);
        assert_eq!(whole.status, 200, "{}", whole.text());
        let body = whole.json();
        assert_eq!(
            (&body["object"], &body["model"]),
            (&json!("text_completion"), &json!(name))
        );
        assert!(body["id"].as_str().unwrap().starts_with("cmpl-"));
        let text = body["choices"][0]["text"].as_str().unwrap();
        assert!(
            text.contains(id) && body["choices"][0]["finish_reason"] == "stop",
            "{body}"
        );
        request["stream"] = json!(true);
        let pieces = ask(&proxy, &request).chunks();
        assert_eq!(texts(&pieces, 1), [text]);
        assert_eq!(pieces.last().unwrap()["usage"], body["usage"]);
        assert!(pieces.len() > 5, "it came in pieces");
    }
}

#[test]
fn limits_stops_choices_and_echo() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let asked = |more: Value| {
        let mut request = json!({"model": "grok", "prompt": ["Hello"]});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        ask(&proxy, &request)
    };
    let sent = || serde_json::from_slice::<Value>(&chats(&simulator).last().unwrap().body).unwrap();
    assert_eq!(
        asked(json!({"max_tokens": 3})).json()["choices"][0]["finish_reason"],
        "length"
    );
    assert_eq!(sent()["chatRequest"]["maxTokens"], 3);
    assert_eq!(asked(json!({})).status, 200);
    assert_eq!(
        sent()["chatRequest"]["maxTokens"],
        4000,
        "not the 16 of OpenAI"
    );
    assert_eq!(
        asked(json!({"stop": "simulated"})).json()["choices"][0]["text"],
        "Hello! I am a "
    );
    let two = asked(json!({"n": 2, "echo": true})).json();
    assert!(
        two["choices"][1]["text"]
            .as_str()
            .unwrap()
            .starts_with("HelloPut differently"),
        "{two}"
    );
    let pieces = asked(json!({"n": 2, "echo": true, "stream": true})).chunks();
    let whole = [0, 1].map(|at: usize| two["choices"][at]["text"].as_str().unwrap().to_owned());
    assert_eq!(texts(&pieces, 2), whole);
    let probable = asked(json!({"logprobs": 2})).json();
    let lists = &probable["choices"][0]["logprobs"];
    let length = lists["tokens"].as_array().unwrap().len();
    assert!(length > 5, "{probable}");
    for name in ["token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(lists[name].as_array().unwrap().len(), length, "{name}");
    }
}

#[test]
fn errors_name_the_clients_field_and_a_broken_stream_has_no_end() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (prompt, more) in [
        (json!(["a", "b"]), json!({})),
        (json!([1, 2]), json!({})),
        (Value::Null, json!({})),
    ] {
        let mut request = json!({"model": "grok", "prompt": prompt});
        request["stream"] = more.get("stream").cloned().unwrap_or_default();
        let answer = ask(&proxy, &request);
        answer.assert_error(400, None);
        assert_eq!(answer.json()["error"]["param"], "prompt");
    }
    let event = json!({"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hel"}]}});
    let head = Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    };
    let said = Step::Bytes(format!("data: {event}\n\n").into_bytes());
    simulator.enqueue(Script::Steps(vec![head, said, Step::Cut]));
    let answer = ask(
        &proxy,
        &json!({"model": "grok", "prompt": "Hello", "stream": true}),
    );
    let events = answer.events();
    assert!(
        !answer.text().contains("[DONE]") && events.len() == 3,
        "{events:?}"
    );
    let last: Value = serde_json::from_str(&events[2]).unwrap();
    assert!(last["error"]["message"].is_string());
}
