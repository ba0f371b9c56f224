//! One connection of the simulator: reads HTTP/1.1 requests from a socket, writes bytes, waits, and notices when the
//! peer leaves while it waits. Never knows what a request asks for. Follows RFC 9112, of which it takes only what an
//! OCI client sends: a body must come with a length.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::script::Gate;

/// Bytes of a request line with its headers; a longer head is answered 431.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a request body; a longer one is answered 413.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Headers of one request.
const MAX_HEADERS: usize = 100;
/// Bytes that a peer may send ahead while it waits for an answer. Clients of OCI do not pipeline.
const MAX_AHEAD_BYTES: usize = 64 * 1024;
/// The longest silence within a request or between two.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long one write may block on a peer that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest pause of a script, so that a deadline never overflows.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// How often a closed gate is looked at.
const GATE_TICK: Duration = Duration::from_millis(5);
/// After a refusal of an unread body: how long, and how many bytes, are still taken. Closing at once would reset the
/// connection, and the peer could lose the answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 2 * MAX_BODY_BYTES;
const READ_BYTES: usize = 16 * 1024;

pub(super) struct Connection {
    stream: TcpStream,
    /// Bytes read and not yet used.
    inbox: Vec<u8>,
}

/// One request with its whole body. Header names are in lower case, values as sent.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

/// What came in next.
pub(super) enum Incoming {
    Request(Request),
    /// Not a request that the simulator takes: answer with this status, then `close_after_refusal`.
    Refused {
        status: u16,
        why: &'static str,
    },
    /// The peer is done.
    Closed,
}

/// A request's head, and what it says about its body.
struct Head {
    request: Request,
    bytes: usize,
    body: Result<usize, (u16, &'static str)>,
    expects_continue: bool,
}

enum Parsed {
    Head(Box<Head>),
    Partial,
    Bad,
}

impl Request {
    /// The first value of a header; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?; // every write is a packet: that is how the service streams
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self {
            stream,
            inbox: Vec::new(),
        })
    }

    pub(super) fn read_request(&mut self) -> io::Result<Incoming> {
        let head = loop {
            match parse_head(&self.inbox) {
                Parsed::Head(head) => break *head,
                Parsed::Bad => return Ok(refused(400, "the request's head is not HTTP/1.1")),
                Parsed::Partial if self.inbox.len() >= MAX_HEAD_BYTES => {
                    return Ok(refused(431, "the request's head is too long"));
                }
                Parsed::Partial => {
                    if self.fill(IDLE_TIMEOUT)? == 0 {
                        return Ok(Incoming::Closed);
                    }
                }
            }
        };
        self.inbox.drain(..head.bytes);
        let length = match head.body {
            Ok(length) => length,
            Err((status, why)) => return Ok(refused(status, why)),
        };
        if head.expects_continue && self.inbox.len() < length {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.inbox.len() < length {
            if self.fill(IDLE_TIMEOUT)? == 0 {
                return Ok(Incoming::Closed);
            }
        }
        let rest = self.inbox.split_off(length);
        let body = std::mem::replace(&mut self.inbox, rest);
        Ok(Incoming::Request(Request {
            body,
            ..head.request
        }))
    }

    /// Writes all of it at once; the socket has no delay of its own.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits. An error says that the peer left, or that the simulator stops, which closes the socket.
    pub(super) fn pause(&mut self, pause: Duration) -> io::Result<()> {
        let until = Instant::now() + pause.min(MAX_PAUSE);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            match self.fill(left) {
                Ok(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Ok(_) if self.inbox.len() > MAX_AHEAD_BYTES => {
                    return Err(io::Error::other("the peer sends ahead without end"));
                }
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the gate is open. An error as of `pause`.
    pub(super) fn wait_for(&mut self, gate: &Gate) -> io::Result<()> {
        while !gate.is_open() {
            self.pause(GATE_TICK)?;
        }
        Ok(())
    }

    /// Waits until the peer leaves or the simulator stops.
    pub(super) fn hang(&mut self) {
        while self.pause(MAX_PAUSE).is_ok() {}
    }

    /// Closes both directions now. std cannot force a reset: the peer sees the end of the stream, and a reset only when
    /// it sends more.
    pub(super) fn close(&mut self) {
        // It may be closed already, by the peer or by the simulator's end.
        drop(self.stream.shutdown(Shutdown::Both));
    }

    /// Closes after an answer to a request of which not everything was read.
    pub(super) fn close_after_refusal(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
        let until = Instant::now() + LINGER_TIMEOUT;
        let mut taken = 0;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.inbox.clear();
            if left.is_zero() || taken > LINGER_BYTES {
                break;
            }
            match self.fill(left) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => taken += bytes,
            }
        }
        self.close();
    }

    /// Reads what there is into the inbox, and waits for it. `Ok(0)` is the end of what the peer sends.
    fn fill(&mut self, timeout: Duration) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(timeout))?;
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(bytes) => {
                    self.inbox.extend(buffer.iter().take(bytes));
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The first value of a header; `name` in lower case.
pub(super) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(known, _)| known == name)?;
    Some(value)
}

fn refused(status: u16, why: &'static str) -> Incoming {
    Incoming::Refused { status, why }
}

/// What a read says when its time is over; the kind differs between systems.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn parse_head(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let end = match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Bad,
    };
    let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version)
    else {
        return Parsed::Bad;
    };
    let mut headers = Vec::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let Ok(value) = std::str::from_utf8(header.value) else {
            return Parsed::Bad;
        };
        headers.push((header.name.to_ascii_lowercase(), value.to_owned()));
    }
    let body = body_length(method, &headers);
    let has = |name: &str, word: &str| {
        find(&headers, name).is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    let (keep_alive, expects_continue) =
        (!has("connection", "close"), has("expect", "100-continue"));
    let (method, target) = (method.to_owned(), target.to_owned());
    let request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
        keep_alive,
    };
    Parsed::Head(Box::new(Head {
        request,
        bytes: end,
        body,
        expects_continue,
    }))
}

/// Bytes of the body, or how to refuse it.
fn body_length(method: &str, headers: &[(String, String)]) -> Result<usize, (u16, &'static str)> {
    let mut lengths = headers.iter().filter(|(name, _)| name == "content-length");
    if find(headers, "transfer-encoding").is_some() {
        return Err((
            411,
            "the body must have a Content-Length: a chunked one cannot be signed",
        ));
    }
    let Some((_, length)) = lengths.next() else {
        return match method {
            "POST" | "PUT" | "PATCH" => Err((411, "Content-Length is missing")),
            _ => Ok(0),
        };
    };
    if lengths.next().is_some() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((400, "Content-Length must be one number"));
    }
    match length.parse() {
        Ok(length) if length <= MAX_BODY_BYTES => Ok(length),
        _ if length.is_empty() => Err((400, "Content-Length must be one number")),
        _ => Err((413, "the body is too large")),
    }
}
