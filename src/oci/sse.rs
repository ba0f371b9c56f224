//! Server-sent events as OCI writes them: bytes in, split anywhere, the payloads of `data:` lines out. A pure core:
//! it knows no socket, no clock and not what a payload means, nor that `[DONE]` is one. Source: reference §6.1.
//!
//! Not the event stream of the HTML standard: there, `data:` lines are joined until a blank line. OCI has been seen to
//! separate two events by a single line feed, and never writes an event of several lines, so every line is an event.

use std::collections::VecDeque;
use std::fmt;
use std::io::BufRead as _;

/// The longest line accepted, in bytes without its end. COHERE's last event repeats the whole conversation in one line: of
/// 256,000 tokens that is a megabyte of English, and several of what JSON escapes.
pub(crate) const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// What some servers write before their first byte of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Assembles lines. Each byte is looked at once, however small the pieces are that it comes in.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The bytes of a line whose end has not come yet: never more than `MAX_LINE_BYTES` + 1.
    line: Vec<u8>,
    /// Complete events not handed out yet, at most those of one `push`.
    events: VecDeque<String>,
    /// After an error nothing is decoded any more.
    failed: Option<DecodeError>,
    past_first_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// A line is longer than `MAX_LINE_BYTES`.
    LineTooLong,
    /// A `data:` line is not UTF-8.
    NotUtf8,
}

