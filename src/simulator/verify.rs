//! Checks OCI request signatures (version 1) with nothing but the public keys of the made accounts, independently of
//! the signer that it checks. Pure: the clock comes in as an argument. Source: Oracle, *Request Signatures*; reference §2.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use sha2::{Digest, Sha256};

/// How far a request's `date` may be from the clock, either way. Source: Oracle, *Request Signatures*.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);
/// What every request must sign.
const ALWAYS_SIGNED: [&str; 3] = ["date", "(request-target)", "host"];
/// What a request with a body must sign as well, even if the body is empty.
const SIGNED_WITH_BODY: [&str; 3] = ["content-length", "content-type", "x-content-sha256"];
const PARAMETERS: [&str; 5] = ["version", "keyId", "algorithm", "headers", "signature"];

/// The keys that are known.
pub(super) struct Keyring(Vec<Entry>);

#[derive(Clone)]
pub(super) struct Entry {
    key_id: String,
    account: String,
    key: VerifyingKey<Sha256>,
}

/// A request as it arrived; header names in lower case, in the order and with the values as sent.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

/// What the check found. `account` is the one that the `keyId` names, also when its signature is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) account: Option<String>,
    pub(super) verdict: Result<(), String>,
}

impl Keyring {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// `key_id` as it stands in the `Authorization` header.
    pub(super) fn add(&mut self, key_id: String, account: String, key: RsaPublicKey) {
        let key = VerifyingKey::new(key);
        self.0.push(Entry {
            key_id,
            account,
            key,
        });
    }

    pub(super) fn check(&self, request: &Signed<'_>, now: SystemTime) -> Finding {
        let known = |key_id: &str| {
            let mut entries = self.0.iter();
            let entry = entries.find(|entry| entry.key_id == key_id);
            entry
                .cloned()
                .ok_or_else(|| format!("unknown keyId {key_id}"))
        };
        check_by(request, now, true, &known)
    }
}

/// As `Keyring::check`, by whatever knows the key of a key id. `with_host`: the host must be signed.
pub(super) fn check_by(
    request: &Signed<'_>,
    now: SystemTime,
    with_host: bool,
    known: &dyn Fn(&str) -> Result<Entry, String>,
) -> Finding {
    let mut account = None;
    let mut check = || {
        let authorization = Authorization::parse(only(request.headers, "authorization")?)?;
        let entry = known(authorization.key_id)?;
        account = Some(entry.account.clone());
        let names = authorization.names(request.method, with_host)?;
        check_date(only(request.headers, "date")?, now)?;
        if names.contains(&"x-content-sha256") {
            check_body(request)?;
        }
        entry.check_signature(request, &authorization, &names)
    };
    let verdict = check();
    Finding { account, verdict }
}

impl Entry {
    pub(super) fn new(key_id: &str, account: &str, key: RsaPublicKey) -> Self {
        Self {
            key_id: key_id.to_owned(),
            account: account.to_owned(),
            key: VerifyingKey::new(key),
        }
    }

    fn check_signature(
        &self,
        request: &Signed<'_>,
        authorization: &Authorization<'_>,
        names: &[&str],
    ) -> Result<(), String> {
        let text = signing_string(request, names)?;
        let signature = STANDARD
            .decode(authorization.signature)
            .map_err(|_| "the signature is not base64".to_owned())?;
        let signature = Signature::try_from(signature.as_slice())
            .map_err(|_| "the signature is not one of RSA".to_owned())?;
        self.key
            .verify(text.as_bytes(), &signature)
            .map_err(|_| format!("the signature does not match this signing string: {text:?}"))
    }
}

