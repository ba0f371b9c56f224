//! Heads that two readers could read in two ways are refused; unusual ones that are right are served; and nothing in
//! them reaches a place where it could pass for something else.

use std::net::Shutdown;

use serde_json::json;

use crate::harness::KEY;
use crate::hostile::{CHAT, Site, assert_refused, chat_head, chat_request, stream_body};

#[test]
fn a_request_that_two_readers_could_read_in_two_ways_is_refused_and_ends_the_connection() {
    let site = Site::start("");
    let before = site.chats();
    let smuggled = chat_request(CHAT);
    for lines in [
        "Host: localhost\r\nContent-Length: ten\r\n",
        "Host: localhost\r\nContent-Length: -1\r\n",
        "Host: localhost\r\nContent-Length: +10\r\n",
        "Host: localhost\r\nContent-Length: 10, 10\r\n",
        "Host: localhost\r\nContent-Length: 1 0\r\n",
        "Host: localhost\r\nContent-Length: 0x10\r\n",
        "Host: localhost\r\nContent-Length:\r\n",
        "Host: localhost\r\nContent-Length: \u{a0}0\r\n",
        "Host: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
        "Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
        "Host: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Host: localhost\r\nTransfer-Encoding: gzip\r\n",
        "Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: localhost\r\nTransfer-Encoding: chunked, chunked\r\n",
        "Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Host: localhost\r\nTransfer-Encoding: \"chunked\"\r\n",
        "Host: localhost\r\nTransfer-Encoding: chunked\u{a0}\r\n",
        "Host: localhost\r\nTransfer-Encoding:\r\n",
        "Host: localhost\r\nTransfer-Encoding : chunked\r\n",
        "Host: localhost\r\nContent-Length : 0\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nhost: other\r\n",
        "Content-Length: 0\r\n",
        "Host: localhost\r\nX: a\r\n folded\r\n",
        " Host: localhost\r\n",
        "Host: localhost\r\nX: a\0b\r\n",
        "Host: localhost\r\nX: a\rb\r\n",
        "Host: localhost\r\nno colon\r\n",
        "Host: localhost\r\n: no name\r\n",
    ] {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n{lines}\r\n"
        );
        let answer = site.answer(format!("{head}{smuggled}"));
        assert_eq!(answer.0.status, 400, "{lines:?}: {}", answer.0.text());
        assert_refused(answer, 400, None);
    }
    for (line, status) in [
        (
            "POST /v1/chat/completions HTTP/1.0\r\nTransfer-Encoding: chunked",
            400,
        ),
        ("POST /v1/chat/completions HTTP/1.0\r\nX: y", 411),
        (
            "POST  /v1/chat/completions HTTP/1.1\r\nHost: localhost",
            400,
        ),
        (
            "POST /v1/chat/completions\tHTTP/1.1\r\nHost: localhost",
            400,
        ),
        ("POST /v1/chat completions HTTP/1.1\r\nHost: localhost", 505),
        ("POST /v1/chat/completions\r\nHost: localhost", 400),
        ("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost", 400),
        (
            "GET ftp://localhost/v1/models HTTP/1.1\r\nHost: localhost",
            400,
        ),
        (
            "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nExpect: tea",
            417,
        ),
    ] {
        let head = format!("{line}\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        let answer = site.answer(format!("{head}{smuggled}"));
        assert_eq!(answer.0.status, status, "{line:?}: {}", answer.0.text());
        assert_refused(answer, status, None);
    }
    assert_eq!(site.chats(), before, "a smuggled request was served");
    site.assert_unharmed();
}

#[test]
fn unusual_requests_that_are_right_are_served() {
    let site = Site::start("");
    for target in [
        "http://localhost/v1/models",
        "HTTP://other:99/v1/models?a=b",
        "/v1/models?x",
    ] {
        let head = format!(
            "GET {target} HTTP/1.1\r\nhOST: localhost\r\nAUTHORIZATION: bearer {KEY}\r\n\r\n"
        );
        let (answer, _) = site.answer(head);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(answer.json()["object"], "list");
    }
    let mut client = site.proxy.connect();
    for byte in chat_request(CHAT).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response("POST").status, 200);
    client.send("\r\nHEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.response("HEAD");
    assert_eq!(head.status, 200);
    assert!(
        head.header("content-length")
            .is_some_and(|length| length != "0")
    );
    // Nothing of a body came behind it: the next answer begins where it should.
    client.send_request("GET", "/health", &[], "");
    assert_eq!(client.response("GET").json()["status"], "ok");
    site.assert_unharmed();
}

