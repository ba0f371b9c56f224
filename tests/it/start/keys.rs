//! Keys at the start: the clients' one, which is made and written back, and the account's, in every form it may have.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{KEY, Proxy, TempDir, account, chats, config, program, simulator};
use crate::start::{NOWHERE, PEM, dir, hello, message, refused, run};

const PKCS8_ENCRYPTED: &str =
    include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs8-encrypted.pem");
const PKCS1_ENCRYPTED: &str =
    include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs1-encrypted-legacy.pem");
const PASS_PHRASE: &str = "test-pass-phrase";

#[test]
fn a_clients_key_is_made_once_and_nothing_else_in_the_file_changes() {
    let placeholder = config(NOWHERE, "").replace(
        &format!("= {KEY}"),
        "=\tauto_generated_key   # 首次启动 ; made",
    );
    let missing = config(NOWHERE, "").replace(&format!("api_key = {KEY}\n"), "");
    let empty = config(NOWHERE, "").replace(&format!("api_key = {KEY}"), "api_key =");
    let windows = placeholder.replace('\n', "\r\n");
    for (text, prefix) in [
        (&placeholder, "api_key =\t"),
        (&missing, "api_key = "),
        (&empty, "api_key = "),
        (&windows, "api_key =\t"),
    ] {
        let dir = dir(&[("config.conf", text), ("key.pem", PEM)]);
        let path = dir.path().join("config.conf");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let proxy = Proxy::in_dir(dir, &[]);
        let written = fs::read_to_string(&path).unwrap();
        let (before, after) = written.split_once(prefix).unwrap();
        let (key, after) = after.split_at(32);
        assert!(
            key.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{key}"
        );
        let back = if text == &missing {
            before.to_owned() + after.strip_prefix('\n').unwrap()
        } else if text == &empty {
            format!("{before}api_key ={after}")
        } else {
            format!("{before}{prefix}auto_generated_key{after}")
        };
        assert_eq!(&back, text);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let entries = fs::read_dir(proxy.dir.path()).unwrap();
        let files = entries
            .filter(|entry| entry.as_ref().unwrap().path().is_file())
            .count();
        assert_eq!(files, 2, "nothing is left beside the file");
        let told = message(&proxy.wait_for_log("API key")).to_owned();
        assert!(told.contains("api_key in config.conf"), "{told}");
        assert!(
            !proxy.log().join("\n").contains(key),
            "the key is not in the log"
        );
        let models = |proxy: &Proxy| {
            let mut client = proxy.connect();
            client.send_request("GET", "/v1/models", &[("x-api-key", key)], "");
            client.response("GET").status
        };
        assert_eq!((models(&proxy), proxy.get("/v1/models").status), (200, 401));
        // The next start finds it.
        let mut command = program(proxy.dir.path());
        command.args(["-port=0", "-host=127.0.0.1"]);
        let second = Proxy::spawn(TempDir::new(), command);
        assert_eq!(models(&second), 200);
        assert_eq!(fs::read_to_string(&path).unwrap(), written);
    }
}

#[test]
fn a_key_that_does_not_open_is_told_with_what_to_do() {
    let good = config(NOWHERE, "");
    let fingerprint = account().fingerprint;
    let other = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    let mismatch = refused(&good.replace(&fingerprint, other), &[]);
    let last = mismatch.lines().last().unwrap();
    assert!(
        last.contains(&fingerprint) && last.contains(other),
        "{last}"
    );
    let missing = refused(&good.replace("./key.pem", "./no.pem"), &[]);
    let last = missing.lines().last().unwrap();
    assert!(
        last.contains("no.pem") && last.starts_with("config.conf: "),
        "{last}"
    );
    for (pem, line, says) in [
        (PKCS8_ENCRYPTED, "", "pass_phrase"),
        (
            PKCS8_ENCRYPTED,
            "pass_phrase = wrong-pass-phrase",
            "pass_phrase",
        ),
        (PKCS1_ENCRYPTED, "", "pass_phrase"),
        (
            PKCS1_ENCRYPTED,
            "pass_phrase = wrong-pass-phrase",
            "pass_phrase",
        ),
        ("no key at all", "", "PEM"),
        ("", "", "PEM"),
    ] {
        let dir = dir(&[("config.conf", &config(NOWHERE, line)), ("key.pem", pem)]);
        let ended = run(dir.path(), &["-port=0"]);
        let last = ended.stderr.lines().last().unwrap();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(last.contains("key.pem") && last.contains(says), "{last}");
        assert!(
            !ended.stderr.contains("wrong-pass-phrase"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn an_encrypted_key_signs_with_its_pass_phrase_and_a_plain_one_ignores_it() {
    let simulator = simulator();
    let config = config(
        &simulator.endpoint(),
        &format!("pass_phrase = {PASS_PHRASE}"),
    );
    let label = format!("{PEM}\nOCI_API_KEY\n");
    for pem in [PKCS8_ENCRYPTED, PKCS1_ENCRYPTED, &label] {
        let proxy = Proxy::in_dir(dir(&[("config.conf", &config), ("key.pem", pem)]), &[]);
        hello(&proxy);
        assert!(!proxy.log().join("\n").contains(PASS_PHRASE));
    }
    assert!(chats(&simulator).iter().all(|request| request.is_signed()));
}

#[test]
fn secrets_are_never_printed() {
    let broken = config(
        NOWHERE,
        "pass_phrase = secret-one\npass_phrase = secret-two\nretry_attempts = many",
    )
    .replace(&format!("= {KEY}"), "= secret three, secret-four");
    let stderr = refused(&broken, &[]);
    assert!(
        stderr.contains("pass_phrase") && stderr.contains("api_key"),
        "{stderr}"
    );
    let twice = config(
        NOWHERE,
        "api_key = secret-five\n[GLOBAL]\napi_key = secret-six",
    );
    let stderr = stderr + &refused(&twice, &[]);
    let inner: Vec<_> = PEM
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    for secret in ["secret", KEY].iter().chain(&inner) {
        assert!(!stderr.contains(secret), "{secret}: {stderr}");
    }
}
