//! What a request of the Responses API asks of a chat, and how the chat's answer is told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod answers;
mod ends;
mod requests;

use serde_json::{Value, json};

use super::*;

/// A good request with `more` merged into it.
fn body(more: &Value) -> String {
    let mut body = json!({"model": "m", "input": "Hello"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string()
}

fn asked(more: &Value) -> Asked {
    let body = body(more);
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{more}: {error:?}"))
}
