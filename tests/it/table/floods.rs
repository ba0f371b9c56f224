//! Heads without measure, and many requests in one piece.

use super::{Row, ask};
use crate::hostile::{CHAT, chat_request};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = bombs();
    rows.extend(pipelines());
    rows
}

fn bombs() -> Vec<Row> {
    let health = |lines: &str| ask("GET /health", lines);
    vec![
        Row::answered("99 headers", health(&"a: b\r\n".repeat(99)), 200),
        Row::refused("100 headers and Host", health(&"a: b\r\n".repeat(100)), 431),
        Row::refused("10,000 headers", health(&"a: b\r\n".repeat(10_000)), 431),
        Row::answered(
            "a value of 20,000 bytes",
            health(&format!("X: {}\r\n", "a".repeat(20_000))),
            200,
        ),
        Row::refused(
            "a value of 40,000 bytes",
            health(&format!("X: {}\r\n", "a".repeat(40_000))),
            431,
        ),
        Row::answered(
            "a name of 20,000 bytes",
            health(&format!("{}: x\r\n", "a".repeat(20_000))),
            200,
        ),
        Row::refused(
            "a name of 40,000 bytes",
            health(&format!("{}: x\r\n", "a".repeat(40_000))),
            431,
        ),
        Row::refused(
            "a header without end",
            format!("GET /health HTTP/1.1\r\nX: {}", "a".repeat(200_000)),
            431,
        ),
        Row::refused("empty lines without end", "\r\n".repeat(50_000), 431),
        Row::answered("80 keys", health(&"x-api-key: wrong\r\n".repeat(80)), 200),
        Row::answered(
            "values that are no UTF-8",
            [health("").trim_end().as_bytes(), b"\r\nX: \xff\xfe\r\n\r\n"].concat(),
            200,
        ),
        Row::answered("a header that is empty", health("X:\r\n"), 200),
        Row::answered("tabs around a value", health("X:\t a \t\r\n"), 200),
    ]
}

fn pipelines() -> Vec<Row> {
    let (health, chat) = (ask("GET /health", ""), chat_request(CHAT));
    let last = ask("GET /health", "Connection: close\r\n");
    vec![
        Row::pipelined("50 requests in one piece", health.repeat(50), &[200; 50]),
        Row::pipelined(
            "chats and others in turn",
            format!("{chat}{health}").repeat(3),
            &[200; 6],
        )
        .chats(3),
        Row::pipelined(
            "a refusal among them",
            format!("{health}{}{health}", ask("GET /nope", "")),
            &[200, 404, 200],
        ),
        Row::pipelined(
            "nonsense behind a request",
            format!("{health}nonsense\r\n\r\n{chat}"),
            &[200, 400],
        )
        .and_closed(),
        Row::pipelined(
            "requests behind the last one",
            format!("{health}{last}{chat}{chat}"),
            &[200, 200],
        )
        .and_closed(),
        Row::pipelined(
            "half a request behind a whole one",
            format!("{health}GET /hea\rlth"),
            &[200, 400],
        )
        .and_closed(),
    ]
}
