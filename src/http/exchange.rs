//! One request as the rest of the program sees it, and the way to answer it. It takes tiny_http's writer at once and
//! writes every answer itself, head and all: one path for short answers and streams, one `write` a piece.
//! Dropped without an answer (a panic) it writes a 500 if nothing was committed, and never a last chunk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use crate::http::body::Body;
use crate::http::event_stream::{EventStream, Writer};
use crate::http::head::{Head, Version};
use crate::http::reply::{self, Asked, Ending, Reply};
use crate::http::shape::Shape;
use crate::http::ticket::{Place, Ticket};
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// A longer body is written behind its head: a copy of it would be more than a second write.
const ONE_PIECE_BYTES: usize = 256 * 1024;

/// A request that waits for its answer.
pub(crate) struct Exchange {
    ticket: Arc<Ticket>,
    /// Taken by the answer.
    writer: Option<Writer>,
    closing: Arc<AtomicBool>,
}

impl Exchange {
    pub(crate) fn new(ticket: Arc<Ticket>, writer: Writer, closing: Arc<AtomicBool>) -> Self {
        Self {
            ticket,
            writer: Some(writer),
            closing,
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.ticket.head
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.ticket.request_id
    }

    /// When the request was whole at the gate.
    pub(crate) fn arrived(&self) -> Instant {
        self.ticket.arrived
    }

    /// The body, the first time; afterwards nothing.
    pub(crate) fn take_body(&self) -> Option<Body> {
        self.ticket.take_body()
    }

    /// Whether it still waits: its client is there and its time is not up.
    pub(crate) fn is_queued(&self) -> bool {
        self.ticket.is_queued()
    }

    /// Keeps a place in a queue for as long as it waits there.
    pub(crate) fn hold(&self, place: Place) {
        self.ticket.hold(place);
    }

    /// Takes it for answering. `false`: the client left or the gate has answered; drop it.
    pub(crate) fn begin(&self) -> bool {
        self.ticket.begin()
    }

    /// What to ask, from any place, whether the client has left.
    pub(crate) fn gone(&self) -> impl Fn() -> bool + Send + use<> {
        let ticket = Arc::clone(&self.ticket);
        move || ticket.is_gone()
    }

    /// Writes a short answer. An error only says that the client left: there is nobody to tell.
    pub(crate) fn respond(mut self, reply: &Reply) {
        if let Some(writer) = self.writer.take() {
            self.write_reply(writer, reply);
        }
    }

    pub(crate) fn respond_error(self, error: &ApiError) {
        self.respond(&Reply::error(error));
    }

    /// Writes the head of a stream of server-sent events: the commit, after which no other answer is possible.
    ///
    /// # Errors
    /// The client left.
    pub(crate) fn start_stream(
        mut self,
        headers: &[(&'static str, String)],
    ) -> io::Result<EventStream> {
        let Some(mut writer) = self.writer.take() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let ending = match self.ticket.head.version {
            Version::Http11 => Ending::Chunked,
            Version::Http10 => Ending::Close,
        };
        if ending == Ending::Close {
            self.ticket.close_after();
        }
        let mut all = vec![
            (
                "Content-Type",
                "text/event-stream; charset=utf-8".to_owned(),
            ),
            ("Cache-Control", "no-cache".to_owned()),
            ("X-Accel-Buffering", "no".to_owned()),
        ];
        all.extend_from_slice(headers);
        let bytes = self.head_bytes(200, &all, ending);
        writer.write_all(&bytes)?;
        writer.flush()?;
        Ok(EventStream::new(
            Arc::clone(&self.ticket),
            writer,
            ending == Ending::Chunked,
            Instant::now(),
        ))
    }

    fn write_reply(&self, mut writer: Writer, reply: &Reply) {
        let body = Shape::of(&self.ticket.head).body(reply, &self.ticket.request_id);
        let ending = Ending::Length(body.len());
        let mut bytes = self.head_bytes(reply.status, &reply.headers, ending);
        let mut rest: &[u8] = &[];
        if self.ticket.head.method != "HEAD" {
            if body.len() <= ONE_PIECE_BYTES {
                bytes.extend_from_slice(&body);
            } else {
                rest = &body;
            }
        }
        // A short answer is one piece: it is as good as whole once its bytes are on their way.
        if self.ticket.complete() {
            let written = writer
                .write_all(&bytes)
                .and_then(|()| writer.write_all(rest));
            let _ = written.and_then(|()| writer.flush());
        }
    }

    fn head_bytes(
        &self,
        status: u16,
        headers: &[(&'static str, String)],
        ending: Ending,
    ) -> Vec<u8> {
        if self.closing.load(Ordering::Acquire) {
            self.ticket.close_after();
        }
        let head = &self.ticket.head;
        let asked = Asked {
            path: &head.path,
            version: head.version,
            shape: Shape::of(head),
            request_id: &self.ticket.request_id,
            keep_alive: self.ticket.keeps_alive(),
        };
        reply::head_bytes(asked, status, headers, ending, SystemTime::now())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Not taken yet: the worker died, or nobody wanted it. Gone or expired ones are answered already.
            self.ticket.begin();
            self.write_reply(writer, &Reply::error(&ApiError::internal()));
        }
    }
}
