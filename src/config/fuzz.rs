//! Configuration files, attacked: whatever stands in one, its reader is told which line is wrong, and never a secret.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

use std::path::Path;

use super::account::Paths;
use super::tests::common;
use super::write_back::{Slot, with_value};
use super::{ConfigError, Interpreted, Mode, interpret};
use crate::fuzz::{Form, Target, fixtures, texts};

const PATH: &str = "f.conf";
const NEW_KEY: &str = "0123456789abcdef0123456789abcdef";
/// Shorter ones are words that may stand in a message for another reason.
const SHORTEST_SECRET: usize = 12;

const SINGLE: &str = "[DEFAULT]\n\
    user = ocid1.user.oc1..u\n\
    fingerprint = aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00\n\
    key_file = ~/k.pem\n\
    pass_phrase = the-secret-pass-phrase-of-the-key\n\
    tenancy = ocid1.tenancy.oc1..t\n\
    region = us-chicago-1\n\
    api_key = the-secret-key-of-the-clients, another-secret-of-theirs\n\
    default_model = grok-4\n\
    \n\
    # Names\n\
    [MODELS]\n\
    grok-4 = xai.grok-4\n\
    qwen3:8b = cohere.command-a | COHERE ; why\n";

const MULTI: &str = "api_key = auto_generated_key\n\
    [GLOBAL]\n\
    global_max_concurrency = 20\n\
    queue_timeout = 500ms\n\
    load_balance_strategy = round_robin\n\
    max_request_bytes = 32MiB\n\
    [MODELS]\n\
    grok-4 = xai.grok-4\n\
    [CIRCUIT_BREAKER]\n\
    max_failures = 3\n\
    failure_rate = 0.5\n\
    [ACCOUNT_1]\n\
    id = first\n\
    user = ocid1.user.oc1..u\n\
    fingerprint = aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00\n\
    key_file = k.pem\n\
    pass_phrase = the-secret-pass-phrase-of-the-key\n\
    tenancy = ocid1.tenancy.oc1..t\n\
    region = us-chicago-1\n\
    weight = 3\n\
    endpoint = http://127.0.0.1:8443\n";

const WORDS: [&str; 24] = [
    "[DEFAULT]\n",
    "[GLOBAL]\n",
    "[MODELS]\n",
    "[ACCOUNT_2]\n",
    "[CIRCUIT_BREAKER]\n",
    "[account_1]\n",
    "api_key",
    "api_key =\n",
    "api_key = auto_generated_key\n",
    "API_KEY: the-secret-key-of-the-clients\n",
    "pass_phrase = the-secret-pass-phrase-of-the-key\n",
    "passphrase = the-secret-pass-phrase-of-the-key\n",
    "enabled = false\n",
    "weight",
    "key_file",
    "user",
    "your_",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----END PRIVATE KEY-----\n",
    " # comment",
    ";",
    "=",
    ":",
    " = ",
];

fn read(bytes: &[u8], mode: Mode) -> Result<Interpreted, Vec<ConfigError>> {
    let paths = Paths {
        base: Path::new("/base"),
        home: Some(Path::new("/home/me")),
    };
    interpret(bytes, Path::new(PATH), mode, paths)
}

/// What stands behind the names of secrets, and nowhere else in the file.
fn secrets(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let named = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(['=', ':'])?;
        let name = name.trim().to_ascii_lowercase();
        ["api_key", "pass_phrase", "passphrase"]
            .contains(&name.as_str())
            .then_some(value)
    });
    let named: Vec<&str> = named.collect();
    let words = named
        .iter()
        .flat_map(|value| value.split([',', ' ', '\t', '#', ';']));
    let long = words.filter(|word| word.len() >= SHORTEST_SECRET && word.contains("secret"));
    let is_only_there = |word: &&str| {
        let there: usize = named.iter().map(|value| value.matches(word).count()).sum();
        text.matches(word).count() == there
    };
    long.filter(is_only_there).map(str::to_owned).collect()
}

/// One line of a message: it names a line of the file, holds no secret, and fits a terminal.
fn check_message(message: &str, line_count: usize, secrets: &[String]) {
    let rest = message.strip_prefix(PATH).unwrap();
    if let Some(rest) = rest.strip_prefix(':')
        && let Some((number, _)) = rest.split_once(':')
        && let Ok(number) = number.parse::<usize>()
    {
        assert!(
            (1..=line_count).contains(&number),
            "{message:?} of {line_count} lines"
        );
    }
    for secret in secrets {
        assert!(!message.contains(secret), "{message:?} tells {secret:?}");
    }
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 1000, "{message:?}");
}

/// The key goes into its slot, and nothing else changes, in the bytes or in what they mean.
fn check_write_back(bytes: &[u8], slot: &Slot, mode: Mode, before: &Interpreted) {
    let written = with_value(bytes, slot, NEW_KEY);
    let at = match slot {
        Slot::Value(span) => span.clone(),
        Slot::Line(at) => *at..*at,
    };
    assert!(written.starts_with(&bytes[..at.start]) && written.ends_with(&bytes[at.end..]));
    let added = &written[at.start..written.len() - (bytes.len() - at.end)];
    let added = std::str::from_utf8(added).unwrap().trim();
    let line = format!("api_key = {NEW_KEY}");
    assert!(added == NEW_KEY || added == line, "{added:?}");
    let after = read(&written, mode).unwrap_or_else(|errors| {
        unreachable!("{errors:?} in {}", written.escape_ascii());
    });
    assert!(
        after.slot.is_none(),
        "the key is not found: {}",
        written.escape_ascii()
    );
    let keys: Vec<&str> = after
        .settings
        .api
        .keys
        .iter()
        .map(|key| key.expose())
        .collect();
    assert_eq!(keys, [NEW_KEY]);
    assert_eq!(common(&after.settings), common(&before.settings));
    assert_eq!(after.warnings.len(), before.warnings.len());
    let accounts = |read: &Interpreted| -> Vec<String> {
        let accounts = read.settings.accounts.iter();
        accounts
            .map(|account| format!("{} {:?}", account.section, account.seat))
            .collect()
    };
    assert_eq!(accounts(&after), accounts(before));
}

#[test]
fn files() {
    let mut corpus = texts(&[SINGLE, MULTI]);
    corpus.extend(texts(&[
        &SINGLE.replace('\n', "\r\n"),
        &format!("\u{feff}{MULTI}"),
    ]));
    corpus.extend(fixtures("config"));
    corpus.extend(fixtures("config/samples"));
    let target = Target {
        name: "config::fuzz::files",
        executions: 3000,
        form: Form::Lines,
        corpus: &corpus,
        words: &WORDS,
    };
    target.run(|bytes, _| {
        let line_count = bytes.split_inclusive(|&byte| byte == b'\n').count().max(1);
        let secrets = secrets(bytes);
        let mut is_good = false;
        for mode in [Mode::Single, Mode::Multi] {
            match read(bytes, mode) {
                Ok(read) => {
                    is_good = true;
                    for warning in &read.warnings {
                        check_message(&warning.to_string(), line_count, &secrets);
                    }
                    assert!(!read.settings.accounts.is_empty());
                    assert_eq!(read.slot.is_some(), read.settings.api.keys.is_empty());
                    if let Some(slot) = &read.slot {
                        check_write_back(bytes, slot, mode, &read);
                    }
                }
                Err(errors) => {
                    assert!(!errors.is_empty());
                    for error in &errors {
                        check_message(&error.to_string(), line_count, &secrets);
                        assert!(!error.problem.is_empty());
                    }
                }
            }
        }
        is_good
    });
}
