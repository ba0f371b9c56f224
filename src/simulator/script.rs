//! What a test may have the simulator do instead of answering: statuses, byte-exact streams, and everything that goes
//! wrong on a connection. Knows bytes and connections; never looks at a request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ending::Ending;
use super::reply::{After, Reply};

/// How one chat call is answered.
#[derive(Debug, Clone)]
pub enum Script {
    /// A whole answer with a length. `content-type` is `application/json`, `opc-request-id` and `date` the usual ones, unless
    /// `headers` names them.
    Status {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Step by step, down to the bytes.
    Steps(Vec<Step>),
    /// Plays a recorded event stream: 200, `text/event-stream`, one chunk an event with the simulator's pace between
    /// them, and a clean end. What stands between two blank lines is one event, its bytes unchanged.
    Sse(Vec<u8>),
    /// Waits this long, then gives the answer that it would give without a script.
    DefaultAfter(Duration),
    /// Reads the request and closes the connection without a byte.
    CloseBeforeHead,
    /// Reads the request and says nothing until the peer or the simulator closes.
    HangBeforeHead,
    /// Answers with something that is not HTTP, and closes.
    GarbageHead,
}

/// One step of `Script::Steps`. A script that ends without `CloseCleanly` closes the connection as it stands, so what
/// was sent is a truncated answer. Steps after `CloseCleanly` are still taken: `Cut` there closes a connection whose
/// answer was complete.
#[derive(Debug, Clone)]
pub enum Step {
    /// The head of the answer. `opc-request-id` and `date` are added.
    Head {
        status: u16,
        content_type: String,
        framing: Framing,
    },
    /// One write; with `Framing::Chunked` one chunk. Before a `Head`: raw bytes on the connection.
    Bytes(Vec<u8>),
    /// As `Bytes`, but a write (and a chunk) for every single byte.
    ByteByByte(Vec<u8>),
    /// As `Bytes`, again and again with this pause between, until the peer leaves. With a pause of zero as fast as it reads.
    Endless { bytes: Vec<u8>, pace: Duration },
    /// Sends nothing for a time. The script ends early if the peer leaves.
    Pause(Duration),
    /// Sends nothing until the test opens the gate. The script ends early if the peer leaves.
    WaitFor(Gate),
    /// Sends nothing until the peer or the simulator closes the connection.
    Hang,
    /// The proper end of the answer; the connection stays open for the next request, except with `UntilClose`.
    CloseCleanly,
    /// Leaves out the end of the answer and holds the connection until the peer closes it, as the service was seen to.
    KeepOpen,
    /// Closes the connection at once. std cannot force a reset: the peer sees an end of file, and a reset if it writes.
    Cut,
}

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    /// `Content-Length` in bytes. Nobody checks that the steps send as many.
    Length(usize),
    /// By the end of the connection.
    UntilClose,
}

/// A latch: closed when made, open for good once opened. Clones are the same latch.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Script {
    /// `Status` with a JSON body and no headers of its own.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Status {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

impl Step {
    /// Whether it writes something of the answer itself.
    fn writes(&self) -> bool {
        match self {
            Self::Head { .. } => true,
            Self::Bytes(bytes) | Self::ByteByByte(bytes) | Self::Endless { bytes, .. } => {
                !bytes.is_empty()
            }
            Self::Pause(_)
            | Self::WaitFor(_)
            | Self::Hang
            | Self::CloseCleanly
            | Self::KeepOpen
            | Self::Cut => false,
        }
    }
}

/// What `play` left to do.
pub(super) enum Played {
    Done(After),
    /// The script wants the answer that there would be without it.
    Default,
}

/// Plays a script in answer to one request. An error says that the peer left.
pub(super) fn play(script: &Script, reply: &mut Reply<'_>, pace: Duration) -> io::Result<Played> {
    match script {
        Script::Status {
            status,
            headers,
            body,
        } => reply.whole(*status, headers, body).map(Played::Done),
        Script::Steps(steps) => play_steps(steps, reply).map(Played::Done),
        Script::Sse(bytes) => play_steps(&stream_steps(bytes, pace), reply).map(Played::Done),
        Script::DefaultAfter(latency) => {
            reply.connection.pause(*latency)?;
            Ok(Played::Default)
        }
        Script::CloseBeforeHead => Ok(Played::Done(After::Close)),
        Script::HangBeforeHead => {
            reply.connection.hang();
            Ok(Played::Done(After::Close))
        }
        Script::GarbageHead => {
            reply.is_about_to_end();
            reply
                .connection
                .write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")?;
            Ok(Played::Done(After::Close))
        }
    }
}

