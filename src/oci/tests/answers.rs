//! What came back, and what was sent for it.

use std::sync::mpsc;

use super::*;

#[test]
fn a_request_goes_out_as_it_was_signed() {
    let (heads, seen) = mpsc::channel();
    let server = Server::start(move |_, peer| {
        heads.send(peer.request().unwrap()).unwrap();
        peer.send(whole("application/json", RESULT));
    });
    let caller = Caller::new(&format!("http://{}/gate/", server.address), None);
    let Answer::Whole(answer) = caller.call().unwrap() else {
        panic!("not whole");
    };
    assert_eq!(answer.opc_request_id, None);

    let (head, body) = seen.recv_timeout(SOON).unwrap();
    assert!(
        head.starts_with("POST /gate/20231130/actions/chat HTTP/1.1\r\n"),
        "{head}"
    );
    let address = server.address.to_string();
    let agent = concat!("ociai-proxy/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("host", address.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
        ("content-length", "21"),
        ("user-agent", agent),
        ("opc-request-id", "07070707070707070707070707070707"),
        ("authorization", "Signature version=\"1\""),
        ("x-content-sha256", "hash"),
    ] {
        assert_eq!(header(&head, name), Some(value), "{name} in {head}");
        let times = head
            .lines()
            .filter(|line| header(line, name).is_some())
            .count();
        assert_eq!(times, 1, "{name} in {head}");
    }
    assert!(httpdate::parse_http_date(header(&head, "date").unwrap()).is_ok());
    assert_eq!(header(&head, "transfer-encoding"), None);
    assert_eq!(body, caller.body);
}

#[test]
fn endpoints_are_urls_without_a_secret() {
    for (text, host, target) in [
        ("http://127.0.0.1:80", "127.0.0.1", "/x"),
        ("https://Example.COM:443/", "example.com", "/x"),
        (
            "https://example.com:8443/a/b/",
            "example.com:8443",
            "/a/b/x",
        ),
        ("http://[::1]:9000", "[::1]:9000", "/x"),
    ] {
        let base = Base::parse(text).unwrap();
        assert_eq!(
            (base.host.as_str(), base.target("/x").as_str()),
            (host, target)
        );
    }
    for text in [
        "",
        "example.com",
        "/x",
        "ftp://example.com",
        "https://user:pass@example.com",
        "https://example.com?x=1",
        "https://",
    ] {
        assert_eq!(Base::parse(text), None, "{text}");
    }
}

#[test]
fn a_stream_is_handed_out_with_its_first_event_and_each_event_comes_at_once() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = parking_lot::Mutex::new(gate);
    let server = Server::start(move |_, peer| {
        let gate = gate.lock();
        peer.request().unwrap();
        peer.send(EVENTS);
        for payload in ["1", "grüße", "[DONE]"] {
            peer.send(event(payload));
            gate.recv_timeout(SERVER_PATIENCE).unwrap();
        }
        peer.send(LAST_CHUNK);
    });
    let mut stream = server.caller().stream();
    assert_eq!(stream.opc_request_id(), Some("from-oci"));
    assert_eq!(stream.next(), item("1"));
    go.send(()).unwrap();
    assert_eq!(stream.next(), item("grüße"));
    go.send(()).unwrap();
    assert_eq!(stream.next(), Ok(StreamItem::End));
    assert_eq!(stream.next(), Ok(StreamItem::End));
    go.send(()).unwrap();
}

