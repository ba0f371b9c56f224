//! The private key of an account: read from its PEM file in whichever of its forms, decrypted, checked, fingerprinted.
//! Knows nothing of requests or signatures. What was decrypted is wiped when it is no longer needed, and no error ever
//! holds a part of the key or the pass phrase. Source: reference §2.1, specification §2.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use rsa::pkcs1::{self, EncodeRsaPrivateKey as _, Version};
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::{EncodePublicKey as _, PrivateKeyInfo};
use rsa::rand_core::OsRng;
use rsa::{BigUint, RsaPrivateKey};
use zeroize::Zeroizing;

use crate::crypto;
use crate::names::Secret;

mod legacy;
mod pbes2;
pub(super) mod pem;
#[cfg(test)]
mod tests;

/// Bytes of a key file. The largest key that is accepted takes 7 KiB.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// Oracle asks for 2048 bits; its published signing sample has 1024.
const MIN_BITS: usize = 1024;

/// Of the keys that are made for tokens. Source: reference §2.3.
const NEW_BITS: usize = 2048;

/// A signature with a larger key takes seconds.
const MAX_BITS: usize = 8192;

/// A usable RSA key: its parts fit together and its size is within bounds.
pub(crate) struct PrivateKey {
    rsa: RsaPrivateKey,
    /// The same in DER, for `crypto`.
    pkcs1: Zeroizing<Vec<u8>>,
    bits: usize,
}

