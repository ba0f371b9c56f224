//! The edit byte by byte, and what happens on the disk.

#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test ends where it fails")
)]

use super::*;
use crate::config::file::scan;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// `…` in `after` stands for the key.
#[track_caller]
fn check(mode: Mode, before: &str, after: &str) {
    let bytes = before.as_bytes();
    let (file, _) = scan(bytes);
    let text = with_value(bytes, &Slot::of(bytes, &file, mode), KEY);
    assert_eq!(
        String::from_utf8(text.clone()).unwrap(),
        after.replace('…', KEY)
    );
    // What was written is found again, and in the right place.
    let (file, strays) = scan(&text);
    let found = file
        .sections
        .iter()
        .flat_map(|section| &section.entries)
        .find(|entry| entry.is("api_key"));
    assert_eq!((found.unwrap().value.as_str(), strays), (KEY, Vec::new()));
}

#[test]
fn a_placeholder_is_replaced_and_every_other_byte_stays() {
    use Mode::{Multi, Single};
    check(
        Single,
        "[DEFAULT]\napi_key = auto_generated_key\n",
        "[DEFAULT]\napi_key = …\n",
    );
    check(
        Single,
        "[DEFAULT]\napi_key=auto_generated_key",
        "[DEFAULT]\napi_key=…",
    );
    check(
        Single,
        "\u{FEFF}# 配置\r\n[default]\r\nApi_Key :\tauto_generated_key \t # 首次运行时自动生成 auto_generated_key\r\n\r\nx=1",
        "\u{FEFF}# 配置\r\n[default]\r\nApi_Key :\t… \t # 首次运行时自动生成 auto_generated_key\r\n\r\nx=1",
    );
    check(
        Multi,
        "# c\napi_key = auto_generated_key ; c\n[GLOBAL]\n",
        "# c\napi_key = … ; c\n[GLOBAL]\n",
    );
    check(
        Multi,
        "[GLOBAL]\nqueue_size = 1\napi_key = auto_generated_key",
        "[GLOBAL]\nqueue_size = 1\napi_key = …",
    );
}

#[test]
fn an_empty_value_is_filled() {
    use Mode::Single;
    check(
        Single,
        "[DEFAULT]\napi_key =\nx = 1\n",
        "[DEFAULT]\napi_key = …\nx = 1\n",
    );
    check(
        Single,
        "[DEFAULT]\r\napi_key =   # why\r\n",
        "[DEFAULT]\r\napi_key = …   # why\r\n",
    );
}

#[test]
fn a_missing_key_gets_a_line_of_its_own() {
    use Mode::{Multi, Single};
    check(
        Single,
        "[DEFAULT]\nuser = u\n\n[MODELS]\n",
        "[DEFAULT]\napi_key = …\nuser = u\n\n[MODELS]\n",
    );
    check(
        Single,
        "[GLOBAL]\r\n[DEFAULT]  # c\r\nuser = u\r\n",
        "[GLOBAL]\r\n[DEFAULT]  # c\r\napi_key = …\r\nuser = u\r\n",
    );
    check(
        Single,
        "[MODELS]\na = b\n[DEFAULT]",
        "[MODELS]\na = b\n[DEFAULT]\napi_key = …",
    );
    check(
        Single,
        "user = u\n[MODELS]\na = b\n",
        "user = u\napi_key = …\n[MODELS]\na = b\n",
    );
    check(Single, "user = u", "user = u\napi_key = …");
    check(Single, "", "api_key = …\n");
    check(
        Multi,
        "[GLOBAL]\n[DEFAULT]\n",
        "api_key = …\n[GLOBAL]\n[DEFAULT]\n",
    );
    check(
        Multi,
        "\u{FEFF}[GLOBAL]\r\n",
        "\u{FEFF}api_key = …\r\n[GLOBAL]\r\n",
    );
    check(
        Multi,
        "\u{FEFF}# c\r\n[GLOBAL]\r\n",
        "\u{FEFF}api_key = …\r\n# c\r\n[GLOBAL]\r\n",
    );
    check(
        Multi,
        "# 多账户\n\ndefault_model = a\n\n# 全局\n; c\n  [GLOBAL]\n",
        "# 多账户\n\ndefault_model = a\n\napi_key = …\n# 全局\n; c\n  [GLOBAL]\n",
    );
}

