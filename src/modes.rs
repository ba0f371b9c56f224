//! Files that hold secrets: whether other users of this machine may read or change them, and the command that mends it. Never an
//! error: what a file's mode is for, its owner may know better. Outside Unix nothing is known.

use std::path::{Path, PathBuf};

/// What is wrong with each of these files, with what to do. A file that cannot be looked at is passed over: whoever reads it says so.
pub(crate) fn complaints(files: &[PathBuf]) -> Vec<String> {
    files.iter().filter_map(|file| complaint(file)).collect()
}

#[cfg(unix)]
fn complaint(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // Through symbolic links, as reading and chmod go. A pipe or a device has no secrets to keep.
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() {
        return None;
    }
    let user = rustix::process::geteuid().as_raw();
    let is_ours = user == 0 || user == metadata.uid();
    let mode = metadata.mode() & 0o777;
    let wrong = Wrong::of(mode, is_ours)?;
    let path = path.display().to_string();
    let mend = wrong.mend(&quoted(&path), mode, is_ours, user);
    Some(format!(
        "{path}: other users of this machine can {} it (mode {mode:04o}), and it holds secrets: {mend}",
        wrong.can()
    ))
}

#[cfg(not(unix))]
fn complaint(_path: &Path) -> Option<String> {
    None
}

/// What others can do with a file.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Read,
    Write,
    ReadAndWrite,
}

#[cfg(unix)]
impl Wrong {
    /// A file of another owner may be read by a group: that is how this program is let at it (root's file, the service's group).
    fn of(mode: u32, is_ours: bool) -> Option<Self> {
        let others = mode & if is_ours { 0o066 } else { 0o026 };
        match (others & 0o044 != 0, others & 0o022 != 0) {
            (true, true) => Some(Self::ReadAndWrite),
            (true, false) => Some(Self::Read),
            (false, true) => Some(Self::Write),
            (false, false) => None,
        }
    }

    fn can(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadAndWrite => "read and write",
        }
    }

    /// The command, after which this program can still read the file.
    fn mend(self, path: &str, mode: u32, is_ours: bool, user: u32) -> String {
        if is_ours {
            format!("chmod 600 {path}")
        } else if mode & 0o040 != 0 {
            format!("chmod 640 {path}")
        } else {
            format!("chown {user} {path} && chmod 600 {path}")
        }
    }
}

/// As a shell takes it.
pub(crate) fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if path.chars().all(is_plain) && !path.starts_with('-') {
        return path.to_owned();
    }
    let inner = path.replace('\'', r"'\''");
    if inner.starts_with('-') {
        format!("'./{inner}'")
    } else {
        format!("'{inner}'")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what_and_how_to_mend_it() {
        for (mode, is_ours, expected) in [
            (0o600, true, None),
            (0o400, true, None),
            (0o700, true, None),
            (0o711, true, None),
            (0o644, true, Some(("read", "chmod 600 k"))),
            (0o640, true, Some(("read", "chmod 600 k"))),
            (0o622, true, Some(("write", "chmod 600 k"))),
            (0o660, true, Some(("read and write", "chmod 600 k"))),
            (0o666, true, Some(("read and write", "chmod 600 k"))),
            (0o640, false, None),
            (0o440, false, None),
            (0o660, false, Some(("write", "chmod 640 k"))),
            (0o644, false, Some(("read", "chmod 640 k"))),
            (0o604, false, Some(("read", "chown 7 k && chmod 600 k"))),
        ] {
            let found = Wrong::of(mode, is_ours);
            let found = found.map(|wrong| (wrong.can(), wrong.mend("k", mode, is_ours, 7)));
            let expected = expected.map(|(can, mend): (_, &str)| (can, mend.to_owned()));
            assert_eq!(found, expected, "{mode:o} {is_ours}");
        }
    }

    #[test]
    fn a_path_stands_as_a_shell_takes_it() {
        for (path, expected) in [
            ("/etc/ociai/key.pem", "/etc/ociai/key.pem"),
            ("my key.pem", "'my key.pem'"),
            ("it's", r"'it'\''s'"),
            ("~/k", "'~/k'"),
            ("-k", "'./-k'"),
            ("密钥.pem", "'密钥.pem'"),
        ] {
            assert_eq!(quoted(path), expected);
        }
    }

    #[test]
    fn what_is_no_file_is_passed_over() {
        let files = [PathBuf::from("/dev/null"), PathBuf::from("/no/such/file")];
        assert_eq!(complaints(&files), Vec::<String>::new());
    }
}
