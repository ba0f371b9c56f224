//! Whole files through `interpret` and `load`: the helpers here, the tests below by what they are about.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test ends where it fails"
    )
)]

mod accounts;
mod identity;
mod key;
mod logs;
mod samples;
mod values;

use std::fs;
use std::time::Duration;

use super::*;
use crate::accounts::Strategy;
use crate::oci::Identity;
use crate::oci::wire::ApiFormat;

const SAMPLE: &str = include_str!("../../tests/fixtures/config/samples/config.conf");
const MULTI_SAMPLE: &str = include_str!("../../tests/fixtures/config/samples/multi_config.conf");
const OWN: &str = include_str!("../../config.conf");
const OWN_MULTI: &str = include_str!("../../multi_config.conf");
const BASIC: &str = include_str!("../../tests/fixtures/config/config.basic.ini");
const PROFILES: &str = include_str!("../../tests/fixtures/config/config.profiles.ini");

const FINGERPRINT: &str = "aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00";
const MODELS: &str = "[MODELS]\ngrok-4 = xai.grok-4\n";

/// The credentials of one account, five lines.
fn credentials() -> String {
    format!(
        "user = ocid1.user.oc1..u\nfingerprint = {FINGERPRINT}\nkey_file = k.pem\ntenancy = ocid1.tenancy.oc1..t\nregion = us-chicago-1\n"
    )
}

/// A good single file: `[DEFAULT]` in line 1, `default` from line 8 on, then two lines of models, then `rest`.
fn single(default: &str, rest: &str) -> String {
    format!(
        "[DEFAULT]\napi_key = k\n{}{default}{MODELS}{rest}",
        credentials()
    )
}

/// A good multi file: `[MODELS]` in line 2, `[ACCOUNT_a]` in line 4, `account` from line 10 on, then `rest`.
fn multi(account: &str, rest: &str) -> String {
    format!(
        "api_key = k\n{MODELS}[ACCOUNT_a]\n{}{account}{rest}",
        credentials()
    )
}

fn read(mode: Mode, text: &str) -> Result<Interpreted, Vec<ConfigError>> {
    let paths = Paths {
        base: Path::new("/base"),
        home: Some(Path::new("/home/me")),
    };
    interpret(text.as_bytes(), Path::new("f"), mode, paths)
}

fn errors(mode: Mode, text: &str) -> Vec<String> {
    match read(mode, text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn good(mode: Mode, text: &str) -> (Settings, Vec<String>) {
    match read(mode, text) {
        Ok(read) => (
            read.settings,
            read.warnings.iter().map(ToString::to_string).collect(),
        ),
        Err(errors) => panic!("{errors:#?}"),
    }
}

/// The errors of a file, one line each.
#[track_caller]
fn check(mode: Mode, text: &str, expected: &[&str]) {
    assert_eq!(errors(mode, text), expected, "{text}");
}

#[track_caller]
fn check_warnings(mode: Mode, text: &str, expected: &[&str]) {
    assert_eq!(good(mode, text).1, expected, "{text}");
}

/// What an account signs with that has an API signing key.
pub(super) struct Signing {
    pub(super) user: String,
    pub(super) tenancy: String,
    pub(super) fingerprint: String,
    pub(super) key_file: PathBuf,
    pub(super) pass_phrase: Option<Secret>,
}

#[track_caller]
pub(super) fn signing(upstream: &UpstreamSettings) -> Signing {
    let Identity::SigningKey {
        user,
        tenancy,
        fingerprint,
        key_file,
        pass_phrase,
    } = upstream.identity.clone()
    else {
        panic!("{upstream:?}")
    };
    Signing {
        user,
        tenancy,
        fingerprint,
        key_file,
        pass_phrase,
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything but the accounts and the models, as text: the settings of other rooms need not be comparable.
pub(super) fn common(settings: &Settings) -> String {
    let Settings {
        listen,
        workers,
        rules,
        dispatch,
        fleet,
        client,
        log,
        ..
    } = settings;
    let http = format!(
        "{}:{} {} {} {} {:?} {:?}",
        listen.host,
        listen.port,
        listen.max_connections,
        listen.max_request_bytes,
        listen.max_body_memory,
        listen.queue_timeout,
        listen.drain_delay
    );
    let calls = format!(
        "{:?} {:?} {:?} {} {:?} {}",
        dispatch.request_timeout,
        dispatch.stream_idle_timeout,
        dispatch.queue_timeout,
        dispatch.retry_attempts,
        client.connect_timeout,
        client.pool_size
    );
    let pool = format!("{} {}", workers.workers, workers.queue_size);
    format!(
        "{http} | {pool} | {} {} | {calls} | {fleet:?} | {:?} {:?}",
        rules.default_max_tokens, rules.force_non_stream, log.format, log.file
    )
}

fn with_placeholders_replaced(text: &str) -> String {
    text.replace("your_user_ocid", "u")
        .replace("your_tenancy_ocid", "t")
        .replace("your_key_fingerprint", FINGERPRINT)
        .replace("your_private_key", "mine")
}
