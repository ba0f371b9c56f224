//! A log file: appended to line by line, turned over when it is full, opened again when somebody moved it away. Whatever fails is
//! an answer, never a wait: it is tried again after a pause. Reads no clock: the time comes in. Knows nothing of what a line says.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::FileSettings;

/// How long a file that failed is left alone: a disk that is full would else cost each line an attempt.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// How often it is looked whether the file is still there, by who writes to it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct LogFile {
    settings: FileSettings,
    state: State,
    /// Turning it over failed; it is not tried before then.
    unturned_until: Option<Instant>,
}

enum State {
    /// Opened with the next line.
    Closed,
    Open(Opened),
    /// Tried again then.
    Failed {
        retry_at: Instant,
        elsewhere: u64,
    },
}

struct Opened {
    file: File,
    /// Bytes in it.
    size: u64,
    looked_at: Instant,
    /// Its last line was cut off, by a disk that was full or a power failure: the next one begins on a line of its own.
    is_torn: bool,
}

/// What became of a line.
#[derive(Debug)]
pub(super) enum Written {
    Yes,
    /// Yes, the first one after so many that failed.
    Again {
        elsewhere: u64,
    },
    /// Yes, into a file that should have been turned over, and could not be. Told once a pause.
    Unturned(io::Error),
    /// No; the first one that was not.
    No(io::Error),
    StillNot,
}

impl LogFile {
    pub(super) fn new(settings: FileSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            unturned_until: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.settings.path
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.settings.path == path
    }

    pub(super) fn set_limits(&mut self, settings: &FileSettings) {
        self.settings.clone_from(settings);
    }

    /// The next line opens it anew. One that failed is tried at once.
    pub(super) fn reopen(&mut self) {
        self.unturned_until = None;
        match &mut self.state {
            State::Closed => {}
            State::Open(_) => self.state = State::Closed,
            State::Failed { retry_at, .. } => {
                *retry_at = retry_at.checked_sub(RETRY_PAUSE).unwrap_or(*retry_at)
            }
        }
    }

    /// Appends a line, which ends with its line break.
    pub(super) fn write(&mut self, line: &[u8], now: Instant) -> Written {
        let elsewhere = match &mut self.state {
            State::Failed {
                retry_at,
                elsewhere,
            } if now < *retry_at => {
                *elsewhere += 1;
                return Written::StillNot;
            }
            State::Failed { elsewhere, .. } => Some(*elsewhere),
            State::Closed | State::Open(_) => None,
        };
        match (self.append(line, now), elsewhere) {
            (Ok(None), None) => Written::Yes,
            (Ok(_), Some(elsewhere)) => Written::Again { elsewhere },
            (Ok(Some(why)), None) => Written::Unturned(why),
            (Err(why), before) => {
                self.state = State::Failed {
                    retry_at: now + RETRY_PAUSE,
                    elsewhere: before.unwrap_or(0) + 1,
                };
                match before {
                    None => Written::No(why),
                    Some(_) => Written::StillNot,
                }
            }
        }
    }

    /// `Some`: it should have been turned over before, and why it was not.
    fn append(&mut self, line: &[u8], now: Instant) -> io::Result<Option<io::Error>> {
        let FileSettings {
            path,
            max_size,
            keep,
        } = &self.settings;
        let mut opened = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(opened) => opened,
            State::Closed | State::Failed { .. } => Opened::open(path, now)?,
        };
        if now.saturating_duration_since(opened.looked_at) >= LOOK_INTERVAL {
            opened = if opened.look(path, now) {
                opened
            } else {
                Opened::open(path, now)?
            };
        }
        let mut unturned = None;
        let is_full =
            *max_size > 0 && opened.size > 0 && opened.size + line.len() as u64 > *max_size;
        if is_full && self.unturned_until.is_none_or(|until| now >= until) {
            self.unturned_until = None;
            match turn_over(path, *keep) {
                Ok(()) => opened = Opened::open(path, now)?,
                Err(why) => {
                    self.unturned_until = Some(now + RETRY_PAUSE);
                    unturned = Some(why);
                }
            }
        }
        opened.append(line)?;
        self.state = State::Open(opened);
        Ok(unturned)
    }
}

impl Opened {
    fn open(path: &Path, now: Instant) -> io::Result<Self> {
        // Opening a pipe that nobody reads would wait for ever.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // Paths, models and addresses are nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            is_torn: size > 0 && last_byte(&mut file)? != b'\n',
            file,
            size,
            looked_at: now,
        })
    }

    /// Whether what is open is what has that name now. Also learns its size, which others may have changed.
    fn look(&mut self, path: &Path, now: Instant) -> bool {
        self.looked_at = now;
        let (Ok(there), Ok(here)) = (fs::metadata(path), self.file.metadata()) else {
            return false;
        };
        self.size = here.len();
        is_same(&there, &here)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.is_torn) {
            self.put(b"\n")?;
        }
        self.put(line)
    }

    /// In one write, if the system takes all of it.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.size += count as u64;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

#[cfg(unix)]
fn is_same(there: &fs::Metadata, here: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (there.dev(), there.ino()) == (here.dev(), here.ino())
}

/// There is a file of that name, more is not known.
#[cfg(not(unix))]
fn is_same(_there: &fs::Metadata, _here: &fs::Metadata) -> bool {
    true
}

/// Makes room for a new file: `file` becomes `file.1`, that `file.2`, and the one beyond `keep` goes.
fn turn_over(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => result?,
        }
    }
    fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests;
