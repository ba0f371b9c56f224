//! Encrypted PKCS#8: `BEGIN ENCRYPTED PRIVATE KEY`. Knows the envelope and its limits; the key derivation and the ciphers
//! are the `rsa` family's, but for the derivation with SHA-1, which that leaves out and OpenSSL 1.0 wrote by default.
//! Source: RFC 5958 §3, RFC 8018 §6.2.

use std::num::NonZeroU32;

use rsa::pkcs8::der::{Decode as _, Header, Reader as _, SliceReader};
use rsa::pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Prf};
use rsa::pkcs8::spki::AlgorithmIdentifierRef;
use rsa::pkcs8::{EncryptedPrivateKeyInfo, pkcs5};
use zeroize::Zeroizing;

use super::KeyError;
use super::legacy::Cipher;
use crate::crypto::pbkdf2::{self, PBKDF2_HMAC_SHA1};
use crate::names::Secret;

/// Rounds of PBKDF2, about ten seconds. OpenSSL writes 2048, careful users up to a million; a damaged file may ask for
/// billions.
pub(super) const MAX_ROUNDS: u32 = 10_000_000;

/// Memory that scrypt may take, in bytes. OpenSSL's own parameters need 16 MiB.
const MAX_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;

/// Passes of scrypt over that memory.
const MAX_SCRYPT_PASSES: u16 = 16;

/// Decrypts the envelope: the PKCS#8 key within, in DER.
pub(super) fn open(
    der: &[u8],
    pass_phrase: Option<&Secret>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfo::from_der(der).map_err(|_| unread(der))?;
    let pkcs5::EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unread(der));
    };
    check_cost(&parameters.kdf)?;
    let pass_phrase = pass_phrase.ok_or(KeyError::PassPhraseNeeded)?;
    let mut data = Zeroizing::new(info.encrypted_data.to_vec());
    if let Some(sha1) = WithSha1::of(parameters) {
        sha1.decrypt(pass_phrase, &mut data)?;
    } else {
        let plain = parameters.decrypt_in_place(pass_phrase.expose(), &mut data);
        let length = plain.map_err(|error| refused(&error))?.len();
        data.truncate(length);
    }
    Ok(data)
}

/// Why the envelope could not be read: an encryption that this program does not know, or damage.
fn unread(der: &[u8]) -> KeyError {
    match scheme_of(der) {
        Some(scheme) => KeyError::UnsupportedEncryption(scheme),
        None => KeyError::Damaged,
    }
}

/// The name of the encryption scheme, or its number, if the envelope is that far in order.
fn scheme_of(der: &[u8]) -> Option<String> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    if reader.remaining_len().is_zero() {
        return None;
    }
    let scheme = AlgorithmIdentifierRef::decode(&mut reader).ok()?;
    let number = scheme.oid.to_string();
    let name = match number.as_str() {
        "1.2.840.113549.1.5.13" => "a PBES2 cipher other than AES-CBC",
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES",
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        _ => return Some(format!("scheme {number}")),
    };
    Some(name.to_owned())
}

fn refused(error: &pkcs5::Error) -> KeyError {
    match error {
        pkcs5::Error::UnsupportedAlgorithm { oid } => {
            KeyError::UnsupportedEncryption(format!("scheme {oid}"))
        }
        pkcs5::Error::AlgorithmParametersInvalid { .. } => KeyError::Damaged,
        // A wrong pass phrase shows as wrong padding, which the crate calls a failed encryption.
        _ => KeyError::WrongPassPhrase,
    }
}

pub(super) fn check_cost(derivation: &Kdf<'_>) -> Result<(), KeyError> {
    let bearable = match derivation {
        Kdf::Pbkdf2(parameters) => parameters.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(parameters) => {
            let memory = parameters
                .cost_parameter
                .checked_mul(128 * u64::from(parameters.block_size));
            memory.is_some_and(|memory| memory <= MAX_SCRYPT_BYTES)
                && parameters.parallelization <= MAX_SCRYPT_PASSES
        }
        // The crate may learn others.
        _ => true,
    };
    if bearable {
        Ok(())
    } else {
        Err(KeyError::CostlyEncryption)
    }
}

/// PBKDF2 with HMAC-SHA-1, then AES.
struct WithSha1<'a> {
    cipher: Cipher,
    start: &'a [u8],
    salt: &'a [u8],
    rounds: NonZeroU32,
}

impl<'a> WithSha1<'a> {
    fn of(parameters: &'a Parameters<'a>) -> Option<Self> {
        let derivation = parameters.kdf.pbkdf2()?;
        if derivation.prf != Pbkdf2Prf::HmacWithSha1 {
            return None;
        }
        let (cipher, start) = match parameters.encryption {
            EncryptionScheme::Aes128Cbc { iv } => (Cipher::Aes128, iv),
            EncryptionScheme::Aes192Cbc { iv } => (Cipher::Aes192, iv),
            EncryptionScheme::Aes256Cbc { iv } => (Cipher::Aes256, iv),
            _ => return None,
        };
        Some(Self {
            cipher,
            start,
            salt: derivation.salt,
            rounds: NonZeroU32::new(derivation.iteration_count)?,
        })
    }

    fn decrypt(&self, pass_phrase: &Secret, data: &mut Vec<u8>) -> Result<(), KeyError> {
        let mut key = Zeroizing::new(vec![0; self.cipher.key_bytes()]);
        let secret = pass_phrase.expose().as_bytes();
        pbkdf2::derive(PBKDF2_HMAC_SHA1, self.rounds, self.salt, secret, &mut key);
        let opened = self.cipher.decrypt(&key, self.start, data);
        opened.ok_or(KeyError::WrongPassPhrase)
    }
}
