//! The encryption that `openssl genrsa -aes256` wrote for years: `Proc-Type: 4,ENCRYPTED`, a cipher and its start value in
//! `DEK-Info`, and a key made with a single round of MD5. Weak by today's measure, and read only. The ciphers serve
//! `pbes2` too. Source: RFC 1421 §4.6, and the manual page of OpenSSL's `EVP_BytesToKey`.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, KeyInit, KeyIvInit as _};
use des::TdesEde3;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::KeyError;
use crate::names::Secret;

/// Bytes of the start value that salt the key.
const SALT_BYTES: usize = 8;

/// The longest of OpenSSL's names is `CAMELLIA-256-CBC`, or nearly so.
const MAX_NAME_BYTES: usize = 32;

/// The ciphers that such keys use, all in CBC mode with PKCS#7 padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    DesEde3,
}

impl Cipher {
    fn of_dek_info(name: &str) -> Option<Self> {
        match name {
            "AES-128-CBC" => Some(Self::Aes128),
            "AES-192-CBC" => Some(Self::Aes192),
            "AES-256-CBC" => Some(Self::Aes256),
            "DES-EDE3-CBC" => Some(Self::DesEde3),
            _ => None,
        }
    }

    pub(super) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::DesEde3 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Decrypts in place and shortens `data` to the plain text. `None`: the padding is wrong, as after a wrong pass phrase,
    /// or a length does not fit.
    pub(super) fn decrypt(self, key: &[u8], start: &[u8], data: &mut Vec<u8>) -> Option<()> {
        let length = match self {
            Self::Aes128 => decrypt::<Aes128>(key, start, data),
            Self::Aes192 => decrypt::<Aes192>(key, start, data),
            Self::Aes256 => decrypt::<Aes256>(key, start, data),
            Self::DesEde3 => decrypt::<TdesEde3>(key, start, data),
        }?;
        data.truncate(length);
        Some(())
    }
}

/// Decrypts a block with this `DEK-Info` (`AES-256-CBC,2EA8…`) in place.
pub(super) fn open(
    dek_info: &str,
    pass_phrase: Option<&Secret>,
    data: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let (name, digits) = dek_info.split_once(',').unwrap_or((dek_info, ""));
    let name = name.trim();
    let Some(cipher) = Cipher::of_dek_info(name) else {
        return Err(unknown(name));
    };
    let start = bytes_of_hex(digits.trim()).ok_or(KeyError::Damaged)?;
    let salt = start.get(..SALT_BYTES).ok_or(KeyError::Damaged)?;
    let pass_phrase = pass_phrase.ok_or(KeyError::PassPhraseNeeded)?;
    let key = key_of(pass_phrase, salt, cipher.key_bytes());
    cipher
        .decrypt(&key, &start, data)
        .ok_or(KeyError::WrongPassPhrase)
}

/// For the error line: OpenSSL's name of the cipher, and nothing that a damaged file may have in its place.
fn unknown(name: &str) -> KeyError {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_name) {
        return KeyError::Damaged;
    }
    KeyError::UnsupportedEncryption(name.to_owned())
}

fn decrypt<C>(key: &[u8], start: &[u8], data: &mut [u8]) -> Option<usize>
where
    C: BlockCipher + BlockDecryptMut + KeyInit,
{
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, start).ok()?;
    let plain = decryptor.decrypt_padded_mut::<Pkcs7>(data).ok()?;
    Some(plain.len())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: each 16 bytes are the hash of the 16 before, the pass phrase and the
/// salt.
fn key_of(pass_phrase: &Secret, salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + Md5::output_size()));
    let mut block = Zeroizing::new([0; 16]);
    let mut first = true;
    while key.len() < length {
        let mut hash = Md5::new();
        if !first {
            hash.update(block.as_slice());
        }
        hash.update(pass_phrase.expose().as_bytes());
        hash.update(salt);
        *block = hash.finalize().into();
        key.extend_from_slice(block.as_slice());
        first = false;
    }
    key.truncate(length);
    key
}

fn bytes_of_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| byte_of_hex(*pair)).collect()
}

fn byte_of_hex([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
