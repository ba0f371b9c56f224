//! The log: one line a record to stderr, `2025/08/05 21:23:25 message`, local time. Levels do not show: a warning says
//! so in its words. Other crates' records are left out. `OCIAI_LOG` in the environment chooses how much is said.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, LineWriter};
use std::panic;
use std::thread;

use log::{LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger};
use time::macros::format_description;

/// How much is said: `error`, `warn`, `info`, `debug`, `trace` or `off`. Nothing secret is logged at any level.
const LEVEL_VARIABLE: &str = "OCIAI_LOG";

/// The longest message, in characters. What a client sends (a path, a method) may have thousands, and would fill the disk.
const MAX_MESSAGE_CHARS: usize = 2048;

/// Starts the log; `usual` is how much is said if nobody chooses. Must be called before any thread is started: the local time
/// zone cannot be read safely afterwards,
/// and the log would be in UTC.
pub(crate) fn start(usual: LevelFilter) {
    let mut config = ConfigBuilder::new();
    config
        .set_time_format_custom(format_description!(
            "[year]/[month]/[day] [hour]:[minute]:[second]"
        ))
        .set_max_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .add_filter_allow_str("ociai_proxy");
    // Without a usable time zone it is UTC.
    let _ = config.set_time_offset_to_local();
    let wanted = env::var_os(LEVEL_VARIABLE).filter(|wanted| !wanted.is_empty());
    let level = level(wanted.as_deref(), usual);
    let inner = WriteLogger::new(
        level.unwrap_or(usual),
        config.build(),
        LineWriter::new(io::stderr()),
    );
    // Fails only if a log was started before; then that one goes on.
    if log::set_boxed_logger(Box::new(OneLine { inner })).is_ok() {
        log::set_max_level(level.unwrap_or(usual));
    }
    log_panics();
    if level.is_none() {
        log::warn!(
            "{LEVEL_VARIABLE} is {:?}, expected error, warn, info, debug or trace: taken for {}",
            wanted.unwrap_or_default(),
            usual.as_str().to_ascii_lowercase()
        );
    }
}

/// A panic is a line of the log that says where, and never what: its message may quote what was being worked on, which may be a
/// prompt or a key.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location();
        log::error!("{}", panicked(thread::current().name(), place));
    }));
}

fn panicked(thread: Option<&str>, place: Option<impl Display>) -> String {
    let thread = thread.unwrap_or("without a name");
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    format!("error: the thread {thread} panicked{place}: please report it")
}

/// `None` for what is no level.
fn level(wanted: Option<&OsStr>, usual: LevelFilter) -> Option<LevelFilter> {
    match wanted {
        Some(wanted) => wanted.to_str()?.trim().parse().ok(),
        None => Some(usual),
    }
}

/// Keeps each record on one line whatever is in it: neither a client nor an upstream can forge lines of the log, or send
/// commands to the terminal that shows it.
struct OneLine<L> {
    inner: L,
}

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let text = one_line(&record.args().to_string());
        let metadata = record.metadata().clone();
        self.inner.log(
            &Record::builder()
                .metadata(metadata)
                .args(format_args!("{text}"))
                .build(),
        );
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

fn one_line(text: &str) -> String {
    let end = text.char_indices().nth(MAX_MESSAGE_CHARS);
    let (text, mark) = match end.and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => (beginning, "…"),
        None => (text, ""),
    };
    text.chars()
        .chain(mark.chars())
        .map(|c| match c {
            // Line and paragraph separators: no controls, and line ends to some readers.
            '\u{2028}' | '\u{2029}' => ' ',
            // They turn the text around, so that a line shows what does not stand in it.
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_in_any_case() {
        for (wanted, expected) in [
            (None, Some(LevelFilter::Info)),
            (Some("debug"), Some(LevelFilter::Debug)),
            (Some(" WARN "), Some(LevelFilter::Warn)),
            (Some("off"), Some(LevelFilter::Off)),
            (Some("loud"), None),
        ] {
            assert_eq!(
                level(wanted.map(OsStr::new), LevelFilter::Info),
                expected,
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn a_panic_is_told_by_its_place() {
        assert_eq!(
            panicked(Some("worker"), Some("src/a.rs:1:2")),
            "error: the thread worker panicked at src/a.rs:1:2: please report it"
        );
        assert_eq!(
            panicked(None, None::<&str>),
            "error: the thread without a name panicked: please report it"
        );
    }

    #[test]
    fn a_message_has_a_longest_length() {
        let long = "ü".repeat(MAX_MESSAGE_CHARS);
        assert_eq!(one_line(&long), long);
        assert_eq!(one_line(&format!("{long}xyz")), format!("{long}…"));
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(
            one_line("a\nb\r\n\u{1b}[31mc 中文\u{85}\u{2028}d"),
            "a b   [31mc 中文  d"
        );
        assert_eq!(
            one_line("status=\u{202e}002\u{202c} \u{2066}x\u{2069}\u{200f}\u{61c}"),
            "status= 002   x   "
        );
    }
}
