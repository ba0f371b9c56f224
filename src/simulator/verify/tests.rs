//! The check of signatures against vectors of the official signer and of Oracle's documentation, and one broken thing
//! at a time.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, SystemTime};

use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/fixtures/signing/vectors-sdk-generated.json");
const PUBLISHED: &str =
    include_str!("../../../tests/fixtures/signing/vectors-oracle-published.json");
const KEY: &str = include_str!("../../../tests/fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const PUBLISHED_KEY: &str =
    include_str!("../../../tests/fixtures/signing/PUBLISHED-SAMPLE-KEY-oracle-docs-rsa1024.pem");

struct Vector {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    now: SystemTime,
}

impl Vector {
    fn read(vector: &Value) -> Self {
        let text = |name: &str| Some(vector.get(name)?.as_str()?.to_owned());
        let url = text("url").unwrap();
        let (host, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
        let date = text("date").unwrap();
        let mut headers = vec![("host".to_owned(), host.to_owned())];
        for name in [
            "date",
            "content_length",
            "content_type",
            "x_content_sha256",
            "authorization",
        ] {
            if let Some(value) = text(name) {
                headers.push((name.replace('_', "-"), value));
            }
        }
        Self {
            method: text("method").unwrap(),
            target: format!("/{path}"),
            headers,
            body: text("body_utf8").unwrap_or_default().into_bytes(),
            now: httpdate::parse_http_date(&date).unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    fn named(name: &str) -> Self {
        let all: Value = serde_json::from_str(VECTORS).unwrap();
        let vectors = all.get("vectors").unwrap().as_array().unwrap();
        let found = vectors
            .iter()
            .find(|vector| vector.get("name").unwrap() == name);
        Self::read(found.unwrap())
    }

    fn check(&self, keyring: &Keyring) -> Finding {
        let signed = Signed {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
        };
        keyring.check(&signed, self.now)
    }

    fn header(&mut self, name: &str) -> &mut String {
        let mut headers = self.headers.iter_mut();
        &mut headers.find(|(known, _)| known == name).unwrap().1
    }

    /// Signs anew, with these names: a wrong request with a right signature.
    fn sign(&mut self, names: &str) {
        let key_id = key_id_of(self.header("authorization"));
        let request = Signed {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
        };
        let text = signing_string(&request, &names.split(' ').collect::<Vec<_>>()).unwrap();
        let key = SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs1_pem(KEY).unwrap());
        let signature = STANDARD.encode(key.sign(text.as_bytes()).to_bytes());
        *self.header("authorization") = format!(
            "Signature version=\"1\",keyId=\"{key_id}\",algorithm=\"rsa-sha256\",headers=\"{names}\",\
             signature=\"{signature}\""
        );
    }
}

fn key_id_of(authorization: &str) -> String {
    Authorization::parse(authorization)
        .unwrap()
        .key_id
        .to_owned()
}

/// A ring that knows the key under every `keyId` that the vectors use.
fn keyring(vectors: &str, pem: &str) -> Keyring {
    let key = RsaPrivateKey::from_pkcs1_pem(pem).unwrap().to_public_key();
    let mut keyring = Keyring::new();
    let all: Value = serde_json::from_str(vectors).unwrap();
    for vector in all.get("vectors").unwrap().as_array().unwrap() {
        let key_id = key_id_of(vector.get("authorization").unwrap().as_str().unwrap());
        keyring.add(key_id, "a".to_owned(), key.clone());
    }
    keyring
}

fn vectors(text: &str) -> Vec<Vector> {
    let all: Value = serde_json::from_str(text).unwrap();
    all.get("vectors")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(Vector::read)
        .collect()
}

#[test]
fn the_vectors_of_the_official_signer_are_good() {
    let keyring = keyring(VECTORS, KEY);
    let good = Finding {
        account: Some("a".to_owned()),
        verdict: Ok(()),
    };
    for vector in vectors(VECTORS) {
        assert_eq!(
            vector.check(&keyring),
            good,
            "{} {}",
            vector.method,
            vector.target
        );
    }
}

/// Their date has the wrong day of the week, which no clock yields: the signature is checked without it.
#[test]
fn the_vectors_of_the_documentation_match() {
    let keyring = keyring(PUBLISHED, PUBLISHED_KEY);
    for mut vector in vectors(PUBLISHED) {
        assert!(
            vector
                .check(&keyring)
                .verdict
                .unwrap_err()
                .contains("is not a date")
        );
        let header = vector.header("authorization").clone();
        let authorization = Authorization::parse(&header).unwrap();
        let names = authorization.names(&vector.method, true).unwrap();
        let Vector {
            method,
            target,
            headers,
            body,
            ..
        } = &vector;
        let request = Signed {
            method,
            target,
            headers,
            body,
        };
        let entry = keyring.0.first().unwrap();
        assert_eq!(
            entry.check_signature(&request, &authorization, &names),
            Ok(())
        );
    }
}

fn check(change: impl FnOnce(&mut Vector), expected: &str) {
    let mut vector = Vector::named("post-chat-stream");
    change(&mut vector);
    let why = vector.check(&keyring(VECTORS, KEY)).verdict.unwrap_err();
    assert!(why.contains(expected), "expected {expected:?}, got {why:?}");
}

fn edit(vector: &mut Vector, name: &str, from: &str, to: &str) {
    let value = vector.header(name);
    assert!(value.contains(from), "{value}");
    *value = value.replace(from, to);
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    check(|vector| vector.body.push(b' '), "for a body of");
    check(
        |vector| *vector.body.first_mut().unwrap() = b'[',
        "x-content-sha256 is not",
    );
    check(|vector| vector.target.push_str("?a=b"), "does not match");
    check(|vector| vector.method = "PUT".to_owned(), "does not match");
    check(
        |vector| vector.header("host").push_str(":443"),
        "does not match",
    );
    check(
        |vector| vector.header("content-type").push_str("; charset=utf-8"),
        "does not match",
    );
    check(
        |vector| edit(vector, "date", "21:31:40", "21:31:41"),
        "does not match",
    );
}

#[test]
fn a_date_more_than_five_minutes_off_is_refused() {
    let five_minutes = Duration::from_secs(300);
    let second = Duration::from_secs(1);
    let at = |now: fn(SystemTime, Duration) -> SystemTime, by: Duration| {
        let mut vector = Vector::named("post-chat-stream");
        vector.now = now(vector.now, by);
        vector.check(&keyring(VECTORS, KEY)).verdict
    };
    let (later, sooner) = (|now, by| now + by, |now, by| now - by);
    assert_eq!(at(later, five_minutes), Ok(()));
    assert_eq!(at(sooner, five_minutes), Ok(()));
    assert!(
        at(later, five_minutes + second)
            .unwrap_err()
            .contains("301 s off")
    );
    assert!(
        at(sooner, five_minutes + second)
            .unwrap_err()
            .contains("301 s off")
    );
}

#[test]
fn a_header_that_is_not_signed_is_refused() {
    let names = [
        "date",
        "(request-target)",
        "host",
        "content-length",
        "content-type",
    ];
    let mut all = names.to_vec();
    all.push("x-content-sha256");
    for left_out in &all {
        let signed: Vec<_> = all
            .iter()
            .filter(|name| *name != left_out)
            .copied()
            .collect();
        let expected = format!("{left_out} is not signed");
        check(|vector| vector.sign(&signed.join(" ")), &expected);
    }
}

#[test]
fn any_order_of_names_and_further_names_are_good() {
    let mut vector = Vector::named("post-chat-stream");
    vector.headers.push(("accept".to_owned(), "*/*".to_owned()));
    vector.sign("accept x-content-sha256 content-type content-length host (request-target) date");
    assert_eq!(vector.check(&keyring(VECTORS, KEY)).verdict, Ok(()));
}

#[test]
fn an_unusual_authorization_is_refused() {
    let name = "authorization";
    check(
        |vector| edit(vector, name, "version=\"1\"", "version=\"2\""),
        "must be 1",
    );
    check(
        |vector| edit(vector, name, "rsa-sha256", "hmac-sha256"),
        "must be 1 and",
    );
    check(
        |vector| edit(vector, name, "keyId=\"ocid1", "keyId=\"ocid2"),
        "unknown keyId",
    );
    check(
        |vector| edit(vector, name, "Signature ", "Bearer "),
        "scheme",
    );
    check(
        |vector| edit(vector, name, "headers=\"date", "headers=\"Date"),
        "lower case",
    );
    check(
        |vector| edit(vector, name, "headers=\"date", "headers=\"date host"),
        "host twice",
    );
    check(
        |vector| edit(vector, name, "version=\"1\"", "version=\"1\",version=\"1\""),
        "twice",
    );
    check(
        |vector| edit(vector, name, ",version=\"1\"", ""),
        "must have all",
    );
    check(
        |vector| edit(vector, name, "version=\"1\"", "x=\"1\""),
        "unknown parameter",
    );
    check(
        |vector| vector.headers.retain(|(known, _)| known != "date"),
        "date is missing",
    );
    check(
        |vector| vector.headers.retain(|(known, _)| known != name),
        "authorization is missing",
    );
    check(
        |vector| vector.headers.push(("host".to_owned(), "x".to_owned())),
        "host is there twice",
    );
}

#[test]
fn another_key_is_refused_and_the_account_is_still_named() {
    let mut keyring = Keyring::new();
    let mut vector = Vector::named("get-no-query");
    let key = RsaPrivateKey::from_pkcs1_pem(PUBLISHED_KEY)
        .unwrap()
        .to_public_key();
    keyring.add(
        key_id_of(vector.header("authorization")),
        "b".to_owned(),
        key,
    );
    let finding = vector.check(&keyring);
    assert_eq!(finding.account.as_deref(), Some("b"));
    assert!(finding.verdict.is_err());
}