#[test]
fn events_survive_any_split() {
    let text = "data: grüße\n\ndata: 2\n: x\ndata: 3";
    let mut answer = EVENTS.as_bytes().to_vec();
    for byte in text.bytes() {
        answer.extend_from_slice(b"1\r\n");
        answer.extend_from_slice(&[byte]);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(LAST_CHUNK.as_bytes());
    let server = Server::start(move |_, peer| {
        peer.request().unwrap();
        for piece in answer.chunks(3) {
            peer.send(piece);
        }
        peer.wait_for_close();
    });
    let mut stream = server.caller().stream();
    for payload in ["grüße", "2", "3"] {
        assert_eq!(stream.next(), item(payload));
    }
    assert_eq!(stream.next(), Ok(StreamItem::End));
}

#[test]
fn the_body_decides_what_an_answer_is() {
    for content_type in ["application/json", "text/event-stream", "text/plain", ""] {
        let server = Server::always(whole(content_type, &format!(" \r\n{RESULT}")));
        assert!(
            matches!(server.caller().call(), Ok(Answer::Whole(_))),
            "{content_type}"
        );
        for body in [
            "data: 1\n\n",
            "\n\n: hello\n\ndata:1",
            "event: x\ndata: 1\n",
        ] {
            let server = Server::always(whole(content_type, body));
            let mut stream = server.caller().stream();
            assert_eq!(stream.next(), item("1"), "{content_type} {body}");
            assert_eq!(stream.next(), Ok(StreamItem::End));
        }
    }
}

#[test]
fn an_answer_that_is_neither_is_described_in_few_words() {
    let page = format!(
        "<html><head><TITLE>502\nBad   Gateway</TITLE></head>{}",
        "secret ".repeat(1000)
    );
    let long = "many words ".repeat(1000);
    for (content_type, body, expected) in [
        (
            "text/html; charset=utf-8",
            page.as_str(),
            "neither JSON nor events but text/html; charset=utf-8: 502 Bad Gateway",
        ),
        (
            "text/plain",
            "no upstream",
            "neither JSON nor events but text/plain: no upstream",
        ),
        (
            "image/png",
            "\u{1}PNG",
            "neither JSON nor events but image/png",
        ),
        ("application/json", "", "an empty answer (application/json)"),
        ("", " \n", "an empty answer (no content type)"),
        ("text/event-stream", "", "the stream ended without an event"),
        (
            "text/event-stream",
            ": nothing\n\ndata: [DONE]\n\n",
            "the stream ended without an event",
        ),
        (
            "application/json",
            "{\"modelId\": \"secret",
            "the answer is not the JSON expected of a chat call (line 1, column 19)",
        ),
    ] {
        let server = Server::always(whole(content_type, body));
        assert_eq!(why(server.caller().failure()), expected);
    }
    let server = Server::always(whole("text/plain", &long));
    let said = why(server.caller().failure());
    assert!((150..=200).contains(&said.len()), "{said}");
}

#[test]
fn a_compressed_answer_is_refused() {
    let answer = whole("application/json", "\u{1f}\u{8b}").replacen(
        "Content-Type",
        "Content-Encoding: gzip\r\nContent-Type",
        1,
    );
    let said = why(Server::always(answer).caller().failure());
    assert!(
        said.starts_with("the answer is compressed (gzip)"),
        "{said}"
    );
}

#[test]
fn other_statuses_are_errors_and_redirects_are_not_followed() {
    let elsewhere = Server::always(whole("application/json", RESULT));
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.address
    );
    let throttled = "HTTP/1.1 429 Too Many Requests\r\nopc-request-id: abc\r\nRetry-After: 7\r\n\
        Content-Length: 53\r\n\r\n{\"code\":\"TooManyRequests\",\"message\":\"Slow down now.\"}";
    for (answer, status, id, retry_after) in [
        (redirect.as_str(), 307, None, None),
        (throttled, 429, Some("abc"), Some(7)),
    ] {
        let server = Server::always(answer);
        let OciError::Status(error) = server.caller().failure() else {
            panic!("not a status");
        };
        assert_eq!(error.status, status);
        assert_eq!(error.opc_request_id.as_deref(), id);
        assert_eq!(error.retry_after, retry_after.map(Duration::from_secs));
        if status == 429 {
            assert!(error.message.contains("Slow down now."), "{error:?}");
        }
        assert_eq!(server.accepted(), 1);
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[test]
fn an_answer_given_before_the_request_was_read_is_heard() {
    let server = Server::start(|_, peer| {
        let mut some = [0; 1000];
        peer.stream.read_exact(&mut some).unwrap();
        peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        peer.end_writing();
        // Closed with the rest of the request unread: a reset.
    });
    let mut caller = server.caller();
    caller.body = vec![b' '; 16 * 1024 * 1024];
    let OciError::Status(error) = caller.failure() else {
        panic!("not a status");
    };
    assert_eq!(error.status, 413);
}

#[test]
fn an_answer_cut_off_is_broken() {
    let short = whole("application/json", RESULT).replacen("Length: ", "Length: 1", 1);
    let said = why(Server::closing_after(short).caller().failure());
    assert_eq!(said, "cut off in the body: the connection was closed");

    let no_event = format!("{EVENTS}{}", chunk("data: unfin"));
    let said = why(Server::closing_after(no_event).caller().failure());
    assert_eq!(said, "cut off in the body: the connection was closed");

    let said = why(Server::closing_after("HTTP/1.1 200 OK\r\nConte")
        .caller()
        .failure());
    assert_eq!(
        said,
        "cut off in the head of the answer: the connection was closed"
    );

    let said = why(Server::closing_after("SSH-2.0-OpenSSH\r\n\r\n")
        .caller()
        .failure());
    assert!(
        said.starts_with("the head of the answer is not HTTP"),
        "{said}"
    );
}

#[test]
fn a_stream_cut_off_is_broken_after_its_last_event() {
    let server = Server::closing_after(format!("{EVENTS}{}5\r\nda", event("1")));
    let mut stream = server.caller().stream();
    assert_eq!(stream.next(), item("1"));
    let broken = stream.next().unwrap_err();
    assert_eq!(stream.next().unwrap_err(), broken);
    assert_eq!(
        why(broken),
        "cut off in the body: the connection was closed"
    );

    drop(stream);

    // Unless nothing more was needed.
    let mut stream = server.caller().stream();
    stream.expect_end_within(LONG);
    assert_eq!(stream.next(), item("1"));
    assert_eq!(stream.next(), Ok(StreamItem::End));
}

#[test]
fn a_body_that_ends_with_its_connection_ends_properly() {
    let head = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let server = Server::closing_after(format!("{head}data: 1\n\ndata: 2"));
    let mut stream = server.caller().stream();
    assert_eq!(stream.next(), item("1"));
    assert_eq!(stream.next(), item("2"));
    assert_eq!(stream.next(), Ok(StreamItem::End));
}
