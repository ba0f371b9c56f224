//! Makes the clients' key and puts it into the file: one value or one line changes, every other byte stays. The edit is a pure
//! function; below it is what touches the disk. Knows no other key. Follows the specification's §2, "API key".

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::crypto;

use super::Mode;
use super::file::File;
use super::known::Kind;
use crate::names::Secret;

/// 32 hex digits.
const KEY_BYTES: usize = 16;
/// Names of temporary files must not collide, no more than that.
const SUFFIX_BYTES: usize = 6;

/// Where in the file the key belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// In place of these bytes; if the range is empty, right after the separator.
    Value(Range<usize>),
    /// On a line of its own that begins here.
    Line(usize),
}

impl Slot {
    pub(super) fn of(bytes: &[u8], file: &File, mode: Mode) -> Self {
        let general = file
            .sections
            .iter()
            .filter(|section| matches!(Kind::of(section), Kind::Default | Kind::Global));
        let present = general
            .clone()
            .flat_map(|section| &section.entries)
            .find(|entry| entry.is("api_key"));
        if let Some(entry) = present {
            return Self::Value(entry.span.clone());
        }
        let default = file.sections.iter().find(|section| section.is("DEFAULT"));
        if let (Mode::Single, Some(section)) = (mode, default) {
            return Self::Line(section.body);
        }
        match file.sections.as_slice() {
            [top, first, ..] => Self::Line(above_comments(bytes, top.start..first.start)),
            [] | [_] => Self::Line(bytes.len()),
        }
    }
}

/// The start of the block of comment lines that ends where the range does: those belong to the header below them.
fn above_comments(bytes: &[u8], range: Range<usize>) -> usize {
    let before = bytes.get(range.clone()).unwrap_or_default();
    let mut at = range.end;
    for line in before.split_inclusive(|&byte| byte == b'\n').rev() {
        if !matches!(line.trim_ascii_start().first(), Some(b'#' | b';')) {
            break;
        }
        at -= line.len();
    }
    at
}

/// The file's text with the key in its slot.
pub(super) fn with_value(text: &[u8], slot: &Slot, key: &str) -> Vec<u8> {
    let (range, inserted) = match slot {
        Slot::Value(span) if span.is_empty() => (span.clone(), format!(" {key}")),
        Slot::Value(span) => (span.clone(), key.to_owned()),
        Slot::Line(at) => {
            let first_break = text
                .iter()
                .position(|&byte| byte == b'\n')
                .and_then(|at| at.checked_sub(1));
            let is_crlf = first_break.and_then(|at| text.get(at)) == Some(&b'\r');
            let line_break = if is_crlf { "\r\n" } else { "\n" };
            let before = text.get(..*at).unwrap_or_default();
            let line = format!("api_key = {key}");
            // Only the last line of a file can lack its line break.
            let unfinished = *at == text.len() && !before.is_empty() && !before.ends_with(b"\n");
            let line = if unfinished {
                line_break.to_owned() + &line
            } else {
                line + line_break
            };
            (*at..*at, line)
        }
    };
    let before = text.get(..range.start).unwrap_or_default();
    let after = text.get(range.end..).unwrap_or_default();
    [before, inserted.as_bytes(), after].concat()
}

/// A new key: 32 hex digits.
pub(super) fn new_key() -> Result<Secret, String> {
    random_hex::<KEY_BYTES>().map(Secret::new)
}

fn random_hex<const BYTES: usize>() -> Result<String, String> {
    crypto::random_hex::<BYTES>().ok_or_else(|| {
        "the system's random source failed, so no api_key can be made: set one in the file"
            .to_owned()
    })
}

/// Replaces the file's text. `old` is what was read: a file that changed since is left alone. Through symbolic links; the owner
/// stays, the mode becomes 0600.
///
/// # Errors
/// Why the file could not be written, in words. Then it holds what it held.
pub(super) fn write(path: &Path, old: &[u8], new: &[u8]) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let target = fs::canonicalize(path).map_err(told)?;
    if !fs::metadata(&target).map_err(told)?.is_file() {
        return Err("not a regular file".to_owned());
    }
    // Asked first: a rename would get past a file that its owner made read-only.
    OpenOptions::new().write(true).open(&target).map_err(told)?;
    if fs::read(&target).map_err(told)? != old {
        return Err("it was changed while it was being read".to_owned());
    }
    let beside = temporary_beside(&target)?;
    match replace(&target, &beside, new) {
        Ok(()) => Ok(()),
        Err(error) => {
            // It may not exist; and left over it would only be litter, that only the owner can read.
            let _ = fs::remove_file(&beside);
            if is_full(&error) {
                return Err(error.to_string());
            }
            overwrite(&target, old, new).map_err(told)
        }
    }
}

fn temporary_beside(target: &Path) -> Result<PathBuf, String> {
    let suffix = random_hex::<SUFFIX_BYTES>()?;
    Ok(target.with_file_name(format!(".ociai-proxy.{suffix}.tmp")))
}

/// No room on the disk: then overwriting would destroy what is there.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// Writes beside the target and renames: a crash leaves the old text or the new one, never half of it.
fn replace(target: &Path, beside: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private_file(beside)?;
    // Before the key is in it; and whoever may not give the file to its owner must overwrite it instead.
    keep_owner(&file, target)?;
    file.write_all(text)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, target)?;
    if let Some(directory) = target.parent() {
        // The rename itself; some file systems cannot sync a directory, and the file is good either way.
        let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

/// Writes a file that is not there yet: whole, or not at all. Only its owner may read it.
///
/// # Errors
/// `AlreadyExists`: something has that name, be it a link to nothing; it is left alone. Others: what the system says.
pub(super) fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = temporary_beside(path).map_err(io::Error::other)?;
    let written = fill(&beside, text).and_then(|()| match fs::hard_link(&beside, path) {
        // Some file systems have no links. Then a crash may leave half a file, and still nothing is overwritten.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fill(path, text),
        result => result,
    });
    let _ = fs::remove_file(&beside);
    written
}

/// A new file with this text. One that could not be filled does not stay.
fn fill(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private_file(path)?;
    let filled = file.write_all(text).and_then(|()| file.sync_all());
    if filled.is_err() {
        let _ = fs::remove_file(path);
    }
    filled
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    options.open(path)
}

/// Writes over the target's text: for a bind-mounted file, or a directory that is not ours to write.
fn overwrite(target: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(target)?;
    restrict(&file);
    put(&mut file, new).inspect_err(|_| {
        // The old text was there a moment ago, so there is room for it.
        let _ = put(&mut file, old);
    })
}

fn put(file: &mut fs::File, text: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Only the owner reads and writes.
#[cfg(unix)]
const MODE: u32 = 0o600;

#[cfg(unix)]
fn keep_owner(file: &fs::File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (wanted, is) = (fs::metadata(target)?, file.metadata()?);
    if (wanted.uid(), wanted.gid()) == (is.uid(), is.gid()) {
        return Ok(());
    }
    fchown(file, Some(wanted.uid()), Some(wanted.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &fs::File, _target: &Path) -> io::Result<()> {
    Ok(())
}

/// Not an error when it fails: only the owner of a file may set its mode, and a group that may write it may read it anyway.
#[cfg(unix)]
fn restrict(file: &fs::File) {
    let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE));
}

#[cfg(not(unix))]
fn restrict(_file: &fs::File) {}

#[cfg(test)]
mod tests;
