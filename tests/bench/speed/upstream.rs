//! An OCI made for load: it checks nothing, answers after a fixed time, and costs next to nothing. One thread, all connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::poll::{Poll, field, head_length};

/// The token of the port.
const PORT: usize = 0;
/// The longest wait for something to do.
const PATIENCE: Duration = Duration::from_millis(100);

/// What it does with a chat call. Set between two loads.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    latency_us: AtomicU64,
    /// Events of a stream; 0: a whole answer.
    events: AtomicU64,
    gap_us: AtomicU64,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    plan: Arc<Plan>,
}

struct Connection {
    stream: TcpStream,
    /// Of a head that is not whole yet.
    input: Vec<u8>,
    /// Of the body, still to come.
    left: Option<usize>,
    is_chat: bool,
    /// Of the OpenAI-compatible API: what is asked in OpenAI's words is answered in them.
    is_openai: bool,
}

/// The next piece of an answer.
type Due = Reverse<(Instant, usize, u64)>;

struct Server {
    poll: Poll,
    port: TcpListener,
    plan: Arc<Plan>,
    /// By their token. A token is not used twice: what is due for a connection that ended finds nothing.
    connections: Vec<Option<Connection>>,
    due: BinaryHeap<Due>,
    epoch: Instant,
    whole: Vec<u8>,
    whole_openai: Vec<u8>,
}

impl Upstream {
    /// `epoch`: from when on the times in the events count, as [`stamp`] has them.
    pub(crate) fn start(epoch: Instant) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        port.set_nonblocking(true).unwrap();
        let address = port.local_addr().unwrap();
        let plan = Arc::<Plan>::default();
        let poll = Poll::new();
        poll.add(&port, PORT);
        let mut server = Server {
            poll,
            port,
            plan: Arc::clone(&plan),
            connections: vec![None::<Connection>],
            due: BinaryHeap::new(),
            epoch,
            whole: answer("application/json", whole_body().as_bytes()),
            whole_openai: answer("application/json", whole_openai_body().as_bytes()),
        };
        thread::spawn(move || server.run());
        Self { address, plan }
    }

    /// From now on: whole answers after this time.
    pub(crate) fn answer_after(&self, latency: Duration) {
        self.plan.set(latency, 0, Duration::ZERO);
    }

    /// From now on: streams of so many events, one after each gap; the first one at once.
    pub(crate) fn stream(&self, events: u64, gap: Duration) {
        self.plan.set(Duration::ZERO, events, gap);
    }
}

impl Plan {
    fn set(&self, latency: Duration, events: u64, gap: Duration) {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        self.latency_us.store(us(latency), Ordering::Relaxed);
        self.gap_us.store(us(gap), Ordering::Relaxed);
        self.events.store(events, Ordering::Relaxed);
    }
}

