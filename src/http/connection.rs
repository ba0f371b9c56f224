//! One client connection from accept to close: head, guard, body, hand-over to tiny_http, the wait for the answer, and the
//! next request. Every wait has a limit, and nobody behind the gate ever waits for a client's bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::http::LAST_CALL_TIMEOUT;
use crate::http::body::{Body, OverBudget};
use crate::http::chunked::{self, Malformed};
use crate::http::connections::Place;
use crate::http::gate::{self, Gate};
use crate::http::handover;
use crate::http::head::{self, Framing, Head, Parsed, Version};
use crate::http::pace::Pace;
use crate::http::reply::{self, Asked, Ending, Reply};
use crate::http::shape::Shape;
use crate::http::ticket::Ticket;
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// From the first byte of a head, or from accept, to its last byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two requests on one connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// From the head to the last byte of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// After the last answer: how long and how much of what the client still sends is read and thrown away. Closing a socket
/// with bytes unread, or that bytes come to later, resets the connection, and the client loses what it had not read yet.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// The same while the program stops: long enough for a client that is there.
const SHORT_LINGER_TIMEOUT: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// One `read` from a client, but for the rest of a body, which needs no place between. It is on the stack of each connection's
/// thread, where memory that was used once stays: most requests fit.
const READ_BYTES: usize = 4 * 1024;
/// How far bytes of a next request are read ahead while the answer to this one is under way.
const MAX_READ_AHEAD: usize = 64 * 1024;

/// A client's socket and what was read from it ahead of its use. What has a buffer on the stack is never inlined: the frame of
/// its caller, which lasts as long as the connection, would have them all beside each other.
pub(crate) struct Client<'a> {
    pub(crate) stream: &'a Arc<TcpStream>,
    input: Vec<u8>,
    pace: Pace,
}

/// Why a connection ends without an answer.
#[derive(Debug)]
struct Left;

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Keep,
    /// One more request, if it comes at once.
    LastCall,
    Close,
}

impl Next {
    pub(crate) fn keep_if(keep: bool) -> Self {
        if keep { Self::Keep } else { Self::Close }
    }
}

/// What ends a request before it is handed over.
enum Stop {
    Refuse(ApiError),
    Left,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Refuse(error)
    }
}

impl From<Left> for Stop {
    fn from(_: Left) -> Self {
        Self::Left
    }
}

impl From<OverBudget> for Stop {
    fn from(_: OverBudget) -> Self {
        Self::Refuse(ApiError::body_memory())
    }
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Refuse(ApiError::bad_http("the chunked body is malformed"))
    }
}

/// Serves a connection until one side ends it.
pub(crate) fn serve(gate: &Arc<Gate>, stream: &Arc<TcpStream>, peer: SocketAddr, place: &Place) {
    let mut client = Client {
        stream,
        input: Vec::new(),
        pace: Pace::new(gate.pace),
    };
    let mut wait = HEAD_TIMEOUT;
    let mut is_last = false;
    loop {
        place.idle(Instant::now());
        // What has just come, or was not told of the end with its last answer, may have a request on the way.
        if gate.closing.load(Ordering::Acquire) {
            (wait, is_last) = (wait.min(LAST_CALL_TIMEOUT), true);
        }
        let read = client.read_head(peer, wait, place);
        let (head, framing) = match read {
            Ok(whole) => whole,
            Err(Stop::Left) => return,
            Err(Stop::Refuse(error)) => {
                log::info!(
                    msg = "connection refused", client:% = peer, status = error.status, error = error.message.as_str();
                    "{peer} refused with {}: {}",
                    error.status,
                    error.message
                );
                client.refuse(None, &gate::new_request_id(), &error);
                break;
            }
        };
        match serve_request(gate, &mut client, head, framing, is_last) {
            Next::Keep => wait = IDLE_TIMEOUT,
            Next::LastCall => (wait, is_last) = (LAST_CALL_TIMEOUT, true),
            Next::Close => break,
        }
    }
    client.linger(if gate.closing.load(Ordering::Acquire) {
        SHORT_LINGER_TIMEOUT
    } else {
        LINGER_TIMEOUT
    });
}

