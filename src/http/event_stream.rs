//! A stream of server-sent events to one client: each event one chunk and one `write`, on its way at once. Ends in one of
//! three ways: [`EventStream::finish`] (whole), [`EventStream::fail`] (an error event for its end), or dropped (cut, without
//! an end). Only the first lets the client's connection live on, the second for a moment.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::ticket::Ticket;
use crate::openai::error::ApiError;

/// Longest stream. The longest answer of a model takes some minutes; what goes on for ever is broken or hostile, and holds a
/// worker.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// To the gate, and so to the client.
pub(crate) type Writer = Box<dyn io::Write + Send>;

pub(crate) struct EventStream {
    ticket: Arc<Ticket>,
    writer: Writer,
    chunked: bool,
    opened: Instant,
    last_write: Instant,
    /// It was ended for its age, and its client was told.
    too_old: bool,
    /// One piece, framed; kept between pieces for its memory.
    piece: Vec<u8>,
}

impl EventStream {
    pub(crate) fn new(ticket: Arc<Ticket>, writer: Writer, chunked: bool, now: Instant) -> Self {
        Self {
            ticket,
            writer,
            chunked,
            opened: now,
            last_write: now,
            too_old: false,
            piece: Vec::new(),
        }
    }

    /// Sends `data: …` of several events as one piece: what arrived together leaves together.
    ///
    /// # Errors
    /// The client left, or the stream has become too old and was ended.
    pub(crate) fn send(&mut self, events: &[String], now: Instant) -> io::Result<()> {
        self.end_if_too_old(now)?;
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
    /// The client left, or the stream has become too old and was ended.
    pub(crate) fn keep_alive(&mut self, silence: Duration, now: Instant) -> io::Result<()> {
        self.end_if_too_old(now)?;
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
        self.write(&text, self.end(), now)
    }

    /// One error event and no `[DONE]`, then the ends of the body and of the connection. The event says that the answer is
    /// not whole. A body without its end would say so too, but Node.js throws away what it has not handed on of such a
    /// body: the last text, and the error.
    pub(crate) fn fail(mut self, error: &ApiError, now: Instant) {
        self.end_with(error, now);
    }

    /// Why it was ended, if it was ended for its age.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.too_old
            .then(|| format!("broken off: it lasted longer than {} s", MAX_AGE.as_secs()))
    }

    fn end_if_too_old(&mut self, now: Instant) -> io::Result<()> {
        if !self.too_old {
            if now.saturating_duration_since(self.opened) < MAX_AGE {
                return Ok(());
            }
            self.too_old = true;
            self.end_with(&ApiError::stream_too_long(MAX_AGE), now);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn end_with(&mut self, error: &ApiError, now: Instant) {
        self.ticket.last_call();
        if !self.ticket.complete() {
            return;
        }
        let mut text = Vec::new();
        push_event(&mut text, &error.to_json());
        // If the client left too, there is nobody to tell.
        let _ = self.write(&text, self.end(), now);
    }

    /// Of the body.
    fn end(&self) -> &'static [u8] {
        if self.chunked { b"0\r\n\r\n" } else { b"" }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
pub(crate) mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::http::ticket::tests::ticket;

    /// What the client would have read.
    #[derive(Clone, Default)]
    pub(crate) struct Wire(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl io::Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stream(chunked: bool, now: Instant) -> (EventStream, Arc<Ticket>, Wire) {
        let ticket = ticket();
        assert!(ticket.begin());
        let wire = Wire::default();
        let writer = Box::new(wire.clone());
        (
            EventStream::new(Arc::clone(&ticket), writer, chunked, now),
            ticket,
            wire,
        )
    }

    fn text(wire: &Wire) -> String {
        String::from_utf8(std::mem::take(&mut *wire.0.lock())).unwrap()
    }

    #[test]
    fn an_event_is_one_chunk_and_a_whole_stream_ends_properly() {
        let t0 = Instant::now();
        let (mut events, ticket, wire) = stream(true, t0);
        events.send(&["1".to_owned(), "2".to_owned()], t0).unwrap();
        assert_eq!(text(&wire), "12\r\ndata: 1\n\ndata: 2\n\n\r\n");
        events.send(&[], t0).unwrap();
        assert_eq!(text(&wire), "");
        events.finish(&["3".to_owned()], t0).unwrap();
        assert_eq!(
            text(&wire),
            "17\r\ndata: 3\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"
        );
        assert!(ticket.is_whole());
    }

    #[test]
    fn silence_is_broken_by_a_comment_and_only_silence() {
        let (t0, second) = (Instant::now(), Duration::from_secs(1));
        let (mut events, _ticket, wire) = stream(false, t0);
        events.keep_alive(15 * second, t0 + 14 * second).unwrap();
        assert_eq!(text(&wire), "");
        events.keep_alive(15 * second, t0 + 15 * second).unwrap();
        assert_eq!(text(&wire), ": keep-alive\n\n");
        events.keep_alive(15 * second, t0 + 29 * second).unwrap();
        events.send(&["x".to_owned()], t0 + 29 * second).unwrap();
        events.keep_alive(15 * second, t0 + 43 * second).unwrap();
        assert_eq!(text(&wire), "data: x\n\n");
    }

    #[test]
    fn a_failed_stream_ends_without_done_and_its_connection_with_it() {
        let t0 = Instant::now();
        let (events, ticket, wire) = stream(true, t0);
        events.fail(&ApiError::internal(), t0);
        let sent = text(&wire);
        assert!(sent.contains("data: {\"error\":{"), "{sent}");
        assert!(
            !sent.contains("[DONE]") && sent.ends_with("\r\n0\r\n\r\n"),
            "{sent}"
        );
        assert!(ticket.is_whole() && ticket.is_last_call());
    }

    #[test]
    fn a_stream_without_end_is_ended_and_its_client_is_told() {
        let t0 = Instant::now();
        let (mut events, ticket, wire) = stream(true, t0);
        let late = t0 + MAX_AGE;
        let nearly = late.checked_sub(Duration::from_secs(1)).unwrap();
        events.send(&["1".to_owned()], nearly).unwrap();
        assert_eq!(events.trouble(), None);
        assert_eq!(text(&wire), "9\r\ndata: 1\n\n\r\n");
        assert!(events.send(&["2".to_owned()], late).is_err());
        let sent = text(&wire);
        assert!(sent.contains("stream_too_long"), "{sent}");
        assert!(
            !sent.contains("[DONE]") && sent.ends_with("\r\n0\r\n\r\n"),
            "{sent}"
        );
        assert!(events.trouble().is_some() && ticket.is_whole());
        // It is told once.
        assert!(events.keep_alive(Duration::ZERO, late).is_err());
        assert_eq!(text(&wire), "");
    }

    #[test]
    fn a_client_that_left_gets_no_end() {
        let t0 = Instant::now();
        let (events, ticket, wire) = stream(true, t0);
        ticket.leave();
        assert!(events.finish(&[], t0).is_err());
        assert_eq!(text(&wire), "");
    }
}