impl Server {
    fn run(&mut self) {
        loop {
            let next = self.due.peek().map(|Reverse((at, _, _))| *at);
            let patience = next.map_or(PATIENCE, |at| {
                at.saturating_duration_since(Instant::now()).min(PATIENCE)
            });
            for token in self.poll.wait(patience) {
                if token == PORT {
                    self.accept();
                } else {
                    self.hear(token);
                }
            }
            let now = Instant::now();
            while let Some(Reverse((at, token, step))) = self.due.peek().copied()
                && at <= now
            {
                self.due.pop();
                self.say(token, step, at);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.port.accept() {
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            self.poll.add(&stream, self.connections.len());
            self.connections.push(Some(Connection {
                stream,
                input: Vec::new(),
                left: None,
                is_chat: false,
                is_openai: false,
            }));
        }
    }

    fn hear(&mut self, token: usize) {
        let Some(connection) = &mut self.connections[token] else {
            return;
        };
        let Connection {
            stream,
            input,
            left,
            is_chat,
            is_openai,
        } = connection;
        let is_open = self.poll.read(stream, |bytes| match left {
            Some(left) => *left = left.saturating_sub(bytes.len()),
            None => {
                input.extend_from_slice(bytes);
                if let Some(length) = head_length(input) {
                    let head = std::str::from_utf8(&input[..length]).unwrap();
                    *is_chat = head.starts_with("POST ");
                    *is_openai = head.starts_with(OPENAI);
                    let body = field(head, "content-length").map_or(0, |n| n.parse().unwrap());
                    *left = Some((length + body).saturating_sub(input.len()));
                    input.clear();
                }
            }
        });
        if !is_open {
            self.connections[token] = None;
            return;
        }
        if *left == Some(0) {
            *left = None;
            let latency = self.plan.latency_us.load(Ordering::Relaxed);
            let now = Instant::now();
            if *is_chat && latency > 0 {
                let at = now + Duration::from_micros(latency);
                self.due.push(Reverse((at, token, 0)));
            } else {
                self.say(token, 0, now);
            }
        }
    }

    /// `step`: of a stream the number of the event.
    fn say(&mut self, token: usize, step: u64, at: Instant) {
        let events = self.plan.events.load(Ordering::Relaxed);
        let Some(connection) = &self.connections[token] else {
            return;
        };
        let written = if !connection.is_chat {
            // A list of a health check.
            (&connection.stream).write_all(&answer("application/json", br#"{"items":[]}"#))
        } else if events == 0 {
            let whole = if connection.is_openai {
                &self.whole_openai
            } else {
                &self.whole
            };
            (&connection.stream).write_all(whole)
        } else {
            let mut piece = Vec::new();
            if step == 0 {
                piece.extend_from_slice(STREAM_HEAD);
            }
            let is_last = step + 1 == events;
            let event = if connection.is_openai {
                openai_event_at(self.epoch, is_last)
            } else {
                event_at(self.epoch, is_last)
            };
            write!(piece, "{:x}\r\n{event}\r\n", event.len()).unwrap();
            if step + 1 == events {
                piece.extend_from_slice(b"0\r\n\r\n");
            } else {
                let gap = Duration::from_micros(self.plan.gap_us.load(Ordering::Relaxed));
                self.due.push(Reverse((at + gap, token, step + 1)));
            }
            (&connection.stream).write_all(&piece)
        };
        if written.is_err() {
            self.connections[token] = None;
        }
    }
}

/// What a request begins with of a program that is set to `upstream_api = openai`.
const OPENAI: &str = "POST /20231130/actions/v1/chat/completions ";

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn answer(content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nopc-request-id: 0123456789ABCDEF0123456789ABCDEF\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What a whole answer says, in OCI's words; a client that gets it through a proxy finds the text in it.
pub(crate) const TEXT: &str = "Many hands make light work, and some of them are ours.";

pub(crate) fn whole_body() -> String {
    let text = [TEXT; 6].join(" ");
    format!(
        r#"{{"modelId":"xai.grok-4.3","modelVersion":"1.0.0","chatResponse":{{"apiFormat":"GENERIC","timeCreated":"2026-11-26T10:00:00.000Z","choices":[{{"index":0,"message":{{"role":"ASSISTANT","content":[{{"type":"TEXT","text":"{text}"}}]}},"finishReason":"stop"}}],"usage":{{"completionTokens":78,"promptTokens":412,"totalTokens":490}}}}}}"#
    )
}

/// The same in OpenAI's words.
fn whole_openai_body() -> String {
    let text = [TEXT; 6].join(" ");
    format!(
        r#"{{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1795687200,"model":"xai.grok-4.3","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":412,"completion_tokens":78,"total_tokens":490}}}}"#
    )
}

/// See [`event_at`].
fn openai_event_at(epoch: Instant, is_last: bool) -> String {
    let stamp = epoch.elapsed().as_nanos();
    let (reason, usage, done) = if is_last {
        let usage = r#","usage":{"prompt_tokens":412,"completion_tokens":50,"total_tokens":462}"#;
        (r#""stop""#, usage, "data: [DONE]\n\n")
    } else {
        ("null", "", "")
    };
    format!(
        "data: {{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1795687200,\
         \"model\":\"xai.grok-4.3\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" t={stamp};\"}},\
         \"finish_reason\":{reason}}}]{usage}}}\n\n{done}"
    )
}

/// An event with the moment of its sending in its text.
fn event_at(epoch: Instant, is_last: bool) -> String {
    let content = format!(
        r#"[{{"type":"TEXT","text":" t={};"}}]"#,
        epoch.elapsed().as_nanos()
    );
    let ending = if is_last {
        r#","finishReason":"stop","usage":{"completionTokens":50,"promptTokens":412,"totalTokens":462}"#
    } else {
        ""
    };
    format!(
        "data: {{\"index\":0,\"message\":{{\"role\":\"ASSISTANT\",\"content\":{content}}},\"pad\":\"aaaaaaaaaaaa\"{ending}}}\n\n"
    )
}

/// The moments of sending in these bytes, as nanoseconds since the epoch, and how far the bytes were understood.
pub(crate) fn stamps(bytes: &[u8]) -> (Vec<u64>, usize) {
    let (mut stamps, mut at) = (Vec::new(), 0);
    while let Some(found) = bytes[at..].windows(2).position(|two| two == b"t=") {
        let digits = &bytes[at + found + 2..];
        let Some(end) = digits.iter().position(|byte| !byte.is_ascii_digit()) else {
            return (stamps, at + found);
        };
        if digits[end] == b';' {
            let number = std::str::from_utf8(&digits[..end]).unwrap();
            stamps.push(number.parse().unwrap());
        }
        at += found + 2 + end;
    }
    // A `t` at the end may be the beginning of the next one.
    (stamps, bytes.len() - usize::from(bytes.ends_with(b"t")))
}
