//! Requests of the Responses API, attacked: whatever is read can be asked of a chat, and errors about it are named.

use super::read;
use crate::fuzz::{Form, Target, texts};
use crate::openai::error::ApiError;
use crate::openai::render::Render;

const BODIES: [&str; 4] = [
    r#"{"model":"m","input":"Hello","stream":true,"reasoning":{"effort":"low","summary":"auto"},"text":{"verbosity":"low"}}"#,
    r#"{"model":"m","instructions":"I","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},{"type":"reasoning","summary":[]},{"role":"assistant","content":"b"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"},{"type":"custom_tool_call","call_id":"d","name":"g","input":"y"},{"type":"custom_tool_call_output","call_id":"d","output":[{"type":"input_text","text":"z"}]}]}"#,
    r#"{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"web_search"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"h"}]}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}}"#,
    r#"{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"}}},"max_output_tokens":9,"top_logprobs":2,"include":["message.output_text.logprobs"]}"#,
];

const WORDS: [&str; 12] = [
    "item_reference",
    "local_shell_call",
    "input_file",
    "refusal",
    "namespace",
    "previous_response_id",
    "conversation",
    "background",
    "developer",
    "none",
    "required",
    "__",
];

#[test]
fn requests() {
    let corpus = texts(&BODIES);
    let target = Target {
        name: "responses::fuzz::requests",
        executions: 5_000,
        form: Form::Json,
        corpus: &corpus,
        words: &WORDS,
    };
    target.run(|body, _| match read(body) {
        Ok(asked) => {
            assert!(!asked.chat.messages.is_empty() && !asked.chat.model.is_empty());
            // A header is made of it.
            assert!(asked.left_out.iter().all(|name| name.is_ascii()));
            for (list, length) in [
                ("messages", asked.chat.messages.len()),
                ("tools", asked.chat.tools.len()),
            ] {
                for at in 0..=length {
                    let param = format!("{list}[{at}]");
                    let error = ApiError::invalid_request("no", Some(param.clone()));
                    let here = asked.answering.refusal(error).param.unwrap_or_default();
                    assert!(!here.is_empty() && !here.starts_with("messages"), "{param}");
                }
            }
            true
        }
        Err(error) => {
            assert_eq!(error.status, 400);
            assert!(!error.message.is_empty());
            false
        }
    });
}
