//! Hostile bodies: chunks that lie, bodies that are too large or too many, and answers that must not be lost.

use std::io::Read;

use ociai_proxy::simulator::{Gate, Script};
use serde_json::json;

use crate::harness::{Client, KEY, eventually};
use crate::hostile::{
    CHAT, Site, assert_refused, body_ends, call, chat_head, chat_request, gated_stream,
};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// `body` in chunks of `size` bytes, with extensions and a trailer.
fn chunked(body: &str, size: usize) -> String {
    let mut text = String::new();
    for chunk in body.as_bytes().chunks(size) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        text += &format!("{:X};name=\"value\"\r\n{chunk}\r\n", chunk.len());
    }
    text + "0\r\nX-Trailer: ignored\r\n\r\n"
}

#[test]
fn a_chunked_body_is_read_in_every_split() {
    let site = Site::start("");
    let mut client = site.proxy.connect();
    for size in [1, 7, CHAT.len()] {
        client.send(chat_head(CHUNKED) + &chunked(CHAT, size));
        assert_eq!(client.response("POST").status, 200, "{size}");
    }
    for byte in (chat_head(CHUNKED) + &chunked(CHAT, 16)).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response("POST").status, 200);
    // The connection is where it should be: behind the trailer.
    client.send(chat_request(CHAT));
    assert_eq!(client.response("POST").status, 200);
    site.assert_unharmed();
}

#[test]
fn a_malformed_chunked_body_ends_the_connection_and_what_stands_behind_it_is_never_read() {
    let site = Site::start("");
    let before = site.chats();
    let smuggled = chat_request(CHAT);
    for body in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1;\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1 1\r\nx\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nx\r\n0\r\n\r\n",
        "10000000000000001\r\nx\r\n0\r\n\r\n",
    ] {
        let answer = site.answer(format!("{}{body}{smuggled}", chat_head(CHUNKED)));
        assert_eq!(answer.0.status, 400, "{body:?}: {}", answer.0.text());
        assert_refused(answer, 400, None);
    }
    for endless in [
        "1;".to_owned() + &"e".repeat(100_000),
        "0\r\n".to_owned() + &"a: b\r\n".repeat(20_000),
        "0".repeat(100_000),
    ] {
        let mut client = site.proxy.connect();
        client.try_send(chat_head(CHUNKED) + &endless);
        let answer = client.response("POST");
        assert_refused((answer, client), 400, None);
    }
    assert_eq!(site.chats(), before, "a smuggled request was served");
    site.assert_unharmed();
}

#[test]
fn a_request_inside_a_refused_body_is_not_a_request() {
    let site = Site::start("");
    let before = site.chats();
    let inside = chat_request(CHAT);
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n";
    for body in [
        format!("Content-Length: {}\r\n\r\n{inside}", inside.len()),
        format!("{CHUNKED}\r\n{:x}\r\n{inside}\r\n0\r\n\r\n", inside.len()),
        format!(
            "{CHUNKED}\r\n{:x}\r\n{inside}\r\n0\r\n\r\n{inside}",
            inside.len()
        ),
    ] {
        assert_refused(
            site.answer(format!("{head}{body}")),
            401,
            Some("invalid_api_key"),
        );
    }
    assert_eq!(site.chats(), before, "a body was served as a request");
    // Without a body the connection lives on after a refusal.
    let mut client = site.proxy.connect();
    client.send(format!("{head}\r\n"));
    client
        .response("POST")
        .assert_error(401, Some("invalid_api_key"));
    client.send(inside);
    assert_eq!(client.response("POST").status, 200);
    site.assert_unharmed();
}

