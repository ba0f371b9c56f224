//! The Messages API, attacked: whatever comes, it is a chat or a 400 that says why.
#![expect(clippy::unwrap_used, reason = "a broken promise ends the test")]

use serde_json::Value;

use super::count::count;
use super::query::Query;
use super::{error, request};
use crate::fuzz::{Form, Target, texts};

const BODIES: [&str; 4] = [
    r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
    r#"{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"temperature":0.5,"top_p":1,"top_k":4,"stop_sequences":["a"],"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"string"}}}},{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"},{"type":"tool_search_tool_regex_20251119","name":"t"}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":5000,"display":"summarized"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},"messages":[{"role":"user","content":"x"}]}"#,
    r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aaaa"}},{"type":"document","title":"t","context":"c","source":{"type":"text","media_type":"text/plain","data":"d"}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x"}]}},{"type":"search_result","source":"https://x","title":"t","content":[{"type":"text","text":"x"}]}]}]}"#,
    r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"text","text":"x"},{"type":"tool_use","id":"a","name":"f","input":{"a":[1,{"b":null}]}},{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"x"},{"type":"tool_reference","tool_name":"f"}],"is_error":true},{"type":"tool_result","tool_use_id":"a","content":"x"},{"type":"text","text":"y"}]},{"role":"system","content":"x"}]}"#,
];

const WORDS: [&str; 22] = [
    "\"type\"",
    "\"tool_result\"",
    "\"tool_use\"",
    "\"thinking\"",
    "\"redacted_thinking\"",
    "\"server_tool_use\"",
    "\"image\"",
    "\"document\"",
    "\"content\"",
    "\"source\"",
    "\"url\"",
    "\"base64\"",
    "\"file\"",
    "\"assistant\"",
    "\"system\"",
    "\"adaptive\"",
    "\"disabled\"",
    "\"thread\"",
    "\"web_search_20250305\"",
    "null",
    "\\ud83d",
    "1e300",
];

#[test]
fn requests() {
    let corpus = texts(&BODIES);
    let target = Target {
        name: "messages::fuzz::requests",
        executions: 6000,
        form: Form::Json,
        corpus: &corpus,
        words: &WORDS,
    };
    target.run(|body, _| {
        let translated = match request::parse(body).and_then(Query::into_chat) {
            Ok(translated) => translated,
            Err(refused) => {
                assert_eq!(refused.status, 400, "{refused:?}");
                let told: Value = serde_json::from_str(&error::to_json(&refused, "id")).unwrap();
                let error = told.get("error").unwrap();
                assert_eq!(error.get("type").unwrap(), "invalid_request_error");
                return false;
            }
        };
        assert!(!translated.request.messages.is_empty());
        let count = serde_json::to_value(count(&translated.request)).unwrap();
        assert!(count.get("input_tokens").unwrap().as_u64().unwrap() > 0);
        true
    });
}
