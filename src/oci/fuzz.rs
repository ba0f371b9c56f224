//! What comes from upstream first, and what goes there last, attacked: event streams and signatures.
#![expect(clippy::unwrap_used, reason = "a broken promise ends the test")]

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};

use super::keys::PrivateKey;
use super::signer::{Body, Request, Signed, Signer, key_id};
use super::sse::{DecodeError, Decoder};
use crate::fuzz::{Form, Random, Target, fixtures, texts};

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Option<DecodeError>) {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        // The reader takes what is there before it reads on.
        while let Ok(Some(event)) = decoder.next() {
            events.push(event);
        }
    }
    decoder.finish();
    loop {
        match decoder.next() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// The plainest decoder there is.
fn decode_plainly(bytes: &[u8]) -> (Vec<String>, Option<DecodeError>) {
    let mut events = Vec::new();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(payload) = line.strip_prefix(b"data:") else {
            continue;
        };
        match std::str::from_utf8(payload.strip_prefix(b" ").unwrap_or(payload)) {
            Ok(text) if text.trim_ascii().is_empty() => {}
            Ok(text) => events.push(text.to_owned()),
            Err(_) => return (events, Some(DecodeError::NotUtf8)),
        }
    }
    (events, None)
}

/// A stream as a well-meaning server writes it, however it parts its events.
fn written(events: &[String], random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for event in events {
        let end = random.pick(&[
            "\n",
            "\n\n",
            "\r\n",
            "\r\n\r\n",
            "\n: ping\n\n",
            "\nid: 7\n\ndata:\n\n",
        ]);
        let begin = random.pick(&["data: ", "data:", "event: message\ndata: "]);
        stream.extend_from_slice(format!("{begin}{event}{end}").as_bytes());
    }
    stream
}

#[test]
fn event_streams() {
    let corpus = fixtures("stream");
    let target = Target {
        name: "oci::fuzz::event_streams",
        executions: 3000,
        form: Form::Events,
        corpus: &corpus,
        words: &[
            "data: ",
            "data:",
            "\n\n",
            "\r\n",
            "event: x\n",
            ": ping\n",
            "[DONE]",
            "\u{feff}",
            "id: ",
        ],
    };
    target.run(|bytes, random| {
        let whole = decode([bytes]);
        assert_eq!(decode(random.pieces(bytes)), whole, "in pieces");
        assert_eq!(decode(bytes.chunks(1)), whole, "byte by byte");
        assert_eq!(decode_plainly(bytes), whole, "read plainly");
        assert!(whole.0.iter().map(String::len).sum::<usize>() <= bytes.len());
        // A byte order mark may be what the first event begins with, which only a server without manners would write.
        let events: Vec<String> = whole
            .0
            .iter()
            .map(|event| event.trim().to_owned())
            .collect();
        let events: Vec<String> = events
            .into_iter()
            .filter(|event| !event.is_empty())
            .collect();
        let stream = written(&events, random);
        assert_eq!(
            decode(random.pieces(&stream)),
            (events, None),
            "written and read back"
        );
        whole.1.is_none() && !whole.0.is_empty()
    });
}

/// What the header says was signed, put together again from the request and the other headers.
fn signed_text(request: &Request<'_>, signed: &Signed, names: &str) -> String {
    let lines = names.split(' ').map(|name| {
        let body = request.body;
        let value = match name {
            "date" => signed.date.clone(),
            "(request-target)" => format!("{} {}", request.method.to_lowercase(), request.target),
            "host" => request.host.unwrap_or_default().to_owned(),
            "content-length" => body.unwrap().bytes.len().to_string(),
            "content-type" => body.unwrap().content_type.to_owned(),
            "x-content-sha256" => signed.content_sha256.clone().unwrap(),
            other => unreachable!("{other} is signed"),
        };
        format!("{name}: {value}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The value of `name="…"` in the header.
fn parameter<'a>(header: &'a str, name: &str) -> &'a str {
    let (_, rest) = header.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap()
}

#[test]
fn signatures() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/signing/TEST-KEY-throwaway-pkcs8.pem");
    let key = PrivateKey::load(&path, None).unwrap();
    let public = PrivateKey::load(&path, None)
        .unwrap()
        .into_rsa()
        .to_public_key();
    assert!(public.size() >= 256);
    let verifying = VerifyingKey::<Sha256>::new(public);
    let id = key_id("ocid1.tenancy.oc1..t", "ocid1.user.oc1..u", "aa:bb");
    let signer = Signer::new(key, id.clone()).unwrap();
    let mut corpus = fixtures("chat");
    corpus.extend(texts(&[
        "/20231130/actions/chat",
        "/20231130/models?compartmentId=ocid1.c&limit=1",
        "",
    ]));
    let target = Target {
        name: "oci::fuzz::signatures",
        executions: 400,
        form: Form::Lines,
        corpus: &corpus,
        words: &["(request-target)", "\nhost: evil", "%0a", "?", "\""],
    };
    target.run(|bytes, random| {
        // A target is percent-encoded by whoever makes it.
        let graphic: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(u8::is_ascii_graphic)
            .take(300)
            .collect();
        let text = format!("/{}", String::from_utf8(graphic).unwrap());
        let has_body = random.one_in(2);
        let request = Request {
            method: if has_body { "POST" } else { "GET" },
            target: &text,
            host: random.pick(&[
                Some("inference.generativeai.us-chicago-1.oci.oraclecloud.com"),
                Some("127.0.0.1:8443"),
                Some("[::1]"),
            ]),
            body: has_body.then_some(Body {
                content_type: "application/json",
                bytes,
            }),
        };
        let seconds = random.bits() >> random.below(64);
        let date = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let signed = signer.sign(&request, date.unwrap_or(SystemTime::UNIX_EPOCH));
        let header = &signed.authorization;
        for sent in [
            header,
            &signed.date,
            signed.content_sha256.as_ref().unwrap_or(header),
        ] {
            assert!(
                sent.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{sent:?}"
            );
        }
        assert_eq!(
            httpdate::parse_http_date(&signed.date)
                .map(httpdate::fmt_http_date)
                .unwrap(),
            signed.date
        );
        assert_eq!(parameter(header, "keyId"), id);
        assert_eq!(parameter(header, "algorithm"), "rsa-sha256");
        let digest = has_body.then(|| BASE64.encode(Sha256::digest(bytes)));
        assert_eq!(signed.content_sha256, digest);
        let names = parameter(header, "headers");
        assert_eq!(names.contains("x-content-sha256"), has_body);
        let signature = BASE64.decode(parameter(header, "signature")).unwrap();
        let signature = Signature::try_from(&signature[..]).unwrap();
        let told = signed_text(&request, &signed, names);
        verifying.verify(told.as_bytes(), &signature).unwrap();
        true
    });
}