/// Serves one request. `is_last`: the connection ends with its answer, which says so.
fn serve_request(
    gate: &Arc<Gate>,
    client: &mut Client<'_>,
    head: Head,
    framing: Framing,
    is_last: bool,
) -> Next {
    client.pace.restart();
    let request_id = gate::new_request_id();
    let body = match client.accept_body(gate, &head, framing) {
        Ok(body) => body,
        Err(Stop::Left) => return Next::Close,
        Err(Stop::Refuse(error)) => {
            log::info!(
                msg = "request refused", request_id:%, client:% = head.peer, method = head.method.as_str(),
                path = head.path.as_str(), status = error.status, error = error.message.as_str();
                "{request_id} {} {} {} refused with {}: {}",
                head.peer,
                head.method,
                head.path,
                error.status,
                error.message
            );
            if framing == Framing::None && head.wants_keep_alive() && !is_last {
                let reply = Reply::error(&error);
                let answered = client.answer(Some(&head), &request_id, &reply, true);
                return Next::keep_if(answered.is_ok());
            }
            client.refuse(Some(&head), &request_id, &error);
            return Next::Close;
        }
    };
    let ticket = Ticket::new(head, body, request_id, Instant::now());
    if is_last {
        ticket.close_after();
    }
    handover::answer(gate, client, &ticket)
}

