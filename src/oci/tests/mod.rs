//! The edge against small servers on loopback that misbehave in one way each. A test waits on what it expects, with a
//! deadline far above what the expectation needs, and measures only that a wait was bounded at all.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod answers;
mod bounds;
mod clocks;
mod pool;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::exchange::{Base, Sent};
use super::signer::Signed;
use super::{Answer, CallLimits, ChatStream, Client, ClientSettings, Flow, Hook, StreamItem, chat};
use crate::names::RequestId;
use crate::oci::error::OciError;

/// What a bounded wait must stay under; the limits that the tests set are far shorter.
const SOON: Duration = Duration::from_secs(5);

/// What the servers do not outlive, should a test hang.
const SERVER_PATIENCE: Duration = Duration::from_secs(20);

/// A limit that no passing test reaches.
const LONG: Duration = Duration::from_secs(60);

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    opc-request-id: from-oci\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One event as one chunk.
fn event(payload: &str) -> String {
    chunk(&format!("data: {payload}\n\n"))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

const LAST_CHUNK: &str = "0\r\n\r\n";

fn whole(content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const RESULT: &str = r#"{"modelId":"m","modelVersion":"1.0.0","chatResponse":{"apiFormat":"GENERIC",
    "timeCreated":"2026-09-18T19:22:24.776Z","choices":[{"index":0,"finishReason":"stop",
    "message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"Hello"}],"toolCalls":[]}}],
    "usage":{"completionTokens":8,"promptTokens":45,"totalTokens":53}}}"#;

/// Hands every connection to a thread of its own.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// `serve` gets the number of the connection, from 0. The connection is closed when it returns.
    fn start(serve: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (serve, count) = (Arc::new(serve), Arc::clone(&accepted));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(SERVER_PATIENCE)).unwrap();
                stream.set_write_timeout(Some(SERVER_PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(number, &mut Peer { stream }));
            }
        });
        Self { address, accepted }
    }

    /// Answers every request on every connection with these bytes.
    fn always(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |_, peer| {
            while peer.request().is_some() {
                peer.send(&answer);
            }
        })
    }

    /// Answers one request with these bytes and keeps the connection open, in silence.
    fn silent_after(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |_, peer| {
            peer.request().unwrap();
            peer.send(&answer);
            peer.wait_for_close();
        })
    }

    /// Answers one request with these bytes and closes.
    fn closing_after(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |_, peer| {
            peer.request().unwrap();
            peer.send(&answer);
        })
    }

    fn caller(&self) -> Caller {
        Caller::new(&format!("http://{}", self.address), None)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The server's side of a connection.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Head and body of the next request; `None` when the other side closed.
    fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((head, body))
    }

    /// A client that has gone is no surprise.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    fn wait_for_close(&mut self) {
        let mut bytes = [0; 1024];
        while matches!(self.stream.read(&mut bytes), Ok(count) if count > 0) {}
    }

    fn end_writing(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

struct Caller {
    client: Client,
    base: Base,
    body: Vec<u8>,
    signatures: AtomicUsize,
}

impl Caller {
    fn new(endpoint: &str, proxy: Option<ureq::Proxy>) -> Self {
        let settings = ClientSettings {
            connect_timeout: Duration::from_millis(500),
            pool_size: 8,
        };
        Self {
            client: Client::with_proxy(&settings, proxy),
            base: Base::parse(endpoint).unwrap(),
            body: b"{\"compartmentId\":\"c\"}".to_vec(),
            signatures: AtomicUsize::new(0),
        }
    }

    fn open(&self, limits: &CallLimits, hook: Hook) -> Result<Answer, OciError> {
        let target = self.base.target(super::CHAT);
        let sent = Sent {
            base: &self.base,
            target: &target,
            body: Some(&self.body),
            compartment_id: None,
            compartment_headers: &[],
            request_id: &limits.request_id,
            sign: &|date| {
                self.signatures.fetch_add(1, Ordering::SeqCst);
                Signed {
                    date: httpdate::fmt_http_date(date),
                    authorization: "Signature version=\"1\"".to_owned(),
                    content_sha256: Some("hash".to_owned()),
                }
            },
        };
        chat(&self.client, &sent, limits, hook)
    }

    /// With limits that are not reached, by a client that stays.
    fn call(&self) -> Result<Answer, OciError> {
        self.open(&limits(LONG, LONG), stay())
    }

    fn stream(&self) -> ChatStream {
        stream(self.call())
    }

    /// How a call fails.
    fn failure(&self) -> OciError {
        self.call().unwrap_err()
    }
}

fn limits(first_event: Duration, idle: Duration) -> CallLimits {
    CallLimits {
        first_event_by: Instant::now() + first_event,
        first_event_timeout: first_event,
        idle,
        request_id: RequestId::from_random([7; 16]),
    }
}

fn stay() -> Hook {
    Box::new(|| Flow::Continue)
}

/// An open stream whose first event means something.
fn stream(answer: Result<Answer, OciError>) -> ChatStream {
    match answer.unwrap() {
        Answer::Stream(mut stream) => {
            stream.begun();
            stream
        }
        Answer::Whole(whole) => panic!("not a stream: {whole:?}"),
    }
}

fn item(payload: &str) -> Result<StreamItem, OciError> {
    Ok(StreamItem::Event(payload.to_owned()))
}

fn why(error: OciError) -> String {
    match error {
        OciError::Broken { why } => why,
        other => panic!("not broken but {other:?}"),
    }
}

/// Runs something that must not take long.
fn soon<T>(act: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = act();
    let took = started.elapsed();
    assert!(took < SOON, "took {took:?}");
    result
}
