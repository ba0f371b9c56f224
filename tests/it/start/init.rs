//! `-init`: from flags, environment and profiles to a file that the program starts with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::harness::{Proxy, TempDir, account, program, write_private};
use crate::start::{Ended, PEM, dir};

const ENCRYPTED: &str =
    include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs8-encrypted.pem");
const PASS_PHRASE: &str = "test-pass-phrase";

/// `-init` with nobody to ask: a home directory of its own, and these variables.
fn init(home: &TempDir, variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = program(home.path());
    for name in [
        "USER",
        "TENANCY",
        "FINGERPRINT",
        "KEY_FILE",
        "REGION",
        "PASSPHRASE",
        "PROFILE",
    ] {
        command.env_remove(format!("OCI_CLI_{name}"));
    }
    let output = command
        .env_remove("OCI_CONFIG_FILE")
        .env("HOME", home.path())
        .envs(variables.iter().copied())
        .arg("-init")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn flags() -> Vec<String> {
    let account = account();
    vec![
        format!("-user={}", account.user),
        format!("-tenancy={}", account.tenancy),
        "-region=us-phoenix-1".to_owned(),
        "-key-file=key.pem".to_owned(),
    ]
}

fn api_key(text: &str) -> &str {
    let (_, rest) = text.split_once("\napi_key = ").unwrap();
    rest.split('\n').next().unwrap()
}

/// Nothing but these files is there.
fn assert_files(dir: &TempDir, expected: &[&str]) {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_file_is_made_from_flags_and_the_program_starts_with_it() {
    for (name, more) in [
        ("config.conf", &[][..]),
        ("multi_config.conf", &["-multi-account"]),
    ] {
        let home = dir(&[("key.pem", PEM)]);
        let given = flags();
        let args: Vec<_> = given
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        let ended = init(&home, &[], &args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let path = home.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let key = api_key(&text).to_owned();
        assert_eq!(key.len(), 32);
        assert!(!ended.stdout.contains(&key), "the key is in the file only");
        let multi = if more.is_empty() {
            ""
        } else {
            "-multi-account "
        };
        for line in [
            format!("\n  ociai-proxy -check {multi}-config {name}\n"),
            format!("\n  ociai-proxy {multi}-config {name}\n"),
        ] {
            assert!(ended.stdout.contains(&line), "{}", ended.stdout);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_files(&home, &[name, "key.pem"]);
        // A second one leaves it alone.
        let again = init(&home, &[], &args);
        assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
        let told = format!("{name}: exists already");
        assert!(again.stderr.starts_with(&told), "{}", again.stderr);
        assert!(again.stderr.contains("-config"), "{}", again.stderr);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let proxy = Proxy::in_dir(home, more);
        let mut client = proxy.connect();
        client.send_request("GET", "/v1/models/grok-4.3", &[("x-api-key", &key)], "");
        assert_eq!(client.response("GET").status, 200);
        let after = fs::read_to_string(proxy.dir.path().join(name)).unwrap();
        assert_eq!(after, text);
    }
}

#[test]
fn a_profile_of_ocis_own_tools_is_enough() {
    let account = account();
    let home = TempDir::new();
    fs::create_dir(home.path().join(".oci")).unwrap();
    write_private(&home.path().join(".oci/key.pem"), ENCRYPTED);
    let profiles = format!(
        "[DEFAULT]\nuser=ocid1.user.oc1..x\n[WORK]\nuser={}\nfingerprint={}\nkey_file=~/.oci/key.pem\ntenancy={}\n\
         region=eu-frankfurt-1\npass_phrase={PASS_PHRASE}\n",
        account.user, account.fingerprint, account.tenancy
    );
    fs::write(home.path().join(".oci/config"), &profiles).unwrap();
    let args = [
        "-profile",
        "WORK",
        "-config",
        "a b.conf",
        "-models=llama=meta.llama",
    ];
    let ended = init(&home, &[], &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(home.path().join("a b.conf")).unwrap();
    for line in [
        format!("\nuser = {}\n", account.user),
        "\nregion = eu-frankfurt-1\n".to_owned(),
        "\nkey_file = ~/.oci/key.pem\n".to_owned(),
        format!("\npass_phrase = {PASS_PHRASE}\n"),
        "\nllama = meta.llama\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} {text}");
    }
    assert!(!(ended.stdout + &ended.stderr).contains(PASS_PHRASE));
    // Somewhere else, and chosen by the environment.
    let elsewhere = home.path().join("profiles");
    fs::rename(home.path().join(".oci/config"), &elsewhere).unwrap();
    let variables = [
        ("OCI_CONFIG_FILE", elsewhere.to_str().unwrap()),
        ("OCI_CLI_PROFILE", "WORK"),
    ];
    let ended = init(&home, &variables, &["-multi-account"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(home.path().join("multi_config.conf")).unwrap();
    assert!(text.contains("\n[ACCOUNT_1]\n"), "{text}");
    assert!(text.contains("\n# [ACCOUNT_2]\n"), "{text}");
}

#[test]
fn what_is_missing_is_named_with_its_flags_and_nothing_is_written() {
    let home = dir(&[("key.pem", PEM), ("locked.pem", ENCRYPTED)]);
    let ended = init(&home, &[], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.stderr);
    let needed = ["-user", "-tenancy", "-region", "-key-file"];
    for (line, flag) in lines.iter().zip(needed) {
        let told = format!("give {flag} or set OCI_CLI_");
        assert!(line.contains(&told), "{line}");
    }
    let other = "-fingerprint=00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    for (more, expected) in [
        (other, "key.pem: the key has the fingerprint"),
        ("-key-file=no.pem", "no.pem: there is no such file"),
        ("-key-file=locked.pem", "set OCI_CLI_PASSPHRASE"),
        ("-region=the moon", "-region: expected a region"),
    ] {
        let (name, _) = more.split_once('=').unwrap();
        let mut given = flags();
        given.retain(|flag| !flag.starts_with(name));
        let args: Vec<_> = given.iter().map(String::as_str).chain([more]).collect();
        let ended = init(&home, &[], &args);
        assert_eq!(ended.code, Some(1), "{more}");
        assert!(ended.stderr.contains(expected), "{more}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{more}: {}", ended.stderr);
    }
    assert_files(&home, &["key.pem", "locked.pem"]);
}

#[test]
fn a_pass_phrase_comes_from_the_environment_and_a_key_from_elsewhere() {
    let home = dir(&[("locked.pem", ENCRYPTED)]);
    fs::create_dir(home.path().join("etc")).unwrap();
    let mut given = flags();
    given.retain(|flag| !flag.starts_with("-key-file"));
    let args: Vec<_> = given
        .iter()
        .map(String::as_str)
        .chain(["-key-file=locked.pem", "-config=etc/proxy.conf"])
        .collect();
    let wrong = init(&home, &[("OCI_CLI_PASSPHRASE", "Hush")], &args);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("wrong pass phrase"),
        "{}",
        wrong.stderr
    );
    assert!(!wrong.stderr.contains("Hush"), "{}", wrong.stderr);
    let ended = init(&home, &[("OCI_CLI_PASSPHRASE", PASS_PHRASE)], &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The key was named from here, and the file lies elsewhere.
    let proxy = Proxy::in_dir(home, &["-config=etc/proxy.conf"]);
    assert_eq!(proxy.get("/health").status, 200);
}
