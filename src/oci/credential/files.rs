//! A token and its key that somebody else renews: the files of a session of OCI's command line, or what the environment of a
//! resource names. Read again when a file has changed. Source: reference §2.3, §3.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::claims::{Claims, MAX_TOKEN_BYTES, is_token};
use super::{Login, Origin};
use crate::names::Secret;
use crate::oci::keys::{KeyError, PrivateKey};
use crate::oci::region;

/// Where a part of it is.
pub(super) enum Held {
    File(PathBuf),
    Value(Secret),
}

pub(super) struct Files {
    token: Held,
    key: Held,
    pass_phrase: Option<Held>,
    region: Option<crate::names::Region>,
    /// What the files looked like when they were read.
    seen: Option<Vec<Stamp>>,
    /// The token that was read from them, for whether another one has come.
    loaded: Option<Zeroizing<String>>,
}

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl Files {
    pub(super) fn new(
        token: Held,
        key: Held,
        pass_phrase: Option<Held>,
        region: Option<crate::names::Region>,
    ) -> Self {
        Self {
            token,
            key,
            pass_phrase,
            region,
            seen: None,
            loaded: None,
        }
    }

    /// A resource principal of version 2.2: each variable is a value, or an absolute path to a file that changes.
    pub(super) fn of_resource(variable: impl Fn(&str) -> Option<String>) -> Result<Self, KeyError> {
        const PREFIX: &str = "OCI_RESOURCE_PRINCIPAL_";
        let named = |name: &str| format!("{PREFIX}{name}");
        let filled = |name: &str| variable(&named(name)).filter(|value| !value.trim().is_empty());
        let held = |name: &str| {
            let value = filled(name)?;
            Some(if Path::new(&value).is_absolute() {
                Held::File(PathBuf::from(value))
            } else {
                Held::Value(Secret::new(value))
            })
        };
        let missing = |name: &str| {
            KeyError::Credential(format!(
                "{} is not in the environment: auth = resource_principal is for functions and containers at OCI, which have it",
                named(name)
            ))
        };
        let version = filled("VERSION").ok_or_else(|| missing("VERSION"))?;
        if version.trim() != "2.2" {
            return Err(KeyError::Credential(format!(
                "{} is {:?}, supported is 2.2",
                named("VERSION"),
                version.trim()
            )));
        }
        let token = held("RPST").ok_or_else(|| missing("RPST"))?;
        let key = held("PRIVATE_PEM").ok_or_else(|| missing("PRIVATE_PEM"))?;
        let place = filled("REGION").and_then(|text| region::parse(&text));
        let place = place.map(|info| info.region);
        Ok(Self::new(token, key, held("PRIVATE_PEM_PASSPHRASE"), place))
    }

    /// Reads the files if one has changed since, or `forced`; `None`: it is the same token as before. `wall` is this machine's
    /// clock, corrected by what is known of OCI's.
    pub(super) fn load(
        &mut self,
        forced: bool,
        wall: SystemTime,
        now: Instant,
    ) -> Result<Option<Login>, KeyError> {
        let stamps = self.stamps();
        if !forced && self.seen.as_ref() == Some(&stamps) {
            return Ok(None);
        }
        let before = self.seen.take();
        let token = self.token.read().and_then(|text| {
            let token = text.trim();
            if is_token(token) {
                Ok(Zeroizing::new(token.to_owned()))
            } else {
                Err(format!(
                    "it does not hold a token, expected one line of up to {MAX_TOKEN_BYTES} bytes"
                ))
            }
        });
        let token =
            token.map_err(|why| KeyError::Credential(format!("{}: {why}", self.token.name())))?;
        if forced && self.loaded.as_ref() == Some(&token) {
            self.seen = before;
            return Ok(None);
        }
        let pass_phrase = self.pass_phrase.as_ref().map(Held::read).transpose();
        let pass_phrase = pass_phrase
            .map_err(KeyError::Credential)?
            .map(|text| Secret::new(text.trim()));
        let key = match &self.key {
            Held::File(path) => PrivateKey::load(path, pass_phrase.as_ref())?,
            Held::Value(pem) => PrivateKey::parse(pem.expose(), pass_phrase.as_ref())?,
        };
        let claims = Claims::of(&token).unwrap_or_default();
        let expires = claims.expires().map(|at| now + left(at, wall));
        let origin = Origin {
            region: self.region.clone(),
            tenancy: claims.tenancy(),
        };
        let login = Login::signing(key, &token, expires, origin)?;
        self.loaded = Some(token);
        // As they were before they were read: what is written meanwhile is read the next time, and what failed is tried again.
        self.seen = Some(stamps);
        Ok(Some(login))
    }

    /// What to do about a token that has come to its end.
    pub(super) fn expired(&self) -> String {
        match &self.token {
            Held::File(path) if self.region.is_none() => format!(
                "the session's token in {} has expired: renew it with `oci session refresh`, or make a new one with `oci session authenticate`",
                path.display()
            ),
            Held::File(_) | Held::Value(_) => {
                "the resource principal's token has expired, and the environment has no newer one"
                    .to_owned()
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        let held = [
            Some(&self.token),
            Some(&self.key),
            self.pass_phrase.as_ref(),
        ];
        held.into_iter().flatten().filter_map(Held::stamp).collect()
    }
}

/// How long a token that ends then is good for.
fn left(expires: Duration, wall: SystemTime) -> Duration {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    expires.saturating_sub(since)
}

impl Held {
    /// At most `MAX_TOKEN_BYTES` and white space; the error says why, and nothing of what is in it.
    fn read(&self) -> Result<Zeroizing<String>, String> {
        let path = match self {
            Self::Value(value) => return Ok(Zeroizing::new(value.expose().to_owned())),
            Self::File(path) => path,
        };
        // The final size at once: a buffer that grows would leave pieces of the secret behind in freed memory.
        let limit = MAX_TOKEN_BYTES + 64;
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        file.take(limit as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is no text".to_owned())?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Value(_) => "the resource principal's token".to_owned(),
        }
    }

    /// `None` for what is no file. One that is not there has a stamp of its own.
    fn stamp(&self) -> Option<Stamp> {
        let Self::File(path) = self else {
            return None;
        };
        let found = fs::metadata(path).ok();
        Some(Stamp {
            modified: found.as_ref().and_then(|found| found.modified().ok()),
            length: found.as_ref().map_or(u64::MAX, fs::Metadata::len),
            number: found.as_ref().map_or(0, number),
        })
    }
}

/// A file that replaces another has another number, be it as long and as old.
#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests;
