//! Bodies as they come over the wire: chunks that lie, lengths that cannot be, trailers, and requests hidden in all of them.

use super::Row;
use crate::harness::KEY;
use crate::hostile::{CHAT, chat_head, chat_request};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn in_chunks(size_line: &str, end: &str) -> String {
    let (first, rest) = CHAT.split_at(4);
    let head = chat_head(CHUNKED);
    format!(
        "{head}{size_line}\r\n{first}\r\n{:x}\r\n{rest}\r\n{end}",
        rest.len()
    )
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = malformed();
    rows.extend(good());
    rows.extend(lengths());
    rows
}

/// Behind each stands a whole chat that must never be served.
fn malformed() -> Vec<Row> {
    let smuggled = chat_request(CHAT);
    let mut rows: Vec<Row> = [
        ("no size of a chunk", "\r\n"),
        ("a size that is no number", "x\r\n"),
        ("a negative size", "-1\r\n"),
        ("a size with a sign", "+1\r\nx\r\n0\r\n\r\n"),
        ("a size with 0x", "0x1\r\nx\r\n0\r\n\r\n"),
        ("a size with _", "1_0\r\nx\r\n0\r\n\r\n"),
        ("a space before a size", " 1\r\nx\r\n0\r\n\r\n"),
        ("a tab before a size", "\t1\r\nx\r\n0\r\n\r\n"),
        ("two sizes", "1 1\r\nx\r\n0\r\n\r\n"),
        ("a size of 64 bits", "ffffffffffffffff\r\nx\r\n0\r\n\r\n"),
        ("a size of 65 bits", "10000000000000001\r\nx\r\n0\r\n\r\n"),
        ("a size with a NUL", "1\0\r\nx\r\n0\r\n\r\n"),
        ("a size in other digits", "١\r\nx\r\n0\r\n\r\n"),
        ("a size that ends in LF", "1\nx\r\n0\r\n\r\n"),
        ("a size that ends in CR", "1\rx\r\n0\r\n\r\n"),
        ("chunks that end in LF", "1\nx\n0\n\n"),
        (
            "a chunk that is longer than its size",
            "1\r\nxy\r\n0\r\n\r\n",
        ),
        ("a chunk without its end", "1\r\nx0\r\n\r\n"),
        ("a chunk that ends in LF", "1\r\nx\n0\r\n\r\n"),
        ("an extension that ends in LF", "1;\nx\r\n0\r\n\r\n"),
        ("an extension with a bare CR", "1;a\rb\r\nx\r\n0\r\n\r\n"),
        ("a last chunk that ends in LF", "1\r\nx\r\n0\n\r\n"),
        ("a trailer that ends in LF", "1\r\nx\r\n0\r\nA: b\n\r\n"),
        ("a trailer with a bare CR", "1\r\nx\r\n0\r\nA: b\rc\r\n\r\n"),
    ]
    .into_iter()
    .map(|(name, body)| Row::refused(name, format!("{}{body}{smuggled}", chat_head(CHUNKED)), 400))
    .collect();
    for (name, endless) in [
        (
            "an extension without end",
            "1;".to_owned() + &"e".repeat(100_000),
        ),
        (
            "trailers without end",
            "0\r\n".to_owned() + &"a: b\r\n".repeat(20_000),
        ),
        ("a size without end", "0".repeat(100_000)),
    ] {
        rows.push(Row::refused(name, chat_head(CHUNKED) + &endless, 400));
    }
    rows
}

/// Unusual and right: each is read to its very end, or what stands behind it would be.
fn good() -> Vec<Row> {
    let health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    [
        ("leading zeros of a size", in_chunks("0000004", "0\r\n\r\n")),
        ("spaces behind a size", in_chunks("4  ", "0\r\n\r\n")),
        (
            "an extension",
            in_chunks("4;name=\"va;lue\"", "0;last\r\n\r\n"),
        ),
        ("a trailer", in_chunks("4", "0\r\nX-Trailer: x\r\n\r\n")),
        (
            "a length in a trailer",
            in_chunks(
                "4",
                "0\r\nContent-Length: 60\r\nTransfer-Encoding: gzip\r\n\r\n",
            ),
        ),
        (
            "a key in a trailer",
            in_chunks("4", "0\r\nAuthorization: Bearer wrong\r\n\r\n"),
        ),
        (
            "many zeros as the last chunk",
            in_chunks("4", "00000000\r\n\r\n"),
        ),
    ]
    .into_iter()
    .map(|(name, bytes)| Row::pipelined(name, bytes + health, &[200, 200]).chats(1))
    .collect()
}

fn lengths() -> Vec<Row> {
    let smuggled = chat_request(CHAT);
    let with_length = |length: &str| chat_head(&format!("Content-Length: {length}\r\n"));
    let wrong = |lines: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: wrong\r\n{lines}\r\n{smuggled}"
        )
    };
    let mut rows: Vec<Row> = [
        "33554433",
        "70368744177664",
        "18446744073709551615",
        "99999999999999999999999",
    ]
    .into_iter()
    .map(|length| {
        Row::refused(&format!("a length of {length}"), with_length(length), 413)
            .code("request_too_large")
    })
    .collect();
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    for (name, lines) in [("a length", length.as_str()), ("chunks", CHUNKED)] {
        let name = format!("a wrong key, and a chat within a body with {name}");
        rows.push(Row::refused(&name, wrong(lines), 401).code("invalid_api_key"));
    }
    rows.push(
        Row::pipelined(
            "a wrong key without a body, and a chat behind it",
            wrong(""),
            &[401, 200],
        )
        .chats(1),
    );
    rows.push(
        Row::refused(
            "a body for a path that is none",
            format!("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{smuggled}"),
            404,
        )
        .code("unknown_url"),
    );
    rows.push(
        Row::answered(
            "leading zeros of a length",
            with_length(&format!("000{}", CHAT.len())) + CHAT,
            200,
        )
        .chats(1),
    );
    rows.push(Row::answered("a length of 0", with_length("0"), 400));
    rows.push(Row::answered("no body", chat_head(""), 400));
    rows.push(
        Row::refused(
            "more than its length",
            with_length(&CHAT.len().to_string())
                .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
                + CHAT
                + &smuggled,
            200,
        )
        .chats(1),
    );
    rows.push(Row::silent(
        "half a body",
        with_length("2000") + &format!("{{\"k\":\"{KEY}\""),
    ));
    rows.push(Row::silent(
        "half a chunk",
        chat_head(CHUNKED) + "5\r\n{\"m",
    ));
    rows.push(Row::silent(
        "no last chunk",
        chat_head(CHUNKED) + "2\r\n{}\r\n",
    ));
    rows
}
