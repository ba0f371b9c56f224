//! Which sections and keys there are, and the warnings about those that are not. Reads no values.
//! Follows the specification's §2.

use super::Mode;
use super::error::Report;
use super::file::{File, Section, shown};

/// Longest name that is compared with the known ones, bytes.
const MAX_COMPARED: usize = 64;

/// OCI's credentials: `[DEFAULT]`, or an account's section.
const CREDENTIALS: &[&str] = &[
    "user",
    "fingerprint",
    "key_file",
    "tenancy",
    "region",
    "pass_phrase",
    "passphrase",
    "compartment_id",
    "endpoint",
    "control_endpoint",
    "auth",
    "security_token_file",
    "oci_api_key",
    "metadata_endpoint",
    "federation_endpoint",
];
/// `[DEFAULT]`, before the first section, or `[GLOBAL]`.
const SHARED: &[&str] = &[
    "api_key",
    "force_non_stream",
    "default_max_tokens",
    "default_model",
    "upstream_api",
    "openai_path",
];
/// Keys whose value nobody may see.
const SECRETS: &[&str] = &["api_key", "pass_phrase", "passphrase", "oci_api_key"];
const ACCOUNT: &[&str] = &["id", "weight", "max_concurrency", "enabled"];
const GLOBAL: &[&str] = &[
    "global_max_concurrency",
    "queue_size",
    "queue_timeout",
    "retry_attempts",
    "load_balance_strategy",
    "health_check_interval",
    "request_timeout",
    "stream_idle_timeout",
    "connect_timeout",
    "max_request_bytes",
    "max_connections",
    "max_body_memory",
    "drain_delay",
    "log_level",
    "log_format",
    "log_file",
    "log_file_max_size",
    "log_file_keep",
];
const BREAKER: &[&str] = &[
    "max_failures",
    "reset_timeout",
    "failure_rate",
    "min_requests",
];
/// Keys of OCI's own tools that mean nothing here. Source: reference §3.
const OF_OTHER_TOOLS: &[&str] = &["log_requests", "additional_user_agent"];

