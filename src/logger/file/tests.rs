//! A log file through its days, without a clock.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A directory of its own, removed when it is dropped.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ociai-log-{}-{next}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("proxy.log")
    }

    /// Names and texts of what is in it, in the order of the names.
    fn files(&self) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(&path).unwrap_or_default())
            })
            .collect();
        files.sort();
        files
    }

    #[track_caller]
    fn holds(&self, expected: &[(&str, &str)]) {
        let files = self.files();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert_eq!(files, expected);
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn log(path: PathBuf, max_size: u64, keep: u32) -> LogFile {
    LogFile::new(FileSettings {
        path,
        max_size,
        keep,
    })
}

#[track_caller]
fn wrote(written: &Written) {
    assert!(matches!(written, Written::Yes), "{written:?}");
}

#[test]
fn a_full_file_is_turned_over_and_the_oldest_goes() {
    let (dir, now) = (Dir::new(), Instant::now());
    let mut file = log(dir.path(), 4, 2);
    for line in ["a\n", "b\n", "c\n", "d\n", "longer than a file\n", "e\n"] {
        wrote(&file.write(line.as_bytes(), now));
    }
    dir.holds(&[
        ("proxy.log", "e\n"),
        ("proxy.log.1", "longer than a file\n"),
        ("proxy.log.2", "c\nd\n"),
    ]);
}

#[test]
fn nothing_older_is_kept_and_nothing_is_turned_over_if_so_wanted() {
    let now = Instant::now();
    for (max_size, keep, expected) in [(2, 0, "c\n"), (0, 3, "a\nb\nc\n")] {
        let dir = Dir::new();
        let mut file = log(dir.path(), max_size, keep);
        for line in ["a\n", "b\n", "c\n"] {
            wrote(&file.write(line.as_bytes(), now));
        }
        dir.holds(&[("proxy.log", expected)]);
    }
}

#[test]
fn what_is_there_is_appended_to_on_a_line_of_its_own() {
    let (dir, now) = (Dir::new(), Instant::now());
    fs::write(dir.path(), "whole\ncut o").unwrap();
    wrote(&log(dir.path(), 0, 0).write(b"a\n", now));
    wrote(&log(dir.path(), 0, 0).write(b"b\n", now));
    dir.holds(&[("proxy.log", "whole\ncut o\na\nb\n")]);
    // Its size counts.
    wrote(&log(dir.path(), 16, 1).write(b"c\n", now));
    dir.holds(&[
        ("proxy.log", "c\n"),
        ("proxy.log.1", "whole\ncut o\na\nb\n"),
    ]);
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    wrote(&log(dir.path(), 0, 0).write(b"a\n", Instant::now()));
    let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_vanishes_comes_back_within_a_second() {
    let (dir, now) = (Dir::new(), Instant::now());
    let mut file = log(dir.path(), 0, 0);
    wrote(&file.write(b"a\n", now));
    fs::remove_file(dir.path()).unwrap();
    wrote(&file.write(b"b\n", now + SECOND / 2));
    dir.holds(&[]);
    wrote(&file.write(b"c\n", now + SECOND));
    dir.holds(&[("proxy.log", "c\n")]);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_on_demand() {
    let (dir, now) = (Dir::new(), Instant::now());
    let mut file = log(dir.path(), 0, 0);
    wrote(&file.write(b"a\n", now));
    fs::rename(dir.path(), dir.0.join("moved")).unwrap();
    file.reopen();
    wrote(&file.write(b"b\n", now));
    dir.holds(&[("moved", "a\n"), ("proxy.log", "b\n")]);
}

#[test]
fn a_failure_is_told_once_and_tried_again_after_a_pause() {
    let (dir, now) = (Dir::new(), Instant::now());
    let home = dir.0.join("later");
    let mut file = log(home.join("proxy.log"), 0, 0);
    let before = |seconds| now + SECOND * seconds;
    assert!(matches!(file.write(b"a\n", now), Written::No(_)));
    assert!(matches!(file.write(b"b\n", before(9)), Written::StillNot));
    assert!(matches!(file.write(b"c\n", before(10)), Written::StillNot));
    fs::create_dir(&home).unwrap();
    assert!(matches!(file.write(b"d\n", before(19)), Written::StillNot));
    let written = file.write(b"e\n", before(20));
    assert!(
        matches!(written, Written::Again { elsewhere: 4 }),
        "{written:?}"
    );
    wrote(&file.write(b"f\n", before(20)));
    let text = fs::read_to_string(home.join("proxy.log")).unwrap();
    assert_eq!(text, "e\nf\n");
}

#[test]
fn a_demand_ends_the_pause() {
    let (dir, now) = (Dir::new(), Instant::now());
    let home = dir.0.join("later");
    let mut file = log(home.join("proxy.log"), 0, 0);
    assert!(matches!(file.write(b"a\n", now), Written::No(_)));
    fs::create_dir(&home).unwrap();
    file.reopen();
    let written = file.write(b"b\n", now);
    assert!(
        matches!(written, Written::Again { elsewhere: 1 }),
        "{written:?}"
    );
}

/// Nobody reads the pipe of a terminal's name, and opening it would wait.
#[test]
fn what_is_no_file_is_refused_at_once() {
    let (dir, now) = (Dir::new(), Instant::now());
    let mut file = log(dir.0.clone(), 0, 0);
    let Written::No(why) = file.write(b"a\n", now) else {
        unreachable!("a directory takes no lines")
    };
    assert_eq!(why.to_string(), "it is not a regular file");
}

#[test]
fn a_file_that_cannot_be_turned_over_grows_and_says_so_once() {
    let (dir, now) = (Dir::new(), Instant::now());
    // In the way of the file that is moved.
    fs::create_dir(dir.0.join("proxy.log.1")).unwrap();
    fs::write(dir.0.join("proxy.log.1/x"), "").unwrap();
    let mut file = log(dir.path(), 4, 1);
    wrote(&file.write(b"a\nb\n", now));
    assert!(matches!(file.write(b"c\n", now), Written::Unturned(_)));
    wrote(&file.write(b"d\n", now));
    assert!(matches!(
        file.write(b"e\n", now + RETRY_PAUSE),
        Written::Unturned(_)
    ));
    fs::remove_dir_all(dir.0.join("proxy.log.1")).unwrap();
    wrote(&file.write(b"f\n", now + RETRY_PAUSE * 2));
    dir.holds(&[("proxy.log", "f\n"), ("proxy.log.1", "a\nb\nc\nd\ne\n")]);
}
