//! Asks on the terminal: questions to standard error, answers from standard input. A pass phrase is not shown.

use std::io::{self, BufRead, IsTerminal, Write};

use zeroize::Zeroizing;

use super::interview::Line;

/// Longest answer, bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// What Ctrl-C is where it sends no signal.
const INTERRUPT: u8 = 3;

/// Whether there is somebody to ask.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Says something; what was answered, without the line's end, if it was a question. `None`: nobody answers any more.
pub(super) fn talk(line: Line<'_>) -> io::Result<Option<Zeroizing<String>>> {
    let mut out = io::stderr().lock();
    match line {
        Line::Say(text) => {
            writeln!(out, "{text}")?;
            Ok(None)
        }
        Line::Ask(text) => {
            write!(out, "{text}: ")?;
            read()
        }
        Line::AskSecret(text) => {
            write!(out, "{text}: ")?;
            let answer = hidden(read);
            writeln!(out)?;
            Ok(answer?.filter(|answer| !answer.contains(char::from(INTERRUPT))))
        }
    }
}

/// One line, without its end; or what comes before Ctrl-C, with that.
fn read() -> io::Result<Option<Zeroizing<String>>> {
    // The final size at once: a buffer that grows would leave pieces of a pass phrase behind in freed memory.
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    let mut input = io::stdin().lock();
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() && answer.is_empty() {
            return Ok(None);
        }
        let end = bytes
            .iter()
            .position(|byte| [b'\n', INTERRUPT].contains(byte));
        let count = end.map_or(bytes.len(), |end| end + 1);
        if answer.len() + count > MAX_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
        answer.extend_from_slice(bytes.get(..count).unwrap_or_default());
        input.consume(count);
        if end.is_some() || count == 0 {
            break;
        }
    }
    let text = std::str::from_utf8(&answer).map_err(io::Error::other)?;
    Ok(Some(Zeroizing::new(
        text.trim_end_matches(['\n', '\r']).to_owned(),
    )))
}

/// Runs it with a terminal that shows nothing. Ctrl-C sends no signal meanwhile: it would leave the terminal like that.
#[cfg(unix)]
fn hidden<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
    let terminal = io::stdin();
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
    // It ends the line instead.
    silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let answer = run();
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    answer
}

#[cfg(not(unix))]
fn hidden<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    run()
}