#[test]
fn a_client_that_asks_first_is_invited_only_if_it_will_be_served() {
    let site = Site::start("");
    let ask = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", CHAT.len());
    let mut client = site.proxy.connect();
    client.send(chat_head(&ask));
    let mut interim = [0; 25];
    client.stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(CHAT);
    assert_eq!(client.response("POST").status, 200);

    for (head, status) in [
        (chat_head(&ask).replace(KEY, "wrong"), "401"),
        (
            chat_head(&ask.replace(&CHAT.len().to_string(), "99999999999")),
            "413",
        ),
    ] {
        let mut client = site.proxy.connect();
        client.send(head);
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    site.assert_unharmed();
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read_or_on_the_way() {
    let site = Site::start("max_request_bytes = 2000\n");
    let whole = format!("{CHAT}{}", " ".repeat(2000 - CHAT.len()));
    assert_eq!(site.answer(chat_request(&whole)).0.status, 200);
    assert_eq!(
        site.answer(chat_head(CHUNKED) + &chunked(&whole, 100))
            .0
            .status,
        200
    );
    assert_refused(
        site.answer(chat_head("Content-Length: 2001\r\n")),
        413,
        Some("request_too_large"),
    );
    // No end is sent: the limit is noticed while it comes.
    let on_the_way = format!("{}7d1\r\n{}", chat_head(CHUNKED), "x".repeat(2001));
    assert_refused(site.answer(on_the_way), 413, Some("request_too_large"));
    let many = format!("{}{}", chat_head(CHUNKED), "1\r\nx\r\n".repeat(2001));
    assert_refused(site.answer(many), 413, Some("request_too_large"));
    site.assert_unharmed();
}

const TIGHT: &str = "max_request_bytes = 60000\nmax_body_memory = 100000\n";

/// A chat request of 60,000 bytes.
fn large_request() -> String {
    chat_request(&format!("{CHAT}{}", " ".repeat(60_000 - CHAT.len())))
}

/// Sends large requests until one is served: what held the memory has let it go.
#[track_caller]
fn eventually_served(site: &Site) {
    eventually("body memory to be free", || {
        site.answer(large_request()).0.status == 200
    });
}

#[test]
fn bodies_share_a_memory_and_who_finds_it_full_is_told_to_come_back() {
    let site = Site::start(TIGHT);
    let mut holder = None;
    eventually("a second large body to be refused", || {
        let mut first = site.proxy.connect();
        first.send(&large_request()[..59_000]);
        holder = Some(first);
        let (answer, client) = site.answer(large_request());
        if answer.status == 200 {
            return false;
        }
        assert!(answer.header("retry-after").is_some());
        assert_refused((answer, client), 503, Some("body_memory_full"));
        true
    });
    // A small one still fits.
    assert_eq!(site.answer(chat_request(CHAT)).0.status, 200);
    drop(holder);
    eventually_served(&site);
    site.assert_unharmed();
}

#[test]
fn a_chunked_body_that_fits_into_the_memory_is_not_refused_for_the_next_step_of_its_buffer() {
    let site = Site::start("max_request_bytes = 100000\nmax_body_memory = 100000\n");
    let body = format!("{CHAT}{}", " ".repeat(99_000 - CHAT.len()));
    let (answer, _) = site.answer(chat_head(CHUNKED) + &chunked(&body, 5000));
    assert_eq!(answer.status, 200, "{}", answer.text());
    site.assert_unharmed();
}

#[test]
fn who_has_no_key_cannot_fill_the_memory_of_bodies() {
    let site = Site::start(TIGHT);
    let holders: Vec<Client> = ["GET /health", "HEAD /ready", "OPTIONS /v1/chat/completions"]
        .iter()
        .map(|line| {
            let mut holder = site.proxy.connect();
            holder.send(format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"
            ));
            holder.send([b'x'; 59_999]);
            // An answer to a later request, and so this one's bytes were looked at.
            site.proxy.get("/health");
            holder
        })
        .collect();
    for _ in 0..20 {
        let (answer, _) = site.answer(large_request());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // Such a body is read all the same, so that the connection is where it should be.
    for mut holder in holders {
        holder.send("x");
        holder.send(chat_request(CHAT));
        assert!([200, 204].contains(&holder.head().status));
    }
    site.assert_unharmed();
}

#[test]
fn who_leaves_the_queue_or_waits_too_long_gives_the_memory_of_its_body_back() {
    let site = Site::start(&format!(
        "{TIGHT}global_max_concurrency = 1\nqueue_timeout = 1s\n"
    ));
    let gate = Gate::new();
    site.simulator.enqueue(gated_stream(&gate));
    let mut running = site.proxy.connect();
    let body = json!({ "model": "grok", "stream": true, "messages": [{ "role": "user", "content": "x" }] });
    running.send(chat_request(&body.to_string()));
    assert_eq!(running.head().status, 200);

    let (late, _) = site.answer(large_request());
    late.assert_error(503, Some("queue_timeout"));
    let (late, _) = site.answer(large_request());
    late.assert_error(503, Some("queue_timeout"));

    let mut leaving = None;
    eventually("one that waits to hold the memory", || {
        let mut client = site.proxy.connect();
        client.send(large_request());
        leaving = Some(client);
        site.answer(large_request()).0.json()["error"]["code"] == "body_memory_full"
    });
    drop(leaving);
    eventually("the memory to be free", || {
        site.answer(large_request()).0.json()["error"]["code"] == "queue_timeout"
    });
    gate.open();
    assert!(body_ends(&mut running));
    site.assert_unharmed();
}

#[test]
fn a_request_holds_the_memory_of_its_body_until_its_answer_begins() {
    let site = Site::start(TIGHT);
    let waiting = call(&site, Script::HangBeforeHead, &large_request());
    let (refused, _) = site.answer(large_request());
    refused.assert_error(503, Some("body_memory_full"));
    drop(waiting);
    eventually_served(&site);

    let body = json!({ "model": "grok", "stream": true, "user": " ".repeat(59_000),
        "messages": [{ "role": "user", "content": "x" }] });
    let gate = Gate::new();
    let request = chat_request(&body.to_string());
    let mut streaming = call(&site, gated_stream(&gate), &request);
    assert_eq!(streaming.head().status, 200);
    let (answer, _) = site.answer(large_request());
    assert_eq!(answer.status, 200, "{}", answer.text());
    gate.open();
    assert!(body_ends(&mut streaming));
    site.assert_unharmed();
}

#[test]
fn values_count_as_what_they_take_and_not_as_what_they_are_written_in() {
    let site = Site::start("");
    // 12 MB of JSON, and a gigabyte of messages.
    for item in ["{}", r#"{"a":[]}"#, "[[]]"] {
        let list = format!(
            "[{}{item}]",
            format!("{item},").repeat(12_000_000 / (item.len() + 1))
        );
        let body = format!(r#"{{"model":"grok","messages":{list}}}"#);
        let (answer, _) = site.answer(chat_request(&body));
        answer.assert_error(413, Some("request_too_large"));
    }
    site.assert_grew_at_most(64 * 1024);
    site.assert_unharmed();
}

#[test]
fn the_end_of_a_long_answer_is_not_lost_because_its_client_sent_more_than_it_should() {
    let site = Site::start("");
    let text = "long ".repeat(300_000);
    let answer = json!({ "modelId": "xai.grok-4.3", "modelVersion": "1", "chatResponse": {
        "apiFormat": "GENERIC", "timeCreated": "2026-01-01T00:00:00Z", "choices": [{ "index": 0, "finishReason": "stop",
            "message": { "role": "ASSISTANT", "content": [{ "type": "TEXT", "text": text }] } }] } });
    for _ in 0..5 {
        site.simulator
            .enqueue(Script::status(200, answer.to_string()));
        let mut client = site.proxy.connect();
        let close = format!("Connection: close\r\nContent-Length: {}\r\n", CHAT.len());
        // Some clients end a body with a line break that belongs to nobody.
        client.send(chat_head(&close) + CHAT);
        let head = client.head();
        client.send("\r\n");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        site.proxy
            .wait_for_log(head.header("x-request-id").unwrap());
        // By now a gate that does not wait for its client has closed the connection.
        site.proxy.get("/health");
        assert_eq!(client.rest().len(), length);
    }
    site.assert_unharmed();
}
