//! Server-sent events with the very bytes that they came in: bytes in, split anywhere, blocks out, each up to its blank line. A
//! pure core: it knows no socket, no clock and not what an event says. Source: the HTML standard's event streams.
//!
//! Here `data:` lines are joined until a blank line, as every client of such a stream does. What only [`super::sse`] must
//! forgive, events without a blank line between them, no client could read.

use std::ops::Range;

use super::sse::{DecodeError, MAX_LINE_BYTES};

/// What some servers write before their first byte of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An event, or comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// As they came, with the blank line.
    pub(crate) bytes: Vec<u8>,
    data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Data {
    /// A comment, or fields without data: nobody is told of it.
    None,
    /// One line: in the block's bytes.
    Line(Range<usize>),
    /// Several, with line feeds between.
    Joined(Vec<u8>),
}

/// Assembles blocks. Each byte is looked at once, however small the pieces are that it comes in.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// What is not handed out yet: the beginning of a block, or several whole ones.
    bytes: Vec<u8>,
    /// Before it no line ends that is not accounted for.
    scanned: usize,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Of the block that is not whole yet.
    data: Vec<Range<usize>>,
    /// A block has had data: what came before that is told to nobody.
    begun: bool,
    at_end: bool,
    failed: Option<DecodeError>,
}

impl Block {
    /// What the event says; `None`: it is none.
    pub(crate) fn data(&self) -> Option<&[u8]> {
        match &self.data {
            Data::None => None,
            Data::Line(range) => self.bytes.get(range.clone()),
            Data::Joined(data) => Some(data),
        }
    }
}

impl Blocks {
    /// Takes what has arrived. The blocks in it, and an error after them, come out of `next`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The input has ended: what has data counts even if its blank line is missing, which it gets.
    pub(crate) fn finish(&mut self) {
        self.at_end = true;
    }

    /// The next block, `None` if more bytes are needed. An error comes after all blocks before it, and stays.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while let Some(block) = self.assemble()? {
            self.begun |= block.data().is_some();
            if self.begun {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    fn assemble(&mut self) -> Result<Option<Block>, DecodeError> {
        while let Some(end) = self.line_end() {
            let line = self.line..end;
            (self.line, self.scanned) = (end, end);
            if self.take(line) {
                return Ok(Some(self.hand_out(end)));
            }
        }
        if self.bytes.len() > MAX_LINE_BYTES {
            (self.failed, self.bytes) = (Some(DecodeError::LineTooLong), Vec::new());
            return Err(DecodeError::LineTooLong);
        }
        if !self.at_end || self.bytes.is_empty() {
            return Ok(None);
        }
        if self.line < self.bytes.len() {
            let line = self.line..self.bytes.len();
            self.take(line);
            self.bytes.push(b'\n');
        }
        self.bytes.push(b'\n');
        let whole = self.hand_out(self.bytes.len());
        Ok(Some(whole).filter(|block| block.data != Data::None))
    }

    /// Behind the line feed of the line that is not whole yet.
    fn line_end(&mut self) -> Option<usize> {
        let found = memchr::memchr(b'\n', self.bytes.get(self.scanned..)?);
        match found {
            Some(at) => Some(self.scanned + at + 1),
            None => {
                self.scanned = self.bytes.len();
                None
            }
        }
    }

    /// `true`: the line is blank, and the block whole.
    fn take(&mut self, line: Range<usize>) -> bool {
        let mut text = self.bytes.get(line.clone()).unwrap_or_default();
        let mut start = line.start;
        if start == 0
            && !self.begun
            && let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK)
        {
            (text, start) = (rest, BYTE_ORDER_MARK.len());
        }
        text = text.strip_suffix(b"\n").unwrap_or(text);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if let Some(data) = text.strip_prefix(b"data:") {
            let end = start + text.len();
            let data = data.strip_prefix(b" ").unwrap_or(data);
            self.data.push(end - data.len()..end);
        }
        text.is_empty()
    }

