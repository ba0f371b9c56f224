//! A call ends when its client leaves and when its time is up, whatever the server does; and nothing grows for ever.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

use super::*;
use crate::oci::error::Phase;

const SHORT: Duration = Duration::from_millis(250);

/// Leaves when told to, and counts how often it was asked.
fn leave_when(told: Rc<Cell<bool>>) -> Hook {
    Box::new(move || {
        if told.get() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })
}

/// Stays for the first few questions.
fn leave_after(questions: u32) -> Hook {
    let mut asked = 0;
    Box::new(move || {
        asked += 1;
        if asked > questions {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })
}

/// A server that answers with these bytes and then nothing, and says when its client has closed the connection.
fn watched(answer: impl Into<String>) -> (Server, mpsc::Receiver<()>) {
    let answer = answer.into();
    let (closed, seen) = mpsc::channel();
    let server = Server::start(move |_, peer| {
        peer.request();
        peer.send(&answer);
        peer.wait_for_close();
        closed.send(()).unwrap();
    });
    (server, seen)
}

#[test]
fn a_client_that_leaves_ends_the_call_wherever_it_is() {
    for answer in [
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-".to_owned(),
        EVENTS.to_owned(),
        format!("{EVENTS}{}", chunk("data: unfin")),
        format!("{EVENTS}{}", chunk(": comment\n\n")),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
            .to_owned(),
        "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\n{".to_owned(),
    ] {
        let (server, closed) = watched(answer.clone());
        let result = soon(|| server.caller().open(&limits(LONG, LONG), leave_after(3)));
        assert_eq!(result.unwrap_err(), OciError::Cancelled, "{answer:?}");
        closed.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn a_client_that_leaves_ends_an_open_stream() {
    let (server, closed) = watched(format!("{EVENTS}{}", event("1")));
    let told = Rc::new(Cell::new(false));
    let hook = leave_when(Rc::clone(&told));
    let mut stream = stream(server.caller().open(&limits(LONG, LONG), hook));
    assert_eq!(stream.next(), item("1"));
    told.set(true);
    stream.expect_end_within(LONG);
    assert_eq!(soon(|| stream.next()), Err(OciError::Cancelled));
    assert_eq!(soon(|| stream.next()), Err(OciError::Cancelled));
    drop(stream);
    closed.recv_timeout(SOON).unwrap();
}

#[test]
fn a_client_that_leaves_ends_a_call_whose_request_is_not_read() {
    let server = Server::start(|_, peer| {
        // Looks without reading, so that the sender's window stays closed.
        let mut first = [0; 1];
        peer.stream.peek(&mut first).unwrap();
        std::thread::park_timeout(SERVER_PATIENCE);
    });
    let mut caller = server.caller();
    caller.body = vec![b' '; 32 * 1024 * 1024];
    let result = soon(|| caller.open(&limits(LONG, LONG), leave_after(3)));
    assert_eq!(result.unwrap_err(), OciError::Cancelled);
    let result = soon(|| caller.open(&limits(SHORT, LONG), stay()));
    let timeout = OciError::Timeout {
        phase: Phase::Answer,
        after: SHORT,
    };
    assert_eq!(result.unwrap_err(), timeout);
}

#[test]
fn a_client_that_has_left_causes_no_connection() {
    let server = Server::always(whole("application/json", RESULT));
    let result = server.caller().open(&limits(LONG, LONG), leave_after(0));
    assert_eq!(result.unwrap_err(), OciError::Cancelled);
    assert_eq!(server.accepted(), 0);
}

#[test]
fn an_answer_has_a_deadline_until_its_first_event() {
    let timeout = OciError::Timeout {
        phase: Phase::Answer,
        after: SHORT,
    };
    for answer in [
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-".to_owned(),
        EVENTS.to_owned(),
        format!("{EVENTS}{}", chunk(": comment\n\n")),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
            .to_owned(),
    ] {
        let server = Server::silent_after(answer.clone());
        let result = soon(|| server.caller().open(&limits(SHORT, LONG), stay()));
        assert_eq!(result.unwrap_err(), timeout, "{answer:?}");
    }
    // A deadline that has passed already.
    let server = Server::always(whole("application/json", RESULT));
    let result = server.caller().open(&limits(Duration::ZERO, LONG), stay());
    let timeout = OciError::Timeout {
        phase: Phase::Connect,
        after: Duration::ZERO,
    };
    assert_eq!(result.unwrap_err(), timeout);
}

/// Sends these bytes again and again, every few milliseconds, until the client leaves.
fn dripping(answer: impl Into<String>, drip: impl Into<String>) -> Server {
    let (answer, drip) = (answer.into(), drip.into());
    Server::start(move |_, peer| {
        peer.request().unwrap();
        peer.send(&answer);
        while peer.send(&drip) {
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

#[test]
fn dripping_bytes_move_no_deadline_but_that_of_an_idle_stream() {
    let answer_timeout = OciError::Timeout {
        phase: Phase::Answer,
        after: SHORT,
    };
    for (answer, drip) in [
        ("HTTP/1.1 200 OK\r\n".to_owned(), "X-Y: 1\r\n".to_owned()),
        (EVENTS.to_owned(), chunk(": life\n")),
    ] {
        let server = dripping(answer, drip);
        let result = soon(|| server.caller().open(&limits(SHORT, LONG), stay()));
        assert_eq!(result.unwrap_err(), answer_timeout);
    }

    let comments = dripping(format!("{EVENTS}{}", event("1")), chunk(": life\n"));
    // As long as comments come, the stream lives; but not when its end is expected.
    let mut stream = stream(comments.caller().open(&limits(LONG, SHORT), leave_after(8)));
    assert_eq!(stream.next(), item("1"));
    let started = Instant::now();
    assert_eq!(soon(|| stream.next()), Err(OciError::Cancelled));
    assert!(started.elapsed() > 2 * SHORT, "{:?}", started.elapsed());
    drop(stream);

    let mut stream = comments.caller().stream();
    assert_eq!(stream.next(), item("1"));
    stream.expect_end_within(SHORT);
    assert_eq!(soon(|| stream.next()), Ok(StreamItem::End));
}

#[test]
fn events_that_mean_nothing_do_not_begin_a_stream() {
    let server = dripping(EVENTS, event("nothing"));
    let result = server.caller().open(&limits(SHORT, LONG), stay());
    let Ok(Answer::Stream(mut stream)) = result else {
        panic!("{result:?}");
    };
    let end = soon(|| {
        loop {
            match stream.next() {
                Ok(StreamItem::Event(_)) => {}
                end => return end,
            }
        }
    });
    let timeout = OciError::Timeout {
        phase: Phase::Answer,
        after: SHORT,
    };
    assert_eq!(end, Err(timeout));
}

#[test]
fn a_silent_stream_times_out_or_ends() {
    let server = Server::silent_after(format!("{EVENTS}{}", event("1")));
    let mut idle = stream(server.caller().open(&limits(LONG, SHORT), stay()));
    assert_eq!(idle.next(), item("1"));
    let timeout = OciError::Timeout {
        phase: Phase::Body,
        after: SHORT,
    };
    assert_eq!(soon(|| idle.next()), Err(timeout.clone()));
    assert_eq!(idle.next(), Err(timeout));
    drop(idle);

    let mut complete = server.caller().stream();
    assert_eq!(complete.next(), item("1"));
    complete.expect_end_within(SHORT);
    assert_eq!(soon(|| complete.next()), Ok(StreamItem::End));
    soon(|| drop(complete));
}

#[test]
fn connecting_has_a_limit_of_its_own() {
    // A TLS client waits for the server's first word.
    let server = Server::start(|_, peer| peer.wait_for_close());
    let tls = Caller::new(&format!("https://{}", server.address), None);
    let timeout = OciError::Timeout {
        phase: Phase::Connect,
        after: tls.client.connect_timeout(),
    };
    assert_eq!(soon(|| tls.failure()), timeout);
    let sooner = OciError::Timeout {
        phase: Phase::Connect,
        after: SHORT,
    };
    let result = soon(|| tls.open(&limits(SHORT, LONG), stay()));
    assert_eq!(result.unwrap_err(), sooner);
    let result = soon(|| tls.open(&limits(LONG, LONG), leave_after(2)));
    assert_eq!(result.unwrap_err(), OciError::Cancelled);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    match Caller::new(&format!("http://{address}"), None).failure() {
        OciError::Unreachable { phase, why } => {
            assert_eq!(phase, Phase::Connect);
            assert!(why.contains("refused"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_read_without_end() {
    let endless = |head: &str, piece: &str| {
        let (head, piece) = (head.to_owned(), piece.repeat(1000));
        Server::start(move |_, peer| {
            peer.request().unwrap();
            peer.send(&head);
            while peer.send(&piece) {}
        })
    };
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{";
    for (server, expected) in [
        (endless("HTTP/1.1 200 OK\r\nX: ", "x"), "not HTTP"),
        (endless("HTTP/1.1 200 OK\r\n", "X: y\r\n"), "not HTTP"),
        (endless("", "HTTP/1.1 102 Processing\r\n\r\n"), "too big"),
        (endless(EVENTS, "0"), "cut off in the body"),
        (endless(events, "data: x"), "over 8388608 bytes"),
        (endless(events, ":xxxxxx"), "over 8388608 bytes"),
        (endless(json, " "), "over 33554432 bytes"),
        (endless(json, "\n"), "over 33554432 bytes"),
        (
            endless("HTTP/1.1 200 OK\r\n\r\n", " \n"),
            "empty answer (no content type)",
        ),
    ] {
        let said = why(server.caller().failure());
        assert!(said.contains(expected), "{said} instead of {expected}");
    }

    let server = endless("HTTP/1.1 500 Oops\r\n\r\n", "message ");
    let OciError::Status(error) = soon(|| server.caller().failure()) else {
        panic!("not a status");
    };
    assert_eq!(error.status, 500);
}

#[test]
fn an_error_whose_body_does_not_come_is_still_that_error() {
    let server = Server::silent_after("HTTP/1.1 503 Oops\r\nContent-Length: 99\r\n\r\n{");
    let result = soon(|| server.caller().open(&limits(LONG, LONG), stay()));
    assert!(
        matches!(&result, Err(OciError::Status(error)) if error.status == 503),
        "{result:?}"
    );
}

#[test]
fn a_thread_makes_one_call_at_a_time() {
    let server = Server::silent_after(format!("{EVENTS}{}", event("1")));
    let caller = server.caller();
    let first = caller.stream();
    let second = caller.failure();
    assert!(
        matches!(&second, OciError::Unreachable { why, .. } if why.contains("another call")),
        "{second:?}"
    );
    drop(first);
    drop(caller.stream());

    // A hook that panics, and one that calls.
    let panics: Hook = Box::new(|| panic!("on purpose"));
    let open = || caller.open(&limits(LONG, LONG), panics);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)).unwrap_err();
    drop(caller.stream());
    let inner = server.caller();
    let calls: Hook = Box::new(move || match inner.call() {
        Err(OciError::Unreachable { .. }) => Flow::Stop,
        other => panic!("{other:?}"),
    });
    let result = caller.open(&limits(LONG, LONG), calls);
    assert_eq!(result.unwrap_err(), OciError::Cancelled);
}
