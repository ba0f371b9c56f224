//! Connections are used again, and one that was closed meanwhile costs nobody a call.

use std::sync::{Barrier, mpsc};

use super::*;
use crate::oci::error::Phase;

fn done() -> String {
    format!("{EVENTS}{}{}", event("1"), event("[DONE]"))
}

/// Reads a stream of one event to its end.
fn read(caller: &Caller) -> ChatStream {
    let mut stream = caller.stream();
    assert_eq!(stream.next(), item("1"));
    assert_eq!(stream.next(), Ok(StreamItem::End));
    stream
}

#[test]
fn a_drained_stream_gives_its_connection_back() {
    let server = Server::always(format!("{}{LAST_CHUNK}", done()));
    let caller = server.caller();
    for _ in 0..3 {
        read(&caller).drain(SOON);
    }
    assert_eq!(server.accepted(), 1);
}

#[test]
fn whole_answers_and_errors_give_their_connections_back() {
    let bad = "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    for answer in [whole("application/json", RESULT), bad.to_owned()] {
        let server = Server::always(answer);
        let caller = server.caller();
        for _ in 0..3 {
            drop(caller.call());
        }
        assert_eq!(server.accepted(), 1);
    }
}

#[test]
fn draining_has_a_limit_and_dropping_does_not_wait() {
    let server = Server::silent_after(done());
    let caller = server.caller();
    let stream = read(&caller);
    soon(|| stream.drain(Duration::from_millis(100)));
    let stream = read(&caller);
    soon(|| stream.drain(Duration::ZERO));
    let stream = read(&caller);
    soon(|| drop(stream));
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_stream_dropped_early_closes_its_connection() {
    let server = Server::always(format!("{}{LAST_CHUNK}", done()));
    let caller = server.caller();
    drop(caller.stream());
    drop(caller.stream());
    assert_eq!(server.accepted(), 2);
}

/// Answers the first request of each connection; what happens to the second is up to `then`.
fn once_each(then: impl Fn(&mut Peer) + Send + Sync + 'static) -> Server {
    Server::start(move |_, peer| {
        peer.request().unwrap();
        peer.send(whole("application/json", RESULT));
        if peer.request().is_some() {
            then(peer);
        }
    })
}

#[test]
fn a_pooled_connection_that_was_closed_is_replaced() {
    let server = once_each(|_| {});
    let caller = server.caller();
    caller.call().unwrap();
    assert_eq!(server.accepted(), 1);
    caller.call().unwrap();
    assert_eq!(server.accepted(), 2);
    // Signed anew for the second try.
    assert_eq!(caller.signatures.load(Ordering::SeqCst), 3);
}

#[test]
fn a_pooled_connection_that_is_not_silent_is_not_used() {
    type Misdeed = fn(&mut Peer);
    let misdeeds: [Misdeed; 2] = [Peer::end_writing, |peer| {
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
    }];
    for misdeed in misdeeds {
        let (misdone, seen) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let gate = parking_lot::Mutex::new(gate);
        let server = Server::start(move |number, peer| {
            peer.request().unwrap();
            peer.send(whole("application/json", RESULT));
            if number == 0 {
                // Only once the client has the answer, and its connection back.
                gate.lock().recv_timeout(SERVER_PATIENCE).unwrap();
                misdeed(peer);
                misdone.send(()).unwrap();
            }
            peer.wait_for_close();
        });
        let caller = server.caller();
        caller.call().unwrap();
        go.send(()).unwrap();
        seen.recv_timeout(SOON).unwrap();
        caller.call().unwrap();
        // Not even tried.
        assert_eq!(caller.signatures.load(Ordering::SeqCst), 2);
        assert_eq!(server.accepted(), 2);
    }
}

#[test]
fn a_request_that_got_part_of_an_answer_is_not_repeated() {
    let server = once_each(|peer| {
        peer.send("HTTP/1.1 200");
    });
    let caller = server.caller();
    caller.call().unwrap();
    assert!(why(caller.failure()).starts_with("cut off in the head"));
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_fresh_connection_that_is_closed_is_an_error() {
    let server = Server::closing_after("");
    match server.caller().failure() {
        OciError::Unreachable { phase, why } => {
            assert_eq!(phase, Phase::Answer);
            assert_eq!(why, "the connection was closed");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.accepted(), 1);
}

#[test]
fn tries_on_closed_connections_are_few() {
    const CONNECTIONS: usize = 6;
    let all_here = Arc::new(Barrier::new(CONNECTIONS));
    let seconds = Arc::new(AtomicUsize::new(0));
    let (here, counted) = (Arc::clone(&all_here), Arc::clone(&seconds));
    let server = Server::start(move |_, peer| {
        peer.request().unwrap();
        here.wait();
        peer.send(whole("application/json", RESULT));
        if peer.request().is_some() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let caller = server.caller();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| drop(caller.call().unwrap()));
        }
    });
    assert_eq!(server.accepted(), CONNECTIONS);
    assert!(matches!(caller.failure(), OciError::Unreachable { .. }));
    assert_eq!(seconds.load(Ordering::SeqCst), 4);
    assert_eq!(server.accepted(), CONNECTIONS);
}

#[test]
fn a_proxy_leads_to_names_it_alone_can_resolve() {
    let proxy = Server::start(|_, peer| {
        let (head, _) = peer.request().unwrap();
        assert!(head.starts_with("CONNECT inference.invalid:80 "), "{head}");
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while let Some((head, _)) = peer.request() {
            assert_eq!(header(&head, "host"), Some("inference.invalid"));
            peer.send(whole("application/json", RESULT));
        }
    });
    let through = |endpoint: &str| {
        let address = ureq::Proxy::new(&format!("http://{}", proxy.address)).unwrap();
        Caller::new(endpoint, Some(address))
    };
    let caller = through("http://inference.invalid");
    caller.call().unwrap();
    caller.call().unwrap();
    assert_eq!(proxy.accepted(), 1);

    // An endpoint on this machine is reached without it.
    let server = Server::always(whole("application/json", RESULT));
    let caller = through(&format!("http://{}", server.address));
    caller.call().unwrap();
    assert_eq!((server.accepted(), proxy.accepted()), (1, 1));
}