impl Decoder {
    /// Takes what has arrived. The events in it, and an error after them, come out of `next`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && self.failed.is_none() {
            // One byte more than a line may have: either the line feed, or the proof that it is too long.
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
            let (mut piece, beyond) = rest.split_at(room.min(rest.len()));
            // Searches with memchr and copies. Reading from a slice cannot fail.
            let taken = piece
                .read_until(b'\n', &mut self.line)
                .unwrap_or(rest.len());
            rest = rest.get(taken..).unwrap_or(beyond);
            if self.line.ends_with(b"\n") {
                self.end_line();
            } else if self.line.len() > MAX_LINE_BYTES {
                self.fail(DecodeError::LineTooLong);
            }
        }
    }

    /// The input has ended: a last line counts even if its line feed is missing.
    pub(crate) fn finish(&mut self) {
        if self.failed.is_none() {
            self.end_line();
        }
    }

    /// The next payload, `None` if more bytes are needed. An error comes after all events before it, and stays.
    pub(crate) fn next(&mut self) -> Result<Option<String>, DecodeError> {
        match (self.events.pop_front(), self.failed) {
            (Some(event), _) => Ok(Some(event)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    fn end_line(&mut self) {
        let mut line = self.line.as_slice();
        if !self.past_first_line {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        // Comments, blank lines and other fields are not for us, whatever bytes they hold.
        if let Some(payload) = line.strip_prefix(b"data:") {
            let payload = payload.strip_prefix(b" ").unwrap_or(payload);
            match std::str::from_utf8(payload) {
                // An empty payload is a way to keep a connection alive; nobody could read it as an event.
                Ok(text) if text.trim_ascii().is_empty() => {}
                Ok(text) => self.events.push_back(text.to_owned()),
                Err(_) => self.failed = Some(DecodeError::NotUtf8),
            }
        }
        self.past_first_line = true;
        self.line.clear();
    }

    fn fail(&mut self, error: DecodeError) {
        self.failed = Some(error);
        self.line = Vec::new();
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => {
                write!(f, "a line of the stream is over {MAX_LINE_BYTES} bytes")
            }
            Self::NotUtf8 => f.write_str("an event of the stream is not UTF-8"),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]
mod tests {
    use super::*;

    /// Everything that comes out when the input comes in these pieces.
    fn decode<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<String>, Option<DecodeError>) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Ok(Some(event)) = decoder.next() {
                events.push(event);
            }
        }
        decoder.finish();
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error)),
            }
        }
    }

    fn check(input: &[u8], expected: &[&str], error: Option<DecodeError>) {
        let expected: Vec<String> = expected.iter().map(|&event| event.to_owned()).collect();
        let expected = (expected, error);
        let shown = String::from_utf8_lossy(input);
        assert_eq!(decode([input]), expected, "whole: {shown:?}");
        assert_eq!(decode(input.chunks(1)), expected, "byte by byte: {shown:?}");
        for at in 0..=input.len() {
            let (left, right) = input.split_at(at);
            assert_eq!(
                decode([left, right]),
                expected,
                "split at {at} of {shown:?}"
            );
        }
    }

    /// Reads do not end where events do, and events are not always parted by a blank line. Source: reference §10.3.
    #[test]
    fn mistake_8_reads_are_not_events_and_blank_lines_do_not_part_them() {
        let reads: [&[u8]; 3] = [
            b"data: {\"a\":",
            b"1}\ndata: {\"b\":2}\n",
            b"\ndata: {\"c\":3}",
        ];
        let expected = ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"].map(str::to_owned);
        assert_eq!(decode(reads), (expected.to_vec(), None));
    }

    #[test]
    fn lines_become_events() {
        check(b"", &[], None);
        check(b"data: {\"a\":1}\n\n", &["{\"a\":1}"], None);
        check(b"data:{}\n\n", &["{}"], None);
        check(b"data: {}\r\n\r\ndata: 2\r\n", &["{}", "2"], None);
        check(b"data: 1\ndata: 2\n\ndata: 3\n", &["1", "2", "3"], None);
        check(b"data: no line feed", &["no line feed"], None);
        check(
            b"data: carriage return only\r",
            &["carriage return only"],
            None,
        );
        check(b"data:  two spaces\n", &[" two spaces"], None);
        check(b": comment\n\n:\n\ndata: 1\n\n", &["1"], None);
        check(b"event: x\nid: 7\nretry: 5\ndata: 1\n", &["1"], None);
        check(b"data\ndatas: 1\n data: 2\n\n\n", &[], None);
        check(b"data:\ndata: \ndata:   \n", &[], None);
        check(b"data: a data: b\n", &["a data: b"], None);
        check(b"\xEF\xBB\xBFdata: 1\n\xEF\xBB\xBFdata: 2\n", &["1"], None);
        check(
            "data: grüße 🙂 日本\n\n".as_bytes(),
            &["grüße 🙂 日本"],
            None,
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_matter_only_in_events() {
        check(b": \xFF\nevent: \xFF\ndata: 1\n", &["1"], None);
        check(
            b"data: 1\ndata: \xFF\ndata: 3\n",
            &["1"],
            Some(DecodeError::NotUtf8),
        );
        check(b"data: \xF0\x9F\x99", &[], Some(DecodeError::NotUtf8));
    }

    #[test]
    fn a_line_has_a_limit() {
        let at_limit = format!("data:{}", "x".repeat(MAX_LINE_BYTES - 5));
        let over = format!("{at_limit}x");
        for end in ["", "\n"] {
            for size in [1, 4096, usize::MAX] {
                let input = format!("data: 1\n{at_limit}{end}");
                let (events, error) = decode(input.as_bytes().chunks(size));
                assert_eq!((events.len(), error), (2, None));
                assert_eq!(events[1].len(), MAX_LINE_BYTES - 5);
                let input = format!("data: 1\n{over}{end}data: 2\n");
                let (events, error) = decode(input.as_bytes().chunks(size));
                assert_eq!(events, ["1"]);
                assert_eq!(error, Some(DecodeError::LineTooLong));
            }
        }
        let (events, error) = decode([over.replace("data:", ":    ").as_bytes()]);
        assert_eq!((events.len(), error), (0, Some(DecodeError::LineTooLong)));
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = Decoder::default();
        decoder.push(b"data: \xFF\n");
        assert_eq!(decoder.next(), Err(DecodeError::NotUtf8));
        decoder.push(b"data: 1\n");
        decoder.finish();
        assert_eq!(decoder.next(), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn every_recorded_stream_decodes_the_same_however_it_is_split() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stream");
        let mut files = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // The plainest decoder there can be, for these well-behaved files.
            let expected: Vec<&str> = std::str::from_utf8(&bytes)
                .unwrap()
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|payload| payload.strip_prefix(' ').unwrap_or(payload))
                .collect();
            assert!(!expected.is_empty(), "{}", path.display());
            for event in &expected {
                let json = serde_json::from_str::<serde_json::Value>(event);
                assert!(
                    *event == "[DONE]" || json.is_ok(),
                    "{}: {event}",
                    path.display()
                );
            }
            check(&bytes, &expected, None);
            files += 1;
        }
        assert!(files >= 20, "{files} recorded streams");
    }
}
