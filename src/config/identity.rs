//! How an account shows who it is: from a section's keys to the identity that `oci` understands, and the errors about keys that do not
//! go together. Looks at no file but the configuration. Follows reference §1.4, §2.3 and §3.

use super::account::Paths;
use super::entries::{Entries, Show, read};
use super::error::Report;
use super::value;
use crate::names::Secret;
use crate::oci::Identity;

/// The words of `auth`, and what they stand for.
const WORDS: [(&str, Kind); 4] = [
    ("api_key", Kind::SigningKey),
    ("security_token", Kind::SecurityToken),
    ("instance_principal", Kind::InstancePrincipal),
    ("resource_principal", Kind::ResourcePrincipal),
];
const SIGNING: [&str; 3] = ["user", "fingerprint", "key_file"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    SigningKey,
    SecurityToken,
    InstancePrincipal,
    ResourcePrincipal,
    ApiKey,
}

impl Kind {
    /// By `auth`, or by which keys are there: those of the section itself first, then those that it inherits. A session's token in
    /// `[DEFAULT]` says nothing about an account that has a key, be it inherited too.
    pub(super) fn of(own: &Entries<'_>, all: &Entries<'_>, report: &mut Report) -> Option<Self> {
        for (entries, is_own) in [(own, true), (all, false)] {
            let mut has = |key: &str| entries.find_filled(key, report).is_some();
            if has("oci_api_key") {
                return Some(Self::ApiKey);
            }
            if has("auth") {
                return entries.present("auth", report, parse);
            }
            let (signs, has_token) = (
                SIGNING.iter().any(|key| has(key)),
                has("security_token_file"),
            );
            let has_user = has("user");
            if has_token && (is_own || !has_user) {
                return Some(Self::SecurityToken);
            }
            if signs {
                return Some(Self::SigningKey);
            }
        }
        Some(Self::SigningKey)
    }

    /// Whether the region may be left out: the machine knows it.
    pub(super) fn knows_region(self) -> bool {
        match self {
            Self::InstancePrincipal | Self::ResourcePrincipal => true,
            Self::SigningKey | Self::SecurityToken | Self::ApiKey => false,
        }
    }

    /// What a message calls it.
    fn name(self) -> &'static str {
        match self {
            Self::SigningKey => {
                "an API signing key (auth = api_key, or user, fingerprint and key_file)"
            }
            Self::SecurityToken => "a session (security_token_file)",
            Self::InstancePrincipal => "auth = instance_principal",
            Self::ResourcePrincipal => "auth = resource_principal",
            Self::ApiKey => "oci_api_key",
        }
    }

    /// Keys that have no meaning beside it.
    fn foreign(self) -> &'static [&'static str] {
        const METADATA: [&str; 2] = ["metadata_endpoint", "federation_endpoint"];
        match self {
            Self::SigningKey => &["security_token_file", METADATA[0], METADATA[1]],
            Self::SecurityToken => &["user", METADATA[0], METADATA[1]],
            Self::InstancePrincipal => &[
                "user",
                "fingerprint",
                "key_file",
                "pass_phrase",
                "security_token_file",
            ],
            Self::ResourcePrincipal => &[
                "user",
                "fingerprint",
                "key_file",
                "pass_phrase",
                "security_token_file",
                METADATA[0],
                METADATA[1],
            ],
            Self::ApiKey => &[
                "auth",
                "user",
                "fingerprint",
                "key_file",
                "pass_phrase",
                "security_token_file",
                METADATA[0],
                METADATA[1],
            ],
        }
    }

    /// Errors about the section's own keys; what it inherits may be meant for others.
    pub(super) fn refuse_foreign(self, own: &Entries<'_>, report: &mut Report) {
        for key in self.foreign() {
            if let Some(entry) = own.find_filled(key, report) {
                let problem = format!("does not go with {}: remove one of the two", self.name());
                report.error(entry.line, key, problem);
            }
        }
    }

    /// The identity, `None` if something is wrong, and then the report says what.
    pub(super) fn identity(
        self,
        entries: &Entries<'_>,
        paths: Paths<'_>,
        report: &mut Report,
    ) -> Option<Identity> {
        match self {
            Self::SigningKey => signing_key(entries, paths, report),
            Self::SecurityToken => session(entries, paths, report),
            Self::InstancePrincipal => Some(Identity::InstancePrincipal {
                metadata_endpoint: entries.optional("metadata_endpoint", report, value::endpoint),
                federation_endpoint: entries.optional(
                    "federation_endpoint",
                    report,
                    value::endpoint,
                ),
            }),
            Self::ResourcePrincipal => Some(Identity::ResourcePrincipal),
            Self::ApiKey => {
                let entry = entries.find_filled("oci_api_key", report)?;
                let key = read(
                    entry,
                    "oci_api_key",
                    Show::Nothing,
                    report,
                    value::oci_api_key,
                )?;
                Some(Identity::ApiKey { key })
            }
        }
    }
}

fn parse(text: &str) -> Result<Kind, String> {
    let found = WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

fn signing_key(entries: &Entries<'_>, paths: Paths<'_>, report: &mut Report) -> Option<Identity> {
    let user = entries.required("user", "the user's OCID", report, |text| {
        value::ocid(text, "user")
    });
    let fingerprint = entries.required(
        "fingerprint",
        "the fingerprint of the API key",
        report,
        value::fingerprint,
    );
    let key_file = entries.required(
        "key_file",
        "the path of the private key, a PEM file",
        report,
        |text| value::key_file(text, paths.base, paths.home),
    );
    let tenancy = tenancy(entries, report);
    let pass_phrase = pass_phrase(entries, report);
    Some(Identity::SigningKey {
        user: user?,
        tenancy: tenancy?,
        fingerprint: fingerprint?,
        key_file: key_file?,
        pass_phrase,
    })
}

fn session(entries: &Entries<'_>, paths: Paths<'_>, report: &mut Report) -> Option<Identity> {
    let path = |text: &str| value::key_file(text, paths.base, paths.home);
    let token_file = entries.required(
        "security_token_file",
        "the path of the session's token, as `oci session authenticate` writes it",
        report,
        path,
    );
    let key_file = entries.required(
        "key_file",
        "the path of the session's private key, a PEM file",
        report,
        path,
    );
    let tenancy = tenancy(entries, report);
    let pass_phrase = pass_phrase(entries, report);
    Some(Identity::SecurityToken {
        tenancy: tenancy?,
        token_file: token_file?,
        key_file: key_file?,
        pass_phrase,
    })
}

fn tenancy(entries: &Entries<'_>, report: &mut Report) -> Option<String> {
    entries.required("tenancy", "the tenancy's OCID", report, |text| {
        value::ocid(text, "tenancy")
    })
}

fn pass_phrase(entries: &Entries<'_>, report: &mut Report) -> Option<Secret> {
    let entry = entries.find_filled("pass_phrase", report)?;
    Some(Secret::new(entry.value.as_str()))
}
