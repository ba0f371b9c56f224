//! OCI's request signature, version 1: RSA-SHA256 over a list of headers. A pure core: the date comes in, nothing is sent.
//! Never knows accounts, regions or sockets. Source: reference §2.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::pkcs1v15::SigningKey;
use rsa::rand_core::{self, CryptoRng, RngCore};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::keys::{KeyError, PrivateKey};
use crate::crypto;
use crate::crypto::rand::{SecureRandom as _, SystemRandom};
use crate::crypto::signature::RsaKeyPair;
use crate::names::Secret;

/// The last second that an HTTP date can tell, 9999-12-31 23:59:59. A clock beyond it, or before 1970, must not end in a
/// panic of httpdate.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// What a request signs, in this order; the official SDKs use the same.
const HEADERS: &str = "date (request-target) host";
const HEADERS_WITH_BODY: &str =
    "date (request-target) host content-length content-type x-content-sha256";

/// What the federation service wants, which has no use for a host.
const HEADERS_WITH_BODY_ALONE: &str =
    "date (request-target) content-length content-type x-content-sha256";

/// Signs the requests of one account.
pub(crate) struct Signer {
    engine: Engine,
    /// It may hold a token.
    key_id: Zeroizing<String>,
}

/// What is signed. Each value must be sent byte for byte as it stands here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `POST`.
    pub(crate) method: &'a str,
    /// Path and query, percent-encoded: `/20231130/models?limit=100`.
    pub(crate) target: &'a str,
    /// The `host` header, with the port if it is not the scheme's own. `None`: it is not signed.
    pub(crate) host: Option<&'a str>,
    /// `Some` for POST, PUT and PATCH, even if empty; `None` for GET, HEAD and DELETE.
    pub(crate) body: Option<Body<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// The headers that a signature adds. `host`, `content-type` and `content-length` are the request's own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) date: String,
    pub(crate) authorization: String,
    /// `x-content-sha256`, of a request with a body.
    pub(crate) content_sha256: Option<String>,
}

/// The key id of an API key.
pub(crate) fn key_id(tenancy: &str, user: &str, fingerprint: &str) -> String {
    format!("{tenancy}/{user}/{fingerprint}")
}

/// The key id of a token, with whose key the request is signed.
pub(crate) fn token_key_id(token: &str) -> String {
    format!("ST${token}")
}

/// `crypto` signs in constant time and several times as fast as the rsa crate. It refuses keys of less than 2048 bits and
/// those whose parts do not all fit together, such as the remainders for the two primes, which a signature can do without;
/// ring also keys of more than 4096 bits and small exponents. The rsa crate takes them all. Its known timing leak
/// (RUSTSEC-2023-0071) is what the blinding is for.
enum Engine {
    Fast(Box<RsaKeyPair>),
    Blinded(Box<SigningKey<Sha256>>),
}

impl Signer {
    /// `key_id` as of [`key_id`]. Fails with [`KeyError::Inconsistent`] for a key that cannot sign: tried once, here, so
    /// that it shows at the start and not with the first request.
    pub(crate) fn new(key: PrivateKey, key_id: String) -> Result<Self, KeyError> {
        let engine = Engine::new(key).ok_or(KeyError::Inconsistent)?;
        Ok(Self {
            engine,
            key_id: Zeroizing::new(key_id),
        })
    }

    /// A repeated request must be signed again: OCI refuses a date more than five minutes off.
    ///
    /// Should the system's random source fail, the signature is empty and OCI answers 401.
    pub(crate) fn sign(&self, request: &Request<'_>, date: SystemTime) -> Signed {
        self.sign_dated(request, http_date(date))
    }

    fn sign_dated(&self, request: &Request<'_>, date: String) -> Signed {
        let content_sha256 = request
            .body
            .map(|body| BASE64.encode(crypto::sha256(body.bytes)));
        let text = signing_string(request, &date, content_sha256.as_deref());
        let signature = self.engine.sign(text.as_bytes()).unwrap_or_default();
        let headers = match (request.body, request.host) {
            (Some(_), Some(_)) => HEADERS_WITH_BODY,
            (Some(_), None) => HEADERS_WITH_BODY_ALONE,
            (None, _) => HEADERS,
        };
        let key_id = self.key_id.as_str();
        let signature = BASE64.encode(signature);
        Signed {
            date,
            authorization: format!(
                r#"Signature version="1",keyId="{key_id}",algorithm="rsa-sha256",headers="{headers}",signature="{signature}""#
            ),
            content_sha256,
        }
    }
}

impl Signed {
    /// Without a signature: who calls is told by `authorization`.
    pub(crate) fn with(authorization: String, date: SystemTime) -> Self {
        Self {
            date: http_date(date),
            authorization,
            content_sha256: None,
        }
    }

    /// By an API key of the service.
    pub(crate) fn bearer(key: &Secret, date: SystemTime) -> Self {
        Self::with(format!("Bearer {}", key.expose()), date)
    }
}

fn http_date(date: SystemTime) -> String {
    httpdate::fmt_http_date(date.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_DATE))
}

/// Whoever has it can repeat the request for five minutes.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({}, ***)", self.date)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Engine {
    /// `None` for a key that cannot sign.
    fn new(key: PrivateKey) -> Option<Self> {
        if let Ok(pair) = RsaKeyPair::from_der(key.pkcs1_der()) {
            let engine = Self::Fast(Box::new(pair));
            // ring finds out only now whether all parts fit.
            if engine.sign(b"").is_some() {
                return Some(engine);
            }
        }
        let engine = Self::Blinded(Box::new(SigningKey::new(key.into_rsa())));
        engine.sign(b"").is_some().then_some(engine)
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Fast(pair) => crypto::rsa_sha256(pair, message),
            Self::Blinded(key) => {
                let signature = key.try_sign_with_rng(&mut Blinding::new(), message).ok()?;
                Some(signature.to_vec())
            }
        }
    }
}

/// `name: value` of each signed header, a line each, without a line feed at the end.
fn signing_string(request: &Request<'_>, date: &str, content_sha256: Option<&str>) -> String {
    let method = request.method.to_ascii_lowercase();
    let Request { target, host, .. } = request;
    let mut text = format!("date: {date}\n(request-target): {method} {target}");
    if let Some(host) = host {
        text.push_str(&format!("\nhost: {host}"));
    }
    if let (Some(body), Some(hash)) = (request.body, content_sha256) {
        let length = body.bytes.len();
        let content_type = body.content_type;
        text.push_str(&format!(
            "\ncontent-length: {length}\ncontent-type: {content_type}\nx-content-sha256: {hash}"
        ));
    }
    text
}

/// The system's random source for the rsa crate, which asks for it in its own words. Without one it yields zeros: that
/// takes away the blinding of a signature and never its correctness.
struct Blinding(SystemRandom);

impl Blinding {
    fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl RngCore for Blinding {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        if self.0.fill(bytes).is_err() {
            bytes.fill(0);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Blinding {}

#[cfg(test)]
mod tests;