impl Client<'_> {
    /// Reads the next head, of which the first byte must come within `wait`. A connection that ends or stays silent before
    /// that is no error.
    fn read_head(
        &mut self,
        peer: SocketAddr,
        wait: Duration,
        place: &Place,
    ) -> Result<(Head, Framing), Stop> {
        let mut deadline = Instant::now() + wait;
        let mut begun = false;
        loop {
            if !self.input.is_empty() {
                if !begun {
                    begun = true;
                    place.busy();
                    deadline = Instant::now() + HEAD_TIMEOUT;
                }
                if let Parsed::Whole { head, framing, len } = head::parse(&self.input, peer)? {
                    self.input.drain(..len);
                    return Ok((head, framing));
                }
            }
            match self.read_more(deadline) {
                Ok(0) => return Err(Stop::Left),
                Ok(_) => {}
                Err(error) if is_timeout(&error) && begun => {
                    return Err(ApiError::request_timeout("head").into());
                }
                Err(_) => return Err(Stop::Left),
            }
        }
    }

    /// Asks the guard, then reads the body: a request that will be refused costs no memory.
    fn accept_body(&mut self, gate: &Gate, head: &Head, framing: Framing) -> Result<Body, Stop> {
        if let Some(refusal) = (gate.desk.guard)(head) {
            return Err(refusal.into());
        }
        let too_large = || ApiError::body_too_large(gate.max_request_bytes);
        // RFC 9110 §9.3.1: a body means nothing to these methods. It is read and thrown away, or whoever needs no key for
        // /health could fill the memory of those who have one.
        let is_kept = !matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let mut body = Body::empty(&gate.budget);
        let deadline = Instant::now() + BODY_TIMEOUT;
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= gate.max_request_bytes)
                    .ok_or_else(too_large)?;
                self.invite(head)?;
                let mut left = length;
                while left > 0 {
                    // What has come with the head, and the first bytes behind it: before there are any, nothing is allocated.
                    if !is_kept || body.is_empty() || !self.input.is_empty() {
                        self.fill(deadline)?;
                        let take = self.input.len().min(left);
                        if is_kept {
                            body.extend(self.input.get(..take).unwrap_or_default(), Some(length))?;
                        }
                        self.input.drain(..take);
                        left -= take;
                    } else {
                        left -= self.read_body(&mut body, left, length, deadline)?;
                    }
                }
            }
            Framing::Chunked => {
                self.invite(head)?;
                let mut decoder = chunked::Decoder::new();
                let mut length = 0;
                loop {
                    self.fill(deadline)?;
                    let (taken, progress) = decoder.decode(&self.input, |content| {
                        length += content.len();
                        if length > gate.max_request_bytes {
                            return Err(Stop::from(too_large()));
                        }
                        if is_kept {
                            body.extend(content, None)?;
                        }
                        Ok(())
                    })?;
                    self.input.drain(..taken);
                    if progress == chunked::Progress::Done {
                        break;
                    }
                }
            }
        }
        Ok(body)
    }

    /// Further bytes of a body, at least one, straight to where they stay.
    fn read_body(
        &self,
        body: &mut Body,
        left: usize,
        length: usize,
        deadline: Instant,
    ) -> Result<usize, Stop> {
        let read = body.read(left, length, |space| self.read(space, deadline))?;
        came(read, "body")
    }

    /// `100 Continue`, if the client waits for it with nothing sent yet.
    fn invite(&mut self, head: &Head) -> Result<(), Left> {
        if head.expects_continue() && self.input.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                .map_err(|_| Left)?;
        }
        Ok(())
    }

    /// Makes sure that `input` is not empty.
    fn fill(&mut self, deadline: Instant) -> Result<(), Stop> {
        if !self.input.is_empty() {
            return Ok(());
        }
        came(self.read_more(deadline), "body").map(|_| ())
    }

    #[inline(never)]
    fn read_more(&mut self, deadline: Instant) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let read = self.read(&mut buffer, deadline)?;
        self.input
            .extend_from_slice(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn read(&self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        retry(|| (&mut &**self.stream).read(into))
    }

    /// It has sent so much ahead that no more is read, and whether it is still there shows only when it is written to.
    pub(crate) fn is_ahead(&self) -> bool {
        self.input.len() >= MAX_READ_AHEAD
    }

    /// Looks at the client without waiting, and reads ahead what it sent. `true`: it has left.
    #[inline(never)]
    pub(crate) fn has_left(&mut self) -> bool {
        if self.is_ahead() {
            return false;
        }
        let mut buffer = [0; READ_BYTES];
        match retry(|| read_now(self.stream, &mut buffer)) {
            Ok(0) => true,
            Ok(read) => {
                self.input
                    .extend_from_slice(buffer.get(..read).unwrap_or_default());
                false
            }
            Err(error) => !is_timeout(&error),
        }
    }

    /// Writes a whole piece, to a client that keeps to its pace; of one that does not the error says why.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let offered = Instant::now();
            let written = match retry(|| (&mut &**self.stream).write(bytes)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if is_timeout(&error) => 0,
                Err(error) => return Err(error),
            };
            self.pace.took(written, offered, Instant::now())?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Answers in the gate's own name.
    pub(crate) fn answer(
        &mut self,
        head: Option<&Head>,
        request_id: &RequestId,
        reply: &Reply,
        keep_alive: bool,
    ) -> io::Result<()> {
        // Whose path is not known gets the API's headers: the message reaches a page's script rather than nobody.
        let asked = Asked {
            path: head.map_or("/v1/", |head| &head.path),
            version: head.map_or(Version::Http11, |head| head.version),
            shape: head.map_or(Shape::OpenAi, Shape::of),
            request_id,
            keep_alive,
        };
        let body = asked.shape.body(reply, request_id);
        let ending = Ending::Length(body.len());
        let now = SystemTime::now();
        let mut bytes = reply::head_bytes(asked, reply.status, &reply.headers, ending, now);
        if head.is_none_or(|head| head.method != "HEAD") {
            bytes.extend_from_slice(&body);
        }
        self.write(&bytes)
    }

    /// Answers, and announces the end of the connection.
    pub(crate) fn refuse(&mut self, head: Option<&Head>, request_id: &RequestId, error: &ApiError) {
        // Whoever cannot be told has left.
        let _ = self.answer(head, request_id, &Reply::error(error), false);
    }

    /// Half-closes, and reads on until the client closes too, for a bounded while.
    fn linger(&mut self, timeout: Duration) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + timeout;
        let mut discarded = 0;
        while discarded < LINGER_BYTES {
            self.input.clear();
            match self.read_more(deadline) {
                Ok(0) | Err(_) => return,
                Ok(read) => discarded += read,
            }
        }
    }
}

/// How many bytes of `what` came, at least one.
fn came(read: io::Result<usize>, what: &str) -> Result<usize, Stop> {
    match read {
        Ok(0) => Err(Stop::Left),
        Ok(count) => Ok(count),
        Err(error) if is_timeout(&error) => Err(ApiError::request_timeout(what).into()),
        Err(_) => Err(Stop::Left),
    }
}

/// What is there to be read, without waiting.
#[cfg(unix)]
fn read_now(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(stream, into, rustix::net::RecvFlags::DONTWAIT)?;
    Ok(read)
}

#[cfg(not(unix))]
fn read_now(mut stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let read = stream.read(into);
    stream.set_nonblocking(false)?;
    read
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
