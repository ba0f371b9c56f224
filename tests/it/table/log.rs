//! What would write lines into the log, or commands to the terminal that shows it; and what a log is that nobody forged.

use serde_json::json;

use super::{MAX_QUOTED_BYTES, Row, ask, ask_with_key};
use crate::hostile::chat_request;

/// What a forged line would begin with.
const FORGED: &str = "2025/01/01 00:00:00 forged";

/// Not controls, and yet they end lines or turn text around.
const UNSEEN: [char; 14] = [
    '\u{2028}', '\u{2029}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let breaks = [
        "\n",
        "\r",
        "\r\n",
        "\u{1b}[2K\u{1b}[1A",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{2066}",
        "\u{8}",
        "\u{9b}2J",
        "\u{7}",
    ];
    for end in breaks {
        let name = end.escape_unicode();
        let model = format!("x{end}{FORGED}");
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] });
        let row = Row::answered(
            &format!("a model with {name}"),
            chat_request(&body.to_string()),
            404,
        );
        rows.push(row.code("model_not_found"));
        let body = json!({ "model": "grok", "messages": [{ "role": model, "content": "x" }] });
        rows.push(Row::answered(
            &format!("a role with {name}"),
            chat_request(&body.to_string()),
            400,
        ));
        let percent: String = end.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let target = format!("GET /v1/models/x{percent}2025/01/01%2000:00:00%20forged");
        let row = Row::answered(
            &format!("a path with {name}"),
            ask_with_key(&target, ""),
            404,
        );
        rows.push(row.code("model_not_found"));
    }
    let headers = format!(
        "User-Agent: \u{202e}{FORGED}\u{2028}\r\nX-Request-Id: {FORGED}\r\nReferer: {FORGED}\r\n"
    );
    rows.push(
        Row::answered("headers with marks", ask("GET /nope", &headers), 404).code("unknown_url"),
    );
    let fields = "GET /nope%20status=200%20account=a1%20attempts=1%20tokens=1+1";
    rows.push(
        Row::answered("a path like a line's fields", ask(fields, ""), 404).code("unknown_url"),
    );
    let colours = ask("GET /nope", "X: \u{1b}[31m\r\n");
    rows.push(Row::refused("a header with an escape", colours, 400));
    rows
}

/// Every line is one of the program's own.
pub(super) fn check(log: &[String]) {
    for line in log {
        let stamp: String = line
            .chars()
            .take(20)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(stamp, "0000/00/00 00:00:00 ", "{line:?}");
        assert!(!line.starts_with("2025/01/01"), "{line:?}");
        let is_bad = |c: char| c.is_control() || UNSEEN.contains(&c);
        assert!(!line.contains(is_bad), "{line:?}");
        assert!(!line.contains("panicked"), "{line:?}");
        assert!(line.len() < MAX_QUOTED_BYTES, "{} bytes", line.len());
    }
}