/// The parts of the `Authorization` header.
struct Authorization<'a> {
    key_id: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// `Signature name="value",…`, in any order, each once.
    fn parse(value: &'a str) -> Result<Self, String> {
        let mut rest = value
            .strip_prefix("Signature ")
            .ok_or("the scheme of Authorization is not Signature")?;
        let mut found = [None; PARAMETERS.len()];
        loop {
            let (name, after) = rest
                .split_once("=\"")
                .ok_or("Authorization has a parameter without a value")?;
            let (value, after) = after
                .split_once('"')
                .ok_or("Authorization has an open quote")?;
            let place = PARAMETERS
                .iter()
                .zip(found.iter_mut())
                .find(|(known, _)| **known == name);
            match place {
                Some((_, place @ None)) => *place = Some(value),
                Some((_, Some(_))) => return Err(format!("Authorization has {name} twice")),
                None => return Err(format!("Authorization has an unknown parameter {name:?}")),
            }
            if after.is_empty() {
                break;
            }
            rest = after
                .strip_prefix(',')
                .ok_or("Authorization has text behind a value")?;
        }
        let [
            Some(version),
            Some(key_id),
            Some(algorithm),
            Some(headers),
            Some(signature),
        ] = found
        else {
            return Err(format!("Authorization must have all of {PARAMETERS:?}"));
        };
        if version != "1" || algorithm != "rsa-sha256" {
            return Err(format!(
                "version {version}, algorithm {algorithm}: must be 1 and rsa-sha256"
            ));
        }
        Ok(Self {
            key_id,
            headers,
            signature,
        })
    }

    /// The names of what is signed, in order.
    fn names(&self, method: &str, with_host: bool) -> Result<Vec<&'a str>, String> {
        let names: Vec<_> = self.headers.split(' ').collect();
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Err(format!(
                    "headers has {name:?}: names are in lower case, one space between them"
                ));
            }
            if names.iter().skip(at + 1).any(|other| other == name) {
                return Err(format!("headers has {name} twice"));
            }
        }
        let with_body = matches!(method, "POST" | "PUT" | "PATCH");
        let more = if with_body {
            &SIGNED_WITH_BODY[..]
        } else {
            &[]
        };
        match ALWAYS_SIGNED
            .iter()
            .chain(more)
            .find(|name| !names.contains(name) && (with_host || **name != "host"))
        {
            Some(missing) => Err(format!("{missing} is not signed")),
            None => Ok(names),
        }
    }
}

/// The value of a header that must be there once.
fn only<'a>(headers: &'a [(String, String)], name: &str) -> Result<&'a str, String> {
    let mut values = headers.iter().filter(|(known, _)| known == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(value),
        (Some(_), Some(_)) => Err(format!("the header {name} is there twice")),
        (None, _) => Err(format!("the header {name} is missing")),
    }
}

fn check_date(value: &str, now: SystemTime) -> Result<(), String> {
    let date =
        httpdate::parse_http_date(value).map_err(|_| format!("date {value:?} is not a date"))?;
    let skew = now
        .duration_since(date)
        .unwrap_or_else(|early| early.duration());
    if skew > MAX_SKEW {
        return Err(format!(
            "date {value:?} is {} s off the clock",
            skew.as_secs()
        ));
    }
    Ok(())
}

fn check_body(request: &Signed<'_>) -> Result<(), String> {
    let length = only(request.headers, "content-length")?;
    if length != request.body.len().to_string() {
        return Err(format!(
            "content-length {length} for a body of {} bytes",
            request.body.len()
        ));
    }
    if only(request.headers, "x-content-sha256")? != STANDARD.encode(Sha256::digest(request.body)) {
        return Err("x-content-sha256 is not that of the body".to_owned());
    }
    Ok(())
}

fn signing_string(request: &Signed<'_>, names: &[&str]) -> Result<String, String> {
    let mut lines = Vec::with_capacity(names.len());
    for &name in names {
        lines.push(if name == "(request-target)" {
            let method = request.method.to_ascii_lowercase();
            format!("{name}: {method} {}", request.target)
        } else {
            format!("{name}: {}", only(request.headers, name)?)
        });
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests;
