//! The log: one line a record, to stderr or to a file. As text `2025/08/05 21:23:25 message` in local time, where levels do not
//! show (a warning says so in its words), or as one JSON object. Other crates' records are left out. A line is made outside the
//! lock and leaves in one write: nobody waits for another one's formatting. Knows nothing of what is logged. Follows the
//! specification's §3.

mod file;
mod line;
mod output;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use log::kv::Source;
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use simplelog::{ConfigBuilder, WriteLogger};
use time::{OffsetDateTime, UtcOffset};

use output::Output;

/// How much is said: `error`, `warn`, `info`, `debug`, `trace` or `off`. Nothing secret is logged at any level.
const LEVEL_VARIABLE: &str = "OCIAI_LOG";
/// What the records of this program have in their target.
const OWN_RECORDS: &str = "ociai_proxy";

/// What the log should be. Filled by the configuration; without one it is text on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// `None`: the usual one. What the environment says counts more.
    pub(crate) level: Option<LevelFilter>,
    pub(crate) format: Format,
    /// Instead of stderr.
    pub(crate) file: Option<FileSettings>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) path: PathBuf,
    /// Bytes. A line that would go beyond begins a new file. 0: files are never changed.
    pub(crate) max_size: u64,
    /// Older files, `file.1` the youngest, that are kept beside it.
    pub(crate) keep: u32,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Text, Self::Json];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The log that runs.
pub(crate) struct Logger {
    shared: Arc<Shared>,
    usual: LevelFilter,
    /// What the environment says.
    forced: Option<LevelFilter>,
}

/// What the threads that log and who changes the settings have in common.
struct Shared {
    is_json: AtomicBool,
    local: UtcOffset,
    /// There is something in `change`, which is looked at with each line.
    is_changed: AtomicBool,
    change: Mutex<Option<Change>>,
}

/// What the next line meets.
enum Change {
    /// The file is opened anew: somebody has moved it away.
    Reopen,
    /// The lines go there; `None`: to stderr.
    File(Option<FileSettings>),
}

impl Logger {
    /// Starts the log on stderr; `usual` is how much is said if nobody chooses. Must be called before any thread is started: the
    /// local time zone cannot be read safely afterwards, and the log would be in UTC.
    pub(crate) fn start(usual: LevelFilter) -> Self {
        let shared = Arc::new(Shared {
            is_json: AtomicBool::new(false),
            // Without a usable time zone it is UTC.
            local: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC),
            is_changed: AtomicBool::new(false),
            change: Mutex::new(None),
        });
        let wanted = env::var_os(LEVEL_VARIABLE).filter(|wanted| !wanted.is_empty());
        let forced = wanted.as_deref().and_then(level);
        let logger = Lines {
            inner: WriteLogger::new(
                LevelFilter::Trace,
                message_only(),
                Output::new(Arc::clone(&shared)),
            ),
            shared: Arc::clone(&shared),
        };
        // Fails only if a log was started before; then that one goes on.
        if log::set_boxed_logger(Box::new(logger)).is_ok() {
            log::set_max_level(forced.unwrap_or(usual));
        }
        log_panics();
        if let (Some(wanted), None) = (&wanted, forced) {
            tell_of_level(wanted, usual);
        }
        Self {
            shared,
            usual,
            forced,
        }
    }

    /// From now on it is so. What the environment says about the level stays.
    pub(crate) fn apply(&self, settings: &LogSettings) {
        let configured = settings.level.unwrap_or(self.usual);
        log::set_max_level(self.forced.unwrap_or(configured));
        let is_json = settings.format == Format::Json;
        self.shared.is_json.store(is_json, Ordering::Relaxed);
        self.change(Change::File(settings.file.clone()));
        if let (Some(forced), Some(_)) = (self.forced, settings.level)
            && forced != configured
        {
            log::warn!(
                "warning: log_level does not count: {LEVEL_VARIABLE} in the environment says {}",
                name(forced)
            );
        }
    }

    /// Opens the file anew, if there is one, for whoever has moved it away.
    pub(crate) fn reopen(&self) {
        self.change(Change::Reopen);
    }

    fn change(&self, change: Change) {
        *self.shared.change.lock() = Some(change);
        self.shared.is_changed.store(true, Ordering::Release);
        // At once, and not with the next line.
        log::logger().flush();
    }
}

/// simplelog has the lock around the output, and adds the line's end; a line is whole before it gets there.
fn message_only() -> simplelog::Config {
    ConfigBuilder::new()
        .set_time_level(LevelFilter::Off)
        .set_max_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

fn tell_of_level(wanted: &OsString, usual: LevelFilter) {
    log::warn!(
        "warning: {LEVEL_VARIABLE} is {wanted:?}, expected error, warn, info, debug or trace: taken for {}",
        name(usual)
    );
}

fn name(level: LevelFilter) -> String {
    level.as_str().to_ascii_lowercase()
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
fn level(wanted: &OsStr) -> Option<LevelFilter> {
    wanted.to_str()?.trim().parse().ok()
}

impl Shared {
    /// One line, without its end.
    fn line(&self, level: Level, message: fmt::Arguments<'_>, fields: &dyn Source) -> String {
        let now = OffsetDateTime::now_utc();
        if self.is_json.load(Ordering::Relaxed) {
            line::json(now, level, message, fields)
        } else {
            line::text(now.to_offset(self.local), message)
        }
    }

    fn take_change(&self) -> Option<Change> {
        // A line costs one look and no lock as long as nothing changes.
        if !self.is_changed.load(Ordering::Acquire) {
            return None;
        }
        let mut change = self.change.lock();
        self.is_changed.store(false, Ordering::Release);
        change.take()
    }
}

/// Makes the lines, and hands them on.
struct Lines<L> {
    inner: L,
    shared: Arc<Shared>,
}

impl<L: Log> Log for Lines<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(OWN_RECORDS)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = self
            .shared
            .line(record.level(), *record.args(), record.key_values());
        self.inner.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{line}"))
                .build(),
        );
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_in_any_case() {
        for (wanted, expected) in [
            ("debug", Some(LevelFilter::Debug)),
            (" WARN ", Some(LevelFilter::Warn)),
            ("off", Some(LevelFilter::Off)),
            ("loud", None),
        ] {
            assert_eq!(level(OsStr::new(wanted)), expected, "{wanted:?}");
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
}
