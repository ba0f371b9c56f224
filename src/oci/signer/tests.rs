//! Each vector of the official signer and of Oracle's documentation, byte for byte: PKCS#1 v1.5 is deterministic.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::path::PathBuf;

use rsa::RsaPrivateKey;
use rsa::pkcs1::{
    self,
    der::{Decode as _, Encode as _},
};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use serde_json::Value;

use super::*;
use crate::names::Secret;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn vectors(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture("signing").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::load(&fixture(name), None).unwrap()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    match &vector[field] {
        Value::String(text) => text,
        other => panic!("{field} is {other}"),
    }
}

/// `scheme://authority/path?query` to authority and target.
fn parts_of(url: &str) -> (&str, &str) {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

fn request_of(vector: &Value) -> Request<'_> {
    let (host, target) = parts_of(text(vector, "url"));
    Request {
        method: text(vector, "method"),
        target,
        host: Some(host),
        body: vector
            .get("body_utf8")
            .and_then(Value::as_str)
            .map(|body| Body {
                content_type: text(vector, "content_type"),
                bytes: body.as_bytes(),
            }),
    }
}

/// The parameters of an `Authorization` value, sorted: their order has no meaning.
fn parameters(authorization: &str) -> Vec<&str> {
    let list = authorization.strip_prefix("Signature ").unwrap();
    let mut parameters: Vec<&str> = list.split(',').collect();
    parameters.sort_unstable();
    parameters
}

fn check(signer: &Signer, vector: &Value, signed: &Signed) {
    let name = text(vector, "name");
    let request = request_of(vector);
    assert_eq!(signed.date, text(vector, "date"), "{name}");
    let hash = vector.get("x_content_sha256").and_then(Value::as_str);
    assert_eq!(signed.content_sha256.as_deref(), hash, "{name}");
    let string = signing_string(&request, &signed.date, hash);
    assert_eq!(string, text(vector, "signing_string"), "{name}");
    let signature = signer.engine.sign(string.as_bytes()).unwrap();
    assert_eq!(
        BASE64.encode(signature),
        text(vector, "signature_base64"),
        "{name}"
    );
    assert_eq!(
        parameters(&signed.authorization),
        parameters(text(vector, "authorization")),
        "{name}"
    );
}

#[test]
fn the_official_signers_vectors() {
    let file = vectors("vectors-sdk-generated.json");
    let cases = file["vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    for vector in cases {
        let key = key("signing/TEST-KEY-throwaway-pkcs1.pem");
        let signer = Signer::new(key, text(vector, "key_id").to_owned()).unwrap();
        assert!(matches!(signer.engine, Engine::Fast(_)));
        let date = httpdate::parse_http_date(text(vector, "date")).unwrap();
        check(&signer, vector, &signer.sign(&request_of(vector), date));
    }
}

/// The query is part of what is signed, and a key's pass phrase is used. Source: reference §10.3.
#[test]
fn mistake_10_the_query_is_signed_and_pass_phrases_are_used() {
    let phrase = Secret::new("test-pass-phrase");
    let path = fixture("signing/TEST-KEY-throwaway-pkcs8-encrypted.pem");
    let key = PrivateKey::load(&path, Some(&phrase)).unwrap();
    let signer = Signer::new(key, "id".to_owned()).unwrap();
    let sign = |target: &str| {
        let request = Request {
            method: "GET",
            target,
            host: Some("h"),
            body: None,
        };
        signer.sign(&request, SystemTime::UNIX_EPOCH).authorization
    };
    assert_ne!(sign("/20231130/models"), sign("/20231130/models?limit=1"));
    assert_ne!(
        sign("/20231130/models?limit=2"),
        sign("/20231130/models?limit=1")
    );
}

#[test]
fn oracles_published_vectors() {
    let file = vectors("vectors-oracle-published.json");
    let key_id = key_id(
        text(&file, "tenancy"),
        text(&file, "user"),
        text(&file, "fingerprint"),
    );
    let key = key("signing/PUBLISHED-SAMPLE-KEY-oracle-docs-rsa1024.pem");
    let signer = Signer::new(key, key_id).unwrap();
    assert!(matches!(signer.engine, Engine::Blinded(_)));
    for vector in file["vectors"].as_array().unwrap() {
        // The sample calls a Sunday a Thursday, so that its date cannot come from a clock.
        let date = text(vector, "date").to_owned();
        check(
            &signer,
            vector,
            &signer.sign_dated(&request_of(vector), date),
        );
    }
}

