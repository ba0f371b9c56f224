//! Clients that read too slowly, against an edge that is less patient than the program's: each loses its connection, and
//! who writes to it is free again.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::event_stream::text;
use super::pace::PaceLimits;
use super::{Desk, ListenSettings, Listener};
use crate::openai::render::Event;

/// No wait is longer.
const DEADLINE: Duration = Duration::from_secs(60);
/// What never happens in a test.
const NEVER: Duration = Duration::from_secs(3600);

/// What became of the one who wrote an endless stream: whether the client counts as gone.
struct Edge {
    listener: Arc<Listener>,
    ended: Receiver<bool>,
}

impl Edge {
    fn open(pace: PaceLimits) -> Self {
        let settings = ListenSettings {
            host: "127.0.0.1".to_owned(),
            port: 0,
            max_connections: 10,
            max_request_bytes: 1000,
            max_body_memory: 1000,
            queue_timeout: NEVER,
            drain_delay: Duration::ZERO,
            pace,
        };
        let desk = Desk {
            guard: Box::new(|_| None),
            expired: Box::new(|_| Duration::ZERO),
        };
        let listener = Arc::new(Listener::bind(&settings, desk).unwrap());
        let (sender, ended) = channel();
        let receiving = Arc::clone(&listener);
        thread::spawn(move || {
            while let Some(exchange) = receiving.recv() {
                assert!(exchange.begin());
                let gone = exchange.gone();
                let Ok(mut stream) = exchange.start_stream(&[]) else {
                    continue;
                };
                let event = [Event::data("x".repeat(32 * 1024))];
                while stream.send(&text(&event), Instant::now()).is_ok() {}
                let since = Instant::now();
                while !gone() && since.elapsed() < DEADLINE {
                    thread::yield_now();
                }
                // The receiver may have seen enough.
                let _ = sender.send(gone());
            }
        });
        Self { listener, ended }
    }

    fn ask(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.listener.address()).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client
            .write_all(b"GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        client
    }

    fn assert_writer_is_free(&self) {
        assert_eq!(self.ended.recv_timeout(DEADLINE), Ok(true));
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.listener.close();
        self.listener.stop();
    }
}

fn patient() -> PaceLimits {
    PaceLimits {
        stall: NEVER,
        window: NEVER,
        min_bytes: 0,
        max_age: NEVER,
    }
}

#[test]
fn one_that_reads_nothing_is_cut_off() {
    let edge = Edge::open(PaceLimits {
        stall: Duration::from_millis(200),
        ..patient()
    });
    let _deaf = edge.ask();
    edge.assert_writer_is_free();
}

#[test]
fn one_that_trickles_is_cut_off_though_it_always_reads_a_little() {
    // More than it can ever have read by then: what the sockets on the way hold counts as read.
    let edge = Edge::open(PaceLimits {
        window: Duration::from_millis(300),
        min_bytes: usize::MAX,
        ..patient()
    });
    let mut slow = edge.ask();
    let reading = thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while slow.read(&mut buffer).is_ok_and(|read| read > 0) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    edge.assert_writer_is_free();
    // What was on its way is read to its end.
    reading.join().unwrap();
}

#[test]
fn one_that_reads_well_is_cut_off_only_when_its_answer_is_too_old() {
    let edge = Edge::open(PaceLimits {
        max_age: Duration::from_millis(500),
        ..patient()
    });
    let began = Instant::now();
    let mut good = edge.ask();
    let mut buffer = [0; 64 * 1024];
    while good.read(&mut buffer).is_ok_and(|read| read > 0) {}
    assert!(began.elapsed() >= Duration::from_millis(500));
    edge.assert_writer_is_free();
}