/// Why a key cannot be used. `Display` is one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// Any of the others, about this file.
    InFile {
        path: PathBuf,
        error: Box<KeyError>,
    },
    /// Missing, a directory, no permission.
    Unreadable(String),
    TooLarge,
    /// Bytes that are no UTF-8.
    Binary,
    /// No `-----BEGIN …-----` line.
    NotPem,
    /// No matching `-----END …-----` line.
    Cut,
    /// Not base64, or not the structure that the label promises.
    Damaged,
    /// A public key, a certificate: what the file holds.
    NotPrivate(&'static str),
    OpenSshKey,
    PuttyKey,
    /// A private key of another kind: which.
    NotRsa(&'static str),
    PassPhraseNeeded,
    WrongPassPhrase,
    /// The cipher or scheme.
    UnsupportedEncryption(String),
    /// A key derivation that would take minutes or gigabytes.
    CostlyEncryption,
    /// In bits.
    Size(usize),
    /// The numbers of the key contradict each other, or no signature could be made with them.
    Inconsistent,
    FingerprintMismatch {
        configured: String,
        computed: String,
    },
    /// The token beside the key, or what the environment should hold, is not there: a line of its own.
    Credential(String),
}

impl PrivateKey {
    /// Reads a key file. `pass_phrase` is ignored if the key is not encrypted: it may be meant for another.
    pub(crate) fn load(path: &Path, pass_phrase: Option<&Secret>) -> Result<Self, KeyError> {
        let loaded = read(path).and_then(|bytes| {
            let text = std::str::from_utf8(&bytes).map_err(|_| KeyError::Binary)?;
            Self::parse(text, pass_phrase)
        });
        loaded.map_err(|error| KeyError::InFile {
            path: path.to_owned(),
            error: Box::new(error),
        })
    }

    /// Reads the text of a key file, see [`PrivateKey::load`].
    pub(crate) fn parse(pem: &str, pass_phrase: Option<&Secret>) -> Result<Self, KeyError> {
        if pem.len() > MAX_FILE_BYTES {
            return Err(KeyError::TooLarge);
        }
        let pass_phrase = pass_phrase.filter(|phrase| !phrase.expose().is_empty());
        let mut block = pem::private_key(pem)?;
        match (block.label.as_str(), &block.dek_info) {
            ("RSA PRIVATE KEY", None) => Self::from_pkcs1(block.der),
            ("RSA PRIVATE KEY", Some(dek_info)) => {
                legacy::open(dek_info, pass_phrase, &mut block.der)?;
                Self::from_pkcs1(block.der).map_err(after_decryption)
            }
            ("PRIVATE KEY", _) => Self::from_pkcs8(&block.der),
            ("ENCRYPTED PRIVATE KEY", _) => {
                let der = pbes2::open(&block.der, pass_phrase)?;
                Self::from_pkcs8(&der).map_err(after_decryption)
            }
            ("OPENSSH PRIVATE KEY", _) => Err(KeyError::OpenSshKey),
            ("EC PRIVATE KEY", _) => Err(KeyError::NotRsa("an elliptic-curve key")),
            ("DSA PRIVATE KEY", _) => Err(KeyError::NotRsa("a DSA key")),
            _ => Err(KeyError::NotRsa("a key of an unknown kind")),
        }
    }

    /// A new key of [`NEW_BITS`]; takes a fraction of a second, on a small machine some. `None`: no random bytes are to be had.
    pub(crate) fn generate() -> Option<Self> {
        // Asked first: the crate that makes the key panics without them.
        crypto::random::<1>()?;
        let rsa = RsaPrivateKey::new(&mut OsRng, NEW_BITS).ok()?;
        let der = rsa.to_pkcs1_der().ok()?;
        Self::from_pkcs1(Zeroizing::new(der.as_bytes().to_vec())).ok()
    }

    /// The same once more.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        Self::from_pkcs1(self.pkcs1.clone()).ok()
    }

    /// The public half: SubjectPublicKeyInfo in DER.
    pub(crate) fn public_der(&self) -> Option<Vec<u8>> {
        let spki = self.rsa.to_public_key().to_public_key_der().ok()?;
        Some(spki.into_vec())
    }

    /// What OCI calls the key's fingerprint: MD5 of the public key (SubjectPublicKeyInfo, DER), lower-case hex with colons.
    pub(crate) fn fingerprint(&self) -> String {
        let Ok(spki) = self.rsa.to_public_key().to_public_key_der() else {
            return String::new(); // Writing two numbers into memory does not fail.
        };
        let digest = Md5::digest(spki.as_bytes());
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// Compares with the configured fingerprint, in any case. A wrong one is the commonest cause of a 401.
    pub(crate) fn check_fingerprint(&self, configured: &str) -> Result<(), KeyError> {
        let computed = self.fingerprint();
        if configured.trim().eq_ignore_ascii_case(&computed) {
            return Ok(());
        }
        Err(KeyError::FingerprintMismatch {
            configured: configured.trim().to_owned(),
            computed,
        })
    }

    /// Length of the modulus.
    #[cfg(test)]
    pub(crate) fn bits(&self) -> usize {
        self.bits
    }

    /// The key as PKCS#1 in DER.
    pub(crate) fn pkcs1_der(&self) -> &[u8] {
        &self.pkcs1
    }

    pub(crate) fn into_rsa(self) -> RsaPrivateKey {
        self.rsa
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyError::Damaged)?;
        match info.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => Self::from_pkcs1(Zeroizing::new(info.private_key.to_vec())),
            "1.2.840.113549.1.1.10" => Err(KeyError::NotRsa("a key for RSA-PSS only")),
            "1.2.840.10045.2.1" => Err(KeyError::NotRsa("an elliptic-curve key")),
            "1.3.101.112" => Err(KeyError::NotRsa("an Ed25519 key")),
            _ => Err(KeyError::NotRsa("a key of an unknown kind")),
        }
    }

    fn from_pkcs1(der: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let parts = pkcs1::RsaPrivateKey::from_der(&der).map_err(|_| KeyError::Damaged)?;
        if parts.version() != Version::TwoPrime {
            return Err(KeyError::NotRsa("an RSA key of more than two primes"));
        }
        let number = |part: pkcs1::UintRef<'_>| BigUint::from_bytes_be(part.as_bytes());
        let modulus = number(parts.modulus);
        // Before the checks, which take long for a key of absurd size.
        let bits = modulus.bits();
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        let rsa = RsaPrivateKey::from_components(
            modulus,
            number(parts.public_exponent),
            number(parts.private_exponent),
            vec![number(parts.prime1), number(parts.prime2)],
        );
        Ok(Self {
            rsa: rsa.map_err(|_| KeyError::Inconsistent)?,
            pkcs1: der,
            bits,
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} bits, ***)", self.bits)
    }
}

