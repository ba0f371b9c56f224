//! What is written is read back.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test ends where it fails"
    )
)]

use super::super::tests::signing;
use super::super::{Settings, error::Report, known, write_back};
use super::*;

const FINGERPRINT: &str = "aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00";

fn new_file() -> NewFile {
    NewFile {
        user: "ocid1.user.oc1..u".to_owned(),
        tenancy: "ocid1.tenancy.oc1..t".to_owned(),
        fingerprint: FINGERPRINT.to_owned(),
        key_file: "./key.pem".to_owned(),
        region: "us-chicago-1".to_owned(),
        pass_phrase: None,
        compartment: None,
        models: models("grok-4=xai.grok-4, qwen3:8b = ocid1.generativeaiendpoint.oc1..a, c=cohere.c | COHEREV2")
            .unwrap(),
    }
}

fn read_back(new: &NewFile, mode: Mode) -> Settings {
    let text = new.text(mode, &Secret::new("made-key"));
    let paths = Paths {
        base: Path::new("/base"),
        home: Some(Path::new("/home/me")),
    };
    let read = interpret(text.as_bytes(), Path::new("f"), mode, paths)
        .unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert!(read.warnings.is_empty() && read.slot.is_none());
    assert_eq!(read.settings.api.keys, [Secret::new("made-key")]);
    read.settings
}

#[test]
fn both_kinds_are_read_back_as_they_were_meant() {
    // Quotes, backslashes, equals signs, and marks that would be a comment after a space.
    let odd = r#"a"b\c=d#e;f'g [h] ü 密"#;
    for mode in [Mode::Single, Mode::Multi] {
        let plain = new_file();
        let settings = read_back(&plain, mode);
        let upstream = &settings.accounts.first().unwrap().upstream;
        assert!(signing(upstream).pass_phrase.is_none());
        assert_eq!(upstream.compartment_id.as_ref(), Some(&plain.tenancy));
        assert_eq!(settings.api.models.names().count(), 3);
        assert!(settings.api.models.resolve("qwen3:8b").is_some());
        let full = NewFile {
            key_file: format!("~/{odd}/k.pem"),
            pass_phrase: Some(Secret::new(odd)),
            compartment: Some("ocid1.compartment.oc1..c".to_owned()),
            ..plain
        };
        accept(Item::KeyFile, &full.key_file).unwrap();
        accept(Item::PassPhrase, odd).unwrap();
        assert_eq!(full.check(mode, Path::new("f")), Ok(()));
        let settings = read_back(&full, mode);
        let [account] = settings.accounts.as_slice() else {
            panic!("not one account")
        };
        let upstream = &account.upstream;
        assert_eq!(signing(upstream).user, full.user);
        assert_eq!(signing(upstream).tenancy, full.tenancy);
        assert_eq!(signing(upstream).fingerprint, full.fingerprint);
        assert_eq!(upstream.region.as_ref().unwrap().as_str(), full.region);
        assert_eq!(
            signing(upstream).key_file,
            Path::new("/home/me").join(odd).join("k.pem")
        );
        assert_eq!(signing(upstream).pass_phrase, full.pass_phrase);
        assert_eq!(
            upstream.compartment_id.as_deref(),
            Some("ocid1.compartment.oc1..c")
        );
    }
}