#[test]
fn both_engines_make_the_same_signature() {
    let fast = Engine::new(key("signing/TEST-KEY-throwaway-pkcs8.pem")).unwrap();
    let rsa = key("signing/TEST-KEY-throwaway-pkcs8.pem").into_rsa();
    let blinded = Engine::Blinded(Box::new(SigningKey::new(rsa)));
    assert_eq!(
        fast.sign(b"message").unwrap(),
        blinded.sign(b"message").unwrap()
    );
}

#[test]
fn keys_of_other_sizes_and_exponents_sign_too() {
    for (name, is_fast) in [
        ("keys/TEST-KEY-throwaway-rsa4096.pem", true),
        (
            "keys/TEST-KEY-throwaway-rsa5120.pem",
            cfg!(feature = "aws-lc"),
        ),
        (
            "keys/TEST-KEY-throwaway-rsa2048-e3.pem",
            cfg!(feature = "aws-lc"),
        ),
        (
            "signing/PUBLISHED-SAMPLE-KEY-oracle-docs-rsa1024.pem",
            false,
        ),
    ] {
        let public = RsaPrivateKey::to_public_key(&key(name).into_rsa());
        let engine = Engine::new(key(name)).unwrap();
        assert_eq!(matches!(engine, Engine::Fast(_)), is_fast, "{name}");
        let signature = engine.sign(b"message").unwrap();
        let signature = Signature::try_from(signature.as_slice()).unwrap();
        let verifying = VerifyingKey::<Sha256>::new(public);
        verifying.verify(b"message", &signature).unwrap();
    }
}

/// What a signature can do without, the rsa crate does not read: such a key signs as before.
#[test]
fn a_key_whose_remainders_do_not_fit_signs_too() {
    let whole = key("signing/TEST-KEY-throwaway-pkcs1.pem");
    let mut parts = pkcs1::RsaPrivateKey::from_der(whole.pkcs1_der()).unwrap();
    std::mem::swap(&mut parts.exponent1, &mut parts.exponent2);
    let armour = "RSA PRIVATE KEY";
    let base64 = BASE64.encode(parts.to_der().unwrap());
    let pem = format!("-----BEGIN {armour}-----\n{base64}\n-----END {armour}-----\n");
    let engine = Engine::new(PrivateKey::parse(&pem, None).unwrap()).unwrap();
    assert!(matches!(engine, Engine::Blinded(_)));
    let whole = Engine::new(whole).unwrap();
    assert!(matches!(whole, Engine::Fast(_)));
    assert_eq!(
        engine.sign(b"message").unwrap(),
        whole.sign(b"message").unwrap()
    );
}

#[test]
fn a_clock_far_off_does_not_panic() {
    let key = key("signing/TEST-KEY-throwaway-pkcs1.pem");
    let signer = Signer::new(key, "t/u/f".to_owned()).unwrap();
    let request = Request {
        method: "GET",
        target: "/",
        host: Some("h"),
        body: None,
    };
    let before = UNIX_EPOCH - Duration::from_secs(1);
    let after = UNIX_EPOCH + LAST_DATE + Duration::from_secs(1);
    assert_eq!(
        signer.sign(&request, before).date,
        "Thu, 01 Jan 1970 00:00:00 GMT"
    );
    assert_eq!(
        signer.sign(&request, after).date,
        "Fri, 31 Dec 9999 23:59:59 GMT"
    );
}

#[test]
fn debug_shows_nothing() {
    let key = key("signing/TEST-KEY-throwaway-pkcs1.pem");
    assert_eq!(format!("{key:?}"), "PrivateKey(2048 bits, ***)");
    let signer = Signer::new(key, "t/u/f".to_owned()).unwrap();
    assert_eq!(format!("{signer:?}"), "Signer(***)");
}

/// The order that the federation service is sent by OCI's own clients.
#[test]
fn the_federation_service_gets_no_signed_host() {
    let request = Request {
        method: "POST",
        target: "/v1/x509",
        host: None,
        body: Some(Body {
            content_type: "application/json",
            bytes: b"{}",
        }),
    };
    let text = signing_string(&request, "D", Some("H"));
    assert_eq!(
        text,
        "date: D\n(request-target): post /v1/x509\ncontent-length: 2\ncontent-type: application/json\nx-content-sha256: H"
    );
}
