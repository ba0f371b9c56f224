//! A stream of server-sent events to one client: each event one chunk and one `write`, on its way at once. Ends in one of
//! three ways: [`EventStream::finish`] (whole), [`EventStream::fail`] (an error event and no proper end), or dropped
//! (cut). Only the first lets the client's connection live on.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::exchange::Writer;
use crate::http::ticket::Ticket;
use crate::openai::error::ApiError;

pub(crate) struct EventStream {
    ticket: Arc<Ticket>,
    writer: Writer,
    chunked: bool,
    last_write: Instant,
    /// One piece, framed; kept between pieces for its memory.
    piece: Vec<u8>,
}

impl EventStream {
    pub(crate) fn new(ticket: Arc<Ticket>, writer: Writer, chunked: bool, now: Instant) -> Self {
        Self {
            ticket,
            writer,
            chunked,
            last_write: now,
            piece: Vec::new(),
        }
    }

    /// Sends `data: …` of several events as one piece: what arrived together leaves together.
    ///
    /// # Errors
    /// The client left.
    pub(crate) fn send(&mut self, events: &[String], now: Instant) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut text = Vec::with_capacity(events.iter().map(|event| event.len() + 8).sum());
        for event in events {
            push_event(&mut text, event);
        }
        self.write(&text, b"", now)
    }

    /// Sends a comment if nothing was sent for `silence`, so that proxies on the way see a living connection.
    ///
    /// # Errors
    /// The client left.
    pub(crate) fn keep_alive(&mut self, silence: Duration, now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.last_write) < silence {
            return Ok(());
        }
        self.write(b": keep-alive\n\n", b"", now)
    }

    /// `data: [DONE]` and the end of the body.
    ///
    /// # Errors
    /// The client left.
    pub(crate) fn finish(mut self, events: &[String], now: Instant) -> io::Result<()> {
        let mut text = Vec::new();
        for event in events {
            push_event(&mut text, event);
        }
        push_event(&mut text, "[DONE]");
        if !self.ticket.complete() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let end: &[u8] = if self.chunked { b"0\r\n\r\n" } else { b"" };
        self.write(&text, end, now)
    }

    /// One error event, then the end of the connection: no `[DONE]`, no last chunk.
    pub(crate) fn fail(mut self, error: &ApiError, now: Instant) {
        let mut text = Vec::new();
        push_event(&mut text, &error.to_json());
        // If the client left too, there is nobody to tell.
        let _ = self.write(&text, b"", now);
    }

    fn write(&mut self, text: &[u8], end: &[u8], now: Instant) -> io::Result<()> {
        self.piece.clear();
        if self.chunked {
            write!(self.piece, "{:x}\r\n", text.len())?;
        }
        self.piece.extend_from_slice(text);
        if self.chunked {
            self.piece.extend_from_slice(b"\r\n");
        }
        self.piece.extend_from_slice(end);
        self.writer.write_all(&self.piece)?;
        self.writer.flush()?;
        self.last_write = now;
        Ok(())
    }
}

fn push_event(text: &mut Vec<u8>, data: &str) {
    text.extend_from_slice(b"data: ");
    text.extend_from_slice(data.as_bytes());
    text.extend_from_slice(b"\n\n");
}
