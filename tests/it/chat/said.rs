//! What an answer says, whole or streamed, put together as OpenAI's clients do it.

use serde_json::{Value, json};

use crate::harness::{Proxy, Response};

/// What a client puts together from an answer, whole or streamed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Id, name, arguments.
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) finish: String,
}

pub(crate) fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The choices of a whole answer.
#[track_caller]
fn whole(response: &Response) -> Vec<Said> {
    assert_eq!(response.status, 200, "{}", response.text());
    let body = response.json();
    assert_eq!(body["object"], "chat.completion");
    let choices = body["choices"].as_array().unwrap();
    let said = |(index, choice): (usize, &Value)| {
        let message = &choice["message"];
        assert_eq!(
            (&choice["index"], &message["role"]),
            (&json!(index), &json!("assistant"))
        );
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let call = |call: &Value| {
            assert_eq!(call["type"], "function");
            let function = &call["function"];
            [&call["id"], &function["name"], &function["arguments"]]
                .map(|field| text_of(field).to_owned())
        };
        Said {
            text: text_of(&message["content"]).to_owned(),
            reasoning: text_of(&message["reasoning_content"]).to_owned(),
            calls: calls
                .map(call)
                .map(|[id, name, arguments]| (id, name, arguments))
                .collect(),
            finish: text_of(&choice["finish_reason"]).to_owned(),
        }
    };
    choices.iter().enumerate().map(said).collect()
}

/// The choices of a streamed answer, put together as OpenAI's clients do it.
#[track_caller]
fn streamed(response: &Response) -> Vec<Said> {
    let chunks = response.chunks();
    let mut choices: Vec<Said> = Vec::new();
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for field in ["id", "created", "model"] {
            assert_eq!(chunk[field], chunks[0][field], "{field} stays the same");
        }
        for choice in chunk["choices"].as_array().unwrap() {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            let delta = &choice["delta"];
            if index >= choices.len() {
                assert_eq!(delta["role"], "assistant", "a choice begins with its role");
                choices.resize_with(index + 1, Said::default);
            }
            let said = &mut choices[index];
            assert_eq!(said.finish, "", "nothing follows the finish reason");
            said.text += text_of(&delta["content"]);
            said.reasoning += text_of(&delta["reasoning_content"]);
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                let (id, name) = (text_of(&call["id"]), text_of(&call["function"]["name"]));
                if at == said.calls.len() {
                    said.calls
                        .push((id.to_owned(), name.to_owned(), String::new()));
                } else {
                    assert_eq!((id, name), ("", ""), "id and name come once");
                }
                said.calls[at].2 += text_of(&call["function"]["arguments"]);
            }
            said.finish = text_of(&choice["finish_reason"]).to_owned();
        }
    }
    choices
}

/// Asks for the same whole and as a stream; both say the same but for the ids of calls.
#[track_caller]
pub(crate) fn both(proxy: &Proxy, request: &Value) -> Vec<Said> {
    let mut request = request.clone();
    let from_whole = whole(&proxy.chat(&request));
    request["stream"] = json!(true);
    let from_stream = streamed(&proxy.chat(&request));
    let without_ids = |said: &[Said]| -> Vec<Value> {
        let calls = |said: &Said| {
            said.calls
                .iter()
                .map(|(_, name, arguments)| json!([name, arguments]))
                .collect::<Vec<_>>()
        };
        said.iter()
            .map(|said| json!([said.text, said.reasoning, said.finish, calls(said)]))
            .collect()
    };
    assert_eq!(without_ids(&from_whole), without_ids(&from_stream));
    from_stream
}
