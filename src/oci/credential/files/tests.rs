//! Tokens in files: read again when they change, refused when they are none.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const KEY: &str = include_str!("../../../../tests/fixtures/identity/TEST-session-key.pem");
const HOUR: u64 = 3600;

/// A directory of its own, removed when it is dropped.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ociai-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let dir = Self(path);
        fs::write(dir.0.join("key.pem"), KEY).unwrap();
        dir
    }

    fn write(&self, token: &str) {
        let new = self.0.join("new");
        fs::write(&new, token).unwrap();
        fs::rename(new, self.0.join("token")).unwrap();
    }

    fn files(&self) -> Files {
        let held = |name: &str| Held::File(self.0.join(name));
        Files::new(held("token"), held("key.pem"), None, None)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Seconds since 1970 of the tests' clock.
const NOW: u64 = 1_790_000_000;

fn token(name: &str, expires: u64) -> String {
    let claims =
        format!(r#"{{"jti":"{name}","exp":{expires},"res_tenant":"ocid1.tenancy.oc1..r"}}"#);
    format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims))
}

fn load(files: &mut Files, forced: bool, now: Instant) -> Result<Option<Login>, KeyError> {
    files.load(forced, UNIX_EPOCH + Duration::from_secs(NOW), now)
}

#[test]
fn a_file_is_read_again_when_it_has_changed_and_only_then() {
    let dir = Dir::new("again");
    let (mut files, t0) = (dir.files(), Instant::now());
    dir.write(&token("a", NOW + HOUR));
    let first = load(&mut files, true, t0).unwrap().unwrap();
    assert_eq!(first.valid_for(t0), Some(Duration::from_secs(HOUR)));
    assert!(first.is_valid(t0) && !first.is_valid(t0 + Duration::from_secs(HOUR)));
    assert!(load(&mut files, false, t0).unwrap().is_none());
    // OCI refuses it, and it is still the same.
    assert!(load(&mut files, true, t0).unwrap().is_none());
    assert!(load(&mut files, false, t0).unwrap().is_none());
    // As long as the old one, and written within the same tick of the file system's clock.
    dir.write(&token("b", NOW + HOUR));
    assert!(load(&mut files, false, t0).unwrap().is_some());
    assert!(load(&mut files, false, t0).unwrap().is_none());
}

#[test]
fn what_cannot_be_read_is_tried_again_until_it_can() {
    let dir = Dir::new("bad");
    let (mut files, t0) = (dir.files(), Instant::now());
    let problem = load(&mut files, true, t0).unwrap_err().to_string();
    assert!(problem.contains("token: cannot be read: "), "{problem}");
    for text in ["", "two words", "a\"b", &"x".repeat(MAX_TOKEN_BYTES + 100)] {
        dir.write(text);
        for _ in 0..2 {
            let problem = load(&mut files, false, t0).unwrap_err().to_string();
            assert!(problem.contains("does not hold a token"), "{problem}");
            assert!(text.is_empty() || !problem.contains(text));
        }
    }
    dir.write(&token("a", NOW + HOUR));
    assert!(load(&mut files, false, t0).unwrap().is_some());
    fs::write(dir.0.join("key.pem"), "no key").unwrap();
    let problem = load(&mut files, false, t0).unwrap_err().to_string();
    assert!(problem.contains("key.pem"), "{problem}");
    fs::write(dir.0.join("key.pem"), KEY).unwrap();
    assert!(load(&mut files, false, t0).unwrap().is_some());
}

#[test]
fn a_token_that_has_ended_is_no_login_and_one_without_an_end_is() {
    let dir = Dir::new("ended");
    let (mut files, t0) = (dir.files(), Instant::now());
    dir.write(&token("a", NOW - 1));
    assert!(!load(&mut files, true, t0).unwrap().unwrap().is_valid(t0));
    assert!(files.expired().contains("oci session refresh"));
    dir.write("not-a-jwt");
    let login = load(&mut files, false, t0).unwrap().unwrap();
    assert!(login.is_valid(t0 + Duration::from_secs(1_000_000)));
    assert_eq!(login.valid_for(t0), None);
}

#[test]
fn a_resource_principal_is_what_the_environment_says() {
    let dir = Dir::new("resource");
    dir.write(&token("a", NOW + HOUR));
    let file = dir.0.join("token").display().to_string();
    let of = |changes: &[(&str, &str)]| {
        let changes: Vec<_> = changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let file = file.clone();
        Files::of_resource(move |name| {
            let name = name.strip_prefix("OCI_RESOURCE_PRINCIPAL_")?;
            if let Some((_, value)) = changes.iter().find(|(known, _)| known == name) {
                return Some(value.clone());
            }
            match name {
                "VERSION" => Some("2.2".to_owned()),
                "RPST" => Some(file.clone()),
                "PRIVATE_PEM" => Some(KEY.to_owned()),
                "REGION" => Some("phx".to_owned()),
                _ => None,
            }
        })
    };
    let login = load(&mut of(&[]).unwrap(), true, Instant::now());
    let origin = login.unwrap().unwrap().origin.clone();
    assert_eq!(origin.tenancy.as_deref(), Some("ocid1.tenancy.oc1..r"));
    assert_eq!(origin.region.unwrap().as_str(), "us-phoenix-1");
    for (name, value, expected) in [
        (
            "VERSION",
            "",
            "OCI_RESOURCE_PRINCIPAL_VERSION is not in the environment",
        ),
        ("VERSION", "1.1", "supported is 2.2"),
        (
            "RPST",
            " ",
            "OCI_RESOURCE_PRINCIPAL_RPST is not in the environment",
        ),
        (
            "PRIVATE_PEM",
            "",
            "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM is not",
        ),
    ] {
        let problem = of(&[(name, value)]).err().unwrap().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}