#[test]
fn a_key_is_32_hex_digits_and_never_the_same() {
    let (one, other) = (new_key().unwrap(), new_key().unwrap());
    assert_eq!(one.expose().len(), 32);
    assert!(
        one.expose()
            .bytes()
            .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    );
    assert_ne!(one, other);
}

/// A directory for one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("ociai-proxy-test-{}", random_hex::<8>().unwrap()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A test may have failed half-way; what is left lies in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
    let directory = Directory::new();
    let path = directory.file("c.conf", "old");
    write(&path, b"old", b"new and longer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new and longer");
    assert_eq!(directory.names(), ["c.conf"]);
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let directory = Directory::new();
    let path = directory.file("c.conf", "another's");
    assert_eq!(
        write(&path, b"old", b"new"),
        Err("it was changed while it was being read".to_owned())
    );
    assert_eq!(fs::read(&path).unwrap(), b"another's");
}

#[test]
fn overwriting_in_place_leaves_no_rest_of_a_longer_text() {
    let directory = Directory::new();
    let path = directory.file("c.conf", "old and longer");
    overwrite(&path, b"old and longer", b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_mode_becomes_0600_either_way() {
        let directory = Directory::new();
        let (renamed, over) = (directory.file("a", "old"), directory.file("b", "old"));
        set_mode(&renamed, 0o644);
        set_mode(&over, 0o664);
        write(&renamed, b"old", b"new").unwrap();
        overwrite(&over, b"old", b"new").unwrap();
        assert_eq!((mode(&renamed), mode(&over)), (0o600, 0o600));
    }

    #[test]
    fn a_symbolic_link_stays_one_and_its_target_is_written() {
        let directory = Directory::new();
        let elsewhere = Directory::new();
        let target = elsewhere.file("real.conf", "old");
        let link = directory.0.join("c.conf");
        symlink(&target, &link).unwrap();
        write(&link, b"old", b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(
            (directory.names(), elsewhere.names()),
            (vec!["c.conf".to_owned()], vec!["real.conf".to_owned()])
        );
    }

    #[test]
    fn the_owner_stays() {
        let directory = Directory::new();
        let path = directory.file("c.conf", "old");
        // Only root may give files away; for everybody else the owner is the same before and after.
        let _ = chown(&path, Some(12_345), Some(54_321));
        let owner = |path: &Path| {
            fs::metadata(path)
                .map(|data| (data.uid(), data.gid()))
                .unwrap()
        };
        let before = owner(&path);
        if write(&path, b"old", b"new").is_ok() {
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
        assert_eq!(owner(&path), before);
    }

    #[test]
    fn in_a_directory_that_is_not_writable_the_file_is_overwritten() {
        let directory = Directory::new();
        let path = directory.file("c.conf", "old");
        let inode = fs::metadata(&path).unwrap().ino();
        set_mode(&directory.0, 0o555);
        let is_root = fs::write(directory.0.join("probe"), "").is_ok();
        let written = write(&path, b"old", b"new");
        set_mode(&directory.0, 0o755);
        assert_eq!(written, Ok(()));
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"new".to_vec(), 0o600)
        );
        // Root may write into any directory.
        assert_eq!(fs::metadata(&path).unwrap().ino() == inode, !is_root);
    }

    #[test]
    fn a_failed_rename_leaves_no_litter() {
        let directory = Directory::new();
        let path = directory.file("c.conf", "old");
        // A name that is taken: `create_new` fails, for root too.
        let taken = directory.file("taken", "x");
        assert!(replace(&path, &taken, b"new").is_err());
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&taken).unwrap()),
            (b"old".to_vec(), b"x".to_vec())
        );
    }

    #[test]
    fn a_read_only_file_is_not_written() {
        let directory = Directory::new();
        let path = directory.file("c.conf", "old");
        set_mode(&path, 0o444);
        if OpenOptions::new().write(true).open(&path).is_ok() {
            return; // Root may write any file.
        }
        assert!(write(&path, b"old", b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(directory.names(), ["c.conf"]);
    }

    #[test]
    fn what_is_no_file_is_not_written() {
        let directory = Directory::new();
        assert_eq!(
            write(&directory.0, b"", b"new"),
            Err("not a regular file".to_owned())
        );
    }
}
