//! Reading from the disk, and the clients' key that is written back.

use super::*;

/// A file in a directory of its own, removed at the end.
struct TestFile(PathBuf);

impl TestFile {
    fn new(text: &str) -> Self {
        let name = write_back::new_key().unwrap();
        let directory = std::env::temp_dir().join(format!("ociai-proxy-config-{}", name.expose()));
        fs::create_dir(&directory).unwrap();
        let path = directory.join("c.conf");
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // A failing test may leave less behind than it made.
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn loaded(path: &Path, mode: Mode) -> Loaded {
    load(path, mode).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn a_placeholder_becomes_a_key_that_stays() {
    let text = with_placeholders_replaced(SAMPLE);
    let file = TestFile::new(&text);
    let first = loaded(&file.0, Mode::Single);
    assert_eq!(first.api_key, ApiKeyOrigin::Written);
    let [key] = first.settings.api.keys.as_slice() else {
        panic!("not one key")
    };
    assert_eq!(
        fs::read_to_string(&file.0).unwrap(),
        text.replacen("auto_generated_key", key.expose(), 1)
    );
    assert_eq!(
        signing(&first.settings.accounts.first().unwrap().upstream).key_file,
        file.0.with_file_name("./mine.pem")
    );
    let second = loaded(&file.0, Mode::Single);
    assert_eq!(second.api_key, ApiKeyOrigin::Configured);
    assert_eq!(second.settings.api.keys, first.settings.api.keys);
}

#[test]
fn a_configured_key_and_a_bad_file_are_left_alone() {
    let bad = with_placeholders_replaced(SAMPLE).replace("4000", "many");
    for (mode, text, is_good) in [
        (Mode::Multi, MULTI_SAMPLE, true),
        (Mode::Single, bad.as_str(), false),
    ] {
        let file = TestFile::new(text);
        assert_eq!(load(&file.0, mode).is_ok(), is_good);
        assert_eq!(fs::read_to_string(&file.0).unwrap(), text);
    }
}

#[test]
fn a_reload_keeps_the_key_of_this_run() {
    let file = TestFile::new(&with_placeholders_replaced(SAMPLE));
    let made = Secret::new("made-earlier");
    let again =
        reload(&file.0, Mode::Single, Some(&made)).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(again.settings.api.keys, [made]);
    assert!(
        fs::read_to_string(&file.0)
            .unwrap()
            .contains("api_key = made-earlier  #")
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_cannot_be_written_holds_for_this_run() {
    use std::os::unix::fs::PermissionsExt;
    let file = TestFile::new(&with_placeholders_replaced(SAMPLE));
    fs::set_permissions(&file.0, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&file.0).is_ok() {
        return; // Root may write any file.
    }
    let loaded = loaded(&file.0, Mode::Single);
    let ApiKeyOrigin::NotWritable { key, why } = loaded.api_key else {
        panic!("written")
    };
    assert_eq!(loaded.settings.api.keys, [key]);
    assert!(why.contains("denied"), "{why}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_line_that_says_what_to_do() {
    let file = TestFile::new("");
    for (path, problem) in [
        (
            file.0.with_file_name("none.conf"),
            "no such file: copy the sample of that kind here and fill it in, or name your file with -config FILE",
        ),
        (file.0.parent().unwrap().to_owned(), "cannot be read ("),
    ] {
        let Err(errors) = load(&path, Mode::Single) else {
            panic!("loaded")
        };
        let [error] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        assert!(
            error
                .to_string()
                .starts_with(&format!("{}: {problem}", path.display())),
            "{error}"
        );
    }
    fs::File::options()
        .write(true)
        .open(&file.0)
        .unwrap()
        .set_len(MAX_FILE_BYTES + 1)
        .unwrap();
    let Err(errors) = load(&file.0, Mode::Single) else {
        panic!("loaded")
    };
    assert!(errors.first().unwrap().problem.starts_with("larger than"));
}