    fn hand_out(&mut self, end: usize) -> Block {
        let rest = self.bytes.split_off(end.min(self.bytes.len()));
        let bytes = std::mem::replace(&mut self.bytes, rest);
        (self.line, self.scanned) = (0, 0);
        let lines = std::mem::take(&mut self.data);
        let is_blank = |range: &Range<usize>| {
            let line = bytes.get(range.clone()).unwrap_or_default();
            line.trim_ascii().is_empty()
        };
        let data = match lines.as_slice() {
            // An empty one is a way to keep a connection alive.
            lines if lines.iter().all(is_blank) => Data::None,
            [line] => Data::Line(line.clone()),
            lines => {
                let lines = lines.iter().map(|line| bytes.get(line.clone()));
                let lines: Vec<_> = lines.map(Option::unwrap_or_default).collect();
                Data::Joined(lines.join(&b'\n'))
            }
        };
        Block { bytes, data }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    /// All blocks, the bytes and the data of each, when the input comes in these pieces.
    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut blocks = Blocks::default();
        let mut all = Vec::new();
        let mut take = |blocks: &mut Blocks| {
            while let Some(block) = blocks.next().unwrap() {
                all.push((text(&block.bytes), block.data().map(text)));
            }
        };
        for piece in pieces {
            blocks.push(piece);
            take(&mut blocks);
        }
        blocks.finish();
        take(&mut blocks);
        all
    }

    fn check(input: &str, expected: &[(&str, Option<&str>)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(bytes, data)| ((*bytes).to_owned(), data.map(str::to_owned)))
            .collect();
        let bytes = input.as_bytes();
        assert_eq!(decode([bytes]), expected, "whole: {input:?}");
        assert_eq!(decode(bytes.chunks(1)), expected, "byte by byte: {input:?}");
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(decode([left, right]), expected, "split at {at}: {input:?}");
        }
    }

    #[test]
    fn blocks_keep_every_byte() {
        check("", &[]);
        check(
            "data: {}\n\ndata:1\r\n\r\n",
            &[("data: {}\n\n", Some("{}")), ("data:1\r\n\r\n", Some("1"))],
        );
        check(
            "event: x\nid: 7\ndata: grüße 🙂\n\n",
            &[("event: x\nid: 7\ndata: grüße 🙂\n\n", Some("grüße 🙂"))],
        );
        check(
            "data: a\ndata: b\n\n",
            &[("data: a\ndata: b\n\n", Some("a\nb"))],
        );
        check(
            "data: 1\n\n: ping\n\n\ndata: 2\n\n",
            &[
                ("data: 1\n\n", Some("1")),
                (": ping\n\n", None),
                ("\n", None),
                ("data: 2\n\n", Some("2")),
            ],
        );
        check(
            "data: 1\n: within\n\n",
            &[("data: 1\n: within\n\n", Some("1"))],
        );
        check(
            "data: 1\n\ndata:\n\n",
            &[("data: 1\n\n", Some("1")), ("data:\n\n", None)],
        );
    }

    #[test]
    fn what_stands_before_the_first_event_is_left_out() {
        check(
            ": hello\n\n\n:\n\ndata: 1\n\n",
            &[("data: 1\n\n", Some("1"))],
        );
        check("\u{feff}data: 1\n\n", &[("\u{feff}data: 1\n\n", Some("1"))]);
        check(": only comments\n\n: and\n", &[]);
    }

    #[test]
    fn an_end_without_its_blank_line_gets_one() {
        check("data: 1", &[("data: 1\n\n", Some("1"))]);
        check("data: 1\n", &[("data: 1\n\n", Some("1"))]);
        check("data: 1\n\n: cut", &[("data: 1\n\n", Some("1"))]);
    }

    #[test]
    fn a_block_has_a_limit() {
        let long = format!("data: {}", "x".repeat(MAX_LINE_BYTES));
        for size in [4096, usize::MAX] {
            let mut blocks = Blocks::default();
            blocks.push(b"data: 1\n\n");
            long.as_bytes()
                .chunks(size)
                .for_each(|piece| blocks.push(piece));
            assert!(blocks.next().unwrap().is_some());
            assert_eq!(blocks.next(), Err(DecodeError::LineTooLong));
            blocks.push(b"\n\ndata: 2\n\n");
            assert_eq!(blocks.next(), Err(DecodeError::LineTooLong));
        }
    }
}