#[test]
fn an_older_client_is_answered_in_its_version() {
    let site = Site::start("");
    let request = |more: &str, body: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.0\r\nx-api-key: {KEY}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (answer, mut client) = site.answer(request("", CHAT));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.rest().is_empty());

    let mut client = site.proxy.connect();
    for _ in 0..3 {
        client.send(request("Connection: keep-alive\r\n", CHAT));
        let answer = client.response("POST");
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("keep-alive"))
        );
    }
    client.send(request(
        "Connection: keep-alive\r\n",
        &stream_body().to_string(),
    ));
    let streamed = client.response("POST");
    assert_eq!(streamed.header("transfer-encoding"), None);
    assert_eq!(streamed.header("connection"), Some("close"));
    assert_eq!(streamed.events().last().map(String::as_str), Some("[DONE]"));
    site.assert_unharmed();
}

#[test]
fn no_request_can_write_a_line_of_its_own_into_the_log() {
    let site = Site::start("");
    let forged = "2025/01/01 00:00:00 forged";
    let model = format!("x\n{forged}\r{forged}\u{85}{forged}\u{2028}{forged}\u{1b}[2J");
    let unknown = site
        .proxy
        .chat(&json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] }));
    unknown.assert_error(404, Some("model_not_found"));
    let no_number = site
        .proxy
        .chat(&json!({ "model": "grok", "messages": format!("\n{forged}") }));
    no_number.assert_error(400, None);
    for path in [
        "/v1/nope%0a2025/01/01%2000:00:00%20forged",
        "/v1/models/x%0d%0aforged",
    ] {
        site.proxy.get(path).assert_error(
            404,
            Some(if path.contains("nope") {
                "unknown_url"
            } else {
                "model_not_found"
            }),
        );
    }
    let header =
        format!("GET /v1/nope HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {forged}\r\n\r\n");
    assert_eq!(site.answer(header).0.status, 404);
    site.assert_unharmed();
    for line in site.proxy.log() {
        let stamp: String = line
            .chars()
            .take(20)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(stamp, "0000/00/00 00:00:00 ", "{line:?}");
        let pieces = line
            .split(|c: char| c.is_control() || c == '\u{2028}')
            .count();
        assert!(pieces == 1 && !line.starts_with("2025/01/01"), "{line:?}");
    }
}

#[test]
fn what_a_client_sends_is_quoted_in_part_only() {
    let site = Site::start("");
    let long = "m".repeat(1 << 20);
    for answer in [
        site.proxy.chat(&json!({ "model": long, "messages": [{ "role": "user", "content": "x" }] })),
        site.proxy.chat(&json!({ "model": "grok", "messages": long })),
        site.proxy.chat(&json!({ "model": "grok", "temperature": long, "messages": [{ "role": "user", "content": "x" }] })),
    ] {
        assert!((400..500).contains(&answer.status) && answer.body.len() < 4096, "{}", answer.body.len());
    }
    assert!(site.proxy.log().iter().all(|line| line.len() < 4096));
    site.assert_unharmed();
}

#[test]
fn two_thousand_damaged_requests_harm_nobody() {
    const SEED: u64 = 0x5eed;
    let site = Site::start("");
    let mut random = SEED;
    // Xorshift: the same requests in every run.
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % limit as u64).unwrap()
    };
    let chunked = format!(
        "{}{:x}\r\n{CHAT}\r\n0\r\n\r\n",
        chat_head("Transfer-Encoding: chunked\r\n"),
        CHAT.len()
    );
    let good = [
        chat_request(CHAT),
        chat_request(&stream_body().to_string()),
        chunked,
        "GET http://localhost/v1/models/a%2fb?x=y HTTP/1.0\r\nx-api-key: test-key\r\nConnection: keep-alive\r\n\r\n".to_owned(),
    ];
    for _ in 0..2000 {
        let mut bytes = good[below(good.len())].clone().into_bytes();
        for _ in 0..=below(4) {
            let (at, length) = (below(bytes.len()), 1 + below(12));
            let end = bytes.len().min(at + length);
            match below(4) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => drop(bytes.drain(at..end.max(at + 1).min(bytes.len()))),
                2 => bytes.extend_from_within(at..end),
                _ => {
                    let token: &[u8] = [
                        &b"\r\n"[..],
                        b"\n",
                        b"\r",
                        b"\0",
                        b" ",
                        b":",
                        b"0\r\n\r\n",
                        b"Content-Length: 5\r\n",
                        b"\xff",
                    ][below(9)];
                    bytes.splice(at..at, token.iter().copied());
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut client = site.proxy.connect();
        client.try_send(&bytes);
        // It may be half of a request: the end says that no more will come.
        client.stream.shutdown(Shutdown::Write).unwrap_or_default();
        let answer = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let log = site.proxy.log();
    assert!(
        !log.iter().any(|line| line.contains("panicked")),
        "{log:#?}"
    );
    site.assert_unharmed();
}
