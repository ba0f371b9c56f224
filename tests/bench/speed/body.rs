//! The requests of the loads, and what each must cost.

use std::fmt::Write as _;

use serde_json::json;

use super::harness::KEY;
use super::parts::Parts;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// 2 KB of a conversation.
    Small,
    /// An image as a data URL, 107 KB in all.
    Image,
    /// A programmer's conversation, 107 KB in all, with the line feeds and quotes of code.
    Text,
}

impl Body {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "2 KB",
            Self::Image => "107 KB, an image",
            Self::Text => "107 KB of text",
        }
    }

    fn json(self) -> serde_json::Value {
        let content = match self {
            Self::Small => json!(text(1800)),
            Self::Image => json!([
                {"type": "text", "text": "What is in this picture?"},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "iVBORw0K".repeat(13_340))}},
            ]),
            Self::Text => json!(text(101_000)),
        };
        json!({
            "model": "grok",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
                {"role": "user", "content": content},
            ],
            "temperature": 0.7,
            "max_tokens": 600,
        })
    }

    pub(crate) fn request(self) -> Vec<u8> {
        request(&self.json())
    }

    pub(crate) fn stream_request(self) -> Vec<u8> {
        let mut body = self.json();
        body["stream"] = json!(true);
        request(&body)
    }

    pub(crate) fn ideal(self) -> Parts {
        Parts::measure(&self.request(), self.json().to_string().as_bytes())
    }

    pub(crate) fn ideal_alone(self) -> Parts {
        Parts::measure_alone(&self.request(), self.json().to_string().as_bytes())
    }
}

fn text(length: usize) -> String {
    let mut text = String::new();
    let mut line = 0;
    while text.len() < length {
        line += 1;
        writeln!(
            text,
            "    let line_{line} = \"the quick brown fox\"; // {line}"
        )
        .unwrap();
    }
    text
}

fn request(body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