/// What the file shows with a `#` before it are keys that there are.
#[test]
fn every_key_that_is_shown_is_known() {
    for (mode, count) in [(Mode::Single, 7), (Mode::Multi, 8)] {
        let text = new_file().text(mode, &Secret::new("k"));
        // Without the account that is to come.
        let text = text.split("\n# The next account").next().unwrap();
        let is_key = |key: &str| {
            key.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let shown = |line: &str| {
            let line = line.strip_prefix("# ")?;
            let (key, _) = line.split_once(" =")?;
            is_key(key).then(|| line.to_owned())
        };
        assert_eq!(text.lines().filter_map(shown).count(), count);
        let lines: Vec<String> = text
            .lines()
            .map(|line| shown(line).unwrap_or_else(|| line.to_owned()))
            .collect();
        let (file, strays) = file::scan(lines.join("\n").as_bytes());
        assert_eq!(strays, []);
        let mut report = Report::new(Path::new("f"));
        known::check(&file, mode, &mut report);
        assert!(report.into_warnings().is_empty());
    }
}

#[test]
fn the_next_account_works_once_it_is_filled_in() {
    let text = new_file().text(Mode::Multi, &Secret::new("k"));
    let (before, next) = text.split_once("# [ACCOUNT_2]\n").unwrap();
    let next = next
        .replace("# ", "")
        .replace("user =", "user = ocid1.user.oc1..v")
        .replace("fingerprint =", &format!("fingerprint = {FINGERPRINT}"))
        .replace("key_file =", "key_file = 2.pem")
        .replace("tenancy =", "tenancy = ocid1.tenancy.oc1..v")
        .replace("region =", "region = eu-frankfurt-1");
    let text = format!("{before}[ACCOUNT_2]\n{next}");
    let paths = Paths {
        base: Path::new("/base"),
        home: None,
    };
    let read = interpret(text.as_bytes(), Path::new("f"), Mode::Multi, paths)
        .unwrap_or_else(|errors| panic!("{errors:#?}"));
    let accounts = read.settings.accounts.iter();
    let ids: Vec<_> = accounts.map(|account| account.seat.id.as_str()).collect();
    assert_eq!(ids, ["account_1", "account_2"]);
}

#[test]
fn a_value_that_the_file_cannot_hold_is_refused() {
    const LOST: &str = "the file cannot hold it";
    for (item, text, expected) in [
        (Item::KeyFile, "my keys #1/k.pem", LOST),
        (Item::KeyFile, "a\nb", LOST),
        (Item::KeyFile, "", "expected the path of the private key"),
        (Item::KeyFile, "~other/k.pem", "expected a path"),
        (Item::PassPhrase, " spaced", LOST),
        (Item::PassPhrase, "a ;b", LOST),
        (Item::User, "me", "expected an OCID such as ocid1.user"),
        (Item::Tenancy, "", "expected an OCID such as ocid1.tenancy"),
        (
            Item::Compartment,
            "x",
            "expected an OCID such as ocid1.comp",
        ),
        (Item::Fingerprint, "12:34", "expected 16 pairs"),
        (Item::Region, "the moon", "expected a region"),
        (Item::Models, " , ", "expected one or more models"),
        (Item::Models, "a=b c", "expected an OCI model id"),
        (Item::Models, "=xai.grok-4", "expected a name and"),
        (Item::Models, "#a=xai.grok-4", "expected a name and"),
        (Item::Models, "[a=xai.grok-4", "expected a name and"),
        (
            Item::Models,
            "a=x.b, a=x.c",
            "the name \"a\" stands there twice",
        ),
        (
            Item::Models,
            "ocid1.generativeaiendpoint.oc1..a",
            "needs a name",
        ),
    ] {
        let problem = accept(item, text).unwrap_err();
        assert!(problem.contains(expected), "{item:?} {text:?}: {problem}");
    }
    // The last guard, should a value come another way.
    let new = NewFile {
        user: "nobody".to_owned(),
        ..new_file()
    };
    let problems = new.check(Mode::Single, Path::new("f")).unwrap_err();
    let told = problems.concat();
    assert!(told.contains("user: expected an OCID"), "{told}");
}

#[test]
fn a_model_without_a_name_is_called_like_its_id_without_the_vendor() {
    let expected = [("grok-4", "xai.grok-4"), ("own", "own")];
    let expected = expected.map(|(name, id)| (name.to_owned(), id.to_owned()));
    assert_eq!(models("xai.grok-4,own,").unwrap(), expected);
}

#[test]
fn a_new_file_is_private_and_never_takes_the_place_of_another() {
    let dir = std::env::temp_dir().join(format!("ociai-new-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("config.conf");
    write_back::create(&path, b"first").unwrap();
    let error = write_back::create(&path, b"second").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A link to nothing is something.
        let link = dir.join("link");
        std::os::unix::fs::symlink(dir.join("nothing"), &link).unwrap();
        let error = write_back::create(&link, b"third").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&link).unwrap();
    }
    let left = std::fs::read_dir(&dir).unwrap().count();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(left, 1, "nothing is left beside it");
}