/// Keys of OCI's own tools that ask for a way to log in that there is not here, or not under this name. Source: reference §2.3 and §3.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "delegation_token_file",
        "delegation tokens are not supported, expected an API key (user, fingerprint, key_file), security_token_file, or auth = instance_principal",
    ),
    (
        "authentication_type",
        "a key of OCI's own tools, expected auth = api_key, security_token, instance_principal or resource_principal instead",
    ),
    (
        "key_content",
        "a key within this file is not supported, expected key_file with the path of a PEM file",
    ),
];

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[DEFAULT]`, and what stands before the first header.
    Default,
    Global,
    Models,
    Breaker,
    /// `[ACCOUNT_…]`.
    Account,
    Other,
}

impl Kind {
    pub(super) fn of(section: &Section) -> Self {
        const ACCOUNT_PREFIX: &str = "ACCOUNT_";
        let name = section.name.to_ascii_uppercase();
        match name.as_str() {
            "" | "DEFAULT" => Self::Default,
            "GLOBAL" => Self::Global,
            "MODELS" => Self::Models,
            "CIRCUIT_BREAKER" => Self::Breaker,
            _ if name.starts_with(ACCOUNT_PREFIX) && name.len() > ACCOUNT_PREFIX.len() => {
                Self::Account
            }
            _ => Self::Other,
        }
    }

    /// The keys that are read in such a section.
    fn keys(self, mode: Mode) -> Vec<&'static str> {
        let groups: &[&[&str]] = match (self, mode) {
            (Self::Default, Mode::Single) => {
                &[CREDENTIALS, SHARED, OF_OTHER_TOOLS, &["max_concurrency"]]
            }
            (Self::Default, Mode::Multi) => &[CREDENTIALS, SHARED, OF_OTHER_TOOLS],
            (Self::Global, _) => &[GLOBAL, SHARED],
            (Self::Breaker, _) => &[BREAKER],
            (Self::Account, _) => &[CREDENTIALS, ACCOUNT, OF_OTHER_TOOLS],
            (Self::Models | Self::Other, _) => &[],
        };
        groups.concat()
    }
}

/// Warns about sections and keys that nobody reads.
pub(super) fn check(file: &File, mode: Mode, report: &mut Report) {
    for section in &file.sections {
        match Kind::of(section) {
            Kind::Models => refuse_secrets(section, mode, report),
            Kind::Other => unknown_section(section, mode, report),
            kind @ (Kind::Default | Kind::Global | Kind::Breaker | Kind::Account) => {
                check_keys(section, &kind.keys(mode), mode, report);
            }
        }
    }
}

/// A secret among the models would be taken for a model's id, which is shown to everybody and sent to OCI.
fn refuse_secrets(section: &Section, mode: Mode, report: &mut Report) {
    for entry in &section.entries {
        if let Some(key) = secret(&entry.name) {
            let home = home_of(key, mode).unwrap_or_default();
            let problem = format!("not the name of a model: this key belongs into {home}");
            report.error(entry.line, key, problem);
        }
    }
}

/// The secret that an entry of `[MODELS]` holds. There a name may have a colon, so that one may have swallowed the
/// beginning of a value.
pub(super) fn secret(name: &str) -> Option<&'static str> {
    let first = name.split([':', ' ', '\t']).next().unwrap_or_default();
    let same = |key: &&&str| key.eq_ignore_ascii_case(first);
    SECRETS.iter().find(same).copied()
}

fn check_keys(section: &Section, known: &[&str], mode: Mode, report: &mut Report) {
    for entry in &section.entries {
        let name = entry.name.to_ascii_lowercase();
        if known.contains(&name.as_str()) || UNSUPPORTED.iter().any(|(key, _)| *key == name) {
            continue;
        }
        let place = if section.name.is_empty() {
            "before the first section".to_owned()
        } else {
            format!("in {}", section.title())
        };
        let notice = match (home_of(&name, mode), nearest(&name, known)) {
            (Some(home), _) => format!("has no effect {place}, it belongs into {home}"),
            (None, Some(near)) => format!("unknown key {place}, ignored; did you mean {near}?"),
            (None, None) => format!("unknown key {place}, ignored"),
        };
        report.hint(entry.line, &shown(&entry.name), notice);
    }
}

/// The section of a key that stands in a wrong one.
fn home_of(key: &str, mode: Mode) -> Option<&'static str> {
    let homes: [(&[&str], &str); 4] = [
        (GLOBAL, "[GLOBAL]"),
        (BREAKER, "[CIRCUIT_BREAKER]"),
        (SHARED, "[DEFAULT] or [GLOBAL]"),
        (
            CREDENTIALS,
            if mode == Mode::Multi {
                "an [ACCOUNT_…] section"
            } else {
                "[DEFAULT]"
            },
        ),
    ];
    let home = homes.into_iter().find(|(keys, _)| keys.contains(&key));
    match (home, mode) {
        (Some((_, home)), _) => Some(home),
        (None, Mode::Single) if key == "max_concurrency" => Some("[DEFAULT]"),
        (None, Mode::Single) if ACCOUNT.contains(&key) => {
            Some("an [ACCOUNT_…] section of a multi-account file")
        }
        (None, Mode::Multi) if ACCOUNT.contains(&key) => Some("an [ACCOUNT_…] section"),
        (None, Mode::Single | Mode::Multi) => None,
    }
}

fn unknown_section(section: &Section, mode: Mode, report: &mut Report) {
    let name = section.name.to_ascii_uppercase();
    let near = nearest(&name, &["DEFAULT", "GLOBAL", "MODELS", "CIRCUIT_BREAKER"]);
    let notice = match (near, mode) {
        (Some(near), _) => format!("unknown section, ignored; did you mean [{near}]?"),
        (None, Mode::Multi) if name.starts_with("ACC") => {
            "unknown section, ignored; did you mean [ACCOUNT_…]? An account's section is named so"
                .to_owned()
        }
        (None, Mode::Multi) => "unknown section, ignored".to_owned(),
        (None, Mode::Single) => "another profile, ignored: only [DEFAULT] is used".to_owned(),
    };
    report.warn(section.line, &section.title(), notice);
}

/// The known name that a mistyped one was probably meant to be: at most every third character differs.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let ranked = known.iter().map(|known| (distance(name, known), *known));
    let (distance, near) = ranked.min_by_key(|(distance, _)| *distance)?;
    (distance <= near.len().div_ceil(3)).then_some(near)
}

/// Levenshtein's edit distance: insertions, deletions and replacements that make one text the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut left = index + 1;
        let mut next = vec![left];
        for (b, above) in to.chars().zip(row.windows(2)) {
            if let [diagonal, up] = above {
                left = (diagonal + usize::from(a != b)).min(up + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (from, to, edits) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("weight", "weight", 0),
            ("wieght", "weight", 2),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
            assert_eq!(distance(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn only_a_near_name_is_offered() {
        assert_eq!(nearest("max_concurency", ACCOUNT), Some("max_concurrency"));
        assert_eq!(nearest("retry_attempt", GLOBAL), Some("retry_attempts"));
        assert_eq!(nearest("colour", GLOBAL), None);
        assert_eq!(nearest(&"x".repeat(MAX_COMPARED + 1), GLOBAL), None);
    }
}
