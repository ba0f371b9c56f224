//! Where lines go: stderr, or the file and, while that fails, stderr. Is behind the lock of the log, so it formats nothing in the
//! usual case and writes once a line. What is wrong with the file is told once; nobody who logs ever hears of it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use log::Level;

use super::file::{LogFile, Written};
use super::{Change, Shared};

/// Of what is said about the log itself.
const NO_FIELDS: &[(&str, &str)] = &[];

pub(super) struct Output {
    shared: Arc<Shared>,
    /// The line that is being handed over.
    line: Vec<u8>,
    file: Option<LogFile>,
}

impl Output {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            line: Vec::new(),
            file: None,
        }
    }

    fn take_change(&mut self) {
        match self.shared.take_change() {
            None => {}
            Some(Change::Reopen) => {
                if let Some(file) = &mut self.file {
                    file.reopen();
                }
            }
            Some(Change::File(None)) => self.file = None,
            Some(Change::File(Some(settings))) => match &mut self.file {
                Some(file) if file.is_at(&settings.path) => {
                    file.set_limits(&settings);
                    file.reopen();
                }
                Some(_) | None => {
                    self.tell(
                        Level::Info,
                        format_args!("The log goes to {}", settings.path.display()),
                    );
                    self.file = Some(LogFile::new(settings));
                }
            },
        }
    }

    fn emit(&mut self) {
        self.take_change();
        let Some(file) = &mut self.file else {
            to_stderr(&self.line);
            return;
        };
        match file.write(&self.line, Instant::now()) {
            Written::Yes => {}
            Written::Again { elsewhere } => {
                let line = self.shared.line(
                    Level::Warn,
                    format_args!(
                        "warning: log_file can be written again; lines that went to stderr: {elsewhere}"
                    ),
                    &NO_FIELDS,
                );
                // Should it fail again at once, the next line will say so.
                let _ = file.write(format!("{line}\n").as_bytes(), Instant::now());
            }
            Written::Unturned(why) => self.tell(
                Level::Warn,
                format_args!("warning: log_file cannot be rotated, it grows until it can: {why}"),
            ),
            Written::No(why) => {
                let path = file.path().display().to_string();
                self.tell(
                    Level::Warn,
                    format_args!(
                        "warning: log_file {path} cannot be written, the log goes to stderr until it can: {why}"
                    ),
                );
                to_stderr(&self.line);
            }
            Written::StillNot => to_stderr(&self.line),
        }
    }

    /// About the log itself, on stderr.
    fn tell(&self, level: Level, message: fmt::Arguments<'_>) {
        let line = self.shared.line(level, message, &NO_FIELDS);
        to_stderr(format!("{line}\n").as_bytes());
    }
}

/// That it is closed is no reason to stop.
fn to_stderr(line: &[u8]) {
    let _ = io::stderr().write_all(line);
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        // The lines that come here have no other line ends in them.
        if self.line.ends_with(b"\n") {
            self.emit();
            self.line.clear();
        }
        Ok(bytes.len())
    }

    /// There is never anything left to write: what may be left is a change.
    fn flush(&mut self) -> io::Result<()> {
        self.take_change();
        Ok(())
    }
}