/// One wrong pass phrase in 256 leaves a padding that looks right, and then rubbish.
fn after_decryption(error: KeyError) -> KeyError {
    if error == KeyError::Damaged {
        KeyError::WrongPassPhrase
    } else {
        error
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // The final size at once: a buffer that grows would leave pieces of the key behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
    let limit = MAX_FILE_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| KeyError::Unreadable(why_unreadable(&error)))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(KeyError::TooLarge);
    }
    Ok(bytes)
}

fn why_unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file: correct key_file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "this program's user may not read it: change its owner or mode".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    }
}

/// Rewrites any key that OpenSSL can read into a form that this program can.
const CONVERT: &str = "openssl pkcs8 -topk8 -v2 aes256 -in FILE -out NEW";

/// OpenSSL 3 reads single DES and RC2 only when told to.
const CONVERT_OLD: &str = "-provider legacy -provider default";

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFile { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Unreadable(why) => f.write_str(why),
            Self::TooLarge => write!(
                f,
                "larger than {MAX_FILE_BYTES} bytes, so that it is no key: correct key_file"
            ),
            Self::Binary => f.write_str(
                "not a text: key_file must be a PEM file; convert a DER file with \
                 `openssl rsa -inform DER -in FILE -out NEW`, save a UTF-16 text as UTF-8",
            ),
            Self::NotPem => f.write_str(
                "no `-----BEGIN ... PRIVATE KEY-----` line: key_file must be the private API key in PEM",
            ),
            Self::Cut => f.write_str("the key's END line is missing: copy the file again, whole"),
            Self::Damaged => f.write_str("the key is damaged: copy the file again, whole"),
            Self::NotPrivate(what) => {
                write!(f, "it holds {what}: key_file must be the private API key in PEM")
            }
            Self::OpenSshKey => f.write_str(
                "it holds a key in OpenSSH's own form: convert a copy of it with \
                 `ssh-keygen -p -m PEM -f COPY`, if it is an RSA key",
            ),
            Self::PuttyKey => f.write_str(
                "it holds a key in PuTTY's own form: convert it with `puttygen FILE -O private-openssh -o NEW`",
            ),
            Self::NotRsa(what) => write!(f, "it holds {what}: OCI's API keys are RSA keys"),
            Self::PassPhraseNeeded => {
                f.write_str("the key is encrypted: pass_phrase is needed beside key_file")
            }
            Self::WrongPassPhrase => {
                f.write_str("wrong pass phrase: pass_phrase does not open this key")
            }
            Self::UnsupportedEncryption(what) => write!(
                f,
                "the key's encryption ({what}) is not supported: convert it with `{CONVERT}`, \
                 and with `{CONVERT_OLD}` added if OpenSSL 3 refuses"
            ),
            Self::CostlyEncryption => write!(
                f,
                "the key's encryption is too costly to open: convert it with `{CONVERT}`"
            ),
            Self::Size(bits) => write!(
                f,
                "an RSA key of {bits} bits: {MIN_BITS} to {MAX_BITS} are supported, OCI asks for 2048 or more"
            ),
            Self::Inconsistent => f.write_str(
                "the numbers of the key contradict each other: make a new API key, or copy the file again",
            ),
            Self::FingerprintMismatch {
                configured,
                computed,
            } => write!(
                f,
                "the key has the fingerprint {computed}, configured is {configured}: correct fingerprint or key_file"
            ),
            Self::Credential(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for KeyError {}
