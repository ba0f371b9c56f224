//! What TLS may use of the library of cryptography: what OCI's servers speak. The usual set has ChaCha20, Ed25519 and the private
//! keys of clients too, which would be 130 KB of the program: ChaCha20 stands beside AES-GCM wherever it is taken, and no public
//! authority signs with Ed25519. Both libraries get the same list; AWS-LC by itself has P-521 and what withstands quantum computers, too.

use std::sync::Arc;

use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as library;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as library;
#[cfg(feature = "aws-lc")]
use webpki::aws_lc_rs as signed;
#[cfg(not(feature = "aws-lc"))]
use webpki::ring as signed;

use library::{cipher_suite as suite, kx_group};

use super::rand::{SecureRandom as _, SystemRandom};

/// For the client's side of TLS 1.2 and 1.3.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Random,
        key_provider: &NoClientKeys,
    })
}

/// Signatures of servers and authorities. In TLS 1.2 a scheme does not say the curve.
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        signed::ECDSA_P256_SHA256,
        signed::ECDSA_P256_SHA384,
        signed::ECDSA_P384_SHA256,
        signed::ECDSA_P384_SHA384,
        signed::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        signed::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        signed::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        signed::RSA_PKCS1_2048_8192_SHA256,
        signed::RSA_PKCS1_2048_8192_SHA384,
        signed::RSA_PKCS1_2048_8192_SHA512,
        signed::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        signed::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        signed::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[signed::ECDSA_P384_SHA384, signed::ECDSA_P256_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[signed::ECDSA_P256_SHA256, signed::ECDSA_P384_SHA256],
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            &[signed::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            &[signed::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[signed::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &[signed::RSA_PKCS1_2048_8192_SHA512],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            &[signed::RSA_PKCS1_2048_8192_SHA384],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &[signed::RSA_PKCS1_2048_8192_SHA256],
        ),
    ],
};

/// The system's random source.
#[derive(Debug)]
struct Random;

impl SecureRandom for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

/// No server is shown a certificate.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let why = "certificates of clients are not supported";
        Err(Error::General(why.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    /// Whatever ring would offer by itself, but for what is left out above; AWS-LC has more.
    #[test]
    fn nothing_else_is_left_out() {
        let (usual, ours) = (library::default_provider(), provider());
        let suites = usual.cipher_suites.iter().map(|suite| suite.suite());
        let kept = suites.filter(|suite| !format!("{suite:?}").contains("CHACHA20"));
        assert!(kept.eq(ours.cipher_suites.iter().map(|suite| suite.suite())));
        let verifies = |provider: &CryptoProvider| {
            let algorithms = provider.signature_verification_algorithms;
            algorithms
                .mapping
                .iter()
                .map(|(scheme, _)| *scheme)
                .collect::<Vec<_>>()
        };
        let groups = |provider: &CryptoProvider| {
            provider
                .kx_groups
                .iter()
                .map(|group| group.name())
                .collect::<Vec<_>>()
        };
        let (mut schemes, mut names) = (verifies(&usual), groups(&usual));
        if cfg!(feature = "aws-lc") {
            schemes.retain(|scheme| verifies(&ours).contains(scheme));
            names.retain(|group| groups(&ours).contains(group));
        } else {
            schemes.retain(|scheme| *scheme != SignatureScheme::ED25519);
        }
        assert_eq!((schemes, names), (verifies(&ours), groups(&ours)));
    }

    #[test]
    fn random_bytes_differ() {
        let mut bytes = [[0; 32]; 2];
        bytes
            .iter_mut()
            .for_each(|bytes| Random.fill(bytes).unwrap());
        assert!(bytes[0] != bytes[1] && bytes[0] != [0; 32]);
    }
}
