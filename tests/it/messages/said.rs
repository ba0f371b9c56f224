//! Asks as Anthropic's clients do, and puts the message together from its events as they do.

use serde_json::{Value, json};

use crate::harness::{Client, KEY, Proxy, Response};

pub(crate) const PATH: &str = "/v1/messages";
/// What every client of Anthropic's API sends.
pub(crate) const HEADERS: [(&str, &str); 2] =
    [("x-api-key", KEY), ("anthropic-version", "2023-06-01")];

/// A request for a message with `more` in it.
pub(crate) fn asked(model: &str, question: impl Into<Value>, more: &Value) -> Value {
    let mut body = json!({"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": question.into()}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) fn post(proxy: &Proxy, path: &str, body: &Value) -> Response {
    let mut client = proxy.connect();
    send(&mut client, path, body);
    client.response("POST")
}

pub(crate) fn send(client: &mut Client, path: &str, body: &Value) {
    client.send_request("POST", path, &HEADERS, &body.to_string());
}

pub(crate) fn message(proxy: &Proxy, body: &Value) -> Value {
    let answer = post(proxy, PATH, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The named events of a stream.
#[track_caller]
pub(crate) fn events(answer: &Response) -> Vec<Value> {
    let pieces = answer.text().split("\n\n");
    let told = pieces.filter(|piece| !piece.is_empty() && !piece.starts_with(':'));
    told.map(|piece| {
        let (name, data) = piece.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    })
    .collect()
}

/// The message of a stream that ended well. Fails for an order that clients do not know.
#[track_caller]
pub(crate) fn put_together(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.whole, "{}", answer.text());
    let mut events = events(answer);
    assert_eq!(events.pop().unwrap(), json!({"type": "message_stop"}));
    let last = events.pop().unwrap();
    assert_eq!(last["type"], "message_delta");
    let first = events.remove(0);
    assert_eq!(first["type"], "message_start");
    let mut message = first["message"].clone();
    let mut inputs = Vec::new();
    let mut is_open = false;
    for event in events {
        let content = message["content"].as_array_mut().unwrap();
        let index = usize::try_from(event["index"].as_u64().unwrap()).unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(!is_open && index == content.len(), "{event}");
                is_open = true;
                content.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_stop" => {
                assert!(is_open && index + 1 == content.len(), "{event}");
                is_open = false;
            }
            "content_block_delta" => {
                assert!(is_open && index + 1 == content.len(), "{event}");
                let delta = &event["delta"];
                let (field, piece) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", &delta["text"]),
                    "thinking_delta" => ("thinking", &delta["thinking"]),
                    "signature_delta" => ("signature", &delta["signature"]),
                    "input_json_delta" => {
                        inputs[index].push_str(delta["partial_json"].as_str().unwrap());
                        continue;
                    }
                    other => panic!("{other}"),
                };
                let so_far = content[index][field].as_str().unwrap();
                content[index][field] = json!(format!("{so_far}{}", piece.as_str().unwrap()));
            }
            other => panic!("{other}"),
        }
    }
    assert!(!is_open);
    for (block, input) in message["content"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(inputs)
    {
        if !input.is_empty() {
            block["input"] = serde_json::from_str(&input).unwrap();
        }
    }
    for field in ["stop_reason", "stop_sequence"] {
        message[field] = last["delta"][field].clone();
    }
    message["usage"] = last["usage"].clone();
    message
}

/// The message, which must be the same whole and streamed but for its ids.
#[track_caller]
pub(crate) fn both(proxy: &Proxy, body: &Value) -> Value {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let streamed = put_together(&post(proxy, PATH, &body));
    body["stream"] = json!(false);
    let whole = message(proxy, &body);
    assert_eq!(without_ids(whole.clone()), without_ids(streamed), "{body}");
    whole
}

fn without_ids(mut message: Value) -> Value {
    message["id"] = Value::Null;
    for block in message["content"].as_array_mut().unwrap() {
        if block["type"] == "tool_use" {
            block["id"] = Value::Null;
        }
    }
    message
}

/// All texts of a message.
pub(crate) fn text_of(message: &Value) -> String {
    let blocks = message["content"].as_array().unwrap();
    blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect()
}

/// The calls of a message.
pub(crate) fn calls_of(message: &Value) -> Vec<Value> {
    let blocks = message["content"].as_array().unwrap().iter();
    blocks
        .filter(|block| block["type"] == "tool_use")
        .cloned()
        .collect()
}

/// An error in Anthropic's shape, whatever the path it took.
#[track_caller]
pub(crate) fn assert_error(answer: &Response, status: u16, kind: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json();
    assert_eq!(error["type"], "error", "{error}");
    assert_eq!(error["error"]["type"], kind, "{error}");
    let id = answer.header("request-id").unwrap();
    assert_eq!(error["request_id"], id);
    assert_eq!(answer.header("x-request-id"), Some(id));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let message = error["error"]["message"].as_str().unwrap();
    assert!(!message.is_empty());
    message.to_owned()
}
