//! A whole answer as a stream, for clients that asked for one while OCI was asked for none: what the answer says stays as it is,
//! whatever fields it has.

use serde_json::{Map, Value, json};

use crate::oci::error::OciError;

/// The data of each chunk. Errors: [`OciError::Broken`] for what is no answer.
pub(crate) fn as_stream(body: &[u8], wants_usage: bool) -> Result<Vec<String>, OciError> {
    let unreadable = || OciError::Broken {
        why: "the answer is not the JSON expected of a chat call".to_owned(),
    };
    let mut head: Map<String, Value> = crate::json::read(body).map_err(|_| unreadable())?;
    let Some(Value::Array(choices)) = head.remove("choices") else {
        return Err(unreadable());
    };
    let usage = head.remove("usage").filter(Value::is_object);
    head.insert("object".to_owned(), json!("chat.completion.chunk"));
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = head.clone();
        chunk.insert("choices".to_owned(), choices);
        if wants_usage {
            chunk.insert("usage".to_owned(), usage.unwrap_or_default());
        }
        Value::Object(chunk).to_string()
    };
    let mut chunks = Vec::new();
    for choice in choices {
        let Value::Object(choice) = choice else {
            return Err(unreadable());
        };
        let [said, finished] = split(choice);
        chunks.push(chunk(json!([said]), None));
        chunks.push(chunk(json!([finished]), None));
    }
    if wants_usage && usage.is_some() {
        chunks.push(chunk(json!([]), usage));
    }
    Ok(chunks)
}

/// What a choice says, and how it ends.
fn split(mut choice: Map<String, Value>) -> [Value; 2] {
    let mut delta = choice.remove("message").unwrap_or_else(|| json!({}));
    if let Some(Value::Array(calls)) = delta.get_mut("tool_calls") {
        for (index, call) in calls.iter_mut().enumerate() {
            if let Value::Object(call) = call {
                call.insert("index".to_owned(), json!(index));
            }
        }
    }
    let reason = choice.insert("finish_reason".to_owned(), Value::Null);
    let index = choice.get("index").cloned().unwrap_or_else(|| json!(0));
    choice.insert("delta".to_owned(), delta);
    let reason = reason.filter(|reason| !reason.is_null());
    let reason = reason.unwrap_or_else(|| json!("stop"));
    let finished = json!({"index": index, "delta": {}, "finish_reason": reason});
    [Value::Object(choice), finished]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_becomes_a_stream_that_says_the_same() {
        let body = r#"{"id":"x","object":"chat.completion","created":7,"model":"m","system_fingerprint":"f",
            "choices":[{"index":0,"message":{"role":"assistant","content":"hi","reasoning_content":"so","tool_calls":[
            {"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
            "usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        let chunks = as_stream(body.as_bytes(), true).unwrap();
        let [said, finished, usage] = chunks.as_slice() else {
            unreachable!("{chunks:?}")
        };
        assert_eq!(
            said,
            r#"{"id":"x","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"f","choices":[{"index":0,"finish_reason":null,"delta":{"role":"assistant","content":"hi","reasoning_content":"so","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"index":0}]}}],"usage":null}"#
        );
        assert!(finished.contains(
            r#""choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null"#
        ));
        assert!(
            usage.contains(r#""choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}"#)
        );
        let chunks = as_stream(body.as_bytes(), false).unwrap();
        assert!(chunks.len() == 2 && !chunks.concat().contains("usage"));
    }

    #[test]
    fn what_is_no_answer_is_broken() {
        for body in ["", "{}", "[]", r#"{"choices":7}"#, r#"{"choices":[7]}"#] {
            assert!(as_stream(body.as_bytes(), true).is_err(), "{body}");
        }
    }
}
