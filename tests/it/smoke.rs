//! The shortest way through the whole program.

use serde_json::json;

use crate::harness::{Proxy, simulator};

#[test]
fn a_chat_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let whole = proxy
        .chat(&json!({ "model": "grok", "messages": [{ "role": "user", "content": "Hello" }] }));
    assert_eq!(whole.status, 200, "{} {:#?}", whole.text(), proxy.log());
    assert!(
        whole.json()["choices"][0]["message"]["content"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    let streamed =
        proxy.chat(&json!({ "model": "grok", "stream": true, "messages": [{ "role": "user", "content": "Hello" }] }));
    assert_eq!(streamed.status, 200, "{}", streamed.text());
    assert_eq!(
        streamed.events().last().map(String::as_str),
        Some("[DONE]"),
        "{}",
        streamed.text()
    );
    assert!(streamed.whole);
}