/// One chunk of a chunked body. An empty one would be the end of the body, and is left out.
pub(super) fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    chunk
}

/// The end of a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn play_steps(steps: &[Step], reply: &mut Reply<'_>) -> io::Result<After> {
    let mut framing = None;
    let mut ended = false;
    let mut sent = 0;
    let mut send = |reply: &mut Reply<'_>, framing, bytes: &[u8]| {
        sent += bytes.len();
        match framing {
            Some(Framing::Chunked) => reply.connection.write(&chunk(bytes)),
            Some(Framing::Length(_) | Framing::UntilClose) | None => reply.connection.write(bytes),
        }
    };
    let mut ending = Ending::default();
    let last_write = steps.iter().rposition(Step::writes);
    for (number, step) in steps.iter().enumerate() {
        if ending.comes_with_step(step) || last_write == Some(number) {
            reply.is_about_to_end();
        }
        match step {
            Step::Head {
                status,
                content_type,
                framing: chosen,
            } => {
                framing = Some(*chosen);
                let mut headers = vec![("content-type".to_owned(), content_type.clone())];
                headers.push(match chosen {
                    Framing::Chunked => ("transfer-encoding".to_owned(), "chunked".to_owned()),
                    Framing::Length(length) => ("content-length".to_owned(), length.to_string()),
                    Framing::UntilClose => ("connection".to_owned(), "close".to_owned()),
                });
                reply.head(*status, &headers)?;
            }
            Step::Bytes(bytes) => send(reply, framing, bytes)?,
            Step::ByteByByte(bytes) => {
                for byte in bytes {
                    send(reply, framing, &[*byte])?;
                }
            }
            // It ends as the peer leaves: with the error of a write or of a pause.
            Step::Endless { bytes, pace } => loop {
                send(reply, framing, bytes)?;
                reply.connection.pause(*pace)?;
            },
            Step::Pause(pause) => reply.connection.pause(*pause)?,
            Step::WaitFor(gate) => reply.connection.wait_for(gate)?,
            Step::Hang | Step::KeepOpen => {
                reply.connection.hang();
                return Ok(After::Close);
            }
            Step::CloseCleanly => {
                if framing == Some(Framing::Chunked) {
                    reply.connection.write(LAST_CHUNK)?;
                }
                ended = true;
            }
            Step::Cut => return Ok(After::Close),
        }
    }
    match framing {
        Some(Framing::Chunked) if ended => Ok(After::KeepAlive),
        Some(Framing::Length(length)) if ended && sent == length => Ok(After::KeepAlive),
        Some(_) | None => Ok(After::Close),
    }
}

fn stream_steps(bytes: &[u8], pace: Duration) -> Vec<Step> {
    let mut steps = vec![Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    }];
    for event in split_events(bytes) {
        steps.push(Step::Pause(pace));
        steps.push(Step::Bytes(event));
    }
    steps.push(Step::CloseCleanly);
    steps
}

/// Cuts behind every blank line. All bytes are kept.
fn split_events(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut event = Vec::new();
    let mut line_is_empty = true;
    for &byte in bytes {
        event.push(byte);
        if byte == b'\n' {
            if line_is_empty && event.iter().any(|byte| !byte.is_ascii_whitespace()) {
                events.push(std::mem::take(&mut event));
            }
            line_is_empty = true;
        } else if byte != b'\r' {
            line_is_empty = false;
        }
    }
    if !event.is_empty() {
        events.push(event);
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_behind_blank_lines_and_keep_every_byte() {
        let text = ": ping\n\ndata: 1\ndata: 2\r\n\r\ndata: 3";
        let events = split_events(text.as_bytes());
        assert_eq!(
            events,
            [&b": ping\n\n"[..], b"data: 1\ndata: 2\r\n\r\n", b"data: 3"]
        );
    }

    #[test]
    fn an_empty_write_is_never_the_end_of_the_body() {
        assert_eq!(chunk(b""), b"");
        assert_eq!(chunk(b"0123456789abcdef!"), b"11\r\n0123456789abcdef!\r\n");
    }
}
