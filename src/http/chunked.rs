//! The decoder of a chunked request body (RFC 9112 §7.1): bytes in any split in, content out. Pure. Strict, because a
//! second reader of the same bytes must never see another end: sizes are plain hex, lines end in CRLF.

/// Longest line that gives a chunk's size, with its extensions, which are ignored.
const MAX_SIZE_LINE: usize = 256;
/// Most bytes of trailer fields, which are dropped.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// Most hex digits of a size: more could not be a body that is accepted.
const MAX_SIZE_DIGITS: usize = 15;

/// Where a decoder stands after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More must come.
    More,
    /// The body is whole; the rest of the bytes belongs to what follows.
    Done,
}

/// The bytes are not a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SizeLine,
    Content {
        left: u64,
    },
    /// The CRLF behind a chunk's content.
    ContentEnd,
    Trailer,
    Done,
}

#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// The current line so far, without its end.
    line: Vec<u8>,
    trailer_bytes: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            state: State::SizeLine,
            line: Vec::new(),
            trailer_bytes: 0,
        }
    }

    /// Takes bytes from the front of `input`, hands content to `sink`, and says how many bytes were taken.
    ///
    /// # Errors
    /// [`Malformed`], or what `sink` returned.
    pub(crate) fn decode<E: From<Malformed>>(
        &mut self,
        input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(usize, Progress), E> {
        let mut rest = input;
        loop {
            match self.state {
                State::Done => return Ok((input.len() - rest.len(), Progress::Done)),
                State::Content { left } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (content, after) = rest.split_at(take);
                    sink(content)?;
                    rest = after;
                    let left = left - take as u64;
                    self.state = if left == 0 {
                        State::ContentEnd
                    } else {
                        State::Content { left }
                    };
                    if left > 0 {
                        return Ok((input.len(), Progress::More));
                    }
                }
                State::SizeLine | State::ContentEnd | State::Trailer => {
                    match self.take_line(&mut rest)? {
                        Some(line) => self.state = self.next_state(&line)?,
                        None => return Ok((input.len(), Progress::More)),
                    }
                }
            }
        }
    }

    /// Moves bytes up to the next CRLF out of `rest`; `None` if the line is not whole yet.
    fn take_line(&mut self, rest: &mut &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let limit = match self.state {
            State::Trailer => MAX_TRAILER_BYTES,
            State::SizeLine | State::Content { .. } | State::ContentEnd | State::Done => {
                MAX_SIZE_LINE
            }
        };
        while let Some((&byte, after)) = rest.split_first() {
            *rest = after;
            self.line.push(byte);
            if byte == b'\n' {
                let mut line = std::mem::take(&mut self.line);
                line.pop();
                // A CR of its own ends a line for some readers and not for others (RFC 9112 §2.2).
                return if line.pop() == Some(b'\r') && !line.contains(&b'\r') {
                    Ok(Some(line))
                } else {
                    Err(Malformed)
                };
            }
            if self.line.len() > limit {
                return Err(Malformed);
            }
        }
        Ok(None)
    }

    fn next_state(&mut self, line: &[u8]) -> Result<State, Malformed> {
        match self.state {
            State::SizeLine => Ok(match chunk_size(line)? {
                0 => State::Trailer,
                left => State::Content { left },
            }),
            State::ContentEnd if line.is_empty() => Ok(State::SizeLine),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => {
                self.trailer_bytes += line.len();
                if self.trailer_bytes > MAX_TRAILER_BYTES {
                    Err(Malformed)
                } else {
                    Ok(State::Trailer)
                }
            }
            State::ContentEnd | State::Content { .. } | State::Done => Err(Malformed),
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let digits = text
        .split_once(';')
        .map_or(text, |(size, _)| size)
        .trim_end_matches([' ', '\t']);
    if digits.is_empty()
        || digits.len() > MAX_SIZE_DIGITS
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(Malformed);
    }
    u64::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `step` bytes; gives the content and what was left over behind the body.
    fn run(input: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, Progress), Malformed> {
        let (mut decoder, mut content, mut at) = (Decoder::new(), Vec::new(), 0);
        while at < input.len() {
            let end = (at + step).min(input.len());
            let (taken, progress) = decoder.decode(&input[at..end], |bytes| {
                content.extend_from_slice(bytes);
                Ok::<(), Malformed>(())
            })?;
            at += taken;
            if progress == Progress::Done {
                return Ok((content, input[at..].to_vec(), progress));
            }
        }
        Ok((content, Vec::new(), Progress::More))
    }

    #[test]
    fn content_is_the_same_in_every_split() {
        let input = b"4;ext=1\r\nWiki\r\n0A\r\npedia in c\r\n7 \r\nhunks.\n\r\n0\r\nX-Trailer: 1\r\n\r\nGET /next";
        for step in 1..=input.len() {
            let (content, rest, progress) = run(input, step).unwrap();
            assert_eq!(content, b"Wikipedia in chunks.\n");
            assert_eq!(progress, Progress::Done);
            assert!(b"GET /next".ends_with(&rest));
        }
    }

    #[test]
    fn malformed_bodies() {
        for input in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "0x4\r\n",
            "4\nWiki",
            "4\r\nWikiX\r\n",
            "fffffffffffffffff\r\n",
            " 4\r\nWiki\r\n",
            "+4\r\n",
            "4;a\rb\r\nWiki\r\n",
            "0\r\na: b\rc\r\n\r\n",
        ] {
            assert_eq!(
                run(input.as_bytes(), 64).unwrap_err(),
                Malformed,
                "{input:?}"
            );
        }
        assert_eq!(run(&[b'1'; 1000], 7).unwrap_err(), Malformed);
        assert_eq!(
            run(format!("0\r\n{}", "a: b\r\n".repeat(9000)).as_bytes(), 4096).unwrap_err(),
            Malformed
        );
    }
}
