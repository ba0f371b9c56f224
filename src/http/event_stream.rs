//! A stream of server-sent events to one client: each event one chunk and one `write`, on its way at once. Ends in one of
//! three ways: [`EventStream::finish`] (whole), [`EventStream::fail`] (an error event for its end), or dropped (cut, without
//! an end). Only the first lets the client's connection live on, the second for a moment.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::ticket::Ticket;
use crate::openai::render::Event;

/// Longest stream. The longest answer of a model takes some minutes; what goes on for ever is broken or hostile, and holds a
/// worker.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// To the gate, and so to the client.
pub(crate) type Writer = Box<dyn io::Write + Send>;

pub(crate) struct EventStream {
    ticket: Arc<Ticket>,
    writer: Writer,
    chunked: bool,
    opened: Instant,
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
            opened: now,
            last_write: now,
            piece: Vec::new(),
        }
    }

    /// Sends the text of several events as one piece: what arrived together leaves together.
    ///
    /// # Errors
    /// The client left, or the stream is [too old](Self::is_too_old).
    pub(crate) fn send(&mut self, text: &[u8], now: Instant) -> io::Result<()> {
        self.check_age(now)?;
        if text.is_empty() {
            return Ok(());
        }
        self.write(text, b"", now)
    }

    /// Sends a comment if nothing was sent for `silence`, so that proxies on the way see a living connection.
    ///
    /// # Errors
    /// The client left, or the stream is [too old](Self::is_too_old).
    pub(crate) fn keep_alive(&mut self, silence: Duration, now: Instant) -> io::Result<()> {
        self.check_age(now)?;
        if now.saturating_duration_since(self.last_write) < silence {
            return Ok(());
        }
        self.write(b": keep-alive\n\n", b"", now)
    }

    /// The last events and the end of the body.
    ///
    /// # Errors
    /// The client left.
    pub(crate) fn finish(mut self, text: &[u8], now: Instant) -> io::Result<()> {
        if !self.ticket.complete() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.write(text, self.end(), now)
    }

    /// The events that tell of an error, then the ends of the body and of the connection. They say that the answer is
    /// not whole. A body without its end would say so too, but Node.js throws away what it has not handed on of such a
    /// body: the last text, and the error.
    pub(crate) fn fail(mut self, events: &[Event], now: Instant) {
        self.ticket.last_call();
        if self.ticket.complete() {
            // If the client left too, there is nobody to tell.
            let _ = self.write(&text(events), self.end(), now);
        }
    }

    /// Whether it has lasted for [`MAX_AGE`]: nothing more can be sent but [an end](Self::fail).
    pub(crate) fn is_too_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= MAX_AGE
    }

    fn check_age(&self, now: Instant) -> io::Result<()> {
        if self.is_too_old(now) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Of the body.
    fn end(&self) -> &'static [u8] {
        if self.chunked { b"0\r\n\r\n" } else { b"" }
    }

    fn write(&mut self, text: &[u8], end: &[u8], now: Instant) -> io::Result<()> {
        self.piece.clear();
        // An empty chunk would be the end.
        if self.chunked && !text.is_empty() {
            write!(self.piece, "{:x}\r\n", text.len())?;
        }
        self.piece.extend_from_slice(text);
        if self.chunked && !text.is_empty() {
            self.piece.extend_from_slice(b"\r\n");
        }
        self.piece.extend_from_slice(end);
        self.writer.write_all(&self.piece)?;
        self.writer.flush()?;
        self.last_write = now;
        Ok(())
    }
}

/// Events as they are written.
pub(crate) fn text(events: &[Event]) -> Vec<u8> {
    let length = |event: &Event| event.data.len() + event.name.map_or(8, |name| name.len() + 16);
    let mut text = Vec::with_capacity(events.iter().map(length).sum());
    for event in events {
        if let Some(name) = event.name {
            text.extend_from_slice(b"event: ");
            text.extend_from_slice(name.as_bytes());
            text.push(b'\n');
        }
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(event.data.as_bytes());
        text.extend_from_slice(b"\n\n");
    }
    text
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

    fn read(wire: &Wire) -> String {
        String::from_utf8(std::mem::take(&mut *wire.0.lock())).unwrap()
    }

    fn named(name: &'static str, data: &str) -> Event {
        Event {
            name: Some(name),
            data: data.to_owned(),
        }
    }

    #[test]
    fn an_event_is_one_chunk_and_a_whole_stream_ends_properly() {
        let t0 = Instant::now();
        let (mut events, ticket, wire) = stream(true, t0);
        events
            .send(&text(&[Event::data("1"), named("two", "2")]), t0)
            .unwrap();
        assert_eq!(read(&wire), "1d\r\ndata: 1\n\nevent: two\ndata: 2\n\n\r\n");
        events.send(&[], t0).unwrap();
        assert_eq!(read(&wire), "");
        events.finish(&text(&[Event::data("3")]), t0).unwrap();
        assert_eq!(read(&wire), "9\r\ndata: 3\n\n\r\n0\r\n\r\n");
        assert!(ticket.is_whole());
    }

    #[test]
    fn silence_is_broken_by_a_comment_and_only_silence() {
        let (t0, second) = (Instant::now(), Duration::from_secs(1));
        let (mut events, _ticket, wire) = stream(false, t0);
        events.keep_alive(15 * second, t0 + 14 * second).unwrap();
        assert_eq!(read(&wire), "");
        events.keep_alive(15 * second, t0 + 15 * second).unwrap();
        assert_eq!(read(&wire), ": keep-alive\n\n");
        events.keep_alive(15 * second, t0 + 29 * second).unwrap();
        events
            .send(&text(&[Event::data("x")]), t0 + 29 * second)
            .unwrap();
        events.keep_alive(15 * second, t0 + 43 * second).unwrap();
        assert_eq!(read(&wire), "data: x\n\n");
    }

    #[test]
    fn a_failed_stream_ends_and_its_connection_with_it() {
        let t0 = Instant::now();
        let (events, ticket, wire) = stream(true, t0);
        events.fail(&[Event::data("e")], t0);
        assert_eq!(read(&wire), "9\r\ndata: e\n\n\r\n0\r\n\r\n");
        assert!(ticket.is_whole() && ticket.is_last_call());
    }

    #[test]
    fn a_stream_without_end_becomes_too_old() {
        let t0 = Instant::now();
        let (mut events, ticket, wire) = stream(true, t0);
        let late = t0 + MAX_AGE;
        let nearly = late.checked_sub(Duration::from_secs(1)).unwrap();
        events.send(&text(&[Event::data("1")]), nearly).unwrap();
        assert!(!events.is_too_old(nearly) && events.is_too_old(late));
        assert_eq!(read(&wire), "9\r\ndata: 1\n\n\r\n");
        assert!(events.send(&text(&[Event::data("2")]), late).is_err());
        assert!(events.keep_alive(Duration::ZERO, late).is_err());
        assert_eq!(read(&wire), "");
        events.fail(&[Event::data("e")], late);
        assert!(read(&wire).contains("data: e"));
        assert!(ticket.is_whole());
    }

    #[test]
    fn a_client_that_left_gets_no_end() {
        let t0 = Instant::now();
        let (events, ticket, wire) = stream(true, t0);
        ticket.leave();
        assert!(events.finish(&[], t0).is_err());
        assert_eq!(read(&wire), "");
    }
}
