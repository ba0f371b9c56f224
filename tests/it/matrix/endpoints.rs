//! Endpoints that cannot be reached, and those that are not who they should be: nothing of a request goes there, the client is told
//! so, and with several accounts nobody notices.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as of_tls;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as of_tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::DEADLINE;
use crate::matrix::faults::{ANSWER, LAST_TEXT};
use crate::matrix::site::{Fleet, Site, said};

const LIMITS: &str = "retry_attempts = 1\nrequest_timeout = 600s\nconnect_timeout = 1s\n[CIRCUIT_BREAKER]\nmax_failures = 2";
const MAX_FAILURES: u64 = 2;
/// A label may have 63 letters: whoever looks such a name up is told so without a question to anybody.
const NO_NAME_LETTERS: usize = 64;

/// Hands every connection to `serve`, as long as the test runs. Returns its address.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// An endpoint of this kind never answers: one account's client is told, and of three one is soon out without a client's notice.
fn check(what: &str, endpoint: &str, status: u16, code: &str) {
    let site = Site::with_endpoint(Fleet::One, LIMITS, Some(endpoint), None);
    for stream in [false, true] {
        let (answer, _) = site.chat("grok", stream);
        answer.assert_error(status, Some(code));
        let line = site.proxy.line_of(&answer);
        assert!(
            line.contains(&format!(" attempts=2 status={status} ")),
            "{what} {line}"
        );
        assert_eq!(answer.header("opc-request-id"), None, "{what}");
        let told = answer.text();
        assert!(
            !told.contains("127.0.0.1") && !told.contains("invalid."),
            "{what} {told}"
        );
    }
    assert_eq!(site.standings()[0].failures, 4, "{what}");
    let site = Site::with_endpoint(Fleet::Three, LIMITS, Some(endpoint), None);
    let faulty = |site: &Site| site.standings().swap_remove(0);
    for number in 0.. {
        let (answer, _) = site.chat("grok", number % 2 == 0);
        assert_eq!(answer.status, 200, "{what} {}", answer.text());
        let now = faulty(&site);
        assert_eq!((now.id.as_str(), now.successes), ("a1", 0), "{what}");
        if now.failures == MAX_FAILURES {
            assert_eq!(now.state, "open", "{what}");
            break;
        }
        assert!(number < 3 * MAX_FAILURES, "{what} {now:?}");
    }
    for _ in 0..4 {
        let (answer, _) = site.chat("grok", false);
        assert!(
            site.proxy
                .line_of(&answer)
                .contains(" attempts=1 status=200 "),
            "{what}"
        );
    }
    assert_eq!(faulty(&site).failures, MAX_FAILURES, "{what}");
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_out_soon() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let no_name = "n".repeat(NO_NAME_LETTERS);
    thread::scope(|scope| {
        for (what, endpoint) in [
            ("refused", format!("http://{address}")),
            ("refused, TLS", format!("https://{address}")),
            ("no such name", format!("http://{no_name}.invalid")),
            ("no such name, TLS", format!("https://{no_name}.invalid")),
        ] {
            scope.spawn(move || check(what, &endpoint, 502, "upstream_unreachable"));
        }
    });
}

#[test]
fn an_endpoint_without_tls_where_tls_is_asked_for_gets_nothing() {
    let plain = |bytes: &'static [u8]| {
        listen(move |mut peer| {
            let mut some = [0; 4096];
            let read = peer.read(&mut some).unwrap_or(0);
            assert!(!some[..read].starts_with(b"POST"));
            let _ = peer.write_all(bytes);
            // Once the peer has gone, so that it is not a reset that it sees.
            while peer.read(&mut some).is_ok_and(|read| read > 0) {}
        })
    };
    let silent = plain(b"");
    let hello = plain(b"\x16\x03\x03\x00\x05hello");
    let http = plain(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let alert = plain(b"\x15\x03\x03\x00\x02\x02\x28");
    let closing = listen(drop);
    thread::scope(|scope| {
        for (what, address, status, code) in [
            ("plain HTTP", http, 502, "upstream_unreachable"),
            ("garbage", hello, 502, "upstream_unreachable"),
            ("an alert", alert, 502, "upstream_unreachable"),
            ("closed", closing, 502, "upstream_unreachable"),
            ("silence", silent, 504, "upstream_timeout"),
        ] {
            scope.spawn(move || check(what, &format!("https://{address}"), status, code));
        }
    });
}

/// A server of TLS with a certificate for 127.0.0.1, of an authority that only the tests know.
fn tls(asked: &Arc<AtomicUsize>) -> String {
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tls")
            .join(name)
    };
    let certificate = CertificateDer::from_pem_file(fixture("TEST-CERT-throwaway.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("TEST-KEY-throwaway.pem")).unwrap();
    let provider = Arc::new(of_tls::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, asked) = (Arc::new(config), Arc::clone(asked));
    listen(move |peer| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut peer = StreamOwned::new(connection, peer);
        let mut request = Vec::new();
        let mut some = [0; 4096];
        // The body is the request's JSON, on one line.
        while !request.ends_with(b"}") {
            match peer.read(&mut some) {
                Ok(read) if read > 0 => request.extend(&some[..read]),
                _ => return,
            }
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let length = ANSWER.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{ANSWER}");
        let _ = peer.write_all(answer.as_bytes());
        while peer.read(&mut some).is_ok_and(|read| read > 0) {}
    })
}

#[test]
fn a_certificate_is_believed_only_from_an_authority_and_for_the_name_in_the_endpoint() {
    let asked = Arc::default();
    let address = tls(&asked);
    let endpoint = format!("https://{address}");
    check(
        "a certificate of nobody",
        &endpoint,
        502,
        "upstream_unreachable",
    );
    let authority =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/TEST-CA-throwaway.pem");
    let trusting = |endpoint: &str| {
        let site = Site::with_endpoint(Fleet::One, LIMITS, Some(endpoint), Some(&authority));
        let (answer, _) = site.chat("grok", false);
        (site, answer)
    };
    let (site, answer) = trusting(&endpoint.replace("127.0.0.1", "localhost"));
    answer.assert_error(502, Some("upstream_unreachable"));
    site.proxy.wait_for_log("certificate");
    assert_eq!(
        asked.load(Ordering::SeqCst),
        0,
        "a request went to whom nobody vouches for"
    );
    let (_, answer) = trusting(&endpoint);
    assert_eq!((answer.status, said(&answer).as_str()), (200, LAST_TEXT));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
