//! A client of one proxy that keeps its connection and times its requests. Whatever goes wrong is a result and no panic.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::KEY;

/// No answer takes longer; one that does is an error.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Words of an answer.
const MAX_TOKENS: u32 = 12;
const CHAT: &str = "/v1/chat/completions";
const RESET: &str = "/admin/circuit-breaker/reset";

/// Which answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Streamed,
}

/// What became of a chat request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// None if no head came.
    pub(crate) request_id: Option<String>,
    /// From the first byte of the request to the end of a whole answer, or to the first event of a stream.
    pub(crate) took: Duration,
    /// Why it is no good answer.
    pub(crate) error: Option<String>,
}

/// A client with at most one connection.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer as far as it came.
struct Received {
    status: u16,
    request_id: Option<String>,
    is_chunked: bool,
    length: usize,
    closes: bool,
    first_byte: Option<Instant>,
    body: Vec<u8>,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Whole, Self::Streamed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Streamed => "streamed",
        }
    }

    /// The content type in which OCI gives this kind of answer.
    pub(crate) fn upstream_content_type(self) -> &'static str {
        match self {
            Self::Whole => "application/json",
            Self::Streamed => "text/event-stream",
        }
    }

    fn request(self) -> String {
        json!({
            "model": "grok",
            "messages": [{"role": "user", "content": "How does one account stand in for another?"}],
            "max_tokens": MAX_TOKENS,
            "stream": self == Self::Streamed,
        })
        .to_string()
    }

    fn is_complete(self, body: &[u8]) -> bool {
        match self {
            Self::Whole => serde_json::from_slice::<Value>(body)
                .is_ok_and(|answer| answer["choices"][0]["message"]["content"].is_string()),
            Self::Streamed => body.ends_with(b"data: [DONE]\n\n"),
        }
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// One chat request.
    pub(crate) fn chat(&mut self, kind: Kind) -> Answer {
        let begun = Instant::now();
        let mut received = match self.begin(CHAT, &kind.request()) {
            Ok(received) => received,
            Err(error) => {
                return Answer {
                    request_id: None,
                    took: begun.elapsed(),
                    error: Some(format!("no answer: {error}")),
                };
            }
        };
        let ended = self.finish(&mut received);
        let end = Instant::now();
        let error = match ended {
            Err(error) => Some(format!("a broken answer: {error}")),
            Ok(()) if received.status != 200 => Some(told(&received)),
            Ok(()) if !kind.is_complete(&received.body) => {
                Some(format!("ends with {:?}", tail(&received.body)))
            }
            Ok(()) => None,
        };
        let until = match kind {
            Kind::Streamed if error.is_none() => received.first_byte.unwrap_or(end),
            Kind::Whole | Kind::Streamed => end,
        };
        Answer {
            request_id: received.request_id,
            took: until.duration_since(begun),
            error,
        }
    }

    /// Makes the proxy forget what it holds against its accounts.
    pub(crate) fn reset(&mut self) {
        let mut received = self.begin(RESET, "").unwrap();
        self.finish(&mut received).unwrap();
        assert_eq!(received.status, 200, "{}", told(&received));
    }

    /// Sends a request and reads the head of its answer.
    fn begin(&mut self, path: &str, body: &str) -> io::Result<Received> {
        let begun = self.try_begin(path, body);
        if begun.is_err() {
            self.connection = None;
        }
        begun
    }

    fn try_begin(&mut self, path: &str, body: &str) -> io::Result<Received> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(READ_TIMEOUT))?;
            stream.set_write_timeout(Some(READ_TIMEOUT))?;
            stream.set_nodelay(true)?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes())?;
        read_head(connection)
    }

    /// Reads the body. A connection that cannot be used again is closed.
    fn finish(&mut self, received: &mut Received) -> io::Result<()> {
        let connection = self.connection.as_mut().unwrap();
        let read = read_body(connection, received);
        if read.is_err() || received.closes {
            self.connection = None;
        }
        read
    }
}

fn read_head(connection: &mut BufReader<TcpStream>) -> io::Result<Received> {
    let status_line = read_line(connection)?;
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    let mut received = Received {
        status: status.parse().map_err(io::Error::other)?,
        request_id: None,
        is_chunked: false,
        length: 0,
        closes: false,
        first_byte: None,
        body: Vec::new(),
    };
    loop {
        let line = read_line(connection)?;
        let Some((name, value)) = line.split_once(": ") else {
            return Ok(received);
        };
        match name.to_ascii_lowercase().as_str() {
            "x-request-id" => received.request_id = Some(value.to_owned()),
            "transfer-encoding" => received.is_chunked = value == "chunked",
            "content-length" => received.length = value.parse().map_err(io::Error::other)?,
            "connection" => received.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
}

fn read_body(connection: &mut BufReader<TcpStream>, received: &mut Received) -> io::Result<()> {
    if !received.is_chunked {
        return read_part(connection, received, received.length);
    }
    loop {
        let size = read_line(connection)?;
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        read_part(connection, received, size)?;
        read_line(connection)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_part(
    connection: &mut BufReader<TcpStream>,
    received: &mut Received,
    size: usize,
) -> io::Result<()> {
    let from = received.body.len();
    received.body.resize(from + size, 0);
    connection.read_exact(&mut received.body[from..])?;
    received.first_byte.get_or_insert_with(Instant::now);
    Ok(())
}

/// A line without its end. The end of the connection is an error.
fn read_line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

/// The last line that says anything.
fn tail(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

/// An answer with an error, in short.
fn told(received: &Received) -> String {
    let json: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    format!(
        "{} {}: {}",
        received.status, json["error"]["code"], json["error"]["message"]
    )
}
