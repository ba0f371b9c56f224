//! The one library of cryptography beneath signatures and TLS, which also has the random source: ring, or with the feature
//! `aws-lc` AWS-LC. They have the same face but for what stands here.

#[cfg(not(any(feature = "ring", feature = "aws-lc")))]
compile_error!("build with the feature `ring`, which is the default, or `aws-lc`");

mod tls;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::digest;
#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc_rs::{pbkdf2, rand, signature};
#[cfg(not(feature = "aws-lc"))]
use ring::digest;
#[cfg(not(feature = "aws-lc"))]
pub(crate) use ring::{pbkdf2, rand, signature};

use rand::SecureRandom as _;
use signature::{RSA_PKCS1_SHA256, RsaKeyPair};

pub(crate) use tls::provider;

/// The RSASSA-PKCS1-v1_5 signature of the message's SHA-256; `None` if the random source failed.
pub(crate) fn rsa_sha256(key: &RsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    #[cfg(feature = "aws-lc")]
    let bytes = key.public_modulus_len();
    #[cfg(not(feature = "aws-lc"))]
    let bytes = key.public().modulus_len();
    let mut signature = vec![0; bytes];
    let random = rand::SystemRandom::new();
    let signed = key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
    signed.ok().map(|()| signature)
}

/// The SHA-256 of a request's body.
pub(crate) fn sha256(bytes: &[u8]) -> impl AsRef<[u8]> {
    digest::digest(&digest::SHA256, bytes)
}

/// For the fingerprint of a certificate, which nobody relies on.
pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().to_vec()
}

/// Bytes from the system's random source; `None` if it has none, which no supported system says after its start.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let filled = rand::SystemRandom::new().fill(&mut bytes);
    filled.ok().map(|()| bytes)
}

/// `N` such bytes, in hex digits.
pub(crate) fn random_hex<const N: usize>() -> Option<String> {
    let bytes = random::<N>()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
