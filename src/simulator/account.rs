//! Made accounts: what a configuration needs to sign in at the simulator, and what the simulator needs to check it.

use std::io;

use md5::{Digest, Md5};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;

use super::server::hex;

/// What Oracle asks for at least.
const KEY_BITS: usize = 2048;
/// The unique part of an OCID has 60 characters, of which the first are `a`s.
const OCID_HEX_CHARS: usize = 52;
/// Characters of a generated account's id that come from its key.
const ID_CHARS: usize = 8;

/// An account that the simulator knows. The fields may be changed before `Simulator::start`: what a request's `keyId`
/// must be is `tenancy/user/fingerprint` as they stand then.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name under which recorded requests and `set_for_account` speak of it.
    pub id: String,
    /// A tenancy OCID, made from the id.
    pub tenancy: String,
    /// A user OCID, made from the id.
    pub user: String,
    /// MD5 of the public key as OCI shows it: 16 pairs of hex digits in lower case, colons between.
    pub fingerprint: String,
    /// PKCS#1 or PKCS#8, not encrypted.
    pub private_key_pem: String,
}

impl Account {
    /// An account with a fresh RSA key of 2048 bits (takes about a quarter of a second) and an id made from it.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn generate() -> io::Result<Self> {
        let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(io::Error::other)?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
        let fingerprint = fingerprint(&key.to_public_key())?;
        let id: String = fingerprint
            .chars()
            .filter(|digit| *digit != ':')
            .take(ID_CHARS)
            .collect();
        Ok(Self::new(&format!("account-{id}"), &pem, fingerprint))
    }

    /// An account with a key of the caller's, as a PEM file holds it.
    ///
    /// # Errors
    /// `InvalidData` when it is not an RSA private key in PKCS#1 or PKCS#8, or encrypted.
    pub fn from_pem(id: &str, pem: &str) -> io::Result<Self> {
        let fingerprint = fingerprint(&public_key(pem)?)?;
        Ok(Self::new(id, pem, fingerprint))
    }

    /// The `keyId` of its signatures.
    pub fn key_id(&self) -> String {
        format!("{}/{}/{}", self.tenancy, self.user, self.fingerprint)
    }

    pub(super) fn public_key(&self) -> io::Result<RsaPublicKey> {
        public_key(&self.private_key_pem)
    }

    fn new(id: &str, pem: &str, fingerprint: String) -> Self {
        let unique: String = hex(&Sha256::digest(id))
            .chars()
            .take(OCID_HEX_CHARS)
            .collect();
        Self {
            id: id.to_owned(),
            tenancy: format!("ocid1.tenancy.oc1..aaaaaaaa{unique}"),
            user: format!("ocid1.user.oc1..aaaaaaaa{unique}"),
            fingerprint,
            private_key_pem: pem.to_owned(),
        }
    }
}

/// Shows everything but the key.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

pub(super) fn public_key(pem: &str) -> io::Result<RsaPublicKey> {
    // Text behind the end line is allowed in key files: Oracle tells its users to put a label there.
    let lines: Vec<_> = pem.lines().map(str::trim).collect();
    let end = lines
        .iter()
        .position(|line| line.starts_with("-----END"))
        .map_or(lines.len(), |at| at + 1);
    let pem = lines.into_iter().take(end).collect::<Vec<_>>().join("\n");
    let key = RsaPrivateKey::from_pkcs8_pem(&pem)
        .ok()
        .or_else(|| RsaPrivateKey::from_pkcs1_pem(&pem).ok())
        .ok_or_else(|| {
            let why = "not an RSA private key in PKCS#1 or PKCS#8 without a pass phrase";
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
    Ok(key.to_public_key())
}

fn fingerprint(key: &RsaPublicKey) -> io::Result<String> {
    let der = key.to_public_key_der().map_err(io::Error::other)?;
    let pairs: Vec<_> = Md5::digest(der.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(pairs.join(":"))
}
